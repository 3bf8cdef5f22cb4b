//! Places among the calls in flight, given out in a fair order: a semaphore whose queue is a [`FairQueue`].

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::seam::{Priority, QuotaKey};
use crate::work::fair::FairQueue;

/// A bound on calls in flight. Clones share it.
#[derive(Clone)]
pub(super) struct Places {
    state: Arc<Mutex<State>>,
}

struct State {
    free: u32,
    waiting: FairQueue<QuotaKey, oneshot::Sender<Place>>,
}

/// One of the places; dropping it lets the next one in.
pub(super) struct Place {
    of: Option<Places>,
}

impl Places {
    pub(super) fn new(count: u32) -> Self {
        Self { state: Arc::new(Mutex::new(State { free: count, waiting: FairQueue::default() })) }
    }

    /// Waits for a place; lanes of the same priority take turns. Whoever stops waiting loses its turn and nothing else.
    pub(super) async fn acquire(&self, lane: &QuotaKey, priority: Priority) -> Place {
        let receiver = {
            let mut state = self.lock();
            if state.free > 0 {
                state.free -= 1;
                return Place { of: Some(self.clone()) };
            }
            let (sender, receiver) = oneshot::channel();
            state.waiting.push(lane.clone(), priority, sender);
            receiver
        };
        // The sender lives in `state` until it sends; an error would mean no bound, not no call.
        receiver.await.unwrap_or(Place { of: None })
    }

    /// Gives a place to the first one that still waits.
    fn give_back(self) {
        loop {
            let next = {
                let mut state = self.lock();
                let next = state.waiting.pop(|sender| !sender.is_closed());
                if next.is_none() {
                    state.free += 1;
                }
                next
            };
            let Some(next) = next else { return };
            match next.send(Place { of: Some(self.clone()) }) {
                Ok(()) => return,
                // Nobody waits for this one any more: it is not given back twice.
                Err(mut place) => place.of = None,
            }
        }
    }

    /// Nothing panics while the lock is held, and it is not held over an await.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(places) = self.of.take() {
            places.give_back();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    fn lane(account: &str) -> QuotaKey {
        QuotaKey { account: account.into(), region: "r".into(), operation: "Op" }
    }

    #[tokio::test]
    async fn lanes_take_turns_high_ones_first_and_the_departed_are_skipped() {
        let places = Places::new(1);
        let (a, b, c) = (lane("a"), lane("b"), lane("c"));
        let first = places.acquire(&a, Priority::Normal).await;
        let mut a1 = Box::pin(places.acquire(&a, Priority::Normal));
        let mut a2 = Box::pin(places.acquire(&a, Priority::Normal));
        let mut gone = Box::pin(places.acquire(&b, Priority::Normal));
        let mut b1 = Box::pin(places.acquire(&b, Priority::Normal));
        let mut high = Box::pin(places.acquire(&c, Priority::High));
        for waiting in [&mut a1, &mut a2, &mut gone, &mut b1, &mut high] {
            assert!(waiting.as_mut().now_or_never().is_none());
        }
        drop(gone);
        drop(first);
        for next in [high, a1, b1, a2] {
            let place = next.now_or_never().expect("it is its turn");
            drop(place);
        }
        assert!(places.acquire(&a, Priority::Low).now_or_never().is_some());
    }

    #[tokio::test]
    async fn a_place_that_nobody_takes_is_given_on() {
        let places = Places::new(1);
        let a = lane("a");
        let first = places.acquire(&a, Priority::Normal).await;
        let mut late = Box::pin(places.acquire(&a, Priority::Normal));
        assert!(late.as_mut().now_or_never().is_none());
        drop(first);
        drop(late);
        assert!(places.acquire(&lane("b"), Priority::Normal).now_or_never().is_some());
    }
}
