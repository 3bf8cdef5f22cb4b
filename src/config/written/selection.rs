//! What our own keys about selection say, as it is written.

use super::super::Dialect;
use super::super::fields::{self, Field, Section};
use super::super::raw::{Node, Spot, Value};
use super::super::report::{Path, Report};
use super::{Kind, Texts};
use crate::model::Text;

/// The keys of a job.
#[derive(Debug, Default)]
pub(crate) struct Selection {
    pub(crate) include_untagged: Field<Option<bool>>,
    pub(crate) dimension_filters: Field<Vec<Filter>>,
    pub(crate) include_linked: Field<Option<bool>>,
    pub(crate) owning_accounts: Texts,
    pub(crate) join_tags: Field<Vec<Join>>,
    pub(crate) max_series: Field<i64>,
}

/// An entry of `dimensionFilters`.
#[derive(Debug, Default)]
pub(crate) struct Filter {
    pub(crate) spot: Spot,
    pub(crate) path: String,
    pub(crate) name: Field<Text>,
    pub(crate) keep: Field<Text>,
    pub(crate) drop: Field<Text>,
}

/// An entry of `joinTags`.
#[derive(Debug, Default)]
pub(crate) struct Join {
    pub(crate) spot: Spot,
    pub(crate) path: String,
    pub(crate) namespace: Field<Text>,
    pub(crate) dimension: Field<Text>,
    pub(crate) tags: Texts,
}

/// An entry of `services`.
#[derive(Debug, Default)]
pub(crate) struct Service {
    pub(crate) spot: Spot,
    pub(crate) path: String,
    pub(crate) namespace: Field<Text>,
    pub(crate) resource_types: Texts,
    pub(crate) mappings: Texts,
    pub(crate) arns: Texts,
}

/// `regions`: a list, or `all`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Regions {
    pub(crate) list: Texts,
    pub(crate) all: bool,
}

const LISTING: [&str; 4] = ["dimensionFilters", "includeLinkedAccounts", "owningAccounts", "maxSeries"];

impl Selection {
    /// The keys that a kind of job has.
    pub(crate) fn keys(kind: Kind) -> Vec<&'static str> {
        let own = match kind {
            Kind::Discovery => "includeUntagged",
            Kind::Custom => "joinTags",
            Kind::Static => return Vec::new(),
        };
        let mut keys = vec![own];
        keys.extend(LISTING);
        keys
    }

    /// Reads one of the keys.
    pub(crate) fn read(&mut self, key: &str, node: &Node, path: &Path<'_>, report: &mut Report) {
        match key {
            "includeUntagged" => fields::flag(&mut self.include_untagged, node, path, report),
            "dimensionFilters" => {
                fields::list(&mut self.dimension_filters, node, path, report, false, Filter::new);
            }
            "includeLinkedAccounts" => fields::flag(&mut self.include_linked, node, path, report),
            "owningAccounts" => fields::texts(&mut self.owning_accounts, node, path, report),
            "joinTags" => fields::list(&mut self.join_tags, node, path, report, false, Join::new),
            _ => fields::integer(&mut self.max_series, node, path, report),
        }
    }
}

impl Regions {
    /// Reads it; only natively is `all` more than a wrong type.
    pub(crate) fn read(&mut self, node: &Node, path: &Path<'_>, report: &mut Report) {
        let is_all = |node: &Node| matches!(&*node.value, Value::Scalar(s) if &*s.text == "all");
        let all = is_all(node)
            || matches!(&*node.value, Value::Sequence(items) if items.len() == 1 && items.iter().all(is_all));
        if all && report.dialect == Dialect::Native {
            *self = Self { all: true, list: Field::default() };
            (self.list.spot, self.list.is_given) = (node.spot, true);
            return;
        }
        self.all = false;
        fields::texts(&mut self.list, node, path, report);
    }
}

/// The services of a file.
pub(crate) fn services(out: &mut Field<Vec<Service>>, node: &Node, path: &Path<'_>, report: &mut Report) {
    fields::list(out, node, path, report, false, Service::new);
}

/// Sections whose keys are fixed: what a key is called, and how it is read.
macro_rules! section {
    ($of:ident { $($key:literal => $field:ident by $read:ident),+ $(,)? }) => {
        impl $of {
            fn new(spot: Spot, path: &Path<'_>) -> Self {
                Self { spot, path: path.to_string(), ..Self::default() }
            }
        }

        impl Section for $of {
            fn keys(&self, _: Dialect) -> Vec<&'static str> {
                vec![$($key),+]
            }

            fn read(&mut self, key: &str, node: &Node, path: &Path<'_>, report: &mut Report) {
                match key {
                    $($key => fields::$read(&mut self.$field, node, path, report),)+
                    _ => {}
                }
            }

            fn clear(&mut self) {
                *self = Self { spot: self.spot, path: std::mem::take(&mut self.path), ..Self::default() };
            }
        }
    };
}

section!(Filter { "name" => name by text, "keep" => keep by text, "drop" => drop by text });
section!(Join { "namespace" => namespace by text, "dimension" => dimension by text, "tags" => tags by texts });
section!(Service {
    "namespace" => namespace by text,
    "resourceTypes" => resource_types by texts,
    "mappings" => mappings by texts,
    "arns" => arns by texts,
});

/// Every key of this file's sections, for the test of the example.
#[cfg(test)]
pub(crate) fn keys() -> Vec<&'static str> {
    let dialect = Dialect::Native;
    [
        Selection::keys(Kind::Discovery),
        Selection::keys(Kind::Custom),
        Filter::default().keys(dialect),
        Join::default().keys(dialect),
        Service::default().keys(dialect),
    ]
    .concat()
}
