//! What is said about a file while it is read: mistakes and warnings with their places, collected until the end.

use std::fmt;

use super::raw::Spot;
use super::{Diagnostic, Dialect};

/// How many mistakes, and how many warnings, are kept: nobody reads more, and a hostile file could make a million.
const MAX_DIAGNOSTICS: usize = 1000;

/// How many values are read, aliases followed: far above any file that does not multiply itself.
const MAX_VALUES: usize = 1_000_000;
/// How much text is read, aliases followed.
const MAX_TEXT_BYTES: usize = 16 << 20;

/// Where a value stands in the tree of keys.
#[derive(Clone, Copy)]
pub(crate) enum Path<'a> {
    /// The file.
    Root,
    /// A key of a mapping.
    Key(&'a Path<'a>, &'a str),
    /// An item of a list.
    Item(&'a Path<'a>, usize),
}

impl Path<'_> {
    /// The path of a key below this one.
    pub(crate) fn key<'a>(&'a self, key: &'a str) -> Path<'a> {
        Path::Key(self, key)
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Key(Self::Root, key) => f.write_str(key),
            Self::Key(parent, key) => write!(f, "{parent}.{key}"),
            Self::Item(parent, n) => write!(f, "{parent}[{n}]"),
        }
    }
}

/// The collected mistakes and warnings.
#[derive(Debug)]
pub(crate) struct Report {
    /// Whose rules hold.
    pub(crate) dialect: Dialect,
    /// Values may be secrets and are not quoted.
    pub(crate) is_discreet: bool,
    /// In the order in which they were found.
    pub(crate) mistakes: Vec<Diagnostic>,
    /// In the order in which they were found.
    pub(crate) warnings: Vec<Diagnostic>,
    values: usize,
    text_bytes: usize,
    /// The only mistake that counts once a bound is passed: the rest was not read.
    exhausted: Option<Diagnostic>,
}

impl Report {
    /// Nothing said yet.
    pub(crate) fn new(dialect: Dialect) -> Self {
        Self {
            dialect,
            is_discreet: false,
            mistakes: Vec::new(),
            warnings: Vec::new(),
            values: 0,
            text_bytes: 0,
            exhausted: None,
        }
    }

    /// Something that makes the file unusable.
    pub(crate) fn mistake(&mut self, spot: Spot, path: impl fmt::Display, message: impl Into<String>) {
        push(&mut self.mistakes, spot, path, message);
    }

    /// Something that is done otherwise than it seems to be meant.
    pub(crate) fn warn(&mut self, spot: Spot, path: impl fmt::Display, message: impl Into<String>) {
        push(&mut self.warnings, spot, path, message);
    }

    /// Whether no further mistake is kept: looking for more would be for nothing.
    pub(crate) fn is_full(&self) -> bool {
        self.mistakes.len() >= MAX_DIAGNOSTICS
    }

    /// Counts a value that is read; false when there are too many. Only aliases of aliases bring a file that far.
    pub(crate) fn spend(&mut self, spot: Spot, text_bytes: usize) -> bool {
        self.values += 1;
        self.text_bytes += text_bytes;
        let bound = if self.values > MAX_VALUES {
            format!("{MAX_VALUES} values")
        } else if self.text_bytes > MAX_TEXT_BYTES {
            format!("{MAX_TEXT_BYTES} bytes of text")
        } else {
            return true;
        };
        let message = format!("with its aliases followed, the file has more than {bound}: use fewer aliases");
        let Spot { line, column } = spot;
        self.exhausted.get_or_insert(Diagnostic { line, column, key_path: String::new(), message });
        false
    }

    /// Puts both into the order of the file, each said once (what an alias repeats is still one mistake).
    pub(crate) fn finish(&mut self) {
        if let Some(exhausted) = self.exhausted.take() {
            self.mistakes = vec![exhausted];
            self.warnings.clear();
        }
        for list in [&mut self.mistakes, &mut self.warnings] {
            list.sort_by_key(|d| (d.line, d.column));
            list.dedup();
        }
    }
}

fn push(to: &mut Vec<Diagnostic>, spot: Spot, path: impl fmt::Display, message: impl Into<String>) {
    if to.len() < MAX_DIAGNOSTICS {
        to.push(Diagnostic {
            line: spot.line,
            column: spot.column,
            key_path: path.to_string(),
            message: message.into(),
        });
    }
}

/// A text as part of a message: shortened, so that one value cannot fill the screen.
pub(crate) fn quoted(text: &str) -> String {
    const MAX_CHARS: usize = 60;
    let mut short: String = text.chars().take(MAX_CHARS).collect();
    if text.chars().nth(MAX_CHARS).is_some() {
        short.push('…');
    }
    format!("`{short}`")
}
