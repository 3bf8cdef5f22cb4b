//! The queue in front of CloudWatch: what was collected and is not sent yet, oldest first. With a state directory it lies on
//! the disk and outlives the process (also when it is killed), without one in memory. Both are bounded; when a bound is
//! reached the oldest data go, and are counted.
//!
//! It is a row of parts, each a row of records; a cursor says up to where it was sent. A part on the disk is a segment of the
//! state directory, the cursor a document. Where the disk refuses (it is full: the very moment when its figures matter),
//! parts in memory take over. Deliberately absent: when and where to send.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::batch::Filling;
use super::record;
use crate::model::{Datum, Timestamp};
use crate::state::{DocumentName, Segment, StateDir, StateError};

/// The kind of the segments.
const KIND: &str = "push";
/// The format of the cursor's document.
const CURSOR_FORMAT: u32 = 1;
/// A part is closed beyond it: small enough that dropping one loses little, large enough that there are few.
const MAX_PART_BYTES: usize = 1 << 20;
/// A bound is filled by at least so many parts.
const MIN_PARTS: usize = 8;
/// A drained part of this size is removed instead of being written on.
const WORTH_REMOVING_BYTES: usize = 64 << 10;
/// CloudWatch refuses what is older than two weeks. The margin is for the way there.
const MAX_AGE: Duration = Duration::from_secs(14 * 86_400 - 600);
/// CloudWatch refuses what is more than two hours ahead.
const MAX_AHEAD: Duration = Duration::from_secs(2 * 3600 - 60);

/// How much is kept.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// In memory. Eight megabytes are days of forty metrics a minute.
    pub memory_bytes: usize,
    /// In the state directory.
    pub disk_bytes: usize,
}

impl Default for Limits {
    /// Two weeks of a thousand metrics a minute on the disk.
    fn default() -> Self {
        Self { memory_bytes: 8 << 20, disk_bytes: 256 << 20 }
    }
}

/// A place in the queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Cursor {
    part: u64,
    offset: usize,
    /// Data of the record there that are done.
    taken: usize,
}

/// What is next to be sent.
#[derive(Debug)]
pub struct Chunk {
    /// In the order in which they were collected, within the bounds of one request.
    pub data: Vec<Datum>,
    /// Data that CloudWatch would refuse by now because of their time; they are not among `data`.
    pub expired: usize,
    end: Cursor,
}

enum Home {
    Memory(Vec<u8>),
    Disk(Option<Segment>),
}

struct Part {
    number: u64,
    home: Home,
    bytes: usize,
    /// Data of it that were not sent yet.
    waiting: usize,
}

/// The queue.
pub struct Spool {
    dir: Option<Arc<StateDir>>,
    limits: Limits,
    parts: VecDeque<Part>,
    next_number: u64,
    cursor: Cursor,
    lost: usize,
    trouble: Option<StateError>,
    unflushed: bool,
}

impl Spool {
    /// An empty one in memory, or what the last process left in the directory.
    pub fn open(dir: Option<Arc<StateDir>>, limits: Limits) -> Result<Self, StateError> {
        let mut spool = Self {
            dir,
            limits,
            parts: VecDeque::new(),
            next_number: 1,
            cursor: Cursor::default(),
            lost: 0,
            trouble: None,
            unflushed: false,
        };
        if let Some(dir) = spool.dir.clone() {
            spool.recover(&dir)?;
        }
        Ok(spool)
    }

    /// Data that were not sent yet.
    pub fn waiting(&self) -> usize {
        self.parts.iter().map(|part| part.waiting).sum()
    }

    /// Bytes in memory and on the disk.
    pub fn bytes(&self) -> (usize, usize) {
        let sum = |on_disk: bool| self.parts.iter().filter(|p| p.is_on_disk() == on_disk).map(|p| p.bytes).sum();
        (sum(false), sum(true))
    }

    /// How many data had to go because a bound was reached; asking forgets it.
    pub fn take_lost(&mut self) -> usize {
        std::mem::take(&mut self.lost)
    }

    /// The last error of the disk; asking forgets it.
    pub fn take_trouble(&mut self) -> Option<StateError> {
        self.trouble.take()
    }

    /// Puts data at the end.
    pub fn append(&mut self, data: &[Datum]) {
        let Some(record) = record::write(data) else {
            self.lost += data.len();
            return;
        };
        if !self.append_to_last(&record, data.len()) {
            self.open_part();
            if !self.append_to_last(&record, data.len()) {
                // The disk refused. (A part in memory never does.)
                if let Some(part) = self.parts.pop_back_if(|part| part.bytes == 0) {
                    self.remove_file(&part);
                }
                self.push_part(Home::Memory(Vec::new()));
                self.append_to_last(&record, data.len());
            }
        }
        self.keep_bounds();
    }

    /// Waits until everything has reached the disk.
    pub fn flush(&mut self) {
        if !std::mem::take(&mut self.unflushed) {
            return;
        }
        if let Some(Part { home: Home::Disk(Some(segment)), .. }) = self.parts.back()
            && let Err(e) = segment.flush()
        {
            self.trouble = Some(e);
        }
    }

    /// The oldest data, at most `at_most`; `None` when there are none. They stay until [`Spool::done`].
    pub fn next(&mut self, now: Timestamp, at_most: usize) -> Option<Chunk> {
        let mut chunk = Chunk { data: Vec::new(), expired: 0, end: self.cursor };
        let mut filling = Filling::default();
        for part in &self.parts {
            if part.number < chunk.end.part {
                continue;
            }
            if part.number > chunk.end.part {
                chunk.end = Cursor { part: part.number, ..Cursor::default() };
            }
            match self.gather(part, now, at_most, &mut filling, &mut chunk) {
                Ok(true) => {}
                Ok(false) => break,
                Err(e) => {
                    tracing::error!("data that wait to be pushed cannot be read, and are given up: {e}");
                }
            }
        }
        (chunk.end != self.cursor).then_some(chunk)
    }

    /// The data of a chunk are done with: they will not come again, also after a crash.
    pub fn done(&mut self, chunk: &Chunk) {
        if chunk.end < self.cursor {
            return;
        }
        let mut done = chunk.data.len() + chunk.expired;
        for part in self.parts.iter_mut().filter(|part| part.number <= chunk.end.part) {
            let here = if part.number < chunk.end.part { part.waiting } else { done.min(part.waiting) };
            part.waiting -= here;
            done = done.saturating_sub(here);
        }
        self.cursor = chunk.end;
        self.save_cursor();
        while self.parts.front().is_some_and(|part| part.number < self.cursor.part) {
            self.remove_front();
        }
        let is_drained = |part: &Part| part.bytes >= WORTH_REMOVING_BYTES && part.waiting == 0;
        if self.parts.len() == 1 && self.parts.front().is_some_and(is_drained) {
            self.remove_front();
        }
    }

    /// False when the request is full.
    fn gather(
        &self,
        part: &Part,
        now: Timestamp,
        at_most: usize,
        filling: &mut Filling,
        chunk: &mut Chunk,
    ) -> Result<bool, StateError> {
        let from = chunk.end.offset;
        let bytes = self.bytes_of(part, from)?;
        let mut at = 0;
        while let Some(found) = record::find(&bytes, at) {
            // What has a good checksum but cannot be read was written by another release.
            let data = record::read(found.packed).unwrap_or_default();
            for datum in data.into_iter().skip(chunk.end.taken) {
                if datum.at < now.minus(MAX_AGE) || datum.at > now.plus(MAX_AHEAD) {
                    chunk.expired += 1;
                } else if chunk.data.len() >= at_most || !filling.takes(&datum) {
                    return Ok(false);
                } else {
                    chunk.data.push(datum);
                }
                chunk.end.taken += 1;
            }
            at = found.next;
            chunk.end = Cursor { offset: from + at, taken: 0, ..chunk.end };
        }
        Ok(true)
    }

    fn bytes_of<'a>(&self, part: &'a Part, from: usize) -> Result<std::borrow::Cow<'a, [u8]>, StateError> {
        match (&part.home, &self.dir) {
            (Home::Memory(bytes), _) => Ok(bytes.get(from..).unwrap_or_default().into()),
            (Home::Disk(_), Some(dir)) => {
                let limit = u64::try_from(part.bytes.saturating_sub(from)).unwrap_or(u64::MAX);
                Ok(dir.read_segment(KIND, part.number, u64::try_from(from).unwrap_or(u64::MAX), limit)?.into())
            }
            (Home::Disk(_), None) => Ok(std::borrow::Cow::Borrowed(&[])),
        }
    }

    /// False when there is no part to append to, or it is full, or the disk refuses.
    fn append_to_last(&mut self, record: &[u8], data: usize) -> bool {
        let limit = self.part_limit();
        let Some(part) = self.parts.back_mut() else { return false };
        if part.bytes > 0 && part.bytes + record.len() > limit {
            return false;
        }
        match &mut part.home {
            Home::Memory(bytes) => bytes.extend_from_slice(record),
            Home::Disk(None) => return false,
            Home::Disk(Some(segment)) => {
                if let Err(e) = segment.append(record) {
                    self.trouble = Some(e);
                    return false;
                }
                self.unflushed = true;
            }
        }
        part.bytes += record.len();
        part.waiting += data;
        true
    }

    fn part_limit(&self) -> usize {
        let memory = self.parts.back().is_none_or(|part| !part.is_on_disk());
        let bound = if memory { self.limits.memory_bytes } else { self.limits.disk_bytes };
        MAX_PART_BYTES.min(bound / MIN_PARTS)
    }

    fn open_part(&mut self) {
        self.flush();
        let home = match &self.dir {
            None => Home::Memory(Vec::new()),
            Some(dir) => match dir.create_segment(KIND, self.next_number) {
                Ok(segment) => Home::Disk(Some(segment)),
                Err(e) => {
                    self.trouble = Some(e);
                    Home::Memory(Vec::new())
                }
            },
        };
        self.push_part(home);
    }

    fn push_part(&mut self, home: Home) {
        // Nothing is written to a part that is not the last.
        if let Some(Part { home: Home::Disk(segment), .. }) = self.parts.back_mut() {
            *segment = None;
        }
        self.parts.push_back(Part { number: self.next_number, home, bytes: 0, waiting: 0 });
        self.next_number += 1;
    }

    /// The oldest part of the home that is too full goes.
    fn keep_bounds(&mut self) {
        loop {
            let (memory, disk) = self.bytes();
            let on_disk = match (memory > self.limits.memory_bytes, disk > self.limits.disk_bytes) {
                (_, true) => true,
                (true, false) => false,
                (false, false) => return,
            };
            let Some(at) = self.parts.iter().position(|part| part.is_on_disk() == on_disk) else { return };
            let Some(part) = self.parts.remove(at) else { return };
            self.lost += part.waiting;
            self.remove_file(&part);
        }
    }

    fn remove_front(&mut self) {
        if let Some(part) = self.parts.pop_front() {
            self.remove_file(&part);
        }
    }

    fn remove_file(&mut self, part: &Part) {
        if let (Home::Disk(_), Some(dir)) = (&part.home, &self.dir)
            && let Err(e) = dir.remove_segment(KIND, part.number)
        {
            self.trouble = Some(e);
        }
    }

    fn save_cursor(&mut self) {
        let Some(dir) = &self.dir else { return };
        let numbers = [self.cursor.part, as_u64(self.cursor.offset), as_u64(self.cursor.taken)];
        let content: Vec<u8> = numbers.iter().flat_map(|n| n.to_le_bytes()).collect();
        if let Err(e) = dir.write(&cursor_name(), CURSOR_FORMAT, &content) {
            self.trouble = Some(e);
        }
    }

    /// A torn cursor would only make data come twice: then everything that is there counts as not sent.
    fn recover(&mut self, dir: &StateDir) -> Result<(), StateError> {
        let content = dir.read(&cursor_name(), CURSOR_FORMAT).unwrap_or_else(|e| {
            self.trouble = Some(e);
            None
        });
        let (numbers, _) = content.as_deref().unwrap_or_default().as_chunks::<8>();
        if let [part, offset, taken] = numbers {
            let size = |bytes: &[u8; 8]| usize::try_from(u64::from_le_bytes(*bytes)).unwrap_or(usize::MAX);
            self.cursor = Cursor { part: u64::from_le_bytes(*part), offset: size(offset), taken: size(taken) };
        }
        self.next_number = self.cursor.part + 1;
        for (number, bytes) in dir.segments(KIND)? {
            self.next_number = self.next_number.max(number.saturating_add(1));
            if number < self.cursor.part {
                dir.remove_segment(KIND, number)?;
                continue;
            }
            let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
            let mut part = Part { number, home: Home::Disk(None), bytes, waiting: 0 };
            let (from, taken) =
                if number == self.cursor.part { (self.cursor.offset, self.cursor.taken) } else { (0, 0) };
            part.waiting = self.count(&part, from)?.saturating_sub(taken);
            self.parts.push_back(part);
        }
        self.keep_bounds();
        Ok(())
    }

    fn count(&self, part: &Part, from: usize) -> Result<usize, StateError> {
        let bytes = self.bytes_of(part, from)?;
        let records = std::iter::successors(record::find(&bytes, 0), |found| record::find(&bytes, found.next));
        Ok(records.map(|found| found.data).sum())
    }
}

impl Part {
    const fn is_on_disk(&self) -> bool {
        matches!(self.home, Home::Disk(_))
    }
}

fn cursor_name() -> DocumentName {
    DocumentName::new("push", "cursor")
}

fn as_u64(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
