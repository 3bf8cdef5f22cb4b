//! The drop-in as a process, with `--collect.on-scrape`: what `?collect=` means there.

use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use serde_json::json;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use tokio::net::TcpListener;

use super::processes::{Running, free_address, get, raingauge, wait_until};

const TYPE: &str = "t.googleapis.com/h/x";

/// One DELTA series; its n-th answer has one point, at minute n, worth n.
fn answer(request: &Request, asked: &AtomicI64) -> Response {
    let path = request.uri().path();
    if path == "/token" {
        return json!({"access_token": "t", "expires_in": 3600}).to_string().into_response();
    }
    if path.ends_with("/metricDescriptors") {
        let name = format!("projects/p/metricDescriptors/{TYPE}");
        let descriptor = json!({"name": name, "type": TYPE, "metricKind": "DELTA", "valueType": "INT64", "unit": "1"});
        return json!({"metricDescriptors": [descriptor]}).to_string().into_response();
    }
    let n = asked.fetch_add(1, Ordering::SeqCst) + 1;
    let end = format!("2026-01-01T00:{n:02}:00Z");
    let point = json!({"interval": {"endTime": end}, "value": {"int64Value": n.to_string()}});
    let series = json!({"metric": {"type": TYPE}, "resource": {"type": "global"}, "metricKind": "DELTA",
        "valueType": "INT64", "points": [point]});
    json!({"timeSeries": [series]}).to_string().into_response()
}

async fn cloud() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let asked = Arc::new(AtomicI64::new(0));
    let app = axum::Router::new().fallback(move |request: Request| {
        let asked = Arc::clone(&asked);
        async move { answer(&request, &asked) }
    });
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    address
}

async fn start(folder: &Path, flags: &[&str]) -> (Running, SocketAddr) {
    let (cloud, address) = (cloud().await, free_address());
    let user = json!({"type": "authorized_user", "client_id": "c", "client_secret": "s", "refresh_token": "r",
        "token_uri": format!("http://{cloud}/token")});
    let key = folder.join("user.json");
    std::fs::write(&key, user.to_string()).unwrap();
    let mut command = raingauge(folder);
    command.env("GOOGLE_APPLICATION_CREDENTIALS", &key).arg("stackdriver_exporter");
    command.arg(format!("--web.listen-address={address}")).arg(format!("--google.endpoint=http://{cloud}"));
    command.args(["--google.project-ids=p", "--monitoring.metrics-prefixes=t.googleapis.com/"]).args(flags);
    let running = Running::start(folder, "stackdriver_exporter", &mut command);
    let up = async || get(address, "/-/healthy").await.map(|_| ()).ok_or_else(|| "nobody".to_owned());
    wait_until("it listens", up).await;
    (running, address)
}

async fn value(address: SocketAddr, query: &str) -> Option<String> {
    let (status, page) = get(address, &format!("/metrics{query}")).await.unwrap();
    assert_eq!(status, 200, "{page}");
    let line = page.lines().find(|l| l.starts_with("stackdriver_global_t_googleapis_com_h_x{"))?;
    Some(line.split(' ').nth(1).unwrap().to_owned())
}

#[tokio::test]
async fn each_set_of_prefixes_has_counters_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let flags = ["--collect.on-scrape", "--monitoring.aggregate-deltas"];
    let (_running, address) = start(folder.path(), &flags).await;
    let set = "?collect=t.googleapis.com/h/";
    for (query, expected) in [
        ("", Some("1")),
        (set, Some("2")),
        (set, Some("5")),
        ("", Some("5")),
        // The same set, and the usual one, in other words.
        ("?collect=t.googleapis.com/h/&collect=t.googleapis.com/h/&other=1", Some("10")),
        ("?collect=", Some("11")),
        ("?collect=nothing/", None),
        ("", Some("18")),
    ] {
        assert_eq!(value(address, query).await.as_deref(), expected, "{query}");
    }
    let (_, page) = get(address, &format!("/metrics{set}")).await.unwrap();
    assert!(page.contains("stackdriver_monitoring_scrapes_total{project_id=\"p\"} 4\n"), "{page}");
    assert!(page.contains("stackdriver_monitoring_api_calls_total{project_id=\"p\"} 8\n"), "{page}");
}

#[tokio::test]
async fn what_is_collected_at_each_scrape_is_ready_before() {
    let folder = tempfile::tempdir().unwrap();
    let (_running, address) = start(folder.path(), &["--collect.on-scrape"]).await;
    wait_until("it is ready", async || match get(address, "/-/ready").await {
        Some((200, _)) => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    let (_, page) = get(address, "/metrics").await.unwrap();
    assert!(page.contains("raingauge_leader 1\n"), "{page}");
}
