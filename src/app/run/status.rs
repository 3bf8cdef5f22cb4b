//! What the status page and `/api/v1/status` show: the books of all parts, at one moment.

use std::sync::PoisonError;

use super::Daemon;
use crate::app::bridge::Shared;
use crate::expose::status::{Api, Cost, Dollars, History, Operation, Status};
use crate::model::Timestamp;
use crate::telemetry::Telemetry;
use crate::telemetry::price;

impl Daemon {
    pub(super) fn status(&self) -> Status {
        let Shared { clock, store, telemetry, states, readiness, .. } = &self.shared;
        let now = clock.read();
        let jobs = states.all(now.steady);
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            source: self.about.source.clone(),
            notice: self.membership.role().err().or_else(|| self.about.notice.clone()),
            is_ready: readiness.missing().is_empty(),
            now_timestamp_seconds: std::time::Duration::from_millis(now.wall.as_millis().unsigned_abs()).as_secs_f64(),
            uptime_seconds: now.steady.since(self.started_at).as_secs_f64(),
            resident_memory_bytes: telemetry.resident_memory_bytes(),
            configuration: self.configuration.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            series: store.present(),
            resources: jobs.iter().filter_map(|job| job.resources).sum(),
            cost: cost(telemetry),
            api: api(telemetry),
            jobs,
            agent: states.push(now.steady),
            history: history(telemetry, now.steady),
        }
    }
}

fn cost(telemetry: &Telemetry) -> Cost {
    let spent = telemetry.spent();
    let reading = |of: fn(price::Dollars) -> f64| Dollars {
        since_start_dollars: of(spent.since_start),
        today_dollars: of(spent.today),
        month_dollars: spent.month.map(of),
    };
    Cost { per_statistic: reading(|d| d.per_statistic), per_block: reading(|d| d.per_block) }
}

fn api(telemetry: &Telemetry) -> Api {
    let mut api = Api::default();
    for (service, operation, sums) in telemetry.operations() {
        api.calls += sums.calls;
        api.failed_calls += sums.failed_calls;
        api.retries += sums.retries;
        api.throttles += sums.throttles;
        let (calls, failed_calls, retries) = (sums.calls, sums.failed_calls, sums.retries);
        let (throttles, dollars) = (sums.throttles, sums.dollars);
        api.operations.push(Operation { service, operation, calls, failed_calls, retries, throttles, dollars });
    }
    api
}

fn history(telemetry: &Telemetry, now: Timestamp) -> History {
    let history = telemetry.history();
    let points = &history.points;
    History {
        step_seconds: history.step.as_secs(),
        age_seconds: now.since(history.ended).as_secs_f64(),
        series: points.iter().map(|p| p.series).collect(),
        calls: points.iter().map(|p| p.calls).collect(),
        throttles: points.iter().map(|p| p.throttles).collect(),
        failures: points.iter().map(|p| p.failures).collect(),
        dollars: points.iter().map(|p| p.dollars.per_statistic).collect(),
    }
}
