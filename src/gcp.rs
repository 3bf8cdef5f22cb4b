//! Google Cloud Monitoring: metric descriptors, `timeSeries.list`, in stackdriver_exporter's vocabulary. The twin of `aws`.
//!
//! `job` says what to collect, `api` is the narrow seam to the cloud (four calls, our types), `client` the only place that
//! names HTTP and credentials, `gated` asks the quota before each call. `discover` makes an `inventory` of metric types, `plan`
//! (pure) says which of them are asked for what, `fetch` asks (`ask`, one metric type at a time), `convert` (pure) makes labels
//! and samples, in the names of `naming`, with the `buckets` of distributions; `deltas` (pure) adds up what came since the
//! last time; `shown` puts it all into a snapshot.

pub mod api;
pub mod ask;
pub mod buckets;
pub mod client;
pub mod convert;
pub mod deltas;
pub mod discover;
pub mod fetch;
pub mod gated;
pub mod inventory;
pub mod job;
pub mod naming;
pub mod pages;
pub mod plan;
pub mod shown;
