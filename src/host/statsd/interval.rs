//! What came in one interval. Everything in it has a bound: programs make names and tags of what they like.

use std::hash::BuildHasher;

use hashbrown::hash_map::Entry;
use hashbrown::{HashMap, HashSet};

use super::Series;
use super::distribution::Observed;
use super::line::{self, Line, Sent, Type};
use crate::host::reading::Value;
use crate::model::{LabelSet, Text};

/// Series of one interval; more are dropped and counted. At CloudWatch's price these are 3,000 dollars a month.
pub(super) const MAX_SERIES: usize = 10_000;
/// Values and members of sets that are kept for all series together: about 10 MB.
const MAX_KEPT: usize = 100_000;
/// The tag with the type.
const TYPE_TAG: &str = "metric_type";

/// What came, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Packets.
    pub packets: u64,
    /// Values that were understood.
    pub values: u64,
    /// Packets that the kernel dropped, since they came faster than they were taken.
    pub dropped_packets: u64,
    /// Lines, or values of a line, that could not be read.
    pub malformed: u64,
    /// Values dropped because there were too many series.
    pub dropped_values: u64,
    /// Series dropped because the windows had no room.
    pub dropped_series: u64,
    /// Members of sets that could not be kept: the set looks smaller.
    pub dropped_members: u64,
}

impl Tally {
    /// Adds what another one counted.
    pub fn add(&mut self, other: &Self) {
        self.packets += other.packets;
        self.values += other.values;
        self.dropped_packets += other.dropped_packets;
        self.malformed += other.malformed;
        self.dropped_values += other.dropped_values;
        self.dropped_series += other.dropped_series;
        self.dropped_members += other.dropped_members;
    }

    /// Whether something was lost.
    pub fn is_lossy(&self) -> bool {
        let lines = self.malformed + self.dropped_values + self.dropped_series + self.dropped_members;
        self.dropped_packets + lines > 0
    }
}

/// The values of one series so far.
#[derive(Debug)]
enum Gathered {
    Number(f64),
    Set(HashSet<u64>),
    Many(Observed),
}

#[derive(Debug, Default)]
pub(super) struct Interval {
    series: HashMap<(Type, Series), Gathered>,
    kept: usize,
    tally: Tally,
}

impl Interval {
    pub(super) fn add_packet(&mut self, packet: &[u8], separator: &str) {
        self.tally.packets += 1;
        let text = String::from_utf8_lossy(packet);
        for line in text.lines().map(str::trim).filter(|l| !l.is_empty()) {
            match line::parse(line, separator) {
                Some(line) => self.add_line(line),
                None => self.tally.malformed += 1,
            }
        }
    }

    fn add_line(&mut self, line: Line<'_>) {
        let Line { name, tags, values, malformed } = line;
        self.tally.malformed += malformed;
        let name = Text::from(name);
        for (kind, sent) in values {
            let mut own = vec![(Text::from(TYPE_TAG), Text::from(kind.as_str()))];
            own.extend(tags.iter().cloned());
            let series = Series { name: Text::clone(&name), tags: LabelSet::new(own) };
            self.add_value(kind, series, sent);
        }
    }

    fn add_value(&mut self, kind: Type, series: Series, sent: Sent<'_>) {
        let is_full = self.series.len() >= MAX_SERIES;
        let hasher = self.series.hasher().clone();
        let gathered = match self.series.entry((kind, series)) {
            Entry::Occupied(there) => there.into_mut(),
            Entry::Vacant(_) if is_full => {
                self.tally.dropped_values += 1;
                return;
            }
            Entry::Vacant(new) => new.insert(Gathered::new(kind)),
        };
        self.tally.values += 1;
        let has_room = self.kept < MAX_KEPT;
        match (gathered, sent) {
            (Gathered::Number(n), Sent::Growth(by) | Sent::Change(by)) => *n += by,
            (Gathered::Number(n), Sent::Level(level)) => *n = level,
            (Gathered::Set(members), Sent::Member(member)) => {
                let member = hasher.hash_one(member);
                if has_room {
                    self.kept += usize::from(members.insert(member));
                } else if !members.contains(&member) {
                    self.tally.dropped_members += 1;
                }
            }
            (Gathered::Many(observed), Sent::Observed(value, weight)) => {
                self.kept += observed.add(value, weight, has_room);
            }
            // The key has the type in it.
            _ => {}
        }
    }

    pub(super) fn take_tally(&mut self) -> Tally {
        std::mem::take(&mut self.tally)
    }

    /// Everything, in no order; the next interval begins empty.
    pub(super) fn take_values(&mut self) -> impl Iterator<Item = (Series, Value)> + use<> {
        self.kept = 0;
        let series = std::mem::take(&mut self.series);
        series.into_iter().filter_map(|((_, series), gathered)| Some((series, gathered.finish()?)))
    }
}

impl Gathered {
    fn new(kind: Type) -> Self {
        match kind {
            Type::Counter | Type::Gauge => Self::Number(0.0),
            Type::Set => Self::Set(HashSet::new()),
            Type::Timing | Type::Histogram => Self::Many(Observed::default()),
        }
    }

    fn finish(self) -> Option<Value> {
        match self {
            Self::Number(n) => n.is_finite().then_some(Value::Number(n)),
            Self::Set(members) => Some(Value::Number(crate::host::text::count(members.len()))),
            Self::Many(observed) => observed.finish().filter(|d| d.sum.is_finite()).map(Value::Distribution),
        }
    }
}
