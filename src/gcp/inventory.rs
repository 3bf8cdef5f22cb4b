//! What a discovery found: the metric types of one project.

use std::sync::Arc;

use crate::gcp::api::Descriptor;

/// The metric types that a fetch asks for, each once, in the order of the prefixes and of the listing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Inventory {
    /// The metric types.
    pub descriptors: Vec<Arc<Descriptor>>,
}
