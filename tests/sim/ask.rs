//! The SDK's clients, pointed at a simulated cloud, and short ways to ask.

use aws_config::retry::RetryConfig;
use aws_credential_types::Credentials;
use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{Dimension, Metric, MetricDataQuery, MetricStat};
use raingauge::clock::Clock;
use raingauge::model::Timestamp;
use raingauge::sim::quota::QuotaSpec;
use raingauge::sim::world::SeriesName;
use raingauge::sim::{SimCloud, WorldSpec};

/// The caller's own account.
pub(crate) const HOME: &str = "000000000000";
/// The region of [`WorldSpec::empty`].
pub(crate) const REGION: &str = "eu-west-1";

/// An empty world that never throttles: how fast a test asks must not decide what it sees.
pub(crate) fn world() -> WorldSpec {
    WorldSpec { quotas: QuotaSpec::unlimited(), ..WorldSpec::empty() }
}

/// A cloud on a free port, at the machine's time.
pub(crate) async fn start(spec: WorldSpec) -> SimCloud {
    SimCloud::start(spec, Clock::system()).await.unwrap()
}

/// The SDK's configuration with these credentials; one attempt for each call.
pub(crate) async fn config_with(cloud: &SimCloud, credentials: Credentials) -> aws_config::SdkConfig {
    aws_config::defaults(aws_config::BehaviorVersion::latest())
        .endpoint_url(cloud.endpoint_url())
        .region(REGION)
        .credentials_provider(credentials)
        .retry_config(RetryConfig::disabled())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .load()
        .await
}

/// The SDK's configuration with dummy keys.
pub(crate) async fn config(cloud: &SimCloud) -> aws_config::SdkConfig {
    config_with(cloud, Credentials::new("dummy", "dummy", None, None, "test")).await
}

/// A client for the cloud's own paths.
pub(crate) fn http() -> reqwest::Client {
    raingauge::aws::crypto::install();
    reqwest::Client::builder().no_proxy().build().unwrap()
}

/// CloudWatch, without retries.
pub(crate) async fn cloudwatch(cloud: &SimCloud) -> aws_sdk_cloudwatch::Client {
    aws_sdk_cloudwatch::Client::new(&config(cloud).await)
}

/// One query; its id is `id_N`.
pub(crate) fn query(id: usize, name: &SeriesName, statistic: &str, period: i32) -> MetricDataQuery {
    let dimensions = name.dimensions.iter().map(|d| Dimension::builder().name(&*d.name).value(&*d.value).build());
    let metric = Metric::builder()
        .namespace(&*name.namespace)
        .metric_name(&*name.metric)
        .set_dimensions(Some(dimensions.collect()))
        .build();
    MetricDataQuery::builder()
        .id(format!("id_{id}"))
        .metric_stat(MetricStat::builder().metric(metric).period(period).stat(statistic).build())
        .build()
}

/// The position in an id `id_N`.
pub(crate) fn position(id: Option<&str>) -> usize {
    id.unwrap().strip_prefix("id_").unwrap().parse().unwrap()
}

/// An SDK time in ours.
pub(crate) fn at(time: &DateTime) -> Timestamp {
    Timestamp::from_millis(time.to_millis().unwrap())
}

/// The series of the home account with that metric.
pub(crate) fn series(cloud: &SimCloud, metric: &str) -> Vec<SeriesName> {
    let mut all = cloud.world().series(HOME, REGION);
    all.retain(|name| &*name.metric == metric);
    all
}

/// The start of a five-minute period, an hour ago: whatever happens there is published.
pub(crate) fn settled() -> i64 {
    (Clock::system().now().as_secs() - 3600).div_euclid(300) * 300
}
