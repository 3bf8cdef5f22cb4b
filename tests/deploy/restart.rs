//! The stacks' own settings without containers: raingauge with `deploy/compose/raingauge.yml` on a simulated cloud, a scraper
//! with the stack's scrape settings (faster), remote write to a Prometheus. raingauge is killed, and started again.
//!
//! What must hold: whenever a scrape found raingauge, it found every series; so the gap of a series is the downtime, and
//! what lies between it and the scrapes before and after.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::files::{deploy, items, text};
use crate::processes::{
    Running, aws_at, free_address, get, is_installed, metrics, prometheus_is_installed, raingauge, wait_until,
    wait_until_ready,
};

/// Seconds between two scrapes.
const INTERVAL: f64 = 1.0;
/// Seconds by which a busy machine may be late, at either end.
const LATENESS: f64 = 2.0;
/// What must be there; what has the cloud's own times comes and goes by those.
const WATCHED: &str = r#"{__name__=~"aws_.+|node_.+"}"#;

#[expect(clippy::cast_precision_loss, reason = "milliseconds of this age are exact")]
fn now() -> f64 {
    raingauge::clock::Clock::system().now().as_millis() as f64 / 1e3
}

fn start_cloud(folder: &Path) -> (Running, SocketAddr) {
    let address = free_address();
    let mut command = raingauge(folder);
    command.args(["sim", "--resources", "3", "--listen", &address.to_string()]);
    (Running::start(folder, "sim", command.stdout(Stdio::null())), address)
}

fn start_bridge(folder: &Path, cloud: SocketAddr, address: SocketAddr) -> Running {
    let config = folder.join("raingauge.yml");
    let stack = std::fs::read_to_string(deploy("compose/raingauge.yml")).unwrap();
    let mine = stack.replace("\ngcp:\n", &format!("\ngcp:\n  endpoint: http://{cloud}\n"));
    assert_ne!(stack, mine, "the file has no section gcp");
    std::fs::write(&config, mine).unwrap();
    let mut command = raingauge(folder);
    command.args(["run", "--web.listen-address", &address.to_string(), "--state-dir"]).arg(folder.join("state"));
    command.arg("--config").arg(config).env("GCE_METADATA_HOST", cloud.to_string());
    aws_at(&mut command, &format!("http://{cloud}"), "eu-west-1");
    Running::start(folder, "raingauge", command.stdout(Stdio::null()))
}

fn start_receiver(folder: &Path) -> (Running, SocketAddr) {
    let address = free_address();
    let config = folder.join("receiver.yml");
    std::fs::write(&config, "global: {}\n").unwrap();
    let mut command = Command::new("prometheus");
    command
        .arg("--web.enable-remote-write-receiver")
        .arg(format!("--config.file={}", config.display()))
        .arg(format!("--storage.tsdb.path={}", folder.join("received").display()))
        .arg(format!("--web.listen-address={address}"));
    (Running::start(folder, "receiver", command.stdout(Stdio::null())), address)
}

/// A scrape file of the stack with another target and a shorter interval.
fn scrape_file(folder: &Path, name: &str, target: SocketAddr) -> String {
    let stack = std::fs::read_to_string(deploy(&format!("compose/{name}"))).unwrap();
    let lines = stack.lines().filter(|line| !line.starts_with("rule_files") && !line.contains("evaluation_interval"));
    let mine: String = lines.flat_map(|line| [line, "\n"]).collect();
    let mine = ["raingauge:5000", "127.0.0.1:5000"].iter().fold(mine, |t, old| t.replace(old, &target.to_string()));
    let mine = mine.replace("scrape_interval: 60s", &format!("scrape_interval: {INTERVAL}s"));
    assert!(mine.contains(&target.to_string()) && !mine.contains("60s"), "{mine}");
    std::fs::write(folder.join(name), &mine).unwrap();
    mine
}

/// Prometheus as an agent.
fn start_prometheus_agent(folder: &Path, target: SocketAddr, receiver: SocketAddr) -> Running {
    let scrape = scrape_file(folder, "prometheus.yml", target);
    let config = folder.join("agent.yml");
    std::fs::write(&config, format!("{scrape}remote_write:\n  - url: http://{receiver}/api/v1/write\n")).unwrap();
    let mut command = Command::new("prometheus");
    command
        .arg("--enable-feature=agent")
        .arg(format!("--config.file={}", config.display()))
        .arg(format!("--storage.agent.path={}", folder.join("wal").display()))
        .arg(format!("--web.listen-address={}", free_address()));
    Running::start(folder, "scraper", command.stdout(Stdio::null()))
}

fn start_vmagent(folder: &Path, target: SocketAddr, receiver: SocketAddr) -> Running {
    scrape_file(folder, "vmagent.yml", target);
    let mut command = Command::new("vmagent");
    command
        .arg(format!("-promscrape.config={}", folder.join("vmagent.yml").display()))
        .arg(format!("-httpListenAddr={}", free_address()))
        .arg(format!("-remoteWrite.url=http://{receiver}/api/v1/write"))
        .arg(format!("-remoteWrite.tmpDataPath={}", folder.join("buffer").display()))
        .args(["-remoteWrite.maxDiskUsagePerURL=1GB", "-remoteWrite.flushInterval=1s", "-memory.allowedBytes=64MB"]);
    Running::start(folder, "scraper", command.stdout(Stdio::null()))
}

async fn ask(receiver: SocketAddr, promql: &str) -> Result<Vec<Value>, String> {
    let encoded = promql.bytes().fold(String::new(), |url, b| format!("{url}%{b:02X}"));
    let (status, body) = get(receiver, &format!("/api/v1/query?query={encoded}")).await.ok_or("no answer")?;
    let answer: Value = serde_json::from_str(&body).map_err(|e| format!("{status} {e}"))?;
    if text(&answer, "/status") == "success" { Ok(items(&answer, "/data/result").to_vec()) } else { Err(body) }
}

async fn count(receiver: SocketAddr, promql: &str) -> Result<f64, String> {
    let series = ask(receiver, promql).await?;
    let value = series.first().map_or("0", |one| text(one, "/value/1"));
    value.parse().map_err(|e| format!("{value}: {e}"))
}

/// The samples of each series: times and values.
async fn samples(receiver: SocketAddr, selector: &str) -> BTreeMap<String, Vec<(f64, f64)>> {
    let series = ask(receiver, &format!("{selector}[30m]")).await.unwrap();
    let point = |p: &Value| (p[0].as_f64().unwrap(), p[1].as_str().unwrap().parse().unwrap());
    series.iter().map(|s| (s["metric"].to_string(), items(s, "/values").iter().map(point).collect())).collect()
}

/// Waits until everything of the stack's file is at the receiver, and in the state directory, as soon as it is there.
async fn wait_for_everything(receiver: SocketAddr, bridge: SocketAddr) {
    wait_until("Amazon and the host have arrived", async || {
        for wanted in ["aws_ec2_cpuutilization_average", "aws_sqs_info", "aws_lambda_errors_sum", "node_load1"] {
            if count(receiver, &format!("count({wanted})")).await? == 0.0 {
                return Err(format!("no {wanted}"));
            }
        }
        Ok(())
    })
    .await;
    // Google's samples have their own time, a few minutes ago; remote write leaves out what is older than itself.
    wait_until("Google is shown", async || {
        let page = metrics(bridge).await;
        if page.contains("\nstackdriver_") { Ok(()) } else { Err("no stackdriver_".to_owned()) }
    })
    .await;
    wait_until("every AWS job has left a document behind", async || {
        let page = metrics(bridge).await;
        let written = page.lines().find_map(|line| line.strip_prefix("raingauge_state_writes_total "));
        let written = written.and_then(|n| n.parse::<f64>().ok()).unwrap_or(0.0);
        if written >= 3.0 { Ok(()) } else { Err(format!("{written} documents")) }
    })
    .await;
    // What is scraped from now on has all series.
    let before = count(receiver, "sum(count_over_time(up[30m]))").await.unwrap();
    wait_until("two more scrapes", async || {
        let after = count(receiver, "sum(count_over_time(up[30m]))").await?;
        if after >= before + 2.0 { Ok(()) } else { Err(format!("{after}")) }
    })
    .await;
}

async fn drill(name: &str, start_scraper: fn(&Path, SocketAddr, SocketAddr) -> Running) {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (_sim, cloud) = start_cloud(folder);
    wait_until("the simulated cloud answers", async || {
        get(cloud, "/_sim/world").await.map(drop).ok_or_else(|| "silence".to_owned())
    })
    .await;
    let address = free_address();
    let bridge = start_bridge(folder, cloud, address);
    wait_until_ready(address).await;
    let (_receiver, receiver) = start_receiver(folder);
    let _scraper = start_scraper(folder, address, receiver);
    wait_for_everything(receiver, address).await;

    let killed = now();
    drop(bridge); // kill -9
    wait_until("a scrape has failed", async || {
        if count(receiver, "min_over_time(up[30m]) == 0").await? == 0.0 && !ask(receiver, "up == 0").await?.is_empty() {
            Ok(())
        } else {
            Err("every scrape succeeded".to_owned())
        }
    })
    .await;
    let bridge = start_bridge(folder, cloud, address);
    wait_until("raingauge answers", async || {
        get(address, "/-/healthy").await.map(drop).ok_or_else(|| "silence".to_owned())
    })
    .await;
    let back = now();
    wait_until("scrapes have succeeded again", async || {
        let up = samples(receiver, "up").await;
        let good = up.values().flatten().filter(|(at, value)| *at > back && *value > 0.5).count();
        if good >= 3 { Ok(()) } else { Err(format!("{good} scrapes")) }
    })
    .await;
    drop(bridge);
    judge(name, receiver, killed, back).await;
}

/// Holds every series against the scrapes that found raingauge.
async fn judge(name: &str, receiver: SocketAddr, killed: f64, back: f64) {
    let up = samples(receiver, "up").await;
    assert_eq!(up.len(), 1, "{up:?}");
    let up: Vec<_> = up.into_values().flatten().collect();
    let last = up.iter().rev().find(|(at, value)| *at <= killed && *value > 0.5).unwrap().0;
    let first = up.iter().find(|(at, value)| *at > killed && *value > 0.5).unwrap().0;
    let end = up.iter().rev().find(|(_, value)| *value > 0.5).unwrap().0;
    let all = samples(receiver, WATCHED).await;
    let mut seen = 0;
    for (series, points) in all {
        let times: Vec<_> = points.iter().map(|(at, _)| *at).collect();
        // What belongs to the daemon's life before or after it only, as a process that came meanwhile, is none of this.
        let spans = times.first().is_some_and(|at| *at < last) && times.last().is_some_and(|at| *at >= first);
        assert!(spans || times.first().is_some_and(|at| *at >= first), "{series} did not come back: {times:?}");
        if !spans {
            continue;
        }
        seen += 1;
        assert!(times.contains(&last), "{series} was missing in the last scrape before the end: {times:?}");
        assert!(times.contains(&first), "{series} was missing in the first scrape that succeeded again: {times:?}");
        let missing = up.iter().filter(|(at, value)| *at >= first && *at <= end && *value > 0.5 && !times.contains(at));
        assert_eq!(missing.count(), 0, "{series} was missing in a scrape that succeeded: {times:?}");
    }
    assert!(seen > 100, "only {seen} series were watched");
    let (downtime, gap) = (back - killed, first - last);
    println!("{name}: {seen} series; down for {downtime:.2} s, gap {gap:.2} s, scrape interval {INTERVAL} s");
    // The last scrape is up to an interval before the end, the first one up to an interval after the return.
    assert!(gap <= downtime + 2.0 * INTERVAL + LATENESS, "down for {downtime} s, but nothing for {gap} s");
}

#[tokio::test]
async fn a_restart_leaves_no_gap_behind_prometheus_in_agent_mode() {
    if prometheus_is_installed() {
        drill("Prometheus", start_prometheus_agent).await;
    }
}

#[tokio::test]
async fn a_restart_leaves_no_gap_behind_vmagent() {
    let mut attempt = Command::new("vmagent");
    attempt.arg("--version");
    if prometheus_is_installed() && is_installed("vmagent", "Debian: apt-get install victoria-metrics", attempt) {
        drill("vmagent", start_vmagent).await;
    }
}
