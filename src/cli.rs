//! The command line: arguments and environment in, a [`Command`] or the text and status to end with out.
//!
//! raingauge's own commands speak clap (`native`); `yace` speaks YACE's flags as that program reads them (`yace`, over
//! `goflag`), `stackdriver_exporter` that program's (`stackdriver`, over `kingpin`), chosen by the word or by the name the
//! binary is called with. Nothing is read, opened or printed here.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

mod goflag;
mod kingpin;
mod native;
mod stackdriver;
mod yace;

pub use kingpin::Signed;
pub use native::AGENT_CONFIG;
pub use stackdriver::StackdriverRun;

/// Operating system and processor.
const PLATFORM: (&str, &str) = (std::env::consts::OS, std::env::consts::ARCH);

/// The simulated cloud.
#[derive(clap::Args, Clone, Debug, PartialEq, Eq)]
pub struct World {
    /// Seed: the same seed makes the same world
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// How many resources of each service there are in each account and region
    #[arg(long, default_value_t = 40)]
    pub resources: u32,
    /// Which services there are, by namespace (AWS/EC2,AWS/SQS); all when it is left out
    #[arg(long, value_delimiter = ',', value_name = "NAMESPACES")]
    pub services: Vec<String>,
    /// How many accounts there are, from 000000000000 on
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub accounts: u32,
    /// The regions that have resources
    #[arg(long, value_delimiter = ',', default_values = ["eu-west-1", "us-east-1"])]
    pub regions: Vec<String>,
}

/// What to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// A simulated cloud and the real pipeline.
    Demo {
        /// Where to serve.
        listen_address: String,
        /// What it has.
        world: World,
    },
    /// The daemon.
    Run {
        /// The configuration.
        config: PathBuf,
        /// Where to serve; empty: what the file says, or the default.
        listen_addresses: Vec<String>,
        /// Serve on the sockets that systemd hands over.
        systemd_socket: bool,
        /// Certificates and passwords, instead of what the file says.
        web_config_file: Option<PathBuf>,
        /// What survives a restart, instead of what the file says.
        state_dir: Option<PathBuf>,
        /// Which of several processes this is: `INDEX/COUNT` or `POD/COUNT`.
        shard: Option<String>,
        /// The lease that it has to hold.
        lease: Option<String>,
        /// The log.
        log: Log,
    },
    /// The daemon in the place of the CloudWatch agent.
    Agent {
        /// Where this machine is.
        mode: AgentMode,
        /// The configuration: a file or a directory.
        config: PathBuf,
        /// Where to serve; empty: what the file says, or nowhere.
        listen_addresses: Vec<String>,
        /// Serve on the sockets that systemd hands over.
        systemd_socket: bool,
        /// Certificates and passwords of what is served.
        web_config_file: Option<PathBuf>,
        /// The log.
        log: Log,
        /// Where the queue outlives the process; `None`: nowhere.
        state_dir: Option<PathBuf>,
    },
    /// Says what is wrong with a file.
    Check {
        /// The configuration.
        config: PathBuf,
        /// Print the policies that it needs instead.
        iam: bool,
    },
    /// Says why a metric is missing.
    Explain {
        /// The metric.
        metric: String,
        /// The configuration.
        config: PathBuf,
        /// Whether it may cost more than a cent.
        yes: bool,
    },
    /// Says what a file will cost.
    Plan(PlanOptions),
    /// The simulated cloud alone.
    Sim {
        /// Where to serve.
        listen: String,
        /// What it has.
        world: World,
    },
    /// Asks a running daemon whether it is well.
    Healthcheck {
        /// Where to ask; `None`: wherever a daemon listens.
        url: Option<String>,
    },
    /// The daemon in the place of YACE.
    YaceRun(Box<YaceRun>),
    /// The daemon in the place of stackdriver_exporter.
    StackdriverRun(Box<StackdriverRun>),
    /// `yace verify-config`.
    YaceVerify {
        /// The configuration.
        config: PathBuf,
        /// The log.
        log: Log,
    },
}

/// Where an agent's machine is: whose profile it takes when nothing says one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum AgentMode {
    /// The profile `AmazonCloudWatchAgent`, where there is one.
    Auto,
    /// An EC2 instance: no profile.
    Ec2,
    /// Somewhere else: the profile `AmazonCloudWatchAgent`.
    #[value(name = "onPremise", alias = "onPrem", alias = "onpremise", alias = "onprem")]
    OnPremise,
}

/// What a plan is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanOptions {
    /// The configuration.
    pub config: PathBuf,
    /// Ask the clouds what the file cannot say.
    pub live: bool,
    /// What is assumed otherwise; later ones win.
    pub resources: Vec<Assumed>,
    /// For scripts instead of people.
    pub json: bool,
}

/// How many resources somebody says that there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assumed {
    /// Of this job; `None`: of all others.
    pub job: Option<String>,
    /// In each place.
    pub number: u32,
}

/// The log on stderr.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Log {
    /// From which level on.
    pub level: LogLevel,
    /// In which form.
    pub format: LogFormat,
}

impl Default for Log {
    /// For people, without details.
    fn default() -> Self {
        Self { level: LogLevel::Info, format: LogFormat::Text }
    }
}

/// How much is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogLevel {
    /// Everything.
    Debug,
    /// What happens.
    Info,
    /// What should not happen.
    Warn,
    /// What failed.
    Error,
}

/// How it is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One object a line.
    Json,
    /// key=value.
    Logfmt,
}

/// YACE's flags, after its own checks.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "they are switches of a command line, one to one")]
pub struct YaceRun {
    /// `-config.file`.
    pub config: PathBuf,
    /// `-listen-address`; without a host: every interface, IPv4 and IPv6.
    pub listen_address: String,
    /// `-log.level`, `-log.format`.
    pub log: Log,
    /// `-fips`.
    pub fips: bool,
    /// `-labels-snake-case`.
    pub labels_snake_case: bool,
    /// `-profiling.enabled`: accepted; there is no profiler.
    pub profiling: bool,
    /// `-scraping-interval`, at least a second.
    pub scraping_interval: Duration,
    /// `-metrics-per-query`, at least 1.
    pub metrics_per_query: u32,
    /// The concurrency flags as they take effect.
    pub limits: Limits,
    /// `-enable-feature=always-return-info-metrics`.
    pub always_return_info: bool,
    /// `-state-dir`, which YACE does not have.
    pub state_dir: Option<PathBuf>,
    /// What to warn about once there is a log.
    pub warnings: Vec<String>,
}

/// Calls in flight, each at least 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// ListMetrics.
    pub list_metrics: u32,
    /// GetMetricData.
    pub get_metric_data: u32,
    /// GetMetricStatistics.
    pub get_metric_statistics: u32,
    /// The tagging API.
    pub tagging: u32,
}

/// The end, before anything began: help, the version, or a wrong command line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{stderr}{stdout}")]
pub struct Exit {
    /// The exit status.
    pub code: u8,
    /// To print.
    pub stdout: String,
    /// To print as an error.
    pub stderr: String,
}

/// What a command line may refer to.
#[derive(Clone, Copy)]
pub struct Outside<'a> {
    /// The value of a variable.
    pub env: &'a dyn Fn(&str) -> Option<String>,
    /// The text of a file; the error says why there is none.
    pub file: &'a dyn Fn(&str) -> Result<String, String>,
}

/// raingauge's own commands and flags: of them the manual pages and the shells' completions are made.
pub fn command() -> clap::Command {
    native::command()
}

/// Reads a command line, the program's name first. `outside` is asked for the variables that stand for flags, and for files
/// of arguments.
pub fn parse(args: impl Iterator<Item = OsString>, outside: Outside<'_>) -> Result<Command, Exit> {
    let Outside { env, file } = outside;
    let args: Vec<OsString> = args.collect();
    let is_called = |arg: Option<&OsString>, names: &[&str]| {
        let stem = arg.and_then(|a| Path::new(a).file_stem()).map(|s| s.to_string_lossy().into_owned());
        stem.is_some_and(|stem| names.contains(&&*stem))
    };
    if is_called(args.first(), &["yace", "yet-another-cloudwatch-exporter"]) {
        return yace::parse(args.get(1..).unwrap_or_default(), env);
    }
    if args.get(1).is_some_and(|word| word == "yace") {
        return yace::parse(args.get(2..).unwrap_or_default(), env);
    }
    if is_called(args.first(), &["stackdriver_exporter", "stackdriver-exporter"]) {
        return stackdriver::parse(args.get(1..).unwrap_or_default(), env, file);
    }
    if args.get(1).is_some_and(|word| word == "stackdriver_exporter") {
        return stackdriver::parse(args.get(2..).unwrap_or_default(), env, file);
    }
    native::parse(args, outside)
}

#[cfg(test)]
mod tests;
