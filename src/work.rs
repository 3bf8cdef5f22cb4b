//! The engine: the worker loop that drives every [`Source`](crate::seam::Source), its schedule, and the quotas that all
//! workers share. Knows no cloud.

pub mod budget;
pub mod demand;
pub mod readiness;
pub mod schedule;
pub mod worker;
