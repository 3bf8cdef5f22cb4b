//! Ready when every job has had its first collection, or given it up. A job that was ready never becomes unready.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use crate::model::Text;

/// The names that are still missing. Clones share them.
#[derive(Clone, Default)]
pub struct Readiness {
    missing: Arc<Mutex<BTreeSet<Text>>>,
}

impl Readiness {
    /// Waits for one more.
    pub fn expect(&self, name: Text) {
        self.missing.lock().unwrap_or_else(PoisonError::into_inner).insert(name);
    }

    /// This one is over, or gone.
    pub fn release(&self, name: &Text) {
        self.missing.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
    }

    /// What is still missing, in order of the names; empty: ready.
    pub fn missing(&self) -> Vec<String> {
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
    }
}
