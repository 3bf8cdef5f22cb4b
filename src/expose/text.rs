//! The spelling of names, labels and help texts on a page. Pure.

use std::borrow::Cow;
use std::fmt::Write as _;

use memchr::{memchr2, memchr3};

/// What becomes of a family name that older Prometheus versions cannot read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum Escaping {
    /// Every illegal character becomes `_`.
    #[default]
    Underscores,
    /// The name stays as it is, in quotes.
    AllowUtf8,
    /// `U__` and the code points of the illegal characters: can be undone.
    Values,
    /// Dots become `_dot_`, underscores `__`.
    Dots,
}

impl Escaping {
    /// All four.
    pub const ALL: [Self; 4] = [Self::Underscores, Self::AllowUtf8, Self::Values, Self::Dots];

    /// As in the `escaping` parameter of a media type.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Underscores => "underscores",
            Self::AllowUtf8 => "allow-utf-8",
            Self::Values => "values",
            Self::Dots => "dots",
        }
    }

    /// The family name as it stands on a page with this escaping.
    pub fn apply(self, name: &str) -> Cow<'_, str> {
        match self {
            Self::Dots => Cow::Owned(dots(name)),
            _ if is_legacy_name(name) => Cow::Borrowed(name),
            Self::AllowUtf8 => Cow::Borrowed(name),
            Self::Underscores => {
                Cow::Owned(name.char_indices().map(|(at, c)| if is_legacy_char(at, c) { c } else { '_' }).collect())
            }
            Self::Values => Cow::Owned(values(name)),
        }
    }

    /// The family name where only names that some Prometheus version cannot read are escaped.
    pub fn apply_where_needed(self, name: &str) -> Cow<'_, str> {
        if is_legacy_name(name) { Cow::Borrowed(name) } else { self.apply(name) }
    }

    /// The label name as it stands on a page with this escaping, quotes included. Unlike a family's name it may hold no
    /// colon.
    pub fn apply_to_label(self, name: &str) -> Cow<'_, str> {
        if is_label_name(name) {
            return Cow::Borrowed(name);
        }
        match self {
            Self::AllowUtf8 => {
                let mut quoted = vec![b'"'];
                write_quoted(&mut quoted, name);
                quoted.push(b'"');
                Cow::Owned(String::from_utf8(quoted).unwrap_or_default())
            }
            Self::Underscores => Cow::Owned(self.apply(name).replace(':', "_")),
            Self::Values => Cow::Owned(values(name).replace(':', "_3a_")),
            Self::Dots => Cow::Owned(dots(name).replace(':', "__")),
        }
    }
}

fn dots(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 16);
    for (at, c) in name.char_indices() {
        match c {
            '.' => out.push_str("_dot_"),
            c if c != '_' && is_legacy_char(at, c) => out.push(c),
            _ => out.push_str("__"),
        }
    }
    out
}

fn values(name: &str) -> String {
    let mut out = String::from("U__");
    for (at, c) in name.char_indices() {
        match c {
            '_' => out.push_str("__"),
            c if is_legacy_char(at, c) => out.push(c),
            c => {
                // Writing into a String cannot fail.
                let _ = write!(out, "_{:x}_", u32::from(c));
            }
        }
    }
    out
}

/// Whether every Prometheus version can read the family name as it is.
pub fn is_legacy_name(name: &str) -> bool {
    !name.is_empty() && name.char_indices().all(|(at, c)| is_legacy_char(at, c))
}

/// Whether a label may have that name: a legacy name without colons, and not the one that stands for the family's name.
pub fn is_label_name(name: &str) -> bool {
    is_legacy_name(name) && !name.contains(':') && name != "__name__"
}

fn is_legacy_char(at: usize, c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_' || c == ':' || (at > 0 && c.is_ascii_digit())
}

/// Appends text that stands between quotes: a label's value, a quoted name, or help in OpenMetrics.
pub fn write_quoted(out: &mut Vec<u8>, text: &str) {
    let mut rest = text.as_bytes();
    while let Some(at) = memchr3(b'\\', b'"', b'\n', rest) {
        rest = write_escape(out, rest, at);
    }
    out.extend_from_slice(rest);
}

/// Appends help text for a 0.0.4 page, where quotes need no escape.
pub fn write_help(out: &mut Vec<u8>, text: &str) {
    let mut rest = text.as_bytes();
    while let Some(at) = memchr2(b'\\', b'\n', rest) {
        rest = write_escape(out, rest, at);
    }
    out.extend_from_slice(rest);
}

/// Appends what stands before `at`, then the special byte there with a backslash; returns what follows.
fn write_escape<'a>(out: &mut Vec<u8>, text: &'a [u8], at: usize) -> &'a [u8] {
    let (before, from) = text.split_at(at.min(text.len()));
    out.extend_from_slice(before);
    let Some((special, rest)) = from.split_first() else { return &[] };
    out.extend_from_slice(&[b'\\', if *special == b'\n' { b'n' } else { *special }]);
    rest
}

/// Appends a family name as it stands on HELP and TYPE lines: in quotes unless it is a legacy name.
pub fn write_name(out: &mut Vec<u8>, name: &str) {
    if is_legacy_name(name) {
        out.extend_from_slice(name.as_bytes());
    } else {
        out.push(b'"');
        write_quoted(out, name);
        out.push(b'"');
    }
}

/// The escaped names in a text that our own writers made (all its names are legacy ones). Only one escaping changes them.
pub fn escape_own_names(text: String, escaping: Escaping) -> String {
    if escaping != Escaping::Dots {
        return text;
    }
    let mut out = String::with_capacity(text.len() + text.len() / 4);
    for line in text.split_inclusive('\n') {
        let keyword = ["# HELP ", "# TYPE "].into_iter().find(|k| line.starts_with(k)).unwrap_or("");
        let rest = line.strip_prefix(keyword).unwrap_or(line);
        let end = rest.find(['{', ' ', '\n']).filter(|_| !rest.starts_with('#')).unwrap_or(0);
        let (name, behind) = rest.split_at_checked(end).unwrap_or(("", rest));
        out.push_str(keyword);
        out.push_str(&dots(name));
        out.push_str(behind);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_escaped_as_negotiated() {
        let weird = "aws_my[weird]_é.x";
        for (escaping, name, expected) in [
            (Escaping::Underscores, weird, "aws_my_weird____x"),
            (Escaping::AllowUtf8, weird, weird),
            (Escaping::Values, weird, "U__aws__my_5b_weird_5d____e9__2e_x"),
            (Escaping::Dots, weird, "aws__my__weird_______dot_x"),
            (
                Escaping::Values,
                "aws_my[weird]_ns_é+x_quoted”_sum",
                "U__aws__my_5b_weird_5d___ns___e9__2b_x__quoted_201d___sum",
            ),
            (Escaping::Underscores, "9a:b", "_a:b"),
            (Escaping::Values, "9a:b", "U___39_a:b"),
            (Escaping::Values, "a_b", "a_b"),
            (Escaping::Dots, "a_b", "a__b"),
            (Escaping::Dots, "9", "__"),
        ] {
            assert_eq!(escaping.apply(name), expected, "{name} with {escaping:?}");
        }
    }

    #[test]
    fn label_names_are_escaped_as_negotiated() {
        for (escaping, name, expected) in [
            (Escaping::Underscores, "foo-bar", "foo_bar"),
            (Escaping::Underscores, "9x", "_x"),
            (Escaping::Underscores, "a:b", "a_b"),
            (Escaping::AllowUtf8, "foo.\"bar", "\"foo.\\\"bar\""),
            (Escaping::AllowUtf8, "a:b", "\"a:b\""),
            (Escaping::Values, "9x", "U___39_x"),
            (Escaping::Values, "a:b", "U__a_3a_b"),
            (Escaping::Values, "a_b", "a_b"),
            (Escaping::Dots, "foo.baz", "foo_dot_baz"),
            (Escaping::Dots, "a:b", "a__b"),
            (Escaping::Dots, "a_b", "a_b"),
        ] {
            assert_eq!(escaping.apply_to_label(name), expected, "{name} with {escaping:?}");
        }
    }

    #[test]
    fn text_is_escaped_as_its_place_needs() {
        let text = "a\"b\\c\nd";
        let mut out = Vec::new();
        write_quoted(&mut out, text);
        out.push(b'|');
        write_help(&mut out, text);
        assert_eq!(out, br#"a\"b\\c\nd|a"b\\c\nd"#);
    }

    #[test]
    fn only_dots_change_our_own_names() {
        let own = "# HELP a_b Some_help.\n# TYPE a_b gauge\na_b{c_d=\"e_f\"} 1\na_b 2\n# EOF\n".to_owned();
        let expected = "# HELP a__b Some_help.\n# TYPE a__b gauge\na__b{c_d=\"e_f\"} 1\na__b 2\n# EOF\n";
        assert_eq!(escape_own_names(own.clone(), Escaping::Dots), expected);
        assert_eq!(escape_own_names(own.clone(), Escaping::Values), own);
    }

    #[test]
    fn label_names_are_legacy_names_without_colons() {
        for (name, legal) in
            [("a", true), ("_9", true), ("9", false), ("", false), ("a:b", false), ("é", false), ("__name__", false)]
        {
            assert_eq!(is_label_name(name), legal, "{name}");
        }
    }
}
