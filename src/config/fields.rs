//! From the tree to typed fields, with YACE's rules for what fits into what. Each field remembers its place, and whether
//! it was given and good, so that later checks neither lose the place nor repeat a mistake.

use std::collections::HashSet;

use super::raw::{Node, Scalar, Spot, Value};
use super::report::{Path, Report, quoted};
use super::scalar::{self, Meaning};
use super::{Dialect, nearest};
use crate::model::Text;

/// A value with its place.
#[derive(Clone, Debug, Default)]
pub(crate) struct Field<T> {
    /// The value; its default when it was not given or was bad.
    pub(crate) value: T,
    /// Where; the default when it was not given.
    pub(crate) spot: Spot,
    /// Whether it stands in the file, as something other than null.
    pub(crate) is_given: bool,
    /// Whether a mistake has been reported about it already.
    pub(crate) is_bad: bool,
}

impl<T: Default> Field<T> {
    fn set(&mut self, spot: Spot, value: T) {
        *self = Self { value, spot, is_given: true, is_bad: false };
    }

    fn set_null(&mut self, spot: Spot) {
        *self = Self { spot, ..Self::default() };
    }

    fn set_bad(&mut self, spot: Spot) {
        *self = Self { spot, is_given: true, is_bad: true, value: T::default() };
    }
}

impl<T> Field<T> {
    /// Its place, or the place of what it should stand in.
    pub(crate) fn spot_or(&self, parent: Spot) -> Spot {
        if self.spot == Spot::default() { parent } else { self.spot }
    }
}

/// A mapping whose keys are known.
pub(crate) trait Section {
    /// All keys of it.
    fn keys(&self, dialect: Dialect) -> Vec<&'static str>;
    /// Takes the value of a known key. A later call with the same key replaces the earlier one's value.
    fn read(&mut self, key: &str, node: &Node, path: &Path<'_>, report: &mut Report);
    /// Forgets everything: the section is null.
    fn clear(&mut self);
}

/// Reads a mapping into a section. Keys merged by `<<` count where the merge stands in a YACE file (what follows
/// overrides, what precedes is overridden: so does YACE's reader); natively the mapping's own keys always win.
pub(crate) fn mapping(section: &mut dyn Section, node: &Node, path: &Path<'_>, report: &mut Report) {
    let Value::Mapping(entries) = &*node.value else {
        if is_null(node) {
            section.clear();
        } else {
            wrong_type(node, path, "a mapping", report);
        }
        return;
    };
    if report.dialect == Dialect::Native {
        for (_, value) in entries.iter().filter(|(key, _)| is_merge(key)) {
            merge(section, value, path, report);
        }
    }
    let mut seen: Vec<Text> = Vec::new();
    for (key_node, value) in entries {
        if !report.spend(value.spot, 0) {
            return;
        }
        if is_merge(key_node) {
            if report.dialect == Dialect::Yace {
                merge(section, value, path, report);
            }
            continue;
        }
        let Some(key) = key_text(key_node, path, report) else { continue };
        if seen.contains(&key) {
            repeated(&key, key_node.spot, path, report);
        } else if section.keys(report.dialect).contains(&&*key) {
            seen.push(Text::clone(&key));
        }
        known(section, &key, key_node.spot, value, path, report);
    }
}

/// Every key of a mapping that is free to have any, with its value, merges included; YACE's order of precedence.
pub(crate) fn entries(
    node: &Node,
    path: &Path<'_>,
    report: &mut Report,
    take: &mut dyn FnMut(Text, Spot, &Node, &mut Report),
) {
    let Value::Mapping(entries) = &*node.value else {
        if !is_null(node) {
            wrong_type(node, path, "a mapping", report);
        }
        return;
    };
    let mut seen: HashSet<Text> = HashSet::new();
    for (key_node, value) in entries {
        if !report.spend(value.spot, 0) {
            return;
        }
        if is_merge(key_node) {
            for map in merged_maps(value, path, report) {
                self::entries(&map, path, report, take);
            }
            continue;
        }
        let Some(key) = key_text(key_node, path, report) else { continue };
        if !seen.insert(Text::clone(&key)) {
            repeated(&key, key_node.spot, path, report);
        }
        take(key, key_node.spot, value, report);
    }
}

fn known(section: &mut dyn Section, key: &str, spot: Spot, value: &Node, path: &Path<'_>, report: &mut Report) {
    let keys = section.keys(report.dialect);
    let path = path.key(key);
    if keys.contains(&key) {
        section.read(key, value, &path, report);
    } else if report.dialect == Dialect::Yace {
        report.warn(spot, path, format!("unknown key {}: it is ignored", quoted(key)));
    } else {
        let hint = match nearest::of(key, &keys) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("known here: {}", keys.join(", ")),
        };
        report.mistake(spot, path, format!("unknown key {}; {hint}", quoted(key)));
    }
}

fn merge(section: &mut dyn Section, value: &Node, path: &Path<'_>, report: &mut Report) {
    for map in merged_maps(value, path, report) {
        mapping(section, &map, path, report);
    }
}

/// What a `<<` names: a mapping or a list of mappings, weakest first.
fn merged_maps(value: &Node, path: &Path<'_>, report: &mut Report) -> Vec<Node> {
    let maps = match &*value.value {
        Value::Mapping(_) => Some(vec![value.clone()]),
        // An alias of a list is refused, though the list itself would do: so is it in YACE.
        Value::Sequence(items) if !value.is_alias => Some(items.iter().rev().cloned().collect::<Vec<_>>()),
        _ => None,
    };
    let maps = maps.filter(|maps| maps.iter().all(|m| matches!(&*m.value, Value::Mapping(_))));
    maps.unwrap_or_else(|| {
        report.mistake(value.spot, path.key("<<"), "<< merges a mapping (map) or a list of mappings, nothing else");
        Vec::new()
    })
}

fn is_merge(key: &Node) -> bool {
    let Value::Scalar(scalar) = &*key.value else { return false };
    let is_tagged = scalar.tag.as_deref() == Some("tag:yaml.org,2002:merge");
    !key.is_alias && &*scalar.text == "<<" && (scalar.is_plain || is_tagged)
}

fn repeated(key: &str, spot: Spot, path: &Path<'_>, report: &mut Report) {
    let path = path.key(key);
    match report.dialect {
        Dialect::Yace | Dialect::CloudWatchAgent => {
            report.warn(spot, path, format!("the key {} is already set: the last one counts", quoted(key)));
        }
        Dialect::Native => report.mistake(spot, path, format!("the key {} is already set: remove one", quoted(key))),
    }
}

fn key_text(node: &Node, path: &Path<'_>, report: &mut Report) -> Option<Text> {
    let mut key = Field::default();
    text(&mut key, node, path, report);
    (!key.is_bad).then_some(key.value)
}

/// A string: any scalar's source text.
pub(crate) fn text(out: &mut Field<Text>, node: &Node, path: &Path<'_>, report: &mut Report) {
    let Value::Scalar(scalar) = &*node.value else {
        wrong_type(node, path, "a string", report);
        return out.set_bad(node.spot);
    };
    match scalar::meaning(scalar) {
        Meaning::Null { .. } => out.set_null(node.spot),
        Meaning::Binary => {
            let Some(bytes) = scalar::base64(&scalar.text) else {
                report.mistake(node.spot, path, "this !!binary value is not base64");
                return out.set_bad(node.spot);
            };
            out.set(node.spot, String::from_utf8_lossy(&bytes).into());
        }
        Meaning::Contradiction => {
            contradiction(scalar, node.spot, path, report);
            out.set_bad(node.spot);
        }
        _ => {
            report.spend(node.spot, scalar.text.len());
            out.set(node.spot, Text::clone(&scalar.text));
        }
    }
}

/// An integer; fractions are cut off, null is 0.
pub(crate) fn integer(out: &mut Field<i64>, node: &Node, path: &Path<'_>, report: &mut Report) {
    let meaning = scalar_meaning(node);
    let number = match meaning {
        Some(Meaning::Null { .. }) => return out.set_null(node.spot),
        Some(Meaning::Int(n)) => Some(n),
        Some(Meaning::Float(n)) => scalar::truncate(n),
        _ => None,
    };
    let Some(number) = number else {
        wrong_type(node, path, "an integer", report);
        return out.set_bad(node.spot);
    };
    out.set(node.spot, number);
}

/// A boolean, or nothing.
pub(crate) fn flag(out: &mut Field<Option<bool>>, node: &Node, path: &Path<'_>, report: &mut Report) {
    match scalar_meaning(node) {
        Some(Meaning::Null { is_absent: true }) => out.set_null(node.spot),
        Some(Meaning::Null { is_absent: false }) => out.set(node.spot, Some(false)),
        Some(Meaning::Bool(b)) => out.set(node.spot, Some(b)),
        _ => {
            wrong_type(node, path, "a boolean (bool)", report);
            out.set_bad(node.spot);
        }
    }
}

/// A duration in seconds, or nothing.
pub(crate) fn duration(out: &mut Field<Option<u64>>, node: &Node, path: &Path<'_>, report: &mut Report) {
    let seconds = match (&*node.value, scalar_meaning(node)) {
        (_, Some(Meaning::Null { .. })) => return out.set_null(node.spot),
        (Value::Scalar(scalar), Some(Meaning::Int(_) | Meaning::Str)) => {
            scalar::duration_seconds(&scalar.text).map_err(|e| e.to_string())
        }
        _ => Err(scalar::NoDuration.to_string()),
    };
    match seconds {
        Ok(seconds) => out.set(node.spot, Some(seconds)),
        Err(message) => {
            report.mistake(node.spot, path, message);
            out.set_bad(node.spot);
        }
    }
}

/// How often: a duration, or `auto`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Interval {
    /// Once a period.
    Auto,
    /// Seconds.
    Fixed(u64),
}

/// A duration in seconds, `auto`, or nothing.
pub(crate) fn interval(out: &mut Field<Option<Interval>>, node: &Node, path: &Path<'_>, report: &mut Report) {
    if matches!(&*node.value, Value::Scalar(scalar) if &*scalar.text == "auto") {
        return out.set(node.spot, Some(Interval::Auto));
    }
    let mut seconds = Field::default();
    duration(&mut seconds, node, path, report);
    let Field { value, spot, is_given, is_bad } = seconds;
    *out = Field { value: value.map(Interval::Fixed), spot, is_given, is_bad };
}

/// A list of strings; a null among them is an empty string.
pub(crate) fn texts(out: &mut Field<Vec<Field<Text>>>, node: &Node, path: &Path<'_>, report: &mut Report) {
    let Some(items) = items(node, path, "a list of strings", report) else {
        return if is_null(node) { out.set_null(node.spot) } else { out.set_bad(node.spot) };
    };
    let mut texts = Vec::with_capacity(items.len());
    for (n, item) in items.iter().enumerate() {
        if !report.spend(item.spot, 0) {
            break;
        }
        let mut field = Field::default();
        text(&mut field, item, &Path::Item(path, n), report);
        texts.push(field);
    }
    out.set(node.spot, texts);
}

/// A list of mappings. Where a null item means an empty mapping to YACE it does so here; elsewhere YACE crashes, and we
/// call it a mistake.
pub(crate) fn list<T: Section>(
    out: &mut Field<Vec<T>>,
    node: &Node,
    path: &Path<'_>,
    report: &mut Report,
    null_is_empty: bool,
    new: impl Fn(Spot, &Path<'_>) -> T,
) {
    let Some(items) = items(node, path, "a list of mappings", report) else {
        return if is_null(node) { out.set_null(node.spot) } else { out.set_bad(node.spot) };
    };
    let mut list = Vec::with_capacity(items.len());
    for (n, item) in items.iter().enumerate() {
        if !report.spend(item.spot, 0) {
            break;
        }
        let path = Path::Item(path, n);
        if is_null(item) && !null_is_empty {
            report.mistake(item.spot, path, "this item is empty (null): write its keys or remove the dash");
            continue;
        }
        if !is_null(item) && !matches!(&*item.value, Value::Mapping(_)) {
            wrong_type(item, &path, "a mapping", report);
            continue;
        }
        let mut section = new(item.spot, &path);
        mapping(&mut section, item, &path, report);
        list.push(section);
    }
    out.set(node.spot, list);
    // Empty only because every item was bad: do not complain about the emptiness, too.
    out.is_bad = out.value.is_empty() && !items.is_empty();
}

fn items<'a>(node: &'a Node, path: &Path<'_>, wanted: &str, report: &mut Report) -> Option<&'a [Node]> {
    if let Value::Sequence(items) = &*node.value {
        return Some(items);
    }
    if !is_null(node) {
        wrong_type(node, path, wanted, report);
    }
    None
}

/// Whether a value is null in one of its spellings.
pub(crate) fn is_null(node: &Node) -> bool {
    matches!(scalar_meaning(node), Some(Meaning::Null { .. }))
}

fn scalar_meaning(node: &Node) -> Option<Meaning> {
    match &*node.value {
        Value::Scalar(scalar) => Some(scalar::meaning(scalar)),
        _ => None,
    }
}

/// Says what was expected and what is there.
pub(crate) fn wrong_type(node: &Node, path: &Path<'_>, wanted: &str, report: &mut Report) {
    let found = match &*node.value {
        Value::Sequence(_) => "a list (sequence)".to_owned(),
        Value::Mapping(_) => "a mapping (map)".to_owned(),
        Value::Scalar(_) if report.is_discreet => "a value (which may be a secret, and is not shown)".to_owned(),
        Value::Scalar(scalar) => match scalar::meaning(scalar) {
            Meaning::Contradiction => return contradiction(scalar, node.spot, path, report),
            Meaning::Str if scalar.is_plain || scalar.tag.is_some() => format!("the string {}", quoted(&scalar.text)),
            Meaning::Str => format!("the quoted string {}", quoted(&scalar.text)),
            meaning => format!("{} {}", meaning.name(), quoted(&scalar.text)),
        },
    };
    report.mistake(node.spot, path, format!("expected {wanted}, found {found}"));
}

fn contradiction(scalar: &Scalar, spot: Spot, path: &Path<'_>, report: &mut Report) {
    let tag = scalar.tag.as_deref().and_then(|t| t.rsplit(':').next()).unwrap_or_default();
    let what = if report.is_discreet { "the value".to_owned() } else { quoted(&scalar.text) };
    report.mistake(spot, path, format!("{what} cannot be read as !!{tag}"));
}
