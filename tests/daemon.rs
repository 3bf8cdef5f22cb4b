//! The daemon as a process: start, signals, exit codes, the drop-in by name; on the real binary.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "partners/processes.rs"]
mod processes;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use processes::{Running, free_address, get, metrics, raingauge, wait_until, wait_until_ready};
use raingauge::clock::Clock;
use raingauge::sim::{Kind, SimCloud, WorldSpec};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

const YACE_FILE: &str = "
apiVersion: v1alpha1
discovery:
  jobs:
    - type: AWS/SQS
      regions: [eu-west-1]
      metrics: [{name: NumberOfMessagesSent, statistics: [Sum], length: 3600}]
";

fn written(folder: &TempDir, text: &str) -> PathBuf {
    let path = folder.path().join("config.yml");
    std::fs::write(&path, text).unwrap();
    path
}

async fn cloud() -> SimCloud {
    SimCloud::start(WorldSpec::empty().with(Kind::Sqs, 3), Clock::system()).await.unwrap()
}

fn with_keys<'a>(command: &'a mut Command, cloud: &SimCloud) -> &'a mut Command {
    command
        .env("AWS_ENDPOINT_URL", cloud.endpoint_url())
        .env("AWS_ACCESS_KEY_ID", "AKSIM")
        .env("AWS_SECRET_ACCESS_KEY", "x")
        .env("AWS_REGION", "eu-west-1")
}

fn signal(running: &Running, name: &str) {
    let status = Command::new("kill").args([format!("-{name}"), running.id().to_string()]).status().unwrap();
    assert!(status.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn it_reloads_with_hup_and_ends_with_term_although_a_client_is_stuck() {
    let (cloud, folder, address) = (cloud().await, tempfile::tempdir().unwrap(), free_address());
    let config = written(&folder, YACE_FILE);
    let mut command = raingauge(folder.path());
    command.args(["run", "--web.listen-address", &address.to_string(), "--config"]).arg(&config);
    let mut running = Running::start(folder.path(), "raingauge", with_keys(&mut command, &cloud));
    wait_until_ready(address).await;
    assert!(metrics(address).await.contains("aws_sqs_number_of_messages_sent_sum{"));
    // A YACE file brings YACE's routes and counters along, whatever the command.
    assert_eq!(get(address, "/healthz").await.unwrap(), (200, "ok".to_owned()));
    assert!(metrics(address).await.contains("yace_cloudwatch_requests_total{"));
    let health =
        raingauge(folder.path()).args(["healthcheck", "--url", &format!("http://{address}/-/healthy")]).status();
    assert!(health.unwrap().success());

    std::fs::write(&config, "nonsense: true").unwrap();
    signal(&running, "HUP");
    let refused = "raingauge_config_last_reload_successful 0";
    wait_until("the bad file is refused", async || {
        if metrics(address).await.contains(refused) { Ok(()) } else { Err("accepted".into()) }
    })
    .await;
    assert!(metrics(address).await.contains("aws_sqs_number_of_messages_sent_sum{"), "the old configuration goes on");

    let mut stuck = TcpStream::connect(address).await.unwrap();
    stuck.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n").await.unwrap();
    signal(&running, "TERM");
    assert_eq!(running.wait().code(), Some(0), "{}", running.log());
    let dead = raingauge(folder.path()).args(["healthcheck", "--url", &format!("http://{address}/-/healthy")]).output();
    let dead = dead.unwrap();
    assert_eq!(dead.status.code(), Some(1));
    assert!(text(&dead).contains(&address.to_string()), "{}", text(&dead));
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_yace_when_it_is_called_so() {
    let (cloud, folder, address) = (cloud().await, tempfile::tempdir().unwrap(), free_address());
    let link = folder.path().join("yace");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_raingauge"), &link).unwrap();
    let config = written(&folder, YACE_FILE);
    let mut command = Command::new(&link);
    command.env_clear().env("AWS_EC2_METADATA_DISABLED", "true").env("HOME", folder.path());
    command.arg(format!("-config.file={}", config.display())).arg(format!("-listen-address={address}"));
    let running = Running::start(folder.path(), "yace", with_keys(&mut command, &cloud));
    wait_until_ready(address).await;
    let page = metrics(address).await;
    assert!(page.contains("aws_sqs_number_of_messages_sent_sum{"), "{page}");
    assert!(page.contains("yace_cloudwatch_requests_total{api_name=\"GetMetricData\"} 1"), "{page}");
    assert!(page.contains("yace_cloudwatch_getmetricdata_metrics_requested_total 3"), "{page}");
    assert_eq!(get(address, "/healthz").await.unwrap(), (200, "ok".to_owned()));
    assert_eq!(get(address, "/reload").await.unwrap(), (404, String::new()));
    assert_eq!(get(address, "/anything").await.unwrap().0, 200);
    let first = running.log().lines().next().unwrap().to_owned();
    assert!(first.starts_with('{') && first.contains("\"msg\":") && first.contains("\"level\":\"INFO\""), "{first}");
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&[&*output.stdout, &*output.stderr].concat()).into_owned()
}

fn check(file: &Path) -> Output {
    raingauge(file.parent().unwrap()).args(["check", "--config"]).arg(file).output().unwrap()
}

#[test]
fn a_file_that_cannot_be_used_ends_with_64_or_1_and_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let bomb = "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\n\
                d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e]\n\
                g: &g [*f,*f,*f,*f,*f,*f,*f,*f,*f]\naws: {discovery: {jobs: *g}}\n";
    for (what, file, words) in [
        ("unknown key", "aws: {discovery: {jobs: []}, intervall: 5m}", &["intervall", ":1:", "interval"][..]),
        ("null item", "aws:\n  discovery:\n    jobs:\n      -\n", &[":4:", "jobs[0]"]),
        ("wrong type", "aws:\n  discovery:\n    jobs: 7\n", &[":3:", "jobs"]),
        ("ten megabytes", &format!("aws: {{discovery: {{jobs: []}}}} #{}", "x".repeat(10 << 20)), &["MiB"]),
        ("alias bomb", bomb, &[":7:", "jobs[0]"]),
        ("not YAML", "aws: [", &[":1:"]),
        ("nothing", "", &["aws"]),
    ] {
        let path = written(&folder, file);
        let output = check(&path);
        assert_eq!(output.status.code(), Some(64), "{what}: {}", text(&output));
        for word in words {
            assert!(text(&output).contains(word), "{what} lacks {word}: {}", text(&output));
        }
        let run = raingauge(folder.path()).args(["run", "--config"]).arg(&path).output().unwrap();
        assert_eq!(run.status.code(), Some(64), "{what}: {}", text(&run));
        let flag = format!("-config.file={}", path.display());
        let yace = raingauge(folder.path()).args(["yace", &flag]).output().unwrap();
        assert_eq!(yace.status.code(), Some(1), "{what}: {}", text(&yace));
    }
    let output = check(&folder.path().join("nowhere.yml"));
    assert_eq!(output.status.code(), Some(64), "{}", text(&output));
    assert!(text(&output).contains("nowhere.yml"));
}

#[test]
fn an_agent_without_its_section_does_not_do_other_jobs() {
    let folder = tempfile::tempdir().unwrap();
    let job = "aws: {static: [{name: s, namespace: N, regions: [eu-west-1], metrics: [{name: M, statistics: [Sum]}]}]}";
    let output = raingauge(folder.path()).arg("agent").arg("--config").arg(written(&folder, job)).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert!(text(&output).contains("has no `agent:` section; `raingauge run"), "{}", text(&output));
}

#[test]
fn a_taken_port_is_an_error_that_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let config = written(&folder, YACE_FILE);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = raingauge(folder.path())
        .args(["run", "--web.listen-address", &address, "--config"])
        .arg(&config)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).contains(&address) && text(&output).contains("in use"), "{}", text(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_that_find_nothing_say_so_once() {
    let (cloud, folder, address) = (cloud().await, tempfile::tempdir().unwrap(), free_address());
    let nothing =
        "interval: 1s, inventoryInterval: 1s, regions: [eu-west-1], metrics: [{name: Typo, statistics: [Sum]}]";
    let config = format!(
        "aws: {{discovery: {{jobs: [{{type: AWS/SQS, {nothing}}}]}}, customNamespace: [{{name: c, namespace: Nobody, {nothing}}}], static: [{{name: s, namespace: Nobody, {nothing}}}]}}"
    );
    let config = written(&folder, &config);
    let mut command = raingauge(folder.path());
    command.args(["run", "--web.listen-address", &address.to_string(), "--config"]).arg(&config);
    let running = Running::start(folder.path(), "raingauge", with_keys(&mut command, &cloud));
    wait_until_ready(address).await;
    wait_until("several runs of both kinds", async || {
        let page = metrics(address).await;
        let runs = |job: &str, run: &str| {
            let line =
                page.lines().find(|l| l.starts_with("raingauge_job_runs_total{") && l.contains(job) && l.contains(run));
            line.and_then(|l| l.rsplit(' ').next()?.parse::<f64>().ok()).unwrap_or_default()
        };
        let enough = runs("custom/c", "discover") >= 3.0 && runs("static/s", "fetch") >= 3.0;
        if enough { Ok(()) } else { Err(page) }
    })
    .await;
    let log = running.log();
    for (said, jobs) in
        [("CloudWatch lists none of the job's metrics", 2), ("CloudWatch has no data for any of the job's metrics", 1)]
    {
        assert_eq!(log.matches(said).count(), jobs, "{log}");
    }
}
