//! What outlives the process: documents below `--state-dir`. The only writer there.
//!
//! A document is replaced whole: written beside the old one, flushed to the disk, renamed over it. Whatever moment the power
//! goes, there is the old one or the new one. It says its format and is checked when it is read; a document that is
//! damaged, or of another format, is as good as none, and the reader says so. Beside them lie segments, files that only
//! grow, for what is written piece by piece (`segment`). Deliberately absent: what is in a document or segment (its owner
//! knows), and any reading of the clock.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;

use crate::model::fnv1a;

mod segment;

pub use segment::Segment;

/// Every document begins with this; what follows is the format of its content (four bytes, little endian) and a gzip stream,
/// whose own checksum tells a whole document from a torn one.
const MAGIC: &[u8; 8] = b"raingau1";
/// The end of a document's file name.
const EXTENSION: &str = "state";
/// No document is larger, unpacked: beyond it something is wrong, and a small machine must be able to start.
pub const MAX_DOCUMENT_BYTES: u64 = 256 << 20;
/// Held by the process that uses the directory.
const LOCK_FILE: &str = "lock";
/// Characters of a key that a file name shows; the rest is in its hash.
const SHOWN_CHARACTERS: usize = 80;

/// A directory that this process alone writes to, until it is dropped.
#[derive(Debug)]
pub struct StateDir {
    root: PathBuf,
    _lock: File,
}

/// Why a state directory, or a document in it, cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The file system said no.
    #[error("failed to {doing} {path}: {source}")]
    Io {
        /// What we tried: `create`, `read`.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// Two processes would overwrite each other's documents.
    #[error("the state directory {0} is in use by another raingauge: give each its own --state-dir")]
    InUse(PathBuf),
    /// Not a document, or not a whole one.
    #[error("{path} is not a whole state document ({why}); it is ignored, and replaced by the next one")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// Larger than [`MAX_DOCUMENT_BYTES`].
    #[error("{0} would be larger than {MAX_DOCUMENT_BYTES} bytes; it is not kept")]
    TooLarge(PathBuf),
}

/// A document's name: readable, and unique for its key.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DocumentName(String);

impl DocumentName {
    /// For any key, however it is spelled: `job` and `AWS/EC2 eu-west-1` make `job-aws-ec2-eu-west-1-` and 16 hex digits.
    pub fn new(kind: &str, key: &str) -> Self {
        let mut shown = String::new();
        for c in key.chars().take(SHOWN_CHARACTERS) {
            match c.to_ascii_lowercase() {
                c if c.is_ascii_alphanumeric() => shown.push(c),
                _ if shown.ends_with('-') => {}
                _ => shown.push('-'),
            }
        }
        Self(format!("{kind}-{}-{:016x}", shown.trim_matches('-'), fnv1a(key.as_bytes())))
    }

    /// As its file is called.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl StateDir {
    /// Makes the directory where there is none, and takes it for this process.
    pub fn open(root: &Path) -> Result<Self, StateError> {
        fs::create_dir_all(root).map_err(failed("create", root))?;
        let path = root.join(LOCK_FILE);
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
        let lock = lock.map_err(failed("open", &path))?;
        lock.try_lock().map_err(|e| match e {
            TryLockError::WouldBlock => StateError::InUse(root.to_owned()),
            TryLockError::Error(e) => failed("lock", &path)(e),
        })?;
        Ok(Self { root: root.to_owned(), _lock: lock })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.root
    }

    /// A document's content; `None` when there is none, or when it is of another format (an older or newer release wrote
    /// it).
    pub fn read(&self, name: &DocumentName, format: u32) -> Result<Option<Vec<u8>>, StateError> {
        let path = self.file_of(name);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(failed("open", &path)(e)),
        };
        unpack(file, format).map_err(|why| StateError::Damaged { path, why })
    }

    /// Replaces a document. After an error the old one is still there.
    pub fn write(&self, name: &DocumentName, format: u32, content: &[u8]) -> Result<(), StateError> {
        self.write_with(name, format, |out| out.write_all(content))
    }

    /// Replaces a document by what `content` writes, which is never in memory as a whole. After an error the old one is
    /// still there.
    pub fn write_with(
        &self,
        name: &DocumentName,
        format: u32,
        content: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), StateError> {
        let path = self.file_of(name);
        let beside = path.with_extension("new");
        let written = File::create(&beside).and_then(|file| pack(file, format, content));
        if let Err(e) = written {
            // What is there is of no use to anybody.
            let _ = fs::remove_file(&beside);
            let is_full = e.kind() == io::ErrorKind::FileTooLarge;
            return Err(if is_full { StateError::TooLarge(path) } else { failed("write", &beside)(e) });
        }
        fs::rename(&beside, &path).map_err(failed("replace", &path))?;
        self.flush_names()
    }

    /// Removes a document; there may be none.
    pub fn remove(&self, name: &DocumentName) -> Result<(), StateError> {
        let path = self.file_of(name);
        match fs::remove_file(&path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(failed("remove", &path)(e)),
            _ => Ok(()),
        }
    }

    /// The documents of a kind, in the order of their names.
    pub fn names(&self, kind: &str) -> Result<Vec<DocumentName>, StateError> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.root).map_err(failed("list", &self.root))? {
            let path = entry.map_err(failed("list", &self.root))?.path();
            let stem = path.file_stem().and_then(|s| s.to_str());
            let ours = path.extension().is_some_and(|e| e == EXTENSION);
            names.extend(
                stem.filter(|s| ours && s.starts_with(&format!("{kind}-"))).map(|s| DocumentName(s.to_owned())),
            );
        }
        names.sort();
        Ok(names)
    }

    fn file_of(&self, name: &DocumentName) -> PathBuf {
        self.root.join(format!("{}.{EXTENSION}", name.0))
    }

    /// A rename is safe when the directory has reached the disk too.
    fn flush_names(&self) -> Result<(), StateError> {
        File::open(&self.root).and_then(|dir| dir.sync_all()).map_err(failed("flush", &self.root))
    }
}

fn failed<'a>(doing: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> StateError + use<'a> {
    move |source| StateError::Io { doing, path: path.to_owned(), source }
}

fn pack(mut file: File, format: u32, content: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    file.write_all(MAGIC)?;
    file.write_all(&format.to_le_bytes())?;
    let mut bounded = Bounded { packer: GzEncoder::new(file, Compression::fast()), left: MAX_DOCUMENT_BYTES };
    content(&mut bounded)?;
    bounded.packer.finish()?.sync_all()
}

/// Takes no more than a document may have.
struct Bounded {
    packer: GzEncoder<File>,
    left: u64,
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = u64::try_from(bytes.len()).ok().and_then(|n| self.left.checked_sub(n));
        self.left = taken.ok_or(io::ErrorKind::FileTooLarge)?;
        self.packer.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.packer.flush()
    }
}

/// The stream's own length and checksum tell whether all of it is there.
fn unpack(mut file: impl Read, format: u32) -> Result<Option<Vec<u8>>, String> {
    let (mut magic, mut found) = ([0; MAGIC.len()], [0; 4]);
    file.read_exact(&mut magic).map_err(|e| e.to_string())?;
    if magic != *MAGIC {
        return Err("it does not begin as one".into());
    }
    file.read_exact(&mut found).map_err(|e| e.to_string())?;
    if u32::from_le_bytes(found) != format {
        return Ok(None);
    }
    let mut content = Vec::new();
    GzDecoder::new(file).take(MAX_DOCUMENT_BYTES + 1).read_to_end(&mut content).map_err(|e| e.to_string())?;
    if u64::try_from(content.len()).is_ok_and(|bytes| bytes > MAX_DOCUMENT_BYTES) {
        return Err(format!("larger than {MAX_DOCUMENT_BYTES} bytes"));
    }
    Ok(Some(content))
}

#[cfg(test)]
mod tests;
