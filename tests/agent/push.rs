//! What arrives, and what happens when CloudWatch fails.

use std::time::Duration;

use raingauge::aws::metadata::Endpoint;
use raingauge::clock::Clock;
use raingauge::sim::{Effect, Fault, PushedSeries, SimCloud, WorldSpec};
use tokio::time::Instant;

use crate::bridge::TestBridge;

/// Longer than any state takes to come on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(60);

const CONFIG: &str = r#"
agent:
  agent: {metrics_collection_interval: 1, hostname: box}
  metrics:
    namespace: Test
    force_flush_interval: 1
    aggregation_dimensions: [[]]
    metrics_collected:
      mem: {measurement: [mem_used_percent, {name: total, rename: MEM, unit: Kilobytes}]}
      cpu: {measurement: [usage_idle], append_dimensions: {team: a}}
      disk: {measurement: [used_percent], resources: ["/"], drop_original_metrics: ["*"]}
"#;

pub(crate) async fn cloud() -> SimCloud {
    let spec = WorldSpec { services: Vec::new(), custom: Vec::new(), ..WorldSpec::demo() };
    SimCloud::start(spec, Clock::system()).await.unwrap()
}

fn nowhere() -> Endpoint {
    Endpoint { url: None, is_disabled: true }
}

/// `name{a=b,…} unit` of all that arrived.
pub(crate) fn shown(all: &[PushedSeries]) -> Vec<String> {
    let one = |s: &PushedSeries| {
        let pairs: Vec<_> = s.dimensions.iter().map(|(n, v)| format!("{n}={v}")).collect();
        format!("{}{{{}}} {}", s.metric, pairs.join(","), s.unit)
    };
    all.iter().map(one).collect()
}

pub(crate) async fn wait_for(
    cloud: &SimCloud,
    what: &str,
    enough: impl Fn(&[PushedSeries]) -> bool,
) -> Vec<PushedSeries> {
    let end = Instant::now() + PATIENCE;
    loop {
        let all = cloud.pushed();
        if enough(&all) {
            return all;
        }
        assert!(Instant::now() < end, "{what} did not come about: {:?}", shown(&all));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn points(all: &[PushedSeries]) -> usize {
    all.iter().map(|s| s.points.len()).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_host_arrives_and_is_on_the_page() {
    let cloud = cloud().await;
    let bridge = TestBridge::start_agent(&cloud, nowhere(), None, CONFIG).await;
    let all = wait_for(&cloud, "every metric", |all| all.len() >= 7).await;
    assert_eq!(
        shown(&all),
        [
            "MEM{} Kilobytes",
            "MEM{host=box} Kilobytes",
            "cpu_usage_idle{} Percent",
            "cpu_usage_idle{cpu=cpu-total,host=box,team=a} Percent",
            "disk_used_percent{} Percent",
            "mem_used_percent{} Percent",
            "mem_used_percent{host=box} Percent",
        ]
    );
    assert!(all.iter().all(|s| s.namespace == "Test" && s.duplicates == 0));
    let page = bridge
        .wait_for("both kinds of metrics", |p| {
            p.sum("node_memory_MemTotal_bytes", &[]) > 0.0
                && p.sum("raingauge_push_sent_data_total", &[]) >= 7.0
                && p.sum("raingauge_push_metrics", &[]) >= 7.0
        })
        .await;
    assert!(page.sum("raingauge_push_estimated_cost_dollars_per_month", &[]) > 7.0 * 0.3);
    assert!(page.sum("raingauge_api_calls_total", &["PutMetricData"]) > 0.0);
    let (_, status) = bridge.get("/api/v1/status").await;
    let status: serde_json::Value = serde_json::from_str(&status).unwrap();
    let agent = &status["agent"];
    assert!(agent["namespace"] == "Test" && agent["metrics"].as_f64() >= Some(7.0), "{agent}");
    assert!(agent["dollars_per_month"].as_f64() > Some(7.0 * 0.3), "{agent}");
    bridge.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flush_that_has_nothing_to_send_costs_nothing() {
    let cloud = cloud().await;
    let config = "agent: {agent: {metrics_collection_interval: 4}, metrics: {force_flush_interval: 1, metrics_collected: {mem: {measurement: [used_percent]}}}}";
    let bridge = TestBridge::start_agent(&cloud, nowhere(), None, config).await;
    let page = bridge.wait_for("one metric", |p| p.sum("raingauge_push_metrics", &[]) > 0.0).await;
    let requests = 30.0 * 86_400.0 / 4.0 * 0.00001;
    let said = page.sum("raingauge_push_estimated_cost_dollars_per_month", &[]);
    assert!((said - 0.3 - requests).abs() < 1e-6, "{said}, not {}", 0.3 + requests);
    bridge.stop().await;
}

async fn survives(effect: Effect, reason: &str) {
    let cloud = cloud().await;
    let id = cloud.faults().add(Fault::new(effect).on("PutMetricData"));
    let bridge = TestBridge::start_agent(&cloud, nowhere(), None, CONFIG).await;
    let label = format!("reason=\"{reason}\"");
    let during = bridge
        .wait_for(reason, |p| {
            p.sum("raingauge_push_failures_total", &[&label]) > 0.0 && p.sum("raingauge_push_queue_data", &[]) >= 20.0
        })
        .await;
    assert_eq!(points(&cloud.pushed()), 0);
    let waiting = during.sum("raingauge_push_queue_data", &[]);
    let (_, status) = bridge.get("/").await;
    assert!(status.contains("failed to"), "{status}");
    cloud.faults().remove(id);
    let after = bridge.wait_for("recovery", |p| p.sum("raingauge_push_sent_data_total", &[]) >= waiting).await;
    assert!(after.sum("raingauge_push_lost_data_total", &[]) < 1.0, "{}", after.text);
    bridge.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_without_the_permission() {
    survives(Effect::AccessDenied, "access_denied").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn expired_credentials() {
    survives(Effect::ExpiredToken, "expired_credentials").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn throttling() {
    survives(Effect::Throttle, "throttled").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn data_wait_on_the_disk_for_the_next_process_and_the_end_sends_what_it_can() {
    let cloud = cloud().await;
    let state = tempfile::tempdir().unwrap();
    let id = cloud.faults().add(Fault::new(Effect::ServerError(503)).on("PutMetricData"));
    let bridge = TestBridge::start_agent(&cloud, nowhere(), Some(state.path()), CONFIG).await;
    let page = bridge.wait_for("a queue", |p| p.sum("raingauge_push_queue_data", &[]) >= 14.0).await;
    assert!(page.sum("raingauge_push_queue_bytes", &["place=\"disk\""]) > 0.0);
    let waiting = page.sum("raingauge_push_queue_data", &[]);
    bridge.stop().await;
    assert_eq!(points(&cloud.pushed()), 0);
    cloud.faults().remove(id);
    // The next one pushes nothing of its own but the memory's size, once an hour.
    let next = "agent: {metrics: {namespace: Test, force_flush_interval: 1, metrics_collected: {swap: \
                {measurement: [free], metrics_collection_interval: 3600}}}}";
    let bridge = TestBridge::start_agent(&cloud, nowhere(), Some(state.path()), next).await;
    let all = wait_for(&cloud, "what waited", |all| {
        let of = |all: &[PushedSeries]| {
            all.iter().filter(|s| s.metric != "swap_free").flat_map(|s| s.points.values()).map(|p| p.count).sum::<f64>()
        };
        of(all) >= waiting
    })
    .await;
    assert!(all.iter().all(|s| s.duplicates == 0));
    bridge.stop().await;
    assert!(cloud.pushed().iter().any(|s| s.metric == "swap_free"), "the end sends what was collected");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_changes_what_is_pushed() {
    let cloud = cloud().await;
    let bridge = TestBridge::start_agent(&cloud, nowhere(), None, CONFIG).await;
    wait_for(&cloud, "the first", |all| all.iter().any(|s| s.metric == "MEM")).await;
    let (status, why) = bridge.reload("agent: {metrics: {metrics_collected: {mem: {measurement: [x]}}}}").await;
    assert!(status == 422 && why.contains("mem measures no"), "{status} {why}");
    let (status, why) = bridge.reload(&CONFIG.replace("namespace: Test", "namespace: Other")).await;
    assert_eq!(status, 200, "{why}");
    wait_for(&cloud, "the second", |all| all.iter().any(|s| s.namespace == "Other")).await;
    bridge.stop().await;
}
