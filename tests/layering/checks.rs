//! Sources in, offences out. Nothing here reads a file.

use std::collections::{BTreeMap, BTreeSet};

use super::lexer::{Token, tokens};
use super::paths::{Named, paths, without_tests};
use super::rules;

/// A source file, read and cut up.
pub(crate) struct Source<'a> {
    /// From the project's root, with `/`.
    path: &'a str,
    text: &'a str,
    /// Without test items.
    tokens: Vec<Token<'a>>,
    paths: Vec<Named<'a>>,
}

impl<'a> Source<'a> {
    /// Cuts up a file.
    pub(crate) fn new(path: &'a str, text: &'a str) -> Self {
        let all = tokens(text);
        let tokens = without_tests(&all);
        let paths = paths(&tokens);
        Self { path, text, tokens, paths }
    }

    /// The path below `src/`, for files of the library and the binary that are no tests.
    fn product(&self) -> Option<&'a str> {
        let path = self.path.strip_prefix("src/")?;
        let test = path.ends_with("/tests.rs") || path.contains("/tests/");
        (!test).then_some(path)
    }

    /// The module's path: `aws::catalog::table`.
    fn module(&self) -> Vec<&'a str> {
        let path = self.path.strip_prefix("src/").unwrap_or(self.path);
        path.strip_suffix(".rs").unwrap_or(path).split('/').collect()
    }

    /// A path of this crate, from its root and without `crate`; `None` for others.
    fn resolved(&self, path: &Named<'a>) -> Option<Vec<&'a str>> {
        let mut parts = path.parts.iter().copied().peekable();
        let mut base = match parts.peek().copied()? {
            "crate" => Vec::new(),
            "raingauge" if self.path == "src/main.rs" => Vec::new(),
            "self" | "super" => self.module(),
            _ => return None,
        };
        while let Some(part) = parts.next_if(|p| matches!(*p, "crate" | "raingauge" | "self" | "super")) {
            if part == "super" {
                base.pop();
            }
        }
        base.extend(parts);
        Some(base)
    }

    fn offence(&self, line: usize, what: &str) -> String {
        format!("{}:{line}: {what}", self.path)
    }
}

/// Everything that breaks a rule, in the order of the files.
pub(crate) fn check(sources: &[Source<'_>]) -> Vec<String> {
    let mut found = Vec::new();
    for source in sources {
        names(source, &mut found);
        size(source, &mut found);
        if source.product().is_some() {
            header(source, &mut found);
            imports(source, &mut found);
            libraries(source, &mut found);
            wall_time(source, &mut found);
            purity(source, &mut found);
        }
    }
    found.extend(cycle(&edges(sources)).map(|c| format!("src/: modules import each other in a circle: {c}")));
    found
}

/// Whether a file is one of these files, or in one of these folders (with a trailing `/`).
fn is_in(path: &str, places: &[&str]) -> bool {
    places.iter().any(|p| if p.ends_with('/') { path.starts_with(p) } else { path == *p })
}

/// Whether a path begins with this one; the last part may end in `*`.
fn begins(parts: &[&str], with: &str) -> bool {
    let mut parts = parts.iter();
    with.split("::").all(|want| {
        parts.next().is_some_and(|part| match want.strip_suffix('*') {
            Some(beginning) => part.starts_with(beginning),
            None => *part == want,
        })
    })
}

fn imports(source: &Source<'_>, found: &mut Vec<String>) {
    let module = source.module()[0];
    if module == "lib" {
        return;
    }
    let Some(rule) = rules::IMPORTS.iter().find(|r| r.module == module) else {
        let what = format!("the module {module} is new: give it a row in IMPORTS of tests/layering/rules.rs");
        return found.push(source.offence(1, &what));
    };
    for path in &source.paths {
        let Some(target) = source.resolved(path) else { continue };
        let Some(&top) = target.first() else { continue };
        let known = rules::IMPORTS.iter().any(|r| r.module == top);
        if top == module || !known || rule.may.iter().any(|may| begins(&target, may)) {
            continue;
        }
        let may = if rule.may.is_empty() { "nothing of this crate".to_owned() } else { rule.may.join(", ") };
        let root = if module == "main" { "raingauge" } else { "crate" };
        let what = format!("names {root}::{}; {module} may import {may}: {}", target.join("::"), rule.why);
        found.push(source.offence(path.line, &what));
    }
}

fn libraries(source: &Source<'_>, found: &mut Vec<String>) {
    let Some(file) = source.product() else { return };
    for rule in rules::LIBRARIES.iter().filter(|r| !is_in(file, r.only_in)) {
        for path in source.paths.iter().filter(|p| p.imported || p.parts.len() > 1) {
            if let Some(library) = rule.paths.iter().find(|with| begins(&path.parts, with)) {
                let what = format!("names {library}, which only {} may: {}", rule.only_in.join(", "), rule.why);
                found.push(source.offence(path.line, &what));
            }
        }
    }
}

fn wall_time(source: &Source<'_>, found: &mut Vec<String>) {
    if source.product().is_some_and(|file| is_in(file, rules::WALL_TIME_ONLY_IN)) {
        return;
    }
    for path in &source.paths {
        if let Some(end) = rules::WALL_TIME.iter().find(|end| path.parts.ends_with(end)) {
            let may = rules::WALL_TIME_ONLY_IN.join(", ");
            let what = format!("{} reads wall time; only {may} may: time is a parameter", end.join("::"));
            found.push(source.offence(path.line, &what));
        }
    }
}

fn purity(source: &Source<'_>, found: &mut Vec<String>) {
    if !source.product().is_some_and(|file| is_in(file, rules::PURE) && !file.starts_with("config/raw")) {
        return;
    }
    for token in source.tokens.iter().filter(|t| matches!(t.text, "async" | "await")) {
        found.push(source.offence(token.line, &format!("has {}, but is pure: values in, values out", token.text)));
    }
    for path in source.paths.iter().filter(|p| p.parts.len() > 1) {
        if let Some(impure) = rules::IMPURE.iter().find(|with| begins(&path.parts, with)) {
            found.push(source.offence(path.line, &format!("names {impure}, but is pure: values in, values out")));
        }
    }
}

fn names(source: &Source<'_>, found: &mut Vec<String>) {
    let advice = "name a module after what it does";
    for part in source.module() {
        if part == "mod" {
            found.push(source.offence(1, "is a mod.rs; here a module x is x.rs, and its parts are in x/"));
        }
        if rules::EMPTY_NAMES.contains(&part) {
            found.push(source.offence(1, &format!("{part} says nothing: {advice}")));
        }
    }
    if source.module().first().is_some_and(|top| rules::NO_SUCH_PART.contains(top)) {
        found.push(source.offence(1, "collects errors: an error lives beside the function that returns it"));
    }
    for pair in source.tokens.windows(2) {
        if pair[0].text == "mod" && rules::EMPTY_NAMES.contains(&pair[1].text) {
            found.push(source.offence(pair[1].line, &format!("{} says nothing: {advice}", pair[1].text)));
        }
    }
}

fn size(source: &Source<'_>, found: &mut Vec<String>) {
    let lines: BTreeSet<usize> = source.tokens.iter().map(|t| t.line).collect();
    if lines.len() > rules::MAX_CODE_LINES && !rules::LONG_TABLES.contains(&source.path) {
        let what = format!("has {} lines of code, {} at most: make it two files", lines.len(), rules::MAX_CODE_LINES);
        found.push(source.offence(1, &what));
    }
}

fn header(source: &Source<'_>, found: &mut Vec<String>) {
    if !source.text.starts_with("//!") {
        found.push(source.offence(1, "does not begin with //! and what it is for"));
    }
}

/// Which top-level module names which other one.
fn edges<'a>(sources: &[Source<'a>]) -> Vec<(&'a str, &'a str)> {
    let mut edges = BTreeSet::new();
    for source in sources.iter().filter(|s| s.product().is_some()) {
        let from = source.module()[0];
        for target in source.paths.iter().filter_map(|p| source.resolved(p)) {
            if let Some(&to) = target.first()
                && to != from
                && from != "lib"
                && rules::IMPORTS.iter().any(|r| r.module == to)
            {
                edges.insert((from, to));
            }
        }
    }
    edges.into_iter().collect()
}

/// A circle, if there is one: `a → b → a`.
pub(crate) fn cycle(edges: &[(&str, &str)]) -> Option<String> {
    let mut next: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (from, to) in edges {
        next.entry(from).or_default().push(to);
    }
    next.keys().find_map(|start| {
        let mut trails = vec![vec![*start]];
        let mut seen = BTreeSet::new();
        while let Some(trail) = trails.pop() {
            for to in next.get(trail.last()?).into_iter().flatten() {
                let longer = [&trail[..], &[*to]].concat();
                if to == start {
                    return Some(longer.join(" → "));
                }
                if seen.insert(*to) {
                    trails.push(longer);
                }
            }
        }
        None
    })
}
