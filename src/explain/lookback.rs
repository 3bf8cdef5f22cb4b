//! What a long look back says of a metric whose window is empty.

use std::time::Duration;

use super::verdict::{Cause, Verdict};
use crate::model::Timestamp;

/// A metric that comes late is not later than this; whoever is silent for longer has stopped.
const LATEST: Duration = Duration::from_secs(3 * 3600);
const STEP: &str = "last points";

/// The window that shows nothing.
#[derive(Clone, Copy, Debug)]
pub struct Empty {
    /// Of one point.
    pub period: Duration,
    /// How wide the window is.
    pub length: Duration,
    /// When it ended.
    pub end: Timestamp,
    /// How far back was looked.
    pub looked: Duration,
}

/// Why the window is empty. `points`: the starts of the periods that have one; `others`: whether other statistics have points.
pub fn verdict(window: Empty, points: &mut [Timestamp], others: bool, now: Timestamp) -> Verdict {
    points.sort_unstable();
    let Some(newest) = points.last().copied() else {
        return if others {
            let why = "the metric has points, but none of this statistic";
            Verdict::new(
                Cause::NoSuchStatistic,
                STEP,
                why,
                "use Average, Sum, Minimum, Maximum or SampleCount: percentiles need raw values, which not every service publishes",
            )
        } else {
            let why = format!("it is listed, but has no point in the last {}", span(window.looked));
            Verdict::new(
                Cause::NoData,
                STEP,
                why,
                "nothing: values come when the resource publishes; recentlyActiveOnly leaves such metrics out",
            )
        };
    };
    let age = now.since(newest);
    let mut gaps: Vec<Duration> = points.windows(2).filter_map(|w| Some(w.get(1)?.since(*w.first()?))).collect();
    gaps.sort_unstable();
    let spacing = gaps.get(gaps.len() / 2).copied().unwrap_or(window.period);
    let seen = format!(
        "the newest point is {} old, one comes each {}, and the window is {} wide",
        span(age),
        span(spacing),
        span(window.length)
    );
    // A point may be as old as a whole distance, and the period before it is shown for as long.
    let needed = (age.max(spacing) + spacing).as_secs().div_ceil(60) * 60;
    if spacing > window.length && age < spacing.saturating_mul(4) {
        return Verdict::new(
            Cause::Length,
            STEP,
            seen,
            format!("set the metric's `length` to {needed} (seconds), and its `period` to {}", spacing.as_secs()),
        );
    }
    if age <= LATEST {
        return Verdict::new(
            Cause::Late,
            STEP,
            seen,
            format!("points come late: set `length` to {needed}, or `delay` to how late they are"),
        );
    }
    let why = format!("nothing was published for {}", span(age));
    Verdict::new(
        Cause::Stopped,
        STEP,
        why,
        "look at the resource: it is stopped, deleted or idle; `nilToZero` shows 0 meanwhile",
    )
}

/// `90 s`, `5 min`, `3 h`, `2 d`.
fn span(d: Duration) -> String {
    match d.as_secs() {
        s @ 0..=119 => format!("{s} s"),
        s @ 120..=7_199 => format!("{} min", s / 60),
        s @ 7_200..=172_799 => format!("{} h", s / 3_600),
        s => format!("{} d", s / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_000_000);

    fn cause(length: u64, ages: &[u64], others: bool) -> Cause {
        let seconds = Duration::from_secs;
        let window = Empty { period: seconds(300), length: seconds(length), end: NOW, looked: seconds(14 * 86_400) };
        let mut points: Vec<Timestamp> = ages.iter().map(|age| NOW.minus(seconds(*age))).collect();
        verdict(window, &mut points, others, NOW).cause
    }

    #[test]
    fn the_distance_of_points_tells_late_ones_from_rare_ones_and_from_none() {
        for (length, ages, others, expected) in [
            (300, &[90_000, 176_400, 262_800][..], false, Cause::Length),
            (300, &[900, 1_200, 1_500], false, Cause::Late),
            (300, &[200_000, 200_300, 200_600], false, Cause::Stopped),
            (300, &[], true, Cause::NoSuchStatistic),
            (300, &[], false, Cause::NoData),
            (300, &[600_000], false, Cause::Stopped),
        ] {
            assert_eq!(cause(length, ages, others), expected, "{length} {ages:?}");
        }
    }
}
