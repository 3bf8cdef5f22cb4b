//! What is written to a cloud: a metric's identity, and one datum of it. Bounds here are CloudWatch's own.

use std::sync::Arc;

use super::{LabelSet, Text, Timestamp};

/// Dimensions of one metric.
pub const MAX_DIMENSIONS: usize = 30;
/// Different values of one datum.
pub const MAX_VALUES: usize = 150;
/// Characters of a metric's name, and of a dimension's.
pub const MAX_NAME_CHARS: usize = 255;
/// Characters of a dimension's value.
pub const MAX_DIMENSION_VALUE_CHARS: usize = 1024;
/// 2^360: values beyond it, on either side, are refused.
pub const MAX_MAGNITUDE: f64 = 2.348_542_582_773_833e108;

/// CloudWatch's units, as it spells them.
const UNITS: [&str; 27] = [
    "Seconds",
    "Microseconds",
    "Milliseconds",
    "Bytes",
    "Kilobytes",
    "Megabytes",
    "Gigabytes",
    "Terabytes",
    "Bits",
    "Kilobits",
    "Megabits",
    "Gigabits",
    "Terabits",
    "Percent",
    "Count",
    "Bytes/Second",
    "Kilobytes/Second",
    "Megabytes/Second",
    "Gigabytes/Second",
    "Terabytes/Second",
    "Bits/Second",
    "Kilobits/Second",
    "Megabits/Second",
    "Gigabits/Second",
    "Terabits/Second",
    "Count/Second",
    "None",
];

/// One of CloudWatch's units.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StandardUnit(&'static str);

impl StandardUnit {
    /// No unit.
    pub const NONE: Self = Self("None");

    /// The unit of that name, in any case.
    pub fn new(name: &str) -> Option<Self> {
        UNITS.iter().find(|unit| unit.eq_ignore_ascii_case(name)).map(|unit| Self(unit))
    }

    /// CloudWatch's spelling.
    pub const fn as_str(self) -> &'static str {
        self.0
    }
}

/// What CloudWatch bills as one metric, with how it is to be stored.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MetricIdentity {
    /// The name.
    pub name: Text,
    /// At most [`MAX_DIMENSIONS`], none of them empty.
    pub dimensions: LabelSet,
    /// The unit.
    pub unit: StandardUnit,
    /// Stored by the second instead of by the minute.
    pub high_resolution: bool,
}

/// One datum.
#[derive(Clone, Debug, PartialEq)]
pub struct Datum {
    /// Of what. Shared: every datum of a metric repeats it.
    pub of: Arc<MetricIdentity>,
    /// When.
    pub at: Timestamp,
    /// How much.
    pub values: Values,
}

/// How much: one value, or several of the same moment.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// One.
    One(f64),
    /// Value and how often; each value once, ascending; at most [`MAX_VALUES`].
    Counted(Vec<(f64, f64)>),
}

impl Values {
    /// Each value and how often it was seen.
    pub fn iter(&self) -> impl Iterator<Item = (f64, f64)> {
        let (one, many) = match self {
            Self::One(value) => (Some((*value, 1.0)), &[][..]),
            Self::Counted(many) => (None, many.as_slice()),
        };
        one.into_iter().chain(many.iter().copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_known_in_any_case() {
        assert_eq!(StandardUnit::new("bytes/second").map(StandardUnit::as_str), Some("Bytes/Second"));
        assert_eq!(StandardUnit::new("Parsec"), None);
        assert_eq!(StandardUnit::new("none"), Some(StandardUnit::NONE));
    }

    #[test]
    fn both_kinds_of_values_are_walked() {
        assert_eq!(Values::One(3.0).iter().collect::<Vec<_>>(), [(3.0, 1.0)]);
        assert_eq!(Values::Counted(vec![(1.0, 2.0), (5.0, 1.0)]).iter().count(), 2);
    }
}
