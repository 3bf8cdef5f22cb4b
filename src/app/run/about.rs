//! What a daemon is told about itself.

use crate::model::Timestamp;
use crate::work::demand::Drive;

/// What the status page says about the daemon itself.
#[derive(Clone, Debug, Default)]
pub struct About {
    /// The configuration file, or what else it runs on.
    pub source: String,
    /// What was said about the command line and the file.
    pub warnings: Vec<String>,
    /// Something to say above everything else.
    pub notice: Option<String>,
    /// In whose place it runs.
    pub peer: Peer,
    /// When the process started.
    pub started: Timestamp,
}

/// In whose place the daemon runs: whose routes and counters it has.
#[derive(Clone, Debug, Default)]
pub enum Peer {
    /// Nobody's.
    #[default]
    None,
    /// YACE's.
    Yace,
    /// stackdriver_exporter's.
    Stackdriver(StackdriverPeer),
}

/// What stackdriver_exporter's flags say about the HTTP side.
#[derive(Clone, Debug)]
pub struct StackdriverPeer {
    /// Where the cloud's metrics are.
    pub cloud_path: String,
    /// Where the program's own are.
    pub telemetry_path: String,
    /// What `?collect=` may narrow.
    pub prefixes: Vec<String>,
    /// How scrapes drive the collection.
    pub drive: Drive,
}
