//! `raingauge explain` against faults that people really had: each is seeded into a simulated cloud or into the configuration, and
//! the right cause must be named. The table is the documentation of what it finds.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test fails by panicking; the causes that were named are shown"
)]

#[path = "partners/processes.rs"]
mod processes;

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use raingauge::app::clouds::Clouds;
use raingauge::app::explain::{Question, explain};
use raingauge::app::google::InMemory;
use raingauge::aws::client::{Emulator, Network};
use raingauge::clock::Clock;
use raingauge::config::{self, LoadOptions};
use raingauge::sim::fault::FaultStatus;
use raingauge::sim::{Effect, Fault, Kind, SimCloud, WorldSpec};

const SENT: &str = "aws_sqs_number_of_messages_sent_sum";
const OWN: &str = "000000000000";
const HERE: &str = "eu-west-1";
const GOOGLE: &str = "stackdriver_cloud_run_revision_run_googleapis_com_request_count";

/// What works. Each case changes something.
const CONFIG: &str = "
aws:
  discovery:
    jobs:
      - type: AWS/SQS
        regions: [eu-west-1]
        metrics: [{name: NumberOfMessagesSent, statistics: [Sum], period: 300, length: 3600}]
      - type: AWS/S3
        regions: [eu-west-1]
        metrics: [{name: BucketSizeBytes, statistics: [Average], period: 86400, length: 259200}]
      - type: AWS/EC2
        regions: [eu-west-1]
        metrics: [{name: CPUUtilization, statistics: [Average], period: 300, length: 3600}]
      - type: AWS/Lambda
        regions: [eu-west-1]
        metrics: [{name: '*', include: ['*'], exclude: [Throttles], statistics: [Sum], period: 300, length: 3600}]
  customNamespace:
    - name: shop
      namespace: Shop/Checkout
      regions: [eu-west-1]
      metrics: [{name: OrdersPlaced, statistics: [Sum], period: 300, length: 3600}]
  static:
    - name: queue
      namespace: AWS/SQS
      regions: [eu-west-1]
      dimensions: [{name: QueueName, value: nobody}]
      metrics: [{name: NumberOfMessagesDeleted, statistics: [Sum], period: 300, length: 3600}]
gcp:
  jobs:
    - projects: [raingauge_sim]
      metrics_prefixes: [run.googleapis.com/]
      metrics_interval: 15m
";

/// A seeded fault.
struct Case {
    /// What is wrong.
    what: &'static str,
    /// What is asked; `QUEUE` stands for the name of the first queue, `LAST` for that of the last one.
    metric: &'static str,
    /// A piece of the configuration, and what stands there instead.
    change: (&'static str, &'static str),
    /// A change of the world before it runs.
    world: fn(&mut WorldSpec),
    /// Something that happens to the cloud.
    cloud: fn(&SimCloud),
    /// The cause; `there`: nothing is wrong.
    expected: &'static str,
}

const SAME: (&str, &str) = ("", "");

fn case(what: &'static str, metric: &'static str, expected: &'static str) -> Case {
    Case { what, metric, change: SAME, world: |_| {}, cloud: |_| {}, expected }
}

impl Case {
    fn change(self, from: &'static str, to: &'static str) -> Self {
        Self { change: (from, to), ..self }
    }

    fn world(self, world: fn(&mut WorldSpec)) -> Self {
        Self { world, ..self }
    }

    fn cloud(self, cloud: fn(&SimCloud)) -> Self {
        Self { cloud, ..self }
    }
}

fn fault(cloud: &SimCloud, effect: Effect, operation: &str) {
    cloud.faults().add(Fault::new(effect).on(operation));
}

/// The ARNs of the queues, in order.
fn queues(cloud: &SimCloud) -> Vec<String> {
    let all = cloud.world().resources(OWN, HERE);
    let mut arns: Vec<String> = all.iter().map(|r| r.arn.to_string()).filter(|arn| arn.contains(":sqs:")).collect();
    arns.sort();
    arns
}

fn quiet(cloud: &SimCloud, days: u64) {
    let from = Clock::system().now().minus(Duration::from_secs(days * 86_400));
    for resource in cloud.world().resources(OWN, HERE) {
        assert!(cloud.world().quiet(OWN, HERE, &resource.arn, from, None));
    }
}

const ONE_QUEUE: &str = "aws_sqs_number_of_messages_sent_sum{dimension_QueueName=\"QUEUE\"}";
const JOB: &str = "type: AWS/SQS\n        regions: [eu-west-1]";
const METRIC: &str = "metrics: [{name: NumberOfMessagesSent, statistics: [Sum], period: 300, length: 3600}]";

fn of_the_file() -> Vec<Case> {
    vec![
        case("nothing", SENT, "there"),
        case("nothing, asked by CloudWatch's name", "AWS/SQS/NumberOfMessagesSent", "there"),
        case("nothing, one queue of three", ONE_QUEUE, "there"),
        case("nothing, a pattern brings it", "aws_lambda_invocations_sum", "there"),
        case("nothing, custom namespace", "aws_shop_checkout_orders_placed_sum", "there"),
        case("nothing, once a day", "aws_s3_bucket_size_bytes_average", "there"),
        case("an exported name without underscores", "aws_sqs_numberofmessagessent_sum", "name"),
        case("another exporter's name", "aws_ec2_cpu_utilization_average", "name"),
        case("a statistic that the job does not ask for", "aws_sqs_number_of_messages_sent_average", "statistic"),
        case("a metric that the job does not name", "aws_sqs_sent_message_size_average", "not_named"),
        case("a metric that a pattern excludes", "aws_lambda_throttles_sum", "not_named"),
        case("a namespace without a job", "aws_kafka_bytes_in_per_sec_average", "no_job"),
        case("an info series", "aws_sqs_info", "name"),
        case("this machine's metrics", "node_load1", "no_job"),
        case("a region in which no job runs", r#"aws_sqs_number_of_messages_sent_sum{region="us-west-2"}"#, "place"),
        case("an account without a role", r#"aws_sqs_number_of_messages_sent_sum{account_id="000000000001"}"#, "place"),
        case("the wrong region (YACE #187)", SENT, "region").change(JOB, "type: AWS/SQS\n        regions: [ap-south-1]"),
        case("a typo in the file's metric", "aws_sqs_number_of_message_sent_sum", "metric_name")
            .change("name: NumberOfMessagesSent", "name: NumberOfMessageSent"),
        case("small letters in the file's metric", "AWS/SQS/numberofmessagessent", "metric_name")
            .change("name: NumberOfMessagesSent", "name: numberofmessagessent"),
        case("a typo where a pattern would bring it", "aws_lambda_invocation_sum", "metric_name"),
        case("a custom namespace with other capitals", "aws_shop_checkout_orders_placed_sum", "namespace")
            .change("namespace: Shop/Checkout", "namespace: shop/checkout"),
        case("a metric that nobody publishes", "aws_shop_checkout_refunds_sum", "never_published")
            .change("name: OrdersPlaced", "name: Refunds"),
        case("dimensionNameRequirements of another set (YACE #337)", SENT, "dimension_names")
            .change(METRIC, "dimensionNameRequirements: [QueueName, Region]\n        metrics: [{name: NumberOfMessagesSent, statistics: [Sum], length: 3600}]"),
        case("a filter that keeps nothing", SENT, "dimension_filter")
            .change(METRIC, "dimensionFilters: [{name: QueueName, keep: '^nothing$'}]\n        metrics: [{name: NumberOfMessagesSent, statistics: [Sum], length: 3600}]"),
        case("a filter that drops everything", SENT, "dimension_filter")
            .change(METRIC, "dimensionFilters: [{name: QueueName, drop: '.'}]\n        metrics: [{name: NumberOfMessagesSent, statistics: [Sum], length: 3600}]"),
        case("search tags that nothing has", SENT, "search_tags")
            .change(METRIC, "searchTags: [{key: env, value: '^nowhere$'}]\n        metrics: [{name: NumberOfMessagesSent, statistics: [Sum], length: 3600}]"),
        case("a tag's key with a capital", SENT, "search_tags")
            .change(METRIC, "searchTags: [{key: ENV, value: '.*'}]\n        metrics: [{name: NumberOfMessagesSent, statistics: [Sum], length: 3600}]"),
        case("more series than maxSeries", "aws_sqs_number_of_messages_sent_sum{dimension_QueueName=\"LAST\"}", "max_series")
            .change(METRIC, "maxSeries: 1\n        metrics: [{name: NumberOfMessagesSent, statistics: [Sum], length: 3600}]"),
        case("a label in snake case", r#"aws_sqs_number_of_messages_sent_sum{dimension_queue_name="x"}"#, "label_name"),
        case("a queue that does not exist", r#"aws_sqs_number_of_messages_sent_sum{dimension_QueueName="x"}"#, "label_value"),
        case("a tag that is not exported (YACE exportedTagsOnMetrics)", r#"aws_sqs_number_of_messages_sent_sum{tag_env="prod"}"#, "label_name"),
        case("static dimensions of nobody (YACE #524)", "aws_sqs_number_of_messages_deleted_sum", "no_data"),
        case("a daily metric with an hour's window", "aws_s3_bucket_size_bytes_average", "length")
            .change("period: 86400, length: 259200", "period: 300, length: 3600"),
        case("one-minute periods of five-minute values", "aws_ec2_cpuutilization_average", "length")
            .change("{name: CPUUtilization, statistics: [Average], period: 300, length: 3600}", "{name: CPUUtilization, statistics: [Average], period: 60, length: 60}")
            .world(|spec| spec.detailed_percent = 0),
        case("a role of an account that does not let us in", SENT, "role")
            .change(JOB, "type: AWS/SQS\n        regions: [eu-west-1]\n        roles: [{roleArn: 'arn:aws:iam::000000000009:role/x'}]"),
        case("a wrong external id", SENT, "role")
            .change(JOB, "type: AWS/SQS\n        regions: [eu-west-1]\n        roles: [{roleArn: 'arn:aws:iam::000000000001:role/x', externalId: guess}]")
            .world(|spec| spec.accounts[1].external_id = Some("sesame".into())),
    ]
}

fn of_the_cloud() -> Vec<Case> {
    vec![
        case("no resource has a tag (YACE #272)", SENT, "untagged").world(|spec| spec.untagged_percent = 100),
        case("one queue lost its tags", ONE_QUEUE, "untagged").cloud(|cloud| {
            let arn = &queues(cloud)[0];
            assert!(cloud.world().retag(OWN, HERE, arn, &[]));
        }),
        case("only a linked account has it (YACE #861)", SENT, "linked_account").world(|spec| spec.services.clear()).cloud(|cloud| {
            let before = Clock::system().now().minus(Duration::from_secs(86_400));
            assert!(cloud.world().add("000000000001", HERE, Kind::Sqs, before).is_some());
        }),
        case("recentlyActiveOnly, and idle for a day", SENT, "recently_active")
            .change(METRIC, "recentlyActiveOnly: true\n        metrics: [{name: NumberOfMessagesSent, statistics: [Sum], length: 3600}]")
            .cloud(|cloud| quiet(cloud, 1)),
        case("stopped two days ago (YACE #904)", SENT, "stopped").cloud(|cloud| quiet(cloud, 2)),
        case("points come later than the window (YACE #340)", SENT, "late")
            .change("NumberOfMessagesSent, statistics: [Sum], period: 300, length: 3600", "NumberOfMessagesSent, statistics: [Sum], period: 300, length: 300, delay: 0")
            .world(|spec| spec.publish_delay_percent = 2_000),
        case("ListMetrics is denied", SENT, "permission").cloud(|cloud| fault(cloud, Effect::AccessDenied, "ListMetrics")),
        case("GetResources is denied", SENT, "permission").cloud(|cloud| fault(cloud, Effect::AccessDenied, "GetResources")),
        case("GetMetricData is denied", SENT, "permission").cloud(|cloud| fault(cloud, Effect::AccessDenied, "GetMetricData")),
        case("results are forbidden", SENT, "permission")
            .cloud(|cloud| fault(cloud, Effect::Status { code: FaultStatus::Forbidden, metric: None }, "GetMetricData")),
        case("results are internal errors", SENT, "cloud_fails")
            .cloud(|cloud| fault(cloud, Effect::Status { code: FaultStatus::InternalError, metric: None }, "GetMetricData")),
        case("an expired token", SENT, "credentials").cloud(|cloud| {
            cloud.faults().add(Fault::new(Effect::ExpiredToken));
        }),
        case("the cloud fails", SENT, "cloud_fails").cloud(|cloud| fault(cloud, Effect::ServerError(500), "ListMetrics")),
        case("the cloud throttles", SENT, "throttled").cloud(|cloud| fault(cloud, Effect::Throttle, "GetMetricData")),
        case("what answers is no CloudWatch", SENT, "network").cloud(|cloud| fault(cloud, Effect::Malformed, "ListMetrics")),
    ]
}

fn of_google() -> Vec<Case> {
    vec![
        case("nothing (Google)", GOOGLE, "there"),
        case("nothing, asked by Google's name", "run.googleapis.com/request_count", "there"),
        case("a prefix that no job has", "stackdriver_pubsub_topic_pubsub_googleapis_com_topic_send_message_operation_count", "not_named"),
        case("a typo in the name", "stackdriver_cloud_run_revision_run_googleapis_com_request_counts", "metric_name"),
        case("a type that Google does not have", "stackdriver_gce_instance_nothing_example_com_x_y_z", "never_published"),
        case("a project of no job", "run.googleapis.com/request_count{project_id=\"other\"}", "place"),
        case("a filter that nothing passes", GOOGLE, "filter")
            .change("metrics_interval: 15m", "metrics_interval: 15m\n      filters: ['run.googleapis.com/:resource.labels.location = \"nowhere\"']"),
        case("a viewer who may not view", GOOGLE, "permission").cloud(|cloud| fault(cloud, Effect::AccessDenied, "ListMetricDescriptors")),
        case("a viewer who may list only", GOOGLE, "permission").cloud(|cloud| fault(cloud, Effect::AccessDenied, "ListTimeSeries")),
        case("a type without any series", GOOGLE, "no_data").cloud(|cloud| fault(cloud, Effect::Empty, "ListTimeSeries")),
        case("an expired token (Google)", GOOGLE, "credentials").cloud(|cloud| {
            cloud.faults().add(Fault::new(Effect::ExpiredToken));
        }),
        case("no gcp section", GOOGLE, "no_job").change("gcp:\n  jobs:\n    - projects: [raingauge_sim]\n      metrics_prefixes: [run.googleapis.com/]\n      metrics_interval: 15m\n", ""),
    ]
}

/// The cause that is named, and everything that was said.
async fn cause(case: &Case) -> (String, String) {
    let mut spec = WorldSpec::demo().with(Kind::Sqs, 3).with(Kind::S3, 2).with(Kind::Ec2, 2).with(Kind::Lambda, 2);
    spec.untagged_percent = 0;
    (case.world)(&mut spec);
    let cloud = SimCloud::start(spec, Clock::system()).await.unwrap();
    (case.cloud)(&cloud);
    let (from, to) = case.change;
    assert!(CONFIG.contains(from), "{}: {from}", case.what);
    let text = if from.is_empty() { CONFIG.to_owned() } else { CONFIG.replacen(from, to, 1) };
    let loaded = config::parse(Path::new("x.yml"), text.as_bytes(), &LoadOptions::default(), &|_| None);
    let settings = loaded.unwrap_or_else(|e| panic!("{}: {e}", case.what)).settings;
    let emulator = Emulator { endpoint_url: cloud.endpoint_url(), access_key_id: "AKSIM".into(), region: HERE.into() };
    let network = Network { emulator: Some(emulator), ..Network::default() };
    let clouds = Clouds::new(network, Arc::new(InMemory(cloud.google())));
    let queues = queues(&cloud);
    let name = |arn: Option<&String>| arn.map(|arn| arn.rsplit(':').next().unwrap().to_owned()).unwrap_or_default();
    let metric = case.metric.replace("QUEUE", &name(queues.first())).replace("LAST", &name(queues.last()));
    let clock = Clock::system();
    let question = Question { metric: &metric, settings: &settings, clouds: &clouds, clock: &clock, is_rich: false };
    let mut out = Vec::new();
    let is_there = explain(&question, &mut out).await.map_or_else(|e| panic!("{}: {e:#}", case.what), |e| e.is_there);
    let said = String::from_utf8(out).unwrap();
    let named = said.lines().find_map(|line| line.trim().strip_prefix("cause")).map(str::trim).map(str::to_owned);
    assert_eq!(is_there, said.contains("exposition"), "{said}");
    let spent: f64 = said.rsplit("spent: $").next().unwrap().lines().next().unwrap().parse().unwrap();
    assert!(spent <= 0.009, "{}: {spent}", case.what);
    // A call that fails is not billed, but stands in the simulated cloud's books.
    if cloud.faults().list().is_empty() {
        let bill = cloud.ledger().bill();
        let units = bill.calls("ListMetrics") + bill.calls("GetMetricStatistics") + bill.metrics().per_statistic;
        let said_units = (spent * 100_000.0).round();
        assert!(said_units >= f64::from(u32::try_from(units).unwrap()), "{}: {units} billed, {spent} said", case.what);
    }
    let fixed = named.is_none()
        || said.lines().any(|line| line.trim().strip_prefix("fix").is_some_and(|fix| fix.trim().len() > 10));
    assert!(fixed, "{}: no fix in\n{said}", case.what);
    (if is_there { "there".to_owned() } else { named.unwrap_or_default() }, said)
}

/// Every case must be right; those in which nothing is wrong must be called that.
#[tokio::test(flavor = "multi_thread")]
async fn the_right_cause_is_named() {
    let cases: Vec<Case> = of_the_file().into_iter().chain(of_the_cloud()).chain(of_google()).collect();
    let faults = cases.iter().filter(|case| case.expected != "there").count();
    assert!(faults >= 30, "{faults}");
    let mut wrong = Vec::new();
    for case in &cases {
        let (named, said) = cause(case).await;
        println!("{:<64} {named}", case.what);
        if named != case.expected {
            wrong.push(format!("{}: {named} instead of {}\n{said}", case.what, case.expected));
        }
    }
    assert!(wrong.is_empty(), "{} of {} are wrong:\n\n{}", wrong.len(), cases.len(), wrong.join("\n\n"));
}

/// The command itself: statuses, and where what is printed.
#[tokio::test(flavor = "multi_thread")]
async fn the_command_says_what_it_costs_first_and_ends_with_a_status() {
    let mut spec = WorldSpec::empty().with(Kind::Sqs, 2);
    spec.untagged_percent = 0;
    let cloud = SimCloud::start(spec, Clock::system()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("raingauge.yml");
    let run = |config: &str, metric: &str| {
        std::fs::write(&file, config).unwrap();
        let mut command: Command = processes::raingauge(folder.path());
        processes::aws_at(&mut command, &cloud.endpoint_url(), HERE);
        let output = command.args(["explain", metric, "--config"]).arg(&file).output().unwrap();
        (
            output.status.code().unwrap(),
            String::from_utf8(output.stdout).unwrap(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    let file = CONFIG.split("      - type: AWS/S3").next().unwrap();
    let (code, said, _) = tokio::task::block_in_place(|| run(file, SENT));
    assert_eq!(code, 0, "{said}");
    assert!(said.starts_with("This asks the clouds, and costs at most $0.009"), "{said}");
    assert!(said.contains("spent: $0.000"), "{said}");
    let (code, said, _) = tokio::task::block_in_place(|| run(file, "aws_sqs_numberofmessagessent_sum"));
    assert!(code == 1 && said.contains("cause          name") && said.contains(SENT), "{said}");
    let (code, _, errors) = tokio::task::block_in_place(|| run("aws: {", SENT));
    assert!(code == 64 && errors.contains("raingauge.yml:"), "{errors}");
    let (code, _, errors) = tokio::task::block_in_place(|| run(file, "{"));
    assert!(code == 1 && errors.contains("is no metric"), "{errors}");
    let (code, said, _) = tokio::task::block_in_place(|| run(file, "raingauge_job_age_seconds"));
    assert!(code == 0 && said.contains("raingauge's own"), "{said}");
}
