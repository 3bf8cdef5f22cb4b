//! Pure: a token bucket that halves its rate when the API throttles and recovers slowly, so that the bridge finds the rate
//! that is left.

use std::time::Duration;

use tokio::time::Instant;

/// A bucket's rate never falls below this, or a throttled account would never be asked again.
const MIN_PER_SECOND: f64 = 0.2;
/// A throttled call multiplies the rate by this, …
const DECREASE: f64 = 0.5;
/// … at most once in this time: one burst is one message.
const DECREASE_PAUSE: Duration = Duration::from_secs(2);
/// Every good call gives back this part of the quota.
const INCREASE: f64 = 0.01;
/// Tokens are counted in floating point.
const SLACK: f64 = 1e-9;

/// A token bucket.
#[derive(Debug)]
pub(super) struct Bucket {
    quota_per_second: f64,
    per_second: f64,
    tokens: f64,
    at: Option<Instant>,
    decreased_at: Option<Instant>,
}

impl Bucket {
    /// Full: a second's worth of calls may start at once.
    pub(super) fn new(per_second: f64) -> Self {
        let quota = per_second.max(MIN_PER_SECOND);
        Self { quota_per_second: quota, per_second: quota, tokens: quota.max(1.0), at: None, decreased_at: None }
    }

    /// Takes a token; `Some`: there is none before that time is over.
    pub(super) fn take(&mut self, now: Instant) -> Option<Duration> {
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

    pub(super) fn learn(&mut self, throttled: bool, now: Instant) {
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
}
