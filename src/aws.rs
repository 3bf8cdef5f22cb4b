//! CloudWatch: tag-based discovery, ListMetrics, GetMetricData and GetMetricStatistics, in YACE's vocabulary.
//!
//! `job` says what to collect, `api` is the narrow seam to the cloud (four calls, our types), `client` the only file that
//! names the SDK. `discover` makes an inventory, `plan` (pure) turns it into batches, `fetch` runs them, `convert` (pure)
//! makes series. `catalog` is the table of namespaces.

pub mod api;
pub mod associate;
pub mod catalog;
pub mod job;
pub mod naming;
