//! Where a plugin puts what it measured: only the wanted fields come through, with their units.

use std::borrow::Cow;

use super::job::{Plugin, Wanted};
use super::reading::{Measurement, Value};
use crate::model::{LabelSet, Text, Timestamp};

/// One pass of one job.
pub(super) struct Output<'a> {
    pub(super) job: usize,
    pub(super) plugin: Plugin,
    pub(super) wanted: &'a Wanted,
    pub(super) when: Timestamp,
    pub(super) list: &'a mut Vec<Measurement>,
}

impl Output<'_> {
    /// Adds a measurement when its field is wanted. What is no number is left out: a quotient without a divisor is nothing.
    pub(super) fn put(&mut self, field: &str, tags: &LabelSet, value: f64) {
        let Some(field) = self.wanted.field(field).filter(|_| value.is_finite()) else { return };
        self.list.push(Measurement {
            job: self.job,
            plugin: self.plugin,
            field: Cow::Borrowed(field.name),
            unit: field.unit,
            tags: tags.clone(),
            value: Value::Number(value),
            when: self.when,
        });
    }

    /// Adds the growth of a counter. One that went down has started anew, so it is not known how much it grew.
    pub(super) fn put_growth(&mut self, field: &str, tags: &LabelSet, before: u64, now: u64) {
        if let Some(growth) = now.checked_sub(before) {
            self.put(field, tags, super::text::float(growth));
        }
    }
}

/// Tags; empty values are left out.
pub(super) fn tags(pairs: &[(&str, &str)]) -> LabelSet {
    let there = pairs.iter().filter(|(_, value)| !value.is_empty());
    LabelSet::new(there.map(|(name, value)| (Text::from(*name), Text::from(*value))).collect())
}
