//! How AWS is reached: roles, accounts, proxies, the metadata service; through the front door.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "support/bridge.rs"]
mod bridge;
#[path = "partners/processes.rs"]
mod processes;

use std::sync::{Arc, Mutex};

use bridge::TestBridge;
use raingauge::clock::Clock;
use raingauge::sim::{Effect, Fault, Kind, SimCloud, WorldSpec};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// Three jobs, two regions, two accounts: twelve targets.
const ROLES: &str = "
aws:
  interval: 1h
  discovery:
    jobs:
      - &job
        type: AWS/EC2
        regions: [eu-west-1, us-east-1]
        roles:
          - {}
          - {roleArn: 'arn:aws:iam::000000000001:role/reader', externalId: sesame}
        metrics: [{name: CPUUtilization, statistics: [Average], length: 3600}]
      - {<<: *job, type: AWS/SQS, metrics: [{name: NumberOfMessagesSent, statistics: [Sum], length: 3600}]}
      - {<<: *job, type: AWS/Lambda, metrics: [{name: Errors, statistics: [Sum], length: 3600}]}
";

async fn two_accounts() -> SimCloud {
    let mut spec = WorldSpec::demo().with(Kind::Ec2, 3);
    spec.accounts[1].external_id = Some("sesame".into());
    spec.untagged_percent = 0;
    SimCloud::start(spec, Clock::system()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_is_assumed_once_and_each_account_is_named_once() {
    let cloud = two_accounts().await;
    let bridge = TestBridge::start(&cloud, ROLES).await;
    let page = bridge.wait_for("all targets", |p| p.count("raingauge_job_last_success_timestamp_seconds") == 24).await;
    for account in ["000000000000", "000000000001"] {
        for region in ["eu-west-1", "us-east-1"] {
            let parts = [format!("account_id=\"{account}\""), format!("region=\"{region}\"")];
            let found = page.of("aws_ec2_cpuutilization_average{");
            let here = found.iter().filter(|(s, ..)| parts.iter().all(|p| s.contains(p))).count();
            assert_eq!(here, 3, "{account} {region}");
        }
    }
    assert!(page.text.contains("account_alias=\"raingauge-sim-staging\""));
    let bill = cloud.ledger().bill();
    assert_eq!(bill.calls("AssumeRole"), 1);
    assert_eq!(bill.calls("GetCallerIdentity"), 2);
    assert_eq!(bill.calls("ListAccountAliases"), 2);
    bridge.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_external_id_is_that_role_s_trouble_alone() {
    let cloud = two_accounts().await;
    let bridge = TestBridge::start(&cloud, &ROLES.replace("sesame", "guess")).await;
    let page = bridge
        .wait_for("a failure of the role and values of the others", |p| {
            p.sum("raingauge_job_failures_total", &["000000000001", "access_denied"]) >= 1.0
                && p.count("aws_ec2_cpuutilization_average{") == 6
        })
        .await;
    assert!(!page.text.contains("account_id=\"000000000001\""));
    let (_, status) = bridge.get("/").await;
    assert!(status.contains("AccessDenied") || status.contains("not authorized"), "{status}");
    bridge.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alias_that_may_not_be_asked_for_is_left_out() {
    let cloud = two_accounts().await;
    cloud.faults().add(Fault::new(Effect::AccessDenied).on("ListAccountAliases"));
    let bridge = TestBridge::start(&cloud, ROLES).await;
    let page = bridge.wait_for("values", |p| p.count("aws_ec2_cpuutilization_average{") == 12).await;
    assert!(!page.text.contains("account_alias"));
    bridge.stop().await;
}

/// Accepts connections for ever, remembers their first line, and refuses them.
async fn refusing_proxy() -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let seen = Arc::new(Mutex::new(Vec::new()));
    let lines = Arc::clone(&seen);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut buffer = vec![0; 4096];
            let n = stream.read(&mut buffer).await.unwrap_or(0);
            let text = String::from_utf8_lossy(&buffer[..n]).into_owned();
            lines.lock().unwrap().push(text.lines().next().unwrap_or_default().to_owned());
            let _ = stream.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n").await;
        }
    });
    (url, seen)
}

#[tokio::test(flavor = "multi_thread")]
async fn aws_is_asked_through_the_proxy_and_the_metadata_service_directly() {
    let cloud = two_accounts().await;
    let (proxy, seen) = refusing_proxy().await;
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config.yml");
    std::fs::write(&config, ROLES.replace("- {roleArn", "# {roleArn")).unwrap();
    let mut command = processes::raingauge(folder.path());
    command
        .args(["run", "--web.listen-address", "127.0.0.1:0", "--config"])
        .arg(&config)
        .env("HTTPS_PROXY", &proxy)
        .env("HTTP_PROXY", &proxy)
        .env_remove("AWS_EC2_METADATA_DISABLED")
        .env("AWS_EC2_METADATA_SERVICE_ENDPOINT", cloud.endpoint_url());
    let running = processes::Running::start(folder.path(), "raingauge", &mut command);
    let end = tokio::time::Instant::now() + std::time::Duration::from_secs(60);
    while seen.lock().unwrap().is_empty() {
        assert!(tokio::time::Instant::now() < end, "nobody asked the proxy:\n{}", running.log());
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let lines = seen.lock().unwrap().clone();
    assert!(lines.iter().all(|l| l.starts_with("CONNECT sts.") && l.contains(".amazonaws.com:443")), "{lines:?}");
    drop(running);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreadable_certificate_bundle_is_an_error_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config.yml");
    std::fs::write(&config, ROLES).unwrap();
    let output = processes::raingauge(folder.path())
        .args(["run", "--web.listen-address", "127.0.0.1:0", "--config"])
        .arg(&config)
        .env("AWS_CA_BUNDLE", "/nonexistent/bundle.pem")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("AWS_CA_BUNDLE") && error.contains("/nonexistent/bundle.pem"), "{error}");
}
