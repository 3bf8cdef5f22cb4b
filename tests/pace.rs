//! When metrics are asked for: what a file says about it, and what a week of it costs.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use raingauge::aws::api::Api;
use raingauge::aws::discover::Discover;
use raingauge::aws::fetch::Fetch;
use raingauge::aws::job::{AwsSettings, Job, Pace, WindowRule};
use raingauge::config::{LoadOptions, parse};
use raingauge::model::{Now, Snapshot, Timestamp};
use raingauge::seam::Source;
use raingauge::sim::ledger::Bill;
use raingauge::sim::world::SeriesName;
use raingauge::sim::{Kind, MemoryCloud, TimeSource, WorldSpec};
use tokio::sync::watch;

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
    assert_eq!((found.timing.inventory_interval, found.timing.activity_oracle), (Duration::from_secs(900), true));
    let daily = "aws:\n  customNamespace: [{name: n, namespace: AWS/S3, regions: [r], statistics: [Sum], period: 86400, length: 86400, metrics: [{name: m}], activityOracle: false}]\n";
    let daily = aws(daily).jobs.remove(0).timing;
    assert_eq!((daily.inventory_interval, daily.activity_oracle), (Duration::from_secs(43_200), false));
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

/// A day with 86,400 seconds, and a week of them; and when the simulation starts: not at the start of anything.
const DAY: i64 = 86_400;
const START: i64 = 1_700_012_345;
const ACCOUNT: &str = "000000000000";
const REGION: &str = "eu-west-1";

/// The workers of one job, driven by hand.
struct Runner {
    discover: Discover,
    fetch: Fetch,
    job: Arc<Job>,
    due: (i64, i64),
}

/// A sample as it stands at `/metrics`: family, dimension value, start of its period, value.
type Shown = (String, String, i64, f64);

impl Runner {
    fn new(cloud: &MemoryCloud, job: &Job, settings: &AwsSettings) -> Self {
        let job = Arc::new(job.clone());
        let api: Arc<dyn Api> = Arc::new(cloud.api(ACCOUNT, REGION));
        let (sender, receiver) = watch::channel(None);
        let (tell, idle) = watch::channel(None);
        let discover = Discover::new(Arc::clone(&job), Arc::clone(&api), sender).with_oracle(tell);
        let fetch = Fetch::new(Arc::clone(&job), api, settings.naming, receiver).heeding(idle);
        Self { discover, fetch, job, due: (START, START) }
    }

    /// Does what is due at `now`; returns what is shown since, where that is new.
    async fn run(&mut self, now: i64) -> Option<Snapshot> {
        let at = Timestamp::from_secs(now);
        let both = Now { wall: at, steady: at };
        let (timing, mut shown) = (self.job.timing, None);
        if self.due.0 <= now {
            let found = self.discover.collect(both, &mut |_| {}).await;
            assert!(found.failures.is_empty(), "{:?}", found.failures);
            self.due.0 = now + secs(timing.inventory_interval);
        }
        if self.due.1 <= now {
            let got = self.fetch.collect(both, &mut |_| {}).await;
            assert!(got.failures.is_empty(), "{:?}", got.failures);
            shown = got.snapshot;
            let due = got.next_due.map_or(i64::MAX, Timestamp::as_secs).max(now + 1);
            self.due.1 = due.min(now + secs(timing.interval));
        }
        shown
    }
}

fn secs(d: Duration) -> i64 {
    i64::try_from(d.as_secs()).unwrap()
}

/// Runs a file for so long; `see` is told what each job shows, and when.
async fn simulate(spec: &WorldSpec, text: &str, seconds: i64, mut see: impl FnMut(i64, &Snapshot)) -> MemoryCloud {
    let settings = aws(text);
    let zero = tokio::time::Instant::now();
    let cloud = MemoryCloud::new(spec.clone(), TimeSource::tokio(Timestamp::from_secs(START)));
    let mut jobs: Vec<Runner> = settings.jobs.iter().map(|job| Runner::new(&cloud, job, &settings)).collect();
    loop {
        let now = jobs.iter().map(|j| j.due.0.min(j.due.1)).min().unwrap();
        if now >= START + seconds {
            return cloud;
        }
        let until = zero + Duration::from_secs(u64::try_from(now - START).unwrap());
        tokio::time::advance(until.saturating_duration_since(tokio::time::Instant::now())).await;
        for job in &mut jobs {
            if let Some(snapshot) = job.run(now).await {
                see(now, &snapshot);
            }
        }
    }
}

/// The timed samples of a snapshot.
fn shown(snapshot: &Snapshot) -> Vec<Shown> {
    let mut all = Vec::new();
    for (position, key) in snapshot.set.series.iter().enumerate() {
        let (family, labels) = snapshot.set.describe(*key).unwrap();
        let id = ["InstanceId", "DBInstanceIdentifier", "BucketName"];
        let id = id.iter().find_map(|d| labels.get(&format!("dimension_{d}"))).map(ToString::to_string);
        let timed = snapshot.samples(position).iter().filter_map(|c| Some((c.timestamp()?.as_secs(), c.value())));
        all.extend(timed.map(|(at, value)| (family.name.to_string(), id.clone().unwrap_or_default(), at, value)));
    }
    all
}

/// EC2 by the minute, RDS by five minutes, S3 by the day. Timestamps are shown so that a point can be told from its neighbour.
fn jobs(yace: bool, only: &str) -> String {
    let (head, interval) = if yace { ("apiVersion: v1alpha1\n", "    inventoryInterval: 300s\n") } else { ("", "") };
    let job = |kind: &str, metrics: &str| {
        format!(
            "  - type: {kind}\n    regions: [{REGION}]\n    addCloudwatchTimestamp: true\n{interval}    metrics: [{metrics}]\n"
        )
    };
    let discovery = [
        job(
            "AWS/EC2",
            "{name: CPUUtilization, statistics: [Average], period: 60}, {name: NetworkIn, statistics: [Sum], period: 60}",
        ),
        job("AWS/RDS", "{name: CPUUtilization, statistics: [Average]}, {name: ReadIOPS, statistics: [Maximum]}"),
        job(
            "AWS/S3",
            "{name: BucketSizeBytes, statistics: [Average], period: 86400, length: 172800}, {name: NumberOfObjects, statistics: [Average], period: 86400, length: 172800}",
        ),
    ];
    let chosen: Vec<String> = discovery.into_iter().filter(|job| job.contains(only)).collect();
    let body = format!("discovery:\n  jobs:\n{}", chosen.concat());
    if yace { head.to_owned() + &body } else { format!("aws:\n  {}", body.trim_end().replace('\n', "\n  ") + "\n") }
}

fn fleet() -> WorldSpec {
    let mut spec = WorldSpec::empty().with(Kind::Ec2, 3).with(Kind::Rds, 2).with(Kind::S3, 5);
    // All of them by the minute, as the file asks.
    spec.detailed_percent = 100;
    spec
}

/// What the simulated cloud takes to publish a point at most: its delay and a quarter more.
fn published_after(family: &str) -> (i64, i64) {
    match family {
        f if f.starts_with("aws_ec2_") => (60, 113),
        f if f.starts_with("aws_rds_") => (300, 75),
        _ => (DAY, 9_000),
    }
}

#[tokio::test(start_paused = true)]
async fn a_week_costs_less_and_every_point_is_there_in_time() {
    let mut seen: BTreeMap<(String, String, i64), (i64, f64)> = BTreeMap::new();
    let auto = simulate(&fleet(), &jobs(false, ""), 7 * DAY, |now, snapshot| {
        for (family, id, at, value) in shown(snapshot) {
            seen.entry((family, id, at)).or_insert((now, value));
        }
    })
    .await;
    let yace = simulate(&fleet(), &jobs(true, ""), 7 * DAY, |_, _| {}).await;
    let names = auto.world().series(ACCOUNT, REGION);
    let mut series: BTreeSet<(String, String)> = BTreeSet::new();
    series.extend(seen.keys().map(|(family, id, _)| (family.clone(), id.clone())));
    assert_eq!(series.len(), 3 * 2 + 2 * 2 + 5 * 2);
    let mut points = 0;
    for (family, id) in &series {
        let (period, delay) = published_after(family);
        let cadence = period.max(300);
        let statistic = if family.ends_with("_sum") {
            "Sum"
        } else if family.ends_with("_maximum") {
            "Maximum"
        } else {
            "Average"
        };
        let metric = |name: &SeriesName| {
            let squeezed = family.replace('_', "");
            name.dimensions.iter().any(|d| *d.value == **id)
                && squeezed.contains(&format!(
                    "{}{}",
                    name.namespace.replace("AWS/", "").to_lowercase(),
                    name.metric.to_lowercase()
                ))
        };
        let name = names.iter().find(|n| metric(n)).unwrap();
        // The first slots are those before the rhythm was found.
        let first = (START + 2 * cadence) / cadence * cadence + cadence;
        for end in (first..START + 7 * DAY - delay - 60).step_by(usize::try_from(cadence).unwrap()) {
            let (when, value) = seen
                .get(&(family.clone(), id.clone(), end - period))
                .unwrap_or_else(|| panic!("{family} of {id}: the period that ends at {end} was never shown"));
            assert!(*when <= end + delay + 60, "{family}: {} s after its end", when - end);
            let truth = auto.world().truth(
                name,
                statistic,
                u32::try_from(period).unwrap().try_into().unwrap(),
                Timestamp::from_secs(end - period),
            );
            assert_eq!(truth, Some(*value), "{name}");
            points += 1;
        }
    }
    assert!(points > 10 * 2_000, "{points}");
    let (ours, theirs) = (auto.ledger().bill(), yace.ledger().bill());
    println!("{}", side_by_side(&ours, &theirs));
    assert!(ours.dollars_per_statistic <= theirs.dollars_per_statistic);
    assert!(ours.dollars_per_block_of_five <= theirs.dollars_per_block_of_five);
    assert!(
        ours.calls("ListMetrics") * 3 <= theirs.calls("ListMetrics") * 2,
        "two listings a quarter of an hour, not three"
    );
}

fn side_by_side(ours: &Bill, theirs: &Bill) -> String {
    let mut rows = vec![format!("{:24} {:>14} {:>14}", "a week", "auto", "every 300 s")];
    for operation in ["GetMetricData", "ListMetrics", "GetResources"] {
        rows.push(format!("{operation:24} {:>14} {:>14}", ours.calls(operation), theirs.calls(operation)));
    }
    let metrics = |b: &Bill| b.metrics().per_statistic;
    rows.push(format!("{:24} {:>14} {:>14}", "metrics requested", metrics(ours), metrics(theirs)));
    rows.push(format!("{:24} {:>14.5} {:>14.5}", "dollars", ours.dollars_per_statistic, theirs.dollars_per_statistic));
    rows.join("\n")
}

#[tokio::test(start_paused = true)]
async fn daily_metrics_cost_a_hundredth() {
    let spec = WorldSpec::empty().with(Kind::S3, 5);
    let auto = simulate(&spec, &jobs(false, "AWS/S3"), 7 * DAY, |_, _| {}).await.ledger().bill();
    let yace = simulate(&spec, &jobs(true, "AWS/S3"), 7 * DAY, |_, _| {}).await.ledger().bill();
    println!("{}", side_by_side(&auto, &yace));
    let metrics = |b: &Bill| b.metrics().per_statistic;
    assert!(metrics(&auto) * 100 <= metrics(&yace), "{} of {}", metrics(&auto), metrics(&yace));
    assert!(auto.calls("GetMetricData") * 100 <= yace.calls("GetMetricData"));
    assert!(auto.dollars_per_statistic * 100.0 <= yace.dollars_per_statistic, "with the listings");
}

/// Jobs of all kinds of metrics, many of them seldom there, with any period.
fn mixed(yace: bool, kinds: &[(&str, &[&str], u32)]) -> String {
    let own = if yace { ", inventoryInterval: 300s" } else { "" };
    let job = |(kind, metrics, period): &(&str, &[&str], u32)| {
        let metrics: Vec<String> = metrics.iter().map(|m| format!("{{name: {m}, statistics: [Sum, p90]}}")).collect();
        let length = period * 2;
        format!(
            "  - {{type: {kind}, regions: [{REGION}], period: {period}, length: {length}{own}, metrics: [{}]}}\n",
            metrics.join(", ")
        )
    };
    let body: String = kinds.iter().map(job).collect();
    if yace {
        format!("apiVersion: v1alpha1\ndiscovery:\n  jobs:\n{body}")
    } else {
        format!("aws:\n  discovery:\n    jobs:\n{}", body.replace("  - {", "      - {"))
    }
}

const SPARSE: [(Kind, &str, &[&str]); 4] = [
    (
        Kind::Alb,
        "AWS/ApplicationELB",
        &["RejectedConnectionCount", "HTTPCode_ELB_5XX_Count", "HTTPCode_Target_4XX_Count"],
    ),
    (Kind::Lambda, "AWS/Lambda", &["DeadLetterErrors", "IteratorAge", "Errors"]),
    (Kind::DynamoDb, "AWS/DynamoDB", &["ReadThrottleEvents", "SystemErrors"]),
    (Kind::Ec2, "AWS/EC2", &["StatusCheckFailed", "NetworkOut"]),
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    /// No mix of metrics costs more than with YACE, at no time: the bill is compared after some hours, whatever they are.
    #[test]
    fn no_mix_is_dearer(
        mix in prop::collection::vec((0..SPARSE.len(), prop::sample::select(vec![60_u32, 120, 300, 600, 900, 1_800, 3_600])), 1..4),
        seed in any::<u64>(),
        delay_percent in prop::sample::select(vec![0_u32, 100, 400, 1_500]),
        hours in 1_i64..14,
    ) {
        let mut spec = WorldSpec { seed, publish_delay_percent: delay_percent, ..WorldSpec::empty() };
        let mut kinds = Vec::new();
        for (at, period) in mix {
            let (kind, namespace, metrics) = SPARSE[at];
            spec = spec.with(kind, 2);
            kinds.push((namespace, metrics, period));
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let bill = |yace| runtime.block_on(simulate(&spec, &mixed(yace, &kinds), hours * 3_600, |_, _| {})).ledger().bill();
        let (ours, theirs) = (bill(false), bill(true));
        prop_assert!(ours.metrics().per_statistic <= theirs.metrics().per_statistic, "{}", side_by_side(&ours, &theirs));
        prop_assert!(ours.dollars_per_statistic <= theirs.dollars_per_statistic);
        prop_assert!(ours.dollars_per_block_of_five <= theirs.dollars_per_block_of_five);
    }
}

/// When something was shown, and the values of its series.
type Page = (i64, Vec<Vec<u64>>);

/// A sample of every series, timed or not.
fn values(snapshot: &Snapshot) -> Vec<Vec<u64>> {
    let bits = |at| snapshot.samples(at).iter().map(|c| c.value().to_bits()).collect();
    (0..snapshot.set.series.len()).map(bits).collect()
}

#[tokio::test(start_paused = true)]
async fn what_has_no_data_is_not_paid_for_and_looks_the_same() {
    let text = |oracle: bool| {
        let metrics =
            "{name: CPUUtilization, statistics: [Average]}, {name: NetworkIn, statistics: [Sum], nilToZero: true}";
        format!(
            "aws:\n  discovery:\n    jobs:\n      - {{type: AWS/EC2, regions: [{REGION}], activityOracle: {oracle}, metrics: [{metrics}]}}\n"
        )
    };
    let mut results = Vec::new();
    for oracle in [false, true] {
        let settings = aws(&text(oracle));
        let cloud =
            MemoryCloud::new(WorldSpec::empty().with(Kind::Ec2, 4), TimeSource::tokio(Timestamp::from_secs(START)));
        let mut runner = Runner::new(&cloud, &settings.jobs[0], &settings);
        let stopped = cloud.world().resources(ACCOUNT, REGION)[0].arn.clone();
        let (mut shown, mut asked) = (Vec::new(), Vec::new());
        for step in 0..(10 * 60) {
            let now = START + step * 60;
            if step == 60 {
                // It is stopped, and started six hours later.
                let (from, until) = (Timestamp::from_secs(now), Timestamp::from_secs(START + 7 * 3_600));
                assert!(cloud.world().quiet(ACCOUNT, REGION, &stopped, from, Some(until)));
            }
            shown.extend(runner.run(now).await.map(|s| (now, values(&s))));
            asked.push(cloud.ledger().bill().metrics().per_statistic);
            tokio::time::advance(Duration::from_secs(60)).await;
        }
        results.push((shown, asked));
    }
    let (plain, spared) = (&results[0], &results[1]);
    let part = |all: &[Page], from: i64, to: i64| -> Vec<Page> {
        all.iter().filter(|page| (START + from..START + to).contains(&page.0)).cloned().collect()
    };
    let the_same = |from, to| assert_eq!(part(&plain.0, from, to), part(&spared.0, from, to));
    the_same(0, 7 * 3_600);
    // Seen again at the oracle's next word, at the latest.
    the_same(7 * 3_600 + 1_800 + 300, 10 * 3_600);
    assert!(part(&plain.0, 8 * 3_600, 10 * 3_600).len() > 20);
    let between = |asked: &[u64], from: usize, to: usize| asked[to * 60 - 1] - asked[from * 60 - 1];
    assert_eq!(between(&plain.1, 1, 4), between(&spared.1, 1, 4), "for three hours nothing is known");
    assert_eq!(between(&spared.1, 5, 7) * 4, between(&plain.1, 5, 7) * 3, "one of four instances is quiet");
}
