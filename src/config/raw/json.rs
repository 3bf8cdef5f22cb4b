//! JSON into the same located tree. Not by way of YAML: its readers refuse tabs, surrogate escapes and repeated keys, which
//! JSON files have. What is no JSON is refused first (by serde_json, which also bounds the depth); the walk that notes the
//! places may then take the text for what it is.

use std::rc::Rc;

use super::{Diagnostic, MAX_FILE_BYTES, Node, Scalar, Spot, Value, mistake};

/// Reads a whole file. Lines are counted from `first_line`.
pub(crate) fn read_json(bytes: &[u8], first_line: usize) -> Result<Node, Diagnostic> {
    let whole = Spot { line: first_line, column: 1 };
    if bytes.len() > MAX_FILE_BYTES {
        return Err(mistake(
            whole,
            format!("the file has more than {} MiB; is this another file?", MAX_FILE_BYTES >> 20),
        ));
    }
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    let text = std::str::from_utf8(bytes).map_err(|_| mistake(whole, "the file is not UTF-8".to_owned()))?;
    if let Err(e) = serde_json::from_str::<serde::de::IgnoredAny>(text) {
        let spot = Spot { line: first_line + e.line().saturating_sub(1), column: e.column() };
        let why = e.to_string();
        let why = why.split(" at line ").next().unwrap_or_default();
        return Err(mistake(spot, format!("this is not JSON: {why}")));
    }
    let mut walk = Walk { text, at: 0, line: first_line, line_start: 0 };
    walk.value().ok_or_else(|| mistake(whole, "this is not JSON".to_owned()))
}

struct Walk<'a> {
    text: &'a str,
    at: usize,
    line: usize,
    line_start: usize,
}

impl Walk<'_> {
    fn value(&mut self) -> Option<Node> {
        self.skip_blanks();
        let spot = self.spot();
        let value = match self.peek()? {
            b'{' => Value::Mapping(self.members(b'}', |walk| {
                let key = walk.value()?;
                walk.skip_over(b':');
                Some((key, walk.value()?))
            })?),
            b'[' => Value::Sequence(self.members(b']', Self::value)?),
            b'"' => Value::Scalar(Scalar { text: self.string()?.into(), is_plain: false, tag: None }),
            _ => Value::Scalar(Scalar { text: self.word().into(), is_plain: true, tag: None }),
        };
        Some(Node { value: Rc::new(value), is_alias: false, spot })
    }

    fn members<T>(&mut self, end: u8, mut member: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        self.at += 1;
        let mut all = Vec::new();
        loop {
            self.skip_blanks();
            match self.peek()? {
                byte if byte == end => {
                    self.at += 1;
                    return Some(all);
                }
                b',' => self.at += 1,
                _ => all.push(member(self)?),
            }
        }
    }

    fn string(&mut self) -> Option<String> {
        let start = self.at;
        self.at += 1;
        loop {
            match self.peek()? {
                b'\\' => self.at += 2,
                b'"' => break,
                _ => self.at += 1,
            }
        }
        self.at += 1;
        serde_json::from_str(self.text.get(start..self.at)?).ok()
    }

    /// A number, `true`, `false`, `null`.
    fn word(&mut self) -> &str {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let length = rest.find(|c: char| !(c.is_ascii_alphanumeric() || "+-.".contains(c))).unwrap_or(rest.len());
        // At least one byte, so that no text keeps us here.
        self.at += length.max(1);
        rest.get(..length).unwrap_or_default()
    }

    fn skip_over(&mut self, byte: u8) {
        self.skip_blanks();
        if self.peek() == Some(byte) {
            self.at += 1;
        }
    }

    fn skip_blanks(&mut self) {
        while let Some(byte) = self.peek().filter(u8::is_ascii_whitespace) {
            self.at += 1;
            if byte == b'\n' {
                self.line += 1;
                self.line_start = self.at;
            }
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn spot(&self) -> Spot {
        let before = self.text.get(self.line_start..self.at).unwrap_or_default();
        Spot { line: self.line, column: before.chars().count() + 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(node: &Node) -> String {
        match &*node.value {
            Value::Scalar(s) => format!("{}{}", if s.is_plain { "" } else { "'" }, s.text),
            Value::Sequence(items) => format!("[{}]", items.iter().map(shown).collect::<Vec<_>>().join(" ")),
            Value::Mapping(all) => {
                let pairs: Vec<_> = all.iter().map(|(k, v)| format!("{}={}", shown(k), shown(v))).collect();
                format!("{{{}}}", pairs.join(" "))
            }
        }
    }

    #[test]
    fn values_come_with_their_places() {
        let text =
            "{\n\t\"a\\u00e4\\ud83d\\ude00\": [1.5e2, -3, true, null],\n\t\"b\": {\"c\": \"60\", \"c\": []}\n}\n";
        let root = read_json(text.as_bytes(), 1).unwrap();
        assert_eq!(shown(&root), "{'aä😀=[1.5e2 -3 true null] 'b={'c='60 'c=[]}}");
        let Value::Mapping(all) = &*root.value else { panic!() };
        assert_eq!(all[1].1.spot, Spot { line: 3, column: 7 });
    }

    #[test]
    fn what_is_no_json_is_refused_with_its_place() {
        for text in ["", "{", "{'a': 1}", "{\"a\": 1,}", "// no\n{}", "{} {}", "{\"a\": 01}", "\u{0}", "[1"] {
            let refused = read_json(text.as_bytes(), 1).unwrap_err();
            assert!(refused.message.contains("not JSON") && refused.line > 0, "{text}: {refused:?}");
        }
        assert!(read_json(&"[".repeat(10_000).into_bytes(), 1).is_err());
        assert!(read_json(b"\xff", 1).is_err());
    }

    proptest! {
        #[test]
        fn no_text_does_harm(text in "[\\[\\]{}\",:\\\\ \\n0-9truefalsn.e+-]{0,60}") {
            let ours = read_json(text.as_bytes(), 1).is_ok();
            prop_assert_eq!(ours, serde_json::from_str::<serde_json::Value>(&text).is_ok());
        }
    }
}
