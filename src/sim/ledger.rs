//! The bill: every call that reached the cloud, by account, region and operation, and what AWS would charge for it.
//!
//! GetMetricData is charged by metric requested, and the price list can be read in two ways: each statistic is a metric,
//! or up to five statistics of one metric in one request are one. Both are counted. A refused call costs nothing; a
//! following page costs nothing either, since it continues a request that was counted.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;

use crate::model::Text;
use crate::seam::MetricsRequested;
use crate::sim::price::{self, METRIC_DATA};

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// Answered.
    Well,
    /// Throttled, by a quota or by a fault.
    Throttled,
    /// Any other failure.
    Failed,
}

/// A call for the books.
pub(crate) struct Entry<'a> {
    pub(crate) operation: &'static str,
    pub(crate) account: &'a Text,
    pub(crate) region: &'a Text,
    pub(crate) ended: Ended,
    pub(crate) metrics: MetricsRequested,
    /// Data points or items in the answer.
    pub(crate) items: u64,
}

/// The calls of one operation in one account and region.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Line {
    /// Whose credentials.
    pub account: String,
    /// Where.
    pub region: String,
    /// The operation: `GetMetricData`.
    pub operation: &'static str,
    /// All calls that arrived, also those that were refused.
    pub calls: u64,
    /// How many of them were throttled.
    pub throttled: u64,
    /// How many of them failed otherwise.
    pub failed: u64,
    /// Metrics requested, each statistic one.
    pub metrics_per_statistic: u64,
    /// Metrics requested, five statistics of one metric in a request one.
    pub metrics_per_block_of_five: u64,
    /// Data points, metrics or resources that were answered.
    pub items: u64,
    /// Dollars at list price, each statistic a metric.
    pub dollars_per_statistic: f64,
    /// Dollars at list price, five statistics a metric.
    pub dollars_per_block_of_five: f64,
}

/// The whole bill.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Bill {
    /// By account, region, operation.
    pub lines: Vec<Line>,
    /// Sum of the lines.
    pub dollars_per_statistic: f64,
    /// Sum of the lines.
    pub dollars_per_block_of_five: f64,
}

impl Bill {
    /// How many calls of an operation arrived, in all accounts and regions.
    pub fn calls(&self, operation: &str) -> u64 {
        self.sum(operation, |line| line.calls)
    }

    /// Metrics requested by all calls, under both readings.
    pub fn metrics(&self) -> MetricsRequested {
        MetricsRequested {
            per_statistic: self.lines.iter().map(|line| line.metrics_per_statistic).sum(),
            per_block_of_five: self.lines.iter().map(|line| line.metrics_per_block_of_five).sum(),
        }
    }

    /// The sum of something over the lines of an operation.
    pub fn sum(&self, operation: &str, of: impl Fn(&Line) -> u64) -> u64 {
        self.lines.iter().filter(|line| line.operation == operation).map(of).sum()
    }
}

type Key = (Text, Text, &'static str);

/// The books. Clones are the same ones.
#[derive(Clone, Default)]
pub struct Ledger {
    lines: Arc<Mutex<BTreeMap<Key, Line>>>,
}

impl Ledger {
    pub(crate) fn note(&self, entry: &Entry<'_>) {
        let key = (Text::clone(entry.account), Text::clone(entry.region), entry.operation);
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let line = lines.entry(key).or_default();
        line.calls += 1;
        match entry.ended {
            Ended::Throttled => line.throttled += 1,
            Ended::Failed => line.failed += 1,
            Ended::Well => {
                line.metrics_per_statistic += entry.metrics.per_statistic;
                line.metrics_per_block_of_five += entry.metrics.per_block_of_five;
                line.items += entry.items;
            }
        }
    }

    /// The bill so far.
    pub fn bill(&self) -> Bill {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let lines: Vec<Line> = lines.iter().map(|(key, line)| priced(key, line)).collect();
        Bill {
            dollars_per_statistic: lines.iter().map(|line| line.dollars_per_statistic).sum(),
            dollars_per_block_of_five: lines.iter().map(|line| line.dollars_per_block_of_five).sum(),
            lines,
        }
    }

    /// Starts anew.
    pub fn clear(&self) {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

fn priced((account, region, operation): &Key, line: &Line) -> Line {
    let answered = line.calls - line.throttled - line.failed;
    let requests = price::by_request(operation).map_or(0.0, |price| price.of(answered))
        + price::by_item(operation).map_or(0.0, |price| price.of(line.items));
    Line {
        account: account.to_string(),
        region: region.to_string(),
        operation,
        dollars_per_statistic: requests + METRIC_DATA.of(line.metrics_per_statistic),
        dollars_per_block_of_five: requests + METRIC_DATA.of(line.metrics_per_block_of_five),
        ..line.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_answered_calls_cost_money() {
        let ledger = Ledger::default();
        let (account, region) = (Text::from("000000000000"), Text::from("eu-west-1"));
        let metrics = MetricsRequested { per_statistic: 500, per_block_of_five: 100 };
        for (operation, ended) in [
            ("GetMetricData", Ended::Well),
            ("GetMetricData", Ended::Throttled),
            ("ListMetrics", Ended::Well),
            ("ListMetrics", Ended::Failed),
            ("GetResources", Ended::Well),
        ] {
            ledger.note(&Entry { operation, account: &account, region: &region, ended, metrics, items: 1 });
        }
        let bill = ledger.bill();
        assert_eq!(bill.calls("GetMetricData"), 2);
        assert_eq!(bill.sum("GetMetricData", |l| l.throttled), 1);
        assert_eq!(bill.sum("GetMetricData", |l| l.metrics_per_statistic), 500);
        let data: Vec<f64> =
            bill.lines.iter().filter(|l| l.operation == "GetMetricData").map(|l| l.dollars_per_block_of_five).collect();
        assert!((data[0] - 0.001).abs() < 1e-12, "100 metrics at a cent a thousand");
        ledger.clear();
        assert_eq!(ledger.bill(), Bill::default());
    }
}
