//! What calls cost, by list price. A table, because prices change: it is dated, and the configuration may bring another.

use crate::seam::Call;

/// What one operation costs.
#[derive(Clone, Debug, PartialEq)]
pub struct Price {
    /// The API, as in [`Call::service`].
    pub service: &'static str,
    /// The operation, as in [`Call::operation`].
    pub operation: &'static str,
    /// Dollars for a thousand units.
    pub dollars_per_thousand: f64,
    /// What a unit is.
    pub unit: Unit,
}

/// What is billed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Each call.
    Call,
    /// Each metric that the call asks for.
    MetricRequested,
    /// Each time series in the answer.
    SeriesReturned,
}

/// Dollars under the two readings of the price list.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Dollars {
    /// Every statistic is billed as a metric.
    pub per_statistic: f64,
    /// Up to five statistics of one metric in one request are billed as one.
    pub per_block: f64,
}

impl Dollars {
    pub(super) fn add(&mut self, other: Self) {
        self.per_statistic += other.per_statistic;
        self.per_block += other.per_block;
    }
}

/// List prices as of 2026-11: CloudWatch in us-east-1, and Cloud Monitoring's since 2025-10-02 (not confirmed by a bill). Free
/// tiers are not taken off.
pub fn list_prices() -> Vec<Price> {
    let cloudwatch = |operation, unit| Price { service: "cloudwatch", operation, dollars_per_thousand: 0.01, unit };
    vec![
        cloudwatch("GetMetricData", Unit::MetricRequested),
        cloudwatch("GetMetricStatistics", Unit::Call),
        cloudwatch("ListMetrics", Unit::Call),
        cloudwatch("PutMetricData", Unit::Call),
        Price {
            service: "monitoring",
            operation: "ListTimeSeries",
            dollars_per_thousand: 0.000_5,
            unit: Unit::SeriesReturned,
        },
    ]
}

/// When the list was read.
pub const DATE: &str = "2026-11";

/// Dollars of one billed unit of an operation; 0 when it is free.
pub fn of_unit(operation: &str) -> f64 {
    let price = list_prices().into_iter().find(|price| price.operation == operation);
    price.map_or(0.0, |price| price.dollars_per_thousand / 1000.0)
}

/// The price of a call; `None` when it is free.
pub(super) fn of(call: &Call, prices: &[Price]) -> Option<Dollars> {
    let price = prices.iter().find(|p| p.service == call.service && p.operation == call.operation)?;
    let (per_statistic, per_block) = match price.unit {
        Unit::Call => (1, 1),
        Unit::SeriesReturned => (call.series_returned, call.series_returned),
        Unit::MetricRequested => (call.metrics.per_statistic, call.metrics.per_block_of_five),
    };
    #[expect(clippy::cast_precision_loss, reason = "an estimate of dollars")]
    let cost = |units: u64| units as f64 / 1000.0 * price.dollars_per_thousand;
    (per_statistic > 0).then(|| Dollars { per_statistic: cost(per_statistic), per_block: cost(per_block) })
}
