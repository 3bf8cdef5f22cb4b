//! What the agent did, for log, self-metrics and status page: what it pushes, what that costs a month, what was lost.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::app::bridge::Shared;
use crate::expose::status::{JobError, PushStatus};
use crate::host::collect::Collected;
use crate::host::job::HostSettings;
use crate::model::{Datum, Timestamp};
use crate::push::batch::MAX_DATA;
use crate::push::census::Census;
use crate::push::cost::Cost;
use crate::push::job::PushSettings;
use crate::push::pump::{Event, Loss};
use crate::seam::Failure;

/// The cost is said again when there are so many times more metrics than when it was last said.
const GROWTH: f64 = 1.1;
/// The same failure, or the same kind of loss, is logged again after this time.
const QUIET: Duration = Duration::from_secs(300);

/// The books.
pub(super) struct Ledger {
    shared: Shared,
    flush_interval: Duration,
    max_metrics: usize,
    state: Mutex<State>,
}

struct State {
    census: Census,
    said_metrics: usize,
    status: PushStatus,
    last_sent: Option<Timestamp>,
    last_failure: Option<(String, Timestamp)>,
    last_losses: Vec<(Loss, Timestamp)>,
}

impl Ledger {
    pub(super) fn new(shared: Shared, push: Option<&PushSettings>, host: &HostSettings) -> Self {
        let max_metrics = push.map_or(0, |push| push.max_metrics);
        let status = PushStatus {
            namespace: push.map(|push| push.namespace.to_string()).unwrap_or_default(),
            ..PushStatus::default()
        };
        let state = State {
            census: Census::new(max_metrics),
            said_metrics: 0,
            status,
            last_sent: None,
            last_failure: None,
            last_losses: Vec::new(),
        };
        // Where nothing new has been measured, a flush sends nothing.
        let shortest = host.jobs.iter().map(|job| job.interval).min().unwrap_or_default();
        let flush_interval = push.map_or(Duration::from_secs(60), |push| push.flush_interval.max(shortest));
        Self { shared, flush_interval, max_metrics, state: Mutex::new(state) }
    }

    /// A pass of the collector.
    pub(super) fn collected(&self, collected: &Collected) {
        let telemetry = &self.shared.telemetry;
        telemetry.host_failures(&collected.failures);
        let tally = &collected.statsd;
        telemetry.statsd_losses([
            ("packet", tally.dropped_packets),
            ("malformed_line", tally.malformed),
            ("value", tally.dropped_values),
            ("series", tally.dropped_series),
            ("set_member", tally.dropped_members),
        ]);
    }

    /// Data are about to go into the queue: what they cost is said before the first of them is sent.
    pub(super) fn made(&self, data: &[Datum], now: Timestamp) {
        let mut state = self.lock();
        for datum in data {
            state.census.admit(&datum.of, now);
        }
        let metrics = state.census.count(now);
        let cost = Cost::estimate(metrics, metrics.div_ceil(MAX_DATA), self.flush_interval);
        state.status.metrics = metrics;
        state.status.dollars_per_month = cost.total();
        self.shared.telemetry.push_metrics(metrics, cost.total());
        #[expect(clippy::cast_precision_loss, reason = "numbers of metrics")]
        let has_grown = metrics as f64 > state.said_metrics as f64 * GROWTH;
        if has_grown {
            state.said_metrics = metrics;
            tracing::info!(
                metrics,
                "pushing them costs about {:.2} dollars a month by list price ({:.2} for the metrics, {:.2} for requests); \
                 at most {} metrics are pushed",
                cost.total(),
                cost.metrics,
                cost.requests,
                self.max_metrics
            );
        }
        self.show(&state);
    }

    /// What the pump says.
    pub(super) fn note(&self, event: Event) {
        let telemetry = &self.shared.telemetry;
        match event {
            Event::Sent(data) => {
                telemetry.push_sent(data, self.shared.clock.now());
                let mut state = self.lock();
                state.status.sent_data += data;
                state.last_sent = Some(self.shared.clock.read().steady);
                state.status.failure = None;
                if state.last_failure.take().is_some() {
                    tracing::info!("CloudWatch takes data again");
                }
                self.show(&state);
            }
            Event::Lost(loss, data) => self.lost(loss, data),
            Event::Queue(queue) => {
                telemetry.push_queue(queue.data, queue.memory_bytes, queue.disk_bytes);
                let mut state = self.lock();
                state.status.waiting_data = queue.data;
                self.show(&state);
            }
            Event::Failed(failure) => self.failed(&failure),
            Event::Flushed(requests) => tracing::debug!(requests, "flushed"),
        }
    }

    /// Data are gone.
    pub(super) fn lost(&self, loss: Loss, data: usize) {
        if data == 0 {
            return;
        }
        self.shared.telemetry.push_lost(loss.as_str(), data);
        let now = self.shared.clock.read().steady;
        let mut state = self.lock();
        state.status.lost_data += data;
        let is_recent = |(kind, at): &(Loss, Timestamp)| *kind == loss && now.since(*at) < QUIET;
        if !state.last_losses.iter().any(is_recent) {
            state.last_losses.retain(|(kind, _)| *kind != loss);
            state.last_losses.push((loss, now));
            tracing::warn!(reason = loss.as_str(), data, "data were lost; the counter has all of them");
        }
        self.show(&state);
    }

    fn failed(&self, failure: &Failure) {
        self.shared.telemetry.push_failure(failure.reason);
        let now = self.shared.clock.read().steady;
        let text = format!("failed to {failure}");
        let mut state = self.lock();
        let is_known = state.last_failure.as_ref().is_some_and(|(known, at)| *known == text && now.since(*at) < QUIET);
        if !is_known {
            let (reason, advice) = (failure.reason.as_str(), failure.reason.advice());
            tracing::warn!(reason, advice, "{text}; the data wait and are tried again");
            state.last_failure = Some((text.clone(), now));
        }
        state.status.failure = Some(JobError { message: text, fix: failure.reason.advice().to_owned() });
        self.show(&state);
    }

    fn show(&self, state: &State) {
        self.shared.states.show_push(state.status.clone(), state.last_sent);
    }

    /// Nothing panics while it is held.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
