//! Rust source → words and signs with their lines. Comments and the contents of literals are dropped.

#![allow(clippy::string_slice, reason = "every cut is at a character that was just looked at")]

/// A word or a sign. `::` is one sign; every other sign is one character; a literal is `"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Token<'a> {
    /// From 1.
    pub(crate) line: usize,
    /// The text.
    pub(crate) text: &'a str,
}

impl Token<'_> {
    /// Whether it is a name or a keyword.
    pub(crate) fn is_word(&self) -> bool {
        self.text.starts_with(|c: char| c.is_alphabetic() || c == '_')
    }
}

/// All tokens of a file.
pub(crate) fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut lexer = Lexer { rest: text, line: 1, out: Vec::new() };
    while !lexer.rest.is_empty() {
        lexer.step();
    }
    lexer.out
}

struct Lexer<'a> {
    rest: &'a str,
    line: usize,
    out: Vec<Token<'a>>,
}

impl<'a> Lexer<'a> {
    fn step(&mut self) {
        let rest = self.rest;
        let first = rest.chars().next().unwrap();
        if rest.starts_with("//") {
            self.take(rest.find('\n').unwrap_or(rest.len()));
        } else if rest.starts_with("/*") {
            self.take(block_comment(rest));
        } else if let Some(length) = string(rest) {
            self.push("\"", length);
        } else if first == '\'' {
            self.quote();
        } else if first.is_alphanumeric() || first == '_' {
            let length = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            self.push(&rest[..length], length);
        } else if rest.starts_with("::") {
            self.push("::", 2);
        } else if first.is_whitespace() {
            self.take(first.len_utf8());
        } else {
            self.push(&rest[..first.len_utf8()], first.len_utf8());
        }
    }

    /// A character (`'x'`, `'\n'`, `'\u{1f}'`) or a lifetime (`'a`).
    fn quote(&mut self) {
        let inside = &self.rest[1..];
        let length = if let Some(escape) = inside.strip_prefix('\\') {
            // What is escaped may itself be a quote.
            let skipped = escape.chars().next().map_or(0, char::len_utf8);
            escape[skipped..].find('\'').map(|at| 1 + 1 + skipped + at + 1)
        } else {
            let one = inside.chars().next().map_or(0, char::len_utf8);
            inside[one..].starts_with('\'').then_some(1 + one + 1)
        };
        match length {
            Some(length) => self.push("\"", length),
            None => self.take(1), // a lifetime: its name follows as a word
        }
    }

    fn push(&mut self, text: &'a str, length: usize) {
        self.out.push(Token { line: self.line, text });
        self.take(length);
    }

    fn take(&mut self, length: usize) {
        let (taken, rest) = self.rest.split_at(length);
        self.line += taken.matches('\n').count();
        self.rest = rest;
    }
}

/// The length of a block comment; they nest.
fn block_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < text.len() {
        if text[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if text[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += text[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

/// The length of a string literal of any kind, when the text starts with one.
fn string(text: &str) -> Option<usize> {
    let prefix = ["br", "cr", "r", "b", "c", ""].into_iter().find(|p| {
        text.strip_prefix(p).is_some_and(|rest| {
            let hashes = if p.ends_with('r') { rest.trim_start_matches('#') } else { rest };
            hashes.starts_with('"')
        })
    })?;
    let rest = &text[prefix.len()..];
    if prefix.ends_with('r') {
        let hashes = rest.len() - rest.trim_start_matches('#').len();
        let end = format!("\"{}", "#".repeat(hashes));
        let body = hashes + 1;
        let found = rest[body..].find(&end).map_or(rest.len(), |at| body + at + end.len());
        return Some(prefix.len() + found);
    }
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        if c == '"' && !escaped {
            return Some(prefix.len() + at + 1);
        }
        escaped = c == '\\' && !escaped;
    }
    Some(text.len())
}

#[test]
fn words_survive_and_literals_do_not() {
    let text =
        "use a::b; // c\n\"d \\\" e\" r##\"f\"# g\"## b\"h\" '\\'' '\\u{1f}' 'i' <'j> k/* l /* m */ n */o\nr#type";
    let words: Vec<_> = tokens(text).into_iter().map(|t| format!("{}{}", t.line, t.text)).collect();
    assert_eq!(words.join(" "), "1use 1a 1:: 1b 1; 2\" 2\" 2\" 2\" 2\" 2\" 2< 2j 2> 2k 2o 3r 3# 3type");
}
