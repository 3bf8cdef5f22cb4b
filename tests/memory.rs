//! How much memory a large page takes. The whole process counts, so this test has a program of its own.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::sync::Arc;
use std::time::Duration;

use raingauge::expose::cache::{Exposition, ExpositionSettings};
use raingauge::model::{Cell, Family, Kind, LabelSet, SeriesSet, SeriesSetBuilder, Snapshot, Text, Timestamp};
use raingauge::store::{SlotKey, Store};
use raingauge::telemetry::{Telemetry, TelemetrySettings};

const INSTANCES: usize = 5_000;
const METRICS: usize = 20;
const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);

/// The promise for 100,000 series, everything included.
const LIMIT_BYTES: u64 = 100_000_000;

fn label(name: &str, value: String) -> (Text, Text) {
    (name.into(), value.into())
}

fn series() -> Arc<SeriesSet> {
    let family = |name: String| Family { name: name.into(), help: "Help.".into(), kind: Kind::Gauge };
    let mut set = SeriesSetBuilder::default();
    let families: Vec<u32> = (0..METRICS).map(|m| set.family(family(format!("aws_ec2_metric_{m}_average")))).collect();
    let info = set.family(family("aws_ec2_info".into()));
    for i in 0..INSTANCES {
        let id = format!("i-{:017x}", i * 7919);
        let tags = vec![
            label("name", format!("arn:aws:ec2:eu-west-1:123456789012:instance/{id}")),
            label("tag_Name", format!("web server number {i}")),
            label("tag_env", "production".into()),
            label("tag_owner", format!("team-{}", i % 17)),
        ];
        let mut labels = tags.clone();
        labels.extend([
            label("account_id", "123456789012".into()),
            label("region", "eu-west-1".into()),
            label("dimension_InstanceId", id),
        ]);
        let labels = set.labels(LabelSet::new(labels));
        for family in &families {
            set.push(*family, labels);
        }
        let tags = set.labels(LabelSet::new(tags));
        set.push(info, tags);
    }
    Arc::new(set.build())
}

fn publish(store: &Store, set: &Arc<SeriesSet>, round: u32) {
    let mut snapshot = Snapshot::empty(Arc::clone(set), Duration::from_secs(600));
    for position in 0..set.series.len() {
        // Other series are absent in each round: a new layout every time, the worst case.
        if position % 1_000 != round as usize {
            let value = f64::from(round) + f64::from(u32::try_from(position).unwrap()) / 7.0;
            snapshot.put(position, &[Cell::untimed(value)], NOW);
        }
    }
    store.publish(SlotKey { order: 0, name: "ec2".into() }, snapshot);
}

/// A line of `/proc/self/status`.
fn bytes(key: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix(key))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_thousand_series_stay_below_a_hundred_megabytes() {
    let store = Arc::new(Store::new());
    let settings = TelemetrySettings { version: "0", started: NOW, yace: true, prices: vec![] };
    let settings = (Arc::new(Telemetry::new(settings)), ExpositionSettings { openmetrics: false });
    let exposition = Exposition::new(Arc::clone(&store), settings.0, settings.1);
    let set = series();
    for round in 0..6 {
        publish(&store, &set, round);
        for encoding in ["gzip", "", "gzip", ""] {
            let page = exposition.scrape("", encoding, NOW).await.unwrap();
            assert!(page.bytes() > 1_000_000);
        }
    }
    // Where there is no /proc there is nothing to compare.
    let Some(peak) = bytes("VmHWM:") else { return };
    println!("peak {peak}, now {:?}", bytes("VmRSS:"));
    assert!(peak < LIMIT_BYTES, "{peak} bytes at the peak");
}
