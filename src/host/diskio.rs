//! Block devices: `/proc/diskstats`.

use super::job::Resources;
use super::output::{Output, tags};
use super::text::{float, numbers};

/// What a sector is here, whatever the device says.
const SECTOR_BYTES: u64 = 512;
/// Devices beyond these are not looked at.
const MAX_DEVICES: usize = 16_384;
/// Fewer counters than these are a partition of a very old kernel, with other meanings.
const MIN_COUNTERS: usize = 11;

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Device {
    pub(super) major: u32,
    pub(super) minor: u32,
    pub(super) name: String,
    /// Other names: `disk/by-id/…`. Only looked up where patterns ask for them.
    pub(super) links: Vec<String>,
    /// What follows the name: 11 numbers, or more with newer kernels.
    pub(super) counters: Vec<u64>,
}

impl Device {
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_ascii_whitespace();
        let (major, minor) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        let name = words.next()?;
        let (_, behind) = line.split_once(name)?;
        let counters = numbers(behind);
        let device = || Self { major, minor, name: name.to_owned(), links: Vec::new(), counters };
        Some(device()).filter(|d| d.counters.len() >= MIN_COUNTERS)
    }

    /// A counter by its place behind the name, from 0.
    pub(super) fn counter(&self, place: usize) -> u64 {
        self.counters.get(place).copied().unwrap_or(0)
    }

    /// Bytes, from a counter of sectors.
    pub(super) fn bytes(&self, place: usize) -> u64 {
        self.counter(place).saturating_mul(SECTOR_BYTES)
    }

    /// Devices that never did anything are left out: a machine has dozens of loop devices.
    fn is_chosen(&self, resources: &Resources) -> bool {
        self.counters.iter().any(|c| *c != 0)
            && (resources.includes(&self.name) || self.links.iter().any(|l| resources.includes(l)))
    }
}

/// Reads `/proc/diskstats`.
pub(super) fn parse(text: &str) -> Vec<Device> {
    text.lines().take(MAX_DEVICES).filter_map(Device::parse).collect()
}

/// The links of a device in udev's database (`/run/udev/data/bMAJ:MIN`).
pub(super) fn parse_links(udev: &str) -> Vec<String> {
    udev.lines().filter_map(|l| l.strip_prefix("S:")).map(str::to_owned).collect()
}

/// The measurements: growth since the pass before, so a device has none when it is seen for the first time.
pub(super) fn measure(now: &[Device], before: Option<&[Device]>, resources: &Resources, out: &mut Output<'_>) {
    for device in now.iter().filter(|d| d.is_chosen(resources)) {
        let tags = tags(&[("name", &device.name)]);
        out.put("iops_in_progress", &tags, float(device.counter(8)));
        let Some(earlier) = before.and_then(|b| b.iter().find(|d| d.name == device.name)) else { continue };
        for (field, place) in [("reads", 0), ("read_time", 3), ("writes", 4), ("write_time", 7), ("io_time", 9)] {
            out.put_growth(field, &tags, earlier.counter(place), device.counter(place));
        }
        for (field, place) in [("read_bytes", 2), ("write_bytes", 6)] {
            out.put_growth(field, &tags, earlier.bytes(place), device.bytes(place));
        }
    }
}
