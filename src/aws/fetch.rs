//! Fetching: the batches of a plan are asked for, all pages of them, and the results become the job's next snapshot. A batch
//! that fails leaves its series as they were and takes no other with it.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::{StreamExt, stream};
use hashbrown::HashMap;
use tokio::sync::watch;

use crate::aws::api::{Api, MetricDataRequest, MetricResult, Point, StatusCode};
use crate::aws::convert;
use crate::aws::enhanced::{self, Described, Kept};
use crate::aws::inventory::Inventory;
use crate::aws::job::{Job, JobKind, Naming};
use crate::aws::listing::{Pages, Turn, too_many_pages};
use crate::aws::plan::{self, Batch, Plan};
use crate::aws::statics;
use crate::model::{Cell, Now, Snapshot, Text, Timestamp};
use crate::seam::{Call, Failure, Outcome, Reason, Source};

/// Batches of one job that wait for their answers at the same time; the gate decides about the calls of all jobs.
const BATCHES_IN_FLIGHT: usize = 8;
/// How often a page that failed for a passing reason is asked for again, beyond the SDK's own attempts.
const PAGE_RETRIES: u32 = 2;
/// The pause before that, doubled for the second time, with as much jitter.
const RETRY_PAUSE: Duration = Duration::from_millis(1_500);
/// Enhanced metrics must not keep a job's values waiting for longer.
const ENHANCED_PATIENCE: Duration = Duration::from_secs(60);
/// How far back a window reaches for points that failed fetches left out: CloudWatch keeps fine points much longer, but
/// asks a lower quota for windows that begin within three hours.
const MAX_CATCH_UP: Duration = Duration::from_secs(3 * 3600);

/// The fetch of one job in one place.
pub struct Fetch {
    job: Arc<Job>,
    api: Arc<dyn Api>,
    naming: Naming,
    inventories: watch::Receiver<Option<Arc<Inventory>>>,
    current: Option<Current>,
    enhanced: Kept,
}

/// What belongs to the newest inventory.
struct Current {
    inventory: Arc<Inventory>,
    plan: Arc<Plan>,
    snapshot: Snapshot,
    /// For each batch: the end of the last window that came back whole.
    watermarks: Vec<Option<Timestamp>>,
}

impl Fetch {
    /// `inventories`: the other end belongs to the job's discovery.
    pub fn new(
        job: Arc<Job>,
        api: Arc<dyn Api>,
        naming: Naming,
        inventories: watch::Receiver<Option<Arc<Inventory>>>,
    ) -> Self {
        Self { job, api, naming, inventories, current: None, enhanced: Kept::default() }
    }

    async fn run(&mut self, now: Now) -> Outcome {
        let Some(inventory) = self.inventories.borrow().clone() else { return Outcome::default() };
        self.follow(&inventory);
        let Some(current) = &self.current else { return Outcome::default() };
        let (plan, mut snapshot, mut watermarks) =
            (Arc::clone(&current.plan), current.snapshot.clone(), current.watermarks.clone());
        let (mut outcome, mut calls) = (Outcome::default(), Vec::new());
        let (mut seen, described) = if let JobKind::Static(dimensions) = &self.job.kind {
            let seen = statics::fetch(&self.job, dimensions, &*self.api, &plan, now, &mut snapshot, &mut outcome).await;
            (seen, None)
        } else {
            futures_util::future::join(
                self.batches(&plan, now, &mut snapshot, &mut watermarks, &mut outcome),
                self.describe(&inventory, now, &mut calls),
            )
            .await
        };
        outcome.calls.extend(calls);
        let plan = match described {
            Some(described) => self.take(described, plan, &inventory, now, &mut snapshot, &mut outcome),
            None => plan,
        };
        seen |= self.confirm(&plan, now, &mut snapshot);
        self.info(&plan, &inventory, seen, outcome.failures.is_empty(), now, &mut snapshot);
        self.current = Some(Current { inventory, plan, snapshot: snapshot.clone(), watermarks });
        outcome.snapshot = Some(snapshot);
        outcome
    }

    /// Asks for enhanced metrics, when there are any and it is time.
    async fn describe(&self, inventory: &Inventory, now: Now, calls: &mut Vec<Call>) -> Option<Described> {
        let JobKind::Discovery(discovery) = &self.job.kind else { return None };
        let (wanted, resources) = (&discovery.enhanced_metrics, &inventory.resources);
        if wanted.is_empty() || resources.is_empty() || !self.enhanced.is_due(now.steady) {
            return None;
        }
        let asked = enhanced::describe(&self.job.namespace, wanted, resources, &*self.api, calls);
        Some(tokio::time::timeout(ENHANCED_PATIENCE, asked).await.unwrap_or_else(|_| {
            let message = format!("not finished within {} s", ENHANCED_PATIENCE.as_secs());
            let doing = format!("get the enhanced metrics of {}", self.job.namespace);
            enhanced::nothing(resources, Failure { reason: Reason::Timeout, doing, message })
        }))
    }

    /// Takes new enhanced metrics. Other series than before mean a new plan; its batches are the old ones.
    fn take(
        &mut self,
        mut described: Described,
        plan: Arc<Plan>,
        inventory: &Inventory,
        now: Now,
        snapshot: &mut Snapshot,
        outcome: &mut Outcome,
    ) -> Arc<Plan> {
        outcome.failures.append(&mut described.failures);
        let mut kept = self.enhanced.clone();
        kept.take(described, !self.job.timing.stale_after.is_zero(), now.steady);
        let before = std::mem::replace(&mut self.enhanced, kept);
        if self.enhanced.is_shaped_as(&before) {
            return plan;
        }
        let plan = self.plan(inventory);
        let old = std::mem::replace(snapshot, Snapshot::empty(Arc::clone(&plan.set), shown_for(&self.job)));
        carry_over(&old, snapshot);
        plan
    }

    /// Shows enhanced metrics that are good; returns whether there are any.
    fn confirm(&self, plan: &Plan, now: Now, snapshot: &mut Snapshot) -> bool {
        let fresh = self.enhanced.fresh();
        for (at, row) in fresh.iter().enumerate() {
            snapshot.put(plan.first_enhanced + at, &[Cell::untimed(row.value)], now.steady);
        }
        !fresh.is_empty()
    }

    fn plan(&self, inventory: &Inventory) -> Arc<Plan> {
        let rows = self.enhanced.rows();
        Arc::new(plan::plan_with(&self.job, self.naming, self.api.region(), inventory, rows))
    }

    /// Makes a new plan when there is a new inventory; series that stay keep their values.
    fn follow(&mut self, inventory: &Arc<Inventory>) {
        if self.current.as_ref().is_some_and(|c| Arc::ptr_eq(&c.inventory, inventory)) {
            return;
        }
        self.enhanced.follow(&inventory.resources);
        let plan = self.plan(inventory);
        let mut snapshot = Snapshot::empty(Arc::clone(&plan.set), shown_for(&self.job));
        if let Some(old) = &self.current {
            carry_over(&old.snapshot, &mut snapshot);
        }
        let watermarks = vec![None; plan.batches.len()];
        self.current = Some(Current { inventory: Arc::clone(inventory), plan, snapshot, watermarks });
    }

    /// Returns whether any query was answered.
    async fn batches(
        &self,
        plan: &Plan,
        now: Now,
        snapshot: &mut Snapshot,
        watermarks: &mut [Option<Timestamp>],
        outcome: &mut Outcome,
    ) -> bool {
        let mut seen = false;
        let jobs = plan.batches.iter().zip(watermarks.iter_mut());
        let asked: Vec<_> = jobs
            .map(|(batch, watermark)| async move {
                let window = self.window(batch, *watermark, now.wall);
                (batch, watermark, window.1, self.batch(batch, window).await)
            })
            .collect();
        let mut running = stream::iter(asked).buffer_unordered(BATCHES_IN_FLIGHT);
        while let Some((batch, watermark, end, answer)) = running.next().await {
            outcome.calls.extend(answer.calls);
            if let Some(failure) = answer.failure {
                outcome.failures.push(failure);
                if self.job.timing.stale_after.is_zero() {
                    batch.targets.iter().for_each(|t| snapshot.put(t.series as usize, &[], now.steady));
                }
            } else {
                *watermark = Some(end);
                seen |= self.apply(batch, answer.results, now, snapshot, outcome);
            }
        }
        seen
    }

    /// Where all points are shown, a window that failed is asked for again with the next one.
    fn window(&self, batch: &Batch, watermark: Option<Timestamp>, now: Timestamp) -> (Timestamp, Timestamp) {
        let (start, end) = plan::window(now, batch.period_seconds, batch.delay_seconds, batch.length_seconds);
        let all = batch
            .targets
            .iter()
            .any(|t| self.job.metrics.get(t.entry as usize).is_some_and(|m| m.export_all_data_points));
        match watermark {
            Some(last) if all && last < start => (last.max(end.minus(MAX_CATCH_UP)), end),
            _ => (start, end),
        }
    }

    async fn batch(&self, batch: &Batch, (start, end): (Timestamp, Timestamp)) -> Answer {
        let request = MetricDataRequest {
            namespace: &self.job.namespace,
            queries: &batch.queries,
            period_seconds: batch.period_seconds,
            start,
            end,
        };
        let mut answer = Answer { results: Vec::new(), calls: Vec::new(), failure: None };
        answer.results.resize_with(batch.queries.len(), || None);
        let (mut pages, mut retries) = (Pages::default(), 0);
        loop {
            let answered = self.api.get_metric_data(&request, pages.token()).await;
            answer.calls.push(answered.call);
            match answered.result {
                Ok(page) => {
                    page.items.into_iter().for_each(|r| answer.merge(r));
                    match pages.turn(page.next) {
                        Turn::Next => {}
                        Turn::End => return answer,
                        Turn::Limit => {
                            answer.failure = Some(too_many_pages("get the data", &self.job));
                            return answer;
                        }
                    }
                }
                Err(failure) if failure.reason.is_transient() && retries < PAGE_RETRIES => {
                    retries += 1;
                    tokio::time::sleep(RETRY_PAUSE.mul_f64(f64::from(retries) * (1.0 + fastrand::f64()))).await;
                }
                Err(failure) => {
                    answer.failure = Some(failure);
                    return answer;
                }
            }
        }
    }

    fn apply(
        &self,
        batch: &Batch,
        results: Vec<Option<QueryResult>>,
        now: Now,
        snapshot: &mut Snapshot,
        outcome: &mut Outcome,
    ) -> bool {
        let (mut seen, mut cells) = (false, Vec::new());
        let mut incomplete = Incomplete::default();
        for (target, result) in batch.targets.iter().zip(results) {
            let (Some(mut result), Some(metric)) = (result, self.job.metrics.get(target.entry as usize)) else {
                continue;
            };
            seen = true;
            incomplete.count(result.status);
            let position = target.series as usize;
            if result.points.is_empty() && result.status.is_unknown() && !snapshot.samples(position).is_empty() {
                continue;
            }
            convert::samples(metric, &mut result.points, &mut cells);
            snapshot.put(position, &cells, now.steady);
        }
        outcome.failures.extend(incomplete.failures(&self.job));
        seen
    }

    /// Info series stand when any metric was answered, or always where the job says so; after failures they stay as they were.
    fn info(&self, plan: &Plan, inventory: &Inventory, seen: bool, clean: bool, now: Now, snapshot: &mut Snapshot) {
        let JobKind::Discovery(discovery) = &self.job.kind else { return };
        let show = seen || discovery.always_return_info;
        if !show && !clean {
            return;
        }
        let cell: &[Cell] = if show { &[Cell::untimed(0.0)] } else { &[] };
        for at in 0..inventory.resources.len() {
            snapshot.put(plan.first_info + at, cell, now.steady);
        }
    }
}

impl Source for Fetch {
    fn ready(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            // An error means that the discovery is gone; the worker will be stopped too.
            let _ = self.inventories.wait_for(Option::is_some).await;
        })
    }

    fn collect(&mut self, now: Now) -> BoxFuture<'_, Outcome> {
        Box::pin(self.run(now))
    }
}

/// Values of a job without holding disappear with the first failure; should a collection hang, they go as if held.
fn shown_for(job: &Job) -> Duration {
    if job.timing.stale_after.is_zero() { job.timing.interval * 3 } else { job.timing.stale_after }
}

/// Copies the samples of series that are in both sets.
fn carry_over(old: &Snapshot, new: &mut Snapshot) {
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
    }
}

/// What came back for a batch.
struct Answer {
    /// For each query, the parts of all pages together; `None`: its id never came.
    results: Vec<Option<QueryResult>>,
    calls: Vec<Call>,
    failure: Option<Failure>,
}

/// The result of one query.
struct QueryResult {
    points: Vec<Point>,
    status: StatusCode,
}

impl Answer {
    /// Later pages bring further points of the same query, and the status that counts.
    fn merge(&mut self, part: MetricResult) {
        let Some(result) = self.results.get_mut(part.query) else { return };
        match result {
            Some(result) => {
                result.points.extend(part.points);
                result.status = part.status;
            }
            None => *result = Some(QueryResult { points: part.points, status: part.status }),
        }
    }
}

impl StatusCode {
    /// Nothing can be said about the data: an earlier value is better than "no data".
    fn is_unknown(self) -> bool {
        matches!(self, Self::PartialData | Self::InternalError)
    }
}

/// Results that are not complete after the last page.
#[derive(Default)]
struct Incomplete {
    partial: usize,
    internal: usize,
    forbidden: usize,
}

impl Incomplete {
    fn count(&mut self, status: StatusCode) {
        match status {
            StatusCode::Complete => {}
            StatusCode::PartialData => self.partial += 1,
            StatusCode::InternalError => self.internal += 1,
            StatusCode::Forbidden => self.forbidden += 1,
        }
    }

    fn failures(&self, job: &Job) -> impl Iterator<Item = Failure> {
        let doing = format!("get all data of {}", job.namespace);
        let counts = [
            (self.partial, Reason::PartialData, "incomplete"),
            (self.internal, Reason::InternalError, "failed inside CloudWatch"),
            (self.forbidden, Reason::Forbidden, "forbidden"),
        ];
        counts.into_iter().filter(|(n, ..)| *n > 0).map(move |(n, reason, what)| Failure {
            reason,
            doing: doing.clone(),
            message: format!("{n} results are marked as {what}"),
        })
    }
}
