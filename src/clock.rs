//! The one reader of wall time. Everything else gets a [`Timestamp`] as a parameter or asks a [`Clock`] that it was given.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::SystemTime;

use crate::model::Timestamp;

/// Wall time, possibly shifted. Clones share the shift.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    shift_ms: Arc<AtomicI64>,
}

impl Clock {
    /// The machine's wall time.
    pub fn system() -> Self {
        Self::default()
    }

    /// Now.
    #[expect(clippy::disallowed_methods, reason = "this is the one reader of wall time")]
    pub fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let ms = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
        Timestamp::from_millis(ms.saturating_add(self.shift_ms.load(Ordering::Relaxed)))
    }

    /// Makes this clock and its clones show a time that differs from the machine's by `ms` more. For the simulated
    /// cloud's faults (a clock step); the daemon never calls it.
    pub fn step_by_millis(&self, ms: i64) {
        self.shift_ms.fetch_add(ms, Ordering::Relaxed);
    }
}
