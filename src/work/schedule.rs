//! Pure: when a worker runs next.

use std::time::Duration;

/// The first retry after a failed run, where a worker retries before its interval is over.
const FIRST_RETRY: Duration = Duration::from_secs(15);

/// How a worker is paced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// From the start of one run to the start of the next.
    pub interval: Duration,
    /// After a failed run: try again sooner, at growing distances, never beyond the interval.
    pub retry_early: bool,
}

impl Schedule {
    /// How long after the start of a run the next one starts. `spread` in `0.0..1.0` moves the second run of a worker
    /// forward by up to a tenth of the interval, so that workers started together do not stay together.
    pub fn next(&self, run: u64, failed_in_row: u32, spread: f64) -> Duration {
        if self.retry_early && failed_in_row > 0 {
            let doubled = FIRST_RETRY.saturating_mul(1_u32.checked_shl(failed_in_row - 1).unwrap_or(u32::MAX));
            return doubled.mul_f64(1.0 + spread * 0.1).min(self.interval);
        }
        if run == 1 { self.interval.mul_f64(1.0 - spread * 0.1) } else { self.interval }
    }

    /// How many further starts fell into a run that took `took`: they are counted, never made up for.
    pub fn missed(&self, took: Duration) -> u64 {
        let interval = self.interval.as_millis().max(1);
        u64::try_from(took.as_millis() / interval).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn failures_are_retried_at_growing_distances() {
        let s = Schedule { interval: SECOND * 900, retry_early: true };
        let waits: Vec<u64> = (1..9).map(|n| s.next(5, n, 0.0).as_secs()).collect();
        assert_eq!(waits, [15, 30, 60, 120, 240, 480, 900, 900]);
        assert_eq!(s.next(5, 60, 0.5), SECOND * 900);
        assert_eq!(Schedule { retry_early: false, ..s }.next(5, 3, 0.9), SECOND * 900);
    }

    #[test]
    fn only_the_second_run_is_moved() {
        let s = Schedule { interval: SECOND * 300, retry_early: false };
        assert_eq!(s.next(1, 0, 0.5), SECOND * 285);
        assert_eq!(s.next(2, 0, 0.5), SECOND * 300);
    }

    #[test]
    fn starts_within_a_run_are_missed() {
        let s = Schedule { interval: SECOND * 10, retry_early: false };
        assert_eq!(s.missed(SECOND * 9), 0);
        assert_eq!(s.missed(SECOND * 35), 3);
    }
}
