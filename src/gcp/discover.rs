//! Discovery: the metric types with a job's prefixes become an [`Inventory`], published to the fetch of the same job and
//! project. It runs on its own, long interval. A listing that fails in the middle never makes the inventory smaller: what the
//! last one knew stays (unless the job holds nothing).

use std::sync::Arc;

use futures_util::future::BoxFuture;
use futures_util::{StreamExt, stream};
use hashbrown::{HashMap, HashSet};
use tokio::sync::watch;

use crate::gcp::api::{Api, Descriptor, DescriptorsRequest};
use crate::gcp::inventory::Inventory;
use crate::gcp::job::Job;
use crate::gcp::pages::{self, Listed};
use crate::gcp::plan;
use crate::model::{Now, Text, Timestamp};
use crate::seam::{Outcome, Progress, Source};

/// Prefixes listed at the same time by one job.
const LISTINGS_IN_FLIGHT: usize = 8;
/// What a Google metric type has before its first slash.
const GOOGLE: &str = "googleapis.com";

/// Where inventories are published; `None` until the first one.
pub type InventorySender = watch::Sender<Option<Arc<Inventory>>>;
/// The fetch's end.
pub type InventoryReceiver = watch::Receiver<Option<Arc<Inventory>>>;

/// The discovery of one job in one project.
pub struct Discover {
    job: Arc<Job>,
    project: Text,
    prefixes: Vec<Text>,
    api: Arc<dyn Api>,
    publish: InventorySender,
    known: HashMap<Text, Known>,
}

/// What is known about a prefix.
struct Known {
    /// When it was listed whole (steady clock); `None`: never, or only in part.
    listed: Option<Timestamp>,
    descriptors: Vec<Arc<Descriptor>>,
}

impl Discover {
    /// `publish`: the other end belongs to the fetch.
    pub fn new(job: Arc<Job>, project: Text, api: Arc<dyn Api>, publish: InventorySender) -> Self {
        let prefixes = plan::prefixes(&job.prefixes);
        Self { job, project, prefixes, api, publish, known: HashMap::new() }
    }

    async fn run(&mut self, now: Timestamp) -> Outcome {
        let mut outcome = Outcome::default();
        let due: Vec<Text> = self.prefixes.iter().filter(|p| !self.is_good(p, now)).cloned().collect();
        let (job, project, api) = (&self.job, &self.project, &self.api);
        let asked: Vec<_> = due.into_iter().map(|prefix| list(job, project, &**api, prefix)).collect();
        let listed: Vec<_> = stream::iter(asked).buffer_unordered(LISTINGS_IN_FLIGHT).collect().await;
        let mut any = listed.is_empty();
        for (prefix, mut listing) in listed {
            outcome.calls.append(&mut listing.calls);
            any |= listing.failure.is_none() || !listing.items.is_empty();
            let whole = listing.failure.is_none();
            outcome.failures.extend(listing.failure);
            self.learn(prefix, listing.items, whole, now);
        }
        // Where nothing was learned and nothing is known, there is nothing to publish: the fetch would find an empty world.
        if any || !self.job.holds() || self.publish.borrow().is_some() {
            outcome.resources = any.then(|| self.publish());
        }
        outcome
    }

    /// Whether the last listing of a prefix is still good.
    fn is_good(&self, prefix: &Text, now: Timestamp) -> bool {
        let rules = self.job.descriptors;
        let cached = !rules.only_google || prefix.split('/').next().is_some_and(|head| head.contains(GOOGLE));
        let known = self.known.get(prefix).filter(|k| cached && !k.descriptors.is_empty());
        known.and_then(|k| k.listed).is_some_and(|at| now.since(at) < rules.ttl)
    }

    fn learn(&mut self, prefix: Text, items: Vec<Descriptor>, whole: bool, now: Timestamp) {
        let mut descriptors: Vec<Arc<Descriptor>> = items.into_iter().map(Arc::new).collect();
        if !whole
            && self.job.holds()
            && let Some(before) = self.known.remove(&prefix)
        {
            let found: HashSet<Text> = descriptors.iter().map(|d| Text::clone(&d.metric_type)).collect();
            descriptors.extend(before.descriptors.into_iter().filter(|d| !found.contains(&d.metric_type)));
        }
        self.known.insert(prefix, Known { listed: whole.then_some(now), descriptors });
    }

    /// An inventory that equals the last one is not published. Returns how many metric types there are.
    fn publish(&self) -> usize {
        let mut seen = HashSet::new();
        let known = self.prefixes.iter().filter_map(|prefix| self.known.get(prefix)).flat_map(|k| &k.descriptors);
        let wanted = known.filter(|d| plan::is_wanted(&self.job, d) && seen.insert(Text::clone(&d.metric_type)));
        let inventory = Inventory { descriptors: wanted.cloned().collect() };
        let n = inventory.descriptors.len();
        self.publish.send_if_modified(|current| {
            if current.as_deref() == Some(&inventory) {
                return false;
            }
            *current = Some(Arc::new(inventory));
            true
        });
        n
    }
}

async fn list(job: &Job, project: &Text, api: &dyn Api, prefix: Text) -> (Text, Listed<Descriptor>) {
    let filter = plan::descriptors_filter(job, project, &prefix);
    let request =
        DescriptorsRequest { project: Text::clone(project), filter, active_only: job.descriptors.active_only };
    (prefix, pages::descriptors(api, &request).await)
}

impl Source for Discover {
    fn collect<'a>(&'a mut self, now: Now, _progress: Progress<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(self.run(now.steady))
    }
}
