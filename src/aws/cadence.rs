//! Pure: when each series is asked for next, and what its answers teach about when points are published.
//!
//! With [`Pace::Auto`] a series is asked for once a period (of at least [`LEAST_INTERVAL_SECONDS`]), shortly after that period
//! is expected to be published. Where a point is missing, a series that has lately been regular is asked again, up to three
//! times; each useless time doubles how long it must be regular before the next. Whatever happens, a series is asked for no
//! more often than a fixed interval of [`LEAST_INTERVAL_SECONDS`] from its first ask would have done: [`Track::paid_until`]
//! moves on by that much with every ask.
//!
//! Deliberately absent: series, batches, values. Times are whole seconds since 1970.

use std::num::NonZeroU32;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::aws::job::{LEAST_INTERVAL_SECONDS, Metric, Pace, WindowRule, cadence_seconds};
use crate::aws::plan;
use crate::model::Timestamp;

/// How often a missing point is asked for again.
const MAX_REASKS: u8 = 3;
/// The distances of those, as parts of the time between two slots.
const REASK_PARTS: [i64; MAX_REASKS as usize] = [24, 8, 3];
/// The longest time that a series must be regular before it is asked for again.
const MAX_NEEDED: u8 = 128;
/// What a series has saved against the fixed interval may be spent later, up to this: a delay that shrinks, or a re-ask, then
/// needs no waiting.
const CREDIT_SECONDS: i64 = 900;
/// Delays are learned from at least one series in so many.
const LATE_SHARE: u32 = 50;
/// When a point came too late for its slot, without anything being known but that: the slots move by this part of their
/// distance.
const LATE_STEP: i64 = 4;
/// A learned delay is doubted after so much time without a late point,
const DOUBT_SECONDS: i64 = 6 * 3600;
/// and at last after so many times that.
const MAX_DOUBLINGS: u8 = 5;

/// What the series of a group share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rhythm {
    /// Seconds that a point spans.
    pub period_seconds: NonZeroU32,
    /// The window's delay; where only complete periods are shown, the expected publish delay.
    pub delay_seconds: u64,
    /// Which points are shown.
    pub rule: WindowRule,
    /// How often they are asked for.
    pub pace: Pace,
}

impl Rhythm {
    /// A metric's.
    pub fn of(metric: &Metric) -> Self {
        let Metric { period_seconds, delay_seconds, rule, pace, .. } = *metric;
        Self { period_seconds, delay_seconds, rule, pace }
    }

    /// The distance of two slots: the smallest multiple of the period that is not below [`LEAST_INTERVAL_SECONDS`].
    pub fn cadence_seconds(&self) -> u32 {
        match self.pace {
            Pace::Every(interval) => u32::try_from(interval.as_secs()).unwrap_or(u32::MAX).max(1),
            Pace::Auto => cadence_seconds(self.period_seconds),
        }
    }

    /// No ask is further away than this.
    pub fn longest_wait_seconds(&self) -> u32 {
        self.cadence_seconds().saturating_mul(2)
    }

    /// The window `[start, end)` of points that may be shown at `now`, when points come `late_seconds` later than expected.
    pub fn window(&self, now: Timestamp, late_seconds: u32, length_seconds: u64) -> (Timestamp, Timestamp) {
        if self.rule == WindowRule::Yace {
            return plan::window(now, self.period_seconds, self.delay_seconds, length_seconds);
        }
        let lag = self.delay_seconds.saturating_add(late_seconds.into());
        plan::window(now.minus(Duration::from_secs(lag)), self.period_seconds, 0, length_seconds)
    }

    /// From where on points teach something: the last slot's point may have come after it was asked for.
    pub fn evidence_start(&self, start: Timestamp, end: Timestamp) -> Timestamp {
        match self.pace {
            Pace::Every(_) => start,
            Pace::Auto => {
                let back = u64::from(self.cadence_seconds()) + u64::from(self.period_seconds.get());
                start.min(end.minus(Duration::from_secs(back)))
            }
        }
    }
}

/// A rhythm at a moment, for its tracks.
#[derive(Clone, Copy, Debug)]
pub struct Beat {
    pace: Pace,
    period: i64,
    cadence: i64,
    /// From a slot's boundary until its point is expected.
    lag: i64,
    /// Slots of one target are asked for that much later, so that targets do not ask in the same second.
    jitter: i64,
    now: i64,
}

impl Beat {
    /// At `now`, after what was learned.
    pub fn new(rhythm: &Rhythm, learned: &Learned, jitter_seconds: u32, now: Timestamp) -> Self {
        let delay = i64::try_from(rhythm.delay_seconds).unwrap_or(i64::MAX / 4);
        Self {
            pace: rhythm.pace,
            period: rhythm.period_seconds.get().into(),
            cadence: rhythm.cadence_seconds().into(),
            lag: delay.saturating_add(learned.late_seconds.into()),
            jitter: jitter_seconds.into(),
            now: now.as_secs(),
        }
    }

    /// The newest boundary whose point is expected to be there.
    fn boundary(&self) -> i64 {
        plan::floor(self.now.saturating_sub(self.lag), self.cadence)
    }

    /// The first slot after the present one that does not come before `earliest`.
    fn slot_from(&self, earliest: i64) -> i64 {
        let next = self.boundary() + self.cadence + self.lag + self.jitter;
        let behind = earliest.saturating_sub(next).max(0);
        next + (behind + self.cadence - 1) / self.cadence * self.cadence
    }
}

/// What an answer is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Show it.
    Show,
    /// Show it, and the point before its window, which came late.
    ShowLate,
    /// It will be asked for again soon: what is shown stays.
    Hold,
}

/// When one series is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Track {
    /// Not before; 0: at once.
    pub due: u32,
    /// The end of the last window that came back whole; 0: none did.
    pub whole_until: u32,
    /// Up to when a fixed interval would have paid for what was asked.
    paid_until: u32,
    /// Slots in a row whose point was there.
    streak: u8,
    /// So many it takes until a missing point is asked for again; 0 counts as 1.
    needed: u8,
    /// How often the present slot's point was asked for again.
    reasks: u8,
    /// The last slot's point was not there.
    missed: bool,
}

impl Track {
    /// Of a series that was asked for by nobody who kept its time.
    pub fn due_at(due: u32) -> Self {
        Self { due, ..Self::default() }
    }

    /// All its times are earlier by so much.
    pub fn set_back(&mut self, seconds: u32) {
        for time in [&mut self.due, &mut self.whole_until, &mut self.paid_until] {
            *time = time.saturating_sub(seconds);
        }
    }

    /// Whether it is to be asked for.
    pub fn is_due(&self, now: Timestamp) -> bool {
        i64::from(self.due) <= now.as_secs()
    }

    /// An answer came. `starts`: of its points, in any order; `lessons` is told what that teaches.
    pub fn answered(
        &mut self,
        beat: &Beat,
        starts: &mut dyn Iterator<Item = Timestamp>,
        lessons: &mut Lessons,
    ) -> Verdict {
        if let Pace::Every(_) = beat.pace {
            self.tick(beat);
            return Verdict::Show;
        }
        self.pay(beat);
        let boundary = beat.boundary();
        let (mut is_there, mut came_late) = (false, false);
        for end in starts.map(|s| s.as_secs() + beat.period) {
            is_there |= end >= boundary;
            came_late |= self.missed && end == boundary - beat.cadence;
        }
        // Where the present point is there, the slots have moved far enough since.
        if came_late && !is_there {
            lessons.late += 1;
        }
        if is_there {
            if self.reasks > 0 {
                lessons.late_by(beat.now - boundary);
                self.needed = (self.needed / 2).max(1);
            } else {
                lessons.on_time += 1;
            }
            (self.streak, self.reasks, self.missed) = (self.streak.saturating_add(1), 0, false);
            self.due = secs(beat.slot_from(self.paid_until.into()));
            return Verdict::Show;
        }
        self.missing(beat, came_late)
    }

    /// The slot's point is not there.
    fn missing(&mut self, beat: &Beat, came_late: bool) -> Verdict {
        let slot = beat.slot_from(self.paid_until.into());
        let regular = self.reasks > 0 || self.streak >= self.needed.max(1);
        if let Some(part) = REASK_PARTS.get(usize::from(self.reasks)).filter(|_| regular) {
            let least = i64::from(LEAST_INTERVAL_SECONDS);
            let again = (beat.now + (beat.cadence / part).max(least)).max(self.paid_until.into());
            // What is paid for now must not push the next slot away.
            if again + least <= slot {
                self.reasks += 1;
                self.due = secs(again);
                return Verdict::Hold;
            }
        }
        if self.reasks > 0 {
            self.needed = self.needed.max(1).saturating_mul(2).min(MAX_NEEDED);
        }
        (self.streak, self.reasks, self.missed) = (0, 0, true);
        self.due = secs(slot);
        if came_late { Verdict::ShowLate } else { Verdict::Show }
    }

    /// Asking failed: again after the least interval, and with a fixed one at its next time.
    pub fn failed(&mut self, beat: &Beat) {
        if let Pace::Every(_) = beat.pace {
            return self.tick(beat);
        }
        self.pay(beat);
        self.due = secs((beat.now + i64::from(LEAST_INTERVAL_SECONDS)).max(self.paid_until.into()));
    }

    /// It need not be asked for at present, and nobody paid.
    pub fn skipped(&mut self, beat: &Beat) {
        match beat.pace {
            Pace::Every(_) => self.tick(beat),
            Pace::Auto => {
                (self.streak, self.reasks, self.missed) = (0, 0, false);
                self.due = secs(beat.slot_from(self.paid_until.into()));
            }
        }
    }

    fn pay(&mut self, beat: &Beat) {
        let paid = match self.paid_until {
            0 => beat.now,
            paid => i64::from(paid).max(beat.now - CREDIT_SECONDS),
        };
        self.paid_until = secs(paid + i64::from(LEAST_INTERVAL_SECONDS));
    }

    /// A fixed interval keeps its grid, unless it was left behind.
    fn tick(&mut self, beat: &Beat) {
        let due = i64::from(self.due);
        let from = if beat.now - due < beat.cadence { due } else { beat.now };
        self.due = secs(from + beat.cadence);
    }
}

/// What a group's points have shown about their publishing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Learned {
    /// How much later than expected points come.
    pub late_seconds: u32,
    /// Rounds without a late point since that changed.
    quiet: u32,
    /// How often it had to be raised: each time it is believed twice as long.
    raised: u8,
}

/// What one round of asking has shown.
#[derive(Clone, Copy, Debug, Default)]
pub struct Lessons {
    on_time: u32,
    late: u32,
    /// The longest time from a slot's boundary to its point, where it is known.
    longest: i64,
}

impl Lessons {
    fn late_by(&mut self, seconds: i64) {
        self.late += 1;
        self.longest = self.longest.max(seconds);
    }
}

impl Learned {
    /// Takes a round's lessons. A few late series do not make the others wait.
    pub fn take(&mut self, rhythm: &Rhythm, lessons: &Lessons) {
        let cadence = i64::from(rhythm.cadence_seconds());
        if lessons.late > 0 && lessons.late.saturating_mul(LATE_SHARE) >= lessons.on_time {
            let delay = i64::try_from(rhythm.delay_seconds).unwrap_or(i64::MAX);
            let known = lessons.longest - delay;
            let step = i64::from(self.late_seconds) + cadence / LATE_STEP;
            let late = if lessons.longest > 0 { known } else { step };
            self.late_seconds = secs(late.max(self.late_seconds.into()).min(2 * cadence.max(3_600)));
            (self.quiet, self.raised) = (0, self.raised.saturating_add(1).min(MAX_DOUBLINGS));
        } else if lessons.on_time > 0 && self.late_seconds > 0 {
            self.quiet += 1;
            if i64::from(self.quiet) * cadence >= DOUBT_SECONDS << self.raised {
                self.late_seconds -= (self.late_seconds / 8).max(1);
                self.quiet = 0;
            }
        }
    }
}

fn secs(n: i64) -> u32 {
    u32::try_from(n.max(0)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
