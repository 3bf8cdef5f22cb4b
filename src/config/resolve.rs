//! From what is written to what is meant: defaults, inheritance, cross-checks. Pure; every mistake is collected.
//!
//! The wording of the mistakes carries YACE's key phrases, so that whoever knows them (or greps for them) finds them.

use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroU32;
use std::time::Duration;

use super::fields::Field;
use super::raw::Spot;
use super::report::{Report, quoted};
use super::written::{self, Kind};
use super::{Dialect, LoadOptions};
use crate::aws::catalog;
use crate::aws::job::{Access, AwsSettings, Concurrency, Dimension, Discovery, Job, JobKind, Naming, Tag};
use crate::model::Text;

mod metric;
mod places;
mod selection;
mod tags;
mod timing;

/// What GetMetricData takes in one call.
pub(crate) const MAX_METRICS_PER_QUERY: NonZeroU32 = match NonZeroU32::new(500) {
    Some(n) => n,
    None => NonZeroU32::MIN,
};
/// More calls in flight than any quota of CloudWatch answers in a second.
const MAX_CONCURRENCY: i64 = 1000;

/// What all jobs share.
struct Shared<'a> {
    timing: timing::Defaults,
    metrics_per_query: NonZeroU32,
    exported_tags: &'a BTreeMap<Text, written::ExportedTags>,
    always_return_info: bool,
    services: selection::Services,
    places: places::Defaults,
}

/// Settings of the `aws` section, or of a YACE file. Only to be used when no mistake was reported.
pub(crate) fn aws(written: &written::Aws, options: &LoadOptions, report: &mut Report) -> AwsSettings {
    let jobs = [&written.discovery.jobs, &written.customs, &written.statics];
    if jobs.iter().all(|j| !j.is_given) {
        let message = "nothing to do: at least 1 Discovery job, 1 Static or one CustomNamespace must be defined \
                       (keys discovery.jobs, static, customNamespace)";
        report.mistake(Spot::default(), "", message);
    }
    api_version(&written.api_version, report);
    let services = selection::services(&written.services, report);
    tags::check_exported(&written.discovery, &services, report);
    let access = Access {
        sts_region: Some(Text::clone(&written.sts_region.value)).filter(|r| !r.is_empty()),
        fips: options.fips.or(written.fips.value).unwrap_or_default(),
        concurrency: concurrency(&written.concurrency, options, report),
    };
    let snake = options.labels_snake_case.or(written.labels_snake_case.value).unwrap_or_default();
    let shared = Shared {
        timing: timing::defaults(&written.timing, options, report),
        metrics_per_query: metrics_per_query(&written.metrics_per_query, options, report),
        exported_tags: &written.discovery.exported_tags,
        always_return_info: options.always_return_info,
        services,
        places: places::defaults(written, report),
    };
    let jobs = jobs.iter().flat_map(|list| list.value.iter().enumerate());
    let mut patterns = HashMap::new();
    let jobs = jobs.filter_map(|(index, j)| job(index, j, &shared, &mut patterns, report)).collect();
    AwsSettings { access, naming: Naming { labels_snake_case: snake }, jobs, is_partial: false }
}

fn api_version(version: &Field<Text>, report: &mut Report) {
    if report.dialect == Dialect::Native {
        return;
    }
    match &*version.value {
        "v1alpha1" => {}
        "" if version.is_bad => {}
        "" => report.warn(Spot::default(), "apiVersion", "missing apiVersion: add `apiVersion: v1alpha1`"),
        other => {
            let message = format!("unknown apiVersion value '{other}': only v1alpha1 is known");
            report.mistake(version.spot, "apiVersion", message);
        }
    }
}

fn concurrency(written: &written::Concurrency, options: &LoadOptions, report: &mut Report) -> Concurrency {
    let default = Concurrency::default();
    let mut limit = |field: &Field<i64>, name: &str, default: NonZeroU32| {
        if !field.is_given || field.is_bad {
            return default;
        }
        let good = (1..=MAX_CONCURRENCY).contains(&field.value).then_some(field.value);
        let good = good.and_then(|n| u32::try_from(n).ok()).and_then(NonZeroU32::new);
        good.unwrap_or_else(|| {
            let path = format!("aws.concurrency.{name}");
            report.mistake(field.spot, path, format!("calls in flight: from 1 to {MAX_CONCURRENCY}"));
            default
        })
    };
    let from_file = Concurrency {
        list_metrics: limit(&written.list_metrics, "listMetrics", default.list_metrics),
        get_metric_data: limit(&written.get_metric_data, "getMetricData", default.get_metric_data),
        get_metric_statistics: limit(
            &written.get_metric_statistics,
            "getMetricStatistics",
            default.get_metric_statistics,
        ),
        tagging: limit(&written.tagging, "tagging", default.tagging),
    };
    options.concurrency.unwrap_or(from_file)
}

fn metrics_per_query(field: &Field<i64>, options: &LoadOptions, report: &mut Report) -> NonZeroU32 {
    let from_file = u32::try_from(field.value).ok().and_then(NonZeroU32::new).filter(|n| *n <= MAX_METRICS_PER_QUERY);
    if field.is_given && !field.is_bad && from_file.is_none() {
        let message = format!("metrics in one query: from 1 to {MAX_METRICS_PER_QUERY}");
        report.mistake(field.spot, "aws.metricsPerQuery", message);
    }
    options.metrics_per_query.map_or(from_file.unwrap_or(MAX_METRICS_PER_QUERY), |n| n.min(MAX_METRICS_PER_QUERY))
}

/// How messages name a job: before its identifying field is known, about its metrics and roles, about the rest.
struct Titles {
    plain: String,
    parent: String,
    own: String,
}

impl Titles {
    fn of(index: usize, job: &written::Job) -> Self {
        let titled = |what: &str, plain: String, parent: &Text, own: &Text| Self {
            plain,
            parent: format!("{what} [{parent}/{index}]"),
            own: format!("{what} [{own}/{index}]"),
        };
        match job.kind {
            Kind::Discovery => {
                let what = "Discovery job";
                titled(what, format!("{what} [{index}]"), &job.type_name.value, &job.type_name.value)
            }
            Kind::Custom => {
                let what = "CustomNamespace job";
                titled(what, format!("{what} [{index}]"), &job.namespace.value, &job.name.value)
            }
            Kind::Static => {
                let what = "Static job";
                titled(what, format!("{what} [{index}]"), &job.name.value, &job.name.value)
            }
        }
    }
}

/// Says that something required is empty, unless its mistake is known already.
fn require<T>(field: &Field<T>, is_empty: bool, job: &written::Job, key: &str, text: String, report: &mut Report) {
    if is_empty && !field.is_bad {
        report.mistake(field.spot_or(job.spot), format!("{}.{key}", job.path), text);
    }
}

fn job(
    index: usize,
    written: &written::Job,
    shared: &Shared<'_>,
    patterns: &mut tags::Patterns,
    report: &mut Report,
) -> Option<Job> {
    let titles = Titles::of(index, written);
    check_names(written, &titles, &shared.services, report);
    let kind = match written.kind {
        Kind::Discovery => discovery(written, shared, patterns, &titles, report).map(|d| JobKind::Discovery(d.into())),
        Kind::Custom => Some(JobKind::Custom),
        Kind::Static => Some(JobKind::Static(dimensions(&written.dimensions.value))),
    };
    check_lists(written, &titles, shared.places.has_regions(), report);
    if written.rounding_period.is_given && !written.rounding_period.is_bad {
        let message = format!("{}: the rounding period has no effect: windows always follow the period", titles.own);
        report.warn(written.rounding_period.spot, format!("{}.roundingPeriod", written.path), message);
    }
    let places = places::of(written, &shared.places, &titles.parent, report);
    let usual = timing::job_pace(&written.timing, &shared.timing, &written.path, report);
    let mut metrics = metric::metrics(written, &titles.parent, usual, report);
    let selection = selection::of(written, &titles.own, &metrics, &shared.services, places.all_regions, report);
    let timing = timing::of(&written.timing, &shared.timing, usual, &mut metrics, &written.path, report);
    let namespace = if written.kind == Kind::Discovery { &written.type_name } else { &written.namespace };
    let name = if written.kind == Kind::Discovery { &written.type_name } else { &written.name };
    Some(Job {
        kind: kind?,
        index,
        name: Text::clone(&name.value),
        namespace: Text::clone(&namespace.value),
        regions: places.regions,
        roles: places.roles,
        metrics,
        custom_tags: written.custom_tags.value.iter().map(tag).collect(),
        dimension_name_requirements: texts(&written.dimension_name_requirements),
        recently_active_only: written.recently_active_only.value.unwrap_or_default(),
        selection,
        metrics_per_query: shared.metrics_per_query,
        timing,
    })
}

fn check_names(job: &written::Job, titles: &Titles, services: &selection::Services, report: &mut Report) {
    if job.kind == Kind::Discovery {
        return check_type(job, titles, services, report);
    }
    let is_unnamed = job.name.value.is_empty();
    require(&job.name, is_unnamed, job, "name", format!("{}: Name should not be empty", titles.plain), report);
    let title = if job.kind == Kind::Static && !is_unnamed { &titles.own } else { &titles.plain };
    let message = format!("{title}: Namespace should not be empty");
    require(&job.namespace, job.namespace.value.is_empty(), job, "namespace", message, report);
}

fn check_type(job: &written::Job, titles: &Titles, services: &selection::Services, report: &mut Report) {
    let (name, title) = (&*job.type_name.value, &titles.plain);
    if name.is_empty() {
        let message = format!("{title}: Type should not be empty");
        return require(&job.type_name, true, job, "type", message, report);
    }
    if services.find(name).is_some() {
        return;
    }
    let message = match catalog::by_alias(name) {
        Some(service) => {
            let namespace = &service.namespace;
            format!("{title}: Invalid 'type' field, use namespace \"{namespace}\" rather than alias \"{name}\"")
        }
        None => format!("{title}: Service is not in known list!: {name}{}", services.hint(name)),
    };
    report.mistake(job.type_name.spot, format!("{}.type", job.path), message);
}

fn check_lists(job: &written::Job, titles: &Titles, has_default_regions: bool, report: &mut Report) {
    let message = format!("{}: Regions should not be empty", titles.own);
    let regions = &job.regions.list;
    let inherits = has_default_regions && !regions.is_given;
    let is_empty = regions.value.is_empty() && !job.regions.all && !inherits;
    require(regions, is_empty, job, "regions", message, report);
    let has_no_metrics = job.metrics.value.is_empty();
    match job.kind {
        Kind::Discovery => {
            let is_empty = has_no_metrics && job.enhanced_metrics.value.is_empty() && !job.enhanced_metrics.is_bad;
            let message = format!("{}: Metrics and EnhancedMetrics should not both be empty", titles.own);
            require(&job.metrics, is_empty, job, "metrics", message, report);
        }
        Kind::Custom => {
            let message = format!("{}: Metrics should not be empty", titles.own);
            require(&job.metrics, has_no_metrics, job, "metrics", message, report);
        }
        // A static job without metrics does nothing, and YACE does not mind.
        Kind::Static => {}
    }
}

fn discovery(
    job: &written::Job,
    shared: &Shared<'_>,
    patterns: &mut tags::Patterns,
    titles: &Titles,
    report: &mut Report,
) -> Option<Discovery> {
    let search_tags = tags::search_tags(job, &titles.own, patterns, report);
    let service = shared.services.find(&job.type_name.value)?;
    for metric in &job.enhanced_metrics.value {
        let name = &*metric.name.value;
        if metric.name.is_bad || service.enhanced_metrics.contains(&name) {
            continue;
        }
        let message = if service.enhanced_metrics.is_empty() {
            format!("{}: enhanced metrics are not supported for this namespace: {}", titles.own, service.namespace)
        } else {
            let known = service.enhanced_metrics.join(", ");
            format!("{}: enhanced metric \"{name}\" is not supported for this namespace (it has {known})", titles.own)
        };
        report.mistake(metric.name.spot_or(metric.spot), format!("{}.name", metric.path), message);
    }
    let exported = shared.exported_tags.get(&service.namespace);
    Some(Discovery {
        search_tags,
        exported_tags: exported.map(|e| texts(&e.tags)).unwrap_or_default(),
        service,
        include_context_on_info: job.include_context.value.unwrap_or_default(),
        enhanced_metrics: job.enhanced_metrics.value.iter().map(|m| Text::clone(&m.name.value)).collect(),
        always_return_info: shared.always_return_info,
    })
}

fn dimensions(pairs: &[written::Pair]) -> Vec<Dimension> {
    let dimension =
        |p: &written::Pair| Dimension { name: Text::clone(&p.first.value), value: Text::clone(&p.second.value) };
    pairs.iter().map(dimension).collect()
}

fn tag(pair: &written::Pair) -> Tag {
    Tag { key: Text::clone(&pair.first.value), value: Text::clone(&pair.second.value) }
}

fn texts(written: &written::Texts) -> Vec<Text> {
    written.value.iter().map(|t| Text::clone(&t.value)).collect()
}

/// Seconds as a duration.
fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}
