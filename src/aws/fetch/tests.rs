#![allow(clippy::unreachable, reason = "a fetch makes no other calls")]

use std::collections::BTreeMap;

use super::*;
use crate::aws::api::{
    Account, Answered, Identified, ListMetricsRequest, ListedMetric, MetricDataRequest, MetricResult,
    MetricStatisticsRequest, Page, Point, Resource, StatisticsPoint, StatusCode,
};
use crate::aws::inventory::FoundMetric;
use crate::aws::job::{Metric, Pace, Role, Timing, WindowRule};
use crate::aws::question::Question;
use crate::seam::MetricsRequested;
use std::num::NonZeroU32;
use std::sync::Mutex;

/// Hangs for a minute (as the SDK's time-out shows it) when asked with a period of 60; everything else is answered.
#[derive(Default)]
struct Cloud {
    region: Text,
    /// The windows that were asked for with a period of 300.
    windows: Mutex<Vec<(i64, i64)>>,
    /// Refuses those, too.
    refuses: Mutex<bool>,
    /// Marks their results as failed.
    fails: Mutex<bool>,
}

fn call(failed: Option<Reason>) -> Call {
    Call {
        service: "cloudwatch",
        operation: "GetMetricData",
        region: "r".into(),
        account: "a".into(),
        attempts: 1,
        throttles: 0,
        duration: Duration::ZERO,
        failed,
        metrics: MetricsRequested::default(),
        series_returned: 0,
        superseded: false,
    }
}

fn refused<T>(reason: Reason) -> Answered<T> {
    let failure = Failure { reason, doing: "get data".into(), message: "no".into() };
    Answered { result: Err(failure), call: call(Some(reason)) }
}

impl Api for Cloud {
    fn region(&self) -> &Text {
        &self.region
    }

    fn account(&self) -> BoxFuture<'_, Identified> {
        unreachable!()
    }

    fn get_resources<'a>(
        &'a self,
        _: &'a [Text],
        _: &'a [Text],
        _: Option<String>,
    ) -> BoxFuture<'a, Answered<Page<Resource>>> {
        unreachable!()
    }

    fn list_metrics<'a>(
        &'a self,
        _: &'a ListMetricsRequest,
        _: Option<String>,
    ) -> BoxFuture<'a, Answered<Page<ListedMetric>>> {
        unreachable!()
    }

    fn get_metric_statistics<'a>(
        &'a self,
        _: &'a MetricStatisticsRequest<'a>,
    ) -> BoxFuture<'a, Answered<Vec<StatisticsPoint>>> {
        unreachable!()
    }

    fn ask<'a>(&'a self, _: &'a Question) -> BoxFuture<'a, Answered<Vec<u8>>> {
        unreachable!()
    }

    fn get_metric_data<'a>(
        &'a self,
        request: &'a MetricDataRequest<'a>,
        _: Option<String>,
    ) -> BoxFuture<'a, Answered<Page<MetricResult>>> {
        Box::pin(async move {
            if request.period_seconds.get() == 60 {
                tokio::time::sleep(Duration::from_secs(60)).await;
                return refused(Reason::Timeout);
            }
            self.windows.lock().unwrap().push((request.start.as_secs(), request.end.as_secs()));
            if *self.refuses.lock().unwrap() {
                return refused(Reason::AccessDenied);
            }
            if *self.fails.lock().unwrap() {
                let result = MetricResult { query: 0, points: vec![], status: StatusCode::InternalError };
                return Answered { result: Ok(Page { items: vec![result], next: None }), call: call(None) };
            }
            let newest = request.end.minus(Duration::from_secs(request.period_seconds.get().into()));
            let points = vec![Point { at: newest, value: 1.0 }];
            let items = (0..request.queries.len())
                .map(|query| MetricResult { query, points: points.clone(), status: StatusCode::Complete })
                .collect();
            Answered { result: Ok(Page { items, next: None }), call: call(None) }
        })
    }
}

fn metric(name: &str, period: u32, all: bool) -> Metric {
    Metric {
        name: name.into(),
        statistics: vec!["Sum".into()],
        period_seconds: NonZeroU32::new(period).unwrap(),
        length_seconds: 300,
        delay_seconds: 0,
        rule: WindowRule::Yace,
        pace: Pace::Every(Duration::from_secs(60)),
        outlives: Duration::ZERO,
        nil_to_zero: false,
        add_timestamp: all,
        export_all_data_points: all,
        pattern: None,
    }
}

fn job(metrics: Vec<Metric>, stale_after: Duration) -> Job {
    let interval = Duration::from_secs(60);
    Job {
        kind: JobKind::Custom,
        index: 0,
        name: "j".into(),
        namespace: "N".into(),
        regions: vec!["r".into()],
        roles: vec![Role::default()],
        metrics,
        custom_tags: vec![],
        dimension_name_requirements: vec![],
        recently_active_only: false,
        selection: crate::aws::job::Selection::default(),
        metrics_per_query: NonZeroU32::new(500).unwrap(),
        timing: Timing {
            interval,
            inventory_interval: interval,
            stale_after,
            activity_oracle: false,
            deadline: None,
            priority: crate::seam::Priority::Normal,
        },
    }
}

fn fetch(job: Job) -> (Fetch, Arc<Cloud>) {
    let account = Account { id: "1".into(), alias: None };
    let none = || Arc::from(Vec::new());
    let metrics = (0..job.metrics.len())
        .map(|entry| FoundMetric {
            entry,
            name: Text::clone(&job.metrics[entry].name),
            owner: None,
            dimensions: none(),
            resource: None,
        })
        .collect();
    let inventory = Inventory { account, resources: vec![], metrics, owners: BTreeMap::new() };
    let (_, receiver) = watch::channel(Some(Arc::new(inventory)));
    let cloud = Arc::new(Cloud::default());
    (Fetch::new(Arc::new(job), Arc::clone(&cloud) as Arc<dyn Api>, Naming::default(), receiver), cloud)
}

fn at(secs: i64) -> Now {
    let t = Timestamp::from_secs(secs);
    Now { wall: t, steady: t }
}

fn present(snapshot: &Snapshot) -> Vec<bool> {
    (0..snapshot.set.series.len()).map(|i| !snapshot.samples(i).is_empty()).collect()
}

#[tokio::test(start_paused = true)]
async fn what_has_come_is_shown_while_a_batch_hangs() {
    let (mut fetch, _) =
        fetch(job(vec![metric("healthy", 300, false), metric("hanging", 60, false)], Duration::from_secs(120)));
    let started = Instant::now();
    let mut early = Vec::new();
    let outcome = fetch
        .collect(at(1_000), &mut |o| early.push((started.elapsed(), present(&o.snapshot.unwrap()), o.calls.len())))
        .await;
    let (after, shown, calls) = &early[0];
    assert!(*after <= PROGRESS_INTERVAL, "{after:?}");
    assert_eq!((shown.as_slice(), *calls), (&[true, false][..], 1));
    assert_eq!(early.len(), 1, "nothing new, nothing shown");
    assert_eq!(outcome.failures.len(), 1);
    assert!(outcome.calls.iter().all(|c| c.failed.is_some()), "no call is reported twice");
}

#[tokio::test(start_paused = true)]
async fn values_are_as_old_as_their_arrival() {
    let (mut fetch, _) =
        fetch(job(vec![metric("healthy", 300, false), metric("hanging", 60, false)], Duration::from_secs(120)));
    // The run takes three minutes, longer than the value of its first second may be held.
    let outcome = fetch.collect(at(1_000), &mut |_| {}).await;
    assert_eq!(present(&outcome.snapshot.unwrap()), [false, false], "stale values do not come back");
    let mut first = None;
    let mut progress = |o: Outcome| first = Some(present(&o.snapshot.unwrap()));
    let _ = tokio::time::timeout(Duration::from_secs(30), fetch.collect(at(1_300), &mut progress)).await;
    assert_eq!(first, Some(vec![true, false]), "a run that is dropped has shown what it had");
}

#[tokio::test(start_paused = true)]
async fn stale_values_stay_away_while_a_fetch_goes_on_failing() {
    let (mut fetch, cloud) = fetch(job(vec![metric("m", 300, false)], Duration::from_secs(120)));
    assert_eq!(present(&fetch.collect(at(1_000), &mut |_| {}).await.snapshot.unwrap()), [true]);
    *cloud.refuses.lock().unwrap() = true;
    for (secs, shown) in [(1_060, true), (1_119, true), (1_120, false), (1_180, false)] {
        let outcome = fetch.collect(at(secs), &mut |_| {}).await;
        assert_eq!(present(&outcome.snapshot.unwrap()), [shown], "at {secs}");
    }
}

#[tokio::test(start_paused = true)]
async fn points_that_failed_fetches_left_out_are_asked_for_again() {
    let (mut fetch, cloud) = fetch(job(vec![metric("m", 300, true)], Duration::from_secs(9_000)));
    let mut ask = async |secs, refuses| {
        *cloud.refuses.lock().unwrap() = refuses;
        fetch.collect(at(secs), &mut |_| {}).await;
        *cloud.windows.lock().unwrap().last().unwrap()
    };
    assert_eq!(ask(3_000, false).await, (2_700, 3_000));
    assert_eq!(ask(3_300, true).await, (3_000, 3_300));
    assert_eq!(ask(3_600, true).await, (3_000, 3_600));
    assert_eq!(ask(3_900, false).await, (3_000, 3_900));
    assert_eq!(ask(4_200, false).await, (3_900, 4_200));
    assert_eq!(ask(36_000, false).await, (36_000 - 3 * 3_600, 36_000), "not further than the bound");
}

#[tokio::test(start_paused = true)]
async fn results_that_cloudwatch_failed_on_are_asked_for_again() {
    let (mut fetch, cloud) = fetch(job(vec![metric("m", 300, true)], Duration::from_secs(9_000)));
    for (secs, fails) in [(3_000, false), (3_300, true), (3_600, false)] {
        *cloud.fails.lock().unwrap() = fails;
        fetch.collect(at(secs), &mut |_| {}).await;
    }
    assert_eq!(cloud.windows.lock().unwrap()[2], (3_000, 3_600));
}

#[test]
fn a_long_window_is_never_shortened_by_catching_up() {
    let long = Metric { length_seconds: 6 * 3_600, ..metric("m", 300, true) };
    let job = job(vec![long], Duration::from_secs(600));
    let dimensions = Arc::from(Vec::new());
    let inventory = Inventory {
        account: Account { id: "1".into(), alias: None },
        resources: vec![],
        metrics: vec![FoundMetric { entry: 0, name: "m".into(), owner: None, dimensions, resource: None }],
        owners: BTreeMap::new(),
    };
    let plan = plan::plan_with(&job, Naming::default(), &"r".into(), &inventory, &[]);
    let end = 300_000;
    let watermark = Some(Timestamp::from_secs(end - 7 * 3_600));
    let window = batch::window(&job, &plan.batches[0], 0, watermark, Timestamp::from_secs(end));
    assert_eq!(window.start.as_secs(), end - 6 * 3_600);
}

#[tokio::test(start_paused = true)]
async fn without_a_discovery_there_is_nothing_to_wait_for() {
    let (sender, receiver) = watch::channel(None);
    let cloud: Arc<dyn Api> = Arc::new(Cloud::default());
    let mut fetch = Fetch::new(Arc::new(job(vec![], Duration::ZERO)), cloud, Naming::default(), receiver);
    drop(sender);
    let ready = tokio::time::timeout(Duration::from_secs(60), fetch.ready()).await;
    assert!(ready.is_err(), "it must not go on to an empty collection that counts as a success");
}

/// A job with a metric that is asked for every five minutes and a daily one; its fetch and the cloud.
fn paced() -> (Fetch, Arc<Cloud>) {
    let auto = |name, period, delay_seconds| Metric {
        pace: Pace::Auto,
        rule: WindowRule::Complete,
        delay_seconds,
        length_seconds: u64::from(period),
        outlives: Duration::from_secs(u64::from(period) * 2),
        ..metric(name, period, false)
    };
    let mut job = job(vec![auto("often", 300, 120), auto("daily", 86_400, 9_000)], Duration::from_secs(720));
    job.timing.interval = Duration::from_secs(300);
    fetch(job)
}

const MIDNIGHT: i64 = 1_699_920_000;

#[tokio::test(start_paused = true)]
async fn only_what_is_due_is_asked_for_and_the_rest_stays() {
    let (mut fetch, cloud) = paced();
    let mut now = MIDNIGHT + 50_000;
    let (mut daily, mut often) = (0, 0);
    while now < MIDNIGHT + 50_000 + 2 * 86_400 {
        let asked = cloud.windows.lock().unwrap().len();
        let outcome = fetch.collect(at(now), &mut |_| {}).await;
        for (start, end) in &cloud.windows.lock().unwrap()[asked..] {
            // With the period before, whose point may have come late.
            let is_daily = end - start > 86_400;
            daily += i32::from(is_daily);
            often += i32::from(!is_daily);
            assert!(end % if is_daily { 86_400 } else { 300 } == 0);
        }
        if let Some(snapshot) = outcome.snapshot {
            assert_eq!(present(&snapshot), [true, true], "at {now}");
        }
        let due = outcome.next_due.unwrap().as_secs();
        assert!(due > now, "{due} {now}");
        now = due.min(now + 300);
    }
    assert_eq!(daily, 3, "at first, and twice at half past two");
    assert!((570..=577).contains(&often), "{often}");
}

#[tokio::test(start_paused = true)]
async fn a_restart_asks_for_nothing_twice_and_shows_what_was_shown() {
    let (mut before, _) = paced();
    let now = MIDNIGHT + 50_000;
    let first = before.collect(at(now), &mut |_| {}).await;
    let memory = before.export(at(now + 10)).unwrap();
    let written = serde_json::to_vec(&memory).unwrap();
    let read: Memory = serde_json::from_slice(&written).unwrap();
    assert_eq!(read, memory);
    let (after, cloud) = paced();
    // Another process: its steady clock need not be the first one's.
    let later = Now { wall: Timestamp::from_secs(now + 20), steady: Timestamp::from_secs(now - 500) };
    let mut after = after.remembering(Some(read));
    let outcome = after.collect(later, &mut |_| {}).await;
    assert_eq!(cloud.windows.lock().unwrap().len(), 0, "nothing is due");
    assert_eq!(present(&outcome.snapshot.unwrap()), [true, true]);
    assert_eq!(outcome.next_due, first.next_due);
    // What was confirmed too long ago does not come back.
    let (late, cloud) = paced();
    let mut late = late.remembering(Some(memory));
    *cloud.refuses.lock().unwrap() = true;
    let outcome = late.collect(at(now + 2_000), &mut |_| {}).await;
    assert_eq!(present(&outcome.snapshot.unwrap()), [false, true]);
}

#[tokio::test(start_paused = true)]
async fn a_fixed_interval_survives_a_restart() {
    let (mut before, _) = fetch(job(vec![metric("m", 300, true)], Duration::from_secs(9_000)));
    before.collect(at(3_000), &mut |_| {}).await;
    let memory = before.export(at(3_010));
    let (after, cloud) = fetch(job(vec![metric("m", 300, true)], Duration::from_secs(9_000)));
    let mut after = after.remembering(memory);
    let outcome = after.collect(at(3_020), &mut |_| {}).await;
    assert_eq!(present(&outcome.snapshot.unwrap()), [true]);
    assert_eq!((cloud.windows.lock().unwrap().len(), outcome.next_due), (0, Some(Timestamp::from_secs(3_060))));
    after.collect(at(3_900), &mut |_| {}).await;
    assert_eq!(*cloud.windows.lock().unwrap(), [(3_000, 3_900)], "what was missed meanwhile is asked for");
}

#[tokio::test(start_paused = true)]
async fn after_an_outage_all_points_are_asked_for_at_the_next_look() {
    let all = Metric { pace: Pace::Auto, rule: WindowRule::Complete, delay_seconds: 120, ..metric("m", 300, true) };
    let mut job = job(vec![all], Duration::from_secs(9_000));
    job.timing.interval = Duration::from_secs(300);
    let (mut fetch, cloud) = fetch(job);
    let mut now = 300_000;
    let mut ends = Vec::new();
    for run in 0..30 {
        *cloud.refuses.lock().unwrap() = (10..20).contains(&run);
        let asked = cloud.windows.lock().unwrap().len();
        let outcome = fetch.collect(at(now), &mut |_| {}).await;
        let windows = cloud.windows.lock().unwrap()[asked..].to_vec();
        ends.extend(windows.iter().map(|w| (run, w.0, w.1)));
        let due = outcome.next_due.unwrap().as_secs();
        assert!(due - now <= 600, "{due} {now}");
        now = due;
    }
    let before = ends.iter().find(|(run, ..)| *run == 9).unwrap().2;
    let first = ends.iter().find(|(run, ..)| *run == 20).unwrap();
    assert!(first.1 <= before, "the window begins where the last whole one ended: {first:?}, {before}");
    assert!(first.2 - before >= 3_000, "and ends at the newest complete period: {first:?}");
}
