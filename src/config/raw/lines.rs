//! Tabs in indentation: YAML 1.1 parsers refuse them, and so do we, since what such a file means depends on the reader.

use saphyr_parser::{Event, ScalarStyle, Span};

use super::{Diagnostic, Spot, mistake};

/// Lines that belong to a scalar or a bracketed collection that began on an earlier line: their leading blanks are
/// content or free, not indentation.
#[derive(Default)]
pub(super) struct Opaque {
    /// Empty when the text has no tab: then nothing needs to be known.
    chars: Vec<char>,
    /// Where each line begins in `chars`.
    starts: Vec<usize>,
    ranges: Vec<(usize, usize)>,
    open: Vec<Option<usize>>,
}

impl Opaque {
    /// For a text.
    pub(super) fn of(text: &str) -> Self {
        if !text.contains('\t') {
            return Self::default();
        }
        let chars: Vec<char> = text.chars().collect();
        let breaks = chars.iter().enumerate().filter(|(_, c)| **c == '\n');
        let starts = std::iter::once(0).chain(breaks.map(|(n, _)| n + 1)).collect();
        Self { chars, starts, ..Self::default() }
    }

    /// Learns from an event of the parser.
    pub(super) fn note(&mut self, event: &Event<'_>, span: Span) {
        if self.chars.is_empty() {
            return;
        }
        match event {
            Event::Scalar(_, style, ..) => {
                let end = span.end.line();
                // A block scalar's span ends at the start of the line after it.
                let is_block = matches!(style, ScalarStyle::Literal | ScalarStyle::Folded);
                let end = if is_block && span.end.col() == 0 { end.saturating_sub(1) } else { end };
                self.push(span.start.line(), end);
            }
            Event::SequenceStart(..) | Event::MappingStart(..) => {
                let (line, column) = (span.end.line(), span.end.col());
                let start = self.starts.get(line.saturating_sub(1));
                let last = start.zip(column.checked_sub(1)).and_then(|(start, n)| self.chars.get(start + n));
                let is_bracketed = matches!(last, Some('[' | '{'));
                self.open.push(is_bracketed.then_some(line));
            }
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some(Some(start)) = self.open.pop() {
                    self.push(start, span.end.line());
                }
            }
            _ => {}
        }
    }

    fn push(&mut self, start: usize, end: usize) {
        if end > start {
            self.ranges.push((start + 1, end));
        }
    }
}

/// The first tab in the indentation of a line before `end_line`.
pub(super) fn check_tabs(text: &str, opaque: &Opaque, end_line: usize) -> Result<(), Diagnostic> {
    if opaque.chars.is_empty() {
        return Ok(());
    }
    let mut ranges = opaque.ranges.clone();
    ranges.sort_unstable();
    let mut ranges = ranges.into_iter().peekable();
    let mut opaque_until = 0;
    for (n, line) in text.lines().enumerate().take(end_line) {
        let number = n + 1;
        while let Some((_, end)) = ranges.next_if(|(start, _)| *start <= number) {
            opaque_until = opaque_until.max(end);
        }
        let indentation = line.chars().take_while(|c| matches!(c, ' ' | '\t'));
        let tab = indentation.enumerate().find(|(_, c)| *c == '\t');
        if let Some((column, _)) = tab
            && number > opaque_until
        {
            let message = "a tab in the indentation: YAML wants spaces".to_owned();
            return Err(mistake(Spot { line: number, column: column + 1 }, message));
        }
    }
    Ok(())
}
