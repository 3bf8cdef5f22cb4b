//! Which resource a listed metric belongs to: the resource whose ARN holds the values of the metric's dimensions.
//!
//! An [`Associator`] is built once per inventory and then asked for every listed metric, so look-ups build no text.
//! Deliberately absent: tags, labels, and any knowledge of one namespace (that is the catalog's).

use std::borrow::Cow;
use std::hash::{BuildHasher, Hasher};

use hashbrown::{DefaultHashBuilder, HashTable};

use crate::aws::api::Resource;
use crate::aws::catalog::{Service, ValueFix};
use crate::aws::job::Dimension;
use crate::model::Text;

/// What became of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Association {
    /// It belongs to the resource at this position.
    Resource(usize),
    /// It belongs to no single resource, and is shown as such.
    Global,
    /// It belongs to a resource that was not discovered, and is not shown.
    Skip,
}

/// The resources of one namespace in one place, found by the values of their dimensions.
#[derive(Debug)]
pub struct Associator<'a> {
    /// Only mappings that took a resource; those with the most dimensions first.
    mappings: Vec<Mapping<'a>>,
    fix: ValueFix,
    hasher: DefaultHashBuilder,
}

#[derive(Debug)]
struct Mapping<'a> {
    dimensions: &'a [Text],
    taken: HashTable<Taken<'a>>,
}

#[derive(Debug)]
struct Taken<'a> {
    /// In the order of the mapping's dimensions.
    values: Vec<&'a str>,
    resource: usize,
}

impl<'a> Associator<'a> {
    /// Sorts the resources into the service's mappings. A resource belongs to the first mapping that matches its ARN; of
    /// two resources with the same values the later one counts.
    pub fn new(service: &'a Service, resources: &'a [Resource]) -> Self {
        let hasher = DefaultHashBuilder::default();
        let mut left: Vec<usize> = (0..resources.len()).collect();
        let mut mappings = Vec::new();
        for matcher in service.matchers() {
            let mut mapping = Mapping { dimensions: &matcher.dimensions, taken: HashTable::new() };
            left.retain(|&resource| {
                match resources.get(resource).and_then(|r| matcher.captures(&r.arn)) {
                    Some(values) => mapping.take(&hasher, Taken { values, resource }),
                    None => return true,
                }
                false
            });
            // A mapping without resources must not make metrics look like those of unknown resources.
            if !mapping.taken.is_empty() {
                mappings.push(mapping);
            }
        }
        mappings.sort_by_key(|m| std::cmp::Reverse(m.dimensions.len()));
        Self { mappings, fix: service.value_fix, hasher }
    }

    /// The resource of a metric with these dimensions.
    pub fn associate(&self, dimensions: &[Dimension]) -> Association {
        let mut applies = false;
        for mapping in self.mappings.iter().filter(|m| m.applies_to(dimensions)) {
            applies = true;
            if let Some(resource) = self.find(mapping, dimensions) {
                return Association::Resource(resource);
            }
        }
        if applies { Association::Skip } else { Association::Global }
    }

    /// Looks up the fixed values first, then the values as they are: a resource may really be called `rab-0`.
    fn find(&self, mapping: &Mapping<'_>, dimensions: &[Dimension]) -> Option<usize> {
        let fixed = |name: &str| {
            let value = value_of(dimensions, name)?;
            Some(fixed(self.fix, name, value).unwrap_or(Cow::Borrowed(value)))
        };
        let plain = |name: &str| value_of(dimensions, name).map(Cow::Borrowed);
        if self.fix != ValueFix::None
            && let Some(resource) = mapping.get(&self.hasher, fixed)
        {
            return Some(resource);
        }
        mapping.get(&self.hasher, plain)
    }
}

impl<'a> Mapping<'a> {
    fn take(&mut self, hasher: &DefaultHashBuilder, taken: Taken<'a>) {
        let hash_of = |t: &Taken<'_>| hash(hasher, t.values.iter().copied());
        match self.taken.entry(hash_of(&taken), |other| other.values == taken.values, hash_of) {
            hashbrown::hash_table::Entry::Occupied(mut earlier) => *earlier.get_mut() = taken,
            hashbrown::hash_table::Entry::Vacant(place) => {
                place.insert(taken);
            }
        }
    }

    fn applies_to(&self, dimensions: &[Dimension]) -> bool {
        self.dimensions.iter().all(|name| value_of(dimensions, name).is_some())
    }

    fn get<'v>(&self, hasher: &DefaultHashBuilder, value: impl Fn(&str) -> Option<Cow<'v, str>>) -> Option<usize> {
        let values = || self.dimensions.iter().map(|name| value(name).unwrap_or_default());
        let found = self.taken.find(hash(hasher, values()), |t| t.values.iter().copied().eq(values()))?;
        Some(found.resource)
    }
}

fn value_of<'d>(dimensions: &'d [Dimension], name: &str) -> Option<&'d str> {
    dimensions.iter().rev().find(|d| &*d.name == name).map(|d| &*d.value)
}

fn hash<T: AsRef<str>>(hasher: &DefaultHashBuilder, values: impl Iterator<Item = T>) -> u64 {
    let mut state = hasher.build_hasher();
    for value in values {
        state.write(value.as_ref().as_bytes());
        state.write_u8(0xff); // in no UTF-8 text: ("a", "bc") is not ("ab", "c")
    }
    state.finish()
}

/// The value as the ARN spells it; `None` when there is nothing to fix.
fn fixed<'v>(fix: ValueFix, name: &str, value: &'v str) -> Option<Cow<'v, str>> {
    match fix {
        ValueFix::BrokerSuffix if name == "Broker" => {
            let without = value.trim_end_matches(|c: char| c.is_ascii_digit());
            (without.len() < value.len()).then_some(())?;
            Some(Cow::Borrowed(without.strip_suffix('-')?))
        }
        ValueFix::InferenceComponentLowerCase if name == "InferenceComponentName" => {
            Some(Cow::Owned(value.to_lowercase()))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
