//! What really happened: for every series, the value of any point, and exact sums over any stretch of points. Pure.
//!
//! Point `n` of a series covers `(n - 1, n]` sample periods since 1970. What is counted until point `n` is
//! `size * n + h(n)` with `0 <= h < size`: it grows with each point, and any difference of two is known at once.

use std::sync::Arc;
use std::time::Duration;

use super::GoogleSpec;
use super::metric::{METRICS, MetricType};
use crate::gcp::api::{Buckets, Distribution, MetricKind, Point, TimeSeries, Value, ValueType};
use crate::model::{Text, Timestamp};
use crate::sim::value::{derive, unit};

/// Upper bounds of the simulated distributions.
const BOUNDS: [f64; 6] = [1.0, 5.0, 10.0, 50.0, 100.0, 500.0];
/// What a value in each bucket is, so that means are exact enough to be compared.
const INSIDE: [f64; 7] = [0.5, 2.0, 8.0, 32.0, 64.0, 256.0, 1024.0];
/// The share of each bucket, in sixteenths of a series' size; none is empty.
const SHARES: [u32; 7] = [1, 4, 5, 3, 1, 1, 1];
/// CUMULATIVE metrics start anew after so many points.
const RESET_POINTS: i64 = 10_000;
const LOCATIONS: [&str; 3] = ["europe-west1", "europe-west4", "us-central1"];

/// A time series of the simulated cloud.
#[derive(Clone, Debug)]
pub struct Series {
    /// Its metric type.
    pub metric: &'static MetricType,
    /// Its identity, without points.
    pub identity: TimeSeries,
    /// System and user labels of its resource, by their paths below `metadata.`.
    pub metadata: Vec<(Text, Text)>,
    seed: u64,
    period_seconds: i64,
    late: (u32, Duration),
}

/// All series of a project, in the order of the metric table.
pub fn series(spec: &GoogleSpec, seed: u64, project: &Text) -> Vec<Series> {
    let mut all = Vec::new();
    let project_seed = project.bytes().fold(seed, |seed, byte| derive(seed, u64::from(byte) + 1));
    for (at, metric) in METRICS.iter().enumerate() {
        for resource in 0..spec.resources {
            for (combination, labels) in combinations(metric).into_iter().enumerate() {
                let salt = (u64::from(resource) << 20) | (u64::try_from(at * 64 + combination).unwrap_or(0) + 1);
                all.push(one(spec, metric, project, resource, labels, derive(project_seed, salt)));
            }
        }
    }
    all
}

fn one(
    spec: &GoogleSpec,
    metric: &'static MetricType,
    project: &Text,
    resource: u32,
    labels: Vec<(Text, Text)>,
    seed: u64,
) -> Series {
    let location = LOCATIONS.get(resource as usize % LOCATIONS.len()).copied().unwrap_or_default();
    let value = |start: &str| if start.is_empty() { location.into() } else { format!("{start}{resource}").into() };
    let mut resource_labels = vec![("project_id".into(), Text::clone(project))];
    resource_labels.extend(metric.resource.labels.iter().map(|(name, start)| (Text::from(*name), value(start))));
    let identity = TimeSeries {
        metric_type: metric.name.into(),
        metric_labels: labels,
        resource_type: metric.resource.name.into(),
        resource_labels,
        kind: metric.kind,
        value_type: metric.value_type,
        ..TimeSeries::default()
    };
    let team = if resource.is_multiple_of(2) { "shop" } else { "billing" };
    let metadata = vec![
        ("user_labels.team".into(), team.into()),
        ("system_labels.name".into(), format!("{}-{resource}", metric.resource.name).into()),
    ];
    let period = spec.sample_period.unwrap_or_else(|| metric.sample_period());
    Series {
        metric,
        identity,
        metadata,
        seed,
        period_seconds: i64::try_from(period.as_secs()).unwrap_or(60).max(1),
        late: (spec.late_percent, spec.late_by),
    }
}

/// Every combination of the metric's label values.
fn combinations(metric: &MetricType) -> Vec<Vec<(Text, Text)>> {
    metric.labels.iter().fold(vec![Vec::new()], |so_far, (name, values)| {
        let with = |labels: &Vec<(Text, Text)>, value: &&str| {
            let mut labels = labels.clone();
            labels.push((Text::from(*name), Text::from(*value)));
            labels
        };
        so_far.iter().flat_map(|labels| values.iter().map(move |value| with(labels, value))).collect()
    })
}

impl Series {
    /// The sample period.
    pub fn period(&self) -> Duration {
        Duration::from_secs(self.period_seconds.unsigned_abs())
    }

    /// The number of the last point that has ended at `at`.
    pub fn last_point(&self, at: Timestamp) -> i64 {
        at.as_secs().div_euclid(self.period_seconds)
    }

    /// The end of point `n`.
    pub fn end_of(&self, n: i64) -> Timestamp {
        Timestamp::from_secs(n * self.period_seconds)
    }

    /// When point `n` can be read.
    pub fn readable_at(&self, n: i64) -> Timestamp {
        let (percent, by) = self.late;
        let drawn = derive(self.seed ^ 0x6c61_7465, n.unsigned_abs());
        let late = if drawn % 100 < u64::from(percent) { by.mul_f64(unit(derive(drawn, 1))) } else { Duration::ZERO };
        self.end_of(n).plus(self.metric.ingest_delay() + late)
    }

    /// How many events points `first..=last` counted: the truth for INT64 and, with all buckets, for distributions.
    pub fn counted(&self, first: i64, last: i64) -> i64 {
        if self.metric.value_type == ValueType::Distribution {
            return (0..INSIDE.len()).map(|bucket| self.in_bucket(bucket, first, last)).sum();
        }
        until(self.seed, self.metric.size, last) - until(self.seed, self.metric.size, first - 1)
    }

    /// How many values of points `first..=last` fell into a bucket of a distribution.
    pub fn in_bucket(&self, bucket: usize, first: i64, last: i64) -> i64 {
        let size = (self.metric.size * SHARES.get(bucket).copied().unwrap_or(1)).div_ceil(16);
        let seed = derive(self.seed, 77 + bucket as u64);
        until(seed, size, last) - until(seed, size, first - 1)
    }

    /// The points that end in `(start, end]` and can be read at `now`, newest first.
    pub fn points(&self, start: Timestamp, end: Timestamp, now: Timestamp) -> Vec<Point> {
        let readable = |n: &i64| self.end_of(*n) > start && self.readable_at(*n) <= now;
        (self.last_point(start)..=self.last_point(end)).rev().filter(readable).map(|n| self.point(n)).collect()
    }

    /// Point `n`.
    pub fn point(&self, n: i64) -> Point {
        let first = match self.metric.kind {
            MetricKind::Cumulative => n - n.rem_euclid(RESET_POINTS) + 1,
            _ => n,
        };
        let start = match self.metric.kind {
            MetricKind::Gauge | MetricKind::Other => self.end_of(n),
            MetricKind::Delta | MetricKind::Cumulative => self.end_of(first - 1),
        };
        Point { start: Some(start), end: self.end_of(n), value: self.value(first.min(n), n) }
    }

    #[expect(clippy::cast_precision_loss, reason = "the numbers are small")]
    fn value(&self, first: i64, n: i64) -> Value {
        let is_gauge = self.metric.kind == MetricKind::Gauge;
        let drawn = derive(self.seed, n.unsigned_abs());
        match self.metric.value_type {
            ValueType::Text | ValueType::Other => Value::Missing,
            ValueType::Bool => Value::Integer(i64::from(!drawn.is_multiple_of(8))),
            ValueType::Double if is_gauge => Value::Double(unit(drawn) * f64::from(self.metric.size)),
            ValueType::Double => Value::Double(self.counted(first, n) as f64 / 8.0),
            ValueType::Int64 if is_gauge => Value::Integer((drawn % u64::from(self.metric.size * 2)).cast_signed()),
            ValueType::Int64 => Value::Integer(self.counted(first, n)),
            ValueType::Distribution => {
                let counts: Vec<i64> = (0..INSIDE.len()).map(|bucket| self.in_bucket(bucket, first, n)).collect();
                let count: i64 = counts.iter().sum();
                let sum: f64 = counts.iter().zip(INSIDE).map(|(n, inside)| *n as f64 * inside).sum();
                let mean = if count == 0 { 0.0 } else { sum / count as f64 };
                let buckets = Buckets::Explicit(Arc::from(BOUNDS));
                Value::Distribution(Box::new(Distribution { count, mean, buckets, counts }))
            }
        }
    }
}

fn until(seed: u64, size: u32, n: i64) -> i64 {
    let size = i64::from(size.max(1));
    size * n + (derive(seed, n.unsigned_abs()) >> 1).cast_signed() % size
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Vec<Series> {
        series(&GoogleSpec { late_percent: 5, ..GoogleSpec::demo() }, 7, &"p_1".into())
    }

    #[test]
    fn the_points_of_a_stretch_add_up_to_what_was_counted() {
        for series in all().iter().filter(|s| s.metric.kind == MetricKind::Delta) {
            let counted = |n| match series.point(n).value {
                Value::Integer(count) => count,
                Value::Distribution(d) => {
                    assert_eq!(d.counts.iter().sum::<i64>(), d.count);
                    d.count
                }
                other => panic!("{other:?}"),
            };
            let total: i64 = (1000..2000).map(counted).sum();
            assert_eq!(total, series.counted(1000, 1999), "{}", series.metric.name);
            assert!((1000..2000).all(|n| counted(n) > 0));
        }
    }

    #[test]
    fn points_come_after_their_delay_and_some_come_late() {
        let series = all().into_iter().find(|s| s.metric.name == "run.googleapis.com/request_count").unwrap();
        let lateness = |n| series.readable_at(n).since(series.end_of(n)).as_secs();
        assert!((1..10_000).all(|n| (90..=330).contains(&lateness(n))));
        let late = (1..10_000).filter(|n| lateness(*n) > 90).count();
        assert!((350..650).contains(&late), "{late}");
        let now = series.end_of(5000);
        let points = series.points(now.minus(Duration::from_secs(600)), now, now);
        assert!(points.windows(2).all(|w| w[0].end > w[1].end));
        assert!(points.iter().all(|p| p.end <= now.minus(Duration::from_secs(90))));
        assert!((6..=9).contains(&points.len()), "{}", points.len());
    }

    #[test]
    fn cumulative_points_grow_from_their_start_time() {
        let series = all().into_iter().find(|s| s.metric.name == "kubernetes.io/container/restart_count").unwrap();
        let (a, b) = (series.point(30_010), series.point(30_011));
        assert_eq!(a.start, b.start);
        let number = |p: &Point| if let Value::Integer(n) = p.value { n } else { -1 };
        assert_eq!(number(&b) - number(&a), series.counted(30_011, 30_011));
        assert!(series.point(40_000).start > b.start);
    }
}
