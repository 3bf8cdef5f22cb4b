//! Pure: which metric types are asked for, with which words, when, and for which stretch of time.

use std::time::Duration;

use crate::gcp::api::{Descriptor, IngestDelay, MetricKind, ValueType};
use crate::gcp::job::{Aggregation, Interval, Job};
use crate::model::{Text, Timestamp};

/// The period of a metric that does not say its own.
const USUAL_PERIOD: Duration = Duration::from_secs(60);

/// The prefixes of a job: sorted, each once, without those that begin with another one.
pub fn prefixes(given: &[Text]) -> Vec<Text> {
    let mut sorted = given.to_vec();
    sorted.sort();
    let mut kept: Vec<Text> = Vec::new();
    for prefix in sorted {
        if !kept.iter().any(|k| prefix.starts_with(&**k)) {
            kept.push(prefix);
        }
    }
    kept
}

/// The prefixes that remain when only `values` are asked for: those that narrow a configured one.
pub fn narrowed(configured: &[Text], values: &[Text]) -> Vec<Text> {
    let narrower = |prefix: &Text| values.iter().filter(|v| v.starts_with(&**prefix)).cloned().collect::<Vec<_>>();
    prefixes(&configured.iter().flat_map(narrower).collect::<Vec<_>>())
}

/// The filter of `metricDescriptors.list`.
pub fn descriptors_filter(job: &Job, project: &str, prefix: &str) -> String {
    let only = if job.drop_delegated_projects { format!("project = \"{project}\" AND ") } else { String::new() };
    format!("{only}metric.type = starts_with(\"{prefix}\")")
}

/// The filter of `timeSeries.list` for one metric type.
pub fn series_filter(job: &Job, project: &str, metric_type: &str) -> String {
    let only = if job.drop_delegated_projects { format!("project=\"{project}\" AND ") } else { String::new() };
    let mut filter = format!("{only}metric.type=\"{metric_type}\"");
    for f in job.filters.iter().filter(|f| metric_type.starts_with(&*f.prefix)) {
        filter.push_str(" AND (");
        filter.push_str(&f.expression);
        filter.push(')');
    }
    filter
}

/// The aggregation of a metric type.
pub fn aggregation<'a>(job: &'a Job, metric_type: &str) -> Option<&'a Aggregation> {
    job.aggregations.iter().find(|a| metric_type.starts_with(&*a.prefix))
}

/// Whether a metric type is asked for at all: text and money are not shown, so they are not fetched. What a descriptor does not
/// say, its series may.
pub fn is_wanted(job: &Job, descriptor: &Descriptor) -> bool {
    let excluded = job.exclude_prefixes.iter().any(|p| descriptor.metric_type.starts_with(&**p));
    let shown = descriptor.value_type != ValueType::Text;
    // What is aggregated may change its type: text is counted.
    !excluded && (shown || aggregation(job, &descriptor.metric_type).is_some())
}

/// Whether a metric type has something new since it was last asked for.
pub fn is_due(interval: Interval, descriptor: &Descriptor, last: Option<Timestamp>, now: Timestamp) -> bool {
    last.and_then(|last| next_due(interval, descriptor, last)).is_none_or(|due| now >= due)
}

/// When a metric type will have something new; `None`: with every run of the worker.
pub fn next_due(interval: Interval, descriptor: &Descriptor, last: Timestamp) -> Option<Timestamp> {
    let Interval::Auto { least } = interval else { return None };
    let period = millis(descriptor.sample_period.unwrap_or(least).max(least)).max(1);
    let delay = millis(ingest_delay(descriptor));
    let newest = last.as_millis().saturating_sub(delay).div_euclid(period);
    Some(Timestamp::from_millis((newest + 1).saturating_mul(period).saturating_add(delay)))
}

/// The window `(start, end]` of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Exclusive.
    pub start: Timestamp,
    /// Inclusive.
    pub end: Timestamp,
    /// How far behind its newest point a point of this window may lie.
    pub lateness: Duration,
}

/// A descriptor's ingest delay that is no duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("its ingest delay {0:?} is no duration")]
pub struct BadIngestDelay(pub Text);

/// The window for a metric type. `watermark`: the end of the last window of a metric whose points are added up.
pub fn span(
    job: &Job,
    descriptor: &Descriptor,
    watermark: Option<Timestamp>,
    now: Timestamp,
) -> Result<Span, BadIngestDelay> {
    let window = job.window;
    let mut end = now.minus(window.offset);
    if window.ingest_delay {
        end = match &descriptor.ingest_delay {
            IngestDelay::Unreadable(text) => return Err(BadIngestDelay(Text::clone(text))),
            IngestDelay::Known(delay) => end.minus(*delay),
            IngestDelay::Unknown => end,
        };
    }
    let width = width(job, descriptor);
    let mut start = end.minus(width);
    let mut lateness = width;
    if window.continues && descriptor.kind == MetricKind::Delta {
        lateness = width.max(window.lateness).max(ingest_delay(descriptor));
        let longest = end.minus(window.max_width);
        start = start.min(watermark.map_or(start, |w| w.minus(lateness))).max(longest);
    }
    Ok(Span { start, end, lateness })
}

/// Wide enough to hold the newest point of a metric that is asked for at its own pace.
fn width(job: &Job, descriptor: &Descriptor) -> Duration {
    let window = job.window;
    let aligned = aggregation(job, &descriptor.metric_type).map_or(Duration::ZERO, |a| a.alignment_period * 2);
    let newest = match job.timing.interval {
        Interval::Fixed(_) => Duration::ZERO,
        Interval::Auto { .. } => {
            let delay = if window.ingest_delay { Duration::ZERO } else { ingest_delay(descriptor) };
            delay + descriptor.sample_period.unwrap_or(USUAL_PERIOD) * 2
        }
    };
    window.width.max(newest).max(aligned)
}

fn ingest_delay(descriptor: &Descriptor) -> Duration {
    match descriptor.ingest_delay {
        IngestDelay::Known(delay) => delay,
        IngestDelay::Unknown | IngestDelay::Unreadable(_) => Duration::ZERO,
    }
}

fn millis(d: Duration) -> i64 {
    i64::try_from(d.as_millis()).unwrap_or(i64::MAX)
}

/// A duration as Google's descriptors write it: `60s`, `21720s`, `0.5s`, in Go's syntax (`1h30m`).
pub fn duration(text: &str) -> Option<Duration> {
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest == "0" {
        return Some(Duration::ZERO);
    }
    let mut total = Duration::ZERO;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, from) = rest.split_at_checked(end)?;
        let unit = ["ns", "us", "µs", "μs", "ms", "s", "m", "h"].into_iter().filter(|u| from.starts_with(u));
        let unit = unit.max_by_key(|u| u.len())?;
        let seconds = match unit {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 1e-3,
            "ns" => 1e-9,
            _ => 1e-6,
        };
        let number: f64 = number.parse().ok()?;
        total = total.checked_add(Duration::try_from_secs_f64(number * seconds).ok()?)?;
        rest = from.strip_prefix(unit)?;
    }
    Some(total)
}

#[cfg(test)]
mod tests;
