//! YACE's command line: its flags with their defaults, its commands, its checks. What it accepts and ignores (old feature
//! names, stray words) is accepted and ignored; what would make it crash is an error.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use super::goflag::{self, Flag, Kind, Values};
use super::{Command, Exit, Limits, Log, LogFormat, LogLevel, YaceRun};

const DEFAULT_CONFIG: &str = "config.yml";
const DEFAULT_LISTEN: &str = ":5000";

const fn flag(name: &'static str, kind: Kind, default: &'static str, help: &'static str) -> Flag {
    Flag { name, kind, env: None, default, help }
}

/// A flag that can also be set by a variable of the same name.
const fn env_flag(name: &'static str, kind: Kind, default: &'static str, help: &'static str) -> Flag {
    Flag { name, kind, env: Some(name), default, help }
}

const HELP: Flag = flag("help", Kind::Switch, "", "show this text");
const H: Flag = flag("h", Kind::Switch, "", "");

const FLAGS: [Flag; 21] = [
    env_flag("listen-address", Kind::Text, DEFAULT_LISTEN, "address to listen on"),
    env_flag("config.file", Kind::Text, DEFAULT_CONFIG, "path of the configuration"),
    flag("log.level", Kind::Text, "info", "debug, info, warn or error"),
    flag("log.format", Kind::Text, "json", "json or logfmt"),
    flag("fips", Kind::Switch, "", "use FIPS endpoints"),
    flag("cloudwatch-concurrency", Kind::Integer, "5", "CloudWatch calls in flight, each API alike"),
    flag("cloudwatch-concurrency.per-api-limit-enabled", Kind::Switch, "", "use the three limits that follow instead"),
    flag("cloudwatch-concurrency.list-metrics-limit", Kind::Integer, "5", "ListMetrics calls in flight"),
    flag("cloudwatch-concurrency.get-metric-data-limit", Kind::Integer, "5", "GetMetricData calls in flight"),
    flag(
        "cloudwatch-concurrency.get-metric-statistics-limit",
        Kind::Integer,
        "5",
        "GetMetricStatistics calls in flight",
    ),
    flag("tag-concurrency", Kind::Integer, "5", "tagging calls in flight"),
    env_flag("scraping-interval", Kind::Integer, "300", "seconds between two collections"),
    env_flag("metrics-per-query", Kind::Integer, "500", "metrics in one GetMetricData call, at most 500"),
    flag("labels-snake-case", Kind::Switch, "", "write labels in snake_case"),
    flag("profiling.enabled", Kind::Switch, "", "accepted, without effect"),
    flag("enable-feature", Kind::List, "", "features to switch on, separated by commas"),
    Flag {
        env: Some("RAINGAUGE_STATE_DIR"),
        ..flag("state-dir", Kind::Text, "", "keep values, inventories and times there, so that they survive a restart")
    },
    HELP,
    H,
    flag("version", Kind::Switch, "", "print the version"),
    flag("v", Kind::Switch, "", ""),
];

const VERIFY_FLAGS: [Flag; 3] = [flag("config.file", Kind::Text, DEFAULT_CONFIG, "path of the configuration"), HELP, H];

/// Reads the arguments after the program's name (or after the word `yace`).
pub(super) fn parse(args: &[OsString], env: &dyn Fn(&str) -> Option<String>) -> Result<Command, Exit> {
    let args: Vec<String> = args.iter().map(|a| a.to_string_lossy().into_owned()).collect();
    let (values, rest) = goflag::parse(&FLAGS, &args, env).map_err(|e| incorrect_usage(&e, &usage()))?;
    if values.switch("help") || values.switch("h") {
        return Err(says(usage()));
    }
    if values.switch("version") || values.switch("v") {
        return Err(says(format!("raingauge version {}\n", env!("CARGO_PKG_VERSION"))));
    }
    match rest.split_first() {
        Some((word, after)) if matches!(&**word, "verify-config" | "vc") => verify(&values, after),
        Some((word, after)) if matches!(&**word, "version" | "v") => {
            command_without_flags(after)?;
            Err(says(format!("{}\n", env!("CARGO_PKG_VERSION"))))
        }
        Some((word, after)) if matches!(&**word, "help" | "h") => Err(help(command_without_flags(after)?)),
        // Any other word is ignored, with what follows it: so it is in YACE.
        _ => run(&values).map(|run| Command::YaceRun(Box::new(run))),
    }
}

/// The words after a command that knows no flag but the one for help.
fn command_without_flags(args: &[String]) -> Result<&[String], Exit> {
    let (values, rest) = goflag::parse(&[HELP, H], args, &|_| None).map_err(|e| incorrect_usage(&e, &usage()))?;
    if values.switch("help") || values.switch("h") { Err(says(usage())) } else { Ok(rest) }
}

fn help(topics: &[String]) -> Exit {
    match topics.first().map(|t| &**t) {
        None | Some("help" | "h" | "version" | "v") => says(usage()),
        Some("verify-config" | "vc") => says(verify_usage()),
        Some(topic) => Exit { code: 3, stdout: String::new(), stderr: format!("No help topic for '{topic}'\n") },
    }
}

/// A `-config.file` before the word counts, too, which YACE forgets.
fn verify(global: &Values, args: &[String]) -> Result<Command, Exit> {
    let (values, _) =
        goflag::parse(&VERIFY_FLAGS, args, &|_| None).map_err(|e| incorrect_usage(&e, &verify_usage()))?;
    if values.switch("help") || values.switch("h") {
        return Err(says(verify_usage()));
    }
    let config = values.text("config.file").or_else(|| global.text("config.file")).unwrap_or(DEFAULT_CONFIG);
    Ok(Command::YaceVerify { config: config.into(), log: log(global)? })
}

fn run(values: &Values) -> Result<YaceRun, Exit> {
    let log = log(values)?;
    let mut warnings = Vec::new();
    let per_api = "cloudwatch-concurrency.per-api-limit-enabled";
    if values.is_given("cloudwatch-concurrency") && values.is_given(per_api) {
        warnings.push(format!("both -cloudwatch-concurrency and -{per_api} are given: the limits of each API count"));
    }
    let metrics_per_query = positive(values, "metrics-per-query", 500)?;
    let tagging = positive(values, "tag-concurrency", 5)?;
    let limits = if values.switch(per_api) {
        Limits {
            list_metrics: positive(values, "cloudwatch-concurrency.list-metrics-limit", 5)?,
            get_metric_data: positive(values, "cloudwatch-concurrency.get-metric-data-limit", 5)?,
            get_metric_statistics: positive(values, "cloudwatch-concurrency.get-metric-statistics-limit", 5)?,
            tagging,
        }
    } else {
        let all = positive(values, "cloudwatch-concurrency", 5)?;
        // YACE applies this limit here, too; the default of five was surely not meant to undo a larger number.
        let data = values.integer("cloudwatch-concurrency.get-metric-data-limit", i64::from(all));
        let data = u32::try_from(data).ok().filter(|n| *n > 0).map_or(all, |n| n.min(all));
        Limits { list_metrics: all, get_metric_data: data, get_metric_statistics: all, tagging }
    };
    let scraping_interval = positive(values, "scraping-interval", 300)?;
    Ok(YaceRun {
        config: values.text("config.file").unwrap_or(DEFAULT_CONFIG).into(),
        listen_address: values.text("listen-address").unwrap_or(DEFAULT_LISTEN).to_owned(),
        log,
        fips: values.switch("fips"),
        labels_snake_case: values.switch("labels-snake-case"),
        profiling: values.switch("profiling.enabled"),
        scraping_interval: Duration::from_secs(scraping_interval.into()),
        metrics_per_query,
        limits,
        always_return_info: values.list("enable-feature").any(|f| f == "always-return-info-metrics"),
        state_dir: values.text("state-dir").filter(|dir| !dir.is_empty()).map(PathBuf::from),
        warnings,
    })
}

fn log(values: &Values) -> Result<Log, Exit> {
    let level = match values.text("log.level").unwrap_or("info") {
        "debug" => LogLevel::Debug,
        "info" => LogLevel::Info,
        "warn" => LogLevel::Warn,
        "error" => LogLevel::Error,
        other => return Err(fails(&format!("unrecognized log level {other}: use debug, info, warn or error"))),
    };
    let format = match values.text("log.format").unwrap_or("json") {
        "json" => LogFormat::Json,
        "logfmt" => LogFormat::Logfmt,
        other => return Err(fails(&format!("unrecognized log format {other}: use json or logfmt"))),
    };
    Ok(Log { level, format })
}

/// A number from 1; larger ones than fit count as the largest.
fn positive(values: &Values, name: &str, default: i64) -> Result<u32, Exit> {
    let n = values.integer(name, default);
    if n < 1 {
        let message = format!("invalid runtime scrape configuration: {name} must be a positive value, not {n}");
        return Err(fails(&message));
    }
    Ok(u32::try_from(n).unwrap_or(u32::MAX))
}

fn says(stdout: String) -> Exit {
    Exit { code: 0, stdout, stderr: String::new() }
}

/// As a line of the log that does not exist yet.
fn fails(message: &str) -> Exit {
    let line = serde_json::json!({ "level": "ERROR", "msg": "Error running yace", "err": message });
    Exit { code: 1, stdout: String::new(), stderr: format!("{line}\n") }
}

fn incorrect_usage(message: &str, usage: &str) -> Exit {
    Exit { stdout: format!("Incorrect Usage: {message}\n\n{usage}"), ..fails(message) }
}

fn usage() -> String {
    let mut text = "raingauge in the place of YACE (Yet Another CloudWatch Exporter)\n\n\
                    Usage: yace [flags] [command]\n\nCommands:\n  \
                    verify-config, vc  check the configuration and exit\n  \
                    version, v         print the version\n  \
                    help, h            show this text\n\nFlags:\n"
        .to_owned();
    flags(&mut text, &FLAGS);
    text
}

fn verify_usage() -> String {
    let mut text = "Checks the configuration and exits: status 0 when it is good.\n\n\
                    Usage: yace verify-config [flags]\n\nFlags:\n"
        .to_owned();
    flags(&mut text, &VERIFY_FLAGS);
    text
}

fn flags(text: &mut String, flags: &[Flag]) {
    for flag in flags.iter().filter(|f| !f.help.is_empty()) {
        let value = if flag.kind == Kind::Switch { "" } else { " VALUE" };
        let default = if flag.default.is_empty() { String::new() } else { format!(" (default {})", flag.default) };
        let env = flag.env.map(|name| format!(" [variable {name}]")).unwrap_or_default();
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  -{}{value}\n        {}{default}{env}", flag.name, flag.help);
    }
}
