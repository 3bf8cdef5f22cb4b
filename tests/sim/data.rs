//! Data: the SDK gets the truth, in pages, and mistakes are refused as AWS refuses them.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{MetricDataQuery, ScanBy, Statistic, StatusCode};
use raingauge::model::Timestamp;
use raingauge::sim::Kind;
use raingauge::sim::world::SeriesName;

use crate::ask::{HOME, REGION, at, cloudwatch, position, query, series, settled, start, world};

fn five_minutes() -> NonZeroU32 {
    NonZeroU32::new(300).unwrap()
}

#[tokio::test]
async fn data_are_the_ground_truth() {
    let mut spec = world();
    spec.services = Kind::ALL.iter().map(|kind| (*kind, 2)).collect();
    let cloud = start(spec).await;
    let client = cloudwatch(&cloud).await;
    let end = settled();
    let names = cloud.world().series(HOME, REGION);
    let statistics = ["Average", "Sum", "Minimum", "Maximum", "SampleCount", "p99", "TM(10%:90%)"];
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
        assert_eq!(answer.metric_data_results().len(), asked.len());
        for result in answer.metric_data_results() {
            let (name, statistic) = asked[position(result.id())];
            let truth: Vec<(Timestamp, f64)> = (1..=12)
                .map(|k| Timestamp::from_secs(end - 300 * k))
                .filter_map(|at| Some((at, cloud.world().truth(name, statistic, five_minutes(), at)?)))
                .collect();
            let got: Vec<_> = result.timestamps().iter().map(at).zip(result.values().iter().copied()).collect();
            assert_eq!(got, truth, "{name} {statistic}");
            points += got.len();
        }
    }
    assert!(points > 10_000, "{points} points compared");
}

#[tokio::test]
async fn statistics_are_the_ground_truth() {
    let cloud = start(world().with(Kind::Lambda, 1)).await;
    let client = cloudwatch(&cloud).await;
    let end = settled();
    let name = &series(&cloud, "Duration")[0];
    let dimension = aws_sdk_cloudwatch::types::Dimension::builder()
        .name(&*name.dimensions[0].name)
        .value(&*name.dimensions[0].value)
        .build();
    let request = client
        .get_metric_statistics()
        .namespace(&*name.namespace)
        .metric_name(&*name.metric)
        .dimensions(dimension)
        .start_time(DateTime::from_secs(end - 3000))
        .end_time(DateTime::from_secs(end))
        .period(300);
    let truth = |statistic: &str, at: Timestamp| cloud.world().truth(name, statistic, five_minutes(), at);
    let plain = request.clone().statistics(Statistic::Sum).statistics(Statistic::Maximum).send().await.unwrap();
    assert_eq!(plain.datapoints().len(), 10);
    for point in plain.datapoints() {
        let at = at(point.timestamp().unwrap());
        assert_eq!((point.sum(), point.maximum()), (truth("Sum", at), truth("Maximum", at)));
        assert_eq!((point.average(), point.unit().unwrap().as_str()), (None, "Milliseconds"));
    }
    let extended = request.clone().extended_statistics("p50").extended_statistics("p99.9").send().await.unwrap();
    for point in extended.datapoints() {
        let at = at(point.timestamp().unwrap());
        let values = point.extended_statistics().unwrap();
        assert_eq!(values.get("p99.9").copied(), truth("p99.9", at));
        assert_eq!(values.len(), 2);
    }
    for bad in [
        request.clone(),
        request.clone().statistics(Statistic::Sum).extended_statistics("p50"),
        request.clone().extended_statistics("p101"),
        request.clone().statistics(Statistic::Sum).period(45),
        request.clone().statistics(Statistic::Sum).start_time(DateTime::from_secs(end - 86_400 * 6)),
    ] {
        assert!(bad.send().await.unwrap_err().as_service_error().is_some());
    }
}

#[tokio::test]
async fn points_come_in_pages_and_none_is_lost_or_twice() {
    let mut spec = world().with(Kind::Alb, 3);
    spec.pages.data_points = 50;
    let cloud = start(spec).await;
    let client = cloudwatch(&cloud).await;
    let end = settled();
    let names = cloud.world().series(HOME, REGION);
    let queries: Vec<MetricDataQuery> = names.iter().enumerate().map(|(i, n)| query(i, n, "Sum", 60)).collect();
    let mut got: BTreeMap<usize, Vec<(Timestamp, f64)>> = BTreeMap::new();
    let (mut token, mut partial, mut pages) = (None, 0, 0);
    loop {
        let page = client
            .get_metric_data()
            .set_metric_data_queries(Some(queries.clone()))
            .start_time(DateTime::from_secs(end - 3600))
            .end_time(DateTime::from_secs(end))
            .scan_by(ScanBy::TimestampAscending)
            .set_next_token(token)
            .send()
            .await
            .unwrap();
        pages += 1;
        let points: usize = page.metric_data_results().iter().map(|r| r.values().len()).sum();
        assert!(points <= 50);
        for result in page.metric_data_results() {
            partial += usize::from(result.status_code() == Some(&StatusCode::PartialData));
            let points = result.timestamps().iter().map(at).zip(result.values().iter().copied());
            got.entry(position(result.id())).or_default().extend(points);
        }
        token = page.next_token().map(str::to_owned);
        if token.is_none() {
            break;
        }
    }
    assert!(pages > 10 && partial > 10, "{pages} pages, {partial} partial results");
    assert_eq!(got.len(), names.len());
    for (i, name) in names.iter().enumerate() {
        let minute = NonZeroU32::new(60).unwrap();
        let truth: Vec<_> = (0..60)
            .map(|k| Timestamp::from_secs(end - 3600 + 60 * k))
            .filter_map(|at| Some((at, cloud.world().truth(name, "Sum", minute, at)?)))
            .collect();
        assert_eq!(got[&i], truth, "{name}");
    }
}

async fn refusal(client: &Client, queries: Vec<MetricDataQuery>, window: (i64, i64), token: Option<&str>) -> String {
    let sent = client
        .get_metric_data()
        .set_metric_data_queries(Some(queries))
        .start_time(DateTime::from_secs(window.0))
        .end_time(DateTime::from_secs(window.1))
        .set_next_token(token.map(str::to_owned))
        .send()
        .await;
    match sent {
        Ok(_) => "accepted".to_owned(),
        Err(error) => error.into_service_error().meta().code().unwrap().to_owned(),
    }
}

#[tokio::test]
async fn mistakes_are_refused() {
    let cloud = start(world().with(Kind::Sqs, 1)).await;
    let client = cloudwatch(&cloud).await;
    let name = &series(&cloud, "SentMessageSize")[0];
    let many = |n: usize| (0..n).map(|i| query(i, name, "Sum", 300)).collect::<Vec<_>>();
    let end = settled();
    let good = (end - 600, end);
    assert_eq!(refusal(&client, many(500), good, None).await, "accepted");
    assert_eq!(refusal(&client, many(501), good, None).await, "ValidationError");
    assert_eq!(refusal(&client, many(1), (end, end), None).await, "ValidationError");
    assert_eq!(refusal(&client, vec![query(0, name, "Sum", 90)], good, None).await, "ValidationError");
    assert_eq!(refusal(&client, vec![query(0, name, "Median", 300)], good, None).await, "ValidationError");
    assert_eq!(refusal(&client, vec![query(0, name, "Sum", 300); 2], good, None).await, "ValidationError");
    assert_eq!(refusal(&client, many(1), good, Some("made up")).await, "InvalidNextToken");
    let unnamed = MetricDataQuery::builder().id("Id").build();
    assert_eq!(refusal(&client, vec![unnamed], good, None).await, "ValidationError");
    assert_eq!(refusal(&client, vec![], good, None).await, "MissingParameter");
}

#[tokio::test]
async fn daily_metrics_have_one_point_a_day() {
    let cloud = start(world().with(Kind::S3, 1)).await;
    let client = cloudwatch(&cloud).await;
    let midnight = settled().div_euclid(86_400) * 86_400;
    let name = &series(&cloud, "BucketSizeBytes")[0];
    let ask = async |period: i32| {
        let answer = client
            .get_metric_data()
            .metric_data_queries(query(0, name, "Average", period))
            .start_time(DateTime::from_secs(midnight - 3 * 86_400))
            .end_time(DateTime::from_secs(midnight - 86_400))
            .send()
            .await
            .unwrap();
        answer.metric_data_results()[0].timestamps().iter().map(DateTime::secs).collect::<Vec<_>>()
    };
    let days = [midnight - 2 * 86_400, midnight - 3 * 86_400];
    assert_eq!(ask(86_400).await, days);
    assert_eq!(ask(3600).await, days, "a shorter period finds the same points");
}
