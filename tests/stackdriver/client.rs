//! The client against a server that is slow, busy, wordy or wrong.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use raingauge::gcp::api::{Api, TimeSeriesRequest};
use raingauge::gcp::client::{Client, Credentials, Network};
use raingauge::gcp::job::{Access, Retries};
use raingauge::model::Timestamp;
use raingauge::seam::{Call, Failure, Reason};
use tokio::net::TcpListener;

type Answer = fn(usize, &Request) -> Response;

/// A server that answers the n-th request so; with its counter.
async fn server(answer: Answer) -> (String, Arc<AtomicUsize>) {
    type Shared = (Answer, Arc<AtomicUsize>);
    async fn handle(State((answer, n)): State<Shared>, request: Request) -> Response {
        answer(n.fetch_add(1, Ordering::SeqCst), &request)
    }
    let asked = Arc::new(AtomicUsize::new(0));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("{}", listener.local_addr().unwrap());
    let app = axum::Router::new().fallback(handle).with_state((answer, Arc::clone(&asked)));
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    (address, asked)
}

fn answer(status: u16, body: impl Into<Body>) -> Response {
    Response::builder().status(status).body(body.into()).unwrap()
}

async fn ask(address: &str, retries: Retries, credentials: Credentials) -> (Result<usize, Failure>, Call) {
    let access = Access { endpoint: Some(format!("http://{address}").into()), retries, ..Access::default() };
    let client = Client::new(&access, &Network { credentials, ..Network::default() }).unwrap();
    let (project, now) = ("p".into(), Timestamp::from_secs(1_800_000_000));
    let filter = "metric.type=\"m\"";
    let start = now.minus(Duration::from_secs(300));
    let request =
        TimeSeriesRequest { project: &project, filter, start, end: now, aggregation: None, all_points: false };
    let answered = client.time_series(&request, None).await;
    (answered.result.map(|page| page.series.len()), answered.call)
}

fn no_file(path: &str) -> std::io::Result<String> {
    Err(std::io::Error::other(format!("{path} is not wanted")))
}

fn quick() -> Retries {
    Retries { first_backoff: Duration::from_millis(1), ..Retries::default() }
}

const SERIES: &str = r#"{"metric":{"type":"m","labels":{"a":"b"}},"resource":{"type":"r"},"metricKind":"GAUGE","valueType":"DOUBLE",
"points":[{"interval":{"endTime":"2026-01-01T00:01:00Z"},"value":{"doubleValue":1.5}}]}"#;

#[tokio::test]
async fn a_busy_server_is_asked_again_after_the_time_that_it_names() {
    let (address, asked) = server(|n, _| match n {
        0 => Response::builder().status(429).header("retry-after", "1").body(Body::empty()).unwrap(),
        1 => answer(503, "later"),
        _ => answer(200, format!(r#"{{"timeSeries":[{SERIES}]}}"#)),
    })
    .await;
    let started = tokio::time::Instant::now();
    let (result, call) = ask(&address, quick(), Credentials::Anonymous).await;
    assert_eq!(result.unwrap(), 1);
    assert_eq!((call.attempts, call.throttles, call.series_returned), (3, 1, 1));
    assert_eq!(asked.load(Ordering::SeqCst), 3);
    // Not a bound on how fast we are, but on how early we may come again.
    assert!(started.elapsed() >= Duration::from_secs(1));
}

#[tokio::test]
async fn what_will_not_pass_is_not_asked_again() {
    for (status, reason) in [(403_u16, Reason::AccessDenied), (400, Reason::InvalidRequest)] {
        let answer: Answer = if status == 403 { |_, _| answer(403, "no") } else { |_, _| answer(400, "what?") };
        let (address, asked) = server(answer).await;
        let (result, _) = ask(&address, quick(), Credentials::Anonymous).await;
        let failure = result.unwrap_err();
        assert_eq!((failure.reason, asked.load(Ordering::SeqCst)), (reason, 1), "{failure}");
    }
}

#[tokio::test]
async fn a_server_that_hangs_is_given_up_and_one_that_says_nonsense_is_named() {
    let (address, _) = server(|_, _| {
        answer(200, Body::from_stream(futures_util::stream::pending::<Result<String, std::io::Error>>()))
    })
    .await;
    let retries = Retries { timeout: Some(Duration::from_millis(200)), ..quick() };
    let (result, _) = ask(&address, retries, Credentials::Anonymous).await;
    assert_eq!(result.unwrap_err().reason, Reason::Timeout);
    for nonsense in ["<html>", "{", r#"{"timeSeries":[{"metric":5}]}"#, r#"{"timeSeries":[{]}"#] {
        let answer: Answer = match nonsense {
            "<html>" => |_, _| answer(200, "<html>"),
            "{" => |_, _| answer(200, "{"),
            r#"{"timeSeries":[{]}"# => |_, _| answer(200, r#"{"timeSeries":[{]}"#),
            _ => |_, _| answer(200, r#"{"timeSeries":[{"metric":5}]}"#),
        };
        let (address, _) = server(answer).await;
        let (result, _) = ask(&address, quick(), Credentials::Anonymous).await;
        assert_eq!(result.unwrap_err().reason, Reason::BadAnswer, "{nonsense}");
    }
}

/// Long, and packed: what is held is one series at a time, and one of each text.
#[tokio::test]
async fn a_long_packed_answer_is_read_while_it_comes() {
    const SERIES_SENT: usize = 20_000;
    let (address, _) = server(|_, request| {
        assert_eq!(request.headers()["accept-encoding"], "gzip");
        assert!(request.uri().query().unwrap().contains("fields=timeSeries"));
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(b"{\"timeSeries\":[").unwrap();
        for n in 0..SERIES_SENT {
            packed.write_all(if n == 0 { b"" } else { b"," }).unwrap();
            packed.write_all(SERIES.as_bytes()).unwrap();
        }
        packed.write_all(b"]}").unwrap();
        let body = packed.finish().unwrap();
        Response::builder().header("content-encoding", "gzip").body(body.into()).unwrap()
    })
    .await;
    let (result, call) = ask(&address, quick(), Credentials::Anonymous).await;
    assert_eq!((result.unwrap(), call.series_returned), (SERIES_SENT, 20_000));
}

#[tokio::test]
async fn tokens_come_from_another_metadata_server_and_are_used_again() {
    let (metadata, asked) = server(|_, request| {
        assert_eq!(request.headers()["metadata-flavor"], "Google");
        match request.uri().path() {
            "/computeMetadata/v1/project/project-id" => answer(200, "md-project"),
            "/computeMetadata/v1/instance/service-accounts/default/token" => {
                answer(200, r#"{"access_token":"md-token","expires_in":3600,"token_type":"Bearer"}"#)
            }
            _ => answer(404, ""),
        }
    })
    .await;
    let (address, _) = server(|_, request| {
        let good = request.headers().get("authorization").is_some_and(|v| v == "Bearer md-token");
        if good { answer(200, "{}") } else { answer(401, "who?") }
    })
    .await;
    let access = Access { endpoint: Some(format!("http://{address}").into()), ..Access::default() };
    let credentials = Credentials::Metadata(Some(metadata));
    let client = Client::new(&access, &Network { credentials, ..Network::default() }).unwrap();
    client.locate_credentials().await.unwrap();
    assert_eq!(&*client.own_project().await.unwrap(), "md-project");
    for _ in 0..3 {
        client.projects("x", None).await.result.unwrap();
    }
    assert_eq!(asked.load(Ordering::SeqCst), 3, "two questions for the project, one for a token");
}

#[tokio::test]
async fn a_users_credentials_are_refreshed_where_their_file_says() {
    let (token, _) =
        server(|_, request| match request.headers().get("content-type").map(axum::http::HeaderValue::as_bytes) {
            Some(b"application/x-www-form-urlencoded") => answer(200, r#"{"access_token":"user-token"}"#),
            _ => answer(400, ""),
        })
        .await;
    let (address, _) = server(|_, request| {
        let good = request.headers().get("authorization").is_some_and(|v| v == "Bearer user-token");
        if good { answer(200, "{}") } else { answer(401, "who?") }
    })
    .await;
    let content = format!(
        r#"{{"type":"authorized_user","client_id":"c","client_secret":"s","refresh_token":"r","token_uri":"http://{token}/t"}}"#
    );
    let (result, _) =
        ask(&address, quick(), Credentials::File { content, path: "user.json".into(), read: no_file }).await;
    assert_eq!(result.unwrap(), 0);
}

#[test]
fn files_that_are_no_credentials_are_named() {
    for (content, expected) in [
        ("nonsense", "no JSON"),
        ("{}", "no \"type\""),
        (r#"{"type":"external_account"}"#, "credential_source"),
        (r#"{"type":"service_account"}"#, "private_key"),
        (r#"{"type":"authorized_user"}"#, "client_id"),
    ] {
        let credentials = Credentials::File { content: content.into(), path: "/etc/key.json".into(), read: no_file };
        let network = Network { credentials, ..Network::default() };
        let failure = Client::new(&Access::default(), &network).err().unwrap();
        assert_eq!(failure.reason, Reason::NoCredentials);
        let text = failure.to_string();
        assert!(text.contains("/etc/key.json") && text.contains(expected), "{text}");
    }
}
