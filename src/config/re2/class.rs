//! Character classes: `[…]`, and the shorthands `\d`, `\pL`, `[:alpha:]` in and out of them.

use super::cursor::Cursor;
use super::{Refused, literal};

const DIGIT: &str = "0-9";
/// Without the vertical tab, which is no space here.
const SPACE: &str = r"\t\n\x0C\r\x20";
const WORD: &str = "0-9A-Za-z_";

/// After `[`: the whole class, in the target's syntax.
pub(super) fn translate(cursor: &mut Cursor<'_>) -> Result<String, Refused> {
    let mut out = if cursor.eat('^') { "[^".to_owned() } else { "[".to_owned() };
    let mut is_first = true;
    loop {
        if !is_first && cursor.eat(']') {
            out.push(']');
            return Ok(out);
        }
        is_first = false;
        out.push_str(&item(cursor)?);
    }
}

/// One item of a class: a class by name, a shorthand, a character or a range of them.
fn item(cursor: &mut Cursor<'_>) -> Result<String, Refused> {
    if let Some(items) = posix(cursor)? {
        return Ok(items);
    }
    let before = cursor.rest();
    if cursor.eat('\\') {
        if let Some(items) = shorthand(cursor)? {
            return Ok(items);
        }
        *cursor = Cursor::new(before);
    }
    let low = character(cursor)?;
    let mut ahead = cursor.rest().chars();
    let is_range = ahead.next() == Some('-') && ahead.next().is_some_and(|c| c != ']');
    if !is_range {
        return Ok(literal(low));
    }
    cursor.next();
    let high = character(cursor)?;
    if high < low {
        let length = before.len() - cursor.rest().len();
        return Err(Refused::Range(before.get(..length).unwrap_or_default().to_owned()));
    }
    Ok(format!("{}-{}", literal(low), literal(high)))
}

fn character(cursor: &mut Cursor<'_>) -> Result<char, Refused> {
    match cursor.next() {
        Some('\\') => cursor.escaped_char(),
        Some(c) => Ok(c),
        None => Err(Refused::OpenClass),
    }
}

/// `[:name:]` inside a class. Without its end it is no name but characters.
fn posix(cursor: &mut Cursor<'_>) -> Result<Option<String>, Refused> {
    const NAMES: [&str; 14] = [
        "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space", "upper",
        "word", "xdigit",
    ];
    let Some((name, rest)) = cursor.rest().strip_prefix("[:").and_then(|r| r.split_once(":]")) else {
        return Ok(None);
    };
    if !NAMES.contains(&name.strip_prefix('^').unwrap_or(name)) {
        return Err(Refused::Range(format!("[:{name}:]")));
    }
    *cursor = Cursor::new(rest);
    Ok(Some(format!("[:{name}:]")))
}

/// After a backslash: the items of `\d`, `\s`, `\w`, `\p…` and their opposites; nothing is taken when it is none of them.
pub(super) fn shorthand(cursor: &mut Cursor<'_>) -> Result<Option<String>, Refused> {
    let items = match cursor.peek() {
        Some('d') => DIGIT.to_owned(),
        Some('D') => format!("[^{DIGIT}]"),
        Some('s') => SPACE.to_owned(),
        Some('S') => format!("[^{SPACE}]"),
        Some('w') => WORD.to_owned(),
        Some('W') => format!("[^{WORD}]"),
        Some('p') => return property(cursor, 'p', 'P').map(Some),
        Some('P') => return property(cursor, 'P', 'p').map(Some),
        _ => return Ok(None),
    };
    cursor.next();
    Ok(Some(items))
}

/// `\pL`, `\p{Greek}`, `\p{^Greek}`: categories and scripts; which there are, the target knows.
fn property(cursor: &mut Cursor<'_>, letter: char, opposite: char) -> Result<String, Refused> {
    cursor.next();
    let all = cursor.rest();
    let refused = || Refused::Range(format!("\\{letter}{}", all.chars().take(20).collect::<String>()));
    if !cursor.eat('{') {
        let c = cursor.next().filter(char::is_ascii_alphabetic).ok_or_else(refused)?;
        return Ok(format!("\\{letter}{{{c}}}"));
    }
    let (name, rest) = cursor.rest().split_once('}').ok_or_else(refused)?;
    let (letter, bare) = match name.strip_prefix('^') {
        Some(bare) => (opposite, bare),
        None => (letter, name),
    };
    let is_name = !bare.is_empty() && bare.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | ' '));
    if !is_name {
        return Err(refused());
    }
    *cursor = Cursor::new(rest);
    Ok(format!("\\{letter}{{{bare}}}"))
}
