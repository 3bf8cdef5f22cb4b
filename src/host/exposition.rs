//! The host's numbers under node_exporter's names, so that its dashboards and alerts find their basics here. Pure.
//!
//! Counters are the kernel's own, since its start; nothing is computed but units (seconds, bytes). What could not be read is
//! absent. Deliberately absent: node_exporter's other collectors, and switches for these.

use std::sync::Arc;
use std::time::Duration;

use super::cpu::{self, TICKS_PER_SECOND, Times};
use super::disk::{Mount, Space};
use super::diskio::Device;
use super::mem::Meminfo;
use super::net::Interface;
use super::root::Uname;
use super::system::parse_load;
use super::text::{float, keyed};
use crate::model::{Cell, Family, Kind, LabelSet, SeriesSet, SeriesSetBuilder, Snapshot, Text, Timestamp};

mod columns;
mod skipped;

use columns::{DISK, NETWORK, STAT};
pub(super) use skipped::is_shown_mount;

/// What was read; `None` or empty where it could not be.
#[derive(Clone, Debug, Default)]
pub(super) struct Facts {
    pub(super) stat: Option<String>,
    pub(super) meminfo: Option<String>,
    pub(super) vmstat: Option<String>,
    pub(super) loadavg: Option<String>,
    pub(super) sockstat: Option<String>,
    pub(super) file_nr: Option<String>,
    pub(super) devices: Vec<Device>,
    /// With `operstate`, where it is known.
    pub(super) interfaces: Vec<(Interface, Option<String>)>,
    pub(super) spaces: Vec<(Mount, Space)>,
    /// Mounts that would not tell their size.
    pub(super) unasked: Vec<Mount>,
    pub(super) uname: Option<Uname>,
}

/// The snapshot of a pass. The set of the pass before is used again when it is the same, so that pages need not be laid out
/// anew.
pub(super) fn snapshot(
    facts: &Facts,
    wall: Timestamp,
    steady: Timestamp,
    before: Option<&Arc<SeriesSet>>,
    stale_after: Duration,
) -> Snapshot {
    let mut page = Page::default();
    page.stat(facts.stat.as_deref().unwrap_or_default());
    page.memory(facts.meminfo.as_deref().unwrap_or_default());
    page.vmstat(facts.vmstat.as_deref().unwrap_or_default());
    page.load(facts.loadavg.as_deref().unwrap_or_default());
    page.sockets(facts.sockstat.as_deref().unwrap_or_default());
    page.files(facts.file_nr.as_deref().unwrap_or_default());
    page.disks(&facts.devices);
    page.network(&facts.interfaces);
    page.filesystems(&facts.spaces, &facts.unasked);
    page.uname(facts.uname.as_ref());
    let now = float(u64::try_from(wall.as_millis()).unwrap_or(0)) / 1000.0;
    page.gauge("node_time_seconds", "The system's time, since 1970.", &[], now);
    page.finish(steady, before, stale_after)
}

#[derive(Default)]
struct Page {
    set: SeriesSetBuilder,
    values: Vec<f64>,
}

impl Page {
    fn add(&mut self, kind: Kind, name: &str, help: &str, labels: &[(&str, &str)], value: f64) {
        let family = self.set.family(Family { name: Text::from(name), help: Text::from(help), kind });
        let labels = LabelSet::new(labels.iter().map(|(n, v)| (Text::from(*n), Text::from(*v))).collect());
        let labels = self.set.labels(labels);
        self.set.push(family, labels);
        self.values.push(value);
    }

    fn gauge(&mut self, name: &str, help: &str, labels: &[(&str, &str)], value: f64) {
        self.add(Kind::Gauge, name, help, labels, value);
    }

    fn counter(&mut self, name: &str, help: &str, labels: &[(&str, &str)], value: f64) {
        self.add(Kind::Counter, name, help, labels, value);
    }

    fn finish(self, steady: Timestamp, before: Option<&Arc<SeriesSet>>, stale_after: Duration) -> Snapshot {
        let set = self.set.build();
        let set = match before {
            Some(before) if is_same(before, &set) => Arc::clone(before),
            _ => Arc::new(set),
        };
        let mut snapshot = Snapshot::empty(set, stale_after);
        for (position, value) in self.values.into_iter().enumerate() {
            snapshot.put(position, &[Cell::untimed(value)], steady);
        }
        snapshot
    }

    fn stat(&mut self, text: &str) {
        for (number, times) in cpu::parse(text).each {
            self.processor(&number.to_string(), &times);
        }
        for (key, name, kind, help) in STAT {
            if let Some(n) = keyed(text, key) {
                self.add(*kind, name, help, &[], float(n));
            }
        }
    }

    fn processor(&mut self, number: &str, t: &Times) {
        for (mode, ticks) in [
            ("idle", t.idle),
            ("iowait", t.iowait),
            ("irq", t.irq),
            ("nice", t.nice),
            ("softirq", t.softirq),
            ("steal", t.steal),
            ("system", t.system),
            ("user", t.user),
        ] {
            let labels = [("cpu", number), ("mode", mode)];
            let help = "Seconds that the processor spent in each mode.";
            self.counter("node_cpu_seconds_total", help, &labels, float(ticks) / TICKS_PER_SECOND);
        }
        for (mode, ticks) in [("nice", t.guest_nice), ("user", t.guest)] {
            let labels = [("cpu", number), ("mode", mode)];
            let help =
                "Seconds that the processor spent in guests of each mode; inside those of node_cpu_seconds_total.";
            self.counter("node_cpu_guest_seconds_total", help, &labels, float(ticks) / TICKS_PER_SECOND);
        }
    }

    fn memory(&mut self, text: &str) {
        for line in Meminfo::parse(text).0 {
            let field = line.name.replace('(', "_").replace(')', "");
            let unit = if line.is_bytes { "_bytes" } else { "" };
            let help = format!("{} of /proc/meminfo.", line.name);
            self.gauge(&format!("node_memory_{field}{unit}"), &help, &[], float(line.value));
        }
    }

    fn vmstat(&mut self, text: &str) {
        for (key, n) in text.lines().filter_map(|l| l.split_once(' ')) {
            let is_basic = ["oom_kill", "pgpg", "pswp"].iter().any(|p| key.starts_with(p))
                || (key.starts_with("pg") && key.ends_with("fault"));
            if let (true, Ok(n)) = (is_basic, n.trim().parse()) {
                self.counter(&format!("node_vmstat_{key}"), &format!("{key} of /proc/vmstat."), &[], float(n));
            }
        }
    }

    fn load(&mut self, text: &str) {
        let minutes = ["1", "5", "15"];
        for (minutes, load) in minutes.into_iter().zip(parse_load(text).into_iter().flatten()) {
            let help = format!("Processes that run or want to, average of {minutes} min.");
            self.gauge(&format!("node_load{minutes}"), &help, &[], load);
        }
    }

    fn sockets(&mut self, text: &str) {
        for (protocol, rest) in text.lines().filter_map(|l| l.split_once(':')) {
            let words: Vec<&str> = rest.split_ascii_whitespace().collect();
            for pair in words.chunks_exact(2) {
                if let [key, n] = pair
                    && let Ok(n) = n.parse()
                {
                    let help = format!("{key} of {protocol} in /proc/net/sockstat.");
                    self.gauge(&format!("node_sockstat_{protocol}_{key}"), &help, &[], float(n));
                }
            }
        }
    }

    fn files(&mut self, text: &str) {
        let numbers = super::text::numbers(text);
        if let [allocated, _, maximum, ..] = numbers[..] {
            self.gauge("node_filefd_allocated", "Open file handles.", &[], float(allocated));
            self.gauge("node_filefd_maximum", "How many file handles may be open.", &[], float(maximum));
        }
    }

    fn disks(&mut self, devices: &[Device]) {
        for device in devices.iter().filter(|d| skipped::is_shown_device(&d.name)) {
            for (place, (name, kind, unit, help)) in DISK.iter().enumerate() {
                if let Some(n) = device.counters.get(place) {
                    self.add(*kind, name, help, &[("device", &device.name)], unit.convert(*n));
                }
            }
        }
    }

    fn network(&mut self, interfaces: &[(Interface, Option<String>)]) {
        for (interface, operstate) in interfaces {
            let labels = [("device", &*interface.name)];
            for (column, (name, help)) in NETWORK.iter().enumerate() {
                self.counter(name, help, &labels, float(interface.counter(column)));
            }
            if let Some(state) = operstate {
                let is_up = f64::from(u8::from(state.trim() == "up"));
                self.gauge("node_network_up", "1 when the interface's operational state is up.", &labels, is_up);
            }
        }
    }

    fn filesystems(&mut self, spaces: &[(Mount, Space)], unasked: &[Mount]) {
        let asked = spaces.iter().map(|(mount, _)| (mount, 0.0));
        for (mount, is_error) in asked.chain(unasked.iter().map(|mount| (mount, 1.0))) {
            let help = "1 when the file system would not tell its size.";
            self.gauge("node_filesystem_device_error", help, &mount_labels(mount), is_error);
        }
        for (mount, space) in spaces {
            let labels = mount_labels(mount);
            for (what, help, n) in [
                ("avail_bytes", "Free for everybody, in bytes.", space.available),
                ("files", "File nodes.", space.files),
                ("files_free", "Free file nodes.", space.files_free),
                ("free_bytes", "Free, also for root only, in bytes.", space.free),
                ("readonly", "1 when mounted read-only.", u64::from(mount.is_read_only)),
                ("size_bytes", "Size of the file system in bytes.", space.size),
            ] {
                self.gauge(&format!("node_filesystem_{what}"), help, &labels, float(n));
            }
        }
    }

    fn uname(&mut self, uname: Option<&Uname>) {
        let Some(u) = uname else { return };
        let labels = [
            ("domainname", &*u.domainname),
            ("machine", &*u.machine),
            ("nodename", &*u.nodename),
            ("release", &*u.release),
            ("sysname", &*u.sysname),
            ("version", &*u.version),
        ];
        self.gauge("node_uname_info", "Always 1; the labels are what uname(2) says.", &labels, 1.0);
    }
}

fn mount_labels(mount: &Mount) -> [(&str, &str); 3] {
    [("device", &mount.source), ("fstype", &mount.fstype), ("mountpoint", &mount.path)]
}

fn is_same(a: &SeriesSet, b: &SeriesSet) -> bool {
    a.series == b.series && a.families == b.families && a.label_sets == b.label_sets
}
