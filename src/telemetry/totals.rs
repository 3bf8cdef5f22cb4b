//! What the status page says of all calls together: sums of the labelled counters, what the day cost so far, what a month
//! would cost at this rate, and the last hours as a row of points.
//!
//! Deliberately absent: anything that survives a restart. Prometheus has the true history.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::price::Dollars;
use crate::model::{Now, Timestamp};
use crate::seam::Call;

/// Points of the history: six hours at its longest step, and still few bytes.
pub const MAX_POINTS: usize = 360;
/// Time between two points. It starts short, so that a page has something to show after a minute; whenever the row is full,
/// points are joined up to the next step, and at the last one the oldest goes. Each is a multiple of the one before.
const STEPS_SECONDS: [u64; 4] = [5, 10, 20, 60];
/// Before this, dollars a month would be a guess: a start asks for everything at once.
const MIN_TIME_FOR_A_RATE: Duration = Duration::from_secs(900);
/// Thirty days.
const MONTH_SECONDS: f64 = 30.0 * 86_400.0;
const DAY_SECONDS: i64 = 86_400;

/// What one operation of a cloud's API did since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Operation {
    /// Each page counted, retries not.
    pub calls: u64,
    /// After all attempts.
    pub failed_calls: u64,
    /// Attempts after the first.
    pub retries: u64,
    /// Attempts.
    pub throttles: u64,
    /// By list price, every statistic counted.
    pub dollars: f64,
}

impl Operation {
    fn add(&mut self, other: &Self) {
        self.calls += other.calls;
        self.failed_calls += other.failed_calls;
        self.retries += other.retries;
        self.throttles += other.throttles;
        self.dollars += other.dollars;
    }
}

/// What calls cost.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Spent {
    /// Since the start.
    pub since_start: Dollars,
    /// Since midnight UTC, or the start where that was later.
    pub today: Dollars,
    /// Thirty days at the rate of the history; `None` while that cannot be told.
    pub month: Option<Dollars>,
}

/// One point of the history: what happened since the point before it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Point {
    /// Calls.
    pub calls: u64,
    /// Throttled attempts.
    pub throttles: u64,
    /// Failures of jobs.
    pub failures: u64,
    /// Under both readings of the price list.
    pub dollars: Dollars,
    /// Series with a value, at its end.
    pub series: usize,
}

impl Point {
    /// This one and the next one as one.
    fn join(&mut self, next: &Self) {
        self.calls += next.calls;
        self.throttles += next.throttles;
        self.failures += next.failures;
        self.dollars.add(next.dollars);
        self.series = next.series;
    }
}

/// The last hours.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    /// Time between two points.
    pub step: Duration,
    /// When the newest point ended, on the steady clock.
    pub ended: Timestamp,
    /// The oldest first.
    pub points: Vec<Point>,
}

/// Sums since the start.
#[derive(Default)]
pub(super) struct Totals {
    operations: BTreeMap<(&'static str, &'static str), Operation>,
    dollars: Dollars,
    day: i64,
    before_today: Dollars,
    step: usize,
    /// What has happened since the newest point.
    open: Point,
    /// The newest point's end; `None` before the first look at the clock.
    ended: Option<Timestamp>,
    points: VecDeque<Point>,
}

impl Totals {
    pub(super) fn call(&mut self, call: &Call, cost: Option<Dollars>) {
        let cost = cost.unwrap_or_default();
        let one = Operation {
            calls: 1,
            failed_calls: u64::from(call.failed.is_some()),
            retries: u64::from(call.attempts.saturating_sub(1)),
            throttles: u64::from(call.throttles),
            dollars: cost.per_statistic,
        };
        self.operations.entry((call.service, call.operation)).or_default().add(&one);
        self.dollars.add(cost);
        self.open.calls += 1;
        self.open.throttles += one.throttles;
        self.open.dollars.add(cost);
    }

    pub(super) fn failures(&mut self, failures: usize) {
        self.open.failures += u64::try_from(failures).unwrap_or(u64::MAX);
    }

    /// Time has passed.
    pub(super) fn tick(&mut self, now: Now, series: usize) {
        let day = now.wall.as_secs().div_euclid(DAY_SECONDS);
        if day != std::mem::replace(&mut self.day, day) && self.ended.is_some() {
            self.before_today = self.dollars;
        }
        self.open.series = series;
        let ended = *self.ended.get_or_insert(now.steady);
        let step = self.step();
        let steps = now.steady.since(ended).as_millis() / step.as_millis().max(1);
        // Whoever slept for long was asleep: there is one point for it, not one for each step.
        if steps > 0 {
            self.ended = Some(if steps == 1 { ended.plus(step) } else { now.steady });
            self.points.push_back(std::mem::take(&mut self.open));
            self.open.series = series;
            self.fit();
        }
    }

    fn step(&self) -> Duration {
        Duration::from_secs(STEPS_SECONDS.get(self.step).copied().unwrap_or(60))
    }

    /// Makes room for the next point.
    fn fit(&mut self) {
        if self.points.len() <= MAX_POINTS {
            return;
        }
        let (now, next) = (STEPS_SECONDS.get(self.step), STEPS_SECONDS.get(self.step + 1));
        let (Some(now), Some(next)) = (now, next) else {
            self.points.pop_front();
            return;
        };
        let by = usize::try_from(next / now).unwrap_or(1);
        // From the newest on, so that the newest joined point is whole; the oldest may be less than one.
        let mut joined = VecDeque::with_capacity(MAX_POINTS + 1);
        let all: Vec<Point> = std::mem::take(&mut self.points).into();
        for some in all.rchunks(by) {
            let mut points = some.iter().copied();
            let mut first = points.next().unwrap_or_default();
            points.for_each(|point| first.join(&point));
            joined.push_front(first);
        }
        self.points = joined;
        self.step += 1;
    }

    pub(super) fn spent(&self) -> Spent {
        let minus = |a: f64, b: f64| (a - b).max(0.0);
        let (all, before) = (self.dollars, self.before_today);
        Spent {
            since_start: all,
            today: Dollars {
                per_statistic: minus(all.per_statistic, before.per_statistic),
                per_block: minus(all.per_block, before.per_block),
            },
            month: self.month(),
        }
    }

    fn month(&self) -> Option<Dollars> {
        let points = u32::try_from(self.points.len()).ok()?;
        let time = self.step() * points;
        let factor = MONTH_SECONDS / time.as_secs_f64();
        let mut sum = Dollars::default();
        self.points.iter().for_each(|point| sum.add(point.dollars));
        (time >= MIN_TIME_FOR_A_RATE)
            .then_some(Dollars { per_statistic: sum.per_statistic * factor, per_block: sum.per_block * factor })
    }

    pub(super) fn history(&self) -> History {
        let (step, ended) = (self.step(), self.ended.unwrap_or_default());
        History { step, ended, points: self.points.iter().copied().collect() }
    }

    pub(super) fn operations(&self) -> Vec<(&'static str, &'static str, Operation)> {
        self.operations.iter().map(|((service, operation), sums)| (*service, *operation, *sums)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seam::MetricsRequested;

    fn at(seconds: i64) -> Now {
        Now { wall: Timestamp::from_secs(1_700_000_000 + seconds), steady: Timestamp::from_secs(seconds) }
    }

    fn spend(totals: &mut Totals, dollars: f64) {
        let call = Call {
            service: "cloudwatch",
            operation: "ListMetrics",
            region: "r".into(),
            account: "a".into(),
            attempts: 1,
            throttles: 0,
            duration: Duration::ZERO,
            failed: None,
            metrics: MetricsRequested::default(),
            series_returned: 0,
            superseded: false,
        };
        totals.call(&call, Some(Dollars { per_statistic: dollars, per_block: dollars }));
    }

    #[test]
    fn a_day_ends_at_midnight_and_the_start_counts_as_its_beginning() {
        // 1,700,000,000 is 22:13:20 UTC: midnight is 6,400 s later.
        let mut totals = Totals::default();
        totals.tick(at(0), 1);
        spend(&mut totals, 2.0);
        totals.tick(at(6_399), 1);
        assert!((totals.spent().today.per_statistic - 2.0).abs() < 1e-9);
        totals.tick(at(6_400), 1);
        spend(&mut totals, 0.5);
        let spent = totals.spent();
        assert!((spent.today.per_statistic - 0.5).abs() < 1e-9 && (spent.since_start.per_block - 2.5).abs() < 1e-9);
    }

    #[test]
    fn the_history_covers_six_hours_in_few_points_and_loses_nothing_on_the_way() {
        let mut totals = Totals::default();
        let run = |totals: &mut Totals, seconds: std::ops::Range<i64>| {
            for second in seconds.step_by(5) {
                totals.tick(at(second), 7);
                spend(totals, 0.01);
                assert!(totals.points.len() <= MAX_POINTS, "{}", totals.points.len());
            }
        };
        run(&mut totals, 0..21_000);
        let history = totals.history();
        let calls: u64 = history.points.iter().map(|p| p.calls).sum();
        assert_eq!((history.step.as_secs(), calls + totals.open.calls), (60, 4_200));
        run(&mut totals, 21_000..30_000);
        let history = totals.history();
        assert_eq!((history.step.as_secs(), history.points.len()), (60, MAX_POINTS));
        assert_eq!(history.points.iter().map(|p| p.calls).sum::<u64>(), 360 * 12, "six hours, and none of them twice");
        assert!(history.points.iter().all(|p| p.series == 7));
        // A cent each five seconds.
        let month = totals.spent().month.unwrap();
        assert!((month.per_statistic - 5_184.0).abs() < 20.0, "{month:?}");
    }

    #[test]
    fn a_month_is_not_told_from_the_first_minutes_and_a_sleep_is_one_point() {
        let mut totals = Totals::default();
        (0..100).for_each(|n| totals.tick(at(5 * n), 1));
        spend(&mut totals, 1.0);
        assert_eq!((totals.spent().month, totals.history().points.len()), (None, 99));
        totals.tick(at(7_200), 1);
        assert_eq!((totals.history().points.len(), totals.history().ended), (100, Timestamp::from_secs(7_200)));
    }
}
