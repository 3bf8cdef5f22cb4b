//! What a scalar means: the rules of the YAML 1.1 reader that YACE uses, which the native dialect shares.
//!
//! Only the text of plain scalars is looked at; quoted ones are strings, tagged ones what their tag says.

use std::num::ParseIntError;

use super::raw::Scalar;

const TAG_PREFIX: &str = "tag:yaml.org,2002:";

/// The meaning of a scalar.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Meaning {
    /// `null`, `~` or nothing; the flag is false for the spellings `Null` and `NULL`, which YACE takes for a zero value
    /// where it distinguishes "absent" from zero.
    Null { is_absent: bool },
    /// `true`, `yes`, `on`, `y` and their opposites.
    Bool(bool),
    /// An integer; larger ones than an `i64` are [`Meaning::Huge`].
    Int(i64),
    /// An integer above `i64::MAX`.
    Huge,
    /// Anything with a point or an exponent, infinities, not-a-number.
    Float(f64),
    /// Text.
    Str,
    /// Text in base64.
    Binary,
    /// The tag contradicts the text.
    Contradiction,
}

impl Meaning {
    /// How to call it in a message.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Null { .. } => "nothing (null)",
            Self::Bool(_) => "a boolean",
            Self::Int(_) | Self::Huge => "an integer",
            Self::Float(_) => "a number",
            Self::Str => "a string",
            Self::Binary => "binary data",
            Self::Contradiction => "a contradiction",
        }
    }
}

/// What a scalar means.
pub(crate) fn meaning(scalar: &Scalar) -> Meaning {
    let text = &*scalar.text;
    let Some(tag) = scalar.tag.as_deref() else {
        return if scalar.is_plain { plain(text) } else { Meaning::Str };
    };
    match tag.strip_prefix(TAG_PREFIX) {
        Some("int") => only(plain(text), |m| matches!(m, Meaning::Int(_) | Meaning::Huge)),
        Some("float") => match plain(text) {
            #[expect(clippy::cast_precision_loss, reason = "the reader that is imitated rounds, too")]
            Meaning::Int(n) => Meaning::Float(n as f64),
            m => only(m, |m| matches!(m, Meaning::Float(_))),
        },
        Some("bool") => only(plain(text), |m| matches!(m, Meaning::Bool(_))),
        Some("null") => match plain(text) {
            Meaning::Null { .. } => Meaning::Null { is_absent: true },
            _ => Meaning::Contradiction,
        },
        Some("binary") => Meaning::Binary,
        // "!!str" wins over the text; of any other tag the text is all we know.
        _ => Meaning::Str,
    }
}

fn only(meaning: Meaning, fits: impl Fn(&Meaning) -> bool) -> Meaning {
    if fits(&meaning) { meaning } else { Meaning::Contradiction }
}

/// What the text of a plain scalar means.
fn plain(text: &str) -> Meaning {
    match text {
        "" | "~" | "null" => return Meaning::Null { is_absent: true },
        "Null" | "NULL" => return Meaning::Null { is_absent: false },
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            return Meaning::Bool(true);
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            return Meaning::Bool(false);
        }
        ".nan" | ".NaN" | ".NAN" => return Meaning::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => return Meaning::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => return Meaning::Float(f64::NEG_INFINITY),
        _ => {}
    }
    match text.bytes().next() {
        // Underscores must stand between digits here, elsewhere they may stand anywhere: so it is.
        Some(b'.') if text.starts_with("._") || text.contains("__") || text.ends_with('_') => Meaning::Str,
        Some(b'.') => decimal(&text.replace('_', "")).map_or(Meaning::Str, Meaning::Float),
        Some(b'0'..=b'9' | b'+' | b'-') => number(&text.replace('_', "")),
        _ => Meaning::Str,
    }
}

/// A number without its underscores.
fn number(text: &str) -> Meaning {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let (radix, digits) = radix(digits);
    // The parser of the standard library takes a sign: a second one must not slip through.
    if !digits.starts_with(['+', '-']) {
        if let Ok(n) = i64::from_str_radix(&format!("{sign}{digits}"), radix) {
            return Meaning::Int(n);
        }
        let has_no_sign = text.starts_with(|c: char| c.is_ascii_digit());
        if has_no_sign && u64::from_str_radix(digits, radix).is_ok() {
            return Meaning::Huge;
        }
    }
    if let Some(n) = decimal(text) {
        return Meaning::Float(n);
    }
    // The reader we imitate takes a sign after the prefix of a binary number: "0b-1" is -1.
    match text.strip_prefix("0b").map(|digits| i64::from_str_radix(digits, 2)) {
        Some(Ok(n)) => Meaning::Int(n),
        _ => Meaning::Str,
    }
}

/// The radix that a prefix names, and the digits after it. A zero in front alone means octal, as in C.
fn radix(digits: &str) -> (u32, &str) {
    let after = |n: usize| digits.get(n..).unwrap_or_default();
    match digits.as_bytes() {
        [b'0', b'x' | b'X', _, ..] => (16, after(2)),
        [b'0', b'b' | b'B', _, ..] => (2, after(2)),
        [b'0', b'o' | b'O', _, ..] => (8, after(2)),
        [b'0', _, ..] => (8, after(1)),
        _ => (10, digits),
    }
}

/// Digits with a point or an exponent: `60.5`, `.5`, `1e3`. Numbers beyond what a float holds are none.
fn decimal(text: &str) -> Option<f64> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let starts_well = matches!(unsigned.as_bytes(), [b'0'..=b'9', ..] | [b'.', b'0'..=b'9', ..]);
    let only_number = unsigned.bytes().all(|b| matches!(b, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-'));
    if !(starts_well && only_number) {
        return None;
    }
    text.parse().ok().filter(|n: &f64| n.is_finite())
}

/// A float as an integer: truncated towards zero; `None` when it is out of range.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "truncating is the rule; the range is checked"
)]
pub(crate) fn truncate(n: f64) -> Option<i64> {
    (n <= i64::MAX as f64).then_some(n as i64)
}

/// Why a text is no duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a duration is a number with a unit, like 90s, 5m or 1h30m, or a plain number of seconds")]
pub(crate) struct NoDuration;

/// A duration in whole seconds: `5m`, `1h30m`, `90s`, `1d`, `2w`, or seconds without a unit. Units go from large to small.
pub(crate) fn duration_seconds(text: &str) -> Result<u64, NoDuration> {
    const UNITS: [(&str, u64); 5] = [("w", 604_800), ("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)];
    if let Ok(seconds) = parse_digits(text) {
        return Ok(seconds);
    }
    let (mut rest, mut total, mut units) = (text, 0_u64, UNITS.iter());
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit()).ok_or(NoDuration)?;
        let (digits, after) = rest.split_at_checked(end).ok_or(NoDuration)?;
        let n = parse_digits(digits).map_err(|_| NoDuration)?;
        let (unit, seconds) = units.by_ref().find(|(unit, _)| after.starts_with(unit)).ok_or(NoDuration)?;
        total = n.checked_mul(*seconds).and_then(|n| total.checked_add(n)).ok_or(NoDuration)?;
        rest = after.strip_prefix(unit).unwrap_or_default();
    }
    if text.is_empty() { Err(NoDuration) } else { Ok(total) }
}

/// Digits only: the standard library would take a plus sign, too.
fn parse_digits(text: &str) -> Result<u64, ParseIntError> {
    if text.starts_with('+') { "".parse() } else { text.parse() }
}

/// Base64 with padding, line breaks ignored.
pub(crate) fn base64(text: &str) -> Option<Vec<u8>> {
    let symbols: Vec<u8> = text.bytes().filter(|b| !matches!(b, b'\n' | b'\r')).collect();
    let (groups, rest) = symbols.as_chunks::<4>();
    if !rest.is_empty() {
        return None;
    }
    let mut bytes = Vec::with_capacity(groups.len() * 3);
    for (n, group) in groups.iter().enumerate() {
        let padding = group.iter().rev().take_while(|b| **b == b'=').count();
        if padding > 2 || (padding > 0 && n + 1 < groups.len()) {
            return None;
        }
        let mut bits = 0_u32;
        for symbol in group.iter().take(4 - padding) {
            bits = bits << 6 | sextet(*symbol)?;
        }
        bits <<= 6 * padding;
        let [_, a, b, c] = bits.to_be_bytes();
        bytes.extend([a, b, c].iter().take(3 - padding));
    }
    Some(bytes)
}

fn sextet(symbol: u8) -> Option<u32> {
    let n = match symbol {
        b'A'..=b'Z' => symbol - b'A',
        b'a'..=b'z' => symbol - b'a' + 26,
        b'0'..=b'9' => symbol - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    };
    Some(u32::from(n))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Meaning {
        plain(text)
    }

    #[test]
    fn integers_as_the_yaml_1_1_reader_takes_them() {
        let table: &[(&str, i64)] = &[
            ("0", 0),
            ("60", 60),
            ("+60", 60),
            ("-60", -60),
            ("0x3c", 60),
            ("0X3C", 60),
            ("-0x3c", -60),
            ("0b111100", 60),
            ("-0b11", -3),
            ("0b-1", -1),
            ("0o17", 15),
            ("060", 48),
            ("-060", -48),
            ("3_600", 3600),
            ("0_6_0", 48),
            ("9223372036854775807", i64::MAX),
        ];
        for (text, want) in table {
            assert_eq!(of(text), Meaning::Int(*want), "{text}");
        }
        assert_eq!(of("9223372036854775808"), Meaning::Huge);
        assert_eq!(of("18446744073709551616"), Meaning::Float(18_446_744_073_709_551_616.0));
    }

    #[test]
    fn floats_are_truncated_and_look_alikes_are_text() {
        for (text, want) in [("60.5", 60.5), ("1e3", 1000.0), (".5", 0.5), ("08", 8.0), ("-1.5", -1.5), ("5.", 5.0)] {
            assert_eq!(of(text), Meaning::Float(want), "{text}");
        }
        for text in [
            "1:30", "60s", "_1", "--1", "+-1", "0x", "1e999", "1.2.3", "0b2", "e5", ".", "-", "+.5.", "infinity",
            "nan", "1 2",
        ] {
            assert_eq!(of(text), Meaning::Str, "{text}");
        }
        assert_eq!(truncate(60.9), Some(60));
        assert_eq!(truncate(-1.9), Some(-1));
        assert_eq!(truncate(1e19), None);
        assert_eq!(truncate(f64::NAN), None);
    }

    #[test]
    fn tags_decide() {
        let tagged = |tag: &str, text: &str| {
            meaning(&Scalar { text: text.into(), is_plain: false, tag: Some(format!("{TAG_PREFIX}{tag}")) })
        };
        assert_eq!(tagged("int", "60"), Meaning::Int(60));
        assert_eq!(tagged("int", "sixty"), Meaning::Contradiction);
        assert_eq!(tagged("float", "60"), Meaning::Float(60.0));
        assert_eq!(tagged("bool", "yes"), Meaning::Bool(true));
        assert_eq!(tagged("str", "60"), Meaning::Str);
        assert_eq!(tagged("null", ""), Meaning::Null { is_absent: true });
        assert_eq!(tagged("binary", "YQ=="), Meaning::Binary);
        assert_eq!(meaning(&Scalar { text: "60".into(), is_plain: false, tag: None }), Meaning::Str);
    }

    #[test]
    fn durations() {
        for (text, want) in
            [("5m", 300), ("1h30m", 5400), ("90s", 90), ("90", 90), ("0", 0), ("1d", 86_400), ("2w1s", 1_209_601)]
        {
            assert_eq!(duration_seconds(text), Ok(want), "{text}");
        }
        for text in ["", "m", "5x", "-5m", "+5", "1m1h", "5 m", "1.5h", "5ms", "5m5", "99999999999999999999w"] {
            assert_eq!(duration_seconds(text), Err(NoDuration), "{text}");
        }
    }

    #[test]
    fn base64_with_padding() {
        assert_eq!(base64("aGVsbG8="), Some(b"hello".to_vec()));
        assert_eq!(base64("aGVs\nbG8h"), Some(b"hello!".to_vec()));
        assert_eq!(base64(""), Some(Vec::new()));
        for text in ["a", "aGVsbG8", "a=b=", "====", "aG=s", "aGV!"] {
            assert_eq!(base64(text), None, "{text}");
        }
    }
}
