//! Answers that are wrong, partial or very long about one project of two, through the front door: the page stays valid, what is
//! good of them is shown, the other project is undisturbed, and what is missing is counted by its reason.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt as _, stream};
use raingauge::aws::client::Network;
use raingauge::config::LoadOptions;
use tokio::net::TcpListener;

use super::bridge::TestBridge;
use super::front_door::Anonymous;

/// What the second project answers to `timeSeries.list`; the page's token, where one is asked for.
type Trouble = fn(Option<&str>) -> Response;

fn series(project: &str, s: &str, end: &str, more: &str) -> String {
    format!(
        r#"{{"metric":{{"type":"t.googleapis.com/x","labels":{{"s":"{s}"}}}},"resource":{{"type":"global","labels":{{"project_id":"{project}"}}}},
        "metricKind":"GAUGE","valueType":"DOUBLE",{more}"points":[{{"interval":{{"endTime":"{end}"}},"value":{{"doubleValue":1}}}}]}}"#
    )
}

fn good(project: &str, s: &str) -> String {
    series(project, s, "2026-01-01T00:01:00Z", "")
}

fn answer(request: &Request, trouble: Trouble) -> Response {
    let (path, query) = (request.uri().path(), request.uri().query().unwrap_or_default());
    let Some((project, what)) = path.strip_prefix("/v3/projects/").and_then(|p| p.split_once('/')) else {
        return axum::http::StatusCode::NOT_FOUND.into_response();
    };
    match (what, project) {
        ("metricDescriptors", _) => format!(
            r#"{{"metricDescriptors":[{{"name":"projects/{project}/metricDescriptors/t.googleapis.com/x","type":"t.googleapis.com/x",
            "metricKind":"GAUGE","valueType":"DOUBLE","unit":"1","description":"h"}}]}}"#
        )
        .into_response(),
        (_, "two") => trouble(query.split('&').find_map(|pair| pair.strip_prefix("pageToken="))),
        _ => format!(r#"{{"timeSeries":[{}]}}"#, good(project, "a")).into_response(),
    }
}

async fn start(trouble: Trouble) -> TestBridge {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = axum::Router::new().fallback(move |request: Request| async move { answer(&request, trouble) });
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    let config = format!(
        "gcp:\n  endpoint: http://{address}\n  max_retries: 0\n  jobs:\n    - {{projects: [one, two], metrics_prefixes: [t.googleapis.com/], interval: 1s}}\n"
    );
    TestBridge::start_with(Network::default(), Arc::new(Anonymous), LoadOptions::default(), &config).await
}

fn line(project: &str, s: &str) -> String {
    format!("stackdriver_global_t_googleapis_com_x{{project_id=\"{project}\",s=\"{s}\",unit=\"1\"}}")
}

/// Waits for all of `wanted`; every page on the way is valid. Nothing of project one is counted as missing.
async fn expect(trouble: Trouble, wanted: &[(&str, &[&str])], never: &str) {
    let bridge = start(trouble).await;
    let what = format!("{wanted:?}");
    let one = line("one", "a");
    let page = bridge
        .wait_for(&what, |page| {
            wanted.iter().all(|(start, parts)| page.sum(start, parts) > 0.0) && page.count(&one) == 1
        })
        .await;
    assert!(page.sum("raingauge_job_failures_total", &["account=\"one\""]) < 0.5, "{}", page.text);
    assert_eq!(page.count(never), 0, "{}", page.text);
    bridge.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_point_without_a_readable_time_costs_its_series_alone() {
    expect(
        |_| {
            format!(r#"{{"timeSeries":[{},{}]}}"#, series("two", "bad", "yesterday", ""), good("two", "b"))
                .into_response()
        },
        &[(&line("two", "b"), &[]), ("raingauge_series_not_shown_total", &["reason=\"no_time\"", "account=\"two\""])],
        &line("two", "bad"),
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_page_that_fails_leaves_the_first_one() {
    expect(
        |page| match page {
            None => format!(r#"{{"timeSeries":[{}],"nextPageToken":"2"}}"#, good("two", "b")).into_response(),
            Some(_) => (axum::http::StatusCode::INTERNAL_SERVER_ERROR, "no").into_response(),
        },
        &[(&line("two", "b"), &[]), ("raingauge_job_failures_total", &["reason=\"server_error\"", "account=\"two\""])],
        &line("two", "c"),
    )
    .await;
}

/// A hundred megabytes in a hundred series.
#[tokio::test(flavor = "multi_thread")]
async fn a_very_long_answer_is_read_whole() {
    const SERIES: usize = 100;
    expect(
        |_| {
            let items = (0..SERIES).map(|n| {
                let ballast = format!("\"description\":\"{}\",", "x".repeat(1 << 20));
                let start = if n == 0 { "{\"timeSeries\":[" } else { "," };
                let end = if n + 1 == SERIES { "]}" } else { "" };
                format!("{start}{}{end}", series("two", &n.to_string(), "2026-01-01T00:01:00Z", &ballast))
            });
            Body::from_stream(stream::iter(items).map(Ok::<_, std::convert::Infallible>)).into_response()
        },
        &[(&line("two", "0"), &[]), (&line("two", "99"), &[])],
        &line("two", "100"),
    )
    .await;
}

/// More than any series has: it is not gathered in memory until somebody else is killed for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_series_without_an_end_is_given_up() {
    expect(
        |_| {
            let start = stream::iter(["{\"timeSeries\":[{\"metric\":{\"type\":\"".to_owned()]);
            let endless = stream::repeat_with(|| "x".repeat(1 << 20));
            Body::from_stream(start.chain(endless).map(Ok::<_, std::convert::Infallible>)).into_response()
        },
        &[("raingauge_job_failures_total", &["reason=\"bad_answer\"", "account=\"two\""])],
        &line("two", "a"),
    )
    .await;
}
