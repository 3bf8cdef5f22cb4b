//! Series and their values, kept apart: a [`SeriesSet`] says *which* series a job has and changes only with the job's
//! inventory; a [`Snapshot`] adds one [`Cell`] to each of them and is replaced whole after every collection.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use hashbrown::HashMap;

use super::{Histogram, Text, Timestamp};

/// A series' labels: sorted by name (bytewise), names unique.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LabelSet(Arc<[(Text, Text)]>);

impl LabelSet {
    /// Sorts; of two labels with one name the later one wins.
    pub fn new(mut labels: Vec<(Text, Text)>) -> Self {
        labels.reverse();
        labels.sort_by(|a, b| a.0.cmp(&b.0));
        labels.dedup_by(|later, first| later.0 == first.0);
        Self(labels.into())
    }

    /// Name and value of each label, in order of their names.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&Text, &Text)> {
        self.0.iter().map(|(name, value)| (name, value))
    }

    /// The value of a label, when there is such a label.
    pub fn get(&self, name: &str) -> Option<&Text> {
        let at = self.0.binary_search_by(|(n, _)| (**n).cmp(name)).ok()?;
        self.0.get(at).map(|(_, value)| value)
    }

    /// How many labels there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// No label at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What a family's TYPE line says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A value that goes up and down; everything CloudWatch has.
    Gauge,
    /// A value that only goes up, or starts anew.
    Counter,
    /// Counts in buckets, with their sum.
    Histogram,
}

/// What becomes of the labels of a set's series on a page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LabelRule {
    /// All series of a family get the same label names, with empty values where they lack one; a name that not every
    /// Prometheus version can read is left out.
    #[default]
    Unified,
    /// Each series has its own labels; names are escaped like those of families.
    AsTheyAre,
}

/// A metric family: what stands on its HELP and TYPE lines.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Family {
    /// Any UTF-8 text; the exposition escapes what its format does not allow.
    pub name: Text,
    /// The HELP text, not escaped.
    pub help: Text,
    /// The TYPE.
    pub kind: Kind,
}

/// One series of a [`SeriesSet`]: indices into its families and label sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SeriesKey {
    /// Index into [`SeriesSet::families`].
    pub family: u32,
    /// Index into [`SeriesSet::label_sets`].
    pub labels: u32,
}

/// The series of one job in one place: identity without values. Families and label sets are interned: twenty metrics of
/// one resource share one label set.
#[derive(Debug, Default)]
pub struct SeriesSet {
    /// The families, each once.
    pub families: Vec<Family>,
    /// The label sets, each once.
    pub label_sets: Vec<LabelSet>,
    /// The series, in the order in which the job found them. The same series may stand here twice; the first wins.
    pub series: Vec<SeriesKey>,
    /// What metrics are called in their cloud, where a page may be narrowed by that: each name holds from its position on.
    pub origins: Vec<(u32, Text)>,
    /// What becomes of their labels.
    pub label_rule: LabelRule,
}

impl SeriesSet {
    /// Family and labels of a series.
    pub fn describe(&self, key: SeriesKey) -> Option<(&Family, &LabelSet)> {
        Some((self.families.get(key.family as usize)?, self.label_sets.get(key.labels as usize)?))
    }

    /// What the metric of the series at `position` is called in its cloud, where that is known.
    pub fn origin(&self, position: usize) -> Option<&Text> {
        let after = self.origins.partition_point(|(from, _)| *from as usize <= position);
        self.origins.get(after.checked_sub(1)?).map(|(_, name)| name)
    }
}

/// Builds a [`SeriesSet`], giving each family and label set one index.
#[derive(Default)]
pub struct SeriesSetBuilder {
    set: SeriesSet,
    /// By name, histograms apart.
    families: HashMap<(Text, bool), u32>,
    label_sets: HashMap<LabelSet, u32>,
}

impl SeriesSetBuilder {
    /// A set whose series keep the labels that they have.
    pub fn with_labels_as_they_are() -> Self {
        Self { set: SeriesSet { label_rule: LabelRule::AsTheyAre, ..SeriesSet::default() }, ..Self::default() }
    }

    /// The index of the family of that name; the first help and kind stay (but a histogram is no number).
    pub fn family(&mut self, family: Family) -> u32 {
        let families = &mut self.set.families;
        let key = (Text::clone(&family.name), family.kind == Kind::Histogram);
        *self.families.entry(key).or_insert_with(|| {
            families.push(family);
            index(families.len() - 1)
        })
    }

    /// The index of the label set.
    pub fn labels(&mut self, labels: LabelSet) -> u32 {
        let sets = &mut self.set.label_sets;
        *self.label_sets.entry(labels.clone()).or_insert_with(|| {
            sets.push(labels);
            index(sets.len() - 1)
        })
    }

    /// Says what the metric of the following series is called in its cloud.
    pub fn origin(&mut self, name: &Text) {
        if self.set.origins.last().is_none_or(|(_, last)| last != name) {
            self.set.origins.push((index(self.set.series.len()), Text::clone(name)));
        }
    }

    /// Adds a series and returns its position, which is also the position of its cell.
    pub fn push(&mut self, family: u32, labels: u32) -> u32 {
        self.set.series.push(SeriesKey { family, labels });
        index(self.set.series.len() - 1)
    }

    /// The finished set.
    pub fn build(self) -> SeriesSet {
        self.set
    }
}

/// 2^32 series do not fit into any memory this runs in; the clamp only spares a panic.
fn index(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// The value of a series: absent, a number, or a number with the time to which it belongs.
#[derive(Clone, Copy, Debug)]
pub struct Cell {
    value: f64,
    timestamp_ms: i64,
}

impl Cell {
    /// There is no sample.
    pub const ABSENT: Self = Self { value: 0.0, timestamp_ms: i64::MAX };
    const UNTIMED: i64 = i64::MIN;

    /// A sample without a timestamp.
    pub const fn untimed(value: f64) -> Self {
        Self { value, timestamp_ms: Self::UNTIMED }
    }

    /// A sample with its time.
    pub const fn timed(value: f64, at: Timestamp) -> Self {
        Self { value, timestamp_ms: at.as_millis() }
    }

    /// Whether there is a sample.
    pub const fn is_present(self) -> bool {
        self.timestamp_ms != i64::MAX
    }

    /// The value; 0 when absent.
    pub const fn value(self) -> f64 {
        self.value
    }

    /// The sample's time, when it has one.
    pub const fn timestamp(self) -> Option<Timestamp> {
        match self.timestamp_ms {
            i64::MAX | Self::UNTIMED => None,
            ms => Some(Timestamp::from_millis(ms)),
        }
    }
}

/// The series of a job with their newest values. Immutable once it is in the store.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Which series.
    pub set: Arc<SeriesSet>,
    /// One for each of `set.series`, at the same position.
    pub cells: Vec<Cell>,
    /// Series that show several points: position → all its samples, instead of the one in `cells`.
    pub more: BTreeMap<u32, Box<[Cell]>>,
    /// Series of histogram families: position → its samples; the one in `cells` only says that there are some.
    pub histograms: BTreeMap<u32, Arc<[Histogram]>>,
    /// When each cell was last confirmed by the cloud, in whole seconds of the steady clock; at the same position.
    pub confirmed_secs: Vec<u32>,
    /// How long a cell that is no longer confirmed is shown.
    pub stale_after: Duration,
}

impl Snapshot {
    /// All series absent.
    pub fn empty(set: Arc<SeriesSet>, stale_after: Duration) -> Self {
        let n = set.series.len();
        Self {
            set,
            cells: vec![Cell::ABSENT; n],
            more: BTreeMap::new(),
            histograms: BTreeMap::new(),
            confirmed_secs: vec![0; n],
            stale_after,
        }
    }

    /// The samples of the series at `position`: none, one, or (series that show several points) many.
    pub fn samples(&self, position: usize) -> &[Cell] {
        if let Some(many) = u32::try_from(position).ok().and_then(|p| self.more.get(&p)) {
            return many;
        }
        match self.cells.get(position) {
            Some(cell) if cell.is_present() => std::slice::from_ref(cell),
            _ => &[],
        }
    }

    /// Puts the samples of a series, confirmed at `now` of the steady clock. No sample makes it absent.
    pub fn put(&mut self, position: usize, samples: &[Cell], now: Timestamp) {
        let Some(cell) = self.cells.get_mut(position) else { return };
        *cell = samples.first().copied().unwrap_or(Cell::ABSENT);
        if let Some(at) = self.confirmed_secs.get_mut(position) {
            *at = u32::try_from(now.as_secs()).unwrap_or(0);
        }
        let Ok(position) = u32::try_from(position) else { return };
        if samples.len() > 1 {
            self.more.insert(position, samples.into());
        } else if !self.more.is_empty() {
            self.more.remove(&position);
        }
    }

    /// Only the series whose metric begins with one of `beginnings` in its cloud; the others become absent.
    #[must_use]
    pub fn only(&self, beginnings: &[String]) -> Self {
        let mut next = self.clone();
        let is_wanted = |name: &Text| beginnings.iter().any(|beginning| name.starts_with(&**beginning));
        for (position, cell) in next.cells.iter_mut().enumerate() {
            if !self.set.origin(position).is_some_and(is_wanted) {
                *cell = Cell::ABSENT;
                if let Ok(position) = u32::try_from(position) {
                    next.more.remove(&position);
                    next.histograms.remove(&position);
                }
            }
        }
        next
    }

    /// Puts the samples of a histogram's series, as [`Self::put`] does.
    pub fn put_histograms(&mut self, position: usize, samples: Arc<[Histogram]>, now: Timestamp) {
        let first: Option<Cell> =
            samples.first().map(|h| h.at.map_or(Cell::untimed(h.sum), |at| Cell::timed(h.sum, at)));
        self.put(position, first.as_slice(), now);
        let Ok(position) = u32::try_from(position) else { return };
        if first.is_some() {
            self.histograms.insert(position, samples);
        } else {
            self.histograms.remove(&position);
        }
    }

    /// The samples of the histogram's series at `position`.
    pub fn histograms(&self, position: usize) -> &[Histogram] {
        u32::try_from(position).ok().and_then(|p| self.histograms.get(&p)).map_or(&[], |h| h)
    }

    /// How many series have a sample.
    pub fn present(&self) -> usize {
        self.cells.iter().filter(|c| c.is_present()).count()
    }

    /// Drops the cells that are stale at `now` (steady); returns how many.
    pub fn drop_stale(&mut self, now: Timestamp) -> usize {
        let limit = now.minus(self.stale_after).as_secs();
        let mut gone = 0;
        for (position, (cell, secs)) in self.cells.iter_mut().zip(&self.confirmed_secs).enumerate() {
            if cell.is_present() && i64::from(*secs) <= limit {
                *cell = Cell::ABSENT;
                gone += 1;
                if let Ok(position) = u32::try_from(position) {
                    self.more.remove(&position);
                    self.histograms.remove(&position);
                }
            }
        }
        gone
    }

    /// The snapshot without the cells that are stale at `now` (steady); `None` when none is.
    pub fn without_stale(&self, now: Timestamp) -> Option<Self> {
        let limit = now.minus(self.stale_after).as_secs();
        let stale = |(cell, secs): (&Cell, &u32)| cell.is_present() && i64::from(*secs) <= limit;
        if !self.cells.iter().zip(&self.confirmed_secs).any(stale) {
            return None;
        }
        let mut next = self.clone();
        next.drop_stale(now);
        Some(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> LabelSet {
        LabelSet::new(pairs.iter().map(|(n, v)| (Text::from(*n), Text::from(*v))).collect())
    }

    #[test]
    fn labels_are_sorted_and_the_later_of_two_wins() {
        let set = labels(&[("b", "1"), ("a", "2"), ("b", "3")]);
        let flat: Vec<_> = set.iter().map(|(n, v)| format!("{n}={v}")).collect();
        assert_eq!(flat, ["a=2", "b=3"]);
        assert_eq!(set.get("b").map(|v| &**v), Some("3"));
        assert_eq!(set.get("c"), None);
    }

    #[test]
    fn a_cell_tells_absent_from_untimed_from_timed() {
        assert!(!Cell::ABSENT.is_present());
        assert!(Cell::untimed(f64::NAN).is_present());
        assert_eq!(Cell::untimed(1.0).timestamp(), None);
        assert_eq!(Cell::timed(1.0, Timestamp::from_secs(7)).timestamp(), Some(Timestamp::from_secs(7)));
    }

    #[test]
    fn a_snapshot_is_narrowed_by_what_its_metrics_are_called_in_the_cloud() {
        let mut b = SeriesSetBuilder::default();
        let family = b.family(Family { name: "m".into(), help: "".into(), kind: Kind::Gauge });
        for (origin, v) in [("a/one", "1"), ("a/one", "2"), ("a/two", "3"), ("b", "4")] {
            b.origin(&origin.into());
            let l = b.labels(labels(&[("x", v)]));
            b.push(family, l);
        }
        let mut s = Snapshot::empty(Arc::new(b.build()), Duration::from_secs(60));
        (0..4).for_each(|at| s.put(at, &[Cell::untimed(1.0), Cell::untimed(2.0)], Timestamp::from_secs(1)));
        let present = |beginnings: &[&str]| {
            let only = s.only(&beginnings.iter().map(|b| (*b).to_owned()).collect::<Vec<_>>());
            (0..4).filter(|at| !only.samples(*at).is_empty()).collect::<Vec<_>>()
        };
        assert_eq!(present(&["a/"]), [0, 1, 2]);
        assert_eq!(present(&["a/two", "b"]), [2, 3]);
        assert_eq!(present(&[]), [0; 0]);
    }

    #[test]
    fn stale_cells_go_and_the_others_stay() {
        let mut b = SeriesSetBuilder::default();
        let family = b.family(Family { name: "m".into(), help: "".into(), kind: Kind::Gauge });
        for v in ["1", "2"] {
            let l = b.labels(labels(&[("x", v)]));
            b.push(family, l);
        }
        let mut s = Snapshot::empty(Arc::new(b.build()), Duration::from_secs(60));
        s.put(0, &[Cell::untimed(1.0)], Timestamp::from_secs(100));
        s.put(1, &[Cell::untimed(2.0), Cell::untimed(3.0)], Timestamp::from_secs(150));
        assert!(s.without_stale(Timestamp::from_secs(159)).is_none());
        let later = s.without_stale(Timestamp::from_secs(170)).unwrap();
        assert_eq!(later.samples(0).len(), 0);
        assert_eq!(later.samples(1).len(), 2);
    }
}
