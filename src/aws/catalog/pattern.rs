//! The notation in which a mapping says which part of an ARN is the value of which dimension, and its compiler.
//!
//! A mapping is searched anywhere in the ARN: the leftmost match counts, wildcards take as much as they can, and none of
//! them crosses a line break.
//!
//! | notation | meaning |
//! |---|---|
//! | text | itself, case-sensitive |
//! | `^` first, `$` last | the ARN's start, its end |
//! | `?` | any one character |
//! | `{Dim}` | the dimension's value: one or more characters, no `/` |
//! | `{Dim!:}` `{Dim!:/}` | the same without `:`; without `:` and `/` |
//! | `{Dim+}` `{Dim*}` | one or more of any character; zero or more |
//! | `{Dim=text{+}}` | the value is the text and what the wildcards `{+}`, `{*}` in it took |
//! | `{Dim=∅}` | the value is empty |
//! | `{_}` | like `{Dim}`, but nobody's value |

use regex::Regex;

use crate::model::Text;

/// A mapping, ready to be tried.
#[derive(Debug)]
pub struct ArnMatcher {
    /// The dimensions that it finds, in the order of their values. At least one.
    pub dimensions: Box<[Text]>,
    regex: Regex,
}

impl ArnMatcher {
    /// The values of [`Self::dimensions`], in their order, when the mapping matches.
    pub fn captures<'a>(&self, arn: &'a str) -> Option<Vec<&'a str>> {
        let found = self.regex.captures(arn)?;
        Some(found.iter().skip(1).map(|group| group.map_or("", |m| m.as_str())).collect())
    }
}

/// Why a mapping could not be compiled: a mistake in the table, or in a file's own row.
#[derive(Debug, thiserror::Error)]
#[error("compile the mapping {mapping:?}: {why}; docs/selection.md explains the notation")]
pub struct BadMapping {
    mapping: String,
    why: String,
}

impl BadMapping {
    /// Without the mapping itself, for whoever shows that anyway.
    pub fn why(&self) -> &str {
        &self.why
    }
}

/// Compiles a mapping.
pub fn compile(mapping: &str) -> Result<ArnMatcher, BadMapping> {
    let bad = |why: &str| BadMapping { mapping: mapping.to_owned(), why: why.to_owned() };
    let mut regex = String::new();
    let mut dimensions = Vec::new();
    let mut rest = mapping;
    if let Some(after) = rest.strip_prefix('^') {
        regex.push('^');
        rest = after;
    }
    let (body, end) = rest.strip_suffix('$').map_or((rest, ""), |body| (body, "$"));
    rest = body;
    while let Some((text, after)) = rest.split_once('{') {
        push_literal(&mut regex, text);
        let (inside, after) = split_brace(after).ok_or_else(|| bad("a brace is not closed"))?;
        dimensions.extend(push_braced(&mut regex, inside).map_err(bad)?.map(Text::from));
        rest = after;
    }
    push_literal(&mut regex, rest);
    regex.push_str(end);
    if dimensions.is_empty() {
        return Err(bad("it names no dimension"));
    }
    let regex = Regex::new(&regex).map_err(|e| bad(&e.to_string()))?;
    Ok(ArnMatcher { dimensions: dimensions.into(), regex })
}

/// Splits behind the brace that closes the one just opened; braces nest one level deep.
fn split_brace(text: &str) -> Option<(&str, &str)> {
    let mut depth = 1_u8;
    for (at, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some((text.get(..at)?, text.get(at + 1..)?));
        }
    }
    None
}

/// Appends what stands in one pair of braces; returns the dimension that it names, if it does.
fn push_braced<'m>(regex: &mut String, inside: &'m str) -> Result<Option<&'m str>, &'static str> {
    const SEGMENT: &str = r"[^/\n]+";
    if inside == "_" {
        regex.push_str(SEGMENT);
        return Ok(None);
    }
    regex.push('(');
    let name = if let Some((name, value)) = inside.split_once('=') {
        push_value(regex, value)?;
        name
    } else if let Some((name, stops)) = inside.split_once('!') {
        regex.push_str("[^");
        stops.chars().for_each(|c| regex.push_str(&regex::escape(c.encode_utf8(&mut [0; 4]))));
        regex.push_str(r"\n]+");
        name
    } else if let Some(name) = inside.strip_suffix('+') {
        regex.push_str(".+");
        name
    } else if let Some(name) = inside.strip_suffix('*') {
        regex.push_str(".*");
        name
    } else {
        regex.push_str(SEGMENT);
        inside
    };
    regex.push(')');
    if name.is_empty() { Err("a dimension has no name") } else { Ok(Some(name)) }
}

/// Appends the right side of `{Dim=…}`: text with `{+}` and `{*}`.
fn push_value(regex: &mut String, value: &str) -> Result<(), &'static str> {
    if value == "∅" {
        return Ok(());
    }
    let mut rest = value;
    while let Some((text, after)) = rest.split_once('{') {
        push_literal(regex, text);
        let (wildcard, after) = after.split_once('}').ok_or("a brace inside a value is not closed")?;
        regex.push_str(match wildcard {
            "+" => ".+",
            "*" => ".*",
            _ => return Err("only {+} and {*} may stand inside a value"),
        });
        rest = after;
    }
    push_literal(regex, rest);
    Ok(())
}

fn push_literal(regex: &mut String, text: &str) {
    for (i, piece) in text.split('?').enumerate() {
        if i > 0 {
            regex.push('.');
        }
        regex.push_str(&regex::escape(piece));
    }
}
