//! The rules for windows and periods that GetMetricData and GetMetricStatistics share.

use std::time::Duration;

use crate::model::Timestamp;
use crate::sim::refusal::Refusal;
use crate::sim::world::Grid;

/// Checks a window; `start` comes back rounded down: to a minute, beyond 15 days to five minutes, beyond 63 to an hour.
pub(crate) fn window(start: Timestamp, end: Timestamp, now: Timestamp) -> Result<(i64, i64), Refusal> {
    if start >= end {
        return Err(Refusal::validation("The parameter StartTime must be less than the parameter EndTime."));
    }
    let age = now.since(start);
    let day = Duration::from_hours(24);
    let step = if age < day * 15 {
        60
    } else if age < day * 63 {
        300
    } else {
        3600
    };
    // A second that has begun still counts: the end is exclusive, and only whole seconds are compared.
    let end = end.plus(Duration::from_millis(999)).as_secs();
    Ok((start.as_secs().div_euclid(step) * step, end))
}

/// A period in a checked window; `None` when CloudWatch has no such period: 1, 5, 10, 20, 30 or a multiple of 60.
pub(crate) fn grid((start, end): (i64, i64), period_seconds: i64) -> Option<Grid> {
    let whole = period_seconds > 0 && (period_seconds % 60 == 0 || [1, 5, 10, 20, 30].contains(&period_seconds));
    (whole && period_seconds <= i64::from(u32::MAX)).then_some(Grid { start, end, period_seconds })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_start_is_rounded_more() {
        let now = Timestamp::from_secs(1_800_000_000);
        let days = |n: u64| Duration::from_hours(24 * n);
        let start = |age: Duration| window(now.minus(age).plus(Duration::from_secs(59)), now, now).unwrap().0;
        assert_eq!(start(days(1)), now.minus(days(1)).as_secs());
        assert_eq!(start(days(1)) % 60, 0);
        assert_eq!(start(days(20)) % 300, 0);
        assert_eq!(start(days(100)) % 3600, 0);
        assert!(window(now, now, now).is_err());
    }

    #[test]
    fn periods_are_whole_minutes_or_a_few_short_ones() {
        for (period, good) in
            [(1, true), (7, false), (30, true), (60, true), (90, false), (86_400, true), (0, false), (-60, false)]
        {
            assert_eq!(grid((0, 1), period).is_some(), good, "{period}");
        }
    }
}
