//! What YAML 1.1 readers take and the parser, which knows YAML 1.2, does not: lines inside brackets and quotes that stand
//! too far left, and tabs between a key and its value. Such lines get a margin, such tabs become blanks, and places are
//! told as they are in the file.

use std::borrow::Cow;
use std::collections::BTreeSet;

use saphyr_parser::ScanError;

use super::Spot;

/// How many lines are helped; each costs another reading of the file.
const MAX_LINES: usize = 100;
/// More than any indentation that [`super::MAX_DEPTH`] levels have.
const WIDTH: usize = 400;

/// What is changed before the parser sees the text.
#[derive(Default)]
pub(super) struct Margins {
    /// The lines that have a margin, from 1.
    lines: BTreeSet<usize>,
    /// The lines in which a tab after a colon is a blank; when there are any, also those that begin with a plain key.
    tabbed: BTreeSet<usize>,
}

impl Margins {
    /// The text as the parser shall see it.
    pub(super) fn apply<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if self.lines.is_empty() && self.tabbed.is_empty() {
            return Cow::Borrowed(text);
        }
        let mut out = String::with_capacity(text.len() + self.lines.len() * WIDTH);
        for (n, line) in text.split_inclusive('\n').enumerate() {
            if self.lines.contains(&(n + 1)) {
                out.extend(std::iter::repeat_n(' ', WIDTH));
            }
            if self.tabbed.contains(&(n + 1)) || (!self.tabbed.is_empty() && has_tab_after_key(line)) {
                push_with_blanks(&mut out, line);
            } else {
                out.push_str(line);
            }
        }
        Cow::Owned(out)
    }

    /// Helps the line that an error is about; false when there is no help.
    pub(super) fn help(&mut self, text: &str, e: &ScanError) -> bool {
        let line = e.marker().line();
        if self.lines.len() + self.tabbed.len() >= MAX_LINES {
            return false;
        }
        match e.info() {
            "':' must be followed by a valid YAML whitespace" => self.tabbed.insert(line),
            "invalid indentation"
            | "invalid indentation in flow construct"
            | "tab cannot be used as indentation"
            | "tabs disallowed within this context (block indentation)" => self.lines.insert(line),
            // The error names the line where the quotation begins; a later line is the one that stands too far left.
            "invalid indentation in quoted scalar" => {
                let last = text.lines().count();
                let next = (line + 1..=last).find(|n| !self.lines.contains(n));
                next.is_some_and(|next| self.lines.insert(next))
            }
            _ => false,
        }
    }

    /// The place in the file as it is.
    pub(super) fn original(&self, spot: Spot) -> Spot {
        if self.lines.contains(&spot.line) {
            return Spot { column: spot.column.saturating_sub(WIDTH).max(1), ..spot };
        }
        spot
    }
}

/// `key:` and a tab at the beginning of a line, perhaps as the item of a list.
fn has_tab_after_key(line: &str) -> bool {
    let key = line.trim_start_matches([' ', '-']);
    key.split_once(":\t")
        .is_some_and(|(key, _)| key.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '/' | '.')))
}

/// The tabs after a colon become blanks, one for one.
fn push_with_blanks(out: &mut String, line: &str) {
    let mut is_after_colon = false;
    for c in line.chars() {
        is_after_colon = c == ':' || (is_after_colon && c == '\t');
        out.push(if is_after_colon && c == '\t' { ' ' } else { c });
    }
}
