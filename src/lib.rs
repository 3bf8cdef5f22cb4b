//! raingauge: cloud metrics into Prometheus.
//!
//! Data flows left to right, and modules stand here in that order:
//!
//! ```text
//! config ─► discover ─► plan ─► fetch ─► convert ─► store ─► expose
//! ```
//!
//! Rules (executed by `tests/layering.rs`): leaves (`aws`) know only `model` and `seam`; the engine (`work`, `store`) knows
//! no cloud; only `app` sees everything; time is a parameter; one file names each library that talks to the outside.

pub mod model;

pub mod clock;
pub mod seam;
pub mod secret;

pub mod http1;
pub mod lease;

pub mod config;

pub mod aws;

pub mod gcp;

pub mod host;

pub mod work;

pub mod store;

pub mod push;

pub mod state;

pub mod expose;

pub mod explain;

pub mod telemetry;

pub mod sim;

pub mod cli;

pub mod app;
