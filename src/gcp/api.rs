//! The narrow seam in front of Google: the calls that the bridge makes, in our own types. `client` implements it over HTTP;
//! `sim` implements it in memory.
//!
//! Every method is one page of one call: paging and quotas are the caller's, retries the client's.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::gcp::job::Aggregation;
use crate::model::{Text, Timestamp};
use crate::seam::{Call, Failure, Unshowns};

/// The answer of one call, and the call itself for the books.
pub struct Answered<T> {
    /// What came back.
    pub result: Result<T, Failure>,
    /// What it took.
    pub call: Call,
}

/// One page of a listing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page<T> {
    /// The page's items.
    pub items: Vec<T>,
    /// Where the next page starts; `None` on the last one.
    pub next: Option<String>,
}

/// A metric type of a project.
#[derive(Clone, Debug, PartialEq)]
pub struct Descriptor {
    /// `projects/P/metricDescriptors/TYPE`.
    pub name: Text,
    /// `run.googleapis.com/request_count`.
    pub metric_type: Text,
    /// Whether its values are numbers of their own or differences; the series' own kind counts where they differ.
    pub kind: MetricKind,
    /// What its values are.
    pub value_type: ValueType,
    /// UCUM, verbatim.
    pub unit: Text,
    /// Verbatim; the HELP text.
    pub description: Text,
    /// Time between two points.
    pub sample_period: Option<Duration>,
    /// Data older than this can be read for sure.
    pub ingest_delay: IngestDelay,
}

/// A metric's ingest delay.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum IngestDelay {
    /// The descriptor has none.
    #[default]
    Unknown,
    /// This long.
    Known(Duration),
    /// What it has is no duration; the text.
    Unreadable(Text),
}

/// What a metric's points mean.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum MetricKind {
    /// A value at a moment.
    Gauge,
    /// What came since the last point.
    Delta,
    /// What came since the start time.
    Cumulative,
    /// Something else.
    #[default]
    Other,
}

/// What a metric's points hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ValueType {
    /// Yes or no.
    Bool,
    /// A whole number.
    Int64,
    /// A number.
    Double,
    /// Counts in buckets.
    Distribution,
    /// Text or money: never shown.
    Text,
    /// Nobody said what, or something that we do not know.
    #[default]
    Other,
}

/// One `metricDescriptors.list` call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescriptorsRequest {
    /// The project, as it is written.
    pub project: Text,
    /// Monitoring's filter language.
    pub filter: String,
    /// Only metric types that had data within about a day.
    pub active_only: bool,
}

/// One `timeSeries.list` call: one metric type, the window `(start, end]`.
#[derive(Clone, Debug, PartialEq)]
pub struct TimeSeriesRequest<'a> {
    /// The project, as it is written.
    pub project: &'a Text,
    /// Monitoring's filter language; names exactly one metric type.
    pub filter: &'a str,
    /// Exclusive.
    pub start: Timestamp,
    /// Inclusive.
    pub end: Timestamp,
    /// What is aggregated before the answer.
    pub aggregation: Option<&'a Aggregation>,
    /// Whether older points than each series' newest one are of use: they may be left out of the answer otherwise.
    pub all_points: bool,
}

/// One page of `timeSeries.list`.
#[derive(Debug, Default)]
pub struct TimeSeriesPage {
    /// The series, in the answer's order.
    pub series: Vec<TimeSeries>,
    /// Where the next page starts; `None` on the last one.
    pub next: Option<String>,
    /// Series that cannot be used, and why. They are billed like the others.
    pub left_out: Unshowns,
    /// The API itself said that the answer may be incomplete; its words.
    pub incomplete: Option<String>,
}

/// One series of an answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TimeSeries {
    /// The metric's type, not empty.
    pub metric_type: Text,
    /// In the answer's order, names unique.
    pub metric_labels: Vec<(Text, Text)>,
    /// The monitored resource's type; may be empty.
    pub resource_type: Text,
    /// In the answer's order, names unique.
    pub resource_labels: Vec<(Text, Text)>,
    /// System and user labels of the resource; there only when they were grouped by.
    pub metadata_labels: Vec<(Text, Text)>,
    /// The series' own kind.
    pub kind: MetricKind,
    /// The series' own type.
    pub value_type: ValueType,
    /// The newest one first, of equal times the answer's first; never empty.
    pub points: Vec<Point>,
}

/// A point.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// Start of the interval; a gauge's points may have none.
    pub start: Option<Timestamp>,
    /// End of the interval, and the point's time.
    pub end: Timestamp,
    /// What is there.
    pub value: Value,
}

/// The value of a point.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A whole number; yes is 1.
    Integer(i64),
    /// A number.
    Double(f64),
    /// Counts in buckets.
    Distribution(Box<Distribution>),
    /// No value of the series' type.
    Missing,
}

/// A distribution.
#[derive(Clone, Debug, PartialEq)]
pub struct Distribution {
    /// How many values.
    pub count: i64,
    /// Their mean.
    pub mean: f64,
    /// The buckets' bounds; `None`: the answer has none that we know.
    pub buckets: Buckets,
    /// How many values in each bucket; trailing zeros may be missing.
    pub counts: Vec<i64>,
}

/// How a distribution's buckets are bounded.
#[derive(Clone, Debug, PartialEq)]
pub enum Buckets {
    /// One after the other.
    Explicit(Arc<[f64]>),
    /// `offset + i * width`.
    Linear {
        /// How many finite buckets; there is a bound more.
        finite: u32,
        /// All of the same width.
        width: f64,
        /// The first bound.
        offset: f64,
    },
    /// `scale * growth^i`.
    Exponential {
        /// How many finite buckets; there is a bound more.
        finite: u32,
        /// Above 1.
        growth: f64,
        /// The first bound.
        scale: f64,
    },
    /// Options of a kind that we do not know: dropped without a word, as the peer does.
    Unknown,
    /// No options at all.
    Absent,
}

/// Google Cloud Monitoring and Resource Manager, as seen with one set of credentials.
pub trait Api: Send + Sync {
    /// The project that the credentials belong to.
    fn own_project(&self) -> BoxFuture<'_, Result<Text, Failure>>;

    /// A page of Resource Manager's `projects.list`: ids of projects, whatever their state.
    fn projects<'a>(&'a self, filter: &'a str, page: Option<String>) -> BoxFuture<'a, Answered<Page<Text>>>;

    /// A page of `metricDescriptors.list`.
    fn descriptors<'a>(
        &'a self,
        request: &'a DescriptorsRequest,
        page: Option<String>,
    ) -> BoxFuture<'a, Answered<Page<Descriptor>>>;

    /// A page of `timeSeries.list`.
    fn time_series<'a>(
        &'a self,
        request: &'a TimeSeriesRequest<'a>,
        page: Option<String>,
    ) -> BoxFuture<'a, Answered<TimeSeriesPage>>;
}
