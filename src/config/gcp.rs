//! The `gcp` section: the names of stackdriver_exporter's flags in snake_case, and what that program has not.
//!
//! First as it is written, then as it is meant. Keys of a job preset nothing for others; `gcp.defaults` does not exist: YAML's
//! anchors do that.

use std::num::NonZeroU32;
use std::time::Duration;

use super::Dialect;
use super::fields::{self, Field, Interval as WrittenInterval, Section};
use super::raw::{Node, Spot};
use super::report::{Path, Report, quoted};
use super::written::Texts;
use crate::gcp::job::{
    Access, Aggregation, BucketRule, Deltas, Descriptors, Filter, GcpSettings, Interval, Job, Keep, Retries, Timing,
    Window,
};
use crate::model::Text;

/// No metric is asked for more often unless the file says so.
const LEAST_INTERVAL: Duration = Duration::from_secs(60);
/// Metric types come and go slowly.
const INVENTORY_INTERVAL: Duration = Duration::from_secs(900);
/// Values outlive failures for so long; their own times tell their age.
const STALE_AFTER: Duration = Duration::from_secs(900);
/// Google aligns to nothing shorter.
const LEAST_ALIGNMENT_SECONDS: u64 = 60;

/// The section.
#[derive(Debug, Default)]
pub(super) struct Written {
    endpoint: Field<Text>,
    universe_domain: Field<Text>,
    concurrency: Field<i64>,
    max_retries: Field<i64>,
    http_timeout: Field<Option<u64>>,
    jobs: Field<Vec<WrittenJob>>,
}

/// A job.
#[derive(Debug, Default)]
struct WrittenJob {
    spot: Spot,
    path: String,
    name: Field<Text>,
    projects: Texts,
    projects_filter: Field<Text>,
    metrics_prefixes: Texts,
    exclude_prefixes: Texts,
    filters: Texts,
    interval: Field<Option<WrittenInterval>>,
    inventory_interval: Field<Option<u64>>,
    stale_after: Field<Option<u64>>,
    metrics_interval: Field<Option<u64>>,
    metrics_offset: Field<Option<u64>>,
    metrics_ingest_delay: Field<Option<bool>>,
    aggregate_deltas: Field<Option<bool>>,
    aggregate_deltas_ttl: Field<Option<u64>>,
    lateness: Field<Option<u64>>,
    fill_missing_labels: Field<Option<bool>>,
    drop_delegated_projects: Field<Option<bool>>,
    labels: Vec<(Text, Text)>,
    aggregations: Field<Vec<WrittenAggregation>>,
    buckets: Field<Vec<WrittenBuckets>>,
}

/// An item of `aggregation`.
#[derive(Debug, Default)]
struct WrittenAggregation {
    spot: Spot,
    path: String,
    prefix: Field<Text>,
    alignment_period: Field<Option<u64>>,
    aligner: Field<Text>,
    reducer: Field<Text>,
    group_by: Texts,
}

/// An item of `buckets`.
#[derive(Debug, Default)]
struct WrittenBuckets {
    spot: Spot,
    path: String,
    prefix: Field<Text>,
    bounds: Texts,
    every_nth: Field<i64>,
    at_most: Field<i64>,
    none: Field<Option<bool>>,
}

impl Section for Written {
    fn keys(&self, _: Dialect) -> Vec<&'static str> {
        vec!["endpoint", "universe_domain", "concurrency", "max_retries", "http_timeout", "jobs"]
    }

    fn read(&mut self, key: &str, node: &Node, path: &Path<'_>, report: &mut Report) {
        match key {
            "endpoint" => fields::text(&mut self.endpoint, node, path, report),
            "universe_domain" => fields::text(&mut self.universe_domain, node, path, report),
            "concurrency" => fields::integer(&mut self.concurrency, node, path, report),
            "max_retries" => fields::integer(&mut self.max_retries, node, path, report),
            "http_timeout" => fields::duration(&mut self.http_timeout, node, path, report),
            _ => fields::list(&mut self.jobs, node, path, report, false, |spot, path| WrittenJob {
                spot,
                path: path.to_string(),
                ..WrittenJob::default()
            }),
        }
    }

    fn clear(&mut self) {
        *self = Self::default();
    }
}

impl Section for WrittenJob {
    fn keys(&self, _: Dialect) -> Vec<&'static str> {
        vec![
            "name",
            "projects",
            "projects_filter",
            "metrics_prefixes",
            "exclude_prefixes",
            "filters",
            "interval",
            "inventory_interval",
            "stale_after",
            "metrics_interval",
            "metrics_offset",
            "metrics_ingest_delay",
            "aggregate_deltas",
            "aggregate_deltas_ttl",
            "lateness",
            "fill_missing_labels",
            "drop_delegated_projects",
            "labels",
            "aggregation",
            "buckets",
        ]
    }

    fn read(&mut self, key: &str, node: &Node, path: &Path<'_>, report: &mut Report) {
        match key {
            "name" => fields::text(&mut self.name, node, path, report),
            "projects" => fields::texts(&mut self.projects, node, path, report),
            "projects_filter" => fields::text(&mut self.projects_filter, node, path, report),
            "metrics_prefixes" => fields::texts(&mut self.metrics_prefixes, node, path, report),
            "exclude_prefixes" => fields::texts(&mut self.exclude_prefixes, node, path, report),
            "filters" => fields::texts(&mut self.filters, node, path, report),
            "interval" => fields::interval(&mut self.interval, node, path, report),
            "inventory_interval" => fields::duration(&mut self.inventory_interval, node, path, report),
            "stale_after" => fields::duration(&mut self.stale_after, node, path, report),
            "metrics_interval" => fields::duration(&mut self.metrics_interval, node, path, report),
            "metrics_offset" => fields::duration(&mut self.metrics_offset, node, path, report),
            "metrics_ingest_delay" => fields::flag(&mut self.metrics_ingest_delay, node, path, report),
            "aggregate_deltas" => fields::flag(&mut self.aggregate_deltas, node, path, report),
            "aggregate_deltas_ttl" => fields::duration(&mut self.aggregate_deltas_ttl, node, path, report),
            "lateness" => fields::duration(&mut self.lateness, node, path, report),
            "fill_missing_labels" => fields::flag(&mut self.fill_missing_labels, node, path, report),
            "drop_delegated_projects" => fields::flag(&mut self.drop_delegated_projects, node, path, report),
            "labels" => self.read_labels(node, path, report),
            "aggregation" => fields::list(&mut self.aggregations, node, path, report, false, |spot, path| {
                WrittenAggregation { spot, path: path.to_string(), ..WrittenAggregation::default() }
            }),
            _ => fields::list(&mut self.buckets, node, path, report, false, |spot, path| WrittenBuckets {
                spot,
                path: path.to_string(),
                ..WrittenBuckets::default()
            }),
        }
    }

    fn clear(&mut self) {
        *self = Self { spot: self.spot, path: std::mem::take(&mut self.path), ..Self::default() };
    }
}

impl WrittenJob {
    fn read_labels(&mut self, node: &Node, path: &Path<'_>, report: &mut Report) {
        self.labels.clear();
        fields::entries(node, path, report, &mut |name, spot, node, report| {
            let path = path.key(&name);
            let starts_well =
                name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && !name.starts_with("__");
            if !starts_well || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
                report.mistake(spot, path, "this is no label name: use letters, digits and underscores");
                return;
            }
            let mut value = Field::default();
            fields::text(&mut value, node, &path, report);
            self.labels.push((name, value.value));
        });
    }
}

impl Section for WrittenAggregation {
    fn keys(&self, _: Dialect) -> Vec<&'static str> {
        vec!["prefix", "alignment_period", "aligner", "reducer", "group_by"]
    }

    fn read(&mut self, key: &str, node: &Node, path: &Path<'_>, report: &mut Report) {
        match key {
            "prefix" => fields::text(&mut self.prefix, node, path, report),
            "alignment_period" => fields::duration(&mut self.alignment_period, node, path, report),
            "aligner" => fields::text(&mut self.aligner, node, path, report),
            "reducer" => fields::text(&mut self.reducer, node, path, report),
            _ => fields::texts(&mut self.group_by, node, path, report),
        }
    }

    fn clear(&mut self) {
        *self = Self { spot: self.spot, path: std::mem::take(&mut self.path), ..Self::default() };
    }
}

impl Section for WrittenBuckets {
    fn keys(&self, _: Dialect) -> Vec<&'static str> {
        vec!["prefix", "bounds", "every_nth", "at_most", "none"]
    }

    fn read(&mut self, key: &str, node: &Node, path: &Path<'_>, report: &mut Report) {
        match key {
            "prefix" => fields::text(&mut self.prefix, node, path, report),
            "bounds" => fields::texts(&mut self.bounds, node, path, report),
            "every_nth" => fields::integer(&mut self.every_nth, node, path, report),
            "at_most" => fields::integer(&mut self.at_most, node, path, report),
            _ => fields::flag(&mut self.none, node, path, report),
        }
    }

    fn clear(&mut self) {
        *self = Self { spot: self.spot, path: std::mem::take(&mut self.path), ..Self::default() };
    }
}

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

/// Every key of the section, for the test of the example.
#[cfg(test)]
pub(super) fn keys() -> Vec<&'static str> {
    [
        Written::default().keys(Dialect::Native),
        WrittenJob::default().keys(Dialect::Native),
        WrittenAggregation::default().keys(Dialect::Native),
        WrittenBuckets::default().keys(Dialect::Native),
    ]
    .concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{LoadOptions, Loaded, Mistakes, parse};

    fn load(jobs: &str) -> Result<Loaded, Mistakes> {
        let file = format!("gcp:\n  jobs:\n{jobs}");
        parse("raingauge.yml".as_ref(), file.as_bytes(), &LoadOptions::default(), &|_| None)
    }

    #[test]
    fn a_job_needs_only_a_prefix() {
        let gcp = load("    - {metrics_prefixes: [run.googleapis.com/]}\n").unwrap().settings.gcp.unwrap();
        let job = &gcp.jobs[0];
        assert_eq!((&*job.name, job.projects.len(), job.prefixes.len()), ("gcp", 0, 1));
        assert!(job.deltas.aggregate && job.window.continues && job.fill_missing_labels && job.holds());
        assert_eq!(job.timing.interval, Interval::Auto { least: LEAST_INTERVAL });
        assert_eq!(gcp.access, Access::default());
    }

    #[test]
    fn everything_is_read() {
        let jobs = "
    - name: shop
      projects: [b, a, b]
      projects_filter: labels.env:prod
      metrics_prefixes: [run.googleapis.com/, pubsub.googleapis.com/]
      exclude_prefixes: [run.googleapis.com/container/]
      filters: ['run.googleapis.com/:resource.labels.service_name=\"x:y\"']
      interval: 2m
      inventory_interval: 10m
      stale_after: 0
      metrics_interval: 10m
      metrics_offset: 1m
      metrics_ingest_delay: true
      aggregate_deltas: false
      aggregate_deltas_ttl: 1h
      lateness: 5m
      fill_missing_labels: false
      drop_delegated_projects: true
      labels: {team: shop}
      aggregation: [{prefix: run., alignment_period: 5m, aligner: ALIGN_DELTA, reducer: REDUCE_SUM, group_by: [metadata.user_labels.team]}]
      buckets: [{prefix: run., bounds: [1, 2.5]}, {prefix: a, at_most: 5}, {prefix: b, every_nth: 2}, {prefix: c, none: true}]
";
        let job = load(jobs).unwrap().settings.gcp.unwrap().jobs.remove(0);
        assert_eq!(job.projects.iter().map(|p| &**p).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(&*job.filters[0].expression, "resource.labels.service_name=\"x:y\"");
        assert_eq!(job.timing.interval, Interval::Fixed(Duration::from_secs(120)));
        assert!(!job.holds() && !job.window.continues && !job.deltas.aggregate && job.window.ingest_delay);
        assert_eq!(job.aggregations[0].alignment_period, Duration::from_secs(300));
        assert_eq!(job.buckets[0].keep, Keep::Bounds(vec![1.0, 2.5]));
        assert_eq!(job.buckets[3].keep, Keep::None);
        assert_eq!(job.labels, [("team".into(), "shop".into())]);
    }

    #[test]
    fn all_mistakes_are_told_at_once_with_their_places() {
        let jobs = "
    - projects: [a]
      interval: 0
      filters: [nonsense]
      labels: {__x: y}
      metricprefixes: [x]
      aggregation: [{aligner: SUM, alignment_period: 10s, group_by: [x]}]
      buckets: [{bounds: [x]}, {prefix: y}]
";
        let mistakes = load(jobs).unwrap_err().to_string();
        for wanted in [
            "4:7: gcp.jobs[0].metrics_prefixes: a job needs",
            "gcp.jobs[0].interval: an interval",
            "gcp.jobs[0].filters[0]: `nonsense` is no filter",
            "gcp.jobs[0].labels.__x: this is no label name",
            "did you mean `metrics_prefixes`?",
            "gcp.jobs[0].aggregation[0].aligner: write one of Google's names",
            "gcp.jobs[0].aggregation[0].alignment_period: Google aligns",
            "gcp.jobs[0].aggregation[0].group_by: grouping needs",
            "gcp.jobs[0].buckets[0].bounds[0]: `x` is no number",
            "gcp.jobs[0].buckets[1]: write exactly one",
        ] {
            assert!(mistakes.contains(wanted), "{wanted}:\n{mistakes}");
        }
        let empty = parse("x".as_ref(), b"gcp: {}", &LoadOptions::default(), &|_| None).unwrap_err().to_string();
        assert!(empty.contains("nothing to do: write at least one job"), "{empty}");
    }
}
