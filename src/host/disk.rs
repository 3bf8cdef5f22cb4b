//! File systems: mounts from `mountinfo`, sizes from statvfs(3), which the caller has asked for.
//!
//! All types are measured but `autofs` (asking one mounts it) and those that the configuration leaves out. Where several
//! are mounted on one path only the last is visible, so only that one is measured: the sizes would be its own in any case.

use super::job::Resources;
use super::output::{Output, tags};
use super::text::{float, unescape_octal};
use crate::model::Text;

/// Mounts beyond these are not looked at: a node with 10,000 containers has about 30,000, but asking all of them for their
/// sizes every minute would be the load itself.
const MAX_MOUNTS: usize = 16_384;

/// One mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mount {
    /// `MAJ:MIN` of the device; empty when not known.
    pub(super) number: String,
    /// Where.
    pub(super) path: String,
    /// The type.
    pub(super) fstype: String,
    /// What: `/dev/sda1`, `tmpfs`.
    pub(super) source: String,
    /// Whether this mount, or the file system, is read-only.
    pub(super) is_read_only: bool,
    /// The EBS volume; empty when not known, or not asked for.
    pub(super) volume: String,
}

impl Mount {
    /// The source without `/dev/`.
    pub(super) fn device(&self) -> String {
        self.source.replace("/dev/", "")
    }
}

/// What statvfs(3) says; bytes, and numbers of inodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Space {
    pub(super) size: u64,
    /// Not used by anybody.
    pub(super) free: u64,
    /// Of that, what is not reserved for root.
    pub(super) available: u64,
    pub(super) files: u64,
    pub(super) files_free: u64,
}

/// Reads `/proc/PID/mountinfo`.
pub(super) fn parse_mountinfo(text: &str) -> Vec<Mount> {
    visible(text.lines().take(MAX_MOUNTS).filter_map(|line| {
        let (before, after) = line.split_once(" - ")?;
        let mut before = before.split(' ').skip(2);
        let (number, _root, path, options) = (before.next()?, before.next()?, before.next()?, before.next()?);
        let mut after = after.split(' ');
        let (fstype, source) = (after.next()?, after.next()?);
        let is_read_only = is_read_only(options) || after.next().is_some_and(is_read_only);
        Some(mount(number, path, fstype, source, is_read_only))
    }))
}

/// Reads `/proc/PID/mounts`.
pub(super) fn parse_mounts(text: &str) -> Vec<Mount> {
    visible(text.lines().take(MAX_MOUNTS).filter_map(|line| {
        let mut words = line.split(' ');
        let (source, path, fstype, options) = (words.next()?, words.next()?, words.next()?, words.next()?);
        Some(mount("", path, fstype, source, is_read_only(options)))
    }))
}

fn mount(number: &str, path: &str, fstype: &str, source: &str, is_read_only: bool) -> Mount {
    Mount {
        number: number.to_owned(),
        path: unescape_octal(path),
        fstype: unescape_octal(fstype),
        source: unescape_octal(source),
        is_read_only,
        volume: String::new(),
    }
}

/// The EBS volume that an NVMe disk's serial number names: `vol0123456789abcdef0`. Other disks' numbers are not looked at.
pub(super) fn volume_of(serial: &str) -> Option<String> {
    let digits = serial.trim().strip_prefix("vol")?.trim_start_matches('-');
    let is_id = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_hexdigit());
    is_id.then(|| format!("vol-{digits}"))
}

fn is_read_only(options: &str) -> bool {
    options.split(',').any(|o| o == "ro")
}

/// The last mount on each path, in the order of the list.
fn visible(mounts: impl Iterator<Item = Mount>) -> Vec<Mount> {
    let mut mounts: Vec<Mount> = mounts.collect();
    let mut seen = hashbrown::HashSet::new();
    mounts.reverse();
    mounts.retain(|m| seen.insert(m.path.clone()));
    mounts.reverse();
    mounts
}

/// Whether a mount is to be measured; asked before its size is, since asking may hang.
pub(super) fn is_chosen(mount: &Mount, resources: &Resources, ignored_types: &[Text]) -> bool {
    mount.fstype != "autofs" && !ignored_types.iter().any(|t| **t == *mount.fstype) && resources.includes(&mount.path)
}

/// The measurements of one file system; none when it has no size (`proc`, `sysfs`).
pub(super) fn measure(mount: &Mount, space: &Space, drop_device: bool, out: &mut Output<'_>) {
    if space.size == 0 {
        return;
    }
    let device = if drop_device { String::new() } else { mount.device() };
    let tags =
        tags(&[("path", &mount.path), ("device", &device), ("fstype", &mount.fstype), ("VolumeId", &mount.volume)]);
    let used = space.size.saturating_sub(space.free);
    // As df does: what is reserved for root is neither used nor free.
    let usable = used.saturating_add(space.available);
    out.put("free", &tags, float(space.available));
    out.put("inodes_free", &tags, float(space.files_free));
    out.put("inodes_total", &tags, float(space.files));
    out.put("inodes_used", &tags, float(space.files.saturating_sub(space.files_free)));
    out.put("total", &tags, float(space.size));
    out.put("used", &tags, float(used));
    out.put("used_percent", &tags, super::text::percent(used, usable));
}
