//! From the client library's text to pages that Prometheus' tools have nothing to say about. The library writes OpenMetrics
//! only, children in no particular order; a 0.0.4 page wants the TYPE and HELP lines of a counter to carry the name that
//! its samples have.

use super::Format;
use super::metrics::Type;

/// A family as text.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct FamilyText {
    /// The name on a 0.0.4 page.
    pub(super) name: String,
    pub(super) kind: Type,
    pub(super) help: String,
    /// Sample lines with their newlines; the lines of one histogram stand together in one text.
    pub(super) samples: Vec<String>,
}

/// Takes the library's text apart. Families without samples are left out.
pub(super) fn parse(openmetrics: &str) -> Vec<FamilyText> {
    let mut families = Vec::new();
    let mut help = "";
    for line in openmetrics.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            help = rest.split_once(' ').map_or("", |(_, help)| help);
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            families.extend(rest.split_once(' ').map(|(name, kind)| begin(name, kind, help)));
        } else if let Some(family) = families.last_mut().filter(|_| !line.starts_with('#')) {
            push_line(family, line);
        }
    }
    families.retain(|f| !f.samples.is_empty());
    families
}

fn begin(name: &str, kind: &str, help: &str) -> FamilyText {
    let (kind, suffix) = match kind {
        "counter" => (Type::Counter, "_total"),
        "histogram" => (Type::Histogram, ""),
        _ => (Type::Gauge, ""),
    };
    FamilyText { name: format!("{name}{suffix}"), kind, help: help.to_owned(), samples: Vec::new() }
}

/// The library writes a histogram's sum first: there a new child begins.
fn push_line(family: &mut FamilyText, line: &str) {
    let goes_on = family.kind == Type::Histogram
        && !line.strip_prefix(family.name.as_str()).is_some_and(|rest| rest.starts_with("_sum"));
    match family.samples.last_mut().filter(|_| goes_on) {
        Some(child) => {
            child.push_str(line);
            child.push('\n');
        }
        None => family.samples.push(format!("{line}\n")),
    }
}

/// Families and their samples in order.
pub(super) fn write(mut families: Vec<FamilyText>, format: Format) -> String {
    families.sort_by(|a, b| a.name.cmp(&b.name));
    let mut out = String::new();
    for family in &mut families {
        family.samples.sort();
        let name = match (format, family.kind) {
            (Format::OpenMetrics, Type::Counter) => family.name.strip_suffix("_total").unwrap_or(&family.name),
            _ => &family.name,
        };
        for piece in ["# HELP ", name, " ", &family.help, "\n# TYPE ", name, " ", family.kind.as_str(), "\n"] {
            out.push_str(piece);
        }
        for sample in &family.samples {
            out.push_str(sample);
        }
    }
    if format == Format::OpenMetrics {
        out.push_str("# EOF\n");
    }
    out
}
