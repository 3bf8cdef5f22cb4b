//! Fills the queue and empties it: what was collected goes in at once, and at each flush all that waits goes out, oldest
//! first. What fails for a reason that may pass is tried again until CloudWatch would no longer take it; what CloudWatch
//! refuses is halved until the bad datum stands alone.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;

use super::batch::{self, MAX_DATA};
use super::census::Census;
use super::spool::{Chunk, Spool};
use crate::model::{Datum, Timestamp};
use crate::seam::{Failure, Reason};

/// Collections that wait to be put into the queue while the disk is slow; further ones are lost, and counted.
const MAX_COLLECTIONS: usize = 256;
/// The first pause after a failure.
const FIRST_BACKOFF: Duration = Duration::from_secs(1);
/// The longest pause: when CloudWatch is back, so are we within a minute.
const MAX_BACKOFF: Duration = Duration::from_secs(60);
/// The first flush, so that somebody who has just started us sees something soon.
const FIRST_FLUSH: Duration = Duration::from_secs(5);
/// What was written reaches the disk's surface after this time at the latest; only a loss of power needs it.
const DISK_FLUSH_INTERVAL: Duration = Duration::from_secs(10);
/// When the process ends, the last flush gets so much time.
const LAST_FLUSH: Duration = Duration::from_secs(3);

/// Where data go.
pub trait Destination: Send + Sync {
    /// Writes data within the bounds of one request. All of them, or none.
    fn put<'a>(&'a self, data: &'a [Datum]) -> BoxFuture<'a, Result<(), Refused>>;
}

/// Why data were not taken.
#[derive(Debug, thiserror::Error)]
#[error("{failure}")]
pub struct Refused {
    /// What happened.
    pub failure: Failure,
    /// The data are the reason: the same ones will never be taken.
    pub for_good: bool,
}

/// Why data were not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Loss {
    /// The queue was full.
    QueueFull,
    /// Too old, or too far ahead, for CloudWatch.
    Expired,
    /// CloudWatch refuses them.
    Refused,
    /// Not finite, or too large.
    BadValue,
    /// A name that CloudWatch does not take.
    BadName,
    /// There are too many metrics.
    TooManyMetrics,
    /// The process ended, and there is no state directory.
    Ended,
}

impl Loss {
    /// Every kind of loss.
    pub const ALL: [Self; 7] = [
        Self::QueueFull,
        Self::Expired,
        Self::Refused,
        Self::BadValue,
        Self::BadName,
        Self::TooManyMetrics,
        Self::Ended,
    ];

    /// The label value.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::QueueFull => "queue_full",
            Self::Expired => "expired",
            Self::Refused => "refused",
            Self::BadValue => "bad_value",
            Self::BadName => "bad_name",
            Self::TooManyMetrics => "too_many_metrics",
            Self::Ended => "ended",
        }
    }
}

/// What happened, told as it happens.
#[derive(Debug)]
pub enum Event {
    /// So many data arrived.
    Sent(usize),
    /// So many data are gone.
    Lost(Loss, usize),
    /// The queue changed.
    Queue(Queue),
    /// A request failed; it is tried again, unless the data are the reason.
    Failed(Failure),
    /// A flush began although the one before had not been over for a request's time. Its number of requests.
    Flushed(usize),
}

/// What waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Queue {
    /// Data.
    pub data: usize,
    /// Bytes in memory.
    pub memory_bytes: usize,
    /// Bytes on the disk.
    pub disk_bytes: usize,
    /// Metrics of the last hour.
    pub metrics: usize,
}

/// Takes what happened.
pub type Tell = Arc<dyn Fn(Event) + Send + Sync>;
/// Tells the time.
pub type Wall = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// What a pump is made of.
pub struct PumpSettings {
    /// Time between two flushes.
    pub flush_interval: Duration,
    /// Metrics beyond it are not sent.
    pub max_metrics: usize,
    /// Whether what waits outlives the process.
    pub is_durable: bool,
}

/// The queue with those who fill and empty it.
pub struct Pump {
    settings: PumpSettings,
    spool: Arc<Mutex<Spool>>,
    census: Mutex<Census>,
    destination: Arc<dyn Destination>,
    wall: Wall,
    tell: Tell,
    full: Notify,
}

/// Where collections are put in.
#[derive(Clone)]
pub struct Inlet {
    sender: mpsc::Sender<Vec<Datum>>,
    tell: Tell,
}

impl Inlet {
    /// Hands over what was collected; never waits.
    pub fn put(&self, data: Vec<Datum>) {
        if data.is_empty() {
            return;
        }
        if let Err(mpsc::error::TrySendError::Full(data) | mpsc::error::TrySendError::Closed(data)) =
            self.sender.try_send(data)
        {
            (self.tell)(Event::Lost(Loss::QueueFull, data.len()));
        }
    }
}

impl Pump {
    /// With what waits in the queue already.
    pub fn new(
        settings: PumpSettings,
        spool: Spool,
        destination: Arc<dyn Destination>,
        wall: Wall,
        tell: Tell,
    ) -> Arc<Self> {
        let census = Mutex::new(Census::new(settings.max_metrics));
        let spool = Arc::new(Mutex::new(spool));
        Arc::new(Self { settings, spool, census, destination, wall, tell, full: Notify::new() })
    }

    /// Runs until `stop`; then what was collected is put into the queue, and as much of it sent as a few seconds allow.
    pub fn start(self: &Arc<Self>, stop: CancellationToken) -> (Inlet, impl Future<Output = ()> + Send + 'static) {
        let (sender, receiver) = mpsc::channel(MAX_COLLECTIONS);
        let inlet = Inlet { sender, tell: Arc::clone(&self.tell) };
        let pump = Arc::clone(self);
        let running = async move {
            let filled = CancellationToken::new();
            let filling = async {
                pump.fill(receiver, &stop).await;
                filled.cancel();
            };
            tokio::join!(filling, pump.empty(&filled));
        };
        (inlet, running)
    }

    /// Puts a collection into the queue; writes to the disk.
    pub fn put(&self, data: Vec<Datum>) {
        let now = (self.wall)();
        let (mut admitted, mut refused) = (Vec::with_capacity(data.len()), 0);
        {
            let mut census = lock(&self.census);
            for datum in data {
                if census.admit(&datum.of, now) { admitted.push(datum) } else { refused += 1 }
            }
        }
        self.lost(Loss::TooManyMetrics, refused);
        let admitted = batch::fold(admitted);
        let mut spool = lock(&self.spool);
        for record in admitted.chunks(MAX_DATA) {
            spool.append(record);
        }
        if spool.waiting() >= MAX_DATA {
            self.full.notify_one();
        }
        self.look_after(&mut spool);
    }

    async fn fill(self: &Arc<Self>, mut receiver: mpsc::Receiver<Vec<Datum>>, stop: &CancellationToken) {
        let mut disk_flush = tokio::time::interval(DISK_FLUSH_INTERVAL);
        loop {
            let collected = tokio::select! {
                biased;
                collected = receiver.recv() => collected,
                _ = disk_flush.tick() => {
                    let pump = Arc::clone(self);
                    blocking(move || lock(&pump.spool).flush()).await;
                    continue;
                }
                () = stop.cancelled() => None,
            };
            let Some(data) = collected else { break };
            let pump = Arc::clone(self);
            blocking(move || pump.put(data)).await;
        }
        let pump = Arc::clone(self);
        blocking(move || lock(&pump.spool).flush()).await;
    }

    async fn empty(self: &Arc<Self>, stop: &CancellationToken) {
        let interval = self.settings.flush_interval;
        let mut next = Instant::now() + FIRST_FLUSH.min(interval);
        while !stop.is_cancelled() {
            tokio::select! {
                () = sleep_until(next) => {}
                () = self.full.notified() => {}
                () = stop.cancelled() => break,
            }
            self.flush(stop).await;
            let now = Instant::now();
            while next <= now {
                next += interval;
            }
        }
        if timeout_at(Instant::now() + LAST_FLUSH, self.flush(&CancellationToken::new())).await.is_err() {
            tracing::warn!("not everything could be sent before the end");
        }
        let waiting = lock(&self.spool).waiting();
        if waiting > 0 && !self.settings.is_durable {
            self.lost(Loss::Ended, waiting);
        }
    }

    /// Sends all that waits; returns when nothing does, or when a pause would go on after `stop`. A request that is on its
    /// way is never given up: nobody would know whether it arrived.
    pub async fn flush(self: &Arc<Self>, stop: &CancellationToken) {
        let (mut at_most, mut backoff, mut requests) = (MAX_DATA, FIRST_BACKOFF, 0);
        while let Some(chunk) = self.next(at_most).await {
            if chunk.data.is_empty() {
                self.done(chunk, None).await;
                continue;
            }
            requests += 1;
            match self.destination.put(&chunk.data).await {
                Ok(()) => {
                    backoff = FIRST_BACKOFF;
                    at_most = at_most.saturating_mul(2).min(MAX_DATA);
                    (self.tell)(Event::Sent(chunk.data.len()));
                    self.done(chunk, None).await;
                }
                Err(Refused { failure, for_good: true }) if chunk.data.len() == 1 => {
                    (self.tell)(Event::Failed(failure));
                    self.done(chunk, Some(Loss::Refused)).await;
                }
                Err(Refused { for_good: true, .. }) => at_most = chunk.data.len().div_ceil(2),
                Err(Refused { failure, .. }) => {
                    let reason = failure.reason;
                    (self.tell)(Event::Failed(failure));
                    let pause = tokio::time::sleep(jittered(pause(reason, backoff)));
                    if stop.run_until_cancelled(pause).await.is_none() {
                        return;
                    }
                    backoff = backoff.saturating_mul(2).min(MAX_BACKOFF);
                }
            }
        }
        if requests > 0 {
            (self.tell)(Event::Flushed(requests));
        }
    }

    async fn next(self: &Arc<Self>, at_most: usize) -> Option<Chunk> {
        let (pump, now) = (Arc::clone(self), (self.wall)());
        blocking(move || lock(&pump.spool).next(now, at_most)).await.flatten()
    }

    async fn done(self: &Arc<Self>, chunk: Chunk, loss: Option<Loss>) {
        self.lost(Loss::Expired, chunk.expired);
        if let Some(loss) = loss {
            self.lost(loss, chunk.data.len());
        }
        let pump = Arc::clone(self);
        blocking(move || {
            let mut spool = lock(&pump.spool);
            spool.done(&chunk);
            pump.look_after(&mut spool);
        })
        .await;
    }

    /// Tells what became of the queue.
    fn look_after(&self, spool: &mut Spool) {
        self.lost(Loss::QueueFull, spool.take_lost());
        if let Some(trouble) = spool.take_trouble() {
            tracing::error!("the queue of data to be pushed: {trouble}");
        }
        let (memory_bytes, disk_bytes) = spool.bytes();
        let metrics = lock(&self.census).count((self.wall)());
        (self.tell)(Event::Queue(Queue { data: spool.waiting(), memory_bytes, disk_bytes, metrics }));
    }

    fn lost(&self, loss: Loss, data: usize) {
        if data > 0 {
            (self.tell)(Event::Lost(loss, data));
        }
    }
}

/// A missing permission does not come by itself within seconds.
fn pause(reason: Reason, backoff: Duration) -> Duration {
    if reason.is_transient() { backoff } else { backoff.max(Duration::from_secs(5)) }
}

/// Half of it up to all of it, so that hosts which failed together do not come back together.
fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(0.5 + fastrand::f64() / 2.0)
}

/// Off the threads that answer requests; `None` only when the runtime ends.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    tokio::task::spawn_blocking(work).await.ok()
}

/// Nothing panics while one of these locks is held; what they guard is whole at any time.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
