//! Before parsing: bytes to text, and the checks that need no parser (encoding, control characters, directives, brackets).

use super::{Diagnostic, MAX_FILE_BYTES, Spot, mistake};

/// How many brackets may be open at once. The parser looks ahead over open brackets, and the time that takes grows with
/// their square; no configuration opens a hundred.
const MAX_OPEN_BRACKETS: usize = 1000;

/// UTF-8, or UTF-16 with a byte order mark, without the mark and with one kind of line break.
pub(crate) fn decode(bytes: &[u8]) -> Result<String, Diagnostic> {
    if bytes.len() > MAX_FILE_BYTES {
        let message = format!(
            "the file has more than {} MiB, which is more than is read; is this another file?",
            MAX_FILE_BYTES >> 20
        );
        return Err(mistake(Spot::default(), message));
    }
    let text = match bytes {
        [0xEF, 0xBB, 0xBF, rest @ ..] => utf8(rest)?,
        [0xFF, 0xFE, rest @ ..] => utf16(rest, u16::from_le_bytes)?,
        [0xFE, 0xFF, rest @ ..] => utf16(rest, u16::from_be_bytes)?,
        bytes => utf8(bytes)?,
    };
    let mut at = Spot { line: 1, column: 1 };
    for c in text.chars() {
        if !is_printable(c) {
            let code = u32::from(c);
            return Err(mistake(at, format!("the character U+{code:04X} is not allowed in YAML: remove it")));
        }
        at = if c == '\n' { Spot { line: at.line + 1, column: 1 } } else { Spot { column: at.column + 1, ..at } };
    }
    // Every line break means the same, and nobody after this needs to know three of them.
    Ok(if text.contains('\r') { text.replace("\r\n", "\n").replace('\r', "\n") } else { text })
}

fn utf8(bytes: &[u8]) -> Result<String, Diagnostic> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text.to_owned()),
        Err(e) => {
            let valid = bytes.get(..e.valid_up_to()).unwrap_or_default();
            let line = valid.split(|b| *b == b'\n').count();
            let in_line = valid.rsplit(|b| *b == b'\n').next().unwrap_or_default();
            let column = 1 + String::from_utf8_lossy(in_line).chars().count();
            let message = "this byte is not valid UTF-8: save the file as UTF-8".to_owned();
            Err(mistake(Spot { line, column }, message))
        }
    }
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<String, Diagnostic> {
    let (units, rest) = bytes.as_chunks::<2>();
    let text = String::from_utf16(&units.iter().map(|b| unit(*b)).collect::<Vec<_>>());
    match text {
        Ok(text) if rest.is_empty() => Ok(text),
        _ => Err(mistake(Spot { line: 1, column: 1 }, "the file is not valid UTF-16: save it as UTF-8".to_owned())),
    }
}

/// What YAML 1.1 allows in a stream.
fn is_printable(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='~' | '\u{85}' | '\u{A0}'..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}')
        || c >= '\u{10000}'
}

/// `%` lines before the document. YACE's parser knows YAML 1.1 and takes no other number; natively any 1.x will do.
pub(crate) fn check_directives(text: &str) -> Result<(), Diagnostic> {
    for (n, line) in text.lines().enumerate() {
        let at = Spot { line: n + 1, column: 1 };
        let mut words = line.split_whitespace();
        match words.next() {
            Some("%YAML") if words.next() != Some("1.1") => {
                return Err(mistake(at, "only %YAML 1.1 is accepted here: remove the line".to_owned()));
            }
            Some("%YAML" | "%TAG") | None => {}
            Some(word) if word.starts_with('#') => {}
            Some(word) if line.starts_with('%') => {
                return Err(mistake(at, format!("unknown directive {word}: remove the line")));
            }
            Some(_) => return Ok(()),
        }
    }
    Ok(())
}

/// Counts brackets wherever they stand, in text too: that overestimates, but no honest file comes near the bound.
pub(super) fn check_brackets(text: &str) -> Result<(), Diagnostic> {
    let (mut open, mut line) = (0_usize, 1);
    for b in text.bytes() {
        match b {
            b'[' | b'{' => open += 1,
            b']' | b'}' => open = open.saturating_sub(1),
            b'\n' => line += 1,
            _ => {}
        }
        if open > MAX_OPEN_BRACKETS {
            let message = format!("more than {MAX_OPEN_BRACKETS} brackets are open here: values are nested too deep");
            return Err(mistake(Spot { line, column: 1 }, message));
        }
    }
    Ok(())
}

/// The alias or anchor name at a place.
pub(super) fn word_at(text: &str, spot: Spot) -> String {
    let line = text.lines().nth(spot.line.saturating_sub(1)).unwrap_or_default();
    let word = line.chars().skip(spot.column.saturating_sub(1)).skip_while(|c| matches!(c, '*' | '&'));
    let word: String = word.take_while(|c| !c.is_whitespace() && !matches!(c, ',' | '[' | ']' | '{' | '}')).collect();
    format!("\"{word}\"")
}
