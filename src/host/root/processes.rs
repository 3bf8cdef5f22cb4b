//! Walking over the processes. Each may vanish between two files: what is gone is passed over.

use std::fs;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

use super::{Root, Unreadable, read};
use crate::host::job::{Selector, Wanted};
use crate::host::processes::{ProcessStat, States};
use crate::host::procstat::Texts;

/// No file of a process is longer, but for command lines: those are cut.
const MAX_PROCESS_FILE_BYTES: u64 = 64 << 10;
/// The kernel has no more processes.
const MAX_PROCESSES: usize = 1 << 22;
/// Processes of one entry of procstat beyond these are counted, not measured: each costs about ten files.
const MAX_MEASURED: usize = 1000;
/// A pid file holds a number.
const MAX_PID_FILE_BYTES: u64 = 4096;
/// Open descriptors beyond these are not counted.
const MAX_DESCRIPTORS: usize = 1 << 20;

/// The processes that an entry of procstat chooses.
#[derive(Clone, Debug, Default)]
pub(in crate::host) struct Found {
    /// How many there are.
    pub(in crate::host) number: usize,
    /// What they say about themselves.
    pub(in crate::host) texts: Vec<Texts>,
    /// How many were not asked, since there are too many.
    pub(in crate::host) cut: usize,
}

impl Root {
    /// Counts all processes.
    pub(in crate::host) fn states(&self) -> Result<States, Unreadable> {
        let mut states = States::default();
        let mut buffer = Vec::new();
        for pid in self.pids()? {
            if let Some(text) = quick(&self.proc.join(pid.to_string()).join("stat"), &mut buffer)
                && let Some(stat) = ProcessStat::parse(&text)
            {
                states.add(&stat);
            }
        }
        Ok(states)
    }

    /// The processes that are chosen, with what the wanted fields need of them.
    pub(in crate::host) fn found(&self, selector: &Selector, wanted: &Wanted) -> Result<Found, Unreadable> {
        let pids = match selector {
            Selector::PidFile(path) => self.named(Path::new(&**path))?,
            Selector::Exe(_, regex) => self.matching(|folder| {
                let exe = fs::read_link(folder.join("exe")).ok()?;
                Some(regex.is_match(&exe.to_string_lossy()))
            })?,
            Selector::Pattern(_, regex) => {
                let mut buffer = Vec::new();
                self.matching(|folder| {
                    let arguments = quick(&folder.join("cmdline"), &mut buffer)?;
                    // Kernel threads have none, and an empty line is matched by many a pattern.
                    (!arguments.is_empty())
                        .then(|| regex.is_match(arguments.trim_end_matches('\0').replace('\0', " ").as_str()))
                })?
            }
        };
        let texts = pids.iter().take(MAX_MEASURED).filter_map(|pid| self.texts(*pid, wanted)).collect();
        Ok(Found { number: pids.len(), texts, cut: pids.len().saturating_sub(MAX_MEASURED) })
    }

    fn pids(&self) -> Result<Vec<u32>, Unreadable> {
        let entries = fs::read_dir(&self.proc).map_err(|e| Unreadable::new(&self.proc, &e))?;
        let pids = entries.filter_map(|e| e.ok()?.file_name().to_str()?.parse().ok());
        Ok(pids.take(MAX_PROCESSES).collect())
    }

    fn matching(&self, mut is_chosen: impl FnMut(&Path) -> Option<bool>) -> Result<Vec<u32>, Unreadable> {
        let mut pids = self.pids()?;
        pids.retain(|pid| is_chosen(&self.proc.join(pid.to_string())).unwrap_or(false));
        Ok(pids)
    }

    /// The process that a pid file names, if it lives. No file: the program does not run.
    fn named(&self, path: &Path) -> Result<Vec<u32>, Unreadable> {
        let text = match read(path, MAX_PID_FILE_BYTES) {
            Ok(text) => text,
            Err(error) if error.kind == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let pid: u32 = text.trim().parse().map_err(|_| Unreadable {
            path: path.to_owned(),
            kind: ErrorKind::InvalidData,
            why: "there is no process id in it; it should hold one number".to_owned(),
        })?;
        Ok(if self.proc.join(pid.to_string()).join("stat").exists() { vec![pid] } else { Vec::new() })
    }

    fn texts(&self, pid: u32, wanted: &Wanted) -> Option<Texts> {
        let folder = self.proc.join(pid.to_string());
        let file = |name: &str| read(&folder.join(name), MAX_PROCESS_FILE_BYTES).ok();
        let when = |condition: bool, name: &str| condition.then(|| file(name)).flatten();
        let any = |of: &[&str]| wanted.any(|field| of.iter().any(|prefix| field.starts_with(prefix)));
        Some(Texts {
            pid,
            stat: file("stat")?,
            cmdline: quick(&folder.join("cmdline"), &mut Vec::new()),
            status: when(any(&["memory_", "voluntary_", "involuntary_", "signals_"]), "status"),
            io: when(any(&["read_", "write_"]), "io"),
            limits: when(any(&["rlimit_"]), "limits"),
            descriptors: if any(&["num_fds"]) { descriptors(&folder.join("fd")) } else { None },
        })
    }
}

/// Reads a short file into a buffer that is used again; a longer one is cut.
fn quick(path: &Path, buffer: &mut Vec<u8>) -> Option<String> {
    buffer.clear();
    File::open(path).ok()?.take(MAX_PROCESS_FILE_BYTES).read_to_end(buffer).ok()?;
    Some(String::from_utf8_lossy(buffer).into_owned())
}

fn descriptors(folder: &Path) -> Option<u64> {
    u64::try_from(fs::read_dir(folder).ok()?.take(MAX_DESCRIPTORS).count()).ok()
}
