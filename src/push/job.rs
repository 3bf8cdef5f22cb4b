//! What to push and where, as it is meant (`config` makes it).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::model::{StandardUnit, Text};

/// Time between two flushes when the configuration says nothing.
pub const DEFAULT_FLUSH_INTERVAL: Duration = Duration::from_secs(60);
/// Metrics that may be made when the configuration says nothing: 2,500 dollars a month. Nobody wants so many of one host;
/// a statsd client that puts request ids into its names makes them within minutes.
pub const DEFAULT_MAX_METRICS: usize = 10_000;

/// Everything about pushing.
#[derive(Clone, Debug, PartialEq)]
pub struct PushSettings {
    /// The CloudWatch namespace.
    pub namespace: Text,
    /// The region; `None`: the environment's, the profile's, the instance's.
    pub region: Option<Text>,
    /// The whole URL of CloudWatch, in place of the region's.
    pub endpoint_url: Option<Text>,
    /// Endpoints that have IPv6 addresses too.
    pub dual_stack: bool,
    /// The role to write as; `None`: the process's own credentials.
    pub role_arn: Option<Text>,
    /// Time between two flushes.
    pub flush_interval: Duration,
    /// How names and dimensions are made.
    pub naming: NamingRules,
    /// Metrics beyond it are not sent: CloudWatch bills each of them.
    pub max_metrics: usize,
}

/// How names, units and dimensions of data are made.
#[derive(Clone, Debug, PartialEq)]
pub struct NamingRules {
    /// The dimension `host`.
    pub host: HostDimension,
    /// `append_dimensions` of the whole; where it is given, `host` goes.
    pub global: Option<GlobalDimensions>,
    /// What belongs to the jobs of the host, in their order.
    pub jobs: Vec<JobRules>,
    /// `aggregation_dimensions`: sorted sets, each once.
    pub rollups: Vec<Vec<Text>>,
    /// Final names of metrics of which only the roll-ups are sent.
    pub dropped_originals: BTreeSet<Text>,
    /// What becomes of a metric's name and unit, by its original name.
    pub decorations: BTreeMap<Text, Decoration>,
}

/// The dimension `host`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostDimension {
    /// None: `omit_hostname`.
    Omitted,
    /// What the machine calls itself.
    Machine,
    /// What the configuration says: `hostname`.
    Named(Text),
}

/// Dimensions of every metric, where it does not have them already.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GlobalDimensions {
    /// The four that the instance tells.
    pub facts: Vec<Fact>,
    /// Others, as they are written.
    pub fixed: Vec<(Text, Text)>,
}

/// Something that the instance knows about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Fact {
    /// The image.
    ImageId,
    /// The instance.
    InstanceId,
    /// Its type.
    InstanceType,
    /// The auto-scaling group, from the instance's tags.
    AutoScalingGroupName,
}

impl Fact {
    /// Every fact.
    pub const ALL: [Self; 4] = [Self::ImageId, Self::InstanceId, Self::InstanceType, Self::AutoScalingGroupName];

    /// The name of its dimension.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ImageId => "ImageId",
            Self::InstanceId => "InstanceId",
            Self::InstanceType => "InstanceType",
            Self::AutoScalingGroupName => "AutoScalingGroupName",
        }
    }

    /// The fact that a configuration means by `${aws:InstanceId}`.
    pub fn of_placeholder(text: &str) -> Option<Self> {
        let name = text.strip_prefix("${aws:")?.strip_suffix('}')?;
        Self::ALL.into_iter().find(|fact| fact.as_str() == name)
    }

    /// What stands in a plugin's own dimension when the instance does not tell: as the CloudWatch agent writes it.
    pub const fn unknown(self) -> Option<&'static str> {
        match self {
            Self::ImageId => Some("UNKNOWN-AMI"),
            Self::InstanceId => Some("i-UNKNOWN"),
            Self::InstanceType => Some("UNKNOWN-TYPE"),
            Self::AutoScalingGroupName => None,
        }
    }
}

/// What belongs to one job of the host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobRules {
    /// The plugin's own `append_dimensions`.
    pub dimensions: Vec<(Text, DimensionValue)>,
    /// Stored by the second.
    pub high_resolution: bool,
}

/// The value of a dimension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DimensionValue {
    /// As it is written.
    Fixed(Text),
    /// What the instance says.
    Of(Fact),
}

/// What becomes of a metric.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decoration {
    /// Its whole new name.
    pub rename: Option<Text>,
    /// Its new unit, and what values are multiplied by.
    pub unit: Option<(StandardUnit, f64)>,
}
