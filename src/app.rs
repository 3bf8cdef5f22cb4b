//! The composition root: the commands, one file each. The only module that sees everything.

pub mod agent;
pub mod bridge;
pub mod check;
pub mod clouds;
pub mod common_config;
pub mod demo;
pub mod explain;
pub mod google;
pub mod healthcheck;
pub mod iam;
pub mod keeper;
pub mod listen;
pub mod membership;
pub mod network;
pub mod plan;
pub mod protection;
pub mod regions;
pub mod reload;
pub mod run;
pub mod signals;
pub mod sim;
pub mod stackdriver;
pub mod start;
pub mod states;
pub mod target;
pub mod warm;

use std::ffi::OsString;
use std::future::Future;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::runtime::Builder;
use tracing_subscriber::filter::LevelFilter;

use crate::cli::{self, Command, Log, Outside, PlanOptions, StackdriverRun, World, YaceRun};
use crate::config::LoadOptions;
use crate::secret::{self, MaskedLines};
use crate::sim::{Kind, WorldSpec};
use crate::telemetry::log::{self, LogSettings};
use listen::Inherited;
use run::{RunOptions, StartError, run};

/// A configuration that cannot be used (`EX_USAGE`).
const EXIT_BAD_CONFIG: u8 = 64;
/// Everything else that keeps a command from its work; in YACE mode bad configurations too.
const EXIT_FAILED: u8 = 1;
/// An agent's single file, and the directory of its container image.
const OTHER_AGENT_CONFIGS: [&str; 2] =
    ["/opt/aws/amazon-cloudwatch-agent/etc/amazon-cloudwatch-agent.json", "/etc/cwagentconfig"];
/// The variable with the whole JSON, as containers have it.
const AGENT_CONFIG_VARIABLE: &str = "CW_CONFIG_CONTENT";
/// More threads than this only cost memory: a bridge waits most of the time.
const MAX_THREADS: usize = 4;
/// An agent's threads for files and name look-ups; kept, since each new one would take new memory.
const AGENT_BLOCKING_THREADS: usize = 2;
const AGENT_KEEPS_THREADS: Duration = Duration::from_secs(3_600);

/// Runs a command line, the program's name first, and returns the exit status. Errors are on stderr already.
pub fn execute(args: impl Iterator<Item = OsString>) -> u8 {
    let args: Vec<OsString> = args.collect();
    learn_secrets(&args);
    let env = |name: &str| std::env::var(name).ok();
    let file = |path: &str| std::fs::read_to_string(path).map_err(|e| format!("open {path}: {e}"));
    let result = match cli::parse(args.into_iter(), Outside { env: &env, file: &file }) {
        Ok(command) => perform(command),
        Err(exit) => {
            // Nothing is left to tell a broken pipe to.
            let _ = stdout().write_all(exit.stdout.as_bytes());
            let _ = stderr().write_all(exit.stderr.as_bytes());
            return exit.code;
        }
    };
    result.unwrap_or_else(|e| {
        let _ = writeln!(stderr(), "raingauge: {e:#}");
        EXIT_FAILED
    })
}

/// What the environment and the command line have of secrets is never said.
fn learn_secrets(args: &[OsString]) {
    for (name, value) in std::env::vars_os() {
        secret::learn_variable(&name.to_string_lossy(), &value.to_string_lossy());
    }
    for arg in args {
        secret::learn_variable("", &arg.to_string_lossy());
    }
}

fn stdout() -> MaskedLines<io::Stdout> {
    MaskedLines::new(io::stdout())
}

fn stderr() -> MaskedLines<io::Stderr> {
    MaskedLines::new(io::stderr())
}

fn perform(command: Command) -> anyhow::Result<u8> {
    match command {
        Command::Demo { listen_address, world } => {
            start_log(Log::default(), false)?;
            in_runtime(demo::demo(&[listen_address], spec_of(&world)?, &mut stdout()))?;
            Ok(0)
        }
        Command::Sim { listen, world } => {
            start_log(Log::default(), false)?;
            in_runtime(async {
                let address = tokio::net::lookup_host(&listen).await.context("use host:port")?.next();
                let address = address.with_context(|| format!("{listen} has no address"))?;
                sim::sim(address, spec_of(&world)?, &mut stdout()).await
            })?;
            Ok(0)
        }
        Command::Run { config, listen_addresses, systemd_socket, web_config_file, state_dir, shard, lease, log } => {
            start_log(log, false)?;
            let options = RunOptions { listen_addresses, systemd_socket, web_config_file, ..RunOptions::of(config) };
            daemon(RunOptions { state_dir, shard, lease, ..options })
        }
        Command::Agent { config, mode, listen_addresses, systemd_socket, web_config_file, state_dir, log } => {
            start_log(log, false)?;
            let config = agent_config(config, &|name| std::env::var(name).ok());
            let load = check::agent_options(&config);
            let options = RunOptions { load, systemd_socket, agent: Some(mode), ..RunOptions::of(config) };
            daemon(RunOptions { listen_addresses, web_config_file, state_dir, ..options })
        }
        Command::YaceRun(flags) => yace(&flags),
        Command::StackdriverRun(flags) => stackdriver(&flags),
        Command::Check { config, iam: true } => Ok(iam::iam(&config, &LoadOptions::default(), &mut stdout())?),
        Command::Check { config, iam: false } => Ok(check::check(&config, &LoadOptions::default(), &mut stdout())?),
        Command::Explain { metric, config, yes } => explain_file(&metric, &config, yes),
        Command::Plan(options) => plan(&options),
        Command::YaceVerify { config, log: _ } => verify(&config),
        Command::Healthcheck { url } => {
            in_runtime(healthcheck::healthcheck(url.as_deref()))?;
            Ok(0)
        }
    }
}

/// Where nobody says it, and the package's directory is not there, the other places where the CloudWatch agent looks.
fn agent_config(config: PathBuf, env: &dyn Fn(&str) -> Option<String>) -> PathBuf {
    if config != Path::new(cli::AGENT_CONFIG) || config.exists() {
        return config;
    }
    let found = OTHER_AGENT_CONFIGS.into_iter().map(PathBuf::from).find(|path| path.exists());
    let is_in_env = env(AGENT_CONFIG_VARIABLE).is_some_and(|text| !text.is_empty());
    found.or_else(|| is_in_env.then(|| format!("env:{AGENT_CONFIG_VARIABLE}").into())).unwrap_or(config)
}

fn explain_file(metric: &str, config: &Path, is_rich: bool) -> anyhow::Result<u8> {
    let settings = match crate::config::load(config, &LoadOptions::default()) {
        Ok(loaded) => loaded.settings,
        Err(mistakes) => {
            writeln!(stderr(), "{mistakes}")?;
            return Ok(EXIT_BAD_CONFIG);
        }
    };
    in_runtime(async {
        let clouds = clouds::Clouds::new(network::from_env()?, std::sync::Arc::new(google::FromEnvironment));
        let clock = crate::clock::Clock::system();
        let question = explain::Question { metric, settings: &settings, clouds: &clouds, clock: &clock, is_rich };
        let explained = explain::explain(&question, &mut stdout()).await?;
        Ok(if explained.is_there { 0 } else { EXIT_FAILED })
    })
}

fn plan(options: &PlanOptions) -> anyhow::Result<u8> {
    let env = |name: &str| std::env::var(name).ok();
    let (network, root) = (network::from_env()?, agent::root_from(&env));
    let around = plan::Around { network, google: Arc::new(google::FromEnvironment), root };
    in_runtime(async {
        match plan::plan(options, &around, &mut stdout()).await {
            Ok(status) => Ok(status),
            Err(StartError::Config(mistakes)) => {
                writeln!(stdout(), "{mistakes}")?;
                Ok(EXIT_BAD_CONFIG)
            }
            Err(StartError::Start(e)) => Err(e),
        }
    })
}

fn yace(flags: &YaceRun) -> anyhow::Result<u8> {
    start_log(flags.log, true)?;
    flags.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    let address = &flags.listen_address;
    anyhow::ensure!(
        !listen::is_unix(address),
        "YACE's -listen-address takes host:port, not {address}: raingauge run --web.listen-address takes both"
    );
    daemon(RunOptions {
        load: check::load_options(flags),
        listen_addresses: vec![flags.listen_address.clone()],
        state_dir: flags.state_dir.clone(),
        yace: true,
        warnings: flags.warnings.clone(),
        ..RunOptions::of(flags.config.clone())
    })
}

fn stackdriver(flags: &StackdriverRun) -> anyhow::Result<u8> {
    start_log(flags.log, true)?;
    flags.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    let inherited = inherited(flags.systemd_socket)?;
    in_runtime(async {
        match stackdriver::run(flags, inherited).await {
            Ok(()) => Ok(0),
            Err(StartError::Config(mistakes)) => {
                writeln!(stderr(), "{mistakes}")?;
                Ok(EXIT_FAILED)
            }
            Err(StartError::Start(e)) => Err(e),
        }
    })
}

fn verify(config: &Path) -> anyhow::Result<u8> {
    Ok(check::verify(config, &mut stdout())?)
}

fn daemon(options: RunOptions) -> anyhow::Result<u8> {
    let bad_config = if options.yace { EXIT_FAILED } else { EXIT_BAD_CONFIG };
    let started = match run::load(&options) {
        Ok(loaded) => {
            let inherited = inherited(options.systemd_socket || loaded.settings.web.systemd_socket)?;
            let builder = if options.agent.is_some() { one_thread() } else { some_threads() };
            within(builder, async { Ok(run(options, loaded, inherited).await) })?
        }
        Err(mistakes) => Err(mistakes.into()),
    };
    match started {
        Ok(()) => Ok(0),
        Err(StartError::Config(mistakes)) => {
            writeln!(stderr(), "{mistakes}")?;
            Ok(bad_config)
        }
        Err(StartError::Start(e)) => Err(e),
    }
}

/// Before there are threads.
fn inherited(is_wanted: bool) -> anyhow::Result<Option<Inherited>> {
    is_wanted.then(|| listen::inherited(&|name| std::env::var(name).ok())).transpose()
}

fn spec_of(world: &World) -> anyhow::Result<WorldSpec> {
    let World { seed, resources, services, accounts, regions } = world;
    let known = |name: &String| Kind::ALL.iter().any(|kind| kind.namespace() == name);
    if let Some(name) = services.iter().find(|name| !known(name)) {
        let all: Vec<&str> = Kind::ALL.iter().map(|kind| kind.namespace()).collect();
        anyhow::bail!("the simulated cloud has no {name}; it has {}", all.join(", "));
    }
    let wanted = |kind: &&Kind| services.is_empty() || services.iter().any(|name| name == kind.namespace());
    let count = usize::try_from(*resources).unwrap_or(usize::MAX);
    let mut spec = WorldSpec { seed: *seed, services: Vec::new(), ..WorldSpec::demo() }.with_accounts(*accounts);
    spec.regions = regions.iter().map(|region| region.as_str().into()).collect();
    if !services.is_empty() {
        spec.custom.clear();
    }
    Ok(Kind::ALL.iter().filter(wanted).fold(spec, |spec, kind| spec.with(*kind, count)))
}

fn in_runtime<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    within(some_threads(), work)
}

fn within<T>(mut builder: Builder, work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = builder.enable_all().build().context("failed to start the runtime")?;
    let result = runtime.block_on(work);
    // Workers that still compute are not waited for: their results would go nowhere.
    runtime.shutdown_background();
    result
}

fn some_threads() -> Builder {
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get().min(MAX_THREADS));
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(threads);
    builder
}

/// An agent computes for a millisecond a minute: what a thread's own heap takes is worth more. It reads the host from yet
/// another thread (`host/guard.rs`), so nothing that hangs there holds it up.
fn one_thread() -> Builder {
    let mut builder = Builder::new_current_thread();
    builder.max_blocking_threads(AGENT_BLOCKING_THREADS).thread_keep_alive(AGENT_KEEPS_THREADS);
    builder
}

fn start_log(log: Log, yace: bool) -> anyhow::Result<()> {
    let level = match log.level {
        cli::LogLevel::Debug => LevelFilter::DEBUG,
        cli::LogLevel::Info => LevelFilter::INFO,
        cli::LogLevel::Warn => LevelFilter::WARN,
        cli::LogLevel::Error => LevelFilter::ERROR,
    };
    let format = match log.format {
        cli::LogFormat::Text => log::LogFormat::Text,
        cli::LogFormat::Json => log::LogFormat::Json,
        cli::LogFormat::Logfmt => log::LogFormat::Logfmt,
    };
    let settings = LogSettings { format, level, yace: yace.then_some(env!("CARGO_PKG_VERSION")) };
    Ok(log::init(settings)?)
}
