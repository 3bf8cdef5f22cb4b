//! The activity oracle: one more listing, with `RecentlyActive=PT3H`, tells which metrics of an inventory have had no data for
//! three hours. Nobody needs to pay for asking what they are: nothing. Listing costs a five-hundredth of asking.
//!
//! It never speaks about a metric that the full listing before this one did not have, since a new one may take a quarter of an
//! hour to be listed anywhere; nor for longer than [`MAX_WORD`]. A metric that starts again is seen that much later at most.

use std::hash::BuildHasher;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use hashbrown::{DefaultHashBuilder, HashSet};
use tokio::sync::watch;

use crate::aws::api::Api;
use crate::aws::inventory::{FoundMetric, Inventory};
use crate::aws::job::{Dimension, Job, Metric, Pace, cadence_seconds};
use crate::aws::listing::{Interner, list};
use crate::model::{Text, Timestamp};
use crate::seam::Call;

/// What the filter of ListMetrics means. (It may name somewhat more, never less.)
pub const RECENT: Duration = Duration::from_secs(3 * 3600);
/// The oracle's word is good until it is asked again, but not for longer.
const MAX_WORD: Duration = Duration::from_secs(1_800);
/// The next word may come that much late.
const GRACE: Duration = Duration::from_secs(60);
/// Metrics listed at the same time; the gate decides about the calls of all jobs.
const LISTINGS_IN_FLIGHT: usize = 8;

/// Metrics without data.
pub struct Idle {
    /// Of which inventory.
    pub inventory: Arc<Inventory>,
    /// Positions in its `metrics`, ascending.
    pub metrics: Vec<usize>,
    /// Steady time up to which it counts.
    pub until: Timestamp,
}

/// Where the oracle speaks; `None` until the first time.
pub type IdleSender = watch::Sender<Option<Arc<Idle>>>;
/// Where a fetch listens.
pub type IdleReceiver = watch::Receiver<Option<Arc<Idle>>>;

/// Asks it. `before`: what the listing before this one had; `now`: steady.
pub async fn ask(
    api: &dyn Api,
    job: &Job,
    inventory: &Arc<Inventory>,
    before: &Inventory,
    now: Timestamp,
    calls: &mut Vec<Call>,
) -> Idle {
    let hasher = DefaultHashBuilder::default();
    let active = Active::ask(api, job, inventory, &hasher, calls).await;
    let identity = |found: &FoundMetric| identity(&hasher, &found.name, found.owner.as_ref(), &found.dimensions);
    let listed_before: Identities = before.metrics.iter().map(identity).collect();
    let is_idle = |(at, found): (usize, &FoundMetric)| {
        let is_known = is_short(job.metrics.get(found.entry)?) && active.knows(&found.name);
        let identity = identity(found);
        (is_known && listed_before.contains(&identity) && !active.metrics.contains(&identity)).then_some(at)
    };
    Idle {
        inventory: Arc::clone(inventory),
        metrics: inventory.metrics.iter().enumerate().filter_map(is_idle).collect(),
        until: now.plus(job.timing.inventory_interval.min(MAX_WORD)).plus(GRACE),
    }
}

/// Whether the window of a metric may lie within three hours.
pub fn is_short(metric: &Metric) -> bool {
    let cadence = match metric.pace {
        Pace::Auto => cadence_seconds(metric.period_seconds),
        Pace::Every(_) => 0,
    };
    metric.length_seconds + metric.delay_seconds + u64::from(cadence) <= RECENT.as_secs()
}

/// Metrics by the hash of name, owning linked account and dimensions: a tenth of the memory of these. Should two of them ever have
/// one hash (one chance in a thousand millions with 100,000 metrics), an idle one is asked for, or a new one has to wait for the
/// next word, which has other hashes.
type Identities = HashSet<u64>;

fn identity(hasher: &DefaultHashBuilder, name: &str, owner: Option<&Text>, dimensions: &[Dimension]) -> u64 {
    hasher.hash_one((name, owner, dimensions))
}

/// What the listings said, as far as they came whole.
#[derive(Default)]
struct Active {
    /// The names that were listed; `None`: all of the namespace.
    names: Option<HashSet<Text>>,
    metrics: Identities,
}

impl Active {
    /// One listing for each name, or one for the whole namespace where a name is a pattern: as the discovery lists.
    async fn ask(
        api: &dyn Api,
        job: &Job,
        inventory: &Inventory,
        hasher: &DefaultHashBuilder,
        calls: &mut Vec<Call>,
    ) -> Self {
        let short = || job.metrics.iter().filter(|m| is_short(m));
        let all = short().any(|m| m.pattern.is_some());
        let names: HashSet<Option<Text>> = short().map(|m| (!all).then(|| Text::clone(&m.name))).collect();
        let known = inventory.metrics.iter().map(|m| Arc::clone(&m.dimensions));
        let (account, interner) = (&inventory.account.id, &Interner::seeded(known));
        let asked: Vec<_> = names
            .into_iter()
            .map(|name| async move {
                let listing = list(api, job, name.as_ref(), true, account, interner).await;
                (name, listing)
            })
            .collect();
        let mut listings = stream::iter(asked).buffer_unordered(LISTINGS_IN_FLIGHT);
        let mut active = Self { names: Some(HashSet::new()), ..Self::default() };
        while let Some((name, mut listing)) = listings.next().await {
            calls.append(&mut listing.calls);
            if let Some(failure) = listing.failure {
                tracing::warn!(job = %job.name, %failure, "what is active is not known; everything is asked for");
                continue;
            }
            match (name, &mut active.names) {
                (Some(name), Some(names)) => drop(names.insert(name)),
                _ => active.names = None,
            }
            let listed = listing.metrics.iter();
            active.metrics.extend(listed.map(|m| identity(hasher, &m.name, m.owner.as_ref(), &m.dimensions)));
        }
        active
    }

    fn knows(&self, name: &Text) -> bool {
        self.names.as_ref().is_none_or(|names| names.contains(name))
    }
}
