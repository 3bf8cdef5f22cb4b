//! `measurement`: which fields of a plugin are wanted, and what becomes of their names and units.

use super::super::raw::{Node, Value};
use super::super::report::{Path, Report, quoted};
use super::super::{fields, nearest};
use super::{Decorations, read};
use crate::host::job::{Field, Plugin, Wanted};
use crate::model::{StandardUnit, Text};
use crate::push::{job::Decoration, unit};

/// The list of a plugin. Renames and units are added to `decorations`.
pub(super) fn wanted(
    node: &Node,
    path: &Path<'_>,
    plugin: Plugin,
    decorations: &mut Decorations,
    report: &mut Report,
) -> Wanted {
    let mut wanted = Wanted::default();
    let Some(items) = read::list(node, path, "a list of measurements", report) else { return wanted };
    if items.is_empty() {
        report.warn(node.spot, path, "the list is empty: nothing is collected");
    }
    for (n, item) in items.iter().enumerate() {
        let path = &Path::Item(path, n);
        if items.iter().take(n).any(|before| read::equal(before, item)) {
            report.mistake(item.spot, path, "this measurement stands in the list twice");
            continue;
        }
        let decorated = matches!(&*item.value, Value::Mapping(_)) && plugin != Plugin::Procstat;
        let found = if decorated {
            object(item, path, plugin, decorations, report)
        } else {
            read::text(item, path, 1..=255, report).and_then(|name| field(&name, item, path, plugin, report))
        };
        if let Some(field) = found {
            wanted.add(field);
        }
    }
    wanted
}

/// `{name, rename, unit}`; further keys are ignored, as there.
fn object(
    node: &Node,
    path: &Path<'_>,
    plugin: Plugin,
    decorations: &mut Decorations,
    report: &mut Report,
) -> Option<&'static Field> {
    let entries = read::object(node, path, report)?;
    let Some(name_node) = read::value(&entries, "name") else {
        report.mistake(node.spot, path, "the measurement has no `name`");
        return None;
    };
    let name = read::text(name_node, &path.key("name"), 1..=255, report);
    let rename = read::value(&entries, "rename");
    let rename = rename.and_then(|node| read::text(node, &path.key("rename"), 1..=255, report));
    let unit_node = read::value(&entries, "unit");
    let written = unit_node.and_then(|node| read::text(node, &path.key("unit"), 1..=256, report));
    let field = field(&name?, name_node, &path.key("name"), plugin, report)?;
    let unit = written.map(|text| {
        unit::parse(&text).unwrap_or_else(|| {
            let message = format!("{} is no unit of CloudWatch's: None is sent", quoted(&text));
            report.warn(unit_node.unwrap_or(node).spot, path.key("unit"), message);
            (StandardUnit::NONE, 1.0)
        })
    });
    if rename.is_some() || unit.is_some() {
        decorations.insert(full_name(plugin, field), Decoration { rename, unit });
    }
    Some(field)
}

/// The name as CloudWatch shows it, before any renaming.
pub(super) fn full_name(plugin: Plugin, field: &Field) -> Text {
    format!("{}_{}", plugin.as_str(), field.name).into()
}

/// The name without its plugin's, when it begins with that.
pub(super) fn bare(plugin: Plugin, name: &str) -> &str {
    name.strip_prefix(plugin.as_str()).and_then(|rest| rest.strip_prefix('_')).unwrap_or(name)
}

fn field(name: &str, node: &Node, path: &Path<'_>, plugin: Plugin, report: &mut Report) -> Option<&'static Field> {
    let bare = bare(plugin, name.trim());
    let found = plugin.field(bare);
    if found.is_none() {
        let known: Vec<&str> = plugin.fields().iter().map(|f| f.name).collect();
        let near = nearest::of(bare, &known).map(|near| format!("did you mean `{near}`? ")).unwrap_or_default();
        let message = format!("{} measures no {}; {near}valid: {}", plugin.as_str(), quoted(name), known.join(", "));
        // `system` is our own: whoever names it to the CloudWatch agent gets a warning there, whatever it measures.
        if plugin == Plugin::System {
            report.warn(node.spot, path, message);
        } else {
            report.mistake(node.spot, path, message);
        }
    }
    found
}

/// Whether a list of measurements is there at all: what decides about a plugin that nobody knows.
pub(super) fn has_list(node: &Node) -> bool {
    let Value::Mapping(entries) = &*node.value else { return false };
    let is_measurement = |key: &Node| matches!(&*key.value, Value::Scalar(s) if &*s.text == "measurement");
    entries.iter().any(|(key, value)| is_measurement(key) && matches!(&*value.value, Value::Sequence(_)))
        && !fields::is_null(node)
}
