//! Shell patterns for mount points, devices and interfaces: `*` (any characters, also none and also `/`), `?`, `[a-z]`,
//! `[!a]`, `{a,b}`. Deliberately absent: escapes. A pattern also matches the text that is written exactly like it, so a
//! name with brackets in it can be named.

use regex::{Regex, RegexBuilder};

use crate::model::Text;

/// What a compiled pattern may take. A pattern has at most 255 characters.
const MAX_PROGRAM_BYTES: usize = 1 << 20;

/// One pattern.
#[derive(Clone, Debug)]
pub struct Glob {
    text: Text,
    /// `None` when there is nothing special in the text.
    regex: Option<Regex>,
}

/// Why a text is no pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{pattern:?} is not a pattern ({why}): use * for any characters, ? for one, [a-z] and {{a,b}} for choices")]
pub struct NotAPattern {
    pattern: String,
    why: &'static str,
}

impl Glob {
    /// Compiles a pattern.
    pub fn new(pattern: &str) -> Result<Self, NotAPattern> {
        let refused = |why| NotAPattern { pattern: pattern.to_owned(), why };
        let special = pattern.contains(['*', '?', '[', '{']);
        let regex = if special {
            let source = translate(pattern).map_err(refused)?;
            let built = RegexBuilder::new(&source).size_limit(MAX_PROGRAM_BYTES).dot_matches_new_line(true).build();
            Some(built.map_err(|_| refused("a range is reversed, or it is too large"))?)
        } else {
            None
        };
        Ok(Self { text: Text::from(pattern), regex })
    }

    /// Matches nothing but the text itself.
    pub fn literal(text: &str) -> Self {
        Self { text: Text::from(text), regex: None }
    }

    /// Whether the pattern matches the whole text.
    pub fn matches(&self, text: &str) -> bool {
        *self.text == *text || self.regex.as_ref().is_some_and(|r| r.is_match(text))
    }

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

fn translate(pattern: &str) -> Result<String, &'static str> {
    let mut source = String::from("^(?:");
    let mut choices = 0_usize;
    let mut rest = pattern.chars();
    while let Some(c) = rest.next() {
        match c {
            '*' => source.push_str(".*"),
            '?' => source.push('.'),
            '[' => source.push_str(&class(&mut rest)?),
            '{' => {
                choices += 1;
                source.push_str("(?:");
            }
            ',' if choices > 0 => source.push('|'),
            '}' if choices > 0 => {
                choices -= 1;
                source.push(')');
            }
            other => source.push_str(&regex::escape(other.encode_utf8(&mut [0; 4]))),
        }
    }
    if choices > 0 {
        return Err("a { is not closed");
    }
    source.push_str(")$");
    Ok(source)
}

/// What stands between brackets, the first one already read.
fn class(rest: &mut std::str::Chars<'_>) -> Result<String, &'static str> {
    let mut source = String::from("[");
    let mut is_first = true;
    loop {
        let c = rest.next().ok_or("a [ is not closed")?;
        match c {
            '!' | '^' if is_first && source.len() == 1 => {
                source.push('^');
                continue;
            }
            ']' if !is_first => break,
            '-' => source.push('-'),
            other => source.push_str(&regex::escape(other.encode_utf8(&mut [0; 4]))),
        }
        is_first = false;
    }
    source.push(']');
    Ok(source)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn patterns_match_whole_names() {
        for (pattern, text, expected) in [
            ("eth0", "eth0", true),
            ("eth0", "eth01", false),
            ("eth*", "eth0", true),
            ("eth*", "veth0", false),
            ("*", "", true),
            ("/var/*", "/var/lib/x", true),
            ("/var/*", "/var", false),
            ("nvme?n1", "nvme0n1", true),
            ("nvme?n1", "nvme0n1p1", false),
            ("sd[a-c]", "sdb", true),
            ("sd[!a-c]", "sdb", false),
            ("sd[^a-c]", "sdd", true),
            ("{eth,ens}[0-9]", "ens5", true),
            ("{eth,ens}[0-9]", "lo", false),
            ("a.c", "abc", false),
            ("/mnt/[x]", "/mnt/[x]", true),
            ("[]]", "]", true),
            ("a,b", "a,b", true),
        ] {
            assert_eq!(Glob::new(pattern).unwrap().matches(text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn what_is_not_closed_is_refused_with_its_text() {
        for pattern in ["[a", "{a", "[", "[z-a]"] {
            let said = Glob::new(pattern).unwrap_err().to_string();
            assert!(said.contains(pattern), "{said}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_pattern_or_refused(pattern in ".{0,40}", text in ".{0,20}") {
            if let Ok(glob) = Glob::new(&pattern) {
                glob.matches(&text);
                prop_assert!(glob.matches(&pattern));
            }
        }
    }
}
