//! Distributions to histograms: the bounds of their buckets, computed bit for bit as the peer computes them, and counts.
//! Pure.

use std::cmp::Ordering;
use std::sync::Arc;

use crate::gcp::api::{Buckets, Distribution};
use crate::gcp::job::Keep;
use crate::model::{Bounds, Histogram, Timestamp};

/// More buckets than this are no distribution of ours: Google allows 200.
const MAX_BOUNDS: u32 = 10_000;
/// Layouts that are remembered: a metric has one, seldom a few.
const REMEMBERED: usize = 16;

/// The bounds of a distribution, and where each one's count comes from.
#[derive(Debug)]
pub struct Layout {
    /// Ascending, each once.
    pub bounds: Arc<Bounds>,
    /// For each bound, the position of its bucket; of equal bounds the last.
    from: Box<[usize]>,
    /// How many bounds were given: the last bucket comes behind them.
    given: usize,
}

/// Counts of the buckets of a layout, as they are printed.
#[derive(Clone, Debug, PartialEq)]
pub struct Counts {
    /// The bounds.
    pub bounds: Arc<Bounds>,
    /// For each bound, how many values are not above it.
    pub counts: Vec<u64>,
    /// The count of the last bucket.
    pub all: u64,
    /// How many values, as the distribution says it.
    pub count: u64,
    /// Mean times count.
    pub sum: f64,
}

/// Remembers the layouts of a metric, so that its series share them.
#[derive(Default)]
pub struct Layouts {
    known: Vec<(Buckets, Arc<Layout>)>,
}

impl Layouts {
    /// The counts of a distribution; `None` when its bounds are of a kind that we do not know, or too many.
    pub fn counts(&mut self, d: &Distribution) -> Option<Counts> {
        let layout = self.layout(&d.buckets)?;
        let mut sum = 0_u64;
        let mut cumulative = Vec::with_capacity(layout.given + 1);
        for bucket in 0..=layout.given {
            let n = d.counts.get(bucket).copied().unwrap_or(0);
            sum = sum.saturating_add(u64::try_from(n).unwrap_or(0));
            cumulative.push(sum);
        }
        let counts = layout.from.iter().map(|at| cumulative.get(*at).copied().unwrap_or(sum)).collect();
        #[expect(clippy::cast_precision_loss, reason = "the peer's arithmetic")]
        let total = d.mean * d.count as f64;
        let count = u64::try_from(d.count).unwrap_or(0);
        Some(Counts { bounds: Arc::clone(&layout.bounds), counts, all: sum, count, sum: total })
    }

    fn layout(&mut self, buckets: &Buckets) -> Option<Arc<Layout>> {
        if let Some((_, known)) = self.known.iter().find(|(b, _)| b == buckets) {
            return Some(Arc::clone(known));
        }
        let layout = Arc::new(Layout::new(&bounds(buckets)?));
        if self.known.len() >= REMEMBERED {
            self.known.remove(0);
        }
        self.known.push((buckets.clone(), Arc::clone(&layout)));
        Some(layout)
    }
}

impl Layout {
    fn new(given: &[f64]) -> Self {
        let bounds = Bounds::new(given.to_vec());
        let last = |bound: &f64| given.iter().rposition(|g| g.partial_cmp(bound) == Some(Ordering::Equal)).unwrap_or(0);
        let from = if bounds.values() == given {
            (0..given.len()).collect()
        } else {
            bounds.values().iter().map(last).collect()
        };
        Self { bounds: Arc::new(bounds), from, given: given.len() }
    }
}

/// The bounds in their own order.
fn bounds(buckets: &Buckets) -> Option<Vec<f64>> {
    match buckets {
        Buckets::Explicit(bounds) => Some(bounds.to_vec()),
        Buckets::Linear { finite, width, offset } if *finite <= MAX_BOUNDS => {
            // Not fused: one rounding less gives other digits.
            Some((0..=*finite).map(|i| offset + f64::from(i) * width).collect())
        }
        Buckets::Exponential { finite, growth, scale } if *finite <= MAX_BOUNDS => {
            Some((0..=*finite).map(|i| scale * power(*growth, i)).collect())
        }
        _ => None,
    }
}

/// By squaring, the lowest bit first: other ways differ in the last digit.
fn power(mut base: f64, mut exponent: u32) -> f64 {
    let mut result = 1.0;
    while exponent > 0 {
        if exponent & 1 == 1 {
            result *= base;
        }
        exponent >>= 1;
        if exponent > 0 {
            base *= base;
        }
    }
    result
}

impl Counts {
    /// The sample of a histogram with these counts.
    pub fn at(self, at: Option<Timestamp>, created: Option<Timestamp>) -> Histogram {
        let Self { bounds, counts, all, count, sum } = self;
        Histogram { bounds, counts: counts.into(), all, count, sum, at, created }
    }

    /// Leaves out the bounds that a rule does not keep.
    #[must_use]
    pub fn kept(self, keep: &Keep) -> Self {
        let n = self.counts.len();
        let values = self.bounds.values();
        let stays = |at: usize| match keep {
            Keep::None => false,
            Keep::Bounds(list) => values.get(at).is_some_and(|v| list.contains(v)),
            Keep::EveryNth(every) => (at + 1).is_multiple_of(every.get() as usize) || at + 1 == n,
            Keep::AtMost(most) => {
                let most = (most.get() as usize).max(1);
                // The (at+1)-th of n bounds begins a new one of `most` equal parts; the last bound always does.
                n <= most || (at + 1) * most / n > at * most / n
            }
        };
        let kept: Vec<usize> = (0..n).filter(|at| stays(*at)).collect();
        if kept.len() == n {
            return self;
        }
        let bounds = Arc::new(Bounds::new(kept.iter().filter_map(|at| values.get(*at).copied()).collect()));
        let counts = kept.iter().filter_map(|at| self.counts.get(*at).copied()).collect();
        Self { bounds, counts, ..self }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use proptest::prelude::*;

    use super::*;

    fn distribution(buckets: Buckets, counts: &[i64]) -> Distribution {
        Distribution { count: counts.iter().sum(), mean: 2.0, buckets, counts: counts.to_vec() }
    }

    fn explicit(bounds: &[f64]) -> Buckets {
        Buckets::Explicit(bounds.into())
    }

    fn counts(d: &Distribution) -> Counts {
        Layouts::default().counts(d).unwrap()
    }

    #[test]
    fn powers_are_those_of_the_peer() {
        // Printed by the peer for growth 1.4, scale 1.
        for (i, expected) in [(5_u32, "5.378239999999998"), (48, "1.0331079714165458e+07")] {
            let mut out = Vec::new();
            crate::model::number::write_number(&mut out, power(1.4, i));
            assert_eq!(String::from_utf8(out).unwrap(), expected, "1.4^{i}");
        }
        assert!((power(2.0, 10) - 1024.0).abs() < f64::EPSILON);
    }

    #[test]
    fn three_kinds_of_bounds() {
        let linear = Buckets::Linear { finite: 3, width: 10.0, offset: 5.0 };
        assert_eq!(counts(&distribution(linear, &[1, 2])).bounds.values(), [5.0, 15.0, 25.0, 35.0]);
        let exponential = Buckets::Exponential { finite: 2, growth: 2.0, scale: 3.0 };
        assert_eq!(counts(&distribution(exponential, &[])).bounds.values(), [3.0, 6.0, 12.0]);
        assert!(Layouts::default().counts(&distribution(Buckets::Unknown, &[1])).is_none());
        let huge = Buckets::Linear { finite: u32::MAX, width: 1.0, offset: 0.0 };
        assert!(Layouts::default().counts(&distribution(huge, &[1])).is_none());
    }

    #[test]
    fn counts_are_cumulative_and_forgiving() {
        let c = counts(&distribution(explicit(&[1.0, 2.0]), &[3]));
        assert_eq!((c.counts, c.all, c.count), (vec![3, 3], 3, 3));
        let more = Distribution { count: 9, ..distribution(explicit(&[1.0, 2.0]), &[1, 2, 3, 4, 5]) };
        let c = counts(&more);
        assert_eq!((c.counts, c.all, c.count), (vec![1, 3], 6, 9), "counts behind the last bucket are ignored");
        assert!((c.sum - 18.0).abs() < f64::EPSILON);
    }

    #[test]
    fn bounds_out_of_order_keep_what_had_come_up_to_them() {
        let c = counts(&distribution(explicit(&[2.0, 1.0, 2.0]), &[1, 10, 100, 1000]));
        assert_eq!(c.bounds.values(), [1.0, 2.0]);
        assert_eq!((c.counts, c.all), (vec![11, 111], 1111));
        let c = counts(&distribution(explicit(&[-0.0, 0.0]), &[1, 10, 100]));
        assert_eq!((c.counts, c.all), (vec![11], 111), "nothing lies between them");
    }

    #[test]
    fn a_rule_merges_buckets_and_keeps_the_counts_of_the_others() {
        let nth = |n| NonZeroU32::new(n).unwrap();
        let d = distribution(explicit(&[1.0, 2.0, 3.0, 4.0, 5.0]), &[1, 1, 1, 1, 1, 1]);
        for (keep, bounds, expected) in [
            (Keep::None, vec![], vec![]),
            (Keep::Bounds(vec![2.0, 9.0]), vec![2.0], vec![2]),
            (Keep::EveryNth(nth(2)), vec![2.0, 4.0, 5.0], vec![2, 4, 5]),
            (Keep::AtMost(nth(2)), vec![3.0, 5.0], vec![3, 5]),
            (Keep::AtMost(nth(9)), vec![1.0, 2.0, 3.0, 4.0, 5.0], vec![1, 2, 3, 4, 5]),
        ] {
            let kept = counts(&d).kept(&keep);
            assert_eq!((kept.bounds.values(), &kept.counts, kept.all), (&bounds[..], &expected, 6), "{keep:?}");
        }
    }

    proptest! {
        #[test]
        fn at_most_is_at_most_and_never_decreases(n in 0_usize..300, most in 1_u32..50) {
            let bounds: Vec<f64> = (0..n).map(|i| f64::from(u32::try_from(i).unwrap())).collect();
            let all: Vec<i64> = (0..=n).map(|i| i64::try_from(i % 7).unwrap()).collect();
            let kept = counts(&distribution(explicit(&bounds), &all)).kept(&Keep::AtMost(NonZeroU32::new(most).unwrap()));
            prop_assert_eq!(kept.counts.len(), n.min(most as usize));
            prop_assert!(kept.counts.is_sorted());
            prop_assert_eq!(kept.bounds.values().last(), bounds.last());
        }
    }
}
