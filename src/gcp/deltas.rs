//! Pure: the points of DELTA metrics, added up to counters. Each point counts once, whatever windows overlap and in whatever
//! order points come: a series remembers which of its newest points it has, and takes nothing older than those.
//!
//! What the first answer about a metric type brings lies before our time: a series starts there with its newest point, as in
//! stackdriver_exporter. A series that appears later starts with all its points since then.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use hashbrown::{HashMap, HashSet};

use crate::gcp::buckets::Counts;
use crate::gcp::convert::{Addend, Amount, Delta};
use crate::gcp::job::Deltas;
use crate::model::{Bounds, LabelSet, Text, Timestamp};

mod kept;

pub use kept::{FORMAT, Unreadable};

/// The counters of one job in one project.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Totals {
    types: HashMap<Text, TypeTotals>,
}

/// The counters of one metric type.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TypeTotals {
    /// End of the first window that was asked for: older points lie before our time.
    since: Option<Timestamp>,
    /// End of the last window that was read whole.
    pub watermark: Option<Timestamp>,
    entries: Vec<Entry>,
    index: HashMap<Identity, usize>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Identity {
    name: Text,
    labels: LabelSet,
    /// A metric may become a distribution.
    counts: bool,
}

#[derive(Clone, Debug, PartialEq)]
struct Entry {
    identity: Identity,
    total: Total,
    /// Points up to here are not taken any more.
    floor: Timestamp,
    /// The newest point that was taken.
    newest: Timestamp,
    /// Points behind the floor that were taken.
    taken: BTreeSet<Timestamp>,
    /// When a point was taken last (wall time).
    collected: Timestamp,
    /// The time of the last sample that was shown.
    shown: Option<Timestamp>,
    /// A point was taken since.
    fresh: bool,
    /// Start of the oldest point that was taken.
    created: Option<Timestamp>,
}

#[derive(Clone, Debug, PartialEq)]
enum Total {
    /// Exact.
    Integer(i128),
    Number(f64),
    Counts(Counts),
}

/// When points are collected, and how late they may be.
#[derive(Clone, Copy, Debug)]
pub struct Collection {
    /// Wall time.
    pub now: Timestamp,
    /// End of the window.
    pub end: Timestamp,
    /// Points this much older than the newest one of their series are not taken any more.
    pub lateness: Duration,
}

/// A counter as it is shown.
#[derive(Clone, Debug)]
pub struct Counter {
    /// The family's name.
    pub name: Text,
    /// The labels.
    pub labels: LabelSet,
    /// The sum of all points.
    pub amount: Amount,
    /// The sample's time.
    pub at: Timestamp,
    /// Since when it counts.
    pub created: Option<Timestamp>,
}

impl Totals {
    /// The counters of a metric type, by its descriptor's name.
    pub fn of(&mut self, descriptor: &Text) -> &mut TypeTotals {
        self.types.entry(Text::clone(descriptor)).or_default()
    }

    /// The end of the last window of a metric type that was read whole.
    pub fn watermark(&self, descriptor: &Text) -> Option<Timestamp> {
        self.types.get(descriptor)?.watermark
    }

    /// Forgets metric types that are not listed any more and have got no point since then.
    pub fn forget(&mut self, listed: &HashSet<&Text>, before: Timestamp) {
        self.types.retain(|name, t| listed.contains(name) || t.entries.iter().any(|entry| entry.collected > before));
    }

    /// How many counters there are.
    pub fn len(&self) -> usize {
        self.types.values().map(|t| t.entries.len()).sum()
    }

    /// None at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl TypeTotals {
    /// Says that a window is being read; the first one marks the beginning of our time.
    pub fn begin(&mut self, end: Timestamp) {
        self.since.get_or_insert(end);
    }

    /// Adds the points of a series that it has not yet; whether there were any.
    pub fn add(&mut self, delta: Delta, rules: Deltas, at: Collection) -> bool {
        let Delta { name, labels, mut addends } = delta;
        let Some(newest) = addends.iter().map(|a| a.end).max() else { return false };
        let counts = addends.iter().any(|a| matches!(a.amount, Amount::Counts(_)));
        let identity = Identity { name, labels, counts };
        let place = match self.index.get(&identity) {
            Some(known) => *known,
            None => self.start(identity, newest, at),
        };
        let Some(entry) = self.entries.get_mut(place) else { return false };
        addends.sort_by_key(|a| a.end);
        let mut any = false;
        for addend in addends {
            any |= entry.take(addend, rules, at);
        }
        any
    }

    /// All pages of a window have come: it need not be read again, and what is older than points may be late is remembered
    /// as a floor, not one by one.
    pub fn settle(&mut self, at: Collection) {
        self.watermark = self.watermark.max(Some(at.end));
        for entry in &mut self.entries {
            entry.forget_old(at.lateness);
        }
    }

    /// A new series. In our time everything counts from its beginning; of what lies before it only the newest point does.
    fn start(&mut self, identity: Identity, newest: Timestamp, at: Collection) -> usize {
        let since = self.since.unwrap_or(at.end);
        let floor = if newest > since { since } else { Timestamp::from_millis(newest.as_millis() - 1) };
        let place = self.entries.len();
        self.index.insert(identity.clone(), place);
        self.entries.push(Entry {
            total: if identity.counts { Total::Counts(nothing()) } else { Total::Integer(0) },
            identity,
            floor,
            newest: floor,
            taken: BTreeSet::new(),
            collected: at.now,
            shown: None,
            fresh: false,
            created: None,
        });
        place
    }

    /// All counters that are alive, in the order in which they came; `now`: wall time. Those that got no point for longer
    /// than the rules' time to live are forgotten.
    pub fn show(&mut self, rules: Deltas, now: Timestamp) -> Vec<Counter> {
        let before = self.entries.len();
        self.entries.retain(|entry| now.since(entry.collected) <= rules.ttl);
        if self.entries.len() < before {
            self.index = self.entries.iter().enumerate().map(|(at, e)| (e.identity.clone(), at)).collect();
        }
        self.entries.iter_mut().map(|entry| entry.show(rules, now)).collect()
    }
}

impl Entry {
    /// Whether the point is a new one.
    fn take(&mut self, addend: Addend, rules: Deltas, at: Collection) -> bool {
        if addend.end <= self.floor || !self.taken.insert(addend.end) {
            return false;
        }
        self.total.add(addend.amount, rules);
        self.newest = self.newest.max(addend.end);
        self.created = [self.created, addend.start].into_iter().flatten().min();
        self.collected = at.now;
        self.fresh = true;
        true
    }

    fn forget_old(&mut self, lateness: Duration) {
        let floor = self.newest.minus(lateness);
        if floor > self.floor {
            self.floor = floor;
            self.taken.retain(|end| *end > floor);
        }
    }

    /// A counter that got nothing moves on with the minutes, or it would look dead; its time never goes back, and a new
    /// value never has the time of an old one.
    fn show(&mut self, rules: Deltas, now: Timestamp) -> Counter {
        let fresh = std::mem::take(&mut self.fresh);
        let own = if fresh && (rules.peers_way || self.shown.is_none_or(|shown| shown < self.newest)) {
            self.newest
        } else {
            let delay = self.collected.as_millis() - self.newest.as_millis();
            Timestamp::from_millis(minutes(now.as_millis()) - minutes(delay))
        };
        let at = match self.shown {
            _ if rules.peers_way => own,
            Some(shown) if fresh => own.max(Timestamp::from_millis(shown.as_millis() + 1)),
            Some(shown) => own.max(shown),
            None => own,
        };
        self.shown = Some(at);
        Counter {
            name: Text::clone(&self.identity.name),
            labels: self.identity.labels.clone(),
            amount: self.total.amount(),
            at,
            created: self.created,
        }
    }
}

/// Down to whole minutes.
const fn minutes(ms: i64) -> i64 {
    ms.div_euclid(60_000) * 60_000
}

fn nothing() -> Counts {
    Counts { bounds: Arc::new(Bounds::new(Vec::new())), counts: Vec::new(), all: 0, count: 0, sum: 0.0 }
}

impl Total {
    fn add(&mut self, amount: Amount, rules: Deltas) {
        match (&mut *self, amount) {
            (Self::Integer(total), Amount::Integer(n)) => *total += i128::from(n),
            (Self::Number(total), Amount::Number(n)) => *total += n,
            (Self::Counts(total), Amount::Counts(counts)) => add_counts(total, counts, rules.peers_way),
            (Self::Counts(_), _) | (_, Amount::Counts(_)) => {}
            // Whole numbers became fractions, or the other way round.
            (total, amount) => *total = Self::Number(total.number() + number(&amount)),
        }
    }

    fn number(&self) -> f64 {
        match self {
            #[expect(clippy::cast_precision_loss, reason = "a page's numbers are floats")]
            Self::Integer(n) => *n as f64,
            Self::Number(n) => *n,
            Self::Counts(counts) => counts.sum,
        }
    }

    fn amount(&self) -> Amount {
        match self {
            Self::Integer(n) => i64::try_from(*n).map_or_else(|_| Amount::Number(self.number()), Amount::Integer),
            Self::Number(n) => Amount::Number(*n),
            Self::Counts(counts) => Amount::Counts(counts.clone()),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a page's numbers are floats")]
fn number(amount: &Amount) -> f64 {
    match amount {
        Amount::Integer(n) => *n as f64,
        Amount::Number(n) => *n,
        Amount::Counts(counts) => counts.sum,
    }
}

/// Adds counts; where the bounds differ, the sum has the bounds of both.
fn add_counts(total: &mut Counts, more: Counts, peers_way: bool) {
    total.all = total.all.saturating_add(more.all);
    total.count = total.count.saturating_add(more.count);
    total.sum += more.sum;
    if Arc::ptr_eq(&total.bounds, &more.bounds) || total.bounds == more.bounds {
        for (sum, n) in total.counts.iter_mut().zip(&more.counts) {
            *sum = sum.saturating_add(*n);
        }
        return;
    }
    if total.counts.is_empty() && total.all == more.all {
        // The first point.
        (total.bounds, total.counts) = (more.bounds, more.counts);
        return;
    }
    let bounds = Bounds::new(total.bounds.values().iter().chain(more.bounds.values()).copied().collect());
    let at = |counts: &Counts, bound: f64| {
        let values = counts.bounds.values();
        let known = values.partition_point(|v| *v <= bound).checked_sub(1);
        let same = known.filter(|k| !peers_way || values.get(*k).is_some_and(|v| v.total_cmp(&bound).is_eq()));
        same.and_then(|k| counts.counts.get(k)).copied().unwrap_or(0)
    };
    let sum = |bound: &f64| at(total, *bound).saturating_add(at(&more, *bound));
    total.counts = bounds.values().iter().map(sum).collect();
    total.bounds = Arc::new(bounds);
}

#[cfg(test)]
mod tests;
