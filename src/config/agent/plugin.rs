//! `metrics_collected`: each plugin's settings become a job of the host, and the rules for what it measures.

use std::collections::BTreeSet;
use std::time::Duration;

use super::super::raw::{Node, Value};
use super::super::re2;
use super::super::report::{Path, Report, quoted};
use super::read::{self, Entry};
use super::{Decorations, MAX_APPENDED, MAX_INTERVAL, foreign, measurement, placeholder_slip};
use crate::host::glob::Glob;
use crate::host::job::{Job, Plugin, Resources, Selector, Statsd, Wanted, What};
use crate::model::Text;
use crate::push::job::{DimensionValue, Fact, JobRules};

/// Seconds between two passes when nothing is said.
const DEFAULT_INTERVAL: u64 = 60;
/// The same for statsd.
const DEFAULT_STATSD_INTERVAL: u64 = 10;
/// Below it, data are stored by the second.
const HIGH_RESOLUTION_BELOW: u64 = 60;
/// Where statsd listens when nothing is said.
const STATSD_ADDRESS: &str = ":8125";
/// The keys of `statsd`; others are mistakes.
const STATSD: [&str; 8] = [
    "service_address",
    "metrics_collection_interval",
    "metrics_aggregation_interval",
    "metric_separator",
    "allowed_pending_messages",
    "drop_original_metrics",
    "service.name",
    "deployment.environment",
];
/// What stands for the EBS volume of a file system.
const VOLUME: &str = "${aws:VolumeId}";
/// Keys of the CloudWatch agent's own that no dimension may have.
const RESERVED: [&str; 2] = ["aws:StorageResolution", "aws:AggregationInterval"];

/// What was gathered of all plugins.
#[derive(Default)]
pub(super) struct Collected {
    /// What to measure.
    pub(super) jobs: Vec<Job>,
    /// For each job.
    pub(super) rules: Vec<JobRules>,
    /// Final names of metrics of which only roll-ups are sent.
    pub(super) dropped: BTreeSet<Text>,
    /// New names and units.
    pub(super) decorations: Decorations,
}

impl Collected {
    /// Reads all plugins.
    pub(super) fn read(&mut self, node: &Node, path: &Path<'_>, agent_interval: Option<u64>, report: &mut Report) {
        let Some(entries) = read::object(node, path, report) else { return };
        let mut any = false;
        for Entry { key, value, key_spot } in &entries {
            let path = &path.key(key);
            let is_map = matches!(&*value.value, Value::Mapping(_));
            match Plugin::ALL.into_iter().find(|plugin| plugin.as_str() == &**key) {
                Some(Plugin::Procstat) if is_map => {
                    report.warn(
                        value.spot,
                        path,
                        "procstat is a list of objects: this one object is ignored, as there",
                    );
                    continue;
                }
                Some(Plugin::Procstat) => self.procstat(value, path, agent_interval, report),
                Some(Plugin::Statsd) => self.statsd(value, path, agent_interval, report),
                Some(plugin) => self.plugin(plugin, value, path, agent_interval, report),
                None if foreign::read(key, value, path, report) => {}
                None if measurement::has_list(value) => {
                    report.warn(*key_spot, path, format!("there is no plugin {}: it is ignored", quoted(key)));
                }
                None => {
                    let known: Vec<&str> = Plugin::ALL.iter().map(|p| p.as_str()).collect();
                    let message = format!("there is no plugin {}; known here: {}", quoted(key), known.join(", "));
                    report.mistake(*key_spot, path, message);
                }
            }
            any = true;
        }
        if !any {
            report.mistake(node.spot, path, "there must be at least one plugin, `mem` for example");
        }
        // An original name means what it is renamed to.
        let renamed = |name: &Text| self.decorations.get(name)?.rename.clone();
        let finals: Vec<Text> = self.dropped.iter().filter_map(renamed).collect();
        self.dropped.extend(finals);
    }

    fn plugin(
        &mut self,
        plugin: Plugin,
        node: &Node,
        path: &Path<'_>,
        agent_interval: Option<u64>,
        report: &mut Report,
    ) {
        let Some(entries) = read::object(node, path, report) else { return };
        let wanted = self.measurement(&entries, plugin, node, path, report);
        let interval = interval(&entries, path, report).or(agent_interval).unwrap_or(DEFAULT_INTERVAL);
        let rules = JobRules {
            dimensions: own_dimensions(&entries, path, report),
            high_resolution: interval < HIGH_RESOLUTION_BELOW,
        };
        self.drop_originals(&entries, path, Some((plugin, &wanted)), report);
        if let Some(what) = what(plugin, &entries, path, report) {
            self.jobs.push(Job { what, wanted, interval: Duration::from_secs(interval) });
            self.rules.push(rules);
        }
    }

    fn measurement(
        &mut self,
        entries: &[Entry<'_>],
        plugin: Plugin,
        node: &Node,
        path: &Path<'_>,
        report: &mut Report,
    ) -> Wanted {
        if let Some(list) = read::value(entries, "measurement") {
            return measurement::wanted(list, &path.key("measurement"), plugin, &mut self.decorations, report);
        }
        report.mistake(node.spot, path, "`measurement` is missing: the list of what to collect");
        Wanted::default()
    }

    /// For statsd, names are taken as they are.
    fn drop_originals(
        &mut self,
        entries: &[Entry<'_>],
        path: &Path<'_>,
        of: Option<(Plugin, &Wanted)>,
        report: &mut Report,
    ) {
        let Some(node) = read::value(entries, "drop_original_metrics") else { return };
        for name in read::texts(node, &path.key("drop_original_metrics"), report).unwrap_or_default() {
            match of {
                Some((plugin, wanted)) if &*name == "*" => {
                    self.dropped.extend(wanted.iter().map(|field| measurement::full_name(plugin, field)));
                }
                Some((plugin, _)) => {
                    if let Some(field) = plugin.field(measurement::bare(plugin, &name)) {
                        self.dropped.insert(measurement::full_name(plugin, field));
                    }
                    self.dropped.insert(name);
                }
                None => drop(self.dropped.insert(name)),
            }
        }
    }

    fn procstat(&mut self, node: &Node, path: &Path<'_>, agent_interval: Option<u64>, report: &mut Report) {
        let Some(items) = read::list(node, path, "a list of objects", report) else { return };
        for (n, item) in items.iter().enumerate() {
            let path = &Path::Item(path, n);
            let Some(entries) = read::object(item, path, report) else { continue };
            let wanted = self.measurement(&entries, Plugin::Procstat, item, path, report);
            let interval = interval(&entries, path, report).or(agent_interval).unwrap_or(DEFAULT_INTERVAL);
            let dimensions = own_dimensions(&entries, path, report);
            let Some(selector) = selector(&entries, item, path, report) else { continue };
            let tag = selector.tag();
            let is_known = |job: &Job| matches!(&job.what, What::Procstat(s) if s.tag() == tag);
            if self.jobs.iter().any(is_known) {
                let message = "these processes are chosen above already: only that entry counts, as there";
                report.warn(item.spot, path, message);
                continue;
            }
            self.jobs.push(Job { what: What::Procstat(selector), wanted, interval: Duration::from_secs(interval) });
            self.rules.push(JobRules { dimensions, high_resolution: interval < HIGH_RESOLUTION_BELOW });
        }
    }

    fn statsd(&mut self, node: &Node, path: &Path<'_>, agent_interval: Option<u64>, report: &mut Report) {
        let Some(entries) = read::object(node, path, report) else { return };
        for Entry { key, key_spot, .. } in &entries {
            if !STATSD.contains(&&**key) {
                let message = format!("unknown key {}; known here: {}", quoted(key), STATSD.join(", "));
                report.mistake(*key_spot, path.key(key), message);
            }
        }
        let own = interval(&entries, path, report);
        let interval = own.or(agent_interval).unwrap_or(DEFAULT_STATSD_INTERVAL);
        let aggregation = read::value(&entries, "metrics_aggregation_interval")
            .and_then(|n| read::integer(n, &path.key("metrics_aggregation_interval"), 0..=MAX_INTERVAL, report))
            .unwrap_or(DEFAULT_INTERVAL);
        if let Some(value) = read::value(&entries, "allowed_pending_messages") {
            read::integer(value, &path.key("allowed_pending_messages"), 1..=u64::from(u32::MAX), report);
        }
        let mut text = |key: &str, least: usize| {
            read::value(&entries, key).and_then(|n| read::text(n, &path.key(key), least..=4096, report))
        };
        let (separator, written) = (text("metric_separator", 0), text("service_address", 1));
        text("service.name", 1);
        text("deployment.environment", 1);
        let written = written.unwrap_or_else(|| STATSD_ADDRESS.into());
        let bare = written.strip_prefix("udp://").unwrap_or(&written);
        let is_address = bare.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        if !is_address {
            let message = format!("{} is no address to listen at: write HOST:PORT or :PORT", quoted(&written));
            let spot = read::value(&entries, "service_address").unwrap_or(node).spot;
            report.mistake(spot, path.key("service_address"), message);
            return;
        }
        self.drop_originals(&entries, path, None, report);
        let aggregation_window = (aggregation > 0).then(|| Duration::from_secs(aggregation));
        let statsd = Statsd {
            address: bare.into(),
            aggregation: aggregation_window,
            separator: separator.unwrap_or_else(|| "_".into()),
        };
        let interval = Duration::from_secs(interval);
        self.jobs.push(Job { what: What::Statsd(statsd), wanted: Wanted::default(), interval });
        self.rules.push(JobRules { dimensions: Vec::new(), high_resolution: aggregation < HIGH_RESOLUTION_BELOW });
    }
}

fn interval(entries: &[Entry<'_>], path: &Path<'_>, report: &mut Report) -> Option<u64> {
    let key = "metrics_collection_interval";
    read::value(entries, key).and_then(|node| read::integer(node, &path.key(key), 1..=MAX_INTERVAL, report))
}

/// A plugin's own `append_dimensions`.
fn own_dimensions(entries: &[Entry<'_>], path: &Path<'_>, report: &mut Report) -> Vec<(Text, DimensionValue)> {
    let is_disk = path.to_string().rsplit('.').next() == Some("disk");
    let Some(node) = read::value(entries, "append_dimensions") else { return Vec::new() };
    let path = &path.key("append_dimensions");
    let all = read::object(node, path, report).unwrap_or_default();
    if all.len() > MAX_APPENDED {
        report.mistake(node.spot, path, format!("there are more than {MAX_APPENDED} dimensions"));
    }
    let mut dimensions = Vec::new();
    for Entry { key, value, .. } in all {
        let path = &path.key(&key);
        let Some(text) = read::text(value, path, 1..=1024, report) else { continue };
        if RESERVED.contains(&&*key) {
            continue;
        }
        if let Some(fact) = Fact::of_placeholder(&text) {
            dimensions.push((key, DimensionValue::Of(fact)));
        } else if &*text == VOLUME {
            // The plugin `disk` adds it itself, mount by mount.
            if !(is_disk && &*key == "VolumeId") {
                let message = "only the plugin disk knows volumes, as \"VolumeId\": the dimension is left out";
                report.warn(value.spot, path, message);
            }
        } else if let Some(slip) = placeholder_slip(&text) {
            // As there: what is no placeholder of its own goes out as it is written.
            let is_literal = !text.contains("${aws:");
            let becomes = if is_literal { "the text is sent as it is" } else { "the dimension is ignored" };
            report.warn(value.spot, path, format!("{slip}: {becomes}"));
            dimensions.extend(is_literal.then_some((key, DimensionValue::Fixed(text))));
        } else {
            dimensions.push((key, DimensionValue::Fixed(text)));
        }
    }
    dimensions
}

/// Whether the dimensions have the volume among them.
fn names_volume(dimensions: &Node) -> bool {
    let Value::Mapping(entries) = &*dimensions.value else { return false };
    let is = |node: &Node, wanted: &str| matches!(&*node.value, Value::Scalar(s) if &*s.text == wanted);
    entries.iter().any(|(key, value)| is(key, "VolumeId") && is(value, VOLUME))
}

/// What only this plugin has.
fn what(plugin: Plugin, entries: &[Entry<'_>], path: &Path<'_>, report: &mut Report) -> Option<What> {
    let flag = |key: &str, report: &mut Report| {
        read::value(entries, key).and_then(|node| read::flag(node, &path.key(key), report))
    };
    Some(match plugin {
        Plugin::Cpu => {
            let per_cpu = per_cpu(entries, path, report);
            What::Cpu { per_cpu, total: flag("totalcpu", report).unwrap_or(true) }
        }
        Plugin::Mem => What::Mem,
        Plugin::Swap => What::Swap,
        Plugin::Disk => {
            let ignored = read::value(entries, "ignore_file_system_types")
                .and_then(|node| read::texts(node, &path.key("ignore_file_system_types"), report));
            What::Disk {
                resources: resources(entries, path, "", report)?,
                ignored_types: ignored.unwrap_or_default(),
                drop_device: flag("drop_device", report).unwrap_or_default(),
                volume_id: read::value(entries, "append_dimensions").is_some_and(names_volume),
            }
        }
        Plugin::Diskio => What::Diskio { resources: resources(entries, path, "/dev/", report)? },
        Plugin::Net => What::Net { resources: resources(entries, path, "", report)? },
        Plugin::Netstat => What::Netstat,
        Plugin::Processes => What::Processes,
        Plugin::System => What::System,
        Plugin::Procstat | Plugin::Statsd => return None,
    })
}

/// `resources` of cpu: nothing, or one asterisk.
fn per_cpu(entries: &[Entry<'_>], path: &Path<'_>, report: &mut Report) -> bool {
    let Some(node) = read::value(entries, "resources") else { return false };
    let path = &path.key("resources");
    let Some(list) = read::texts(node, path, report) else { return false };
    if list.iter().any(|text| &**text != "*") || list.len() > 1 {
        report.mistake(node.spot, path, "only [\"*\"] is possible here: every processor");
    }
    !list.is_empty()
}

/// Patterns; what is none, and the CloudWatch agent takes as it stands, is taken so.
fn resources(entries: &[Entry<'_>], path: &Path<'_>, prefix: &str, report: &mut Report) -> Option<Resources> {
    let Some(node) = read::value(entries, "resources") else { return Some(Resources::All) };
    let path = &path.key("resources");
    let list = read::texts(node, path, report)?;
    if list.is_empty() || list.iter().any(|text| &**text == "*") {
        return Some(Resources::All);
    }
    let mut glob = |text: &Text| {
        let bare = text.trim_start_matches(prefix);
        Glob::new(bare).unwrap_or_else(|why| {
            report.warn(node.spot, path, format!("{why}; it stands for itself"));
            Glob::literal(bare)
        })
    };
    Some(Resources::Chosen(list.iter().map(&mut glob).collect()))
}

/// `pid_file` before `exe` before `pattern`.
fn selector(entries: &[Entry<'_>], item: &Node, path: &Path<'_>, report: &mut Report) -> Option<Selector> {
    let mut text = |key: &str| {
        let node = read::value(entries, key)?;
        Some((node, read::text(node, &path.key(key), 1..=255, report)))
    };
    let found = [text("pid_file"), text("exe"), text("pattern")];
    let mut compiled = |node: &Node, key: &str, text: &Text| {
        // The CloudWatch agent starts with it, and finds nothing.
        let refused = |e: re2::Refused| {
            report.warn(node.spot, path.key(key), format!("bad pattern: {e}; nothing is collected for this entry"));
        };
        re2::compile(text).map_err(refused).ok()
    };
    match found {
        [Some((_, text)), _, _] => Some(Selector::PidFile(text?)),
        [None, Some((node, text)), _] => {
            let text = text?;
            let regex = compiled(node, "exe", &text)?;
            Some(Selector::Exe(text, regex))
        }
        [None, None, Some((node, text))] => {
            let text = text?;
            let regex = compiled(node, "pattern", &text)?;
            Some(Selector::Pattern(text, regex))
        }
        [None, None, None] => {
            report.mistake(
                item.spot,
                path,
                "one of `exe`, `pattern` and `pid_file` must say which processes are meant",
            );
            None
        }
    }
}
