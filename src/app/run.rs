//! `raingauge run` and the YACE drop-in: load, bind, serve, reload, drain.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::anyhow;
use arc_swap::ArcSwap;
use futures_util::future::BoxFuture;
use tokio::sync::watch;

use crate::app::agent::{self, Agent};
use crate::app::bridge::{Bridge, Shared};
use crate::app::clouds::{self, Clouds, Google};
use crate::app::google::FromEnvironment;
use crate::app::listen::{self, Doors, Inherited};
use crate::app::membership::Membership;
use crate::app::states::States;
use crate::app::warm::{self, Warm};
use crate::app::{common_config, keeper, network, protection, signals};
use crate::aws::client::{Clients, Network};
use crate::aws::job::Concurrency;
use crate::aws::metadata::Endpoint;
use crate::clock::Clock;
use crate::config::{Dialect, Loaded, Mistakes, Settings, WebSettings};
use crate::expose::cache::{Exposition, ExpositionSettings};
use crate::expose::connection::Listening;
use crate::expose::guard::Guarding;
use crate::expose::http::{self, Manners, Web};
use crate::expose::status::Configuration;
use crate::host::root::Root;
use crate::model::{Text, Timestamp};
use crate::state::StateDir;
use crate::store::Store;
use crate::telemetry::{Telemetry, TelemetrySettings, price};
use crate::work::demand::Demand;
use crate::work::readiness::Readiness;

mod about;
mod applying;
mod explaining;
mod options;
mod sets;
mod status;

pub use about::{About, Peer, StackdriverPeer};
use applying::{Applied, Regions, Wanted};
use explaining::Explaining;
pub use options::{RunOptions, load};
use options::{addresses, warnings};
use sets::Sets;

/// Where the CloudWatch agent's package keeps what concerns the network.
const COMMON_CONFIG: &str = "/opt/aws/amazon-cloudwatch-agent/etc/common-config.toml";
/// Scrapes in flight get this long when the daemon ends.
const DRAIN: Duration = Duration::from_secs(4);
/// What readiness waits for before it knows the jobs.
const STARTING: &str = "the configuration is being applied";

/// Why the daemon did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Exit code 64 (1 in YACE mode).
    #[error(transparent)]
    Config(#[from] Mistakes),
    /// Exit code 1.
    #[error(transparent)]
    Start(#[from] anyhow::Error),
}

/// Runs until a signal ends it. `inherited` are the sockets that systemd has handed over; without them it opens its own.
pub async fn run(options: RunOptions, loaded: Loaded, inherited: Option<Inherited>) -> Result<(), StartError> {
    let Settings { aws, gcp, agent, .. } = &loaded.settings;
    if options.agent.is_some() && agent.is_none() && (aws.is_some() || gcp.is_some()) {
        let file = options.config.display();
        return Err(
            anyhow!("{file} has no `agent:` section; `raingauge run --config {file}` does its other jobs").into()
        );
    }
    let mut network = network::from_env()?;
    if let Some(mode) = options.agent {
        network = common_config::apply(Path::new(COMMON_CONFIG), network)?;
        network.profile = common_config::profile(mode, network.profile, &|name| std::env::var(name).ok());
    }
    Clients::check(&network).map_err(anyhow::Error::from)?;
    let addresses = addresses(&options, &loaded.settings);
    let web_config_file = options.web_config_file.as_deref().or(loaded.settings.web.config_file.as_deref());
    let guarding = guarding(web_config_file)?;
    let Doors { files, listening } = listen::open(&addresses, inherited).await?;
    let env = |name: &str| std::env::var(name).ok();
    let state_dir = state_dir(&loaded.settings)?;
    let surroundings = Surroundings {
        clock: Clock::system(),
        network,
        google: Arc::new(FromEnvironment),
        listening,
        guarding,
        metadata: network::metadata(&env),
        root: agent::root_from(&env),
        state_dir,
        membership: Membership::of(options.shard.as_deref(), options.lease.as_deref(), &env)?,
    };
    let ended = run_in(surroundings, options, loaded, signals::terminated()).await;
    drop(files);
    ended
}

/// The state directory. Where data wait there to be sent, one that cannot be used is no start: they would be lost. Where it
/// only makes starts warm, it is an error in the log: values matter more than memories.
fn state_dir(settings: &Settings) -> anyhow::Result<Option<Arc<StateDir>>> {
    match settings.state_dir.as_deref().map(warm::open).transpose() {
        Ok(dir) => Ok(dir.map(Arc::new)),
        Err(e) if settings.agent.is_none() => {
            tracing::error!("nothing will survive a restart: {e}");
            Ok(None)
        }
        Err(e) => Err(e.into()),
    }
}

/// What the daemon finds around it: the process's own, or a test's.
pub struct Surroundings {
    /// Wall and steady time.
    pub clock: Clock,
    /// How AWS is reached.
    pub network: Network,
    /// How Google is reached.
    pub google: Arc<dyn Google>,
    /// Where it serves.
    pub listening: Vec<Listening>,
    /// Who may ask.
    pub guarding: Guarding,
    /// How the instance's metadata service is reached.
    pub metadata: Endpoint,
    /// Where the kernel's files are.
    pub root: Root,
    /// Where things outlive the process.
    pub state_dir: Option<Arc<StateDir>>,
    /// Which part of the work is its own.
    pub membership: Membership,
}

/// Runs until `shutdown` completes; HUP reloads.
pub async fn run_in(
    surroundings: Surroundings,
    options: RunOptions,
    loaded: Loaded,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), StartError> {
    let Surroundings { clock, network, google, listening, guarding, metadata, root, state_dir, membership } =
        surroundings;
    let about = About {
        source: options.config.display().to_string(),
        notice: None,
        warnings: warnings(&options, &loaded),
        peer: if options.yace || loaded.settings.dialect == Dialect::Yace { Peer::Yace } else { Peer::None },
        started: clock.now(),
    };
    let is_shown = !listening.is_empty();
    let clouds = Clouds::new(network, google);
    let daemon = Daemon::new(clock, clouds, &loaded.settings, about, state_dir.clone());
    let daemon = daemon.with_agent(metadata, root, state_dir, is_shown).with_membership(membership);
    let reload: Reload = {
        let daemon = daemon.clone();
        // In a task of its own: a caller who leaves does not stop it half-way.
        Arc::new(move || {
            let task = tokio::spawn(reload(daemon.clone(), options.clone()));
            Box::pin(async move { task.await.unwrap_or_else(|e| Err(e.to_string())) })
        })
    };
    let hangups = {
        let reload = Arc::clone(&reload);
        tokio::spawn(signals::on_hangup(move || reload()))
    };
    daemon.serve(listening, &guarding, loaded.settings, reload, shutdown).await?;
    hangups.abort();
    // Whoever opens the state directory next finds it free; being stopped is no error.
    let _ = hangups.await;
    Ok(())
}

/// The guard that the web configuration file describes; changes of it are followed from now on.
pub fn guarding(file: Option<&Path>) -> Result<Guarding, StartError> {
    let loaded = protection::load(file).map_err(|e| match e.downcast::<Mistakes>() {
        Ok(mistakes) => StartError::Config(mistakes),
        Err(other) => StartError::Start(other),
    });
    let guarding = Guarding::new(ArcSwap::from_pointee(loaded?));
    if let Some(file) = file {
        tokio::spawn(protection::follow(file.to_owned(), Arc::clone(&guarding)));
    }
    Ok(guarding)
}

/// Reads the file again; a bad one changes nothing. The error is for the caller of `/-/reload`. One after the other: what is
/// read later wins.
async fn reload(daemon: Daemon, options: RunOptions) -> Result<(), String> {
    let _turn = daemon.applying.lock().await;
    let read =
        tokio::task::spawn_blocking(move || load(&options).map(|loaded| (warnings(&options, &loaded), loaded))).await;
    let mut said = None;
    let applied = match read {
        Ok(Ok((warnings, loaded))) => {
            said = Some(warnings);
            daemon.warn_of_restart(&loaded.settings);
            daemon.apply(&loaded.settings).await.map_err(|e| format!("{e:#}"))
        }
        Ok(Err(mistakes)) => Err(mistakes.to_string()),
        Err(e) => Err(e.to_string()),
    };
    daemon.shared.telemetry.reload(applied.is_ok(), daemon.shared.clock.now());
    match &applied {
        Ok(()) => tracing::info!("configuration reloaded"),
        Err(e) => tracing::error!("failed to reload the configuration, the old one goes on: {e}"),
    }
    let mut configuration = daemon.configuration.lock().unwrap_or_else(PoisonError::into_inner);
    configuration.reload_error = applied.clone().err();
    if let Some(warnings) = said.filter(|_| applied.is_ok()) {
        configuration.warnings = warnings;
    }
    drop(configuration);
    applied
}

/// What only a start looks at.
type Fixed = (Dialect, WebSettings, Concurrency, Option<PathBuf>);

fn fixed(settings: &Settings) -> Fixed {
    let concurrency = settings.aws.as_ref().map(|a| a.access.concurrency).unwrap_or_default();
    (settings.dialect, settings.web.clone(), concurrency, settings.state_dir.clone())
}

/// Answers a reload: `Err` says why the old configuration goes on.
pub type Reload = Arc<dyn Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync>;

/// Everything that runs, for `run`, `demo` and tests.
#[derive(Clone)]
pub struct Daemon {
    shared: Shared,
    clouds: Clouds,
    bridge: Arc<Bridge>,
    demand: Option<Arc<Demand>>,
    agent: Arc<Agent>,
    exposition: Arc<Exposition>,
    about: Arc<About>,
    /// What only a start looks at.
    fixed: Arc<Fixed>,
    applying: Arc<tokio::sync::Mutex<()>>,
    regions: Arc<Mutex<Regions>>,
    configuration: Arc<Mutex<Configuration>>,
    /// On the steady clock.
    started_at: Timestamp,
    applied: Arc<Mutex<Option<Applied>>>,
    wanted: Arc<tokio::sync::Mutex<Wanted>>,
    membership: Membership,
    /// As it was read last.
    file: Arc<Mutex<Option<Settings>>>,
    sets: Sets,
    explaining: Explaining,
    /// Whether there are workers.
    started: Arc<watch::Sender<bool>>,
}

impl Daemon {
    /// Nothing runs yet.
    pub fn new(
        clock: Clock,
        clouds: Clouds,
        settings: &Settings,
        about: About,
        state_dir: Option<Arc<StateDir>>,
    ) -> Self {
        let telemetry = Telemetry::new(TelemetrySettings {
            version: env!("CARGO_PKG_VERSION"),
            started: about.started,
            yace: matches!(about.peer, Peer::Yace),
            prices: price::list_prices(),
        });
        // Alone, until it is said to be one of several.
        telemetry.leads(true);
        let (telemetry, demand) = match &about.peer {
            Peer::Stackdriver(peer) => (telemetry.beside_stackdriver(), Some(Arc::new(Demand::new(peer.drive)))),
            Peer::None | Peer::Yace => (telemetry, None),
        };
        let telemetry = Arc::new(telemetry);
        let store = Arc::new(Store::new());
        let openmetrics = settings.dialect == Dialect::Native && !matches!(about.peer, Peer::Stackdriver(_));
        let exposition =
            Arc::new(Exposition::new(Arc::clone(&store), Arc::clone(&telemetry), ExpositionSettings { openmetrics }));
        let clouds = clouds.with_keepers(state_dir.as_ref().map(|dir| keeper::keepers(dir, &telemetry)));
        let warm = state_dir.and_then(|dir| Warm::new(dir, clock.clone(), Arc::clone(&telemetry)).ok());
        if settings.state_dir.is_some() && warm.is_none() {
            telemetry.state_written(false);
        }
        let (readiness, states) = (Readiness::default(), States::default());
        let started_at = clock.read().steady;
        let shared = Shared { clock, store, telemetry, readiness, states, warm };
        let bridge = Arc::new(Bridge::new(shared.clone(), clouds::limits(settings), demand.clone()));
        let around = agent::Around {
            shared: shared.clone(),
            network: clouds.aws.clone(),
            metadata: Endpoint::default(),
            root: Root::default(),
            state_dir: None,
            is_shown: true,
        };
        Self {
            shared,
            clouds,
            bridge,
            demand,
            agent: Arc::new(Agent::new(around)),
            exposition,
            configuration: Arc::new(Mutex::new(Configuration { reload_error: None, warnings: about.warnings.clone() })),
            started_at,
            about: Arc::new(about),
            fixed: Arc::new(fixed(settings)),
            applying: Arc::default(),
            regions: Arc::default(),
            applied: Arc::default(),
            wanted: Arc::default(),
            membership: Membership::default(),
            file: Arc::default(),
            sets: Sets::default(),
            explaining: Explaining::default(),
            started: Arc::new(watch::Sender::new(false)),
        }
    }

    /// Before it serves: which part of the work is its own.
    #[must_use]
    pub fn with_membership(self, membership: Membership) -> Self {
        self.shared.telemetry.leads(membership.leads());
        Self { membership, ..self }
    }

    /// Before it serves: how the agent reaches the instance and the host, and where its queue lies.
    #[must_use]
    pub fn with_agent(self, metadata: Endpoint, root: Root, state_dir: Option<Arc<StateDir>>, is_shown: bool) -> Self {
        let around = agent::Around { metadata, root, state_dir, is_shown, ..self.agent.around().clone() };
        Self { agent: Arc::new(Agent::new(around)), ..self }
    }

    /// Names what a reload cannot change.
    fn warn_of_restart(&self, settings: &Settings) {
        let (before, after) = (&*self.fixed, fixed(settings));
        let differs = [
            ("the dialect of the file", before.0 != after.0),
            ("web", before.1 != after.1),
            ("concurrency", before.2 != after.2),
            ("state_dir", before.3 != after.3),
        ];
        for (what, _) in differs.iter().filter(|(_, differs)| *differs) {
            tracing::warn!("{what} has changed; that takes effect with the next start");
        }
    }

    /// Serves at once, collects beside it, and ends when `shutdown` does: scrapes in flight get their answer.
    pub async fn serve(
        &self,
        listening: Vec<Listening>,
        guarding: &Guarding,
        settings: Settings,
        reload: Reload,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> anyhow::Result<()> {
        let scheme = if guarding.load().tls.is_some() { "https" } else { "http" };
        for door in &listening {
            tracing::info!("raingauge {} is listening on {}", env!("CARGO_PKG_VERSION"), listen::url(scheme, door));
        }
        // Until the jobs are known, nothing is ready, however early somebody asks.
        self.shared.readiness.expect(Text::from(STARTING));
        let daemon = self.clone();
        let turn = Arc::clone(&self.applying).lock_owned().await;
        let background = tokio::spawn(async move {
            match daemon.apply(&settings).await {
                Ok(()) => daemon.shared.telemetry.reload(true, daemon.shared.clock.now()),
                Err(e) => tracing::error!("failed to start collecting: {e:#}"),
            }
            drop(turn);
            tokio::join!(daemon.bridge.sweep(), daemon.follow_projects(), daemon.follow_lease());
        });
        let router = http::router(self.web(reload));
        let router = http::guarded(router, Arc::clone(guarding), Arc::clone(&self.shared.telemetry));
        let (running, ended) = tokio::sync::oneshot::channel::<()>();
        let shutdown = async move {
            shutdown.await;
            drop(running);
        };
        let deadline = async move {
            // An error is the message: the sender was dropped.
            let _ = ended.await;
            tokio::time::sleep(DRAIN).await;
        };
        if listening.is_empty() {
            shutdown.await;
        } else {
            tokio::select! {
                () = async {
                    if let Some(warm) = &self.shared.warm {
                        warm.shown(&self.shared.readiness).await;
                    }
                    http::serve(listening, router, guarding, &self.shared.telemetry, shutdown).await;
                } => {}
                () = deadline => tracing::warn!("clients were still reading after {} s", DRAIN.as_secs()),
            }
        }
        background.abort();
        let _ = background.await;
        self.regions().follower.take().inspect(tokio::task::AbortHandle::abort);
        tokio::join!(self.bridge.shut_down(), self.agent.shut_down());
        if let Some(candidate) = self.membership.candidate() {
            candidate.release(&self.shared.clock).await;
        }
        Ok(())
    }

    fn web(&self, reload: Reload) -> Web {
        let Shared { clock, readiness, .. } = self.shared.clone();
        let (daemon, explaining, membership) = (self.clone(), self.clone(), self.membership.clone());
        Web {
            exposition: Arc::clone(&self.exposition),
            ready: Arc::new(move || readiness.missing()),
            leader: Arc::new(move || membership.role()),
            status: Arc::new(move || daemon.status()),
            version: env!("CARGO_PKG_VERSION"),
            reload,
            explain: Arc::new(move |metric| explaining.clone().explain(metric)),
            manners: self.manners(),
            clock: Arc::new(move || clock.read().steady),
        }
    }

    fn manners(&self) -> Manners {
        match &self.about.peer {
            Peer::Yace => Manners::Yace,
            Peer::Stackdriver(peer) => Manners::Stackdriver(Arc::new(self.site(peer))),
            Peer::None => Manners::Native,
        }
    }
}
