//! From readings to data: the metrics of each reading, computed once and kept, and its values within CloudWatch's bounds.

use std::sync::Arc;

use hashbrown::HashMap;

use super::batch;
use super::dimensions::{self, Facts, Reading};
use super::job::NamingRules;
use crate::model::{Datum, LabelSet, MetricIdentity, Text, Timestamp};

/// Readings whose metrics are kept; beyond it all are computed anew once. Ten times what a large host has.
const MAX_KEPT: usize = 20_000;

/// The job, the name and the tags of a reading.
type Key = (usize, Text, LabelSet);

/// The metrics of a reading, and what its values are multiplied by.
struct Kept {
    metrics: Vec<Arc<MetricIdentity>>,
    scale: f64,
}

/// Makes data of readings.
pub struct Namer {
    rules: NamingRules,
    facts: Facts,
    kept: HashMap<Key, Kept>,
}

/// What became of a reading.
#[derive(Debug, Default)]
pub struct Named {
    /// Its data.
    pub data: Vec<Datum>,
    /// Values that CloudWatch would refuse: not finite, or too large.
    pub bad_values: usize,
    /// Metrics whose names CloudWatch would refuse.
    pub bad_names: usize,
}

impl Namer {
    /// With what is known about the machine so far.
    pub fn new(rules: NamingRules, facts: Facts) -> Self {
        Self { rules, facts, kept: HashMap::new() }
    }

    /// More is known about the machine.
    pub fn learn(&mut self, facts: Facts) {
        if self.facts != facts {
            self.facts = facts;
            self.kept.clear();
        }
    }

    /// The data of a reading with these values, each with how often it was seen.
    pub fn data(&mut self, reading: &Reading<'_>, at: Timestamp, values: &[(f64, f64)]) -> Named {
        if self.kept.len() >= MAX_KEPT {
            self.kept.clear();
        }
        let key = (reading.job, Text::from(reading.name), reading.tags.clone());
        let kept = self.kept.entry(key).or_insert_with(|| {
            let found = dimensions::metrics(&self.rules, &self.facts, reading);
            Kept { metrics: found.of.into_iter().map(Arc::new).collect(), scale: found.scale }
        });
        let mut named = Named::default();
        for metric in &kept.metrics {
            if !batch::is_good(metric) {
                named.bad_names += 1;
                continue;
            }
            let (data, bad) = batch::data(metric, at, values.iter().copied(), kept.scale);
            named.bad_values += bad;
            named.data.extend(data);
        }
        named
    }
}
