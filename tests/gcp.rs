//! Google Cloud Monitoring: a day of DELTA counters against the simulated cloud's truth, the bill of several scrapers, and
//! trouble through the front door.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "support/bridge.rs"]
mod bridge;
#[path = "gcp/drill.rs"]
mod drill;
#[path = "gcp/drop_in.rs"]
mod drop_in;
#[path = "gcp/front_door.rs"]
mod front_door;
#[path = "partners/processes.rs"]
mod processes;
#[path = "gcp/wrong.rs"]
mod wrong;
