//! Data within CloudWatch's bounds: what it would refuse is left out, values of one moment are folded into one datum, and
//! a request is full before it would be too large. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::datum::{MAX_MAGNITUDE, MAX_NAME_CHARS, MAX_VALUES};
use crate::model::{Datum, MetricIdentity, Timestamp, Values};

/// Data of one request, CloudWatch's limit.
pub const MAX_DATA: usize = 1000;
/// Bytes of one request before compression. CloudWatch's limit is 1 MB; the rest is for the request's own fields.
pub const MAX_REQUEST_BYTES: usize = 990_000;
/// A datum without its texts in the wordiest of CloudWatch's protocols (the form): names of fields, time, unit, resolution.
const DATUM_BYTES: usize = 280;
/// Names of fields of one dimension.
const DIMENSION_BYTES: usize = 100;
/// A value with its count.
const VALUE_BYTES: usize = 110;
/// A character can be encoded in so many.
const ENCODED: usize = 3;

/// Whether CloudWatch takes a metric of that name.
pub fn is_good(of: &MetricIdentity) -> bool {
    !of.name.trim().is_empty() && of.name.chars().nth(MAX_NAME_CHARS).is_none()
}

/// The data of one metric at one moment: values and how often each was seen, multiplied by `scale`. The second number is
/// how many values CloudWatch would refuse (not finite, too large); they are left out.
pub fn data(
    of: &Arc<MetricIdentity>,
    at: Timestamp,
    values: impl Iterator<Item = (f64, f64)>,
    scale: f64,
) -> (Vec<Datum>, usize) {
    let mut bad = 0;
    let mut good: Vec<(f64, f64)> = Vec::new();
    for (value, count) in values.map(|(value, count)| (value * scale, count)) {
        let is_good = |n: f64| n.is_finite() && n.abs() <= MAX_MAGNITUDE;
        if is_good(value) && is_good(count) && count > 0.0 {
            good.push((value, count));
        } else {
            bad += 1;
        }
    }
    (split(of, at, good), bad)
}

fn split(of: &Arc<MetricIdentity>, at: Timestamp, mut values: Vec<(f64, f64)>) -> Vec<Datum> {
    values.sort_by(|a, b| a.0.total_cmp(&b.0));
    values.dedup_by(|later, first| {
        let same = later.0.total_cmp(&first.0).is_eq();
        if same {
            first.1 += later.1;
        }
        same
    });
    let datum = |values: &[(f64, f64)]| {
        let values = match values {
            [(value, count)] if (*count - 1.0).abs() < f64::EPSILON => Values::One(*value),
            many => Values::Counted(many.to_vec()),
        };
        Datum { of: Arc::clone(of), at, values }
    };
    values.chunks(MAX_VALUES).map(datum).collect()
}

/// Folds data of the same metric and moment into one datum each: several processes of one name, for example. In order of
/// time.
pub fn fold(data: Vec<Datum>) -> Vec<Datum> {
    let mut by_moment: BTreeMap<(Timestamp, Arc<MetricIdentity>), Vec<Datum>> = BTreeMap::new();
    for datum in data {
        by_moment.entry((datum.at, Arc::clone(&datum.of))).or_default().push(datum);
    }
    let fold = |((at, of), mut data): ((Timestamp, Arc<MetricIdentity>), Vec<Datum>)| {
        if data.len() > 1 {
            data = split(&of, at, data.iter().flat_map(|datum| datum.values.iter().collect::<Vec<_>>()).collect());
        }
        data
    };
    by_moment.into_iter().flat_map(fold).collect()
}

/// A request that is being filled.
#[derive(Debug, Default)]
pub struct Filling {
    data: usize,
    bytes: usize,
}

impl Filling {
    /// Takes a datum, unless the request would be too large with it. The first one always fits.
    pub fn takes(&mut self, datum: &Datum) -> bool {
        let bytes = self.bytes + estimated_bytes(datum);
        if self.data > 0 && (self.data >= MAX_DATA || bytes > MAX_REQUEST_BYTES) {
            return false;
        }
        self.data += 1;
        self.bytes = bytes;
        true
    }
}

/// An upper estimate: percent-encoding triples a character of a form.
fn estimated_bytes(datum: &Datum) -> usize {
    let dimension = |(name, value): (&crate::model::Text, &crate::model::Text)| {
        DIMENSION_BYTES + ENCODED * (name.len() + value.len())
    };
    let values = match &datum.values {
        Values::One(_) => 1,
        Values::Counted(many) => many.len(),
    };
    let dimensions: usize = datum.of.dimensions.iter().map(dimension).sum();
    DATUM_BYTES + ENCODED * datum.of.name.len() + dimensions + VALUE_BYTES * values
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{LabelSet, StandardUnit};
    use proptest::prelude::*;

    fn metric(name: &str) -> Arc<MetricIdentity> {
        let dimensions = LabelSet::new(vec![("host".into(), "h".into())]);
        Arc::new(MetricIdentity { name: name.into(), dimensions, unit: StandardUnit::NONE, high_resolution: false })
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_secs(seconds)
    }

    #[test]
    fn what_cloudwatch_refuses_is_left_out_and_counted() {
        let values = [(1.0, 1.0), (f64::NAN, 1.0), (f64::INFINITY, 1.0), (1e109, 1.0), (-1e109, 1.0), (2.0, 0.0)];
        let (found, bad) = data(&metric("m"), at(0), values.into_iter(), 1.0);
        assert_eq!((found.len(), bad), (1, 5));
        assert_eq!(found[0].values, Values::One(1.0));
        assert!(is_good(&metric(&"n".repeat(255))) && !is_good(&metric(&"n".repeat(256))) && !is_good(&metric(" ")));
    }

    #[test]
    fn values_are_exact_counted_and_scaled() {
        let (found, _) = data(&metric("m"), at(0), [(3.0, 1.0), (-1.0, 2.0), (3.0, 1.0)].into_iter(), 2.0);
        assert_eq!(found[0].values, Values::Counted(vec![(-2.0, 2.0), (6.0, 2.0)]));
        let many = (0..400).map(|n| (f64::from(n), 1.0));
        let (found, _) = data(&metric("m"), at(0), many, 1.0);
        assert_eq!(found.iter().map(|d| d.values.iter().count()).collect::<Vec<_>>(), [150, 150, 100]);
    }

    #[test]
    fn data_of_one_moment_are_folded() {
        let one = |name: &str, seconds, value| Datum { of: metric(name), at: at(seconds), values: Values::One(value) };
        let folded =
            fold(vec![one("b", 2, 1.0), one("a", 1, 5.0), one("a", 1, 5.0), one("a", 1, 4.0), one("a", 2, 7.0)]);
        let shown: Vec<_> = folded.iter().map(|d| (d.at.as_secs(), &*d.of.name, d.values.clone())).collect();
        assert_eq!(
            shown,
            [
                (1, "a", Values::Counted(vec![(4.0, 1.0), (5.0, 2.0)])),
                (2, "a", Values::One(7.0)),
                (2, "b", Values::One(1.0))
            ]
        );
    }

    #[test]
    fn a_request_is_closed_before_it_is_too_large() {
        let datum = Datum { of: metric("m"), at: at(0), values: Values::One(1.0) };
        let mut filling = Filling::default();
        assert_eq!((0..2_000).filter(|_| filling.takes(&datum)).count(), MAX_DATA);
        let wide = Datum { of: metric(&"ü".repeat(255)), at: at(0), values: Values::Counted(vec![(1.0, 1.0); 150]) };
        let mut filling = Filling::default();
        let n = (0..2_000).filter(|_| filling.takes(&wide)).count();
        assert!(n * estimated_bytes(&wide) <= MAX_REQUEST_BYTES && n > 40, "{n}");
    }

    proptest! {
        #[test]
        fn folding_keeps_every_value(values in prop::collection::vec((0_i64..3, 0_u8..3, -5_i32..5), 0..400)) {
            let names = [metric("a"), metric("b"), metric("c")];
            let data: Vec<Datum> = values
                .iter()
                .map(|(t, n, v)| Datum { of: Arc::clone(&names[usize::from(*n)]), at: at(*t), values: Values::One(f64::from(*v)) })
                .collect();
            let folded = fold(data);
            let sum = |data: &[Datum]| data.iter().flat_map(|d| d.values.iter().collect::<Vec<_>>()).map(|(v, c)| v * c).sum::<f64>();
            let count: f64 = folded.iter().flat_map(|d| d.values.iter().collect::<Vec<_>>()).map(|(_, c)| c).sum();
            let wanted: f64 = values.iter().map(|(_, _, v)| f64::from(*v)).sum();
            prop_assert!((sum(&folded) - wanted).abs() < 1e-9);
            prop_assert!((count - f64::from(u32::try_from(values.len()).unwrap())).abs() < 1e-9);
            prop_assert!(folded.iter().all(|d| d.values.iter().count() <= MAX_VALUES));
        }
    }
}
