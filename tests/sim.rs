//! The simulated cloud, asked by the real SDK over real sockets.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeSet;
use std::num::NonZeroU32;

use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{Dimension, Metric, MetricDataQuery, MetricStat, ScanBy};
use raingauge::clock::Clock;
use raingauge::model::Timestamp;
use raingauge::sim::world::SeriesName;
use raingauge::sim::{Kind, SimCloud, WorldSpec};

const HOME: &str = "000000000000";
const REGION: &str = "eu-west-1";

async fn sdk(cloud: &SimCloud) -> aws_config::SdkConfig {
    aws_config::defaults(aws_config::BehaviorVersion::latest())
        .endpoint_url(cloud.endpoint_url())
        .region(REGION)
        .credentials_provider(aws_credential_types::Credentials::new("dummy", "dummy", None, None, "test"))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .load()
        .await
}

fn query(id: usize, name: &SeriesName, statistic: &str, period: i32) -> MetricDataQuery {
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

fn secs(at: &DateTime) -> Timestamp {
    Timestamp::from_secs(at.secs())
}

#[tokio::test]
async fn the_sdk_lists_every_metric_page_by_page() {
    let spec = WorldSpec::empty().with(Kind::Ec2, 60).with(Kind::Sqs, 3);
    let cloud = SimCloud::start(spec, Clock::system()).await.unwrap();
    let client = aws_sdk_cloudwatch::Client::new(&sdk(&cloud).await);
    let mut pages = client.list_metrics().namespace("AWS/EC2").into_paginator().send();
    let (mut count, mut listed) = (0, BTreeSet::new());
    while let Some(page) = pages.next().await {
        let page = page.unwrap();
        count += 1;
        for metric in page.metrics() {
            let dimension = metric.dimensions()[0].value().unwrap();
            listed.insert((metric.metric_name().unwrap().to_owned(), dimension.to_owned()));
        }
    }
    assert_eq!((count, listed.len()), (3, 1200), "60 instances, 20 metrics, 500 a page");
    let wanted: BTreeSet<_> = cloud
        .world()
        .series(HOME, REGION)
        .into_iter()
        .filter(|s| &*s.namespace == "AWS/EC2")
        .map(|s| (s.metric.to_string(), s.dimensions[0].value.to_string()))
        .collect();
    assert_eq!(listed, wanted);
    assert_eq!(cloud.ledger().bill().calls("ListMetrics"), 3);
}

#[tokio::test]
async fn data_are_the_ground_truth() {
    let mut spec = WorldSpec::empty();
    spec.services = Kind::ALL.iter().map(|kind| (*kind, 2)).collect();
    let cloud = SimCloud::start(spec, Clock::system()).await.unwrap();
    let client = aws_sdk_cloudwatch::Client::new(&sdk(&cloud).await);
    let end = Clock::system().now().as_secs().div_euclid(300) * 300 - 3600;
    let names = cloud.world().series(HOME, REGION);
    let statistics = ["Average", "Sum", "Minimum", "Maximum", "SampleCount", "p99", "TM(10%:90%)"];
    let period = NonZeroU32::new(300).unwrap();
    let mut points = 0;
    for chunk in names.chunks(500 / statistics.len()) {
        let asked: Vec<(&SeriesName, &str)> = chunk.iter().flat_map(|n| statistics.map(|s| (n, s))).collect();
        let queries = asked.iter().enumerate().map(|(i, (n, s))| query(i, n, s, 300)).collect();
        let answer = client
            .get_metric_data()
            .set_metric_data_queries(Some(queries))
            .start_time(DateTime::from_secs(end - 3600))
            .end_time(DateTime::from_secs(end))
            .scan_by(ScanBy::TimestampDescending)
            .send()
            .await
            .unwrap();
        for result in answer.metric_data_results() {
            let i: usize = result.id().unwrap().strip_prefix("id_").unwrap().parse().unwrap();
            let (name, statistic) = asked[i];
            let truth: Vec<(Timestamp, f64)> = (1..=12)
                .map(|k| Timestamp::from_secs(end - 300 * k))
                .filter_map(|at| Some((at, cloud.world().truth(name, statistic, period, at)?)))
                .collect();
            let got: Vec<_> = result.timestamps().iter().map(secs).zip(result.values().iter().copied()).collect();
            assert_eq!(got, truth, "{name} {statistic}");
            points += got.len();
        }
    }
    assert!(points > 10_000, "{points} points compared");
}
