//! What the APIs' JSON means in our types. Unknown fields are ignored; whole numbers are taken as strings, as the API writes
//! them, or as numbers. A series that lacks something is left out and counted; an item of the wrong form fails its page.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hashbrown::HashSet;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde::{Deserialize, de};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::splitter::Found;
use crate::gcp::api::{
    Buckets, Descriptor, Distribution, IngestDelay, MetricKind, Page, Point, TimeSeries, TimeSeriesPage, Value,
    ValueType,
};
use crate::gcp::plan;
use crate::model::{Text, Timestamp};
use crate::seam::Unshown;

/// Texts that are remembered; beyond it those go that nobody else has.
const MAX_INTERNED: usize = 200_000;

/// Each text once: series repeat names, zones and projects.
#[derive(Default)]
pub(super) struct Interner(Mutex<HashSet<Text>>);

impl Interner {
    fn text(&self, text: &str) -> Text {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Text::clone(known.get_or_insert_with(text, |t| t.into()))
    }

    /// The same, where the text is most likely this one.
    fn like(&self, text: &str, before: Option<&Text>) -> Text {
        match before {
            Some(before) if **before == *text => Text::clone(before),
            _ => self.text(text),
        }
    }

    /// Forgets what nobody else has, when there is much.
    pub(super) fn tidy(&self) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() > MAX_INTERNED {
            known.retain(|text| Text::strong_count(text) > 1);
        }
    }
}

/// Collects what a splitter finds into a page.
pub(super) trait Collect: Default {
    /// The name of the list.
    const LIST: &'static str;

    /// Takes what was found.
    /// An item that is refused leaves no trace.
    fn take(&mut self, found: Found<'_>, texts: &Interner) -> Result<(), String>;

    /// How many series came.
    fn series(&self) -> u64 {
        0
    }
}

fn read<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, String> {
    serde_json::from_slice(bytes).map_err(|e| e.to_string())
}

fn token(value: &[u8]) -> Result<Option<String>, String> {
    Ok(read::<Option<String>>(value)?.filter(|t| !t.is_empty()))
}

/// A page of projects.
#[derive(Default)]
pub(super) struct Projects(pub(super) Page<Text>);

impl Collect for Projects {
    const LIST: &'static str = "projects";

    fn take(&mut self, found: Found<'_>, texts: &Interner) -> Result<(), String> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Raw<'a> {
            #[serde(borrow, default)]
            project_id: Option<Str<'a>>,
        }
        match found {
            Found::Item(item) => {
                let id = read::<Option<Raw<'_>>>(item)?.and_then(|raw| raw.project_id);
                self.0.items.extend(id.map(|id| texts.text(&id)));
            }
            Found::Field(b"nextPageToken", value) => self.0.next = token(value)?,
            Found::Field(..) => {}
        }
        Ok(())
    }
}

/// A page of metric types.
pub(super) struct Descriptors(pub(super) Page<Descriptor>);

impl Default for Descriptors {
    fn default() -> Self {
        Self(Page { items: Vec::new(), next: None })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
struct RawDescriptor<'a> {
    #[serde(borrow)]
    name: Option<Str<'a>>,
    r#type: Option<Str<'a>>,
    metric_kind: Option<Str<'a>>,
    value_type: Option<Str<'a>>,
    unit: Option<Str<'a>>,
    description: Option<Str<'a>>,
    metadata: Option<RawMetadata<'a>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct RawMetadata<'a> {
    #[serde(borrow)]
    sample_period: Option<Str<'a>>,
    ingest_delay: Option<Str<'a>>,
}

impl Collect for Descriptors {
    const LIST: &'static str = "metricDescriptors";

    fn take(&mut self, found: Found<'_>, texts: &Interner) -> Result<(), String> {
        match found {
            Found::Item(item) => {
                let raw = read::<Option<RawDescriptor<'_>>>(item)?.unwrap_or_default();
                self.0.items.push(descriptor(&raw, texts));
            }
            Found::Field(b"nextPageToken", value) => self.0.next = token(value)?,
            Found::Field(..) => {}
        }
        Ok(())
    }
}

fn descriptor(raw: &RawDescriptor<'_>, texts: &Interner) -> Descriptor {
    let text = |t: &Option<Str<'_>>| texts.text(t.as_deref().unwrap_or_default());
    let metadata = raw.metadata.as_ref();
    let delay = metadata.and_then(|m| m.ingest_delay.as_deref()).filter(|d| !d.is_empty());
    Descriptor {
        name: text(&raw.name),
        metric_type: text(&raw.r#type),
        kind: kind(raw.metric_kind.as_deref()),
        value_type: value_type(raw.value_type.as_deref()),
        unit: text(&raw.unit),
        description: text(&raw.description),
        sample_period: metadata
            .and_then(|m| m.sample_period.as_deref())
            .and_then(plan::duration)
            .filter(|d| *d > Duration::ZERO),
        ingest_delay: match delay {
            None => IngestDelay::Unknown,
            Some(delay) => {
                plan::duration(delay).map_or_else(|| IngestDelay::Unreadable(texts.text(delay)), IngestDelay::Known)
            }
        },
    }
}

fn kind(text: Option<&str>) -> MetricKind {
    match text {
        Some("GAUGE") => MetricKind::Gauge,
        Some("DELTA") => MetricKind::Delta,
        Some("CUMULATIVE") => MetricKind::Cumulative,
        _ => MetricKind::Other,
    }
}

fn value_type(text: Option<&str>) -> ValueType {
    match text {
        Some("BOOL") => ValueType::Bool,
        Some("INT64") => ValueType::Int64,
        Some("DOUBLE") => ValueType::Double,
        Some("DISTRIBUTION") => ValueType::Distribution,
        Some("STRING" | "MONEY") => ValueType::Text,
        _ => ValueType::Other,
    }
}

/// A page of time series. The points of a series stand newest first.
pub(super) struct Series {
    pub(super) page: TimeSeriesPage,
    returned: u64,
    all_points: bool,
}

impl Default for Series {
    fn default() -> Self {
        Self { page: TimeSeriesPage::default(), returned: 0, all_points: true }
    }
}

impl Series {
    /// Keeps only the newest point of each series.
    pub(super) fn newest_only(&mut self) {
        self.all_points = false;
    }
}

impl Collect for Series {
    const LIST: &'static str = "timeSeries";

    fn take(&mut self, found: Found<'_>, texts: &Interner) -> Result<(), String> {
        match found {
            Found::Item(item) => {
                let raw = read::<Option<RawSeries<'_>>>(item)?;
                self.returned += 1;
                match self.one(raw, texts) {
                    Ok(series) => self.page.series.push(series),
                    Err(why) => self.page.left_out.count(why),
                }
            }
            Found::Field(b"nextPageToken", value) => self.page.next = token(value)?,
            Found::Field(b"executionErrors", value) => {
                let errors = read::<Option<Vec<RawStatus<'_>>>>(value)?.unwrap_or_default();
                if let Some(first) = errors.first() {
                    let message = first.message.as_deref().unwrap_or("the API gave no reason");
                    self.page.incomplete = Some(format!("the answer may be incomplete: {message}"));
                }
            }
            Found::Field(b"unreachable", value) => {
                let places = read::<Option<Vec<Str<'_>>>>(value)?.unwrap_or_default();
                if !places.is_empty() {
                    self.page.incomplete =
                        Some(format!("not reached: {}", places.iter().map(|p| &**p).collect::<Vec<_>>().join(", ")));
                }
            }
            Found::Field(..) => {}
        }
        Ok(())
    }

    fn series(&self) -> u64 {
        self.returned
    }
}

#[derive(Deserialize)]
struct RawStatus<'a> {
    #[serde(borrow, default)]
    message: Option<Str<'a>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct RawSeries<'a> {
    #[serde(borrow)]
    metric: Option<RawTyped<'a>>,
    #[serde(borrow)]
    resource: Option<RawTyped<'a>>,
    #[serde(borrow)]
    metadata: Option<RawLabels<'a>>,
    #[serde(borrow)]
    metric_kind: Option<Str<'a>>,
    #[serde(borrow)]
    value_type: Option<Str<'a>>,
    #[serde(borrow)]
    points: Option<Vec<Option<RawPoint<'a>>>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct RawTyped<'a> {
    #[serde(borrow)]
    r#type: Option<Str<'a>>,
    #[serde(borrow)]
    labels: Option<Pairs<'a, Option<Str<'a>>>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct RawLabels<'a> {
    #[serde(borrow)]
    system_labels: Option<Pairs<'a, serde_json::Value>>,
    #[serde(borrow)]
    user_labels: Option<Pairs<'a, Option<Str<'a>>>>,
}

#[derive(Deserialize)]
struct RawPoint<'a> {
    #[serde(borrow, default)]
    interval: Option<RawInterval<'a>>,
    #[serde(default)]
    value: Option<RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawInterval<'a> {
    #[serde(borrow, default)]
    start_time: Option<Str<'a>>,
    #[serde(borrow, default)]
    end_time: Option<Str<'a>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct RawValue {
    #[serde(rename = "boolValue")]
    boolean: Option<bool>,
    #[serde(rename = "int64Value")]
    integer: Option<Int>,
    #[serde(rename = "doubleValue")]
    double: Option<Double>,
    #[serde(rename = "distributionValue")]
    distribution: Option<RawDistribution>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct RawDistribution {
    count: Option<Int>,
    mean: Option<Double>,
    bucket_options: Option<RawBuckets>,
    bucket_counts: Option<Vec<Int>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct RawBuckets {
    #[serde(rename = "explicitBuckets")]
    explicit: Option<RawExplicit>,
    #[serde(rename = "linearBuckets")]
    linear: Option<RawLinear>,
    #[serde(rename = "exponentialBuckets")]
    exponential: Option<RawExponential>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct RawExplicit {
    bounds: Option<Vec<Double>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct RawLinear {
    num_finite_buckets: Option<i64>,
    width: Option<Double>,
    offset: Option<Double>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct RawExponential {
    num_finite_buckets: Option<i64>,
    growth_factor: Option<Double>,
    scale: Option<Double>,
}

impl Series {
    fn one(&mut self, raw: Option<RawSeries<'_>>, texts: &Interner) -> Result<TimeSeries, Unshown> {
        let raw = raw.ok_or(Unshown::NoMetric)?;
        let metric = raw.metric.ok_or(Unshown::NoMetric)?;
        let resource = raw.resource.ok_or(Unshown::NoResource)?;
        let value_type = value_type(raw.value_type.as_deref());
        let points = self.points(raw.points.unwrap_or_default(), value_type)?;
        // Neighbours have much in common.
        let before = self.page.series.last();
        let text = |t: Option<&str>, before| texts.like(t.unwrap_or_default(), before);
        Ok(TimeSeries {
            metric_type: text(metric.r#type.as_deref(), before.map(|b| &b.metric_type)),
            metric_labels: labels(metric.labels, before.map(|b| &b.metric_labels), texts),
            resource_type: text(resource.r#type.as_deref(), before.map(|b| &b.resource_type)),
            resource_labels: labels(resource.labels, before.map(|b| &b.resource_labels), texts),
            metadata_labels: raw.metadata.map(|m| metadata_labels(m, texts)).unwrap_or_default(),
            kind: kind(raw.metric_kind.as_deref()),
            value_type,
            points,
        })
    }

    /// Newest first. A point without a time goes, and is counted; a series without any other goes with it.
    fn points(&mut self, raw: Vec<Option<RawPoint<'_>>>, value_type: ValueType) -> Result<Vec<Point>, Unshown> {
        let mut timed: Vec<(i128, Point)> = Vec::with_capacity(raw.len());
        let mut timeless = false;
        for point in raw {
            let interval = point.as_ref().and_then(|p| p.interval.as_ref());
            let nanos = |text: Option<&Str<'_>>| text.and_then(|t| nanos(t));
            let Some(end) = interval.and_then(|i| nanos(i.end_time.as_ref())) else {
                timeless = true;
                continue;
            };
            if end <= 0 {
                continue;
            }
            let start = interval.and_then(|i| nanos(i.start_time.as_ref())).map(timestamp);
            let value = point.and_then(|p| p.value).map_or(Value::Missing, |v| value(v, value_type));
            timed.push((end, Point { start, end: timestamp(end), value }));
        }
        if timeless && !timed.is_empty() {
            self.page.left_out.count(Unshown::NoTime);
        }
        if timed.is_empty() {
            return Err(if timeless { Unshown::NoTime } else { Unshown::NoPoints });
        }
        if !timed.is_sorted_by(|(a, _), (b, _)| a >= b) {
            timed.sort_by_key(|(end, _)| std::cmp::Reverse(*end));
        }
        let wanted = if self.all_points { timed.len() } else { 1 };
        Ok(timed.into_iter().take(wanted).map(|(_, point)| point).collect())
    }
}

fn nanos(text: &str) -> Option<i128> {
    usual_nanos(text.as_bytes())
        .or_else(|| OffsetDateTime::parse(text, &Rfc3339).ok().map(OffsetDateTime::unix_timestamp_nanos))
}

/// Times as Google writes them, whole seconds in UTC: `2026-01-01T00:01:00Z`. There is one for each point.
fn usual_nanos(text: &[u8]) -> Option<i128> {
    let &[y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2, b'T', h1, h2, b':', n1, n2, b':', s1, s2, b'Z'] = text else {
        return None;
    };
    let number =
        |digits: &[u8]| digits.iter().try_fold(0, |n, d| d.is_ascii_digit().then(|| n * 10 + i64::from(d - b'0')));
    let (year, month, day) = (number(&[y1, y2, y3, y4])?, number(&[m1, m2])?, number(&[d1, d2])?);
    let (hour, minute, second) = (number(&[h1, h2])?, number(&[n1, n2])?, number(&[s1, s2])?);
    // Rare days, and what is no time at all, are the library's business.
    if !(1970..=2400).contains(&year) || !(1..=12).contains(&month) || !(1..=28).contains(&day) {
        return None;
    }
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    // Years begin in March, so that a leap day is the last one.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day - 1 - 719_468;
    let seconds = days * 86_400 + hour * 3_600 + minute * 60 + second;
    Some(i128::from(seconds) * 1_000_000_000)
}

fn timestamp(nanos: i128) -> Timestamp {
    Timestamp::from_millis(i64::try_from(nanos.div_euclid(1_000_000)).unwrap_or(i64::MAX))
}

fn value(raw: RawValue, value_type: ValueType) -> Value {
    match value_type {
        ValueType::Bool => raw.boolean.map(|yes| Value::Integer(i64::from(yes))),
        ValueType::Int64 => raw.integer.map(|n| Value::Integer(n.0)),
        ValueType::Double => raw.double.map(|n| Value::Double(n.0)),
        ValueType::Distribution => raw.distribution.map(|d| Value::Distribution(Box::new(distribution(d)))),
        ValueType::Text | ValueType::Other => None,
    }
    .unwrap_or(Value::Missing)
}

fn distribution(raw: RawDistribution) -> Distribution {
    let double = |n: Option<Double>| n.map_or(0.0, |d| d.0);
    let finite = |n: Option<i64>| u32::try_from(n.unwrap_or(0).max(0)).unwrap_or(u32::MAX);
    let buckets = match raw.bucket_options {
        None => Buckets::Absent,
        Some(RawBuckets { explicit: Some(explicit), .. }) => {
            let bounds: Arc<[f64]> = explicit.bounds.unwrap_or_default().iter().map(|d| d.0).collect();
            Buckets::Explicit(bounds)
        }
        Some(RawBuckets { linear: Some(linear), .. }) => Buckets::Linear {
            finite: finite(linear.num_finite_buckets),
            width: double(linear.width),
            offset: double(linear.offset),
        },
        Some(RawBuckets { exponential: Some(exponential), .. }) => Buckets::Exponential {
            finite: finite(exponential.num_finite_buckets),
            growth: double(exponential.growth_factor),
            scale: double(exponential.scale),
        },
        Some(_) => Buckets::Unknown,
    };
    let counts = raw.bucket_counts.unwrap_or_default().iter().map(|n| n.0).collect();
    Distribution { count: raw.count.map_or(0, |n| n.0), mean: double(raw.mean), buckets, counts }
}

fn labels(
    raw: Option<Pairs<'_, Option<Str<'_>>>>,
    before: Option<&Vec<(Text, Text)>>,
    texts: &Interner,
) -> Vec<(Text, Text)> {
    let pairs = raw.map(|p| p.0).unwrap_or_default();
    let one = |(at, (name, value)): (usize, &(Cow<'_, str>, Option<Str<'_>>))| {
        let (before_name, before_value) = before.and_then(|b| b.get(at)).map(|(n, v)| (n, v)).unzip();
        (texts.like(name, before_name), texts.like(value.as_deref().unwrap_or_default(), before_value))
    };
    pairs.iter().enumerate().map(one).collect()
}

/// System labels may be texts, booleans or lists of texts.
fn metadata_labels(raw: RawLabels<'_>, texts: &Interner) -> Vec<(Text, Text)> {
    let mut all = labels(raw.user_labels, None, texts);
    for (name, value) in raw.system_labels.map(|p| p.0).unwrap_or_default() {
        let value = match value {
            serde_json::Value::String(text) => text,
            serde_json::Value::Array(list) => {
                let words: Vec<&str> = list.iter().filter_map(serde_json::Value::as_str).collect();
                words.join(",")
            }
            other => other.to_string(),
        };
        all.push((texts.text(&name), texts.text(&value)));
    }
    all
}

/// A JSON object in its own order; of two fields with one name the later one counts.
struct Pairs<'a, V>(Vec<(Cow<'a, str>, V)>);

impl<'de: 'a, 'a, V: Deserialize<'de>> Deserialize<'de> for Pairs<'a, V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader<'a, V>(PhantomData<(&'a (), V)>);

        impl<'de: 'a, 'a, V: Deserialize<'de>> Visitor<'de> for Reader<'a, V> {
            type Value = Pairs<'a, V>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut pairs: Vec<(Cow<'a, str>, V)> = Vec::with_capacity(map.size_hint().unwrap_or(4));
                while let Some(Str(name)) = map.next_key()? {
                    let value = map.next_value()?;
                    match pairs.iter_mut().find(|(known, _)| *known == name) {
                        Some(known) => known.1 = value,
                        None => pairs.push((name, value)),
                    }
                }
                Ok(Pairs(pairs))
            }
        }

        deserializer.deserialize_map(Reader(PhantomData))
    }
}

/// A text that is copied only where it has escapes.
#[derive(Deserialize)]
struct Str<'a>(#[serde(borrow)] Cow<'a, str>);

impl Deref for Str<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

/// A whole number of 64 bits, in quotes or not.
#[derive(Clone, Copy)]
struct Int(i64);

impl<'de> Deserialize<'de> for Int {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;

        impl Visitor<'_> for Reader {
            type Value = Int;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Int, E> {
                text.parse().map(Int).map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self))
            }

            fn visit_i64<E: de::Error>(self, n: i64) -> Result<Int, E> {
                Ok(Int(n))
            }

            fn visit_u64<E: de::Error>(self, n: u64) -> Result<Int, E> {
                i64::try_from(n).map(Int).map_err(|_| E::invalid_value(de::Unexpected::Unsigned(n), &self))
            }
        }

        deserializer.deserialize_any(Reader)
    }
}

/// A number, or in quotes what JSON has no number for.
#[derive(Clone, Copy)]
struct Double(f64);

impl<'de> Deserialize<'de> for Double {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;

        impl Visitor<'_> for Reader {
            type Value = Double;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number, \"NaN\", \"Infinity\" or \"-Infinity\"")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Double, E> {
                match text {
                    "NaN" => Ok(Double(f64::NAN)),
                    "Infinity" => Ok(Double(f64::INFINITY)),
                    "-Infinity" => Ok(Double(f64::NEG_INFINITY)),
                    _ => Err(E::invalid_value(de::Unexpected::Str(text), &self)),
                }
            }

            fn visit_f64<E: de::Error>(self, n: f64) -> Result<Double, E> {
                Ok(Double(n))
            }

            #[expect(clippy::cast_precision_loss, reason = "it is meant as a float")]
            fn visit_i64<E: de::Error>(self, n: i64) -> Result<Double, E> {
                Ok(Double(n as f64))
            }

            #[expect(clippy::cast_precision_loss, reason = "it is meant as a float")]
            fn visit_u64<E: de::Error>(self, n: u64) -> Result<Double, E> {
                Ok(Double(n as f64))
            }
        }

        deserializer.deserialize_any(Reader)
    }
}

#[cfg(test)]
mod tests;
