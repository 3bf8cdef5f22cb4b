//! Regular expressions as YACE takes them (Go's dialect of RE2), translated for the `regex` crate.
//!
//! Both come from one family and both take linear time, but they disagree on what is refused and on what some things
//! mean: `\d`, `\w`, `\s` and `\b` know ASCII only; a brace or bracket that opens nothing stands for itself; classes do
//! not nest and have no set operations; `\Q…\E` quotes; stacked repetitions, repetitions above a thousand, back-references
//! and a few escapes are refused. The translator reads the one syntax completely and writes the other with everything
//! spelled out, so that the target's own peculiarities never get a say.

use regex::{Regex, RegexBuilder};

mod class;
mod cursor;

use cursor::Cursor;

/// The longest pattern; a tag's value has at most 256 characters.
const MAX_PATTERN_BYTES: usize = 64 << 10;
/// How deep groups nest, as in the original.
const MAX_DEPTH: usize = 1000;
/// How often something is repeated, all repetitions around it multiplied, as in the original.
const MAX_REPEAT: u32 = 1000;
/// What the compiled automaton may take; repeated Unicode classes are what is large.
const MAX_PROGRAM_BYTES: usize = 4 << 20;
/// What the lazily built one may take.
const MAX_DFA_BYTES: usize = 1 << 20;

/// Why a pattern is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    #[error("the pattern has more than {MAX_PATTERN_BYTES} bytes")]
    TooLong,
    #[error("groups are nested more than {MAX_DEPTH} deep")]
    TooDeep,
    #[error("{0} is not an escape sequence (look-around, back-references, \\C, \\Z and \\e do not exist)")]
    Escape(String),
    #[error("the character class lacks its closing ]")]
    OpenClass,
    #[error("{0} is not a range of characters")]
    Range(String),
    #[error("a parenthesis ( is not closed")]
    OpenGroup,
    #[error("a parenthesis ) closes nothing")]
    UnexpectedClose,
    #[error("{0} is not a kind of group (look-around does not exist)")]
    Group(String),
    #[error("the repetition {0} has nothing to repeat")]
    NothingToRepeat(String),
    #[error("{0} repeats a repetition")]
    RepeatedRepetition(String),
    #[error("{0} repeats too often (at most {MAX_REPEAT} times in all) or its bounds are reversed")]
    RepeatCount(String),
    #[error("two groups have the name {0}")]
    DuplicateName(String),
    #[error("it is too large once compiled, or names an unknown class: {0}")]
    Compile(String),
}

/// Compiles a pattern of Go's `regexp`. It is searched anywhere in a text.
pub(crate) fn compile(pattern: &str) -> Result<Regex, Refused> {
    let translated = translate(pattern)?;
    RegexBuilder::new(&translated)
        .size_limit(MAX_PROGRAM_BYTES)
        .dfa_size_limit(MAX_DFA_BYTES)
        // Two levels for each of ours: a group and its repetition.
        .nest_limit(4 * 1000 + 100)
        .build()
        .map_err(|e| Refused::Compile(last_line(&e.to_string())))
}

/// The reason; the lines before it show the translated pattern, which nobody wrote.
fn last_line(message: &str) -> String {
    message.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
}

/// Something that can be repeated, already translated.
struct Piece {
    text: String,
    /// The product of the repetitions inside.
    factor: u32,
    /// A mere change of flags cannot be repeated; a repetition after it is about what stands before.
    is_flags: bool,
}

/// A group that is still open; the first one is the pattern itself.
#[derive(Default)]
struct Group {
    opening: String,
    before: String,
    factor: u32,
    pieces: Vec<Piece>,
}

impl Group {
    fn new(opening: String) -> Self {
        Self { opening, factor: 1, ..Self::default() }
    }

    fn push(&mut self, text: String) {
        self.pieces.push(Piece { text, factor: 1, is_flags: false });
    }

    /// The text so far.
    fn flush(&mut self) {
        for piece in self.pieces.drain(..) {
            self.before.push_str(&piece.text);
            self.factor = self.factor.max(piece.factor);
        }
    }
}

struct Translator<'a> {
    cursor: Cursor<'a>,
    open: Vec<Group>,
    current: Group,
    names: Vec<String>,
    /// Whether the last thing read was a repetition.
    after_repetition: bool,
}

/// The same pattern in the syntax of the `regex` crate.
fn translate(pattern: &str) -> Result<String, Refused> {
    if pattern.len() > MAX_PATTERN_BYTES {
        return Err(Refused::TooLong);
    }
    let mut t = Translator {
        cursor: Cursor::new(pattern),
        open: Vec::new(),
        current: Group::new(String::new()),
        names: Vec::new(),
        after_repetition: false,
    };
    while let Some(c) = t.cursor.next() {
        t.take(c)?;
    }
    if !t.open.is_empty() {
        return Err(Refused::OpenGroup);
    }
    t.current.flush();
    Ok(t.current.before)
}

impl Translator<'_> {
    fn take(&mut self, c: char) -> Result<(), Refused> {
        let after_repetition = std::mem::replace(&mut self.after_repetition, false);
        match c {
            '*' | '+' | '?' => self.repeat(&c.to_string(), 1, after_repetition)?,
            '{' => match self.cursor.bounds() {
                None => self.current.push(literal('{')),
                Some((text, (min, max))) => {
                    let times = max.unwrap_or(min);
                    if min > MAX_REPEAT || times > MAX_REPEAT || min > times {
                        return Err(Refused::RepeatCount(text));
                    }
                    let factor = if max == Some(0) { 0 } else { times.max(1) };
                    self.repeat(&text, factor, after_repetition)?;
                }
            },
            '(' => self.open_group()?,
            ')' => self.close_group()?,
            '|' => {
                self.current.flush();
                self.current.before.push('|');
            }
            '[' => {
                let class = class::translate(&mut self.cursor)?;
                self.current.push(class);
            }
            '.' | '^' | '$' => self.current.push(c.to_string()),
            '\\' => self.escape()?,
            c => self.current.push(literal(c)),
        }
        Ok(())
    }

    fn repeat(&mut self, operator: &str, factor: u32, after_repetition: bool) -> Result<(), Refused> {
        let lazy = if self.cursor.eat('?') { "?" } else { "" };
        if after_repetition {
            return Err(Refused::RepeatedRepetition(operator.to_owned()));
        }
        let last = self.current.pieces.iter_mut().rev().find(|p| !p.is_flags);
        let Some(piece) = last else { return Err(Refused::NothingToRepeat(operator.to_owned())) };
        let product = piece.factor.saturating_mul(factor);
        if product > MAX_REPEAT && factor > 1 {
            return Err(Refused::RepeatCount(operator.to_owned()));
        }
        piece.factor = product;
        piece.text = format!("(?:{}){operator}{lazy}", piece.text);
        self.after_repetition = true;
        Ok(())
    }

    fn open_group(&mut self) -> Result<(), Refused> {
        let mut opening = "(?:".to_owned();
        if self.cursor.eat('?') {
            if let Some(name) = self.cursor.group_name()? {
                if self.names.contains(&name) {
                    return Err(Refused::DuplicateName(name));
                }
                self.names.push(name);
            } else {
                let (flags, is_group) = self.cursor.flags()?;
                if !is_group {
                    let text = if flags.is_empty() { String::new() } else { format!("(?{flags})") };
                    self.current.pieces.push(Piece { text, factor: 1, is_flags: true });
                    return Ok(());
                }
                opening = format!("(?{flags}:");
            }
        }
        if self.open.len() >= MAX_DEPTH {
            return Err(Refused::TooDeep);
        }
        self.open.push(std::mem::replace(&mut self.current, Group::new(opening)));
        Ok(())
    }

    fn close_group(&mut self) -> Result<(), Refused> {
        let outer = self.open.pop().ok_or(Refused::UnexpectedClose)?;
        let mut inner = std::mem::replace(&mut self.current, outer);
        inner.flush();
        let text = format!("{}{})", inner.opening, inner.before);
        self.current.pieces.push(Piece { text, factor: inner.factor, is_flags: false });
        Ok(())
    }

    fn escape(&mut self) -> Result<(), Refused> {
        let text = match self.cursor.peek() {
            Some('Q') => {
                self.cursor.next();
                while let Some(c) = self.cursor.quoted() {
                    self.current.push(literal(c));
                }
                return Ok(());
            }
            Some('A') => r"\A",
            Some('z') => r"\z",
            Some('b') => r"(?-u:\b)",
            Some('B') => NOT_A_BOUNDARY,
            _ => {
                let text = match class::shorthand(&mut self.cursor)? {
                    Some(items) => format!("[{items}]"),
                    None => literal(self.cursor.escaped_char()?),
                };
                self.current.push(text);
                return Ok(());
            }
        };
        self.cursor.next();
        self.current.push(text.to_owned());
        Ok(())
    }
}

/// `\B` of ASCII words. The crate's own one could match inside a character and is not available for text.
const NOT_A_BOUNDARY: &str = r"(?-u:\B)";

/// A character that stands for itself, whatever it is.
fn literal(c: char) -> String {
    if c.is_ascii_alphanumeric() { c.to_string() } else { format!("\\x{{{:X}}}", u32::from(c)) }
}

#[cfg(test)]
mod tests;
