//! Which series of a plan are due, and what their answers mean for when they are due next.

use std::sync::Arc;
use std::time::Duration;

use super::RunClock;
use crate::aws::api::{MetricQuery, Point};
use crate::aws::batch::{QueryResult, Window};
use crate::aws::cadence::{Beat, Learned, Lessons, Rhythm, Track, Verdict};
use crate::aws::inventory::Inventory;
use crate::aws::job::{Job, Pace};
use crate::aws::oracle::{self, Idle};
use crate::aws::plan::{self, Batch, Plan, Target};
use crate::model::{Now, Text, Timestamp};

/// Targets ask at some moment of so many seconds after a point is expected: enough for a fleet not to ask in one second,
/// less than a minute so that values are not late.
const JITTER_SECONDS: u32 = 10;
/// A clock that is set back by less only makes values that much later.
const LEAST_STEP: Duration = Duration::from_secs(30);

/// The times of a job's series.
pub(crate) struct Paced {
    /// At the series' positions.
    tracks: Vec<Track>,
    /// At the positions of the plan's groups.
    learned: Vec<Learned>,
    /// Of the present run.
    lessons: Vec<Lessons>,
    jitter_seconds: u32,
    /// Both clocks at the last run.
    clocks: Option<Now>,
}

/// What a run asks for.
pub(super) struct Chosen {
    /// Positions of whole batches of the plan.
    whole: Vec<usize>,
    /// Batches made for this run.
    parts: Vec<Batch>,
}

/// The series that the oracle says have no data.
pub(super) struct Spared {
    pub(super) word: Arc<Idle>,
    /// At the series' positions.
    series: Vec<bool>,
}

impl Spared {
    /// `None`: the word is about another inventory, or there is none of them.
    pub(super) fn of(word: Arc<Idle>, inventory: &Arc<Inventory>, job: &Job) -> Option<Self> {
        if !Arc::ptr_eq(&word.inventory, inventory) || word.metrics.is_empty() {
            return None;
        }
        let (mut series, mut idle) = (Vec::new(), word.metrics.iter().peekable());
        for (at, found) in inventory.metrics.iter().enumerate() {
            let is_idle = idle.next_if_eq(&&at).is_some();
            let statistics = job.metrics.get(found.entry).map_or(0, |m| m.statistics.len());
            series.extend(std::iter::repeat_n(is_idle, statistics));
        }
        Some(Self { word, series })
    }

    /// Whether a series of a batch has no data in its window, as far as is known.
    pub(super) fn has(&self, batch: &Batch, series: u32, clock: RunClock) -> bool {
        let start = || batch.rhythm.window(clock.wall(), 0, batch.length_seconds).0;
        self.series.get(series as usize).copied().unwrap_or(false)
            && clock.steady() < self.word.until
            && clock.wall().since(start()) <= oracle::RECENT
    }
}

impl Chosen {
    pub(super) fn all(plan: &Plan) -> Self {
        Self { whole: (0..plan.batches.len()).collect(), parts: Vec::new() }
    }

    /// What is wanted: batches of the plan as far as they are wanted as a whole, others made for the rest.
    pub(super) fn of(job: &Job, plan: &Plan, wants: impl Fn(u32) -> bool) -> Self {
        let mut chosen = Self { whole: Vec::new(), parts: Vec::new() };
        let mut rest: Vec<Vec<(MetricQuery, Target)>> = Vec::new();
        rest.resize_with(plan.groups.len(), Vec::new);
        for (at, batch) in plan.batches.iter().enumerate() {
            match batch.targets.iter().filter(|t| wants(t.series)).count() {
                0 => {}
                n if n == batch.targets.len() => chosen.whole.push(at),
                _ => {
                    let some = batch.queries.iter().zip(&batch.targets).filter(|(_, t)| wants(t.series));
                    if let Some(rest) = rest.get_mut(batch.group) {
                        rest.extend(some.map(|(q, t)| (q.clone(), *t)));
                    }
                }
            }
        }
        for (group, rest) in rest.into_iter().enumerate().filter(|(_, rest)| !rest.is_empty()) {
            if let Some(like) = plan.batches.iter().find(|b| b.group == group) {
                chosen.parts.extend(plan::part_of(job, like, rest));
            }
        }
        chosen
    }

    /// The batches, with their positions in the plan where they have one.
    pub(super) fn batches<'a>(&'a self, plan: &'a Plan) -> impl Iterator<Item = (Option<usize>, &'a Batch)> {
        let whole = self.whole.iter().filter_map(|at| Some((Some(*at), plan.batches.get(*at)?)));
        whole.chain(self.parts.iter().map(|batch| (None, batch)))
    }
}

impl Paced {
    /// For a plan whose series may not all be asked for at every run.
    pub(super) fn of(job: &Job, region: &Text, inventory: &Inventory, plan: &Plan) -> Option<Self> {
        let every_run = Pace::Every(job.timing.interval);
        if !job.timing.activity_oracle && plan.groups.iter().all(|g| g.pace == every_run) {
            return None;
        }
        let parts = [&*job.namespace, "/", &*job.name, "/", &**region, "/", &*inventory.account.id];
        let hash = parts.iter().flat_map(|p| p.bytes()).fold(super::memory::FNV_START, super::memory::fnv);
        let jitter = u32::try_from(hash % u64::from(JITTER_SECONDS)).unwrap_or(0);
        Some(Self::new(plan, jitter))
    }

    /// All of them due at once.
    pub(super) fn new(plan: &Plan, jitter_seconds: u32) -> Self {
        Self {
            tracks: vec![Track::default(); plan.set.series.len().min(plan.first_enhanced)],
            learned: vec![Learned::default(); plan.groups.len()],
            lessons: vec![Lessons::default(); plan.groups.len()],
            jitter_seconds,
            clocks: None,
        }
    }

    /// Times are wall times, as the cloud's are. When that clock was set back since the last run, they move with it: nobody
    /// waits until the old time comes again.
    pub(super) fn follow_clock(&mut self, now: Now) {
        let Some(before) = self.clocks.replace(now) else { return };
        let expected = before.wall.plus(now.steady.since(before.steady));
        let back = expected.since(now.wall);
        if back >= LEAST_STEP {
            let seconds = u32::try_from(back.as_secs()).unwrap_or(u32::MAX);
            self.tracks.iter_mut().for_each(|track| track.set_back(seconds));
            tracing::info!(seconds, "the clock was set back; what was due moves with it");
        }
    }

    /// Takes over a series' times.
    pub(super) fn go_on(&mut self, before: &Self, from: usize, to: usize) {
        if let (Some(old), Some(new)) = (before.tracks.get(from), self.tracks.get_mut(to)) {
            *new = *old;
        }
    }

    /// Takes over what groups of the same rhythm have learned.
    pub(super) fn go_on_learning(&mut self, plan: &Plan, old: &Plan, before: &Self) {
        self.clocks = before.clocks;
        for (rhythm, learned) in plan.groups.iter().zip(&mut self.learned) {
            let at = old.groups.iter().position(|g| g == rhythm);
            if let Some(known) = at.and_then(|at| before.learned.get(at)) {
                *learned = *known;
            }
        }
    }

    pub(crate) fn is_due(&self, series: u32, now: Timestamp) -> bool {
        self.tracks.get(series as usize).is_some_and(|t| t.is_due(now))
    }

    /// When something is due next.
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        self.tracks.iter().map(|t| t.due).min().map(|secs| Timestamp::from_secs(secs.into()))
    }

    pub(crate) fn late_seconds(&self, group: usize) -> u32 {
        self.learned.get(group).map_or(0, |l| l.late_seconds)
    }

    /// Up to where all series of a batch are whole.
    pub(super) fn watermark(&self, batch: &Batch) -> Option<Timestamp> {
        let all = batch.targets.iter().filter_map(|t| self.tracks.get(t.series as usize)).map(|t| t.whole_until);
        all.filter(|secs| *secs > 0).min().map(|secs| Timestamp::from_secs(secs.into()))
    }

    /// Takes a query's result, and leaves of its points those that are to be shown. Returns whether what is shown stays.
    pub(super) fn take(
        &mut self,
        batch: &Batch,
        window: Window,
        series: u32,
        result: &mut QueryResult,
        now: Timestamp,
    ) -> bool {
        if result.status.is_unknown() {
            self.failed(batch.group, &batch.rhythm, series, now);
            result.points.retain(|p| p.at >= window.start);
            return false;
        }
        let mut starts = result.points.iter().map(|p: &Point| p.at);
        let verdict = self.answered(batch.group, &batch.rhythm, series, &mut starts, now);
        if let Some(track) = self.tracks.get_mut(series as usize) {
            track.whole_until = u32::try_from(window.end.as_secs()).unwrap_or(0);
        }
        if verdict != Verdict::ShowLate {
            result.points.retain(|p| p.at >= window.start);
        }
        verdict == Verdict::Hold
    }

    /// An answer with points that start at `starts`.
    pub(crate) fn answered(
        &mut self,
        group: usize,
        rhythm: &Rhythm,
        series: u32,
        starts: &mut dyn Iterator<Item = Timestamp>,
        now: Timestamp,
    ) -> Verdict {
        let beat = self.beat(group, rhythm, now);
        match (self.tracks.get_mut(series as usize), self.lessons.get_mut(group)) {
            (Some(track), Some(lessons)) => track.answered(&beat, starts, lessons),
            _ => Verdict::Show,
        }
    }

    /// It was asked for in vain.
    pub(crate) fn failed(&mut self, group: usize, rhythm: &Rhythm, series: u32, now: Timestamp) {
        let beat = self.beat(group, rhythm, now);
        if let Some(track) = self.tracks.get_mut(series as usize) {
            track.failed(&beat);
        }
    }

    /// It has no data, and was not asked for.
    pub(super) fn skipped(&mut self, batch: &Batch, series: u32, now: Timestamp) {
        let (_, window_end) = batch.rhythm.window(now, self.late_seconds(batch.group), batch.length_seconds);
        let beat = self.beat(batch.group, &batch.rhythm, now);
        if let Some(track) = self.tracks.get_mut(series as usize) {
            track.skipped(&beat);
            track.whole_until = u32::try_from(window_end.as_secs()).unwrap_or(0);
        }
    }

    /// Draws the run's lessons.
    pub(super) fn learn(&mut self, plan: &Plan) {
        for ((rhythm, learned), lessons) in plan.groups.iter().zip(&mut self.learned).zip(&mut self.lessons) {
            learned.take(rhythm, &std::mem::take(lessons));
        }
    }

    pub(super) fn tracks(&self) -> &[Track] {
        &self.tracks
    }

    pub(super) fn tracks_mut(&mut self) -> &mut [Track] {
        &mut self.tracks
    }

    pub(super) fn learned(&self) -> &[Learned] {
        &self.learned
    }

    pub(super) fn learned_mut(&mut self) -> &mut [Learned] {
        &mut self.learned
    }

    fn beat(&self, group: usize, rhythm: &Rhythm, now: Timestamp) -> Beat {
        let learned = self.learned.get(group).copied().unwrap_or_default();
        Beat::new(rhythm, &learned, self.jitter_seconds, now)
    }
}
