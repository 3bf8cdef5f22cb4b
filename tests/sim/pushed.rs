//! PutMetricData: what is written can be listed and read.

use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{Dimension, MetricDatum, StandardUnit, StatisticSet};
use raingauge::sim::world::SeriesName;

use crate::ask::{HOME, REGION, cloudwatch, query, settled, start, world};

#[tokio::test]
async fn what_was_put_is_there() {
    let cloud = start(world()).await;
    let client = cloudwatch(&cloud).await;
    let minute = settled();
    let host = |n: usize| Dimension::builder().name("host").value(format!("h{n}")).build();
    let set = StatisticSet::builder().sample_count(2.0).sum(6.0).minimum(1.0).maximum(5.0).build();
    // More than ten kilobytes, so that the SDK compresses the request.
    let data: Vec<MetricDatum> = (0..300)
        .map(|n| {
            let datum = MetricDatum::builder().metric_name("load").dimensions(host(n)).unit(StandardUnit::Percent);
            datum.timestamp(DateTime::from_secs(minute)).statistic_values(set.clone()).build()
        })
        .collect();
    client.put_metric_data().namespace("Mine").set_metric_data(Some(data)).send().await.unwrap();
    let one = MetricDatum::builder().metric_name("load").dimensions(host(7)).value(12.0);
    let one = one.timestamp(DateTime::from_secs(minute + 59)).build();
    client.put_metric_data().namespace("Mine").metric_data(one).send().await.unwrap();

    let listed = client.list_metrics().namespace("Mine").send().await.unwrap();
    assert_eq!(listed.metrics().len(), 300);
    let name = SeriesName {
        account: HOME.into(),
        region: REGION.into(),
        namespace: "Mine".into(),
        metric: "load".into(),
        dimensions: [raingauge::aws::job::Dimension { name: "host".into(), value: "h7".into() }].into(),
    };
    let answer = client
        .get_metric_data()
        .metric_data_queries(query(0, &name, "Sum", 60))
        .metric_data_queries(query(1, &name, "Maximum", 300))
        .start_time(DateTime::from_secs(minute))
        .end_time(DateTime::from_secs(minute + 300))
        .send()
        .await
        .unwrap();
    let values: Vec<_> = answer.metric_data_results().iter().map(|r| r.values().to_vec()).collect();
    assert_eq!(values, [[18.0], [12.0]]);
    let pushed = cloud.pushed();
    assert_eq!(pushed.len(), 300);
    assert!(pushed.iter().all(|series| series.points.len() == 1));
}

#[tokio::test]
async fn bad_data_are_refused_whole() {
    let cloud = start(world()).await;
    let client = cloudwatch(&cloud).await;
    let good = MetricDatum::builder().metric_name("load").value(1.0).build();
    let bad = MetricDatum::builder().metric_name("load").value(f64::NAN).build();
    let put = client.put_metric_data().namespace("Mine").metric_data(good.clone()).metric_data(bad);
    let error = put.send().await.unwrap_err().into_service_error();
    assert_eq!(error.meta().code(), Some("InvalidParameterValue"));
    let put = client.put_metric_data().namespace("AWS/EC2").metric_data(good);
    assert!(put.send().await.is_err());
    assert_eq!(cloud.pushed(), []);
}
