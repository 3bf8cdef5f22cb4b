use proptest::prelude::*;

use super::*;

const RULES: Deltas = Deltas { aggregate: true, ttl: Duration::from_secs(1800), peers_way: false };
const HOUR: Duration = Duration::from_secs(3600);

fn minute(n: i64) -> Timestamp {
    Timestamp::from_secs(n * 60)
}

fn collection(now: i64) -> Collection {
    Collection { now: minute(now), end: minute(now), lateness: HOUR }
}

fn labels(value: &str) -> LabelSet {
    LabelSet::new(vec![("s".into(), value.into())])
}

fn delta(series: &str, points: &[(i64, i64)]) -> Delta {
    let addend =
        |(end, n): &(i64, i64)| Addend { start: Some(minute(end - 1)), end: minute(*end), amount: Amount::Integer(*n) };
    Delta { name: "m".into(), labels: labels(series), addends: points.iter().map(addend).collect() }
}

fn counts(bounds: &[f64], counts: &[u64]) -> Counts {
    let all = counts.last().copied().unwrap_or(0);
    let bounds = Arc::new(Bounds::new(bounds.to_vec()));
    Counts { counts: counts[..bounds.values().len()].to_vec(), bounds, all, count: all, sum: 1.5 }
}

fn distribution(end: i64, c: Counts) -> Delta {
    let addend = Addend { start: None, end: minute(end), amount: Amount::Counts(c) };
    Delta { name: "d".into(), labels: labels("a"), addends: vec![addend] }
}

/// (labels' value, total, minute) of every counter.
fn shown(totals: &mut TypeTotals, now: i64) -> Vec<(String, i64, i64)> {
    let row = |c: Counter| {
        let Amount::Integer(n) = c.amount else { panic!("{:?}", c.amount) };
        (c.labels.get("s").unwrap().to_string(), n, c.at.as_secs() / 60)
    };
    totals.show(RULES, minute(now)).into_iter().map(row).collect()
}

#[test]
fn the_first_answer_starts_with_the_newest_point_and_later_ones_add_every_point() {
    let mut t = TypeTotals::default();
    t.begin(minute(100));
    t.add(delta("a", &[(98, 10), (97, 5)]), RULES, collection(100));
    assert_eq!(shown(&mut t, 100), [("a".into(), 10, 98)]);
    // 99 and 100 are new, 97 and 98 are not.
    t.add(delta("a", &[(100, 1), (99, 2), (98, 10), (97, 5)]), RULES, collection(102));
    assert_eq!(shown(&mut t, 102), [("a".into(), 13, 100)]);
    // A series that appears in our time counts from its beginning.
    t.add(delta("b", &[(103, 7), (102, 8), (99, 100)]), RULES, collection(104));
    assert_eq!(shown(&mut t, 104)[1], ("b".into(), 15, 103));
}

#[test]
fn a_late_point_is_added_and_its_sample_is_later_than_the_one_before() {
    let mut t = TypeTotals::default();
    t.begin(minute(100));
    t.add(delta("a", &[(100, 1)]), RULES, collection(100));
    t.add(delta("a", &[(103, 10)]), RULES, collection(103));
    let before = t.show(RULES, minute(103)).remove(0).at;
    t.add(delta("a", &[(103, 10), (102, 100)]), RULES, collection(103));
    assert!(!t.add(delta("a", &[(103, 10), (102, 100)]), RULES, collection(103)), "nothing new");
    let after = t.show(RULES, minute(103)).remove(0);
    assert_eq!(after.amount, Amount::Integer(111));
    assert!(after.at > before);
}

#[test]
fn a_silent_counter_moves_on_with_the_minutes_and_is_forgotten_in_the_end() {
    let mut t = TypeTotals::default();
    t.begin(minute(100));
    t.add(delta("a", &[(98, 1)]), RULES, collection(100));
    assert_eq!(shown(&mut t, 100)[0].2, 98);
    for later in 101..=130 {
        assert_eq!(shown(&mut t, later), [("a".into(), 1, later - 2)]);
    }
    assert!(shown(&mut t, 131).is_empty());
    t.add(delta("a", &[(131, 4)]), RULES, collection(132));
    assert_eq!(shown(&mut t, 132), [("a".into(), 4, 131)], "it starts anew");
}

#[test]
fn the_time_of_a_silent_counter_goes_back_only_with_the_peer() {
    let half = Duration::from_secs(30);
    for (peers_way, expected) in [(true, minute(98)), (false, minute(98).plus(half))] {
        let (mut t, rules) = (TypeTotals::default(), Deltas { peers_way, ..RULES });
        t.begin(minute(100));
        let mut late = delta("a", &[(98, 1)]);
        late.addends[0].end = minute(98).plus(half);
        let now = minute(100).plus(half);
        t.add(late, rules, Collection { now, ..collection(100) });
        let times = [(); 2].map(|()| t.show(rules, now).remove(0).at);
        assert_eq!(times, [minute(98).plus(half), expected], "{peers_way}");
    }
}

#[test]
fn what_is_older_than_points_may_be_late_is_not_taken() {
    let mut t = TypeTotals::default();
    t.begin(minute(0));
    let at = |now| Collection { lateness: Duration::from_secs(600), ..collection(now) };
    t.add(delta("a", &[(100, 1)]), RULES, at(100));
    t.add(delta("a", &[(90, 10), (91, 100)]), RULES, at(101));
    assert_eq!(shown(&mut t, 101)[0].1, 111, "pages of one window come in any order");
    t.settle(at(101));
    t.add(delta("a", &[(89, 1_000), (92, 1)]), RULES, at(102));
    assert_eq!(shown(&mut t, 102)[0].1, 112);
    assert_eq!(t.entries[0].taken.len(), 3, "what cannot come again is not remembered");
}

#[test]
fn counts_add_up_bucket_by_bucket() {
    let mut t = TypeTotals::default();
    for end in [101, 102] {
        t.begin(minute(100));
        t.add(distribution(end, counts(&[1.0, 2.0], &[1, 3, 4])), RULES, collection(102));
    }
    let Amount::Counts(c) = t.show(RULES, minute(102)).remove(0).amount else { panic!() };
    assert_eq!((c.counts, c.all, c.count), (vec![2, 6], 8, 8));
    assert!((c.sum - 3.0).abs() < f64::EPSILON);
}

#[test]
fn when_the_bounds_change_buckets_stay_cumulative_or_are_mixed_as_the_peer_does() {
    for (peers_way, expected) in [(true, [5, 6, 1, 3]), (false, [5, 6, 6, 9])] {
        let mut t = TypeTotals::default();
        let rules = Deltas { peers_way, ..RULES };
        t.begin(minute(100));
        t.add(distribution(101, counts(&[0.5, 1.0, 10.0], &[5, 5, 5, 5])), rules, collection(101));
        t.add(distribution(102, counts(&[1.0, 5.0, 20.0], &[1, 1, 3, 4])), rules, collection(102));
        let Amount::Counts(c) = t.show(rules, minute(102)).remove(0).amount else { panic!() };
        assert_eq!(c.bounds.values(), [0.5, 1.0, 5.0, 10.0, 20.0]);
        let but_10: Vec<u64> = [0, 1, 2, 4].iter().map(|at| c.counts[*at]).collect();
        let expected_20 = if peers_way { 3 } else { 8 };
        assert_eq!(but_10, [expected[0], expected[1], expected[2], expected_20], "{peers_way}");
        assert_eq!(c.all, 9);
        assert_eq!(c.counts.is_sorted(), !peers_way);
    }
}

#[test]
fn a_document_brings_everything_back() {
    let mut totals = Totals::default();
    let t = totals.of(&"projects/p/metricDescriptors/m".into());
    t.begin(minute(100));
    t.watermark = Some(minute(101));
    t.add(delta("a", &[(102, i64::MAX), (101, i64::MAX)]), RULES, collection(102));
    t.add(distribution(101, counts(&[0.1, 1e300], &[5, 6, 7])), RULES, collection(102));
    t.show(RULES, minute(102));
    let again = Totals::from_bytes(&totals.to_bytes()).unwrap();
    assert_eq!(again, totals);
    assert!(Totals::from_bytes(b"[{").is_err());
}

proptest! {
    /// Windows of any width, in any order, that overlap, repeat, and miss points that come later: as long as each point is
    /// in some answer while it may be late, the total is the sum of all of them.
    #[test]
    fn every_point_counts_once(
        amounts in proptest::collection::vec(0_i64..1_000, 1..60),
        answers in proptest::collection::vec((0_usize..60, 1_usize..60, any::<u64>()), 0..40),
        restart in 0_usize..40,
    ) {
        let mut totals = Totals::default();
        let name = Text::from("d");
        let point = |n: usize| (i64::try_from(n).unwrap() + 101, amounts[n]);
        totals.of(&name).begin(minute(100));
        let answer = |totals: &mut Totals, points: Vec<(i64, i64)>| {
            totals.of(&name).add(delta("a", &points), RULES, collection(200));
            totals.of(&name).settle(collection(200));
        };
        for (turn, (from, width, missing)) in answers.iter().enumerate() {
            if turn == restart {
                totals = Totals::from_bytes(&totals.to_bytes()).unwrap();
            }
            let wanted = (*from..from + width).filter(|n| *n < amounts.len() && missing >> (n % 64) & 1 == 0);
            answer(&mut totals, wanted.map(point).collect());
        }
        // Whatever was late is there in the end, newest first.
        answer(&mut totals, (0..amounts.len()).rev().map(point).collect());
        answer(&mut totals, (0..amounts.len()).map(point).collect());
        let total = shown(totals.of(&name), 200)[0].1;
        prop_assert_eq!(total, amounts.iter().sum::<i64>());
    }
}
