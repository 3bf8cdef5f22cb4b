//! The order of a page: which families, which rows in them, and the text of every row's labels. It depends on which series
//! there are and which of them have samples, not on the values, so that it outlives most changes of the store. Pure.
//!
//! Within a family all rows have the same label names: the union over its rows, with empty values where a series lacks one.
//! (Unless their set wants its labels as they are.) The text of a label set is rendered once, however many families use it.

mod labels;

use std::borrow::Cow;
use std::sync::Arc;

use hashbrown::{HashMap, HashSet};

pub use self::labels::LabelTexts;
use self::labels::LabelWriter;
use super::text::{Escaping, is_legacy_name};
use crate::model::{Family, Kind, LabelRule, SeriesSet, Snapshot, Text};
use crate::store::View;
use crate::telemetry::{PageOffences, RESERVED_PREFIXES};

/// The order of the pages of one view, and of all views with the same series present.
pub struct Layout {
    slots: Vec<Presence>,
    escaping: Escaping,
    any_escaping: bool,
    families: Vec<FamilyRows>,
    texts: LabelTexts,
    offences: PageOffences,
}

/// Which series of a snapshot have samples.
struct Presence {
    /// Holding the set keeps its address from being used again.
    set: Arc<SeriesSet>,
    bits: Box<[u64]>,
}

/// A family of the page.
pub struct FamilyRows {
    /// The name, not escaped; the smallest one where several have become one.
    pub name: Text,
    /// The help text.
    pub help: Text,
    /// The type.
    pub kind: Kind,
    /// Some rows have labels of their own, and every point in time is told from every other.
    pub labels_as_they_are: bool,
    /// Sorted by label values, equal ones in the order of their slots.
    pub rows: Box<[Row]>,
}

/// A series' place on the page.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Index into the view's snapshots.
    pub snapshot: u32,
    /// Position in that snapshot.
    pub position: u32,
    /// Index of the labels' text. Rows of one family with equal labels have equal texts and stand side by side.
    pub labels: u32,
}

impl FamilyRows {
    /// The name as it stands on a page with that escaping.
    pub fn spelled(&self, escaping: Escaping) -> Cow<'_, str> {
        spelled(escaping, &self.name, self.labels_as_they_are)
    }
}

/// YACE's library escapes every name when it says `dots`; what keeps its labels comes from another one, which leaves legal names
/// alone.
fn spelled(escaping: Escaping, name: &str, as_they_are: bool) -> Cow<'_, str> {
    if as_they_are { escaping.apply_where_needed(name) } else { escaping.apply(name) }
}

impl Layout {
    /// Computes the layout of a view for pages with that escaping.
    pub fn new(view: &View, escaping: Escaping) -> Self {
        let slots: Vec<Presence> = view.snapshots.iter().map(|s| Presence::of(s)).collect();
        let arranged = Arranged::new(&slots, escaping);
        let Arranged { any_escaping, families, texts, offences } = arranged;
        Self { slots, escaping, any_escaping, families, texts, offences }
    }

    /// Whether pages of this view with that escaping have this layout.
    pub fn fits(&self, view: &View, escaping: Escaping) -> bool {
        (self.any_escaping || self.escaping == escaping)
            && self.slots.len() == view.snapshots.len()
            && self.slots.iter().zip(&view.snapshots).all(|(slot, snapshot)| slot.fits(snapshot))
    }

    /// The escaping for which it was computed.
    pub fn escaping(&self) -> Escaping {
        self.escaping
    }

    /// The families in the order of the page.
    pub fn families(&self) -> &[FamilyRows] {
        &self.families
    }

    /// The texts of the labels.
    pub fn texts(&self) -> &LabelTexts {
        &self.texts
    }

    /// What had to be bent or left out.
    pub fn offences(&self) -> PageOffences {
        self.offences
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.families.iter().map(|f| f.rows.len()).sum()
    }
}

impl Presence {
    fn of(snapshot: &Snapshot) -> Self {
        Self { set: Arc::clone(&snapshot.set), bits: presence_words(snapshot).collect() }
    }

    fn fits(&self, snapshot: &Snapshot) -> bool {
        Arc::ptr_eq(&self.set, &snapshot.set) && presence_words(snapshot).eq(self.bits.iter().copied())
    }

    fn positions(&self) -> impl Iterator<Item = usize> {
        self.bits
            .iter()
            .enumerate()
            .flat_map(|(word, bits)| (0..64).filter(move |bit| bits & (1 << bit) != 0).map(move |bit| word * 64 + bit))
    }
}

/// One bit for each series: whether it has samples.
fn presence_words(snapshot: &Snapshot) -> impl Iterator<Item = u64> {
    snapshot.cells.chunks(64).enumerate().map(|(word, cells)| {
        let bits = cells.iter().rev().fold(0, |bits, cell| (bits << 1) | u64::from(cell.is_present()));
        if snapshot.more.is_empty() {
            return bits;
        }
        let first = index(word * 64);
        snapshot.more.range(first..first.saturating_add(64)).fold(bits, |bits, (position, cells)| {
            let bit = 1 << (position - first);
            if cells.iter().any(|c| c.is_present()) { bits | bit } else { bits & !bit }
        })
    })
}

/// The part of a layout that is computed from its slots.
struct Arranged {
    any_escaping: bool,
    families: Vec<FamilyRows>,
    texts: LabelTexts,
    offences: PageOffences,
}

impl Arranged {
    fn new(slots: &[Presence], escaping: Escaping) -> Self {
        let mut gathering = Gathering::new(escaping);
        for (slot, presence) in slots.iter().enumerate() {
            gathering.add(index(slot), presence);
        }
        let Gathering { families, mut labels, any_escaping, mut offences, .. } = gathering;
        let any_escaping = any_escaping && labels.any_escaping();
        let mut families: Vec<FamilyRows> =
            families.into_iter().map(|f| f.finish(slots, &mut labels, &mut offences)).collect();
        families.sort_by(|a, b| a.name.cmp(&b.name));
        offences.dropped_families += drop_look_alikes(&mut families, escaping);
        let (texts, ranks, dropped_labels) = labels.finish();
        let rank = |row: &Row| ranks.get(row.labels as usize).copied().unwrap_or(0);
        for family in &mut families {
            family.rows.sort_unstable_by_key(|row| (rank(row), row.snapshot, row.position));
        }
        offences.dropped_labels += dropped_labels;
        Self { any_escaping, families, texts, offences }
    }
}

/// The families while they are being collected.
struct Gathering<'a> {
    escaping: Escaping,
    any_escaping: bool,
    families: Vec<Gathered<'a>>,
    /// By the name as it will stand on the page.
    by_name: HashMap<String, u32>,
    labels: LabelWriter<'a>,
    offences: PageOffences,
}

/// A family while it is being collected.
struct Gathered<'a> {
    /// The ones that have become this family: different in name or kind.
    members: Vec<&'a Family>,
    rows: Vec<Row>,
    shapes: HashSet<u32>,
    newest_shape: u32,
    labels_as_they_are: bool,
}

/// What is known about a family of a snapshot.
#[derive(Clone, Copy)]
enum Place {
    NotSeen,
    Dropped,
    At(u32),
}

impl<'a> Gathering<'a> {
    fn new(escaping: Escaping) -> Self {
        Self {
            escaping,
            any_escaping: true,
            families: Vec::new(),
            by_name: HashMap::new(),
            labels: LabelWriter::new(escaping),
            offences: PageOffences::default(),
        }
    }

    /// Adds the present series of a slot. Their rows' `labels` are indices into the slot's label sets for the time being.
    fn add(&mut self, snapshot: u32, presence: &'a Presence) {
        let set = &*presence.set;
        let mut places = vec![Place::NotSeen; set.families.len()];
        self.labels.begin(set);
        for position in presence.positions() {
            let Some(key) = set.series.get(position) else { continue };
            let Some(place) = places.get_mut(key.family as usize) else { continue };
            let Some(family) = set.families.get(key.family as usize) else { continue };
            if let Place::NotSeen = place {
                *place = self.place(family, set.label_rule);
            }
            let Place::At(at) = *place else { continue };
            let Some(shape) = self.labels.shape_of(snapshot, key.labels) else { continue };
            if let Some(gathered) = self.families.get_mut(at as usize) {
                gathered.rows.push(Row { snapshot, position: index(position), labels: key.labels });
                gathered.note_shape(shape);
                gathered.labels_as_they_are |= set.label_rule == LabelRule::AsTheyAre;
            }
        }
    }

    fn place(&mut self, family: &'a Family, rule: LabelRule) -> Place {
        let name = spelled(self.escaping, &family.name, rule == LabelRule::AsTheyAre);
        let reserved = RESERVED_PREFIXES.iter().any(|p| family.name.starts_with(p) || name.starts_with(p));
        if name.is_empty() || reserved {
            self.offences.dropped_families += 1;
            return Place::Dropped;
        }
        self.any_escaping &= is_legacy_name(&family.name);
        let at = *self.by_name.entry_ref(&*name).or_insert_with(|| {
            self.families.push(Gathered::default());
            index(self.families.len() - 1)
        });
        if let Some(gathered) = self.families.get_mut(at as usize) {
            gathered.join(family);
        }
        Place::At(at)
    }
}

impl Default for Gathered<'_> {
    fn default() -> Self {
        Self {
            members: Vec::new(),
            rows: Vec::new(),
            shapes: HashSet::new(),
            newest_shape: u32::MAX,
            labels_as_they_are: false,
        }
    }
}

impl<'a> Gathered<'a> {
    fn join(&mut self, family: &'a Family) {
        if !self.members.iter().any(|m| m.name == family.name && m.kind == family.kind) {
            self.members.push(family);
        }
    }

    fn note_shape(&mut self, shape: u32) {
        if shape != self.newest_shape {
            self.newest_shape = shape;
            self.shapes.insert(shape);
        }
    }

    /// Unifies the labels of the rows (or leaves them as they are) and gives each its text. A histogram and a number cannot
    /// stand in one family: the first member's kind decides.
    fn finish(self, slots: &[Presence], labels: &mut LabelWriter<'a>, offences: &mut PageOffences) -> FamilyRows {
        offences.collapsed_families += self.members.len().saturating_sub(1) as u64;
        // Of members with the same name the first one stays: that of the first slot.
        let first = self.members.iter().min_by(|a, b| a.name.cmp(&b.name));
        let (name, help, kind) = first.map_or_else(
            || (Text::from(""), Text::from(""), Kind::Gauge),
            |f| (Text::clone(&f.name), Text::clone(&f.help), f.kind),
        );
        let mut rows = self.rows;
        let odd = self.members.iter().filter(|m| is_histogram(m.kind) != is_histogram(kind)).count();
        if odd > 0 {
            offences.dropped_families += odd as u64;
            rows.retain(|row| kind_of(slots, *row).is_some_and(|k| is_histogram(k) == is_histogram(kind)));
        }
        let names = if self.labels_as_they_are { None } else { Some(labels.union(&self.shapes)) };
        for row in &mut rows {
            let shape = names.or_else(|| labels.shape_of(row.snapshot, row.labels)).unwrap_or(0);
            row.labels = labels.text_of(row.snapshot, row.labels, shape);
        }
        FamilyRows { name, help, kind, labels_as_they_are: self.labels_as_they_are, rows: rows.into() }
    }
}

fn is_histogram(kind: Kind) -> bool {
    kind == Kind::Histogram
}

/// The kind of the family in which a row's series was born.
fn kind_of(slots: &[Presence], row: Row) -> Option<Kind> {
    let set = &slots.get(row.snapshot as usize)?.set;
    let key = set.series.get(row.position as usize)?;
    set.families.get(key.family as usize).map(|family| family.kind)
}

/// Removes families whose samples would look like those of a histogram; returns how many.
fn drop_look_alikes(families: &mut Vec<FamilyRows>, escaping: Escaping) -> u64 {
    let mut taken = HashSet::new();
    for family in families.iter().filter(|f| is_histogram(f.kind)) {
        let name = family.spelled(escaping);
        taken.extend(["bucket", "sum", "count"].map(|suffix| format!("{name}_{suffix}")));
    }
    let before = families.len();
    if !taken.is_empty() {
        families.retain(|family| !taken.contains(&*family.spelled(escaping)));
    }
    (before - families.len()) as u64
}

/// 2^32 of anything here do not fit into any memory this runs in; the clamp only spares a panic.
fn index(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
