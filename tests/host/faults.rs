//! What machines do to those who look at them.

use std::fs;
use std::time::Duration;

use raingauge::host::collect::Collector;
use raingauge::host::job::{HostSettings, Job, Plugin, Resources, Selector, Statsd, Wanted, What};
use raingauge::model::Timestamp;
use raingauge::seam::Reason;

use crate::tree::{Tree, at, collector, number, shown};

const PC: &str = include_str!("../fixtures/host/pc.txt");

fn pc() -> Tree {
    let tree = Tree::new();
    tree.unpack(PC.split_once("@@@").unwrap().0);
    tree
}

#[tokio::test]
async fn a_job_that_fails_does_not_stop_the_others_and_loses_nothing() {
    let tree = pc();
    let jobs = vec![What::Net { resources: Resources::All }, What::Mem, What::System];
    let mut collector = collector(tree.root(), jobs).await;
    collector.collect(at(0)).await;
    let table = fs::read_to_string(tree.path().join("proc/net/dev")).unwrap();
    fs::remove_file(tree.path().join("proc/net/dev")).unwrap();
    let collected = collector.collect(at(60)).await;
    assert_eq!(collected.failures.len(), 1);
    assert_eq!(collected.failures[0].reason, Reason::Unreadable);
    assert!(collected.failures[0].to_string().contains("proc/net/dev"), "{}", collected.failures[0]);
    assert!(collected.measurements.iter().any(|m| m.plugin == Plugin::Mem));
    assert!(collected.measurements.iter().any(|m| m.plugin == Plugin::System));
    // What passed meanwhile comes with the next pass that works.
    tree.write("proc/net/dev", &table.replace("123456789", "123456799"));
    let lines = shown(&collector.collect(at(120)).await);
    assert!(lines.contains(&"net_bytes_recv [interface=enp3s0] 10 Bytes".to_owned()), "{lines:?}");
}

#[tokio::test]
async fn files_of_garbage_are_no_measurements_and_no_panic() {
    let tree = pc();
    for name in ["stat", "meminfo", "diskstats", "net/dev", "net/tcp", "1/mountinfo", "300/stat", "loadavg", "uptime"] {
        fs::write(tree.path().join("proc").join(name), [0xff, b'\n', b':', b' ', 0, b'-', 9, 9, b'(', b'\\', b'0'])
            .unwrap();
    }
    let jobs = vec![
        What::Cpu { per_cpu: true, total: true },
        What::Mem,
        What::Swap,
        What::Diskio { resources: Resources::All },
        What::Net { resources: Resources::All },
        What::System,
        What::Disk { resources: Resources::All, ignored_types: Vec::new(), drop_device: true, volume_id: false },
    ];
    let mut collector = collector(tree.root(), jobs).await;
    for pass in 0..3 {
        let collected = collector.collect(at(60 * pass)).await;
        assert_eq!((shown(&collected), collected.failures.len()), (Vec::new(), 0));
    }
}

#[tokio::test]
async fn a_file_without_end_is_refused() {
    let tree = pc();
    let file = fs::File::create(tree.path().join("proc/meminfo")).unwrap();
    file.set_len(1 << 30).unwrap();
    let mut collector = collector(tree.root(), vec![What::Mem]).await;
    let collected = collector.collect(at(0)).await;
    assert!(collected.failures[0].message.contains("longer than"), "{:?}", collected.failures);
}

#[tokio::test]
async fn ten_thousand_processes_are_counted_and_chosen() {
    let tree = Tree::new();
    for pid in 1..=10_000 {
        let state = ["R", "S", "D", "I"][pid % 4];
        let stat = format!("{pid} (worker) {state} 1 1 1 0 -1 0 0 0 0 0 {pid} 0 0 0 20 0 2 0 5 0 0 1\n");
        tree.write(&format!("proc/{pid}/stat"), &stat);
        tree.write(&format!("proc/{pid}/cmdline"), &format!("worker\0{pid}\0"));
    }
    let regex = regex::Regex::new("worker [0-9]*7$").unwrap();
    let pattern = Selector::Pattern("worker".into(), regex);
    let everything = Selector::Pattern("w".into(), regex::Regex::new("w").unwrap());
    let jobs = vec![What::Processes, What::Procstat(pattern), What::Procstat(everything)];
    let mut collector = collector(tree.root(), jobs).await;
    let collected = collector.collect(at(0)).await;
    let lines = shown(&collected);
    for expected in [
        "processes_total [] 10000 Count",
        "processes_running [] 2500 Count",
        "processes_blocked [] 2500 Count",
        "processes_total_threads [] 20000 Count",
        "procstat_lookup_pid_count [pattern=worker,pid_finder=native] 1000 None",
        "procstat_lookup_pid_count [pattern=w,pid_finder=native] 10000 None",
    ] {
        assert!(lines.contains(&expected.to_owned()), "{expected}");
    }
    let pids = |job| collected.measurements.iter().filter(|m| m.job == job && m.field == "pid").count();
    assert_eq!((pids(1), pids(2)), (1000, 1000));
    let failures: Vec<_> = collected.failures.iter().map(|f| f.reason).collect();
    assert_eq!(failures, [Reason::LimitReached], "those that are too many are named");
}

#[tokio::test]
async fn a_pid_that_is_used_again_is_another_process() {
    let tree = pc();
    let name = Selector::Pattern("--serve".into(), regex::Regex::new("--serve").unwrap());
    let mut collector = collector(tree.root(), vec![What::Procstat(name)]).await;
    collector.collect(at(0)).await;
    let stat = fs::read_to_string(tree.path().join("proc/300/stat")).unwrap();
    tree.write("proc/300/stat", &stat.replace(" 5000 ", " 6000 ").replace(" 1000 500 ", " 9000 500 "));
    let lines = shown(&collector.collect(at(60)).await);
    assert!(lines.iter().any(|l| l.starts_with("procstat_cpu_time_user ")), "{lines:?}");
    assert!(!lines.iter().any(|l| l.starts_with("procstat_cpu_usage ")), "{lines:?}");
}

#[tokio::test]
async fn a_pid_file_is_missing_stale_or_garbage() {
    let tree = pc();
    let path = tree.path().join("run/app.pid");
    let jobs = vec![What::Procstat(Selector::PidFile(path.to_str().unwrap().into()))];
    let mut collector = collector(tree.root(), jobs).await;
    for (pass, (content, found)) in (0..).zip([
        (None, Some(0.0)),
        (Some("300\n"), Some(1.0)),
        (Some("4711"), Some(0.0)),
        (Some("x"), None),
        (Some("-1"), None),
    ]) {
        match content {
            Some(text) => fs::write(&path, text).unwrap(),
            None => fs::remove_file(&path).unwrap(),
        }
        let collected = collector.collect(at(60 * pass)).await;
        let count = collected.measurements.iter().find(|m| m.field == "pid_count").map(number);
        assert_eq!((count, collected.failures.len()), (found, usize::from(found.is_none())), "{content:?}");
    }
}

#[tokio::test]
async fn each_job_keeps_its_own_time_and_missed_passes_are_left_out() {
    let tree = pc();
    let job =
        |what: What, seconds| Job { wanted: Wanted::all(what.plugin()), what, interval: Duration::from_secs(seconds) };
    let settings = HostSettings { jobs: vec![job(What::Mem, 10), job(What::Swap, 60)] };
    let (mut collector, _) = Collector::start(tree.root(), settings, at(0)).await;
    let due = |c: &Collector| c.next_due().map(|t| t.since(Timestamp::from_secs(crate::tree::FIRST_SECONDS)).as_secs());
    assert_eq!(due(&collector), Some(1), "a second after the start");
    let mut passes = Vec::new();
    for second in [0, 1, 5, 11, 59, 60, 61, 62] {
        let collected = collector.collect(at(second)).await;
        let of = |plugin| usize::from(collected.measurements.iter().any(|m| m.plugin == plugin));
        passes.push((second, of(Plugin::Mem), of(Plugin::Swap)));
    }
    assert_eq!(passes, [(0, 0, 0), (1, 1, 1), (5, 0, 0), (11, 1, 0), (59, 1, 0), (60, 0, 0), (61, 1, 1), (62, 0, 0)]);
    assert_eq!(due(&collector), Some(71));
}

#[tokio::test]
async fn resources_choose_by_name_pattern_and_link() {
    let tree = pc();
    tree.write("run/udev/data/b259:0", "S:disk/by-id/nvme-Disk_123\nE:ID_X=1\n");
    for (list, expected) in [
        (&["nvme0n1"][..], &["nvme0n1"][..]),
        (&["/dev/sda", "sdb"], &["sda", "sdb"]),
        (&["nvme*"], &["nvme0n1", "nvme0n1p1"]),
        (&["disk/by-id/nvme-*"], &["nvme0n1"]),
        (&["x", "*"], &["nvme0n1", "nvme0n1p1", "sda", "sdb"]),
        (&["loop0"], &[]),
    ] {
        let jobs = vec![What::Diskio { resources: Resources::devices(list).unwrap() }];
        let mut collector = collector(tree.root(), jobs).await;
        let collected = collector.collect(at(0)).await;
        let mut names: Vec<_> =
            collected.measurements.iter().map(|m| m.tags.get("name").unwrap().to_string()).collect();
        names.sort();
        assert_eq!(names, expected, "{list:?}");
    }
    for (list, expected) in [(&["lo"][..], &["lo"][..]), (&["wlp*", "enp3s0"], &["enp3s0", "wlp4s0"]), (&["eth0"], &[])]
    {
        let jobs = vec![What::Net { resources: Resources::new(list).unwrap() }];
        let mut collector = collector(tree.root(), jobs).await;
        collector.collect(at(0)).await;
        let collected = collector.collect(at(60)).await;
        let sent = collected.measurements.iter().filter(|m| m.field == "bytes_sent");
        let mut names: Vec<_> = sent.map(|m| m.tags.get("interface").unwrap().to_string()).collect();
        names.sort();
        assert_eq!(names, expected, "{list:?}");
    }
}

#[tokio::test]
async fn a_disk_that_is_unplugged_is_a_failure_and_the_others_are_measured() {
    let tree = pc();
    for folder in ["run", "proc", "sys", "home", "srv"] {
        tree.folder(&format!("mnt/{folder}"));
    }
    let chosen = Resources::new(&["/", "/home", "/mnt/*"]).unwrap();
    let jobs = vec![What::Disk { resources: chosen, ignored_types: Vec::new(), drop_device: true, volume_id: false }];
    let mut collector = collector(tree.root(), jobs).await;
    let collected = collector.collect(at(0)).await;
    assert!(collected.failures[0].doing.ends_with("/mnt/usb stick"), "{:?}", collected.failures);
    let totals: Vec<_> = collected.measurements.iter().filter(|m| m.field == "total").collect();
    let tags = |m: &raingauge::host::reading::Measurement| {
        m.tags.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>().join(",")
    };
    assert_eq!(totals.iter().map(|m| tags(m)).collect::<Vec<_>>(), ["fstype=ext4,path=/", "fstype=xfs,path=/home"]);
}

#[tokio::test]
async fn what_fails_in_every_pass_is_news_once_and_again_after_it_was_well() {
    let tree = pc();
    for folder in ["run", "proc", "sys", "home", "srv"] {
        tree.folder(&format!("mnt/{folder}"));
    }
    let chosen = Resources::new(&["/", "/mnt/*"]).unwrap();
    let jobs = vec![What::Disk { resources: chosen, ignored_types: Vec::new(), drop_device: true, volume_id: false }];
    let mut collector = collector(tree.root(), jobs).await;
    let mut counts = Vec::new();
    for pass in 0..6 {
        match pass {
            3 => tree.folder("mnt/mnt/usb stick"),
            4 => fs::remove_dir_all(tree.path().join("mnt/mnt/usb stick")).unwrap(),
            _ => {}
        }
        let collected = collector.collect(at(60 * pass)).await;
        counts.push((collected.failures.len(), collected.news.len()));
    }
    assert_eq!(counts, [(1, 1), (1, 0), (1, 0), (0, 0), (1, 1), (1, 0)]);
}

#[tokio::test]
async fn the_volume_of_a_file_system_is_what_its_disk_says() {
    let tree = pc();
    tree.write(
        "proc/1/mountinfo",
        "1 0 259:1 / / rw - ext4 /dev/nvme0n1p1 rw\n2 1 259:2 / /data rw - xfs /dev/nvme1n1 rw\n\
         3 1 8:1 / /home rw - ext4 /dev/sda1 rw\n",
    );
    for (number, disk, folder, serial) in [
        ("259:1", "nvme0n1", "nvme0n1/nvme0n1p1", "vol0123456789abcdef0\n"),
        ("259:2", "nvme1n1", "nvme1n1", "vol-00ff\n"),
        ("8:1", "sda", "sda/sda1", "S3EWNX0K\n"),
    ] {
        tree.write(&format!("sys/devices/{disk}/device/serial"), serial);
        tree.folder(&format!("sys/devices/{folder}"));
        if disk != folder {
            tree.write(&format!("sys/devices/{folder}/partition"), "1\n");
        }
        tree.folder("sys/dev/block");
        let target = format!("../../devices/{folder}");
        std::os::unix::fs::symlink(target, tree.path().join("sys/dev/block").join(number)).unwrap();
    }
    for folder in ["data", "home"] {
        tree.folder(&format!("mnt/{folder}"));
    }
    let disk =
        |volume_id| What::Disk { resources: Resources::All, ignored_types: Vec::new(), drop_device: true, volume_id };
    let mut collector = collector(tree.root(), vec![disk(true), disk(false)]).await;
    let collected = collector.collect(at(0)).await;
    let volumes = |job| {
        let of_job = collected.measurements.iter().filter(move |m| m.job == job && m.field == "total");
        of_job.map(|m| m.tags.get("VolumeId").map(ToString::to_string)).collect::<Vec<_>>()
    };
    assert_eq!(volumes(0), [Some("vol-0123456789abcdef0".into()), Some("vol-00ff".into()), None]);
    assert_eq!(volumes(1), [None, None, None]);
}

/// On one thread, nobody takes a packet while they are sent: the kernel's buffer overflows.
#[tokio::test]
async fn packets_that_the_kernel_dropped_are_counted_and_told_once() {
    let statsd = Statsd { address: "127.0.0.1:0".into(), aggregation: None, separator: "_".into() };
    let port = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let statsd = Statsd { address: format!("127.0.0.1:{port}").into(), ..statsd };
    let root = raingauge::host::root::Root::default();
    let mut collector = collector(root, vec![What::Statsd(statsd)]).await;
    let sender = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let (mut dropped, mut taken, mut news) = (0, 0, Vec::new());
    for pass in 0..3 {
        for _ in 0..20_000 {
            sender.send_to(b"c:1|c", ("127.0.0.1", port)).unwrap();
        }
        let collected = collector.collect(at(60 * pass)).await;
        dropped += collected.statsd.dropped_packets;
        taken += collected.statsd.packets;
        news.push(collected.news.len());
        tokio::task::yield_now().await;
    }
    while dropped + taken < 60_000 {
        tokio::task::yield_now().await;
        let collected = collector.collect(at(600 + i64::try_from(taken).unwrap())).await;
        dropped += collected.statsd.dropped_packets;
        taken += collected.statsd.packets;
        if collected.statsd.packets == 0 && collected.statsd.dropped_packets == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    assert!(dropped > 0 && taken > 0 && dropped + taken == 60_000, "{dropped} dropped, {taken} taken");
    assert_eq!(news, [1, 0, 0]);
}

const HEAD: &str = "Inter-|   Receive                        |  Transmit\n face |bytes packets errs drop fifo frame compressed multicast|bytes\n";

#[tokio::test]
async fn interfaces_that_vanish_and_counters_that_wrap_make_gaps_and_no_nonsense() {
    let tree = pc();
    let line = |name: &str, bytes: u64| format!("{name}: {bytes} 1 0 0 0 0 0 0 {bytes} 1 0 0 0 0 0 0\n");
    let table = |lines: &[String]| tree.write("proc/net/dev", &(HEAD.to_owned() + &lines.concat()));
    for name in ["eth0", "veth1"] {
        tree.write(&format!("sys/class/net/{name}/flags"), "0x1003\n");
    }
    let mut collector = collector(tree.root(), vec![What::Net { resources: Resources::All }]).await;
    let near_the_end = u64::from(u32::MAX) - 10;
    let mut seen = Vec::new();
    for (pass, lines) in (0..).zip([
        vec![line("eth0", near_the_end), line("veth1", 500)],
        vec![line("eth0", near_the_end + 5), line("veth1", 600)],
        // The container is gone; the 32-bit counter has begun anew.
        vec![line("eth0", 20)],
        // Another container has its name.
        vec![line("eth0", 30), line("veth1", 7)],
        vec![line("eth0", 30), line("veth1", 9)],
    ]) {
        table(&lines);
        let collected = collector.collect(at(60 * pass)).await;
        assert!(collected.failures.is_empty(), "{:?}", collected.failures);
        let of = |name: &str| {
            let is_it = |m: &&raingauge::host::reading::Measurement| {
                m.field == "bytes_recv" && m.tags.get("interface").is_some_and(|i| &**i == name)
            };
            collected.measurements.iter().find(is_it).map(number)
        };
        seen.push((of("eth0"), of("veth1")));
    }
    let expected = [(None, None), (Some(5.0), Some(100.0)), (None, None), (Some(10.0), None), (Some(0.0), Some(2.0))];
    assert_eq!(seen, expected);
}

/// Passes follow the steady clock and are stamped with what the machine says; neither is early or left out.
#[tokio::test]
async fn a_clock_that_is_set_moves_the_stamps_and_not_the_passes() {
    let tree = pc();
    let mut collector = collector(tree.root(), vec![What::Mem, What::Processes]).await;
    let mut stamps = Vec::new();
    for (steady, wall) in [(0, 0), (60, 60), (120, -86_400), (180, -86_340), (240, 1_000_000)] {
        let now = raingauge::model::Now { wall: at(wall).wall, steady: at(steady).steady };
        let due = collector.next_due().unwrap();
        assert_eq!(due.as_secs(), at(steady).steady.as_secs(), "{steady}");
        let collected = collector.collect(now).await;
        let total: Vec<_> = collected.measurements.iter().filter(|m| m.field == "total").map(|m| m.when).collect();
        assert_eq!(total, [at(wall).wall; 2]);
        stamps.push(wall);
    }
    assert_eq!(stamps.len(), 5);
}
