//! Memory: `/proc/meminfo`.

use super::output::Output;
use super::text::{float, percent};
use crate::model::LabelSet;

/// Lines beyond these are not looked at; kernels have about sixty.
const MAX_LINES: usize = 256;

/// `/proc/meminfo`, its lines in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Meminfo<'a>(pub(super) Vec<Line<'a>>);

/// One line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Line<'a> {
    /// `MemTotal`, `Active(anon)`.
    pub(super) name: &'a str,
    /// Bytes, or how many when the line has no unit.
    pub(super) value: u64,
    /// Whether it is bytes.
    pub(super) is_bytes: bool,
}

impl<'a> Meminfo<'a> {
    pub(super) fn parse(text: &'a str) -> Self {
        Self(text.lines().take(MAX_LINES).filter_map(Line::parse).collect())
    }

    pub(super) fn get(&self, name: &str) -> Option<u64> {
        self.0.iter().find(|l| l.name == name).map(|l| l.value)
    }
}

impl<'a> Line<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let (name, rest) = line.split_once(':')?;
        let mut words = rest.split_ascii_whitespace();
        let number: u64 = words.next()?.parse().ok()?;
        let is_bytes = words.next() == Some("kB");
        Some(Self { name, value: if is_bytes { number.saturating_mul(1024) } else { number }, is_bytes })
    }
}

/// The measurements; those whose lines are missing are missing too.
pub(super) fn measure(meminfo: &Meminfo<'_>, out: &mut Output<'_>) {
    let none = LabelSet::new(Vec::new());
    let mut put = |field: &str, value: Option<f64>| {
        if let Some(value) = value {
            out.put(field, &none, value);
        }
    };
    let get = |name| meminfo.get(name);
    let (total, free, buffered) = (get("MemTotal"), get("MemFree"), get("Buffers"));
    // What the slab can give back is cache too. Old kernels do not tell.
    let cached = get("Cached").map(|c| c.saturating_add(get("SReclaimable").unwrap_or(0)));
    let used = total.zip(free).map(|(total, free)| {
        total.saturating_sub(free).saturating_sub(buffered.unwrap_or(0)).saturating_sub(cached.unwrap_or(0))
    });
    // Before 3.14 the kernel had no opinion of its own.
    let available =
        get("MemAvailable").or_else(|| get("Cached").zip(free).map(|(cached, free)| cached.saturating_add(free)));
    let of_total = |part: Option<u64>| part.zip(total).map(|(part, total)| percent(part, total));
    put("active", get("Active").map(float));
    put("available", available.map(float));
    put("available_percent", of_total(available));
    put("buffered", buffered.map(float));
    put("cached", cached.map(float));
    put("free", free.map(float));
    put("inactive", get("Inactive").map(float));
    put("shared", get("Shmem").map(float));
    put("total", total.map(float));
    put("used", used.map(float));
    put("used_percent", of_total(used));
}
