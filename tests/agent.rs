//! The agent through the front door: its configurations, what arrives at the simulated CloudWatch, and what happens when
//! that, the instance's metadata or the process itself fails.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "support/bridge.rs"]
mod bridge;
#[path = "agent/config.rs"]
mod config;
#[path = "agent/drill.rs"]
mod drill;
#[path = "agent/metadata.rs"]
mod metadata;
#[path = "agent/push.rs"]
mod push;
#[path = "agent/statsd.rs"]
mod statsd;
