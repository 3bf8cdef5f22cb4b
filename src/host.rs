//! The Linux host: what the kernel tells about it, as the CloudWatch agent's measurements and under node_exporter's names.
//!
//! [`root`] alone reads `/proc` and `/sys`; everything else here is a function of text. What becomes of the measurements
//! (names, dimensions, roll-ups, sending) is not decided here.

pub mod glob;
pub mod job;
pub mod reading;
