//! Plugins that the CloudWatch agent has and we do not: their settings are looked at as far as that program would refuse
//! them, and a warning says that nothing comes of them.

use super::super::raw::{Node, Value};
use super::super::report::{Path, Report, quoted};
use super::read::{self, Entry};

/// A plugin of the CloudWatch agent's that we lack.
struct Foreign {
    name: &'static str,
    /// The only keys that it takes; empty: any.
    keys: &'static [&'static str],
    /// The prefix and names of its measurements; empty: not looked at.
    measurements: (&'static str, &'static [&'static str]),
}

const fn foreign(name: &'static str, keys: &'static [&'static str]) -> Foreign {
    Foreign { name, keys, measurements: ("", &[]) }
}

const FOREIGN: [Foreign; 7] = [
    foreign(
        "collectd",
        &[
            "service_address",
            "name_prefix",
            "collectd_auth_file",
            "collectd_security_level",
            "collectd_typesdb",
            "metrics_aggregation_interval",
            "metrics_collection_interval",
            "drop_original_metrics",
            "append_dimensions",
            "service.name",
            "deployment.environment",
        ],
    ),
    foreign(
        "ethtool",
        &[
            "interface_include",
            "interface_exclude",
            "metrics_include",
            "metrics_collection_interval",
            "append_dimensions",
            "drop_original_metrics",
        ],
    ),
    Foreign { name: "nvidia_gpu", keys: &[], measurements: ("nvidia_smi_", &NVIDIA) },
    foreign("jmx", &[]),
    foreign("otlp", &[]),
    foreign("prometheus", &[]),
    foreign("efa", &[]),
];

const NVIDIA: [&str; 17] = [
    "utilization_gpu",
    "utilization_memory",
    "temperature_gpu",
    "power_draw",
    "fan_speed",
    "memory_total",
    "memory_used",
    "memory_free",
    "pcie_link_gen_current",
    "pcie_link_width_current",
    "encoder_stats_session_count",
    "encoder_stats_average_fps",
    "encoder_stats_average_latency",
    "clocks_current_graphics",
    "clocks_current_sm",
    "clocks_current_memory",
    "clocks_current_video",
];

/// Whether the plugin is one of these; then it is dealt with.
pub(super) fn read(name: &str, node: &Node, path: &Path<'_>, report: &mut Report) -> bool {
    let Some(known) = FOREIGN.iter().find(|known| known.name == name) else { return false };
    report.warn(node.spot, path, format!("raingauge has no {name}: nothing is collected for it"));
    let is_list = matches!(&*node.value, Value::Sequence(_)) && known.keys.is_empty();
    if is_list {
        return true;
    }
    let Some(entries) = read::object(node, path, report) else { return true };
    for Entry { key, key_spot, .. } in &entries {
        if !known.keys.is_empty() && !known.keys.contains(&&**key) {
            let message = format!("unknown key {}; known here: {}", quoted(key), known.keys.join(", "));
            report.mistake(*key_spot, path.key(key), message);
        }
    }
    let (prefix, names) = known.measurements;
    if !names.is_empty() {
        match read::value(&entries, "measurement") {
            Some(list) => measurements(list, &path.key("measurement"), prefix, names, report),
            None => report.mistake(node.spot, path, "`measurement` is missing: the list of what to collect"),
        }
    }
    true
}

fn measurements(node: &Node, path: &Path<'_>, prefix: &str, names: &[&str], report: &mut Report) {
    let items = read::list(node, path, "a list of measurements", report).unwrap_or_default();
    for (n, item) in items.iter().enumerate() {
        let path = &Path::Item(path, n);
        let name = match &*item.value {
            Value::Mapping(_) => {
                let entries = read::object(item, path, report).unwrap_or_default();
                read::value(&entries, "name").map(|name| read::text(name, &path.key("name"), 1..=255, report))
            }
            _ => Some(read::text(item, path, 1..=255, report)),
        };
        match name {
            None => report.mistake(item.spot, path, "the measurement has no `name`"),
            Some(Some(name)) if !names.contains(&name.trim().strip_prefix(prefix).unwrap_or(name.trim())) => {
                report.mistake(item.spot, path, format!("unknown {}; valid: {}", quoted(&name), names.join(", ")));
            }
            Some(_) => {}
        }
    }
}
