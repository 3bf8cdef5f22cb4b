//! Requests per second for each account, region and operation: a token bucket each, full at the start. Time is a
//! parameter.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::model::{Text, Timestamp};

/// Requests per second by operation.
#[derive(Clone, Debug, PartialEq)]
pub struct QuotaSpec {
    per_second: BTreeMap<&'static str, f64>,
}

impl QuotaSpec {
    /// AWS's default quotas, as its documentation gave them in 2026; the tagging API's is what users observe.
    pub fn aws() -> Self {
        Self::unlimited()
            .with("GetMetricData", 50.0)
            .with("GetMetricStatistics", 400.0)
            .with("ListMetrics", 25.0)
            .with("PutMetricData", 500.0)
            .with("GetResources", 15.0)
    }

    /// No throttling at all.
    pub const fn unlimited() -> Self {
        Self { per_second: BTreeMap::new() }
    }

    /// With another rate for one operation.
    #[must_use]
    pub fn with(mut self, operation: &'static str, per_second: f64) -> Self {
        self.per_second.insert(operation, per_second);
        self
    }
}

struct Bucket {
    tokens: f64,
    at: Timestamp,
}

/// The buckets.
pub(crate) struct Quotas {
    spec: QuotaSpec,
    buckets: Mutex<BTreeMap<(&'static str, Text, Text), Bucket>>,
}

impl Quotas {
    pub(crate) const fn new(spec: QuotaSpec) -> Self {
        Self { spec, buckets: Mutex::new(BTreeMap::new()) }
    }

    /// Takes a token; false: throttle. A bucket holds one second's worth, and at least one call.
    pub(crate) fn take(&self, operation: &'static str, account: &Text, region: &Text, now: Timestamp) -> bool {
        let Some(rate) = self.spec.per_second.get(operation).copied() else { return true };
        let burst = rate.max(1.0);
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (operation, Arc::clone(account), Arc::clone(region));
        let bucket = buckets.entry(key).or_insert(Bucket { tokens: burst, at: now });
        bucket.tokens = (bucket.tokens + rate * now.since(bucket.at).as_secs_f64()).min(burst);
        bucket.at = now;
        let granted = bucket.tokens >= 1.0;
        if granted {
            bucket.tokens -= 1.0;
        }
        granted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_brings_back_as_many_calls_as_the_rate_says() {
        let quotas = Quotas::new(QuotaSpec::unlimited().with("ListMetrics", 3.0));
        let (account, region) = (Text::from("000000000000"), Text::from("eu-west-1"));
        let burst = |ms| {
            let now = Timestamp::from_millis(ms);
            (0..10).filter(|_| quotas.take("ListMetrics", &account, &region, now)).count()
        };
        assert_eq!(burst(0), 3);
        assert_eq!(burst(400), 1);
        assert_eq!(burst(100_000), 3);
        assert!(quotas.take("GetMetricData", &account, &region, Timestamp::from_secs(0)), "no quota, no limit");
        assert!(quotas.take("ListMetrics", &account, &"us-east-1".into(), Timestamp::from_secs(100)), "own bucket");
    }
}
