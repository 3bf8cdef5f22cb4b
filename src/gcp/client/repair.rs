//! Texts that are no Unicode: broken UTF-8, and escapes of half a character (`\ud800`). Google's own libraries put U+FFFD in
//! their place; one such label must not cost a page.

/// The same JSON with U+FFFD where there is no character; `None`: all are there.
pub(super) fn repaired(json: &[u8]) -> Option<Vec<u8>> {
    let text = String::from_utf8_lossy(json);
    let whole = halves_replaced(&text);
    (whole.as_bytes() != json).then(|| whole.into_bytes())
}

fn halves_replaced(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((plain, escape)) = rest.find('\\').and_then(|at| rest.split_at_checked(at)) {
        out.push_str(plain);
        let (length, is_whole) = match (unit(escape), escape.get(6..).and_then(unit)) {
            (Some(0xd800..0xdc00), Some(0xdc00..0xe000)) => (12, true),
            (Some(0xd800..0xe000), _) => (6, false),
            (Some(_), _) => (6, true),
            // Another escape; the character behind the backslash may be any.
            (None, _) => (1 + escape.chars().nth(1).map_or(0, char::len_utf8), true),
        };
        let (this, behind) = escape.split_at_checked(length).unwrap_or((escape, ""));
        out.push_str(if is_whole { this } else { "\u{fffd}" });
        rest = behind;
    }
    out.push_str(rest);
    out
}

/// The number of an escape `\uXXXX` at the beginning of a text.
fn unit(text: &str) -> Option<u32> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    u32::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_characters_are_replaced_and_whole_ones_stay() {
        for (json, expected) in [
            (&br#"{"a":"\ud800x"}"#[..], Some("{\"a\":\"\u{fffd}x\"}")),
            (br#"["\udc00\ud83d\ude00"]"#, Some("[\"\u{fffd}\\ud83d\\ude00\"]")),
            (br#"["\ud83d\ud83d\ude00"]"#, Some("[\"\u{fffd}\\ud83d\\ude00\"]")),
            (b"[\"a\xff\"]", Some("[\"a\u{fffd}\"]")),
            (br#"["\\ud800","\n\u00e9"]"#, None),
            (b"[\"\\", None),
            (br#"["\ud8"#, None),
        ] {
            let got = repaired(json).map(|bytes| String::from_utf8(bytes).unwrap());
            assert_eq!(got.as_deref(), expected, "{}", String::from_utf8_lossy(json));
        }
    }
}
