//! The running bridge: settings become workers, outcomes go to the store and into the books, a reload changes only what
//! differs.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::app::states::{RunFacts, States};
use crate::app::target::{Target, targets};
use crate::aws::api::Api;
use crate::aws::client::{Clients, Network};
use crate::aws::discover::Discover;
use crate::aws::fetch::Fetch;
use crate::aws::gated::Gated;
use crate::aws::job::{Access, AwsSettings, Naming};
use crate::clock::Clock;
use crate::model::Text;
use crate::seam::{Gate, Source};
use crate::store::{SlotKey, Store};
use crate::telemetry::{RunKind, Telemetry};
use crate::work::budget::{Budget, Limit, Limits};
use crate::work::readiness::Readiness;
use crate::work::schedule::Schedule;
use crate::work::worker::{Run, Worker};

/// A run is given up after three intervals, but never before this.
const MIN_DEADLINE: Duration = Duration::from_secs(600);
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
}

/// The bridge with its workers.
pub struct Bridge {
    shared: Shared,
    network: Network,
    gate: Arc<dyn Gate>,
    running: tokio::sync::Mutex<BTreeMap<Text, Running>>,
    stop: CancellationToken,
}

struct Running {
    target: Target,
    /// Where the workers' reports find the slot, which a reload may move.
    slot: Arc<Mutex<SlotKey>>,
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
        let gone: Vec<Text> =
            running.keys().filter(|name| !wanted.iter().any(|t| t.slot.name == **name)).cloned().collect();
        for name in gone {
            if let Some(old) = running.remove(&name) {
                self.end(&old);
            }
        }
        for target in wanted {
            let name = Text::clone(&target.slot.name);
            match running.get_mut(&name) {
                Some(old) if old.target.definition == target.definition => self.keep(old, &target),
                old => {
                    if let Some(old) = old {
                        old.stop.cancel();
                        self.shared.store.rename(&current(&old.slot), target.slot.clone());
                        self.shared.states.remove(&current(&old.slot));
                    }
                    let started = self.start(target, settings.naming, Arc::clone(&clients));
                    running.insert(name, started);
                }
            }
        }
        Ok(())
    }

    /// Drops values when they are stale, until the bridge stops.
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
        self.stop.run_until_cancelled(sweeping).await;
    }

    /// Stops all workers; runs in flight are dropped.
    pub async fn shut_down(&self) {
        self.stop.cancel();
        for (_, running) in std::mem::take(&mut *self.running.lock().await) {
            running.stop.cancel();
        }
    }

    /// The position in the file may have changed.
    fn keep(&self, old: &mut Running, target: &Target) {
        let mut slot = old.slot.lock().unwrap_or_else(PoisonError::into_inner);
        if *slot != target.slot {
            self.shared.store.rename(&slot, target.slot.clone());
            self.shared.states.rename(&slot, target.slot.clone());
            *slot = target.slot.clone();
        }
        old.target = target.clone();
    }

    fn end(&self, old: &Running) {
        old.stop.cancel();
        let slot = current(&old.slot);
        self.shared.store.retire(&slot);
        self.shared.states.remove(&slot);
        self.shared.readiness.release(&slot.name);
        self.shared.telemetry.retire(&old.target.labels);
    }

    fn start(&self, target: Target, naming: Naming, clients: Arc<Clients>) -> Running {
        let slot = Arc::new(Mutex::new(target.slot.clone()));
        let stop = self.stop.child_token();
        self.shared.states.add(&target);
        self.shared.readiness.expect(Text::clone(&target.slot.name));
        let workers = Workers {
            shared: self.shared.clone(),
            target: target.clone(),
            slot: Arc::clone(&slot),
            stop: stop.clone(),
        };
        tokio::spawn(workers.run(naming, clients, Arc::clone(&self.gate)));
        Running { target, slot, stop }
    }
}

/// The two workers of a target.
#[derive(Clone)]
struct Workers {
    shared: Shared,
    target: Target,
    slot: Arc<Mutex<SlotKey>>,
    stop: CancellationToken,
}

impl Workers {
    async fn run(self, naming: Naming, clients: Arc<Clients>, gate: Arc<dyn Gate>) {
        let Target { job, role, region, .. } = &self.target;
        let client = clients.api(role, region).await;
        let as_whom = role.arn.clone().unwrap_or_else(|| Text::from("own"));
        let api: Arc<dyn Api> = Arc::new(Gated::new(client, gate, as_whom));
        let (sender, receiver) = watch::channel(None);
        let timing = job.timing;
        let discover = Box::new(Discover::new(Arc::clone(job), Arc::clone(&api), sender));
        let fetch = Box::new(Fetch::new(Arc::clone(job), api, naming, receiver));
        let mut tasks = JoinSet::new();
        tasks.spawn(self.clone().work(RunKind::Discover, timing.inventory_interval, discover));
        tasks.spawn(self.work(RunKind::Fetch, timing.interval, fetch));
        while tasks.join_next().await.is_some() {}
    }

    async fn work(self, kind: RunKind, interval: Duration, source: Box<dyn Source>) {
        let worker = Worker {
            name: format!("{} {} in {}", kind.as_str(), self.target.labels.job, self.target.region),
            schedule: Schedule { interval, retry_early: kind == RunKind::Discover },
            deadline: MIN_DEADLINE.max(interval * 3),
            clock: self.shared.clock.clone(),
        };
        let stop = self.stop.clone();
        worker.run(source, move |run| self.report(kind, run), stop).await;
    }

    /// Hands a run's outcome to everyone whom it concerns.
    fn report(&self, kind: RunKind, run: Run) {
        let Shared { clock, store, telemetry, readiness, states } = &self.shared;
        let (now, labels, slot) = (clock.read(), &self.target.labels, current(&self.slot));
        let outcome = run.outcome;
        telemetry.record_calls(&outcome.calls);
        let series = outcome.snapshot.as_ref().map(crate::model::Snapshot::present);
        telemetry.record_run(labels, kind, run.took, &outcome.failures, series, outcome.resources, now.wall);
        (0..run.missed).for_each(|_| telemetry.overlap(labels, kind));
        self.log(kind, &outcome.failures, run.missed);
        let facts = RunFacts {
            kind,
            ended: now.steady,
            took: run.took,
            next: now.steady.plus(run.next_in),
            series,
            resources: outcome.resources,
            failures: &outcome.failures,
        };
        states.ran(&slot, &facts);
        let given_up = kind == RunKind::Discover && !outcome.failures.is_empty();
        if let Some(snapshot) = outcome.snapshot
            && !self.stop.is_cancelled()
        {
            store.publish(slot.clone(), snapshot);
        }
        if kind == RunKind::Fetch || given_up {
            readiness.release(&slot.name);
        }
    }

    fn log(&self, kind: RunKind, failures: &[crate::seam::Failure], missed: u64) {
        let (job, region) = (&self.target.labels.job, &self.target.region);
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

fn current(slot: &Mutex<SlotKey>) -> SlotKey {
    slot.lock().unwrap_or_else(PoisonError::into_inner).clone()
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
