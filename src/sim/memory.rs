//! The simulated cloud without sockets: [`Api`] answered in memory, for tests under a paused clock. Faults, quotas and
//! the bill are the wire's.
//!
//! Deliberately absent: the SDK's retries. One call is one attempt, so that a test sees every fault it sets.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::time::Instant;

use crate::aws::api::{
    Account, Answered, Api, Identified, ListMetricsRequest, ListedMetric, MetricDataRequest, MetricResult,
    MetricStatisticsRequest, Owner, Page, Point, Resource, StatisticsPoint,
};
use crate::aws::job::Dimension;
use crate::aws::question::{DB_INSTANCES, FUNCTIONS, HTTP_APIS, Question, REGIONS, REST_APIS, TABLE, Value};
use crate::model::{Text, Timestamp};
use crate::seam::{Call, Failure, MetricsRequested, Reason};
use crate::sim::cloud::{Booked, Caller, Cloud, Fate, Spoil, TimeSource, ended};
use crate::sim::fault::{Effect, Faults};
use crate::sim::ledger::{Ended, Ledger};
use crate::sim::ops::listing::{self, Item, ListRequest, place_of};
use crate::sim::ops::metric_data::{self, DataQuery, DataRequest, Dim};
use crate::sim::ops::metric_statistics::{self, StatisticsRequest};
use crate::sim::ops::resources::{self, ResourcesRequest};
use crate::sim::ops::token::Token;
use crate::sim::ops::{apis, described};
use crate::sim::refusal::Refusal;
use crate::sim::spec::WorldSpec;
use crate::sim::world::World;

/// How long a caller waits for an answer that never comes: as long as our client with its retries.
const PATIENCE: Duration = Duration::from_secs(60);
/// The page size that our client asks of the tagging API.
const RESOURCES_PER_PAGE: u64 = 100;

/// A simulated cloud in memory. Clones are the same cloud.
#[derive(Clone)]
pub struct MemoryCloud {
    cloud: Arc<Cloud>,
}

impl MemoryCloud {
    /// Builds it. Under a paused clock give it [`TimeSource::tokio`].
    pub fn new(spec: WorldSpec, time: TimeSource) -> Self {
        Self { cloud: Arc::new(Cloud::new(spec, time)) }
    }

    /// The API as an account sees it in a region. An account or a region that the world lacks has nothing in it.
    pub fn api(&self, account: &str, region: &str) -> MemoryApi {
        let caller = Caller { account: account.into(), region: region.into() };
        MemoryApi { cloud: Arc::clone(&self.cloud), caller }
    }

    /// The switchboard of the faults.
    pub fn faults(&self) -> &Faults {
        &self.cloud.faults
    }

    /// The bill.
    pub fn ledger(&self) -> &Ledger {
        &self.cloud.ledger
    }

    /// The world, for its truth and for scripted changes.
    pub fn world(&self) -> &World {
        &self.cloud.world
    }

    /// The cloud's time.
    pub fn now(&self) -> Timestamp {
        self.cloud.now()
    }
}

/// One account in one region.
pub struct MemoryApi {
    cloud: Arc<Cloud>,
    caller: Caller,
}

/// What an operation brings: its result, metrics requested, items.
type Brought<T> = (T, MetricsRequested, u64);

impl MemoryApi {
    async fn call<T>(
        &self,
        service: &'static str,
        operation: &'static str,
        token: Option<&str>,
        answer: impl FnOnce(&Spoil) -> Result<Brought<T>, Refusal>,
    ) -> Answered<T> {
        let started = Instant::now();
        let (latency, fate) = self.cloud.admit(&self.caller, operation, Token::page_of(token));
        if !latency.is_zero() {
            tokio::time::sleep(latency).await;
        }
        // Booked before anything else is waited for: a caller may give up.
        let (result, booked) = match fate {
            Fate::Answer(spoil) => spoilt(answer(&spoil), spoil.effect.as_ref()),
            Fate::Refuse(refusal) => spoilt(Err(refusal), None),
            Fate::Hang => (Err((Reason::Timeout, "no answer in time".to_owned())), Err(Ended::Failed)),
            Fate::Reset => (Err((Reason::Network, "the connection was reset".to_owned())), Err(Ended::Failed)),
        };
        self.cloud.note(&self.caller, operation, booked);
        let failed = result.as_ref().err().map(|(reason, _)| *reason);
        if failed == Some(Reason::Timeout) {
            tokio::time::sleep(PATIENCE).await;
        }
        let call = Call {
            series_returned: 0,
            superseded: false,
            service,
            operation,
            region: Text::clone(&self.caller.region),
            account: Text::clone(&self.caller.account),
            attempts: 1,
            throttles: u32::from(failed == Some(Reason::Throttled)),
            duration: started.elapsed(),
            failed,
            metrics: booked.map_or_else(|_| MetricsRequested::default(), |(metrics, _)| metrics),
        };
        let doing = || format!("call {operation} in {}", self.caller.region);
        let result = result.map_err(|(reason, message)| Failure { reason, doing: doing(), message });
        Answered { result, call }
    }

    fn listed(&self, item: &Item, owners: bool) -> Option<ListedMetric> {
        let owner = owners.then(|| Text::clone(item.owner()));
        let (name, dimensions) = match item {
            Item::World(place, id) => {
                let series = place.series().get(*id as usize)?;
                (Text::clone(&self.cloud.world.profile(series)?.metric), series.dimensions.to_vec())
            }
            Item::Pushed(series) => {
                let dimension =
                    |(n, v): &(String, String)| Dimension { name: n.as_str().into(), value: v.as_str().into() };
                (series.metric.as_str().into(), series.dimensions.iter().map(dimension).collect())
            }
        };
        Some(ListedMetric { name, dimensions, owner })
    }

    async fn identify(&self) -> Identified {
        let account = &self.caller.account;
        let known = self.cloud.world.account(account);
        let identity = self.call("sts", "GetCallerIdentity", None, |_| Ok(((), MetricsRequested::default(), 1))).await;
        let mut identified = Identified {
            account: identity.result.map(|()| Account { id: Text::clone(account), alias: None }),
            alias_failure: None,
            calls: vec![identity.call],
        };
        if let Ok(account) = &mut identified.account {
            let alias = self
                .call("iam", "ListAccountAliases", None, |spoil| {
                    let alias = known.and_then(|known| known.alias.clone()).filter(|_| !spoil.is_empty());
                    Ok((alias, MetricsRequested::default(), 1))
                })
                .await;
            identified.calls.push(alias.call);
            match alias.result {
                Ok(alias) => account.alias = alias,
                Err(failure) => identified.alias_failure = Some(failure),
            }
        }
        identified
    }
}

/// What arrives of an answer, and how it is booked: an answer that is lost on its way was given, and costs.
fn spoilt<T>(answered: Result<Brought<T>, Refusal>, effect: Option<&Effect>) -> (Result<T, (Reason, String)>, Booked) {
    let (result, metrics, items) = match answered {
        Ok(brought) => brought,
        Err(refusal) => {
            let message = format!("{}: {}", refusal.code, refusal.message);
            return (Err((reason(&refusal), message)), Err(ended(&refusal)));
        }
    };
    let result = match effect {
        Some(Effect::Malformed) => Err((Reason::BadAnswer, "the answer cannot be read".to_owned())),
        Some(Effect::CutBody) => Err((Reason::Network, "the connection ended within the answer".to_owned())),
        _ => Ok(result),
    };
    (result, Ok((metrics, items)))
}

/// A refusal in the client's words.
fn reason(refusal: &Refusal) -> Reason {
    match refusal.code {
        "Throttling" => Reason::Throttled,
        "AccessDenied" => Reason::AccessDenied,
        "ExpiredTokenException" => Reason::ExpiredCredentials,
        _ if refusal.is_senders() => Reason::InvalidRequest,
        _ => Reason::ServerError,
    }
}

impl Api for MemoryApi {
    fn region(&self) -> &Text {
        &self.caller.region
    }

    fn account(&self) -> BoxFuture<'_, Identified> {
        Box::pin(self.identify())
    }

    fn get_resources<'a>(
        &'a self,
        types: &'a [Text],
        tag_keys: &'a [Text],
        page: Option<String>,
    ) -> BoxFuture<'a, Answered<Page<Resource>>> {
        Box::pin(async move {
            let request = ResourcesRequest {
                types: types.iter().map(ToString::to_string).collect(),
                tags: tag_keys.iter().map(|key| (key.to_string(), Vec::new())).collect(),
                per_page: Some(RESOURCES_PER_PAGE),
                token: page,
            };
            let place = place_of(&self.cloud, &self.caller);
            self.call("tag", "GetResources", request.token.as_deref(), |spoil| {
                let found = resources::find(&self.cloud, place.as_deref(), &request)?;
                let resource = |r: &&crate::sim::world::Resource| Resource { arn: r.arn.clone(), tags: r.tags.clone() };
                let page = Page { items: found.resources.iter().map(resource).collect(), next: found.next };
                Ok(emptied(page, spoil))
            })
            .await
        })
    }

    fn list_metrics<'a>(
        &'a self,
        asked: &'a ListMetricsRequest,
        page: Option<String>,
    ) -> BoxFuture<'a, Answered<Page<ListedMetric>>> {
        Box::pin(async move {
            let request = ListRequest {
                namespace: Some(Cow::Borrowed(&*asked.namespace)),
                metric: asked.metric.as_deref().map(Cow::Borrowed),
                dimensions: Vec::new(),
                recently_active: asked.recently_active.then_some(Cow::Borrowed("PT3H")),
                linked: asked.owner != Owner::Own,
                owner: if let Owner::Account(id) = &asked.owner { Some(Cow::Borrowed(&**id)) } else { None },
                token: page.map(Cow::Owned),
            };
            self.call("cloudwatch", "ListMetrics", request.token.as_deref(), |spoil| {
                let listed = listing::list(&self.cloud, &self.caller, &request, self.cloud.now())?;
                let metric = |item: &Item| self.listed(item, listed.owners);
                Ok(emptied(Page { items: listed.items.iter().filter_map(metric).collect(), next: listed.next }, spoil))
            })
            .await
        })
    }

    fn get_metric_data<'a>(
        &'a self,
        asked: &'a MetricDataRequest<'a>,
        page: Option<String>,
    ) -> BoxFuture<'a, Answered<Page<MetricResult>>> {
        Box::pin(async move {
            let request = data_request(asked, page);
            self.call("cloudwatch", "GetMetricData", request.token.as_deref(), |spoil| {
                let mut items = Vec::new();
                let emit = &mut |part: &metric_data::Part<'_>| {
                    let point = |(at, value): &(i64, f64)| Point { at: Timestamp::from_secs(*at), value: *value };
                    let points = part.points.iter().map(point).collect();
                    items.push(MetricResult { query: part.query, points, status: part.status });
                };
                let now = self.cloud.now();
                let answered = metric_data::answer(&self.cloud, &self.caller, &request, spoil, now, emit)?;
                Ok((Page { items, next: answered.next }, answered.metrics, answered.points))
            })
            .await
        })
    }

    fn get_metric_statistics<'a>(
        &'a self,
        asked: &'a MetricStatisticsRequest<'a>,
    ) -> BoxFuture<'a, Answered<Vec<StatisticsPoint>>> {
        Box::pin(async move {
            let request = StatisticsRequest {
                namespace: Cow::Borrowed(asked.namespace),
                metric: Cow::Borrowed(asked.metric),
                dimensions: asked.dimensions.iter().map(borrowed).collect(),
                start: Some(asked.start),
                end: Some(asked.end),
                period_seconds: asked.period_seconds.get().into(),
                statistics: asked.statistics.iter().map(|s| Cow::Borrowed(&**s)).collect(),
                extended: asked.extended_statistics.iter().map(|s| Cow::Borrowed(&**s)).collect(),
            };
            self.call("cloudwatch", "GetMetricStatistics", None, |spoil| {
                let rows = metric_statistics::answer(&self.cloud, &self.caller, &request, self.cloud.now())?;
                let names = || asked.statistics.iter().chain(&asked.extended_statistics).map(Text::clone);
                let point = |row: &metric_statistics::StatisticsRow| StatisticsPoint {
                    at: Timestamp::from_secs(row.at),
                    values: names().zip(row.values.iter().copied()).collect(),
                };
                let page = Page { items: rows.rows.iter().map(point).collect(), next: None };
                let (page, metrics, items) = emptied(page, spoil);
                Ok((page.items, metrics, items))
            })
            .await
        })
    }

    fn ask<'a>(&'a self, question: &'a Question) -> BoxFuture<'a, Answered<Vec<u8>>> {
        Box::pin(async move {
            let operation = question.operation;
            self.call(operation.service.facts().iam, operation.name, None, |spoil| {
                let answer = match *operation {
                    DB_INSTANCES => {
                        let xml = described::databases(&self.cloud, &self.caller, !spoil.is_empty());
                        return Ok((xml.into_bytes(), MetricsRequested::default(), 1));
                    }
                    REGIONS => {
                        let xml = described::regions(&self.cloud, !spoil.is_empty());
                        return Ok((xml.into_bytes(), MetricsRequested::default(), 1));
                    }
                    _ if spoil.is_empty() => serde_json::json!({}),
                    REST_APIS => apis::rest(),
                    HTTP_APIS => apis::http(&self.cloud, &self.caller),
                    FUNCTIONS => described::functions(&self.cloud, &self.caller),
                    TABLE => described::table(&self.cloud, &self.caller, text_field(question, "TableName"))?,
                    _ => return Err(Refusal::new("InvalidAction", format!("{} is not simulated.", operation.name))),
                };
                Ok((answer.to_string().into_bytes(), MetricsRequested::default(), 1))
            })
            .await
        })
    }
}

/// A field of a question; empty when it has none of that name.
fn text_field<'a>(question: &'a Question, name: &str) -> &'a str {
    let found = question.fields.iter().find(|(field, _)| field == name);
    match found {
        Some((_, Value::Text(text))) => text,
        _ => "",
    }
}

/// A page as it is booked; without its items when a fault says so.
fn emptied<T>(page: Page<T>, spoil: &Spoil) -> Brought<Page<T>> {
    let page = if spoil.is_empty() { Page { items: Vec::new(), next: None } } else { page };
    let items = u64::try_from(page.items.len()).unwrap_or(u64::MAX);
    (page, MetricsRequested::default(), items)
}

fn borrowed(dimension: &Dimension) -> Dim<'_> {
    (Cow::Borrowed(&*dimension.name), Cow::Borrowed(&*dimension.value))
}

fn data_request<'a>(asked: &'a MetricDataRequest<'a>, page: Option<String>) -> DataRequest<'a> {
    let mut request = DataRequest {
        start: Some(asked.start),
        end: Some(asked.end),
        token: page.map(Cow::Owned),
        ..DataRequest::default()
    };
    for (i, query) in asked.queries.iter().enumerate() {
        let first = request.dimensions.len();
        request.dimensions.extend(query.dimensions.iter().map(borrowed));
        request.queries.push(DataQuery {
            id: Cow::Owned(format!("id_{i}")),
            account: query.owner.as_deref().map(Cow::Borrowed),
            namespace: Cow::Borrowed(asked.namespace),
            metric: Cow::Borrowed(&query.metric),
            dimensions: first..request.dimensions.len(),
            period_seconds: Some(asked.period_seconds.get().into()),
            statistic: Cow::Borrowed(&query.statistic),
            ..DataQuery::default()
        });
    }
    request
}
