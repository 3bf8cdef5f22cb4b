//! Pure: from what was listed to the inventory. Which resource a metric belongs to, what happens with those that belong to
//! nobody we know, and how many may stay.
//!
//! Deliberately absent: calls, and what can be said about a metric alone (that is `aws/listing`'s).

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use hashbrown::HashMap;

use crate::aws::api::{Account, Resource};
use crate::aws::associate::{Association, Associator};
use crate::aws::catalog::{Place, Service};
use crate::aws::inventory::{FoundMetric, Inventory};
use crate::aws::job::{Dimension, Discovery, Job, JobKind};
use crate::aws::listing::Listed;
use crate::model::Text;
use crate::seam::LeftOut;

/// Names in the account of what `maxSeries` left out; more would fill the log.
const NAMED: usize = 10;

/// A metric that an entry of the job wants.
pub struct Candidate {
    /// Which entry.
    pub entry: usize,
    /// The metric.
    pub listed: Listed,
}

/// The resources that a discovery found.
#[derive(Default)]
pub struct Resources {
    /// Those that the job wants.
    pub wanted: Vec<Resource>,
    /// Those that exist, and that the job does not want: their metrics are nobody else's.
    pub rejected: Vec<Resource>,
    /// For each of the job's joins, its resources.
    pub joined: Vec<Vec<Resource>>,
}

/// Gives each listing's metrics to the entries that want them: an entry with exactly that name, every one of them; else the
/// first pattern that matches. By entry, then in the listed order.
pub fn of_namespace(job: &Job, listed: Vec<Listed>) -> Vec<Candidate> {
    let mut by_name: HashMap<Text, Vec<usize>> = HashMap::new();
    let mut by_entry: Vec<Vec<Candidate>> = job.metrics.iter().map(|_| Vec::new()).collect();
    for listed in listed {
        let entries = by_name.entry(Text::clone(&listed.name)).or_insert_with(|| entries_of(job, &listed.name));
        for entry in entries.iter() {
            if let Some(of_entry) = by_entry.get_mut(*entry) {
                of_entry.push(Candidate { entry: *entry, listed: listed.clone() });
            }
        }
    }
    by_entry.into_iter().flatten().collect()
}

fn entries_of(job: &Job, name: &Text) -> Vec<usize> {
    let metrics = || job.metrics.iter().enumerate();
    let exact: Vec<usize> =
        metrics().filter(|(_, m)| m.pattern.is_none() && m.name == *name).map(|(at, _)| at).collect();
    if !exact.is_empty() {
        return exact;
    }
    let pattern = metrics().find(|(_, m)| m.pattern.as_ref().is_some_and(|p| p.is_match(name)));
    pattern.map(|(at, _)| at).into_iter().collect()
}

/// The inventory of a job in a region, and what its upper bound left out.
pub fn inventory(
    job: &Job,
    region: &str,
    account: Account,
    resources: Resources,
    candidates: Vec<Candidate>,
) -> (Inventory, LeftOut) {
    let (resources, owners, metrics) = match &job.kind {
        JobKind::Discovery(discovery) => {
            let place = Place { region, account: &account.id };
            discovered(job, discovery, place, resources, candidates)
        }
        JobKind::Custom | JobKind::Static(_) => joined(job, resources.joined, candidates),
    };
    let (metrics, left_out) = bounded(job, metrics);
    (Inventory { account, resources, metrics, owners }, left_out)
}

type Selected = (Vec<Resource>, BTreeMap<usize, Text>, Vec<FoundMetric>);

fn discovered(
    job: &Job,
    discovery: &Discovery,
    place: Place<'_>,
    resources: Resources,
    candidates: Vec<Candidate>,
) -> Selected {
    let Resources { wanted, rejected, .. } = resources;
    let known = wanted.len();
    let mut all = wanted;
    all.extend(rejected);
    let associator = Associator::new(&discovery.service, &all);
    let untagged = job.selection.include_untagged;
    let mut strangers = Strangers::new(&discovery.service, place.region, all.len());
    if untagged {
        strangers.known = all.iter().enumerate().map(|(at, r)| (Text::clone(&r.arn), at)).collect();
    }
    // Tags of linked accounts cannot be read from here, so nothing there can match one.
    let shows_linked = untagged || discovery.search_tags.is_empty();
    let mut metrics = Vec::new();
    for candidate in candidates {
        let dimensions = &candidate.listed.dimensions;
        let belongs = match &candidate.listed.owner {
            Some(_) if !shows_linked => continue,
            Some(owner) => strangers.of(dimensions, owner, Some(owner)),
            None => match associator.associate(dimensions) {
                Association::Resource(at) => Some(at),
                Association::Global if !untagged => None,
                Association::Skip if !untagged => continue,
                Association::Global | Association::Skip => strangers.of(dimensions, place.account, None),
            },
        };
        // The strangers stand behind both kinds of known ones, until those that the job rejects are taken out.
        match belongs {
            Some(at) if at >= all.len() => metrics.push(found(candidate, Some(at - all.len() + known))),
            Some(at) if at >= known => {}
            belongs => metrics.push(found(candidate, belongs)),
        }
    }
    drop(associator);
    all.truncate(known);
    let owners = strangers.owners.into_iter().map(|(at, owner)| (known + at, owner)).collect();
    all.extend(strangers.resources);
    (all, owners, metrics)
}

/// Resources of which only metrics tell.
struct Strangers<'a> {
    service: &'a Service,
    region: &'a str,
    /// ARN → position: of the known resources, then of the strangers.
    known: HashMap<Text, usize>,
    first: usize,
    resources: Vec<Resource>,
    /// By position among the strangers.
    owners: BTreeMap<usize, Text>,
}

impl<'a> Strangers<'a> {
    fn new(service: &'a Service, region: &'a str, first: usize) -> Self {
        Self { service, region, known: HashMap::new(), first, resources: Vec::new(), owners: BTreeMap::new() }
    }

    /// The position of the resource that the dimensions tell; `None` when they do not tell one.
    fn of(&mut self, dimensions: &[Dimension], account: &str, owner: Option<&Text>) -> Option<usize> {
        let arn = self.service.arn(dimensions, Place { region: self.region, account })?;
        if let Some(at) = self.known.get(&arn) {
            return Some(*at);
        }
        let at = self.resources.len();
        self.resources.push(Resource { arn: Text::clone(&arn), tags: Vec::new() });
        self.owners.extend(owner.map(|owner| (at, Text::clone(owner))));
        self.known.insert(arn, self.first + at);
        Some(self.first + at)
    }
}

/// Only the account's own metrics can be of the account's own resources.
fn joined(job: &Job, joined: Vec<Vec<Resource>>, candidates: Vec<Candidate>) -> Selected {
    let mut first = 0;
    let mut associators = Vec::with_capacity(joined.len());
    for (join, resources) in job.selection.joins.iter().zip(&joined) {
        associators.push((first, Associator::new(&join.service, resources)));
        first += resources.len();
    }
    let resource_of = |listed: &Listed| {
        let own = listed.owner.is_none();
        associators.iter().filter(|_| own).find_map(|(first, associator)| {
            match associator.associate(&listed.dimensions) {
                Association::Resource(at) => Some(first + at),
                Association::Global | Association::Skip => None,
            }
        })
    };
    let metrics = candidates
        .into_iter()
        .map(|candidate| {
            let resource = resource_of(&candidate.listed);
            found(candidate, resource)
        })
        .collect();
    drop(associators);
    (joined.into_iter().flatten().collect(), BTreeMap::new(), metrics)
}

fn found(candidate: Candidate, resource: Option<usize>) -> FoundMetric {
    let Candidate { entry, listed: Listed { name, dimensions, owner } } = candidate;
    FoundMetric { entry, name, owner, dimensions, resource }
}

/// Leaves out what is above the job's `maxSeries`. Which metrics stay depends on nothing but what there is, so that series do
/// not come and go: by entry, name, owner and dimensions.
fn bounded(job: &Job, mut metrics: Vec<FoundMetric>) -> (Vec<FoundMetric>, LeftOut) {
    let series_of = |m: &FoundMetric| job.metrics.get(m.entry).map_or(0, |metric| metric.statistics.len());
    let all: usize = metrics.iter().map(series_of).sum();
    let Some(limit) = job.selection.max_series.map(NonZeroUsize::get).filter(|limit| all > *limit) else {
        return (metrics, LeftOut::default());
    };
    let mut order: Vec<usize> = (0..metrics.len()).collect();
    order.sort_by_cached_key(|at| metrics.get(*at).map(rank));
    let mut stays = vec![false; metrics.len()];
    let mut series = 0;
    for at in order {
        let more = metrics.get(at).map_or(0, series_of);
        if series + more > limit {
            break;
        }
        series += more;
        stays.iter_mut().skip(at).take(1).for_each(|stays| *stays = true);
    }
    let mut by_name: BTreeMap<(usize, Text), usize> = BTreeMap::new();
    for (metric, _) in metrics.iter().zip(&stays).filter(|(_, stays)| !**stays) {
        *by_name.entry((metric.entry, Text::clone(&metric.name))).or_default() += series_of(metric);
    }
    let mut stays = stays.into_iter();
    metrics.retain(|_| stays.next().unwrap_or(false));
    (metrics, LeftOut { series: all - series, limit, what: named(&by_name) })
}

type Rank = (usize, Text, Option<Text>, Vec<Dimension>);

fn rank(metric: &FoundMetric) -> Rank {
    let mut dimensions = metric.dimensions.to_vec();
    dimensions.sort();
    (metric.entry, Text::clone(&metric.name), metric.owner.clone(), dimensions)
}

/// `NetworkIn (12), NetworkOut (40), and 3 more metrics`.
fn named(by_name: &BTreeMap<(usize, Text), usize>) -> String {
    let mut parts: Vec<String> =
        by_name.iter().take(NAMED).map(|((_, name), series)| format!("{name} ({series})")).collect();
    if by_name.len() > NAMED {
        parts.push(format!("and {} more metrics", by_name.len() - NAMED));
    }
    parts.join(", ")
}

#[cfg(test)]
mod tests;
