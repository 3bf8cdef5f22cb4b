//! CloudWatch: tag-based discovery, ListMetrics, GetMetricData and GetMetricStatistics, in YACE's vocabulary.
//!
//! `job` says what to collect, `api` is the narrow seam to the cloud (six calls, our types), `client` the only file that
//! names the SDK, `gated` asks the quota before each call. Other services are asked a `question`, which `signed` sends;
//! `special` makes resources of the answers, `enhanced` makes values. `discover` makes an `inventory` (what stays of a
//! listing, `select` says, pure), `plan` (pure) turns it into
//! batches, `fetch` runs them, `convert` (pure) makes labels and samples. `catalog` is the table of namespaces, `associate`
//! finds the resource of a metric, `naming` spells YACE's names.

pub mod api;
pub mod associate;
mod batch;
pub mod cadence;
pub mod catalog;
pub mod client;
pub mod convert;
pub mod crypto;
pub mod discover;
pub mod enhanced;
pub mod fetch;
pub mod gated;
pub mod inventory;
pub mod job;
pub mod listing;
pub mod metadata;
pub mod naming;
pub mod oracle;
pub mod paged;
pub mod permissions;
pub mod plan;
pub mod question;
pub mod regions;
pub mod select;
pub mod signed;
pub mod special;
pub mod statics;
pub mod warm;
pub mod xml;
