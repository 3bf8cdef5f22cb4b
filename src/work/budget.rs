//! Quotas: one token bucket for each (account, region, operation), shared by all jobs, and a bound on the calls in flight.
//! A bucket halves its rate when the API throttles and recovers slowly, so that the bridge finds the rate that is left.
//!
//! Deliberately absent: dollars (an own issue), fairness beyond first come, first served.

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use hashbrown::HashMap;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::seam::{Gate, Permit, QuotaKey};

/// A bucket's rate never falls below this, or a throttled account would never be asked again.
const MIN_PER_SECOND: f64 = 0.2;
/// A throttled call multiplies the rate by this, …
const DECREASE: f64 = 0.5;
/// … at most once in this time: one burst is one message.
const DECREASE_PAUSE: Duration = Duration::from_secs(2);
/// Every good call gives back this part of the quota.
const INCREASE: f64 = 0.01;

/// A waiter looks at the bucket this often: the rate may have recovered.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// Tokens are counted in floating point.
const SLACK: f64 = 1e-9;

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
/// operation's places, but waits for them in one queue with the others, so that one whose calls hang cannot keep the
/// others out.
pub struct Budget {
    limits: Limits,
    in_flight: HashMap<&'static str, Arc<Semaphore>>,
    lanes: Mutex<HashMap<QuotaKey, Arc<Lane>>>,
}

impl Budget {
    /// With these limits, for the life of the process.
    pub fn new(limits: Limits) -> Self {
        let in_flight = limits.iter().map(|(operation, limit)| (*operation, places(limit))).collect();
        Self { limits, in_flight, lanes: Mutex::default() }
    }

    fn lane(&self, key: &QuotaKey) -> Option<Arc<Lane>> {
        let (_, limit) = self.limits.iter().find(|(operation, _)| *operation == key.operation)?;
        let mut lanes = lock(&self.lanes);
        Some(Arc::clone(lanes.entry(key.clone()).or_insert_with(|| Arc::new(Lane::new(limit)))))
    }
}

fn places(limit: &Limit) -> Arc<Semaphore> {
    Arc::new(Semaphore::new(usize::try_from(limit.in_flight.get()).unwrap_or(usize::MAX)))
}

impl Gate for Budget {
    fn admit<'a>(&'a self, key: &'a QuotaKey) -> BoxFuture<'a, Box<dyn Permit>> {
        Box::pin(async move {
            let Some(lane) = self.lane(key) else { return Box::new(Granted::default()) as Box<dyn Permit> };
            lane.wait_for_token().await;
            // The semaphores are never closed; an error would mean no bound, not no call.
            let mut places = vec![Arc::clone(&lane.in_flight).acquire_owned().await.ok()];
            if let Some(all) = self.in_flight.get(key.operation) {
                places.push(Arc::clone(all).acquire_owned().await.ok());
            }
            Box::new(Granted { lane: Some(lane), places }) as Box<dyn Permit>
        })
    }
}

/// What one account and region has of one operation.
struct Lane {
    bucket: Mutex<Bucket>,
    /// Whoever holds it is the next to get a token: first come, first served, and the wait follows the rate as it changes.
    turn: tokio::sync::Mutex<()>,
    in_flight: Arc<Semaphore>,
}

impl Lane {
    fn new(limit: &Limit) -> Self {
        Self {
            bucket: Mutex::new(Bucket::new(limit.per_second)),
            turn: tokio::sync::Mutex::default(),
            in_flight: places(limit),
        }
    }

    async fn wait_for_token(&self) {
        let _turn = self.turn.lock().await;
        loop {
            let wait = lock(&self.bucket).take(Instant::now());
            let Some(wait) = wait else { return };
            tokio::time::sleep(wait.min(LOOK_AGAIN)).await;
        }
    }
}

#[derive(Default)]
struct Granted {
    lane: Option<Arc<Lane>>,
    places: Vec<Option<OwnedSemaphorePermit>>,
}

impl Permit for Granted {
    fn throttled(&self, yes: bool) {
        if let Some(lane) = &self.lane {
            lock(&lane.bucket).learn(yes, Instant::now());
        }
    }

    fn leave(&mut self) {
        self.places.clear();
    }
}

/// A token bucket.
#[derive(Debug)]
struct Bucket {
    quota_per_second: f64,
    per_second: f64,
    tokens: f64,
    at: Option<Instant>,
    decreased_at: Option<Instant>,
}

impl Bucket {
    /// Full: a second's worth of calls may start at once.
    fn new(per_second: f64) -> Self {
        let quota = per_second.max(MIN_PER_SECOND);
        Self { quota_per_second: quota, per_second: quota, tokens: quota.max(1.0), at: None, decreased_at: None }
    }

    /// Takes a token; `Some`: there is none before that time is over.
    fn take(&mut self, now: Instant) -> Option<Duration> {
        if let Some(at) = self.at {
            let earned = now.saturating_duration_since(at).as_secs_f64() * self.per_second;
            self.tokens = (self.tokens + earned).min(self.per_second.max(1.0));
        }
        self.at = Some(now);
        let missing = 1.0 - self.tokens;
        if missing <= SLACK {
            self.tokens -= 1.0;
            return None;
        }
        Some(Duration::from_secs_f64(missing / self.per_second))
    }

    fn learn(&mut self, throttled: bool, now: Instant) {
        if !throttled {
            self.per_second = (self.per_second + self.quota_per_second * INCREASE).min(self.quota_per_second);
            return;
        }
        let pausing = self.decreased_at.is_some_and(|at| now.saturating_duration_since(at) < DECREASE_PAUSE);
        if !pausing {
            self.per_second = (self.per_second * DECREASE).max(MIN_PER_SECOND);
            self.decreased_at = Some(now);
        }
    }
}

/// Nothing panics while these locks are held, and none is held over an await.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_of_calls_at_once_then_at_the_rate() {
        let (mut bucket, now) = (Bucket::new(2.0), Instant::now());
        assert_eq!([bucket.take(now), bucket.take(now)], [None, None]);
        let wait = bucket.take(now).unwrap();
        assert!((wait.as_secs_f64() - 0.5).abs() < 1e-6, "{wait:?}");
        assert_eq!(bucket.take(now + wait), None);
        assert!(bucket.take(now + wait).is_some());
    }

    #[test]
    fn throttling_halves_the_rate_once_and_good_calls_bring_it_back() {
        let (mut bucket, now) = (Bucket::new(10.0), Instant::now());
        bucket.learn(true, now);
        bucket.learn(true, now + Duration::from_millis(10));
        assert!((bucket.per_second - 5.0).abs() < 1e-9);
        for second in 1..100 {
            bucket.learn(true, now + Duration::from_secs(second * 10));
        }
        assert!((bucket.per_second - MIN_PER_SECOND).abs() < 1e-9);
        (0..1_000).for_each(|_| bucket.learn(false, now));
        assert!((bucket.per_second - 10.0).abs() < 1e-9);
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
        let keys = [key("1", "r"), key("2", "r"), key("3", "r")];
        let (first, _second) = (budget.admit(&keys[0]).await, budget.admit(&keys[1]).await);
        let mut waiting = budget.admit(&keys[2]);
        let late = tokio::time::timeout(Duration::from_secs(60), &mut waiting).await;
        assert!(late.is_err(), "a third call must wait");
        drop(first);
        waiting.await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_throttled_account_does_not_hold_the_others() {
        let budget = budget(50.0, 5);
        for _ in 0..10 {
            budget.admit(&key("storm", "r")).await.throttled(true);
            tokio::time::sleep(Duration::from_secs(3)).await;
        }
        for _ in 0..40 {
            let budget = Arc::clone(&budget);
            tokio::spawn(async move {
                loop {
                    let permit = budget.admit(&key("storm", "r")).await;
                    tokio::time::sleep(Duration::from_secs(5)).await;
                    permit.throttled(true);
                }
            });
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        let started = Instant::now();
        for _ in 0..10 {
            budget.admit(&key("healthy", "r")).await;
        }
        assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn hanging_calls_of_one_region_do_not_hold_the_others() {
        let budget = budget(50.0, 5);
        for _ in 0..800 {
            let budget = Arc::clone(&budget);
            tokio::spawn(async move {
                let mut permit = budget.admit(&key("a", "dead")).await;
                tokio::time::sleep(Duration::from_secs(5)).await;
                permit.leave();
                tokio::time::sleep(Duration::from_secs(55)).await;
            });
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
        let started = Instant::now();
        budget.admit(&key("a", "healthy")).await;
        assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    }
}
