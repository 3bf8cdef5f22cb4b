//! The only reader of `/proc` and `/sys`. Where they are is a parameter: a container sees its host's elsewhere, and tests bring
//! their own.
//!
//! Every file has a bound. Nothing here waits by itself, but the kernel may: on a file system whose server is gone, on a
//! process whose memory is locked. [`super::guard`] keeps that away from the rest.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, ErrorKind, Read};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use super::cpu::{self, Stat};
use super::disk::{self, Mount, Space};
use super::diskio::{self, Device};
use super::net::{self, Interface};
use super::netstat::{self, Counts, Table};
use crate::seam::{Failure, Reason};

mod processes;

pub(super) use processes::Found;

/// No table that is read whole is longer: 16,000 mounts or devices have about half of it.
const MAX_FILE_BYTES: u64 = 8 << 20;
/// No line of a table of connections is longer.
const MAX_LINE_BYTES: u64 = 1024;
/// Connections beyond these are not counted, in each table.
const MAX_CONNECTIONS: usize = 2_000_000;

/// Where the kernel's files are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Root {
    /// `/proc`; of another machine's file system: `HOST_PROC`.
    pub proc: PathBuf,
    /// `/sys`: `HOST_SYS`.
    pub sys: PathBuf,
    /// `/run`: `HOST_RUN`. Only for the other names of disks.
    pub run: PathBuf,
    /// Where the host's file systems are mounted, when that is not `/`: `HOST_MOUNT_PREFIX`.
    pub mount_prefix: Option<PathBuf>,
}

impl Default for Root {
    fn default() -> Self {
        Self { proc: "/proc".into(), sys: "/sys".into(), run: "/run".into(), mount_prefix: None }
    }
}

/// A file that could not be read.
#[derive(Clone, Debug, thiserror::Error)]
#[error("failed to read {}: {why}", path.display())]
pub struct Unreadable {
    path: PathBuf,
    kind: ErrorKind,
    why: String,
}

impl Unreadable {
    fn new(path: &Path, source: &io::Error) -> Self {
        Self { path: path.to_owned(), kind: source.kind(), why: source.to_string() }
    }

    fn is_absent(&self) -> bool {
        self.kind == ErrorKind::NotFound
    }
}

impl From<Unreadable> for Failure {
    fn from(error: Unreadable) -> Self {
        Self { reason: Reason::Unreadable, doing: format!("read {}", error.path.display()), message: error.why }
    }
}

/// The sizes of file systems, and what went wrong with some of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Spaces {
    pub(super) list: Vec<(Mount, Space)>,
    /// Those that could not be asked, and why.
    pub(super) failed: Vec<(Mount, String)>,
}

/// Who the kernel says it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Uname {
    pub(super) sysname: String,
    pub(super) release: String,
    pub(super) version: String,
    pub(super) machine: String,
    pub(super) nodename: String,
    pub(super) domainname: String,
}

impl Root {
    /// A file below `/proc`, whole.
    pub(super) fn text(&self, name: &str) -> Result<String, Unreadable> {
        read(&self.proc.join(name), MAX_FILE_BYTES)
    }

    pub(super) fn stat(&self) -> Result<Stat, Unreadable> {
        self.text("stat").map(|text| cpu::parse(&text))
    }

    /// Block devices, with their other names where those are asked for.
    pub(super) fn devices(&self, with_links: bool) -> Result<Vec<Device>, Unreadable> {
        let mut devices = diskio::parse(&self.text("diskstats")?);
        if with_links {
            for device in &mut devices {
                let file = self.run.join(format!("udev/data/b{}:{}", device.major, device.minor));
                // Containers have no udev: then there are no other names.
                device.links = read(&file, MAX_FILE_BYTES).map(|t| diskio::parse_links(&t)).unwrap_or_default();
            }
        }
        Ok(devices)
    }

    /// Interfaces with their flags.
    pub(super) fn interfaces(&self) -> Result<Vec<Interface>, Unreadable> {
        let mut interfaces = net::parse(&self.text("net/dev")?);
        for interface in &mut interfaces {
            interface.flags = self.interface_file(&interface.name, "flags").and_then(|t| net::parse_flags(&t));
        }
        Ok(interfaces)
    }

    /// A file of `/sys/class/net/NAME`; some cannot be read while an interface is down.
    pub(super) fn interface_file(&self, interface: &str, name: &str) -> Option<String> {
        if interface.contains('/') {
            return None;
        }
        read(&self.sys.join("class/net").join(interface).join(name), MAX_LINE_BYTES).ok()
    }

    /// Connections of this process's network namespace.
    pub(super) fn connections(&self) -> Result<Counts, Unreadable> {
        let mut counts = Counts::default();
        let mut absent = None;
        let mut tables = 0;
        for (table, name) in Table::ALL {
            match each_line(&self.proc.join(name), |line| counts.add(table, line)) {
                Ok(()) => tables += 1,
                // Without IPv6 there are two fewer.
                Err(error) if error.is_absent() => absent = Some(error),
                Err(error) => return Err(error),
            }
        }
        match absent {
            Some(error) if tables == 0 => Err(error),
            _ => Ok(counts),
        }
    }

    /// The mounts of the first process, or of our own where those may not be read.
    pub(super) fn mounts(&self) -> Result<Vec<Mount>, Unreadable> {
        let mountinfo = self.text("1/mountinfo").or_else(|_| self.text("self/mountinfo"));
        let mut mounts = match mountinfo {
            Ok(text) => disk::parse_mountinfo(&text),
            Err(_) => disk::parse_mounts(&self.text("self/mounts").or_else(|_| self.text("mounts"))?),
        };
        for mount in mounts.iter_mut().filter(|m| m.source == "/dev/root") {
            let link = fs::read_link(self.sys.join("dev/block").join(&mount.number)).ok();
            if let Some(name) = link.as_deref().and_then(Path::file_name) {
                mount.source = format!("/dev/{}", name.to_string_lossy());
            }
        }
        Ok(mounts)
    }

    /// The EBS volume below a mount. A partition's disk is the folder above it.
    fn volume(&self, mount: &Mount) -> Option<String> {
        let device = self.sys.join("dev/block").join(&mount.number);
        let disk = if device.join("partition").exists() { device.join("..") } else { device };
        disk::volume_of(&read(&disk.join("device/serial"), MAX_LINE_BYTES).ok()?)
    }

    /// How many packets the kernel has dropped since the socket of that inode was opened, since nobody took them in time.
    pub(super) fn dropped_packets(&self, inode: u64) -> Option<u64> {
        let mut drops = None;
        for table in ["net/udp", "net/udp6"] {
            // Without IPv6 there is one fewer; without either, nobody knows.
            let _ = each_line(&self.proc.join(table), |line| drops = drops.or_else(|| netstat::drops(line, inode)));
        }
        drops
    }

    /// The sizes of the mounts that are chosen, and which volumes they are on. May hang on file systems of other machines.
    pub(super) fn spaces(&self, with_volumes: bool, is_chosen: impl Fn(&Mount) -> bool) -> Result<Spaces, Unreadable> {
        let mut spaces = Spaces::default();
        for mut mount in self.mounts()? {
            let (visible, path) = self.visible_path(&mount.path);
            mount.path = visible;
            if !is_chosen(&mount) {
                continue;
            }
            if with_volumes {
                mount.volume = self.volume(&mount).unwrap_or_default();
            }
            match space(&path) {
                Ok(space) => spaces.list.push((mount, space)),
                Err(error) => spaces.failed.push((mount, error.to_string())),
            }
        }
        Ok(spaces)
    }

    /// How the host calls a mount point, and where we find it.
    fn visible_path(&self, path: &str) -> (String, PathBuf) {
        let Some(prefix) = &self.mount_prefix else { return (path.to_owned(), path.into()) };
        match Path::new(path).strip_prefix(prefix) {
            // Our own list of mounts, with the host's below the prefix.
            Ok(rest) => (format!("/{}", rest.display()), path.into()),
            // The host's list.
            Err(_) => (path.to_owned(), prefix.join(path.trim_start_matches('/'))),
        }
    }
}

/// The number by which the kernel's tables know a socket.
pub(super) fn inode(socket: &impl AsFd) -> Option<u64> {
    rustix::fs::fstat(socket).ok().map(|stat| stat.st_ino)
}

/// Who the kernel says it is. (A system call: the machine that we run on, whatever the root.)
pub(super) fn uname() -> Uname {
    let uname = rustix::system::uname();
    let text = |s: &std::ffi::CStr| s.to_string_lossy().into_owned();
    Uname {
        sysname: text(uname.sysname()),
        release: text(uname.release()),
        version: text(uname.version()),
        machine: text(uname.machine()),
        nodename: text(uname.nodename()),
        domainname: text(uname.domainname()),
    }
}

fn space(path: &Path) -> io::Result<Space> {
    let s = rustix::fs::statvfs(path)?;
    let bytes = |blocks: u64| blocks.saturating_mul(s.f_frsize);
    Ok(Space {
        size: bytes(s.f_blocks),
        free: bytes(s.f_bfree),
        available: bytes(s.f_bavail),
        files: s.f_files,
        files_free: s.f_ffree,
    })
}

/// Reads a file whole; what is no UTF-8 in it is replaced.
fn read(path: &Path, max_bytes: u64) -> Result<String, Unreadable> {
    let failed = |e: &io::Error| Unreadable::new(path, e);
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|e| failed(&e))?;
    let n = file.take(max_bytes + 1).read_to_end(&mut bytes).map_err(|e| failed(&e))?;
    if u64::try_from(n).unwrap_or(u64::MAX) > max_bytes {
        return Err(failed(&io::Error::other(format!("it is longer than {max_bytes} bytes"))));
    }
    Ok(String::from_utf8(bytes).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned()))
}

/// Reads a file line by line. Of a line that is too long, the rest counts as another one.
fn each_line(path: &Path, mut take: impl FnMut(&str)) -> Result<(), Unreadable> {
    let failed = |e: &io::Error| Unreadable::new(path, e);
    let mut reader = BufReader::new(File::open(path).map_err(|e| failed(&e))?);
    let mut line = Vec::new();
    for _ in 0..=MAX_CONNECTIONS {
        line.clear();
        if reader.by_ref().take(MAX_LINE_BYTES).read_until(b'\n', &mut line).map_err(|e| failed(&e))? == 0 {
            return Ok(());
        }
        take(&String::from_utf8_lossy(&line));
    }
    Err(failed(&io::Error::other(format!("it has more than {MAX_CONNECTIONS} lines"))))
}
