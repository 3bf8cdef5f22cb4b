//! The policies in `iam/` allow what the code calls, no less and no more.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use raingauge::aws::question::OPERATIONS;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|e| panic!("read {}: {e}", path.display()))
}

fn files(folder: &str, extension: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join(folder)).unwrap().map(|e| e.unwrap().path());
    entries.filter(|p| p.extension().is_some_and(|e| e == extension)).collect()
}

/// `service:Operation` of every call that the client books (each call to AWS is booked): those of the SDK by name, the
/// others from their table.
fn calls() -> BTreeSet<String> {
    let inner = files("src/aws/client", "rs").iter().map(|path| read(path)).collect::<String>();
    let text = read(&root().join("src/aws/client.rs")) + &inner;
    let mut calls = BTreeSet::new();
    for behind in text.split("Calls::new(").skip(1).filter(|b| b.starts_with('"')) {
        let mut quoted = behind.split('"');
        let (service, operation) = (quoted.nth(1).unwrap(), quoted.nth(1).unwrap());
        calls.insert(format!("{service}:{operation}"));
    }
    calls.extend(OPERATIONS.iter().map(|o| o.permission()));
    calls
}

fn allowed() -> BTreeSet<String> {
    let mut actions = BTreeSet::new();
    for file in files("iam", "json") {
        let policy: serde_json::Value = serde_json::from_str(&read(&file)).unwrap();
        for statement in policy["Statement"].as_array().unwrap() {
            assert_eq!(statement["Effect"], "Allow", "{}", file.display());
            actions.extend(statement["Action"].as_array().unwrap().iter().map(|a| a.as_str().unwrap().to_owned()));
        }
    }
    actions
}

#[test]
fn the_policies_allow_what_is_called() {
    let mut called = calls();
    assert!(called.contains("cloudwatch:GetMetricData"), "the calls were not found: {called:?}");
    assert!(called.remove("sts:GetCallerIdentity"), "it needs no permission, but is called");
    called.insert("sts:AssumeRole".to_owned()); // by the SDK's credentials, not by us
    assert_eq!(allowed(), called);
}

#[test]
fn every_permission_has_its_reason() {
    let reasons = read(&root().join("iam/README.md"));
    for action in allowed() {
        assert!(reasons.contains(&format!("| `{action}` |")), "iam/README.md says nothing about {action}");
    }
}

/// The policies that `check --iam` prints for a configuration.
fn policies(config: &str) -> Vec<serde_json::Value> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.yml");
    fs::write(&path, config).unwrap();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_raingauge"))
        .args(["check", "--iam", "--config"])
        .arg(&path)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let json = text.lines().filter(|l| !l.starts_with('#')).collect::<Vec<_>>().join("\n");
    serde_json::Deserializer::from_str(&json).into_iter().map(Result::unwrap).collect()
}

fn actions(policy: &serde_json::Value) -> BTreeSet<&str> {
    let statements = policy["Statement"].as_array().unwrap();
    statements.iter().flat_map(|s| s["Action"].as_array().unwrap()).map(|a| a.as_str().unwrap()).collect()
}

#[test]
fn a_configuration_gets_the_policy_that_it_needs() {
    let printed = policies(
        "aws: {discovery: {jobs: [{type: AWS/SQS, regions: [eu-west-1], metrics: [{name: M, statistics: [Sum]}]}]}}",
    );
    let wanted = ["cloudwatch:GetMetricData", "cloudwatch:ListMetrics", "iam:ListAccountAliases", "tag:GetResources"];
    assert_eq!(printed.len(), 1);
    assert_eq!(actions(&printed[0]), BTreeSet::from(wanted));
}

#[test]
fn regions_and_joined_tags_need_their_calls() {
    let printed = policies(
        "
aws:
  regions: all
  customNamespace:
    - name: a
      namespace: CWAgent
      joinTags: [{namespace: AWS/EC2, tags: [Name]}]
      metrics: [{name: '*', statistics: [Average]}]
",
    );
    let wanted = [
        "cloudwatch:GetMetricData",
        "cloudwatch:ListMetrics",
        "ec2:DescribeRegions",
        "iam:ListAccountAliases",
        "tag:GetResources",
    ];
    assert_eq!(actions(&printed[0]), BTreeSet::from(wanted));
}

#[test]
fn each_role_gets_its_own_policy() {
    let printed = policies(
        "
aws:
  discovery:
    jobs:
      - type: AWS/RDS
        regions: [eu-west-1]
        roles: [{roleArn: 'arn:aws:iam::000000000001:role/r'}]
        enhancedMetrics: [{name: AllocatedStorage}]
  static:
    - {name: s, namespace: N, regions: [eu-west-1], metrics: [{name: M, statistics: [Sum]}]}
",
    );
    let own = ["cloudwatch:GetMetricStatistics", "iam:ListAccountAliases", "sts:AssumeRole"];
    assert_eq!(actions(&printed[0]), BTreeSet::from(own));
    let role = ["iam:ListAccountAliases", "rds:DescribeDBInstances", "tag:GetResources"];
    assert_eq!(actions(&printed[1]), BTreeSet::from(role));
    let become_role = printed[0]["Statement"].as_array().unwrap().last().unwrap();
    assert_eq!(become_role["Resource"][0], "arn:aws:iam::000000000001:role/r");
}
