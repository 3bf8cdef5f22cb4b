//! What the collectors hand out: one measurement of one thing at one moment, before it gets CloudWatch's dimensions.

use std::borrow::Cow;

use super::job::{Plugin, Unit};
use crate::model::{LabelSet, Timestamp};

/// One measurement.
#[derive(Clone, Debug, PartialEq)]
pub struct Measurement {
    /// Where it belongs: index into `HostSettings::jobs` (interval, dimensions and resolution are the job's).
    pub job: usize,
    /// Who measured it.
    pub plugin: Plugin,
    /// What: `usage_idle`, `bytes_sent`; for statsd the whole name as it shall appear.
    pub field: Cow<'static, str>,
    /// The unit of the value.
    pub unit: Unit,
    /// Of what: `cpu`, `path`, `device`, `fstype`, `name`, `interface`, `exe`/`pattern`/`pidfile`, `process_name`, `metric_type`
    /// and statsd's tags. No empty values. `host` and everything configured is not among them.
    pub tags: LabelSet,
    /// How much.
    pub value: Value,
    /// When it was taken. For a statsd distribution: when its first value came.
    pub when: Timestamp,
}

impl Measurement {
    /// The name in CloudWatch before any renaming: `cpu_usage_idle`, `procstat_lookup_pid_count`, and statsd's own names.
    pub fn name(&self) -> Cow<'static, str> {
        match (self.plugin, &*self.field) {
            (Plugin::Statsd, _) => self.field.clone(),
            (Plugin::Procstat, "pid_count") => Cow::Borrowed("procstat_lookup_pid_count"),
            (plugin, field) => Cow::Owned(format!("{}_{field}", plugin.as_str())),
        }
    }
}

/// How much. Host plugins only have numbers.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A number; never NaN or infinite.
    Number(f64),
    /// What statsd gathered.
    Distribution(Distribution),
}

/// Many values: how often each was seen, and exact statistics.
#[derive(Clone, Debug, PartialEq)]
pub struct Distribution {
    /// Value and how often it was seen (at least 1, in whole numbers), ascending by value, each value once. Exact unless there
    /// were more different ones than are kept.
    pub values: Vec<(f64, f64)>,
    /// The smallest.
    pub minimum: f64,
    /// The largest.
    pub maximum: f64,
    /// The sum over all, each as often as it was seen.
    pub sum: f64,
    /// How many.
    pub count: f64,
}
