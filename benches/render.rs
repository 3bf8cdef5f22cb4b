//! How long pages take: 5,000 instances with 20 metrics and an info series each, as in a large YACE file.

#![allow(
    clippy::expect_used,
    missing_docs,
    reason = "a bench fails by panicking; its entry points are made by a macro"
)]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use raingauge::expose::cache::{Exposition, ExpositionSettings};
use raingauge::expose::gzip::Deflater;
use raingauge::expose::layout::Layout;
use raingauge::expose::page::{Plain, Style, render};
use raingauge::expose::text::Escaping;
use raingauge::model::{Cell, Family, Kind, LabelSet, SeriesSet, SeriesSetBuilder, Snapshot, Text, Timestamp};
use raingauge::store::{SlotKey, Store};
use raingauge::telemetry::{Format, Telemetry, TelemetrySettings};
use tokio::runtime::Runtime;

const INSTANCES: usize = 5_000;
const METRICS: usize = 20;
const STYLE: Style = Style { format: Format::Text, escaping: Escaping::Underscores };
const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);

fn series() -> Arc<SeriesSet> {
    let mut set = SeriesSetBuilder::default();
    let families: Vec<u32> =
        (0..METRICS).map(|m| set.family(family(&format!("aws_ec2_metric_number_{m}_average")))).collect();
    let info = set.family(family("aws_ec2_info"));
    let shared = |name: &str, value: &str| (Text::from(name), Text::from(value));
    let common =
        [shared("account_id", "123456789012"), shared("region", "eu-west-1"), shared("custom_tag_team", "platform")];
    let info_name = Text::from("name");
    for i in 0..INSTANCES {
        let id = format!("i-{:017x}", i * 7919);
        let arn = Text::from(format!("arn:aws:ec2:eu-west-1:123456789012:instance/{id}"));
        let tags = vec![
            shared("tag_Name", &format!("web server {i}")),
            shared("tag_env", if i % 2 == 0 { "prod" } else { "test" }),
            shared("tag_owner", &format!("team-{}", i % 17)),
            (Text::clone(&info_name), arn),
        ];
        let mut labels = tags.clone();
        labels.extend(common.iter().cloned());
        labels.push(shared("dimension_InstanceId", &id));
        let labels = set.labels(LabelSet::new(labels));
        for family in &families {
            set.push(*family, labels);
        }
        let labels = set.labels(LabelSet::new(tags));
        set.push(info, labels);
    }
    Arc::new(set.build())
}

fn family(name: &str) -> Family {
    Family { name: name.into(), help: "Help is not implemented yet.".into(), kind: Kind::Gauge }
}

fn snapshot(set: &Arc<SeriesSet>, seed: u64) -> Snapshot {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut snapshot = Snapshot::empty(Arc::clone(set), Duration::from_secs(600));
    for position in 0..set.series.len() {
        snapshot.put(position, &[Cell::untimed(random.f64() * 100.0)], NOW);
    }
    snapshot
}

fn key() -> SlotKey {
    SlotKey { order: 0, name: "ec2".into() }
}

fn pages(c: &mut Criterion) {
    let set = series();
    let store = Arc::new(Store::new());
    store.publish(key(), snapshot(&set, 1));
    let view = store.view();
    let layout = Layout::new(&view, Escaping::Underscores);
    let mut group = c.benchmark_group("105,000 series");
    group.sample_size(20);
    group.bench_function("layout", |b| b.iter(|| Layout::new(black_box(&view), Escaping::Underscores)));
    group.bench_function("layout still fits", |b| b.iter(|| layout.fits(black_box(&view), Escaping::Underscores)));
    group.bench_function("render", |b| b.iter(|| render(&layout, black_box(&view), STYLE, &mut Plain::default())));
    group.bench_function("render and compress", |b| {
        b.iter(|| {
            let mut sink = Deflater::new(usize::MAX);
            let (_, rest) = render(&layout, black_box(&view), STYLE, &mut sink);
            sink.write(&rest);
            sink.flushed()
        });
    });

    let runtime = Runtime::new().expect("a runtime");
    let settings = TelemetrySettings { version: "0", started: NOW, yace: true, prices: Vec::new() };
    let exposition =
        Exposition::new(store, Arc::new(Telemetry::new(settings)), ExpositionSettings { openmetrics: false });
    for (name, encoding) in [("warm scrape, plain", ""), ("warm scrape, gzip", "gzip")] {
        let bytes = runtime.block_on(exposition.scrape("", encoding, NOW)).expect("a page").bytes();
        group.bench_function(format!("{name}, {bytes} bytes"), |b| {
            b.iter(|| runtime.block_on(exposition.scrape("", encoding, NOW)).expect("a page"));
        });
    }
    group.finish();
}

criterion_group!(benches, pages);
criterion_main!(benches);
