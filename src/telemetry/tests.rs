use super::*;
use crate::model::Now;
use crate::telemetry::metrics::{METRICS, Type};
use std::collections::BTreeSet;

fn telemetry(yace: bool) -> Telemetry {
    let started = Timestamp::from_secs(1_700_000_000);
    Telemetry::new(TelemetrySettings { version: "1.2.3", started, yace, prices: price::list_prices() })
}

fn call(service: &'static str, operation: &'static str, failed: Option<Reason>) -> Call {
    Call {
        service,
        operation,
        region: "eu-west-1".into(),
        account: "123456789012".into(),
        attempts: 3,
        throttles: 1,
        duration: Duration::from_millis(300),
        failed,
        metrics: MetricsRequested::default(),
        series_returned: 0,
        superseded: false,
    }
}

fn job() -> JobLabels {
    JobLabels { job: "AWS/EC2".into(), region: "eu-west-1".into(), account: "a\"b\\c\nd".into() }
}

fn failure() -> Failure {
    Failure { reason: Reason::Timeout, doing: "x".into(), message: "y".into() }
}

/// Every metric has counted something.
fn busy(yace: bool) -> Telemetry {
    let t = telemetry(yace);
    let mut data = call("cloudwatch", "GetMetricData", None);
    data.metrics = MetricsRequested { per_statistic: 500, per_block_of_five: 100 };
    t.record_calls(&[
        data,
        call("cloudwatch", "ListMetrics", Some(Reason::Throttled)),
        call("tag", "GetResources", None),
        Call { series_returned: 12, ..call("monitoring", "ListTimeSeries", None) },
    ]);
    let now = Timestamp::from_secs(1_700_000_100);
    let took = Duration::from_millis(1500);
    t.record_run(&job(), RunKind::Discover, took, &[], None, Some(7), both(now));
    t.record_run(&job(), RunKind::Fetch, took, &[], Some(140), None, both(now));
    t.record_run(&job(), RunKind::Fetch, took, &[failure(), failure()], None, None, both(now));
    t.overlap(&job(), RunKind::Fetch);
    t.left_out(&job(), 5);
    let mut unshown = Unshowns::default();
    unshown.count(Unshown::NoPoints);
    t.unshown(&job(), &unshown);
    t.reload(true, now);
    t.page_rendered(PageLabels { format: "text", escaping: "dots", encoding: "gzip" }, took);
    t.refused(Refusal::Unauthorized);
    t.closed(Closing::Displaced);
    t.lease_failed("conflict");
    t.state_ignored("damaged");
    t.host_failures(&[failure()]);
    t.statsd_losses([("packet", 0), ("malformed_line", 1), ("value", 0), ("series", 0), ("set_member", 0)]);
    t.next_run(&job(), RunKind::Fetch, now.plus(Duration::from_secs(90)));
    t.tick(both(now), 140, [("good", 1), ("failing", 0), ("waiting", 0)]);
    // A month is only told after a while.
    for n in 1..400 {
        t.tick(both(now.plus(Duration::from_secs(5 * n))), 140, [("good", 1), ("failing", 0), ("waiting", 0)]);
    }
    t.push_sent(3, now);
    t.push_lost("expired", 2);
    t.push_failure(Reason::Throttled);
    t.push_queue(1, 2, 3);
    t.push_metrics(4, 1.2);
    t.page_offences(PageOffences {
        duplicate_samples: 1,
        collapsed_families: 2,
        dropped_labels: 3,
        dropped_families: 4,
    });
    t
}

fn both(now: Timestamp) -> Now {
    Now { wall: now, steady: now }
}

fn later() -> Timestamp {
    Timestamp::from_secs(1_700_000_130)
}

#[test]
fn runs_and_calls_come_out_as_samples() {
    let page = busy(false).encode(later(), Format::Text);
    let place = r#"job="AWS/EC2",region="eu-west-1",account="a\"b\\c\nd""#;
    let gmd = r#"service="cloudwatch",operation="GetMetricData",region="eu-west-1",account="123456789012""#;
    for line in [
        r#"raingauge_build_info{version="1.2.3"} 1"#.to_owned(),
        "raingauge_start_time_seconds 1700000000.0".to_owned(),
        format!("raingauge_job_age_seconds{{{place},run=\"fetch\"}} 30.0"),
        format!("raingauge_job_last_success_timestamp_seconds{{{place},run=\"discover\"}} 1700000100.0"),
        format!("raingauge_job_last_run_duration_seconds{{{place},run=\"fetch\"}} 1.5"),
        format!("raingauge_job_next_run_seconds{{{place},run=\"fetch\"}} 60.0"),
        "raingauge_jobs{state=\"good\"} 1".to_owned(),
        "raingauge_series 140".to_owned(),
        format!("raingauge_job_runs_total{{{place},run=\"fetch\"}} 2"),
        format!("raingauge_job_overlaps_total{{{place},run=\"fetch\"}} 1"),
        format!("raingauge_job_failures_total{{{place},run=\"fetch\",reason=\"timeout\"}} 2"),
        format!("raingauge_job_series{{{place}}} 140"),
        format!("raingauge_job_resources{{{place}}} 7"),
        format!("raingauge_api_calls_total{{{gmd}}} 1"),
        format!("raingauge_api_retries_total{{{gmd}}} 2"),
        format!("raingauge_api_throttles_total{{{gmd}}} 1"),
        r#"raingauge_api_failed_calls_total{service="cloudwatch",operation="ListMetrics",region="eu-west-1",account="123456789012",reason="throttled"} 1"#.to_owned(),
        r#"raingauge_api_call_duration_seconds_bucket{le="0.5",operation="ListMetrics"} 1"#.to_owned(),
        r#"raingauge_metrics_requested_total{region="eu-west-1",account="123456789012",reading="per_block"} 100"#.to_owned(),
        r#"raingauge_estimated_cost_dollars_total{operation="GetMetricData",region="eu-west-1",account="123456789012",reading="per_statistic"} 0.005"#.to_owned(),
        "raingauge_duplicate_samples_total 1".to_owned(),
    ] {
        assert!(page.lines().any(|l| l == line), "{line} is not in\n{page}");
    }
    assert!(!page.contains("yace_"));
}

#[test]
fn both_readings_of_the_price_list_add_up() {
    let dollars = busy(false).spent().since_start;
    let twelve_series = 12.0 * 0.000_000_5;
    assert!((dollars.per_statistic - 0.005 - twelve_series).abs() < 1e-12);
    assert!((dollars.per_block - 0.001 - twelve_series).abs() < 1e-12);
}

#[test]
fn nothing_remains_of_a_retired_job() {
    let t = busy(false);
    t.retire(&job());
    let page = t.encode(later(), Format::Text);
    assert!(!page.contains("AWS/EC2"), "{page}");
    assert!(page.contains("raingauge_api_calls_total{"));
}

#[test]
fn labelled_series_exist_only_once_something_was_counted() {
    let page = telemetry(false).encode(later(), Format::Text);
    assert!(!page.contains("raingauge_job_"), "{page}");
    assert!(!page.contains("raingauge_api_"), "{page}");
    let quiet = telemetry(false);
    quiet.record_calls(&[Call { attempts: 1, throttles: 0, ..call("cloudwatch", "ListMetrics", None) }]);
    let page = quiet.encode(later(), Format::Text);
    assert!(!page.contains("raingauge_api_retries_total") && !page.contains("raingauge_api_throttles_total"));
}

/// Name → (type, help, label names) of everything on a page.
fn seen(page: &str) -> BTreeSet<(String, String, String, Vec<String>)> {
    let mut seen = BTreeSet::new();
    let (mut name, mut help, mut kind) = ("", "", "");
    for line in page.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            (name, help) = rest.split_once(' ').unwrap();
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            kind = rest.split_once(' ').unwrap().1;
        } else if !line.starts_with('#') {
            let labels = line.split_once('{').map_or("", |(_, l)| l).rsplit_once('}').map_or("", |(l, _)| l);
            let names = labels.split("\",").filter_map(|l| l.split_once('=')).map(|(n, _)| n.to_owned());
            seen.insert((name.into(), kind.into(), help.into(), names.filter(|n| n != "le").collect()));
        }
    }
    seen
}

#[test]
fn the_page_has_exactly_what_the_table_says() {
    let page = busy(false).encode(later(), Format::Text);
    let ours: BTreeSet<_> = seen(&page).into_iter().filter(|s| !s.0.starts_with("process_")).collect();
    let table = METRICS.iter().map(|d| {
        let labels = d.labels.iter().map(|l| (*l).to_owned()).collect();
        (d.name.to_owned(), d.kind.as_str().to_owned(), format!("{}.", d.help), labels)
    });
    assert_eq!(ours, table.collect());
    assert!(METRICS.iter().all(|d| (d.kind == Type::Counter) == d.name.ends_with("_total")));
    assert!(METRICS.is_sorted_by_key(|d| d.name));
}

#[test]
fn families_and_samples_stand_in_a_stable_order() {
    let page = busy(true).encode(later(), Format::Text);
    let names: Vec<_> = page.lines().filter_map(|l| l.strip_prefix("# TYPE ")).collect();
    assert!(names.is_sorted(), "{names:?}");
    assert_eq!(names.len(), names.iter().collect::<BTreeSet<_>>().len());
    assert!(!page.contains("# EOF") && !page.contains("# UNIT"));
}

#[test]
fn openmetrics_counters_lose_their_suffix_on_the_type_line_only() {
    let page = busy(true).encode(later(), Format::OpenMetrics);
    assert!(page.contains("# TYPE raingauge_job_runs counter\nraingauge_job_runs_total{"));
    assert!(page.ends_with("\n# EOF\n"));
    assert!(!page.contains("yace_"), "those names are not for OpenMetrics");
}

#[test]
fn yaces_counters_are_there_from_the_start() {
    let page = telemetry(true).encode(later(), Format::Text);
    assert!(page.contains(
        "# HELP yace_cloudwatch_apigatewayapi_requests_total \n# TYPE yace_cloudwatch_apigatewayapi_requests_total counter\nyace_cloudwatch_apigatewayapi_requests_total 0\n"
    ));
    assert!(page.contains("\nyace_cloudwatch_duplicate_metrics_filtered 0\n"));
    assert!(!page.contains("yace_cloudwatch_requests_total{") && !page.contains("yace_cloudwatch_request_errors"));
    assert_eq!(page.lines().filter(|l| l.starts_with("yace_")).count(), 14);
}

#[test]
fn yaces_counters_count_pages_errors_and_metrics() {
    let page = busy(true).encode(later(), Format::Text);
    for line in [
        r#"yace_cloudwatch_requests_total{api_name="GetMetricData"} 1"#,
        r#"yace_cloudwatch_requests_total{api_name="ListMetrics"} 1"#,
        r#"yace_cloudwatch_request_errors{api_name="ListMetrics"} 1"#,
        "yace_cloudwatch_getmetricdata_requests_total 1",
        "yace_cloudwatch_getmetricdata_metrics_requested_total 500",
        "yace_cloudwatch_getmetricstatistics_requests_total 0",
        "yace_cloudwatch_resourcegrouptaggingapi_requests_total 1",
        "yace_cloudwatch_duplicate_metrics_filtered 1",
    ] {
        assert!(page.lines().any(|l| l == line), "{line} is not in\n{page}");
    }
    assert!(!page.contains(r#"yace_cloudwatch_request_errors{api_name="GetMetricData"}"#));
    let million = telemetry(true);
    let mut big = call("cloudwatch", "GetMetricData", None);
    big.metrics.per_statistic = 1_234_567;
    million.record_calls(&[big]);
    let page = million.encode(later(), Format::Text);
    assert!(page.contains("metrics_requested_total 1.234567e+06\n"));
}
