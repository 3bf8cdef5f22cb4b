use super::*;
use crate::gcp::job::tests::job;
use crate::gcp::job::{Filter, Window};

fn texts(given: &[&str]) -> Vec<Text> {
    given.iter().map(|t| Text::from(*t)).collect()
}

fn descriptor(kind: MetricKind, period: u64, delay: u64) -> Descriptor {
    Descriptor {
        name: "n".into(),
        metric_type: "t.googleapis.com/x".into(),
        kind,
        value_type: ValueType::Int64,
        unit: "1".into(),
        description: "".into(),
        sample_period: Some(Duration::from_secs(period)),
        ingest_delay: IngestDelay::Known(Duration::from_secs(delay)),
    }
}

const fn at(seconds: i64) -> Timestamp {
    Timestamp::from_secs(seconds)
}

#[test]
fn prefixes_swallow_longer_ones_and_values_narrow_them() {
    let given = texts(&["b/", "a/usage_ratio", "a/usage", "b/", "c"]);
    assert_eq!(prefixes(&given), texts(&["a/usage", "b/", "c"]));
    assert_eq!(prefixes(&texts(&["", "x"])), texts(&[""]));
    assert_eq!(narrowed(&given, &texts(&["b/one", "b/two", "a", "z"])), texts(&["b/one", "b/two"]));
    assert!(narrowed(&given, &texts(&["a"])).is_empty(), "a shorter one narrows nothing");
}

#[test]
fn filters_are_those_of_the_peer() {
    let mut job = job();
    job.filters = ["t.googleapis.com/:a=\"1\"", "T.googleapis.com/x:b=2", "t.googleapis.com/y:c=3"]
        .iter()
        .filter_map(|f| Filter::parse(f))
        .collect();
    assert_eq!(descriptors_filter(&job, "p", "t."), "metric.type = starts_with(\"t.\")");
    let expected = "metric.type=\"t.googleapis.com/x\" AND (a=\"1\") AND (b=2)";
    assert_eq!(series_filter(&job, "p", "t.googleapis.com/x"), expected);
    assert_eq!(series_filter(&job, "p", "T.googleapis.com/x"), "metric.type=\"T.googleapis.com/x\"");
    job.drop_delegated_projects = true;
    assert_eq!(descriptors_filter(&job, "p", "t."), "project = \"p\" AND metric.type = starts_with(\"t.\")");
    assert_eq!(series_filter(&job, "p", "u"), "project=\"p\" AND metric.type=\"u\"");
}

#[test]
fn windows_are_fixed_or_continue_where_the_last_one_ended() {
    let mut job = job();
    let delta = descriptor(MetricKind::Delta, 60, 180);
    let fixed = span(&job, &delta, Some(at(1)), at(10_000)).unwrap();
    assert_eq!((fixed.start, fixed.end), (at(9_700), at(10_000)));
    job.window = Window { ingest_delay: true, offset: Duration::from_secs(20), ..job.window };
    let shifted = span(&job, &delta, None, at(10_000)).unwrap();
    assert_eq!((shifted.start, shifted.end), (at(9_500), at(9_800)));
    let bad = Descriptor { ingest_delay: IngestDelay::Unreadable("x".into()), ..delta.clone() };
    assert_eq!(span(&job, &bad, None, at(10_000)), Err(BadIngestDelay("x".into())));

    job.window = Window { continues: true, ..Window::default() };
    assert_eq!(span(&job, &delta, None, at(10_000)).unwrap().start, at(9_700));
    assert_eq!(span(&job, &delta, Some(at(5_000)), at(10_000)).unwrap().start, at(4_400));
    assert_eq!(span(&job, &delta, Some(at(5_000)), at(500_000)).unwrap().start, at(500_000 - 86_400));
    let gauge = descriptor(MetricKind::Gauge, 60, 180);
    assert_eq!(span(&job, &gauge, Some(at(5_000)), at(10_000)).unwrap().start, at(9_700));
}

#[test]
fn at_its_own_pace_a_metric_is_due_once_a_period_and_its_window_holds_the_newest_point() {
    let auto = Interval::Auto { least: Duration::from_secs(60) };
    let slow = descriptor(MetricKind::Gauge, 3600, 600);
    assert!(is_due(auto, &slow, None, at(0)));
    assert!(!is_due(auto, &slow, Some(at(3_600)), at(4_199)));
    assert!(is_due(auto, &slow, Some(at(3_600)), at(4_200)));
    assert_eq!(next_due(auto, &slow, at(4_200)), Some(at(7_800)));
    assert!(is_due(Interval::Fixed(Duration::from_secs(60)), &slow, Some(at(3_600)), at(3_601)));
    let mut job = job();
    job.timing.interval = auto;
    assert_eq!(span(&job, &slow, None, at(10_000)).unwrap().start, at(10_000 - 7_200 - 600));
}

#[test]
fn text_and_what_is_excluded_is_not_asked_for() {
    let mut job = job();
    let mut d = descriptor(MetricKind::Gauge, 60, 0);
    assert!(is_wanted(&job, &d));
    d.value_type = ValueType::Text;
    assert!(!is_wanted(&job, &d));
    d.value_type = ValueType::Double;
    job.exclude_prefixes = texts(&["t.googleapis.com/"]);
    assert!(!is_wanted(&job, &d));
}

#[test]
fn durations_are_gos() {
    for (text, expected) in [
        ("60s", Some(60_000)),
        ("21720s", Some(21_720_000)),
        ("1.5s", Some(1_500)),
        ("1h30m", Some(5_400_000)),
        ("5ms", Some(5)),
        ("0", Some(0)),
        ("", None),
        ("60", None),
        ("s", None),
        ("bogus", None),
        ("1d", None),
    ] {
        assert_eq!(duration(text), expected.map(Duration::from_millis), "{text}");
    }
}
