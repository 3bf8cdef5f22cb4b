//! The running bridge: settings become workers, outcomes go to the store and into the books, a reload changes only what
//! differs.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::app::reload::{Fate, fates, unique_labels};
use crate::app::start;
use crate::app::states::{RunFacts, States};
use crate::app::target::{Target, targets};
use crate::app::warm::Warm;
use crate::aws::api::Api;
use crate::aws::client::{Clients, Network};
use crate::aws::discover::Discover;
use crate::aws::fetch::Fetch;
use crate::aws::gated::Gated;
use crate::aws::inventory::Inventory;
use crate::aws::job::{Access, AwsSettings, Naming};
use crate::aws::warm::{Keeping, Remembered};
use crate::clock::Clock;
use crate::model::{Snapshot, Text, Timestamp};
use crate::seam::{Asker, Gate, Source};
use crate::store::{SlotKey, Store};
use crate::telemetry::{JobLabels, RunKind, Telemetry};
use crate::work::budget::{Budget, Limit, Limits};
use crate::work::readiness::Readiness;
use crate::work::schedule::Schedule;
use crate::work::worker::{Run, Worker};

/// A run is given up after three intervals, but never before this; unless the job has a `timeout`.
const MIN_DEADLINE: Duration = Duration::from_secs(600);
/// Whether the account is the one that was remembered is not worth waiting longer for.
const IDENTITY_PATIENCE: Duration = Duration::from_secs(5);
/// How often values are looked at for being stale.
const SWEEP_INTERVAL: Duration = Duration::from_secs(5);
/// Failures of one run that are logged; the counter has all.
const LOGGED_FAILURES: usize = 5;

/// AWS' default quotas, in calls a second for each account and region (`docs/cost.md` says where they stand).
const QUOTAS: [(&str, f64); 4] =
    [("GetMetricData", 50.0), ("ListMetrics", 25.0), ("GetMetricStatistics", 400.0), ("GetResources", 15.0)];

/// What outlives every reload. Clones share it.
#[derive(Clone)]
pub struct Shared {
    /// Wall and steady time.
    pub clock: Clock,
    /// The series.
    pub store: Arc<Store>,
    /// The books.
    pub telemetry: Arc<Telemetry>,
    /// Which first collections are missing.
    pub readiness: Readiness,
    /// The status page.
    pub states: States,
    /// What survives a restart; `None`: nothing does.
    pub warm: Option<Warm>,
}

/// The bridge with its workers.
pub struct Bridge {
    shared: Shared,
    network: Network,
    gate: Arc<dyn Gate>,
    running: tokio::sync::Mutex<Vec<Running>>,
    stop: CancellationToken,
}

/// Where the reports of a target's workers go. A reload may move it; `None`: they are no longer wanted. Held for the whole
/// of a report, so that none comes after its end.
type Place = Arc<Mutex<Option<SlotKey>>>;

struct Running {
    target: Target,
    labels: JobLabels,
    place: Place,
    stop: CancellationToken,
}

impl Bridge {
    /// Without workers yet. The limits of calls in flight stay for the life of the process.
    pub fn new(shared: Shared, network: Network, access: &Access) -> Self {
        let gate = Arc::new(Budget::new(limits(access)));
        Self { shared, network, gate, running: tokio::sync::Mutex::default(), stop: CancellationToken::new() }
    }

    /// Makes the workers be those of `settings`: targets that did not change go on undisturbed, changed ones keep their
    /// values until the new worker has its own, others disappear with their series.
    pub async fn apply(&self, settings: &AwsSettings) -> anyhow::Result<()> {
        let wanted = targets(settings);
        let clients = Arc::new(Clients::load(settings.access.clone(), &self.network).await?);
        let mut running = self.running.lock().await;
        let old = std::mem::take(&mut *running);
        let fates = fates(&old.iter().map(|r| &r.target).collect::<Vec<_>>(), &wanted);
        let stays: BTreeSet<usize> = fates.iter().filter_map(|fate| fate.follows()).collect();
        // First those who go: a new target may get their labels.
        old.iter().enumerate().filter(|(at, _)| !stays.contains(at)).for_each(|(_, gone)| self.end(gone));
        let mut old: Vec<Option<Running>> =
            old.into_iter().enumerate().map(|(at, running)| stays.contains(&at).then_some(running)).collect();
        let mut taken: BTreeSet<JobLabels> = old.iter().flatten().map(|r| r.labels.clone()).collect();
        let starting: Vec<_> = wanted.iter().zip(&fates).filter(|(_, f)| !matches!(f, Fate::Kept(_))).collect();
        let mut delays = start::delays(&starting.iter().map(|(t, _)| *t).collect::<Vec<_>>()).into_iter();
        drop(starting);
        for (order, (target, fate)) in wanted.into_iter().zip(fates).enumerate() {
            let delay = if matches!(fate, Fate::Kept(_)) { None } else { delays.next() }.unwrap_or_default();
            let mut take = |at: usize| old.get_mut(at).and_then(Option::take);
            let next = match fate {
                Fate::Kept(at) => take(at).map(|old| self.keep(old, order)),
                Fate::Changed(at) => take(at).map(|old| {
                    let slot = slot_key(order, &old.labels);
                    self.replace(&old, &slot);
                    self.start(target, old.labels, slot, settings.naming, &clients, delay)
                }),
                Fate::New => {
                    let labels = unique_labels(&target, &taken);
                    taken.insert(labels.clone());
                    let slot = slot_key(order, &labels);
                    Some(self.start(target, labels, slot, settings.naming, &clients, delay))
                }
            };
            running.extend(next);
        }
        // What waits for its regions may still want what it left behind.
        if let (Some(warm), false) = (&self.shared.warm, settings.is_partial) {
            warm.tidy(&running.iter().map(|r| name_of(&r.labels)).collect::<Vec<_>>());
        }
        Ok(())
    }

    /// Whether there is anything to stop.
    pub async fn is_running(&self) -> bool {
        !self.running.lock().await.is_empty()
    }

    /// Drops values when they are stale, and writes down what is to survive, until the bridge stops.
    pub async fn sweep(&self) {
        let sweeping = async {
            loop {
                tokio::time::sleep(SWEEP_INTERVAL).await;
                let gone = self.shared.store.sweep(self.shared.clock.read().steady);
                if gone > 0 {
                    tracing::warn!(series = gone, "values were not confirmed for too long and are no longer shown");
                }
            }
        };
        let saving = async {
            if let Some(warm) = &self.shared.warm {
                warm.run().await;
            }
        };
        self.stop.run_until_cancelled(futures_util::future::join(sweeping, saving)).await;
    }

    /// Stops all workers; runs in flight are dropped. What is to survive is written.
    pub async fn shut_down(&self) {
        self.stop.cancel();
        self.running.lock().await.clear();
        if let Some(warm) = &self.shared.warm {
            warm.finish().await;
        }
    }

    /// The position in the file may have changed.
    fn keep(&self, old: Running, order: usize) -> Running {
        let slot = slot_key(order, &old.labels);
        let mut place = lock(&old.place);
        if let Some(before) = place.replace(slot.clone()).filter(|before| *before != slot) {
            self.shared.store.rename(&before, slot.clone());
            self.shared.states.rename(&before, slot);
        }
        drop(place);
        old
    }

    /// The values stay, in the place of whoever follows.
    fn replace(&self, old: &Running, slot: &SlotKey) {
        old.stop.cancel();
        if let Some(before) = lock(&old.place).take() {
            self.shared.store.rename(&before, slot.clone());
            self.shared.states.remove(&before);
        }
    }

    /// Nothing of it stays.
    fn end(&self, old: &Running) {
        old.stop.cancel();
        if let Some(slot) = lock(&old.place).take() {
            self.shared.store.retire(&slot);
            self.shared.states.remove(&slot);
            self.shared.readiness.release(&slot.name);
            self.shared.telemetry.retire(&old.labels);
            if let Some(warm) = &self.shared.warm {
                warm.forget(&slot.name);
            }
        }
    }

    fn start(
        &self,
        target: Target,
        labels: JobLabels,
        slot: SlotKey,
        naming: Naming,
        clients: &Arc<Clients>,
        delay: Duration,
    ) -> Running {
        let stop = self.stop.child_token();
        self.shared.states.add(&slot, &target, &labels);
        self.shared.readiness.expect(Text::clone(&slot.name));
        self.shared.telemetry.expect(&labels, self.shared.clock.read());
        let place: Place = Arc::new(Mutex::new(Some(slot)));
        let workers = Workers {
            shared: self.shared.clone(),
            target: target.clone(),
            labels: labels.clone(),
            place: Arc::clone(&place),
            stop: stop.clone(),
            delay,
        };
        tokio::spawn(workers.run(naming, Arc::clone(clients), Arc::clone(&self.gate)));
        Running { target, labels, place, stop }
    }
}

/// Unique, because the labels are; shown to people, so without external ids.
fn name_of(labels: &JobLabels) -> String {
    format!("{} {} {}", labels.job, labels.region, labels.account).trim_end().to_owned()
}

fn slot_key(order: usize, labels: &JobLabels) -> SlotKey {
    SlotKey { order: u32::try_from(order).unwrap_or(u32::MAX), name: name_of(labels).into() }
}

/// A run that asked for something has changed what is worth keeping.
fn note(keeping: &Keeping, kind: RunKind, interval: Duration, run: &Run, now: Timestamp) {
    if kind == RunKind::Discover && run.outcome.resources.is_some() {
        // What was found in part is good, but to be renewed.
        keeping.discovered(if run.outcome.failures.is_empty() { now } else { now.minus(interval) });
    } else if !run.outcome.calls.is_empty() {
        keeping.changed();
    }
}

/// What a target runs.
struct Sources {
    discover: Discover,
    /// Before the first discovery.
    discover_in: Duration,
    /// When the inventory was found that is there already.
    discovered: Option<Timestamp>,
    fetch: Fetch,
    inventories: watch::Receiver<Option<Arc<Inventory>>>,
}

/// The two workers of a target.
#[derive(Clone)]
struct Workers {
    shared: Shared,
    target: Target,
    labels: JobLabels,
    place: Place,
    stop: CancellationToken,
    /// Before the first discovery: many targets do not start at once.
    delay: Duration,
}

impl Workers {
    async fn run(self, naming: Naming, clients: Arc<Clients>, gate: Arc<dyn Gate>) {
        let Target { job, role, region, definition, .. } = &self.target;
        let name = name_of(&self.labels);
        let remembered = match &self.shared.warm {
            Some(warm) => warm.recall(&name, definition).await,
            None => None,
        };
        let is_warm = remembered.is_some();
        // Memories are shown at once; what costs calls waits for its turn.
        if !is_warm && !self.wait().await {
            return;
        }
        let client = clients.api(role, region).await;
        drop(clients);
        let asker = Asker { name: Text::from(&*name), priority: job.timing.priority };
        let as_whom = role.arn.clone().unwrap_or_else(|| Text::from("own"));
        let api: Arc<dyn Api> = Arc::new(Gated::new(client, gate, asker, as_whom));
        let mut work = self.sources(&api, naming, remembered);
        if let Some(recalled) = work.fetch.recall(self.shared.clock.read()) {
            self.show(recalled);
        }
        if is_warm {
            if !self.wait().await {
                return;
            }
            if !self.is_same_account(&*api, &work.inventories).await {
                self.drop_values();
                work = self.sources(&api, naming, None);
            }
        }
        self.start(work).await;
    }

    /// Waits for this target's turn to begin; `false`: it was stopped meanwhile.
    async fn wait(&self) -> bool {
        self.stop.run_until_cancelled(tokio::time::sleep(self.delay)).await.is_some()
    }

    fn sources(&self, api: &Arc<dyn Api>, naming: Naming, remembered: Option<Remembered>) -> Sources {
        let (job, now) = (&self.target.job, self.shared.clock.now());
        let interval = job.timing.inventory_interval;
        let inventory = remembered.as_ref().and_then(|r| r.inventory(now, interval));
        let discovered = remembered.as_ref().filter(|_| inventory.is_some()).map(|r| r.discovered);
        let discover_in = remembered.as_ref().map_or(Duration::ZERO, |r| r.renew_in(now, interval));
        let (sender, inventories) = watch::channel(inventory);
        let values = lock(&self.place).as_ref().and_then(|slot| self.shared.store.get(slot));
        let fetch = Fetch::new(Arc::clone(job), Arc::clone(api), naming, inventories.clone());
        let (tell_idle, idle) = watch::channel(None);
        let fetch = fetch.inheriting(values).remembering(remembered.map(|r| r.memory)).heeding(idle);
        let discover = Discover::new(Arc::clone(job), Arc::clone(api), sender).with_oracle(tell_idle);
        Sources { discover, discover_in, discovered, fetch, inventories }
    }

    /// Runs both workers until they are stopped.
    async fn start(self, work: Sources) {
        let Sources { discover, discover_in, discovered, fetch, inventories } = work;
        let (timing, label) = (self.target.job.timing, Text::clone(&self.labels.job));
        let (keeping, fetch) = Keeping::new(&self.target.definition, fetch, inventories, discovered);
        let keeping = self.shared.warm.as_ref().map(|warm| {
            warm.enlist(&name_of(&self.labels), Arc::clone(&keeping));
            keeping
        });
        let mut tasks = JoinSet::new();
        let discover = Box::new(discover);
        let other = self.clone();
        tasks.spawn(other.work(RunKind::Discover, timing.inventory_interval, discover_in, discover, keeping.clone()));
        tasks.spawn(self.work(RunKind::Fetch, timing.interval, Duration::ZERO, fetch, keeping));
        while let Some(ended) = tasks.join_next().await {
            if let Err(e) = ended {
                tracing::error!(job = %label, "a worker ended by a bug, please report it: {e}");
            }
        }
    }

    /// Values of an earlier process: the page is as good as before, so nobody needs to wait for it.
    fn show(&self, recalled: Snapshot) {
        if let Some(slot) = &*lock(&self.place) {
            self.shared.store.publish(slot.clone(), recalled);
            self.shared.readiness.release(&slot.name);
        }
    }

    fn drop_values(&self) {
        if let Some(slot) = &*lock(&self.place) {
            self.shared.store.retire(slot);
        }
    }

    /// Whether the credentials are still those of the account that was remembered. Where nobody answers, they are: values
    /// must not go because AWS does not answer.
    async fn is_same_account(&self, api: &dyn Api, inventories: &watch::Receiver<Option<Arc<Inventory>>>) -> bool {
        let Ok(identified) = tokio::time::timeout(IDENTITY_PATIENCE, api.account()).await else { return true };
        self.shared.telemetry.record_calls(&identified.calls);
        let before = inventories.borrow().as_ref().map(|inventory| Text::clone(&inventory.account.id));
        let is_same = match (identified.account, before) {
            (Ok(now), Some(before)) => now.id == before,
            _ => true,
        };
        if let Some(warm) = self.shared.warm.as_ref().filter(|_| !is_same) {
            warm.ignore(&name_of(&self.labels), "another_account", "the credentials are those of another account");
        }
        is_same
    }

    async fn work(
        self,
        kind: RunKind,
        interval: Duration,
        first_in: Duration,
        source: Box<dyn Source>,
        keeping: Option<Arc<Keeping>>,
    ) {
        let worker = Worker {
            name: format!("{} {} in {}", kind.as_str(), self.labels.job, self.target.region),
            schedule: Schedule { interval, retry_early: kind == RunKind::Discover },
            first_in,
            deadline: self.target.job.timing.deadline.unwrap_or_else(|| MIN_DEADLINE.max(interval.saturating_mul(3))),
            clock: self.shared.clock.clone(),
        };
        let stop = self.stop.clone();
        let report = move |run: Run| {
            if let Some(keeping) = &keeping {
                note(keeping, kind, interval, &run, self.shared.clock.now());
            }
            self.report(kind, run);
        };
        worker.run(source, report, stop).await;
    }

    /// Hands a run's outcome to everyone whom it concerns, unless a reload has ended this target meanwhile.
    fn report(&self, kind: RunKind, run: Run) {
        let place = lock(&self.place);
        let Some(slot) = &*place else { return };
        let Shared { clock, store, telemetry, readiness, states, .. } = &self.shared;
        let (now, labels, outcome) = (clock.read(), &self.labels, run.outcome);
        telemetry.record_calls(&outcome.calls);
        let series = outcome.snapshot.as_ref().map(crate::model::Snapshot::present);
        if let Some(snapshot) = outcome.snapshot {
            store.publish(slot.clone(), snapshot);
        }
        let Some(end) = run.end else { return };
        telemetry.record_run(labels, kind, end.took, &outcome.failures, series, outcome.resources, now);
        (0..end.missed).for_each(|_| telemetry.overlap(labels, kind));
        self.log(kind, &outcome.failures, end.missed);
        let facts = RunFacts {
            kind,
            ended: now.steady,
            took: end.took,
            next: now.steady.plus(end.next_in),
            series,
            resources: outcome.resources,
            failures: &outcome.failures,
            left_out: outcome.left_out.as_ref(),
        };
        if let Some(left_out) = &outcome.left_out {
            telemetry.left_out(labels, left_out.series);
        }
        states.ran(slot, &facts);
        let given_up = kind == RunKind::Discover && outcome.resources.is_none();
        if kind == RunKind::Fetch || given_up {
            readiness.release(&slot.name);
        }
    }

    fn log(&self, kind: RunKind, failures: &[crate::seam::Failure], missed: u64) {
        let (job, region) = (&self.labels.job, &self.target.region);
        for failure in failures.iter().take(LOGGED_FAILURES) {
            let (reason, advice) = (failure.reason.as_str(), failure.reason.advice());
            tracing::warn!(%job, %region, reason, advice, "failed to {failure}");
        }
        if failures.len() > LOGGED_FAILURES {
            tracing::warn!(%job, %region, more = failures.len() - LOGGED_FAILURES, "further failures of the same run");
        }
        if missed > 0 {
            tracing::warn!(%job, %region, run = kind.as_str(), missed, "a run took longer than its interval; starts were left out");
        }
    }
}

/// Nothing panics while this lock is held that would leave it half written.
fn lock(place: &Mutex<Option<SlotKey>>) -> MutexGuard<'_, Option<SlotKey>> {
    place.lock().unwrap_or_else(PoisonError::into_inner)
}

fn limits(access: &Access) -> Limits {
    let c = access.concurrency;
    let in_flight = |operation| match operation {
        "GetMetricData" => c.get_metric_data,
        "ListMetrics" => c.list_metrics,
        "GetMetricStatistics" => c.get_metric_statistics,
        _ => c.tagging,
    };
    QUOTAS
        .iter()
        .map(|(operation, per_second)| {
            (*operation, Limit { per_second: *per_second, in_flight: in_flight(*operation) })
        })
        .collect()
}
