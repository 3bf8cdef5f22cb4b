//! A second reader of exposition pages, strict, written without looking at the writer: what it accepts, Prometheus does.

use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Family {
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) help: String,
    pub(crate) samples: Vec<Sample>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sample {
    pub(crate) name: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) value: f64,
    /// As written: milliseconds in text, seconds in OpenMetrics.
    pub(crate) time: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Flavour {
    Text,
    OpenMetrics,
}

/// The families of a page, in its order, or what is wrong with it.
pub(crate) fn parse(page: &str, flavour: Flavour) -> Result<Vec<Family>, String> {
    let mut body = page;
    if flavour == Flavour::OpenMetrics {
        body = page.strip_suffix("# EOF\n").ok_or("no end mark")?;
    }
    if !body.is_empty() && !body.ends_with('\n') {
        return Err("the last line does not end".into());
    }
    let mut families: Vec<Family> = Vec::new();
    let mut pending_help: Option<(String, String)> = None;
    for line in body.split_terminator('\n') {
        let fail = |why: &str| Err(format!("{why}: {line:?}"));
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, rest) = family_name(rest)?;
            let text = rest.strip_prefix(' ').ok_or_else(|| format!("no help: {line:?}"))?;
            if pending_help.is_some() {
                return fail("HELP twice");
            }
            pending_help = Some((name, unescape(text, flavour == Flavour::OpenMetrics)?));
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, rest) = family_name(rest)?;
            let kind = rest.strip_prefix(' ').unwrap_or("").to_owned();
            let known = match flavour {
                Flavour::Text => ["gauge", "counter", "histogram", "untyped"],
                Flavour::OpenMetrics => ["gauge", "counter", "histogram", "unknown"],
            };
            if !known.contains(&kind.as_str()) {
                return fail("unknown type");
            }
            match pending_help.take() {
                Some((of, help)) if of == name => families.push(Family { name, kind, help, samples: vec![] }),
                _ => return fail("TYPE does not follow its HELP"),
            }
        } else if line.is_empty() || line.starts_with('#') {
            return fail("neither family nor sample");
        } else {
            let sample = sample(line, flavour)?;
            let Some(family) = families.last_mut().filter(|_| pending_help.is_none()) else {
                return fail("a sample without family");
            };
            if !belongs(&sample.name, family, flavour) {
                return fail("a sample of another family");
            }
            family.samples.push(sample);
        }
    }
    if pending_help.is_some() {
        return Err("HELP without TYPE".into());
    }
    check(&families, flavour)?;
    Ok(families)
}

fn belongs(sample: &str, family: &Family, flavour: Flavour) -> bool {
    let suffix = sample.strip_prefix(family.name.as_str());
    match (family.kind.as_str(), flavour) {
        ("histogram", _) => matches!(suffix, Some("_bucket" | "_sum" | "_count")),
        ("counter", Flavour::OpenMetrics) => suffix == Some("_total"),
        _ => suffix == Some(""),
    }
}

fn check(families: &[Family], flavour: Flavour) -> Result<(), String> {
    let mut names = BTreeSet::new();
    for family in families {
        if !names.insert(&family.name) {
            return Err(format!("family {:?} twice", family.name));
        }
        if family.samples.is_empty() {
            return Err(format!("family {:?} is empty", family.name));
        }
        let mut seen = BTreeSet::new();
        let mut newest: Option<(&Sample, f64)> = None;
        for sample in &family.samples {
            if !seen.insert((&sample.name, &sample.labels, &sample.time)) {
                return Err(format!("a sample twice: {sample:?}"));
            }
            let same_series = newest.filter(|(s, _)| s.name == sample.name && s.labels == sample.labels);
            let time = sample.time.as_ref().map(|t| t.parse::<f64>().map_err(|e| format!("{e}: {t}"))).transpose()?;
            if let Some((before, at)) = same_series {
                // A point without time belongs where time zero would.
                if time.unwrap_or(0.0) <= at {
                    return Err(format!("times do not ascend: {before:?}, {sample:?}"));
                }
                if flavour == Flavour::OpenMetrics && before.time.is_none() {
                    return Err(format!("a point without time among several: {before:?}"));
                }
            }
            newest = Some((sample, time.unwrap_or(0.0)));
        }
    }
    Ok(())
}

fn is_name(name: &str, colons: bool) -> bool {
    let first = |c: char| c == '_' || c.is_ascii_alphabetic() || (colons && c == ':');
    name.chars().next().is_some_and(first) && name.chars().all(|c| first(c) || c.is_ascii_digit())
}

/// A name at the beginning of the text, plain or in quotes, and what follows.
fn family_name(text: &str) -> Result<(String, &str), String> {
    if let Some(quoted) = text.strip_prefix('"') {
        let (name, rest) = quoted_text(quoted)?;
        return if name.is_empty() { Err("an empty name".into()) } else { Ok((name, rest)) };
    }
    let end = text.find([' ', '{']).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    if is_name(name, true) { Ok((name.to_owned(), rest)) } else { Err(format!("illegal name {name:?}")) }
}

/// Text up to the closing quote, unescaped, and what follows.
fn quoted_text(text: &str) -> Result<(String, &str), String> {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return Ok((unescape(&text[..at], true)?, &text[at + 1..])),
            _ => {}
        }
    }
    Err(format!("the quote does not end: {text:?}"))
}

fn unescape(text: &str, quotes: bool) -> Result<String, String> {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('n') => out.push('\n'),
                Some('\\') => out.push('\\'),
                Some('"') if quotes => out.push('"'),
                other => return Err(format!("unknown escape {other:?}")),
            },
            '"' if quotes => return Err(format!("a bare quote in {text:?}")),
            c => out.push(c),
        }
    }
    Ok(out)
}

fn sample(line: &str, flavour: Flavour) -> Result<Sample, String> {
    let (mut name, rest) =
        if line.starts_with('{') { (None, line) } else { family_name(line).map(|(n, r)| (Some(n), r))? };
    let mut labels = BTreeMap::new();
    let rest = match rest.strip_prefix('{') {
        None => rest,
        Some(mut inside) => loop {
            if let Some(quoted) = inside.strip_prefix('"') {
                let (own_name, rest) = quoted_text(quoted)?;
                if name.replace(own_name).is_some() || !labels.is_empty() {
                    return Err(format!("a second name: {line:?}"));
                }
                inside = rest;
            } else {
                let (label, value) = inside.split_once("=\"").ok_or_else(|| format!("no label: {line:?}"))?;
                let (value, rest) = quoted_text(value)?;
                if !is_name(label, false) || label == "__name__" {
                    return Err(format!("illegal label {label:?}"));
                }
                if labels.insert(label.to_owned(), value).is_some() {
                    return Err(format!("label {label:?} twice"));
                }
                inside = rest;
            }
            match inside.strip_prefix(',') {
                Some(more) => inside = more,
                None => break inside.strip_prefix('}').ok_or_else(|| format!("no brace: {line:?}"))?,
            }
        },
    };
    let name = name.filter(|n| !n.is_empty()).ok_or_else(|| format!("no name: {line:?}"))?;
    let mut words = rest.strip_prefix(' ').ok_or_else(|| format!("no value: {line:?}"))?.split(' ');
    let value = words.next().unwrap_or("");
    let value = value.parse().map_err(|e| format!("{e}: {value:?}"))?;
    let time = words.next().map(str::to_owned);
    if let (Some(time), Flavour::Text) = (&time, flavour) {
        time.parse::<i64>().map_err(|e| format!("{e}: {time:?}"))?;
    }
    if words.next().is_some() {
        return Err(format!("too much: {line:?}"));
    }
    Ok(Sample { name, labels, value, time })
}
