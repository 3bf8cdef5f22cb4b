//! `raingauge plan`: its figures follow from the file, and where the cloud or the machine is asked they are what the daemon
//! then does.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "support/bridge.rs"]
mod bridge;

use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use raingauge::app::clouds::Google;
use raingauge::app::google::FromEnvironment;
use raingauge::app::plan::{Around, plan};
use raingauge::aws::client::{Emulator, Network};
use raingauge::aws::metadata::Endpoint;
use raingauge::cli::{Assumed, PlanOptions};
use raingauge::clock::Clock;
use raingauge::gcp::api::Api;
use raingauge::gcp::client::{self, Client, Credentials};
use raingauge::gcp::job::Access;
use raingauge::host::root::Root;
use raingauge::seam::Failure;
use raingauge::sim::{Effect, Fault, GoogleSpec, Kind, SimCloud, WorldSpec, example_yace_config};
use serde_json::Value;

const YACE: &str = "
apiVersion: v1alpha1
discovery:
  jobs:
    - type: AWS/EC2
      regions: [eu-west-1, us-east-1]
      metrics:
        - {name: CPUUtilization, statistics: [Average, Maximum], period: 300, length: 300}
        - {name: NetworkIn, statistics: [Sum, Average, Minimum, Maximum, SampleCount, p99], period: 60, length: 300}
static:
  - name: billing
    namespace: AWS/Billing
    regions: [us-east-1]
    dimensions: [{name: Currency, value: USD}]
    metrics: [{name: EstimatedCharges, statistics: [Maximum, p99], period: 300, length: 300}]
";

fn file(text: &str, suffix: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::Builder::new().suffix(suffix).tempfile().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

/// Exit status, and what was printed.
fn run(config: &Path, more: &[&str]) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_raingauge"));
    let out = command.arg("plan").arg("--config").arg(config).args(more).output().unwrap();
    (out.status.code().unwrap(), String::from_utf8(out.stdout).unwrap())
}

fn near(found: &Value, wanted: f64) -> bool {
    (found.as_f64().unwrap() - wanted).abs() < 1e-6 * wanted.max(1.0)
}

#[test]
fn a_yace_file_costs_what_its_arithmetic_says() {
    let config = file(YACE, ".yml");
    let (status, text) = run(config.path(), &["--format", "json", "--resources", "3", "--resources", "AWS/EC2=100"]);
    assert_eq!(status, 0, "{text}");
    let plan: Value = serde_json::from_str(&text).unwrap();
    let (ec2, billing) = (&plan["jobs"][0], &plan["jobs"][1]);
    assert_eq!((&ec2["job"], &ec2["places"], &ec2["basis"]), (&"AWS/EC2".into(), &2.into(), &"assumed".into()));
    // A hundred instances with 2 and 6 statistics in two regions, 288 times a day.
    assert!(near(&ec2["series"], 1_600.0) && near(&ec2["units_per_day"], 1_600.0 * 288.0), "{ec2}");
    // Of each period in calls of its own: 200 queries in one, 600 in two.
    assert!(near(&ec2["calls_per_day"]["GetMetricData"], 2.0 * 3.0 * 288.0), "{ec2}");
    let listings = ec2["calls_per_day"]["ListMetrics"].as_f64().unwrap();
    let month = |units: f64| units * 30.0 / 100_000.0;
    assert!(near(&ec2["dollars_per_month"], month(1_600.0 * 288.0 + listings)), "{ec2}");
    // One block of two statistics, two of six.
    assert!(near(&ec2["dollars_per_month_blocks_of_five"], month(600.0 * 288.0 + listings)), "{ec2}");
    // Plain and extended statistics are two calls.
    assert_eq!(billing["basis"], "exact");
    assert!(near(&billing["calls_per_day"]["GetMetricStatistics"], 576.0), "{billing}");
    assert!(near(&billing["dollars_per_month"], month(576.0)), "{billing}");
    let sum = ec2["dollars_per_month"].as_f64().unwrap() + month(576.0);
    assert!(near(&plan["total"]["dollars_per_month"], sum), "{plan}");
    let (status, table) = run(config.path(), &[]);
    assert!(status == 0 && table.contains("ASSUMED: AWS/EC2: 10 resources") && table.contains("total"), "{table}");
}

#[test]
fn a_bad_file_is_told_as_check_tells_it() {
    let config = file("apiVersion: v1alpha1\ndiscovery: {jobs: [{type: AWS/Nothing}]}\n", ".yml");
    let (status, text) = run(config.path(), &[]);
    assert!(status == 64 && text.contains("AWS/Nothing"), "{status} {text}");
}

#[test]
fn google_s_series_are_paid_for_whenever_they_come() {
    let text =
        "gcp:\n  jobs:\n    - projects: [a, b]\n      metrics_prefixes: [run.googleapis.com/]\n      interval: 60s\n";
    let (status, text) = run(file(text, ".yml").path(), &["--format=json", "--resources=5"]);
    let plan: Value = serde_json::from_str(&text).unwrap();
    let job = &plan["jobs"][0];
    assert!(status == 0 && near(&job["units_per_day"], 2.0 * 10.0 * 5.0 * 1440.0), "{text}");
    assert!(near(&job["dollars_per_month"], 144_000.0 * 30.0 * 0.5 / 1e6), "{text}");
}

fn network(cloud: &SimCloud) -> Network {
    let emulator =
        Emulator { endpoint_url: cloud.endpoint_url(), access_key_id: "AKSIM".into(), region: "eu-west-1".into() };
    Network { emulator: Some(emulator), ..Network::default() }
}

/// With everybody asked.
async fn live(cloud: &SimCloud, google: Arc<dyn Google>, config: &Path) -> (u8, Value) {
    let resources = vec![Assumed { job: None, number: 5 }];
    let options = PlanOptions { config: config.to_owned(), live: true, resources, json: true };
    let around = Around { network: network(cloud), google, root: Root::default() };
    let mut out = Vec::new();
    let status = plan(&options, &around, &mut out).await.unwrap();
    (status, serde_json::from_slice(&out).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_live_is_what_a_fetch_then_asks_for() {
    let spec = WorldSpec::empty().with(Kind::Sqs, 7).with(Kind::Ec2, 3);
    let cloud = SimCloud::start(spec, Clock::system()).await.unwrap();
    let yaml = example_yace_config(cloud.world());
    let (status, planned) = live(&cloud, Arc::new(FromEnvironment), file(&yaml, ".yml").path()).await;
    assert_eq!((status, planned["failures"].as_array().unwrap().len()), (0, 0), "{planned}");
    assert_eq!(cloud.ledger().bill().calls("GetMetricData"), 0, "a plan buys no metrics");
    assert!(planned["jobs"].as_array().unwrap().iter().all(|job| job["basis"] == "asked"), "{planned}");
    let bridge = bridge::TestBridge::start(&cloud, &yaml).await;
    let series = planned["total"]["series"].as_f64().unwrap();
    assert!(series > 20.0, "{planned}");
    let of = |page: &bridge::Page| page.sum("raingauge_metrics_requested_total", &["per_statistic"]);
    bridge.wait_for("one fetch of every job", |page| of(page) >= series).await;
    let requested = cloud.ledger().bill().metrics().per_statistic;
    assert!(
        (f64::from(u32::try_from(requested).unwrap()) - series).abs() < 0.5,
        "{requested} asked for, {series} planned"
    );
    bridge.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_cannot_be_asked_is_named_and_the_status_says_so() {
    let cloud = SimCloud::start(WorldSpec::empty().with(Kind::Sqs, 2), Clock::system()).await.unwrap();
    cloud.faults().add(Fault::new(Effect::AccessDenied).on("GetResources"));
    let yaml = example_yace_config(cloud.world());
    let (status, planned) = live(&cloud, Arc::new(FromEnvironment), file(&yaml, ".yml").path()).await;
    let failures = planned["failures"].to_string();
    assert!(status == 1 && failures.contains("AWS/SQS") && failures.contains("GetResources"), "{status} {failures}");
}

/// The real client, with the simulated metadata server for credentials.
struct Wire(String);

impl Google for Wire {
    fn connect(&self, access: &Access) -> Result<Arc<dyn Api>, Failure> {
        let credentials = Credentials::Metadata(Some(self.0.clone()));
        Ok(Arc::new(Client::new(access, &client::Network { credentials, ..client::Network::default() })?))
    }

    fn locate<'a>(&'a self, _: &'a Access) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(std::future::ready(Ok(())))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn google_s_metric_types_are_listed() {
    let google = GoogleSpec { resources: 2, ..GoogleSpec::demo() };
    let cloud = SimCloud::start(WorldSpec { google, ..WorldSpec::empty() }, Clock::system()).await.unwrap();
    let text = format!(
        "gcp:\n  endpoint: {}\n  jobs:\n    - projects: [raingauge_sim]\n      metrics_prefixes: [run.googleapis.com/]\n      \
         interval: 60s\n",
        cloud.endpoint_url()
    );
    let wire = Arc::new(Wire(cloud.address().to_string()));
    let (status, planned) = live(&cloud, wire, file(&text, ".yml").path()).await;
    let job = &planned["jobs"][0];
    let types = job["series"].as_f64().unwrap() / 5.0;
    assert!(status == 0 && types >= 1.0 && types.fract() == 0.0, "{planned}");
    assert!(near(&job["calls_per_day"]["ListTimeSeries"], types * 1440.0), "{planned}");
    assert_eq!(cloud.ledger().bill().calls("ListTimeSeries"), 0, "a plan buys no series");
}

/// A two-tier application's own file, with shorter intervals.
#[tokio::test(flavor = "multi_thread")]
async fn an_agent_pushes_the_metrics_that_were_counted() {
    let cloud = SimCloud::start(WorldSpec::empty(), Clock::system()).await.unwrap();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/agent/voting-app.json");
    let json = std::fs::read_to_string(path).unwrap();
    let (status, planned) = live(&cloud, Arc::new(FromEnvironment), file(&json, ".json").path()).await;
    assert_eq!(status, 0, "{planned}");
    for (job, metrics) in [("agent/cpu", 4.0), ("agent/disk", 2.0), ("agent/mem", 2.0)] {
        let found = planned["jobs"].as_array().unwrap().iter().find(|found| found["job"] == job).unwrap();
        assert!(near(&found["series"], metrics), "{found}");
    }
    assert!(near(&planned["total"]["dollars_per_month"], 8.0 * 0.30 + 1440.0 * 30.0 / 100_000.0), "{planned}");
    let quick = json.replace("\"metrics_collection_interval\": 60", "\"metrics_collection_interval\": 1");
    let quick = quick.replace("\"metrics\": {", "\"metrics\": {\"force_flush_interval\": 1,");
    let metadata = Endpoint { url: Some(cloud.endpoint_url()), is_disabled: false };
    let bridge = bridge::TestBridge::start_agent(&cloud, metadata, None, &format!("agent: {quick}")).await;
    bridge.wait_for("several rounds", |page| page.sum("raingauge_push_sent_data_total", &[]) >= 24.0).await;
    let pushed: Vec<_> = cloud.pushed().iter().map(|s| (s.metric.clone(), s.dimensions.len())).collect();
    assert_eq!(pushed.len(), 8, "{pushed:?}");
    bridge.stop().await;
}
