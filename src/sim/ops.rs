//! What the operations answer, apart from any wire format: validation, paging, and the walk through the world. The wire
//! and the memory both answer from here.

pub(crate) mod apis;
pub(crate) mod described;
pub(crate) mod listing;
pub(crate) mod metric_data;
pub(crate) mod metric_statistics;
pub(crate) mod period;
pub(crate) mod put;
pub(crate) mod resources;
pub(crate) mod sessions;
pub(crate) mod source;
pub(crate) mod token;
