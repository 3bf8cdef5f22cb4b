//! What AWS and Google charge for the calls that the ledger counts: dated rows, list prices (AWS: us-east-1) without the free tier.

/// A row of the price list.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Price {
    /// What is bought.
    pub item: &'static str,
    /// Dollars for `per` units.
    pub dollars: f64,
    /// How many units that buys.
    pub per: f64,
    /// What a unit is.
    pub unit: &'static str,
    /// Where the number comes from.
    pub source: &'static str,
    /// When it was looked up.
    pub date: &'static str,
}

impl Price {
    /// What so many units cost.
    pub fn of(&self, units: u64) -> f64 {
        // Exact up to 2^53 units; nobody pays that bill.
        #[expect(clippy::cast_precision_loss, reason = "a bill of 2^53 units does not occur")]
        let units = units as f64;
        units * self.dollars / self.per
    }
}

/// GetMetricData.
pub const METRIC_DATA: Price = Price {
    item: "GetMetricData",
    dollars: 0.01,
    per: 1000.0,
    unit: "metric requested",
    source: "CloudWatch pricing page, usage type GMD-Metrics; never in the free tier",
    date: "2026-11-21",
};

/// ListMetrics, GetMetricStatistics and PutMetricData.
pub const REQUESTS: Price = Price {
    item: "ListMetrics, GetMetricStatistics, PutMetricData",
    dollars: 0.01,
    per: 1000.0,
    unit: "request",
    source: "CloudWatch pricing page, usage type Requests; the first million a month are free",
    date: "2026-11-21",
};

/// `timeSeries.list`.
pub const SERIES_RETURNED: Price = Price {
    item: "ListTimeSeries",
    dollars: 0.50,
    per: 1_000_000.0,
    unit: "time series returned",
    source: "Google Cloud Observability pricing since 2025-10-02, not confirmed by a bill; the first million a month is free",
    date: "2026-11-21",
};

/// What is charged by what the answers held.
pub(crate) fn by_item(operation: &str) -> Option<&'static Price> {
    (operation == "ListTimeSeries").then_some(&SERIES_RETURNED)
}

/// What of a call is charged.
pub(crate) fn by_request(operation: &str) -> Option<&'static Price> {
    matches!(operation, "ListMetrics" | "GetMetricStatistics" | "PutMetricData").then_some(&REQUESTS)
}
