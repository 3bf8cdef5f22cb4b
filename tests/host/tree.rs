//! A `/proc` and a `/sys` of our own, unpacked from a text.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use raingauge::host::collect::{Collected, Collector};
use raingauge::host::job::{HostSettings, Job, What};
use raingauge::host::reading::{Measurement, Value};
use raingauge::host::root::Root;
use raingauge::model::{Now, Timestamp};
use tempfile::TempDir;

/// When the first sample was taken.
pub(crate) const FIRST_SECONDS: i64 = 1_795_217_000;

/// A machine.
pub(crate) struct Tree {
    folder: TempDir,
}

impl Tree {
    pub(crate) fn new() -> Self {
        // In memory where that is possible: a machine has tens of thousands of files.
        let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
        Self { folder: folder.unwrap() }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Its roots; its file systems are folders below `mnt`.
    pub(crate) fn root(&self) -> Root {
        Root {
            proc: self.path().join("proc"),
            sys: self.path().join("sys"),
            run: self.path().join("run"),
            mount_prefix: Some(self.path().join("mnt")),
        }
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub(crate) fn folder(&self, name: &str) {
        fs::create_dir_all(self.path().join(name)).unwrap();
    }

    /// Unpacks one sample of a fixture (see fixtures/host/README.md).
    pub(crate) fn unpack(&self, sample: &str) {
        for part in sample.split("### ").skip(1) {
            let (head, body) = part.split_once('\n').unwrap();
            if let Some((name, target)) = head.split_once(" -> ") {
                let path = self.path().join(name);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                symlink(target, path).unwrap();
            } else if name_of_list_of_arguments(head) {
                self.write(head, &body.trim_end_matches('\n').replace("\\0", "\0"));
            } else {
                self.write(head, body);
            }
        }
    }
}

fn name_of_list_of_arguments(name: &str) -> bool {
    name.ends_with("cmdline")
}

/// A moment of the machine; both clocks agree.
pub(crate) fn at(seconds: i64) -> Now {
    let t = Timestamp::from_secs(FIRST_SECONDS + seconds);
    Now { wall: t, steady: t }
}

/// A collector of these jobs, each with all its measurements and 60 s.
pub(crate) async fn collector(root: Root, jobs: Vec<What>) -> Collector {
    let jobs = jobs.into_iter().map(|what| Job {
        wanted: raingauge::host::job::Wanted::all(what.plugin()),
        what,
        interval: std::time::Duration::from_secs(60),
    });
    let settings = HostSettings { jobs: jobs.collect() };
    let (collector, failures) = Collector::start(root, settings, at(-1)).await;
    assert!(failures.is_empty(), "{failures:?}");
    collector
}

/// `name tags value unit`, sorted.
pub(crate) fn shown(collected: &Collected) -> Vec<String> {
    let mut lines: Vec<String> = collected.measurements.iter().map(show).collect();
    lines.sort();
    lines
}

fn show(m: &Measurement) -> String {
    let tags: Vec<String> = m.tags.iter().map(|(k, v)| format!("{k}={v}")).collect();
    format!("{} [{}] {} {}", m.name(), tags.join(","), number(m), m.unit.as_str())
}

/// The number of a measurement.
pub(crate) fn number(m: &Measurement) -> f64 {
    let Value::Number(n) = m.value else { panic!("{m:?}") };
    n
}
