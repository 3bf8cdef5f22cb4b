//! Swap space: `/proc/meminfo`, which says the same as sysinfo(2).

use super::mem::Meminfo;
use super::output::Output;
use super::text::{float, percent};
use crate::model::LabelSet;

/// The measurements; none where the kernel has no swap at all. Without swap space they are 0.
pub(super) fn measure(meminfo: &Meminfo<'_>, out: &mut Output<'_>) {
    let (Some(total), Some(free)) = (meminfo.get("SwapTotal"), meminfo.get("SwapFree")) else { return };
    let none = LabelSet::new(Vec::new());
    let used = total.saturating_sub(free);
    out.put("free", &none, float(free));
    out.put("used", &none, float(used));
    out.put("used_percent", &none, percent(used, total));
}
