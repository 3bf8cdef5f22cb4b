//! The host under node_exporter's names.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use raingauge::host::node::NodeSource;
use raingauge::model::{Kind, Snapshot};
use raingauge::seam::{Outcome, Source};

use crate::tree::{Tree, at};

const PC: &str = include_str!("../fixtures/host/pc.txt");

async fn pass(source: &mut NodeSource, seconds: i64) -> Outcome {
    source.collect(at(seconds), &mut |_| {}).await
}

fn lines(snapshot: &Snapshot) -> Vec<String> {
    let mut lines = Vec::new();
    for (position, key) in snapshot.set.series.iter().enumerate() {
        let (family, labels) = snapshot.set.describe(*key).unwrap();
        let labels: Vec<String> = labels.iter().map(|(k, v)| format!("{k}={v:?}")).collect();
        let kind = if family.kind == Kind::Counter { "counter" } else { "gauge" };
        for cell in snapshot.samples(position) {
            lines.push(format!("{} {}{{{}}} {}", kind, family.name, labels.join(","), cell.value()));
        }
    }
    lines
}

#[tokio::test]
async fn a_dashboard_finds_its_basics() {
    let tree = Tree::new();
    tree.unpack(PC.split_once("@@@").unwrap().0);
    for folder in ["run", "home", "srv", "mnt/usb stick"] {
        tree.folder(&format!("mnt/{folder}"));
    }
    let mut source = NodeSource::new(tree.root(), Duration::from_secs(60));
    let outcome = pass(&mut source, 0).await;
    assert!(outcome.failures.is_empty(), "{:?}", outcome.failures);
    let snapshot = outcome.snapshot.unwrap();
    let lines = lines(&snapshot);
    for expected in [
        "counter node_cpu_seconds_total{cpu=\"0\",mode=\"user\"} 60",
        "counter node_cpu_seconds_total{cpu=\"1\",mode=\"idle\"} 410",
        "counter node_cpu_guest_seconds_total{cpu=\"0\",mode=\"user\"} 5",
        "gauge node_memory_MemTotal_bytes{} 16777216000",
        "gauge node_memory_Active_anon_bytes{} 2097152000",
        "gauge node_memory_HugePages_Total{} 0",
        "counter node_disk_read_bytes_total{device=\"nvme0n1\"} 40960000",
        "counter node_disk_write_time_seconds_total{device=\"nvme0n1\"} 0.9",
        "gauge node_disk_io_now{device=\"sda\"} 1",
        "counter node_disk_flush_requests_total{device=\"nvme0n1\"} 40",
        "counter node_network_receive_bytes_total{device=\"enp3s0\"} 123456789",
        "counter node_network_transmit_drop_total{device=\"enp3s0\"} 4",
        "counter node_network_receive_bytes_total{device=\"lo\"} 500000",
        "gauge node_network_up{device=\"enp3s0\"} 1",
        "gauge node_network_up{device=\"docker0\"} 0",
        "gauge node_load1{} 0.52",
        "gauge node_load15{} 0.59",
        "gauge node_boot_time_seconds{} 1795000000",
        "gauge node_time_seconds{} 1795217000",
        "counter node_context_switches_total{} 654321",
        "counter node_intr_total{} 123456",
        "counter node_forks_total{} 4242",
        "gauge node_procs_blocked{} 1",
        "counter node_vmstat_pgmajfault{} 66",
        "counter node_vmstat_oom_kill{} 1",
        "gauge node_sockstat_TCP_alloc{} 8",
        "gauge node_sockstat_sockets_used{} 345",
        "gauge node_filefd_allocated{} 9376",
        "gauge node_filefd_maximum{} 1624318",
        "gauge node_filesystem_readonly{device=\"/dev/sda1\",fstype=\"vfat\",mountpoint=\"/mnt/usb stick\"} 1",
        "gauge node_filesystem_readonly{device=\"/dev/nvme0n1p2\",fstype=\"ext4\",mountpoint=\"/\"} 0",
    ] {
        assert!(lines.contains(&expected.to_owned()), "{expected} is not in\n{}", lines.join("\n"));
    }
    for unwanted in ["nvme0n1p1", "loop0", "fstype=\"proc\"", "fstype=\"autofs\"", "nr_free_pages"] {
        assert!(!lines.iter().any(|l| l.contains(unwanted)), "{unwanted}");
    }
    let mountpoints = lines.iter().filter(|l| l.contains("node_filesystem_size_bytes")).count();
    assert_eq!(mountpoints, 5);
    assert!(lines.iter().any(|l| l.starts_with("gauge node_uname_info{domainname=")));
    let again = pass(&mut source, 15).await.snapshot.unwrap();
    assert!(Arc::ptr_eq(&snapshot.set, &again.set), "the same series need no new page");
}

#[tokio::test]
async fn what_cannot_be_read_is_absent_and_said() {
    let tree = Tree::new();
    tree.unpack(PC.split_once("@@@").unwrap().0);
    let mut source = NodeSource::new(tree.root(), Duration::from_secs(60));
    let whole = pass(&mut source, 0).await.snapshot.unwrap();
    fs::remove_file(tree.path().join("proc/meminfo")).unwrap();
    let outcome = pass(&mut source, 15).await;
    let said: Vec<_> = outcome.failures.iter().filter(|f| f.doing.ends_with("proc/meminfo")).collect();
    assert_eq!(said.len(), 1, "{:?}", outcome.failures);
    let snapshot = outcome.snapshot.unwrap();
    assert!(!lines(&snapshot).iter().any(|l| l.contains("node_memory_")));
    assert!(lines(&snapshot).iter().any(|l| l.contains("node_cpu_seconds_total")));
    assert!(!Arc::ptr_eq(&snapshot.set, &whole.set));
}
