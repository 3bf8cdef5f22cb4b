use super::*;
use proptest::prelude::*;

/// What a simulated series does: `arrival(end)` is when the period that ends there can be read, if ever.
struct Series<'a> {
    rhythm: Rhythm,
    arrival: &'a dyn Fn(i64) -> Option<i64>,
}

/// The end of a period, and when its point was got.
type Slot = (i64, Option<i64>);

const START: i64 = 1_700_000_123;

fn auto(period: u32, delay: u64) -> Rhythm {
    Rhythm {
        period_seconds: NonZeroU32::new(period).unwrap(),
        delay_seconds: delay,
        rule: WindowRule::Complete,
        pace: Pace::Auto,
    }
}

impl Series<'_> {
    /// Asks whenever it is due; returns when that was, and for each slot after the first two: when its point was got.
    fn run(&self, seconds: i64, fails: &dyn Fn(usize) -> bool) -> (Vec<i64>, Vec<Slot>, Learned) {
        let (mut track, mut learned, mut asks, mut got) = (Track::default(), Learned::default(), vec![], vec![]);
        let period = i64::from(self.rhythm.period_seconds.get());
        let mut now = START;
        while now < START + seconds {
            let at = Timestamp::from_secs(now);
            assert!(track.is_due(at));
            let beat = Beat::new(&self.rhythm, &learned, 7, at);
            asks.push(now);
            if fails(asks.len()) {
                track.failed(&beat);
            } else {
                let (start, end) = self.rhythm.window(at, learned.late_seconds, period.unsigned_abs());
                let from = self.rhythm.evidence_start(start, end).as_secs();
                let first = plan::floor(from + period - 1, period);
                let ends = (1..).map(|n| first + n * period).take_while(|e| *e <= end.as_secs());
                let seen: Vec<i64> = ends.filter(|e| (self.arrival)(*e).is_some_and(|a| a <= now)).collect();
                let mut lessons = Lessons::default();
                let mut starts = seen.iter().map(|e| Timestamp::from_secs(e - period));
                track.answered(&beat, &mut starts, &mut lessons);
                learned.take(&self.rhythm, &lessons);
                got.extend(seen.iter().map(|e| (*e, Some(now))));
            }
            now = i64::from(track.due).max(now + 1);
        }
        let cadence = i64::from(self.rhythm.cadence_seconds());
        let first = plan::floor(START + 2 * cadence, cadence);
        let slots = (0..).map(|n| first + n * cadence).take_while(|b| *b < START + seconds);
        let when = |b: i64| got.iter().filter(|(e, _)| *e == b).filter_map(|(_, at)| *at).min();
        (asks, slots.map(|b| (b, when(b))).collect(), learned)
    }
}

const WEEK: i64 = 7 * 86_400;

#[test]
fn a_regular_series_is_asked_for_once_a_period_and_on_time() {
    for (period, delay, cadence) in
        [(60, 120, 300), (300, 60, 300), (3_600, 300, 3_600), (86_400, 9_000, 86_400), (120, 600, 360), (420, 90, 420)]
    {
        let delay_secs = i64::try_from(delay).unwrap();
        let series = Series { rhythm: auto(period, delay), arrival: &|end| Some(end + delay_secs) };
        let (asks, slots, _) = series.run(WEEK, &|_| false);
        let periods = usize::try_from(WEEK / cadence).unwrap();
        assert!((periods - 2..=periods + 2).contains(&asks.len()), "{period}: {} asks", asks.len());
        for (boundary, got) in &slots[..slots.len() - 2] {
            assert_eq!(*got, Some(boundary + delay_secs + 7), "period {period}");
        }
    }
}

#[test]
fn points_that_come_later_than_expected_are_learned() {
    // Daily, 14 hours late: found by asking again, then asked for in time.
    let late = 14 * 3_600;
    let series = Series { rhythm: auto(86_400, 9_000), arrival: &|end| Some(end + late) };
    let (asks, slots, learned) = series.run(60 * 86_400, &|_| false);
    let settled = &slots[10..slots.len() - 2];
    for (boundary, got) in settled {
        let after = got.expect("every day is seen") - boundary;
        assert!(after <= late + 8 * 3_600, "{after}");
    }
    assert!(learned.late_seconds > 30_000, "{learned:?}");
    assert!(asks.len() <= 60 * 288 / 100, "{} asks in sixty days", asks.len());
    // Five minutes, and the last point is never there in time: without learning nothing would ever be shown.
    let series = Series { rhythm: auto(300, 120), arrival: &|end| Some(end + 400) };
    let (asks, slots, learned) = series.run(WEEK, &|_| false);
    assert!(asks.len() <= 2_016 + 1);
    assert!((280..420).contains(&learned.late_seconds), "{learned:?}");
    let on_time = slots.iter().filter(|(b, got)| got.is_some_and(|g| g - b <= 520)).count();
    assert!(on_time * 100 >= slots.len() * 95, "{on_time} of {}", slots.len());
}

#[test]
fn useless_reasks_become_rare() {
    // Every third day only: a streak is short, so it is soon not worth asking again.
    let series = Series { rhythm: auto(86_400, 9_000), arrival: &|end| (end / 86_400 % 3 == 0).then_some(end + 9_000) };
    let (asks, ..) = series.run(365 * 86_400, &|_| false);
    assert!(asks.len() <= 365 + 1 + 2 * 3, "{}", asks.len());
}

#[test]
fn after_an_outage_it_is_asked_for_at_once() {
    let series = Series { rhythm: auto(3_600, 120), arrival: &|end| Some(end + 120) };
    // Asks 10 to 25 fail.
    let (asks, ..) = series.run(2 * 86_400, &|n| (10..26).contains(&n));
    let gaps: Vec<i64> = asks.windows(2).map(|p| p[1] - p[0]).collect();
    assert!(gaps[9..25].iter().all(|g| *g <= 300), "{gaps:?}");
}

#[test]
fn a_fixed_interval_keeps_its_grid() {
    let rhythm = Rhythm { pace: Pace::Every(Duration::from_secs(60)), ..auto(300, 0) };
    let series = Series { rhythm, arrival: &Some };
    let (asks, ..) = series.run(3_600, &|n| n % 5 == 0);
    assert!(asks.windows(2).all(|p| p[1] - p[0] == 60));
}

proptest! {
    // Each case is two days of asking; CI has seconds.
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    /// The promise: whatever is published whenever, whatever fails, at no time has a series been asked for more often than
    /// a fixed interval of five minutes from its first ask would have done.
    #[test]
    fn never_dearer_than_five_minutes(
        period in prop::sample::select(vec![1_u32, 60, 120, 300, 420, 600, 900, 3_600, 21_600, 86_400]),
        delay in prop::sample::select(vec![0_u64, 60, 120, 600, 9_000]),
        present in prop::collection::vec(any::<bool>(), 1..40),
        lags in prop::collection::vec(0_i64..40_000, 1..20),
        failing in prop::collection::vec(prop::bool::weighted(0.1), 1..30),
    ) {
        let pick = |end: i64, n: usize| usize::try_from(end / i64::from(period)).unwrap() % n;
        let lag = |end: i64| lags[pick(end, lags.len())] % (i64::from(period) * 3 + 600);
        let arrival = |end: i64| present[pick(end, present.len())].then(|| end + lag(end));
        let series = Series { rhythm: auto(period, delay), arrival: &arrival };
        let (asks, ..) = series.run(2 * 86_400, &|n| failing[n % failing.len()]);
        for (n, at) in asks.iter().enumerate() {
            let paid = (at - START) / i64::from(LEAST_INTERVAL_SECONDS);
            prop_assert!(i64::try_from(n).unwrap() <= paid, "ask {n} at {}", at - START);
        }
    }

    /// A missing point costs three more asks at most, and then the next period's come.
    #[test]
    fn at_most_four_asks_a_period(
        period in prop::sample::select(vec![600_u32, 900, 3_600, 86_400]),
        present in prop::collection::vec(any::<bool>(), 1..40),
    ) {
        let arrival = |end: i64| {
            present[usize::try_from(end / i64::from(period)).unwrap() % present.len()].then_some(end + 100)
        };
        let series = Series { rhythm: auto(period, 120), arrival: &arrival };
        let (asks, ..) = series.run(i64::from(period) * 60, &|_| false);
        // The first ask comes whenever the series is found.
        for window in asks[1..].windows(5) {
            prop_assert!(window[4] - window[0] >= i64::from(period) - i64::from(LEAST_INTERVAL_SECONDS));
        }
    }
}
