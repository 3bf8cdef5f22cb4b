//! How long planning and applying take: an inventory of 5,000 instances with 20 metrics becomes 100,000 queries, and their
//! results become a snapshot. The cloud answers at once from memory, so what is measured is ours alone, without the SDK.

#![allow(
    clippy::expect_used,
    clippy::unreachable,
    missing_docs,
    reason = "a bench fails by panicking; its entry points are made by a macro"
)]

use std::hint::black_box;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use futures_util::future::BoxFuture;
use raingauge::aws::api::{
    Account, Answered, Api, Identified, ListMetricsRequest, ListedMetric, MetricDataRequest, MetricResult,
    MetricStatisticsRequest, Page, Point, Resource, StatisticsPoint, StatusCode,
};
use raingauge::aws::catalog;
use raingauge::aws::fetch::Fetch;
use raingauge::aws::inventory::{FoundMetric, Inventory};
use raingauge::aws::job::{Dimension, Discovery, Job, JobKind, Metric, Naming, Pace, Role, Tag, Timing, WindowRule};
use raingauge::aws::plan::plan;
use raingauge::aws::question::Question;
use raingauge::model::{Now, Text, Timestamp};
use raingauge::seam::{Call, MetricsRequested, Source};
use tokio::sync::watch;

const INSTANCES: usize = 5_000;
const METRICS: usize = 20;
const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);

fn job() -> Job {
    let metric = |n: usize| Metric {
        name: format!("Metric{n}").into(),
        statistics: vec!["Average".into()],
        period_seconds: NonZeroU32::MIN.saturating_add(299),
        length_seconds: 300,
        delay_seconds: 0,
        rule: WindowRule::Yace,
        pace: Pace::Every(Duration::from_secs(300)),
        outlives: Duration::ZERO,
        nil_to_zero: false,
        add_timestamp: false,
        export_all_data_points: false,
        pattern: None,
    };
    let discovery = Discovery {
        service: Arc::clone(catalog::service("AWS/EC2").expect("the catalog has EC2")),
        search_tags: vec![],
        exported_tags: vec!["Name".into(), "env".into(), "team".into()],
        include_context_on_info: false,
        enhanced_metrics: vec![],
        always_return_info: false,
    };
    Job {
        kind: JobKind::Discovery(Box::new(discovery)),
        index: 0,
        name: "AWS/EC2".into(),
        namespace: "AWS/EC2".into(),
        regions: vec!["eu-west-1".into()],
        roles: vec![Role::default()],
        metrics: (0..METRICS).map(metric).collect(),
        custom_tags: vec![],
        dimension_name_requirements: vec![],
        recently_active_only: false,
        selection: raingauge::aws::job::Selection::default(),
        metrics_per_query: NonZeroU32::MIN.saturating_add(499),
        timing: Timing {
            interval: Duration::from_secs(300),
            inventory_interval: Duration::from_secs(900),
            stale_after: Duration::from_secs(600),
            activity_oracle: false,
            deadline: None,
            priority: raingauge::seam::Priority::Normal,
        },
    }
}

fn inventory() -> Inventory {
    let id = |i: usize| format!("i-{:017x}", i * 7919);
    let tags = |i: usize| {
        let tag = |key: &str, value: String| Tag { key: key.into(), value: value.into() };
        vec![tag("Name", format!("web-{i}")), tag("env", "prod".into()), tag("team", format!("team-{}", i % 20))]
    };
    let resource = |i| Resource { arn: format!("arn:aws:ec2:eu-west-1:0:instance/{}", id(i)).into(), tags: tags(i) };
    let dimensions: Vec<Arc<[Dimension]>> =
        (0..INSTANCES).map(|i| Arc::from([Dimension { name: "InstanceId".into(), value: id(i).into() }])).collect();
    let found = |entry| {
        dimensions.iter().enumerate().map(move |(i, d)| FoundMetric {
            entry,
            name: format!("Metric{entry}").into(),
            owner: None,
            dimensions: Arc::clone(d),
            resource: Some(i),
        })
    };
    Inventory {
        account: Account { id: "000000000000".into(), alias: None },
        resources: (0..INSTANCES).map(resource).collect(),
        metrics: (0..METRICS).flat_map(found).collect(),
        owners: std::collections::BTreeMap::new(),
    }
}

/// Answers GetMetricData at once; nothing else is asked.
struct Instant(Text);

impl Instant {
    fn call(&self) -> Call {
        Call {
            service: "cloudwatch",
            operation: "GetMetricData",
            region: Text::clone(&self.0),
            account: Text::clone(&self.0),
            attempts: 1,
            throttles: 0,
            duration: Duration::ZERO,
            failed: None,
            metrics: MetricsRequested::default(),
            series_returned: 0,
            superseded: false,
        }
    }
}

impl Api for Instant {
    fn region(&self) -> &Text {
        &self.0
    }

    fn account(&self) -> BoxFuture<'_, Identified> {
        unreachable!("a fetch does not ask who we are")
    }

    fn get_resources<'a>(
        &'a self,
        _: &'a [Text],
        _: &'a [Text],
        _: Option<String>,
    ) -> BoxFuture<'a, Answered<Page<Resource>>> {
        unreachable!("a fetch does not discover")
    }

    fn list_metrics<'a>(
        &'a self,
        _: &'a ListMetricsRequest,
        _: Option<String>,
    ) -> BoxFuture<'a, Answered<Page<ListedMetric>>> {
        unreachable!("a fetch does not list")
    }

    fn get_metric_data<'a>(
        &'a self,
        request: &'a MetricDataRequest<'a>,
        _: Option<String>,
    ) -> BoxFuture<'a, Answered<Page<MetricResult>>> {
        let result = |query| {
            let points = vec![Point { at: request.start, value: 0.125 }];
            MetricResult { query, points, status: StatusCode::Complete }
        };
        let page = Page { items: (0..request.queries.len()).map(result).collect(), next: None };
        Box::pin(std::future::ready(Answered { result: Ok(page), call: self.call() }))
    }

    fn get_metric_statistics<'a>(
        &'a self,
        _: &'a MetricStatisticsRequest<'a>,
    ) -> BoxFuture<'a, Answered<Vec<StatisticsPoint>>> {
        unreachable!("this is no static job")
    }

    fn ask<'a>(&'a self, _: &'a Question) -> BoxFuture<'a, Answered<Vec<u8>>> {
        unreachable!("a fetch looks nothing up")
    }
}

fn benches(c: &mut Criterion) {
    let (job, inventory, region) = (Arc::new(job()), Arc::new(inventory()), Text::from("eu-west-1"));
    c.bench_function("plan 100,000 queries", |b| {
        b.iter_batched(
            || (),
            |()| black_box(plan(&job, Naming::default(), &region, &inventory)),
            BatchSize::PerIteration,
        );
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let (_sender, receiver) = watch::channel(Some(Arc::clone(&inventory)));
    let mut fetch =
        Fetch::new(Arc::clone(&job), Arc::new(Instant(Text::clone(&region))), Naming::default(), receiver.clone());
    let now = Now { wall: NOW, steady: NOW };
    c.bench_function("apply 100,000 results", |b| {
        b.iter(|| {
            let outcome = runtime.block_on(fetch.collect(now, &mut |_| {}));
            assert!(outcome.snapshot.is_some());
            black_box(outcome)
        });
    });
    let mut paced = (*job).clone();
    paced.metrics.iter_mut().for_each(|m| (m.pace, m.rule) = (Pace::Auto, WindowRule::Complete));
    let api = Arc::new(Instant(Text::clone(&region)));
    let mut fetch = Fetch::new(Arc::new(paced), api, Naming::default(), receiver);
    let mut secs = NOW.as_secs();
    c.bench_function("apply 100,000 results, each asked for once a period", |b| {
        b.iter(|| {
            secs += 600;
            let now = Timestamp::from_secs(secs);
            let outcome = runtime.block_on(fetch.collect(Now { wall: now, steady: now }, &mut |_| {}));
            assert!(outcome.calls.len() == 200, "all of them are due");
            black_box(outcome)
        });
    });
}

criterion_group! {
    name = group;
    config = Criterion::default().sample_size(20).measurement_time(Duration::from_secs(5));
    targets = benches
}
criterion_main!(group);
