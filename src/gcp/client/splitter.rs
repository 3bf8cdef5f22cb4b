//! Cuts a JSON answer into the items of its one long list, while it comes: what is held is one item, however long the answer
//! is. What else the answer's object has is handed on by name.

/// No item, and nothing beside the list, is longer: a distribution of two hundred buckets takes a few kilobytes a point.
const MAX_ITEM_BYTES: usize = 32 << 20;

/// Up to here, looking at each byte is faster than preparing to look at many at once.
const SHORT_STRING: usize = 24;

/// Finds the items of `list` in an object.
pub(super) struct Splitter {
    list: &'static str,
    buffer: Vec<u8>,
    /// What stands before it in the buffer is done with.
    at: usize,
    place: Place,
    key: Vec<u8>,
    scan: Scan,
}

/// What was found.
#[derive(Clone, Copy)]
pub(super) enum Found<'a> {
    /// An item of the list.
    Item(&'a [u8]),
    /// Another field of the object.
    Field(&'a [u8], &'a [u8]),
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Start,
    KeyOrEnd,
    Colon,
    Value,
    CommaOrEnd,
    ItemOrEnd,
    CommaOrListEnd,
    Done,
}

/// How far the value at `at` has been looked through.
#[derive(Clone, Copy, Default)]
struct Scan {
    /// Bytes.
    length: usize,
    depth: usize,
    in_string: bool,
    escaped: bool,
}

/// The answer is not of the expected form; the text says how.
pub(super) type Malformed = String;

impl Splitter {
    pub(super) fn new(list: &'static str) -> Self {
        Self { list, buffer: Vec::new(), at: 0, place: Place::Start, key: Vec::new(), scan: Scan::default() }
    }

    /// Takes the next bytes of the answer.
    pub(super) fn feed(
        &mut self,
        bytes: &[u8],
        mut each: impl FnMut(Found<'_>) -> Result<(), Malformed>,
    ) -> Result<(), Malformed> {
        self.buffer.extend_from_slice(bytes);
        while self.step(&mut each)? {}
        self.buffer.drain(..self.at);
        self.at = 0;
        if self.buffer.len() > MAX_ITEM_BYTES {
            return Err(format!("an item is longer than {MAX_ITEM_BYTES} bytes"));
        }
        Ok(())
    }

    /// The answer has ended.
    pub(super) fn finish(self) -> Result<(), Malformed> {
        if self.place == Place::Done { Ok(()) } else { Err("the answer ends in the middle".to_owned()) }
    }

    /// Goes on by one token or value; `false`: more bytes are needed.
    fn step(&mut self, each: &mut impl FnMut(Found<'_>) -> Result<(), Malformed>) -> Result<bool, Malformed> {
        if self.scan.length == 0 {
            let rest = self.buffer.get(self.at..).unwrap_or_default();
            self.at += rest.iter().take_while(|b| b.is_ascii_whitespace()).count();
        }
        let Some(&next) = self.buffer.get(self.at) else { return Ok(false) };
        let wrong = |expected: &str| Err(format!("expected {expected}, found {:?}", char::from(next)));
        self.place = match (self.place, next) {
            (Place::Start, b'{') | (Place::CommaOrEnd, b',') => Place::KeyOrEnd,
            (Place::Start, _) => return wrong("an object"),
            (Place::KeyOrEnd | Place::CommaOrEnd, b'}') => Place::Done,
            (Place::KeyOrEnd, b'"') => {
                let Some(key) = self.value() else { return Ok(false) };
                self.key = key.get(1..key.len().saturating_sub(1)).unwrap_or_default().to_vec();
                self.place = Place::Colon;
                return Ok(true);
            }
            (Place::Colon, b':') => Place::Value,
            (Place::Value, b'[') if self.key == self.list.as_bytes() => Place::ItemOrEnd,
            (Place::Value, _) => {
                let key = std::mem::take(&mut self.key);
                let Some(value) = self.value() else {
                    self.key = key;
                    return Ok(false);
                };
                each(Found::Field(&key, value))?;
                self.place = Place::CommaOrEnd;
                return Ok(true);
            }
            (Place::ItemOrEnd | Place::CommaOrListEnd, b']') => Place::CommaOrEnd,
            (Place::CommaOrListEnd, b',') => Place::ItemOrEnd,
            (Place::ItemOrEnd, _) => {
                let Some(item) = self.value() else { return Ok(false) };
                each(Found::Item(item))?;
                self.place = Place::CommaOrListEnd;
                return Ok(true);
            }
            (Place::Done, _) => return wrong("the end"),
            (Place::KeyOrEnd, _) => return wrong("a name"),
            (Place::Colon, _) => return wrong("a colon"),
            (Place::CommaOrEnd | Place::CommaOrListEnd, _) => return wrong("a comma"),
        };
        self.at += 1;
        Ok(true)
    }

    /// The whole value that begins at `at`, which is then done with; `None`: its end has not come yet. What is in it is not
    /// looked at: whoever reads it does.
    fn value(&mut self) -> Option<&[u8]> {
        let rest = self.buffer.get(self.at..)?;
        let end = self.scan.end(rest)?;
        self.scan = Scan::default();
        let start = self.at;
        self.at += end;
        self.buffer.get(start..start + end)
    }
}

impl Scan {
    /// The length of the value at the beginning of `bytes`, as soon as its end is there.
    fn end(&mut self, bytes: &[u8]) -> Option<usize> {
        let Self { mut length, mut depth, mut in_string, mut escaped } = *self;
        let end = loop {
            let Some(&byte) = bytes.get(length) else { break None };
            if in_string {
                match byte {
                    _ if escaped => escaped = false,
                    b'\\' => escaped = true,
                    b'"' => {
                        in_string = false;
                        if depth == 0 {
                            break Some(length + 1);
                        }
                    }
                    _ => length = before_quote(bytes, length),
                }
            } else {
                match byte {
                    b'"' => in_string = true,
                    b'{' | b'[' => depth += 1,
                    // A number or a word ends where something else begins.
                    b',' | b'}' | b']' if depth == 0 => break Some(length),
                    b'}' | b']' => {
                        depth -= 1;
                        if depth == 0 {
                            break Some(length + 1);
                        }
                    }
                    _ if depth == 0 && byte.is_ascii_whitespace() => break Some(length),
                    _ => {}
                }
            }
            length += 1;
        };
        *self = Self { length, depth, in_string, escaped };
        end
    }
}

/// The place before the next byte in a string that matters. Most strings are short, some are megabytes.
fn before_quote(bytes: &[u8], at: usize) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    let matters = |b: &u8| matches!(b, b'"' | b'\\');
    let plain = match rest.iter().take(SHORT_STRING).position(matters) {
        Some(plain) => plain,
        None => memchr::memchr2(b'"', b'\\', rest).unwrap_or(rest.len()),
    };
    at + plain.max(1) - 1
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn split(text: &str, chunk: usize) -> Result<Vec<String>, String> {
        let mut found = Vec::new();
        let mut splitter = Splitter::new("list");
        for bytes in text.as_bytes().chunks(chunk.max(1)) {
            splitter.feed(bytes, |f| {
                found.push(match f {
                    Found::Item(item) => format!("item {}", std::str::from_utf8(item).unwrap()),
                    Found::Field(key, value) => {
                        format!("{} {}", std::str::from_utf8(key).unwrap(), std::str::from_utf8(value).unwrap())
                    }
                });
                Ok(())
            })?;
        }
        splitter.finish()?;
        Ok(found)
    }

    #[test]
    fn items_and_fields_come_whole_however_the_bytes_come() {
        let text =
            r#" {"a": 1.5, "list" : [ {"x":"]}\"\\", "y":[1,{}]}, null ,3,"s", [] ] ,"b":null,"c":{"list":[1]}} "#;
        let expected = [
            "a 1.5",
            r#"item {"x":"]}\"\\", "y":[1,{}]}"#,
            "item null",
            "item 3",
            "item \"s\"",
            "item []",
            "b null",
            r#"c {"list":[1]}"#,
        ];
        for chunk in 1..=text.len() {
            assert_eq!(split(text, chunk).unwrap(), expected, "chunks of {chunk}");
        }
        assert_eq!(split("{}", 1).unwrap(), Vec::<String>::new());
        assert_eq!(split(r#"{"list":[]}"#, 3).unwrap(), Vec::<String>::new());
        assert_eq!(split(r#"{"list":null}"#, 3).unwrap(), ["list null"]);
    }

    #[test]
    fn what_is_no_such_object_is_refused() {
        for text in [
            "",
            "[]",
            "nonsense",
            "{",
            r#"{"a"}"#,
            r#"{"a":1"#,
            r#"{"list":[1 2]}"#,
            "{} x",
            r#"{"list":[{]}"#,
            r#"{"list":[{}"#,
        ] {
            assert!(split(text, 4).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), chunk in 1_usize..20) {
            let mut splitter = Splitter::new("list");
            for part in bytes.chunks(chunk) {
                if splitter.feed(part, |_| Ok(())).is_err() {
                    break;
                }
            }
        }
    }
}
