//! Trouble with Google, seen at `/metrics`: what is good stays, the other project is undisturbed, the reason is counted.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use raingauge::app::clouds::Google;
use raingauge::aws::client::Network;
use raingauge::clock::Clock;
use raingauge::config::LoadOptions;
use raingauge::gcp::api::Api;
use raingauge::gcp::client::{self, Client, Credentials};
use raingauge::gcp::job::Access;
use raingauge::seam::Failure;
use raingauge::sim::{Effect, Fault, GoogleSpec, SimCloud, WorldSpec};

use super::bridge::TestBridge;

const ONE: &str = "raingauge_sim";
const TWO: &str = "raingauge_sim_staging";

/// The real client, with the simulated metadata server for credentials.
struct Wire(String);

impl Wire {
    fn client(&self, access: &Access) -> Result<Client, Failure> {
        let credentials = Credentials::Metadata(Some(self.0.clone()));
        Client::new(access, &client::Network { credentials, ..client::Network::default() })
    }
}

impl Google for Wire {
    fn connect(&self, access: &Access) -> Result<Arc<dyn Api>, Failure> {
        Ok(Arc::new(self.client(access)?))
    }

    fn locate<'a>(&'a self, access: &'a Access) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move { self.client(access)?.locate_credentials().await })
    }
}

/// The real client; whoever answers asks for no credentials.
pub(crate) struct Anonymous;

impl Google for Anonymous {
    fn connect(&self, access: &Access) -> Result<Arc<dyn Api>, Failure> {
        Ok(Arc::new(Client::new(access, &client::Network::default())?))
    }

    fn locate<'a>(&'a self, _: &'a Access) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(std::future::ready(Ok(())))
    }
}

async fn cloud() -> SimCloud {
    let google = GoogleSpec { resources: 2, late_percent: 0, ..GoogleSpec::demo() };
    SimCloud::start(WorldSpec { google, ..WorldSpec::empty() }, Clock::system()).await.unwrap()
}

async fn start(cloud: &SimCloud) -> TestBridge {
    let config = format!(
        "gcp:\n  endpoint: {}\n  max_retries: 0\n  http_timeout: 2s\n  jobs:\n    - projects: [{ONE}, {TWO}]\n      \
         metrics_prefixes: [run.googleapis.com/]\n      interval: 1s\n      metrics_interval: 15m\n",
        cloud.endpoint_url()
    );
    let google = Arc::new(Wire(cloud.address().to_string()));
    TestBridge::start_with(Network::default(), google, LoadOptions::default(), &config).await
}

fn shows(page: &str, project: &str, metric: &str) -> bool {
    let project = format!("project_id=\"{project}\"");
    page.lines().any(|l| l.starts_with("stackdriver_") && l.contains(metric) && l.contains(&project))
}

fn counted(page: &str, project: &str, reason: &str) -> bool {
    let (project, reason) = (format!("account=\"{project}\""), format!("reason=\"{reason}\""));
    page.lines().any(|l| l.starts_with("raingauge_job_failures_total{") && l.contains(&project) && l.contains(&reason))
}

/// Waits for a page that is as it should be.
async fn until(bridge: &TestBridge, is_right: impl Fn(&str) -> bool) -> String {
    let start = tokio::time::Instant::now();
    loop {
        let (status, page) = bridge.get("/metrics").await;
        assert_eq!(status, 200);
        if is_right(&page) {
            return page;
        }
        assert!(start.elapsed().as_secs() < 60, "still not right:\n{page}");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn both_projects_are_shown_and_the_cost_is_counted() {
    let cloud = cloud().await;
    let bridge = start(&cloud).await;
    let all = |page: &str| {
        [ONE, TWO].iter().all(|project| {
            ["request_count", "request_latencies_bucket", "container_instance_count"]
                .iter()
                .all(|metric| shows(page, project, metric))
        })
    };
    let page = until(&bridge, all).await;
    for wanted in [
        "raingauge_series_returned_total{region=\"global\",account=\"raingauge_sim\"}",
        "raingauge_estimated_cost_dollars_total{operation=\"ListTimeSeries\"",
        "# TYPE stackdriver_cloud_run_revision_run_googleapis_com_request_count counter",
    ] {
        assert!(page.contains(wanted), "{wanted}:\n{page}");
    }
    assert!(!page.contains("storage_folder_name"), "texts are never shown");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forbidden_project_leaves_the_other_alone() {
    for (effect, reason) in [(Effect::AccessDenied, "access_denied"), (Effect::ExpiredToken, "expired_credentials")] {
        let cloud = cloud().await;
        cloud.faults().add(Fault::new(effect).of_account(TWO));
        let bridge = start(&cloud).await;
        let page = until(&bridge, |page| shows(page, ONE, "request_count") && counted(page, TWO, reason)).await;
        assert!(!shows(&page, TWO, "request_count") && !counted(&page, ONE, reason));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_fail_are_counted_by_reason_and_the_rest_is_shown() {
    for (effect, reason) in [
        (Effect::Malformed, "bad_answer"),
        (Effect::CutBody, "network"),
        (Effect::Hang, "timeout"),
        (Effect::ServerError(503), "server_error"),
        (Effect::Throttle, "throttled"),
    ] {
        let cloud = cloud().await;
        cloud.faults().add(Fault::new(effect.clone()).on("ListTimeSeries").of_account(TWO));
        let bridge = start(&cloud).await;
        let is_right = |page: &str| {
            let any = effect == Effect::CutBody && counted(page, TWO, "bad_answer");
            shows(page, ONE, "request_count") && (any || counted(page, TWO, reason))
        };
        until(&bridge, is_right).await;
        // When the trouble is over, everything comes.
        cloud.faults().clear();
        until(&bridge, |page| shows(page, TWO, "request_count")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_endpoint_that_is_down_is_a_failure_of_every_call() {
    let cloud = cloud().await;
    let config = format!(
        "gcp:\n  endpoint: {}\n  max_retries: 0\n  http_timeout: 2s\n  jobs:\n    - projects: [{ONE}]\n      \
         metrics_prefixes: [run.googleapis.com/]\n      interval: 1s\n",
        cloud.endpoint_url()
    );
    // Nobody listens at port 1.
    let google = Arc::new(Wire("127.0.0.1:1".to_owned()));
    let bridge = TestBridge::start_with(Network::default(), google, LoadOptions::default(), &config).await;
    let page = until(&bridge, |page| page.contains("raingauge_job_failures_total{job=\"gcp\"")).await;
    assert!(!shows(&page, ONE, "request_count"));
}
