//! What a discovery found: account, resources and metrics, with the resource to which each metric belongs.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::aws::api::{Account, Resource};
use crate::aws::job::Dimension;
use crate::model::Text;

/// The newest knowledge about one job in one place. Immutable; a refresh makes a new one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Inventory {
    /// Whose series these are.
    pub account: Account,
    /// All resources that passed the job's filters, whether a metric belongs to them or not.
    pub resources: Vec<Resource>,
    /// The metrics, in the order of the job's entries and then of the listing.
    pub metrics: Vec<FoundMetric>,
    /// Which of the resources (by position) belong to linked accounts.
    pub owners: BTreeMap<usize, Text>,
}

/// A metric of the job with one set of dimensions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FoundMetric {
    /// Which entry of the job's `metrics`.
    pub entry: usize,
    /// The metric's name: the entry's, or one that its pattern matches.
    pub name: Text,
    /// The linked account that owns it; `None`: the account's own.
    pub owner: Option<Text>,
    /// Its dimensions, in the listed order.
    pub dimensions: Arc<[Dimension]>,
    /// Position in `resources`; `None`: `global`.
    pub resource: Option<usize>,
}
