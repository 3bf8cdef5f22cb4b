//! stackdriver_exporter's command line: its flags with their defaults, and its messages. Ours are three more:
//! `--google.endpoint`, `--collect.on-scrape` and `--state-dir`.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use super::kingpin::{self, Flag, Kind, Signed, Values};
use super::{Command, Exit, Log, LogFormat, LogLevel};

/// The program whose place is taken.
const PROGRAM: &str = "stackdriver_exporter";
const DEFAULT_PATH: &str = "/metrics";
const DEFAULT_UNIVERSE: &str = "googleapis.com";

/// stackdriver_exporter's flags, after its own checks.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "they are switches of a command line, one to one")]
pub struct StackdriverRun {
    /// `--web.listen-address`.
    pub listen_addresses: Vec<String>,
    /// `--web.config.file`; empty: none.
    pub web_config_file: String,
    /// `--web.systemd-socket`.
    pub systemd_socket: bool,
    /// `--web.telemetry-path`.
    pub telemetry_path: String,
    /// `--web.stackdriver-telemetry-path`.
    pub cloud_path: String,
    /// `--google.project-ids`, then `--google.project-id`.
    pub projects: Vec<String>,
    /// `--google.projects.filter`; empty: none.
    pub projects_filter: String,
    /// `--google.universe-domain`, or the variable where that is empty.
    pub universe_domain: String,
    /// `--google.endpoint`, or the variable.
    pub endpoint: Option<String>,
    /// `--stackdriver.max-retries`; `None`: not given.
    pub max_retries: Option<u32>,
    /// `--stackdriver.http-timeout`; zero: none; `None`: not given.
    pub http_timeout: Option<Duration>,
    /// `--stackdriver.max-backoff`.
    pub max_backoff: Duration,
    /// `--stackdriver.backoff-jitter`.
    pub backoff_jitter: Duration,
    /// `--stackdriver.retry-statuses`; empty: not given.
    pub retry_statuses: Vec<u16>,
    /// `--monitoring.metrics-prefixes`, then `--monitoring.metrics-type-prefixes`.
    pub prefixes: Vec<String>,
    /// `--monitoring.metrics-interval`.
    pub interval: Signed,
    /// `--monitoring.metrics-offset`.
    pub offset: Signed,
    /// `--monitoring.metrics-ingest-delay`.
    pub ingest_delay: bool,
    /// `--collector.fill-missing-labels`.
    pub fill_missing_labels: bool,
    /// `--monitoring.drop-delegated-projects`.
    pub drop_delegated_projects: bool,
    /// `--monitoring.filters`.
    pub filters: Vec<String>,
    /// `--monitoring.aggregate-deltas`.
    pub aggregate_deltas: bool,
    /// `--monitoring.aggregate-deltas-ttl`.
    pub aggregate_deltas_ttl: Duration,
    /// `--monitoring.descriptor-cache-ttl`.
    pub descriptor_cache_ttl: Duration,
    /// `--monitoring.descriptor-cache-only-google`.
    pub descriptor_cache_only_google: bool,
    /// `--collect.on-scrape`.
    pub on_scrape: bool,
    /// `--state-dir`.
    pub state_dir: Option<PathBuf>,
    /// The log.
    pub log: Log,
    /// What to warn about once there is a log.
    pub warnings: Vec<String>,
}

const fn flag(name: &'static str, kind: Kind, default: &'static str, help: &'static str) -> Flag {
    Flag { name, kind, default, help }
}

const FLAGS: [Flag; 35] = [
    flag("help", Kind::Switch, "", "show this text"),
    flag("help-long", Kind::Switch, "", ""),
    flag("help-man", Kind::Switch, "", ""),
    flag("web.systemd-socket", Kind::Switch, "", "listen on the sockets that systemd hands over"),
    flag("web.listen-address", Kind::Texts, ":9255", "where to serve; may be repeated"),
    flag("web.config.file", Kind::Text, "\"\"", "TLS and authentication"),
    flag("web.telemetry-path", Kind::Text, "\"/metrics\"", "path of the program's own metrics"),
    flag("web.stackdriver-telemetry-path", Kind::Text, "\"/metrics\"", "path of the cloud's metrics"),
    flag("google.project-id", Kind::Text, "", "deprecated: projects, separated by commas; use google.project-ids"),
    flag("google.project-ids", Kind::Texts, "", "a project; may be repeated"),
    flag("google.projects.filter", Kind::Text, "", "filter that finds further projects"),
    flag("google.universe-domain", Kind::Text, "\"googleapis.com\"", "domain of the APIs"),
    flag("google.endpoint", Kind::Text, "", "base URL of all APIs (ours)"),
    flag("stackdriver.max-retries", Kind::Integer, "0", "further attempts at a call"),
    flag("stackdriver.http-timeout", Kind::Duration, "10s", "time for a call with its further attempts"),
    flag("stackdriver.max-backoff", Kind::Duration, "5s", "longest pause before a further attempt"),
    flag("stackdriver.backoff-jitter", Kind::Duration, "1s", "first pause before a further attempt"),
    flag(
        "stackdriver.retry-statuses",
        Kind::Integers,
        "503",
        "status that is worth a further attempt; may be repeated",
    ),
    flag(
        "monitoring.metrics-type-prefixes",
        Kind::Text,
        "",
        "deprecated: prefixes, separated by commas; use monitoring.metrics-prefixes",
    ),
    flag("monitoring.metrics-prefixes", Kind::Texts, "", "beginning of the metric types to collect; may be repeated"),
    flag("monitoring.metrics-interval", Kind::Duration, "5m0s", "width of the window; its newest point is shown"),
    flag("monitoring.metrics-offset", Kind::Duration, "0s", "how far the window lies in the past"),
    flag("monitoring.metrics-ingest-delay", Kind::Switch, "", "and further by the metric's own delay"),
    flag("collector.fill-missing-labels", Kind::Switch, "", "give the series of a metric the same labels (default)"),
    flag("monitoring.drop-delegated-projects", Kind::Switch, "", "leave out the series of other projects"),
    flag("monitoring.filters", Kind::Texts, "", "PREFIX:FILTER for the metrics with that prefix; may be repeated"),
    flag("monitoring.aggregate-deltas", Kind::Switch, "", "make counters of DELTA metrics"),
    flag("monitoring.aggregate-deltas-ttl", Kind::Duration, "30m0s", "how long a silent counter stays"),
    flag("monitoring.descriptor-cache-ttl", Kind::Duration, "0s", "how long a list of metrics is good"),
    flag("monitoring.descriptor-cache-only-google", Kind::Switch, "", "only for Google's own metrics (default)"),
    flag("collect.on-scrape", Kind::Switch, "", "collect at each scrape, as stackdriver_exporter does (ours)"),
    flag("state-dir", Kind::Text, "", "directory for what outlives a restart (ours)"),
    flag("log.level", Kind::Text, "info", "debug, info, warn or error"),
    flag("log.format", Kind::Text, "logfmt", "logfmt or json"),
    flag("version", Kind::Switch, "", "print the version"),
];

/// Reads the arguments after the program's name (or after the word `stackdriver_exporter`); `file` reads an `@file`.
pub(super) fn parse(
    args: &[OsString],
    env: &dyn Fn(&str) -> Option<String>,
    file: &dyn Fn(&str) -> Result<String, String>,
) -> Result<Command, Exit> {
    let args: Vec<String> = args.iter().map(|a| a.to_string_lossy().into_owned()).collect();
    let parsed = kingpin::parse(&FLAGS, &args, file);
    let values = &parsed.values;
    let is_on = |name| values.switch(name) == Some(true);
    if is_on("version") {
        return Err(says(version()));
    }
    if is_on("help-long") || is_on("help-man") {
        return Err(says(usage()));
    }
    if let Some(mistake) = parsed.mistake {
        return Err(fails(&mistake));
    }
    if is_on("help") {
        return Err(says(usage()));
    }
    let run = run(values, env).map_err(|mistake| fails(&mistake))?;
    if run.prefixes.is_empty() {
        let what = "metrics_prefixes must have at least one entry";
        let line =
            format!("level=ERROR msg=\"invalid configuration\" err=\"{what}: give --monitoring.metrics-prefixes\"\n");
        return Err(Exit { code: 1, stdout: String::new(), stderr: line });
    }
    Ok(Command::StackdriverRun(Box::new(run)))
}

fn run(values: &Values, env: &dyn Fn(&str) -> Option<String>) -> Result<StackdriverRun, String> {
    let text = |name: &str, default: &str| values.text(name).unwrap_or(default).to_owned();
    let duration = |name: &str, default| Ok::<_, String>(values.duration(name)?.unwrap_or(Signed::new(default)));
    let length = |name: &str, default| Ok::<_, String>(duration(name, default)?.or_zero());
    let set = |name: &str| env(name).filter(|value| !value.is_empty());
    let mut warnings = Vec::new();
    let seconds = Duration::from_secs;
    Ok(StackdriverRun {
        listen_addresses: match values.texts("web.listen-address") {
            none if none.is_empty() => vec![":9255".to_owned()],
            some => some,
        },
        web_config_file: text("web.config.file", ""),
        systemd_socket: values.switch("web.systemd-socket").unwrap_or(false),
        telemetry_path: text("web.telemetry-path", DEFAULT_PATH),
        cloud_path: text("web.stackdriver-telemetry-path", DEFAULT_PATH),
        projects: both(values, "google.project-ids", "google.project-id", &mut warnings),
        projects_filter: unquoted(values.text("google.projects.filter").unwrap_or_default()).to_owned(),
        universe_domain: match values.text("google.universe-domain") {
            Some("") => set("GOOGLE_CLOUD_UNIVERSE_DOMAIN").unwrap_or_else(|| DEFAULT_UNIVERSE.to_owned()),
            given => given.unwrap_or(DEFAULT_UNIVERSE).to_owned(),
        },
        endpoint: values
            .text("google.endpoint")
            .filter(|url| !url.is_empty())
            .map(str::to_owned)
            .or_else(|| set("CLOUDSDK_API_ENDPOINT_OVERRIDES_MONITORING")),
        max_retries: values.integers("stackdriver.max-retries")?.first().map(|n| u32::try_from(*n).unwrap_or(0)),
        http_timeout: values.duration("stackdriver.http-timeout")?.map(Signed::or_zero),
        max_backoff: length("stackdriver.max-backoff", seconds(5))?,
        backoff_jitter: length("stackdriver.backoff-jitter", seconds(1))?,
        retry_statuses: statuses(&values.integers("stackdriver.retry-statuses")?),
        prefixes: both(values, "monitoring.metrics-prefixes", "monitoring.metrics-type-prefixes", &mut warnings),
        interval: duration("monitoring.metrics-interval", seconds(300))?,
        offset: duration("monitoring.metrics-offset", Duration::ZERO)?,
        ingest_delay: values.switch("monitoring.metrics-ingest-delay").unwrap_or(false),
        fill_missing_labels: values.switch("collector.fill-missing-labels").unwrap_or(true),
        drop_delegated_projects: values.switch("monitoring.drop-delegated-projects").unwrap_or(false),
        filters: values.texts("monitoring.filters"),
        aggregate_deltas: values.switch("monitoring.aggregate-deltas").unwrap_or(false),
        aggregate_deltas_ttl: length("monitoring.aggregate-deltas-ttl", seconds(1800))?,
        descriptor_cache_ttl: length("monitoring.descriptor-cache-ttl", Duration::ZERO)?,
        descriptor_cache_only_google: values.switch("monitoring.descriptor-cache-only-google").unwrap_or(true),
        on_scrape: values.switch("collect.on-scrape").unwrap_or(false),
        state_dir: values
            .text("state-dir")
            .map(str::to_owned)
            .or_else(|| set("RAINGAUGE_STATE_DIR"))
            .filter(|dir| !dir.is_empty())
            .map(PathBuf::from),
        log: log(values)?,
        warnings,
    })
}

/// The values of a flag, then those of its predecessor, which separated them by commas.
fn both(values: &Values, name: &str, deprecated: &str, warnings: &mut Vec<String>) -> Vec<String> {
    let mut all = values.texts(name);
    if let Some(list) = values.text(deprecated).filter(|list| !list.is_empty()) {
        warnings.push(format!("The {deprecated} flag is deprecated and will be replaced by {name}."));
        all.extend(list.split(',').map(str::to_owned));
    }
    all
}

/// A chart that no shell reads puts its quotes into the filter.
fn unquoted(filter: &str) -> &str {
    filter.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')).unwrap_or(filter)
}

/// Numbers that are no HTTP status never come back from a server.
fn statuses(numbers: &[i64]) -> Vec<u16> {
    numbers.iter().filter_map(|n| u16::try_from(*n).ok()).collect()
}

fn log(values: &Values) -> Result<Log, String> {
    let level = match values.text("log.level").unwrap_or("info").to_ascii_lowercase().as_str() {
        "debug" => LogLevel::Debug,
        "info" => LogLevel::Info,
        "warn" => LogLevel::Warn,
        "error" => LogLevel::Error,
        other => return Err(format!("unrecognized log level {other}")),
    };
    let format = match values.text("log.format").unwrap_or("logfmt") {
        "logfmt" => LogFormat::Logfmt,
        "json" => LogFormat::Json,
        other => return Err(format!("unrecognized log format {other}")),
    };
    Ok(Log { level, format })
}

fn says(stdout: String) -> Exit {
    Exit { code: 0, stdout, stderr: String::new() }
}

fn fails(what: &str) -> Exit {
    Exit { code: 1, stdout: String::new(), stderr: format!("{PROGRAM}: error: {what}, try --help\n") }
}

/// In the shape that scripts expect, with our own version.
fn version() -> String {
    format!(
        "{PROGRAM}, version {} (branch: raingauge, revision: none)\n  build user:       raingauge\n  \
         build date:       \n  go version:       none\n  platform:         {}/{}\n  tags:             none\n",
        env!("CARGO_PKG_VERSION"),
        super::PLATFORM.0,
        super::PLATFORM.1,
    )
}

fn usage() -> String {
    let mut text = format!("usage: {PROGRAM} [<flags>]\n\nraingauge in the place of {PROGRAM}\n\nFlags:\n");
    for flag in FLAGS.iter().filter(|flag| !flag.help.is_empty()) {
        let (short, no) =
            (if flag.name == "help" { "-h, " } else { "    " }, if flag.kind == Kind::Switch { "[no-]" } else { "" });
        let value = match (flag.kind, flag.default) {
            (Kind::Switch, _) => String::new(),
            (_, "") => format!("={}", flag.name.to_uppercase()),
            (_, default) => format!("={default}"),
        };
        let more = if matches!(flag.kind, Kind::Texts | Kind::Integers) { " ..." } else { "" };
        // Writing to a String cannot fail.
        let _ =
            writeln!(text, "  {short}--{no}{}{value}{more}\n                                 {}", flag.name, flag.help);
    }
    text
}
