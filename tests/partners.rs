//! raingauge among programs that are not ours: a real Prometheus scrapes it, promtool judges its metrics, moto stands in for
//! AWS, and node_exporter measures the same host.
//!
//! A partner that is not installed is skipped by name; with `RAINGAUGE_PARTNERS=required` (as in CI) its absence fails.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]
#![allow(clippy::print_stdout, reason = "a skipped partner is named; a failed test shows its programs' logs")]

#[path = "partners/host.rs"]
mod host;
#[path = "partners/processes.rs"]
mod processes;

use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use processes::{
    Running, aws_at, free_address, get, is_installed, metrics, prometheus_is_installed, raingauge, wait_until,
    wait_until_ready,
};
use serde_json::Value;

async fn start_demo(folder: &Path) -> (Running, SocketAddr) {
    let address = free_address();
    let mut command = raingauge(folder);
    command.args(["demo", "--web.listen-address", &address.to_string()]);
    let demo = Running::start(folder, "raingauge", command.stdout(Stdio::null()));
    wait_until_ready(address).await;
    (demo, address)
}

fn start_prometheus(folder: &Path, target: SocketAddr) -> (Running, SocketAddr) {
    let address = free_address();
    let config = folder.join("prometheus.yml");
    let text = format!(
        "global: {{ scrape_interval: 1s }}\nscrape_configs:\n  - job_name: raingauge\n    static_configs:\n      - \
         targets: ['{target}']\n"
    );
    std::fs::write(&config, text).unwrap();
    let mut command = Command::new("prometheus");
    command
        .arg(format!("--config.file={}", config.display()))
        .arg(format!("--storage.tsdb.path={}", folder.join("tsdb").display()))
        .arg(format!("--web.listen-address={address}"))
        .stdout(Stdio::null());
    (Running::start(folder, "prometheus", &mut command), address)
}

/// The value of an instant query with one result.
async fn query(prometheus: SocketAddr, promql: &str) -> Result<f64, String> {
    let encoded = promql.bytes().fold(String::new(), |url, b| format!("{url}%{b:02X}"));
    let (status, body) = get(prometheus, &format!("/api/v1/query?query={encoded}")).await.ok_or("no answer")?;
    let answer: Value = serde_json::from_str(&body).map_err(|e| format!("{status} {e}"))?;
    let value = answer["data"]["result"][0]["value"][1].as_str().ok_or(body)?;
    value.parse().map_err(|e| format!("{value}: {e}"))
}

fn samples(page: &str, prefix: &str) -> usize {
    page.lines().filter(|line| line.starts_with(prefix)).count()
}

/// A native file against `raingauge sim`: Prometheus asks for OpenMetrics, and gets it.
async fn start_native(folder: &Path) -> ([Running; 2], SocketAddr) {
    let (cloud, daemon) = (free_address(), free_address());
    let mut command = raingauge(folder);
    command.args(["sim", "--web.listen-address", &cloud.to_string()]);
    let sim = Running::start(folder, "sim", command.stdout(Stdio::null()));
    let config = folder.join("raingauge.yml");
    let text = "aws: { interval: 5s, discovery: { exportedTagsOnMetrics: { AWS/EC2: [Name] }, jobs: [{ type: AWS/EC2, \
                regions: [eu-west-1], length: 1200, metrics: [{ name: CPUUtilization, statistics: [Average, Maximum], \
                addCloudwatchTimestamp: true }, { name: NetworkIn, statistics: [Sum] }] }] } }";
    std::fs::write(&config, text).unwrap();
    let mut command = raingauge(folder);
    command.args(["run", "--web.listen-address", &daemon.to_string(), "--config"]).arg(&config);
    aws_at(&mut command, &format!("http://{cloud}"), "eu-west-1");
    wait_until("the simulated cloud answers", async || {
        get(cloud, "/_sim/world").await.map(|_| ()).ok_or_else(|| "silence".to_owned())
    })
    .await;
    let bridge = Running::start(folder, "raingauge", command.stdout(Stdio::null()));
    wait_until_ready(daemon).await;
    ([sim, bridge], daemon)
}

/// Lets a real Prometheus scrape a few times: every scrape succeeds, every sample arrives, nothing is complained of.
async fn assert_prometheus_is_content(folder: &Path, daemon: SocketAddr, at_least: usize) {
    let (prometheus, address) = start_prometheus(folder, daemon);
    wait_until("three scrapes are over", async || {
        let scrapes = query(address, "count_over_time(up[1h])").await?;
        if scrapes >= 3.0 { Ok(()) } else { Err(format!("{scrapes} scrapes")) }
    })
    .await;
    assert_eq!(query(address, "min_over_time(up[1h])").await, Ok(1.0), "a scrape failed");
    // The page may grow between two looks, so the two counts are taken until they meet.
    let cloud = wait_until("Prometheus has all series of the page", async || {
        let page = metrics(daemon).await;
        let ours = samples(&page, "aws_");
        // Over an hour: what carries CloudWatch's time may be older than the five minutes that an instant query sees.
        let theirs = query(address, "count(last_over_time({__name__=~\"aws_.+\"}[1h]))").await?;
        if theirs.to_string() == ours.to_string() { Ok(ours) } else { Err(format!("{theirs} of {ours}")) }
    })
    .await;
    assert!(cloud >= at_least, "there are only {cloud} series");
    let lost = query(address, "scrape_samples_scraped - scrape_samples_post_metric_relabeling").await;
    assert_eq!(lost, Ok(0.0));
    let log = prometheus.log();
    let complaints: Vec<_> = log.lines().filter(|l| l.contains("level=warn") || l.contains("level=error")).collect();
    assert!(complaints.is_empty(), "Prometheus complains:\n{}", complaints.join("\n"));
}

#[tokio::test]
async fn prometheus_takes_every_sample_without_a_word() {
    if !prometheus_is_installed() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (_demo, daemon) = start_demo(folder.path()).await;
    assert_prometheus_is_content(folder.path(), daemon, 1000).await;
}

#[tokio::test]
async fn prometheus_takes_every_sample_of_an_openmetrics_page_too() {
    if !prometheus_is_installed() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (_running, daemon) = start_native(folder.path()).await;
    assert_prometheus_is_content(folder.path(), daemon, 3).await;
}

/// The families of ours: not those that are named after somebody else's metrics.
fn own_families(page: &str) -> String {
    let own = |line: &&str| -> bool {
        let name = line.strip_prefix("# HELP ").or_else(|| line.strip_prefix("# TYPE ")).unwrap_or(line);
        name.starts_with("raingauge_") || name.starts_with("process_")
    };
    page.split_inclusive('\n').filter(own).collect()
}

#[tokio::test]
async fn promtool_has_nothing_to_say_about_our_own_metrics() {
    if !prometheus_is_installed() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (_demo, daemon) = start_demo(folder.path()).await;
    let own = own_families(&metrics(daemon).await);
    assert!(samples(&own, "raingauge_") > 10, "where are our own metrics?\n{own}");
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    promtool.stdin.take().unwrap().write_all(own.as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(output.status.success() && said.is_empty(), "{said}");
}

/// The Python that has moto: our `.venv`, or whatever is on the path.
fn python() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join(".venv/bin/python");
    if own.exists() { own } else { PathBuf::from("python3") }
}

fn start_moto(folder: &Path) -> (Running, Value) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/partners/moto_bridge.py");
    let mut command = Command::new(python());
    // Its standard input stays open as long as the test lives: it serves until then.
    command.arg(script).env("HOME", folder).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut bridge = Running::start(folder, "moto", &mut command);
    let facts = serde_json::from_str(&bridge.first_line()).unwrap();
    (bridge, facts)
}

fn configuration(facts: &Value) -> String {
    let text = |key: &str| facts[key].as_str().unwrap().to_owned();
    let (region, role) = (text("region"), text("role"));
    let job = |namespace: &str, metric: &str, more: &str| {
        format!(
            "    - type: {namespace}\n      regions: [{region}]\n      roles: [{{roleArn: '{role}'}}]\n{more}      period: \
             300\n      length: 3600\n      metrics: [{{name: {metric}, statistics: [Average]}}]\n"
        )
    };
    let only_prod = "      searchTags: [{key: env, value: ^prod$}]\n";
    [
        "apiVersion: v1alpha1\nsts-region: eu-west-1\ndiscovery:\n  exportedTagsOnMetrics:\n    AWS/EC2: [Name, env]\n",
        "    AWS/SQS: [team]\n    AWS/Lambda: [team]\n  jobs:\n",
        &job("AWS/EC2", "CPUUtilization", only_prod),
        &job("AWS/SQS", "ApproximateNumberOfMessagesVisible", ""),
        &job("AWS/Lambda", "Duration", ""),
    ]
    .concat()
}

/// What a page must hold about moto's account: what the bridge created, under the names that dashboards use.
fn expected(facts: &Value) -> Vec<String> {
    let text = |key: &str| facts[key].as_str().unwrap();
    let (account, alias, region) = (text("account"), text("alias"), text("region"));
    let instance = facts["instances"]["web"].as_str().unwrap();
    let place = format!("account_alias=\"{alias}\",account_id=\"{account}\"");
    vec![
        format!(
            "aws_ec2_cpuutilization_average{{{place},dimension_InstanceId=\"{instance}\",name=\"arn:aws:ec2:{region}:{account}:\
             instance/{instance}\",region=\"{region}\",tag_Name=\"web\",tag_env=\"prod\"}} 42.5"
        ),
        format!(
            "aws_sqs_approximate_number_of_messages_visible_average{{{place},dimension_QueueName=\"jobs\",name=\"{}\",region=\
             \"{region}\",tag_team=\"delivery \\\"fast\\\"\"}} 12",
            text("queue_arn")
        ),
        format!(
            "aws_lambda_duration_average{{{place},dimension_FunctionName=\"pay\",name=\"{}\",region=\"{region}\",tag_team=\
             \"money\"}} 1.234567e+06",
            text("function_arn")
        ),
    ]
}

#[tokio::test]
async fn motos_resources_appear_through_a_role() {
    let mut attempt = Command::new(python());
    attempt.args(["-c", "import moto.server, boto3, cbor2"]);
    if !is_installed("moto", "pip install -r tests/partners/requirements.txt, in .venv", attempt) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (_moto, facts) = start_moto(folder.path());
    let config = folder.path().join("config.yml");
    std::fs::write(&config, configuration(&facts)).unwrap();
    let daemon = free_address();
    let mut command = raingauge(folder.path());
    command.args(["run", "--web.listen-address", &daemon.to_string(), "--config"]).arg(&config);
    aws_at(&mut command, facts["endpoint"].as_str().unwrap(), facts["region"].as_str().unwrap());
    let _raingauge = Running::start(folder.path(), "raingauge", command.stdout(Stdio::null()));
    wait_until_ready(daemon).await;
    let page = metrics(daemon).await;
    for line in expected(&facts) {
        assert!(page.lines().any(|l| l == line), "missing: {line}\n\n{page}");
    }
    let spare = facts["instances"]["spare"].as_str().unwrap();
    assert!(!page.contains(spare), "searchTags were to leave out {spare}:\n{page}");
}
