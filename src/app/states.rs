//! What each target did last, for the status page.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::app::target::Target;
use crate::aws::job::Role;
use crate::expose::status::{JobError, JobStatus, PushStatus};
use crate::model::Timestamp;
use crate::seam::{Failure, LeftOut};
use crate::store::SlotKey;
use crate::telemetry::{JobLabels, RunKind};

/// The newest state of every target. Clones share it.
#[derive(Clone, Default)]
pub struct States {
    jobs: Arc<Mutex<BTreeMap<SlotKey, State>>>,
    push: Arc<Mutex<Option<PushStatus>>>,
    /// Roles whose regions could not be found out, with the reason.
    regions: Arc<Mutex<BTreeMap<Role, JobError>>>,
}

#[derive(Default)]
struct State {
    shown: JobStatus,
    /// A discovery that fails is the cause of what the fetch lacks.
    discover_error: Option<JobError>,
    fetch_error: Option<JobError>,
}

/// The facts of one run.
pub struct RunFacts<'a> {
    /// Which worker.
    pub kind: RunKind,
    /// When it ended, on the steady clock: "a minute ago" must not depend on steps of the other one.
    pub ended: Timestamp,
    /// How long it took.
    pub took: Duration,
    /// When the next one starts, on the steady clock.
    pub next: Timestamp,
    /// Series with a value, where the run counted them.
    pub series: Option<usize>,
    /// Resources, where the run counted them.
    pub resources: Option<usize>,
    /// What failed.
    pub failures: &'a [Failure],
    /// What an upper bound left out, where the run found it out.
    pub left_out: Option<&'a LeftOut>,
}

impl States {
    /// A target appears, as not yet run.
    pub fn add(&self, slot: &SlotKey, target: &Target, labels: &JobLabels) {
        let shown = JobStatus {
            kind: target.kind.to_owned(),
            name: labels.job.to_string(),
            region: target.region.to_string(),
            account: if labels.account.is_empty() { "own".to_owned() } else { labels.account.to_string() },
            ..JobStatus::default()
        };
        self.with(|jobs| jobs.insert(slot.clone(), State { shown, ..State::default() }));
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
        self.with(|jobs| jobs.remove(slot));
    }

    /// A run is over.
    pub fn ran(&self, slot: &SlotKey, run: &RunFacts<'_>) {
        self.with(|jobs| {
            let Some(state) = jobs.get_mut(slot) else { return };
            let error = error_of(run.failures);
            match run.kind {
                RunKind::Discover => state.discover_error = error,
                RunKind::Fetch => state.fetch_error = error,
            }
            let shown = &mut state.shown;
            shown.error = state.discover_error.clone().or_else(|| state.fetch_error.clone());
            shown.series = run.series.or(shown.series);
            shown.resources = run.resources.or(shown.resources);
            if let Some(left_out) = run.left_out {
                shown.note = note_of(left_out);
            }
            // Discoveries are rare; the page tells of the fetches, once there are any.
            if run.kind == RunKind::Fetch || shown.series.is_none() {
                shown.last_run = Some(run.ended);
                shown.took = Some(run.took);
                shown.next_run = Some(run.next);
            }
        });
    }

    /// What the agent did; shown until it is told again.
    pub fn show_push(&self, push: PushStatus) {
        *self.push.lock().unwrap_or_else(PoisonError::into_inner) = Some(push);
    }

    /// What the agent did last; `None` where there is none.
    pub fn push(&self) -> Option<PushStatus> {
        self.push.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// All of them, in the file's order; then roles that have no jobs because their regions are not known.
    pub fn all(&self) -> Vec<JobStatus> {
        let mut all: Vec<JobStatus> = self.with(|jobs| jobs.values().map(|s| s.shown.clone()).collect());
        let regions = self.regions.lock().unwrap_or_else(PoisonError::into_inner);
        all.extend(regions.iter().map(|(role, error)| JobStatus {
            kind: "regions".to_owned(),
            name: "regions: all".to_owned(),
            account: role.arn.as_deref().unwrap_or("own").to_owned(),
            error: Some(error.clone()),
            ..JobStatus::default()
        }));
        all
    }

    /// Which roles' regions are not known, and why.
    pub fn regions(&self, failed: BTreeMap<Role, JobError>) {
        *self.regions.lock().unwrap_or_else(PoisonError::into_inner) = failed;
    }

    fn with<T>(&self, f: impl FnOnce(&mut BTreeMap<SlotKey, State>) -> T) -> T {
        f(&mut self.jobs.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What is missing, and how much of it.
fn note_of(left_out: &LeftOut) -> Option<String> {
    let LeftOut { series, limit, what } = left_out;
    (*series > 0).then(|| format!("maxSeries ({limit}) leaves out {series} series: {what}"))
}

/// The first failure stands for all of a run.
pub(super) fn error_of(failures: &[Failure]) -> Option<JobError> {
    let first = failures.first()?;
    let more = match failures.len() {
        1 => String::new(),
        n => format!(" (and {} more)", n - 1),
    };
    Some(JobError { message: format!("failed to {first}{more}"), fix: first.reason.advice().to_owned() })
}
