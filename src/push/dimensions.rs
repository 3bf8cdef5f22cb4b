//! From a reading to the metrics that CloudWatch shall have of it: the dimensions it gets, its roll-ups, its final name and
//! unit. Pure: what the instance knows about itself comes in as [`Facts`].

use std::collections::{BTreeMap, BTreeSet};

use super::job::{DimensionValue, Fact, GlobalDimensions, HostDimension, NamingRules};
use crate::model::datum::{MAX_DIMENSION_VALUE_CHARS, MAX_DIMENSIONS, MAX_NAME_CHARS};
use crate::model::{LabelSet, MetricIdentity, StandardUnit, Text};

/// The dimension that tells machines apart.
const HOST: &str = "host";

/// What is known about this machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// What it calls itself.
    pub host_name: Text,
    /// What the instance says. Empty when there is no instance to ask.
    pub instance: BTreeMap<Fact, Text>,
}

/// What was read.
#[derive(Clone, Copy, Debug)]
pub struct Reading<'a> {
    /// Index into [`NamingRules::jobs`].
    pub job: usize,
    /// The original name: `cpu_usage_idle`.
    pub name: &'a str,
    /// The original unit.
    pub unit: StandardUnit,
    /// Of what.
    pub tags: &'a LabelSet,
}

/// The metrics of a reading.
#[derive(Clone, Debug, PartialEq)]
pub struct Metrics {
    /// The full one (unless it is dropped), then its roll-ups.
    pub of: Vec<MetricIdentity>,
    /// What values are multiplied by.
    pub scale: f64,
}

/// The facts that the rules ask for: without them nobody needs to ask the instance.
pub fn wanted(rules: &NamingRules) -> BTreeSet<Fact> {
    let global = rules.global.iter().flat_map(|g| g.facts.iter().copied());
    let own = rules.jobs.iter().flat_map(|job| &job.dimensions).filter_map(|(_, value)| match value {
        DimensionValue::Of(fact) => Some(*fact),
        DimensionValue::Fixed(_) => None,
    });
    global.chain(own).collect()
}

/// Which metrics a reading belongs to.
pub fn metrics(rules: &NamingRules, facts: &Facts, reading: &Reading<'_>) -> Metrics {
    let decoration = rules.decorations.get(reading.name);
    let name = decoration.and_then(|d| d.rename.clone()).unwrap_or_else(|| Text::from(reading.name));
    let (unit, scale) = decoration.and_then(|d| d.unit).unwrap_or((reading.unit, 1.0));
    let high_resolution = rules.jobs.get(reading.job).is_some_and(|job| job.high_resolution);
    let dimensions = dimensions(rules, facts, reading);
    let identity = |dimensions| MetricIdentity { name: Text::clone(&name), dimensions, unit, high_resolution };
    let full = (!rules.dropped_originals.contains(&name)).then(|| identity(dimensions.clone()));
    let rollups = rules.rollups.iter().filter_map(|keys| rolled_up(&dimensions, keys)).map(identity);
    Metrics { of: full.into_iter().chain(rollups).collect(), scale }
}

/// Later ones win: tags, then the plugin's own; `host` and the global ones only where there is none yet.
fn dimensions(rules: &NamingRules, facts: &Facts, reading: &Reading<'_>) -> LabelSet {
    let mut all: BTreeMap<Text, Text> =
        reading.tags.iter().map(|(name, value)| (Text::clone(name), Text::clone(value))).collect();
    for (name, value) in rules.jobs.get(reading.job).into_iter().flat_map(|job| &job.dimensions) {
        let value = match value {
            DimensionValue::Fixed(text) => Some(Text::clone(text)),
            DimensionValue::Of(fact) => facts.instance.get(fact).cloned().or_else(|| fact.unknown().map(Text::from)),
        };
        all.extend(value.map(|value| (Text::clone(name), value)));
    }
    let host = match &rules.host {
        HostDimension::Omitted => None,
        HostDimension::Machine => Some(Text::clone(&facts.host_name)),
        HostDimension::Named(name) => Some(Text::clone(name)),
    };
    match &rules.global {
        Some(global) => add_global(&mut all, global, facts, host),
        None => {
            if let Some(host) = host {
                all.entry(HOST.into()).or_insert(host);
            }
        }
    }
    limited(all)
}

/// With global dimensions the `host` goes; but where there is no instance that could tell what was asked for, it is all
/// that tells this machine from the others.
fn add_global(all: &mut BTreeMap<Text, Text>, global: &GlobalDimensions, facts: &Facts, host: Option<Text>) {
    let told = global.facts.iter().filter_map(|fact| Some((Text::from(fact.as_str()), facts.instance.get(fact)?)));
    let told = told.map(|(name, value)| (name, Text::clone(value)));
    let is_lost = facts.instance.is_empty() && !global.facts.is_empty();
    for (name, value) in told.chain(global.fixed.iter().cloned()) {
        all.entry(name).or_insert(value);
    }
    match host.filter(|_| is_lost) {
        Some(host) => {
            all.entry(HOST.into()).or_insert(host);
        }
        None => {
            all.remove(HOST);
        }
    }
}

/// Within CloudWatch's bounds: no empty values, none too long, not too many (`host` is kept, then in the order of names).
fn limited(mut all: BTreeMap<Text, Text>) -> LabelSet {
    let is_name =
        |name: &Text| !name.trim().is_empty() && !name.starts_with(':') && name.chars().nth(MAX_NAME_CHARS).is_none();
    all.retain(|name, value| is_name(name) && !value.trim().is_empty());
    let host = all.remove(HOST).map(|value| (Text::from(HOST), value));
    let chosen = host.into_iter().chain(all).take(MAX_DIMENSIONS);
    LabelSet::new(chosen.map(|(name, value)| (name, shortened(value))).collect())
}

fn shortened(value: Text) -> Text {
    if value.chars().nth(MAX_DIMENSION_VALUE_CHARS).is_none() {
        return value;
    }
    value.chars().take(MAX_DIMENSION_VALUE_CHARS).collect::<String>().into()
}

/// The dimensions of a roll-up; none where one is missing, or where nothing would be left out.
fn rolled_up(dimensions: &LabelSet, keys: &[Text]) -> Option<LabelSet> {
    if keys.len() >= dimensions.len() {
        return None;
    }
    let kept = keys.iter().map(|key| Some((Text::clone(key), Text::clone(dimensions.get(key)?))));
    kept.collect::<Option<Vec<_>>>().map(LabelSet::new)
}

#[cfg(test)]
mod tests;
