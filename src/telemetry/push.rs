//! What the agent counts: the host's plugins, statsd, and the way to CloudWatch.

use super::{Telemetry, seconds};
use crate::model::Timestamp;
use crate::seam::{Failure, Reason};

impl Telemetry {
    /// What failed in a pass of the host's plugins.
    pub fn host_failures(&self, failures: &[Failure]) {
        for failure in failures {
            self.metrics.host_failures.get_or_create(&[("reason", failure.reason.as_str().into())]).inc();
        }
    }

    /// What came by statsd and could not be taken, by what it was.
    pub fn statsd_losses(&self, losses: [(&'static str, u64); 5]) {
        for (what, number) in losses.into_iter().filter(|(_, number)| *number > 0) {
            self.metrics.statsd_lost.get_or_create(&[("what", what.into())]).inc_by(number);
        }
    }

    /// Data arrived.
    pub fn push_sent(&self, data: usize, now: Timestamp) {
        self.metrics.push_sent.get_or_create(&[]).inc_by(as_u64(data));
        self.metrics.push_last_sent.get_or_create(&[]).set(seconds(now));
    }

    /// Data are gone.
    pub fn push_lost(&self, reason: &'static str, data: usize) {
        self.metrics.push_lost.get_or_create(&[("reason", reason.into())]).inc_by(as_u64(data));
    }

    /// A request did not deliver its data.
    pub fn push_failure(&self, reason: Reason) {
        self.metrics.push_failures.get_or_create(&[("reason", reason.as_str().into())]).inc();
    }

    /// What waits.
    pub fn push_queue(&self, data: usize, memory_bytes: usize, disk_bytes: usize) {
        self.metrics.push_queue.get_or_create(&[]).set(as_i64(data));
        for (place, bytes) in [("memory", memory_bytes), ("disk", disk_bytes)] {
            self.metrics.push_queue_bytes.get_or_create(&[("place", place.into())]).set(as_i64(bytes));
        }
    }

    /// How many metrics there are, and what they cost.
    pub fn push_metrics(&self, metrics: usize, dollars_a_month: f64) {
        self.metrics.pushed.get_or_create(&[]).set(as_i64(metrics));
        self.metrics.push_dollars.get_or_create(&[]).set(dollars_a_month);
    }
}

fn as_u64(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

fn as_i64(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}
