//! Ready when every job has had its first collection, or given it up. A job that was ready never becomes unready.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::model::Text;

/// The names that are still missing. Clones share them.
#[derive(Clone, Default)]
pub struct Readiness {
    missing: Arc<Mutex<BTreeSet<Text>>>,
    /// Nothing was missing once: jobs that a reload brings do not make a daemon unready that others rely on.
    was_ready: Arc<AtomicBool>,
}

impl Readiness {
    /// Waits for one more.
    pub fn expect(&self, name: Text) {
        self.missing.lock().unwrap_or_else(PoisonError::into_inner).insert(name);
    }

    /// This one is over, or gone.
    pub fn release(&self, name: &Text) {
        let mut missing = self.missing.lock().unwrap_or_else(PoisonError::into_inner);
        if missing.remove(name) && missing.is_empty() {
            self.was_ready.store(true, Ordering::Relaxed);
        }
    }

    /// What is still missing, in order of the names; empty: ready.
    pub fn missing(&self) -> Vec<String> {
        if self.was_ready.load(Ordering::Relaxed) {
            return Vec::new();
        }
        self.missing.lock().unwrap_or_else(PoisonError::into_inner).iter().map(ToString::to_string).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_when_all_are_released() {
        let readiness = Readiness::default();
        readiness.expect("a".into());
        readiness.clone().expect("b".into());
        readiness.release(&"a".into());
        assert_eq!(readiness.missing(), ["b"]);
        readiness.release(&"b".into());
        assert!(readiness.missing().is_empty());
        readiness.expect("c".into());
        assert!(readiness.missing().is_empty(), "ready stays ready");
    }
}
