//! What is said about a file while it is read: mistakes and warnings with their places, collected until the end.

use std::fmt;

use super::raw::Spot;
use super::{Diagnostic, Dialect};

/// How many mistakes, and how many warnings, are kept: nobody reads more, and a hostile file could make a million.
const MAX_DIAGNOSTICS: usize = 1000;

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
    /// In the order in which they were found.
    pub(crate) mistakes: Vec<Diagnostic>,
    /// In the order in which they were found.
    pub(crate) warnings: Vec<Diagnostic>,
}

impl Report {
    /// Nothing said yet.
    pub(crate) fn new(dialect: Dialect) -> Self {
        Self { dialect, mistakes: Vec::new(), warnings: Vec::new() }
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

    /// Puts both into the order of the file, each said once (what an alias repeats is still one mistake).
    pub(crate) fn finish(&mut self) {
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
