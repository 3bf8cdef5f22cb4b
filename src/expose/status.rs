//! What the page for people shows, as values: the JSON at `/api/v1/status` is this, and the page is a drawing of that JSON.
//! `docs/status.md` describes every field, a test compares. Pure: values in, text out.
//!
//! The page itself (`status.html`, `status.css`, `status.js`) is the same for everybody; its data stand in it as a block of
//! JSON, so that it is complete with one request. It loads nothing from elsewhere and runs under the strictest policy.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

/// Where the JSON is.
pub const API_PATH: &str = "/api/v1/status";
/// Where it can be asked why a metric is missing.
pub const EXPLAIN_PATH: &str = "/api/v1/explain";

const TEMPLATE: &str = include_str!("status.html");
const STYLE: &str = include_str!("status.css");
const SCRIPT: &str = include_str!("status.js");

/// What a browser may do with the page: run this one script, use this one style sheet, ask us. Nothing else.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = |text: &str| BASE64_STANDARD.encode(Sha256::digest(text.as_bytes()));
    format!(
        "default-src 'none'; script-src 'sha256-{}'; style-src 'sha256-{}'; connect-src 'self'; img-src data:; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        hash(SCRIPT),
        hash(STYLE)
    )
});

/// What the page shows.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Status {
    /// The program's version.
    pub version: String,
    /// The configuration file, or what else it runs on.
    pub source: String,
    /// Something to say above everything else, such as "this is a simulated cloud".
    pub notice: Option<String>,
    /// Whether every job had its first collection, or gave it up.
    pub is_ready: bool,
    /// Now, in Unix time.
    pub now_timestamp_seconds: f64,
    /// Since the start.
    pub uptime_seconds: f64,
    /// What the process takes of the machine's memory.
    pub resident_memory_bytes: Option<f64>,
    /// The configuration.
    pub configuration: Configuration,
    /// Series with a value.
    pub series: usize,
    /// Resources in all inventories.
    pub resources: usize,
    /// What the calls cost by list price.
    pub cost: Cost,
    /// Calls of cloud APIs since the start.
    pub api: Api,
    /// The jobs, in the order of the configuration.
    pub jobs: Vec<JobStatus>,
    /// What the agent does; `None` where there is none.
    pub agent: Option<PushStatus>,
    /// The last hours.
    pub history: History,
}

/// How the configuration is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Configuration {
    /// Why the last reload was refused; `None` when it was not.
    pub reload_error: Option<String>,
    /// What is worth a look in the file or on the command line.
    pub warnings: Vec<String>,
}

/// What calls cost, under both readings of the price list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Cost {
    /// Every statistic is billed.
    pub per_statistic: Dollars,
    /// Up to five statistics of one metric in one request are billed as one.
    pub per_block: Dollars,
}

/// Dollars under one reading.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Dollars {
    /// Since the start.
    pub since_start_dollars: f64,
    /// Since midnight UTC, or the start where that was later.
    pub today_dollars: f64,
    /// Thirty days at the rate of the last hours; `None` while that cannot be told.
    pub month_dollars: Option<f64>,
}

/// Calls since the start.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Api {
    /// Each page counted, retries not.
    pub calls: u64,
    /// After all attempts.
    pub failed_calls: u64,
    /// Attempts after the first.
    pub retries: u64,
    /// Throttled attempts.
    pub throttles: u64,
    /// The same for each operation.
    pub operations: Vec<Operation>,
}

/// Calls of one operation.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Operation {
    /// The API: `cloudwatch`.
    pub service: &'static str,
    /// Its operation: `GetMetricData`.
    pub operation: &'static str,
    /// As in [`Api`].
    pub calls: u64,
    /// As in [`Api`].
    pub failed_calls: u64,
    /// As in [`Api`].
    pub retries: u64,
    /// As in [`Api`].
    pub throttles: u64,
    /// By list price, every statistic counted.
    pub dollars: f64,
}

/// What the agent does.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct PushStatus {
    /// Where it writes.
    pub namespace: String,
    /// Different metrics in the last hour.
    pub metrics: usize,
    /// What they cost by list price.
    pub dollars_per_month: f64,
    /// Data that arrived since the start.
    pub sent_data: usize,
    /// Data that will never be sent.
    pub lost_data: usize,
    /// Data in the queue.
    pub waiting_data: usize,
    /// Since data last arrived.
    pub last_sent_age_seconds: Option<f64>,
    /// What went wrong last; `None` since data arrived again.
    pub failure: Option<JobError>,
}

/// How a job is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Its last runs were without failures.
    Good,
    /// Its last discovery or fetch was not.
    Failing,
    /// No fetch has ended yet.
    #[default]
    Waiting,
}

/// A job in one place.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct JobStatus {
    /// `aws` or `gcp`.
    pub cloud: &'static str,
    /// What kind of job: `discovery`, `custom`, `static`, …
    pub kind: String,
    /// Its name: the label `job` of its metrics.
    pub job: String,
    /// Its region.
    pub region: String,
    /// The account's id, the role or the project; empty: the process's own.
    pub account: String,
    /// How it is.
    pub state: State,
    /// Series with a value.
    pub series: Option<usize>,
    /// Resources that the last discovery found.
    pub resources: Option<usize>,
    /// Series beyond its maxSeries.
    pub left_out_series: usize,
    /// The last discovery.
    pub discover: Run,
    /// The last fetch.
    pub fetch: Run,
    /// What went wrong in the last hour, the newest first; what went wrong in the last runs, first of all.
    pub failures: Vec<JobFailure>,
    /// What is worth knowing without being wrong.
    pub note: Option<String>,
}

/// One of the two kinds of run of a job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Run {
    /// Since the last run ended; `None`: there was none.
    pub last_run_age_seconds: Option<f64>,
    /// How long it took.
    pub last_run_duration_seconds: Option<f64>,
    /// Since a run last ended without failures; `None`: none did.
    pub last_success_age_seconds: Option<f64>,
    /// Until the next one begins; 0 while one goes on, `None` before the first one has ended.
    pub next_run_seconds: Option<f64>,
}

/// What went wrong in the runs of a job.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct JobFailure {
    /// `discover` or `fetch`.
    pub run: &'static str,
    /// The class: one of the fixed set of `raingauge_job_failures_total`.
    pub reason: &'static str,
    /// What was tried, on what, and why it failed.
    pub message: String,
    /// What to do about it.
    pub fix: String,
    /// How often, in the last run in which it occurred.
    pub count: usize,
    /// Whether that was the last run.
    pub is_current: bool,
    /// Since that run.
    pub age_seconds: f64,
}

/// What went wrong, and what to do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct JobError {
    /// What was tried, on what, and why it failed.
    pub message: String,
    /// What to do about it.
    pub fix: String,
}

/// The last hours, as rows of numbers: the oldest first, each about one step.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct History {
    /// Time between two numbers.
    pub step_seconds: u64,
    /// Since the newest step ended.
    pub age_seconds: f64,
    /// Series with a value, at the end of the step.
    pub series: Vec<usize>,
    /// Calls of cloud APIs in the step.
    pub calls: Vec<u64>,
    /// Throttled attempts in the step.
    pub throttles: Vec<u64>,
    /// Failures of jobs in the step.
    pub failures: Vec<u64>,
    /// Dollars in the step, every statistic counted.
    pub dollars: Vec<f64>,
}

/// The JSON.
pub fn json(status: &Status) -> String {
    // Plain structs with text keys: there is nothing that could fail.
    serde_json::to_string(status).unwrap_or_default()
}

/// The page that draws this JSON; `to_root` leads from where it is to `/`, `metrics` from there to the metrics.
pub fn html(json: &str, to_root: &str, metrics: &str) -> String {
    // Nothing in the block can end it.
    let data = json.replace('<', "\\u003c");
    let api = format!("{to_root}{}", API_PATH.trim_start_matches('/'));
    let explain = format!("{to_root}{}", EXPLAIN_PATH.trim_start_matches('/'));
    let metrics = format!("{to_root}{}", metrics.trim_start_matches('/'));
    let pieces = [
        ("STYLE", STYLE.to_owned()),
        ("SCRIPT", SCRIPT.to_owned()),
        ("API", Escaped(&api).to_string()),
        ("EXPLAIN", Escaped(&explain).to_string()),
        ("METRICS", Escaped(&metrics).to_string()),
        ("DATA", data),
    ];
    let size = TEMPLATE.len() + pieces.iter().map(|(_, text)| text.len()).sum::<usize>();
    let mut out = String::with_capacity(size);
    // `{{NAME}}` in the template, and only there: what is put in is never looked at again.
    let mut parts = TEMPLATE.split("{{");
    out.extend(parts.next());
    for part in parts {
        let (name, rest) = part.split_once("}}").unwrap_or((part, ""));
        out.extend(pieces.iter().find(|(known, _)| *known == name).map(|(_, text)| text.as_str()));
        out.push_str(rest);
    }
    out
}

/// The page's Content-Security-Policy.
pub fn policy() -> &'static str {
    &POLICY
}

/// What YACE answers wherever it has nothing else to say.
pub fn yace_landing(version: &str) -> String {
    format!(
        "<html lang=\"en\">\n<head><title>Yet Another CloudWatch Exporter</title></head>\n<body>\n\
         <h1>Yet Another CloudWatch Exporter, as served by raingauge</h1>\n<p>Version: {}</p>\n\
         <p><a href=\"/metrics\">Metrics</a> · <a href=\"/\">Status</a></p>\n</body>\n</html>\n",
        Escaped(version)
    )
}

/// What stackdriver_exporter answers at `/`: the way to its metrics. Probes ask it often.
pub fn stackdriver_landing(cloud_path: &str, telemetry_path: &str) -> String {
    let cloud = format!("<li><a href=\"{}\">Metrics</a></li>", Escaped(cloud_path));
    let own = format!("<li><a href=\"{}\">raingauge's own metrics</a></li>", Escaped(telemetry_path));
    format!(
        "<html lang=\"en\">\n<head><title>Stackdriver Exporter</title></head>\n<body>\n\
         <h1>Stackdriver Exporter, as served by raingauge {}</h1>\n<ul>{cloud}{}\
         <li><a href=\"/-/status\">Status</a></li></ul>\n</body>\n</html>\n",
        env!("CARGO_PKG_VERSION"),
        if cloud_path == telemetry_path { "" } else { &own },
    )
}

/// Text in HTML, also inside of quoted attributes.
struct Escaped<'a>(&'a str);

impl std::fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        use std::fmt::Write as _;
        for c in self.0.chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
