//! What to collect: jobs as they are meant, after defaults, inheritance and checks (`config/resolve` makes them).

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::aws::catalog::Service;
use crate::model::Text;
use crate::seam::Priority;

mod selection;

pub use selection::{DimensionFilter, Glob, Join, Linked, NamePattern, Selection};

/// Everything under `aws:`.
#[derive(Clone, Debug, Default)]
pub struct AwsSettings {
    /// How AWS is reached.
    pub access: Access,
    /// How series are named.
    pub naming: Naming,
    /// The jobs: discovery, then custom namespaces, then static ones, each kind in the file's order.
    pub jobs: Vec<Job>,
    /// Places of some jobs are not known yet: what is missing here is not gone.
    pub is_partial: bool,
}

/// How AWS is reached.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Access {
    /// Region of STS calls; `None`: the SDK's region (`AWS_REGION`, profile, instance).
    pub sts_region: Option<Text>,
    /// FIPS endpoints.
    pub fips: bool,
    /// Calls in flight for all jobs together.
    pub concurrency: Concurrency,
}

/// Calls in flight, for all jobs of the process together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Concurrency {
    /// ListMetrics.
    pub list_metrics: NonZeroU32,
    /// GetMetricData.
    pub get_metric_data: NonZeroU32,
    /// GetMetricStatistics.
    pub get_metric_statistics: NonZeroU32,
    /// The tagging API.
    pub tagging: NonZeroU32,
}

impl Default for Concurrency {
    fn default() -> Self {
        const FIVE: NonZeroU32 = match NonZeroU32::new(5) {
            Some(n) => n,
            None => NonZeroU32::MIN,
        };
        Self { list_metrics: FIVE, get_metric_data: FIVE, get_metric_statistics: FIVE, tagging: FIVE }
    }
}

/// How series are named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Naming {
    /// `dimension_InstanceId` becomes `dimension_instance_id`.
    pub labels_snake_case: bool,
}

/// One job of the file. It runs once for each role and region.
#[derive(Clone, Debug)]
pub struct Job {
    /// What kind, with what only that kind has.
    pub kind: JobKind,
    /// Position among the jobs of its kind, from 0: two jobs may be equal otherwise.
    pub index: usize,
    /// The job's `name` (custom, static) or its `type` (discovery).
    pub name: Text,
    /// The CloudWatch namespace.
    pub namespace: Text,
    /// At least one, unless the selection says all regions.
    pub regions: Vec<Text>,
    /// At least one; a role without ARN is the process's own credentials.
    pub roles: Vec<Role>,
    /// The metrics; a static job may have none.
    pub metrics: Vec<Metric>,
    /// `customTags`: become `custom_tag_*` labels.
    pub custom_tags: Vec<Tag>,
    /// `dimensionNameRequirements`; empty: any.
    pub dimension_name_requirements: Vec<Text>,
    /// Only metrics with data in the last three hours (ListMetrics' `RecentlyActive=PT3H`).
    pub recently_active_only: bool,
    /// What YACE's keys cannot say.
    pub selection: Selection,
    /// Queries in one GetMetricData call, at most 500.
    pub metrics_per_query: NonZeroU32,
    /// When it runs.
    pub timing: Timing,
}

/// How often a job runs, for how long, before whom, and how long its values are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// Time between two fetches; with metrics of different paces the longest time between two looks at what is due.
    pub interval: Duration,
    /// Time between two discoveries (tags, ListMetrics).
    pub inventory_interval: Duration,
    /// How long the last values are shown when fetching fails; zero: they disappear with the first failed fetch.
    pub stale_after: Duration,
    /// Metrics that have no data are not asked for, as far as ListMetrics knows them.
    pub activity_oracle: bool,
    /// A run that takes longer is given up; `None`: three intervals, at least ten minutes.
    pub deadline: Option<Duration>,
    /// Before or after the other jobs, where calls wait for a quota and when the daemon starts.
    pub priority: Priority,
}

/// The three kinds of job.
#[derive(Clone, Debug)]
pub enum JobKind {
    /// `discovery.jobs[]`.
    Discovery(Box<Discovery>),
    /// `customNamespace[]`.
    Custom,
    /// `static[]`: GetMetricStatistics of exactly these dimensions, in the file's order.
    Static(Vec<Dimension>),
}

/// What only a discovery job has.
#[derive(Clone, Debug)]
pub struct Discovery {
    /// The row of the catalog.
    pub service: Arc<Service>,
    /// All must hold.
    pub search_tags: Vec<SearchTag>,
    /// `exportedTagsOnMetrics` of this namespace.
    pub exported_tags: Vec<Text>,
    /// Region, account and custom tags on `_info` series too.
    pub include_context_on_info: bool,
    /// `enhancedMetrics`: names that the catalog knows.
    pub enhanced_metrics: Vec<Text>,
    /// Info series also when no metric was found (YACE's feature flag).
    pub always_return_info: bool,
}

impl Discovery {
    /// Whether a resource with these tags passes searchTags: for every pair of a tag and a search tag with one key, the
    /// pattern must be found in the value; and each search tag needs such a pair (an empty pattern still wants the key).
    pub fn wants(&self, tags: &[Tag]) -> bool {
        let mut matched = 0;
        for tag in tags {
            for search in self.search_tags.iter().filter(|s| s.key == tag.key) {
                if !search.pattern.is_match(&tag.value) {
                    return false;
                }
                matched += 1;
            }
        }
        matched == self.search_tags.len()
    }
}

/// A metric of a job with its effective settings.
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    /// CloudWatch's name; with a pattern, what was written.
    pub name: Text,
    /// The entry stands for every metric of the namespace that matches and that no other entry names.
    pub pattern: Option<NamePattern>,
    /// As CloudWatch wants them: `Average`, `p99.9`, `TM(10%:90%)`. At least one, but in static jobs.
    pub statistics: Vec<Text>,
    /// Seconds that one data point spans.
    pub period_seconds: NonZeroU32,
    /// Width of the window, at least one period.
    pub length_seconds: u64,
    /// How far the window ends before now; where only complete periods are shown: how long after its end a period is
    /// expected to be published.
    pub delay_seconds: u64,
    /// Which points are shown.
    pub rule: WindowRule,
    /// How often it is asked for.
    pub pace: Pace,
    /// How much longer than the job's `stale_after` its values are held, since it is asked for more seldom.
    pub outlives: Duration,
    /// No data counts as 0.
    pub nil_to_zero: bool,
    /// Export CloudWatch's timestamp.
    pub add_timestamp: bool,
    /// Export every point of the window; needs `add_timestamp`.
    pub export_all_data_points: bool,
}

/// Where a window ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum WindowRule {
    /// At the last whole period, less the delay.
    Yace,
    /// At the last whole period that ended a delay ago: nothing is shown before it is complete.
    Complete,
}

/// How often a metric is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Pace {
    /// At a fixed distance, whatever its period.
    Every(Duration),
    /// Once a period, when that is published, but not more often than every five minutes.
    Auto,
}

/// Nothing is asked for more often on its own, and nothing is ever dearer than with this fixed interval.
pub const LEAST_INTERVAL_SECONDS: u32 = 300;

/// The distance of two asks under [`Pace::Auto`]: the smallest multiple of the period that is long enough.
pub fn cadence_seconds(period_seconds: NonZeroU32) -> u32 {
    LEAST_INTERVAL_SECONDS.div_ceil(period_seconds.get()).saturating_mul(period_seconds.get())
}

/// An IAM role to assume.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Role {
    /// `None`: the process's own credentials.
    pub arn: Option<Text>,
    /// Only together with an ARN.
    pub external_id: Option<Text>,
}

/// A key and its value.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Tag {
    /// The key, case-sensitive.
    pub key: Text,
    /// The value.
    pub value: Text,
}

/// A CloudWatch dimension.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Dimension {
    /// Its name, as CloudWatch spells it.
    pub name: Text,
    /// Its value.
    pub value: Text,
}

/// A `searchTags` entry.
#[derive(Clone, Debug)]
pub struct SearchTag {
    /// The tag's key, case-sensitive.
    pub key: Text,
    /// Searched anywhere in the tag's value.
    pub pattern: regex::Regex,
}
