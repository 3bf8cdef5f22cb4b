//! Parsers take any text; formulas that need no machine.

use proptest::prelude::*;

use super::disk::{Mount, Space};
use super::exposition::{Facts, snapshot};
use super::job::{Plugin, Resources, Selector, Wanted};
use super::output::Output;
use super::reading::{Measurement, Value};
use super::{cpu, disk, diskio, exposition, mem, net, netstat, processes, procstat, swap, system};
use crate::model::Timestamp;

fn measured(plugin: Plugin, measure: impl FnOnce(&mut Output<'_>)) -> Vec<Measurement> {
    let mut list = Vec::new();
    let wanted = Wanted::all(plugin);
    let when = Timestamp::from_secs(1);
    measure(&mut Output { job: 0, plugin, wanted: &wanted, when, list: &mut list });
    list
}

fn value(list: &[Measurement], field: &str) -> f64 {
    match list.iter().find(|m| m.field == field).map(|m| &m.value) {
        Some(Value::Number(n)) => *n,
        other => panic!("{field}: {other:?}"),
    }
}

/// Sizes that the CloudWatch agent 1.300052.0 sent of one file system, all from the same moment.
#[test]
fn a_file_system_is_measured_as_the_agent_does() {
    let mounts = disk::parse_mountinfo("21 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n");
    let (total, used, available) = (270_553_174_016_u64, 27_976_896_512, 69_816_397_824);
    let space = Space { size: total, free: total - used, available, files: 16_777_216, files_free: 16_033_702 };
    let list = measured(Plugin::Disk, |out| disk::measure(&mounts[0], &space, false, out));
    for (field, expected) in [
        ("total", 270_553_174_016.0),
        ("free", 69_816_397_824.0),
        ("used", 27_976_896_512.0),
        ("used_percent", 28.608_195_175_301_553),
        ("inodes_total", 16_777_216.0),
        ("inodes_free", 16_033_702.0),
        ("inodes_used", 743_514.0),
    ] {
        assert!((value(&list, field) - expected).abs() < 1e-9, "{field}");
    }
    let nothing = measured(Plugin::Disk, |out| disk::measure(&mounts[0], &Space::default(), false, out));
    assert_eq!(nothing, [], "without a size there is nothing to measure");
}

#[test]
fn mounts_that_hide_others_and_types_that_are_ignored() {
    let mounts = disk::parse_mounts(
        "rootfs / rootfs rw 0 0\n/dev/sda1 / ext4 ro,noatime 0 0\nsystemd-1 /net autofs rw 0 0\ntmpfs /tmp tmpfs rw 0 0\n",
    );
    let paths: Vec<_> = mounts.iter().map(|m| (&*m.path, m.device(), m.is_read_only)).collect();
    assert_eq!(
        paths,
        [("/", "sda1".to_owned(), true), ("/net", "systemd-1".to_owned(), false), ("/tmp", "tmpfs".to_owned(), false)]
    );
    let chosen = |resources: &Resources, ignored: &[&str]| {
        let ignored: Vec<_> = ignored.iter().map(|t| (*t).into()).collect();
        let chosen = mounts.iter().filter(|m| disk::is_chosen(m, resources, &ignored));
        chosen.map(|m| m.path.clone()).collect::<Vec<_>>()
    };
    assert_eq!(chosen(&Resources::All, &[]), ["/", "/tmp"], "asking autofs would mount it");
    assert_eq!(chosen(&Resources::All, &["tmpfs"]), ["/"]);
    assert_eq!(chosen(&Resources::new(&["/t*"]).unwrap(), &[]), ["/tmp"]);
}

#[test]
fn names_that_are_not_shown_at_metrics() {
    let mount = |path: &str, fstype: &str| Mount {
        number: String::new(),
        path: path.to_owned(),
        fstype: fstype.to_owned(),
        source: "x".to_owned(),
        is_read_only: false,
        volume: String::new(),
    };
    for (path, fstype, expected) in [
        ("/", "ext4", true),
        ("/", "overlay", true),
        ("/var/lib/docker/overlay2/abc/merged", "overlay", false),
        ("/var/lib/docker/x", "ext4", false),
        ("/var/lib/dockerish", "ext4", true),
        ("/dev/shm", "tmpfs", false),
        ("/run", "tmpfs", true),
        ("/snap/core/1", "squashfs", false),
        ("/sys/fs/cgroup", "cgroup2", false),
    ] {
        assert_eq!(exposition::is_shown_mount(&mount(path, fstype)), expected, "{path} {fstype}");
    }
    for (name, expected) in [
        ("sda", true),
        ("sda1", false),
        ("vdb", true),
        ("xvda1", false),
        ("nvme0n1", true),
        ("nvme0n1p2", false),
        ("mmcblk0", true),
        ("mmcblk0p1", true),
        ("loop0", false),
        ("ram15", false),
        ("zram0", true),
        ("dm-0", true),
        ("md127", true),
        ("sr0", true),
    ] {
        assert_eq!(exposition::is_shown_device(name), expected, "{name}");
    }
}

/// Everything that reads text, on one text.
fn read_all(text: &str, other: &str) -> Vec<Measurement> {
    let (now, before) = (cpu::parse(text), cpu::parse(other));
    let mut all = measured(Plugin::Cpu, |out| cpu::measure(&now, Some(&before), true, true, out));
    let meminfo = mem::Meminfo::parse(text);
    all.extend(measured(Plugin::Mem, |out| mem::measure(&meminfo, out)));
    all.extend(measured(Plugin::Swap, |out| swap::measure(&meminfo, out)));
    let (devices, earlier) = (diskio::parse(text), diskio::parse(other));
    all.extend(measured(Plugin::Diskio, |out| diskio::measure(&devices, Some(&earlier), &Resources::All, out)));
    let (interfaces, earlier) = (net::parse(text), net::parse(other));
    all.extend(measured(Plugin::Net, |out| net::measure(&interfaces, Some(&earlier), &Resources::All, out)));
    let mut counts = netstat::Counts::default();
    for (line, (table, _)) in text.lines().zip(netstat::Table::ALL.into_iter().cycle()) {
        counts.add(table, line);
    }
    all.extend(measured(Plugin::Netstat, |out| netstat::measure(&counts, out)));
    let mut states = processes::States::default();
    if let Some(stat) = processes::ProcessStat::parse(text) {
        states.add(&stat);
    }
    all.extend(measured(Plugin::Processes, |out| processes::measure(&states, out)));
    all.extend(measured(Plugin::System, |out| system::measure(text, other, &now, out)));
    let some = || Some(text.to_owned());
    let texts = procstat::Texts {
        pid: 1,
        stat: text.to_owned(),
        cmdline: some(),
        status: some(),
        io: some(),
        limits: some(),
        descriptors: None,
    };
    let before = texts.remember();
    let selector = Selector::PidFile("x".into());
    all.extend(measured(Plugin::Procstat, |out| procstat::measure(&texts, before.as_ref(), 1.0, &selector, out)));
    let mounts = [disk::parse_mountinfo(text), disk::parse_mounts(text)].concat();
    let facts = Facts {
        stat: some(),
        meminfo: some(),
        vmstat: some(),
        loadavg: some(),
        sockstat: some(),
        file_nr: some(),
        devices,
        interfaces: interfaces.into_iter().map(|i| (i, some())).collect(),
        spaces: mounts.into_iter().map(|m| (m, Space::default())).collect(),
        ..Facts::default()
    };
    let (wall, steady) = (Timestamp::from_secs(-1), Timestamp::from_secs(1));
    let page = snapshot(&facts, wall, steady, None, std::time::Duration::from_secs(1));
    assert_eq!(page.set.series.len(), page.cells.len());
    all
}

fn assert_sound(list: &[Measurement]) {
    for m in list {
        let Value::Number(n) = m.value else { panic!("{m:?}") };
        assert!(n.is_finite(), "{m:?}");
        let is_share = m.unit == super::job::Unit::Percent && m.plugin != Plugin::Procstat;
        assert!(!is_share || (0.0..=100.0).contains(&n), "{m:?}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read(a in proptest::collection::vec(any::<u8>(), 0..200), b in proptest::collection::vec(any::<u8>(), 0..200)) {
        assert_sound(&read_all(&String::from_utf8_lossy(&a), &String::from_utf8_lossy(&b)));
    }

    /// Lines as the kernel writes them, but with any numbers in them, also the largest, and cut anywhere.
    #[test]
    fn lines_with_any_numbers_are_read(n in proptest::collection::vec(prop_oneof![any::<u64>(), 0..2000_u64], 24), cut in 0..2000_usize) {
        let words = n.iter().map(u64::to_string).collect::<Vec<_>>().join(" ");
        let text = |words: &str| format!(
            "cpu  {words}\ncpu0 {words}\n8 0 sda {words}\neth0: {words}\nMemTotal: {} kB\nMemFree: {} kB\nCached: {} kB\n\
             SwapTotal: {} kB\nSwapFree: {} kB\n0: 0100007F:0016 00000000:0000 0A {words}\n\
             1 (a b) S {words}\nVmRSS: {} kB\nMax open files {words}\n21 1 8:0 / /x\\040y rw - ext4 /dev/sda rw\n",
            n[0], n[1], n[2], n[3], n[4], n[5],
        );
        let (now, before) = (text(&words), text("1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16"));
        assert_sound(&read_all(&now, &before));
        assert_sound(&read_all(&before, &now));
        let cut: String = now.chars().take(cut).collect();
        assert_sound(&read_all(&cut, &before));
    }
}
