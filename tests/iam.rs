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
    let text = read(&root().join("src/aws/client.rs"));
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
