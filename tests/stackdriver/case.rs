//! A recorded case, and our Google half set up as its flags say.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use raingauge::expose::layout::Layout;
use raingauge::expose::page::{Plain, Style, render};
use raingauge::expose::text::Escaping;
use raingauge::gcp::client::{Client, Network};
use raingauge::gcp::discover::Discover;
use raingauge::gcp::fetch::Fetch;
use raingauge::gcp::job::{Access, Deltas, Descriptors, Filter, GcpSettings, Interval, Job, Retries, Timing, Window};
use raingauge::model::{Now, Timestamp};
use raingauge::seam::{Source, Unshowns};
use raingauge::store::{SlotKey, Store};
use raingauge::telemetry::Format;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::fake::Fake;

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/stackdriver");
/// Behind all recorded points.
const NOW: Now = Now { wall: Timestamp::from_secs(1_800_000_000), steady: Timestamp::from_secs(1_800_000_000) };
/// A healthy metric, put beside the bad ones.
const CANARY: &str = "t.googleapis.com/zz/good";

pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) scrapes: Vec<Value>,
    pub(crate) must: Vec<String>,
    pub(crate) one_of: Vec<Vec<String>>,
    pub(crate) patterns: Vec<String>,
    flags: Vec<String>,
    scenario: Value,
    may_lack: Value,
}

impl Case {
    /// The cases that are wanted, in the order of their names.
    pub(crate) fn all(wanted: impl Fn(&Self) -> bool) -> Vec<Self> {
        let directories = fs::read_dir(FIXTURES).unwrap().map(|e| e.unwrap().path());
        let mut cases: Vec<Self> = directories.filter(|d| d.is_dir()).map(|d| Self::read(&d)).filter(wanted).collect();
        cases.sort_by(|a, b| a.name.cmp(&b.name));
        cases
    }

    fn read(directory: &Path) -> Self {
        let mut case: Value = serde_json::from_str(&fs::read_to_string(directory.join("case.json")).unwrap()).unwrap();
        let strings = |v: &Value| serde_json::from_value(v.clone()).unwrap_or_default();
        let mut scenario = case["scenario"].take();
        if case["must"].is_array() {
            add_good(&mut scenario, &case["good_series"]);
        }
        Self {
            name: directory.file_name().unwrap().to_str().unwrap().to_owned(),
            scrapes: case["scrapes"].as_array().unwrap().clone(),
            must: strings(&case["must"]),
            one_of: serde_json::from_value(case["one_of"].clone()).unwrap_or_default(),
            patterns: strings(&case["match"]),
            flags: strings(&case["flags"]),
            scenario,
            may_lack: case["may_lack"].take(),
        }
    }

    pub(crate) fn expected(&self, scrape: usize) -> String {
        fs::read_to_string(format!("{FIXTURES}/{}/scrape-{scrape}.prom", self.name)).unwrap()
    }

    pub(crate) fn may_lack(&self, scrape: usize) -> Vec<String> {
        serde_json::from_value(self.may_lack[scrape.to_string()].clone()).unwrap_or_default()
    }

    pub(crate) async fn start(&self) -> Bridge {
        let fake = Fake::start(self.scenario.clone()).await;
        let mut settings = settings(&self.flags);
        settings.access.endpoint = Some(fake.address.clone().into());
        let job = Arc::new(settings.jobs.remove(0));
        let api = Arc::new(Client::new(&settings.access, &Network::default()).unwrap());
        let halves = job.projects.iter().map(|project| {
            let (publish, inventories) = watch::channel(None);
            let discover = Discover::new(Arc::clone(&job), project.clone(), api.clone(), publish);
            let fetch = Fetch::new(Arc::clone(&job), project.clone(), api.clone(), inventories, None);
            (discover, fetch)
        });
        Bridge { halves: halves.collect(), fake, store: Store::new(), left_out: Unshowns::default() }
    }
}

/// Our Google half in front of a fake.
pub(crate) struct Bridge {
    halves: Vec<(Discover, Fetch)>,
    fake: Fake,
    store: Store,
    pub(crate) left_out: Unshowns,
}

impl Bridge {
    /// Collects once and renders the page.
    pub(crate) async fn scrape(&mut self, answer: usize, escaping: Escaping) -> String {
        self.fake.turn(answer);
        for (order, (discover, fetch)) in (0..).zip(&mut self.halves) {
            discover.collect(NOW, &mut |_| ()).await;
            let outcome = fetch.collect(NOW, &mut |_| ()).await;
            self.left_out.add(&outcome.unshown);
            self.store.publish(SlotKey { order, name: order.to_string().into() }, outcome.snapshot.unwrap());
        }
        let view = self.store.view();
        let layout = Layout::new(&view, escaping);
        let mut sink = Plain::default();
        let (_, last) = render(&layout, &view, Style { format: Format::Text, escaping }, &mut sink);
        let mut page: Vec<u8> = sink.chunks.iter().flatten().copied().collect();
        page.extend(last);
        String::from_utf8(page).unwrap()
    }
}

/// The flags that the cases use, in stackdriver_exporter's meaning.
fn settings(flags: &[String]) -> GcpSettings {
    let retries = Retries {
        most: 0,
        statuses: vec![503],
        first_backoff: Duration::from_secs(1),
        max_backoff: Duration::from_secs(5),
        timeout: Some(Duration::from_secs(10)),
        honours_retry_after: true,
    };
    let mut access = Access { retries, ..Access::default() };
    let mut statuses = Vec::new();
    let mut job = Job {
        name: "test".into(),
        index: 0,
        projects: Vec::new(),
        projects_filter: None,
        prefixes: Vec::new(),
        exclude_prefixes: Vec::new(),
        filters: Vec::new(),
        window: Window::default(),
        fill_missing_labels: true,
        drop_delegated_projects: false,
        deltas: Deltas { aggregate: false, ttl: Duration::from_secs(1800), peers_way: true },
        descriptors: Descriptors { ttl: Duration::ZERO, only_google: true, active_only: false },
        aggregations: Vec::new(),
        buckets: Vec::new(),
        labels: Vec::new(),
        timestamps: true,
        timing: Timing {
            interval: Interval::Fixed(Duration::from_secs(60)),
            inventory_interval: Duration::from_secs(300),
            stale_after: Duration::ZERO,
        },
    };
    for flag in flags {
        let (name, value) = flag.split_once('=').unwrap_or((flag, ""));
        match name {
            "--google.project-ids" => job.projects.push(value.into()),
            "--monitoring.metrics-prefixes" => job.prefixes.push(value.into()),
            "--monitoring.filters" => job.filters.extend(Filter::parse(value)),
            "--monitoring.drop-delegated-projects" => job.drop_delegated_projects = true,
            "--monitoring.aggregate-deltas" => job.deltas.aggregate = true,
            "--monitoring.aggregate-deltas-ttl" => job.deltas.ttl = duration(value),
            "--monitoring.descriptor-cache-ttl" => job.descriptors.ttl = duration(value),
            "--no-monitoring.descriptor-cache-only-google" => job.descriptors.only_google = false,
            "--no-collector.fill-missing-labels" => job.fill_missing_labels = false,
            "--stackdriver.max-retries" => access.retries.most = value.parse().unwrap(),
            "--stackdriver.backoff-jitter" => access.retries.first_backoff = duration(value),
            "--stackdriver.http-timeout" => access.retries.timeout = Some(duration(value)),
            "--stackdriver.retry-statuses" => statuses.push(value.parse().unwrap()),
            "--log.level" => {}
            other => panic!("the test knows no {other}"),
        }
    }
    if !statuses.is_empty() {
        access.retries.statuses = statuses;
    }
    job.projects.sort();
    job.projects.dedup();
    GcpSettings { access, jobs: vec![job] }
}

fn duration(text: &str) -> Duration {
    raingauge::gcp::plan::duration(text).unwrap()
}

/// Puts a healthy metric beside the bad ones, and healthy series behind bad ones.
fn add_good(scenario: &mut Value, beside: &Value) {
    let project = &mut scenario["api"]["proj-a"];
    let descriptor = json!({
        "name": format!("projects/proj-a/metricDescriptors/{CANARY}"), "type": CANARY,
        "metricKind": "GAUGE", "valueType": "DOUBLE", "unit": "1", "description": "A good one.",
    });
    let listed = &mut project["metricDescriptors"];
    let list = if listed["items"].is_array() { &mut listed["items"] } else { &mut listed["pages"][0] };
    list.as_array_mut().unwrap().push(descriptor);
    project["timeSeries"][CANARY] = json!([{ "pages": [[good(CANARY, "gauge", &json!({}))]] }]);
    for (metric, shape) in beside.as_object().into_iter().flatten() {
        let one = good(metric, shape.as_str().unwrap(), &json!({ "s": "good" }));
        for answer in project["timeSeries"][metric].as_array_mut().unwrap() {
            if let Some(raw) = answer["raw"].as_str() {
                let mut page: Value = serde_json::from_str(raw).unwrap();
                page["timeSeries"].as_array_mut().unwrap().push(one.clone());
                answer["raw"] = page.to_string().into();
            } else {
                answer["pages"][0].as_array_mut().unwrap().push(one.clone());
            }
        }
    }
}

fn good(metric: &str, shape: &str, labels: &Value) -> Value {
    let (kind, value_type, value) = if shape == "gauge" {
        ("GAUGE", "DOUBLE", json!({ "doubleValue": 4.25 }))
    } else {
        let options = json!({ "explicitBuckets": { "bounds": [0, 0.5, 1, 10] } });
        let distribution = json!({ "count": "3", "mean": 1.0, "bucketOptions": options, "bucketCounts": ["3"] });
        ("CUMULATIVE", "DISTRIBUTION", json!({ "distributionValue": distribution }))
    };
    let resource = json!({ "project_id": "proj-a", "instance_id": "i-1", "zone": "us-central1-a" });
    json!({
        "metric": { "type": metric, "labels": labels },
        "resource": { "type": "gce_instance", "labels": resource },
        "metricKind": kind, "valueType": value_type,
        "points": [{ "interval": { "endTime": "2026-01-01T00:01:00Z" }, "value": value }],
    })
}
