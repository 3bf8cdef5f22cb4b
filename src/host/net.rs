//! Interfaces: `/proc/net/dev`.

use super::job::Resources;
use super::output::{Output, tags};
use super::text::numbers;

/// `IFF_UP` in `/sys/class/net/NAME/flags`.
const UP: u64 = 1;
/// `IFF_LOOPBACK`.
const LOOPBACK: u64 = 8;
/// Interfaces beyond these are not looked at.
const MAX_INTERFACES: usize = 16_384;
/// Columns of the table.
const COLUMNS: usize = 16;

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Interface {
    pub(super) name: String,
    /// From `/sys/class/net/NAME/flags`; `None` when it cannot be read.
    pub(super) flags: Option<u64>,
    /// Received: bytes, packets, errors, dropped, fifo, frame, compressed, multicast; sent: bytes, packets, errors, dropped,
    /// fifo, collisions, carrier, compressed.
    pub(super) counters: Vec<u64>,
}

impl Interface {
    fn parse(line: &str) -> Option<Self> {
        // A name may have a colon in it (eth0:1).
        let (name, words) = line.rsplit_once(':')?;
        let counters = numbers(words);
        (counters.len() >= COLUMNS).then(|| Self { name: name.trim().to_owned(), flags: None, counters })
    }

    /// A counter by its column, from 0.
    pub(super) fn counter(&self, column: usize) -> u64 {
        self.counters.get(column).copied().unwrap_or(0)
    }

    fn is_chosen(&self, resources: &Resources) -> bool {
        match (resources, self.flags) {
            (Resources::Chosen(_), _) => resources.includes(&self.name),
            (Resources::All, Some(flags)) => flags & UP != 0 && flags & LOOPBACK == 0,
            (Resources::All, None) => self.name != "lo",
        }
    }
}

/// Reads `/proc/net/dev`.
pub(super) fn parse(text: &str) -> Vec<Interface> {
    text.lines().take(MAX_INTERFACES).filter_map(Interface::parse).collect()
}

/// Reads `/sys/class/net/NAME/flags`: `0x1003`.
pub(super) fn parse_flags(text: &str) -> Option<u64> {
    u64::from_str_radix(text.trim().strip_prefix("0x")?, 16).ok()
}

/// The measurements: growth since the pass before, so an interface has none when it is seen for the first time. Without
/// resources: interfaces that are up, but for the loopback.
pub(super) fn measure(now: &[Interface], before: Option<&[Interface]>, resources: &Resources, out: &mut Output<'_>) {
    for interface in now.iter().filter(|i| i.is_chosen(resources)) {
        let Some(earlier) = before.and_then(|b| b.iter().find(|i| i.name == interface.name)) else { continue };
        let tags = tags(&[("interface", &interface.name)]);
        for (field, column) in [
            ("bytes_recv", 0),
            ("packets_recv", 1),
            ("err_in", 2),
            ("drop_in", 3),
            ("bytes_sent", 8),
            ("packets_sent", 9),
            ("err_out", 10),
            ("drop_out", 11),
        ] {
            out.put_growth(field, &tags, earlier.counter(column), interface.counter(column));
        }
    }
}
