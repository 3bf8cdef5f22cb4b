//! Segments: files that only grow at their end, and are removed whole. What a crash leaves at the end of one may be half a
//! piece; their owner frames its pieces so that it notices.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;

use super::{StateDir, StateError, failed};

/// The end of a segment's file name.
const EXTENSION: &str = "log";

/// A segment that is being written.
#[derive(Debug)]
pub struct Segment {
    file: File,
    path: PathBuf,
    bytes: u64,
}

impl Segment {
    /// Puts a piece at the end. It survives the process at once, a loss of power from the next [`Segment::flush`] on. After
    /// an error (a full disk) the segment is as long as before.
    pub fn append(&mut self, piece: &[u8]) -> Result<(), StateError> {
        if let Err(e) = self.file.write_all(piece) {
            // What cannot be taken back is noticed by its frame when it is read.
            let _ = self.file.set_len(self.bytes).and_then(|()| self.file.seek(SeekFrom::Start(self.bytes)));
            return Err(failed("write to", &self.path)(e));
        }
        self.bytes = self.bytes.saturating_add(u64::try_from(piece.len()).unwrap_or(u64::MAX));
        Ok(())
    }

    /// Waits until everything has reached the disk.
    pub fn flush(&self) -> Result<(), StateError> {
        self.file.sync_data().map_err(failed("flush", &self.path))
    }
}

impl StateDir {
    /// The segments of a kind: number and bytes, the smallest number first.
    pub fn segments(&self, kind: &str) -> Result<Vec<(u64, u64)>, StateError> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.root).map_err(failed("list", &self.root))? {
            let path = entry.map_err(failed("list", &self.root))?.path();
            if path.extension().is_none_or(|e| e != EXTENSION) {
                continue;
            }
            let stem = path.file_stem().and_then(|s| s.to_str()).unwrap_or_default();
            let number = stem.strip_prefix(kind).and_then(|rest| rest.strip_prefix('-')?.parse().ok());
            if let Some(number) = number {
                found.push((number, fs::metadata(&path).map_err(failed("look at", &path))?.len()));
            }
        }
        found.sort_unstable();
        Ok(found)
    }

    /// Makes a new segment; there must be none of that number.
    pub fn create_segment(&self, kind: &str, number: u64) -> Result<Segment, StateError> {
        let path = self.segment_path(kind, number);
        let file = OpenOptions::new().write(true).create_new(true).open(&path).map_err(failed("create", &path))?;
        self.flush_names()?;
        Ok(Segment { file, path, bytes: 0 })
    }

    /// What is in a segment from a place on, at most so many bytes.
    pub fn read_segment(&self, kind: &str, number: u64, from: u64, at_most: u64) -> Result<Vec<u8>, StateError> {
        let path = self.segment_path(kind, number);
        let read = || -> io::Result<Vec<u8>> {
            let mut file = File::open(&path)?;
            file.seek(SeekFrom::Start(from))?;
            let mut bytes = Vec::new();
            file.take(at_most).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        read().map_err(failed("read", &path))
    }

    /// Removes a segment; there may be none.
    pub fn remove_segment(&self, kind: &str, number: u64) -> Result<(), StateError> {
        let path = self.segment_path(kind, number);
        match fs::remove_file(&path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(failed("remove", &path)(e)),
            _ => Ok(()),
        }
    }

    fn segment_path(&self, kind: &str, number: u64) -> PathBuf {
        self.root.join(format!("{kind}-{number:020}.{EXTENSION}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_grow_and_go() {
        let place = tempfile::tempdir().unwrap();
        let dir = StateDir::open(place.path()).unwrap();
        for number in [2, 11] {
            let mut segment = dir.create_segment("push", number).unwrap();
            segment.append(b"one").unwrap();
            segment.append(b"two").unwrap();
            segment.flush().unwrap();
        }
        dir.create_segment("other", 1).unwrap();
        assert_eq!(dir.segments("push").unwrap(), [(2, 6), (11, 6)]);
        assert_eq!(dir.read_segment("push", 2, 3, 2).unwrap(), b"tw");
        assert!(dir.create_segment("push", 2).is_err(), "what is there is not written over");
        dir.remove_segment("push", 2).unwrap();
        dir.remove_segment("push", 2).unwrap();
        assert_eq!(dir.segments("push").unwrap(), [(11, 6)]);
    }
}
