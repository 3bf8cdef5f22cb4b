//! When jobs run and how long their values stay.

use std::time::Duration;

use super::super::report::{Report, quoted};
use super::super::written;
use super::{Field, LoadOptions, seconds};
use crate::aws::job::Timing;
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
    interval: Duration,
    inventory_interval: Option<Duration>,
    stale_after: Option<Duration>,
    hold: bool,
    deadline: Option<Duration>,
    priority: Priority,
}

/// The defaults of a file; the command line wins.
pub(super) fn defaults(written: &written::Timing, options: &LoadOptions, report: &mut Report) -> Defaults {
    let interval = positive(&written.interval, "aws.interval", report);
    Defaults {
        interval: options.scraping_interval.or(interval).unwrap_or(DEFAULT_INTERVAL),
        inventory_interval: positive(&written.inventory_interval, "aws.inventoryInterval", report),
        stale_after: stale_after(&written.stale_after, "aws.staleAfter", report),
        hold: written.hold_on_failure.value.unwrap_or(true),
        deadline: positive(&written.timeout, "aws.timeout", report),
        priority: priority(&written.priority, "aws.priority", report).unwrap_or_default(),
    }
}

/// The timing of a job whose largest delay is `delay_seconds`.
pub(super) fn of(
    written: &written::Timing,
    defaults: &Defaults,
    delay_seconds: u64,
    path: &str,
    report: &mut Report,
) -> Timing {
    let interval = positive(&written.interval, &format!("{path}.interval"), report).unwrap_or(defaults.interval);
    let inventory = positive(&written.inventory_interval, &format!("{path}.inventoryInterval"), report);
    let own_stale_after = stale_after(&written.stale_after, &format!("{path}.staleAfter"), report);
    // Who says for how long wants the values held.
    let hold = written.hold_on_failure.value.unwrap_or(own_stale_after.is_some() || defaults.hold);
    let lifetime = own_stale_after
        .or(defaults.stale_after)
        .unwrap_or_else(|| interval.saturating_mul(2).saturating_add(seconds(delay_seconds)));
    Timing {
        interval,
        // Listing more often than fetching would be for nothing.
        inventory_interval: inventory
            .or(defaults.inventory_interval)
            .unwrap_or_else(|| DEFAULT_INVENTORY_INTERVAL.max(interval)),
        stale_after: if hold { lifetime } else { Duration::ZERO },
        deadline: positive(&written.timeout, &format!("{path}.timeout"), report).or(defaults.deadline),
        priority: priority(&written.priority, &format!("{path}.priority"), report).unwrap_or(defaults.priority),
    }
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
