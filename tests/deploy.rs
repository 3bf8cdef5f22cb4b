//! What lies in `deploy/` is true: dashboards and rules name what raingauge serves, alerts fire when they should, manifests
//! are well formed, and the stacks' own settings carry data through a restart.
//!
//! Partners (Prometheus, python3, kubectl, …) that are not installed are skipped by name; `RAINGAUGE_PARTNERS=required`
//! makes that a failure.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]
#![allow(clippy::print_stdout, reason = "what was measured is said")]

#[path = "deploy/demo.rs"]
mod demo;
#[path = "deploy/files.rs"]
mod files;
#[path = "deploy/image.rs"]
mod image;
#[path = "deploy/kubernetes.rs"]
mod kubernetes;
#[path = "partners/processes.rs"]
mod processes;
#[path = "deploy/promql.rs"]
mod promql;
#[path = "deploy/restart.rs"]
mod restart;
#[path = "deploy/rules.rs"]
mod rules;
#[path = "deploy/stacks.rs"]
mod stacks;
