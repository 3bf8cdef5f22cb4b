//! Many accounts: calls for each role, not for each job; an account that refuses does not slow the others.
//!
//! `RAINGAUGE_FLEET_ROLES=1000` makes it the size that `docs/performance.md` tells about; CI takes a smaller one.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "support/bridge.rs"]
mod bridge;

use std::time::Duration;

use bridge::TestBridge;
use raingauge::clock::Clock;
use raingauge::sim::{AccountSpec, Kind, SimCloud, WorldSpec};
use tokio::time::Instant;

/// Roles of a run in CI.
const ROLES: usize = 12;
const REGIONS: [&str; 4] = ["eu-central-1", "eu-west-1", "us-east-1", "us-west-2"];
const JOBS: [(&str, &str); 5] = [
    ("AWS/EC2", "CPUUtilization"),
    ("AWS/SQS", "NumberOfMessagesSent"),
    ("AWS/Lambda", "Errors"),
    ("AWS/DynamoDB", "ConsumedReadCapacityUnits"),
    ("AWS/RDS", "CPUUtilization"),
];
/// The account that does not let us in.
const REFUSING: &str = "000000000001";

fn config(roles: usize) -> String {
    let arn = |n: usize| format!("{{roleArn: 'arn:aws:iam::{:012}:role/reader', externalId: sesame}}", n + 1);
    let roles = (0..roles).map(arn).collect::<Vec<_>>().join(", ");
    let job = |(namespace, metric): &(&str, &str)| {
        format!(
            "      - type: {namespace}\n        regions: [{}]\n        roles: *roles\n        metrics: [{{name: {metric}, statistics: [Sum], length: 3600}}]\n",
            REGIONS.join(", ")
        )
    };
    let [first, others @ ..] = &JOBS;
    let others: Vec<String> = others.iter().map(job).collect();
    let first = job(first).replace("*roles", &format!("&roles [{roles}]"));
    format!(
        "aws:\n  interval: 1h\n  concurrency: {{listMetrics: 50, getMetricData: 50, tagging: 50}}\n  discovery:\n    jobs:\n{first}{}",
        others.concat()
    )
}

fn world(roles: usize) -> WorldSpec {
    let mut spec = WorldSpec::empty();
    let account = |n: usize| AccountSpec {
        id: format!("{n:012}").into(),
        alias: Some(format!("fleet-{n}").into()),
        external_id: Some(if n == 1 { "guess" } else { "sesame" }.into()),
    };
    spec.accounts.extend((1..=roles).map(account));
    spec.regions = REGIONS.iter().map(|r| (*r).into()).collect();
    spec.services = [Kind::Ec2, Kind::Sqs, Kind::Lambda, Kind::DynamoDb, Kind::Rds].map(|kind| (kind, 1)).to_vec();
    spec
}

/// Kilobytes of this process (the simulated cloud is in it, too).
fn resident_kb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"));
    line.and_then(|l| l.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}

/// Waits, without reading the page more often than a scraper would of a large fleet.
async fn wait_for_targets(bridge: &TestBridge, targets: usize) -> bridge::Page {
    let end = Instant::now() + Duration::from_secs(600);
    loop {
        let page = bridge.page().await;
        let done = page.of("raingauge_job_last_success_timestamp_seconds{");
        let done = done.iter().filter(|(s, v, _)| s.contains("run=\"fetch\"") && *v > 0.0).count();
        if done >= targets {
            return page;
        }
        assert!(Instant::now() < end, "{done} of {targets} targets have fetched");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// A counter's value.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counters are whole, small and positive")]
fn whole(counter: f64) -> u64 {
    counter.round() as u64
}

#[tokio::test(flavor = "multi_thread")]
async fn each_role_is_assumed_and_named_once_and_one_that_refuses_holds_up_nobody() {
    let roles = std::env::var("RAINGAUGE_FLEET_ROLES").map_or(ROLES, |n| n.parse().unwrap());
    let targets = (roles - 1) * REGIONS.len() * JOBS.len();
    let cloud = SimCloud::start(world(roles), Clock::system()).await.unwrap();
    let (began, before) = (Instant::now(), resident_kb());
    let bridge = TestBridge::start(&cloud, &config(roles)).await;
    let page = wait_for_targets(&bridge, targets).await;
    // For docs/performance.md.
    println!(
        "{roles} roles, {} targets: all values after {:.1} s; memory grew by {} MB, the simulated cloud included",
        roles * REGIONS.len() * JOBS.len(),
        began.elapsed().as_secs_f64(),
        resident_kb().saturating_sub(before) / 1024,
    );
    let bill = cloud.ledger().bill();
    let good = u64::try_from(roles - 1).unwrap();
    let assumed = whole(page.sum("raingauge_api_calls_total", &["operation=\"AssumeRole\""]));
    assert_eq!(bill.calls("GetCallerIdentity"), good, "one for each role that could be assumed");
    assert_eq!(bill.calls("ListAccountAliases"), good);
    let refused = whole(page.sum("raingauge_api_failed_calls_total", &["AssumeRole", REFUSING]));
    assert!(refused >= 1, "the refused role is in the books");
    assert_eq!(assumed - refused, good, "our books: one for each role");
    // While the others fetched, the refusing role was asked for again now and then, not by each of its targets.
    let moments = 1 + began.elapsed().as_secs() / 10;
    let waiting = REGIONS.len() * JOBS.len();
    assert!(refused <= moments, "{refused} AssumeRole calls for {waiting} targets of the refusing account");
    // One more may have been made since the page was rendered.
    assert!((assumed..=assumed + 1).contains(&bill.calls("AssumeRole")), "their books agree with ours");
    assert_eq!(page.count("aws_ec2_cpuutilization_sum{"), (roles - 1) * REGIONS.len());
    assert!(!page.text.contains(&format!("account_id=\"{REFUSING}\"")));
    bridge.stop().await;
}
