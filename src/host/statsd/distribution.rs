//! Many values of one series, within bounds.

use std::collections::BTreeMap;

use crate::host::reading::Distribution;

/// Different values that are kept of one series: ten datums of CloudWatch's 150. Later ones are counted as the nearest that is
/// there; smallest, largest and sum stay exact.
pub(super) const MAX_VALUES: usize = 1500;

/// What was observed, and how often.
#[derive(Clone, Debug, Default)]
pub(super) struct Observed {
    /// Bits of a value, ordered as numbers are → weight.
    values: BTreeMap<u64, f64>,
    sum: f64,
    weight: f64,
    bounds: Option<(f64, f64)>,
    is_rounded: bool,
}

impl Observed {
    /// Counts a value. Returns by how many entries it grew: 0 or 1. `has_room` is false when no further value may be kept.
    pub(super) fn add(&mut self, value: f64, weight: f64, has_room: bool) -> usize {
        let key = order(value);
        self.sum += value * weight;
        self.weight += weight;
        let (low, high) = self.bounds.unwrap_or((value, value));
        self.bounds = Some((low.min(value), high.max(value)));
        if let Some(seen) = self.values.get_mut(&key) {
            *seen += weight;
            return 0;
        }
        let nearest = if has_room && self.values.len() < MAX_VALUES { None } else { self.nearest(value) };
        if let Some(seen) = nearest.and_then(|key| self.values.get_mut(&key)) {
            *seen += weight;
            self.is_rounded = true;
            return 0;
        }
        self.values.insert(key, weight);
        1
    }

    /// Adds another distribution. Returns by how many entries it grew, at most `room`.
    pub(super) fn merge(&mut self, other: &Distribution, room: usize) -> usize {
        let (sum, mut grown, mut pairs) = (self.sum, 0, 0.0);
        for (value, weight) in &other.values {
            grown += self.add(*value, *weight, grown < room);
            pairs += value * weight;
        }
        // Its statistics are exact, its values perhaps not.
        self.sum = sum + other.sum;
        self.is_rounded |= (pairs - other.sum).abs() > 0.0;
        let (low, high) = self.bounds.unwrap_or((other.minimum, other.maximum));
        self.bounds = Some((low.min(other.minimum), high.max(other.maximum)));
        grown
    }

    fn nearest(&self, value: f64) -> Option<u64> {
        let key = order(value);
        let below = self.values.range(..key).next_back().map(|(k, _)| *k);
        let above = self.values.range(key..).next().map(|(k, _)| *k);
        match (below, above) {
            (Some(below), Some(above)) => {
                Some(if value - unorder(below) <= unorder(above) - value { below } else { above })
            }
            (below, above) => below.or(above),
        }
    }

    /// How many different values are kept.
    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    /// The distribution; weights become whole numbers. `None` when there was nothing.
    pub(super) fn finish(self) -> Option<Distribution> {
        let (minimum, maximum) = self.bounds?;
        let values: Vec<(f64, f64)> =
            self.values.into_iter().map(|(key, weight)| (unorder(key), weight.trunc().max(1.0))).collect();
        let count: f64 = values.iter().map(|(_, n)| n).sum();
        let sum = if self.is_rounded {
            self.sum * (count / self.weight)
        } else {
            values.iter().map(|(value, n)| value * n).sum()
        };
        Some(Distribution { values, minimum, maximum, sum, count })
    }
}

const SIGN: u64 = 1 << 63;

/// Bits that are ordered as the numbers are.
fn order(value: f64) -> u64 {
    // -0 and 0 are one value.
    let bits = (value + 0.0).to_bits();
    if bits & SIGN == 0 { bits | SIGN } else { !bits }
}

fn unorder(key: u64) -> f64 {
    f64::from_bits(if key & SIGN == 0 { !key } else { key & !SIGN })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn values_are_exact_and_ascending() {
        let mut observed = Observed::default();
        for value in [7.0, -2.5, 7.0, 0.0, -0.0] {
            observed.add(value, 1.0, true);
        }
        let d = observed.finish().unwrap();
        assert_eq!(d.values, [(-2.5, 1.0), (0.0, 2.0), (7.0, 2.0)]);
        assert_eq!((d.minimum, d.maximum, d.sum, d.count), (-2.5, 7.0, 11.5, 5.0));
    }

    #[test]
    fn weights_are_cut_to_whole_numbers() {
        let mut observed = Observed::default();
        for _ in 0..5 {
            observed.add(10.0, 1.0 / 0.3, true);
        }
        let d = observed.finish().unwrap();
        assert_eq!((d.values, d.count, d.sum), (vec![(10.0, 16.0)], 16.0, 160.0));
    }

    #[test]
    fn too_many_different_values_are_counted_as_their_neighbours() {
        let mut observed = Observed::default();
        for n in 0..100_000_u32 {
            observed.add(f64::from(n), 1.0, true);
        }
        let d = observed.finish().unwrap();
        assert_eq!(d.values.len(), MAX_VALUES);
        assert_eq!((d.minimum, d.maximum, d.count, d.sum), (0.0, 99_999.0, 100_000.0, 4_999_950_000.0));
    }

    proptest! {
        #[test]
        fn order_is_that_of_numbers(a in -1e300..1e300_f64, b in -1e300..1e300_f64) {
            prop_assert_eq!(order(a).cmp(&order(b)), a.total_cmp(&b));
            prop_assert_eq!(unorder(order(a)).to_bits(), a.to_bits());
        }
    }
}
