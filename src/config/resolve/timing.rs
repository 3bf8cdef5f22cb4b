//! When jobs run and how long their values stay.

use std::time::Duration;

use super::super::fields::Interval;
use super::super::report::{Report, quoted};
use super::super::written;
use super::{Dialect, Field, LoadOptions, seconds};
use crate::aws::job::{Metric, Pace, Timing, cadence_seconds};
use crate::model::Text;
use crate::seam::Priority;

/// YACE's `-scraping-interval`.
const DEFAULT_INTERVAL: Duration = Duration::from_secs(300);
/// Resources come and go slowly, and listing costs calls.
const DEFAULT_INVENTORY_INTERVAL: Duration = Duration::from_secs(900);
/// The longest interval: beyond it a plain number was surely meant as something else.
const MAX_INTERVAL_SECONDS: u64 = 366 * 86_400;

/// What jobs have that do not say otherwise.
pub(super) struct Defaults {
    pace: Pace,
    inventory_interval: Option<Duration>,
    stale_after: Option<Duration>,
    hold: bool,
    activity_oracle: bool,
    deadline: Option<Duration>,
    priority: Priority,
}

/// The defaults of a file; the command line wins. A YACE file is asked as YACE asks.
pub(super) fn defaults(written: &written::Timing, options: &LoadOptions, report: &mut Report) -> Defaults {
    let own = pace(&written.interval, "aws.interval", report);
    let usual = match report.dialect {
        Dialect::Native => Pace::Auto,
        Dialect::Yace | Dialect::CloudWatchAgent => Pace::Every(DEFAULT_INTERVAL),
    };
    Defaults {
        pace: options.scraping_interval.map(Pace::Every).or(own).unwrap_or(usual),
        inventory_interval: positive(&written.inventory_interval, "aws.inventoryInterval", report),
        stale_after: stale_after(&written.stale_after, "aws.staleAfter", report),
        hold: written.hold_on_failure.value.unwrap_or(true),
        activity_oracle: written.activity_oracle.value.unwrap_or(report.dialect == Dialect::Native),
        deadline: positive(&written.timeout, "aws.timeout", report),
        priority: priority(&written.priority, "aws.priority", report).unwrap_or_default(),
    }
}

/// How often a job's metrics are asked for that do not say otherwise.
pub(super) fn job_pace(written: &written::Timing, defaults: &Defaults, path: &str, report: &mut Report) -> Pace {
    pace(&written.interval, &format!("{path}.interval"), report).unwrap_or(defaults.pace)
}

/// The timing of a job with these metrics, whose `outlives` it sets. `usual`: the job's pace.
pub(super) fn of(
    written: &written::Timing,
    defaults: &Defaults,
    usual: Pace,
    metrics: &mut [Metric],
    path: &str,
    report: &mut Report,
) -> Timing {
    let inventory = positive(&written.inventory_interval, &format!("{path}.inventoryInterval"), report);
    let own_stale_after = stale_after(&written.stale_after, &format!("{path}.staleAfter"), report);
    // Who says for how long wants the values held.
    let hold = written.hold_on_failure.value.unwrap_or(own_stale_after.is_some() || defaults.hold);
    let given = own_stale_after.or(defaults.stale_after);
    let asked_every = |m: &Metric| match m.pace {
        Pace::Every(interval) => interval,
        Pace::Auto => seconds(cadence_seconds(m.period_seconds).into()),
    };
    let fixed = |pace: Pace| match pace {
        Pace::Every(interval) => interval,
        Pace::Auto => DEFAULT_INTERVAL,
    };
    let shortest = metrics.iter().map(asked_every).min();
    let interval = metrics.iter().map(|m| fixed(m.pace)).min().unwrap_or_else(|| fixed(usual));
    if let Some(shown) = own_stale_after
        && report.dialect == Dialect::Native
        && !shown.is_zero()
        && shown < interval
    {
        let (shown, interval) = (shown.as_secs(), interval.as_secs());
        let message =
            format!("values would be gone after {shown} s, before the next fetch ({interval} s): lengthen it");
        report.mistake(written.stale_after.spot, format!("{path}.staleAfter"), message);
    }
    // A value stays until it is asked for again, and as long again when that fails.
    let lifetime = |m: &Metric| match given {
        Some(given) => given.saturating_add(asked_every(m).saturating_sub(interval)),
        None => asked_every(m).saturating_mul(2).saturating_add(seconds(m.delay_seconds)),
    };
    let least_delay = metrics.iter().map(|m| m.delay_seconds).min().unwrap_or_default();
    let base = given.unwrap_or_else(|| interval.saturating_mul(2).saturating_add(seconds(least_delay)));
    for metric in metrics.iter_mut() {
        metric.outlives = lifetime(metric).saturating_sub(base);
    }
    Timing {
        interval,
        // Listing more often than fetching would be for nothing; what has values once a day need not be found at once.
        inventory_interval: inventory.or(defaults.inventory_interval).unwrap_or_else(|| {
            let seldom = shortest.filter(|_| usual == Pace::Auto).map(|s| s / 2).unwrap_or_default();
            DEFAULT_INVENTORY_INTERVAL.max(interval).max(seldom)
        }),
        stale_after: if hold { base } else { Duration::ZERO },
        activity_oracle: written.activity_oracle.value.unwrap_or(defaults.activity_oracle),
        deadline: positive(&written.timeout, &format!("{path}.timeout"), report).or(defaults.deadline),
        priority: priority(&written.priority, &format!("{path}.priority"), report).unwrap_or(defaults.priority),
    }
}

/// A pace that is given.
pub(super) fn pace(field: &Field<Option<Interval>>, path: &str, report: &mut Report) -> Option<Pace> {
    match field.value? {
        Interval::Auto => Some(Pace::Auto),
        Interval::Fixed(n) => positive(&Field { value: Some(n), ..copied(field) }, path, report).map(Pace::Every),
    }
}

/// The same place with another value.
fn copied<T>(field: &Field<T>) -> Field<Option<u64>> {
    Field { value: None, spot: field.spot, is_given: field.is_given, is_bad: field.is_bad }
}

fn positive(field: &Field<Option<u64>>, path: &str, report: &mut Report) -> Option<Duration> {
    let n = field.value?;
    if n == 0 {
        report.mistake(field.spot, path, "this is at least one second");
        return None;
    }
    bounded(n, field, path, report)
}

fn priority(field: &Field<Text>, path: &str, report: &mut Report) -> Option<Priority> {
    if !field.is_given || field.is_bad {
        return None;
    }
    let known = Priority::ALL.into_iter().find(|p| p.as_str() == &*field.value);
    if known.is_none() {
        let message = format!("{} is no priority: write low, normal or high", quoted(&field.value));
        report.mistake(field.spot, path, message);
    }
    known
}

fn stale_after(field: &Field<Option<u64>>, path: &str, report: &mut Report) -> Option<Duration> {
    bounded(field.value?, field, path, report)
}

fn bounded(n: u64, field: &Field<Option<u64>>, path: &str, report: &mut Report) -> Option<Duration> {
    if n > MAX_INTERVAL_SECONDS {
        report.mistake(field.spot, path, "this is more than a year: plain numbers are seconds");
        return None;
    }
    Some(seconds(n))
}
