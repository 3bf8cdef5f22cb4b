//! The table of CloudWatch namespaces: how a namespace's resources are found and how their ARNs map to dimensions.
//!
//! `table` holds the rows, `pattern` compiles the notation of their mappings. Deliberately absent: calling anything. A
//! row only names the look-up that it needs.

use std::fmt;
use std::sync::OnceLock;

pub mod pattern;
mod publish;
mod table;

pub use pattern::{ArnMatcher, BadMapping};
pub use publish::publish_delay_seconds;

/// A row of the table.
pub struct Service {
    /// The CloudWatch namespace, unique.
    pub namespace: &'static str,
    /// The short name of older configurations; only good for error messages. Two rows may share one.
    pub alias: &'static str,
    /// `ResourceTypeFilters` of `tag:GetResources`; empty: that call is not made.
    pub resource_types: &'static [&'static str],
    /// ARN → dimensions, in the notation of [`pattern`]. A resource belongs to the first mapping that matches it; none
    /// at all: metrics are not associated with resources.
    pub mappings: &'static [&'static str],
    /// Another API that adds, renames or drops resources.
    pub lookup: Lookup,
    /// How dimension values differ from the ARN's spelling.
    pub value_fix: ValueFix,
    /// The `enhancedMetrics` that exist here.
    pub enhanced_metrics: &'static [&'static str],
    compiled: OnceLock<Box<[ArnMatcher]>>,
}

impl fmt::Debug for Service {
    /// The namespace, which says it all; what is compiled on first use must not make two prints differ.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Service").field(&self.namespace).finish()
    }
}

/// Where resources come from besides (or instead of) the tagging API, or what is done to the tagging API's list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lookup {
    /// Nothing else.
    None,
    /// The only source: autoscaling groups.
    AutoScaling,
    /// A filter: keeps REST and HTTP APIs that are listed, and puts a REST API's name in place of its id.
    ApiGateway,
    /// A filter: appends the replication instance to the ARNs of instances and tasks.
    Dms,
    /// The only source: spot fleet requests.
    SpotFleet,
    /// An addition: resources that Shield protects.
    Shield,
    /// An addition: gateways, as `id/name`.
    StorageGateway,
    /// An addition: attachments, as `gateway/attachment`.
    TransitGateway,
    /// The only source: workspaces.
    ManagedPrometheus,
}

/// What is done to a metric's dimension value before it is compared with what the ARN says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ValueFix {
    /// Nothing.
    None,
    /// `Broker` loses a trailing `-` and digits: MQ adds the number of the instance to the broker's name.
    BrokerSuffix,
    /// `InferenceComponentName` is compared in lower case.
    InferenceComponentLowerCase,
}

impl Service {
    const fn new(
        namespace: &'static str,
        alias: &'static str,
        resource_types: &'static [&'static str],
        mappings: &'static [&'static str],
    ) -> Self {
        Self {
            namespace,
            alias,
            resource_types,
            mappings,
            lookup: Lookup::None,
            value_fix: ValueFix::None,
            enhanced_metrics: &[],
            compiled: OnceLock::new(),
        }
    }

    const fn looked_up_by(mut self, lookup: Lookup) -> Self {
        self.lookup = lookup;
        self
    }

    const fn with_fix(mut self, value_fix: ValueFix) -> Self {
        self.value_fix = value_fix;
        self
    }

    const fn with_enhanced(mut self, metrics: &'static [&'static str]) -> Self {
        self.enhanced_metrics = metrics;
        self
    }

    /// The compiled mappings, in their order. Compiled on first use.
    pub fn matchers(&self) -> &[ArnMatcher] {
        // A mapping that does not compile would be left out; a test compiles every one of them.
        self.compiled.get_or_init(|| self.mappings.iter().filter_map(|m| pattern::compile(m).ok()).collect())
    }

    /// Whether anything lists resources of this namespace. When it does and the list is empty, the job shows nothing;
    /// when nothing lists them, metrics are shown without a resource.
    pub fn lists_resources(&self) -> bool {
        !self.resource_types.is_empty() || self.lookup != Lookup::None
    }
}

/// Every row, in the table's order.
pub fn services() -> &'static [Service] {
    &table::SERVICES
}

/// The row of a namespace; the spelling counts.
pub fn service(namespace: &str) -> Option<&'static Service> {
    services().iter().find(|s| s.namespace == namespace)
}

/// The first row that carries the alias.
pub fn by_alias(alias: &str) -> Option<&'static Service> {
    services().iter().find(|s| s.alias == alias)
}

#[cfg(test)]
mod tests;
