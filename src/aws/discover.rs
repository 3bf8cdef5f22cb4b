//! Discovery: tags and ListMetrics become an [`Inventory`], published to the fetch of the same job. It runs on its own, long
//! interval; a refresh that fails keeps what the last one found.
//!
//! Deliberately absent: the special look-ups of the catalog (auto-scaling groups, REST API names, …), which come with their
//! own issue; see [`special`].

use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream;
use hashbrown::{HashMap, HashSet};
use tokio::sync::watch;

use crate::aws::api::{Api, ListMetricsRequest, ListedMetric, Resource};
use crate::aws::associate::{Association, Associator};
use crate::aws::inventory::{FoundMetric, Inventory};
use crate::aws::job::{Dimension, Discovery, Job, JobKind};
use crate::aws::special;
use crate::model::{Now, Text};
use crate::seam::{Call, Failure, Outcome, Reason, Source};

/// Metrics listed at the same time by one job; the gate decides about the calls of all jobs.
const LISTINGS_IN_FLIGHT: usize = 8;
/// Pages of one listing: a million metrics, or two hundred thousand resources.
const MAX_PAGES: usize = 2_000;

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
        Outcome { snapshot: None, calls: books.calls, failures: books.failures, resources: books.resources }
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
                        found.extend(page.items.into_iter().filter(|r| has_search_tags(r, discovery)));
                        match pages.turn(page.next) {
                            Turn::Next => {}
                            Turn::End => break,
                            Turn::Limit => {
                                books.failures.push(limit("get the tagged resources", &self.job));
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
        books.failures.extend(special::apply(service, &mut found));
        Some(found)
    }

    /// Lists each metric name once, however many entries name it. Entries keep the file's order.
    async fn metrics(&self, books: &mut Books, associate: impl Fn(&[Dimension]) -> Association) -> Vec<FoundMetric> {
        let mut names: Vec<&Text> = self.job.metrics.iter().map(|m| &m.name).collect();
        let mut seen = HashSet::new();
        names.retain(|n| seen.insert(*n));
        let mut listed: HashMap<&Text, Listing> = HashMap::new();
        let asked: Vec<_> = names.into_iter().map(|n| async move { (n, self.list(n).await) }).collect();
        let mut running = stream::iter(asked).buffer_unordered(LISTINGS_IN_FLIGHT);
        while let Some((name, (listing, calls, failure))) = running.next().await {
            books.calls.extend(calls);
            books.failures.extend(failure);
            listed.insert(name, listing);
        }
        let before = self.publish.borrow().clone();
        let mut interned = HashSet::new();
        let mut metrics = Vec::new();
        for (entry, metric) in self.job.metrics.iter().enumerate() {
            let Some(listing) = listed.get(&metric.name) else { continue };
            match (&before, listing.complete) {
                // What the last refresh knew is more than the pages before the error.
                (Some(before), false) => metrics.extend(before.metrics.iter().filter(|m| m.entry == entry).cloned()),
                _ => self.found(entry, listing, &associate, &mut interned, &mut metrics),
            }
        }
        metrics
    }

    fn found(
        &self,
        entry: usize,
        listing: &Listing,
        associate: impl Fn(&[Dimension]) -> Association,
        interned: &mut HashSet<Arc<[Dimension]>>,
        out: &mut Vec<FoundMetric>,
    ) {
        for metric in &listing.metrics {
            if !meets_requirements(&metric.dimensions, &self.job.dimension_name_requirements) {
                continue;
            }
            let resource = match associate(&metric.dimensions) {
                Association::Skip => continue,
                Association::Global => None,
                Association::Resource(at) => Some(at),
            };
            let dimensions = Arc::clone(interned.get_or_insert_with(metric.dimensions.as_slice(), |d| d.into()));
            out.push(FoundMetric { entry, dimensions, resource });
        }
    }

    async fn list(&self, name: &Text) -> (Listing, Vec<Call>, Option<Failure>) {
        let request = ListMetricsRequest {
            namespace: Text::clone(&self.job.namespace),
            metric: Text::clone(name),
            recently_active: self.job.recently_active_only,
        };
        let mut listing = Listing { metrics: Vec::new(), complete: true };
        let (mut calls, mut pages) = (Vec::new(), Pages::default());
        loop {
            let answered = self.api.list_metrics(&request, pages.token()).await;
            calls.push(answered.call);
            match answered.result {
                Ok(page) => {
                    listing.metrics.extend(page.items);
                    match pages.turn(page.next) {
                        Turn::Next => {}
                        Turn::End => return (listing, calls, None),
                        Turn::Limit => return (listing, calls, Some(limit(&format!("list {name}"), &self.job))),
                    }
                }
                Err(failure) => {
                    listing.complete = false;
                    return (listing, calls, Some(failure));
                }
            }
        }
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
    fn collect(&mut self, _now: Now) -> BoxFuture<'_, Outcome> {
        Box::pin(self.run())
    }
}

#[derive(Default)]
struct Books {
    calls: Vec<Call>,
    failures: Vec<Failure>,
    resources: Option<usize>,
}

struct Listing {
    metrics: Vec<ListedMetric>,
    /// All pages came.
    complete: bool,
}

/// Follows page tokens; ends at an empty or repeated one, and at [`MAX_PAGES`].
#[derive(Default)]
pub(crate) struct Pages {
    token: Option<String>,
    turned: usize,
}

pub(crate) enum Turn {
    Next,
    End,
    Limit,
}

impl Pages {
    pub(crate) fn token(&self) -> Option<String> {
        self.token.clone()
    }

    pub(crate) fn turn(&mut self, next: Option<String>) -> Turn {
        self.turned += 1;
        if next.is_none() || next == self.token {
            return Turn::End;
        }
        self.token = next;
        if self.turned >= MAX_PAGES { Turn::Limit } else { Turn::Next }
    }
}

fn limit(doing: &str, job: &Job) -> Failure {
    Failure {
        reason: Reason::LimitReached,
        doing: format!("{doing} of {}", job.namespace),
        message: format!("more than {MAX_PAGES} pages; the rest is left out"),
    }
}

/// For every pair of a tag and a search tag with one key, the pattern must be found in the value; and each search tag
/// needs such a pair (yace: an empty pattern still wants the key).
fn has_search_tags(resource: &Resource, discovery: &Discovery) -> bool {
    let mut matched = 0;
    for tag in &resource.tags {
        for search in discovery.search_tags.iter().filter(|s| s.key == tag.key) {
            if !search.pattern.is_match(&tag.value) {
                return false;
            }
            matched += 1;
        }
    }
    matched == discovery.search_tags.len()
}

/// No requirement, or exactly these names.
fn meets_requirements(dimensions: &[Dimension], required: &[Text]) -> bool {
    required.is_empty() || (dimensions.len() == required.len() && dimensions.iter().all(|d| required.contains(&d.name)))
}
