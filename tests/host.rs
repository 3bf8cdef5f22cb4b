//! The host's collectors on machines of text: a PC, a Raspberry Pi, a container, and the machine on which the CloudWatch
//! agent was recorded.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "host/faults.rs"]
mod faults;
#[path = "host/golden.rs"]
mod golden;
#[path = "host/machines.rs"]
mod machines;
#[path = "host/node.rs"]
mod node;
#[path = "host/tree.rs"]
mod tree;
