//! The statistics that CloudWatch knows, computed from a period's [`Stats`]. Between minimum and maximum the samples are
//! taken to lie on a line with one bend, placed so that their mean is the period's average: every percentile, trimmed
//! mean and rank then agrees with the four basic statistics.

use crate::sim::value::Stats;

/// A statistic, read from its name.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Statistic {
    Average,
    Sum,
    Minimum,
    Maximum,
    SampleCount,
    /// `p99.9`, as a fraction.
    Percentile(f64),
    /// `TM`, `tm`, `IQM`: the mean of what is inside.
    TrimmedMean(Bounds),
    /// `WM`: the mean with what is outside moved to the bounds.
    WinsorizedMean(Bounds),
    /// `TC`: how many are inside.
    TrimmedCount(Bounds),
    /// `TS`: their sum.
    TrimmedSum(Bounds),
    /// `PR`: how many of a hundred are inside.
    PercentileRank(Bounds),
}

/// The part of the samples that a trimmed statistic looks at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Bounds {
    /// Fractions of the samples in order.
    Share(f64, f64),
    /// Values.
    Value(f64, f64),
}

impl Statistic {
    /// Reads a name as CloudWatch writes it; `None` when it is not a statistic.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "Average" => Self::Average,
            "Sum" => Self::Sum,
            "Minimum" => Self::Minimum,
            "Maximum" => Self::Maximum,
            "SampleCount" => Self::SampleCount,
            "IQM" => Self::TrimmedMean(Bounds::Share(0.25, 0.75)),
            _ => return Self::parse_extended(text),
        })
    }

    fn parse_extended(text: &str) -> Option<Self> {
        if let Some(n) = text.strip_prefix('p').and_then(percent) {
            return Some(Self::Percentile(n));
        }
        let split = text.char_indices().nth(2).map_or(text.len(), |(i, _)| i);
        let (name, rest) = text.split_at_checked(split)?;
        let short = percent(rest).map(|high| Bounds::Share(0.0, high));
        let bounds = match short {
            Some(bounds) => bounds,
            None => Bounds::parse(rest.strip_prefix('(')?.strip_suffix(')')?)?,
        };
        Some(match name {
            "tm" | "TM" => Self::TrimmedMean(bounds),
            "wm" | "WM" => Self::WinsorizedMean(bounds),
            "tc" | "TC" => Self::TrimmedCount(bounds),
            "ts" | "TS" => Self::TrimmedSum(bounds),
            "PR" if matches!(bounds, Bounds::Value(..)) && short.is_none() => Self::PercentileRank(bounds),
            _ => return None,
        })
    }

    /// The statistic of a period that has samples.
    pub(crate) fn of(self, stats: &Stats) -> f64 {
        let curve = Curve::of(stats);
        match self {
            Self::Average => stats.sum / stats.count,
            Self::Sum => stats.sum,
            Self::Minimum => stats.min,
            Self::Maximum => stats.max,
            Self::SampleCount => stats.count,
            Self::Percentile(p) => curve.value(p),
            Self::TrimmedMean(b) => {
                let (low, high) = curve.shares(b);
                curve.mean(low, high)
            }
            Self::WinsorizedMean(b) => {
                let (low, high) = curve.shares(b);
                let inside = curve.mean(low, high) * (high - low);
                low * curve.value(low) + inside + (1.0 - high) * curve.value(high)
            }
            Self::TrimmedCount(b) => {
                let (low, high) = curve.shares(b);
                (stats.count * (high - low)).round()
            }
            Self::TrimmedSum(b) => {
                let (low, high) = curve.shares(b);
                curve.mean(low, high) * (stats.count * (high - low)).round()
            }
            Self::PercentileRank(b) => {
                let (low, high) = curve.shares(b);
                100.0 * (high - low)
            }
        }
    }
}

impl Bounds {
    /// `10%:90%`, `:90%`, `0.5:2`; a side left out is the end.
    fn parse(text: &str) -> Option<Self> {
        let (low, high) = text.split_once(':')?;
        let shares = [low, high].iter().any(|side| side.ends_with('%'));
        if !shares {
            let low = if low.is_empty() { f64::NEG_INFINITY } else { number(low)? };
            let high = if high.is_empty() { f64::INFINITY } else { number(high)? };
            return (low < high && !text.eq(":")).then_some(Self::Value(low, high));
        }
        let low = if low.is_empty() { 0.0 } else { percent(low.strip_suffix('%')?)? };
        let high = if high.is_empty() { 1.0 } else { percent(high.strip_suffix('%')?)? };
        (low < high).then_some(Self::Share(low, high))
    }
}

/// A plain decimal number (no exponent, no infinity).
fn number(text: &str) -> Option<f64> {
    let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit() || b == b'.' || b == b'-');
    plain.then(|| text.parse().ok()).flatten()
}

/// `0`–`100` as a fraction.
fn percent(text: &str) -> Option<f64> {
    number(text).filter(|n| (0.0..=100.0).contains(n)).map(|n| n / 100.0)
}

/// The samples of a period in order: from `min` by `mid` to `max`.
struct Curve {
    min: f64,
    mid: f64,
    max: f64,
}

impl Curve {
    fn of(stats: &Stats) -> Self {
        let mean = stats.sum / stats.count;
        let mid = (2.0 * mean - 0.5 * (stats.min + stats.max)).clamp(stats.min, stats.max.max(stats.min));
        Self { min: stats.min, mid, max: stats.max }
    }

    /// The value below which the share `p` of the samples lies.
    fn value(&self, p: f64) -> f64 {
        if p <= 0.5 {
            self.min + (self.mid - self.min) * 2.0 * p
        } else {
            self.mid + (self.max - self.mid) * (2.0 * p - 1.0)
        }
    }

    /// The mean of the samples between two shares.
    fn mean(&self, low: f64, high: f64) -> f64 {
        if high <= low {
            return self.value(low);
        }
        let area = |a: f64, b: f64| if b > a { (b - a) * 0.5 * (self.value(a) + self.value(b)) } else { 0.0 };
        (area(low.min(0.5), high.min(0.5)) + area(low.max(0.5), high.max(0.5))) / (high - low)
    }

    fn shares(&self, bounds: Bounds) -> (f64, f64) {
        match bounds {
            Bounds::Share(low, high) => (low, high),
            Bounds::Value(low, high) => (self.share(low), self.share(high)),
        }
    }

    /// The inverse of `value`. A bound takes in the samples that equal it, as an upper bound does in CloudWatch.
    fn share(&self, v: f64) -> f64 {
        if v >= self.max {
            1.0
        } else if v <= self.min {
            0.0
        } else if v <= self.mid {
            0.5 * (v - self.min) / (self.mid - self.min)
        } else {
            0.5 + 0.5 * (v - self.mid) / (self.max - self.mid)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(name: &str, stats: &Stats) -> f64 {
        Statistic::parse(name).unwrap_or_else(|| panic!("{name} is a statistic")).of(stats)
    }

    #[test]
    fn names_are_read_as_cloudwatch_writes_them() {
        for good in [
            "Average",
            "Sum",
            "Minimum",
            "Maximum",
            "SampleCount",
            "IQM",
            "p0",
            "p50",
            "p99.9",
            "p100",
            "tm90",
            "TM(10%:90%)",
            "TM(:90%)",
            "TM(10%:)",
            "TM(0.5:2)",
            "wm98",
            "WM(:5)",
            "tc99",
            "TC(1:)",
            "ts95",
            "TS(2%:98%)",
            "PR(:300)",
            "PR(100:2000)",
        ] {
            assert!(Statistic::parse(good).is_some(), "{good}");
        }
        for bad in [
            "",
            "p",
            "p101",
            "p-1",
            "pNaN",
            "pinf",
            "average",
            "Median",
            "TM",
            "TM()",
            "TM(:)",
            "TM(90%:10%)",
            "PR(10%:20%)",
            "PR50",
            "tm",
            "TM(10%:90)",
            "TM(a:b)",
            "é",
            "TM(1e3:)",
        ] {
            assert!(Statistic::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn equal_samples_have_equal_statistics() {
        let flat = Stats::flat(4.0, 5.0);
        for name in ["Average", "Minimum", "Maximum", "p1", "p99", "TM(10%:90%)", "WM(10%:90%)", "IQM"] {
            assert!((of(name, &flat) - 5.0).abs() < 1e-12, "{name}");
        }
        assert!((of("PR(:5)", &flat) - 100.0).abs() < 1e-12);
        assert!((of("TC(:100%)", &flat) - 4.0).abs() < 1e-12);
    }

    prop_compose! {
        fn any_stats()(min in -1e6..1e6_f64, width in 0.0..1e6_f64, place in 0.0..1.0_f64, count in 2..1000_u32) -> Stats {
            let count = f64::from(count);
            Stats { count, sum: (min + width * place) * count, min, max: min + width }
        }
    }

    proptest! {
        #[test]
        fn percentiles_rise_between_the_extremes(stats in any_stats(), a in 0.0..100.0_f64, b in 0.0..100.0_f64) {
            let (low, high) = (of(&format!("p{}", a.min(b)), &stats), of(&format!("p{}", a.max(b)), &stats));
            let slack = 1e-6 * (1.0 + stats.max.abs() + stats.min.abs());
            prop_assert!(stats.min - slack <= low && low <= high + slack && high <= stats.max + slack);
        }

        #[test]
        fn trimmed_means_lie_within_their_bounds(stats in any_stats(), a in 0..50_u8, b in 51..=100_u8) {
            let slack = 1e-6 * (1.0 + stats.max.abs() + stats.min.abs());
            for name in ["TM", "WM"] {
                let mean = of(&format!("{name}({a}%:{b}%)"), &stats);
                let (low, high) = (of(&format!("p{a}"), &stats), of(&format!("p{b}"), &stats));
                prop_assert!(low - slack <= mean && mean <= high + slack, "{name} {low} {mean} {high}");
            }
        }

        #[test]
        fn any_text_is_read_without_panic(text in ".{0,12}") {
            let _ = Statistic::parse(&text);
        }
    }
}
