//! `docs/metrics.md` says what the program shows.

use std::collections::BTreeMap;
use std::time::Duration;

use raingauge::seam::{Call, MetricsRequested, Reason};
use raingauge::telemetry::metrics::{Description, METRICS};
use raingauge::telemetry::{Format, Telemetry, TelemetrySettings};

use super::fixture::NOW;

const DOCS: &str = include_str!("../../docs/metrics.md");

/// Name → (type, labels, meaning), from the rows of the tables.
fn documented() -> BTreeMap<&'static str, [String; 3]> {
    let rows = DOCS.lines().filter_map(|l| l.strip_prefix("| `"));
    rows.map(|row| {
        let cells: Vec<&str> = row.trim_end_matches('|').split('|').map(str::trim).collect();
        let [name, kind, labels, meaning] = cells[..] else { panic!("not four cells: {row}") };
        let labels = labels.replace('`', "").replace(", ", ",");
        (name.trim_end_matches('`'), [kind.to_owned(), labels, meaning.to_owned()])
    })
    .collect()
}

/// The rows as they should stand in the document.
fn rows() -> String {
    let row = |d: &Description| {
        let labels: Vec<String> = d.labels.iter().map(|l| format!("`{l}`")).collect();
        format!("| `{}` | {} | {} | {}. |", d.name, d.kind.as_str(), labels.join(", "), d.help)
    };
    METRICS.iter().map(row).collect::<Vec<_>>().join("\n")
}

#[test]
fn every_metric_of_ours_is_documented_as_it_is() {
    let documented: BTreeMap<_, _> =
        documented().into_iter().filter(|(name, _)| name.starts_with("raingauge_")).collect();
    let real = METRICS.iter().map(|d| {
        let meaning = format!("{}.", d.help);
        (d.name, [d.kind.as_str().to_owned(), d.labels.join(","), meaning])
    });
    assert_eq!(documented, real.collect(), "the rows should be:\n{}", rows());
}

#[test]
fn the_other_metrics_of_a_page_are_documented_too() {
    let settings = TelemetrySettings { version: "1", started: NOW, yace: true, prices: vec![] };
    let telemetry = Telemetry::new(settings);
    telemetry.record_calls(&[Call {
        service: "cloudwatch",
        operation: "GetMetricData",
        region: "".into(),
        account: "".into(),
        attempts: 1,
        throttles: 0,
        duration: Duration::ZERO,
        failed: Some(Reason::Timeout),
        metrics: MetricsRequested::default(),
        series_returned: 0,
        superseded: false,
    }]);
    let page = telemetry.encode(NOW, Format::Text);
    let real: BTreeMap<&str, &str> = page
        .lines()
        .filter_map(|l| l.strip_prefix("# TYPE "))
        .filter(|l| !l.starts_with("raingauge_"))
        .map(|l| l.split_once(' ').unwrap())
        .collect();
    let documented = documented();
    for (name, kind) in &real {
        let row = documented.get(name).unwrap_or_else(|| panic!("{name} is not documented"));
        assert_eq!(row[0], *kind, "{name}");
    }
    for name in documented.keys().filter(|n| n.starts_with("yace_")) {
        assert!(real.contains_key(name), "{name} does not exist");
    }
}
