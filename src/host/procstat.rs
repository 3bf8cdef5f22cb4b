//! Chosen processes: `/proc/PID/{stat,status,io,limits,cmdline,fd}`.
//!
//! There is no tag with the process id: several processes of one name give several measurements of one series, as the
//! CloudWatch agent does it, and CloudWatch makes a sample set of them.

use super::cpu::TICKS_PER_SECOND;
use super::job::Selector;
use super::output::{Output, tags};
use super::processes::ProcessStat;
use super::text::{count, float, keyed};

/// The kernel cuts names to this length; a longer one is completed from the command line.
const SHORT_NAME_BYTES: usize = 15;

/// The texts of one process; `None` where it could not be read (not ours, or gone), or nobody asked for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Texts {
    pub(super) pid: u32,
    pub(super) stat: String,
    pub(super) cmdline: Option<String>,
    pub(super) status: Option<String>,
    pub(super) io: Option<String>,
    pub(super) limits: Option<String>,
    pub(super) descriptors: Option<u64>,
}

/// What is kept of a process until the next pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Before {
    /// Process ids are used again; with the start they are unique.
    started_ticks: u64,
    busy_ticks: u64,
}

impl Texts {
    /// What to remember; `None` when the process is gone.
    pub(super) fn remember(&self) -> Option<Before> {
        let stat = ProcessStat::parse(&self.stat)?;
        Some(Before { started_ticks: stat.field(22)?, busy_ticks: busy_ticks(&stat)? })
    }

    /// The program's name: `comm`, completed from the first argument when it was cut.
    pub(super) fn name(&self) -> Option<String> {
        let short = ProcessStat::parse(&self.stat)?.name;
        if short.len() < SHORT_NAME_BYTES {
            return Some(short.to_owned());
        }
        let first = self.cmdline.as_deref().and_then(|c| c.split(['\0', ' ']).next()).unwrap_or_default();
        let last = first.rsplit('/').next().unwrap_or_default();
        Some(if last.starts_with(short) { last } else { short }.to_owned())
    }
}

/// Time on a processor, and waiting for disks.
fn busy_ticks(stat: &ProcessStat<'_>) -> Option<u64> {
    let waiting: u64 = stat.field(42).unwrap_or(0);
    Some(stat.field::<u64>(14)?.saturating_add(stat.field(15)?).saturating_add(waiting))
}

/// How many processes were found.
pub(super) fn measure_lookup(selector: &Selector, found: usize, out: &mut Output<'_>) {
    let (tag, value) = selector.tag();
    out.put("pid_count", &tags(&[(tag, value), ("pid_finder", "native")]), count(found));
}

/// The measurements of one process. `elapsed_seconds` is the time since `before`.
pub(super) fn measure(
    texts: &Texts,
    before: Option<&Before>,
    elapsed_seconds: f64,
    selector: &Selector,
    out: &mut Output<'_>,
) {
    let (Some(stat), Some(name)) = (ProcessStat::parse(&texts.stat), texts.name()) else { return };
    let (tag, value) = selector.tag();
    let tags = tags(&[(tag, value), ("process_name", &name)]);
    let mut put = |field: &str, value: Option<f64>| {
        if let Some(value) = value {
            out.put(field, &tags, value);
        }
    };
    put("pid", Some(f64::from(texts.pid)));
    put("cpu_usage", cpu_usage(texts.remember(), before, elapsed_seconds));
    of_stat(&stat, &mut put);
    if let Some(status) = &texts.status {
        of_status(status, &mut put);
    }
    if let Some(io) = &texts.io {
        for (field, key) in [
            ("read_count", "syscr:"),
            ("write_count", "syscw:"),
            ("read_bytes", "read_bytes:"),
            ("write_bytes", "write_bytes:"),
        ] {
            put(field, keyed(io, key).map(float));
        }
    }
    put("num_fds", texts.descriptors.map(float));
    if let Some(limits) = &texts.limits {
        of_limits(limits, &mut put);
    }
}

/// Per hundred of one processor: more than one thread can make it more than 100.
fn cpu_usage(now: Option<Before>, before: Option<&Before>, elapsed_seconds: f64) -> Option<f64> {
    let (now, before) = (now?, before?);
    let is_same = now.started_ticks == before.started_ticks && elapsed_seconds > 0.0;
    let growth = now.busy_ticks.checked_sub(before.busy_ticks).filter(|_| is_same)?;
    Some(100.0 * float(growth) / TICKS_PER_SECOND / elapsed_seconds)
}

fn of_stat(stat: &ProcessStat<'_>, put: &mut impl FnMut(&str, Option<f64>)) {
    let seconds = |field| stat.field::<u64>(field).map(|ticks| float(ticks) / TICKS_PER_SECOND);
    let (user, system) = (seconds(14), seconds(15));
    put("cpu_time_user", user);
    put("cpu_time_system", system);
    put("cpu_time_iowait", seconds(42));
    put("cpu_time", user.zip(system).map(|(user, system)| (user + system).trunc()));
    // The kernel does not tell these of a process; the CloudWatch agent sends zeros.
    for field in ["guest", "guest_nice", "idle", "irq", "nice", "soft_irq", "steal"] {
        put(&format!("cpu_time_{field}"), Some(0.0));
    }
    put("num_threads", stat.field(20));
    put("nice_priority", stat.field(19));
    put("realtime_priority", stat.field(40));
}

fn of_status(status: &str, put: &mut impl FnMut(&str, Option<f64>)) {
    for (field, key) in [
        ("memory_data", "VmData:"),
        ("memory_locked", "VmLck:"),
        ("memory_rss", "VmRSS:"),
        ("memory_stack", "VmStk:"),
        ("memory_swap", "VmSwap:"),
        ("memory_vms", "VmSize:"),
    ] {
        // Kernel threads have no memory of their own.
        put(field, Some(float(keyed(status, key).unwrap_or(0).saturating_mul(1024))));
    }
    put("voluntary_context_switches", keyed(status, "voluntary_ctxt_switches:").map(float));
    put("involuntary_context_switches", keyed(status, "nonvoluntary_ctxt_switches:").map(float));
    let pending = |key: &str| {
        let mask = status.lines().find_map(|l| l.strip_prefix(key))?;
        u64::from_str_radix(mask.trim(), 16).ok().map(u64::count_ones)
    };
    put("signals_pending", pending("SigPnd:").zip(pending("ShdPnd:")).map(|(own, shared)| f64::from(own + shared)));
}

fn of_limits(limits: &str, put: &mut impl FnMut(&str, Option<f64>)) {
    for (field, key) in [
        ("cpu_time", "Max cpu time"),
        ("file_locks", "Max file locks"),
        ("memory_data", "Max data size"),
        ("memory_locked", "Max locked memory"),
        ("memory_rss", "Max resident set"),
        ("memory_stack", "Max stack size"),
        ("memory_vms", "Max address space"),
        ("nice_priority", "Max nice priority"),
        ("num_fds", "Max open files"),
        ("realtime_priority", "Max realtime priority"),
        ("signals_pending", "Max pending signals"),
    ] {
        let Some(rest) = limits.lines().find_map(|l| l.strip_prefix(key)) else { continue };
        let mut words = rest.split_ascii_whitespace().map(limit);
        put(&format!("rlimit_{field}_soft"), words.next().flatten());
        put(&format!("rlimit_{field}_hard"), words.next().flatten());
    }
}

/// No limit is written -1, as the CloudWatch agent does.
fn limit(word: &str) -> Option<f64> {
    if word == "unlimited" { Some(-1.0) } else { word.parse::<u64>().ok().map(float) }
}
