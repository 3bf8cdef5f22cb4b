//! Histograms: the bounds of their buckets, which many series share, and their counts.

use std::sync::Arc;

use super::Timestamp;
use super::number::write_number;

/// The upper bounds of a histogram's buckets, ascending; the last bucket, which has none, is not among them.
#[derive(Debug)]
pub struct Bounds {
    values: Box<[f64]>,
    /// How each is spelled on a page: spelled once, written for every series.
    text: Box<[u8]>,
    ends: Box<[u32]>,
}

impl Bounds {
    /// Sorts; of equal ones one stays, and what is no number, or as good as no bound, goes.
    pub fn new(mut values: Vec<f64>) -> Self {
        values.retain(|v| *v < f64::INFINITY);
        values.sort_by(f64::total_cmp);
        values.dedup();
        let (mut text, mut ends) = (Vec::new(), Vec::with_capacity(values.len()));
        for value in &values {
            write_number(&mut text, *value);
            ends.push(u32::try_from(text.len()).unwrap_or(u32::MAX));
        }
        Self { values: values.into(), text: text.into(), ends: ends.into() }
    }

    /// The bounds.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// How each bound is spelled, in their order.
    pub fn spelled(&self) -> impl Iterator<Item = &[u8]> {
        let mut start = 0;
        self.ends.iter().map(move |end| {
            let end = *end as usize;
            let spelled = self.text.get(start..end).unwrap_or_default();
            start = end;
            spelled
        })
    }
}

impl PartialEq for Bounds {
    fn eq(&self, other: &Self) -> bool {
        self.values == other.values
    }
}

/// The value of a histogram's series at one time.
#[derive(Clone, Debug, PartialEq)]
pub struct Histogram {
    /// The buckets.
    pub bounds: Arc<Bounds>,
    /// For each bound, how many values are not above it.
    pub counts: Arc<[u64]>,
    /// The count of the last bucket, the one without a bound.
    pub all: u64,
    /// How many values there are. A cloud may give another number than that of the last bucket.
    pub count: u64,
    /// Their sum.
    pub sum: f64,
    /// The sample's time, where it has its own.
    pub at: Option<Timestamp>,
    /// Since when it counts, where that is known.
    pub created: Option<Timestamp>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_sorted_finite_and_spelled_like_values() {
        let bounds = Bounds::new(vec![10.0, 0.5, f64::INFINITY, 0.5, 1e7, f64::NAN]);
        assert_eq!(bounds.values(), [0.5, 10.0, 1e7]);
        let spelled: Vec<&[u8]> = bounds.spelled().collect();
        assert_eq!(spelled, [&b"0.5"[..], b"10", b"1e+07"]);
        assert_eq!(Bounds::new(vec![]).spelled().count(), 0);
    }
}
