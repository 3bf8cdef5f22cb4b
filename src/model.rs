//! The words that every part shares, valid by construction: times, names, labels, series and their values.
//!
//! Nothing here knows a cloud, a clock or a socket.

pub mod datum;
pub mod hash;
pub mod histogram;
pub mod number;
pub mod sample;
pub mod time;

pub use datum::{Datum, MetricIdentity, StandardUnit, Values};
pub use hash::fnv1a;
pub use histogram::{Bounds, Histogram};
pub use sample::{Cell, Family, Kind, LabelRule, LabelSet, SeriesKey, SeriesSet, SeriesSetBuilder, Snapshot};
pub use time::{Now, Timestamp};

/// Shared immutable text: cheap to clone, used for every name that many series repeat.
pub type Text = std::sync::Arc<str>;
