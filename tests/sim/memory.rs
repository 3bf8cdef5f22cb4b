//! The cloud in memory under a paused clock: publish delays, and faults without sockets.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use raingauge::aws::api::{Api, ListMetricsRequest, MetricDataRequest, MetricQuery, Owner, Page};
use raingauge::model::{Text, Timestamp};
use raingauge::seam::Reason;
use raingauge::sim::world::SeriesName;
use raingauge::sim::{Effect, Fault, Kind, MemoryApi, MemoryCloud, TimeSource, WorldSpec};

use crate::ask::{HOME, REGION};

/// Midnight of 2026-11-21.
const START: Timestamp = Timestamp::from_secs(1_795_219_200);

fn cloud(spec: WorldSpec) -> (MemoryCloud, MemoryApi) {
    let cloud = MemoryCloud::new(spec, TimeSource::tokio(START));
    let api = cloud.api(HOME, REGION);
    (cloud, api)
}

fn series(cloud: &MemoryCloud, metric: &str) -> Vec<SeriesName> {
    let mut all = cloud.world().series(HOME, REGION);
    all.retain(|name| &*name.metric == metric);
    all
}

/// The points of a series in the last so many minutes, newest first: minutes since the start, and value.
async fn minutes(cloud: &MemoryCloud, api: &MemoryApi, name: &SeriesName, back: u64) -> Vec<(i64, f64)> {
    let query = MetricQuery {
        metric: Text::clone(&name.metric),
        dimensions: Arc::clone(&name.dimensions),
        statistic: "Sum".into(),
        owner: None,
    };
    let request = MetricDataRequest {
        namespace: &name.namespace,
        queries: &[query],
        period_seconds: NonZeroU32::new(60).unwrap(),
        start: cloud.now().minus(Duration::from_secs(60 * back)),
        end: cloud.now(),
    };
    let page = api.get_metric_data(&request, None).await.result.unwrap();
    assert_eq!(page.next, None);
    let minute = |at: Timestamp| (at.as_secs() - START.as_secs()) / 60;
    page.items[0].points.iter().map(|point| (minute(point.at), point.value)).collect()
}

#[tokio::test(start_paused = true)]
async fn a_point_appears_after_its_delay_and_stays_as_it_is() {
    let (cloud, api) = cloud(WorldSpec::empty().with(Kind::Sqs, 1));
    let name = &series(&cloud, "NumberOfMessagesSent")[0];
    let minute = NonZeroU32::new(60).unwrap();
    let mut first_seen = None;
    let mut value = None;
    for second in 0..240 {
        let seen = minutes(&cloud, &api, name, 10).await.into_iter().find(|(minute, _)| *minute == 0);
        if let Some((_, now)) = seen {
            first_seen = first_seen.or(Some(second));
            assert_eq!(value.get_or_insert(now).to_bits(), now.to_bits(), "a published point does not change");
        }
        assert_eq!(seen.map(|(_, v)| v), cloud.world().truth_at(name, "Sum", minute, START, cloud.now()));
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    // The minute itself, SQS's delay of a minute, and up to a quarter of it more.
    assert!((120..136).contains(&first_seen.unwrap()), "{first_seen:?}");
    assert_eq!(value, cloud.world().truth(name, "Sum", minute, START));
}

#[tokio::test(start_paused = true)]
async fn without_delay_a_point_is_there_when_its_minute_is_over() {
    let mut spec = WorldSpec::empty().with(Kind::Sqs, 1);
    spec.publish_delay_percent = 0;
    let (cloud, api) = cloud(spec);
    tokio::time::advance(Duration::from_secs(180)).await;
    let name = &series(&cloud, "NumberOfMessagesSent")[0];
    let seen: Vec<i64> = minutes(&cloud, &api, name, 3).await.into_iter().map(|(minute, _)| minute).collect();
    assert_eq!(seen, [2, 1, 0]);
}

#[tokio::test(start_paused = true)]
async fn data_end_with_the_resource_and_the_listing_two_weeks_later() {
    let mut spec = WorldSpec::empty().with(Kind::Sqs, 1);
    spec.publish_delay_percent = 0;
    spec.listing_delay = Duration::from_secs(600);
    let (cloud, api) = cloud(spec);
    let arn = cloud.world().add(HOME, REGION, Kind::Sqs, START).unwrap();
    let listed = async |recently_active| {
        let request = ListMetricsRequest {
            namespace: "AWS/SQS".into(),
            metric: Some("SentMessageSize".into()),
            recently_active,
            owner: Owner::Own,
        };
        api.list_metrics(&request, None).await.result.unwrap().items.len()
    };
    assert_eq!(listed(false).await, 1, "a new metric is listed after a while");
    tokio::time::advance(Duration::from_secs(600)).await;
    assert_eq!(listed(false).await, 2);
    let name = &series(&cloud, "NumberOfMessagesSent")[1];
    assert_eq!(minutes(&cloud, &api, name, 20).await.len(), 10, "no data before its birth");
    assert!(cloud.world().delete(HOME, REGION, &arn, cloud.now()));
    tokio::time::advance(Duration::from_secs(600)).await;
    assert_eq!(minutes(&cloud, &api, name, 10).await.len(), 0, "no data after its end");
    assert_eq!(minutes(&cloud, &api, name, 20).await.len(), 10);
    tokio::time::advance(Duration::from_hours(3)).await;
    assert_eq!((listed(true).await, listed(false).await), (1, 2));
    tokio::time::advance(Duration::from_hours(14 * 24)).await;
    assert_eq!(listed(false).await, 1);
}

#[tokio::test(start_paused = true)]
async fn faults_have_reasons_and_the_books_know() {
    let (cloud, api) = cloud(WorldSpec::empty().with(Kind::Sqs, 1));
    for (effect, reason) in [
        (Effect::Throttle, Reason::Throttled),
        (Effect::ServerError(500), Reason::ServerError),
        (Effect::AccessDenied, Reason::AccessDenied),
        (Effect::ExpiredToken, Reason::ExpiredCredentials),
        (Effect::Hang, Reason::Timeout),
        (Effect::Reset, Reason::Network),
        (Effect::CutBody, Reason::Network),
        (Effect::Malformed, Reason::BadAnswer),
    ] {
        cloud.faults().add(Fault::new(effect).times(1));
        let answered = api.get_resources(&["sqs".into()], &[], None).await;
        assert_eq!(answered.result.unwrap_err().reason, reason);
        assert_eq!((answered.call.failed, answered.call.throttles > 0), (Some(reason), reason == Reason::Throttled));
    }
    cloud.faults().add(Fault::new(Effect::LatencyMillis(1500)).times(1));
    let answered = api.get_resources(&["sqs".into()], &["env".into()], None).await;
    assert_eq!(answered.call.duration, Duration::from_millis(1500));
    assert_eq!(answered.result.unwrap().items.len(), 1);
    let bill = cloud.ledger().bill();
    let failed = bill.sum("GetResources", |line| line.failed);
    assert_eq!((bill.calls("GetResources"), failed), (9, 5), "what is lost on its way was answered");
}

#[tokio::test(start_paused = true)]
async fn pages_in_memory_are_those_of_the_wire() {
    let mut spec = WorldSpec::empty().with(Kind::Ec2, 7);
    spec.pages.list_metrics = 3;
    let (_, api) = cloud(spec);
    let request = ListMetricsRequest {
        namespace: "AWS/EC2".into(),
        metric: Some("CPUUtilization".into()),
        recently_active: false,
        owner: Owner::Own,
    };
    let (mut page, mut sizes) = (None, Vec::new());
    loop {
        let Page { items, next } = api.list_metrics(&request, page).await.result.unwrap();
        sizes.push(items.len());
        if next.is_none() {
            break;
        }
        page = next;
    }
    assert_eq!(sizes, [3, 3, 1]);
    let account = api.account().await.account.unwrap();
    assert_eq!((&*account.id, account.alias.as_deref()), (HOME, Some("raingauge-sim")));
}
