//! What the command line says, and the file together with it.

use std::path::PathBuf;

use crate::cli::AgentMode;
use crate::config::{self, LoadOptions, Loaded, Mistakes, Settings};

/// Where people expect YACE, and now us.
const DEFAULT_LISTEN_ADDRESS: &str = ":5000";

/// What the command line says.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// The file.
    pub config: PathBuf,
    /// How it is read.
    pub load: LoadOptions,
    /// Overrides the file's; empty: the file's or the default.
    pub listen_addresses: Vec<String>,
    /// Listen on the sockets that systemd hands over, whatever the file says.
    pub systemd_socket: bool,
    /// Certificates and passwords, instead of what the file says.
    pub web_config_file: Option<PathBuf>,
    /// What survives a restart, instead of what the file says.
    pub state_dir: Option<PathBuf>,
    /// Behave as YACE does: its routes, its counters.
    pub yace: bool,
    /// Which part of the work is its own, as `INDEX/COUNT`; without it, everything.
    pub shard: Option<String>,
    /// Works only while it holds this lease of Kubernetes.
    pub lease: Option<String>,
    /// What was said about the command line.
    pub warnings: Vec<String>,
    /// In the place of the CloudWatch agent, on such a machine: listen nowhere unless somebody says where, as that does not.
    pub agent: Option<AgentMode>,
}

impl RunOptions {
    /// A file, and nothing else said.
    pub fn of(config: PathBuf) -> Self {
        Self {
            config,
            load: LoadOptions::default(),
            listen_addresses: Vec::new(),
            systemd_socket: false,
            web_config_file: None,
            state_dir: None,
            yace: false,
            shard: None,
            lease: None,
            warnings: Vec::new(),
            agent: None,
        }
    }
}

/// Reads the file and logs its warnings.
pub fn load(options: &RunOptions) -> Result<Loaded, Mistakes> {
    let mut loaded = config::load(&options.config, &options.load)?;
    if options.state_dir.is_some() {
        loaded.settings.state_dir.clone_from(&options.state_dir);
    }
    for warning in &loaded.warnings {
        tracing::warn!(file = %options.config.display(), "{warning}");
    }
    Ok(loaded)
}

/// For the status page.
pub(super) fn warnings(options: &RunOptions, loaded: &Loaded) -> Vec<String> {
    let of_file = loaded.warnings.iter().map(|warning| format!("{}:{warning}", options.config.display()));
    options.warnings.iter().cloned().chain(of_file).collect()
}

/// Where to serve: what was typed, what the file says, or the usual place.
pub(super) fn addresses(options: &RunOptions, settings: &Settings) -> Vec<String> {
    if !options.listen_addresses.is_empty() {
        return options.listen_addresses.clone();
    }
    let of_file = &settings.web.listen_addresses;
    if of_file.is_empty() && options.agent.is_some() {
        Vec::new()
    } else if of_file.is_empty() {
        vec![DEFAULT_LISTEN_ADDRESS.to_owned()]
    } else {
        of_file.iter().map(ToString::to_string).collect()
    }
}
