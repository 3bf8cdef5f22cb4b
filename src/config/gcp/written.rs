//! The `gcp` section as it is written: its keys, and where each stands.

use super::super::Dialect;
use super::super::fields::{self, Field, Interval as WrittenInterval, Section};
use super::super::raw::{Node, Spot};
use super::super::report::{Path, Report};
use super::super::written::Texts;
use crate::model::Text;

/// The section.
#[derive(Debug, Default)]
pub(in crate::config) struct Written {
    pub(super) endpoint: Field<Text>,
    pub(super) universe_domain: Field<Text>,
    pub(super) concurrency: Field<i64>,
    pub(super) max_retries: Field<i64>,
    pub(super) http_timeout: Field<Option<u64>>,
    pub(super) jobs: Field<Vec<WrittenJob>>,
}

/// A job.
#[derive(Debug, Default)]
pub(super) struct WrittenJob {
    pub(super) spot: Spot,
    pub(super) path: String,
    pub(super) name: Field<Text>,
    pub(super) projects: Texts,
    pub(super) projects_filter: Field<Text>,
    pub(super) metrics_prefixes: Texts,
    pub(super) exclude_prefixes: Texts,
    pub(super) filters: Texts,
    pub(super) interval: Field<Option<WrittenInterval>>,
    pub(super) inventory_interval: Field<Option<u64>>,
    pub(super) stale_after: Field<Option<u64>>,
    pub(super) metrics_interval: Field<Option<u64>>,
    pub(super) metrics_offset: Field<Option<u64>>,
    pub(super) metrics_ingest_delay: Field<Option<bool>>,
    pub(super) aggregate_deltas: Field<Option<bool>>,
    pub(super) aggregate_deltas_ttl: Field<Option<u64>>,
    pub(super) lateness: Field<Option<u64>>,
    pub(super) fill_missing_labels: Field<Option<bool>>,
    pub(super) drop_delegated_projects: Field<Option<bool>>,
    pub(super) labels: Vec<(Text, Text)>,
    pub(super) aggregations: Field<Vec<WrittenAggregation>>,
    pub(super) buckets: Field<Vec<WrittenBuckets>>,
}

/// An item of `aggregation`.
#[derive(Debug, Default)]
pub(super) struct WrittenAggregation {
    pub(super) spot: Spot,
    pub(super) path: String,
    pub(super) prefix: Field<Text>,
    pub(super) alignment_period: Field<Option<u64>>,
    pub(super) aligner: Field<Text>,
    pub(super) reducer: Field<Text>,
    pub(super) group_by: Texts,
}

/// An item of `buckets`.
#[derive(Debug, Default)]
pub(super) struct WrittenBuckets {
    pub(super) spot: Spot,
    pub(super) path: String,
    pub(super) prefix: Field<Text>,
    pub(super) bounds: Texts,
    pub(super) every_nth: Field<i64>,
    pub(super) at_most: Field<i64>,
    pub(super) none: Field<Option<bool>>,
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

/// Every key of the section, for the test of the example.
#[cfg(test)]
pub(in crate::config) fn keys() -> Vec<&'static str> {
    [
        Written::default().keys(Dialect::Native),
        WrittenJob::default().keys(Dialect::Native),
        WrittenAggregation::default().keys(Dialect::Native),
        WrittenBuckets::default().keys(Dialect::Native),
    ]
    .concat()
}
