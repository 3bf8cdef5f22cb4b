//! Programs that send more than anybody wants: the agent's own process stays small, and says what it did not take.

use std::net::UdpSocket;
use std::process::{Child, Command};
use std::time::Duration;

use tokio::time::Instant;

use crate::push::cloud;
use raingauge::sim::SimCloud;

/// What is sent.
const PACKETS: u32 = 1_000_000;
/// The process may have so much more at its peak than it had before: series, values, queue and what is being sent.
const MAX_GROWTH_KIB: u64 = 96 << 10;
/// Longer than a debug build needs on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(120);

struct Agent(Child);

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Agent {
    fn status(&self, key: &str) -> u64 {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.0.id())).unwrap();
        let line = text.lines().find_map(|l| l.strip_prefix(key)).unwrap();
        line.split_whitespace().next().unwrap().parse().unwrap()
    }
}

fn free_port() -> u16 {
    UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

async fn page(port: u16) -> Option<String> {
    reqwest::get(format!("http://127.0.0.1:{port}/metrics")).await.ok()?.text().await.ok()
}

fn sum(page: &str, name: &str, label: &str) -> f64 {
    let lines = page.lines().filter(|l| l.starts_with(name) && l.contains(label));
    lines.filter_map(|l| l.rsplit(' ').next()?.parse::<f64>().ok()).fold(0.0, |sum, n| sum + n)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_million_packets_of_new_names_leave_the_process_small() {
    let cloud = cloud().await;
    let (statsd, web) = (free_port(), free_port());
    let mut config = tempfile::Builder::new().suffix(".json").tempfile().unwrap();
    let json = serde_json::json!({
        "agent": {"region": "eu-west-1", "metrics_collection_interval": 1},
        "metrics": {
            "endpoint_override": cloud.endpoint_url(),
            "force_flush_interval": 1,
            "metrics_collected": {
                "statsd": {"service_address": format!("127.0.0.1:{statsd}"), "metrics_aggregation_interval": 10},
            },
        },
    });
    std::io::Write::write_all(&mut config, json.to_string().as_bytes()).unwrap();
    let child = Command::new(env!("CARGO_BIN_EXE_raingauge"))
        .args(["agent", "--mode", "ec2", "--log.level", "error", "--config"])
        .arg(config.path())
        .arg(format!("--web.listen-address=127.0.0.1:{web}"))
        .env("AWS_ACCESS_KEY_ID", "AKSIM")
        .env("AWS_SECRET_ACCESS_KEY", "simulated")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .spawn()
        .unwrap();
    let agent = Agent(child);
    let end = Instant::now() + PATIENCE;
    while page(web).await.is_none() {
        assert!(Instant::now() < end, "it did not start");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let highest = |cloud: &SimCloud| {
        let all = cloud.pushed();
        all.iter().filter(|s| s.metric == "known").flat_map(|s| s.points.values()).map(|p| p.max).fold(0.0, f64::max)
    };
    // A metric that is known before the flood goes on in it.
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let reaches = async |value: f64| {
        while highest(&cloud) < value {
            socket.send_to(format!("known:{value}|g").as_bytes(), ("127.0.0.1", statsd)).unwrap();
            assert!(Instant::now() < end, "{value} was not seen");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    reaches(1.0).await;
    let before = agent.status("VmRSS:");
    tokio::task::spawn_blocking(move || {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        for n in 0..PACKETS {
            let line = match n % 4 {
                0 => format!("request.{n}:1|c|#user:{n}"),
                1 => format!("latency:{n}.5|ms"),
                2 => format!("users:u{n}|s"),
                _ => format!("{n}|nonsense"),
            };
            socket.send_to(line.as_bytes(), ("127.0.0.1", statsd)).unwrap();
        }
    })
    .await
    .unwrap();
    // When a packet that is sent now arrives, all before it are gone or taken.
    reaches(2.0).await;
    let text = page(web).await.unwrap();
    let lost = |what: &str| sum(&text, "raingauge_statsd_lost_total", &format!("what=\"{what}\""));
    assert!(lost("malformed_line") > 0.0, "{text}");
    let unseen = lost("packet") + lost("value") + lost("series") + lost("set_member");
    let pushed = sum(&text, "raingauge_push_metrics ", "");
    assert!(
        pushed <= 10_000.0 && (unseen > 0.0 || sum(&text, "raingauge_push_lost_data_total", "too_many") > 0.0),
        "{text}"
    );
    let peak = agent.status("VmHWM:");
    println!("{before} KiB before, {peak} KiB at the peak; lost: {} packets, {} values", lost("packet"), lost("value"));
    assert!(peak - before < MAX_GROWTH_KIB, "{before} KiB before, {peak} KiB at the peak");
}
