//! Load and uptime: `/proc/loadavg`, `/proc/uptime`. Not in the CloudWatch agent; its users ask for it.

use super::cpu::Stat;
use super::output::Output;
use super::text::count;
use crate::model::LabelSet;

/// The averages over one, five and fifteen minutes.
pub(super) fn parse_load(loadavg: &str) -> Option<[f64; 3]> {
    let mut words = loadavg.split_ascii_whitespace().map(|w| w.parse().ok().filter(|n: &f64| n.is_finite()));
    Some([words.next()??, words.next()??, words.next()??])
}

/// The measurements; what cannot be read is missing.
pub(super) fn measure(loadavg: &str, uptime: &str, stat: &Stat, out: &mut Output<'_>) {
    let none = LabelSet::new(Vec::new());
    if let Some(loads) = parse_load(loadavg) {
        for (field, load) in ["load1", "load5", "load15"].into_iter().zip(loads) {
            out.put(field, &none, load);
        }
    }
    if !stat.each.is_empty() {
        out.put("n_cpus", &none, count(stat.each.len()));
    }
    if let Some(seconds) = uptime.split_ascii_whitespace().next().and_then(|w| w.parse().ok()) {
        out.put("uptime", &none, seconds);
    }
}
