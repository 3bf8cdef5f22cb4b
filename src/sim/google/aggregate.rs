//! What `aggregation.*` does to series: aligning points to periods, then reducing series to groups. Numbers only.

use std::collections::BTreeMap;

use super::truth::Series;
use crate::gcp::api::{MetricKind, Point, TimeSeries, Value, ValueType};
use crate::gcp::job::Aggregation;
use crate::model::{Text, Timestamp};
use crate::sim::refusal::Refusal;

/// How several numbers become one.
#[derive(Clone, Copy)]
enum Fold {
    Sum,
    Mean,
    Min,
    Max,
    Count,
}

impl Fold {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "ALIGN_SUM" | "ALIGN_DELTA" | "ALIGN_RATE" | "REDUCE_SUM" => Self::Sum,
            "ALIGN_MEAN" | "REDUCE_MEAN" => Self::Mean,
            "ALIGN_MIN" | "REDUCE_MIN" => Self::Min,
            "ALIGN_MAX" | "REDUCE_MAX" => Self::Max,
            "ALIGN_COUNT" | "REDUCE_COUNT" => Self::Count,
            _ => return None,
        })
    }

    #[expect(clippy::cast_precision_loss, reason = "few numbers")]
    fn of(self, numbers: &[f64]) -> f64 {
        let count = numbers.len() as f64;
        match self {
            Self::Sum => numbers.iter().sum(),
            Self::Mean => numbers.iter().sum::<f64>() / count.max(1.0),
            Self::Min => numbers.iter().copied().fold(f64::INFINITY, f64::min),
            Self::Max => numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            Self::Count => count,
        }
    }
}

/// Series by their groups, points by their ends.
type Groups = BTreeMap<Vec<(Text, Text)>, BTreeMap<Timestamp, Vec<f64>>>;

/// The aggregated series of those that have points.
pub(super) fn aggregated(
    found: &[(&Series, Vec<Point>)],
    how: &Aggregation,
    end: Timestamp,
) -> Result<Vec<TimeSeries>, Refusal> {
    let aligner = Fold::named(&how.aligner).ok_or_else(|| unknown("aligner", &how.aligner))?;
    let reducer = match how.reducer.as_deref() {
        None | Some("REDUCE_NONE") => None,
        Some(name) => Some(Fold::named(name).ok_or_else(|| unknown("reducer", name))?),
    };
    let seconds = how.alignment_period.as_secs_f64();
    let scale = if &*how.aligner == "ALIGN_RATE" { seconds.recip() } else { 1.0 };
    let mut groups = Groups::new();
    let mut plain = Vec::new();
    for (series, points) in found {
        let mut periods: BTreeMap<Timestamp, Vec<f64>> = BTreeMap::new();
        for point in points {
            let number =
                number(&point.value).ok_or_else(|| unknown("aggregation of a distribution by", &how.aligner))?;
            let behind = end.since(point.end).as_secs() / how.alignment_period.as_secs().max(1);
            let back = how.alignment_period * u32::try_from(behind).unwrap_or(u32::MAX);
            periods.entry(end.minus(back)).or_default().push(number);
        }
        let steps = periods.into_iter().map(|(at, numbers)| (at, aligner.of(&numbers) * scale));
        if reducer.is_none() {
            plain.push(with_points(series.identity.clone(), steps.collect(), how));
            continue;
        }
        let group = groups.entry(labels_of(series, how)).or_default();
        steps.for_each(|(at, number)| group.entry(at).or_default().push(number));
    }
    let Some((reducer, (first, _))) = reducer.zip(found.first()) else { return Ok(plain) };
    let all = groups.into_iter().map(|(labels, periods)| {
        let points = periods.into_iter().map(|(at, numbers)| (at, reducer.of(&numbers))).collect();
        with_points(grouped(&first.identity, labels), points, how)
    });
    Ok(all.collect())
}

fn with_points(identity: TimeSeries, points: Vec<(Timestamp, f64)>, how: &Aggregation) -> TimeSeries {
    let is_delta = matches!(&*how.aligner, "ALIGN_DELTA" | "ALIGN_SUM");
    let kind = if is_delta { MetricKind::Delta } else { MetricKind::Gauge };
    let point = |(at, number): (Timestamp, f64)| Point {
        start: Some(if is_delta { at.minus(how.alignment_period) } else { at }),
        end: at,
        value: Value::Double(number),
    };
    TimeSeries {
        kind,
        value_type: ValueType::Double,
        points: points.into_iter().rev().map(point).collect(),
        ..identity
    }
}

/// The labels that are grouped by, with their full names.
fn labels_of(series: &Series, how: &Aggregation) -> Vec<(Text, Text)> {
    let value = |name: &Text| {
        let identity = &series.identity;
        let find =
            |labels: &[(Text, Text)], name: &str| labels.iter().find(|(n, _)| &**n == name).map(|(_, v)| v.clone());
        let from = |start: &str, labels: &[(Text, Text)]| find(labels, name.strip_prefix(start)?);
        let found = from("metric.labels.", &identity.metric_labels)
            .or_else(|| from("metric.label.", &identity.metric_labels))
            .or_else(|| from("resource.labels.", &identity.resource_labels))
            .or_else(|| from("resource.label.", &identity.resource_labels))
            .or_else(|| from("metadata.", &series.metadata));
        Some((Text::clone(name), found?))
    };
    how.group_by.iter().filter_map(value).collect()
}

fn grouped(identity: &TimeSeries, labels: Vec<(Text, Text)>) -> TimeSeries {
    // The project is always there.
    let is_project = |(name, _): &&(Text, Text)| &**name == "project_id";
    let mut series = TimeSeries {
        metric_labels: Vec::new(),
        resource_labels: identity.resource_labels.iter().filter(is_project).cloned().collect(),
        metadata_labels: Vec::new(),
        ..identity.clone()
    };
    for (name, value) in labels {
        let (place, short) = match name.split('.').collect::<Vec<_>>().as_slice() {
            ["metric", _, short] => (&mut series.metric_labels, *short),
            ["resource", _, short] => (&mut series.resource_labels, *short),
            [_, _, short] => (&mut series.metadata_labels, *short),
            _ => continue,
        };
        if !place.iter().any(|(n, _)| &**n == short) {
            place.push((short.into(), value));
        }
    }
    series
}

#[expect(clippy::cast_precision_loss, reason = "as in the API, aggregated numbers are doubles")]
fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Integer(n) => Some(*n as f64),
        Value::Double(n) => Some(*n),
        Value::Distribution(_) | Value::Missing => None,
    }
}

fn unknown(what: &str, name: &str) -> Refusal {
    Refusal::validation(format!("the simulated cloud does not know the {what} {name}"))
}
