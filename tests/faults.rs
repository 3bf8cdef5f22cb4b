//! What happens when the cloud misbehaves, through the front door: the page stays valid and answers at once, healthy jobs
//! are not disturbed, and afterwards the data is complete again.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]
#![allow(clippy::float_cmp, reason = "counters are whole numbers")]

#[path = "support/bridge.rs"]
mod bridge;

use bridge::{Page, TestBridge};
use raingauge::clock::Clock;
use raingauge::sim::{Effect, Fault, Kind, SimCloud, WorldSpec};

const ACCOUNT: &str = "000000000000";
const EC2: &str = "aws_ec2_cpuutilization_average{";
const SQS: &str = "aws_sqs_approximate_number_of_messages_visible_average{";

/// Two jobs in two regions: EC2 in eu-west-1, SQS in us-east-1; everything every second.
const CONFIG: &str = "
aws:
  interval: 1s
  inventoryInterval: 1s
  staleAfter: 10m
  discovery:
    exportedTagsOnMetrics: {AWS/EC2: [Name]}
    jobs:
      - type: AWS/EC2
        regions: [eu-west-1]
        metrics: [{name: CPUUtilization, statistics: [Average], period: 300, length: 3600}]
      - type: AWS/SQS
        regions: [us-east-1]
        metrics: [{name: ApproximateNumberOfMessagesVisible, statistics: [Average], period: 300, length: 3600}]
";

async fn cloud(spec: WorldSpec) -> SimCloud {
    SimCloud::start(spec, Clock::system()).await.unwrap()
}

fn world() -> WorldSpec {
    let mut spec = WorldSpec::empty().with(Kind::Ec2, 5).with(Kind::Sqs, 5);
    spec.regions.push("us-east-1".into());
    spec
}

fn complete(page: &Page) -> bool {
    page.count(EC2) == 5 && page.count(SQS) == 5
}

/// How many runs of a job ended well or badly.
fn runs(page: &Page, job: &str) -> f64 {
    page.sum("raingauge_job_runs_total", &[&format!("job=\"{job}\""), "run=\"fetch\""])
}

fn failures(page: &Page, job: &str, reason: &str) -> f64 {
    page.sum("raingauge_job_failures_total", &[&format!("job=\"{job}\""), &format!("reason=\"{reason}\"")])
}

/// Switches a fault on in eu-west-1, waits until it is counted, and looks at what the other job does meanwhile.
async fn survives(effect: Effect, operation: &str, reason: &str) {
    let cloud = cloud(world()).await;
    let bridge = TestBridge::start(&cloud, CONFIG).await;
    let before = bridge.wait_for("both jobs", complete).await;
    let id = cloud.faults().add(Fault::new(effect).on(operation).in_region("eu-west-1"));
    let during = bridge.wait_for(reason, |p| failures(p, "AWS/EC2", reason) > 0.0).await;
    assert!(complete(&during), "values are held:\n{}", during.text);
    let healthy = runs(&during, "AWS/SQS");
    bridge.wait_for("the healthy job", |p| runs(p, "AWS/SQS") >= healthy + 2.0).await;
    assert_eq!(failures(&during, "AWS/SQS", reason), 0.0);
    cloud.faults().remove(id);
    let success = "raingauge_job_last_success_timestamp_seconds";
    let last = |p: &Page| p.sum(success, &["AWS/EC2", "fetch"]) + p.sum(success, &["AWS/EC2", "discover"]);
    let after = bridge.wait_for("recovery", |p| complete(p) && last(p) > last(&during) + 1.0).await;
    assert!(last(&after) > last(&before));
    bridge.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_throttling() {
    survives(Effect::Throttle, "GetMetricData", "throttled").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_api() {
    survives(Effect::ServerError(500), "GetMetricData", "server_error").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_permissions() {
    survives(Effect::AccessDenied, "GetMetricData", "access_denied").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn expired_credentials() {
    survives(Effect::ExpiredToken, "GetMetricData", "expired_credentials").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_breaks_off() {
    survives(Effect::CutBody, "GetMetricData", "network").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_cannot_be_read() {
    survives(Effect::Malformed, "GetMetricData", "bad_answer").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_discovery_that_fails() {
    survives(Effect::AccessDenied, "GetResources", "access_denied").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listing_that_fails() {
    survives(Effect::AccessDenied, "ListMetrics", "access_denied").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hanging_call_disturbs_nobody() {
    let cloud = cloud(world()).await;
    let bridge = TestBridge::start(&cloud, CONFIG).await;
    bridge.wait_for("both jobs", complete).await;
    let id = cloud.faults().add(Fault::new(Effect::Hang).on("GetMetricData").in_region("eu-west-1"));
    while cloud.faults().hits(id) == 0 {
        bridge.page().await;
    }
    let healthy = runs(&bridge.page().await, "AWS/SQS");
    let during = bridge.wait_for("the healthy job", |p| runs(p, "AWS/SQS") >= healthy + 3.0).await;
    assert!(complete(&during));
    cloud.faults().clear();
    let stuck = runs(&during, "AWS/EC2");
    bridge.wait_for("recovery", |p| complete(p) && runs(p, "AWS/EC2") > stuck).await;
    bridge.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_later_page_that_fails_is_asked_again() {
    let mut spec = world();
    spec.pages.data_points = 12;
    let cloud = cloud(spec).await;
    cloud.faults().add(Fault { times: Some(6), ..Fault::new(Effect::ServerError(500)).on("GetMetricData").on_page(2) });
    let bridge = TestBridge::start(&cloud, CONFIG).await;
    let page = bridge.wait_for("all pages of all jobs", complete).await;
    assert!(page.of(EC2).iter().all(|(_, v, _)| v.is_finite()), "{}", page.text);
    bridge.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn results_marked_as_incomplete_are_counted_and_keep_the_last_value() {
    let cloud = cloud(world()).await;
    let bridge = TestBridge::start(&cloud, CONFIG).await;
    bridge.wait_for("both jobs", complete).await;
    let effect = Effect::Status { code: raingauge::sim::fault::FaultStatus::InternalError, metric: None };
    cloud.faults().add(Fault::new(effect).in_region("eu-west-1"));
    let page = bridge.wait_for("the count", |p| failures(p, "AWS/EC2", "internal_error") > 0.0).await;
    assert!(page.of(EC2).iter().all(|(_, v, _)| v.is_finite()), "{}", page.text);
    bridge.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_of_the_clock_loses_nothing() {
    let cloud = cloud(world()).await;
    let bridge = TestBridge::start(&cloud, CONFIG).await;
    bridge.wait_for("both jobs", complete).await;
    for step in [7_200_000, -14_400_000] {
        bridge.clock.step_by_millis(step);
        let at = runs(&bridge.page().await, "AWS/EC2");
        let page = bridge.wait_for("runs after the step", |p| runs(p, "AWS/EC2") >= at + 2.0).await;
        assert!(complete(&page), "after {step} ms:\n{}", page.text);
    }
    bridge.stop().await;
}

/// Both defaults of native files keep times: the intervals of metrics, and what the oracle says.
#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_set_back_stops_nobody_from_asking() {
    for metric in ["interval: 1s, ", ""] {
        let cloud = cloud(world()).await;
        let oracle = if metric.is_empty() { "activityOracle: true" } else { "activityOracle: false" };
        let config = CONFIG.replacen("  staleAfter: 10m\n", &format!("  staleAfter: 10m\n  {oracle}\n"), 1);
        let config =
            config.replace("{name: CPU", &format!("{{{metric}name: CPU")).replacen("interval: 1s", "interval: 2s", 1);
        let bridge = TestBridge::start(&cloud, &config).await;
        bridge.wait_for("both jobs", complete).await;
        bridge.clock.step_by_millis(-3_600_000);
        let asked = |p: &Page| p.sum("raingauge_api_calls_total", &["GetMetricData", "eu-west-1"]);
        let before = asked(&bridge.page().await);
        let page = bridge.wait_for("calls after the step", |p| asked(p) >= before + 3.0).await;
        assert!(complete(&page), "{metric}\n{}", page.text);
        bridge.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_resources_is_an_empty_page_and_no_failure() {
    let cloud = cloud(WorldSpec::empty()).await;
    let bridge = TestBridge::start(&cloud, CONFIG).await;
    let page = bridge.wait_for("runs", |p| runs(p, "AWS/EC2") >= 2.0).await;
    assert_eq!(page.count("aws_"), 0);
    assert_eq!(page.sum("raingauge_job_failures_total", &[]), 0.0);
    assert_eq!(bridge.get("/-/ready").await.0, 200);
    bridge.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deleted_resources_disappear_and_new_ones_appear() {
    let cloud = cloud(world()).await;
    let bridge = TestBridge::start(&cloud, CONFIG).await;
    bridge.wait_for("both jobs", complete).await;
    let doomed =
        cloud.world().resources(ACCOUNT, "eu-west-1").into_iter().find(|r| r.arn.contains("instance/")).unwrap();
    assert!(cloud.world().delete(ACCOUNT, "eu-west-1", &doomed.arn, Clock::system().now()));
    let name = format!("name=\"{}\"", doomed.arn);
    bridge.wait_for("the end of the instance", |p| !p.text.contains(&name)).await;
    let added = cloud.world().add(ACCOUNT, "eu-west-1", Kind::Ec2, Clock::system().now()).unwrap();
    let name = format!("aws_ec2_info{{name=\"{added}\"");
    bridge.wait_for("the new instance", |p| p.text.contains(&name)).await;
    bridge.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_may_hold_anything() {
    let cloud = cloud(world()).await;
    let bridge = TestBridge::start(&cloud, CONFIG).await;
    bridge.wait_for("both jobs", complete).await;
    let instance =
        cloud.world().resources(ACCOUNT, "eu-west-1").into_iter().find(|r| r.arn.contains("instance/")).unwrap();
    let odd = "a\"b\\c\nd é ✓ {x=\"y\"} 1";
    assert!(cloud.world().retag(ACCOUNT, "eu-west-1", &instance.arn, &[("Name", odd), ("9 \" }", "x")]));
    let written = "tag_Name=\"a\\\"b\\\\c\\nd é ✓ {x=\\\"y\\\"} 1\"";
    let page = bridge.wait_for("the tag", |p| p.text.contains(written)).await;
    assert_eq!(page.count(EC2), 5);
    bridge.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_jobs() {
    use std::fmt::Write as _;
    let mut config = String::from("aws:\n  interval: 1h\n  customNamespace:\n");
    for n in 0..1_000 {
        writeln!(
            config,
            "    - {{name: job{n}, namespace: AWS/EC2, regions: [eu-west-1], metrics: [{{name: CPUUtilization, statistics: [Average]}}]}}"
        )
        .unwrap();
    }
    let mut spec = world();
    spec.quotas = spec.quotas.with("ListMetrics", 1e6).with("GetMetricData", 1e6);
    let cloud = cloud(spec).await;
    let bridge = TestBridge::start(&cloud, &config).await;
    assert_eq!(bridge.get("/-/healthy").await.0, 200);
    // The bridge itself keeps to AWS's default rates, so the whole of it takes a while.
    let page = bridge.wait_for("the first hundred jobs", |p| p.count(EC2) >= 100 * 5).await;
    assert!(page.count("raingauge_job_runs_total") >= 100);
    assert_eq!(bridge.get("/").await.0, 200);
    bridge.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_in_flight_keeps_values_and_a_bad_file_changes_nothing() {
    let cloud = cloud(world()).await;
    let bridge = TestBridge::start(&cloud, CONFIG).await;
    bridge.wait_for("both jobs", complete).await;
    cloud.faults().add(Fault::new(Effect::LatencyMillis(700)).on("GetMetricData"));
    for _ in 0..3 {
        let (status, body) =
            bridge.reload(&CONFIG.replace("exportedTagsOnMetrics", "# comment\n    exportedTagsOnMetrics")).await;
        assert_eq!(status, 200, "{body}");
        assert!(complete(&bridge.page().await), "a reload must not empty the page");
    }
    let (status, body) = bridge.reload(&CONFIG.replace("period: 300", "perod: 300")).await;
    assert_eq!(status, 422);
    assert!(body.contains("perod") && body.contains("period"), "{body}");
    let page = bridge.page().await;
    assert!(complete(&page));
    assert_eq!(page.sum("raingauge_config_last_reload_successful", &[]), 0.0);
    let fewer = CONFIG.split("      - type: AWS/SQS").next().unwrap();
    assert_eq!(bridge.reload(fewer).await.0, 200);
    bridge.wait_for("the end of SQS", |p| p.count(SQS) == 0 && p.count(EC2) == 5).await;
    bridge.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_holding_a_failed_fetch_takes_its_series_away() {
    let cloud = cloud(world()).await;
    let bridge = TestBridge::start(&cloud, &CONFIG.replace("staleAfter: 10m", "holdOnFailure: false")).await;
    bridge.wait_for("both jobs", complete).await;
    cloud.faults().add(Fault::new(Effect::AccessDenied).on("GetMetricData").in_region("eu-west-1"));
    bridge.wait_for("the gap", |p| p.count(EC2) == 0 && p.count(SQS) == 5).await;
    cloud.faults().clear();
    bridge.wait_for("recovery", complete).await;
    bridge.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn held_values_go_when_they_are_stale() {
    let cloud = cloud(world()).await;
    let bridge = TestBridge::start(&cloud, &CONFIG.replace("staleAfter: 10m", "staleAfter: 5s")).await;
    bridge.wait_for("both jobs", complete).await;
    cloud.faults().add(Fault::new(Effect::AccessDenied).on("GetMetricData").in_region("eu-west-1"));
    let gone = bridge.wait_for("the end of the held values", |p| p.count(EC2) == 0 && p.count(SQS) == 5).await;
    let later = runs(&gone, "AWS/EC2") + 4.0;
    let flaps = |p: &Page| {
        assert_eq!(p.count(EC2), 0, "stale values came back");
        runs(p, "AWS/EC2") >= later
    };
    bridge.wait_for("further runs", flaps).await;
    bridge.stop().await;
}

/// EC2 jobs that differ in a custom tag, asked for once an hour.
fn tagged_jobs(tags: &[&str]) -> String {
    let job = |tag: &&str| {
        format!(
            "      - {{type: AWS/EC2, regions: [eu-west-1], customTags: [{{key: job, value: {tag}}}], \
             metrics: [{{name: CPUUtilization, statistics: [Average], length: 3600}}]}}\n"
        )
    };
    let jobs: String = tags.iter().map(job).collect();
    format!("aws:\n  interval: 1h\n  discovery:\n    jobs:\n{jobs}")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_finds_unchanged_jobs_wherever_they_stand() {
    let cloud = cloud(world()).await;
    let bridge = TestBridge::start(&cloud, &tagged_jobs(&["a", "b", "c"])).await;
    let of = |p: &Page, tag: &str| {
        p.of(EC2).iter().filter(|(s, ..)| s.contains(&format!("custom_tag_job=\"{tag}\""))).count()
    };
    bridge.wait_for("all jobs", |p| ["a", "b", "c"].iter().all(|tag| of(p, tag) == 5)).await;
    let asked = cloud.ledger().bill().calls("GetMetricData");
    assert_eq!(bridge.reload(&tagged_jobs(&["b", "c"])).await.0, 200);
    let page = bridge.page().await;
    assert_eq!((of(&page, "a"), of(&page, "b"), of(&page, "c")), (0, 5, 5));
    assert_eq!(cloud.ledger().bill().calls("GetMetricData"), asked, "nothing is bought again");
    assert_eq!(bridge.get("/-/ready").await.0, 200);
    assert_eq!(page.count("raingauge_job_series{"), 2, "the job that is gone has no metrics of its own");
    bridge.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_job_goes_on_with_the_values_it_had() {
    let cloud = cloud(world()).await;
    let bridge = TestBridge::start(&cloud, CONFIG).await;
    bridge.wait_for("both jobs", complete).await;
    cloud.faults().add(Fault::new(Effect::AccessDenied).on("GetMetricData"));
    let failed = |p: &Page| failures(p, "AWS/EC2", "access_denied");
    let before = bridge.wait_for("a failure", |p| failed(p) > 0.0).await;
    assert_eq!(bridge.reload(&CONFIG.replace("length: 3600", "length: 7200")).await.0, 200);
    let after = bridge.wait_for("failures of the changed job", |p| failed(p) > failed(&before) + 2.0).await;
    assert!(complete(&after), "values are held over a reload:\n{}", after.text);
    bridge.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_region_leaves_the_first_one_alone() {
    let cloud = cloud(world()).await;
    let config = tagged_jobs(&["a"]);
    let bridge = TestBridge::start(&cloud, &config).await;
    bridge.wait_for("the job", |p| p.count(EC2) == 5).await;
    let asked =
        |region: &str| cloud.ledger().bill().sum("GetMetricData", |l| u64::from(&*l.region == region) * l.calls);
    assert_eq!(asked("eu-west-1"), 1);
    assert_eq!(bridge.reload(&config.replace("[eu-west-1]", "[us-east-1, eu-west-1]")).await.0, 200);
    bridge.wait_for("both regions", |p| p.count(EC2) == 10).await;
    assert_eq!((asked("eu-west-1"), asked("us-east-1")), (1, 1));
    bridge.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_job_may_take_the_place_of_one_that_goes() {
    let cloud = cloud(world()).await;
    let with_role = |role: &str| {
        tagged_jobs(&["a"]).replace("type: AWS/EC2,", &format!("type: AWS/EC2, roles: [{{roleArn: '{role}'}}],"))
    };
    let bridge = TestBridge::start(&cloud, &with_role("arn:aws:iam::000000000000:role/x")).await;
    bridge.wait_for("the job", |p| p.count(EC2) == 5).await;
    assert_eq!(bridge.reload(&with_role("arn:aws:iam::000000000000:role/y")).await.0, 200);
    bridge
        .wait_for("the job with its own metrics", |p| p.count(EC2) == 5 && p.count("raingauge_job_series{") == 1)
        .await;
    assert!(bridge.get("/").await.1.contains("AWS/EC2"));
    bridge.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_a_reload_ended_reports_nothing() {
    let cloud = cloud(world()).await;
    cloud.faults().add(Fault::new(Effect::Hang).on("ListMetrics"));
    let bridge = TestBridge::start(&cloud, &tagged_jobs(&["a0", "b0", "c0"])).await;
    for n in 1..5 {
        let tags = ["a", "b", "c"].map(|t| format!("{t}{n}"));
        assert_eq!(bridge.reload(&tagged_jobs(&tags.each_ref().map(String::as_str))).await.0, 200);
        assert_eq!(bridge.get("/-/ready").await.0, 503);
    }
    let page = bridge.page().await;
    assert_eq!(
        page.count("raingauge_job_last_success_timestamp_seconds"),
        0,
        "nothing was ever listed:\n{}",
        page.text
    );
    bridge.stop().await;
}
