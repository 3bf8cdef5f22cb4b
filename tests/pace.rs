//! When metrics are asked for: what a file says about it, and what a week of it costs.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::path::Path;
use std::time::Duration;

use raingauge::aws::job::{AwsSettings, Pace, WindowRule};
use raingauge::config::{LoadOptions, parse};

fn aws(text: &str) -> AwsSettings {
    let loaded = parse(Path::new("x.yml"), text.as_bytes(), &LoadOptions::default(), &|_| None);
    loaded.unwrap().settings.aws.unwrap()
}

#[test]
fn paces_of_native_files() {
    let metrics = "[{name: size, period: 86400, length: 172800}, {name: own, interval: 1m, delay: 30}, {name: plain}]";
    let text = |top: &str, own: &str| {
        format!(
            "aws:\n{top}  customNamespace: [{{name: n, namespace: AWS/S3, regions: [r], statistics: [Sum]{own}, metrics: {metrics}}}]\n"
        )
    };
    let job = |top: &str, own: &str| aws(&text(top, own)).jobs.remove(0);
    let every = |secs| Pace::Every(Duration::from_secs(secs));
    let found = job("", "");
    assert_eq!(found.metrics.iter().map(|m| m.pace).collect::<Vec<_>>(), [Pace::Auto, every(60), Pace::Auto]);
    assert_eq!(found.metrics.iter().map(|m| m.delay_seconds).collect::<Vec<_>>(), [9_000, 30, 120]);
    assert!(found.metrics.iter().all(|m| m.rule == WindowRule::Complete));
    assert_eq!(found.timing.interval, Duration::from_secs(60));
    // Each value stays for twice the time between two asks, and its delay.
    let stays = |n: usize| (found.timing.stale_after + found.metrics[n].outlives).as_secs();
    assert_eq!([stays(0), stays(1), stays(2)], [2 * 86_400 + 9_000, 150, 720]);
    let given = job("  staleAfter: 10m\n", ", interval: auto, delay: 5");
    assert_eq!(given.timing.stale_after.as_secs(), 600);
    assert_eq!(given.metrics.iter().map(|m| m.delay_seconds).collect::<Vec<_>>(), [5, 30, 5]);
    assert_eq!(given.metrics[0].outlives.as_secs(), 86_400 - 60);
    let never = job("", ", staleAfter: 0, interval: 5m");
    assert_eq!((never.timing.stale_after, never.metrics[2].pace), (Duration::ZERO, every(300)));
}

#[test]
fn paces_of_yace_files() {
    let text = |own: &str| {
        format!(
            "apiVersion: v1alpha1\nstatic: []\ncustomNamespace: [{{name: n, namespace: s, regions: [r], statistics: [Sum]{own}, metrics: [{{name: m}}]}}]\n"
        )
    };
    let metric = |own: &str| aws(&text(own)).jobs.remove(0).metrics.remove(0);
    let plain = metric(", delay: 7");
    assert_eq!((plain.pace, plain.rule), (Pace::Every(Duration::from_secs(300)), WindowRule::Yace));
    assert_eq!((plain.delay_seconds, plain.outlives), (7, Duration::ZERO));
    let ours = metric(", interval: auto");
    assert_eq!((ours.pace, ours.rule, ours.delay_seconds), (Pace::Auto, WindowRule::Complete, 120));
}
