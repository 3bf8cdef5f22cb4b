//! Every measurement of three machines, with recorded numbers.

use raingauge::host::job::{Resources, Selector, What};
use raingauge::model::Text;

use crate::tree::{Tree, at, collector, shown};

fn net(list: &[&str]) -> What {
    What::Net { resources: Resources::new(list).unwrap() }
}

fn everything(tree: &Tree) -> Vec<What> {
    let regex = |pattern: &str| regex::Regex::new(pattern).unwrap();
    let pid_file: Text = tree.path().join("run/app.pid").to_str().unwrap().into();
    vec![
        What::Cpu { per_cpu: true, total: true },
        What::Mem,
        What::Swap,
        What::Disk {
            resources: Resources::All,
            ignored_types: vec!["proc".into(), "sysfs".into()],
            drop_device: false,
            volume_id: false,
        },
        What::Diskio { resources: Resources::All },
        net(&[]),
        What::Netstat,
        What::Processes,
        What::System,
        What::Procstat(Selector::Exe("systemd$".into(), regex("systemd$"))),
        What::Procstat(Selector::Pattern("--serve --port".into(), regex("--serve --port"))),
        What::Procstat(Selector::PidFile(pid_file)),
    ]
}

/// Sizes of file systems are those of the machine that runs the test.
fn without_sizes(line: &str) -> String {
    match line.split_once("] ") {
        Some((name, rest)) if line.starts_with("disk_") => {
            let unit = rest.rsplit(' ').next().unwrap();
            format!("{name}] * {unit}")
        }
        _ => line.to_owned(),
    }
}

async fn assert_measured(fixture: &str, expected: &str, failing: &[&str]) {
    let tree = Tree::new();
    let (first, second) = fixture.split_once("@@@ 60\n").unwrap();
    tree.unpack(first);
    for folder in ["run", "mnt/usb stick", "home", "srv", "boot", "dev", "etc/hosts", "mnt", "proc", "sys"] {
        tree.folder(&format!("mnt/{folder}"));
    }
    let mut collector = collector(tree.root(), everything(&tree)).await;
    let before = collector.collect(at(0)).await;
    assert!(before.measurements.iter().all(|m| !m.name().contains("usage")), "usage needs two samples");
    tree.unpack(second);
    let collected = collector.collect(at(60)).await;
    let failures: Vec<String> = collected.failures.iter().map(|f| f.doing.clone()).collect();
    assert!(
        failures.len() == failing.len() && failures.iter().zip(failing).all(|(f, name)| f.ends_with(name)),
        "{:?}",
        collected.failures
    );
    let root = tree.path().to_str().unwrap();
    let lines: Vec<String> = shown(&collected).iter().map(|l| without_sizes(&l.replace(root, ""))).collect();
    let expected: Vec<&str> = expected.lines().collect();
    assert!(lines == expected, "measured:\n{}", lines.join("\n"));
}

#[tokio::test]
async fn a_pc() {
    assert_measured(include_str!("../fixtures/host/pc.txt"), include_str!("../fixtures/host/pc.expected"), &[]).await;
}

#[tokio::test]
async fn a_raspberry_pi_with_an_old_kernel() {
    let failing = ["net/udp6"];
    assert_measured(include_str!("../fixtures/host/pi.txt"), include_str!("../fixtures/host/pi.expected"), &failing)
        .await;
}

#[tokio::test]
async fn a_container() {
    let failing = ["diskstats", "loadavg"];
    assert_measured(
        include_str!("../fixtures/host/container.txt"),
        include_str!("../fixtures/host/container.expected"),
        &failing,
    )
    .await;
}
