//! When a namespace's points are expected: seconds from the end of a period until it can be read. A starting point only:
//! fetching learns what is really so, and a job's `delay` overrides it.
//!
//! AWS promises nothing here (delivery is best effort). Sources, looked up 2026-11-21: Datadog, "Cloud Metric Delay" (metrics of
//! one minute are there after about two); the S3 user guide, "Metrics and dimensions" (storage metrics once a day); the Billing
//! user guide (estimated charges several times a day).

use std::num::NonZeroU32;

/// What minute metrics take.
const USUAL_SECONDS: u64 = 120;
/// The part of a day after which daily metrics of a service are there; some days later: the fetch learns that.
const DAY_SECONDS: u32 = 86_400;

/// A namespace whose points take longer than usual.
struct Slow {
    namespace: &'static str,
    /// Only for periods from here on.
    from_period_seconds: u32,
    seconds: u64,
}

/// Namespaces that differ, with the reason beside each.
const SLOW: [Slow; 4] = [
    // Computed after midnight UTC for the day before; hours later.
    Slow { namespace: "AWS/S3", from_period_seconds: DAY_SECONDS, seconds: 9_000 },
    // Inventory-like daily numbers, as S3's.
    Slow { namespace: "AWS/S3/Storage-Lens", from_period_seconds: DAY_SECONDS, seconds: 9_000 },
    // Updated about every six hours, with the time of the update.
    Slow { namespace: "AWS/Billing", from_period_seconds: 1, seconds: 900 },
    // Logs of edge locations are gathered first.
    Slow { namespace: "AWS/CloudFront", from_period_seconds: 1, seconds: 300 },
];

/// The delay that is expected for a namespace, without any other knowledge.
pub fn publish_delay_seconds(namespace: &str, period_seconds: NonZeroU32) -> u64 {
    let slow = SLOW.iter().find(|s| s.namespace == namespace && period_seconds.get() >= s.from_period_seconds);
    slow.map_or(USUAL_SECONDS, |s| s.seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_daily_metrics_of_s3_are_slow() {
        let delay = |namespace, period| publish_delay_seconds(namespace, NonZeroU32::new(period).unwrap());
        assert_eq!(delay("AWS/EC2", 60), 120);
        assert_eq!(delay("AWS/S3", 60), 120, "request metrics");
        assert_eq!(delay("AWS/S3", 86_400), 9_000);
        assert_eq!(delay("AWS/Billing", 21_600), 900);
    }
}
