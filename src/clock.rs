//! The one reader of wall time. Everything else gets a [`Timestamp`] as a parameter or asks a [`Clock`] that it was given.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use crate::model::{Now, Timestamp};

/// Wall time, possibly shifted, and a steady time beside it. Clones share the shift.
#[derive(Clone, Debug)]
pub struct Clock {
    shift_ms: Arc<AtomicI64>,
    started: (Timestamp, Instant),
    speed: u32,
}

impl Clock {
    /// The machine's wall time.
    pub fn system() -> Self {
        Self { shift_ms: Arc::default(), started: (wall(), Instant::now()), speed: 1 }
    }

    /// A wall time that starts now and passes `speed` times as fast: for a simulated cloud whose values shall move while
    /// somebody looks. The steady time keeps its pace.
    pub fn fast(speed: u32) -> Self {
        Self { speed: speed.max(1), ..Self::system() }
    }

    /// Now, on both clocks.
    pub fn read(&self) -> Now {
        let (wall, instant) = self.started;
        Now { wall: self.now(), steady: wall.plus(instant.elapsed()) }
    }

    /// Wall time.
    pub fn now(&self) -> Timestamp {
        let (start, instant) = self.started;
        let unshifted = if self.speed == 1 { wall() } else { start.plus(instant.elapsed() * self.speed) };
        Timestamp::from_millis(unshifted.as_millis().saturating_add(self.shift_ms.load(Ordering::Relaxed)))
    }

    /// How long it really takes until this clock shows `at`; zero when that is past.
    pub fn until(&self, at: Timestamp) -> Duration {
        at.since(self.now()) / self.speed
    }

    /// Makes this clock and its clones show a time that differs from the machine's by `ms` more. For the simulated
    /// cloud's faults (a clock step); the daemon never calls it.
    pub fn step_by_millis(&self, ms: i64) {
        self.shift_ms.fetch_add(ms, Ordering::Relaxed);
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the one reader of wall time")]
fn wall() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_moves_wall_time_only() {
        let clock = Clock::system();
        let before = clock.read();
        clock.clone().step_by_millis(3_600_000);
        let after = clock.read();
        assert!(after.wall.as_millis() - before.wall.as_millis() >= 3_600_000);
        assert!(after.steady.as_millis() - before.steady.as_millis() < 60_000);
    }
}
