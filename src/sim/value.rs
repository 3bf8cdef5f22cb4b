//! value = f(seed, series, time). Everything follows from hashes and the four basic operations, so a value is the same
//! on every machine to the last bit (no libm: its sine differs between platforms).

use crate::sim::metric::Shape;

/// What CloudWatch keeps of a period: the four numbers from which all its statistics come.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stats {
    /// SampleCount.
    pub count: f64,
    /// Sum.
    pub sum: f64,
    /// Minimum.
    pub min: f64,
    /// Maximum.
    pub max: f64,
}

impl Stats {
    /// Nothing yet; [`Stats::add`] makes it something.
    pub(crate) const NONE: Self = Self { count: 0.0, sum: 0.0, min: f64::INFINITY, max: f64::NEG_INFINITY };

    /// `count` samples of one value.
    pub(crate) fn flat(count: f64, value: f64) -> Self {
        Self { count, sum: count * value, min: value, max: value }
    }

    /// Both together.
    pub(crate) fn add(&mut self, other: &Self) {
        self.count += other.count;
        self.sum += other.sum;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }
}

/// The seeds and the size of what a series measures.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin {
    /// The resource's: its metrics move together.
    pub(crate) resource: u64,
    /// The series' own.
    pub(crate) series: u64,
    /// How long a native period is, in seconds.
    pub(crate) resolution_seconds: u32,
}

/// Scrambles 64 bits (splitmix64's finisher).
pub(crate) const fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// A seed that differs for each salt.
pub(crate) const fn derive(seed: u64, salt: u64) -> u64 {
    mix(seed ^ salt.wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

/// The upper 32 bits as a number in `0.0..1.0`.
pub(crate) fn unit(hash: u64) -> f64 {
    f64::from(u32::try_from(hash >> 32).unwrap_or(0)) / 4_294_967_296.0
}

/// Seeds for what is asked of one moment.
const ACTIVITY: u64 = 1;
const SHARE: u64 = 2;
const PRESENCE: u64 = 3;
const LATENESS: u64 = 4;

fn at(seed: u64, start: i64, salt: u64) -> u64 {
    mix(derive(seed, salt) ^ start.cast_unsigned())
}

/// How big a resource is: 0.25 to 4.25, most of them small.
fn size(resource: u64) -> f64 {
    let u = unit(derive(resource, 11));
    0.25 + 4.0 * u * u * u
}

/// How busy a resource is: a hump each day, at its own hour, and some noise. 0.2 to 1.7.
fn activity(resource: u64, start: i64) -> f64 {
    const DAY: i64 = 86_400;
    let phase = unit(derive(resource, 12));
    let second = i32::try_from(start.rem_euclid(DAY)).unwrap_or(0);
    let x = f64::from(second) / 86_400.0 + phase;
    let x = if x >= 1.0 { x - 1.0 } else { x };
    0.2 + 4.0 * x * (1.0 - x) + 0.5 * unit(at(resource, start, ACTIVITY))
}

/// Whether a metric that is there `per_mille` of the time is there in this native period.
pub(crate) fn is_present(series: u64, start: i64, per_mille: u16) -> bool {
    per_mille >= 1000 || unit(at(series, start, PRESENCE)) * 1000.0 < f64::from(per_mille)
}

/// How many seconds later than usual this native period's point appears: 0 to `spread`.
pub(crate) fn lateness_seconds(series: u64, start: i64, spread: u32) -> u32 {
    if spread == 0 {
        return 0;
    }
    u32::try_from(at(series, start, LATENESS) % u64::from(spread)).unwrap_or(0)
}

/// The native period that starts at `start` (seconds since 1970).
pub(crate) fn stats(shape: Shape, origin: &Origin, start: i64) -> Stats {
    let busy = activity(origin.resource, start);
    let u = unit(at(origin.series, start, SHARE));
    let per_native = f64::from(origin.resolution_seconds) / 60.0;
    let events = |rate: f64| (rate * per_native * size(origin.resource) * busy).round();
    match shape {
        Shape::Gauge { low, high } => {
            let height = (0.75 * busy / 1.7 + 0.25 * u).min(1.0);
            let mean = low + (high - low) * height;
            spread(per_native.max(1.0), mean, (0.06 * mean).min(mean - low).min(high - mean).max(0.0))
        }
        Shape::Level { high } => Stats::flat(per_native.max(1.0), (high * size(origin.resource) * busy * u).round()),
        Shape::Flag => Stats::flat(per_native.max(1.0), if u < 0.0005 { 1.0 } else { 0.0 }),
        Shape::Events { per_minute } => match events(per_minute) {
            n if n >= 1.0 => Stats::flat(n, 1.0),
            _ => Stats::flat(1.0, 0.0),
        },
        Shape::Amount { per_minute } => {
            let mean = (events(per_minute) * (0.8 + 0.4 * u) / per_native).round();
            spread(per_native.max(1.0), mean, (0.2 * mean).floor())
        }
        Shape::Part { per_minute, per_mille } => {
            let all = events(per_minute).max(1.0);
            let of_them = (all * per_mille * 2.0 * u / 1000.0).round().min(all);
            let flag = |yes: bool| if yes { 1.0 } else { 0.0 };
            Stats { count: all, sum: of_them, min: flag(of_them >= all), max: flag(of_them > 0.0) }
        }
        Shape::Timing { per_minute, typical } => {
            let mean = typical * (0.6 + 0.5 * u + 0.3 * busy);
            let n = events(per_minute).max(1.0);
            if n < 2.0 {
                return Stats::flat(1.0, mean);
            }
            Stats { count: n, sum: n * mean, min: mean * (0.2 + 0.3 * u), max: mean * (2.0 + 6.0 * u * u) }
        }
        Shape::Stock { start: at_first, per_day } => {
            let days = f64::from(i32::try_from(start.div_euclid(86_400)).unwrap_or(0));
            Stats::flat(1.0, ((at_first + per_day * days) * size(origin.resource)).round())
        }
    }
}

/// `count` samples around a mean; a single sample cannot differ from itself.
fn spread(count: f64, mean: f64, width: f64) -> Stats {
    let width = if count < 2.0 { 0.0 } else { width };
    Stats { count, sum: count * mean, min: mean - width, max: mean + width }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SHAPES: [Shape; 8] = [
        Shape::Gauge { low: 2.0, high: 90.0 },
        Shape::Level { high: 300.0 },
        Shape::Flag,
        Shape::Events { per_minute: 90.0 },
        Shape::Amount { per_minute: 2000.0 },
        Shape::Part { per_minute: 90.0, per_mille: 8.0 },
        Shape::Timing { per_minute: 90.0, typical: 130.0 },
        Shape::Stock { start: 4e9, per_day: 2e7 },
    ];

    proptest! {
        #[test]
        fn the_four_numbers_agree(resource: u64, series: u64, period in 20_000_000..40_000_000_i64, long: bool) {
            let resolution_seconds = if long { 300 } else { 60 };
            let origin = Origin { resource, series, resolution_seconds };
            for shape in SHAPES {
                let s = stats(shape, &origin, period * 60);
                let mean = s.sum / s.count;
                prop_assert!(s.count >= 1.0 && s.min >= 0.0, "{shape:?} {s:?}");
                let slack = 1e-9 * (1.0 + s.max);
                prop_assert!(s.min - slack <= mean && mean <= s.max + slack, "{shape:?} {s:?}");
                if let Shape::Gauge { low, high } = shape {
                    prop_assert!(s.min >= low && s.max <= high, "{s:?}");
                }
            }
        }
    }

    #[test]
    fn values_are_the_same_on_every_machine() {
        let origin = Origin { resource: 7, series: 9, resolution_seconds: 60 };
        let values: Vec<u64> = SHAPES.iter().map(|shape| stats(*shape, &origin, 1_795_219_200).sum.to_bits()).collect();
        assert_eq!(values, EXPECTED, "a change here changes every golden file that was made with a world");
    }

    /// Bits of the doubles.
    const EXPECTED: [u64; 8] = [
        0x404a_ac38_e4de_b4fc,
        0x406a_2000_0000_0000,
        0x0000_0000_0000_0000,
        0x405b_0000_0000_0000,
        0x40a3_4c00_0000_0000,
        0x3ff0_0000_0000_0000,
        0x40d0_4c2a_81fd_5cfa,
        0x425d_6847_5da9_4000,
    ];

    #[test]
    fn values_move() {
        let origin = Origin { resource: 7, series: 9, resolution_seconds: 60 };
        let day: Vec<f64> = (0..1440).map(|m| stats(SHAPES[0], &origin, 1_795_219_200 + 60 * m).sum).collect();
        let (low, high) = day.iter().fold((f64::MAX, f64::MIN), |(l, h), v| (l.min(*v), h.max(*v)));
        assert!(high > 2.0 * low, "from {low} to {high} in a day");
        assert!(day.windows(2).all(|pair| pair[0].to_bits() != pair[1].to_bits()));
    }

    #[test]
    fn a_sparse_metric_is_there_as_often_as_it_says() {
        let there = (0..10_000).filter(|n| is_present(3, n * 60, 300)).count();
        assert!((2_800..3_200).contains(&there), "{there} of 10,000");
        assert!((0..100).all(|n| is_present(3, n * 60, 1000)));
    }
}
