//! Several files as one: section by section, key by key. The same key twice is only good when both say the same; the lists
//! of procstat are joined. Sections that are not ours (`logs`, …) are nobody's quarrel here: the first file's stays.

use std::rc::Rc;

use super::super::raw::{Node, Scalar, Value};
use super::super::report::{Path, Report};
use super::read::equal;

/// Keys whose values are joined into one list.
const JOINED: [&str; 4] = ["procstat", "jmx", "otlp", "usage_metadata"];
/// The sections that are read.
const OURS: [&str; 2] = ["agent", "metrics"];
/// How deep sections are merged key by key: `metrics.metrics_collected.cpu` must be the same or stand in one file.
const MERGED_DEPTH: usize = 3;

/// One tree of the trees of all files.
pub(super) fn merged(roots: Vec<Node>, report: &mut Report) -> Option<Node> {
    let mut all = roots.into_iter();
    let first = all.next()?;
    Some(all.fold(first, |merged, next| merge(&merged, &next, &Path::Root, 0, report)))
}

fn merge(ours: &Node, theirs: &Node, path: &Path<'_>, depth: usize, report: &mut Report) -> Node {
    let (Value::Mapping(a), Value::Mapping(b)) = (&*ours.value, &*theirs.value) else {
        if !equal(ours, theirs) {
            report.mistake(theirs.spot, path, "different values are specified for this in several files");
        }
        return ours.clone();
    };
    if depth >= MERGED_DEPTH || (depth == MERGED_DEPTH - 1 && !is_section(path)) {
        if !equal(ours, theirs) {
            let message =
                "different values are specified for this in several files: they must be equal, or stand in one file";
            report.mistake(theirs.spot, path, message);
        }
        return ours.clone();
    }
    let mut entries = a.clone();
    for (key, value) in b {
        let name = text_of(key);
        let known = entries.iter_mut().find(|(k, _)| text_of(k) == name);
        match known {
            None => entries.push((key.clone(), value.clone())),
            // What is not ours is only looked at to say so.
            Some(_) if depth == 0 && !OURS.contains(&name) => {}
            Some((_, known)) if JOINED.contains(&name) => *known = joined(known, value),
            Some((_, known)) => *known = merge(known, value, &path.key(name), depth + 1, report),
        }
    }
    Node { value: Rc::new(Value::Mapping(entries)), is_alias: false, spot: ours.spot }
}

/// Below the sections only these are sections themselves.
fn is_section(path: &Path<'_>) -> bool {
    path.to_string().ends_with(".metrics_collected")
}

/// Equal elements once. What is no list is taken for a list of one.
fn joined(ours: &Node, theirs: &Node) -> Node {
    let items = |node: &Node| match &*node.value {
        Value::Sequence(items) => items.clone(),
        _ => vec![node.clone()],
    };
    let mut all = items(ours);
    for item in items(theirs) {
        if !all.iter().any(|known| equal(known, &item)) {
            all.push(item);
        }
    }
    Node { value: Rc::new(Value::Sequence(all)), is_alias: false, spot: ours.spot }
}

fn text_of(key: &Node) -> &str {
    match &*key.value {
        Value::Scalar(Scalar { text, .. }) => text,
        _ => "",
    }
}
