//! The running bridge: settings become workers, outcomes go to the store and into the books, a reload changes only what
//! differs.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::app::reload::{Fate, fates, unique_labels, unique_memory};
use crate::app::start;
use crate::app::states::{RunFacts, States};
use crate::app::target::{Check, Given, Sources, Target};
use crate::app::warm::Warm;
use crate::aws::warm::{Keeping, Remembered};
use crate::clock::Clock;
use crate::model::{Now, Snapshot, Text, Timestamp};
use crate::seam::{Asker, Gate, Outcome, Progress, Source};
use crate::store::{SlotKey, Store};
use crate::telemetry::{JobLabels, RunKind, Telemetry};
use crate::work::budget::{Budget, Limits};
use crate::work::demand::{Demand, Drive, Listener};
use crate::work::readiness::Readiness;
use crate::work::schedule::Schedule;
use crate::work::worker::{Run, Worker};

/// A run is given up after three intervals, but never before this; unless the job has a `timeout`.
const MIN_DEADLINE: Duration = Duration::from_secs(600);
/// Whether what was remembered still holds is not worth waiting longer for.
const CHECK_PATIENCE: Duration = Duration::from_secs(5);
/// How often values are looked at for being stale.
const SWEEP_INTERVAL: Duration = Duration::from_secs(5);
/// Failures of one run that are logged; the counter has all.
const LOGGED_FAILURES: usize = 5;

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
    gate: Arc<dyn Gate>,
    demand: Option<Arc<Demand>>,
    running: tokio::sync::Mutex<Vec<Running>>,
    stop: CancellationToken,
}

/// Where the reports of a target's workers go. A reload may move it; `None`: they are no longer wanted. Held for the whole
/// of a report, so that none comes after its end.
type Place = Arc<Mutex<Option<SlotKey>>>;

struct Running {
    target: Target,
    labels: JobLabels,
    /// What its memories are kept under.
    memory: String,
    place: Place,
    stop: CancellationToken,
}

impl Bridge {
    /// Without workers yet. The limits of calls in flight stay for the life of the process. With a `demand`, scrapes drive
    /// the workers.
    pub fn new(shared: Shared, limits: Limits, demand: Option<Arc<Demand>>) -> Self {
        let gate = Arc::new(Budget::new(limits));
        Self { shared, gate, demand, running: tokio::sync::Mutex::default(), stop: CancellationToken::new() }
    }

    /// Makes the workers be those of `wanted`: targets that did not change go on undisturbed, changed ones keep their
    /// values until the new worker has its own, others disappear with their series. `is_whole`: there are no others to come,
    /// so what is kept for others can go.
    pub async fn apply(&self, wanted: Vec<Target>, is_whole: bool) {
        let mut running = self.running.lock().await;
        let old = std::mem::take(&mut *running);
        let fates = fates(&old.iter().map(|r| &r.target).collect::<Vec<_>>(), &wanted);
        let stays: BTreeSet<usize> = fates.iter().filter_map(|fate| fate.follows()).collect();
        // First those who go: a new target may get their labels.
        old.iter().enumerate().filter(|(at, _)| !stays.contains(at)).for_each(|(_, gone)| self.end(gone));
        let mut old: Vec<Option<Running>> =
            old.into_iter().enumerate().map(|(at, running)| stays.contains(&at).then_some(running)).collect();
        let mut taken: BTreeSet<JobLabels> = old.iter().flatten().map(|r| r.labels.clone()).collect();
        let mut memories: BTreeSet<String> = old.iter().flatten().map(|r| r.memory.clone()).collect();
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
                    let memory = unique_memory(&target, &mut memories);
                    self.start(target, old.labels, memory, slot, delay)
                }),
                Fate::New => {
                    let labels = unique_labels(&target, &taken);
                    taken.insert(labels.clone());
                    let slot = slot_key(order, &labels);
                    let memory = unique_memory(&target, &mut memories);
                    Some(self.start(target, labels, memory, slot, delay))
                }
            };
            running.extend(next);
        }
        // What waits for its regions may still want what it left behind.
        if let Some(warm) = self.shared.warm.as_ref().filter(|_| is_whole) {
            warm.tidy(&running.iter().map(|r| &*r.memory).collect::<Vec<_>>());
        }
    }

    /// Whether there is anything to stop.
    pub async fn is_running(&self) -> bool {
        !self.running.lock().await.is_empty()
    }

    /// Drops values when they are stale, keeps the history, and writes down what is to survive, until the bridge stops.
    pub async fn sweep(&self) {
        let sweeping = async {
            loop {
                let now = self.shared.clock.read();
                let gone = self.shared.store.sweep(now.steady);
                self.shared.telemetry.tick(now, self.shared.store.present(), self.shared.states.count());
                if gone > 0 {
                    tracing::warn!(series = gone, "values were not confirmed for too long and are no longer shown");
                }
                tokio::time::sleep(SWEEP_INTERVAL).await;
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
            self.forget(old);
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
            self.forget(old);
        }
    }

    fn forget(&self, old: &Running) {
        if let Some(warm) = &self.shared.warm {
            warm.forget(&old.memory);
        }
    }

    fn start(&self, target: Target, labels: JobLabels, memory: String, slot: SlotKey, delay: Duration) -> Running {
        let stop = self.stop.child_token();
        self.shared.states.add(&slot, &target, &labels);
        // What is collected when somebody asks is as ready before as it will ever be.
        if self.demand.as_ref().is_none_or(|demand| demand.drive() != Drive::OnScrape) {
            self.shared.readiness.expect(Text::clone(&slot.name));
        }
        self.shared.telemetry.expect(&labels, self.shared.clock.read());
        let place: Place = Arc::new(Mutex::new(Some(slot)));
        let workers = Workers {
            shared: self.shared.clone(),
            target: target.clone(),
            labels: labels.clone(),
            memory: memory.clone(),
            place: Arc::clone(&place),
            stop: stop.clone(),
            delay,
        };
        // Scrapes count from now on, before anything runs.
        let ears = Ears::of(self.demand.as_deref());
        tokio::spawn(workers.run(Arc::clone(&self.gate), ears));
        Running { target, labels, memory, place, stop }
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

/// The two workers of a target.
#[derive(Clone)]
struct Workers {
    shared: Shared,
    target: Target,
    labels: JobLabels,
    memory: String,
    place: Place,
    stop: CancellationToken,
    /// Before the first discovery: many targets do not start at once.
    delay: Duration,
}

impl Workers {
    async fn run(self, gate: Arc<dyn Gate>, ears: Ears) {
        let remembered = match self.shared.warm.as_ref().filter(|_| self.target.work.remembers()) {
            Some(warm) => warm.recall(&self.memory, &self.target.definition).await,
            None => None,
        };
        // Memories are shown at once; what costs calls waits for its turn.
        let is_warm = remembered.is_some();
        if !is_warm && !self.wait().await {
            return;
        }
        let mut sources = self.sources(&gate, remembered).await;
        if let Some(recalled) = sources.recalled.take() {
            self.show(recalled);
        }
        if is_warm {
            if !self.wait().await {
                return;
            }
            if !self.is_still_true(sources.check.take()).await {
                self.drop_values();
                sources = self.sources(&gate, None).await;
            }
        }
        self.start(sources, ears).await;
    }

    /// Waits for this target's turn to begin; `false`: it was stopped meanwhile.
    async fn wait(&self) -> bool {
        self.stop.run_until_cancelled(tokio::time::sleep(self.delay)).await.is_some()
    }

    async fn sources(&self, gate: &Arc<dyn Gate>, remembered: Option<Remembered>) -> Sources {
        let asker = Asker { name: name_of(&self.labels).into(), priority: self.target.priority };
        let given = Given {
            gate: Arc::clone(gate),
            asker,
            values: lock(&self.place).as_ref().and_then(|slot| self.shared.store.get(slot)),
            remembered,
            definition: self.target.definition.clone(),
            now: self.shared.clock.read(),
        };
        self.target.work.sources(given).await
    }

    /// Runs both workers until they are stopped.
    async fn start(self, sources: Sources, ears: Ears) {
        let Sources { discover, discover_in, inventory_interval, fetch, interval, keeping, .. } = sources;
        let keeping = keeping.filter(|_| self.shared.warm.is_some());
        if let (Some(warm), Some(keeping)) = (&self.shared.warm, &keeping) {
            warm.enlist(&self.memory, Arc::clone(keeping));
        }
        let (mut tasks, label) = (JoinSet::new(), Text::clone(&self.labels.job));
        let discovering = Pace { kind: RunKind::Discover, interval: inventory_interval, first_in: discover_in };
        let fetching = Pace { kind: RunKind::Fetch, interval, first_in: Duration::ZERO };
        if ears.as_one {
            tasks.spawn(self.work(fetching, Box::new(Both { discover, fetch }), keeping, ears.fetch));
        } else {
            tasks.spawn(self.clone().work(discovering, discover, keeping.clone(), ears.discover));
            tasks.spawn(self.work(fetching, fetch, keeping, ears.fetch));
        }
        while let Some(ended) = tasks.join_next().await {
            if let Err(e) = ended {
                tracing::error!(job = %label, "a worker ended by a bug, please report it: {e}");
            }
        }
    }

    /// Values of an earlier process: the page is as good as before, so nobody needs to wait for it.
    fn show(&self, recalled: Snapshot) {
        if let Some(slot) = &*lock(&self.place) {
            self.shared.telemetry.recalled(&self.labels, recalled.present());
            self.shared.store.publish(slot.clone(), recalled);
            self.shared.readiness.release(&slot.name);
        }
    }

    fn drop_values(&self) {
        if let Some(slot) = &*lock(&self.place) {
            self.shared.store.retire(slot);
        }
    }

    /// Whether what was remembered is about what is asked now. Where nobody answers, it is: values must not go because a
    /// cloud does not answer.
    async fn is_still_true(&self, check: Option<Check>) -> bool {
        let Some(check) = check else { return true };
        let Ok(checked) = tokio::time::timeout(CHECK_PATIENCE, check).await else { return true };
        self.shared.telemetry.record_calls(&checked.calls);
        if let (Some(warm), Err(why)) = (&self.shared.warm, checked.is_true) {
            warm.ignore(&name_of(&self.labels), "another_account", why);
        }
        checked.is_true.is_ok()
    }

    async fn work(
        self,
        pace: Pace,
        source: Box<dyn Source>,
        keeping: Option<Arc<Keeping>>,
        listener: Option<Listener>,
    ) {
        let Pace { kind, interval, first_in } = pace;
        let worker = Worker {
            name: format!("{} {} in {}", kind.as_str(), self.labels.job, self.target.region),
            schedule: Schedule { interval, retry_early: kind == RunKind::Discover },
            first_in,
            deadline: self.target.deadline.unwrap_or_else(|| MIN_DEADLINE.max(interval.saturating_mul(3))),
            clock: self.shared.clock.clone(),
            listener,
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
        telemetry.unshown(labels, &outcome.unshown);
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
        telemetry.next_run(labels, kind, facts.next);
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

/// When a worker of a target runs.
struct Pace {
    kind: RunKind,
    interval: Duration,
    first_in: Duration,
}

/// How the workers of a target hear of scrapes.
struct Ears {
    /// Discovery and fetch are one worker.
    as_one: bool,
    discover: Option<Listener>,
    fetch: Option<Listener>,
}

impl Ears {
    fn of(demand: Option<&Demand>) -> Self {
        let as_one = demand.is_some_and(|demand| demand.drive() == Drive::OnScrape);
        let discover = demand.filter(|_| !as_one).map(Demand::listener);
        Self { as_one, discover, fetch: demand.map(Demand::listener) }
    }
}

/// A discovery, then a fetch, as one: what is collected at each scrape.
struct Both {
    discover: Box<dyn Source>,
    fetch: Box<dyn Source>,
}

impl Source for Both {
    fn collect<'a>(&'a mut self, now: Now, progress: Progress<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let found = self.discover.collect(now, progress).await;
            // Without any inventory there is nothing to wait for.
            if self.fetch.ready().now_or_never().is_none() {
                return found;
            }
            let resources = found.resources;
            let fetched = self.fetch.collect(now, progress).await;
            let mut both = fetched;
            both.calls.splice(..0, found.calls);
            both.failures.splice(..0, found.failures);
            both.resources = resources;
            both.unshown.add(&found.unshown);
            both
        })
    }
}
