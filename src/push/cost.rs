//! What pushing costs a month by list price (us-east-1, 2026-11, free tier not taken off). Pure.

use std::time::Duration;

/// Metrics up to which the price of a metric and month holds, and that price in dollars.
const METRICS: [(f64, f64); 4] = [(10_000.0, 0.30), (250_000.0, 0.10), (1_000_000.0, 0.05), (f64::INFINITY, 0.02)];
/// Dollars of one PutMetricData.
const REQUEST: f64 = 0.01 / 1000.0;
/// Thirty days.
const MONTH: Duration = Duration::from_secs(30 * 86_400);

/// Dollars a month.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cost {
    /// For the metrics being there.
    pub metrics: f64,
    /// For writing them.
    pub requests: f64,
}

impl Cost {
    /// Of so many metrics, and requests at each flush.
    pub fn estimate(metrics: usize, requests_per_flush: usize, flush_interval: Duration) -> Self {
        let flushes = MONTH.as_secs_f64() / flush_interval.as_secs_f64().max(1.0);
        Self { metrics: by_tier(as_f64(metrics)), requests: flushes * as_f64(requests_per_flush) * REQUEST }
    }

    /// Dollars a month for so many metrics.
    pub fn of_metrics(metrics: f64) -> f64 {
        by_tier(metrics)
    }

    /// Both.
    pub fn total(self) -> f64 {
        self.metrics + self.requests
    }
}

fn by_tier(metrics: f64) -> f64 {
    let (mut dollars, mut from) = (0.0, 0.0);
    for (to, price) in METRICS {
        dollars += (metrics.min(to) - from).max(0.0) * price;
        from = to;
    }
    dollars
}

#[expect(clippy::cast_precision_loss, reason = "an estimate of dollars")]
fn as_f64(n: usize) -> f64 {
    n as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_cost_by_tier_and_requests_by_thousand() {
        let minute = Duration::from_secs(60);
        for (metrics, dollars) in [(0, 0.0), (40, 12.0), (10_000, 3_000.0), (20_000, 4_000.0), (250_000, 27_000.0)] {
            assert!((Cost::estimate(metrics, 0, minute).total() - dollars).abs() < 1e-6, "{metrics}");
        }
        let cost = Cost::estimate(40, 1, minute);
        assert!((cost.requests - 0.432).abs() < 1e-9, "{cost:?}");
    }
}
