//! Values of the agent's file, with the rules of its schema: types are strict, and a null is nothing's type.

use std::ops::RangeInclusive;

use super::super::fields::wrong_type;
use super::super::raw::{Node, Spot, Value};
use super::super::report::{Path, Report, quoted};
use super::super::scalar::{self, Meaning};
use crate::model::Text;

/// An entry of an object.
pub(super) struct Entry<'a> {
    pub(super) key: Text,
    pub(super) key_spot: Spot,
    pub(super) value: &'a Node,
}

/// The entries of an object, each key once: of two the last one counts, as everywhere in JSON.
pub(super) fn object<'a>(node: &'a Node, path: &Path<'_>, report: &mut Report) -> Option<Vec<Entry<'a>>> {
    let Value::Mapping(entries) = &*node.value else {
        wrong_type(node, path, "an object (mapping)", report);
        return None;
    };
    let mut all: Vec<Entry<'a>> = Vec::new();
    for (key_node, value) in entries {
        if !report.spend(value.spot, 0) {
            return None;
        }
        let Value::Scalar(key) = &*key_node.value else {
            wrong_type(key_node, path, "a key", report);
            continue;
        };
        let entry = Entry { key: Text::clone(&key.text), key_spot: key_node.spot, value };
        match all.iter_mut().find(|known| known.key == entry.key) {
            Some(known) => {
                let message = format!("the key {} is already set: the last one counts", quoted(&entry.key));
                report.warn(key_node.spot, path.key(&entry.key), message);
                *known = entry;
            }
            None => all.push(entry),
        }
    }
    Some(all)
}

/// The value of a key.
pub(super) fn value<'a>(entries: &[Entry<'a>], key: &str) -> Option<&'a Node> {
    entries.iter().find(|entry| &*entry.key == key).map(|entry| entry.value)
}

/// The items of a list.
pub(super) fn list<'a>(node: &'a Node, path: &Path<'_>, wanted: &str, report: &mut Report) -> Option<&'a [Node]> {
    let Value::Sequence(items) = &*node.value else {
        wrong_type(node, path, wanted, report);
        return None;
    };
    Some(items)
}

/// A string of so many characters.
pub(super) fn text(
    node: &Node,
    path: &Path<'_>,
    characters: RangeInclusive<usize>,
    report: &mut Report,
) -> Option<Text> {
    let found = match &*node.value {
        Value::Scalar(s) if scalar::meaning(s) == Meaning::Str => Text::clone(&s.text),
        _ => {
            wrong_type(node, path, "a string", report);
            return None;
        }
    };
    report.spend(node.spot, found.len());
    if characters.contains(&found.chars().count()) {
        return Some(found);
    }
    let (from, to) = (characters.start(), characters.end());
    report.mistake(
        node.spot,
        path,
        format!("a string of {from} to {to} characters is expected, found {}", quoted(&found)),
    );
    None
}

/// A whole number within bounds. `60.0` is one, in JSON's way.
pub(super) fn integer(node: &Node, path: &Path<'_>, bounds: RangeInclusive<u64>, report: &mut Report) -> Option<u64> {
    let plain = match &*node.value {
        Value::Scalar(s) if s.is_plain || matches!(scalar::meaning(s), Meaning::Int(_)) => Some(&s.text),
        _ => None,
    };
    let number = plain.and_then(|text| text.parse::<f64>().ok()).filter(|n| n.is_finite());
    let Some(number) = number else {
        wrong_type(node, path, "an integer", report);
        return None;
    };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the bounds are far below 2^53")]
    let whole = (number.fract() == 0.0 && (0.0..1e15).contains(&number)).then_some(number as u64);
    if let Some(whole) = whole.filter(|n| bounds.contains(n)) {
        return Some(whole);
    }
    let (from, to) = (bounds.start(), bounds.end());
    report.mistake(node.spot, path, format!("an integer from {from} to {to} is expected, found {number}"));
    None
}

/// A boolean.
pub(super) fn flag(node: &Node, path: &Path<'_>, report: &mut Report) -> Option<bool> {
    if let Value::Scalar(s) = &*node.value
        && let Meaning::Bool(yes) = scalar::meaning(s)
    {
        return Some(yes);
    }
    wrong_type(node, path, "a boolean", report);
    None
}

/// Whether it is `true`; anything else is not.
pub(super) fn is_true(node: &Node) -> bool {
    matches!(&*node.value, Value::Scalar(s) if scalar::meaning(s) == Meaning::Bool(true))
}

/// A list of strings of 1 to 1024 characters.
pub(super) fn texts(node: &Node, path: &Path<'_>, report: &mut Report) -> Option<Vec<Text>> {
    let items = list(node, path, "a list of strings", report)?;
    let texts = items.iter().enumerate().map(|(n, item)| text(item, &Path::Item(path, n), 1..=1024, report));
    // All of them are looked at, so that every mistake is told.
    let texts: Vec<Option<Text>> = texts.collect();
    texts.into_iter().collect()
}

/// Whether two values are the same, whatever the order of their keys.
pub(super) fn equal(a: &Node, b: &Node) -> bool {
    match (&*a.value, &*b.value) {
        (Value::Scalar(a), Value::Scalar(b)) => a.text == b.text && a.is_plain == b.is_plain,
        (Value::Sequence(a), Value::Sequence(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b)),
        (Value::Mapping(a), Value::Mapping(b)) => {
            let has = |(key, value): &(Node, Node)| b.iter().any(|(k, v)| equal(key, k) && equal(value, v));
            a.len() == b.len() && a.iter().all(has)
        }
        _ => false,
    }
}
