//! The bill counts what was asked under both readings of the price list.

use aws_sdk_cloudwatch::primitives::DateTime;
use raingauge::sim::{Effect, Fault, Kind};

use crate::ask::{cloudwatch, http, query, series, settled, start, world};

#[tokio::test]
async fn metrics_are_counted_by_statistic_and_by_block_of_five() {
    let mut spec = world().with(Kind::Sqs, 2);
    spec.pages.data_points = 9;
    let cloud = start(spec).await;
    let client = cloudwatch(&cloud).await;
    let names = series(&cloud, "SentMessageSize");
    let seven = ["Average", "Sum", "Minimum", "Maximum", "SampleCount", "p50", "p99"];
    let mut queries: Vec<_> = seven.iter().enumerate().map(|(i, s)| query(i, &names[0], s, 300)).collect();
    queries.push(query(7, &names[1], "Sum", 300));
    let end = settled();
    let ask = client
        .get_metric_data()
        .set_metric_data_queries(Some(queries))
        .start_time(DateTime::from_secs(end - 600))
        .end_time(DateTime::from_secs(end));
    cloud.faults().add(Fault::new(Effect::Throttle).times(1));
    assert!(ask.clone().send().await.is_err(), "a throttled call costs nothing");
    let first = ask.clone().send().await.unwrap();
    let second = ask.set_next_token(first.next_token().map(str::to_owned)).send().await.unwrap();
    assert!(second.next_token().is_none());
    let bill = cloud.ledger().bill();
    assert_eq!(bill.calls("GetMetricData"), 3);
    let metrics = bill.metrics();
    assert_eq!((metrics.per_statistic, metrics.per_block_of_five), (8, 3), "7 and 1; two blocks and one");
    assert_eq!(bill.sum("GetMetricData", |line| line.items), 16, "eight queries, two periods");
    assert!((bill.dollars_per_statistic - 0.000_08).abs() < 1e-12);
    assert!((bill.dollars_per_block_of_five - 0.000_03).abs() < 1e-12);
    client.list_metrics().send().await.unwrap();
    let url = format!("{}/_sim/ledger", cloud.endpoint_url());
    let served: serde_json::Value = http().get(url).send().await.unwrap().json().await.unwrap();
    assert_eq!(served["lines"][1]["operation"], "ListMetrics");
    assert!((served["dollars_per_block_of_five"].as_f64().unwrap() - 0.000_04).abs() < 1e-12);
}

#[tokio::test]
async fn the_world_is_summed_up() {
    let cloud = start(world().with(Kind::Alb, 2)).await;
    let url = format!("{}/_sim/world", cloud.endpoint_url());
    let world: serde_json::Value = http().get(url).send().await.unwrap().json().await.unwrap();
    assert_eq!(world["places"][0]["resources"]["elasticloadbalancing:targetgroup"], 2);
    assert_eq!(world["places"][0]["account"], "000000000000");
}
