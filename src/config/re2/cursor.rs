//! A pattern read from left to right: the small parts that stand on their own.

use super::Refused;

/// The rest of a pattern.
pub(super) struct Cursor<'a> {
    rest: &'a str,
}

/// What braces say: from, and up to (`None`: without end).
type Bounds = (u32, Option<u32>);

/// A number of repetitions beyond all measure, but not too large to be told apart from nonsense.
const COUNTLESS: u32 = 100_000_000;

impl<'a> Cursor<'a> {
    pub(super) fn new(rest: &'a str) -> Self {
        Self { rest }
    }

    /// What is left.
    pub(super) fn rest(&self) -> &'a str {
        self.rest
    }

    /// The next character, which stays.
    pub(super) fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    /// Takes the next character.
    pub(super) fn next(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let c = chars.next()?;
        self.rest = chars.as_str();
        Some(c)
    }

    /// Takes the next character when it is this one.
    pub(super) fn eat(&mut self, c: char) -> bool {
        self.eat_text(c.encode_utf8(&mut [0; 4]))
    }

    /// Takes a text when it is next.
    pub(super) fn eat_text(&mut self, text: &str) -> bool {
        match self.rest.strip_prefix(text) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// After a `{`: `n}`, `n,}` or `n,m}`, taken only when they are complete; otherwise the brace is a mere character.
    pub(super) fn bounds(&mut self) -> Option<(String, Bounds)> {
        let (inner, rest) = self.rest.split_once('}')?;
        let bounds = match inner.split_once(',') {
            Some((from, "")) => (count(from)?, None),
            Some((from, to)) => (count(from)?, Some(count(to)?)),
            None => (count(inner)?, Some(count(inner)?)),
        };
        self.rest = rest;
        Some((format!("{{{inner}}}"), bounds))
    }

    /// The next character of a `\Q…\E` quotation; `None` at its end.
    pub(super) fn quoted(&mut self) -> Option<char> {
        if self.eat_text("\\E") { None } else { self.next() }
    }

    /// After `(?`: the name of `P<name>` or `<name>`.
    pub(super) fn group_name(&mut self) -> Result<Option<String>, Refused> {
        let Some(named) = self.rest.strip_prefix("P<").or_else(|| self.rest.strip_prefix('<')) else { return Ok(None) };
        let refused = || Refused::Group(format!("(?{}", start_of(self.rest)));
        let (name, rest) = named.split_once('>').ok_or_else(refused)?;
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            return Err(refused());
        }
        self.rest = rest;
        Ok(Some(name.to_owned()))
    }

    /// After `(?`: the flags, and whether a group begins (`:`) or they hold for the rest of this one (`)`).
    pub(super) fn flags(&mut self) -> Result<(String, bool), Refused> {
        let all = self.rest;
        let (mut flags, mut is_negated, mut is_complete) = (String::new(), false, true);
        loop {
            match self.next() {
                Some(c @ ('i' | 'm' | 's' | 'U')) => {
                    // The crate refuses a flag that is set twice.
                    if !flags.contains(c) {
                        flags.push(c);
                    } else if is_negated {
                        flags.retain(|f| f != c);
                        flags.push(c);
                    }
                    is_complete = true;
                }
                Some('-') if !is_negated => {
                    flags.push('-');
                    is_negated = true;
                    is_complete = false;
                }
                Some(c @ (':' | ')')) if is_complete => return Ok((flags, c == ':')),
                _ => return Err(Refused::Group(format!("(?{}", start_of(all)))),
            }
        }
    }

    /// After a backslash: a character in one of its spellings.
    pub(super) fn escaped_char(&mut self) -> Result<char, Refused> {
        let all = self.rest;
        let refused = || Refused::Escape(format!("\\{}", all.chars().take(3).collect::<String>()));
        let c = self.next().ok_or_else(|| Refused::Escape("\\".to_owned()))?;
        let c = match c {
            '0' => return self.octal(0).ok_or_else(refused),
            '1'..='7' if matches!(self.peek(), Some('0'..='7')) => {
                return c.to_digit(8).and_then(|d| self.octal(d)).ok_or_else(refused);
            }
            'x' => return self.hex().ok_or_else(refused),
            'a' => '\u{7}',
            'f' => '\u{C}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\u{B}',
            c if c.is_ascii() && !c.is_ascii_alphanumeric() => c,
            _ => return Err(refused()),
        };
        Ok(c)
    }

    /// Up to two more octal digits.
    fn octal(&mut self, first: u32) -> Option<char> {
        let mut code = first;
        for _ in 0..2 {
            let Some(digit) = self.peek().and_then(|c| c.to_digit(8)) else { break };
            self.next();
            code = code * 8 + digit;
        }
        char::from_u32(code)
    }

    /// Two hexadecimal digits, or any number of them in braces.
    fn hex(&mut self) -> Option<char> {
        let digits = if self.eat('{') {
            let (digits, rest) = self.rest.split_once('}')?;
            self.rest = rest;
            digits
        } else {
            let (digits, rest) = self.rest.split_at_checked(2)?;
            self.rest = rest;
            digits
        };
        let is_hex = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_hexdigit());
        let code = is_hex.then(|| u32::from_str_radix(digits, 16).ok())??;
        char::from_u32(code)
    }
}

/// Digits without a leading zero.
fn count(digits: &str) -> Option<u32> {
    let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    if !is_number || (digits.len() > 1 && digits.starts_with('0')) {
        return None;
    }
    Some(digits.parse().unwrap_or(COUNTLESS))
}

/// Enough of a text to recognise it.
fn start_of(text: &str) -> String {
    text.chars().take(5).collect()
}
