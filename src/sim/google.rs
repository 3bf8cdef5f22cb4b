//! The Google half of the simulated cloud: projects with Cloud Run, Pub/Sub, Cloud Functions, Compute Engine and Kubernetes
//! metrics. Values are f(seed, series, time) and whole numbers where they count something, so that every sum is exact;
//! points come with the metric's ingest delay, some of them late and out of order.
//!
//! Deliberately absent: MQL, PromQL, writing, percentile aligners.

mod aggregate;
pub mod filter;
pub mod memory;
pub mod metric;
pub(crate) mod ops;
pub mod truth;

use std::time::Duration;

use crate::model::Text;

pub use memory::MemoryGoogle;
pub use truth::Series;

/// What the Google half looks like.
#[derive(Clone, Debug)]
pub struct GoogleSpec {
    /// The projects; the first is the credentials' own. Ids have an underscore, which Google does not allow: none of them
    /// can exist.
    pub projects: Vec<Text>,
    /// Resources of each kind in each project.
    pub resources: u32,
    /// How many of a hundred points come late, …
    pub late_percent: u32,
    /// … by up to this much.
    pub late_by: Duration,
    /// Replaces every metric's own sample period.
    pub sample_period: Option<Duration>,
    /// Points in a page of `timeSeries.list`; Google's own number by default.
    pub points_per_page: usize,
    /// Metric types in a page of `metricDescriptors.list`.
    pub descriptors_per_page: usize,
}

impl Default for GoogleSpec {
    /// Nothing is there.
    fn default() -> Self {
        Self {
            projects: Vec::new(),
            resources: 0,
            late_percent: 0,
            late_by: Duration::from_secs(240),
            sample_period: None,
            points_per_page: 100_000,
            descriptors_per_page: 10_000,
        }
    }
}

impl GoogleSpec {
    /// Two small projects.
    pub fn demo() -> Self {
        let projects = ["raingauge_sim", "raingauge_sim_staging"].map(Text::from).to_vec();
        Self { projects, resources: 4, late_percent: 5, ..Self::default() }
    }
}
