//! From a layout and the values of a view to the text of a page. Pure: the text goes to a [`Sink`], chunk by chunk.

use bytes::Bytes;
use hashbrown::HashSet;

mod histogram;

use super::layout::{FamilyRows, Layout, Row};
use super::openmetrics;
use super::text::{Escaping, is_legacy_name, write_help, write_name};
use crate::model::number::write_number;
use crate::model::{Cell, Kind, Timestamp};
use crate::store::View;
use crate::telemetry::Format;

/// Pages are made of chunks of about this size: small enough that a page never has to be moved to a larger place, large
/// enough that handing one on costs nothing.
pub const CHUNK_BYTES: usize = 256 * 1024;

/// Value, timestamp and punctuation of a sample: 24 and 20 digits at most.
const SAMPLE_TAIL_BYTES: usize = 64;

/// How a page is spelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Style {
    /// The format.
    pub format: Format,
    /// What becomes of family names.
    pub escaping: Escaping,
}

/// Takes the text of a page.
pub trait Sink {
    /// Takes a full chunk and leaves an empty one in its place.
    fn take(&mut self, chunk: &mut Vec<u8>);
}

/// A page as it is.
#[derive(Default)]
pub struct Plain {
    /// The text, in order.
    pub chunks: Vec<Bytes>,
    /// Empty chunks to fill before new ones are made.
    pub spare: Vec<Vec<u8>>,
}

impl Sink for Plain {
    fn take(&mut self, chunk: &mut Vec<u8>) {
        let empty = self.spare.pop().unwrap_or_else(|| Vec::with_capacity(CHUNK_BYTES));
        let full = std::mem::replace(chunk, empty);
        self.chunks.push(Bytes::from(full));
    }
}

/// Writes the families of a view; returns how many duplicate samples were left out. The layout must fit the view. What
/// comes last is shorter than a chunk and is returned too, so that the sink can keep it as it likes.
pub fn render(layout: &Layout, view: &View, style: Style, sink: &mut impl Sink) -> (u64, Vec<u8>) {
    let names = match style.format {
        Format::Text => HashSet::new(),
        Format::OpenMetrics => layout.families().iter().map(|f| f.spelled(style.escaping).into_owned()).collect(),
    };
    let room = if layout.rows() < SMALL_PAGE_ROWS { 0 } else { CHUNK_BYTES };
    let mut page = Renderer {
        layout,
        view,
        style,
        names,
        chunk: Vec::with_capacity(room),
        group: Vec::new(),
        seen: HashSet::new(),
        by_millis: false,
        duplicates: 0,
    };
    for family in layout.families() {
        page.family(family, sink);
    }
    (page.duplicates, page.chunk)
}

/// A page of fewer rows most likely ends before its first chunk does.
const SMALL_PAGE_ROWS: usize = 500;

struct Renderer<'a> {
    layout: &'a Layout,
    view: &'a View,
    style: Style,
    /// The names of all families as they stand on the page; only OpenMetrics asks.
    names: HashSet<String>,
    chunk: Vec<u8>,
    group: Vec<Cell>,
    seen: HashSet<i64>,
    by_millis: bool,
    duplicates: u64,
}

/// What stands before the labels of a family's samples.
struct Start {
    /// `name` or `{"name"}`.
    bare: Vec<u8>,
    /// `name{` or `{"name",`.
    labelled: Vec<u8>,
}

impl Renderer<'_> {
    fn family(&mut self, family: &FamilyRows, sink: &mut impl Sink) {
        let name = family.spelled(self.style.escaping);
        let start = Start::new(&name, "");
        self.make_room(2 * name.len() + family.help.len() + start.labelled.len(), sink);
        self.header(&name, family);
        if family.kind == Kind::Histogram {
            return self.histograms(&name, family, sink);
        }
        self.by_millis = family.labels_as_they_are;
        for rows in family.rows.chunk_by(|a, b| a.labels == b.labels) {
            match rows {
                [row] => self.row(*row, &start, sink),
                rows => self.group(rows, &start, sink),
            }
        }
    }

    fn header(&mut self, name: &str, family: &FamilyRows) {
        let out = &mut self.chunk;
        if self.style.format == Format::OpenMetrics {
            let taken = |stripped: &str| self.names.contains(stripped);
            return openmetrics::write_header(out, name, &family.help, family.kind, taken);
        }
        out.extend_from_slice(b"# HELP ");
        write_name(out, name);
        out.push(b' ');
        write_help(out, &family.help);
        out.extend_from_slice(b"\n# TYPE ");
        write_name(out, name);
        out.extend_from_slice(match family.kind {
            Kind::Gauge => b" gauge\n",
            Kind::Counter => b" counter\n",
            Kind::Histogram => b" histogram\n",
        });
    }

    /// The usual case: labels that only one series has.
    fn row(&mut self, row: Row, start: &Start, sink: &mut impl Sink) {
        match self.samples(row) {
            [] => {}
            [sample] => self.sample(*sample, row.labels, start, sink),
            _ => self.group(&[row], start, sink),
        }
    }

    /// Several samples of the same series: the first of each second (or millisecond) stays, and they are put in the order of
    /// their times.
    fn group(&mut self, rows: &[Row], start: &Start, sink: &mut impl Sink) {
        let Some(first) = rows.first() else { return };
        let mut group = std::mem::take(&mut self.group);
        for row in rows {
            group.extend(self.samples(*row).iter().filter(|c| c.is_present()));
        }
        let before = group.len();
        self.seen.clear();
        let unit = if self.by_millis { Timestamp::as_millis } else { Timestamp::as_secs };
        group.retain(|cell| self.seen.insert(cell.timestamp().map_or(0, unit)));
        if self.style.format == Format::OpenMetrics && group.len() > 1 {
            // Of several points all must have times.
            group.retain(|cell| cell.timestamp().is_some());
        }
        self.duplicates += (before - group.len()) as u64;
        group.sort_by_key(|cell| cell.timestamp().map_or(0, Timestamp::as_millis));
        for cell in group.drain(..) {
            self.sample(cell, first.labels, start, sink);
        }
        self.group = group;
    }

    fn samples(&self, row: Row) -> &[Cell] {
        self.view.snapshots.get(row.snapshot as usize).map_or(&[], |s| s.samples(row.position as usize))
    }

    fn sample(&mut self, cell: Cell, labels: u32, start: &Start, sink: &mut impl Sink) {
        let labels = self.layout.texts().get(labels);
        self.make_room(start.labelled.len() + labels.len(), sink);
        let out = &mut self.chunk;
        if labels.is_empty() {
            out.extend_from_slice(&start.bare);
        } else {
            out.extend_from_slice(&start.labelled);
            out.extend_from_slice(labels);
            out.push(b'}');
        }
        out.push(b' ');
        write_number(out, cell.value());
        if let Some(at) = cell.timestamp() {
            write_time(out, self.style.format, at);
        }
        out.push(b'\n');
    }

    /// Hands the chunk on when so much (and the rest of a sample) would not fit into it.
    fn make_room(&mut self, bytes: usize, sink: &mut impl Sink) {
        if !self.chunk.is_empty() && self.chunk.len() + bytes + SAMPLE_TAIL_BYTES > CHUNK_BYTES {
            sink.take(&mut self.chunk);
        }
    }
}

fn write_time(out: &mut Vec<u8>, format: Format, at: Timestamp) {
    out.push(b' ');
    match format {
        Format::Text => out.extend_from_slice(itoa::Buffer::new().format(at.as_millis()).as_bytes()),
        Format::OpenMetrics => openmetrics::write_timestamp(out, at),
    }
}

impl Start {
    /// `name` is escaped already; `suffix` needs no escape.
    fn new(name: &str, suffix: &str) -> Self {
        let name = &*format!("{name}{suffix}");
        let mut bare = Vec::new();
        let mut labelled = Vec::new();
        if is_legacy_name(name) {
            write_name(&mut bare, name);
            labelled.extend_from_slice(&bare);
            labelled.push(b'{');
        } else {
            bare.push(b'{');
            write_name(&mut bare, name);
            labelled.extend_from_slice(&bare);
            bare.push(b'}');
            labelled.push(b',');
        }
        Self { bare, labelled }
    }
}
