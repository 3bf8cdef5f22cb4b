//! What other services than CloudWatch and tagging know, through the front door: resources of the special look-ups, and
//! enhanced metrics.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]
#![allow(clippy::float_cmp, reason = "these are whole numbers")]

#[path = "support/bridge.rs"]
mod bridge;
#[path = "partners/processes.rs"]
mod processes;
#[path = "special/services.rs"]
mod services;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bridge::{Page, TestBridge};
use raingauge::aws::client::{Emulator, Network};
use raingauge::aws::question::Service;
use raingauge::clock::Clock;
use raingauge::config::LoadOptions;
use raingauge::sim::{Effect, Fault, Kind, SimCloud, WorldSpec};
use services::{Asked, Services, Serving};

const THROTTLED: &str =
    "<ErrorResponse><Error><Code>Throttling</Code><Message>Rate exceeded</Message></Error></ErrorResponse>";
const DENIED: &str = "<Response><Errors><Error><Code>UnauthorizedOperation</Code><Message>You may not</Message></Error></Errors></Response>";

/// A bridge whose signed calls to `services` go there and everything else to the simulated cloud.
async fn start(cloud: &SimCloud, serving: &Serving, services: &[Service], config: &str) -> TestBridge {
    let emulator =
        Emulator { endpoint_url: cloud.endpoint_url(), access_key_id: "AKSIM".into(), region: "eu-west-1".into() };
    let endpoints = services.iter().map(|s| (*s, serving.url.clone())).collect();
    let network = Network { emulator: Some(emulator), endpoints, ..Network::default() };
    // The simulated cloud has no metrics in these namespaces: their info series tell what was found.
    let options = LoadOptions { always_return_info: true, ..LoadOptions::default() };
    TestBridge::start_in(network, options, config).await
}

async fn cloud(spec: WorldSpec) -> SimCloud {
    SimCloud::start(spec, Clock::system()).await.unwrap()
}

fn tagged(mut spec: WorldSpec) -> WorldSpec {
    spec.untagged_percent = 0;
    spec
}

fn groups(names: &[&str], next: Option<&str>) -> (u16, String) {
    let member = |n: &&str| {
        format!(
            "<member><AutoScalingGroupARN>arn:aws:autoscaling:eu-west-1:1:autoScalingGroup:u:autoScalingGroupName/{n}\
             </AutoScalingGroupARN></member>"
        )
    };
    let members: String = names.iter().map(member).collect();
    let next = next.map(|n| format!("<NextToken>{n}</NextToken>")).unwrap_or_default();
    let result = format!("<AutoScalingGroups>{members}</AutoScalingGroups>{next}");
    (200, format!("<R><DescribeAutoScalingGroupsResult>{result}</DescribeAutoScalingGroupsResult></R>"))
}

fn failures(page: &Page, job: &str, reason: &str) -> f64 {
    page.sum("raingauge_job_failures_total", &[&format!("job=\"{job}\""), &format!("reason=\"{reason}\"")])
}

const GROUPS: &str = "
aws:
  interval: 1s
  inventoryInterval: 1s
  staleAfter: 10m
  discovery:
    jobs:
      - {type: AWS/AutoScaling, regions: [eu-west-1], metrics: [{name: GroupDesiredCapacity, statistics: [Average]}]}
";

#[tokio::test(flavor = "multi_thread")]
async fn pages_throttling_and_server_errors_do_not_hide_a_group() {
    let serving = Services::default()
        .on("DescribeAutoScalingGroups", |asked| match (asked.before, asked.field("NextToken")) {
            (0, _) => (400, THROTTLED.to_owned()),
            (1, _) => (503, "busy".to_owned()),
            (_, "") => groups(&["a", "b"], Some("page/two+")),
            (_, "page/two+") => groups(&["c"], None),
            _ => (400, DENIED.to_owned()),
        })
        .start()
        .await;
    let cloud = cloud(WorldSpec::empty()).await;
    let bridge = start(&cloud, &serving, &[Service::AutoScaling], GROUPS).await;
    let page = bridge.wait_for("three groups", |p| p.count("aws_autoscaling_info{") == 3).await;
    assert_eq!(failures(&page, "AWS/AutoScaling", "throttled"), 0.0);
    let calls = &["service=\"autoscaling\"", "operation=\"DescribeAutoScalingGroups\"", "region=\"eu-west-1\""];
    assert_eq!(page.sum("raingauge_api_throttles_total", calls), 1.0);
    assert_eq!(page.sum("raingauge_api_retries_total", calls), 2.0);
    let first = &serving.asked("DescribeAutoScalingGroups")[0];
    assert!(first.authorization.contains("Credential=AKSIM/"), "{first:?}");
    assert!(first.authorization.contains("/eu-west-1/autoscaling/aws4_request"), "{first:?}");
    assert!(first.authorization.contains("SignedHeaders=content-type;host;x-amz-date"), "{first:?}");
    bridge.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_up_that_fails_keeps_what_was_known() {
    let denied = Arc::new(AtomicBool::new(false));
    let answer = {
        let denied = Arc::clone(&denied);
        move |_: &Asked| if denied.load(Ordering::Relaxed) { (403, DENIED.to_owned()) } else { groups(&["a"], None) }
    };
    let serving = Services::default().on("DescribeAutoScalingGroups", answer).start().await;
    let cloud = cloud(WorldSpec::empty()).await;
    let bridge = start(&cloud, &serving, &[Service::AutoScaling], GROUPS).await;
    bridge.wait_for("the group", |p| p.count("aws_autoscaling_info{") == 1).await;
    denied.store(true, Ordering::Relaxed);
    let page = bridge.wait_for("a refusal", |p| failures(p, "AWS/AutoScaling", "access_denied") >= 2.0).await;
    assert_eq!(page.count("aws_autoscaling_info{"), 1, "{}", page.text);
    let (_, status) = bridge.get("/").await;
    assert!(status.contains("DescribeAutoScalingGroups") && status.contains("You may not"), "{status}");
    denied.store(false, Ordering::Relaxed);
    let last = |p: &Page| p.sum("raingauge_job_last_success_timestamp_seconds", &["discover"]);
    bridge.wait_for("recovery", |p| last(p) > last(&page)).await;
    bridge.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_environment_names_endpoints_for_all_and_for_one() {
    let all = Services::default().on("ListProtections", |_| (200, "{}".to_owned())).start().await;
    let own = Services::default().on("DescribeAutoScalingGroups", |_| groups(&["a"], None)).start().await;
    let cloud = cloud(WorldSpec::empty()).await;
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config.yml");
    let shield = "      - {type: AWS/DDoSProtection, regions: [eu-west-1], metrics: [{name: M, statistics: [Sum]}]}\n";
    std::fs::write(&config, format!("{GROUPS}{shield}")).unwrap();
    let mut command = processes::raingauge(folder.path());
    command
        .args(["run", "--web.listen-address", "127.0.0.1:0", "--config"])
        .arg(&config)
        .env("AWS_REGION", "eu-west-1")
        .env("AWS_ACCESS_KEY_ID", "AKSIM")
        .env("AWS_SECRET_ACCESS_KEY", "simulated")
        .env("AWS_ENDPOINT_URL", &all.url)
        .env("AWS_ENDPOINT_URL_AUTO_SCALING", &own.url);
    for service in ["STS", "CLOUDWATCH", "RESOURCE_GROUPS_TAGGING_API"] {
        command.env(format!("AWS_ENDPOINT_URL_{service}"), cloud.endpoint_url());
    }
    let running = processes::Running::start(folder.path(), "raingauge", &mut command);
    let end = tokio::time::Instant::now() + std::time::Duration::from_secs(60);
    while all.asked("ListProtections").is_empty() || own.asked("DescribeAutoScalingGroups").is_empty() {
        assert!(tokio::time::Instant::now() < end, "somebody was not asked:\n{}", running.log());
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert!(all.asked("DescribeAutoScalingGroups").is_empty());
    drop(running);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_protocol_finds_its_resources() {
    let serving = Services::default()
        .on("DescribeSpotFleetRequests", |_| {
            let item = "<item><spotFleetRequestId>sfr-1</spotFleetRequestId></item>";
            (200, format!("<R><spotFleetRequestConfigSet>{item}</spotFleetRequestConfigSet></R>"))
        })
        .on("ListProtections", |_| {
            let arn = "arn:aws:ec2:eu-west-1:1:eip-allocation/e";
            (200, format!(r#"{{"Protections":[{{"ResourceArn":"{arn}","ProtectionArn":"arn:p"}}]}}"#))
        })
        .on("ListGateways", |_| {
            (200, r#"{"Gateways":[{"GatewayARN":"arn:g","GatewayId":"sgw-1","GatewayName":"one"}]}"#.to_owned())
        })
        .on("ListTagsForResource", |_| (200, r#"{"Tags":[{"Key":"env","Value":"prod"}]}"#.to_owned()))
        .on("/workspaces", |asked| match asked.field("nextToken") {
            "" => (200, r#"{"workspaces":[{"arn":"arn:ws-1"}],"nextToken":"a b&c"}"#.to_owned()),
            token => (200, format!(r#"{{"workspaces":[{{"arn":"arn:{token}"}}]}}"#)),
        })
        .start()
        .await;
    let cloud = cloud(tagged(WorldSpec::empty().with(Kind::ApiGateway, 3))).await;
    let namespaces = ["EC2Spot", "DDoSProtection", "StorageGateway", "Prometheus", "ApiGateway"];
    let jobs: String = namespaces
        .map(|n| {
            format!("      - {{type: AWS/{n}, regions: [eu-west-1], metrics: [{{name: M, statistics: [Sum]}}]}}\n")
        })
        .concat();
    let config = format!("aws:\n  interval: 1s\n  discovery:\n    jobs:\n{jobs}");
    let theirs = [Service::Ec2, Service::Shield, Service::StorageGateway, Service::Prometheus];
    let bridge = start(&cloud, &serving, &theirs, &config).await;
    let page = bridge
        .wait_for("all resources", |p| {
            p.count("aws_ec2spot_info{") == 1
                && p.count("aws_ddosprotection_info{") == 1
                && p.count("aws_storagegateway_info{") == 1
                && p.count("aws_prometheus_info{") == 2
                && p.count("aws_apigateway_info{") == 3
        })
        .await;
    for series in [
        "aws_ec2spot_info{name=\"sfr-1\"}",
        "aws_ddosprotection_info{name=\"arn:aws:ec2:eu-west-1:1:eip-allocation/e\",tag_ProtectionArn=\"arn:p\"}",
        "aws_storagegateway_info{name=\"sgw-1/one\",tag_env=\"prod\"}",
        "aws_prometheus_info{name=\"arn:a b&c\"}",
    ] {
        assert_eq!(page.count(series), 1, "{series}\n{}", page.text);
    }
    bridge.stop().await;
}

const ENHANCED: &str = "
aws:
  interval: 1s
  discovery:
    exportedTagsOnMetrics: {AWS/RDS: [Name]}
    jobs:
      - type: AWS/RDS
        regions: [eu-west-1]
        metrics: [{name: CPUUtilization, statistics: [Average], period: 300, length: 3600}]
        enhancedMetrics: [{name: AllocatedStorage}]
      - {type: AWS/Lambda, regions: [eu-west-1], enhancedMetrics: [{name: Timeout}, {name: MemorySize}]}
      - {type: AWS/DynamoDB, regions: [eu-west-1], enhancedMetrics: [{name: ItemCount}, {name: TableSizeBytes}]}
";

async fn databases() -> SimCloud {
    cloud(tagged(WorldSpec::empty().with(Kind::Rds, 3).with(Kind::Lambda, 4).with(Kind::DynamoDb, 2))).await
}

fn cpu(page: &Page) -> usize {
    page.of("aws_rds_cpuutilization_average{").iter().filter(|(s, ..)| s.contains("DBInstanceIdentifier")).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn enhanced_metrics_come_with_and_without_metrics_and_seldom() {
    let cloud = databases().await;
    let bridge = TestBridge::start(&cloud, ENHANCED).await;
    let fetches = |p: &Page, job: &str| p.sum("raingauge_job_runs_total", &[job, "run=\"fetch\""]);
    let page = bridge
        .wait_for("several fetches of every job", |p| {
            ["AWS/RDS", "AWS/Lambda", "AWS/DynamoDB"].iter().all(|job| fetches(p, job) >= 4.0)
        })
        .await;
    for (family, expected) in [
        ("aws_rds_allocated_storage{", 3),
        ("aws_rds_info{", 3),
        ("aws_lambda_timeout{", 4),
        ("aws_lambda_memory_size{", 4),
        ("aws_lambda_info{", 4),
        ("aws_dynamodb_item_count{", 4),
        ("aws_dynamodb_table_size_bytes{", 2),
        ("aws_dynamodb_index_size_bytes{", 2),
        ("aws_dynamodb_info{", 2),
    ] {
        assert_eq!(page.count(family), expected, "{family}\n{}", page.text);
    }
    assert!(cpu(&page) >= 3);
    for (series, value, _) in page.of("aws_rds_allocated_storage{") {
        let gib = value / f64::from(1 << 30);
        assert!((20.0..=100.0).contains(&gib) && gib.fract() == 0.0, "{series} {value}");
        for label in ["account_id=", "region=\"eu-west-1\"", "tag_Name=", "dimension_DatabaseClass=\"db.t4g.medium\""] {
            assert!(series.contains(label), "{series}");
        }
    }
    let bill = cloud.ledger().bill();
    let calls = ["DescribeDBInstances", "ListFunctions", "DescribeTable"].map(|operation| bill.calls(operation));
    assert_eq!(calls, [1, 1, 2], "once for four fetches");
    bridge.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn enhanced_metrics_that_fail_leave_the_others_alone() {
    let cloud = databases().await;
    cloud.faults().add(Fault::new(Effect::AccessDenied).on("DescribeDBInstances"));
    cloud.faults().add(Fault::new(Effect::AccessDenied).on("DescribeTable").times(1));
    let bridge = TestBridge::start(&cloud, ENHANCED).await;
    let page = bridge
        .wait_for("values and failures", |p| {
            failures(p, "AWS/RDS", "access_denied") >= 1.0
                && p.count("aws_dynamodb_table_size_bytes{") == 1
                && cpu(p) >= 3
        })
        .await;
    assert_eq!(page.count("aws_rds_allocated_storage{"), 0);
    assert_eq!(failures(&page, "AWS/DynamoDB", "access_denied"), 1.0, "one table takes no other with it");
    assert_eq!(page.count("aws_lambda_timeout{"), 4);
    bridge.stop().await;
}
