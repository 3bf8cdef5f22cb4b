//! Keeps what may hang in the kernel away from everything else: it runs on a thread of its own, is waited for a while, and is
//! not started again before it has come back. One stuck file system costs one thread, not one in every interval.

use std::time::Duration;

use tokio::sync::oneshot;
use tokio::sync::oneshot::error::TryRecvError;

use crate::seam::{Failure, Reason};

/// How long is waited: asking 16,000 processes takes a tenth of it.
const PATIENCE: Duration = Duration::from_secs(5);
/// Reading tables needs little stack.
const STACK_BYTES: usize = 512 << 10;

/// Runs one piece of work at a time.
#[derive(Debug)]
pub(super) struct Guard<T> {
    pending: Option<oneshot::Receiver<T>>,
    patience: Duration,
}

impl<T> Default for Guard<T> {
    fn default() -> Self {
        Self { pending: None, patience: PATIENCE }
    }
}

impl<T: Send + 'static> Guard<T> {
    /// Does the work, or says why there is no result. `doing` is what the failure says was tried.
    pub(super) async fn run(&mut self, doing: &str, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Failure> {
        if let Some(pending) = &mut self.pending
            && matches!(pending.try_recv(), Err(TryRecvError::Empty))
        {
            return Err(stuck(doing, "the attempt before still hangs in the kernel"));
        }
        let (sender, receiver) = oneshot::channel();
        // It stays here over the await: who drops this future must not make us forget the thread.
        let pending = self.pending.insert(receiver);
        let thread = std::thread::Builder::new().name("host".to_owned()).stack_size(STACK_BYTES);
        let started = thread.spawn(move || drop(sender.send(work())));
        if let Err(error) = started {
            self.pending = None;
            return Err(Failure { reason: Reason::LimitReached, doing: doing.to_owned(), message: error.to_string() });
        }
        let result = match tokio::time::timeout(self.patience, pending).await {
            Ok(Ok(result)) => Ok(result),
            Ok(Err(_)) => {
                Err(Failure { reason: Reason::Panic, doing: doing.to_owned(), message: "the thread died".to_owned() })
            }
            Err(_) => return Err(stuck(doing, "no answer from the kernel for seconds")),
        };
        self.pending = None;
        result
    }
}

fn stuck(doing: &str, why: &str) -> Failure {
    let message = format!("{why}; is the server of a network file system gone?");
    Failure { reason: Reason::Timeout, doing: doing.to_owned(), message }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn what_hangs_is_started_once_and_its_late_result_is_forgotten() {
        let mut guard = Guard::default();
        assert_eq!(guard.run("test", || 1).await.unwrap(), 1);
        let (release, hanging) = mpsc::channel::<()>();
        let (say, came_back) = oneshot::channel();
        guard.patience = Duration::from_millis(10);
        let result = guard
            .run("test", move || {
                let _ = hanging.recv();
                let _ = say.send(());
                2
            })
            .await;
        assert_eq!(result.unwrap_err().reason, Reason::Timeout);
        let again = guard.run("test", || panic!("must not be started")).await;
        assert_eq!(again.unwrap_err().reason, Reason::Timeout);
        guard.patience = PATIENCE;
        release.send(()).unwrap();
        came_back.await.unwrap();
        // The thread sends its result right after that; until then it counts as hanging.
        let mut third = guard.run("test", || 3).await;
        while third.is_err() {
            tokio::task::yield_now().await;
            third = guard.run("test", || 3).await;
        }
        assert_eq!(third.unwrap(), 3);
    }

    #[tokio::test]
    async fn a_panic_is_a_failure_and_the_next_run_works() {
        let mut guard = Guard::default();
        let failure = guard.run("test", || -> u8 { panic!("as tests do") }).await.unwrap_err();
        assert_eq!(failure.reason, Reason::Panic);
        assert_eq!(guard.run("test", || 1).await.unwrap(), 1);
    }
}
