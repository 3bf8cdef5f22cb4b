//! Lines that stand further left than the parser wants, though nothing depends on it: inside brackets and quotes YAML 1.1
//! readers do not care about indentation, YAML 1.2 does. Such lines get a margin of blanks, and places are told without it.

use std::borrow::Cow;
use std::collections::BTreeSet;

use saphyr_parser::ScanError;

use super::Spot;

/// How many lines are helped; each costs another reading of the file.
const MAX_LINES: usize = 100;
/// More than any indentation that [`super::MAX_DEPTH`] levels have.
const WIDTH: usize = 400;

/// The lines that have a margin, from 1.
#[derive(Default)]
pub(super) struct Margins {
    lines: BTreeSet<usize>,
}

impl Margins {
    /// The text with its margins.
    pub(super) fn apply<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if self.lines.is_empty() {
            return Cow::Borrowed(text);
        }
        let mut out = String::with_capacity(text.len() + self.lines.len() * WIDTH);
        for (n, line) in text.split_inclusive('\n').enumerate() {
            if self.lines.contains(&(n + 1)) {
                out.extend(std::iter::repeat_n(' ', WIDTH));
            }
            out.push_str(line);
        }
        Cow::Owned(out)
    }

    /// Gives a margin to the line that an error is about; false when there is none to give.
    pub(super) fn widen(&mut self, text: &str, e: &ScanError) -> bool {
        let line = e.marker().line();
        let line = match e.info() {
            "invalid indentation"
            | "invalid indentation in flow construct"
            | "tab cannot be used as indentation"
            | "tabs disallowed within this context (block indentation)" => line,
            // The error names the line where the quotation begins; a later line is the one that stands too far left.
            "invalid indentation in quoted scalar" => {
                let last = text.lines().count();
                let Some(next) = (line + 1..=last).find(|n| !self.lines.contains(n)) else { return false };
                next
            }
            _ => return false,
        };
        self.lines.len() < MAX_LINES && self.lines.insert(line)
    }

    /// The place in the file as it is.
    pub(super) fn original(&self, spot: Spot) -> Spot {
        if self.lines.contains(&spot.line) {
            return Spot { column: spot.column.saturating_sub(WIDTH).max(1), ..spot };
        }
        spot
    }
}
