//! PutMetricData: what CloudWatch refuses, then into the books of what was pushed.

use std::borrow::Cow;
use std::time::Duration;

use super::metric_data::{Dim, MAX_DIMENSIONS};
use crate::model::Timestamp;
use crate::sim::cloud::{Caller, Cloud};
use crate::sim::pushed::Datum;
use crate::sim::refusal::Refusal;
use crate::sim::value::Stats;

/// Data in one request, CloudWatch's limit.
const MAX_DATA: usize = 1000;
/// Values of one datum, CloudWatch's limit.
const MAX_VALUES: usize = 150;
/// Characters of a dimension's name, CloudWatch's limit.
const MAX_NAME: usize = 255;
/// Characters of a dimension's value, CloudWatch's limit.
const MAX_VALUE: usize = 1024;
/// How old a datum may be.
const MAX_AGE: Duration = Duration::from_hours(14 * 24);
/// How far ahead of the cloud's time a datum may be.
const MAX_AHEAD: Duration = Duration::from_hours(2);
/// 2^360: values beyond it, on either side, are refused.
const MAX_MAGNITUDE: f64 = 2.348_542_582_773_833e108;

/// What is written.
#[derive(Debug, Default)]
pub(crate) struct PutRequest<'a> {
    pub(crate) namespace: Cow<'a, str>,
    pub(crate) data: Vec<PutDatum<'a>>,
}

/// One datum as it came in.
#[derive(Debug, Default)]
pub(crate) struct PutDatum<'a> {
    pub(crate) metric: Cow<'a, str>,
    pub(crate) dimensions: Vec<Dim<'a>>,
    pub(crate) at: Option<Timestamp>,
    pub(crate) value: Option<f64>,
    /// SampleCount, Sum, Minimum, Maximum.
    pub(crate) statistics: Option<[f64; 4]>,
    pub(crate) values: Vec<f64>,
    pub(crate) counts: Vec<f64>,
    pub(crate) unit: Option<Cow<'a, str>>,
    pub(crate) resolution_seconds: Option<i64>,
}

/// Keeps the data of a good request; returns how many there were.
pub(crate) fn put(cloud: &Cloud, caller: &Caller, request: &PutRequest<'_>, now: Timestamp) -> Result<u64, Refusal> {
    let invalid = |why: &str| Refusal::new("InvalidParameterValue", why);
    let namespace = &*request.namespace;
    if namespace.is_empty() || namespace.len() > MAX_NAME || namespace.starts_with([':']) {
        return Err(invalid("The parameter Namespace is not a namespace."));
    }
    if namespace.starts_with("AWS/") {
        return Err(invalid("The parameter Namespace must not begin with AWS/."));
    }
    if request.data.is_empty() || request.data.len() > MAX_DATA {
        return Err(invalid("The collection MetricData must have 1 to 1000 members."));
    }
    let data = request.data.iter().map(|datum| datum.check(now)).collect::<Result<Vec<Datum>, String>>();
    let data = data.map_err(|why| Refusal::new("InvalidParameterValue", why))?;
    let count = u64::try_from(data.len()).unwrap_or(u64::MAX);
    if cloud.pushed.put(caller, namespace, data) {
        Ok(count)
    } else {
        Err(Refusal::new("LimitExceeded", "This simulated cloud holds no more series."))
    }
}

impl PutDatum<'_> {
    fn check(&self, now: Timestamp) -> Result<Datum, String> {
        let no = |why: &str| format!("The datum of metric '{}' {why}.", self.metric);
        if self.metric.is_empty() || self.metric.len() > MAX_NAME {
            return Err(no("has no good name"));
        }
        let at = self.at.unwrap_or(now);
        if at < now.minus(MAX_AGE) || at > now.plus(MAX_AHEAD) {
            return Err(no("has a time more than two weeks ago or two hours ahead"));
        }
        let resolution_seconds = self.resolution_seconds.unwrap_or(60);
        if ![1, 60].contains(&resolution_seconds) {
            return Err(no("has a storage resolution that is neither 1 nor 60"));
        }
        Ok(Datum {
            metric: self.metric.to_string(),
            dimensions: self.dimensions().map_err(no)?,
            unit: self.unit.as_deref().unwrap_or("None").to_owned(),
            at,
            resolution_seconds,
            stats: self.stats().map_err(no)?,
        })
    }

    fn dimensions(&self) -> Result<Vec<(String, String)>, &'static str> {
        let good = |(name, value): &Dim<'_>| {
            let lengths = (1..=MAX_NAME).contains(&name.len()) && (1..=MAX_VALUE).contains(&value.len());
            lengths && !name.starts_with(':') && !name.trim().is_empty() && !value.trim().is_empty()
        };
        if self.dimensions.len() > MAX_DIMENSIONS {
            return Err("has more than 30 dimensions");
        }
        if !self.dimensions.iter().all(good) {
            return Err("has a dimension whose name or value is empty or too long");
        }
        let mut sorted: Vec<_> = self.dimensions.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect();
        sorted.sort();
        let before = sorted.len();
        sorted.dedup_by(|a, b| a.0 == b.0);
        if sorted.len() < before { Err("has a dimension twice") } else { Ok(sorted) }
    }

    fn stats(&self) -> Result<Stats, &'static str> {
        let given = [self.value.is_some(), self.statistics.is_some(), !self.values.is_empty()];
        if given.iter().filter(|is| **is).count() != 1 {
            return Err("must have exactly one of Value, StatisticValues and Values");
        }
        if self.values.len() > MAX_VALUES {
            return Err("has more than 150 values");
        }
        if !self.counts.is_empty() && self.counts.len() != self.values.len() {
            return Err("has not as many counts as values");
        }
        let stats = match (self.value, self.statistics) {
            (Some(value), _) => Stats::flat(1.0, value),
            (_, Some([count, sum, min, max])) => Stats { count, sum, min, max },
            _ => {
                let mut all = Stats::NONE;
                let counts = self.counts.iter().copied().chain(std::iter::repeat(1.0));
                self.values.iter().zip(counts).for_each(|(value, count)| all.add(&Stats::flat(count, *value)));
                all
            }
        };
        let numbers = [stats.count, stats.sum, stats.min, stats.max];
        let finite = numbers.iter().all(|n| n.is_finite() && n.abs() <= MAX_MAGNITUDE);
        if !finite || stats.count <= 0.0 || stats.min > stats.max {
            return Err("has numbers that are not finite, too large, or contradict each other");
        }
        Ok(stats)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn datum() -> PutDatum<'static> {
        PutDatum { metric: "m".into(), value: Some(1.0), ..PutDatum::default() }
    }

    #[test]
    fn what_cloudwatch_refuses_is_refused() {
        let now = Timestamp::from_secs(1_800_000_000);
        let dims = |n: usize| (0..n).map(|i| (format!("d{i}").into(), "v".into())).collect();
        let bad = [
            PutDatum { metric: "".into(), ..datum() },
            PutDatum { value: Some(f64::NAN), ..datum() },
            PutDatum { value: Some(f64::INFINITY), ..datum() },
            PutDatum { value: None, ..datum() },
            PutDatum { statistics: Some([1.0, 1.0, 1.0, 1.0]), ..datum() },
            PutDatum { value: None, statistics: Some([1.0, 1.0, 2.0, 1.0]), ..datum() },
            PutDatum { value: None, values: vec![1.0; 151], ..datum() },
            PutDatum { value: None, values: vec![1.0; 2], counts: vec![1.0], ..datum() },
            PutDatum { dimensions: dims(31), ..datum() },
            PutDatum { dimensions: vec![("a".into(), "".into())], ..datum() },
            PutDatum { dimensions: vec![("a".into(), "1".into()), ("a".into(), "2".into())], ..datum() },
            PutDatum { at: Some(now.minus(Duration::from_hours(24 * 15))), ..datum() },
            PutDatum { at: Some(now.plus(Duration::from_hours(3))), ..datum() },
            PutDatum { resolution_seconds: Some(30), ..datum() },
        ];
        for (i, datum) in bad.iter().enumerate() {
            assert!(datum.check(now).is_err(), "number {i}");
        }
        let good =
            PutDatum { value: None, values: vec![1.0, 5.0], counts: vec![2.0, 1.0], dimensions: dims(30), ..datum() };
        let stats = good.check(now).unwrap().stats;
        assert_eq!(stats, Stats { count: 3.0, sum: 7.0, min: 1.0, max: 5.0 });
    }
}
