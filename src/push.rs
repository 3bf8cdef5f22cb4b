//! From readings to CloudWatch: names and dimensions, data within its bounds, a bounded queue, and whoever empties it.
//!
//! Sending never delays collecting: what is collected goes into the queue at once, and the queue is emptied beside it.
//! Deliberately absent: what is measured (`host`), and the call itself (`aws/client`), which comes in as a
//! [`pump::Destination`].

pub mod batch;
pub mod census;
pub mod cost;
pub mod dimensions;
pub mod job;
pub mod namer;
pub mod pump;
pub mod record;
pub mod spool;
pub mod unit;
