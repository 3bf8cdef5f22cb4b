//! Tables: what node_exporter calls the kernel's columns.

use crate::host::text::float;
use crate::model::Kind;
use crate::model::Kind::{Counter, Gauge};

/// What a column is counted in.
#[derive(Clone, Copy)]
pub(super) enum Unit {
    /// As it stands.
    Plain,
    /// Sectors of 512 bytes, shown in bytes.
    Sectors,
    /// Milliseconds, shown in seconds.
    Milliseconds,
}

impl Unit {
    pub(super) fn convert(self, n: u64) -> f64 {
        match self {
            Self::Plain => float(n),
            Self::Sectors => float(n) * 512.0,
            Self::Milliseconds => float(n) / 1000.0,
        }
    }
}

use Unit::{Milliseconds, Plain, Sectors};

/// Lines of `/proc/stat`: what they begin with, name, type, help.
pub(super) const STAT: &[(&str, &str, Kind, &str)] = &[
    ("btime ", "node_boot_time_seconds", Gauge, "When the system was started, since 1970."),
    ("ctxt ", "node_context_switches_total", Counter, "Context switches."),
    ("intr ", "node_intr_total", Counter, "Interrupts."),
    ("processes ", "node_forks_total", Counter, "Processes that were created."),
    ("procs_blocked ", "node_procs_blocked", Gauge, "Processes that wait for input or output."),
    ("procs_running ", "node_procs_running", Gauge, "Processes that run or want to."),
];

/// Columns of `/proc/diskstats` behind the device's name.
pub(super) const DISK: &[(&str, Kind, Unit, &str)] = &[
    ("node_disk_reads_completed_total", Counter, Plain, "Reads that ended well."),
    ("node_disk_reads_merged_total", Counter, Plain, "Reads that were merged with others."),
    ("node_disk_read_bytes_total", Counter, Sectors, "Bytes read."),
    ("node_disk_read_time_seconds_total", Counter, Milliseconds, "Seconds that all reads took together."),
    ("node_disk_writes_completed_total", Counter, Plain, "Writes that ended well."),
    ("node_disk_writes_merged_total", Counter, Plain, "Writes that were merged with others."),
    ("node_disk_written_bytes_total", Counter, Sectors, "Bytes written."),
    ("node_disk_write_time_seconds_total", Counter, Milliseconds, "Seconds that all writes took together."),
    ("node_disk_io_now", Gauge, Plain, "Reads and writes in progress."),
    ("node_disk_io_time_seconds_total", Counter, Milliseconds, "Seconds in which the device was busy."),
    (
        "node_disk_io_time_weighted_seconds_total",
        Counter,
        Milliseconds,
        "Seconds in which the device was busy, times what was in progress.",
    ),
    ("node_disk_discards_completed_total", Counter, Plain, "Discards that ended well."),
    ("node_disk_discards_merged_total", Counter, Plain, "Discards that were merged with others."),
    ("node_disk_discarded_sectors_total", Counter, Plain, "Sectors discarded."),
    ("node_disk_discard_time_seconds_total", Counter, Milliseconds, "Seconds that all discards took together."),
    ("node_disk_flush_requests_total", Counter, Plain, "Flushes that ended well."),
    ("node_disk_flush_requests_time_seconds_total", Counter, Milliseconds, "Seconds that all flushes took together."),
];

/// Columns of `/proc/net/dev`.
pub(super) const NETWORK: &[(&str, &str)] = &[
    ("node_network_receive_bytes_total", "Bytes received."),
    ("node_network_receive_packets_total", "Packets received."),
    ("node_network_receive_errs_total", "Errors while receiving."),
    ("node_network_receive_drop_total", "Packets received and dropped."),
    ("node_network_receive_fifo_total", "Buffer overruns while receiving."),
    ("node_network_receive_frame_total", "Frames that were wrong."),
    ("node_network_receive_compressed_total", "Compressed packets received."),
    ("node_network_receive_multicast_total", "Multicast packets received."),
    ("node_network_transmit_bytes_total", "Bytes sent."),
    ("node_network_transmit_packets_total", "Packets sent."),
    ("node_network_transmit_errs_total", "Errors while sending."),
    ("node_network_transmit_drop_total", "Packets dropped instead of sent."),
    ("node_network_transmit_fifo_total", "Buffer overruns while sending."),
    ("node_network_transmit_colls_total", "Collisions."),
    ("node_network_transmit_carrier_total", "Losses of the carrier."),
    ("node_network_transmit_compressed_total", "Compressed packets sent."),
];
