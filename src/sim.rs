//! The simulated cloud: the demo, the test double and the ruler. It speaks the wire protocols of the real one, so that the
//! unmodified SDKs (ours, and those of the programs we replace) run against it; it knows the truth, publishes it with
//! delay, throttles, fails on demand, and keeps the bill.
//!
//! It is reached by explicit command only, and its account ids cannot exist.
//! Deliberately absent: metric math, Metrics Insights, alarms, TLS, signatures.

mod cloud;
mod example;
pub mod fault;
pub mod google;
pub mod ledger;
pub mod memory;
mod metric;
mod ops;
pub mod price;
pub mod pushed;
pub mod quota;
mod refusal;
pub mod spec;
mod statistic;
mod value;
mod wire;
pub mod world;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio::task::JoinHandle;

use crate::clock::Clock;
use cloud::Cloud;
pub use cloud::TimeSource;
pub use example::example_yace_config;
pub use fault::{Effect, Fault, Faults};
pub use google::{GoogleSpec, MemoryGoogle};
pub use ledger::Ledger;
pub use memory::{MemoryApi, MemoryCloud};
pub use pushed::PushedSeries;
pub use spec::{AccountSpec, Kind, WorldSpec};
pub use value::Stats;
pub use world::World;

/// A simulated cloud that serves on a socket until it is shut down or dropped.
pub struct SimCloud {
    cloud: Arc<Cloud>,
    address: SocketAddr,
    server: JoinHandle<()>,
}

impl SimCloud {
    /// Serves on a free port of the loopback. Needs a tokio runtime.
    pub async fn start(spec: WorldSpec, clock: Clock) -> io::Result<Self> {
        Self::start_on(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), spec, clock).await
    }

    /// Serves on an address. Needs a tokio runtime.
    pub async fn start_on(listen: SocketAddr, spec: WorldSpec, clock: Clock) -> io::Result<Self> {
        let cloud = Arc::new(Cloud::new(spec, TimeSource::clock(clock)));
        let server = wire::Server::bind(listen, Arc::clone(&cloud)).await?;
        Ok(Self { cloud, address: server.address(), server: tokio::spawn(server.serve()) })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The value for `AWS_ENDPOINT_URL`.
    pub fn endpoint_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The Google half in memory.
    pub fn google(&self) -> MemoryGoogle {
        MemoryGoogle { cloud: Arc::clone(&self.cloud) }
    }

    /// The switchboard of the faults.
    pub fn faults(&self) -> &Faults {
        &self.cloud.faults
    }

    /// The bill.
    pub fn ledger(&self) -> &Ledger {
        &self.cloud.ledger
    }

    /// The world, for its truth and for scripted changes.
    pub fn world(&self) -> &World {
        &self.cloud.world
    }

    /// What was written with PutMetricData.
    pub fn pushed(&self) -> Vec<PushedSeries> {
        self.cloud.pushed.all()
    }

    /// Stops serving; connections are closed, also those whose answers hang.
    pub async fn shutdown(mut self) {
        self.cloud.closing.cancel();
        self.server.abort();
        // Only the end is waited for; how it ended does not matter.
        let _ = (&mut self.server).await;
    }
}

impl Drop for SimCloud {
    fn drop(&mut self) {
        self.cloud.closing.cancel();
        self.server.abort();
    }
}
