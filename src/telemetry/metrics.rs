//! The table of self-metrics: what each is called, in which unit, with which labels and help. Their values live here too;
//! `docs/metrics.md` is compared with this table by a test.
//!
//! Units are part of the names, so that no format needs a UNIT line of its own.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::text::encode_registry;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Metric, Registry};

use crate::model::Text;

/// The TYPE of a self-metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Type {
    /// Only goes up; its name ends with `_total`.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Buckets, a sum and a count.
    Histogram,
}

impl Type {
    /// As on the TYPE line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// A row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Description {
    /// As on a 0.0.4 page.
    pub name: &'static str,
    /// The TYPE.
    pub kind: Type,
    /// The names of its labels, in order.
    pub labels: &'static [&'static str],
    /// The help text, without the final full stop.
    pub help: &'static str,
}

const fn row(name: &'static str, kind: Type, labels: &'static [&'static str], help: &'static str) -> Description {
    Description { name, kind, labels, help }
}

use Type::{Counter as C, Gauge as G, Histogram as H};

const JOB: &[&str] = &["job", "region", "account"];
const RUN: &[&str] = &["job", "region", "account", "run"];
const FAILURE: &[&str] = &["job", "region", "account", "run", "reason"];
const NOT_SHOWN: &[&str] = &["job", "region", "account", "reason"];
const CALL: &[&str] = &["service", "operation", "region", "account"];
const FAILED_CALL: &[&str] = &["service", "operation", "region", "account", "reason"];
const COST: &[&str] = &["operation", "region", "account", "reading"];
const PAGE: &[&str] = &["format", "escaping", "encoding"];

const BUILD_INFO: Description =
    row("raingauge_build_info", G, &["version"], "Always 1; the label says which version this is");
const START_TIME: Description = row("raingauge_start_time_seconds", G, &[], "When raingauge started, in Unix time");
const RELOAD_OK: Description = row(
    "raingauge_config_last_reload_successful",
    G,
    &[],
    "Whether the last attempt to load the configuration succeeded",
);
const RELOAD_TIME: Description = row(
    "raingauge_config_last_reload_success_timestamp_seconds",
    G,
    &[],
    "When the configuration was last loaded successfully, in Unix time",
);
const JOB_LAST_SUCCESS: Description = row(
    "raingauge_job_last_success_timestamp_seconds",
    G,
    RUN,
    "When a run of the job last ended without any failure, in Unix time",
);
const JOB_AGE: Description =
    row("raingauge_job_age_seconds", G, RUN, "Time since a run of the job last ended without any failure");
const JOB_DURATION: Description =
    row("raingauge_job_last_run_duration_seconds", G, RUN, "How long the job's last run took");
const JOB_NEXT_RUN: Description =
    row("raingauge_job_next_run_seconds", G, RUN, "Time until the job's next run begins; 0 while one goes on");
const JOBS: Description = row("raingauge_jobs", G, &["state"], "Jobs, each place and account counted, by their state");
const SERIES: Description =
    row("raingauge_series", G, &[], "Series that the page has a value for, our own not counted");
const DOLLARS_TODAY: Description = row(
    "raingauge_estimated_cost_today_dollars",
    G,
    &["reading"],
    "Estimated list price of the calls since midnight UTC or the start, under both readings of the price list",
);
const DOLLARS_A_MONTH: Description = row(
    "raingauge_estimated_cost_dollars_per_month",
    G,
    &["reading"],
    "Estimated list price of thirty days at the rate of the last hours, under both readings of the price list",
);
const JOB_RUNS: Description = row("raingauge_job_runs_total", C, RUN, "Runs of the job that ended, well or not");
const JOB_OVERLAPS: Description =
    row("raingauge_job_overlaps_total", C, RUN, "Runs that were left out because the one before was still going on");
const JOB_FAILURES: Description =
    row("raingauge_job_failures_total", C, FAILURE, "Failures inside the job's runs; one run may have several");
const JOB_SERIES: Description = row(
    "raingauge_job_series",
    G,
    JOB,
    "Series that the job's last fetch, or the run before a restart, had a value for",
);
const JOB_RESOURCES: Description =
    row("raingauge_job_resources", G, JOB, "Resources that the job's last discovery found");
const JOB_LEFT_OUT: Description = row(
    "raingauge_job_left_out_series",
    G,
    JOB,
    "Series that the job has beyond its maxSeries, and that are not exported",
);
const API_CALLS: Description =
    row("raingauge_api_calls_total", C, CALL, "Calls of cloud APIs, each page counted, retries not");
const API_RETRIES: Description =
    row("raingauge_api_retries_total", C, CALL, "Attempts at calls of cloud APIs after the first");
const API_THROTTLES: Description =
    row("raingauge_api_throttles_total", C, CALL, "Attempts at calls of cloud APIs that were throttled");
const API_FAILURES: Description =
    row("raingauge_api_failed_calls_total", C, FAILED_CALL, "Calls of cloud APIs that failed after all attempts");
const API_DURATION: Description = row(
    "raingauge_api_call_duration_seconds",
    H,
    &["operation"],
    "Time from the first attempt at a call to its last answer, without waiting for the quota",
);
const METRICS_REQUESTED: Description = row(
    "raingauge_metrics_requested_total",
    C,
    &["region", "account", "reading"],
    "Metrics requested from APIs that bill by metric, under both readings of the price list",
);
const SERIES_RETURNED: Description = row(
    "raingauge_series_returned_total",
    C,
    &["region", "account"],
    "Time series in the answers of APIs that bill by what they return",
);
const SERIES_NOT_SHOWN: Description = row(
    "raingauge_series_not_shown_total",
    C,
    NOT_SHOWN,
    "Time series of answers that cannot be shown, once for each answer",
);
const DOLLARS: Description = row(
    "raingauge_estimated_cost_dollars_total",
    C,
    COST,
    "Estimated list price of the calls without free tiers, under both readings of the price list",
);
const PAGE_RENDERS: Description =
    row("raingauge_page_renders_total", C, PAGE, "How often a variant of the page was rendered");
const PAGE_RENDER_TIME: Description = row(
    "raingauge_page_render_seconds_total",
    C,
    PAGE,
    "Time spent on rendering and compressing a variant of the page",
);
const DUPLICATE_SAMPLES: Description = row(
    "raingauge_duplicate_samples_total",
    C,
    &[],
    "Samples left out because their series had one of the same second already, once for each rendered state",
);
const COLLAPSED_FAMILIES: Description = row(
    "raingauge_collapsed_families_total",
    C,
    &[],
    "Families merged into one because of equal names after escaping or of different types, once for each rendered state",
);
const DROPPED_LABELS: Description = row(
    "raingauge_dropped_labels_total",
    C,
    &[],
    "Labels left out because of an illegal name, once for each rendered state",
);
const HTTP_REFUSED: Description = row(
    "raingauge_http_requests_refused_total",
    C,
    &["reason"],
    "Requests that were refused: by the web configuration, or because they were too large or no HTTP/1",
);
const HTTP_CLOSED: Description = row(
    "raingauge_http_connections_closed_total",
    C,
    &["reason"],
    "Connections closed on our side before they had served their purpose",
);
const HTTP_CONNECTIONS: Description =
    row("raingauge_http_connections", G, &[], "Connections that are open now, over all listening sockets");
const LEADER: Description =
    row("raingauge_leader", G, &[], "Whether this process calls the clouds: 0 while another one holds the lease");
const LEASE_FAILURES: Description = row(
    "raingauge_lease_failures_total",
    C,
    &["reason"],
    "Attempts to read, take or renew the lease that failed; in a conflict another one was faster",
);
const STATE_FAILED: Description =
    row("raingauge_state_failed_writes_total", C, &[], "Documents that could not be written below the state directory");
const STATE_IGNORED: Description = row(
    "raingauge_state_ignored_documents_total",
    C,
    &["reason"],
    "Documents of the state directory that were not used at a start",
);
const STATE_WRITES: Description =
    row("raingauge_state_writes_total", C, &[], "Documents written below the state directory");
const DROPPED_FAMILIES: Description = row(
    "raingauge_dropped_families_total",
    C,
    &[],
    "Families left out because of an empty name or a name of our own, once for each rendered state",
);

const HOST_FAILURES: Description =
    row("raingauge_host_failures_total", C, &["reason"], "Passes of the host's plugins, or parts of them, that failed");
const PUSH_DOLLARS: Description = row(
    "raingauge_push_estimated_cost_dollars_per_month",
    G,
    &[],
    "Estimated list price of what is pushed now, for thirty days, without free tiers",
);
const PUSH_FAILURES: Description =
    row("raingauge_push_failures_total", C, &["reason"], "Requests to CloudWatch that did not deliver their data");
const PUSH_LAST_SENT: Description =
    row("raingauge_push_last_success_timestamp_seconds", G, &[], "When data last arrived at CloudWatch, in Unix time");
const PUSH_LOST: Description =
    row("raingauge_push_lost_data_total", C, &["reason"], "Data that were collected and will never be sent");
const PUSH_METRICS: Description =
    row("raingauge_push_metrics", G, &[], "Different metrics made in the last hour; each of them is billed");
const PUSH_QUEUE: Description = row("raingauge_push_queue_data", G, &[], "Data that wait to be sent");
const PUSH_QUEUE_BYTES: Description =
    row("raingauge_push_queue_bytes", G, &["place"], "What the data that wait take, packed");
const PUSH_SENT: Description = row("raingauge_push_sent_data_total", C, &[], "Data that arrived at CloudWatch");
const STATSD_LOST: Description =
    row("raingauge_statsd_lost_total", C, &["what"], "What came by statsd and could not be taken");

/// Every self-metric but the `process_` ones and YACE's counters, which stand in their own files.
pub const METRICS: &[Description] = &[
    API_DURATION,
    API_CALLS,
    API_FAILURES,
    API_RETRIES,
    API_THROTTLES,
    BUILD_INFO,
    COLLAPSED_FAMILIES,
    RELOAD_TIME,
    RELOAD_OK,
    DROPPED_FAMILIES,
    DROPPED_LABELS,
    DUPLICATE_SAMPLES,
    DOLLARS_A_MONTH,
    DOLLARS,
    DOLLARS_TODAY,
    HOST_FAILURES,
    HTTP_CONNECTIONS,
    HTTP_CLOSED,
    HTTP_REFUSED,
    JOB_AGE,
    JOB_FAILURES,
    JOB_DURATION,
    JOB_LAST_SUCCESS,
    JOB_LEFT_OUT,
    JOB_NEXT_RUN,
    JOB_OVERLAPS,
    JOB_RESOURCES,
    JOB_RUNS,
    JOB_SERIES,
    JOBS,
    LEADER,
    LEASE_FAILURES,
    METRICS_REQUESTED,
    PAGE_RENDER_TIME,
    PAGE_RENDERS,
    PUSH_DOLLARS,
    PUSH_FAILURES,
    PUSH_LAST_SENT,
    PUSH_LOST,
    PUSH_METRICS,
    PUSH_QUEUE_BYTES,
    PUSH_QUEUE,
    PUSH_SENT,
    SERIES,
    SERIES_NOT_SHOWN,
    SERIES_RETURNED,
    START_TIME,
    STATE_FAILED,
    STATE_IGNORED,
    STATE_WRITES,
    STATSD_LOST,
];

/// Seconds: from a fast local endpoint to the longest timeout of a call.
const API_DURATION_BUCKETS: [f64; 11] = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// Names and values.
pub(super) type Labels<const N: usize> = [(&'static str, Text); N];

type Number = Gauge<f64, AtomicU64>;
type Sum = Counter<f64, AtomicU64>;

/// The values of all self-metrics.
#[derive(Default)]
pub(super) struct Metrics {
    registry: Registry,
    pub(super) build_info: Family<Labels<1>, Gauge>,
    pub(super) start_time: Number,
    pub(super) reload_ok: Gauge,
    pub(super) reload_time: Number,
    pub(super) job_last_success: Family<Labels<4>, Number>,
    pub(super) job_age: Family<Labels<4>, Number>,
    pub(super) job_duration: Family<Labels<4>, Number>,
    pub(super) job_next_run: Family<Labels<4>, Number>,
    pub(super) jobs: Family<Labels<1>, Gauge>,
    pub(super) series: Gauge,
    pub(super) dollars_today: Family<Labels<1>, Number>,
    pub(super) dollars_a_month: Family<Labels<1>, Number>,
    pub(super) job_runs: Family<Labels<4>, Counter>,
    pub(super) job_overlaps: Family<Labels<4>, Counter>,
    pub(super) job_failures: Family<Labels<5>, Counter>,
    pub(super) job_series: Family<Labels<3>, Gauge>,
    pub(super) job_resources: Family<Labels<3>, Gauge>,
    pub(super) job_left_out: Family<Labels<3>, Gauge>,
    pub(super) api_calls: Family<Labels<4>, Counter>,
    pub(super) api_retries: Family<Labels<4>, Counter>,
    pub(super) api_throttles: Family<Labels<4>, Counter>,
    pub(super) api_failures: Family<Labels<5>, Counter>,
    pub(super) api_duration: Latencies,
    pub(super) requested: Family<Labels<3>, Counter>,
    pub(super) series_returned: Family<Labels<2>, Counter>,
    pub(super) series_not_shown: Family<Labels<4>, Counter>,
    pub(super) dollars: Family<Labels<4>, Sum>,
    pub(super) page_renders: Family<Labels<3>, Counter>,
    pub(super) page_render_time: Family<Labels<3>, Sum>,
    pub(super) http_closed: Family<Labels<1>, Counter>,
    pub(super) http_connections: Gauge,
    pub(super) http_refused: Family<Labels<1>, Counter>,
    pub(super) leader: Gauge,
    pub(super) lease_failures: Family<Labels<1>, Counter>,
    pub(super) state_failed: Counter,
    pub(super) state_ignored: Family<Labels<1>, Counter>,
    pub(super) state_writes: Counter,
    pub(super) duplicate_samples: Counter,
    pub(super) collapsed_families: Counter,
    pub(super) dropped_labels: Counter,
    pub(super) dropped_families: Counter,
    pub(super) host_failures: Family<Labels<1>, Counter>,
    /// These have no labels; a family without a member is not shown, so that only an agent has them.
    pub(super) push_dollars: Family<Labels<0>, Number>,
    pub(super) push_failures: Family<Labels<1>, Counter>,
    pub(super) push_last_sent: Family<Labels<0>, Number>,
    pub(super) push_lost: Family<Labels<1>, Counter>,
    pub(super) pushed: Family<Labels<0>, Gauge>,
    pub(super) push_queue: Family<Labels<0>, Gauge>,
    pub(super) push_queue_bytes: Family<Labels<1>, Gauge>,
    pub(super) push_sent: Family<Labels<0>, Counter>,
    pub(super) statsd_lost: Family<Labels<1>, Counter>,
}

/// Histograms of latencies: a family that knows its buckets.
pub(super) struct Latencies(pub(super) Family<Labels<1>, Histogram, fn() -> Histogram>);

impl Default for Latencies {
    fn default() -> Self {
        Self(Family::new_with_constructor(|| Histogram::new(API_DURATION_BUCKETS)))
    }
}

impl Metrics {
    /// All registered, nothing counted.
    pub(super) fn new() -> Self {
        let mut m = Self::default();
        let r = &mut m.registry;
        register(r, &BUILD_INFO, &m.build_info);
        register(r, &START_TIME, &m.start_time);
        register(r, &RELOAD_OK, &m.reload_ok);
        register(r, &RELOAD_TIME, &m.reload_time);
        register(r, &JOB_LAST_SUCCESS, &m.job_last_success);
        register(r, &JOB_AGE, &m.job_age);
        register(r, &JOB_DURATION, &m.job_duration);
        register(r, &JOB_NEXT_RUN, &m.job_next_run);
        register(r, &JOBS, &m.jobs);
        register(r, &SERIES, &m.series);
        register(r, &DOLLARS_TODAY, &m.dollars_today);
        register(r, &DOLLARS_A_MONTH, &m.dollars_a_month);
        register(r, &JOB_RUNS, &m.job_runs);
        register(r, &JOB_OVERLAPS, &m.job_overlaps);
        register(r, &JOB_FAILURES, &m.job_failures);
        register(r, &JOB_SERIES, &m.job_series);
        register(r, &JOB_RESOURCES, &m.job_resources);
        register(r, &JOB_LEFT_OUT, &m.job_left_out);
        register(r, &API_CALLS, &m.api_calls);
        register(r, &API_RETRIES, &m.api_retries);
        register(r, &API_THROTTLES, &m.api_throttles);
        register(r, &API_FAILURES, &m.api_failures);
        register(r, &API_DURATION, &m.api_duration.0);
        register(r, &METRICS_REQUESTED, &m.requested);
        register(r, &SERIES_RETURNED, &m.series_returned);
        register(r, &SERIES_NOT_SHOWN, &m.series_not_shown);
        register(r, &DOLLARS, &m.dollars);
        register(r, &PAGE_RENDERS, &m.page_renders);
        register(r, &PAGE_RENDER_TIME, &m.page_render_time);
        register(r, &HTTP_CLOSED, &m.http_closed);
        register(r, &HTTP_CONNECTIONS, &m.http_connections);
        register(r, &HTTP_REFUSED, &m.http_refused);
        register(r, &LEADER, &m.leader);
        register(r, &LEASE_FAILURES, &m.lease_failures);
        register(r, &STATE_FAILED, &m.state_failed);
        register(r, &STATE_IGNORED, &m.state_ignored);
        register(r, &STATE_WRITES, &m.state_writes);
        register(r, &DUPLICATE_SAMPLES, &m.duplicate_samples);
        register(r, &COLLAPSED_FAMILIES, &m.collapsed_families);
        register(r, &DROPPED_LABELS, &m.dropped_labels);
        register(r, &DROPPED_FAMILIES, &m.dropped_families);
        register(r, &HOST_FAILURES, &m.host_failures);
        register(r, &PUSH_DOLLARS, &m.push_dollars);
        register(r, &PUSH_FAILURES, &m.push_failures);
        register(r, &PUSH_LAST_SENT, &m.push_last_sent);
        register(r, &PUSH_LOST, &m.push_lost);
        register(r, &PUSH_METRICS, &m.pushed);
        register(r, &PUSH_QUEUE, &m.push_queue);
        register(r, &PUSH_QUEUE_BYTES, &m.push_queue_bytes);
        register(r, &PUSH_SENT, &m.push_sent);
        register(r, &STATSD_LOST, &m.statsd_lost);
        m
    }

    /// The library's own text: OpenMetrics without the final mark.
    pub(super) fn encode(&self) -> String {
        let mut text = String::new();
        // Writing into a String cannot fail, and our labels are plain text.
        let _ = encode_registry(&mut text, &self.registry);
        text
    }
}

/// The library puts `_total` behind the names of counters by itself.
fn register<M: Metric + Clone>(registry: &mut Registry, description: &Description, metric: &M) {
    let name = match description.kind {
        Type::Counter => description.name.strip_suffix("_total").unwrap_or(description.name),
        Type::Gauge | Type::Histogram => description.name,
    };
    registry.register(name, description.help, metric.clone());
}

/// A quotient of whole numbers, as exact as a number on a page needs to be.
#[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 stay below 2^53 for 280,000 years")]
pub(super) fn fraction_of(dividend: i64, divisor: i64) -> f64 {
    dividend as f64 / divisor as f64
}
