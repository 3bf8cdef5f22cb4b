//! Twenty-four simulated hours, measured on the pages that a scraper gets. Whole numbers are compared with whole numbers: nothing is estimated.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use raingauge::clock::Clock;
use raingauge::config::{LoadOptions, parse};
use raingauge::expose::layout::Layout;
use raingauge::expose::page::{Plain, Style, render};
use raingauge::expose::text::Escaping;
use raingauge::gcp::api::Api;
use raingauge::gcp::discover::Discover;
use raingauge::gcp::fetch::Fetch;
use raingauge::gcp::job::{Interval, Job};
use raingauge::model::{Now, Snapshot, Text, Timestamp};
use raingauge::seam::{Keeper, Source};
use raingauge::sim::google::truth::{Series, series};
use raingauge::sim::quota::QuotaSpec;
use raingauge::sim::{Effect, Fault, GoogleSpec, MemoryCloud, TimeSource, WorldSpec};
use raingauge::store::{SlotKey, Store};
use raingauge::telemetry::Format;
use raingauge::work::demand::{Demand, Drive};
use raingauge::work::schedule::Schedule;
use raingauge::work::worker::Worker;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

const PROJECT: &str = "raingauge_sim";
const START: Timestamp = Timestamp::from_secs(1_800_000_000);
const DAY_SECONDS: u64 = 86_400;
/// What is compared: a scalar and a distribution.
const TYPES: [&str; 2] = ["run.googleapis.com/request_count", "run.googleapis.com/request_latencies"];

fn world(sample_period_seconds: u64) -> WorldSpec {
    let google = GoogleSpec {
        projects: vec![PROJECT.into()],
        resources: 1,
        late_percent: 5,
        sample_period: Some(Duration::from_secs(sample_period_seconds)),
        ..GoogleSpec::default()
    };
    WorldSpec { google, quotas: QuotaSpec::unlimited(), ..WorldSpec::empty() }
}

fn job(interval_seconds: u64) -> Arc<Job> {
    let file = format!("gcp: {{jobs: [{{projects: [{PROJECT}], metrics_prefixes: [{}]}}]}}", TYPES.join(", "));
    let loaded = parse("x.yml".as_ref(), file.as_bytes(), &LoadOptions::default(), &|_| None).unwrap();
    let mut job = loaded.settings.gcp.unwrap().jobs.remove(0);
    job.timing.interval = Interval::Fixed(Duration::from_secs(interval_seconds));
    Arc::new(job)
}

/// A state directory without a disk.
#[derive(Default)]
struct Kept(Mutex<Option<Vec<u8>>>);

impl Keeper for Kept {
    fn load(&self) -> Option<Vec<u8>> {
        self.0.lock().unwrap().clone()
    }

    fn keep(&self, content: &dyn Fn() -> Vec<u8>) {
        *self.0.lock().unwrap() = Some(content());
    }
}

struct Pair {
    discover: Discover,
    fetch: Fetch,
}

impl Pair {
    fn new(cloud: &MemoryCloud, job: &Arc<Job>, kept: &Arc<Kept>) -> Self {
        let api: Arc<dyn Api> = Arc::new(cloud.google());
        let (sender, receiver) = watch::channel(None);
        let keeper: Arc<dyn Keeper> = Arc::<Kept>::clone(kept);
        Self {
            discover: Discover::new(Arc::clone(job), PROJECT.into(), Arc::clone(&api), sender),
            fetch: Fetch::new(Arc::clone(job), PROJECT.into(), api, receiver, Some(keeper)),
        }
    }

    /// The snapshot, and whether nothing failed.
    async fn collect(&mut self, now: Timestamp) -> (Snapshot, bool) {
        let outcome = self.fetch.collect(Now { wall: now, steady: now }, &mut |_| {}).await;
        (outcome.snapshot.unwrap(), outcome.failures.is_empty())
    }
}

/// The page that a scraper gets.
fn page(snapshot: Snapshot) -> String {
    let store = Store::new();
    store.publish(SlotKey { order: 0, name: PROJECT.into() }, snapshot);
    let (view, style) = (store.view(), Style { format: Format::Text, escaping: Escaping::Underscores });
    let mut sink = Plain::default();
    let (_, last) = render(&Layout::new(&view, style.escaping), &view, style, &mut sink);
    let bytes: Vec<u8> = sink.chunks.iter().flatten().copied().chain(last).collect();
    String::from_utf8(bytes).unwrap()
}

/// The counts that a page shows, by metric and response code.
fn counts(page: &str) -> BTreeMap<(String, String), u64> {
    let mut counts = BTreeMap::new();
    for line in page.lines().filter(|l| !l.starts_with('#')) {
        let (series, rest) = line.split_once("} ").unwrap();
        let (name, labels) = series.split_once('{').unwrap();
        let metric = match name {
            "stackdriver_cloud_run_revision_run_googleapis_com_request_count" => TYPES[0],
            "stackdriver_cloud_run_revision_run_googleapis_com_request_latencies_count" => TYPES[1],
            _ => continue,
        };
        let code = labels.split_once("response_code=\"").unwrap().1.split('"').next().unwrap();
        let value = rest.split(' ').next().unwrap().parse().unwrap();
        counts.insert((metric.to_owned(), code.to_owned()), whole(value));
    }
    counts
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is a whole number below 2^53")]
fn whole(number: f64) -> u64 {
    assert!(number.fract().abs() < f64::EPSILON && (0.0..9e15).contains(&number), "{number} is no count");
    number as u64
}

/// What came to be readable in `(from, to]`, which is what the counters must have grown by.
fn truth(series: &Series, from: Timestamp, to: Timestamp) -> u64 {
    let margin = Duration::from_secs(3600);
    let all = series.last_point(from.minus(margin))..=series.last_point(to);
    let came = all.filter(|n| series.readable_at(*n) > from && series.readable_at(*n) <= to);
    came.map(|n| series.counted(n, n).unsigned_abs()).sum()
}

/// What adding up only the newest point of each window would have counted.
fn peer(series: &Series, scrapes: &[Timestamp]) -> u64 {
    let (mut last, mut total) = (i64::MIN, 0);
    for now in scrapes {
        let window = series.last_point(now.minus(Duration::from_secs(300))) + 1..=series.last_point(*now);
        let newest = window.filter(|n| series.readable_at(*n) <= *now).max();
        if let Some(newest) = newest.filter(|n| *n > last) {
            total += series.counted(newest, newest).unsigned_abs();
            last = newest;
        }
    }
    total
}

async fn day(sample_period: u64, scrape_interval: u64) {
    let cloud = MemoryCloud::new(world(sample_period), TimeSource::tokio(START));
    let (job, kept) = (job(scrape_interval), Arc::new(Kept::default()));
    let mut pair = Pair::new(&cloud, &job, &kept);
    pair.discover.collect(Now { wall: START, steady: START }, &mut |_| {}).await;
    let (mut begin, mut scrapes, mut failed) = (None, Vec::new(), 0);
    let mut at = 0;
    while at < DAY_SECONDS {
        tokio::time::advance(Duration::from_secs(scrape_interval)).await;
        at += scrape_interval;
        // A storm of a quarter of an hour every two hours; the last hours are quiet.
        let stormy = at % 7200 > 6300 && at < DAY_SECONDS - 3600;
        cloud.faults().clear();
        if stormy {
            cloud.faults().add(Fault::new(Effect::Throttle).on("ListTimeSeries").with_probability(0.7));
        }
        if at.abs_diff(DAY_SECONDS / 2) < scrape_interval.div_ceil(2) {
            pair = Pair::new(&cloud, &job, &kept);
            pair.discover.collect(Now { wall: cloud.now(), steady: cloud.now() }, &mut |_| {}).await;
        }
        let (snapshot, good) = pair.collect(cloud.now()).await;
        failed += u32::from(!good);
        scrapes.push(cloud.now());
        if begin.is_none() && at >= 3600 && good {
            begin = Some((cloud.now(), counts(&page(snapshot)), scrapes.len()));
        }
    }
    assert!(failed > 0, "there were no storms");
    let (from, before, first) = begin.unwrap();
    let (snapshot, good) = pair.collect(cloud.now()).await;
    assert!(good);
    let after = counts(&page(snapshot));
    let (mut compared, mut lost, mut whole) = (0, 0, 0);
    for series in series(&cloud.world().spec().google, cloud.world().spec().seed, &PROJECT.into()) {
        let name = series.metric.name.to_owned();
        if !TYPES.contains(&&*name) {
            continue;
        }
        let code = series.identity.metric_labels[0].1.to_string();
        let expected = truth(&series, from, cloud.now());
        let key = (name, code);
        assert_eq!(
            after[&key] - before[&key],
            expected,
            "{key:?}, sample {sample_period} s, scrape {scrape_interval} s"
        );
        compared += 1;
        lost += expected - peer(&series, &scrapes[first..]).min(expected);
        whole += expected;
    }
    assert_eq!(compared, 6);
    let told = format!(
        "sample period {sample_period} s, scraped every {scrape_interval} s: error 0 of {whole}; \
         the newest points alone lose {lost} ({}%)\n",
        lost * 100 / whole
    );
    std::io::stderr().write_all(told.as_bytes()).unwrap();
    if scrape_interval > sample_period {
        assert!(lost > whole / 2, "the schedule would have shown it");
    }
}

#[tokio::test(start_paused = true)]
async fn counters_of_a_day_are_exact_scraped_often() {
    day(60, 15).await;
    day(300, 15).await;
}

#[tokio::test(start_paused = true)]
async fn counters_of_a_day_are_exact_scraped_seldom() {
    day(60, 60).await;
    day(300, 60).await;
    day(60, 600).await;
    day(300, 600).await;
}

/// Series that an hour of so many scrapers is billed for.
async fn bill(scrapers: usize) -> u64 {
    let cloud = MemoryCloud::new(world(60), TimeSource::tokio(START));
    let (job, kept) = (job(60), Arc::new(Kept::default()));
    let Pair { mut discover, fetch } = Pair::new(&cloud, &job, &kept);
    discover.collect(Now { wall: START, steady: START }, &mut |_| {}).await;
    let demand = Demand::new(Drive::Follow);
    let worker = Worker {
        name: "test".into(),
        schedule: Schedule { interval: Duration::from_secs(60), retry_early: false },
        first_in: Duration::ZERO,
        deadline: Duration::from_secs(100),
        clock: Clock::system(),
        listener: Some(demand.listener()),
    };
    let stop = CancellationToken::new();
    let task = tokio::spawn(worker.run(Box::new(At { fetch, cloud: cloud.clone() }), |_| {}, stop.clone()));
    for _ in 0..240 {
        for _ in 0..scrapers {
            demand.scraped().await;
        }
        tokio::time::sleep(Duration::from_secs(15)).await;
    }
    stop.cancel();
    task.await.unwrap();
    cloud.ledger().bill().sum("ListTimeSeries", |line| line.items)
}

/// A fetch by the cloud's own clock.
struct At {
    fetch: Fetch,
    cloud: MemoryCloud,
}

impl Source for At {
    fn collect<'a>(
        &'a mut self,
        _: Now,
        progress: raingauge::seam::Progress<'a>,
    ) -> futures_util::future::BoxFuture<'a, raingauge::seam::Outcome> {
        let now = self.cloud.now();
        self.fetch.collect(Now { wall: now, steady: now }, progress)
    }
}

#[tokio::test(start_paused = true)]
async fn the_bill_does_not_depend_on_the_number_of_scrapers() {
    let one = bill(1).await;
    assert!(one > 6 * 50 && one < 6 * 70, "{one} series in an hour of six series");
    for scrapers in [2, 4] {
        let several = bill(scrapers).await;
        assert!(several.abs_diff(one) <= 12, "{scrapers} scrapers: {several}, one: {one}");
    }
}

#[test]
fn the_world_has_what_is_compared() {
    let spec = world(60);
    let all = series(&spec.google, spec.seed, &Text::from(PROJECT));
    assert_eq!(all.iter().filter(|s| TYPES.contains(&s.metric.name)).count(), 6);
}
