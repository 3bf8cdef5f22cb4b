//! What to collect: jobs as they are meant, after defaults, inheritance and checks (`config` makes them).

use std::num::NonZeroU32;
use std::time::Duration;

use crate::gcp::naming;
use crate::model::Text;

/// The domain of Google's public cloud.
pub const PUBLIC_UNIVERSE: &str = "googleapis.com";

/// Everything under `gcp:`, or all flags of a `stackdriver_exporter` command line.
#[derive(Clone, Debug, Default)]
pub struct GcpSettings {
    /// How Google is reached.
    pub access: Access,
    /// The jobs, in the file's order; a command line makes one.
    pub jobs: Vec<Job>,
}

/// How Google is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// Base URL of all APIs (Monitoring and Resource Manager) in place of Google's: an emulator, a proxy of one's own.
    pub endpoint: Option<Text>,
    /// The domain below which the APIs live: [`PUBLIC_UNIVERSE`] but for sovereign clouds.
    pub universe_domain: Text,
    /// What happens when a call fails.
    pub retries: Retries,
    /// `timeSeries.list` calls in flight, for all jobs of the process together.
    pub concurrency: NonZeroU32,
}

impl Default for Access {
    fn default() -> Self {
        const SIXTEEN: NonZeroU32 = match NonZeroU32::new(16) {
            Some(n) => n,
            None => NonZeroU32::MIN,
        };
        Self {
            endpoint: None,
            universe_domain: PUBLIC_UNIVERSE.into(),
            retries: Retries::default(),
            concurrency: SIXTEEN,
        }
    }
}

/// How often a call is tried. A pause is any time up to `first_backoff`, doubled for every further one, up to `max_backoff`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retries {
    /// Attempts after the first.
    pub most: u32,
    /// HTTP statuses after which a call is tried again.
    pub statuses: Vec<u16>,
    /// The bound of the first pause; zero: no pause.
    pub first_backoff: Duration,
    /// The bound of every pause.
    pub max_backoff: Duration,
    /// For one call with all its attempts and pauses; `None`: no limit of one's own, the client's own bound still holds.
    pub timeout: Option<Duration>,
    /// Whether a pause is at least what the answer's `Retry-After` says.
    pub honours_retry_after: bool,
}

impl Default for Retries {
    /// Natively: what passes is tried again.
    fn default() -> Self {
        Self {
            most: 4,
            statuses: vec![429, 500, 502, 503, 504],
            first_backoff: Duration::from_secs(1),
            max_backoff: Duration::from_secs(30),
            timeout: Some(Duration::from_secs(120)),
            honours_retry_after: true,
        }
    }
}

/// One job. It runs once for each of its projects.
#[derive(Clone, Debug)]
pub struct Job {
    /// For logs and the status page.
    pub name: Text,
    /// Position among the jobs, from 0: two jobs may be equal otherwise.
    pub index: usize,
    /// The projects, sorted, each once. With a `projects_filter` more come at run time.
    pub projects: Vec<Text>,
    /// Resource Manager's filter, verbatim.
    pub projects_filter: Option<Text>,
    /// Metric types begin with one of these, as written; an empty one is the beginning of all.
    pub prefixes: Vec<Text>,
    /// Metric types that begin with one of these are left out.
    pub exclude_prefixes: Vec<Text>,
    /// Narrow the series of some metric types.
    pub filters: Vec<Filter>,
    /// Which stretch of time is asked for.
    pub window: Window,
    /// Series of one answer get the labels that others of it have, empty.
    pub fill_missing_labels: bool,
    /// Leave out series of other projects that this one can see.
    pub drop_delegated_projects: bool,
    /// What becomes of DELTA metrics.
    pub deltas: Deltas,
    /// How metric types are listed.
    pub descriptors: Descriptors,
    /// What Google aggregates before it answers; the first whose prefix fits counts.
    pub aggregations: Vec<Aggregation>,
    /// Which buckets of distributions are shown; the first whose prefix fits counts.
    pub buckets: Vec<BucketRule>,
    /// Labels that every series gets, where it has none of that name.
    pub labels: Vec<(Text, Text)>,
    /// Samples show Google's time. Without it a scraper takes its own: for a demo whose time runs ahead, since Prometheus
    /// refuses what lies in the future.
    pub timestamps: bool,
    /// When it runs.
    pub timing: Timing,
}

/// A filter expression for the metric types with a prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// Not empty. The peer's command line has it in lower case; types are compared as they are.
    pub prefix: Text,
    /// Monitoring's filter language, verbatim.
    pub expression: Text,
}

impl Filter {
    /// `PREFIX:EXPRESSION`, cut at the first colon, the prefix in lower case; `None` without a colon or a prefix.
    pub fn parse(text: &str) -> Option<Self> {
        let (prefix, expression) = text.split_once(':')?;
        (!prefix.is_empty()).then(|| Self {
            prefix: prefix.chars().map(naming::small).collect::<String>().into(),
            expression: expression.into(),
        })
    }
}

/// Which stretch of time a fetch asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Its width; with `continues`, the width of the first one and of gauges.
    pub width: Duration,
    /// How far it ends before now.
    pub offset: Duration,
    /// Moves it further back, by the metric's own ingest delay.
    pub ingest_delay: bool,
    /// Windows of DELTA metrics begin where the last one that was read whole ended, and overlap it by `lateness`, so that no
    /// point is missed whatever the interval. `false`: always the same width.
    pub continues: bool,
    /// How late a point may come and still be counted (only with `continues`).
    pub lateness: Duration,
    /// No window is longer: after a long pause the oldest points are given up (only with `continues`).
    pub max_width: Duration,
}

impl Default for Window {
    /// What the peer does without flags.
    fn default() -> Self {
        Self {
            width: Duration::from_secs(5 * 60),
            offset: Duration::ZERO,
            ingest_delay: false,
            continues: false,
            lateness: Duration::from_secs(10 * 60),
            max_width: Duration::from_secs(24 * 3600),
        }
    }
}

/// What becomes of DELTA metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deltas {
    /// Points are added up to counters; `false`: the newest one is shown as a gauge.
    pub aggregate: bool,
    /// A counter that got no point for this long is forgotten.
    pub ttl: Duration,
    /// What changes bounds is added bound by bound, which may go down from one bucket to the next, and the time of a counter
    /// that got nothing is what the peer makes of it, which may go back. `false`: buckets stay cumulative, and times go on.
    pub peers_way: bool,
}

impl Default for Deltas {
    fn default() -> Self {
        Self { aggregate: true, ttl: Duration::from_secs(24 * 3600), peers_way: false }
    }
}

/// How metric types are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Descriptors {
    /// How long a listing stays good; zero: a discovery always lists.
    pub ttl: Duration,
    /// Only listings of Google's own types (`googleapis.com` before the first slash) stay good.
    pub only_google: bool,
    /// Ask only for metric types that had data within about a day.
    pub active_only: bool,
}

/// What Google does to the series of some metric types before it answers. Metadata labels come only that way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aggregation {
    /// Of the metric types.
    pub prefix: Text,
    /// Length of the aligned points, at least 60 s.
    pub alignment_period: Duration,
    /// `ALIGN_DELTA`, …; not empty.
    pub aligner: Text,
    /// `REDUCE_SUM`, …; `None` keeps the series apart.
    pub reducer: Option<Text>,
    /// `resource.labels.zone`, `metadata.user_labels.team`, …; needs a reducer.
    pub group_by: Vec<Text>,
}

/// Which buckets of a distribution are shown. The last one, which counts everything, always is.
#[derive(Clone, Debug, PartialEq)]
pub struct BucketRule {
    /// Of the metric types.
    pub prefix: Text,
    /// What is done.
    pub keep: Keep,
}

/// Which upper bounds stay. Buckets are cumulative, so leaving a bound out merges its bucket into the next.
#[derive(Clone, Debug, PartialEq)]
pub enum Keep {
    /// The bounds in this list.
    Bounds(Vec<f64>),
    /// Every n-th bound, the last one always.
    EveryNth(NonZeroU32),
    /// At most this many, spread evenly over the bounds.
    AtMost(NonZeroU32),
    /// No buckets: only count and sum.
    None,
}

/// How often a job runs and how long its values are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// Time between two fetches.
    pub interval: Interval,
    /// Time between two discoveries (projects, metric types).
    pub inventory_interval: Duration,
    /// How long the last values are shown when fetching fails; zero: they disappear with the first failed fetch, and so does
    /// what a failed discovery does not confirm.
    pub stale_after: Duration,
}

/// Time between two fetches of a metric type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interval {
    /// The same for all.
    Fixed(Duration),
    /// Each metric's own sample period, but not shorter than this, and each shifted by its own ingest delay.
    Auto {
        /// The shortest, and that of metrics that do not say their period.
        least: Duration,
    },
}

impl Interval {
    /// How often the worker looks whether something is due.
    pub const fn tick(self) -> Duration {
        match self {
            Self::Fixed(interval) => interval,
            Self::Auto { least } => least,
        }
    }
}

impl Job {
    /// Whether values outlive a failed collection.
    pub fn holds(&self) -> bool {
        !self.timing.stale_after.is_zero()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A job that does nothing in particular.
    pub(crate) fn job() -> Job {
        Job {
            name: "test".into(),
            index: 0,
            projects: vec!["p".into()],
            projects_filter: None,
            prefixes: vec!["t.googleapis.com/".into()],
            exclude_prefixes: Vec::new(),
            filters: Vec::new(),
            window: Window::default(),
            fill_missing_labels: true,
            drop_delegated_projects: false,
            deltas: Deltas::default(),
            descriptors: Descriptors { ttl: Duration::ZERO, only_google: true, active_only: false },
            aggregations: Vec::new(),
            buckets: Vec::new(),
            labels: Vec::new(),
            timestamps: true,
            timing: Timing {
                interval: Interval::Fixed(Duration::from_secs(60)),
                inventory_interval: Duration::from_secs(300),
                stale_after: Duration::ZERO,
            },
        }
    }

    #[test]
    fn a_filter_is_cut_at_its_first_colon() {
        let filter = Filter::parse("T.googleapis.com/F:metric.labels.k=one_of(\"x\",\"y:z\")").unwrap();
        assert_eq!(&*filter.prefix, "t.googleapis.com/f");
        assert_eq!(&*filter.expression, "metric.labels.k=one_of(\"x\",\"y:z\")");
        // Letter by letter, as Go does it.
        assert_eq!(&*Filter::parse("İΑΣ/:x=1").unwrap().prefix, "iας/".replace('ς', "σ"));
        assert_eq!(Filter::parse("nocolon"), None);
        assert_eq!(Filter::parse(":empty=1"), None);
    }
}
