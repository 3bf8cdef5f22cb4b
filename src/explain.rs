//! Why a metric is missing: what somebody looks for ([`wanted`]), where the configuration would bring it from ([`spots`]), and
//! what a walk found ([`verdict`]). Pure.
//!
//! Deliberately absent: asking. `app/explain` walks, with the daemon's own discovery, plan and fetch: what they would not show,
//! they do not show here, and the first of them that does not is the cause.

pub mod lookback;
pub mod spots;
pub mod verdict;
pub mod wanted;
