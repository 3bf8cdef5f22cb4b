//! Processors: `/proc/stat`.
//!
//! Times are the kernel's, since the start of the machine; usage is the share of each kind of time in what passed between
//! two passes. Time of guests is inside `user` and `nice`; for usage it is taken out, as the CloudWatch agent does.

use super::output::{Output, tags};
use super::text::{float, numbers};

/// Ticks per second in everything that the kernel tells programs, on every architecture that we run on.
pub(super) const TICKS_PER_SECOND: f64 = 100.0;
/// Processors beyond these are not looked at: no kernel has more.
const MAX_CPUS: usize = 8192;

/// What a processor did, in ticks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Times {
    pub(super) user: u64,
    pub(super) nice: u64,
    pub(super) system: u64,
    pub(super) idle: u64,
    pub(super) iowait: u64,
    pub(super) irq: u64,
    pub(super) softirq: u64,
    pub(super) steal: u64,
    pub(super) guest: u64,
    pub(super) guest_nice: u64,
}

impl Times {
    fn parse(words: &str) -> Option<Self> {
        let ticks = numbers(words);
        if ticks.len() < 4 {
            return None;
        }
        // Old kernels have fewer columns.
        let at = |n: usize| ticks.get(n).copied().unwrap_or(0);
        Some(Self {
            user: at(0),
            nice: at(1),
            system: at(2),
            idle: at(3),
            iowait: at(4),
            irq: at(5),
            softirq: at(6),
            steal: at(7),
            guest: at(8),
            guest_nice: at(9),
        })
    }

    fn total(&self) -> f64 {
        [self.user, self.nice, self.system, self.idle, self.iowait, self.irq, self.softirq, self.steal]
            .into_iter()
            .map(float)
            .sum()
    }

    fn active(&self) -> f64 {
        self.total() - float(self.idle)
    }
}

/// What `/proc/stat` says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Stat {
    /// All processors together.
    pub(super) total: Option<Times>,
    /// Number and times of each processor that is online.
    pub(super) each: Vec<(u32, Times)>,
}

/// Reads `/proc/stat`.
pub(super) fn parse(text: &str) -> Stat {
    let mut stat = Stat::default();
    for line in text.lines() {
        let Some(rest) = line.strip_prefix("cpu") else { continue };
        let Some((number, words)) = rest.split_once(' ') else { continue };
        if number.is_empty() {
            stat.total = Times::parse(words);
        } else if let (Ok(number), Some(times)) = (number.parse(), Times::parse(words))
            && stat.each.len() < MAX_CPUS
        {
            stat.each.push((number, times));
        }
    }
    stat
}

/// The measurements. Without an earlier sample there are times, but no usage.
pub(super) fn measure(now: &Stat, before: Option<&Stat>, per_cpu: bool, total: bool, out: &mut Output<'_>) {
    if per_cpu {
        for (number, times) in &now.each {
            let earlier = before.and_then(|b| b.each.iter().find(|(n, _)| n == number)).map(|(_, t)| t);
            measure_one(&format!("cpu{number}"), times, earlier, out);
        }
    }
    if let (true, Some(times)) = (total, &now.total) {
        measure_one("cpu-total", times, before.and_then(|b| b.total.as_ref()), out);
    }
}

fn measure_one(name: &str, now: &Times, before: Option<&Times>, out: &mut Output<'_>) {
    let tags = tags(&[("cpu", name)]);
    for (field, ticks) in [
        ("time_active", now.active()),
        ("time_guest", float(now.guest)),
        ("time_guest_nice", float(now.guest_nice)),
        ("time_idle", float(now.idle)),
        ("time_iowait", float(now.iowait)),
        ("time_irq", float(now.irq)),
        ("time_nice", float(now.nice)),
        ("time_softirq", float(now.softirq)),
        ("time_steal", float(now.steal)),
        ("time_system", float(now.system)),
        ("time_user", float(now.user)),
    ] {
        out.put(field, &tags, ticks / TICKS_PER_SECOND);
    }
    let Some(before) = before else { return };
    let passed = now.total() - before.total();
    // Nothing passed, or the counters began anew (a processor was taken off and put back).
    if passed <= 0.0 {
        return;
    }
    let growth = |of: fn(&Times) -> u64| float(of(now)) - float(of(before));
    for (field, ticks) in [
        ("usage_active", now.active() - before.active()),
        ("usage_guest", growth(|t| t.guest)),
        ("usage_guest_nice", growth(|t| t.guest_nice)),
        ("usage_idle", growth(|t| t.idle)),
        ("usage_iowait", growth(|t| t.iowait)),
        ("usage_irq", growth(|t| t.irq)),
        ("usage_nice", growth(|t| t.nice) - growth(|t| t.guest_nice)),
        ("usage_softirq", growth(|t| t.softirq)),
        ("usage_steal", growth(|t| t.steal)),
        ("usage_system", growth(|t| t.system)),
        ("usage_user", growth(|t| t.user) - growth(|t| t.guest)),
    ] {
        // idle and iowait may step back by some ticks: the kernel says so itself in proc(5).
        out.put(field, &tags, (100.0 * ticks / passed).clamp(0.0, 100.0));
    }
}
