//! Google Cloud Monitoring: metric descriptors, `timeSeries.list`, in stackdriver_exporter's vocabulary. The twin of `aws`.
//!
//! `job` says what to collect, `api` is the narrow seam to the cloud (four calls, our types).

pub mod api;
pub mod job;
