//! The table of CloudWatch namespaces: how a namespace's resources are found and how their ARNs map to dimensions.
//!
//! `table` holds the rows, `pattern` compiles the notation of their mappings, `template` goes the other way, from dimensions
//! to an ARN. Deliberately absent: calling anything. A row only names the look-up that it needs.

use std::fmt;
use std::sync::{Arc, LazyLock, OnceLock};

pub mod pattern;
mod publish;
mod table;
mod template;

use crate::aws::job::Dimension;
use crate::model::Text;
pub use pattern::{ArnMatcher, BadMapping};
pub use publish::publish_delay_seconds;
pub use template::{Place, check as check_template};

/// A namespace: of the table, or of a file.
pub struct Service {
    /// The CloudWatch namespace, unique.
    pub namespace: Text,
    /// The short name of older configurations; only good for error messages. Two rows may share one; a file's have none.
    pub alias: &'static str,
    /// `ResourceTypeFilters` of `tag:GetResources`; empty: that call is not made.
    pub resource_types: Box<[Text]>,
    /// ARN → dimensions, in the notation of [`pattern`]. A resource belongs to the first mapping that matches it; none
    /// at all: metrics are not associated with resources.
    pub mappings: Box<[Text]>,
    /// Dimensions → ARN, in the notation of [`template`], in the order in which they are tried.
    pub arns: Box<[Text]>,
    /// Another API that adds, renames or drops resources.
    pub lookup: Lookup,
    /// How dimension values differ from the ARN's spelling.
    pub value_fix: ValueFix,
    /// The `enhancedMetrics` that exist here.
    pub enhanced_metrics: &'static [&'static str],
    /// The dimension that stands for the mappings' own ([`Service::known_by`]).
    renamed: Option<Text>,
    compiled: OnceLock<Box<[ArnMatcher]>>,
}

impl fmt::Debug for Service {
    /// All that was written, and nothing of what is compiled on first use: two prints of one service must not differ.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { namespace, resource_types, mappings, arns, renamed, .. } = self;
        f.debug_tuple("Service").field(&(namespace, resource_types, mappings, arns, renamed)).finish()
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

/// A row of the table.
struct Row {
    namespace: &'static str,
    alias: &'static str,
    resource_types: &'static [&'static str],
    mappings: &'static [&'static str],
    lookup: Lookup,
    value_fix: ValueFix,
    enhanced_metrics: &'static [&'static str],
}

impl Row {
    const fn new(
        namespace: &'static str,
        alias: &'static str,
        resource_types: &'static [&'static str],
        mappings: &'static [&'static str],
    ) -> Self {
        let (lookup, value_fix) = (Lookup::None, ValueFix::None);
        Self { namespace, alias, resource_types, mappings, lookup, value_fix, enhanced_metrics: &[] }
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

    fn service(&self) -> Service {
        let texts = |list: &[&str]| list.iter().map(|t| Text::from(*t)).collect();
        Service {
            alias: self.alias,
            lookup: self.lookup,
            value_fix: self.value_fix,
            enhanced_metrics: self.enhanced_metrics,
            arns: template::of(self.namespace).map(Text::from).collect(),
            ..Service::plain(self.namespace.into(), texts(self.resource_types), texts(self.mappings))
        }
    }
}

impl Service {
    fn plain(namespace: Text, resource_types: Box<[Text]>, mappings: Box<[Text]>) -> Self {
        Self {
            namespace,
            alias: "",
            resource_types,
            mappings,
            arns: Box::default(),
            lookup: Lookup::None,
            value_fix: ValueFix::None,
            enhanced_metrics: &[],
            renamed: None,
            compiled: OnceLock::new(),
        }
    }

    /// A namespace that a file describes. Where the table has it too, what the program does specially for it stays.
    pub fn own(namespace: Text, resource_types: Box<[Text]>, mappings: Box<[Text]>, arns: Box<[Text]>) -> Self {
        let known = service(&namespace);
        Self {
            lookup: known.map_or(Lookup::None, |k| k.lookup),
            value_fix: known.map_or(ValueFix::None, |k| k.value_fix),
            enhanced_metrics: known.map_or(&[], |k| k.enhanced_metrics),
            arns,
            ..Self::plain(namespace, resource_types, mappings)
        }
    }

    /// The same resources, found by metrics that have the value under another name: `Host` instead of `InstanceId`. `None`
    /// when no mapping is about a single dimension.
    pub fn known_by(&self, dimension: &Text) -> Option<Self> {
        let single = |m: &ArnMatcher| m.dimensions.len() == 1;
        let mappings: Box<[Text]> =
            self.mappings.iter().filter(|m| pattern::compile(m).is_ok_and(|m| single(&m))).map(Text::clone).collect();
        if mappings.is_empty() {
            return None;
        }
        let types = self.resource_types.clone();
        let renamed = Some(Text::clone(dimension));
        Some(Self {
            lookup: self.lookup,
            value_fix: self.value_fix,
            renamed,
            ..Self::plain(Text::clone(&self.namespace), types, mappings)
        })
    }

    /// The ARN of the resource to which a metric with these dimensions belongs, where they and the place say it all.
    pub fn arn(&self, dimensions: &[Dimension], place: Place<'_>) -> Option<Text> {
        self.arns.iter().find_map(|t| template::fill(t, dimensions, place))
    }

    /// The compiled mappings, in their order. Compiled on first use.
    pub fn matchers(&self) -> &[ArnMatcher] {
        // A mapping that does not compile would be left out; a test compiles every one of them.
        self.compiled.get_or_init(|| {
            let mut matchers: Box<[_]> = self.mappings.iter().filter_map(|m| pattern::compile(m).ok()).collect();
            if let Some(name) = &self.renamed {
                matchers.iter_mut().for_each(|m| m.dimensions.fill(Text::clone(name)));
            }
            matchers
        })
    }

    /// Whether anything lists resources of this namespace. When it does and the list is empty, the job shows nothing;
    /// when nothing lists them, metrics are shown without a resource.
    pub fn lists_resources(&self) -> bool {
        !self.resource_types.is_empty() || self.lookup != Lookup::None
    }
}

/// Every row, in the table's order.
pub fn services() -> &'static [Arc<Service>] {
    static SERVICES: LazyLock<Vec<Arc<Service>>> =
        LazyLock::new(|| table::ROWS.iter().map(|row| Arc::new(row.service())).collect());
    &SERVICES
}

/// The row of a namespace; the spelling counts.
pub fn service(namespace: &str) -> Option<&'static Arc<Service>> {
    services().iter().find(|s| *s.namespace == *namespace)
}

/// The first row that carries the alias.
pub fn by_alias(alias: &str) -> Option<&'static Arc<Service>> {
    services().iter().find(|s| s.alias == alias)
}

#[cfg(test)]
mod tests;
