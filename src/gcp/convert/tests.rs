use super::*;
use crate::gcp::api::{Buckets, Distribution, IngestDelay};
use crate::gcp::job::tests::job;
use crate::gcp::job::{Aggregation, Deltas};

fn descriptor() -> Descriptor {
    Descriptor {
        name: "projects/p/metricDescriptors/t.googleapis.com/x".into(),
        metric_type: "t.googleapis.com/x".into(),
        kind: MetricKind::Gauge,
        value_type: ValueType::Double,
        unit: "By".into(),
        description: "Help.".into(),
        sample_period: None,
        ingest_delay: IngestDelay::Unknown,
    }
}

fn pairs(labels: &[(&str, &str)]) -> Vec<(Text, Text)> {
    labels.iter().map(|(n, v)| (Text::from(*n), Text::from(*v))).collect()
}

fn series(kind: MetricKind, value_type: ValueType, value: Value, labels: &[(&str, &str)]) -> TimeSeries {
    TimeSeries {
        metric_type: "t.googleapis.com/x".into(),
        metric_labels: pairs(labels),
        resource_type: "global".into(),
        resource_labels: pairs(&[("project_id", "p")]),
        kind,
        value_type,
        points: vec![Point { start: None, end: Timestamp::from_millis(1_999), value }],
        ..TimeSeries::default()
    }
}

fn gauge(labels: &[(&str, &str)]) -> TimeSeries {
    series(MetricKind::Gauge, ValueType::Double, Value::Double(1.5), labels)
}

fn converted(job: &Job, page: Vec<TimeSeries>) -> Converted {
    Converter::new(job, &"p".into(), &descriptor()).page(page)
}

fn text(labels: &LabelSet) -> String {
    labels.iter().map(|(n, v)| format!("{n}={v}")).collect::<Vec<_>>().join(",")
}

fn shown(job: &Job, page: Vec<TimeSeries>) -> Vec<String> {
    converted(job, page).shown.iter().map(|s| text(&s.labels)).collect()
}

#[test]
fn kinds_and_types_make_gauges_counters_and_histograms() {
    let job = Job { deltas: Deltas { aggregate: false, ..Deltas::default() }, ..job() };
    let distribution = Value::Distribution(Box::new(Distribution {
        count: 1,
        mean: 1.0,
        buckets: Buckets::Explicit([1.0].into()),
        counts: vec![1],
    }));
    for (kind, value_type, value, expected) in [
        (MetricKind::Gauge, ValueType::Bool, Value::Integer(1), Some(Kind::Gauge)),
        (MetricKind::Gauge, ValueType::Int64, Value::Integer(7), Some(Kind::Gauge)),
        (MetricKind::Delta, ValueType::Double, Value::Double(0.5), Some(Kind::Gauge)),
        (MetricKind::Cumulative, ValueType::Int64, Value::Integer(7), Some(Kind::Counter)),
        (MetricKind::Gauge, ValueType::Distribution, distribution.clone(), Some(Kind::Histogram)),
        (MetricKind::Cumulative, ValueType::Distribution, distribution, Some(Kind::Histogram)),
        (MetricKind::Other, ValueType::Int64, Value::Integer(7), None),
        (MetricKind::Gauge, ValueType::Other, Value::Missing, None),
    ] {
        let converted = converted(&job, vec![series(kind, value_type, value, &[])]);
        assert_eq!(converted.shown.first().map(|s| s.kind), expected, "{kind:?} {value_type:?}");
        assert_eq!(converted.unusable.iter().count(), 0);
    }
}

#[test]
fn of_labels_with_one_name_the_first_has_it() {
    let mut one = gauge(&[("unit", "lost"), ("project_id", "mine"), ("z", "1")]);
    one.metadata_labels = pairs(&[("team", "a"), ("z", "no")]);
    let job = Job { labels: pairs(&[("env", "prod"), ("team", "no")]), ..job() };
    assert_eq!(
        shown(&job, vec![one.clone()]),
        ["env=prod,project_id=mine,team=no,unit=By,z=1"],
        "nobody wants metadata"
    );
    let aggregation = Aggregation {
        prefix: "t.".into(),
        alignment_period: std::time::Duration::from_secs(60),
        aligner: "ALIGN_SUM".into(),
        reducer: Some("REDUCE_SUM".into()),
        group_by: vec!["metadata.user_labels.team".into()],
    };
    let job = Job { aggregations: vec![aggregation], ..job };
    assert_eq!(shown(&job, vec![one]), ["env=prod,project_id=mine,team=a,unit=By,z=1"]);
}

#[test]
fn missing_labels_are_filled_within_a_page_if_wanted() {
    let page = || vec![gauge(&[("a", "1")]), gauge(&[("b", "2")])];
    assert_eq!(shown(&job(), page()), ["a=1,b=,project_id=p,unit=By", "a=,b=2,project_id=p,unit=By"]);
    let off = Job { fill_missing_labels: false, ..job() };
    assert_eq!(shown(&off, page()), ["a=1,project_id=p,unit=By", "b=2,project_id=p,unit=By"]);
}

#[test]
fn series_of_other_projects_go_if_wanted() {
    let job = Job { drop_delegated_projects: true, ..job() };
    let mut without = gauge(&[("s", "none")]);
    without.resource_labels.clear();
    let page = vec![gauge(&[("project_id", "other")]), gauge(&[]), without];
    assert_eq!(shown(&Job { fill_missing_labels: false, ..job }, page), ["project_id=p,unit=By", "s=none,unit=By"]);
}

#[test]
fn what_cannot_be_shown_is_counted_and_the_rest_is_shown() {
    let no_points = TimeSeries { points: Vec::new(), ..gauge(&[]) };
    let no_buckets =
        Value::Distribution(Box::new(Distribution { count: 1, mean: 1.0, buckets: Buckets::Absent, counts: vec![] }));
    let page = vec![
        no_points,
        series(MetricKind::Gauge, ValueType::Int64, Value::Missing, &[]),
        gauge(&[("__x", "1")]),
        gauge(&[("", "1")]),
        TimeSeries { metric_type: "/".into(), ..gauge(&[]) },
        series(MetricKind::Gauge, ValueType::Distribution, no_buckets, &[]),
        gauge(&[]),
    ];
    let converted = converted(&job(), page);
    assert_eq!(converted.shown.len(), 1);
    let counted: Vec<(&str, u64)> = converted.unusable.iter().map(|(why, n)| (why.as_str(), n)).collect();
    assert_eq!(counted, [("no_name", 1), ("no_points", 1), ("no_value", 1), ("no_buckets", 1), ("reserved_label", 2)]);
}

#[test]
fn a_distributions_own_le_gives_way() {
    let value = Value::Distribution(Box::new(Distribution {
        count: 1,
        mean: 1.0,
        buckets: Buckets::Explicit([1.0].into()),
        counts: vec![1],
    }));
    let page = vec![series(MetricKind::Gauge, ValueType::Distribution, value, &[("le", "5")])];
    assert_eq!(shown(&job(), page), ["exported_le=5,project_id=p,unit=By"]);
    assert_eq!(shown(&job(), vec![gauge(&[("le", "5")])]), ["le=5,project_id=p,unit=By"]);
}

#[test]
fn deltas_keep_every_point_with_its_time() {
    let mut one = series(MetricKind::Delta, ValueType::Int64, Value::Integer(2), &[]);
    one.points.push(Point { start: None, end: Timestamp::from_millis(1_000), value: Value::Integer(3) });
    one.points.push(Point { start: None, end: Timestamp::from_millis(500), value: Value::Missing });
    let converted = converted(&job(), vec![one]);
    assert!(converted.shown.is_empty());
    let ends: Vec<i64> = converted.deltas[0].addends.iter().map(|a| a.end.as_millis()).collect();
    assert_eq!(ends, [1_999, 1_000]);
}
