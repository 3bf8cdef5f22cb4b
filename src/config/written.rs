//! A file as it is written: every key of the vocabulary as a field with its place. Both dialects read into these; which
//! keys a section knows depends on the dialect. What they mean, `resolve` says.

use std::collections::BTreeMap;

use super::Dialect;
use super::fields::{self, Field, Interval, Section};
use super::raw::{Node, Spot};
use super::report::{Path, Report};
use crate::model::Text;

mod selection;

pub(crate) use selection::{Filter, Join, Regions, Selection, Service};

/// A list of strings.
pub(crate) type Texts = Field<Vec<Field<Text>>>;

/// A YACE file, or the `aws` section of a native one.
#[derive(Debug, Default)]
pub(crate) struct Aws {
    pub(crate) api_version: Field<Text>,
    pub(crate) sts_region: Field<Text>,
    pub(crate) discovery: Discovery,
    pub(crate) statics: Field<Vec<Job>>,
    pub(crate) customs: Field<Vec<Job>>,
    pub(crate) timing: Timing,
    pub(crate) fips: Field<Option<bool>>,
    pub(crate) labels_snake_case: Field<Option<bool>>,
    pub(crate) metrics_per_query: Field<i64>,
    pub(crate) concurrency: Concurrency,
    pub(crate) roles: Field<Vec<Pair>>,
    pub(crate) regions: Regions,
    pub(crate) services: Field<Vec<Service>>,
}

/// `discovery`.
#[derive(Debug, Default)]
pub(crate) struct Discovery {
    pub(crate) exported_tags: BTreeMap<Text, ExportedTags>,
    pub(crate) jobs: Field<Vec<Job>>,
}

/// An entry of `exportedTagsOnMetrics`.
#[derive(Debug)]
pub(crate) struct ExportedTags {
    pub(crate) tags: Texts,
    pub(crate) path: String,
    pub(crate) spot: Spot,
}

/// Our own keys about when a job runs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Timing {
    pub(crate) interval: Field<Option<Interval>>,
    pub(crate) inventory_interval: Field<Option<u64>>,
    pub(crate) stale_after: Field<Option<u64>>,
    pub(crate) hold_on_failure: Field<Option<bool>>,
    pub(crate) activity_oracle: Field<Option<bool>>,
    pub(crate) timeout: Field<Option<u64>>,
    pub(crate) priority: Field<Text>,
}

/// `concurrency`.
#[derive(Debug, Default)]
pub(crate) struct Concurrency {
    pub(crate) list_metrics: Field<i64>,
    pub(crate) get_metric_data: Field<i64>,
    pub(crate) get_metric_statistics: Field<i64>,
    pub(crate) tagging: Field<i64>,
}

/// The three kinds of job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Discovery,
    Custom,
    Static,
}

/// A job of any kind; its kind decides which keys it knows.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) kind: Kind,
    pub(crate) spot: Spot,
    pub(crate) path: String,
    pub(crate) type_name: Field<Text>,
    pub(crate) name: Field<Text>,
    pub(crate) namespace: Field<Text>,
    pub(crate) regions: Regions,
    pub(crate) roles: Field<Vec<Pair>>,
    pub(crate) search_tags: Field<Vec<Pair>>,
    pub(crate) custom_tags: Field<Vec<Pair>>,
    pub(crate) dimensions: Field<Vec<Pair>>,
    pub(crate) dimension_name_requirements: Texts,
    pub(crate) metrics: Field<Vec<Metric>>,
    pub(crate) enhanced_metrics: Field<Vec<Metric>>,
    pub(crate) rounding_period: Field<i64>,
    pub(crate) recently_active_only: Field<Option<bool>>,
    pub(crate) include_context: Field<Option<bool>>,
    pub(crate) settings: MetricSettings,
    pub(crate) timing: Timing,
    pub(crate) selection: Selection,
}

/// What a job may preset for its metrics.
#[derive(Clone, Debug, Default)]
pub(crate) struct MetricSettings {
    pub(crate) statistics: Texts,
    pub(crate) period: Field<i64>,
    pub(crate) length: Field<i64>,
    pub(crate) delay: Field<i64>,
    pub(crate) nil_to_zero: Field<Option<bool>>,
    pub(crate) add_timestamp: Field<Option<bool>>,
    pub(crate) export_all: Field<Option<bool>>,
}

/// A metric, or an enhanced metric (which is only a name).
#[derive(Debug)]
pub(crate) struct Metric {
    pub(crate) is_enhanced: bool,
    pub(crate) spot: Spot,
    pub(crate) path: String,
    pub(crate) name: Field<Text>,
    pub(crate) include: Texts,
    pub(crate) exclude: Texts,
    pub(crate) settings: MetricSettings,
    /// Ours, natively.
    pub(crate) interval: Field<Option<Interval>>,
}

/// Two strings under fixed keys: a role, a tag or a dimension.
#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) keys: [&'static str; 2],
    pub(crate) spot: Spot,
    pub(crate) path: String,
    pub(crate) first: Field<Text>,
    pub(crate) second: Field<Text>,
}

const TIMING: [&str; 7] =
    ["interval", "inventoryInterval", "staleAfter", "holdOnFailure", "activityOracle", "timeout", "priority"];
const SETTINGS: [&str; 7] =
    ["statistics", "period", "length", "delay", "nilToZero", "addCloudwatchTimestamp", "exportAllDataPoints"];

const ROLE: [&str; 2] = ["roleArn", "externalId"];
const TAG: [&str; 2] = ["key", "value"];
const DIMENSION: [&str; 2] = ["name", "value"];

impl Section for Aws {
    fn keys(&self, dialect: Dialect) -> Vec<&'static str> {
        match dialect {
            Dialect::Yace | Dialect::CloudWatchAgent => {
                vec!["apiVersion", "sts-region", "discovery", "static", "customNamespace"]
            }
            Dialect::Native => {
                let mut keys = vec!["sts-region", "stsRegion", "discovery", "static", "customNamespace"];
                keys.extend(TIMING);
                keys.extend(["fips", "labelsSnakeCase", "metricsPerQuery", "concurrency"]);
                keys.extend(["roles", "regions", "services"]);
                keys
            }
        }
    }

    fn read(&mut self, key: &str, node: &Node, path: &Path<'_>, report: &mut Report) {
        match key {
            "apiVersion" => fields::text(&mut self.api_version, node, path, report),
            "sts-region" | "stsRegion" => fields::text(&mut self.sts_region, node, path, report),
            "discovery" => fields::mapping(&mut self.discovery, node, path, report),
            "static" => jobs(&mut self.statics, Kind::Static, node, path, report),
            "customNamespace" => jobs(&mut self.customs, Kind::Custom, node, path, report),
            "fips" => fields::flag(&mut self.fips, node, path, report),
            "labelsSnakeCase" => fields::flag(&mut self.labels_snake_case, node, path, report),
            "metricsPerQuery" => fields::integer(&mut self.metrics_per_query, node, path, report),
            "concurrency" => fields::mapping(&mut self.concurrency, node, path, report),
            "roles" => pairs(&mut self.roles, ROLE, node, path, report),
            "regions" => self.regions.read(node, path, report),
            "services" => selection::services(&mut self.services, node, path, report),
            _ => self.timing.read(key, node, path, report),
        }
    }

    fn clear(&mut self) {
        *self = Self::default();
    }
}

impl Section for Discovery {
    fn keys(&self, _: Dialect) -> Vec<&'static str> {
        vec!["exportedTagsOnMetrics", "jobs"]
    }

    fn read(&mut self, key: &str, node: &Node, path: &Path<'_>, report: &mut Report) {
        if key == "jobs" {
            return jobs(&mut self.jobs, Kind::Discovery, node, path, report);
        }
        if fields::is_null(node) {
            self.exported_tags.clear();
        }
        fields::entries(node, path, report, &mut |namespace, spot, node, report| {
            let path = path.key(&namespace);
            let mut tags = Field::default();
            fields::texts(&mut tags, node, &path, report);
            let path = path.to_string();
            self.exported_tags.insert(namespace, ExportedTags { tags, path, spot });
        });
    }

    fn clear(&mut self) {
        *self = Self::default();
    }
}

impl Timing {
    fn read(&mut self, key: &str, node: &Node, path: &Path<'_>, report: &mut Report) {
        match key {
            "interval" => fields::interval(&mut self.interval, node, path, report),
            "inventoryInterval" => fields::duration(&mut self.inventory_interval, node, path, report),
            "staleAfter" => fields::duration(&mut self.stale_after, node, path, report),
            "holdOnFailure" => fields::flag(&mut self.hold_on_failure, node, path, report),
            "activityOracle" => fields::flag(&mut self.activity_oracle, node, path, report),
            "timeout" => fields::duration(&mut self.timeout, node, path, report),
            "priority" => fields::text(&mut self.priority, node, path, report),
            _ => {}
        }
    }
}

impl Section for Concurrency {
    fn keys(&self, _: Dialect) -> Vec<&'static str> {
        vec!["listMetrics", "getMetricData", "getMetricStatistics", "tagging"]
    }

    fn read(&mut self, key: &str, node: &Node, path: &Path<'_>, report: &mut Report) {
        let out = match key {
            "listMetrics" => &mut self.list_metrics,
            "getMetricData" => &mut self.get_metric_data,
            "getMetricStatistics" => &mut self.get_metric_statistics,
            _ => &mut self.tagging,
        };
        fields::integer(out, node, path, report);
    }

    fn clear(&mut self) {
        *self = Self::default();
    }
}

fn jobs(out: &mut Field<Vec<Job>>, kind: Kind, node: &Node, path: &Path<'_>, report: &mut Report) {
    fields::list(out, node, path, report, false, |spot, path| Job::new(kind, spot, path.to_string()));
}

impl Job {
    fn new(kind: Kind, spot: Spot, path: String) -> Self {
        Self {
            kind,
            spot,
            path,
            type_name: Field::default(),
            name: Field::default(),
            namespace: Field::default(),
            regions: Regions::default(),
            roles: Field::default(),
            search_tags: Field::default(),
            custom_tags: Field::default(),
            dimensions: Field::default(),
            dimension_name_requirements: Field::default(),
            metrics: Field::default(),
            enhanced_metrics: Field::default(),
            rounding_period: Field::default(),
            recently_active_only: Field::default(),
            include_context: Field::default(),
            settings: MetricSettings::default(),
            timing: Timing::default(),
            selection: Selection::default(),
        }
    }
}

impl Section for Job {
    fn keys(&self, _: Dialect) -> Vec<&'static str> {
        let mut keys = match self.kind {
            Kind::Discovery => vec!["type", "searchTags", "enhancedMetrics", "includeContextOnInfoMetrics"],
            Kind::Custom => vec!["name", "namespace"],
            Kind::Static => vec!["name", "namespace", "dimensions"],
        };
        keys.extend(["regions", "roles", "customTags", "metrics"]);
        keys.extend(TIMING);
        keys.extend(Selection::keys(self.kind));
        if self.kind != Kind::Static {
            keys.extend(["dimensionNameRequirements", "recentlyActiveOnly", "roundingPeriod"]);
            keys.extend(SETTINGS);
        }
        keys
    }

    fn read(&mut self, key: &str, node: &Node, path: &Path<'_>, report: &mut Report) {
        match key {
            "type" => fields::text(&mut self.type_name, node, path, report),
            "name" => fields::text(&mut self.name, node, path, report),
            "namespace" => fields::text(&mut self.namespace, node, path, report),
            "regions" => self.regions.read(node, path, report),
            "roles" => pairs(&mut self.roles, ROLE, node, path, report),
            "searchTags" => pairs(&mut self.search_tags, TAG, node, path, report),
            "customTags" => pairs(&mut self.custom_tags, TAG, node, path, report),
            "dimensions" => pairs(&mut self.dimensions, DIMENSION, node, path, report),
            "dimensionNameRequirements" => {
                fields::texts(&mut self.dimension_name_requirements, node, path, report);
            }
            "metrics" => metrics(&mut self.metrics, false, node, path, report),
            "enhancedMetrics" => metrics(&mut self.enhanced_metrics, true, node, path, report),
            "roundingPeriod" => fields::integer(&mut self.rounding_period, node, path, report),
            "recentlyActiveOnly" => fields::flag(&mut self.recently_active_only, node, path, report),
            "includeContextOnInfoMetrics" => fields::flag(&mut self.include_context, node, path, report),
            key if TIMING.contains(&key) => self.timing.read(key, node, path, report),
            key if Selection::keys(self.kind).contains(&key) => self.selection.read(key, node, path, report),
            _ => self.settings.read(key, node, path, report),
        }
    }

    fn clear(&mut self) {
        *self = Self::new(self.kind, self.spot, std::mem::take(&mut self.path));
    }
}

impl MetricSettings {
    fn read(&mut self, key: &str, node: &Node, path: &Path<'_>, report: &mut Report) {
        match key {
            "statistics" => fields::texts(&mut self.statistics, node, path, report),
            "period" => fields::integer(&mut self.period, node, path, report),
            "length" => fields::integer(&mut self.length, node, path, report),
            "delay" => fields::integer(&mut self.delay, node, path, report),
            "nilToZero" => fields::flag(&mut self.nil_to_zero, node, path, report),
            "addCloudwatchTimestamp" => fields::flag(&mut self.add_timestamp, node, path, report),
            "exportAllDataPoints" => fields::flag(&mut self.export_all, node, path, report),
            _ => {}
        }
    }
}

fn metrics(out: &mut Field<Vec<Metric>>, is_enhanced: bool, node: &Node, path: &Path<'_>, report: &mut Report) {
    fields::list(out, node, path, report, false, |spot, path| Metric {
        is_enhanced,
        spot,
        path: path.to_string(),
        name: Field::default(),
        include: Field::default(),
        exclude: Field::default(),
        settings: MetricSettings::default(),
        interval: Field::default(),
    });
}

impl Section for Metric {
    fn keys(&self, dialect: Dialect) -> Vec<&'static str> {
        let mut keys = vec!["name"];
        if !self.is_enhanced {
            keys.extend(SETTINGS);
            if dialect == Dialect::Native {
                keys.extend(["interval", "include", "exclude"]);
            }
        }
        keys
    }

    fn read(&mut self, key: &str, node: &Node, path: &Path<'_>, report: &mut Report) {
        match key {
            "name" => fields::text(&mut self.name, node, path, report),
            "include" => fields::texts(&mut self.include, node, path, report),
            "exclude" => fields::texts(&mut self.exclude, node, path, report),
            "interval" => fields::interval(&mut self.interval, node, path, report),
            _ => self.settings.read(key, node, path, report),
        }
    }

    fn clear(&mut self) {
        (self.name, self.include, self.exclude) = Default::default();
        self.settings = MetricSettings::default();
        self.interval = Field::default();
    }
}

fn pairs(out: &mut Field<Vec<Pair>>, keys: [&'static str; 2], node: &Node, path: &Path<'_>, report: &mut Report) {
    fields::list(out, node, path, report, true, |spot, path| Pair {
        keys,
        spot,
        path: path.to_string(),
        first: Field::default(),
        second: Field::default(),
    });
}

impl Section for Pair {
    fn keys(&self, _: Dialect) -> Vec<&'static str> {
        self.keys.to_vec()
    }

    fn read(&mut self, key: &str, node: &Node, path: &Path<'_>, report: &mut Report) {
        let [first, _] = self.keys;
        let out = if key == first { &mut self.first } else { &mut self.second };
        fields::text(out, node, path, report);
    }

    fn clear(&mut self) {
        self.first = Field::default();
        self.second = Field::default();
    }
}

/// Every key of a native `aws` section, for the test of the example.
#[cfg(test)]
pub(crate) fn keys() -> Vec<&'static str> {
    let dialect = Dialect::Native;
    let job = |kind| Job::new(kind, Spot::default(), String::new()).keys(dialect);
    let mut metric = vec!["name", "include", "exclude"];
    metric.extend(SETTINGS);
    [
        Aws::default().keys(dialect),
        Discovery::default().keys(dialect),
        Concurrency::default().keys(dialect),
        job(Kind::Discovery),
        job(Kind::Custom),
        job(Kind::Static),
        metric,
        selection::keys(),
        [ROLE, TAG, DIMENSION].concat(),
    ]
    .concat()
}
