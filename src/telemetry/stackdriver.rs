//! stackdriver_exporter's own metrics, exactly as that program names and explains them, one set for each project.
//!
//! A call counts as it does there: a page of a listing when it succeeds, a page of series when it is asked for. What was a
//! scrape there is a fetch here.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use super::lock;
use super::metrics::Type;
use super::text::FamilyText;
use crate::model::number::write_number;
use crate::model::{Text, Timestamp};
use crate::seam::Call;

/// Name, type and help; a set's values stand in this order.
const FAMILIES: [(&str, Type, &str); 6] = [
    (
        "stackdriver_monitoring_api_calls_total",
        Type::Counter,
        "Total number of Google Stackdriver Monitoring API calls made.",
    ),
    (
        "stackdriver_monitoring_last_scrape_duration_seconds",
        Type::Gauge,
        "Duration of the last metrics scrape from Google Stackdriver Monitoring.",
    ),
    (
        "stackdriver_monitoring_last_scrape_error",
        Type::Gauge,
        "Whether the last metrics scrape from Google Stackdriver Monitoring resulted in an error (1 for error, 0 for success).",
    ),
    (
        "stackdriver_monitoring_last_scrape_timestamp",
        Type::Gauge,
        "Number of seconds since 1970 since last metrics scrape from Google Stackdriver Monitoring.",
    ),
    (
        "stackdriver_monitoring_scrape_errors_total",
        Type::Counter,
        "Total number of Google Stackdriver Monitoring metrics scrape errors.",
    ),
    (
        "stackdriver_monitoring_scrapes_total",
        Type::Counter,
        "Total number of Google Stackdriver Monitoring metrics scrapes.",
    ),
];

/// The beginning of their names.
pub(super) const PREFIX: &str = "stackdriver_monitoring_";

/// The values, by project.
#[derive(Default)]
pub(super) struct StackdriverCounters {
    projects: Mutex<BTreeMap<Text, Project>>,
}

#[derive(Default)]
struct Project {
    calls: u32,
    scrapes: u32,
    errors: u32,
    /// Of the last fetch.
    failed: bool,
    at_seconds: i64,
    took: Duration,
}

impl StackdriverCounters {
    pub(super) fn record(&self, call: &Call) {
        let counts = match call.operation {
            "ListMetricDescriptors" => call.failed.is_none(),
            operation => operation == "ListTimeSeries",
        };
        if counts {
            lock(&self.projects).entry(Text::clone(&call.account)).or_default().calls += 1;
        }
    }

    /// A project's fetch is over.
    pub(super) fn fetched(&self, project: &Text, failed: bool, took: Duration, now: Timestamp) {
        let mut projects = lock(&self.projects);
        let project = projects.entry(Text::clone(project)).or_default();
        project.scrapes += 1;
        project.errors += u32::from(failed);
        (project.failed, project.at_seconds, project.took) = (failed, now.as_secs(), took);
    }

    /// The project is no longer collected.
    pub(super) fn retire(&self, project: &Text) {
        lock(&self.projects).remove(project);
    }

    /// The families as text.
    pub(super) fn families(&self) -> Vec<FamilyText> {
        let projects = lock(&self.projects);
        let families = FAMILIES.iter().enumerate().map(|(at, (name, kind, help))| {
            let samples = projects.iter().filter_map(|(id, project)| Some(line(name, id, *project.values().get(at)?)));
            FamilyText { name: (*name).to_owned(), kind: *kind, help: (*help).to_owned(), samples: samples.collect() }
        });
        families.filter(|family| !family.samples.is_empty()).collect()
    }
}

impl Project {
    #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 fit")]
    fn values(&self) -> [f64; FAMILIES.len()] {
        [
            self.calls.into(),
            self.took.as_secs_f64(),
            self.failed.into(),
            self.at_seconds as f64,
            self.errors.into(),
            self.scrapes.into(),
        ]
    }
}

fn line(name: &str, project: &str, value: f64) -> String {
    let escaped = project.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    let mut number = Vec::new();
    write_number(&mut number, value);
    format!("{name}{{project_id=\"{escaped}\"}} {}\n", String::from_utf8_lossy(&number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_project_has_its_set_and_values_stand_with_their_names() {
        let counters = StackdriverCounters::default();
        let (a, b) = (Text::from("a"), Text::from("b\"\n"));
        counters.fetched(&a, false, Duration::from_millis(1500), Timestamp::from_secs(1_795_217_663));
        counters.fetched(&a, true, Duration::from_millis(500), Timestamp::from_secs(1_795_217_664));
        counters.fetched(&b, false, Duration::ZERO, Timestamp::from_secs(1));
        let lines: Vec<String> = counters.families().into_iter().flat_map(|f| f.samples).collect();
        for expected in [
            "stackdriver_monitoring_last_scrape_duration_seconds{project_id=\"a\"} 0.5\n",
            "stackdriver_monitoring_last_scrape_error{project_id=\"a\"} 1\n",
            "stackdriver_monitoring_last_scrape_timestamp{project_id=\"a\"} 1.795217664e+09\n",
            "stackdriver_monitoring_scrape_errors_total{project_id=\"a\"} 1\n",
            "stackdriver_monitoring_scrapes_total{project_id=\"a\"} 2\n",
            "stackdriver_monitoring_scrapes_total{project_id=\"b\\\"\\n\"} 1\n",
        ] {
            assert!(lines.iter().any(|l| l == expected), "{expected}: {lines:?}");
        }
        counters.retire(&a);
        assert!(counters.families().iter().all(|f| f.samples.len() == 1));
    }
}
