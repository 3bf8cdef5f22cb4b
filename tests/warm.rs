//! What survives a restart, through the front door: the real program, stopped and killed, against the simulated cloud.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "partners/processes.rs"]
mod processes;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use processes::{Running, metrics, wait_until, wait_until_ready};
use raingauge::clock::Clock;
use raingauge::sim::{Effect, Fault, Kind, SimCloud, WorldSpec};

/// Asked for once an hour and once a day, so that a test does not last longer than a period.
const CONFIG: &str = "
aws:
  interval: 1h
  inventoryInterval: 1h
  staleAfter: 2h
  discovery:
    exportedTagsOnMetrics: {AWS/EC2: [Name]}
    jobs:
      - type: AWS/EC2
        regions: [eu-west-1]
        metrics: [{name: CPUUtilization, statistics: [Average, Maximum], length: 3600}]
      - type: AWS/S3
        interval: auto
        regions: [eu-west-1]
        metrics: [{name: BucketSizeBytes, statistics: [Average], period: 86400, length: 259200}]
  static:
    - name: one
      namespace: AWS/SQS
      regions: [eu-west-1]
      metrics: [{name: NumberOfMessagesSent, statistics: [Sum], length: 3600, nilToZero: true}]
";
const TARGETS: u64 = 3;
const OPERATIONS: [&str; 4] = ["GetMetricData", "GetMetricStatistics", "ListMetrics", "GetResources"];

struct Place {
    folder: tempfile::TempDir,
    cloud: SimCloud,
}

impl Place {
    async fn new() -> Self {
        let mut spec = WorldSpec::empty().with(Kind::Ec2, 20).with(Kind::S3, 5).with(Kind::Sqs, 2);
        spec.untagged_percent = 0;
        let cloud = SimCloud::start(spec, Clock::system()).await.unwrap();
        Self { folder: tempfile::tempdir().unwrap(), cloud }
    }

    fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// Starts the program with a state directory; by the variable, as a container would.
    fn start(&self, config: &str, state: &Path) -> (Running, SocketAddr) {
        let (address, file) = (processes::free_address(), self.folder.path().join("raingauge.yml"));
        std::fs::write(&file, config).unwrap();
        let mut command = processes::raingauge(self.folder.path());
        processes::aws_at(&mut command, &self.cloud.endpoint_url(), "eu-west-1");
        command.env("RAINGAUGE_STATE_DIR", state).args(["run", "--web.listen-address", &address.to_string()]);
        command.arg("--config").arg(&file);
        (Running::start(self.folder.path(), "raingauge", &mut command), address)
    }

    /// Calls of each operation that costs, and metrics.
    fn bill(&self) -> (Vec<u64>, u64) {
        let bill = self.cloud.ledger().bill();
        (OPERATIONS.iter().map(|o| bill.calls(o)).collect(), bill.metrics().per_statistic)
    }

    /// The state's documents.
    fn documents(&self) -> Vec<PathBuf> {
        let files = std::fs::read_dir(self.state()).unwrap().map(|f| f.unwrap().path());
        files.filter(|f| f.extension().is_some_and(|e| e == "state")).collect()
    }
}

/// The cloud's samples of a page, without our own.
fn samples(page: &str) -> Vec<String> {
    let own = |line: &&str| !line.starts_with("raingauge_") && !line.starts_with("process_") && !line.starts_with('#');
    let mut lines: Vec<String> = page.lines().filter(own).map(str::to_owned).collect();
    lines.sort();
    lines
}

/// The sum of a self-metric's samples that contain `part`.
fn sum(page: &str, name: &str, part: &str) -> u64 {
    let is = |line: &&str| line.starts_with(name) && line.contains(part);
    page.lines().filter(is).map(|l| l.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
}

/// Waits until everything was fetched and written down.
async fn wait_until_kept(daemon: SocketAddr) -> String {
    wait_until_ready(daemon).await;
    wait_until("all targets have been written", async || {
        let page = metrics(daemon).await;
        let jobs =
            page.lines().filter(|l| l.starts_with("raingauge_job_age_seconds{") && l.contains("fetch")).count() as u64;
        let documents = sum(&page, "raingauge_state_writes_total", "");
        // The regions have a document of their own.
        let regions = u64::from(page.contains("operation=\"DescribeRegions\""));
        if jobs >= TARGETS && documents >= jobs + regions { Ok(page) } else { Err(page) }
    })
    .await
}

fn terminate(running: &mut Running) {
    assert!(Command::new("kill").arg(running.id().to_string()).status().unwrap().success());
    assert!(running.wait().success(), "{}", running.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_restarts_within_a_period_cost_as_much_as_none_and_never_empty_the_page() {
    let place = Place::new().await;
    let (running, daemon) = place.start(CONFIG, &place.state());
    let before = samples(&wait_until_kept(daemon).await);
    let count = |start: &str, part: &str| before.iter().filter(|l| l.starts_with(start) && l.contains(part)).count();
    assert_eq!(count("aws_ec2_cpuutilization", "tag_Name"), 40);
    assert_eq!(count("aws_ec2_info{", "tag_Name"), 20);
    assert_eq!(count("aws_s3_bucket_size_bytes_average{", ""), 5);
    let paid = place.bill();
    assert!(paid.1 > 40, "{paid:?}");
    drop(running);
    for restart in 0..10 {
        let (mut running, daemon) = place.start(CONFIG, &place.state());
        wait_until_ready(daemon).await;
        let page = metrics(daemon).await;
        assert_eq!(samples(&page), before, "restart {restart}");
        assert!(sum(&page, "raingauge_job_series{", "AWS/EC2") >= 40, "the books say so as well: {page}");
        assert_eq!(sum(&page, "raingauge_state_ignored_documents_total", ""), 0, "{}", running.log());
        if restart % 2 == 0 {
            terminate(&mut running);
        }
        // Dropped, it is killed.
    }
    assert_eq!(place.bill(), paid);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_is_there_though_aws_is_not() {
    // Which regions there are is remembered as well.
    let all_regions = CONFIG.replacen("[eu-west-1]", "all", 2);
    for config in [CONFIG, &*all_regions] {
        let place = Place::new().await;
        let (running, daemon) = place.start(config, &place.state());
        let before = samples(&wait_until_kept(daemon).await);
        drop(running);
        place.cloud.faults().add(Fault::new(Effect::ServerError(500)));
        let (_running, daemon) = place.start(config, &place.state());
        wait_until_ready(daemon).await;
        assert!(before.iter().any(|line| line.starts_with("aws_ec2_cpuutilization_average{")), "{before:?}");
        assert_eq!(samples(&metrics(daemon).await), before);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_of_one_name_may_change_their_order() {
    let place = Place::new().await;
    let (head, jobs) = CONFIG.split_once("      - type: AWS/EC2").unwrap();
    let (ec2, rest) = jobs.split_once("      - type: AWS/S3").unwrap();
    let first = format!("      - type: AWS/EC2{ec2}");
    let second = first.replace("CPUUtilization", "NetworkIn");
    let config = |order: [&str; 2]| format!("{head}{}{}      - type: AWS/S3{rest}", order[0], order[1]);
    let (running, daemon) = place.start(&config([&first, &second]), &place.state());
    wait_until_kept(daemon).await;
    wait_until("all four have been written", async || match place.documents().len() {
        4 => Ok(()),
        n => Err(format!("{n} documents")),
    })
    .await;
    let before = samples(&metrics(daemon).await);
    drop(running);
    place.cloud.faults().add(Fault::new(Effect::ServerError(500)));
    let (running, daemon) = place.start(&config([&second, &first]), &place.state());
    wait_until_ready(daemon).await;
    let page = metrics(daemon).await;
    assert_eq!(samples(&page), before);
    assert_eq!(sum(&page, "raingauge_state_ignored_documents_total", ""), 0, "{}", running.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_used_is_counted_and_collected_anew() {
    let place = Place::new().await;
    let (running, daemon) = place.start(CONFIG, &place.state());
    let before = samples(&wait_until_kept(daemon).await);
    drop(running);
    let ec2 = |documents: Vec<PathBuf>| {
        documents.into_iter().find(|f| f.to_str().unwrap().contains("ec2")).expect("a document of the EC2 job")
    };
    let written = std::fs::read(ec2(place.documents())).unwrap();
    let half = written[..written.len() / 2].to_vec();
    let mut flipped = written.clone();
    flipped[written.len() / 2] ^= 0x55;
    let mut newer = written.clone();
    newer[8] = newer[8].wrapping_add(1);
    let other = CONFIG.replace("statistics: [Average, Maximum]", "statistics: [Average, Minimum]");
    for (reason, bytes, config) in [
        ("damaged", half, CONFIG),
        ("damaged", flipped, CONFIG),
        ("damaged", Vec::new(), CONFIG),
        ("another_version", newer, CONFIG),
        ("another_configuration", written, &*other),
    ] {
        std::fs::write(ec2(place.documents()), bytes).unwrap();
        let (running, daemon) = place.start(config, &place.state());
        wait_until_ready(daemon).await;
        let page = metrics(daemon).await;
        let part = format!("reason=\"{reason}\"");
        assert_eq!(sum(&page, "raingauge_state_ignored_documents_total", &part), 1, "{reason}: {}", running.log());
        assert!(running.log().contains("is not used"), "{}", running.log());
        assert_eq!(samples(&page).len(), before.len(), "{reason}");
        // The good one is written anew.
        wait_until("it is written", async || {
            let writes = sum(&metrics(daemon).await, "raingauge_state_writes_total", "");
            if writes >= 1 { Ok(()) } else { Err(format!("{writes} writes")) }
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_cannot_be_used_keeps_nobody_from_collecting() {
    let place = Place::new().await;
    let file = place.folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let (running, daemon) = place.start(CONFIG, &file.join("state"));
    wait_until_ready(daemon).await;
    let page = metrics(daemon).await;
    assert!(page.contains("aws_ec2_cpuutilization_average{"));
    assert_eq!(sum(&page, "raingauge_state_failed_writes_total", ""), 1);
    assert!(running.log().contains("nothing will survive a restart"), "{}", running.log());
    // Neither does one that somebody else uses.
    let (first, daemon) = place.start(CONFIG, &place.state());
    wait_until_ready(daemon).await;
    let (second, daemon) = place.start(CONFIG, &place.state());
    wait_until_ready(daemon).await;
    assert!(second.log().contains("in use by another raingauge"), "{}", second.log());
    drop(first);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_is_gone_leaves_no_document() {
    let place = Place::new().await;
    let (running, daemon) = place.start(CONFIG, &place.state());
    wait_until_kept(daemon).await;
    drop(running);
    assert_eq!(place.documents().len(), 3);
    let without = CONFIG.split("  static:").next().unwrap();
    let (_running, daemon) = place.start(without, &place.state());
    wait_until_ready(daemon).await;
    wait_until("its document is gone", async || match place.documents().len() {
        2 => Ok(()),
        n => Err(format!("{n} documents")),
    })
    .await;
}
