//! The host's numbers, side by side with those of prometheus-node-exporter on the same machine.
//!
//! Ours are read before and after theirs. A counter of theirs must lie between the two: no tolerance, but for processor times,
//! which the kernel may step back by some ticks (`iowait`, `idle`). Gauges that move meanwhile have a tolerance.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use raingauge::host::node::NodeSource;
use raingauge::host::root::Root;
use raingauge::model::{Now, Timestamp};
use raingauge::seam::Source;

use crate::processes::{Running, free_address, get, wait_until};

/// What is compared; everything of theirs that begins so must be ours too.
const COMPARED: &[&str] = &[
    "node_boot_time_seconds",
    "node_context_switches_total",
    "node_cpu_guest_seconds_total{",
    "node_cpu_seconds_total{",
    "node_disk_discards_completed_total{",
    "node_disk_io_time_seconds_total{",
    "node_disk_io_time_weighted_seconds_total{",
    "node_disk_read_bytes_total{",
    "node_disk_read_time_seconds_total{",
    "node_disk_reads_completed_total{",
    "node_disk_reads_merged_total{",
    "node_disk_write_time_seconds_total{",
    "node_disk_writes_completed_total{",
    "node_disk_writes_merged_total{",
    "node_disk_written_bytes_total{",
    "node_filefd_maximum",
    "node_filesystem_avail_bytes{",
    "node_filesystem_files_free{",
    "node_filesystem_files{",
    "node_filesystem_free_bytes{",
    "node_filesystem_readonly{",
    "node_filesystem_size_bytes{",
    "node_forks_total",
    "node_intr_total",
    "node_load1 ",
    "node_load15 ",
    "node_load5 ",
    "node_memory_",
    "node_network_receive_bytes_total{",
    "node_network_receive_packets_total{",
    "node_network_transmit_bytes_total{",
    "node_network_transmit_packets_total{",
    "node_network_up{",
    "node_uname_info{",
    "node_vmstat_",
];
/// The collectors that they are in.
const COLLECTORS: &[&str] = &[
    "cpu",
    "diskstats",
    "filefd",
    "filesystem",
    "loadavg",
    "meminfo",
    "netclass",
    "netdev",
    "stat",
    "uname",
    "vmstat",
];
/// Debian's own defaults hide the loopback, and disks below /mnt and /media: these are its authors'.
const SHOWN: &[&str] = &[
    "--collector.netdev.device-exclude=^$",
    "--collector.filesystem.mount-points-exclude=^/(dev|proc|run/credentials/.+|sys|var/lib/docker/.+|var/lib/containers/\
     storage/.+)($|/)",
];
/// In a container we show the root, and they do not; they show the firmware's variables, and we do not.
const DIFFERS_ON_PURPOSE: &[&str] = &["fstype=\"overlay\",mountpoint=\"/\"", "fstype=\"efivarfs\""];
/// Ticks that the kernel may step back.
const TICKS_SECONDS: f64 = 1.0;
/// How far a gauge may move meanwhile, relative to the whole (memory's, the file system's).
const MOVED: f64 = 0.05;
/// Loads move by this much between two readings.
const LOAD_MOVED: f64 = 2.0;

type Page = BTreeMap<String, f64>;

fn is_compared(series: &str) -> bool {
    !DIFFERS_ON_PURPOSE.iter().any(|d| series.contains(d))
        && COMPARED.iter().any(|p| series.starts_with(p.trim_end()) && (!p.ends_with(' ') || series == p.trim_end()))
}

fn theirs(page: &str) -> Page {
    let lines = page.lines().filter(|l| !l.starts_with('#'));
    let pairs = lines.filter_map(|l| l.rsplit_once(' ')).filter(|(series, _)| is_compared(series));
    pairs.map(|(series, value)| (series.to_owned(), value.parse().unwrap())).collect()
}

async fn ours(source: &mut NodeSource) -> Page {
    let now = Now { wall: Timestamp::from_secs(1), steady: Timestamp::from_secs(1) };
    let outcome = source.collect(now, &mut |_| {}).await;
    assert!(outcome.failures.is_empty(), "{:?}", outcome.failures);
    let snapshot = outcome.snapshot.unwrap();
    let mut page = Page::new();
    for (position, key) in snapshot.set.series.iter().enumerate() {
        let (family, labels) = snapshot.set.describe(*key).unwrap();
        let escaped = |v: &str| v.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        let labels: Vec<_> = labels.iter().map(|(k, v)| format!("{k}=\"{}\"", escaped(v))).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        page.insert(format!("{}{labels}", family.name), snapshot.samples(position)[0].value());
    }
    page
}

fn tolerance(series: &str, whole: &Page) -> f64 {
    let of = |name: &str| whole.get(name).copied().unwrap_or(0.0) * MOVED;
    let labels = series.split_once('{').map_or("", |(_, l)| l);
    match series {
        s if s.starts_with("node_cpu_") => TICKS_SECONDS,
        s if s.starts_with("node_load") => LOAD_MOVED,
        "node_memory_MemTotal_bytes" => 0.0,
        s if s.starts_with("node_memory_") => of("node_memory_MemTotal_bytes"),
        s if s.starts_with("node_filesystem_files") => of(&format!("node_filesystem_files{{{labels}")),
        s if s.starts_with("node_filesystem_size") || s.starts_with("node_filesystem_readonly") => 0.0,
        s if s.starts_with("node_filesystem_") => of(&format!("node_filesystem_size_bytes{{{labels}")),
        // Divided by a thousand here and there.
        _ => 1e-6,
    }
}

/// How many were compared, or all that differs.
fn compare(before: &Page, theirs: &Page, after: &Page) -> Result<usize, String> {
    let mut wrong = Vec::new();
    for (series, value) in theirs {
        let slack = tolerance(series, theirs);
        match (before.get(series), after.get(series)) {
            (Some(low), Some(high)) if *value < low.min(*high) - slack || *value > low.max(*high) + slack => {
                wrong.push(format!("{series} is {value} there, {low} and {high} here"));
            }
            (Some(_), Some(_)) => {}
            _ => wrong.push(format!("{series} is missing here")),
        }
    }
    let ours = before.keys().filter(|s| is_compared(s) && !theirs.contains_key(*s));
    wrong.extend(ours.map(|series| format!("{series} is missing there")));
    if wrong.is_empty() { Ok(theirs.len()) } else { Err(wrong.join("\n")) }
}

fn start(folder: &Path) -> (Running, std::net::SocketAddr) {
    let address = free_address();
    let mut command = Command::new("prometheus-node-exporter");
    command.arg(format!("--web.listen-address={address}")).arg("--collector.disable-defaults").stdout(Stdio::null());
    command.args(SHOWN).args(COLLECTORS.iter().map(|name| format!("--collector.{name}")));
    (Running::start(folder, "node_exporter", &mut command), address)
}

#[tokio::test]
async fn node_exporter_sees_the_same_host() {
    let mut attempt = Command::new("prometheus-node-exporter");
    attempt.arg("--version");
    let hint = "Debian: apt-get install prometheus-node-exporter";
    if !crate::is_installed("prometheus-node-exporter", hint, attempt) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (_running, address) = start(folder.path());
    // Mounts, interfaces and processors come and go on a machine that does other things too: so more than one attempt.
    let compared = wait_until("both see the same", async || {
        let mut source = NodeSource::new(Root::default(), Duration::from_secs(60));
        let before = ours(&mut source).await;
        let (status, page) = get(address, "/metrics").await.ok_or("no answer")?;
        let after = ours(&mut source).await;
        if status == 200 { compare(&before, &theirs(&page), &after) } else { Err(format!("status {status}")) }
    })
    .await;
    assert!(compared > 60, "only {compared} series were compared");
}
