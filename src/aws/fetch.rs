//! Fetching: the batches of a plan are asked for, all pages of them, and the results become the job's next snapshot. A batch
//! that fails leaves its series as they were and takes no other with it: while it hangs, the others are shown already.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::{StreamExt, stream};
use hashbrown::HashMap;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::aws::api::{Api, Resource};
use crate::aws::batch::{self, Answer, Incomplete, QueryResult, Window};
use crate::aws::convert;
use crate::aws::enhanced::{self, Described, Kept};
use crate::aws::inventory::Inventory;
use crate::aws::job::{Dimension, Job, JobKind, Naming};
use crate::aws::oracle::{Idle, IdleReceiver};
use crate::aws::plan::{self, Batch, Plan};
use crate::aws::statics;
use crate::model::{Cell, Now, Snapshot, Text, Timestamp};
use crate::seam::{Call, Failure, Outcome, Progress, Reason, Source};

mod memory;
mod paced;

pub use memory::Memory;
pub(super) use paced::Paced;
use paced::{Chosen, Spared};

/// Batches of one job that wait for their answers at the same time; the gate decides about the calls of all jobs.
const BATCHES_IN_FLIGHT: usize = 8;
/// What has come is shown after this time, whatever is still missing.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(5);
/// All enhanced metrics of a job must be there by then: longer than one call may hang, so that it takes no other with it.
const ENHANCED_PATIENCE: Duration = Duration::from_secs(180);

/// The fetch of one job in one place.
pub struct Fetch {
    job: Arc<Job>,
    api: Arc<dyn Api>,
    naming: Naming,
    inventories: watch::Receiver<Option<Arc<Inventory>>>,
    current: Option<Current>,
    enhanced: Kept,
    /// That there is nothing was said, once.
    told_nothing: bool,
    /// What was shown in this place before.
    inherited: Option<Arc<Snapshot>>,
    /// Which metrics have no data.
    oracle: Option<IdleReceiver>,
    /// What an earlier process remembered.
    remembered: Option<Memory>,
}

/// What belongs to the newest inventory. It is kept true while a run goes on, since that may be dropped at any time.
struct Current {
    inventory: Arc<Inventory>,
    plan: Arc<Plan>,
    snapshot: Snapshot,
    /// For each batch: the end of the last window that came back whole. Not kept where each series has its own.
    watermarks: Vec<Option<Timestamp>>,
    /// When each series is asked for; `None`: all of them in every run.
    paced: Option<Paced>,
    /// When all of them were asked for last.
    asked: Option<Timestamp>,
    /// Whether any query was answered so far.
    seen: bool,
    /// Series that have no data, and until when that is known.
    idle: Option<Spared>,
}

/// The times of one run.
#[derive(Clone, Copy)]
pub(super) struct RunClock {
    started: (Now, Instant),
}

impl RunClock {
    fn new(now: Now) -> Self {
        Self { started: (now, Instant::now()) }
    }

    /// Wall time at the start: all windows of a run end there.
    pub(super) fn wall(self) -> Timestamp {
        self.started.0.wall
    }

    /// Both times at the start.
    fn now(self) -> Now {
        self.started.0
    }

    /// Steady time now: an answer is as old as its arrival, not as its run.
    pub(super) fn steady(self) -> Timestamp {
        self.started.0.steady.plus(self.started.1.elapsed())
    }
}

impl Fetch {
    /// `inventories`: the other end belongs to the job's discovery.
    pub fn new(
        job: Arc<Job>,
        api: Arc<dyn Api>,
        naming: Naming,
        inventories: watch::Receiver<Option<Arc<Inventory>>>,
    ) -> Self {
        Self {
            job,
            api,
            naming,
            inventories,
            current: None,
            enhanced: Kept::default(),
            told_nothing: false,
            inherited: None,
            oracle: None,
            remembered: None,
        }
    }

    /// Goes on with the values of whoever fetched here before: series that stay keep theirs until there are new ones.
    #[must_use]
    pub fn inheriting(mut self, values: Option<Arc<Snapshot>>) -> Self {
        self.inherited = values;
        self
    }

    /// Does not ask for what has no data, as the discovery hears of it.
    #[must_use]
    pub fn heeding(mut self, oracle: IdleReceiver) -> Self {
        self.oracle = Some(oracle);
        self
    }

    /// Goes on where an earlier process stopped: what it asked for is shown, and is not asked for again before it is due.
    #[must_use]
    pub fn remembering(mut self, memory: Option<Memory>) -> Self {
        self.remembered = memory;
        self
    }

    /// What a later process should know; `None` before the first inventory.
    pub fn export(&self, now: Now) -> Option<Memory> {
        self.current.as_ref().map(|c| {
            let interval = self.job.timing.interval;
            Memory::of(&c.plan, &c.snapshot, c.paced.as_ref(), &c.watermarks, c.asked.map(|a| a.plus(interval)), now)
        })
    }

    /// What an earlier process remembered and is still good, without asking anybody. Needs an inventory.
    pub fn recall(&mut self, now: Now) -> Option<Snapshot> {
        let inventory = self.inventories.borrow().clone()?;
        self.follow(&inventory, RunClock::new(now));
        let snapshot = &self.current.as_ref()?.snapshot;
        (snapshot.present() > 0).then(|| snapshot.clone())
    }

    async fn run(&mut self, clock: RunClock, progress: Progress<'_>) -> Outcome {
        let Some(inventory) = self.inventories.borrow().clone() else { return Outcome::default() };
        let is_new = self.follow(&inventory, clock);
        let Some(current) = &mut self.current else { return Outcome::default() };
        current.snapshot.drop_stale(clock.steady());
        current.paced.iter_mut().for_each(|paced| paced.follow_clock(clock.now()));
        current.heed(self.oracle.as_ref().and_then(|o| o.borrow().clone()), &self.job);
        let (job, api) = (Arc::clone(&self.job), Arc::clone(&self.api));
        let mut outcome = Outcome::default();
        let seen = if let JobKind::Static(dimensions) = &job.kind {
            current.statics(&job, dimensions, &*api, clock, &mut outcome).await
        } else {
            current.batches(&job, &*api, clock, &mut outcome, progress).await
        };
        let wants_enhanced = wants_enhanced(&job, &self.enhanced, &inventory, clock);
        if wants_enhanced {
            // CloudWatch's values do not wait for those of other APIs.
            current.show(&mut outcome, clock, progress);
            let described = describe(&job, &*api, &inventory, &mut outcome.calls).await;
            self.take(described, clock, &mut outcome);
        } else {
            // Until they are asked for again, a job whose other values could not be had is no success.
            outcome.failures.extend(self.enhanced.failure().cloned());
        }
        let Some(current) = &mut self.current else { return outcome };
        outcome.next_due = current.paced.as_ref().and_then(Paced::next_due);
        let confirmed = current.confirm(&self.enhanced, clock);
        if seen.is_none() && !confirmed && !is_new && !wants_enhanced {
            return outcome;
        }
        current.follow_up(&job, seen, confirmed, outcome.failures.is_empty(), clock);
        let is_static = matches!(job.kind, JobKind::Static(_)) && !job.metrics.is_empty();
        let nothing = is_static && outcome.failures.is_empty() && current.snapshot.present() == 0;
        if nothing && !self.told_nothing {
            let (job, region, namespace) = (&job.name, api.region(), &job.namespace);
            tracing::warn!(%job, %region, %namespace, "CloudWatch has no data for any of the job's metrics: check namespace, names, dimensions, length and region");
        }
        self.told_nothing = nothing;
        outcome.snapshot = Some(current.snapshot.clone());
        outcome
    }

    /// Takes new enhanced metrics. Other series than before mean a new plan; its batches are the old ones.
    fn take(&mut self, described: Described, clock: RunClock, outcome: &mut Outcome) {
        outcome.failures.extend(described.failures.iter().cloned());
        let before = self.enhanced.clone();
        self.enhanced.take(described, !self.job.timing.stale_after.is_zero(), clock.steady());
        if self.enhanced.is_shaped_as(&before) {
            return;
        }
        let Some(inventory) = self.current.as_ref().map(|c| Arc::clone(&c.inventory)) else { return };
        let plan = self.plan(&inventory);
        if let Some(current) = &mut self.current {
            let mut snapshot = Snapshot::empty(Arc::clone(&plan.set), shown_for(&self.job));
            carry_over(&current.snapshot, &mut snapshot, |_, _| {});
            (current.plan, current.snapshot) = (plan, snapshot);
        }
    }

    fn plan(&self, inventory: &Inventory) -> Arc<Plan> {
        let rows = self.enhanced.rows();
        Arc::new(plan::plan_with(&self.job, self.naming, self.api.region(), inventory, rows))
    }

    /// Makes a new plan when there is a new inventory; series that stay keep their values and their times. Returns whether it
    /// did.
    fn follow(&mut self, inventory: &Arc<Inventory>, clock: RunClock) -> bool {
        if self.current.as_ref().is_some_and(|c| Arc::ptr_eq(&c.inventory, inventory)) {
            return false;
        }
        self.enhanced.follow(&inventory.resources);
        let plan = self.plan(inventory);
        let mut snapshot = Snapshot::empty(Arc::clone(&plan.set), shown_for(&self.job));
        let mut watermarks = vec![None; plan.batches.len()];
        let mut paced = Paced::of(&self.job, self.api.region(), inventory, &plan);
        let (mut asked, mut seen) = (None, false);
        if let Some(values) = self.inherited.take() {
            carry_over(&values, &mut snapshot, |_, _| {});
        }
        if let Some(memory) = self.remembered.take() {
            let paced = paced.get_or_insert_with(|| Paced::new(&plan, 0));
            seen = memory.recall(&plan, paced, &mut snapshot, clock.now());
        }
        if let Some(old) = &self.current {
            let (tracks, before) = (&mut paced, &old.paced);
            if before.is_some() && tracks.is_none() {
                *tracks = Some(Paced::new(&plan, 0));
            }
            carry_over(&old.snapshot, &mut snapshot, |from, to| {
                if let (Some(before), Some(tracks)) = (before, &mut *tracks) {
                    tracks.go_on(before, from, to);
                }
            });
            if let (Some(before), Some(paced)) = (before, &mut paced) {
                paced.go_on_learning(&plan, &old.plan, before);
            }
            for (watermark, batch) in watermarks.iter_mut().zip(&plan.batches) {
                *watermark = old.watermark(batch);
            }
            (asked, seen) = (old.asked, old.seen);
        }
        seen &= !plan.batches.is_empty() || !plan.statics.is_empty();
        let inventory = Arc::clone(inventory);
        self.current = Some(Current { inventory, plan, snapshot, watermarks, paced, asked, seen, idle: None });
        true
    }
}

impl Current {
    /// Up to where all batches of the same rhythm are whole.
    fn watermark(&self, like: &Batch) -> Option<Timestamp> {
        let all = self.plan.batches.iter().zip(&self.watermarks).filter(|(b, _)| b.rhythm == like.rhythm);
        all.filter_map(|(_, watermark)| *watermark).min()
    }

    /// Asks for what is due. Returns whether any query was answered; `None`: nothing was due.
    async fn batches(
        &mut self,
        job: &Job,
        api: &dyn Api,
        clock: RunClock,
        outcome: &mut Outcome,
        progress: Progress<'_>,
    ) -> Option<bool> {
        let plan = Arc::clone(&self.plan);
        let spared = self.spare(job, &plan, clock);
        let chosen = match &self.paced {
            None => Chosen::all(&plan),
            Some(paced) => Chosen::of(job, &plan, |series| paced.is_due(series, clock.wall())),
        };
        let asked: Vec<_> = chosen
            .batches(&plan)
            .map(|(at, batch)| {
                let (late, watermark) = match &self.paced {
                    None => (0, at.and_then(|at| self.watermarks.get(at).copied().flatten())),
                    Some(paced) => (paced.late_seconds(batch.group), paced.watermark(batch)),
                };
                let window = batch::window(job, batch, late, watermark, clock.wall());
                async move { (at, batch, window, batch::ask(job, api, batch, window).await) }
            })
            .collect();
        if asked.is_empty() && self.paced.is_some() && !spared {
            return None;
        }
        self.asked = Some(clock.wall());
        let mut running = stream::iter(asked).buffer_unordered(BATCHES_IN_FLIGHT);
        let (mut seen, mut news, mut shown) = (spared, false, Instant::now());
        loop {
            match tokio::time::timeout_at(shown + PROGRESS_INTERVAL, running.next()).await {
                Ok(None) => break,
                Ok(Some((at, batch, window, answer))) => {
                    news = true;
                    seen |= self.take(job, at, batch, window, answer, clock, outcome);
                }
                Err(_) => {
                    if std::mem::take(&mut news) {
                        self.show(outcome, clock, progress);
                    }
                    shown = Instant::now();
                }
            }
        }
        if let Some(paced) = &mut self.paced {
            paced.learn(&plan);
        }
        Some(seen)
    }

    /// Listens to the oracle.
    fn heed(&mut self, word: Option<Arc<Idle>>, job: &Job) {
        let Some(word) = word else { return };
        if self.idle.as_ref().is_none_or(|known| !Arc::ptr_eq(&known.word, &word)) {
            self.idle = Spared::of(word, &self.inventory, job);
        }
    }

    /// Answers what is due and known to have no data, as CloudWatch would; returns whether there was any.
    fn spare(&mut self, job: &Job, plan: &Plan, clock: RunClock) -> bool {
        let Self { snapshot, paced, idle, .. } = self;
        let (Some(idle), Some(paced)) = (idle, paced) else { return false };
        let (mut any, mut cells) = (false, Vec::new());
        for batch in &plan.batches {
            for target in batch.targets.iter().filter(|t| idle.has(batch, t.series, clock)) {
                let Some(metric) = job.metrics.get(target.entry as usize) else { continue };
                if !paced.is_due(target.series, clock.wall()) {
                    continue;
                }
                any = true;
                paced.skipped(batch, target.series, clock.wall());
                convert::samples(metric, &mut [], &mut cells);
                snapshot.put(target.series as usize, &cells, clock.steady().plus(metric.outlives));
            }
        }
        any
    }

    /// Takes the answer of a batch; returns whether any of its queries was answered.
    #[expect(clippy::too_many_arguments, reason = "an answer, what it answers, and where it goes")]
    fn take(
        &mut self,
        job: &Job,
        at: Option<usize>,
        batch: &Batch,
        window: Window,
        mut answer: Answer,
        clock: RunClock,
        outcome: &mut Outcome,
    ) -> bool {
        outcome.calls.append(&mut answer.calls);
        if let Some(failure) = answer.failure {
            outcome.failures.push(failure);
            give_up(job, batch, clock, &mut self.snapshot);
            if let Some(paced) = &mut self.paced {
                batch.targets.iter().for_each(|t| paced.failed(batch.group, &batch.rhythm, t.series, clock.wall()));
            }
            return false;
        }
        let (any, whole) = self.apply(job, batch, window, answer.results, clock, outcome);
        if let Some(watermark) = at.filter(|_| whole).and_then(|at| self.watermarks.get_mut(at)) {
            *watermark = Some(window.end);
        }
        any
    }

    /// Takes the results of a whole batch; returns whether any query was answered, and whether all of them were, and whole.
    fn apply(
        &mut self,
        job: &Job,
        batch: &Batch,
        window: Window,
        results: Vec<Option<QueryResult>>,
        clock: RunClock,
        outcome: &mut Outcome,
    ) -> (bool, bool) {
        let (mut seen, mut whole, mut cells, now) = (false, true, Vec::new(), clock.steady());
        let mut incomplete = Incomplete::default();
        let Self { snapshot, paced, .. } = self;
        for (target, result) in batch.targets.iter().zip(results) {
            let position = target.series as usize;
            let (Some(mut result), Some(metric)) = (result, job.metrics.get(target.entry as usize)) else {
                whole = false;
                if !holds(job) {
                    snapshot.put(position, &[], now);
                }
                if let Some(paced) = paced {
                    paced.failed(batch.group, &batch.rhythm, target.series, clock.wall());
                }
                continue;
            };
            seen = true;
            whole &= !result.status.is_unknown();
            incomplete.count(result.status);
            if let Some(paced) = paced {
                let hold = paced.take(batch, window, target.series, &mut result, clock.wall());
                if hold && !snapshot.samples(position).is_empty() {
                    continue;
                }
            }
            if result.points.is_empty() && result.status.is_unknown() && !snapshot.samples(position).is_empty() {
                continue;
            }
            convert::samples(metric, &mut result.points, &mut cells);
            snapshot.put(position, &cells, now.plus(metric.outlives));
        }
        outcome.failures.extend(incomplete.failures(job));
        (seen, whole)
    }

    /// Asks for what is due of a static job. Returns whether anything was answered; `None`: nothing was due.
    async fn statics(
        &mut self,
        job: &Job,
        dimensions: &[Dimension],
        api: &dyn Api,
        clock: RunClock,
        outcome: &mut Outcome,
    ) -> Option<bool> {
        let Self { plan, snapshot, paced, .. } = self;
        let (asked, seen) = statics::fetch(job, dimensions, api, plan, clock, snapshot, paced.as_mut(), outcome).await;
        if let Some(paced) = paced {
            paced.learn(plan);
            return asked.then_some(seen);
        }
        self.asked = Some(clock.wall());
        Some(seen)
    }

    /// The rest of a run: info series, and what is stale.
    fn follow_up(&mut self, job: &Job, seen: Option<bool>, confirmed: bool, clean: bool, clock: RunClock) {
        // Where a run asks for a part only, the others have not been heard of for the worse.
        let before = self.seen && (self.paced.is_some() || seen.is_none());
        self.seen = seen.unwrap_or_default() || before;
        self.info(job, self.seen || confirmed, clean, clock);
        self.snapshot.drop_stale(clock.steady());
    }

    fn show(&mut self, outcome: &mut Outcome, clock: RunClock, progress: Progress<'_>) {
        show(&mut self.snapshot, outcome, clock, progress);
    }

    /// Shows enhanced metrics that are good; returns whether there are any.
    fn confirm(&mut self, enhanced: &Kept, clock: RunClock) -> bool {
        let fresh = enhanced.fresh();
        for (at, row) in fresh.iter().enumerate() {
            self.snapshot.put(self.plan.first_enhanced + at, &[Cell::untimed(row.value)], clock.steady());
        }
        !fresh.is_empty()
    }

    /// Info series stand when any metric was answered, or always where the job says so; after failures they stay as they
    /// were, where values are held.
    fn info(&mut self, job: &Job, seen: bool, clean: bool, clock: RunClock) {
        let JobKind::Discovery(discovery) = &job.kind else { return };
        let show = seen || discovery.always_return_info;
        if !show && !clean && holds(job) {
            return;
        }
        let cell: &[Cell] = if show { &[Cell::untimed(0.0)] } else { &[] };
        let outlives = job.metrics.iter().map(|m| m.outlives).max().unwrap_or_default();
        for at in 0..self.inventory.resources.len() {
            self.snapshot.put(self.plan.first_info + at, cell, clock.steady().plus(outlives));
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
        Box::pin(self.run(RunClock::new(now), progress))
    }
}

/// Shows what is there before the end of a run.
fn show(snapshot: &mut Snapshot, outcome: &mut Outcome, clock: RunClock, progress: Progress<'_>) {
    snapshot.drop_stale(clock.steady());
    let calls = std::mem::take(&mut outcome.calls);
    progress(Outcome { snapshot: Some(snapshot.clone()), calls, ..Outcome::default() });
}

/// The enhanced metrics of a job; none in most.
fn enhanced_metrics(job: &Job) -> &[Text] {
    match &job.kind {
        JobKind::Discovery(discovery) => &discovery.enhanced_metrics,
        JobKind::Custom | JobKind::Static(_) => &[],
    }
}

/// Whether there are enhanced metrics to ask for, and it is time.
fn wants_enhanced(job: &Job, kept: &Kept, inventory: &Inventory, clock: RunClock) -> bool {
    !enhanced_metrics(job).is_empty() && !inventory.resources.is_empty() && kept.is_due(clock.steady())
}

/// Asks for enhanced metrics.
async fn describe(job: &Job, api: &dyn Api, inventory: &Inventory, calls: &mut Vec<Call>) -> Described {
    // Other accounts' resources are not described to this one.
    let is_own = |(at, r): (usize, &Resource)| (!inventory.owners.contains_key(&at)).then(|| r.clone());
    let own: Vec<Resource>;
    let resources = if inventory.owners.is_empty() {
        &inventory.resources
    } else {
        own = inventory.resources.iter().enumerate().filter_map(is_own).collect();
        &own
    };
    let asked = enhanced::describe(&job.namespace, enhanced_metrics(job), resources, api, calls);
    tokio::time::timeout(ENHANCED_PATIENCE, asked).await.unwrap_or_else(|_| {
        let message = format!("not finished within {} s", ENHANCED_PATIENCE.as_secs());
        let doing = format!("get the enhanced metrics of {}", job.namespace);
        enhanced::nothing(resources, Failure { reason: Reason::Timeout, doing, message })
    })
}

/// The series of a batch that failed stay as they are, or go, as the job wants it.
fn give_up(job: &Job, batch: &Batch, clock: RunClock, snapshot: &mut Snapshot) {
    if !holds(job) {
        batch.targets.iter().for_each(|t| snapshot.put(t.series as usize, &[], clock.steady()));
    }
}

/// Whether values outlive a failed fetch.
fn holds(job: &Job) -> bool {
    !job.timing.stale_after.is_zero()
}

/// Values of a job without holding disappear with the first failure; should a collection hang, they go as if held.
fn shown_for(job: &Job) -> Duration {
    if holds(job) { job.timing.stale_after } else { job.timing.interval * 3 }
}

/// Copies the samples of series that are in both sets; `each` is told the old and the new position.
fn carry_over(old: &Snapshot, new: &mut Snapshot, mut each: impl FnMut(usize, usize)) {
    let name = |set: &crate::model::SeriesSet, key| set.describe(key).map(|(f, l)| (Text::clone(&f.name), l.clone()));
    let mut known = HashMap::new();
    for (position, key) in old.set.series.iter().enumerate() {
        if let Some(name) = name(&old.set, *key) {
            known.entry(name).or_insert(position);
        }
    }
    let set = Arc::clone(&new.set);
    for (position, key) in set.series.iter().enumerate() {
        let Some(from) = name(&set, *key).and_then(|n| known.get(&n)) else { continue };
        let at = old.confirmed_secs.get(*from).copied().unwrap_or(0);
        new.put(position, old.samples(*from), Timestamp::from_secs(i64::from(at)));
        each(*from, position);
    }
}

#[cfg(test)]
mod tests;
