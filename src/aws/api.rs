//! The narrow seam in front of AWS: the calls that the bridge makes, in our own types. `client` implements it over the
//! SDK; `sim` implements it in memory.
//!
//! Every method is one page of one call: paging, quotas and retries beyond the SDK's are the caller's.

use std::num::NonZeroU32;
use std::sync::Arc;

use futures_util::future::BoxFuture;

use serde::{Deserialize, Serialize};

use crate::aws::job::{Dimension, Tag};
use crate::aws::question::Question;
use crate::model::{Text, Timestamp};
use crate::seam::{Call, Failure};

/// The answer of one call, and the call itself for the books.
pub struct Answered<T> {
    /// What came back.
    pub result: Result<T, Failure>,
    /// What it took.
    pub call: Call,
}

/// One page of a listing.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    /// The page's items.
    pub items: Vec<T>,
    /// Where the next page starts; `None` on the last one.
    pub next: Option<String>,
}

/// A resource of the tagging API or of a special look-up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resource {
    /// Its ARN (for some special look-ups an id in its place).
    pub arn: Text,
    /// Its tags, in the order in which AWS gave them.
    pub tags: Vec<Tag>,
}

/// A metric that ListMetrics returned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedMetric {
    /// The metric's name.
    pub name: Text,
    /// Its dimensions, in the listed order (which matters to association).
    pub dimensions: Vec<Dimension>,
    /// The account that owns it, where linked accounts were asked for.
    pub owner: Option<Text>,
}

/// What to list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListMetricsRequest {
    /// The namespace.
    pub namespace: Text,
    /// One metric name; `None`: all of the namespace.
    pub metric: Option<Text>,
    /// Only metrics with data in the last three hours.
    pub recently_active: bool,
    /// Whose metrics.
    pub owner: Owner,
}

/// Whose metrics a listing is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Owner {
    /// The account's own.
    #[default]
    Own,
    /// Its own and those of all accounts that are linked to it.
    Linked,
    /// Those of one account, linked or own.
    Account(Text),
}

/// One query of a GetMetricData call: one statistic of one metric. Its id is its position in the call.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricQuery {
    /// The metric's name.
    pub metric: Text,
    /// Its dimensions.
    pub dimensions: Arc<[Dimension]>,
    /// The statistic.
    pub statistic: Text,
    /// The linked account that owns the metric; `None`: the account's own.
    pub owner: Option<Text>,
}

/// One GetMetricData call: queries that share namespace, period and window.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricDataRequest<'a> {
    /// The namespace.
    pub namespace: &'a Text,
    /// At most 500.
    pub queries: &'a [MetricQuery],
    /// The period of all of them.
    pub period_seconds: NonZeroU32,
    /// Inclusive.
    pub start: Timestamp,
    /// Exclusive.
    pub end: Timestamp,
}

/// The status of a result, as CloudWatch gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatusCode {
    /// All data points are there.
    Complete,
    /// More will come with the next page, or with a later call.
    PartialData,
    /// CloudWatch failed on this metric.
    InternalError,
    /// Not allowed.
    Forbidden,
}

/// A part of the answer to one query; several pages may bring parts of the same one.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricResult {
    /// Position of its query in the request; results with unknown ids are left out.
    pub query: usize,
    /// Data points as CloudWatch ordered them (newest first).
    pub points: Vec<Point>,
    /// Whether it is whole.
    pub status: StatusCode,
}

/// A data point: the start of its period and its value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Start of the period.
    pub at: Timestamp,
    /// The statistic's value.
    pub value: f64,
}

/// One GetMetricStatistics call.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricStatisticsRequest<'a> {
    /// The namespace.
    pub namespace: &'a Text,
    /// The metric's name.
    pub metric: &'a Text,
    /// Its dimensions.
    pub dimensions: &'a [Dimension],
    /// `Average`, `Sum`, …
    pub statistics: Vec<Text>,
    /// Percentiles.
    pub extended_statistics: Vec<Text>,
    /// The period.
    pub period_seconds: NonZeroU32,
    /// Inclusive.
    pub start: Timestamp,
    /// Exclusive.
    pub end: Timestamp,
}

/// A point of GetMetricStatistics: several statistics of one period.
#[derive(Clone, Debug, PartialEq)]
pub struct StatisticsPoint {
    /// Start of the period.
    pub at: Timestamp,
    /// Statistic → value, plain and extended ones together.
    pub values: Vec<(Text, f64)>,
}

/// Who we are in AWS.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Account {
    /// Twelve digits.
    pub id: Text,
    /// The first alias, when there is one and we may ask for it.
    pub alias: Option<Text>,
}

/// The answer to "who are we", with the calls that it took.
pub struct Identified {
    /// Who we are.
    pub account: Result<Account, Failure>,
    /// Why the alias is not known, when it could not be asked for: not fatal.
    pub alias_failure: Option<Failure>,
    /// The calls that were made; none when it was known already.
    pub calls: Vec<Call>,
}

/// AWS as seen with one set of credentials in one region.
pub trait Api: Send + Sync {
    /// The region.
    fn region(&self) -> &Text;

    /// Account id and alias; answered from memory after the first success.
    fn account(&self) -> BoxFuture<'_, Identified>;

    /// A page of `tag:GetResources`: resources of the types that have all of the tag keys.
    fn get_resources<'a>(
        &'a self,
        types: &'a [Text],
        tag_keys: &'a [Text],
        page: Option<String>,
    ) -> BoxFuture<'a, Answered<Page<Resource>>>;

    /// A page of `cloudwatch:ListMetrics`.
    fn list_metrics<'a>(
        &'a self,
        request: &'a ListMetricsRequest,
        page: Option<String>,
    ) -> BoxFuture<'a, Answered<Page<ListedMetric>>>;

    /// A page of `cloudwatch:GetMetricData`.
    fn get_metric_data<'a>(
        &'a self,
        request: &'a MetricDataRequest<'a>,
        page: Option<String>,
    ) -> BoxFuture<'a, Answered<Page<MetricResult>>>;

    /// `cloudwatch:GetMetricStatistics`.
    fn get_metric_statistics<'a>(
        &'a self,
        request: &'a MetricStatisticsRequest<'a>,
    ) -> BoxFuture<'a, Answered<Vec<StatisticsPoint>>>;

    /// An operation of a service for which there is no method here; its answer as it came.
    fn ask<'a>(&'a self, question: &'a Question) -> BoxFuture<'a, Answered<Vec<u8>>>;
}
