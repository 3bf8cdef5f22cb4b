//! The CloudWatch agent's file: its sections `agent` and `metrics` become settings of the host's plugins and of what is
//! pushed. As strict as that program where it is strict, and as lenient where it is lenient; what it ignores in silence is
//! a warning here.
//!
//! Deliberately absent: `logs`, `traces`, `opentelemetry`. A file that has them loads, and says that they are not ours.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::nearest;
use super::raw::{Node, Spot, Value};
use super::report::{Path, Report, quoted};
use crate::host::job::HostSettings;
use crate::model::Text;
use crate::push::job::{
    DEFAULT_FLUSH_INTERVAL, DEFAULT_MAX_METRICS, Fact, GlobalDimensions, HostDimension, NamingRules, PushSettings,
};
use read::Entry;

mod foreign;
mod measurement;
mod merge;
mod plugin;
mod read;

/// A day twice: the longest interval that the agent takes.
const MAX_INTERVAL: u64 = 172_800;
/// The namespace when the file says nothing.
const DEFAULT_NAMESPACE: &str = "CWAgent";
/// Dimensions that may be appended.
const MAX_APPENDED: usize = 30;

/// What an agent runs on.
#[derive(Clone, Debug)]
pub struct AgentSettings {
    /// What is measured.
    pub host: HostSettings,
    /// Where it is pushed; `None`: nowhere (the file's only destination is not CloudWatch).
    pub push: Option<PushSettings>,
}

/// The keys of `metrics`; others are mistakes.
const METRICS: [&str; 10] = [
    "namespace",
    "append_dimensions",
    "aggregation_dimensions",
    "endpoint_override",
    "force_flush_interval",
    "credentials",
    "metrics_destinations",
    "metrics_collected",
    "service.name",
    "deployment.environment",
];

/// What the section `agent` says.
#[derive(Default)]
struct Agent {
    interval: Option<u64>,
    region: Option<Text>,
    role_arn: Option<Text>,
    omit_hostname: bool,
    hostname: Option<Text>,
    max_metrics: Option<usize>,
    static_dimensions: Option<bool>,
    dual_stack: bool,
}

/// What surrounds the file.
pub(super) struct Surroundings<'a> {
    /// The environment, for `${NAME}`.
    pub(super) env: &'a dyn Fn(&str) -> Option<String>,
    /// Whether other global dimensions than the agent's four are taken: our own files mean what they say.
    pub(super) static_dimensions: bool,
}

/// One tree of those of several files.
pub(super) fn merged(roots: Vec<Node>, report: &mut Report) -> Option<Node> {
    merge::merged(roots, report)
}

/// The settings of a file; only to be used when no mistake was reported.
pub(super) fn settings(root: &Node, path: &Path<'_>, around: &Surroundings<'_>, report: &mut Report) -> AgentSettings {
    let nothing = AgentSettings { host: HostSettings::default(), push: None };
    let Some(sections) = read::object(root, path, report) else { return nothing };
    for Entry { key, key_spot, .. } in &sections {
        match &**key {
            "agent" | "metrics" => {}
            "logs" | "traces" | "opentelemetry" => {
                let message = "raingauge pushes metrics only: this section is not ours, and is ignored";
                report.warn(*key_spot, path.key(key), message);
            }
            _ => report.warn(*key_spot, path.key(key), format!("unknown section {}: it is ignored", quoted(key))),
        }
    }
    let agent = match read::value(&sections, "agent") {
        Some(node) => agent(node, &path.key("agent"), around, report),
        None => Agent { omit_hostname: is_in_container(around), ..Agent::default() },
    };
    let Some(metrics) = read::value(&sections, "metrics") else {
        report.warn(root.spot, path, "nothing to collect: there is no section `metrics`");
        return nothing;
    };
    self::metrics(metrics, &path.key("metrics"), &agent, around, report).unwrap_or(nothing)
}

fn agent(node: &Node, path: &Path<'_>, around: &Surroundings<'_>, report: &mut Report) -> Agent {
    let mut agent = Agent { omit_hostname: is_in_container(around), ..Agent::default() };
    for Entry { key, value, .. } in read::object(node, path, report).unwrap_or_default() {
        let path = &path.key(&key);
        match &*key {
            "metrics_collection_interval" => agent.interval = read::integer(value, path, 1..=MAX_INTERVAL, report),
            "region" => {
                let text = read::text(value, path, 1..=64, report);
                agent.region = text.and_then(|text| expanded(text, value.spot, path, around, report));
            }
            "credentials" => agent.role_arn = credentials(value, path, around, report),
            "omit_hostname" => {
                agent.omit_hostname = read::flag(value, path, report).unwrap_or(agent.omit_hostname);
            }
            "hostname" => {
                let text = read::text(value, path, 0..=1024, report).filter(|t| !t.trim().is_empty());
                agent.hostname = text.and_then(|text| expanded(text, value.spot, path, around, report));
            }
            // Our own; the CloudWatch agent ignores what it does not know here.
            "max_metrics" => {
                let number = read::integer(value, path, 1..=10_000_000, report);
                agent.max_metrics = number.and_then(|n| usize::try_from(n).ok());
            }
            "static_dimensions" => agent.static_dimensions = read::flag(value, path, report),
            "debug" => drop(read::flag(value, path, report)),
            // Its schema does not know the key, so whatever is no boolean is as good as nothing.
            "use_dualstack_endpoint" => agent.dual_stack = read::is_true(value),
            "logfile" | "aws_sdk_log_level" => drop(read::text(value, path, 0..=4096, report)),
            "service.name" => drop(read::text(value, path, 1..=255, report)),
            "deployment.environment" => drop(read::text(value, path, 1..=259, report)),
            // Everything else is accepted there, and does nothing here.
            _ => {}
        }
    }
    agent
}

/// What the CloudWatch agent's own image sets: there, hosts are not named unless somebody asks for it.
fn is_in_container(around: &Surroundings<'_>) -> bool {
    (around.env)("RUN_IN_CONTAINER").is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

/// Only `role_arn` may stand there.
fn credentials(node: &Node, path: &Path<'_>, around: &Surroundings<'_>, report: &mut Report) -> Option<Text> {
    let mut role_arn = None;
    for Entry { key, key_spot, value } in read::object(node, path, report)? {
        let path = &path.key(&key);
        if &*key != "role_arn" {
            let message = format!("unknown key {}; only role_arn is known here", quoted(&key));
            report.mistake(key_spot, path, message);
            continue;
        }
        let Some(text) = read::text(value, path, 1..=2048, report) else { continue };
        if !text.contains("${") && text.chars().count() < 20 {
            report.mistake(value.spot, path, "a role's ARN has at least 20 characters");
            continue;
        }
        role_arn = expanded(text, value.spot, path, around, report);
    }
    role_arn
}

/// `${NAME}` is the environment's; a text with one that is not set is as good as not given.
fn expanded(text: Text, spot: Spot, path: &Path<'_>, around: &Surroundings<'_>, report: &mut Report) -> Option<Text> {
    match super::expand::variables(&text, around.env) {
        Ok(None) => Some(text),
        Ok(Some(value)) => Some(value.into()).filter(|v: &Text| !v.is_empty()),
        Err(why) => {
            report.warn(spot, path, format!("{why}: the key is ignored"));
            None
        }
    }
}

fn metrics(
    node: &Node,
    path: &Path<'_>,
    agent: &Agent,
    around: &Surroundings<'_>,
    report: &mut Report,
) -> Option<AgentSettings> {
    let entries = read::object(node, path, report)?;
    for Entry { key, key_spot, .. } in &entries {
        if !METRICS.contains(&&**key) {
            let hint = nearest::of(key, &METRICS).map_or_else(
                || format!("known here: {}", METRICS.join(", ")),
                |near| format!("did you mean `{near}`?"),
            );
            report.mistake(*key_spot, path.key(key), format!("unknown key {}; {hint}", quoted(key)));
        }
    }
    for key in ["service.name", "deployment.environment"] {
        if let Some(value) = read::value(&entries, key) {
            read::text(value, &path.key(key), 1..=4096, report);
        }
    }
    let destination = read::value(&entries, "metrics_destinations");
    let pushes = destination.is_none_or(|node| to_cloudwatch(node, &path.key("metrics_destinations"), report));
    let mut text = |key: &str, characters| {
        let (value, path) = (read::value(&entries, key)?, path.key(key));
        let text = read::text(value, &path, characters, report)?;
        expanded(text, value.spot, &path, around, report)
    };
    let namespace = text("namespace", 1..=255).unwrap_or_else(|| DEFAULT_NAMESPACE.into());
    let endpoint_url = text("endpoint_override", 4..=2048);
    let own_role = read::value(&entries, "credentials")
        .and_then(|node| credentials(node, &path.key("credentials"), around, report));
    let flush = read::value(&entries, "force_flush_interval")
        .and_then(|node| read::integer(node, &path.key("force_flush_interval"), 1..=MAX_INTERVAL, report));
    let statics = agent.static_dimensions.unwrap_or(around.static_dimensions);
    let global = read::value(&entries, "append_dimensions")
        .and_then(|node| global_dimensions(node, &path.key("append_dimensions"), statics, report));
    let rollups = read::value(&entries, "aggregation_dimensions")
        .map(|node| rollups(node, &path.key("aggregation_dimensions"), report))
        .unwrap_or_default();
    let mut collected = plugin::Collected::default();
    match read::value(&entries, "metrics_collected") {
        Some(node) => collected.read(node, &path.key("metrics_collected"), agent.interval, report),
        None => report.mistake(node.spot, path, "`metrics_collected` is missing: it says what to collect"),
    }
    let naming = NamingRules {
        host: host_dimension(agent, around),
        global,
        jobs: collected.rules,
        rollups,
        dropped_originals: collected.dropped,
        decorations: collected.decorations,
    };
    let push = PushSettings {
        namespace,
        region: agent.region.clone(),
        endpoint_url,
        dual_stack: agent.dual_stack,
        role_arn: own_role.or_else(|| agent.role_arn.clone()),
        flush_interval: flush.map_or(DEFAULT_FLUSH_INTERVAL, Duration::from_secs),
        naming,
        max_metrics: agent.max_metrics.unwrap_or(DEFAULT_MAX_METRICS),
    };
    Some(AgentSettings { host: HostSettings { jobs: collected.jobs }, push: pushes.then_some(push) })
}

fn host_dimension(agent: &Agent, around: &Surroundings<'_>) -> HostDimension {
    if agent.omit_hostname {
        return HostDimension::Omitted;
    }
    let of_container =
        || (around.env)("HOST_NAME").filter(|n| is_in_container(around) && !n.is_empty()).map(Text::from);
    agent.hostname.clone().or_else(of_container).map_or(HostDimension::Machine, HostDimension::Named)
}

/// Whether CloudWatch is among the destinations.
fn to_cloudwatch(node: &Node, path: &Path<'_>, report: &mut Report) -> bool {
    let Some(entries) = read::object(node, path, report) else { return true };
    if entries.is_empty() {
        report.mistake(node.spot, path, "at least one destination is needed: cloudwatch");
    }
    for Entry { key, key_spot, value } in &entries {
        let path = &path.key(key);
        match &**key {
            "cloudwatch" => drop(read::object(value, path, report)),
            "amp" => report.warn(*key_spot, path, "raingauge does not write to this destination; vmagent can"),
            _ => {
                let message = format!("unknown destination {}; known here: cloudwatch, amp", quoted(key));
                report.mistake(*key_spot, path, message);
            }
        }
    }
    read::value(&entries, "cloudwatch").is_some()
}

fn global_dimensions(node: &Node, path: &Path<'_>, statics: bool, report: &mut Report) -> Option<GlobalDimensions> {
    let entries = read::object(node, path, report)?;
    if entries.len() > MAX_APPENDED {
        report.mistake(node.spot, path, format!("there are more than {MAX_APPENDED} dimensions"));
    }
    let mut global = GlobalDimensions::default();
    for Entry { key, value, .. } in entries {
        let path = &path.key(&key);
        let Some(text) = read::text(value, path, 1..=1024, report) else { continue };
        let fact = Fact::of_placeholder(&text).filter(|fact| fact.as_str() == &*key);
        if let Some(fact) = fact {
            global.facts.push(fact);
        } else if let Some(slip) = placeholder_slip(&text) {
            report.warn(value.spot, path, format!("{slip}: the dimension is ignored"));
        } else if statics {
            global.fixed.push((key, text));
        } else {
            let message = "the CloudWatch agent ignores this dimension (it knows four, and takes `host` away); set \
                           `static_dimensions: true` in the section `agent` to have it";
            report.warn(value.spot, path, message);
        }
    }
    Some(global)
}

/// What is wrong with something that was meant to be a placeholder.
fn placeholder_slip(text: &str) -> Option<String> {
    let inner = text.strip_prefix("${!aws:").and_then(|rest| rest.strip_suffix('}'));
    if let Some(name) = inner {
        return Some(format!("`${{!` is CloudFormation's way of writing `${{`; write ${{aws:{name}}}"));
    }
    text.contains("${aws:").then(|| {
        let known: Vec<String> = Fact::ALL.iter().map(|f| format!("\"{0}\": \"${{aws:{0}}}\"", f.as_str())).collect();
        format!("only these are known, key and value alike: {}", known.join(", "))
    })
}

/// Sorted sets, each once.
fn rollups(node: &Node, path: &Path<'_>, report: &mut Report) -> Vec<Vec<Text>> {
    let Some(items) = read::list(node, path, "a list of lists of strings", report) else { return Vec::new() };
    if items.is_empty() || items.len() > 1024 {
        report.mistake(node.spot, path, "1 to 1024 lists of names of dimensions are expected");
    }
    let mut sets = Vec::new();
    for (n, item) in items.iter().enumerate() {
        let path = Path::Item(path, n);
        if !matches!(&*item.value, Value::Sequence(_)) {
            report.mistake(item.spot, path, "a list of names of dimensions is expected, [\"InstanceId\"] for example");
            continue;
        }
        let Some(names) = read::texts(item, &path, report) else { continue };
        let set: BTreeSet<Text> = names.iter().cloned().collect();
        if names.len() > MAX_APPENDED || set.len() < names.len() {
            report.mistake(item.spot, path, format!("at most {MAX_APPENDED} names are expected, each once"));
            continue;
        }
        let set: Vec<Text> = set.into_iter().collect();
        if !sets.contains(&set) {
            sets.push(set);
        }
    }
    sets
}

/// Names of metrics by the plugin's job: what `plugin` gathers for [`NamingRules`].
type Decorations = BTreeMap<Text, crate::push::job::Decoration>;
