//! YAML (and JSON) as it is written: bytes in, a located tree out. What the scalars mean is `scalar`'s business.
//!
//! The only file (with those under `raw/`) that names the parser. Everything a file can grow by is bounded here: its
//! bytes and its depth. (Aliases share what they name; how much of that is read, `report` bounds.) Deliberately absent: schemas, defaults, more than one document.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Span, Tag};

use super::Diagnostic;

mod json;
mod lines;
mod margin;
mod source;

pub(crate) use json::read_json;
use margin::Margins;
pub(crate) use source::{check_directives, decode};

/// The largest file that is read: two thousand jobs of twenty metrics fit into it.
pub(crate) const MAX_FILE_BYTES: usize = 4 << 20;
/// How deep values nest, aliases followed. A configuration needs eight; the walk over the tree is recursive.
const MAX_DEPTH: usize = 100;

/// A value at its place. Values that an alias names are shared, not copied.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    /// What is there.
    pub(crate) value: Rc<Value>,
    /// Whether an alias (`*name`) stands here.
    pub(crate) is_alias: bool,
    /// Where it is written (for an alias: where the alias is).
    pub(crate) spot: Spot,
}

impl Node {
    /// What an empty file is.
    pub(crate) fn empty() -> Self {
        let scalar = Scalar { text: "".into(), is_plain: true, tag: None };
        Self { value: Rc::new(Value::Scalar(scalar)), is_alias: false, spot: Spot { line: 1, column: 1 } }
    }
}

/// A place in the file: line and column, both from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Spot {
    /// From 1; 0 is the file as a whole.
    pub(crate) line: usize,
    /// From 1, in characters.
    pub(crate) column: usize,
}

/// The shapes of YAML.
#[derive(Debug)]
pub(crate) enum Value {
    /// Text that may mean something else.
    Scalar(Scalar),
    /// A list.
    Sequence(Vec<Node>),
    /// Keys and values in their order; keys may repeat, `<<` is a key like another.
    Mapping(Vec<(Node, Node)>),
}

/// A scalar as it is written.
#[derive(Clone, Debug)]
pub(crate) struct Scalar {
    /// Its text, escapes resolved.
    pub(crate) text: Arc<str>,
    /// Neither quoted nor a block nor tagged: its text decides about its type.
    pub(crate) is_plain: bool,
    /// The tag, in full: `tag:yaml.org,2002:int`.
    pub(crate) tag: Option<String>,
}

/// What replaces the text of a scalar value (keys stay): `${NAME}` in native files.
pub(crate) type Expand<'a> = &'a dyn Fn(&str) -> Result<Option<String>, String>;

/// Reads the first document of a file; `None` when there is none. A mistake here ends the reading: what follows a syntax
/// error cannot be trusted. Mistakes of `expand` are collected in `mistakes`, the text stays as it was.
pub(crate) fn read(
    text: &str,
    expand: Option<Expand<'_>>,
    mistakes: &mut Vec<Diagnostic>,
) -> Result<Option<Node>, Diagnostic> {
    source::check_brackets(text)?;
    let mut margins = Margins::default();
    let mut first_failure = None;
    loop {
        let mut builder = Builder {
            text,
            expand,
            margins: &margins,
            frames: Vec::new(),
            anchors: HashMap::new(),
            root: None,
            mistakes: Vec::new(),
        };
        match builder.document(&margins.apply(text)) {
            Ok(()) => {
                mistakes.append(&mut builder.mistakes);
                return Ok(builder.root);
            }
            Err(Failure::Mistake(mistake)) => return Err(mistake),
            Err(Failure::Syntax(e, mistake)) => {
                let first = first_failure.get_or_insert(mistake);
                if !margins.help(text, &e) {
                    return Err(first.clone());
                }
            }
        }
    }
}

/// Why a reading ended early.
enum Failure {
    /// A bound, or something that we refuse.
    Mistake(Diagnostic),
    /// The parser gave up; how to say it.
    Syntax(ScanError, Diagnostic),
}

impl From<Diagnostic> for Failure {
    fn from(mistake: Diagnostic) -> Self {
        Self::Mistake(mistake)
    }
}

enum Frame {
    Sequence { items: Vec<Node>, spot: Spot, anchor: usize, depth: usize },
    Mapping { entries: Vec<(Node, Node)>, key: Option<Node>, spot: Spot, anchor: usize, depth: usize },
}

struct Builder<'a> {
    text: &'a str,
    margins: &'a Margins,
    expand: Option<Expand<'a>>,
    frames: Vec<Frame>,
    anchors: HashMap<usize, (Rc<Value>, usize)>,
    root: Option<Node>,
    mistakes: Vec<Diagnostic>,
}

impl Builder<'_> {
    /// Reads up to the end of the first document.
    fn document(&mut self, text: &str) -> Result<(), Failure> {
        let mut opaque = lines::Opaque::of(text);
        let mut parser = Parser::new_from_str(text);
        let mut end_line = usize::MAX;
        while let Some(event) = parser.next_event() {
            let (event, span) = event.map_err(|e| {
                let mistake = self.explain(&e, &opaque);
                Failure::Syntax(e, mistake)
            })?;
            opaque.note(&event, span);
            match event {
                Event::DocumentEnd | Event::StreamEnd => {
                    end_line = span.start.line();
                    break;
                }
                event => self.take(event, span)?,
            }
        }
        Ok(lines::check_tabs(self.text, &opaque, end_line)?)
    }

    /// A place as it is in the file.
    fn spot(&self, mark: Marker) -> Spot {
        self.margins.original(Spot { line: mark.line(), column: mark.col() + 1 })
    }

    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Diagnostic> {
        let spot = self.spot(span.start);
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.check_scalar(&text, style, span)?;
                let scalar = self.scalar(&text, style, tag.as_deref(), spot);
                self.finish(Value::Scalar(scalar), anchor, 0, spot)
            }
            Event::SequenceStart(anchor, _) => {
                self.open(Frame::Sequence { items: Vec::new(), spot, anchor, depth: 0 }, spot)
            }
            Event::MappingStart(anchor, _) => {
                let frame = Frame::Mapping { entries: Vec::new(), key: None, spot, anchor, depth: 0 };
                self.open(frame, spot)
            }
            Event::SequenceEnd | Event::MappingEnd => match self.frames.pop() {
                Some(Frame::Sequence { items, spot, anchor, depth }) => {
                    self.finish(Value::Sequence(items), anchor, depth, spot)
                }
                Some(Frame::Mapping { entries, spot, anchor, depth, .. }) => {
                    self.finish(Value::Mapping(entries), anchor, depth, spot)
                }
                None => Ok(()),
            },
            Event::Alias(id) => {
                let Some((value, depth)) = self.anchors.get(&id).cloned() else {
                    let name = source::word_at(self.text, spot);
                    return Err(mistake(spot, format!("the value of anchor {name} contains itself")));
                };
                self.place(Node { value, is_alias: true, spot }, depth)
            }
            _ => Ok(()),
        }
    }

    /// A syntax error in the parser's words, but with the place of the tab or the name of the alias that it is
    /// about.
    fn explain(&self, e: &ScanError, opaque: &lines::Opaque) -> Diagnostic {
        let spot = self.spot(*e.marker());
        let info = e.info();
        let tab = lines::check_tabs(self.text, opaque, usize::MAX).err();
        if let Some(tab) = tab.filter(|tab| info.contains("tab") && tab.line >= spot.line) {
            return tab;
        }
        let message = if info.contains("unknown anchor") {
            format!("the alias {} names no anchor above it", source::word_at(self.text, spot))
        } else {
            format!("this is not YAML: {info}")
        };
        mistake(spot, message)
    }

    /// What YAML forbids and the parser lets pass.
    fn check_scalar(&self, text: &str, style: ScalarStyle, span: Span) -> Result<(), Diagnostic> {
        let spot = self.spot(span.start);
        let is_key = matches!(self.frames.last(), Some(Frame::Mapping { key: None, .. }));
        let is_block = matches!(style, ScalarStyle::Literal | ScalarStyle::Folded);
        if is_key && !is_block && span.end.line() > span.start.line() {
            return Err(mistake(spot, "this key spans lines: a comma or a colon is missing".to_owned()));
        }
        if style == ScalarStyle::Plain && text.starts_with(['|', '>']) {
            return Err(mistake(spot, "a text that begins like this needs quotes".to_owned()));
        }
        Ok(())
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, tag: Option<&Tag>, spot: Spot) -> Scalar {
        let tag = tag.map(|t| format!("{}{}", t.handle, t.suffix));
        let is_plain = tag.is_none() && style == ScalarStyle::Plain;
        let is_key = matches!(self.frames.last(), Some(Frame::Mapping { key: None, .. }));
        let expanded = self.expand.filter(|_| !is_key).map_or(Ok(None), |expand| expand(text));
        match expanded {
            // Inside brackets a variable must be quoted: its value still decides what it is.
            Ok(Some(expanded)) => {
                let is_variable = tag.is_none() && text.starts_with("${") && text.find('}') == Some(text.len() - 1);
                Scalar { text: expanded.into(), is_plain: is_plain || is_variable, tag }
            }
            Ok(None) => Scalar { text: text.into(), is_plain, tag },
            Err(message) => {
                self.mistakes.push(mistake(spot, message));
                Scalar { text: text.into(), is_plain, tag }
            }
        }
    }

    fn open(&mut self, frame: Frame, spot: Spot) -> Result<(), Diagnostic> {
        self.frames.push(frame);
        if self.frames.len() > MAX_DEPTH { Err(too_deep(spot)) } else { Ok(()) }
    }

    /// A value is complete; `depth` is how deep values nest in it, aliases followed.
    fn finish(&mut self, value: Value, anchor: usize, depth: usize, spot: Spot) -> Result<(), Diagnostic> {
        let value = Rc::new(value);
        if anchor > 0 {
            self.anchors.insert(anchor, (Rc::clone(&value), depth));
        }
        self.place(Node { value, is_alias: false, spot }, depth)
    }

    fn place(&mut self, node: Node, depth: usize) -> Result<(), Diagnostic> {
        let spot = node.spot;
        if depth + self.frames.len() > MAX_DEPTH {
            return Err(too_deep(spot));
        }
        let Some(frame) = self.frames.last_mut() else {
            self.root.get_or_insert(node);
            return Ok(());
        };
        let deepest = match frame {
            Frame::Sequence { items, depth: deepest, .. } => {
                items.push(node);
                deepest
            }
            Frame::Mapping { entries, key, depth: deepest, .. } => {
                match key.take() {
                    None => *key = Some(node),
                    Some(key) => entries.push((key, node)),
                }
                deepest
            }
        };
        *deepest = (*deepest).max(depth + 1);
        Ok(())
    }
}

fn too_deep(spot: Spot) -> Diagnostic {
    mistake(spot, format!("values are nested more than {MAX_DEPTH} levels deep here"))
}

fn mistake(spot: Spot, message: String) -> Diagnostic {
    Diagnostic { line: spot.line, column: spot.column, key_path: String::new(), message }
}

#[cfg(test)]
mod tests;
