//! Who is connected, and who has to go when everybody else wants in: first whoever never said anything, then whoever has
//! been saying something for longest, and only then whoever is being answered.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// What a connection is doing; the earlier in this list, the sooner it has to make room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Nothing has been read yet.
    New,
    /// A request is being read.
    Reading,
    /// An answer is being written, or was written last.
    Writing,
}

/// All seats, over all listeners.
pub struct Seats {
    free: Arc<Semaphore>,
    taken: Mutex<HashMap<u64, Arc<Occupant>>>,
    numbers: AtomicU64,
    opened: Instant,
}

struct Occupant {
    /// The phase and since when, as one number: the smallest has to go first.
    standing: AtomicU64,
    leave: CancellationToken,
}

/// A place for one connection; free again when it is dropped.
pub(super) struct Seat {
    seats: Arc<Seats>,
    number: u64,
    occupant: Arc<Occupant>,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Seats {
    /// So many.
    pub fn new(count: usize) -> Arc<Self> {
        let free = Arc::new(Semaphore::new(count));
        Arc::new(Self { free, taken: Mutex::default(), numbers: AtomicU64::new(0), opened: Instant::now() })
    }

    /// A seat: a free one, or that of the connection which has to go first.
    pub(super) async fn take(self: &Arc<Self>) -> Seat {
        let mut permit = Arc::clone(&self.free).try_acquire_owned().ok();
        if permit.is_none() {
            self.send_one_away();
            // The semaphore is never closed; an error would mean no bound, not no connection.
            permit = Arc::clone(&self.free).acquire_owned().await.ok();
        }
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        let occupant =
            Arc::new(Occupant { standing: AtomicU64::new(self.standing(Phase::New)), leave: CancellationToken::new() });
        lock(&self.taken).insert(number, Arc::clone(&occupant));
        Seat { seats: Arc::clone(self), number, occupant, _permit: permit }
    }

    fn send_one_away(&self) {
        let taken = lock(&self.taken);
        let staying = taken.values().filter(|occupant| !occupant.leave.is_cancelled());
        if let Some(first) = staying.min_by_key(|occupant| occupant.standing.load(Ordering::Relaxed)) {
            first.leave.cancel();
        }
    }

    /// Two bits for the phase, the rest for milliseconds: enough for a hundred million years.
    fn standing(&self, phase: Phase) -> u64 {
        let since = u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX) & (u64::MAX >> 2);
        (phase as u64) << 62 | since
    }
}

impl Seat {
    /// The connection does something else from now on.
    pub(super) fn enter(&self, phase: Phase) {
        self.occupant.standing.store(self.seats.standing(phase), Ordering::Relaxed);
    }

    /// Cancelled when it has to go.
    pub(super) fn leave(&self) -> CancellationToken {
        self.occupant.leave.clone()
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        lock(&self.seats.taken).remove(&self.number);
    }
}

/// Nothing panics while this lock is held.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_one_who_says_nothing_for_longest_goes_first() {
        let seats = Seats::new(4);
        let pause = || tokio::time::advance(std::time::Duration::from_millis(5));
        let (answered, asking) = (seats.take().await, seats.take().await);
        pause().await;
        answered.enter(Phase::Writing);
        asking.enter(Phase::Reading);
        let silent = seats.take().await;
        pause().await;
        let newer = seats.take().await;
        let mut order = Vec::new();
        for _ in 0..4 {
            let waiting = tokio::spawn({
                let seats = Arc::clone(&seats);
                async move { drop(seats.take().await) }
            });
            tokio::task::yield_now().await;
            order.push([&answered, &asking, &silent, &newer].map(|seat| seat.leave().is_cancelled()));
            waiting.abort();
        }
        assert_eq!(order[0], [false, false, true, false]);
        assert_eq!(order[1], [false, false, true, true]);
        assert_eq!(order[2], [false, true, true, true]);
        assert_eq!(order[3], [true; 4]);
    }
}
