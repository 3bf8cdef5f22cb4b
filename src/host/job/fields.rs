//! The tables: every name that a configuration may list, with its unit.

use super::Unit::{Bytes, Count, Milliseconds, None, Percent, Seconds};
use super::{Field, Plugin, Unit};

const fn field(name: &'static str, unit: Unit) -> Field {
    Field { name, unit, has_values: true }
}

/// Accepted, never measured here.
const fn silent(name: &'static str, unit: Unit) -> Field {
    Field { name, unit, has_values: false }
}

pub(super) const fn of(plugin: Plugin) -> &'static [Field] {
    match plugin {
        Plugin::Cpu => CPU,
        Plugin::Disk => DISK,
        Plugin::Diskio => DISKIO,
        Plugin::Mem => MEM,
        Plugin::Net => NET,
        Plugin::Netstat => NETSTAT,
        Plugin::Processes => PROCESSES,
        Plugin::Procstat => PROCSTAT,
        Plugin::Statsd => &[],
        Plugin::Swap => SWAP,
        Plugin::System => SYSTEM,
    }
}

const CPU: &[Field] = &[
    field("time_active", None),
    field("time_guest", None),
    field("time_guest_nice", None),
    field("time_idle", None),
    field("time_iowait", None),
    field("time_irq", None),
    field("time_nice", None),
    field("time_softirq", None),
    field("time_steal", None),
    field("time_system", None),
    field("time_user", None),
    field("usage_active", Percent),
    field("usage_guest", Percent),
    field("usage_guest_nice", Percent),
    field("usage_idle", Percent),
    field("usage_iowait", Percent),
    field("usage_irq", Percent),
    field("usage_nice", Percent),
    field("usage_softirq", Percent),
    field("usage_steal", Percent),
    field("usage_system", Percent),
    field("usage_user", Percent),
];

const DISK: &[Field] = &[
    field("free", Bytes),
    field("inodes_free", Count),
    field("inodes_total", Count),
    field("inodes_used", Count),
    field("total", Bytes),
    field("used", Bytes),
    field("used_percent", Percent),
];

const DISKIO: &[Field] = &[
    silent("ebs_ec2_instance_performance_exceeded_iops", None),
    silent("ebs_ec2_instance_performance_exceeded_tp", None),
    silent("ebs_total_read_bytes", Bytes),
    silent("ebs_total_read_ops", None),
    silent("ebs_total_read_time", None),
    silent("ebs_total_write_bytes", Bytes),
    silent("ebs_total_write_ops", None),
    silent("ebs_total_write_time", None),
    silent("ebs_volume_performance_exceeded_iops", None),
    silent("ebs_volume_performance_exceeded_tp", None),
    silent("ebs_volume_queue_length", None),
    silent("instance_store_performance_exceeded_iops", None),
    silent("instance_store_performance_exceeded_tp", None),
    silent("instance_store_total_read_bytes", Bytes),
    silent("instance_store_total_read_ops", None),
    silent("instance_store_total_read_time", None),
    silent("instance_store_total_write_bytes", Bytes),
    silent("instance_store_total_write_ops", None),
    silent("instance_store_total_write_time", None),
    silent("instance_store_volume_performance_exceeded_iops", None),
    silent("instance_store_volume_performance_exceeded_tp", None),
    silent("instance_store_volume_queue_length", None),
    field("io_time", Milliseconds),
    field("iops_in_progress", Count),
    field("read_bytes", Bytes),
    field("read_time", Milliseconds),
    field("reads", Count),
    field("write_bytes", Bytes),
    field("write_time", Milliseconds),
    field("writes", Count),
];

const MEM: &[Field] = &[
    field("active", Bytes),
    field("available", Bytes),
    field("available_percent", Percent),
    field("buffered", Bytes),
    field("cached", Bytes),
    field("free", Bytes),
    field("inactive", Bytes),
    field("shared", Bytes),
    field("total", Bytes),
    field("used", Bytes),
    field("used_percent", Percent),
];

const NET: &[Field] = &[
    field("bytes_recv", Bytes),
    field("bytes_sent", Bytes),
    field("drop_in", Count),
    field("drop_out", Count),
    field("err_in", Count),
    field("err_out", Count),
    field("packets_recv", Count),
    field("packets_sent", Count),
];

const NETSTAT: &[Field] = &[
    field("tcp_close", Count),
    field("tcp_close_wait", Count),
    field("tcp_closing", Count),
    field("tcp_established", Count),
    field("tcp_fin_wait1", Count),
    field("tcp_fin_wait2", Count),
    field("tcp_last_ack", Count),
    field("tcp_listen", Count),
    silent("tcp_none", Count),
    field("tcp_syn_recv", Count),
    field("tcp_syn_sent", Count),
    field("tcp_time_wait", Count),
    field("udp_socket", Count),
];

const PROCESSES: &[Field] = &[
    field("blocked", Count),
    field("dead", Count),
    field("idle", Count),
    field("paging", Count),
    field("running", Count),
    field("sleeping", Count),
    field("stopped", Count),
    field("total", Count),
    field("total_threads", Count),
    silent("wait", Count),
    field("zombies", Count),
];

const PROCSTAT: &[Field] = &[
    field("cpu_time", None),
    field("cpu_time_guest", None),
    field("cpu_time_guest_nice", None),
    field("cpu_time_idle", None),
    field("cpu_time_iowait", None),
    field("cpu_time_irq", None),
    field("cpu_time_nice", None),
    field("cpu_time_soft_irq", None),
    field("cpu_time_steal", None),
    silent("cpu_time_stolen", None),
    field("cpu_time_system", None),
    field("cpu_time_user", None),
    field("cpu_usage", Percent),
    field("involuntary_context_switches", None),
    field("memory_data", Bytes),
    field("memory_locked", Bytes),
    field("memory_rss", Bytes),
    field("memory_stack", Bytes),
    field("memory_swap", Bytes),
    field("memory_vms", Bytes),
    field("nice_priority", None),
    field("num_fds", None),
    field("num_threads", None),
    field("pid", None),
    field("pid_count", None),
    field("read_bytes", Bytes),
    field("read_count", None),
    field("realtime_priority", None),
    field("rlimit_cpu_time_hard", None),
    field("rlimit_cpu_time_soft", None),
    field("rlimit_file_locks_hard", None),
    field("rlimit_file_locks_soft", None),
    field("rlimit_memory_data_hard", Bytes),
    field("rlimit_memory_data_soft", Bytes),
    field("rlimit_memory_locked_hard", Bytes),
    field("rlimit_memory_locked_soft", Bytes),
    field("rlimit_memory_rss_hard", Bytes),
    field("rlimit_memory_rss_soft", Bytes),
    field("rlimit_memory_stack_hard", Bytes),
    field("rlimit_memory_stack_soft", Bytes),
    field("rlimit_memory_vms_hard", Bytes),
    field("rlimit_memory_vms_soft", Bytes),
    field("rlimit_nice_priority_hard", None),
    field("rlimit_nice_priority_soft", None),
    field("rlimit_num_fds_hard", None),
    field("rlimit_num_fds_soft", None),
    field("rlimit_realtime_priority_hard", None),
    field("rlimit_realtime_priority_soft", None),
    field("rlimit_signals_pending_hard", None),
    field("rlimit_signals_pending_soft", None),
    field("signals_pending", None),
    field("voluntary_context_switches", None),
    field("write_bytes", Bytes),
    field("write_count", None),
];

const SWAP: &[Field] = &[field("free", Bytes), field("used", Bytes), field("used_percent", Percent)];

const SYSTEM: &[Field] = &[
    field("load1", None),
    field("load15", None),
    field("load5", None),
    field("n_cpus", Count),
    field("uptime", Seconds),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_stands_once_and_in_order() {
        for plugin in Plugin::ALL {
            assert!(of(plugin).is_sorted_by(|a, b| a.name < b.name), "{}", plugin.as_str());
        }
    }
}
