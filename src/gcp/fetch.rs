//! Fetching: every metric type that is due is asked for, all pages, and the results become the job's next snapshot. A type
//! that fails leaves the others alone: its series stay as they were, or go, as the job wants it. Points of DELTA metrics go
//! into the totals first; a window moves on only when all of its pages have come.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::{StreamExt, stream};
use hashbrown::{HashMap, HashSet};
use tokio::time::Instant;

use crate::gcp::api::{Api, Descriptor};
use crate::gcp::ask::{self, Answer, Question};
use crate::gcp::convert::{self, Converter, Shown};
use crate::gcp::deltas::{Collection, Totals};
use crate::gcp::discover::InventoryReceiver;
use crate::gcp::inventory::Inventory;
use crate::gcp::job::{Interval, Job};
use crate::gcp::plan;
use crate::gcp::shown::{Assembly, Held};
use crate::model::{Kind, Now, Snapshot, Text, Timestamp};
use crate::seam::{Failure, Keeper, Outcome, Progress, Reason, Source};

/// Metric types of one job and project that wait for their answers at the same time; the gate decides about the calls of all
/// jobs.
const TYPES_IN_FLIGHT: usize = 64;
/// What has come is shown after this time, whatever is still missing.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(5);
/// Totals of metric types that are listed no more are kept this long: a listing may come back.
const FORGET_AFTER: Duration = Duration::from_secs(7 * 24 * 3600);

/// The fetch of one job in one project.
pub struct Fetch {
    job: Arc<Job>,
    project: Text,
    api: Arc<dyn Api>,
    inventories: InventoryReceiver,
    keeper: Option<Arc<dyn Keeper>>,
    /// `None` until the kept ones were looked for.
    totals: Option<Totals>,
    types: HashMap<Text, TypeState>,
    assembly: Assembly,
}

/// What is known about a metric type.
#[derive(Default)]
pub(super) struct TypeState {
    /// When it was asked last (wall clock), and answered.
    asked: Option<Timestamp>,
    /// What it shows.
    pub(super) held: Vec<Held>,
}

/// What came of a collection so far.
#[derive(Default)]
struct Progressing {
    outcome: Outcome,
    changed_totals: bool,
}

impl Fetch {
    /// `keeper`: where the totals of DELTA metrics outlive the process; without one a restart starts them anew.
    pub fn new(
        job: Arc<Job>,
        project: Text,
        api: Arc<dyn Api>,
        inventories: InventoryReceiver,
        keeper: Option<Arc<dyn Keeper>>,
    ) -> Self {
        let assembly = Assembly::new(shown_for(&job));
        Self { job, project, api, inventories, keeper, totals: None, types: HashMap::new(), assembly }
    }

    async fn run(&mut self, now: Now, progress: Progress<'_>) -> Outcome {
        let started = Instant::now();
        self.restore();
        let inventory = self.inventories.borrow_and_update().clone().unwrap_or_default();
        let mut so_far = Progressing::default();
        let questions = self.questions(&inventory, now.wall, &mut so_far.outcome);
        let (job, api) = (Arc::clone(&self.job), Arc::clone(&self.api));
        let asked: Vec<_> = questions.into_iter().map(|q| ask::ask(&job, &*api, q)).collect();
        let mut running = stream::iter(asked).buffer_unordered(TYPES_IN_FLIGHT);
        let (mut news, mut shown) = (false, Instant::now());
        let clock = |now: Now| Now { wall: now.wall, steady: now.steady.plus(started.elapsed()) };
        loop {
            match tokio::time::timeout_at(shown + PROGRESS_INTERVAL, running.next()).await {
                Ok(None) => break,
                Ok(Some((question, answer))) => {
                    news = true;
                    self.take(&question, answer, clock(now), &mut so_far);
                }
                Err(_) => {
                    if std::mem::take(&mut news) {
                        self.keep(&mut so_far);
                        let snapshot = self.assemble(&inventory, clock(now));
                        let calls = std::mem::take(&mut so_far.outcome.calls);
                        progress(Outcome { snapshot: Some(snapshot), calls, ..Outcome::default() });
                    }
                    shown = Instant::now();
                }
            }
        }
        drop(running);
        self.forget(&inventory, now.wall);
        self.keep(&mut so_far);
        so_far.outcome.snapshot = Some(self.assemble(&inventory, clock(now)));
        so_far.outcome.next_due = self.next_due(&inventory, now.wall);
        so_far.outcome
    }

    /// What is due, each with its window.
    fn questions(&mut self, inventory: &Inventory, now: Timestamp, outcome: &mut Outcome) -> Vec<Question> {
        let mut questions = Vec::new();
        let totals = self.totals.get_or_insert_default();
        for descriptor in &inventory.descriptors {
            let state = self.types.entry(Text::clone(&descriptor.name)).or_default();
            if !plan::is_due(self.job.timing.interval, descriptor, state.asked, now) {
                continue;
            }
            match plan::span(&self.job, descriptor, totals.watermark(&descriptor.name), now) {
                Ok(span) => {
                    if self.job.deltas.aggregate {
                        totals.of(&descriptor.name).begin(span.end);
                    }
                    let (project, descriptor) = (Text::clone(&self.project), Arc::clone(descriptor));
                    questions.push(Question { project, descriptor, span });
                }
                Err(bad) => {
                    let doing = doing(descriptor, &self.project);
                    outcome.failures.push(Failure { reason: Reason::BadAnswer, doing, message: bad.to_string() });
                    if !self.job.holds() {
                        state.held.clear();
                    }
                }
            }
        }
        questions
    }

    /// When the first metric type has something new; a failed one is asked again at the worker's own pace.
    fn next_due(&self, inventory: &Inventory, now: Timestamp) -> Option<Timestamp> {
        let interval = self.job.timing.interval;
        let due = |d: &Arc<Descriptor>| plan::next_due(interval, d, self.types.get(&d.name)?.asked?);
        let all: Option<Vec<Timestamp>> = inventory.descriptors.iter().map(due).collect();
        all?.into_iter().min().map(|due| due.max(now))
    }

    /// Takes the answer about a metric type.
    fn take(&mut self, question: &Question, answer: Answer, now: Now, so_far: &mut Progressing) {
        let Question { descriptor, span, .. } = question;
        so_far.outcome.calls.extend(answer.calls);
        so_far.outcome.unshown.add(&answer.left_out);
        let whole = answer.failure.is_none() && answer.complete;
        so_far.outcome.failures.extend(answer.failure);
        let mut shown = answer.shown;
        if self.job.deltas.aggregate && (answer.pages > 0) {
            let totals = self.totals.get_or_insert_default().of(&descriptor.name);
            let collection = Collection { now: now.wall, end: span.end, lateness: span.lateness };
            for delta in answer.deltas {
                // What a document has already is not written again: windows overlap, so most answers bring nothing new.
                so_far.changed_totals |= totals.add(delta, self.job.deltas, collection);
            }
            if whole {
                totals.settle(collection);
            }
            let counters = self.counters(descriptor, now.wall);
            let is_mixed = !counters.is_empty();
            shown.extend(counters);
            // Counters belong to every page, so all of them are one.
            if is_mixed && self.job.fill_missing_labels {
                convert::fill(&mut shown);
            }
        }
        let Some(state) = self.types.get_mut(&descriptor.name) else { return };
        if whole {
            state.asked = Some(now.wall);
        }
        if !whole && self.job.holds() {
            // What came replaces what it names; the rest stays until it is stale.
            forget_named(&mut state.held, &shown);
        } else {
            state.held.clear();
        }
        state.held.extend(shown.into_iter().map(|shown| Held { shown, confirmed: now.steady }));
    }

    /// The counters of a metric type, as they are shown.
    fn counters(&mut self, descriptor: &Descriptor, now: Timestamp) -> Vec<Shown> {
        let converter = Converter::new(&self.job, &self.project, descriptor);
        let counters = self.totals.get_or_insert_default().of(&descriptor.name).show(self.job.deltas, now);
        counters.into_iter().map(|c| converter.counter(c)).collect()
    }

    /// What is not listed any more is not shown any more.
    fn forget(&mut self, inventory: &Inventory, now: Timestamp) {
        let listed: HashSet<&Text> = inventory.descriptors.iter().map(|d| &d.name).collect();
        self.types.retain(|name, _| listed.contains(name));
        self.totals.get_or_insert_default().forget(&listed, now.minus(FORGET_AFTER));
    }

    fn assemble(&mut self, inventory: &Inventory, now: Now) -> Snapshot {
        let interval = self.job.timing.interval;
        let types = inventory.descriptors.iter().filter_map(|descriptor| {
            let state = self.types.get(&descriptor.name)?;
            // What is not due is as good as new.
            let current = matches!(interval, Interval::Auto { .. })
                && state.asked.is_some()
                && !plan::is_due(interval, descriptor, state.asked, now.wall);
            Some((&**descriptor, &state.held[..], current.then_some(now.steady)))
        });
        let types: Vec<_> = types.collect();
        let mut snapshot = self.assembly.snapshot(&types);
        snapshot.drop_stale(now.steady);
        snapshot
    }

    /// Looks for kept totals, once.
    fn restore(&mut self) {
        if self.totals.is_some() {
            return;
        }
        let kept = self.keeper.as_ref().and_then(|keeper| keeper.load());
        let totals = kept.map(|bytes| Totals::from_bytes(&bytes)).transpose().unwrap_or_else(|error| {
            tracing::warn!(job = %self.job.name, project = %self.project, %error, "counters of DELTA metrics start anew");
            None
        });
        self.totals = Some(totals.unwrap_or_default());
    }

    /// Keeps the totals before they are shown: what was shown must not be lost.
    fn keep(&mut self, so_far: &mut Progressing) {
        if let (true, Some(keeper), Some(totals)) =
            (std::mem::take(&mut so_far.changed_totals), &self.keeper, &self.totals)
        {
            keeper.keep(&|| totals.to_bytes());
        }
    }
}

impl Source for Fetch {
    fn ready(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            if self.inventories.wait_for(Option::is_some).await.is_err() {
                // The discovery is gone, so there will never be anything to fetch; the worker is being stopped too.
                std::future::pending::<()>().await;
            }
        })
    }

    fn collect<'a>(&'a mut self, now: Now, progress: Progress<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(self.run(now, progress))
    }
}

/// For failures: what was tried, on what.
pub(super) fn doing(descriptor: &Descriptor, project: &Text) -> String {
    format!("list the time series of {} in {project}", descriptor.metric_type)
}

/// Values of a job without holding disappear with the first failure; should a collection hang, they go as if held.
fn shown_for(job: &Job) -> Duration {
    if job.holds() { job.timing.stale_after } else { job.timing.interval.tick() * 3 }
}

/// Lets those go that are named by what came. Labels that were only filled in name nothing: part of an answer may lack them.
fn forget_named(held: &mut Vec<Held>, came: &[Shown]) {
    fn name(s: &Shown) -> (&Text, bool, Vec<(&Text, &Text)>) {
        (&s.name, s.kind == Kind::Histogram, s.labels.iter().filter(|(_, value)| !value.is_empty()).collect())
    }
    let names: HashSet<_> = came.iter().map(name).collect();
    held.retain(|h| !names.contains(&name(&h.shown)));
}

#[cfg(test)]
mod tests;
