//! Windows of aggregation, aligned to the wall clock: what several intervals had becomes one distribution. A window is
//! complete when the clock has left it.

use std::time::Duration;

use hashbrown::HashMap;

use super::Series;
use super::distribution::Observed;
use super::interval::MAX_SERIES;
use crate::host::reading::{Distribution, Value};
use crate::model::Timestamp;

/// Series in all windows together: of one that ends and one that begins.
const MAX_OPEN: usize = 2 * MAX_SERIES;
/// Values that are kept for all series together; then each series has at most one.
const MAX_KEPT: usize = 100_000;

#[derive(Debug)]
pub(super) struct Windows {
    width_ms: i64,
    open: HashMap<(i64, Series), Open>,
    kept: usize,
}

#[derive(Debug)]
struct Open {
    observed: Observed,
    first: Timestamp,
}

impl Windows {
    pub(super) fn new(width: Duration) -> Self {
        let width_ms = i64::try_from(width.as_millis()).unwrap_or(i64::MAX).max(1);
        Self { width_ms, open: HashMap::new(), kept: 0 }
    }

    fn start(&self, at: Timestamp) -> i64 {
        at.as_millis().saturating_sub(at.as_millis().rem_euclid(self.width_ms))
    }

    /// Adds what an interval had; false when there is no room for another series.
    pub(super) fn add(&mut self, series: Series, value: &Value, at: Timestamp) -> bool {
        let key = (self.start(at), series);
        if self.open.len() >= MAX_OPEN && !self.open.contains_key(&key) {
            return false;
        }
        let open = self.open.entry(key).or_insert_with(|| Open { observed: Observed::default(), first: at });
        let room = MAX_KEPT.saturating_sub(self.kept);
        self.kept += match value {
            Value::Number(n) => open.observed.add(*n, 1.0, room > 0),
            Value::Distribution(d) => open.observed.merge(d, room),
        };
        true
    }

    /// The windows that the clock has left: to the next one, or back (a clock may be set).
    pub(super) fn take_complete(&mut self, now: Timestamp) -> Vec<(Series, Distribution, Timestamp)> {
        let current = self.start(now);
        self.take(|start| start != current)
    }

    pub(super) fn take_all(&mut self) -> Vec<(Series, Distribution, Timestamp)> {
        self.take(|_| true)
    }

    fn take(&mut self, is_due: impl Fn(i64) -> bool) -> Vec<(Series, Distribution, Timestamp)> {
        let due: Vec<_> = self.open.extract_if(|(start, _), _| is_due(*start)).collect();
        due.into_iter()
            .filter_map(|((_, series), open)| {
                self.kept = self.kept.saturating_sub(open.observed.len());
                Some((series, open.observed.finish().filter(|d| d.sum.is_finite())?, open.first))
            })
            .collect()
    }
}
