//! Who is connected, and who has to go when everybody else wants in. Places are shared fairly: whoever makes room has the
//! same peer as most others, so that one machine with ten thousand connections displaces itself and nobody else. Among a
//! peer's connections first those go that never said anything, then those that have been saying something for longest, then
//! those that were answered and are idle or read slowly, and only then those that wait for their answer.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::socket::Peer;
use crate::telemetry::{Closing, Telemetry};

/// What a connection is doing; the earlier in this list, the sooner it has to make room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Nothing has been read yet.
    New,
    /// A request is being read; before the first one, also TLS's handshake.
    Reading,
    /// An answer is being written, or was written last.
    Writing,
    /// A request was read, and its answer has not begun.
    Answering,
}

/// Connections that were sent away and are not gone yet: a moment's work, for which the next newcomer does not wait. In a
/// crowd that comes at once this decides how long the queue before the door is.
const MAX_LEAVING: usize = 64;

/// All seats, over all listeners.
pub struct Seats {
    free: Arc<Semaphore>,
    leaving: Arc<Semaphore>,
    taken: Mutex<HashMap<u64, Arc<Occupant>>>,
    numbers: AtomicU64,
    opened: Instant,
    telemetry: Arc<Telemetry>,
}

struct Occupant {
    peer: Peer,
    /// The phase and since when, as one number: the smallest has to go first.
    standing: AtomicU64,
    leave: CancellationToken,
    /// A seat's; or, when the seat is another's already, that of somebody who leaves.
    permit: Mutex<Option<OwnedSemaphorePermit>>,
}

/// A place for one connection; free again when it is dropped.
pub(super) struct Seat {
    seats: Arc<Seats>,
    number: u64,
    occupant: Arc<Occupant>,
}

impl Seats {
    /// So many; what becomes of connections is counted there.
    pub fn new(count: usize, telemetry: Arc<Telemetry>) -> Arc<Self> {
        let free = Arc::new(Semaphore::new(count));
        let leaving = Arc::new(Semaphore::new(MAX_LEAVING));
        Arc::new(Self {
            free,
            leaving,
            taken: Mutex::default(),
            numbers: AtomicU64::new(0),
            opened: Instant::now(),
            telemetry,
        })
    }

    /// A seat for a connection of this peer: a free one, or that of the connection which has to go first.
    pub(super) async fn take(self: &Arc<Self>, peer: Peer) -> Seat {
        let mut permit = Arc::clone(&self.free).try_acquire_owned().ok();
        // The semaphores are never closed; an error would mean no bound, not no connection.
        if permit.is_none() {
            let leaving = Arc::clone(&self.leaving).acquire_owned().await.ok();
            permit = self.send_one_away(peer, leaving);
        }
        if permit.is_none() {
            permit = Arc::clone(&self.free).acquire_owned().await.ok();
        }
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        let standing = AtomicU64::new(self.standing(Phase::New));
        let permit = Mutex::new(permit);
        let occupant = Arc::new(Occupant { peer, standing, leave: CancellationToken::new(), permit });
        let mut taken = lock(&self.taken);
        taken.insert(number, Arc::clone(&occupant));
        self.telemetry.connections(taken.len());
        drop(taken);
        Seat { seats: Arc::clone(self), number, occupant }
    }

    /// The seat of whoever has to go, for the permit to leave.
    fn send_one_away(&self, newcomer: Peer, leaving: Option<OwnedSemaphorePermit>) -> Option<OwnedSemaphorePermit> {
        let taken = lock(&self.taken);
        let staying = || taken.values().filter(|occupant| !occupant.leave.is_cancelled());
        let mut held = HashMap::from([(newcomer, 1_usize)]);
        staying().for_each(|occupant| *held.entry(occupant.peer).or_default() += 1);
        let order = |occupant: &&Arc<Occupant>| {
            let most_first = std::cmp::Reverse(held.get(&occupant.peer).copied().unwrap_or(0));
            (most_first, occupant.standing.load(Ordering::Relaxed))
        };
        let first = staying().min_by_key(order)?;
        first.leave.cancel();
        self.telemetry.closed(Closing::Displaced);
        std::mem::replace(&mut *lock(&first.permit), leaving)
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

    /// Whose it is.
    pub(super) fn peer(&self) -> Peer {
        self.occupant.peer
    }

    /// Cancelled when it has to go.
    pub(super) fn leave(&self) -> CancellationToken {
        self.occupant.leave.clone()
    }

    /// Where to count what becomes of it.
    pub(super) fn telemetry(&self) -> &Arc<Telemetry> {
        &self.seats.telemetry
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = lock(&self.seats.taken);
        taken.remove(&self.number);
        self.seats.telemetry.connections(taken.len());
    }
}

/// Nothing panics while this lock is held.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Timestamp;
    use crate::telemetry::TelemetrySettings;

    const ONE: Peer = Peer::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));
    const OTHER: Peer = Peer::V4(std::net::Ipv4Addr::new(10, 0, 0, 2));

    fn seats(count: usize) -> Arc<Seats> {
        let started = Timestamp::default();
        let settings = TelemetrySettings { version: "", started, yace: false, prices: Vec::new() };
        Seats::new(count, Arc::new(Telemetry::new(settings)))
    }

    async fn pause() {
        tokio::time::advance(std::time::Duration::from_millis(5)).await;
    }

    /// Who has to go when so many of this peer come, one after the other.
    fn leaving(seats: &Seats, sitting: &[&Seat], newcomer: Peer, times: usize) -> Vec<Vec<bool>> {
        let mut order = Vec::new();
        for _ in 0..times {
            seats.send_one_away(newcomer, None);
            order.push(sitting.iter().map(|seat| seat.leave().is_cancelled()).collect());
        }
        order
    }

    #[tokio::test(start_paused = true)]
    async fn the_one_who_says_nothing_for_longest_goes_first() {
        let seats = seats(5);
        let (waiting, answered) = (seats.take(ONE).await, seats.take(ONE).await);
        let asking = seats.take(ONE).await;
        waiting.enter(Phase::Answering);
        pause().await;
        answered.enter(Phase::Writing);
        asking.enter(Phase::Reading);
        let silent = seats.take(ONE).await;
        pause().await;
        let newer = seats.take(ONE).await;
        let order = leaving(&seats, &[&waiting, &answered, &asking, &silent, &newer], ONE, 5);
        assert_eq!(order[0], [false, false, false, true, false]);
        assert_eq!(order[1], [false, false, false, true, true]);
        assert_eq!(order[2], [false, false, true, true, true]);
        assert_eq!(order[3], [false, true, true, true, true]);
        assert_eq!(order[4], [true; 5]);
    }

    #[tokio::test(start_paused = true)]
    async fn only_so_many_are_on_their_way_out() {
        let seats = seats(1);
        let mut leaving = vec![seats.take(ONE).await];
        for _ in 0..MAX_LEAVING {
            leaving.push(seats.take(ONE).await);
        }
        let mut next = std::pin::pin!(seats.take(ONE));
        assert!(tokio::time::timeout(std::time::Duration::from_secs(1), next.as_mut()).await.is_err());
        leaving.remove(0);
        let _seat = next.await;
        assert!(leaving.iter().all(|seat| seat.leave().is_cancelled()));
        leaving.clear();
        assert_eq!((seats.free.available_permits(), seats.leaving.available_permits()), (0, MAX_LEAVING));
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_has_most_makes_room() {
        let seats = seats(4);
        let silent = seats.take(ONE).await;
        let (first, second, third) = (seats.take(OTHER).await, seats.take(OTHER).await, seats.take(OTHER).await);
        pause().await;
        for seat in [&first, &second, &third] {
            seat.enter(Phase::Answering);
        }
        let sitting = [&silent, &first, &second, &third];
        let crowd = leaving(&seats, &sitting, OTHER, 2);
        assert_eq!(crowd.last().unwrap().iter().filter(|leaves| **leaves).count(), 2, "{crowd:?}");
        assert!(!silent.leave().is_cancelled(), "a crowd displaces itself");
        // Now each has one, and the newcomer would be a peer's second.
        leaving(&seats, &sitting, ONE, 1);
        assert!(silent.leave().is_cancelled());
    }
}
