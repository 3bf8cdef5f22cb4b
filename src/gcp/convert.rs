//! Pure: time series to samples, in stackdriver_exporter's names and with its rules (`docs/` lists where we differ on
//! purpose: what makes that program answer 500 or die is left out here, and counted).

use std::collections::BTreeSet;

use hashbrown::HashMap;

use crate::gcp::api::{Descriptor, MetricKind, Point, TimeSeries, Value, ValueType};
use crate::gcp::buckets::{Counts, Layouts};
use crate::gcp::deltas::Counter;
use crate::gcp::job::{BucketRule, Job, Keep};
use crate::gcp::naming;
use crate::gcp::plan;
use crate::model::{Cell, Family, Histogram, Kind, LabelSet, Text, Timestamp};
use crate::seam::{Unshown, Unshowns};

/// A series with its newest sample, as it goes onto the page.
#[derive(Clone, Debug)]
pub struct Shown {
    /// The family's name.
    pub name: Text,
    /// The family's kind.
    pub kind: Kind,
    /// The labels.
    pub labels: LabelSet,
    /// The sample.
    pub sample: Sample,
}

/// A sample of either form.
#[derive(Clone, Debug)]
pub enum Sample {
    /// A number.
    Number(Cell),
    /// Counts in buckets.
    Histogram(Histogram),
}

/// A series whose points are to be added up.
#[derive(Debug)]
pub struct Delta {
    /// The family's name.
    pub name: Text,
    /// The labels, before any are filled in.
    pub labels: LabelSet,
    /// Its points, newest first.
    pub addends: Vec<Addend>,
}

/// What a point adds to its counter.
#[derive(Clone, Debug, PartialEq)]
pub struct Addend {
    /// Start of the interval, where it is known.
    pub start: Option<Timestamp>,
    /// End of the interval: tells a point from the series' others.
    pub end: Timestamp,
    /// How much.
    pub amount: Amount,
}

/// A number or counts.
#[derive(Clone, Debug, PartialEq)]
pub enum Amount {
    /// A whole number: sums are exact.
    Integer(i64),
    /// A number.
    Number(f64),
    /// Counts in buckets.
    Counts(Counts),
}

/// The samples of one page of an answer.
#[derive(Debug, Default)]
pub struct Converted {
    /// What is shown.
    pub shown: Vec<Shown>,
    /// What is added up first.
    pub deltas: Vec<Delta>,
    /// What is neither.
    pub left_out: Unshowns,
}

/// Converts the answers about one metric type of one project.
pub struct Converter<'a> {
    job: &'a Job,
    project: &'a Text,
    unit: Text,
    keep: Option<&'a Keep>,
    /// Google grouped by them, because the job wants them.
    metadata: bool,
    names: HashMap<(Text, Text), Option<Text>>,
    /// The last one that was looked up.
    last_name: Option<(Text, Text, Option<Text>)>,
    layouts: Layouts,
    words: Words,
}

/// Texts that every series repeats.
struct Words {
    unit: Text,
    le: Text,
    moved_le: Text,
}

impl<'a> Converter<'a> {
    /// For the series of a metric type.
    pub fn new(job: &'a Job, project: &'a Text, descriptor: &Descriptor) -> Self {
        Self {
            job,
            project,
            unit: Text::clone(&descriptor.unit),
            keep: keep(&job.buckets, &descriptor.metric_type),
            metadata: plan::aggregation(job, &descriptor.metric_type).is_some(),
            names: HashMap::new(),
            last_name: None,
            layouts: Layouts::default(),
            words: Words { unit: "unit".into(), le: "le".into(), moved_le: "exported_le".into() },
        }
    }

    /// Converts a page, in its order. Series that lack labels which others of the page have get them, where the job wants
    /// it.
    pub fn page(&mut self, page: Vec<TimeSeries>) -> Converted {
        let mut converted = Converted::default();
        for series in page {
            if let Err(why) = self.series(&series, &mut converted) {
                converted.left_out.count(why);
            }
        }
        if self.job.fill_missing_labels {
            fill(&mut converted.shown);
        }
        converted
    }

    fn series(&mut self, series: &TimeSeries, out: &mut Converted) -> Result<(), Unshown> {
        let distribution = series.value_type == ValueType::Distribution;
        let kind = match (series.kind, series.value_type) {
            (MetricKind::Other, _) | (_, ValueType::Text | ValueType::Other) => return Ok(()),
            (_, ValueType::Distribution) => Kind::Histogram,
            (MetricKind::Gauge | MetricKind::Delta, _) => Kind::Gauge,
            (MetricKind::Cumulative, _) => Kind::Counter,
        };
        let newest = series.points.first().ok_or(Unshown::NoPoints)?;
        if matches!(newest.value, Value::Missing) {
            return Err(Unshown::NoValue);
        }
        let name = self.name(series).ok_or(Unshown::NoName)?;
        let labels = self.labels(series, distribution)?;
        if self.is_foreign(&labels) {
            return Ok(());
        }
        if series.kind == MetricKind::Delta && self.job.deltas.aggregate {
            let addends = self.addends(&series.points)?;
            if !addends.is_empty() {
                out.deltas.push(Delta { name, labels, addends });
            }
        } else if let Some(amount) = self.amount(&newest.value)? {
            let created = (series.kind == MetricKind::Cumulative).then_some(newest.start).flatten();
            let sample = self.sample(amount, newest.end, created);
            out.shown.push(Shown { name, kind, labels, sample });
        }
        Ok(())
    }

    /// What is shown of an amount at a time.
    pub fn sample(&self, amount: Amount, at: Timestamp, created: Option<Timestamp>) -> Sample {
        let at = self.job.timestamps.then_some(at);
        let number = |n| Sample::Number(at.map_or(Cell::untimed(n), |at| Cell::timed(n, at)));
        match amount {
            #[expect(clippy::cast_precision_loss, reason = "a page's numbers are floats")]
            Amount::Integer(n) => number(n as f64),
            Amount::Number(n) => number(n),
            Amount::Counts(counts) => {
                let counts = match self.keep {
                    Some(keep) => counts.kept(keep),
                    None => counts,
                };
                Sample::Histogram(counts.at(at, created))
            }
        }
    }

    /// What is shown of a counter.
    pub fn counter(&self, counter: Counter) -> Shown {
        let Counter { name, labels, amount, at, created } = counter;
        let kind = if matches!(amount, Amount::Counts(_)) { Kind::Histogram } else { Kind::Counter };
        Shown { name, kind, labels, sample: self.sample(amount, at, created) }
    }

    fn addends(&mut self, points: &[Point]) -> Result<Vec<Addend>, Unshown> {
        let mut addends = Vec::with_capacity(points.len());
        for point in points {
            if let Some(amount) = self.amount(&point.value)? {
                addends.push(Addend { start: point.start, end: point.end, amount });
            }
        }
        Ok(addends)
    }

    /// `None`: nothing that can be shown, and nothing to complain about.
    fn amount(&mut self, value: &Value) -> Result<Option<Amount>, Unshown> {
        match value {
            Value::Integer(n) => Ok(Some(Amount::Integer(*n))),
            Value::Double(n) => Ok(Some(Amount::Number(*n))),
            Value::Distribution(d) if d.buckets == crate::gcp::api::Buckets::Absent => Err(Unshown::NoBuckets),
            Value::Distribution(d) => Ok(self.layouts.counts(d).map(Amount::Counts)),
            Value::Missing => Ok(None),
        }
    }

    fn name(&mut self, series: &TimeSeries) -> Option<Text> {
        // Most answers are about one type of resource, whose text they share.
        if let Some((resource, metric, name)) = &self.last_name
            && Text::ptr_eq(resource, &series.resource_type)
            && Text::ptr_eq(metric, &series.metric_type)
        {
            return name.clone();
        }
        let types = (Text::clone(&series.resource_type), Text::clone(&series.metric_type));
        let name = self.names.entry(types);
        let made = || naming::family_name(&series.resource_type, &series.metric_type).map(Text::from);
        let name = name.or_insert_with(made).clone();
        self.last_name = Some((Text::clone(&series.resource_type), Text::clone(&series.metric_type), name.clone()));
        name
    }

    /// The first to bring a name has it: unit, metric, resource, metadata, the job.
    fn labels(&self, series: &TimeSeries, distribution: bool) -> Result<LabelSet, Unshown> {
        let metadata = if self.metadata { &series.metadata_labels[..] } else { &[] };
        let own = [&series.metric_labels[..], &series.resource_labels, metadata, &self.job.labels];
        let mut labels = Vec::with_capacity(1 + own.iter().map(|l| l.len()).sum::<usize>());
        // The last one wins in a label set.
        for (name, value) in own.into_iter().rev().flat_map(|l| l.iter().rev()) {
            if name.is_empty() || name.starts_with("__") {
                return Err(Unshown::ReservedLabel);
            }
            let name = if distribution && *name == self.words.le { &self.words.moved_le } else { name };
            labels.push((Text::clone(name), Text::clone(value)));
        }
        labels.push((Text::clone(&self.words.unit), Text::clone(&self.unit)));
        Ok(LabelSet::new(labels))
    }

    fn is_foreign(&self, labels: &LabelSet) -> bool {
        self.job.drop_delegated_projects && labels.get("project_id").is_some_and(|p| p != self.project)
    }
}

/// The family of a metric type's series.
pub fn family(name: &Text, descriptor: &Descriptor, kind: Kind) -> Family {
    Family { name: Text::clone(name), help: Text::clone(&descriptor.description), kind }
}

/// The rule for a metric type's buckets.
fn keep<'a>(rules: &'a [BucketRule], metric_type: &str) -> Option<&'a Keep> {
    rules.iter().find(|r| metric_type.starts_with(&*r.prefix)).map(|r| &r.keep)
}

/// Gives the series of each family the label names of all of them, empty where they have none.
pub fn fill(shown: &mut [Shown]) {
    let mut groups: HashMap<(Text, bool), Vec<usize>> = HashMap::new();
    for (at, series) in shown.iter().enumerate() {
        groups.entry((Text::clone(&series.name), series.kind == Kind::Histogram)).or_default().push(at);
    }
    for members in groups.into_values() {
        let labels_of = |at: &usize| shown.get(*at).map(|s| &s.labels);
        let mut all = members.iter().filter_map(labels_of);
        let Some(first) = all.next() else { continue };
        if all.all(|labels| same_names(first, labels)) {
            continue;
        }
        let names: BTreeSet<Text> =
            members.iter().filter_map(labels_of).flat_map(|l| l.iter().map(|(n, _)| Text::clone(n))).collect();
        let empty = Text::from("");
        for at in members {
            let Some(series) = shown.get_mut(at).filter(|s| s.labels.len() < names.len()) else { continue };
            let value = |name: &Text| series.labels.get(name).unwrap_or(&empty).clone();
            let labels = names.iter().map(|name| (Text::clone(name), value(name))).collect();
            series.labels = LabelSet::new(labels);
        }
    }
}

fn same_names(a: &LabelSet, b: &LabelSet) -> bool {
    a.len() == b.len() && a.iter().zip(b.iter()).all(|((a, _), (b, _))| a == b)
}

#[cfg(test)]
mod tests;
