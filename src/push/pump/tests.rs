use std::collections::VecDeque;

use super::*;
use crate::model::{LabelSet, MetricIdentity, StandardUnit, Values};
use crate::push::spool::Limits;

const NOW: Timestamp = Timestamp::from_secs(1_795_000_000);

fn datum(name: &str) -> Datum {
    let dimensions = LabelSet::new(vec![]);
    let of = MetricIdentity { name: name.into(), dimensions, unit: StandardUnit::NONE, high_resolution: false };
    Datum { of: Arc::new(of), at: NOW, values: Values::One(1.0) }
}

/// Refuses as it is told, and always a datum called `bad`.
#[derive(Default)]
struct Cloud {
    failures: Mutex<VecDeque<Reason>>,
    taken: Mutex<Vec<Vec<String>>>,
    attempts: Mutex<Vec<usize>>,
}

impl Destination for Cloud {
    fn put<'a>(&'a self, data: &'a [Datum]) -> BoxFuture<'a, Result<(), Refused>> {
        let names: Vec<String> = data.iter().map(|d| d.of.name.to_string()).collect();
        lock(&self.attempts).push(names.len());
        let failure = |reason| Failure { reason, doing: "put".into(), message: "no".into() };
        let result = match lock(&self.failures).pop_front() {
            Some(reason) => Err(Refused { failure: failure(reason), for_good: false }),
            None if names.iter().any(|n| n == "bad") => {
                Err(Refused { failure: failure(Reason::InvalidRequest), for_good: true })
            }
            None => {
                lock(&self.taken).push(names);
                Ok(())
            }
        };
        Box::pin(std::future::ready(result))
    }
}

struct Bench {
    cloud: Arc<Cloud>,
    pump: Arc<Pump>,
    lost: Arc<Mutex<Vec<(Loss, usize)>>>,
}

fn bench(max_metrics: usize, is_durable: bool) -> Bench {
    let cloud = Arc::new(Cloud::default());
    let lost: Arc<Mutex<Vec<(Loss, usize)>>> = Arc::default();
    let tell: Tell = {
        let lost = Arc::clone(&lost);
        Arc::new(move |event| {
            if let Event::Lost(loss, n) = event {
                lock(&lost).push((loss, n));
            }
        })
    };
    let settings = PumpSettings { flush_interval: Duration::from_secs(60), max_metrics, is_durable };
    let spool = Spool::open(None, Limits::default()).unwrap();
    let destination: Arc<dyn Destination> = Arc::<Cloud>::clone(&cloud);
    let pump = Pump::new(settings, spool, destination, Arc::new(|| NOW), tell);
    Bench { cloud, pump, lost }
}

fn names(prefix: &str, n: usize) -> Vec<Datum> {
    (0..n).map(|i| datum(&format!("{prefix}{i:05}"))).collect()
}

#[tokio::test(start_paused = true)]
async fn what_may_pass_is_tried_until_it_has_passed() {
    let b = bench(10_000, false);
    b.pump.put(names("m", 2_500));
    let reasons =
        [Reason::Throttled, Reason::ServerError, Reason::AccessDenied, Reason::ExpiredCredentials, Reason::Network];
    lock(&b.cloud.failures).extend(reasons);
    b.pump.flush(&CancellationToken::new()).await;
    let taken = lock(&b.cloud.taken).clone();
    assert_eq!(taken.iter().map(Vec::len).collect::<Vec<_>>(), [1_000, 1_000, 500]);
    assert_eq!(taken.concat(), names("m", 2_500).iter().map(|d| d.of.name.to_string()).collect::<Vec<_>>());
    assert_eq!(lock(&b.cloud.attempts).len(), 3 + reasons.len());
    assert!(lock(&b.lost).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_bad_datum_is_found_and_only_it_is_lost() {
    let b = bench(10_000, false);
    b.pump.put([names("a", 700), vec![datum("bad")], names("c", 299)].concat());
    b.pump.flush(&CancellationToken::new()).await;
    assert_eq!(lock(&b.cloud.taken).concat().len(), 999);
    assert_eq!(*lock(&b.lost), [(Loss::Refused, 1)]);
    assert!(lock(&b.cloud.attempts).len() < 40);
}

#[tokio::test(start_paused = true)]
async fn metrics_beyond_the_bound_are_not_sent() {
    let b = bench(10, false);
    b.pump.put(names("m", 15));
    b.pump.put(names("m", 15));
    b.pump.flush(&CancellationToken::new()).await;
    assert_eq!(lock(&b.cloud.taken).concat().len(), 20);
    assert_eq!(*lock(&b.lost), [(Loss::TooManyMetrics, 5), (Loss::TooManyMetrics, 5)]);
}

#[tokio::test(start_paused = true)]
async fn the_end_sends_what_waits_and_counts_what_cannot_be_kept() {
    for (failing, is_durable, lost) in
        [(false, false, vec![]), (true, false, vec![(Loss::Ended, 3)]), (true, true, vec![])]
    {
        let b = bench(100, is_durable);
        if failing {
            lock(&b.cloud.failures).extend([Reason::Network; 1_000]);
        }
        let stop = CancellationToken::new();
        let (inlet, running) = b.pump.start(stop.clone());
        inlet.put(names("m", 3));
        stop.cancel();
        running.await;
        assert_eq!(lock(&b.cloud.taken).concat().len(), if failing { 0 } else { 3 });
        assert_eq!(*lock(&b.lost), lost);
        inlet.put(names("late", 2));
        assert_eq!(lock(&b.lost).last(), Some(&(Loss::QueueFull, 2)), "nobody listens any more, and that is said");
    }
}

#[tokio::test(start_paused = true)]
async fn flushes_come_at_their_interval_and_when_a_request_is_full() {
    let b = bench(10_000, false);
    let stop = CancellationToken::new();
    let (inlet, running) = b.pump.start(stop.clone());
    let running = tokio::spawn(running);
    inlet.put(names("m", 3));
    let started = Instant::now();
    while lock(&b.cloud.taken).is_empty() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(started.elapsed() <= FIRST_FLUSH + Duration::from_secs(1));
    inlet.put(names("m", 1_500));
    let full = Instant::now();
    while lock(&b.cloud.taken).len() < 2 {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(full.elapsed() < Duration::from_secs(30), "it did not wait for the minute");
    stop.cancel();
    running.await.unwrap();
}
