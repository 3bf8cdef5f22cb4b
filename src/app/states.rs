//! What each target did last, for the status page. The books are in steady times; ages are computed when somebody looks.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::app::target::Target;
use crate::aws::job::Role;
use crate::expose::status::{self, JobFailure, JobStatus, PushStatus};
use crate::model::Timestamp;
use crate::seam::{Failure, LeftOut};
use crate::store::SlotKey;
use crate::telemetry::{JobLabels, RunKind};

/// Distinct failures of a job that are remembered; the counters have all. Nobody reads more, and a thousand jobs may have them.
const MAX_FAILURES: usize = 10;
/// A failure of an earlier run is shown for so long.
const FAILURES_LAST: Duration = Duration::from_secs(3600);
/// What is longer is cut: a cloud's message may be anything.
const MAX_MESSAGE_BYTES: usize = 2_000;

/// The newest state of every target. Clones share it.
#[derive(Clone, Default)]
pub struct States {
    jobs: Arc<Mutex<BTreeMap<SlotKey, State>>>,
    push: Arc<Mutex<Option<Pushed>>>,
    /// Roles whose regions could not be found out, with the reason.
    regions: Arc<Mutex<BTreeMap<Role, JobFailure>>>,
}

/// What the agent did, and when data last arrived.
type Pushed = (PushStatus, Option<Timestamp>);

#[derive(Default)]
struct State {
    /// All but times and failures.
    shown: JobStatus,
    discover: Runs,
    fetch: Runs,
    /// The newest first.
    failures: Vec<Remembered>,
}

/// The runs of one kind.
#[derive(Clone, Copy, Default)]
struct Runs {
    ended: Option<Timestamp>,
    took: Option<Duration>,
    succeeded: Option<Timestamp>,
    next: Option<Timestamp>,
}

impl Runs {
    fn at(self, now: Timestamp) -> status::Run {
        let age = |at: Option<Timestamp>| at.map(|at| now.since(at).as_secs_f64());
        status::Run {
            last_run_age_seconds: age(self.ended),
            last_run_duration_seconds: self.took.map(|took| took.as_secs_f64()),
            last_success_age_seconds: age(self.succeeded),
            next_run_seconds: self.next.map(|next| next.since(now).as_secs_f64()),
        }
    }

    /// Whether the last one had failures.
    fn is_failing(self) -> bool {
        self.ended.is_some() && self.ended != self.succeeded
    }
}

/// What failed in a run.
struct Remembered {
    kind: RunKind,
    at: Timestamp,
    failure: JobFailure,
}

impl State {
    fn runs(&mut self, kind: RunKind) -> &mut Runs {
        match kind {
            RunKind::Discover => &mut self.discover,
            RunKind::Fetch => &mut self.fetch,
        }
    }

    fn state(&self) -> status::State {
        if self.discover.is_failing() || self.fetch.is_failing() {
            status::State::Failing
        } else if self.fetch.ended.is_none() {
            status::State::Waiting
        } else {
            status::State::Good
        }
    }

    /// To be called when the run is in the books already.
    fn remember(&mut self, run: &RunFacts<'_>) {
        let mut all: Vec<Remembered> = Vec::new();
        for failure in run.failures {
            let new = failure_of(failure, run.kind);
            if let Some(known) = all.iter_mut().find(|known| known.failure.message == new.message) {
                known.failure.count += 1;
            } else if all.len() < MAX_FAILURES {
                all.push(Remembered { kind: run.kind, at: run.ended, failure: new });
            }
        }
        for old in std::mem::take(&mut self.failures) {
            let is_back = all.iter().any(|new| new.failure.message == old.failure.message);
            if !is_back && run.ended.since(old.at) < FAILURES_LAST {
                all.push(old);
            }
        }
        // What went wrong in the last runs comes first, and stays longest.
        all.sort_by_key(|r| !self.is_current(r));
        all.truncate(MAX_FAILURES);
        self.failures = all;
    }

    /// Whether it happened in the last run of its kind.
    fn is_current(&self, of: &Remembered) -> bool {
        let runs = if of.kind == RunKind::Discover { self.discover } else { self.fetch };
        runs.ended == Some(of.at)
    }

    fn at(&self, now: Timestamp) -> JobStatus {
        let shown_failure = |r: &Remembered| {
            let (is_current, age) = (self.is_current(r), now.since(r.at));
            let failure = JobFailure { is_current, age_seconds: age.as_secs_f64(), ..r.failure.clone() };
            (is_current || age < FAILURES_LAST).then_some(failure)
        };
        JobStatus {
            state: self.state(),
            discover: self.discover.at(now),
            fetch: self.fetch.at(now),
            failures: self.failures.iter().filter_map(shown_failure).collect(),
            ..self.shown.clone()
        }
    }
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
        let cloud = if target.kind == "gcp" { "gcp" } else { "aws" };
        let shown = JobStatus {
            cloud,
            kind: target.kind.to_owned(),
            job: labels.job.to_string(),
            region: labels.region.to_string(),
            account: labels.account.to_string(),
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
            let succeeded = run.failures.is_empty().then_some(run.ended);
            let runs = state.runs(run.kind);
            *runs = Runs {
                ended: Some(run.ended),
                took: Some(run.took),
                succeeded: succeeded.or(runs.succeeded),
                next: Some(run.next),
            };
            state.remember(run);
            let shown = &mut state.shown;
            shown.series = run.series.or(shown.series);
            shown.resources = run.resources.or(shown.resources);
            if let Some(left_out) = run.left_out {
                shown.left_out_series = left_out.series;
                shown.note = note_of(left_out);
            }
        });
    }

    /// What the agent did, and when data last arrived; shown until it is told again.
    pub fn show_push(&self, push: PushStatus, last_sent: Option<Timestamp>) {
        *self.push.lock().unwrap_or_else(PoisonError::into_inner) = Some((push, last_sent));
    }

    /// What the agent did last; `None` where there is none.
    pub fn push(&self, now: Timestamp) -> Option<PushStatus> {
        let (mut push, last_sent) = self.push.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        push.last_sent_age_seconds = last_sent.map(|at| now.since(at).as_secs_f64());
        Some(push)
    }

    /// All of them, in the file's order; then roles that have no jobs because their regions are not known.
    pub fn all(&self, now: Timestamp) -> Vec<JobStatus> {
        let mut all: Vec<JobStatus> = self.with(|jobs| jobs.values().map(|state| state.at(now)).collect());
        let regions = self.regions.lock().unwrap_or_else(PoisonError::into_inner);
        all.extend(regions.iter().map(|(role, error)| JobStatus {
            cloud: "aws",
            kind: "regions".to_owned(),
            job: "regions: all".to_owned(),
            account: role.arn.as_deref().unwrap_or_default().to_owned(),
            state: status::State::Failing,
            failures: vec![error.clone()],
            ..JobStatus::default()
        }));
        all
    }

    /// How many jobs are in each state, by its name.
    pub fn count(&self) -> [(&'static str, usize); 3] {
        use status::State::{Failing, Good, Waiting};
        let unknown = self.regions.lock().unwrap_or_else(PoisonError::into_inner).len();
        self.with(|jobs| {
            let of = |wanted| jobs.values().filter(|state| state.state() == wanted).count();
            [("good", of(Good)), ("failing", of(Failing) + unknown), ("waiting", of(Waiting))]
        })
    }

    /// Which roles' regions are not known, and why.
    pub fn regions(&self, failed: BTreeMap<Role, JobFailure>) {
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

/// As the page shows it, once.
pub(super) fn failure_of(failure: &Failure, kind: RunKind) -> JobFailure {
    let mut message = format!("failed to {failure}");
    message.truncate(message.floor_char_boundary(MAX_MESSAGE_BYTES));
    JobFailure {
        run: kind.as_str(),
        reason: failure.reason.as_str(),
        message,
        fix: failure.reason.advice().to_owned(),
        count: 1,
        is_current: true,
        age_seconds: 0.0,
    }
}

#[cfg(test)]
mod tests;
