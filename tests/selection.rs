//! What a job selects, through the front door: a configuration, the real daemon, the simulated cloud, the page.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "support/bridge.rs"]
mod bridge;

use std::collections::BTreeSet;

use bridge::{Page, TestBridge};
use raingauge::clock::Clock;
use raingauge::sim::spec::AccountSpec;
use raingauge::sim::{Effect, Fault, Kind, SimCloud, WorldSpec};

const HOME: &str = "000000000000";
const OTHER: &str = "000000000001";
const REGION: &str = "eu-west-1";

async fn cloud(spec: WorldSpec) -> SimCloud {
    SimCloud::start(spec, Clock::system()).await.unwrap()
}

/// A native file with one discovery job.
fn discovery(namespace: &str, keys: &str, metrics: &str) -> String {
    format!(
        "aws: {{discovery: {{exportedTagsOnMetrics: {{{namespace}: [env]}}, jobs: [{{type: {namespace}, regions: [eu-west-1], \
         {keys}statistics: [Sum], period: 300, length: 3600, metrics: [{metrics}]}}]}}}}"
    )
}

/// The values of a label in samples whose name begins so.
fn labels<'p>(page: &'p Page, prefix: &str, label: &str) -> BTreeSet<&'p str> {
    let value =
        |series: &'p str| Some(series.split_once(&format!("{label}=\""))?.1.split('"').next().unwrap_or_default());
    page.of(prefix).iter().filter_map(|(series, ..)| value(series)).collect()
}

/// Waits until a fetch of every job has ended.
async fn collected(bridge: &TestBridge) -> Page {
    bridge.wait_for("the first collection", |p| p.count("raingauge_job_runs_total{") > 0).await;
    let end = tokio::time::Instant::now() + std::time::Duration::from_secs(60);
    while bridge.get("/-/ready").await.0 != 200 {
        assert!(tokio::time::Instant::now() < end, "not ready: {}", bridge.get("/-/ready").await.1);
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    bridge.page().await
}

#[tokio::test]
async fn untagged_resources_are_exported_with_the_arn_that_they_must_have() {
    let cloud = cloud(WorldSpec::empty().with(Kind::Sqs, 6)).await;
    let resources = cloud.world().resources(HOME, REGION);
    assert!(cloud.world().retag(HOME, REGION, &resources[0].arn, &[]));
    assert!(cloud.world().retag(HOME, REGION, &resources[1].arn, &[("env", "blue")]));
    let metric = "{name: NumberOfMessagesSent}";
    let arns = |numbers: &[usize]| numbers.iter().map(|n| &*resources[*n].arn).collect::<BTreeSet<_>>();
    for (keys, wanted) in [
        ("", arns(&[1, 2, 3, 4, 5])),
        ("includeUntagged: true, ", arns(&[0, 1, 2, 3, 4, 5])),
        ("searchTags: [{key: env, value: blue}], ", arns(&[1])),
        ("searchTags: [{key: env, value: blue}], includeUntagged: true, ", arns(&[0, 1])),
        ("searchTags: [{key: nobody, value: x}], includeUntagged: true, ", arns(&[0])),
    ] {
        let bridge = TestBridge::start(&cloud, &discovery("AWS/SQS", keys, metric)).await;
        let page = collected(&bridge).await;
        let name = "aws_sqs_number_of_messages_sent_sum{";
        assert_eq!(labels(&page, name, "name"), wanted, "{keys}");
        assert_eq!(labels(&page, "aws_sqs_info{", "name"), wanted, "{keys}: joins on info find every series");
        assert_eq!(page.count(name), wanted.len(), "{keys}");
        bridge.stop().await;
    }
}

#[tokio::test]
async fn untagged_resources_are_found_where_nothing_is_tagged() {
    let cloud = cloud(WorldSpec { untagged_percent: 100, ..WorldSpec::empty() }.with(Kind::Lambda, 3)).await;
    let metric = "{name: Invocations}";
    let bridge = TestBridge::start(&cloud, &discovery("AWS/Lambda", "includeUntagged: true, ", metric)).await;
    let page = collected(&bridge).await;
    let mut names = labels(&page, "aws_lambda_invocations_sum{", "name");
    assert!(names.remove("global"), "the region's own series is of no resource");
    let wanted: BTreeSet<_> = page.of("aws_lambda_info{").iter().map(|(s, ..)| s.split('"').nth(1).unwrap()).collect();
    assert_eq!(names.len(), 3);
    assert!(names.iter().all(|n| n.starts_with("arn:aws:lambda:eu-west-1:000000000000:function:")), "{names:?}");
    assert_eq!(names, wanted);
    bridge.stop().await;
}

#[tokio::test]
async fn a_pattern_finds_the_metrics_of_a_namespace_with_one_listing() {
    let cloud = cloud(WorldSpec::empty().with(Kind::Sqs, 3)).await;
    let metrics = "{name: '*', exclude: ['Approximate*', '*Empty*']}, {name: SentMessageSize, statistics: [Maximum]}";
    let bridge = TestBridge::start(&cloud, &discovery("AWS/SQS", "", metrics)).await;
    let page = collected(&bridge).await;
    let families: BTreeSet<&str> =
        page.of("aws_sqs_").iter().filter_map(|(s, ..)| s.split('{').next()).filter(|f| *f != "aws_sqs_info").collect();
    let series = cloud.world().series(HOME, REGION);
    let left = |n: &str| !n.starts_with("Approximate") && !n.contains("Empty") && n != "SentMessageSize";
    let all: BTreeSet<&str> = series.iter().map(|s| &*s.metric).filter(|n| left(n)).collect();
    assert_eq!(families.len(), all.len() + 1, "{families:?} {all:?}");
    assert!(families.contains("aws_sqs_number_of_messages_sent_sum"));
    assert!(
        families.contains("aws_sqs_sent_message_size_maximum") && !families.contains("aws_sqs_sent_message_size_sum")
    );
    assert_eq!(cloud.ledger().bill().calls("ListMetrics"), 1);
    bridge.stop().await;
}

#[tokio::test]
async fn a_pattern_follows_all_pages_and_later_metrics_appear() {
    let mut spec = WorldSpec::empty().with(Kind::Sqs, 4);
    spec.pages.list_metrics = 7;
    let cloud = cloud(spec).await;
    let config = discovery("AWS/SQS", "interval: 1s, inventoryInterval: 1s, ", "{name: 'Number*'}");
    let bridge = TestBridge::start(&cloud, &config).await;
    let deleted = |p: &Page| p.count("aws_sqs_number_of_messages_deleted_sum{");
    bridge.wait_for("every queue", |p| deleted(p) == 4).await;
    let arn = cloud.world().add(HOME, REGION, Kind::Sqs, Clock::system().now()).unwrap();
    let page = bridge.wait_for("a new queue", |p| deleted(p) == 5).await;
    assert!(page.text.contains(&*arn));
    bridge.stop().await;
}

#[tokio::test]
async fn filters_by_dimension_keep_the_rest_from_being_paid() {
    let cloud = cloud(WorldSpec::empty().with(Kind::DynamoDb, 2)).await;
    let keys = "dimensionFilters: [{name: Operation, keep: '^(GetItem|)$'}, {name: TableName, drop: '0001$'}], ";
    let bridge = TestBridge::start(&cloud, &discovery("AWS/DynamoDB", keys, "{name: '*'}")).await;
    let page = collected(&bridge).await;
    let operations = labels(&page, "aws_dynamodb_", "dimension_Operation");
    assert_eq!(operations, BTreeSet::from(["GetItem"]));
    let without =
        page.of("aws_dynamodb_").into_iter().filter(|(s, ..)| s.contains("TableName") && !s.contains("Operation"));
    assert!(without.count() > 0, "metrics without the dimension stay");
    assert_eq!(labels(&page, "aws_dynamodb_", "dimension_TableName").iter().filter(|t| !t.is_empty()).count(), 1);
    let exported = page.of("aws_dynamodb_").iter().filter(|(s, ..)| !s.contains("_info{")).count();
    assert_eq!(cloud.ledger().bill().metrics().per_statistic, exported as u64);
    bridge.stop().await;
}

#[tokio::test]
async fn a_service_of_the_file_is_as_good_as_one_of_the_table() {
    let spec = WorldSpec::empty().with(Kind::Sqs, 2);
    let cloud = cloud(spec).await;
    let config = "
aws:
  services:
    - {namespace: AWS/SQS, resourceTypes: [sqs], mappings: ['^arn:{_}:{QueueName!:}$', '{QueueName!:}$']}
    - {namespace: AWS/Other, resourceTypes: [other], mappings: ['x/{Id}']}
  discovery:
    exportedTagsOnMetrics: {AWS/SQS: [env], AWS/Other: [a]}
    jobs:
      - {type: AWS/SQS, regions: [eu-west-1], metrics: [{name: NumberOfMessagesSent, statistics: [Sum]}]}
      - {type: AWS/Other, regions: [eu-west-1], metrics: [{name: M, statistics: [Sum]}]}
";
    let bridge = TestBridge::start(&cloud, config).await;
    let page = collected(&bridge).await;
    let names = labels(&page, "aws_sqs_number_of_messages_sent_sum{", "name");
    assert_eq!(names.len(), 2);
    assert!(names.iter().all(|n| n.starts_with("arn:aws:sqs:")), "{names:?}");
    bridge.stop().await;
}

/// Writes one value of a metric of `CWAgent` with a dimension, now.
async fn put(cloud: &SimCloud, dimension: &str, value: &str) {
    use aws_sdk_cloudwatch::types::{Dimension, MetricDatum};
    let keys = aws_credential_types::Credentials::new("AKSIM", "simulated", None, None, "test");
    let config = aws_config::defaults(aws_config::BehaviorVersion::latest())
        .endpoint_url(cloud.endpoint_url())
        .region(REGION)
        .credentials_provider(keys)
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .load()
        .await;
    let dimension = Dimension::builder().name(dimension).value(value).build();
    let datum = MetricDatum::builder().metric_name("mem_used_percent").dimensions(dimension).value(42.0).build();
    let client = aws_sdk_cloudwatch::Client::new(&config);
    client.put_metric_data().namespace("CWAgent").metric_data(datum).send().await.unwrap();
}

#[tokio::test]
async fn tags_of_instances_are_joined_onto_a_custom_namespace() {
    let cloud = cloud(WorldSpec::empty().with(Kind::Ec2, 3)).await;
    let instances = cloud.world().resources(HOME, REGION);
    let id = |n: usize| instances[n].arn.rsplit('/').next().unwrap().to_owned();
    put(&cloud, "InstanceId", &id(0)).await;
    put(&cloud, "Host", &id(1)).await;
    put(&cloud, "Host", "i-nobody").await;
    let config = "
aws:
  customNamespace:
    - name: agent
      namespace: CWAgent
      regions: [eu-west-1]
      joinTags: [{namespace: AWS/EC2, tags: [Name]}, {namespace: AWS/EC2, dimension: Host, tags: [team, Name]}]
      metrics: [{name: 'mem_*', statistics: [Maximum], length: 3600}]
";
    let bridge = TestBridge::start(&cloud, config).await;
    let page = collected(&bridge).await;
    let tag = |n: usize, key: &str| instances[n].tags.iter().find(|t| &*t.key == key).unwrap().value.to_string();
    let family = "aws_cwagent_mem_used_percent_maximum{";
    assert_eq!(page.count(family), 3);
    for (value, name, team) in [
        (id(0), tag(0, "Name"), tag(0, "team")),
        (id(1), tag(1, "Name"), tag(1, "team")),
        ("i-nobody".to_owned(), String::new(), String::new()),
    ] {
        let series = page.of(family).into_iter().find(|(s, ..)| s.contains(&format!("\"{value}\""))).unwrap();
        for label in [format!("tag_Name=\"{name}\""), format!("tag_team=\"{team}\""), "name=\"agent\"".to_owned()] {
            assert!(series.0.contains(&label), "{} lacks {label}", series.0);
        }
    }
    assert_eq!(page.count("aws_cwagent_info"), 0, "the instances are not of this namespace");
    bridge.stop().await;
}

/// The home account monitors another one.
fn linked() -> WorldSpec {
    let mut spec = WorldSpec::empty().with(Kind::Sqs, 2).with(Kind::Rds, 1);
    spec.accounts.push(AccountSpec { id: OTHER.into(), alias: None, external_id: None });
    spec.links.push((HOME.into(), OTHER.into()));
    spec
}

#[tokio::test]
async fn linked_accounts_are_read_and_told_apart() {
    let cloud = cloud(linked()).await;
    let metric = "{name: NumberOfMessagesSent}";
    let family = "aws_sqs_number_of_messages_sent_sum{";
    for (keys, own, others) in [
        ("", 2, 0),
        ("includeLinkedAccounts: true, ", 2, 2),
        ("owningAccounts: ['000000000001'], ", 0, 2),
        ("owningAccounts: ['000000000001', '000000000000'], ", 2, 2),
        ("includeLinkedAccounts: true, searchTags: [{key: env, value: '.'}], ", 2, 0),
        ("includeLinkedAccounts: true, includeUntagged: true, searchTags: [{key: env, value: '.'}], ", 2, 2),
    ] {
        let bridge = TestBridge::start(&cloud, &discovery("AWS/SQS", keys, metric)).await;
        let page = collected(&bridge).await;
        let of = |account: &str| {
            let id = format!("account_id=\"{account}\"");
            page.of(family).into_iter().filter(|(s, ..)| s.contains(&id)).map(|(s, ..)| s.as_str()).collect::<Vec<_>>()
        };
        assert_eq!((of(HOME).len(), of(OTHER).len()), (own, others), "{keys}\n{}", page.text);
        for series in of(OTHER) {
            let arn = "name=\"arn:aws:sqs:eu-west-1:000000000001:";
            assert!(series.contains(arn) && series.contains("tag_env=\"\""), "{series}");
        }
        let envs = |s: &&str| !s.contains("tag_env=\"\"");
        assert!(of(HOME).iter().all(envs), "the own queues have their tags, though others have the same names");
        bridge.stop().await;
    }
}

#[tokio::test]
async fn values_of_linked_accounts_are_their_own() {
    let cloud = cloud(linked()).await;
    let config = discovery("AWS/RDS", "includeLinkedAccounts: true, ", "{name: '*', statistics: [Average]}");
    let bridge = TestBridge::start(&cloud, &config).await;
    let page = collected(&bridge).await;
    let cpu = page.of("aws_rds_cpuutilization_average{");
    assert_eq!(cpu.len(), 2);
    assert!((cpu[0].1 - cpu[1].1).abs() > f64::EPSILON, "two databases of one name, in two accounts: {cpu:?}");
    bridge.stop().await;
}

#[tokio::test]
async fn all_regions_of_each_role_with_three_lines() {
    let mut spec = WorldSpec::empty().with(Kind::Sqs, 1);
    spec.regions = vec!["eu-west-1".into(), "us-east-1".into(), "ap-south-1".into()];
    spec.accounts.push(AccountSpec { id: OTHER.into(), alias: None, external_id: None });
    let cloud = cloud(spec).await;
    let config = "
aws:
  roles: [{roleArn: 'arn:aws:iam::000000000001:role/r'}, {roleArn: ''}]
  regions: all
  discovery:
    jobs:
      - {type: AWS/SQS, metrics: [{name: NumberOfMessagesSent, statistics: [Sum], length: 3600}]}
      - {type: AWS/SQS, roles: [], regions: [us-east-1], metrics: [{name: SentMessageSize, statistics: [Sum], length: 3600}]}
";
    let bridge = TestBridge::start(&cloud, config).await;
    let page = bridge
        .wait_for("queues in three regions of two accounts", |p| p.count("aws_sqs_number_of_messages_sent_sum{") == 6)
        .await;
    for account in [HOME, OTHER] {
        for region in ["eu-west-1", "us-east-1", "ap-south-1"] {
            let there = |(s, ..): &&&(String, f64, Option<i64>)| {
                s.contains(&format!("account_id=\"{account}\"")) && s.contains(&format!("region=\"{region}\""))
            };
            assert_eq!(page.of("aws_sqs_number").iter().filter(there).count(), 1, "{account} {region}");
        }
    }
    bridge.wait_for("the other job", |p| p.count("aws_sqs_sent_message_size_sum{") == 1).await;
    assert_eq!(cloud.ledger().bill().calls("DescribeRegions"), 2, "one for each role, not for each job or region");
    bridge.stop().await;
}

#[tokio::test]
async fn regions_that_cannot_be_found_are_told_and_hold_nobody() {
    let cloud = cloud(WorldSpec::empty().with(Kind::Sqs, 1)).await;
    let fault = cloud.faults().add(Fault::new(Effect::AccessDenied).on("DescribeRegions"));
    let config = "
aws:
  discovery:
    jobs:
      - {type: AWS/SQS, regions: all, inventoryInterval: 1s, metrics: [{name: NumberOfMessagesSent, statistics: [Sum], length: 3600}]}
      - {type: AWS/SQS, regions: [eu-west-1], metrics: [{name: SentMessageSize, statistics: [Sum], length: 3600}]}
";
    let bridge = TestBridge::start(&cloud, config).await;
    bridge.wait_for("the other job", |p| p.count("aws_sqs_sent_message_size_sum{") == 1).await;
    let page = bridge
        .wait_for("the refused call in the books", |p| {
            p.sum("raingauge_api_failed_calls_total{", &["DescribeRegions", "access_denied"]) > 0.0
        })
        .await;
    assert_eq!(page.count("aws_sqs_number_of_messages_sent_sum{"), 0);
    let end = tokio::time::Instant::now() + std::time::Duration::from_secs(60);
    loop {
        let (_, status) = bridge.get("/").await;
        if status.contains("regions: all") {
            assert!(status.contains("call DescribeRegions"), "{status}");
            break;
        }
        assert!(tokio::time::Instant::now() < end, "{status}");
    }
    assert!(cloud.faults().remove(fault));
    bridge.wait_for("the regions, asked for again", |p| p.count("aws_sqs_number_of_messages_sent_sum{") == 1).await;
    let (_, status) = bridge.get("/").await;
    assert!(!status.contains("regions: all"), "{status}");
    bridge.stop().await;
}

#[tokio::test]
async fn an_upper_bound_keeps_the_same_series_and_says_what_is_missing() {
    let cloud = cloud(WorldSpec::empty().with(Kind::Sqs, 10)).await;
    let metrics = "{name: NumberOfMessagesSent}, {name: SentMessageSize, statistics: [Sum, Average]}";
    let mut kept = Vec::new();
    for _ in 0..2 {
        let bridge = TestBridge::start(&cloud, &discovery("AWS/SQS", "maxSeries: 15, ", metrics)).await;
        let page = collected(&bridge).await;
        assert_eq!(page.count("aws_sqs_number_of_messages_sent_sum{"), 10);
        let sizes = labels(&page, "aws_sqs_sent_message_size_", "dimension_QueueName");
        assert_eq!((page.count("aws_sqs_sent_message_size_"), sizes.len()), (4, 2), "both statistics or none");
        assert!((page.sum("raingauge_job_left_out_series{", &["AWS/SQS"]) - 16.0).abs() < 0.5);
        let (_, status) = bridge.get("/").await;
        assert!(status.contains("maxSeries (15) leaves out 16 series: SentMessageSize (16)"), "{status}");
        kept.push(sizes.iter().map(ToString::to_string).collect::<Vec<_>>());
        bridge.stop().await;
    }
    assert_eq!(kept[0], kept[1]);
    let bridge = TestBridge::start(&cloud, &discovery("AWS/SQS", "maxSeries: 0, ", metrics)).await;
    let page = collected(&bridge).await;
    assert_eq!((page.count("aws_sqs_number"), page.count("aws_sqs_sent")), (10, 20));
    bridge.stop().await;
}

#[tokio::test]
async fn our_keys_work_in_a_yace_file_and_its_names_are_no_patterns() {
    let cloud = cloud(WorldSpec { untagged_percent: 100, ..WorldSpec::empty() }.with(Kind::Sqs, 2)).await;
    let config = "
apiVersion: v1alpha1
discovery:
  jobs:
    - type: AWS/SQS
      regions: [eu-west-1]
      includeUntagged: true
      maxSeries: 1
      metrics:
        - {name: NumberOfMessagesSent, statistics: [Sum], length: 3600}
        - {name: 'Number*', statistics: [Sum], length: 3600}
";
    let bridge = TestBridge::start(&cloud, config).await;
    let page = collected(&bridge).await;
    assert_eq!(page.count("aws_sqs_number_of_messages_sent_sum{"), 1);
    assert_eq!(page.count("aws_sqs_number_of_messages_deleted_sum{"), 0);
    bridge.stop().await;
}
