//! The `gcp` section: the names of stackdriver_exporter's flags in snake_case, and what that program has not.
//!
//! Here as it is meant; `written` is how it stands in the file. Keys of a job preset nothing for others; `gcp.defaults` does not exist: YAML's
//! anchors do that.

use std::num::NonZeroU32;
use std::time::Duration;

use super::fields::{Field, Interval as WrittenInterval};
use super::raw::Spot;
use super::report::{Report, quoted};
use super::written::Texts;
use crate::gcp::job::{
    Access, Aggregation, BucketRule, Deltas, Descriptors, Filter, GcpSettings, Interval, Job, Keep, Retries, Timing,
    Window,
};
use crate::model::Text;

mod written;

pub(super) use self::written::Written;
#[cfg(test)]
pub(super) use self::written::keys;
use self::written::{WrittenAggregation, WrittenBuckets, WrittenJob};

/// No metric is asked for more often unless the file says so.
const LEAST_INTERVAL: Duration = Duration::from_secs(60);
/// Metric types come and go slowly.
const INVENTORY_INTERVAL: Duration = Duration::from_secs(900);
/// Values outlive failures for so long; their own times tell their age.
const STALE_AFTER: Duration = Duration::from_secs(900);
/// Google aligns to nothing shorter.
const LEAST_ALIGNMENT_SECONDS: u64 = 60;

/// As it is meant. Only to be used when no mistake was reported.
pub(super) fn settings(written: &Written, spot: Spot, report: &mut Report) -> GcpSettings {
    let native = Access::default();
    let retries = Retries {
        most: count(&written.max_retries, "gcp.max_retries", 0, report).unwrap_or(native.retries.most),
        timeout: written.http_timeout.value.map(Duration::from_secs).or(native.retries.timeout),
        ..native.retries
    };
    let concurrency = count(&written.concurrency, "gcp.concurrency", 1, report).and_then(NonZeroU32::new);
    let access = Access {
        endpoint: given(&written.endpoint),
        universe_domain: given(&written.universe_domain).unwrap_or(native.universe_domain),
        retries,
        concurrency: concurrency.unwrap_or(native.concurrency),
    };
    if let Some(url) =
        access.endpoint.as_deref().filter(|url| !url.starts_with("http://") && !url.starts_with("https://"))
    {
        let message = format!("{} is no address: write http://HOST:PORT or https://HOST", quoted(url));
        report.mistake(written.endpoint.spot, "gcp.endpoint", message);
    }
    if written.jobs.value.is_empty() && !written.jobs.is_bad {
        report.mistake(written.jobs.spot_or(spot), "gcp.jobs", "nothing to do: write at least one job");
    }
    let jobs = written.jobs.value.iter().enumerate().map(|(index, written)| job(written, index, report)).collect();
    GcpSettings { access, jobs }
}

fn job(written: &WrittenJob, index: usize, report: &mut Report) -> Job {
    let at = |key: &str| format!("{}.{key}", written.path);
    let seconds = |field: &Field<Option<u64>>| field.value.map(Duration::from_secs);
    let prefixes = texts(&written.metrics_prefixes);
    if prefixes.is_empty() && !written.metrics_prefixes.is_bad {
        let message = "a job needs at least one prefix: run.googleapis.com/, for example";
        report.mistake(written.metrics_prefixes.spot_or(written.spot), at("metrics_prefixes"), message);
    }
    let mut projects = texts(&written.projects);
    projects.sort();
    projects.dedup();
    let aggregate = written.aggregate_deltas.value.unwrap_or(true);
    let native = Window::default();
    let window = Window {
        width: positive(&written.metrics_interval, &at("metrics_interval"), report).unwrap_or(native.width),
        offset: seconds(&written.metrics_offset).unwrap_or(native.offset),
        ingest_delay: written.metrics_ingest_delay.value.unwrap_or(native.ingest_delay),
        continues: aggregate,
        lateness: seconds(&written.lateness).unwrap_or(native.lateness),
        ..native
    };
    let interval = match written.interval.value {
        None | Some(WrittenInterval::Auto) => Interval::Auto { least: LEAST_INTERVAL },
        Some(WrittenInterval::Fixed(0)) => {
            report.mistake(written.interval.spot, at("interval"), "an interval is at least one second");
            Interval::Auto { least: LEAST_INTERVAL }
        }
        Some(WrittenInterval::Fixed(n)) => Interval::Fixed(Duration::from_secs(n)),
    };
    let inventory_interval = positive(&written.inventory_interval, &at("inventory_interval"), report);
    Job {
        name: given(&written.name).unwrap_or_else(|| "gcp".into()),
        index,
        projects,
        projects_filter: given(&written.projects_filter),
        prefixes,
        exclude_prefixes: texts(&written.exclude_prefixes),
        filters: filters(&written.filters, &at("filters"), report),
        window,
        fill_missing_labels: written.fill_missing_labels.value.unwrap_or(true),
        drop_delegated_projects: written.drop_delegated_projects.value.unwrap_or(false),
        deltas: Deltas {
            aggregate,
            ttl: seconds(&written.aggregate_deltas_ttl).unwrap_or(Deltas::default().ttl),
            peers_way: false,
        },
        descriptors: Descriptors { ttl: Duration::ZERO, only_google: false, active_only: true },
        aggregations: written.aggregations.value.iter().map(|a| aggregation(a, report)).collect(),
        buckets: written.buckets.value.iter().map(|b| bucket_rule(b, report)).collect(),
        labels: written.labels.clone(),
        timestamps: true,
        timing: Timing {
            interval,
            inventory_interval: inventory_interval.unwrap_or(INVENTORY_INTERVAL),
            stale_after: seconds(&written.stale_after).unwrap_or(STALE_AFTER.max(interval.tick() * 3)),
        },
    }
}

fn filters(written: &Texts, path: &str, report: &mut Report) -> Vec<Filter> {
    let mut filters = Vec::new();
    for (n, text) in written.value.iter().enumerate().filter(|(_, text)| !text.is_bad) {
        let parts =
            text.value.split_once(':').filter(|(prefix, expression)| !prefix.is_empty() && !expression.is_empty());
        // Natively the prefix counts as it is written.
        if let Some((prefix, expression)) = parts {
            filters.push(Filter { prefix: prefix.into(), expression: expression.into() });
        } else {
            let message = format!("{} is no filter: write PREFIX:EXPRESSION", quoted(&text.value));
            report.mistake(text.spot, format!("{path}[{n}]"), message);
        }
    }
    filters
}

fn aggregation(written: &WrittenAggregation, report: &mut Report) -> Aggregation {
    let at = |key: &str| format!("{}.{key}", written.path);
    let period = written.alignment_period.value.unwrap_or(LEAST_ALIGNMENT_SECONDS);
    if period < LEAST_ALIGNMENT_SECONDS {
        report.mistake(written.alignment_period.spot, at("alignment_period"), "Google aligns to at least 60 s");
    }
    for (field, key, start) in [(&written.aligner, "aligner", "ALIGN_"), (&written.reducer, "reducer", "REDUCE_")] {
        let is_missing = key == "aligner" && !field.is_given;
        if is_missing || (field.is_given && !field.is_bad && !field.value.starts_with(start)) {
            let message = format!("write one of Google's names, which begin with {start}");
            report.mistake(field.spot_or(written.spot), at(key), message);
        }
    }
    let (reducer, group_by) = (given(&written.reducer), texts(&written.group_by));
    if reducer.is_none() && !group_by.is_empty() {
        report.mistake(written.group_by.spot, at("group_by"), "grouping needs a reducer");
    }
    Aggregation {
        prefix: written.prefix.value.clone(),
        alignment_period: Duration::from_secs(period),
        aligner: written.aligner.value.clone(),
        reducer,
        group_by,
    }
}

fn bucket_rule(written: &WrittenBuckets, report: &mut Report) -> BucketRule {
    let at = |key: &str| format!("{}.{key}", written.path);
    let mut rules = Vec::new();
    if written.bounds.is_given {
        let bounds = written.bounds.value.iter().enumerate().filter_map(|(n, text)| {
            let number = text.value.parse::<f64>().ok().filter(|bound| bound.is_finite());
            if number.is_none() && !text.is_bad {
                let message = format!("{} is no number", quoted(&text.value));
                report.mistake(text.spot, format!("{}[{n}]", at("bounds")), message);
            }
            number
        });
        rules.push(Keep::Bounds(bounds.collect()));
    }
    let every_nth = count(&written.every_nth, &at("every_nth"), 1, report).and_then(NonZeroU32::new);
    let at_most = count(&written.at_most, &at("at_most"), 1, report).and_then(NonZeroU32::new);
    rules.extend(every_nth.map(Keep::EveryNth));
    rules.extend(at_most.map(Keep::AtMost));
    rules.extend((written.none.value == Some(true)).then_some(Keep::None));
    if rules.len() != 1 && !written.every_nth.is_bad && !written.at_most.is_bad {
        report.mistake(written.spot, &written.path, "write exactly one of bounds, every_nth, at_most and none");
    }
    BucketRule { prefix: written.prefix.value.clone(), keep: rules.pop().unwrap_or(Keep::None) }
}

fn texts(written: &Texts) -> Vec<Text> {
    written.value.iter().map(|text| text.value.clone()).collect()
}

fn given(field: &Field<Text>) -> Option<Text> {
    (field.is_given && !field.value.is_empty()).then(|| field.value.clone())
}

fn count(field: &Field<i64>, path: &str, least: i64, report: &mut Report) -> Option<u32> {
    if !field.is_given || field.is_bad {
        return None;
    }
    let number = u32::try_from(field.value).ok().filter(|n| i64::from(*n) >= least);
    if number.is_none() {
        report.mistake(field.spot, path, format!("write a whole number from {least}"));
    }
    number
}

fn positive(field: &Field<Option<u64>>, path: &str, report: &mut Report) -> Option<Duration> {
    if field.value == Some(0) {
        report.mistake(field.spot, path, "this is at least one second");
    }
    field.value.filter(|n| *n > 0).map(Duration::from_secs)
}

#[cfg(test)]
mod tests;
