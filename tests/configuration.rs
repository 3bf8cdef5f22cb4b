//! `docs/configuration.md` has exactly the keys that the reader knows. The reader is asked by its own error messages: an unknown
//! key is answered with those that are known in its place.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use raingauge::config::{LoadOptions, parse};

/// No key is like it, so no message says "did you mean".
const UNKNOWN: &str = "zzzzqqqq";

/// A section of the document: what its heading says, and its keys.
struct Section {
    keys: BTreeSet<String>,
    /// The groups whose keys it has, too.
    also: Vec<String>,
}

/// The sections by their headings, without the backticks.
fn documented() -> BTreeMap<String, Section> {
    let text = include_str!("../docs/configuration.md");
    let mut sections = BTreeMap::new();
    for part in text.split("\n##").skip(1) {
        let (heading, body) = part.split_once('\n').unwrap();
        let heading = heading.trim_start_matches('#').trim().trim_matches('`').to_owned();
        let rows = body.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
        let keys: Vec<_> = rows.map(str::to_owned).collect();
        let set: BTreeSet<_> = keys.iter().cloned().collect();
        assert_eq!(set.len(), keys.len(), "{heading}: a key stands there twice");
        let also = body.lines().find_map(|line| line.split_once("Also the keys of ")).map_or("", |(_, names)| names);
        let also = also.split("**").skip(1).step_by(2).map(str::to_owned).collect();
        sections.insert(heading, Section { keys: set, also });
    }
    sections
}

/// The keys of a section, those of its groups included.
fn keys(sections: &BTreeMap<String, Section>, heading: &str) -> BTreeSet<String> {
    let section = &sections[heading];
    let more = section.also.iter().flat_map(|group| sections[group].keys.clone());
    section.keys.iter().cloned().chain(more).collect()
}

/// A file with something at a path: `a.b[].c`, or nothing for the top.
fn file(path: &str, inside: &str) -> String {
    let parts: Vec<_> = path.split('.').filter(|part| !part.is_empty()).collect();
    parts.iter().rev().fold(inside.to_owned(), |inside, part| match part.strip_suffix("[]") {
        Some(name) => format!("{{{name}: [{inside}]}}"),
        None => format!("{{{part}: {inside}}}"),
    })
}

/// What the reader knows at a path; `None`: there is no mapping with fixed keys.
fn known(path: &str) -> Option<BTreeSet<String>> {
    // At the top a known key must be there, or the file is nobody's.
    let inside = if path.is_empty() {
        format!("{{{UNKNOWN}: 1, web: {{}}, aws: {{}}}}")
    } else {
        format!("{{{UNKNOWN}: {{}}}}")
    };
    let text = file(path, &inside);
    let mistakes =
        parse(Path::new("raingauge.yml"), text.as_bytes(), &LoadOptions::default(), &|_| None).err()?.to_string();
    let line = mistakes.lines().find(|line| line.contains(&format!("`{UNKNOWN}`")))?;
    let names = line.split_once("known here: ")?.1;
    Some(names.split(", ").map(|name| name.trim().to_owned()).collect())
}

#[test]
fn every_key_is_documented_and_every_documented_key_is_known() {
    let sections = documented();
    let mut wrong = Vec::new();
    let mut seen = 0;
    for heading in sections.keys().filter(|heading| !["When", "Which", "How", "Found"].contains(&&***heading)) {
        let path = if heading == "The file" { "" } else { heading.as_str() };
        // The agent's own section takes whatever the CloudWatch agent's files have.
        if path == "agent" {
            continue;
        }
        let known = known(path).unwrap_or_else(|| panic!("{heading}: the reader knows no keys there"));
        let documented = keys(&sections, heading);
        seen += known.len();
        wrong.extend(known.difference(&documented).map(|key| format!("{heading}: `{key}` is not documented")));
        wrong.extend(documented.difference(&known).map(|key| format!("{heading}: `{key}` is not known")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen > 150, "only {seen} keys were compared");
}

#[test]
fn every_section_of_the_reader_has_a_heading() {
    let sections = documented();
    // Those have the keys of another heading, which says so.
    let same = ["roles", "customTags", "metrics", "dimensionFilters"];
    let mut seen = 0;
    for heading in sections.keys().filter(|heading| heading.starts_with(['a', 'g', 'w'])) {
        for key in keys(&sections, heading) {
            for path in [format!("{heading}.{key}"), format!("{heading}.{key}[]")] {
                let is_section = known(&path).is_some();
                let is_elsewhere = same.contains(&&*key) || path == "agent.metrics.credentials";
                seen += usize::from(is_section);
                assert!(!is_section || is_elsewhere || sections.contains_key(&path), "{path} is not documented");
            }
        }
    }
    assert!(seen >= 15, "only {seen} sections were found");
}
