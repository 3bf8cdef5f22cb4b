//! Which metrics there are: CloudWatch bills each one, by the hour in which it was written. Bounded, so that names which
//! somebody makes up cannot cost without end. Pure.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashMap};

use crate::model::{MetricIdentity, Timestamp};

/// A metric that was not written for so long is no longer paid for.
const FORGOTTEN_SECONDS: i64 = 3600;

/// The metrics of the last hour.
#[derive(Debug)]
pub struct Census {
    limit: usize,
    hasher: DefaultHashBuilder,
    /// Fingerprint → when it was last written, in seconds. (Two metrics of one fingerprint in ten thousand: once in 10^11.)
    seen: HashMap<u64, i64>,
}

impl Census {
    /// At most `limit` metrics.
    pub fn new(limit: usize) -> Self {
        Self { limit, hasher: DefaultHashBuilder::default(), seen: HashMap::new() }
    }

    /// Counts a metric; false when it would be one too many.
    pub fn admit(&mut self, of: &MetricIdentity, now: Timestamp) -> bool {
        let print = self.hasher.hash_one((&of.name, &of.dimensions));
        let now = now.as_secs();
        if !self.seen.contains_key(&print) {
            if self.seen.len() >= self.limit {
                self.seen.retain(|_, last| now - *last < FORGOTTEN_SECONDS);
            }
            if self.seen.len() >= self.limit {
                return false;
            }
        }
        self.seen.insert(print, now);
        true
    }

    /// How many there are; those that were not written for an hour are forgotten.
    pub fn count(&mut self, now: Timestamp) -> usize {
        let now = now.as_secs();
        self.seen.retain(|_, last| now - *last < FORGOTTEN_SECONDS);
        self.seen.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{LabelSet, StandardUnit};

    fn metric(name: &str) -> MetricIdentity {
        let dimensions = LabelSet::new(vec![]);
        MetricIdentity { name: name.into(), dimensions, unit: StandardUnit::NONE, high_resolution: false }
    }

    #[test]
    fn the_bound_holds_until_metrics_are_forgotten() {
        let mut census = Census::new(2);
        let at = Timestamp::from_secs;
        assert!(census.admit(&metric("a"), at(0)) && census.admit(&metric("b"), at(1_800)));
        assert!(!census.admit(&metric("c"), at(1_900)));
        assert!(census.admit(&metric("b"), at(2_000)), "a known one goes on");
        assert!(census.admit(&metric("c"), at(3_600)), "a is forgotten");
        assert_eq!(census.count(at(3_700)), 2);
        assert_eq!(census.count(at(90_000)), 0);
    }
}
