//! Shards and leases, through the front door: daemons in this process, the simulated cloud, and a double of Kubernetes' API for
//! leases that keeps its rules: resource versions, conflicts, no half answers. Nothing of this was tried on a real cluster.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "support/bridge.rs"]
mod bridge;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use bridge::{Page, TestBridge};
use raingauge::app::membership::Membership;
use raingauge::clock::Clock;
use raingauge::lease::Timing;
use raingauge::lease::kubernetes::{Leases, Place};
use raingauge::secret::masked;
use raingauge::sim::{Kind, SimCloud, WorldSpec};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Fast enough for a test, slow enough for a busy machine.
const TIMING: Timing = Timing {
    duration: Duration::from_secs(3),
    renew_deadline: Duration::from_secs(2),
    retry: Duration::from_millis(200),
};

const CONFIG: &str = "
aws:
  interval: 1s
  inventoryInterval: 1h
  discovery:
    jobs: [{type: AWS/SQS, regions: [eu-west-1, us-east-1], metrics: [{name: NumberOfMessagesSent, statistics: [Sum], length: 3600}]}]
";
/// What a pod is known by.
const TOKEN: &str = "planted-lease-token-0123456789";
const SERIES: &str = "aws_sqs_number_of_messages_sent_sum{";

/// What the API server does next.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mood {
    Well,
    Down,
    Hanging,
    Forbidden,
}

/// The API server.
struct Kubernetes {
    leases: Mutex<Vec<(String, Value)>>,
    mood: Mutex<Mood>,
    versions: Mutex<u64>,
}

type Api = State<Arc<Kubernetes>>;

impl Kubernetes {
    async fn start() -> (Arc<Self>, Place, TempDir) {
        let api = Arc::new(Self { leases: Mutex::default(), mood: Mutex::new(Mood::Well), versions: Mutex::new(1) });
        let all = "/apis/coordination.k8s.io/v1/namespaces/metrics/leases";
        let router = Router::new()
            .route(all, post(create))
            .route(&format!("{all}/{{name}}"), get(read).put(update))
            .with_state(Arc::clone(&api));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("token"), format!("{TOKEN}\n")).unwrap();
        std::fs::write(folder.path().join("namespace"), "metrics").unwrap();
        (api, Place { url, service_account: folder.path().to_owned() }, folder)
    }

    fn set(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    async fn refusal(&self, headers: &HeaderMap) -> Option<Response> {
        let mood = *self.mood.lock().unwrap();
        let message =
            |status: StatusCode, text: &str| Some((status, json!({"message": text}).to_string()).into_response());
        match mood {
            _ if headers["authorization"] != format!("Bearer {TOKEN}") => {
                message(StatusCode::UNAUTHORIZED, "who are you?")
            }
            Mood::Well => None,
            Mood::Down => message(StatusCode::SERVICE_UNAVAILABLE, "etcd is away"),
            Mood::Forbidden => {
                message(StatusCode::FORBIDDEN, &format!("leases is forbidden to {:?}", headers["authorization"]))
            }
            Mood::Hanging => {
                tokio::time::sleep(Duration::from_secs(3600)).await;
                None
            }
        }
    }

    /// Stores it with a new version.
    fn store(&self, mut lease: Value) -> Response {
        let name = lease["metadata"]["name"].as_str().unwrap().to_owned();
        // What the API server's schema demands.
        assert!(lease["spec"]["leaseDurationSeconds"].as_u64().unwrap() >= 1);
        let renewed = lease["spec"]["renewTime"].as_str().unwrap();
        assert!(renewed.len() == "2026-01-01T00:00:00.000000Z".len() && renewed.ends_with('Z'), "{renewed}");
        let mut version = self.versions.lock().unwrap();
        *version += 1;
        lease["metadata"]["resourceVersion"] = version.to_string().into();
        let mut leases = self.leases.lock().unwrap();
        leases.retain(|(known, _)| *known != name);
        leases.push((name, lease.clone()));
        lease.to_string().into_response()
    }

    fn lease(&self, name: &str) -> Option<Value> {
        self.leases.lock().unwrap().iter().find(|(known, _)| known == name).map(|(_, lease)| lease.clone())
    }

    fn holder(&self, name: &str) -> String {
        self.lease(name).map_or_else(String::new, |l| l["spec"]["holderIdentity"].as_str().unwrap().to_owned())
    }
}

async fn read(State(api): Api, Path(name): Path<String>, headers: HeaderMap) -> Response {
    if let Some(refusal) = api.refusal(&headers).await {
        return refusal;
    }
    match api.lease(&name) {
        Some(lease) => lease.to_string().into_response(),
        None => (StatusCode::NOT_FOUND, json!({"message": "not found"}).to_string()).into_response(),
    }
}

async fn create(State(api): Api, headers: HeaderMap, body: String) -> Response {
    if let Some(refusal) = api.refusal(&headers).await {
        return refusal;
    }
    let lease: Value = serde_json::from_str(&body).unwrap();
    let name = lease["metadata"]["name"].as_str().unwrap();
    if api.lease(name).is_some() {
        return (StatusCode::CONFLICT, json!({"message": "exists"}).to_string()).into_response();
    }
    api.store(lease)
}

async fn update(State(api): Api, Path(name): Path<String>, headers: HeaderMap, body: String) -> Response {
    if let Some(refusal) = api.refusal(&headers).await {
        return refusal;
    }
    let lease: Value = serde_json::from_str(&body).unwrap();
    match api.lease(&name) {
        None => (StatusCode::NOT_FOUND, "{}").into_response(),
        Some(known) if known["metadata"]["resourceVersion"] != lease["metadata"]["resourceVersion"] => {
            (StatusCode::CONFLICT, json!({"message": "the object has been modified"}).to_string()).into_response()
        }
        Some(_) => api.store(lease),
    }
}

async fn cloud() -> SimCloud {
    let mut spec = WorldSpec::empty().with(Kind::Sqs, 3);
    spec.regions = vec!["eu-west-1".into(), "us-east-1".into()];
    SimCloud::start(spec, Clock::system()).await.unwrap()
}

async fn pod(cloud: &SimCloud, place: &Place, shard: Option<&str>, identity: &str) -> TestBridge {
    let shard = shard.map(|text| text.parse().unwrap());
    let member = Membership::with_lease(shard, place.clone(), "raingauge", identity.to_owned(), TIMING).unwrap();
    TestBridge::start_member(cloud, CONFIG, member).await
}

fn leads(page: &Page) -> bool {
    page.sum("raingauge_leader", &[]) > 0.5
}

async fn leader(bridge: &TestBridge) -> Page {
    bridge.wait_for("a leader with all series", |p| leads(p) && p.count(SERIES) == 6).await
}

/// A standby is well, and has nothing but its own metrics.
async fn is_standby(bridge: &TestBridge, holder: &str) {
    let page = bridge.wait_for("a standby without series", |p| !leads(p) && p.count("aws_") == 0).await;
    assert_eq!((page.count("raingauge_build_info"), page.count("raingauge_api_calls_total{")), (1, 0));
    assert_eq!(bridge.get("/-/ready").await.0, 200);
    assert_eq!(bridge.get("/-/healthy").await.0, 200);
    let (status, text) = bridge.get("/-/leader").await;
    assert_eq!(status, 503);
    assert!(text.contains(&format!("the lease metrics/raingauge is held by {holder}")), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_two_calls_the_cloud_and_hands_over_at_its_end() {
    let (api, place, _folder) = Kubernetes::start().await;
    let cloud = cloud().await;
    let first = pod(&cloud, &place, None, "pod-0").await;
    leader(&first).await;
    assert_eq!(first.get("/-/leader").await.0, 200);
    let second = pod(&cloud, &place, None, "pod-1").await;
    is_standby(&second, "pod-0").await;
    let annotated = {
        let mut lease = api.lease("raingauge").unwrap();
        lease["metadata"]["annotations"] = json!({"somebody": "else's"});
        lease
    };
    drop(api.store(annotated));
    // The first gives the lease back when nothing of it calls any more; nobody waits for its end.
    first.stop().await;
    assert_eq!(api.holder("raingauge"), "");
    let calls = cloud.ledger().bill().calls("GetMetricData");
    leader(&second).await;
    assert_eq!(api.holder("raingauge"), "pod-1");
    let lease = api.lease("raingauge").unwrap();
    assert_eq!(lease["metadata"]["annotations"]["somebody"], "else's");
    assert_eq!(lease["spec"]["leaseTransitions"], 1);
    assert!(cloud.ledger().bill().calls("GetMetricData") > calls);
    second.stop().await;
}

#[tokio::test]
async fn the_token_is_not_said_when_the_api_server_quotes_it() {
    raingauge::aws::crypto::install();
    let (api, place, _folder) = Kubernetes::start().await;
    api.set(Mood::Forbidden);
    let leases = Leases::new(place, "raingauge".to_owned()).unwrap();
    let error = leases.read().await.unwrap_err().to_string();
    assert!(error.contains(TOKEN), "the double quotes it: {error}");
    let said = masked(&error);
    assert!(said.contains("forbidden") && !said.contains("planted"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_holder_that_cannot_renew_stops_calling_before_another_may_begin() {
    for mood in [Mood::Down, Mood::Hanging, Mood::Forbidden] {
        let (api, place, _folder) = Kubernetes::start().await;
        let cloud = cloud().await;
        let first = pod(&cloud, &place, None, "pod-0").await;
        leader(&first).await;
        api.set(mood);
        let page = first.wait_for("the lease to be given up", |p| !leads(p) && p.count("aws_") == 0).await;
        assert!(page.sum("raingauge_lease_failures_total", &[]) > 0.0, "{}", page.text);
        assert_eq!(api.holder("raingauge"), "pod-0", "nobody could take it meanwhile");
        let calls = cloud.ledger().bill().calls("GetMetricData");
        // Somebody else may not begin, either: nobody knows who holds it.
        let second = pod(&cloud, &place, None, "pod-1").await;
        second.wait_for("failures", |p| p.sum("raingauge_lease_failures_total", &[]) > 1.0).await;
        assert_eq!(cloud.ledger().bill().calls("GetMetricData"), calls);
        api.set(Mood::Well);
        // Whoever is first; the other one sees it.
        let both = async {
            loop {
                let pages = [first.page().await, second.page().await];
                if pages.iter().filter(|p| leads(p) && p.count(SERIES) == 6).count() == 1
                    && pages.iter().filter(|p| p.count("aws_") == 0).count() == 1
                {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), both).await.expect("one of them leads");
        first.stop().await;
        second.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_gone_is_followed_when_its_lease_has_run_out_whatever_the_clocks_say() {
    let (api, place, _folder) = Kubernetes::start().await;
    let cloud = cloud().await;
    // The time of another century: only whether it changes counts.
    let dead = json!({
        "metadata": {"name": "raingauge", "namespace": "metrics"},
        "spec": {"holderIdentity": "pod-9", "leaseDurationSeconds": 2, "renewTime": "2126-01-01T00:00:00.000000Z"},
    });
    drop(api.store(dead));
    let pod = pod(&cloud, &place, None, "pod-1").await;
    is_standby(&pod, "pod-9").await;
    leader(&pod).await;
    assert_eq!(api.holder("raingauge"), "pod-1");
    pod.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn shards_share_the_places_without_paying_for_any_twice() {
    let (api, place, _folder) = Kubernetes::start().await;
    let cloud = cloud().await;
    let mut pods = Vec::new();
    for n in 0..4 {
        pods.push(pod(&cloud, &place, Some(&format!("raingauge-{n}/2")), &format!("raingauge-{n}")).await);
    }
    let end = tokio::time::Instant::now() + Duration::from_secs(60);
    loop {
        let mut lines: Vec<String> = Vec::new();
        let mut leaders = 0;
        for pod in &pods {
            let page = pod.page().await;
            leaders += usize::from(leads(&page));
            lines.extend(page.of(SERIES).into_iter().map(|(series, ..)| series.clone()));
        }
        lines.sort();
        let count = lines.len();
        lines.dedup();
        assert_eq!(count, lines.len(), "two pods show the same series");
        if leaders == 2 && count == 6 {
            break;
        }
        assert!(tokio::time::Instant::now() < end, "{leaders} leaders, {count} series");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(["raingauge-0", "raingauge-1"].iter().all(|lease| !api.holder(lease).is_empty()));
    for pod in pods {
        pod.stop().await;
    }
}
