//! The texts of label sets: unified with the names of their family, rendered once, ordered by their values.

use std::cmp::Ordering;

use hashbrown::{DefaultHashBuilder, HashMap, HashSet, HashTable};
use std::hash::BuildHasher;

use super::index;
use crate::expose::text::{Escaping, is_label_name, write_quoted};
use crate::model::{LabelRule, LabelSet, SeriesSet};

/// The texts of all label sets of a page: `a="…",b="…"`, without braces.
#[derive(Default)]
pub struct LabelTexts {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl LabelTexts {
    /// The text with that index; empty for no labels at all.
    pub fn get(&self, at: u32) -> &[u8] {
        let at = at as usize;
        let start = at.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        let end = self.ends.get(at).copied().unwrap_or(start);
        self.bytes.get(start..end).unwrap_or_default()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// None at all.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }
}

/// Renders label sets. A *shape* is a sorted list of label names.
#[derive(Default)]
pub(super) struct LabelWriter<'a> {
    escaping: Escaping,
    slots: Vec<Slot<'a>>,
    shapes: Vec<Shape<'a>>,
    shape_ids: HashMap<Vec<&'a str>, u32>,
    texts: LabelTexts,
    by_text: HashTable<u32>,
    hasher: DefaultHashBuilder,
    /// (slot, label set, shape) → text
    known: HashMap<(u32, u32, u32), u32>,
    /// For each text, where it came from.
    sources: Vec<Source<'a>>,
    dropped_labels: u64,
    /// Some name is spelled otherwise with another escaping.
    escaped: bool,
}

struct Shape<'a> {
    names: Vec<&'a str>,
    /// How the names are spelled, where not all of them are legal; `None` for one whose spelling another one has already.
    spelled: Option<Vec<Option<String>>>,
}

impl<'a> Shape<'a> {
    fn new(names: Vec<&'a str>, escaping: Escaping) -> Self {
        if names.iter().all(|name| is_label_name(name)) {
            return Self { names, spelled: None };
        }
        let mut taken = HashSet::new();
        let mut spell =
            |name: &&str| Some(escaping.apply_to_label(name).into_owned()).filter(|s| taken.insert(s.clone()));
        // Legal names first: an escaped one gives way.
        let mut spelled: Vec<Option<String>> =
            names.iter().map(|n| is_label_name(n).then(|| spell(n)).flatten()).collect();
        for (name, place) in names.iter().zip(&mut spelled).filter(|(name, _)| !is_label_name(name)) {
            *place = spell(name);
        }
        Self { names, spelled: Some(spelled) }
    }

    /// The spelling of the name at that place.
    fn spelling(&self, at: usize) -> Option<&str> {
        match &self.spelled {
            None => self.names.get(at).copied(),
            Some(spelled) => spelled.get(at)?.as_deref(),
        }
    }

    fn lost(&self) -> u64 {
        self.spelled.iter().flatten().filter(|s| s.is_none()).count() as u64
    }
}

/// The label sets of a slot and their shapes, as far as they were asked for.
struct Slot<'a> {
    set: &'a SeriesSet,
    shapes: Vec<Option<u32>>,
}

struct Source<'a> {
    labels: &'a LabelSet,
    shape: u32,
    /// The label set has exactly the names of the shape.
    exact: bool,
}

impl<'a> LabelWriter<'a> {
    /// For pages with that escaping.
    pub(super) fn new(escaping: Escaping) -> Self {
        Self { escaping, ..Self::default() }
    }

    /// Whether the texts would be the same with any other escaping.
    pub(super) fn any_escaping(&self) -> bool {
        !self.escaped
    }

    /// Slots must be announced in their order.
    pub(super) fn begin(&mut self, set: &'a SeriesSet) {
        self.slots.push(Slot { set, shapes: vec![None; set.label_sets.len()] });
    }

    /// The shape of a label set; `None` when there is no such set.
    pub(super) fn shape_of(&mut self, slot: u32, labels: u32) -> Option<u32> {
        let at = self.slots.get(slot as usize)?;
        if let Some(shape) = at.shapes.get(labels as usize)? {
            return Some(*shape);
        }
        let set = at.set.label_sets.get(labels as usize)?;
        let keeps = match at.set.label_rule {
            LabelRule::Unified => is_label_name,
            LabelRule::AsTheyAre => |name: &str| !name.is_empty() && name != "__name__",
        };
        let names: Vec<&str> = set.iter().map(|(name, _)| &**name).filter(|name| keeps(name)).collect();
        self.dropped_labels += (set.len() - names.len()) as u64;
        let shape = self.shape(names);
        *self.slots.get_mut(slot as usize)?.shapes.get_mut(labels as usize)? = Some(shape);
        Some(shape)
    }

    fn shape(&mut self, names: Vec<&'a str>) -> u32 {
        if let Some(id) = self.shape_ids.get(&names) {
            return *id;
        }
        let id = index(self.shapes.len());
        let shape = Shape::new(names.clone(), self.escaping);
        self.escaped |= shape.spelled.is_some();
        self.dropped_labels += shape.lost();
        self.shapes.push(shape);
        self.shape_ids.insert(names, id);
        id
    }

    /// The shape with all the names of those shapes.
    pub(super) fn union(&mut self, shapes: &HashSet<u32>) -> u32 {
        if let (1, Some(only)) = (shapes.len(), shapes.iter().next()) {
            return *only;
        }
        let mut names: Vec<&'a str> =
            shapes.iter().filter_map(|s| self.shapes.get(*s as usize)).flat_map(|s| &s.names).copied().collect();
        names.sort_unstable();
        names.dedup();
        self.shape(names)
    }

    /// The text of a label set, unified with a shape that has all its names.
    pub(super) fn text_of(&mut self, slot: u32, labels: u32, shape: u32) -> u32 {
        let key = (slot, labels, shape);
        if let Some(text) = self.known.get(&key) {
            return *text;
        }
        let text = self.render(slot, labels, shape).unwrap_or(0);
        self.known.insert(key, text);
        text
    }

    fn render(&mut self, slot: u32, labels: u32, shape: u32) -> Option<u32> {
        let slot = self.slots.get(slot as usize)?;
        let set = slot.set.label_sets.get(labels as usize)?;
        let own_shape = slot.shapes.get(labels as usize).copied().flatten();
        let spelling = self.shapes.get(shape as usize)?;
        let names = &spelling.names;
        let exact = own_shape == Some(shape) && set.len() == names.len();
        let bytes = &mut self.texts.bytes;
        let start = bytes.len();
        for (at, value) in values(set, names).enumerate() {
            let Some(name) = spelling.spelling(at) else { continue };
            if bytes.len() > start {
                bytes.push(b',');
            }
            bytes.extend_from_slice(name.as_bytes());
            bytes.extend_from_slice(b"=\"");
            write_quoted(bytes, value);
            bytes.push(b'"');
        }
        Some(self.intern(start, Source { labels: set, shape, exact }))
    }

    /// Makes what was written behind `start` a text, or finds the text that is equal to it.
    fn intern(&mut self, start: usize, source: Source<'a>) -> u32 {
        let Self { texts, by_text, hasher, .. } = self;
        let written = texts.bytes.get(start..).unwrap_or_default();
        let hash = hasher.hash_one(written);
        if let Some(found) = by_text.find(hash, |at| texts.get(*at) == written).copied() {
            texts.bytes.truncate(start);
            return found;
        }
        let at = index(texts.ends.len());
        texts.ends.push(texts.bytes.len());
        by_text.insert_unique(hash, at, |at| hasher.hash_one(texts.get(*at)));
        self.sources.push(source);
        at
    }

    /// The texts; the rank of each: fewer labels first, then by their values; how many labels were left out.
    pub(super) fn finish(self) -> (LabelTexts, Vec<u32>, u64) {
        let Self { texts, sources, shapes, dropped_labels, .. } = self;
        let mut order: Vec<(u32, &Source<'_>)> = (0..).zip(&sources).collect();
        let size = |source: &Source<'_>| shapes.get(source.shape as usize).map_or(0, |shape| shape.names.len());
        order.sort_unstable_by(|(_, a), (_, b)| {
            let by_size = if a.shape == b.shape { Ordering::Equal } else { size(a).cmp(&size(b)) };
            by_size.then_with(|| by_values(a, b, &shapes)).then_with(|| a.shape.cmp(&b.shape))
        });
        let mut ranks = vec![0; sources.len()];
        for (rank, (at, _)) in (0..).zip(order) {
            if let Some(place) = ranks.get_mut(at as usize) {
                *place = rank;
            }
        }
        (texts, ranks, dropped_labels)
    }
}

/// Compares two label sets by their values, each in the order of its names.
fn by_values(a: &Source<'_>, b: &Source<'_>, shapes: &[Shape<'_>]) -> Ordering {
    if a.exact && b.exact {
        let pairs = a.labels.iter().zip(b.labels.iter());
        return first_difference(pairs.map(|((_, a), (_, b))| (&**a, &**b)));
    }
    let names = |shape: u32| shapes.get(shape as usize).map_or(&[][..], |s| s.names.as_slice());
    first_difference(values(a.labels, names(a.shape)).zip(values(b.labels, names(b.shape))))
}

fn first_difference<'v>(mut pairs: impl Iterator<Item = (&'v str, &'v str)>) -> Ordering {
    // Most values are shared: the same account, the same region.
    let same = |a: &str, b: &str| std::ptr::eq(a, b);
    pairs.find_map(|(a, b)| (!same(a, b)).then(|| a.cmp(b)).filter(|o| o.is_ne())).unwrap_or(Ordering::Equal)
}

/// The value of each name; empty where the label set lacks it. Names that the list lacks are passed over.
fn values<'v>(labels: &'v LabelSet, names: &'v [&str]) -> impl Iterator<Item = &'v str> {
    let mut rest = labels.iter().peekable();
    names.iter().map(move |name| {
        while rest.next_if(|(label, _)| (***label).cmp(name).is_lt()).is_some() {}
        rest.next_if(|(label, _)| &***label == *name).map_or("", |(_, value)| value)
    })
}
