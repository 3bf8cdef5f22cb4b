//! What OpenMetrics 1.0 spells differently. Only native configurations serve it: Prometheus prefers it, and what it says
//! about names would surprise those who come from YACE. Pure.
//!
//! Deliberately absent: exemplars, units, created timestamps of counters.

use std::borrow::Cow;

use super::text::{write_name, write_quoted};
use crate::model::{Kind, Timestamp};

/// The end of every OpenMetrics page.
pub const EOF: &[u8] = b"# EOF\n";

/// TYPE and HELP of a family. `name` is escaped already.
///
/// The samples of a counter must be called `_total` here. A counter that is called otherwise keeps its name and has no
/// known type: no family is renamed.
pub(super) fn write_header(out: &mut Vec<u8>, name: &str, help: &str, kind: Kind, taken: impl Fn(&str) -> bool) {
    let (family, type_name) = match (kind, name.strip_suffix("_total")) {
        (Kind::Gauge, _) => (Cow::Borrowed(name), "gauge"),
        (Kind::Histogram, _) => (Cow::Borrowed(name), "histogram"),
        (Kind::Counter, Some(family)) if !family.is_empty() && !taken(family) => (Cow::Borrowed(family), "counter"),
        (Kind::Counter, _) => (Cow::Borrowed(name), "unknown"),
    };
    out.extend_from_slice(b"# HELP ");
    write_name(out, &family);
    out.push(b' ');
    write_quoted(out, help);
    out.extend_from_slice(b"\n# TYPE ");
    write_name(out, &family);
    out.push(b' ');
    out.extend_from_slice(type_name.as_bytes());
    out.push(b'\n');
}

/// A bound that looks like a whole number gets its `.0`, as the format wants it.
pub(super) fn complete_bound(out: &mut Vec<u8>, le: &[u8]) {
    if le.iter().all(|b| b.is_ascii_digit() || *b == b'-') {
        out.extend_from_slice(b".0");
    }
}

/// Seconds, with as many decimals as are needed.
pub(super) fn write_timestamp(out: &mut Vec<u8>, at: Timestamp) {
    let ms = at.as_millis();
    if ms < 0 {
        out.push(b'-');
    }
    let ms = ms.unsigned_abs();
    out.extend_from_slice(itoa::Buffer::new().format(ms / 1000).as_bytes());
    if !ms.is_multiple_of(1000) {
        let decimals = format!(".{:03}", ms % 1000);
        out.extend_from_slice(decimals.trim_end_matches('0').as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(name: &str, kind: Kind, taken: bool) -> String {
        let mut out = Vec::new();
        write_header(&mut out, name, "He said \"x\"\n", kind, |_| taken);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn counters_that_cannot_be_counters_here_are_of_unknown_type() {
        let help = r#"He said \"x\"\n"#;
        for (name, kind, taken, expected) in [
            ("a_total", Kind::Counter, false, "a counter"),
            ("a_total", Kind::Counter, true, "a_total unknown"),
            ("a", Kind::Counter, false, "a unknown"),
            ("_total", Kind::Counter, false, "_total unknown"),
            ("a_total", Kind::Gauge, false, "a_total gauge"),
            ("é", Kind::Gauge, false, "\"é\" gauge"),
        ] {
            let (family, _) = expected.split_once(' ').unwrap();
            assert_eq!(header(name, kind, taken), format!("# HELP {family} {help}\n# TYPE {expected}\n"));
        }
    }

    #[test]
    fn timestamps_are_seconds() {
        for (ms, expected) in
            [(0, "0"), (1_500, "1.5"), (1_700_000_060_005, "1700000060.005"), (-1_500, "-1.5"), (-1, "-0.001")]
        {
            let mut out = Vec::new();
            write_timestamp(&mut out, Timestamp::from_millis(ms));
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }
}
