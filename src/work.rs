//! The engine: the worker loop that drives every [`Source`](crate::seam::Source), its schedule, and the quotas that all
//! workers share. Knows no cloud.

mod bucket;
pub mod budget;
pub mod demand;
mod fair;
mod places;
pub mod readiness;
pub mod schedule;
pub mod shard;
pub mod worker;
