//! The simulated cloud, asked by the real SDK over real sockets.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "sim/ask.rs"]
mod ask;
#[path = "sim/bill.rs"]
mod bill;
#[path = "sim/data.rs"]
mod data;
#[path = "sim/faults.rs"]
mod faults;
#[path = "sim/identity.rs"]
mod identity;
#[path = "sim/listing.rs"]
mod listing;
#[path = "sim/memory.rs"]
mod memory;
#[path = "sim/pushed.rs"]
mod pushed;
