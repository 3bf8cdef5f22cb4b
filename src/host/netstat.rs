//! Connections: `/proc/net/{tcp,tcp6,udp,udp6}`, line by line, since a busy machine has hundreds of thousands.
//!
//! The CloudWatch agent also walks the file descriptors of every process, and counts Unix sockets among TCP (`tcp_none`) and
//! UDP: neither is done here.

use std::hash::{BuildHasher, RandomState};

use hashbrown::HashSet;

use super::output::Output;
use super::text::float;
use crate::model::LabelSet;

/// States in the order of their numbers, from 1. NEW_SYN_RECV (12) is counted as SYN_RECV.
const STATES: [&str; 11] = [
    "tcp_established",
    "tcp_syn_sent",
    "tcp_syn_recv",
    "tcp_fin_wait1",
    "tcp_fin_wait2",
    "tcp_time_wait",
    "tcp_close",
    "tcp_close_wait",
    "tcp_last_ack",
    "tcp_listen",
    "tcp_closing",
];
const LISTEN: usize = 10;
const SYN_RECV: usize = 3;
const NEW_SYN_RECV: usize = 12;
/// Sockets that are remembered to count those that share an address once. Connections need not be: each has its own pair
/// of addresses.
const MAX_SHARED: usize = 100_000;

/// Which table a line is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Table {
    Tcp,
    Tcp6,
    Udp,
    Udp6,
}

impl Table {
    pub(super) const ALL: [(Self, &'static str); 4] =
        [(Self::Tcp, "net/tcp"), (Self::Tcp6, "net/tcp6"), (Self::Udp, "net/udp"), (Self::Udp6, "net/udp6")];
}

/// Counts lines.
#[derive(Debug, Default)]
pub(super) struct Counts {
    states: [u64; STATES.len()],
    udp: u64,
    seen: HashSet<u64>,
    hashing: RandomState,
}

impl Counts {
    /// Counts one line of a table; its heading and what cannot be read are passed over.
    pub(super) fn add(&mut self, table: Table, line: &str) {
        let mut words = line.split_ascii_whitespace().skip(1);
        let (Some(local), Some(remote), Some(state)) = (words.next(), words.next(), words.next()) else { return };
        let Ok(state) = usize::from_str_radix(state, 16) else { return };
        let state = if state == NEW_SYN_RECV { SYN_RECV } else { state };
        let is_udp = matches!(table, Table::Udp | Table::Udp6);
        if (is_udp || state == LISTEN) && !self.is_new(&(table, local, remote)) {
            return;
        }
        if is_udp {
            self.udp += 1;
        } else if let Some(n) = state.checked_sub(1).and_then(|at| self.states.get_mut(at)) {
            *n += 1;
        }
    }

    /// Several sockets may share an address (SO_REUSEPORT); they count once, until there are too many to remember.
    fn is_new(&mut self, socket: &(Table, &str, &str)) -> bool {
        self.seen.len() >= MAX_SHARED || self.seen.insert(self.hashing.hash_one(socket))
    }
}

/// The last column of the line of a UDP socket with that inode: the packets for which its buffer had no room.
pub(super) fn drops(line: &str, inode: u64) -> Option<u64> {
    let mut words = line.split_ascii_whitespace().skip(9);
    let found = words.next()?.parse::<u64>().ok()?;
    (found == inode).then(|| words.nth(2)?.parse().ok()).flatten()
}

/// The measurements.
pub(super) fn measure(counts: &Counts, out: &mut Output<'_>) {
    let none = LabelSet::new(Vec::new());
    for (field, n) in STATES.into_iter().zip(counts.states) {
        out.put(field, &none, float(n));
    }
    out.put("udp_socket", &none, float(counts.udp));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drops_are_those_of_the_socket() {
        let heading = "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops";
        let line = " 1234: 0100007F:1FBD 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 52713 2 0000000000000000 17";
        assert_eq!(drops(line, 52713), Some(17));
        assert_eq!(drops(line, 5), None);
        assert_eq!(drops(heading, 52713), None);
    }
}
