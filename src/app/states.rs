//! What each worker did last, for the status page.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::expose::status::{JobStatus, RunStatus};
use crate::model::{Text, Timestamp};
use crate::seam::Failure;
use crate::store::SlotKey;
use crate::telemetry::RunKind;

/// The newest state of every target. Clones share it.
#[derive(Clone, Default)]
pub struct States {
    jobs: Arc<Mutex<BTreeMap<SlotKey, JobStatus>>>,
}

impl States {
    /// A target appears, as not yet run.
    pub fn add(&self, slot: &SlotKey, job: Text, region: Text, account: Text) {
        let state = JobStatus { job, region, account, ..JobStatus::default() };
        self.with(|jobs| {
            jobs.insert(slot.clone(), state);
        });
    }

    /// A target has another place in the file.
    pub fn rename(&self, from: &SlotKey, to: SlotKey) {
        self.with(|jobs| {
            if let Some(state) = jobs.remove(from) {
                jobs.insert(to, state);
            }
        });
    }

    /// A target is gone.
    pub fn remove(&self, slot: &SlotKey) {
        self.with(|jobs| {
            jobs.remove(slot);
        });
    }

    /// A run is over.
    pub fn ran(&self, slot: &SlotKey, kind: RunKind, run: RunStatus, counts: (Option<usize>, Option<usize>)) {
        self.with(|jobs| {
            let Some(state) = jobs.get_mut(slot) else { return };
            state.series = counts.0.or(state.series);
            state.resources = counts.1.or(state.resources);
            match kind {
                RunKind::Discover => state.discover = Some(run),
                RunKind::Fetch => state.fetch = Some(run),
            }
        });
    }

    /// All of them, in the file's order.
    pub fn all(&self) -> Vec<JobStatus> {
        self.with(|jobs| jobs.values().cloned().collect())
    }

    fn with<T>(&self, f: impl FnOnce(&mut BTreeMap<SlotKey, JobStatus>) -> T) -> T {
        f(&mut self.jobs.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A run for the status page: its first failure stands for all.
pub fn run_status(ended: Timestamp, next: Timestamp, failures: &[Failure]) -> RunStatus {
    let error = failures.first().map(|f| format!("{}: {f}", f.reason.as_str()));
    let advice = failures.first().map(|f| f.reason.advice());
    RunStatus { ended, next, error, advice, failures: failures.len() }
}
