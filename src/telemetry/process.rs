//! The `process_` metrics that every Prometheus client offers, read from `/proc/self`. Where there is no `/proc` there are
//! none of them.
//!
//! Sizes come from `status`, which counts in kB: pages are not 4 KiB everywhere (a Raspberry Pi 5 has 16 KiB).

use std::fs;

use super::metrics::Type;
use super::text::FamilyText;

/// The kernel counts CPU time for programs in hundredths of a second on every architecture that we run on.
const TICKS_PER_SECOND: f64 = 100.0;

/// Name, type and help of each of them.
pub(super) const FAMILIES: [(&str, Type, &str); 6] = [
    ("process_cpu_seconds_total", Type::Counter, "Total user and system CPU time spent in seconds."),
    ("process_max_fds", Type::Gauge, "Maximum number of open file descriptors."),
    ("process_open_fds", Type::Gauge, "Number of open file descriptors."),
    ("process_resident_memory_bytes", Type::Gauge, "Resident memory size in bytes."),
    ("process_start_time_seconds", Type::Gauge, "Start time of the process in Unix time."),
    ("process_virtual_memory_bytes", Type::Gauge, "Virtual memory size in bytes."),
];

/// What there is now, in the order of [`FAMILIES`].
pub(super) fn families(started_seconds: Option<f64>) -> Vec<FamilyText> {
    let read = |file| fs::read_to_string(file).unwrap_or_default();
    let status = read("/proc/self/status");
    let values = [
        cpu_seconds(&read("/proc/self/stat")),
        max_fds(&read("/proc/self/limits")),
        open_fds(),
        status_bytes(&status, "VmRSS:"),
        started_seconds,
        status_bytes(&status, "VmSize:"),
    ];
    FAMILIES
        .iter()
        .zip(values)
        .filter_map(|((name, kind, help), value)| {
            let samples = vec![format!("{name} {}\n", value?)];
            Some(FamilyText { name: (*name).to_owned(), kind: *kind, help: (*help).to_owned(), samples })
        })
        .collect()
}

/// What the process takes of the machine's memory.
pub(super) fn resident_bytes() -> Option<f64> {
    status_bytes(&fs::read_to_string("/proc/self/status").unwrap_or_default(), "VmRSS:")
}

/// When the process was started, in Unix time. It never changes, and `/proc/stat` is long on large machines: ask once.
pub(super) fn started_seconds() -> Option<f64> {
    let ticks = stat_field(&fs::read_to_string("/proc/self/stat").ok()?, 22)?;
    let boot: f64 =
        fs::read_to_string("/proc/stat").ok()?.lines().find_map(|l| l.strip_prefix("btime "))?.parse().ok()?;
    Some(boot + ticks / TICKS_PER_SECOND)
}

/// User and system time, both counted in ticks.
fn cpu_seconds(stat: &str) -> Option<f64> {
    Some((stat_field(stat, 14)? + stat_field(stat, 15)?) / TICKS_PER_SECOND)
}

/// A field of `stat`, counted from 1 as in proc(5). The second one, the program's name, may hold anything, also spaces and
/// parentheses; the fields behind it are counted from its end.
fn stat_field(stat: &str, number: usize) -> Option<f64> {
    let (_, behind_name) = stat.rsplit_once(')')?;
    behind_name.split_ascii_whitespace().nth(number.checked_sub(3)?)?.parse().ok()
}

/// A line of `status`: `VmRSS:     1234 kB`.
fn status_bytes(status: &str, key: &str) -> Option<f64> {
    let line = status.lines().find_map(|l| l.strip_prefix(key))?;
    let kilobytes: f64 = line.split_ascii_whitespace().next()?.parse().ok()?;
    Some(kilobytes * 1024.0)
}

/// The soft limit; absent when there is none.
fn max_fds(limits: &str) -> Option<f64> {
    limits.lines().find_map(|l| l.strip_prefix("Max open files"))?.split_ascii_whitespace().next()?.parse().ok()
}

/// Reading the directory takes a descriptor of its own, which does not count.
fn open_fds() -> Option<f64> {
    let count = fs::read_dir("/proc/self/fd").ok()?.count().saturating_sub(1);
    u32::try_from(count).ok().map(f64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_and_spaces_does_not_shift_the_fields() {
        let stat =
            "17 (a) b) c) S 1 17 17 0 -1 4194560 1 0 0 0 250 50 0 0 20 0 3 0 12345 1000 200 18446744073709551615";
        assert_eq!(cpu_seconds(stat), Some(3.0));
        assert_eq!(stat_field(stat, 22), Some(12_345.0));
        assert_eq!(cpu_seconds("17 (cut"), None);
    }

    #[test]
    fn sizes_and_limits_are_read_from_their_lines() {
        let status = "Name:\tx\nVmSize:\t    2048 kB\nVmRSS:\t       4 kB\n";
        assert_eq!(status_bytes(status, "VmRSS:"), Some(4096.0));
        assert_eq!(status_bytes(status, "VmSwap:"), None);
        assert_eq!(
            max_fds("Limit  Soft  Hard  Units\nMax open files            1024     524288    files\n"),
            Some(1024.0)
        );
        assert_eq!(max_fds("Max open files            unlimited     unlimited    files\n"), None);
    }
}
