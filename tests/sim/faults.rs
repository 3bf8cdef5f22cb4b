//! Faults and quotas, as the SDK sees them.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::error::SdkError;
use aws_sdk_cloudwatch::operation::list_metrics::ListMetricsError;
use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::StatusCode;
use raingauge::sim::fault::FaultStatus;
use raingauge::sim::quota::QuotaSpec;
use raingauge::sim::{Effect, Fault, Kind, SimCloud};

use crate::ask::{HOME, REGION, cloudwatch, config, http, query, series, settled, start, world};

async fn cloud() -> (SimCloud, Client) {
    let mut spec = world().with(Kind::Sqs, 3);
    spec.pages.list_metrics = 2;
    let cloud = start(spec).await;
    let client = cloudwatch(&cloud).await;
    (cloud, client)
}

async fn list(client: &Client) -> Result<usize, SdkError<ListMetricsError>> {
    Ok(client.list_metrics().metric_name("SentMessageSize").send().await?.metrics().len())
}

fn code(error: SdkError<ListMetricsError>) -> Option<String> {
    error.into_service_error().meta().code().map(str::to_owned)
}

#[tokio::test]
async fn refusals_carry_aws_codes_and_stop_when_they_should() {
    let (cloud, client) = cloud().await;
    for (effect, wanted) in [
        (Effect::Throttle, "Throttling"),
        (Effect::ServerError(500), "InternalFailure"),
        (Effect::ServerError(503), "ServiceUnavailable"),
        (Effect::AccessDenied, "AccessDenied"),
        (Effect::ExpiredToken, "ExpiredTokenException"),
    ] {
        let id = cloud.faults().add(Fault::new(effect).on("ListMetrics").times(1));
        let error = list(&client).await.unwrap_err();
        assert_eq!(code(error).as_deref(), Some(wanted));
        assert_eq!(list(&client).await.unwrap(), 2, "{wanted} is over");
        assert_eq!(cloud.faults().hits(id), 1);
    }
}

#[tokio::test]
async fn the_sdk_retries_what_passes() {
    let (cloud, _) = cloud().await;
    let retries = RetryConfig::standard().with_initial_backoff(Duration::from_millis(1));
    let config = config(&cloud).await.to_builder().retry_config(retries).build();
    cloud.faults().add(Fault::new(Effect::Throttle).times(1));
    cloud.faults().add(Fault::new(Effect::ServerError(500)).times(1));
    assert_eq!(list(&Client::new(&config)).await.unwrap(), 2);
    let bill = cloud.ledger().bill();
    assert_eq!(bill.calls("ListMetrics"), 3);
    assert_eq!((bill.sum("ListMetrics", |l| l.throttled), bill.sum("ListMetrics", |l| l.failed)), (1, 1));
}

#[tokio::test]
async fn broken_answers_are_errors_and_not_data() {
    let (cloud, client) = cloud().await;
    for effect in [Effect::Reset, Effect::CutBody, Effect::Malformed] {
        let wanted = format!("{effect:?}");
        cloud.faults().add(Fault::new(effect).times(1));
        let error = list(&client).await.unwrap_err();
        let code = error.as_service_error().and_then(|error| error.meta().code());
        assert_eq!(code, None, "{wanted} is not something that the service said: {error:?}");
        assert_eq!(list(&client).await.unwrap(), 2, "{wanted} is over");
    }
    cloud.faults().add(Fault::new(Effect::Empty).times(1));
    assert_eq!(list(&client).await.unwrap(), 0);
}

#[tokio::test]
async fn an_answer_may_never_come() {
    let (cloud, _) = cloud().await;
    let timeouts = TimeoutConfig::builder().operation_timeout(Duration::from_millis(200)).build();
    let config = config(&cloud).await.to_builder().timeout_config(timeouts).build();
    cloud.faults().add(Fault::new(Effect::Hang).times(1));
    let client = Client::new(&config);
    assert!(matches!(list(&client).await, Err(SdkError::TimeoutError(_))));
    let _ = cloud.faults().add(Fault::new(Effect::LatencyMillis(600_000)).times(1));
    assert!(matches!(list(&client).await, Err(SdkError::TimeoutError(_))));
    assert_eq!(list(&client).await.unwrap(), 2);
}

#[tokio::test]
async fn a_cloud_that_ends_does_not_leave_calls_hanging() {
    let (cloud, client) = cloud().await;
    let id = cloud.faults().add(Fault::new(Effect::Hang));
    let call = tokio::spawn(async move { list(&client).await });
    while cloud.faults().hits(id) == 0 {
        tokio::task::yield_now().await;
    }
    cloud.shutdown().await;
    assert!(call.await.unwrap().is_err());
}

#[tokio::test]
async fn a_fault_can_wait_for_a_page_and_keep_to_a_region() {
    let (cloud, client) = cloud().await;
    cloud.faults().add(Fault::new(Effect::AccessDenied).in_region("us-east-1"));
    cloud.faults().add(Fault::new(Effect::AccessDenied).of_account("000000000001"));
    cloud.faults().add(Fault::new(Effect::ServerError(500)).on("ListMetrics").on_page(2));
    let mut pages = client.list_metrics().metric_name("SentMessageSize").into_paginator().send();
    assert_eq!(pages.next().await.unwrap().unwrap().metrics().len(), 2);
    assert!(pages.next().await.unwrap().is_err());
}

#[tokio::test]
async fn a_metric_can_have_a_bad_status() {
    let (cloud, client) = cloud().await;
    let names = cloud.world().series(HOME, REGION);
    let status = |code, metric: &str| Fault::new(Effect::Status { code, metric: Some(metric.to_owned()) });
    cloud.faults().add(status(FaultStatus::Forbidden, "SentMessageSize"));
    cloud.faults().add(status(FaultStatus::InternalError, "NumberOfMessagesSent"));
    cloud.faults().add(status(FaultStatus::PartialData, "NumberOfMessagesDeleted"));
    let end = settled();
    let answer = client
        .get_metric_data()
        .set_metric_data_queries(Some(names.iter().enumerate().map(|(i, n)| query(i, n, "Sum", 300)).collect()))
        .start_time(DateTime::from_secs(end - 600))
        .end_time(DateTime::from_secs(end))
        .send()
        .await
        .unwrap();
    for result in answer.metric_data_results() {
        let status = match result.label().unwrap() {
            "SentMessageSize" => StatusCode::Forbidden,
            "NumberOfMessagesSent" => StatusCode::InternalError,
            "NumberOfMessagesDeleted" => StatusCode::PartialData,
            _ => StatusCode::Complete,
        };
        let points = if status == StatusCode::Complete { 2 } else { 0 };
        assert_eq!((result.status_code(), result.values().len()), (Some(&status), points));
    }
}

#[tokio::test]
async fn a_quota_throttles_and_other_regions_do_not_care() {
    let mut spec = world().with(Kind::Sqs, 1);
    // So slow that no second call is granted while the test runs.
    spec.quotas = QuotaSpec::unlimited().with("ListMetrics", 0.000_1);
    let cloud = start(spec).await;
    let here = cloudwatch(&cloud).await;
    assert_eq!(list(&here).await.unwrap(), 1);
    assert_eq!(code(list(&here).await.unwrap_err()).as_deref(), Some("Throttling"));
    let elsewhere = config(&cloud).await.to_builder().region(aws_config::Region::new("us-east-1")).build();
    assert_eq!(list(&Client::new(&elsewhere)).await.unwrap(), 0, "nothing is there, but it may be asked");
    let end = settled();
    let data = here.get_metric_data().metric_data_queries(query(0, &series(&cloud, "SentMessageSize")[0], "Sum", 300));
    let data = data.start_time(DateTime::from_secs(end - 300)).end_time(DateTime::from_secs(end));
    assert!(data.send().await.is_ok(), "another operation has its own quota");
}

#[tokio::test]
async fn faults_are_switched_over_http() {
    let (cloud, client) = cloud().await;
    let url = format!("{}/_sim/faults", cloud.endpoint_url());
    let http = http();
    let fault = r#"[{"effect": "throttle", "operation": "ListMetrics"}, {"effect": {"latency_millis": 1}}]"#;
    let added = http.post(&url).body(fault).send().await.unwrap();
    assert_eq!(added.text().await.unwrap(), r#"{"ids":[1,2]}"#);
    assert!(list(&client).await.is_err());
    let listed: serde_json::Value = http.get(&url).send().await.unwrap().json().await.unwrap();
    assert_eq!((&listed[0]["hits"], &listed[0]["fault"]["operation"]), (&1.into(), &"ListMetrics".into()));
    assert_eq!(http.delete(format!("{url}?id=1")).send().await.unwrap().status(), 200);
    assert_eq!(list(&client).await.unwrap(), 2);
    assert_eq!(http.delete(&url).send().await.unwrap().status(), 200);
    assert_eq!(cloud.faults().list(), []);
    for bad in ["{}", "[{]", r#"{"effect": "explode"}"#, r#"{"effect": "hang", "operatoin": "x"}"#] {
        assert_eq!(http.post(&url).body(bad).send().await.unwrap().status(), 400, "{bad}");
    }
}
