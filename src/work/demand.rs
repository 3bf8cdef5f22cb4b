//! Scrapes that drive workers: a worker either collects when somebody scrapes and no other time, or goes on by itself, as
//! often as anybody looks, and rests while nobody does.
//!
//! Scrapes closer together than the worker's own interval count as one, so that several scrapers cost what one costs.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

/// Scrapes that wait for one worker; as many as there may be connections.
const MAX_WAITING: usize = 1024;
/// A scrape waits so long for the first values, or those after a rest; Prometheus gives up after ten seconds.
const PATIENCE: Duration = Duration::from_secs(8);
/// A worker rests when nobody has looked for so long, or for [`MISSED_SCRAPES`] of the usual distances.
const REST_AFTER: Duration = Duration::from_secs(300);
/// See [`REST_AFTER`].
const MISSED_SCRAPES: u32 = 3;
/// Distances between scrapes that are remembered.
const REMEMBERED: usize = 4;
/// Values are there at most so long before a scrape that can be foreseen.
const MAX_LEAD: Duration = Duration::from_secs(15);

/// How scrapes drive workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drive {
    /// Each scrape makes them run, and waits for that.
    OnScrape,
    /// They run by themselves, as often as there are scrapes but not more often than their interval.
    Follow,
}

/// Where scrapes are announced.
#[derive(Debug)]
pub struct Demand {
    drive: Drive,
    listeners: Mutex<Vec<mpsc::Sender<Ask>>>,
}

/// A scrape that wants to know when it may go on.
type Ask = oneshot::Sender<()>;

impl Demand {
    /// Nobody listens yet.
    pub fn new(drive: Drive) -> Self {
        Self { drive, listeners: Mutex::default() }
    }

    /// How it drives.
    pub fn drive(&self) -> Drive {
        self.drive
    }

    /// For one more worker.
    pub fn listener(&self) -> Listener {
        let (sender, asks) = mpsc::channel(MAX_WAITING);
        let mut listeners = self.lock();
        listeners.retain(|listener| !listener.is_closed());
        listeners.push(sender);
        Listener::new(self.drive, asks)
    }

    /// Somebody scrapes: returns when the page is as fresh as promised, or it took too long.
    pub async fn scraped(&self) {
        let listeners = self.lock().clone();
        let answers = listeners.into_iter().map(|listener| async move {
            let (ask, answer) = oneshot::channel();
            if listener.send(ask).await.is_ok() {
                // An error means that the worker has ended: there is nothing to wait for.
                let _ = answer.await;
            }
        });
        let answers = join_all(answers);
        match self.drive {
            Drive::OnScrape => drop(answers.await),
            // Too late is answered with what is there.
            Drive::Follow => drop(tokio::time::timeout(PATIENCE, answers).await),
        }
    }

    /// Nothing panics while the lock is held.
    fn lock(&self) -> MutexGuard<'_, Vec<mpsc::Sender<Ask>>> {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A worker's ear for scrapes.
#[derive(Debug)]
pub struct Listener {
    drive: Drive,
    asks: mpsc::Receiver<Ask>,
    /// To be answered at the end of the run.
    waiting: Vec<Ask>,
    /// Whether scrapes wait for the run that is going on.
    is_awaited: bool,
    cadence: Cadence,
}

impl Listener {
    fn new(drive: Drive, asks: mpsc::Receiver<Ask>) -> Self {
        Self { drive, asks, waiting: Vec::new(), is_awaited: true, cadence: Cadence::new(Instant::now()) }
    }

    /// Waits for the moment of the first run.
    pub async fn begin(&mut self) {
        if self.drive == Drive::OnScrape {
            self.rest(Duration::ZERO).await;
        }
    }

    /// Runs something, answering scrapes meanwhile; those that wait for it are answered by [`Self::answer`].
    pub async fn accompany<T>(&mut self, run: impl Future<Output = T>, interval: Duration) -> T {
        let mut run = std::pin::pin!(run);
        loop {
            tokio::select! {
                biased;
                done = &mut run => return done,
                Some(ask) = self.asks.recv() => self.take(ask, interval),
            }
        }
    }

    /// The run is over: scrapes that waited for it go on.
    pub fn answer(&mut self) {
        while let Ok(ask) = self.asks.try_recv() {
            self.waiting.push(ask);
        }
        for ask in self.waiting.drain(..) {
            // Whoever has gone away needs no answer.
            let _ = ask.send(());
        }
    }

    /// Waits for the next run, which must not start before `earliest`; `took`: what the last one took.
    pub async fn wait(&mut self, earliest: Instant, interval: Duration, took: Duration) {
        self.is_awaited = false;
        if self.drive == Drive::OnScrape {
            return self.rest(interval).await;
        }
        loop {
            let due = self.cadence.due(earliest, interval, took);
            tokio::select! {
                biased;
                Some(ask) = self.asks.recv() => self.take(ask, interval),
                () = tokio::time::sleep_until(due) => break,
            }
        }
        if self.cadence.is_over(Instant::now()) {
            self.rest(interval).await;
        }
    }

    /// Until somebody scrapes.
    async fn rest(&mut self, interval: Duration) {
        self.is_awaited = true;
        match self.asks.recv().await {
            Some(ask) => self.take(ask, interval),
            // Nobody will ever scrape again.
            None => std::future::pending().await,
        }
    }

    fn take(&mut self, ask: Ask, interval: Duration) {
        self.cadence.seen(Instant::now(), interval);
        if self.is_awaited {
            self.waiting.push(ask);
        } else {
            let _ = ask.send(());
        }
    }
}

/// When scrapes came, and when the next one is to be expected.
#[derive(Debug)]
struct Cadence {
    last: Instant,
    /// The first scrape of the newest group: scrapes within the worker's interval are one.
    group: Option<Instant>,
    distances: VecDeque<Duration>,
}

impl Cadence {
    fn new(now: Instant) -> Self {
        Self { last: now, group: None, distances: VecDeque::new() }
    }

    fn seen(&mut self, now: Instant, interval: Duration) {
        self.last = now;
        let Some(before) = self.group else {
            self.group = Some(now);
            return;
        };
        // Scrapers are not punctual to the millisecond.
        let distance = now.saturating_duration_since(before);
        if distance + interval / 20 < interval {
            return;
        }
        self.group = Some(now);
        self.distances.truncate(REMEMBERED - 1);
        self.distances.push_front(distance);
    }

    /// The usual distance: the smallest of the last ones, so that a scrape that was left out does not count.
    fn usual(&self) -> Option<Duration> {
        self.distances.iter().min().copied()
    }

    /// When to collect: at `earliest`, or shortly before the first scrape that is to be expected after it.
    fn due(&self, earliest: Instant, interval: Duration, took: Duration) -> Instant {
        let (Some(group), Some(usual)) = (self.group, self.usual()) else { return earliest };
        // With scrapes about as frequent as runs there is nothing to wait for.
        if usual <= interval.mul_f64(1.5) {
            return earliest;
        }
        let lead = (usual / 10).min(MAX_LEAD) + took.min(usual / 2);
        let mut due = group + usual - lead;
        let behind = earliest.saturating_duration_since(due);
        let steps = u32::try_from(behind.as_nanos().div_ceil(usual.as_nanos().max(1))).unwrap_or(u32::MAX);
        due += usual.saturating_mul(steps);
        due
    }

    fn is_over(&self, now: Instant) -> bool {
        let patience = self.usual().map_or(REST_AFTER, |usual| REST_AFTER.max(usual * MISSED_SCRAPES));
        now.saturating_duration_since(self.last) > patience
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn cadence(scrapes: &[u64], interval: u64) -> (Cadence, Instant) {
        let start = Instant::now();
        let mut cadence = Cadence::new(start);
        for at in scrapes {
            cadence.seen(start + SECOND * u32::try_from(*at).unwrap(), SECOND * u32::try_from(interval).unwrap());
        }
        (cadence, start)
    }

    #[tokio::test]
    async fn frequent_scrapes_leave_the_interval_alone() {
        let every_15: Vec<u64> = (0..40).map(|n| n * 15).collect();
        let (cadence, start) = cadence(&every_15, 60);
        assert_eq!(cadence.usual(), Some(SECOND * 60));
        let earliest = start + SECOND * 600;
        assert_eq!(cadence.due(earliest, SECOND * 60, SECOND), earliest);
    }

    #[tokio::test]
    async fn rare_scrapes_find_fresh_values() {
        // A pair, ten seconds apart, every five minutes; one pair left out.
        let pairs: Vec<u64> = [0, 300, 900, 1200].into_iter().flat_map(|at| [at, at + 10]).collect();
        let (cadence, start) = cadence(&pairs, 60);
        assert_eq!(cadence.usual(), Some(SECOND * 300));
        let due =
            |earliest| cadence.due(start + SECOND * earliest, SECOND * 60, SECOND).duration_since(start).as_secs();
        assert_eq!(due(1270), 1500 - 16);
        assert_eq!(due(1484), 1484);
        assert_eq!(due(1485), 1800 - 16);
    }

    #[tokio::test]
    async fn it_is_over_when_nobody_came_for_long() {
        let (cadence, start) = cadence(&[0, 600, 1200], 60);
        assert!(!cadence.is_over(start + SECOND * 3000));
        assert!(cadence.is_over(start + SECOND * 3001));
        let never = Cadence::new(start);
        assert!(!never.is_over(start + SECOND * 300) && never.is_over(start + SECOND * 301));
    }
}
