//! All processes, counted by state: `/proc/PID/stat`.

use super::output::Output;
use super::text::float;
use crate::model::LabelSet;

/// What one `stat` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ProcessStat<'a> {
    /// The program's name, at most 15 bytes.
    pub(super) name: &'a str,
    rest: &'a str,
}

impl<'a> ProcessStat<'a> {
    /// The second field, the name, may hold anything, also blanks and parentheses: the others are counted from its end.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let (before, rest) = text.rsplit_once(')')?;
        let (_, name) = before.split_once('(')?;
        Some(Self { name, rest })
    }

    /// The state's letter.
    pub(super) fn state(&self) -> Option<char> {
        self.rest.trim_start().chars().next()
    }

    /// A field counted from 1 as in proc(5), at least the fourth.
    pub(super) fn field<T: std::str::FromStr>(&self, number: usize) -> Option<T> {
        self.rest.split_ascii_whitespace().nth(number.checked_sub(3)?)?.parse().ok()
    }
}

/// How many processes are in which state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct States {
    pub(super) blocked: u64,
    pub(super) dead: u64,
    pub(super) idle: u64,
    pub(super) paging: u64,
    pub(super) running: u64,
    pub(super) sleeping: u64,
    pub(super) stopped: u64,
    pub(super) zombies: u64,
    pub(super) total: u64,
    pub(super) threads: u64,
}

impl States {
    /// Counts a process. States of other kernels only count in the total.
    pub(super) fn add(&mut self, process: &ProcessStat<'_>) {
        self.total += 1;
        self.threads = self.threads.saturating_add(process.field(20).unwrap_or(0));
        let state = match process.state() {
            Some('R') => &mut self.running,
            Some('S') => &mut self.sleeping,
            Some('D') => &mut self.blocked,
            Some('Z') => &mut self.zombies,
            Some('X' | 'x') => &mut self.dead,
            Some('T' | 't') => &mut self.stopped,
            Some('W') => &mut self.paging,
            Some('I') => &mut self.idle,
            _ => return,
        };
        *state += 1;
    }
}

/// The measurements.
pub(super) fn measure(states: &States, out: &mut Output<'_>) {
    let none = LabelSet::new(Vec::new());
    for (field, n) in [
        ("blocked", states.blocked),
        ("dead", states.dead),
        ("idle", states.idle),
        ("paging", states.paging),
        ("running", states.running),
        ("sleeping", states.sleeping),
        ("stopped", states.stopped),
        ("total", states.total),
        ("total_threads", states.threads),
        ("zombies", states.zombies),
    ] {
        out.put(field, &none, float(n));
    }
}
