//! Discovery: tags and ListMetrics become an [`Inventory`], published to the fetch of the same job. It runs on its own, long
//! interval; a refresh that fails keeps what the last one found. What the tagging API does not know comes from [`special`].

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream;
use hashbrown::HashMap;
use tokio::sync::watch;

use crate::aws::api::{Account, Api, Resource};
use crate::aws::inventory::{FoundMetric, Inventory};
use crate::aws::job::{Discovery, Job, JobKind, Linked};
use crate::aws::listing::{Interner, Listed, Listing, Pages, Turn, list, too_many_pages};
use crate::aws::oracle::{self, IdleSender};
use crate::aws::select::{self, Candidate, Resources};
use crate::aws::special;
use crate::model::{Now, Text};
use crate::seam::{Call, Failure, LeftOut, Outcome, Progress, Source};

/// Metrics listed at the same time by one job; the gate decides about the calls of all jobs.
const LISTINGS_IN_FLIGHT: usize = 8;
/// Where inventories are published; `None` until the first one.
pub type InventorySender = watch::Sender<Option<Arc<Inventory>>>;

/// The discovery of one job in one place.
pub struct Discover {
    job: Arc<Job>,
    api: Arc<dyn Api>,
    publish: InventorySender,
    /// Where it says which metrics have no data.
    oracle: Option<IdleSender>,
    /// What the log knows: said once, not in every run.
    told: Told,
}

#[derive(Default)]
struct Told {
    nothing_listed: bool,
    left_out: LeftOut,
}

impl Discover {
    /// `publish`: the other end belongs to the job's fetch.
    pub fn new(job: Arc<Job>, api: Arc<dyn Api>, publish: InventorySender) -> Self {
        Self { job, api, publish, oracle: None, told: Told::default() }
    }

    /// Asks the activity oracle as well, where the job wants it.
    #[must_use]
    pub fn with_oracle(mut self, tell: IdleSender) -> Self {
        self.oracle = Some(tell).filter(|_| self.job.timing.activity_oracle && !self.job.recently_active_only);
        self
    }

    /// After a listing; `before`: what the one before it had found.
    async fn ask_oracle(&self, before: Option<Arc<Inventory>>, now: Now, calls: &mut Vec<Call>) {
        let (Some(tell), Some(before)) = (&self.oracle, before) else { return };
        let Some(inventory) = self.publish.borrow().clone() else { return };
        let idle = oracle::ask(&*self.api, &self.job, &inventory, &before, now.steady, calls).await;
        tell.send_replace(Some(Arc::new(idle)));
    }

    async fn run(&mut self, now: Now) -> Outcome {
        let mut books = Books::default();
        let identified = self.api.account().await;
        books.calls.extend(identified.calls);
        if let Some(failure) = identified.alias_failure {
            tracing::warn!(job = %self.job.name, %failure, "the account's alias is not known; series go without account_alias");
        }
        match identified.account {
            Err(failure) => books.failures.push(failure),
            Ok(account) => {
                if let Some((inventory, left_out)) = self.find(account, &mut books).await {
                    books.resources = Some(inventory.resources.len());
                    self.tell(&inventory, &left_out, books.failures.is_empty());
                    books.left_out = Some(left_out);
                    let before = self.publish.borrow().clone();
                    self.publish(inventory);
                    self.ask_oracle(before, now, &mut books.calls).await;
                }
            }
        }
        let Books { calls, failures, resources, left_out } = books;
        Outcome { calls, failures, resources, left_out, ..Outcome::default() }
    }

    /// `None`: the resources could not be found, so nothing can be said about the metrics.
    async fn find(&self, account: Account, books: &mut Books) -> Option<(Inventory, LeftOut)> {
        let mut resources = Resources::default();
        let mut candidates = Vec::new();
        match &self.job.kind {
            JobKind::Static(_) => {}
            JobKind::Custom => {
                for join in &self.job.selection.joins {
                    resources.joined.push(self.tagged(&join.service.resource_types, &[], books).await?);
                }
                candidates = self.metrics(&account.id, books).await;
            }
            JobKind::Discovery(discovery) => {
                resources = self.resources(discovery, books).await?;
                let selection = &self.job.selection;
                let others = selection.include_untagged || selection.linked != Linked::None;
                if resources.wanted.is_empty() && discovery.service.lists_resources() && !others {
                    tracing::warn!(job = %self.job.name, region = %self.api.region(), "no tagged resource was found, so the job shows nothing: check searchTags, and whether the resources have tags (includeUntagged shows those without)");
                } else {
                    candidates = self.metrics(&account.id, books).await;
                }
            }
        }
        Some(select::inventory(&self.job, self.api.region(), account, resources, candidates))
    }

    /// Resources without any tag are those that the job wants where it wants untagged ones; then all are asked for, since one
    /// whose tags do not match must not pass for one that has none.
    async fn resources(&self, discovery: &Discovery, books: &mut Books) -> Option<Resources> {
        let untagged = self.job.selection.include_untagged;
        let searched = discovery.search_tags.iter().map(|t| Text::clone(&t.key)).collect::<Vec<_>>();
        let keys = if untagged { &[][..] } else { &searched };
        let mut found = self.tagged(&discovery.service.resource_types, keys, books).await?;
        if !untagged {
            found.retain(|r| discovery.wants(&r.tags));
        }
        let completed = special::complete(discovery, !untagged, &*self.api, found, &mut books.calls).await;
        let all = completed.map_err(|failure| books.failures.push(failure)).ok()?;
        if !untagged {
            return Some(Resources { wanted: all, ..Resources::default() });
        }
        let (wanted, rejected) = all.into_iter().partition(|r| r.tags.is_empty() || discovery.wants(&r.tags));
        Some(Resources { wanted, rejected, ..Resources::default() })
    }

    /// All pages of the tagging API.
    async fn tagged(&self, types: &[Text], keys: &[Text], books: &mut Books) -> Option<Vec<Resource>> {
        let mut found = Vec::new();
        if types.is_empty() {
            return Some(found);
        }
        let mut pages = Pages::default();
        loop {
            let answered = self.api.get_resources(types, keys, pages.token()).await;
            books.calls.push(answered.call);
            match answered.result {
                Ok(page) => {
                    found.extend(page.items);
                    match pages.turn(page.next) {
                        Turn::Next => {}
                        Turn::End => return Some(found),
                        Turn::Limit => {
                            books.failures.push(too_many_pages("get the tagged resources", &self.job));
                            return Some(found);
                        }
                    }
                }
                Err(failure) => {
                    books.failures.push(failure);
                    return None;
                }
            }
        }
    }

    /// Lists each metric name once, however many entries name it; or the whole namespace, where an entry is a pattern.
    /// Entries keep the file's order.
    async fn metrics(&self, account: &Text, books: &mut Books) -> Vec<Candidate> {
        let before = self.publish.borrow().clone();
        let known = before.iter().flat_map(|b| b.metrics.iter().map(|m| Arc::clone(&m.dimensions)));
        let interner = &Interner::seeded(known);
        let entries = || self.job.metrics.iter().enumerate();
        if entries().any(|(_, m)| m.pattern.is_some()) {
            let listing = list(&*self.api, &self.job, None, false, account, interner).await;
            books.take(listing.calls, listing.failure.clone());
            return match &before {
                Some(before) if listing.failure.is_some() => before.metrics.iter().map(known_before).collect(),
                _ => select::of_namespace(&self.job, listing.metrics),
            };
        }
        let names: BTreeSet<&Text> = entries().map(|(_, m)| &m.name).collect();
        let listing =
            |name| async move { (name, list(&*self.api, &self.job, Some(name), false, account, interner).await) };
        let asked: Vec<_> = names.into_iter().map(listing).collect();
        let mut listed: HashMap<&Text, Listing> =
            stream::iter(asked).buffer_unordered(LISTINGS_IN_FLIGHT).collect().await;
        let mut candidates = Vec::new();
        for (entry, metric) in entries() {
            let Some(listing) = listed.get(&metric.name) else { continue };
            match &before {
                // What the last refresh knew is more than the pages before the error.
                Some(before) if listing.failure.is_some() => {
                    candidates.extend(before.metrics.iter().filter(|m| m.entry == entry).map(known_before));
                }
                _ => candidates.extend(listing.metrics.iter().map(|l| Candidate { entry, listed: l.clone() })),
            }
        }
        listed.drain().for_each(|(_, listing)| books.take(listing.calls, listing.failure));
        candidates
    }

    /// A job that finds nothing, or more than it may, says so once.
    fn tell(&mut self, inventory: &Inventory, left_out: &LeftOut, whole: bool) {
        let (job, region, account) = (&self.job.name, self.api.region(), &inventory.account.id);
        let asks = match self.job.kind {
            JobKind::Static(_) => false,
            JobKind::Custom => !self.job.metrics.is_empty(),
            // Without resources nothing is listed, and that has been said.
            JobKind::Discovery(_) => !self.job.metrics.is_empty() && !inventory.resources.is_empty(),
        };
        let nothing = asks && whole && inventory.metrics.is_empty();
        if nothing && !self.told.nothing_listed {
            let namespace = &self.job.namespace;
            tracing::warn!(%job, %region, %account, %namespace, "CloudWatch lists none of the job's metrics: check namespace, names, dimensionNameRequirements and region");
        }
        if left_out.series > 0 && self.told.left_out != *left_out {
            let LeftOut { series, limit, what } = left_out;
            tracing::warn!(%job, %region, %account, series, limit, "maxSeries leaves out {what}");
        }
        self.told = Told { nothing_listed: nothing, left_out: left_out.clone() };
    }

    /// An inventory that equals the last one is not published: plans and series keep their identity.
    fn publish(&self, inventory: Inventory) {
        self.publish.send_if_modified(|current| {
            if current.as_deref() == Some(&inventory) {
                return false;
            }
            *current = Some(Arc::new(inventory));
            true
        });
    }
}

impl Source for Discover {
    fn collect<'a>(&'a mut self, now: Now, _progress: Progress<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(self.run(now))
    }
}

#[derive(Default)]
struct Books {
    calls: Vec<Call>,
    failures: Vec<Failure>,
    resources: Option<usize>,
    left_out: Option<LeftOut>,
}

impl Books {
    fn take(&mut self, calls: Vec<Call>, failure: Option<Failure>) {
        self.calls.extend(calls);
        self.failures.extend(failure);
    }
}

/// A metric of the last inventory, as if it had been listed again.
fn known_before(metric: &FoundMetric) -> Candidate {
    let FoundMetric { entry, name, owner, dimensions, .. } = metric;
    let listed = Listed { name: Text::clone(name), dimensions: Arc::clone(dimensions), owner: owner.clone() };
    Candidate { entry: *entry, listed }
}
