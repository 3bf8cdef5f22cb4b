//! What node_exporter leaves out unless told otherwise: mounts that are no disks, and partitions beside their disks.

use crate::host::disk::Mount;

/// Types that hold nobody's data.
const TYPES: &[&str] = &[
    "autofs",
    "binfmt_misc",
    "bpf",
    "cgroup",
    "cgroup2",
    "configfs",
    "debugfs",
    "devpts",
    "devtmpfs",
    "efivarfs",
    "fusectl",
    "hugetlbfs",
    "iso9660",
    "mqueue",
    "nsfs",
    "proc",
    "procfs",
    "pstore",
    "rpc_pipefs",
    "securityfs",
    "selinuxfs",
    "squashfs",
    "sysfs",
    "tracefs",
];
/// A container's layers: many mounts of one disk. But the root of a container is one, too, and all that it has.
const LAYERS: &str = "overlay";
/// Mount points, with all below them.
const FOLDERS: &[&str] =
    &["/dev", "/proc", "/sys", "/run/credentials", "/var/lib/docker", "/var/lib/containers/storage"];
/// Devices that are shown by none of their numbers.
const NUMBERED: &[&str] = &["fd", "loop", "ram"];
/// Disks whose partitions end in a number, with a letter for the disk.
const LETTERED: &[&str] = &["hd", "sd", "vd", "xvd"];

/// Whether `/metrics` shows a mount.
pub(in crate::host) fn is_shown_mount(mount: &Mount) -> bool {
    let is_below = |folder: &&str| mount.path.strip_prefix(*folder).is_some_and(|p| p.is_empty() || p.starts_with('/'));
    let is_layer = mount.fstype == LAYERS && mount.path != "/";
    !is_layer && !TYPES.contains(&&*mount.fstype) && !FOLDERS.iter().any(is_below)
}

/// Whether `/metrics` shows a device.
pub(in crate::host) fn is_shown_device(name: &str) -> bool {
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
    if stem.len() == name.len() || NUMBERED.contains(&stem) {
        return stem.len() == name.len();
    }
    let is_lettered = |kind: &&str| {
        stem.strip_prefix(*kind).is_some_and(|l| l.len() == 1 && l.bytes().all(|b| b.is_ascii_lowercase()))
    };
    !(LETTERED.iter().any(is_lettered) || stem.starts_with("nvme") && stem.ends_with('p'))
}
