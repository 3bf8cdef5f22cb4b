//! raingauge's own commands. Each flag has an environment variable: `--log.level` is `RAINGAUGE_LOG_LEVEL`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{ArgAction, CommandFactory, Parser, Subcommand};

use super::{AgentMode, Assumed, Command, Exit, Log, LogFormat, LogLevel, Outside, PlanOptions, World};

const DEFAULT_LISTEN: &str = ":5000";
/// Where the CloudWatch agent's control script puts its configuration.
pub const AGENT_CONFIG: &str = "/opt/aws/amazon-cloudwatch-agent/etc/amazon-cloudwatch-agent.d";

/// Cloud metrics into Prometheus, with bounded cost.
#[derive(Debug, Parser)]
#[command(name = "raingauge", version, max_term_width = 100, arg_required_else_help = true)]
#[command(after_help = "Every flag can be set in the environment: --log.level is RAINGAUGE_LOG_LEVEL.")]
struct Cli {
    #[command(subcommand)]
    command: Words,
}

#[derive(Debug, Subcommand)]
enum Words {
    /// Try it without a cloud account: a simulated cloud, the real pipeline
    Demo {
        /// Where to serve
        #[arg(long = "web.listen-address", alias = "listen-address", value_name = "ADDRESS", default_value = DEFAULT_LISTEN)]
        listen_address: String,
        #[command(flatten)]
        world: World,
    },
    /// Run the daemon
    Run {
        /// The configuration: raingauge.yml or a YACE file
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// Where to serve, instead of what the file says: host:port, :port or unix:path; may be repeated
        #[arg(long = "web.listen-address", value_name = "ADDRESS", value_delimiter = ',')]
        listen_addresses: Vec<String>,
        /// Serve on the sockets that systemd hands over, and nowhere else
        #[arg(long = "web.systemd-socket", num_args = 0..=1, require_equals = true, default_value_t = false, default_missing_value = "true", action = ArgAction::Set, value_name = "BOOL", hide_default_value = true, hide_possible_values = true)]
        systemd_socket: bool,
        /// TLS, passwords and headers, in the format of Prometheus' exporters, instead of what the file names
        #[arg(long = "web.config.file", value_name = "FILE")]
        web_config_file: Option<PathBuf>,
        /// Keep values, inventories, times and data that wait to be pushed there, so that they survive a restart
        #[arg(long = "state-dir", value_name = "DIRECTORY")]
        state_dir: Option<PathBuf>,
        /// Do one part of the work: the shard with this number, from 0, of so many; or that of a pod, by the number in its name
        #[arg(long, value_name = "INDEX/COUNT")]
        shard: Option<String>,
        /// Call the clouds only while holding this Lease of Kubernetes (with --shard, one for each: NAME-INDEX)
        #[arg(long, value_name = "NAME")]
        lease: Option<String>,
        /// How much to log
        #[arg(long = "log.level", value_name = "LEVEL", default_value = "info")]
        level: LogLevel,
        /// How to log
        #[arg(long = "log.format", value_name = "FORMAT", default_value = "text")]
        format: LogFormat,
    },
    /// Take the place of the CloudWatch agent: push this host's metrics to CloudWatch
    Agent {
        /// The CloudWatch agent's JSON, or a directory of such files; or raingauge.yml
        #[arg(long, value_name = "FILE|DIRECTORY", default_value = AGENT_CONFIG)]
        config: PathBuf,
        /// Where this machine is; on premises the profile AmazonCloudWatchAgent has the credentials, as there
        #[arg(short, long, value_name = "MODE", default_value = "auto")]
        mode: AgentMode,
        /// Also serve the host's metrics here, for Prometheus; may be repeated
        #[arg(long = "web.listen-address", value_name = "ADDRESS", value_delimiter = ',')]
        listen_addresses: Vec<String>,
        /// Serve on the sockets that systemd hands over, and nowhere else
        #[arg(long = "web.systemd-socket", num_args = 0..=1, require_equals = true, default_value_t = false, default_missing_value = "true", action = ArgAction::Set, value_name = "BOOL", hide_default_value = true, hide_possible_values = true)]
        systemd_socket: bool,
        /// Certificates and passwords for that, in the format of Prometheus' exporters
        #[arg(long = "web.config.file", value_name = "FILE")]
        web_config_file: Option<PathBuf>,
        /// How much to log
        #[arg(long = "log.level", value_name = "LEVEL", default_value = "info")]
        level: LogLevel,
        /// How to log
        #[arg(long = "log.format", value_name = "FORMAT", default_value = "text")]
        format: LogFormat,
        /// A directory where data wait through outages and restarts; without it, in memory
        #[arg(long = "state-dir", value_name = "DIRECTORY")]
        state_dir: Option<PathBuf>,
    },
    /// Say everything that is wrong with a configuration (exit status 64 when something is)
    Check {
        /// The configuration: raingauge.yml, a YACE file or the CloudWatch agent's JSON
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// Print the IAM policies that this configuration needs, and nothing else
        #[arg(long)]
        iam: bool,
    },
    /// Say why a metric is missing, and what to do (exit status 0 when it is there, 1 when it is missing)
    Explain {
        /// As in a query, also with labels: 'aws_sqs_number_of_messages_sent_sum{region="eu-west-1"}'; or
        /// Namespace/MetricName
        #[arg(value_name = "METRIC")]
        metric: String,
        /// The configuration: raingauge.yml or a YACE file
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// Go on when that costs more than a cent
        #[arg(long)]
        yes: bool,
    },
    /// Say what a configuration will cost, before the first call
    Plan {
        /// The configuration: raingauge.yml, a YACE file, or the CloudWatch agent's (also a directory of it)
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// Ask the clouds what is there, by calls that are free or cost less than a cent a thousand metrics
        #[arg(long)]
        live: bool,
        /// How many resources to assume in each place, of all jobs or of one; may be repeated
        #[arg(long, value_name = "N|JOB=N", value_parser = assumed)]
        resources: Vec<Assumed>,
        /// For whom
        #[arg(long, value_name = "FORMAT", default_value = "table", value_parser = ["table", "json"])]
        format: String,
    },
    /// Serve the simulated cloud alone, on its real wire protocols
    Sim {
        /// Where to serve
        #[arg(long = "web.listen-address", alias = "listen", value_name = "ADDRESS", default_value = "127.0.0.1:4566")]
        listen: String,
        #[command(flatten)]
        world: World,
    },
    /// Ask a running daemon whether it is well (for containers)
    Healthcheck {
        /// Where to ask (a URL, or unix:path); by default, wherever a daemon of this program listens, with or without TLS
        #[arg(long)]
        url: Option<String>,
    },
    /// Take the place of YACE: its own flags follow (also when the binary is called "yace")
    #[command(disable_help_flag = true)]
    Yace {
        /// YACE's flags and commands
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENT")]
        arguments: Vec<OsString>,
    },
    /// Take the place of stackdriver_exporter: its own flags follow (also when the binary is called like that)
    #[command(disable_help_flag = true, name = "stackdriver_exporter")]
    StackdriverExporter {
        /// stackdriver_exporter's flags
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENT")]
        arguments: Vec<OsString>,
    },
}

/// Which flags a command has, for the environment.
const FLAGS: [(&str, &[&str]); 8] = [
    ("demo", &["web.listen-address", "seed", "resources", "services", "accounts", "regions"]),
    (
        "run",
        &[
            "config",
            "web.listen-address",
            "web.systemd-socket",
            "web.config.file",
            "state-dir",
            "shard",
            "lease",
            "log.level",
            "log.format",
        ],
    ),
    (
        "agent",
        &[
            "config",
            "mode",
            "web.listen-address",
            "web.systemd-socket",
            "web.config.file",
            "state-dir",
            "log.level",
            "log.format",
        ],
    ),
    ("check", &["config"]),
    ("explain", &["config"]),
    ("plan", &["config", "resources", "format"]),
    ("sim", &["web.listen-address", "seed", "resources", "services", "accounts", "regions"]),
    ("healthcheck", &["url"]),
];

/// The commands and flags, as clap knows them.
pub(super) fn command() -> clap::Command {
    Cli::command()
}

/// Reads a command line with the program's name.
pub(super) fn parse(args: Vec<OsString>, outside: Outside<'_>) -> Result<Command, Exit> {
    let Outside { env, file } = outside;
    let args = with_environment(args, env);
    let cli = Cli::try_parse_from(args).map_err(|e| exit(&e))?;
    Ok(match cli.command {
        Words::Demo { listen_address, world } => Command::Demo { listen_address, world },
        Words::Run {
            config,
            listen_addresses,
            systemd_socket,
            web_config_file,
            state_dir,
            shard,
            lease,
            level,
            format,
        } => {
            let log = Log { level, format };
            Command::Run { config, listen_addresses, systemd_socket, web_config_file, state_dir, shard, lease, log }
        }
        Words::Agent { config, mode, listen_addresses, systemd_socket, web_config_file, state_dir, level, format } => {
            Command::Agent {
                config,
                mode,
                listen_addresses,
                systemd_socket,
                web_config_file,
                state_dir,
                log: Log { level, format },
            }
        }
        Words::Check { config, iam } => Command::Check { config, iam },
        Words::Explain { metric, config, yes } => Command::Explain { metric, config, yes },
        Words::Plan { config, live, resources, format } => {
            Command::Plan(PlanOptions { config, live, resources, json: format == "json" })
        }
        Words::Sim { listen, world } => Command::Sim { listen, world },
        Words::Healthcheck { url } => Command::Healthcheck { url },
        Words::Yace { arguments } => return super::yace::parse(&arguments, env),
        Words::StackdriverExporter { arguments } => return super::stackdriver::parse(&arguments, env, file),
    })
}

/// `10` or `AWS/EC2=10`.
fn assumed(text: &str) -> Result<Assumed, String> {
    let (job, number) = text.rsplit_once('=').map_or((None, text), |(job, number)| (Some(job.to_owned()), number));
    let number = number.parse().map_err(|_| "write a number, or JOB=NUMBER".to_owned())?;
    Ok(Assumed { job, number })
}

/// Adds the flags that stand only in the environment. (clap can read it, but only the process's own.)
fn with_environment(mut args: Vec<OsString>, env: &dyn Fn(&str) -> Option<String>) -> Vec<OsString> {
    let word = args.get(1).and_then(|a| a.to_str()).unwrap_or_default();
    let Some((_, flags)) = FLAGS.iter().find(|(name, _)| *name == word) else { return args };
    for flag in *flags {
        let is_given = args
            .iter()
            .filter_map(|a| a.to_str()?.strip_prefix("--"))
            .any(|a| a.strip_prefix(flag).is_some_and(|rest| rest.is_empty() || rest.starts_with('=')));
        if let Some(value) = env(&variable(flag)).filter(|v| !is_given && !v.is_empty()) {
            args.push(format!("--{flag}={value}").into());
        }
    }
    args
}

/// `log.level` is `RAINGAUGE_LOG_LEVEL`.
fn variable(flag: &str) -> String {
    format!("RAINGAUGE_{}", flag.replace(['.', '-'], "_").to_uppercase())
}

fn exit(e: &clap::Error) -> Exit {
    let text = e.render().to_string();
    let code = u8::try_from(e.exit_code()).unwrap_or(2);
    if e.use_stderr() {
        Exit { code, stdout: String::new(), stderr: text }
    } else {
        Exit { code, stdout: text, stderr: String::new() }
    }
}
