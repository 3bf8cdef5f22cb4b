//! Quotas: one token bucket for each (account, region, operation), shared by all jobs, and a bound on the calls in flight.
//!
//! Whoever waits is served in a fair order: jobs of one account and region take turns, so that one with ten thousand calls
//! does not keep one with three waiting; so do the accounts and regions among themselves; and higher priorities go first.
//! The order is decided when a call may start, not when it begins to wait. Deliberately absent: dollars (an own issue).

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use hashbrown::HashMap;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::Instant;

use crate::model::Text;
use crate::seam::{Asker, Gate, Permit, QuotaKey};
use crate::work::bucket::Bucket;
use crate::work::fair::FairQueue;
use crate::work::places::{Place, Places};

/// A waiter looks at the bucket this often: the rate may have recovered.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// What an operation may do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limit {
    /// Calls a second for each account and region.
    pub per_second: f64,
    /// Calls in flight in the whole process.
    pub in_flight: NonZeroU32,
}

/// The limits of the operations; an operation without one is not limited.
pub type Limits = Vec<(&'static str, Limit)>;

/// The gate in front of every call. Two bounds on calls in flight hold at once: each account and region may fill the
/// operation's places, but waits for them in turn with the others, so that one whose calls hang cannot keep the others
/// out.
pub struct Budget {
    limits: Limits,
    in_flight: HashMap<&'static str, Places>,
    lanes: Mutex<HashMap<QuotaKey, Arc<Lane>>>,
}

impl Budget {
    /// With these limits, for the life of the process.
    pub fn new(limits: Limits) -> Self {
        let places = |limit: &Limit| Places::new(limit.in_flight.get());
        let in_flight = limits.iter().map(|(operation, limit)| (*operation, places(limit))).collect();
        Self { limits, in_flight, lanes: Mutex::default() }
    }

    fn lane(&self, key: &QuotaKey) -> Option<Arc<Lane>> {
        let mut lanes = lock(&self.lanes);
        if let Some(lane) = lanes.get(key) {
            return Some(Arc::clone(lane));
        }
        let (_, limit) = self.limits.iter().find(|(operation, _)| *operation == key.operation)?;
        let all = self.in_flight.get(key.operation)?.clone();
        let lane = Arc::new(Lane::new(key.clone(), limit, all));
        lanes.insert(key.clone(), Arc::clone(&lane));
        Some(lane)
    }
}

impl Gate for Budget {
    fn admit<'a>(&'a self, key: &'a QuotaKey, asker: &'a Asker) -> BoxFuture<'a, Box<dyn Permit>> {
        Box::pin(async move {
            let Some(lane) = self.lane(key) else { return Box::new(Granted::default()) as Box<dyn Permit> };
            let places = Some(lane.wait(asker).await);
            Box::new(Granted { lane: Some(lane), places }) as Box<dyn Permit>
        })
    }
}

/// A place among the calls of the lane, and one among those of the process. `None` means no bound, not no call.
type Taken = (Option<OwnedSemaphorePermit>, Place);

/// What one account and region has of one operation.
struct Lane {
    key: QuotaKey,
    bucket: Mutex<Bucket>,
    waiting: Mutex<FairQueue<Text, oneshot::Sender<Taken>>>,
    /// Whoever holds it gets what the next call needs and gives it to whose turn it is, until that is itself.
    turn: tokio::sync::Mutex<()>,
    /// Somebody has begun to wait who goes before those that did.
    raised: Notify,
    in_flight: Arc<Semaphore>,
    all: Places,
}

impl Lane {
    fn new(key: QuotaKey, limit: &Limit, all: Places) -> Self {
        Self {
            key,
            bucket: Mutex::new(Bucket::new(limit.per_second)),
            waiting: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
            raised: Notify::new(),
            in_flight: Arc::new(Semaphore::new(usize::try_from(limit.in_flight.get()).unwrap_or(usize::MAX))),
            all,
        }
    }

    /// Waits for a token and places, in turn with the others.
    async fn wait(&self, asker: &Asker) -> Taken {
        let (sender, mut given) = oneshot::channel();
        {
            let mut waiting = lock(&self.waiting);
            let raises = waiting.highest().is_some_and(|highest| highest < asker.priority);
            waiting.push(Text::clone(&asker.name), asker.priority, sender);
            if raises {
                self.raised.notify_one();
            }
        }
        let turn = tokio::select! {
            biased;
            Ok(taken) = &mut given => return taken,
            turn = self.turn.lock() => turn,
        };
        loop {
            if let Ok(taken) = given.try_recv() {
                drop(turn);
                return taken;
            }
            let taken = self.take().await;
            self.give(taken);
        }
    }

    /// What the next call needs, in an order in which nothing that others need is held for long.
    async fn take(&self) -> Taken {
        // Never closed; an error would mean no bound, not no call.
        let place = Arc::clone(&self.in_flight).acquire_owned().await.ok();
        self.token().await;
        loop {
            let priority = lock(&self.waiting).highest().unwrap_or_default();
            tokio::select! {
                biased;
                of_all = self.all.acquire(&self.key, priority) => return (place, of_all),
                () = self.raised.notified() => {}
            }
        }
    }

    /// The wait follows the rate as it changes.
    async fn token(&self) {
        loop {
            let wait = lock(&self.bucket).take(Instant::now());
            let Some(wait) = wait else { return };
            tokio::time::sleep(wait.min(LOOK_AGAIN)).await;
        }
    }

    /// To the next one that still waits. The one who gives is among them.
    fn give(&self, mut taken: Taken) {
        loop {
            let next = lock(&self.waiting).pop(|sender| !sender.is_closed());
            let Some(next) = next else { return };
            match next.send(taken) {
                Ok(()) => return,
                Err(back) => taken = back,
            }
        }
    }
}

#[derive(Default)]
struct Granted {
    lane: Option<Arc<Lane>>,
    places: Option<Taken>,
}

impl Permit for Granted {
    fn throttled(&self, yes: bool) {
        if let Some(lane) = &self.lane {
            lock(&lane.bucket).learn(yes, Instant::now());
        }
    }

    fn leave(&mut self) {
        self.places = None;
    }
}

/// Nothing panics while these locks are held, and none is held over an await.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seam::Priority;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn asker(name: &str, priority: Priority) -> Asker {
        Asker { name: name.into(), priority }
    }

    fn key(account: &str, region: &str) -> QuotaKey {
        QuotaKey { account: account.into(), region: region.into(), operation: "Op" }
    }

    fn budget(per_second: f64, in_flight: u32) -> Arc<Budget> {
        let limit = Limit { per_second, in_flight: NonZeroU32::new(in_flight).unwrap() };
        Arc::new(Budget::new(vec![("Op", limit)]))
    }

    #[tokio::test(start_paused = true)]
    async fn calls_in_flight_are_bounded_for_all_accounts_together() {
        let budget = budget(1e6, 2);
        let job = asker("job", Priority::Normal);
        let keys = [key("1", "r"), key("2", "r"), key("3", "r")];
        let (first, _second) = (budget.admit(&keys[0], &job).await, budget.admit(&keys[1], &job).await);
        let mut waiting = budget.admit(&keys[2], &job);
        let late = tokio::time::timeout(Duration::from_secs(60), &mut waiting).await;
        assert!(late.is_err(), "a third call must wait");
        drop(first);
        waiting.await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_throttled_account_does_not_hold_the_others() {
        let budget = budget(50.0, 5);
        for _ in 0..10 {
            budget.admit(&key("storm", "r"), &asker("job", Priority::Normal)).await.throttled(true);
            tokio::time::sleep(Duration::from_secs(3)).await;
        }
        for _ in 0..40 {
            let budget = Arc::clone(&budget);
            tokio::spawn(async move {
                loop {
                    let permit = budget.admit(&key("storm", "r"), &asker("job", Priority::Normal)).await;
                    tokio::time::sleep(Duration::from_secs(5)).await;
                    permit.throttled(true);
                }
            });
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        let started = Instant::now();
        for _ in 0..10 {
            budget.admit(&key("healthy", "r"), &asker("job", Priority::Normal)).await;
        }
        assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn hanging_calls_of_one_region_do_not_hold_the_others() {
        let budget = budget(50.0, 5);
        for _ in 0..800 {
            let budget = Arc::clone(&budget);
            tokio::spawn(async move {
                let mut permit = budget.admit(&key("a", "dead"), &asker("job", Priority::Normal)).await;
                tokio::time::sleep(Duration::from_secs(5)).await;
                permit.leave();
                tokio::time::sleep(Duration::from_secs(55)).await;
            });
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
        let started = Instant::now();
        budget.admit(&key("a", "healthy"), &asker("job", Priority::Normal)).await;
        assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    }

    /// Starts `calls` calls at once, each in a task of its own; the counter tells how many have started to run.
    fn flood(budget: &Arc<Budget>, asker: &Asker, calls: usize, takes: Duration) -> Arc<AtomicUsize> {
        let started = Arc::new(AtomicUsize::new(0));
        for _ in 0..calls {
            let (budget, asker, started) = (Arc::clone(budget), asker.clone(), Arc::clone(&started));
            tokio::spawn(async move {
                let _permit = budget.admit(&key("a", "r"), &asker).await;
                started.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(takes).await;
            });
        }
        started
    }

    /// Waits until all calls of a flood have started.
    async fn all(started: &AtomicUsize, calls: usize) {
        while started.load(Ordering::Relaxed) < calls {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_job_with_ten_thousand_calls_does_not_keep_one_with_three_waiting() {
        for (per_second, in_flight, takes) in [(10.0, 1_000, 0), (1e6, 2, 200)] {
            let budget = budget(per_second, in_flight);
            let takes = Duration::from_millis(takes);
            let many = flood(&budget, &asker("many", Priority::Normal), 10_000, takes);
            tokio::time::sleep(Duration::from_secs(2)).await;
            let (began, before) = (Instant::now(), many.load(Ordering::Relaxed));
            all(&flood(&budget, &asker("few", Priority::Normal), 3, takes), 3).await;
            assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
            let meanwhile = many.load(Ordering::Relaxed) - before;
            assert!((1..=20).contains(&meanwhile), "{meanwhile}: the others go on");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn high_goes_first_and_low_is_not_starved() {
        let budget = budget(10.0, 1_000);
        let low = flood(&budget, &asker("low", Priority::Low), 1_000, Duration::ZERO);
        let high = flood(&budget, &asker("high", Priority::High), 1_000, Duration::ZERO);
        tokio::time::sleep(Duration::from_secs(60)).await;
        let (low, high) = (low.load(Ordering::Relaxed), high.load(Ordering::Relaxed));
        assert!(high > 500 && (50..=80).contains(&low), "high {high}, low {low} of about 610");
    }

    #[tokio::test(start_paused = true)]
    async fn a_high_call_overtakes_those_of_other_accounts() {
        let budget = budget(1e6, 1);
        let (slow, call) = (asker("slow", Priority::Low), Duration::from_secs(1));
        for account in 0..100 {
            let (budget, slow) = (Arc::clone(&budget), slow.clone());
            tokio::spawn(async move {
                let _permit = budget.admit(&key(&account.to_string(), "r"), &slow).await;
                tokio::time::sleep(call).await;
            });
        }
        tokio::time::sleep(call / 2).await;
        let began = Instant::now();
        // Somebody with low priority waits already on behalf of this account.
        budget.admit(&key("99", "r"), &asker("urgent", Priority::High)).await;
        assert!(began.elapsed() <= call, "{:?}", began.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_stops_waiting_takes_nothing_along() {
        let budget = budget(1e6, 1);
        let (place, job) = (key("a", "r"), asker("job", Priority::Normal));
        let first = budget.admit(&place, &job).await;
        for _ in 0..3 {
            let mut waiting: Vec<_> = (0..10).map(|_| budget.admit(&place, &job)).collect();
            let some = futures_util::future::select_all(&mut waiting);
            assert!(tokio::time::timeout(Duration::from_secs(1), some).await.is_err());
        }
        let mut last = budget.admit(&place, &job);
        assert!(tokio::time::timeout(Duration::from_secs(1), &mut last).await.is_err());
        drop(first);
        tokio::time::timeout(Duration::from_secs(1), last).await.unwrap();
    }
}
