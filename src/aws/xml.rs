//! Pure: the XML of query services as a tree in which elements are found by name, whatever their case (the Go SDK reads it
//! so, and emulators rely on that).
//!
//! Deliberately absent: attributes, namespaces, mixed content; no AWS answer needs them.

use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesRef, Event};

/// Elements within elements; AWS' answers have ten or so.
const MAX_DEPTH: usize = 64;

/// An element.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Element {
    name: String,
    text: String,
    children: Vec<Self>,
}

/// Why a text is no XML.
#[derive(Debug, thiserror::Error)]
#[error("the answer is no XML that can be read: {0}")]
pub struct Unreadable(String);

impl Element {
    /// Reads a document; returns its root.
    pub fn parse(bytes: &[u8]) -> Result<Self, Unreadable> {
        let text = std::str::from_utf8(bytes).map_err(|e| Unreadable(e.to_string()))?;
        let mut reader = Reader::from_str(text);
        let mut open = vec![Self::default()];
        loop {
            match reader.read_event().map_err(|e| Unreadable(e.to_string()))? {
                Event::Start(tag) if open.len() > MAX_DEPTH => {
                    return Err(Unreadable(format!("{} stands too deep", tag.local_name().as_ref().to_owned())));
                }
                Event::Start(tag) => {
                    open.push(Self::named(tag.local_name().as_ref()));
                }
                Event::Empty(tag) => {
                    close(&mut open, Self::named(tag.local_name().as_ref()));
                }
                Event::End(_) => {
                    if let Some(done) = open.pop() {
                        close(&mut open, done);
                    }
                }
                Event::Text(text) => push(&mut open, &text),
                Event::CData(text) => push(&mut open, &text),
                Event::GeneralRef(entity) => push(&mut open, &resolved(&entity)?),
                Event::Eof => break,
                _ => {}
            }
        }
        let [document] = open.as_mut_slice() else {
            return Err(Unreadable("it ends within an element".to_owned()));
        };
        document.children.pop().ok_or_else(|| Unreadable("there is no element".to_owned()))
    }

    fn named(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    /// The first child of that name.
    pub fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|c| c.is(name))
    }

    /// The items of the list that a child holds: its children of that name.
    pub fn list<'a>(&'a self, name: &str, item: &'a str) -> impl Iterator<Item = &'a Self> {
        self.child(name).into_iter().flat_map(move |list| list.children.iter().filter(move |c| c.is(item)))
    }

    /// The text of a child; `None` when it is missing or empty.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.child(name).map(|c| c.text.trim()).filter(|t| !t.is_empty())
    }

    /// The first element of that name at any depth, this one included.
    pub fn find(&self, name: &str) -> Option<&Self> {
        if self.is(name) { Some(self) } else { self.children.iter().find_map(|c| c.find(name)) }
    }

    fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }
}

fn close(open: &mut [Element], done: Element) {
    if let Some(parent) = open.last_mut() {
        parent.children.push(done);
    }
}

fn push(open: &mut [Element], text: &str) {
    if let Some(element) = open.last_mut() {
        element.text.push_str(text);
    }
}

fn resolved(entity: &BytesRef<'_>) -> Result<String, Unreadable> {
    if let Some(c) = entity.resolve_char_ref().map_err(|e| Unreadable(e.to_string()))? {
        return Ok(c.to_string());
    }
    let name: &str = entity;
    resolve_predefined_entity(name).map(str::to_owned).ok_or_else(|| Unreadable(format!("unknown entity {name}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &str = "<?xml version=\"1.0\"?>\n<R xmlns=\"urn:x\"><Result>\n <Groups><member><Name>a &amp; b&#33;</Name>\
                          <Tags/></member><member><name> c </name></member></Groups><NextToken></NextToken></Result></R>";

    #[test]
    fn elements_are_found_whatever_their_case() {
        let root = Element::parse(ANSWER.as_bytes()).unwrap();
        let result = root.child("result").unwrap();
        let names: Vec<_> = result.list("GROUPS", "Member").map(|m| m.text("NAME").unwrap()).collect();
        assert_eq!(names, ["a & b!", "c"]);
        assert_eq!(result.text("NextToken"), None, "an empty token is none");
        assert_eq!(result.list("Groups", "member").next().unwrap().list("Tags", "member").count(), 0);
        assert_eq!(root.find("tags").unwrap().name, "Tags");
    }

    #[test]
    fn what_is_no_xml_is_refused() {
        for text in ["", "nothing", "<a><b></b>", "<a></b>", "<a>&unknown;</a>"] {
            assert!(Element::parse(text.as_bytes()).is_err(), "{text}");
        }
        let deep = "<a>".repeat(MAX_DEPTH + 1);
        assert!(Element::parse(deep.as_bytes()).unwrap_err().to_string().contains("too deep"));
    }
}
