//! One region of one account: its resources, its series, and the indices by which they are found.

use std::collections::BTreeMap;
use std::hash::BuildHasher;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use hashbrown::{DefaultHashBuilder, HashTable};

use crate::aws::job::{Dimension, Tag};
use crate::model::{Text, Timestamp};
use crate::sim::metric::Shape;
use crate::sim::spec::Kind;

/// How long ListMetrics goes on listing a metric without new data.
const LISTED_AFTER_THE_END: Duration = Duration::from_hours(14 * 24);
/// The same with `RecentlyActive=PT3H`.
const RECENTLY_ACTIVE: Duration = Duration::from_hours(3);

/// Something with an ARN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// Its ARN; empty for what has metrics without being a resource (a whole region, a custom namespace).
    pub arn: Text,
    /// Its type as the tagging API filters it: `ec2:instance`, `elasticloadbalancing:loadbalancer/app`.
    pub resource_type: &'static str,
    /// Its tags; without any the tagging API does not know it.
    pub tags: Vec<Tag>,
    /// When it came into being; `None`: it was always there.
    pub born: Option<Timestamp>,
    /// When it was deleted.
    pub gone: Option<Timestamp>,
    /// From when until when it has no data (an instance that is stopped), though it is still there.
    pub quiet: Option<(Timestamp, Option<Timestamp>)>,
    pub(crate) kind: Option<Kind>,
    pub(crate) seed: u64,
}

impl Resource {
    /// Whether the tagging API shows it.
    pub(crate) fn is_tagged(&self) -> bool {
        !self.arn.is_empty() && !self.tags.is_empty() && self.gone.is_none()
    }
}

/// A metric as a kind of value: what all its series share.
#[derive(Clone, Debug)]
pub(crate) struct Profile {
    pub(crate) namespace: Text,
    pub(crate) metric: Text,
    pub(crate) unit: &'static str,
    pub(crate) shape: Shape,
    pub(crate) resolution_seconds: u32,
    pub(crate) delay_seconds: u32,
    /// A point may be later than the delay by less than this.
    pub(crate) lateness_seconds: u32,
    pub(crate) presence_per_mille: u16,
}

/// A metric with its dimensions.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    /// Index of its profile in the world.
    pub(crate) profile: u32,
    /// Index of its resource in the place.
    pub(crate) resource: u32,
    pub(crate) resolution_seconds: u32,
    pub(crate) dimensions: Arc<[Dimension]>,
    pub(crate) seed: u64,
}

/// A dimension, whoever holds its text.
pub(crate) trait Pair {
    fn name(&self) -> &str;
    fn value(&self) -> &str;
}

impl Pair for Dimension {
    fn name(&self) -> &str {
        &self.name
    }

    fn value(&self) -> &str {
        &self.value
    }
}

impl<A: AsRef<str>, B: AsRef<str>> Pair for (A, B) {
    fn name(&self) -> &str {
        self.0.as_ref()
    }

    fn value(&self) -> &str {
        self.1.as_ref()
    }
}

/// Where the metrics of a namespace stand in the listing.
#[derive(Clone, Debug, Default)]
struct Namespace {
    all: Range<usize>,
    metrics: BTreeMap<Text, Range<usize>>,
}

/// A region of an account.
#[derive(Clone)]
pub(crate) struct Place {
    pub(crate) account: Text,
    pub(crate) region: Text,
    pub(super) resources: Vec<Resource>,
    pub(super) series: Vec<Series>,
    /// All series in the order in which ListMetrics gives them: by namespace, metric, age.
    listing: Vec<u32>,
    namespaces: BTreeMap<Text, Namespace>,
    table: HashTable<u32>,
    hasher: DefaultHashBuilder,
}

impl Place {
    pub(super) fn empty(account: &Text, region: &Text, hasher: &DefaultHashBuilder) -> Self {
        Self {
            account: Arc::clone(account),
            region: Arc::clone(region),
            resources: Vec::new(),
            series: Vec::new(),
            listing: Vec::new(),
            namespaces: BTreeMap::new(),
            table: HashTable::new(),
            hasher: hasher.clone(),
        }
    }

    pub(crate) fn resources(&self) -> &[Resource] {
        &self.resources
    }

    pub(crate) fn series(&self) -> &[Series] {
        &self.series
    }

    pub(crate) fn resource_of(&self, series: &Series) -> Option<&Resource> {
        self.resources.get(series.resource as usize)
    }

    pub(super) fn resource_mut(&mut self, arn: &str) -> Option<&mut Resource> {
        self.resources.iter_mut().find(|r| &*r.arn == arn && r.gone.is_none())
    }

    /// How many resources of a service there were so far: the index of the next one.
    pub(super) fn count(&self, kind: Kind) -> usize {
        self.resources.iter().filter(|r| r.kind == Some(kind)).count()
    }

    /// Builds the indices anew after series were added.
    pub(super) fn reindex(&mut self, profiles: &[Profile]) {
        let name = |id: u32| {
            let profile = self.series.get(id as usize).and_then(|s| profiles.get(s.profile as usize));
            profile.map(|p| (&p.namespace, &p.metric))
        };
        let mut listing: Vec<u32> = (0..u32::try_from(self.series.len()).unwrap_or(u32::MAX)).collect();
        listing.sort_by_key(|id| (name(*id), *id));
        let mut namespaces: BTreeMap<Text, Namespace> = BTreeMap::new();
        for (position, id) in listing.iter().enumerate() {
            let Some((namespace, metric)) = name(*id) else { continue };
            let entry = namespaces.entry(Arc::clone(namespace)).or_default();
            grow(&mut entry.all, position);
            grow(entry.metrics.entry(Arc::clone(metric)).or_default(), position);
        }
        let mut table = HashTable::with_capacity(self.series.len());
        let hash = |id: u32| match (name(id), self.series.get(id as usize)) {
            (Some((namespace, metric)), Some(s)) => fingerprint(&self.hasher, namespace, metric, &s.dimensions),
            _ => 0,
        };
        for id in &listing {
            table.insert_unique(hash(*id), *id, |id| hash(*id));
        }
        (self.listing, self.namespaces, self.table) = (listing, namespaces, table);
    }

    /// The series with exactly these dimensions, in any order; `hash` is their [`fingerprint`].
    pub(crate) fn find<P: Pair>(
        &self,
        profiles: &[Profile],
        hash: u64,
        namespace: &str,
        metric: &str,
        dimensions: &[P],
    ) -> Option<&Series> {
        let is_it = |id: &u32| {
            let Some(series) = self.series.get(*id as usize) else { return false };
            let Some(profile) = profiles.get(series.profile as usize) else { return false };
            &*profile.metric == metric && &*profile.namespace == namespace && equal(&series.dimensions, dimensions)
        };
        let id = self.table.find(hash, is_it)?;
        self.series.get(*id as usize)
    }

    /// The part of the listing that belongs to a namespace and a metric, as far as they are given.
    pub(crate) fn listing(&self, namespace: Option<&str>, metric: Option<&str>) -> &[u32] {
        let Some(namespace) = namespace else { return &self.listing };
        let range = self.namespaces.get(namespace).and_then(|n| match metric {
            Some(metric) => n.metrics.get(metric),
            None => Some(&n.all),
        });
        range.and_then(|range| self.listing.get(range.clone())).unwrap_or_default()
    }

    /// Whether ListMetrics shows a series at `now`.
    pub(crate) fn is_listed(&self, series: &Series, now: Timestamp, delay: Duration, recently_active: bool) -> bool {
        let Some(resource) = self.resource_of(series) else { return false };
        let after = if recently_active { RECENTLY_ACTIVE } else { LISTED_AFTER_THE_END };
        let is_quiet = resource
            .quiet
            .is_some_and(|(from, until)| from.plus(after) <= now && until.is_none_or(|until| now < until.plus(delay)));
        resource.born.is_none_or(|born| born.plus(delay) <= now)
            && resource.gone.is_none_or(|gone| now < gone.plus(after))
            && !is_quiet
    }
}

fn grow(range: &mut Range<usize>, position: usize) {
    if range.start >= range.end {
        range.start = position;
    }
    range.end = position + 1;
}

/// A hash of a metric with its dimensions, whatever their order.
pub(crate) fn fingerprint<P: Pair>(
    hasher: &DefaultHashBuilder,
    namespace: &str,
    metric: &str,
    dimensions: &[P],
) -> u64 {
    let head = hasher.hash_one((namespace, metric));
    dimensions.iter().fold(head, |sum, d| sum.wrapping_add(hasher.hash_one((d.name(), d.value()))))
}

fn equal<P: Pair>(ours: &[Dimension], asked: &[P]) -> bool {
    let has = |d: &P| ours.iter().any(|o| &*o.name == d.name() && &*o.value == d.value());
    ours.len() == asked.len() && asked.iter().all(has)
}
