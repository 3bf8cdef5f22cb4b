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

/// The gate in front of every call.
pub struct Budget {
    limits: Limits,
    in_flight: HashMap<&'static str, Arc<Semaphore>>,
    buckets: Mutex<HashMap<QuotaKey, Arc<Mutex<Bucket>>>>,
}

impl Budget {
    /// With these limits, for the life of the process.
    pub fn new(limits: Limits) -> Self {
        let permits = |l: &Limit| Arc::new(Semaphore::new(usize::try_from(l.in_flight.get()).unwrap_or(usize::MAX)));
        let in_flight = limits.iter().map(|(operation, limit)| (*operation, permits(limit))).collect();
        Self { limits, in_flight, buckets: Mutex::default() }
    }

    fn bucket(&self, key: &QuotaKey) -> Option<Arc<Mutex<Bucket>>> {
        let (_, limit) = self.limits.iter().find(|(operation, _)| *operation == key.operation)?;
        let mut buckets = lock(&self.buckets);
        let bucket = buckets.entry(key.clone()).or_insert_with(|| Arc::new(Mutex::new(Bucket::new(limit.per_second))));
        Some(Arc::clone(bucket))
    }
}

impl Gate for Budget {
    fn admit<'a>(&'a self, key: &'a QuotaKey) -> BoxFuture<'a, Box<dyn Permit>> {
        Box::pin(async move {
            let place = match self.in_flight.get(key.operation) {
                // The semaphore is never closed; an error would mean no bound, not no call.
                Some(all) => Arc::clone(all).acquire_owned().await.ok(),
                None => None,
            };
            let bucket = self.bucket(key);
            if let Some(bucket) = &bucket {
                let wait = lock(bucket).take(Instant::now());
                tokio::time::sleep(wait).await;
            }
            Box::new(Granted { bucket, place }) as Box<dyn Permit>
        })
    }
}

struct Granted {
    bucket: Option<Arc<Mutex<Bucket>>>,
    place: Option<OwnedSemaphorePermit>,
}

impl Permit for Granted {
    fn throttled(&self, yes: bool) {
        if let Some(bucket) = &self.bucket {
            lock(bucket).learn(yes, Instant::now());
        }
    }

    fn leave(&mut self) {
        self.place = None;
    }
}

/// A token bucket that may go into debt: whoever takes a token is told how long to wait for it, in the order of asking.
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

    fn take(&mut self, now: Instant) -> Duration {
        if let Some(at) = self.at {
            let earned = now.saturating_duration_since(at).as_secs_f64() * self.per_second;
            self.tokens = (self.tokens + earned).min(self.per_second.max(1.0));
        }
        self.at = Some(now);
        self.tokens -= 1.0;
        if self.tokens >= 0.0 { Duration::ZERO } else { Duration::from_secs_f64(-self.tokens / self.per_second) }
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
        let waits: Vec<f64> = (0..5).map(|_| bucket.take(now).as_secs_f64()).collect();
        assert_eq!(waits, [0.0, 0.0, 0.5, 1.0, 1.5]);
        assert_eq!(bucket.take(now + Duration::from_secs(10)), Duration::ZERO);
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

    #[tokio::test(start_paused = true)]
    async fn calls_in_flight_are_bounded_for_all_accounts_together() {
        let limit = Limit { per_second: 1e6, in_flight: NonZeroU32::new(2).unwrap() };
        let budget = Budget::new(vec![("Op", limit)]);
        let key = |n: usize| QuotaKey { account: n.to_string().into(), region: "r".into(), operation: "Op" };
        let (first, _second) = (budget.admit(&key(1)).await, budget.admit(&key(2)).await);
        let third = key(3);
        let mut waiting = budget.admit(&third);
        let late = tokio::time::timeout(Duration::from_secs(60), &mut waiting).await;
        assert!(late.is_err(), "a third call must wait");
        drop(first);
        waiting.await;
    }
}
