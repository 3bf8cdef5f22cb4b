//! [`Api`] over the AWS SDK: the only place (with its submodules) that names it. Credentials, roles, endpoints, proxies,
//! time-outs and the SDK's own retries are set up here, once for the process; regions and roles share one HTTP pool.
//!
//! Deliberately absent: quotas (`aws/gated`), paging and repetition of failed pages (`aws/fetch`, `aws/discover`).

mod assumed;
mod call;
mod credentials;
pub(in crate::aws) mod failure;
mod http;
mod identity;
pub mod put;

use std::sync::Arc;
use std::time::Duration;

use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, ConfigLoader, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_runtime::env_config::file::{EnvConfigFileKind, EnvConfigFiles};
use aws_sdk_cloudwatch::config::retry::RetryPartition;
use aws_sdk_cloudwatch::types as cw;
use aws_smithy_types::DateTime;
use aws_smithy_types::retry::RetryConfig;
use futures_util::future::BoxFuture;
use hashbrown::HashMap;
use tokio::sync::Mutex;

use crate::aws::api::{
    Answered, Api, Identified, ListMetricsRequest, ListedMetric, MetricDataRequest, MetricResult,
    MetricStatisticsRequest, Owner, Page, Point, Resource, StatisticsPoint, StatusCode,
};
use crate::aws::job::{Access, Dimension, Role, Tag};
use crate::aws::question::{self, Question};
use crate::aws::signed::{self, Signer};
use crate::aws::xml::Element;
use crate::model::{Text, Timestamp};
use crate::seam::{Call, Failure, MetricsRequested, Reason};
use assumed::Assumed;
use call::{Calls, Place};
use credentials::{Kept, Maker, Unbooked};
use http::OverReqwest;
pub use http::{Emulator, Network, Profile};
use identity::Identity;

/// Attempts of one call, the first one included (as YACE asks the SDK for).
const ATTEMPTS: u32 = 5;
/// The longest pause between two attempts (as YACE sets it for CloudWatch).
const MAX_BACKOFF: Duration = Duration::from_secs(3);
/// Until a connection stands.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// One attempt. GetMetricData answers within seconds; a silent connection must not hold its job for long.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(20);
/// A whole call with its attempts.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(60);
/// The account's alias is not worth waiting longer for.
const ALIAS_TIMEOUT: Duration = Duration::from_secs(10);
/// The tagging API's page size, its maximum.
const RESOURCES_PER_PAGE: i32 = 100;

/// Makes one [`Api`] for each (role, region), whatever the number of jobs, sharing connections and, for each role,
/// credentials and account id.
pub struct Clients {
    base: SdkConfig,
    access: Access,
    signer: Arc<Signer>,
    roles: Mutex<HashMap<Role, Arc<RoleAccess>>>,
    made: Mutex<HashMap<(Role, Text), Arc<Client>>>,
}

/// What all regions of one role share: one AssumeRole, one GetCallerIdentity.
struct RoleAccess {
    config: SdkConfig,
    identity: Identity,
    assumed: Unbooked,
}

impl Clients {
    /// Fails for a proxy or certificates that cannot be used, before anything is asked of anybody.
    pub fn check(network: &Network) -> Result<(), Failure> {
        http::client(network).map(drop)
    }

    /// Reads the SDK's configuration (environment, profiles, SSO, web identity, container, instance). The only one who is
    /// asked is the instance's metadata service: for the region, when nothing else says it.
    pub async fn load(access: Access, network: &Network) -> Result<Self, Failure> {
        let connections = http::client(network)?;
        let http_client = OverReqwest(connections.clone());
        let retries = RetryConfig::standard().with_max_attempts(ATTEMPTS).with_max_backoff(MAX_BACKOFF);
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .operation_attempt_timeout(ATTEMPT_TIMEOUT)
            .operation_timeout(OPERATION_TIMEOUT)
            .build();
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .http_client(http_client.clone())
            .retry_config(retries)
            .timeout_config(timeouts);
        if access.fips {
            loader = loader.use_fips(true);
        }
        if network.dual_stack {
            loader = loader.use_dual_stack(true);
        }
        loader = of_profile(loader, &network.profile);
        if let Some(emulator) = &network.emulator {
            let keys = Credentials::new(&emulator.access_key_id, "simulated-secret-key", None, None, "emulator");
            let region = Region::new(emulator.region.clone());
            loader = loader.endpoint_url(&emulator.endpoint_url).credentials_provider(keys).region(region);
        }
        let mut base = loader.load().await;
        if let Some(own) = base.credentials_provider() {
            let region = base.region().cloned();
            let fresh = || reading_anew(http_client, region, network.profile.clone());
            let fresh = network.emulator.is_none().then(fresh);
            let kept = SharedCredentialsProvider::new(Kept::own(own, fresh));
            base = base.to_builder().credentials_provider(kept).build();
        }
        let signer = Arc::new(Signer::new(connections, network.endpoints.clone()));
        Ok(Self { base, access, signer, roles: Mutex::default(), made: Mutex::default() })
    }

    /// The region of the environment, the profile or the instance.
    pub fn home_region(&self) -> Option<Text> {
        self.base.region().map(|r| r.as_ref().into())
    }

    /// The API as `role` sees it in `region`.
    pub async fn api(&self, role: &Role, region: &Text) -> Arc<Client> {
        let mut made = self.made.lock().await;
        let key = (role.clone(), Text::clone(region));
        if let Some(known) = made.get(&key) {
            return Arc::clone(known);
        }
        let client = Arc::new(self.client(role, region).await);
        made.insert(key, Arc::clone(&client));
        client
    }

    async fn client(&self, role: &Role, region: &Text) -> Client {
        let shared = self.role(role, region).await;
        let config = shared.config.to_builder().region(Region::new(region.to_string())).build();
        let mut tagging = config.to_builder();
        // The tagging API has no FIPS endpoint in most regions; YACE leaves it out as well.
        tagging.set_use_fips(Some(false));
        let mut sts = config.to_builder();
        if let Some(region) = &self.access.sts_region {
            sts.set_region(Region::new(region.to_string()));
        }
        // Retries that one role's throttling uses up in a region are not taken from the others.
        let retries = RetryPartition::custom(format!("{} {region}", role.arn.as_deref().unwrap_or("own"))).build();
        Client {
            region: Text::clone(region),
            cloudwatch: aws_sdk_cloudwatch::Client::from_conf(
                aws_sdk_cloudwatch::config::Builder::from(&config).retry_partition(retries).build(),
            ),
            tagging: aws_sdk_resourcegroupstagging::Client::new(&tagging.build()),
            sts: aws_sdk_sts::Client::new(&sts.build()),
            fips: self.access.fips || shared.config.use_fips().unwrap_or(false),
            config,
            signer: Arc::clone(&self.signer),
            role: shared,
        }
    }

    async fn role(&self, role: &Role, region: &Text) -> Arc<RoleAccess> {
        let mut roles = self.roles.lock().await;
        if let Some(known) = roles.get(role) {
            return Arc::clone(known);
        }
        let assumed = Unbooked::default();
        let config = match &role.arn {
            None => self.base.clone(),
            Some(arn) => self.assumed(arn, role.external_id.as_ref(), region, assumed.clone()),
        };
        let shared = Arc::new(RoleAccess { config, identity: Identity::default(), assumed });
        roles.insert(role.clone(), Arc::clone(&shared));
        shared
    }

    /// The configuration with the role's credentials. STS is asked in `sts-region`, else in the SDK's region, else (where
    /// YACE would fail at every collection) in the job's.
    fn assumed(&self, arn: &Text, external_id: Option<&Text>, job_region: &Text, unbooked: Unbooked) -> SdkConfig {
        let region = match (&self.access.sts_region, self.base.region()) {
            (Some(region), _) => Region::new(region.to_string()),
            (None, Some(region)) => region.clone(),
            (None, None) => Region::new(job_region.to_string()),
        };
        // STS counts for the account of the role, which its ARN names.
        let account = arn.split(':').nth(4).unwrap_or_default().into();
        let place = Place { region: region.as_ref().into(), account };
        let own = self.base.to_builder().region(region).build();
        let sts = aws_sdk_sts::Client::new(&own);
        let provider = Assumed { sts, arn: Text::clone(arn), external_id: external_id.cloned() };
        self.base
            .to_builder()
            .credentials_provider(SharedCredentialsProvider::new(Kept::assumed(
                SharedCredentialsProvider::new(provider),
                place,
                unbooked,
            )))
            .identity_cache(aws_config::identity::IdentityCache::lazy().build())
            .build()
    }
}

/// With the profile, and the file, that somebody chose.
fn of_profile(mut loader: ConfigLoader, profile: &Profile) -> ConfigLoader {
    if let Some(name) = &profile.name {
        loader = loader.profile_name(name);
    }
    if let Some(file) = &profile.file {
        let files = EnvConfigFiles::builder().include_default_config_file(true);
        loader = loader.profile_files(files.with_file(EnvConfigFileKind::Credentials, file).build());
    }
    loader
}

/// Goes through environment, profiles and the rest again, since the chain that the SDK made at the start remembers them.
fn reading_anew(http_client: OverReqwest, region: Option<Region>, profile: Profile) -> Maker {
    Box::new(move || {
        let loader = aws_config::defaults(BehaviorVersion::latest()).http_client(http_client.clone());
        let loader = of_profile(loader, &profile);
        let region = region.clone();
        Box::pin(async move { loader.region(region).load().await.credentials_provider() })
    })
}

/// AWS with one role in one region.
pub struct Client {
    region: Text,
    cloudwatch: aws_sdk_cloudwatch::Client,
    tagging: aws_sdk_resourcegroupstagging::Client,
    sts: aws_sdk_sts::Client,
    config: SdkConfig,
    fips: bool,
    signer: Arc<Signer>,
    role: Arc<RoleAccess>,
}

impl Client {
    fn place(&self) -> Place {
        let account = self.role.identity.id().cloned().unwrap_or_default();
        Place { region: Text::clone(&self.region), account }
    }

    async fn identify(&self) -> Identified {
        let identity = &self.role.identity;
        let (mut calls, mut alias_failure) = (Vec::new(), None);
        let mut state = identity.lock().await;
        let id = match (identity.id(), state.recent_failure(&self.region)) {
            (Some(id), _) => Ok(Text::clone(id)),
            (None, Some(failure)) => Err(failure),
            (None, None) => {
                let asked = Calls::new("sts", "GetCallerIdentity", self.place());
                let request = self.sts.get_caller_identity().customize().interceptor(asked.attempts());
                let (result, call) = asked.finish(request.send().await, || "ask AWS who we are".to_owned());
                calls.push(call);
                identity.learn(&mut state, &self.region, result.map(|who| who.account.unwrap_or_default().into()))
            }
        };
        if let Ok(id) = &id
            && state.wants_alias()
        {
            let (alias, call) = self.alias(id).await;
            calls.push(call);
            alias_failure = state.learn_alias(alias);
        }
        // Of the last hour: the fetches use credentials, too.
        calls.extend(self.role.assumed.take());
        Identified { account: id.map(|id| state.account(id)), alias_failure, calls }
    }

    /// `iam:ListAccountAliases`: the first alias of the account, if it has one.
    async fn alias(&self, account: &Text) -> (Result<Option<Text>, Failure>, Call) {
        let place = Place { account: Text::clone(account), ..self.place() };
        let Answered { result, call } =
            self.signed(&Question::new(&question::ACCOUNT_ALIASES), place, ALIAS_TIMEOUT).await;
        (result.and_then(|body| first_alias(&body)), call)
    }

    /// A call signed by hand: the SDK crates of these services cost minutes of compile time for one call each.
    async fn signed(&self, question: &Question, place: Place, patience: Duration) -> Answered<Vec<u8>> {
        let operation = question.operation;
        let asked = Calls::new(operation.service.facts().iam, operation.name, place);
        let doing = || format!("call {} in {}", operation.name, self.region);
        let credentials = match self.config.credentials_provider() {
            Some(provider) => provider.provide_credentials().await.map_err(|e| failure::of_credentials(&e, doing())),
            None => Err(Failure { reason: Reason::NoCredentials, doing: doing(), message: "no credentials".into() }),
        };
        let result = match credentials {
            Ok(credentials) => {
                let to = signed::Place { region: &self.region, fips: self.fips, base: self.config.endpoint_url() };
                let sent = self.signer.ask(question, &credentials, to, patience).await;
                asked.count(sent.attempts, sent.throttles);
                sent.result
            }
            Err(failure) => Err(failure),
        };
        let call = asked.done(result.as_ref().err());
        Answered { result, call }
    }
}

fn first_alias(body: &[u8]) -> Result<Option<Text>, Failure> {
    let root = Element::parse(body).map_err(|e| Failure {
        reason: Reason::BadAnswer,
        doing: "read the account's aliases".to_owned(),
        message: e.to_string(),
    })?;
    Ok(root.find("AccountAliases").and_then(|all| all.text("member")).map(Text::from))
}

impl Api for Client {
    fn region(&self) -> &Text {
        &self.region
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
            use aws_sdk_resourcegroupstagging::types::TagFilter;
            let asked = Calls::new("tag", "GetResources", self.place());
            let filters: Vec<_> = tag_keys.iter().map(|k| TagFilter::builder().key(k.to_string()).build()).collect();
            let request = self
                .tagging
                .get_resources()
                .resources_per_page(RESOURCES_PER_PAGE)
                .set_resource_type_filters(Some(types.iter().map(ToString::to_string).collect()))
                .set_tag_filters((!filters.is_empty()).then_some(filters))
                .set_pagination_token(page);
            let sent = request.customize().interceptor(asked.attempts()).send().await;
            let doing = || format!("get the tagged resources of {} in {}", types.join(", "), self.region);
            let (result, call) = asked.finish(sent, doing);
            let result = result.map(|out| Page {
                next: out.pagination_token.filter(|t| !t.is_empty()),
                items: out.resource_tag_mapping_list.unwrap_or_default().into_iter().map(resource).collect(),
            });
            Answered { result, call }
        })
    }

    fn list_metrics<'a>(
        &'a self,
        asked_for: &'a ListMetricsRequest,
        page: Option<String>,
    ) -> BoxFuture<'a, Answered<Page<ListedMetric>>> {
        Box::pin(async move {
            let asked = Calls::new("cloudwatch", "ListMetrics", self.place());
            let (linked, owner) = match &asked_for.owner {
                Owner::Own => (None, None),
                Owner::Linked => (Some(true), None),
                Owner::Account(id) => (Some(true), Some(id.to_string())),
            };
            let request = self
                .cloudwatch
                .list_metrics()
                .namespace(asked_for.namespace.to_string())
                .set_metric_name(asked_for.metric.as_ref().map(ToString::to_string))
                .set_include_linked_accounts(linked)
                .set_owning_account(owner)
                .set_recently_active(asked_for.recently_active.then_some(cw::RecentlyActive::Pt3H))
                .set_next_token(page);
            let sent = request.customize().interceptor(asked.attempts()).send().await;
            let what = asked_for.metric.as_deref().unwrap_or("all metrics");
            let doing = || format!("list {what} of {} in {}", asked_for.namespace, self.region);
            let (result, call) = asked.finish(sent, doing);
            let result = result.map(|out| Page {
                next: out.next_token.filter(|t| !t.is_empty()),
                // Somebody may tell the owners without having been asked.
                items: owned(out.metrics, out.owning_accounts.filter(|_| linked.is_some())),
            });
            Answered { result, call }
        })
    }

    fn get_metric_data<'a>(
        &'a self,
        data: &'a MetricDataRequest<'a>,
        page: Option<String>,
    ) -> BoxFuture<'a, Answered<Page<MetricResult>>> {
        Box::pin(async move {
            let asked = Calls::new("cloudwatch", "GetMetricData", self.place());
            let metrics = if page.is_none() { requested(data) } else { MetricsRequested::default() };
            let request = self
                .cloudwatch
                .get_metric_data()
                .set_metric_data_queries(Some(queries(data)))
                .start_time(date_time(data.start))
                .end_time(date_time(data.end))
                .scan_by(cw::ScanBy::TimestampDescending)
                .set_next_token(page);
            let sent = request.customize().interceptor(asked.attempts()).send().await;
            let doing = || format!("get {} metrics of {} in {}", data.queries.len(), data.namespace, self.region);
            let (result, mut call) = asked.finish(sent, doing);
            call.metrics = metrics;
            let result = result.map(|out| Page {
                next: out.next_token.filter(|t| !t.is_empty()),
                items: out.metric_data_results.unwrap_or_default().into_iter().filter_map(metric_result).collect(),
            });
            Answered { result, call }
        })
    }

    fn get_metric_statistics<'a>(
        &'a self,
        asked_for: &'a MetricStatisticsRequest<'a>,
    ) -> BoxFuture<'a, Answered<Vec<StatisticsPoint>>> {
        Box::pin(async move {
            let asked = Calls::new("cloudwatch", "GetMetricStatistics", self.place());
            let statistics: Vec<_> = asked_for.statistics.iter().map(|s| cw::Statistic::from(&**s)).collect();
            let extended: Vec<_> = asked_for.extended_statistics.iter().map(ToString::to_string).collect();
            let request = self
                .cloudwatch
                .get_metric_statistics()
                .namespace(asked_for.namespace.to_string())
                .metric_name(asked_for.metric.to_string())
                .set_dimensions(Some(dimensions(asked_for.dimensions)))
                .period(i32::try_from(asked_for.period_seconds.get()).unwrap_or(i32::MAX))
                .start_time(date_time(asked_for.start))
                .end_time(date_time(asked_for.end))
                .set_statistics((!statistics.is_empty()).then_some(statistics))
                .set_extended_statistics((!extended.is_empty()).then_some(extended));
            let sent = request.customize().interceptor(asked.attempts()).send().await;
            let doing = || format!("get statistics of {} in {}", asked_for.metric, self.region);
            let (result, call) = asked.finish(sent, doing);
            let result =
                result.map(|out| out.datapoints.unwrap_or_default().iter().filter_map(statistics_point).collect());
            Answered { result, call }
        })
    }

    fn ask<'a>(&'a self, question: &'a Question) -> BoxFuture<'a, Answered<Vec<u8>>> {
        Box::pin(self.signed(question, self.place(), OPERATION_TIMEOUT))
    }
}

fn resource(found: aws_sdk_resourcegroupstagging::types::ResourceTagMapping) -> Resource {
    let tag = |t: aws_sdk_resourcegroupstagging::types::Tag| Tag { key: t.key.into(), value: t.value.into() };
    Resource {
        arn: found.resource_arn.unwrap_or_default().into(),
        tags: found.tags.unwrap_or_default().into_iter().map(tag).collect(),
    }
}

/// The accounts stand beside the metrics, one for each, when linked accounts were asked for.
fn owned(metrics: Option<Vec<cw::Metric>>, owners: Option<Vec<String>>) -> Vec<ListedMetric> {
    let mut owners = owners.unwrap_or_default().into_iter().map(Text::from);
    metrics.unwrap_or_default().into_iter().map(|m| listed(m, owners.next())).collect()
}

fn listed(found: cw::Metric, owner: Option<Text>) -> ListedMetric {
    let dimension = |d: cw::Dimension| Dimension {
        name: d.name.unwrap_or_default().into(),
        value: d.value.unwrap_or_default().into(),
    };
    ListedMetric {
        name: found.metric_name.unwrap_or_default().into(),
        dimensions: found.dimensions.unwrap_or_default().into_iter().map(dimension).collect(),
        owner,
    }
}

fn dimensions(ours: &[Dimension]) -> Vec<cw::Dimension> {
    ours.iter().map(|d| cw::Dimension::builder().name(&*d.name).value(&*d.value).build()).collect()
}

fn queries(data: &MetricDataRequest<'_>) -> Vec<cw::MetricDataQuery> {
    let period = i32::try_from(data.period_seconds.get()).unwrap_or(i32::MAX);
    let query = |(i, q): (usize, &crate::aws::api::MetricQuery)| {
        let metric = cw::Metric::builder()
            .namespace(&**data.namespace)
            .metric_name(&*q.metric)
            .set_dimensions(Some(dimensions(&q.dimensions)))
            .build();
        let stat = cw::MetricStat::builder().metric(metric).period(period).stat(&*q.statistic).build();
        let owner = q.owner.as_ref().map(ToString::to_string);
        let query = cw::MetricDataQuery::builder().id(format!("id_{i}")).metric_stat(stat).return_data(true);
        query.set_account_id(owner).build()
    };
    data.queries.iter().enumerate().map(query).collect()
}

/// Statistics of one metric stand side by side, so a change of metric or dimensions ends a block.
fn requested(data: &MetricDataRequest<'_>) -> MetricsRequested {
    let same = |a: &&[crate::aws::api::MetricQuery]| a.len() as u64;
    let is_one = |a: &crate::aws::api::MetricQuery, b: &crate::aws::api::MetricQuery| {
        a.metric == b.metric && Arc::ptr_eq(&a.dimensions, &b.dimensions) && a.owner == b.owner
    };
    let blocks = data.queries.chunk_by(is_one);
    MetricsRequested {
        per_statistic: data.queries.len() as u64,
        per_block_of_five: blocks.map(|block| same(&block).div_ceil(5)).sum(),
    }
}

fn metric_result(found: cw::MetricDataResult) -> Option<MetricResult> {
    let query = found.id?.strip_prefix("id_")?.parse().ok()?;
    let status = match found.status_code {
        Some(cw::StatusCode::PartialData) => StatusCode::PartialData,
        Some(cw::StatusCode::InternalError) => StatusCode::InternalError,
        Some(cw::StatusCode::Forbidden) => StatusCode::Forbidden,
        _ => StatusCode::Complete,
    };
    let times = found.timestamps.unwrap_or_default();
    let values = found.values.unwrap_or_default();
    let points = times.iter().zip(values).map(|(t, value)| Point { at: timestamp(t), value }).collect();
    Some(MetricResult { query, points, status })
}

fn statistics_point(found: &cw::Datapoint) -> Option<StatisticsPoint> {
    let plain = [
        ("Average", found.average),
        ("Maximum", found.maximum),
        ("Minimum", found.minimum),
        ("Sum", found.sum),
        ("SampleCount", found.sample_count),
    ];
    let mut values: Vec<(Text, f64)> = plain.iter().filter_map(|(n, v)| Some((Text::from(*n), (*v)?))).collect();
    values.extend(found.extended_statistics.iter().flatten().map(|(n, v)| (Text::from(n.as_str()), *v)));
    Some(StatisticsPoint { at: timestamp(found.timestamp.as_ref()?), values })
}

fn timestamp(t: &DateTime) -> Timestamp {
    Timestamp::from_millis(t.to_millis().unwrap_or_default())
}

fn date_time(t: Timestamp) -> DateTime {
    DateTime::from_millis(t.as_millis())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keys that never end are read again every minute: from the same profile, not from whatever else is there.
    #[tokio::test]
    async fn a_chosen_profile_stays_chosen_when_it_is_read_again() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("credentials");
        let profile =
            |name: &str, key: &str| format!("[{name}]\naws_access_key_id = {key}\naws_secret_access_key = s\n");
        std::fs::write(&file, profile("default", "WRONG") + &profile("chosen", "RIGHT")).unwrap();
        let profile = Profile { name: Some("chosen".into()), file: Some(file.display().to_string()) };
        let network = Network { profile: profile.clone(), ..Network::default() };
        let again = reading_anew(OverReqwest(http::client(&network).unwrap()), Some(Region::new("eu-west-1")), profile);
        let credentials = again().await.unwrap().provide_credentials().await.unwrap();
        assert_eq!(credentials.access_key_id(), "RIGHT");
    }
}
