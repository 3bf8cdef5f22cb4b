//! Discovery: tags and ListMetrics become an [`Inventory`], published to the fetch of the same job. It runs on its own, long
//! interval; a refresh that fails keeps what the last one found. What the tagging API does not know comes from [`special`].

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream;
use hashbrown::HashMap;
use tokio::sync::watch;

use crate::aws::api::{Api, Resource};
use crate::aws::associate::{Association, Associator};
use crate::aws::inventory::{FoundMetric, Inventory};
use crate::aws::job::{Dimension, Discovery, Job, JobKind};
use crate::aws::listing::{Interner, Listing, Pages, Turn, list, too_many_pages};
use crate::aws::special;
use crate::model::{Now, Text};
use crate::seam::{Call, Failure, Outcome, Progress, Source};

/// Metrics listed at the same time by one job; the gate decides about the calls of all jobs.
const LISTINGS_IN_FLIGHT: usize = 8;
/// Where inventories are published; `None` until the first one.
pub type InventorySender = watch::Sender<Option<Arc<Inventory>>>;

/// The discovery of one job in one place.
pub struct Discover {
    job: Arc<Job>,
    api: Arc<dyn Api>,
    publish: InventorySender,
}

impl Discover {
    /// `publish`: the other end belongs to the job's fetch.
    pub fn new(job: Arc<Job>, api: Arc<dyn Api>, publish: InventorySender) -> Self {
        Self { job, api, publish }
    }

    async fn run(&self) -> Outcome {
        let mut books = Books::default();
        let identified = self.api.account().await;
        books.calls.extend(identified.calls);
        if let Some(failure) = identified.alias_failure {
            tracing::warn!(job = %self.job.name, %failure, "the account's alias is not known; series go without account_alias");
        }
        match identified.account {
            Err(failure) => books.failures.push(failure),
            Ok(account) => {
                if let Some((resources, metrics)) = self.find(&mut books).await {
                    books.resources = Some(resources.len());
                    self.publish(Inventory { account, resources, metrics });
                }
            }
        }
        Outcome { calls: books.calls, failures: books.failures, resources: books.resources, ..Outcome::default() }
    }

    /// `None`: the resources could not be found, so nothing can be said about the metrics.
    async fn find(&self, books: &mut Books) -> Option<(Vec<Resource>, Vec<FoundMetric>)> {
        let JobKind::Discovery(discovery) = &self.job.kind else {
            let metrics = match self.job.kind {
                JobKind::Static(_) => Vec::new(),
                _ => self.metrics(books, |_| Association::Global).await,
            };
            return Some((Vec::new(), metrics));
        };
        let resources = self.resources(discovery, books).await?;
        if resources.is_empty() && discovery.service.lists_resources() {
            tracing::warn!(job = %self.job.name, region = %self.api.region(), "no tagged resource was found, so the job shows nothing");
            return Some((resources, Vec::new()));
        }
        let associator = Associator::new(discovery.service, &resources);
        let metrics = self.metrics(books, |dimensions| associator.associate(dimensions)).await;
        drop(associator);
        Some((resources, metrics))
    }

    async fn resources(&self, discovery: &Discovery, books: &mut Books) -> Option<Vec<Resource>> {
        let service = discovery.service;
        let mut found = Vec::new();
        if !service.resource_types.is_empty() {
            let keys: Vec<Text> = discovery.search_tags.iter().map(|t| Text::clone(&t.key)).collect();
            let mut pages = Pages::default();
            loop {
                let answered = self.api.get_resources(service.resource_types, &keys, pages.token()).await;
                books.calls.push(answered.call);
                match answered.result {
                    Ok(page) => {
                        found.extend(page.items.into_iter().filter(|r| discovery.wants(&r.tags)));
                        match pages.turn(page.next) {
                            Turn::Next => {}
                            Turn::End => break,
                            Turn::Limit => {
                                books.failures.push(too_many_pages("get the tagged resources", &self.job));
                                break;
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
        let completed = special::complete(discovery, &*self.api, found, &mut books.calls).await;
        completed.map_err(|failure| books.failures.push(failure)).ok()
    }

    /// Lists each metric name once, however many entries name it. Entries keep the file's order.
    async fn metrics(&self, books: &mut Books, associate: impl Fn(&[Dimension]) -> Association) -> Vec<FoundMetric> {
        let before = self.publish.borrow().clone();
        let known = before.iter().flat_map(|b| b.metrics.iter().map(|m| Arc::clone(&m.dimensions)));
        let interner = &Interner::seeded(known);
        let names: BTreeSet<&Text> = self.job.metrics.iter().map(|m| &m.name).collect();
        let asked: Vec<_> =
            names.into_iter().map(|n| async move { (n, list(&*self.api, &self.job, n, interner).await) }).collect();
        let listed: HashMap<&Text, Listing> = stream::iter(asked).buffer_unordered(LISTINGS_IN_FLIGHT).collect().await;
        let mut metrics = Vec::new();
        for (entry, metric) in self.job.metrics.iter().enumerate() {
            let Some(listing) = listed.get(&metric.name) else { continue };
            match &before {
                // What the last refresh knew is more than the pages before the error.
                Some(before) if listing.failure.is_some() => {
                    let old = before.metrics.iter().filter(|m| m.entry == entry).map(|m| &m.dimensions);
                    metrics.extend(old.filter_map(|d| found(entry, d, &associate)));
                }
                _ => metrics.extend(listing.dimensions.iter().filter_map(|d| found(entry, d, &associate))),
            }
        }
        for listing in listed.into_values() {
            books.calls.extend(listing.calls);
            books.failures.extend(listing.failure);
        }
        metrics.shrink_to_fit();
        metrics
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
    fn collect<'a>(&'a mut self, _now: Now, _progress: Progress<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(self.run())
    }
}

#[derive(Default)]
struct Books {
    calls: Vec<Call>,
    failures: Vec<Failure>,
    resources: Option<usize>,
}

/// A listed metric with its resource; `None` when it belongs to one that the job does not have.
fn found(
    entry: usize,
    dimensions: &Arc<[Dimension]>,
    associate: impl Fn(&[Dimension]) -> Association,
) -> Option<FoundMetric> {
    let resource = match associate(dimensions) {
        Association::Skip => return None,
        Association::Global => None,
        Association::Resource(at) => Some(at),
    };
    Some(FoundMetric { entry, dimensions: Arc::clone(dimensions), resource })
}
