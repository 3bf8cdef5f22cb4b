//! The one worker loop: run a source, hand its outcome on, wait, again. Runs never overlap and never queue: starts that fall
//! into a run are counted. A run that takes too long is dropped, one that panics is caught; the loop goes on.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::seam::{Failure, Outcome, Reason, Source};
use crate::work::schedule::Schedule;

/// Between two runs, whatever a source wants.
const LEAST_PAUSE: Duration = Duration::from_secs(1);

/// What a worker needs.
pub struct Worker {
    /// For error texts: `fetch AWS/EC2 in eu-west-1`.
    pub name: String,
    /// When it runs.
    pub schedule: Schedule,
    /// Before the first run; an earlier process may have done it.
    pub first_in: Duration,
    /// A run that takes longer is given up.
    pub deadline: Duration,
    /// Wall time for the source.
    pub clock: Clock,
}

/// A run that has ended, or what one that goes on has brought so far, for whoever keeps the books.
pub struct Run {
    /// What came of it since the last report.
    pub outcome: Outcome,
    /// `None`: it goes on.
    pub end: Option<End>,
}

/// The facts of a finished run.
pub struct End {
    /// How long it took.
    pub took: Duration,
    /// Starts that fell into it.
    pub missed: u64,
    /// When the next run starts, from the end of this one.
    pub next_in: Duration,
}

impl Worker {
    /// Runs until `stop`; the run in flight is dropped then. The first run starts as soon as the source is ready.
    pub async fn run(self, mut source: Box<dyn Source>, mut report: impl FnMut(Run) + Send, stop: CancellationToken) {
        let working = async move {
            source.ready().await;
            tokio::time::sleep(self.first_in).await;
            let (mut runs, mut failed_in_row) = (0_u64, 0_u32);
            loop {
                let started = Instant::now();
                let outcome = self.once(source.as_mut(), &mut report).await;
                let took = started.elapsed();
                runs += 1;
                failed_in_row = if outcome.failures.is_empty() { 0 } else { failed_in_row.saturating_add(1) };
                let mut next = started + self.schedule.next(runs, failed_in_row, fastrand::f64());
                if let Some(due) = outcome.next_due {
                    // Whoever knows when there is something to do still looks around once an interval.
                    next = next.min(Instant::now() + self.clock.until(due).max(LEAST_PAUSE));
                }
                // A run longer than the interval is followed by the next one at once, but not without a breath.
                let next_in = next.saturating_duration_since(Instant::now());
                let end = End { took, missed: self.schedule.missed(took), next_in };
                report(Run { outcome, end: Some(end) });
                tokio::task::yield_now().await;
                tokio::time::sleep_until(next).await;
            }
        };
        // Whoever is stopped does nothing more, even when it could.
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            () = working => {}
        }
    }

    async fn once(&self, source: &mut dyn Source, report: &mut (dyn FnMut(Run) + Send)) -> Outcome {
        let mut progress = |outcome| report(Run { outcome, end: None });
        let run = AssertUnwindSafe(source.collect(self.clock.read(), &mut progress)).catch_unwind();
        let (reason, message) = match tokio::time::timeout(self.deadline, run).await {
            Ok(Ok(outcome)) => return outcome,
            Ok(Err(panic)) => (Reason::Panic, text_of(panic.as_ref())),
            Err(_) => (Reason::Timeout, format!("not finished within {} s", self.deadline.as_secs())),
        };
        let failure = Failure { reason, doing: self.name.clone(), message };
        Outcome { failures: vec![failure], ..Outcome::default() }
    }
}

fn text_of(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("a bug: {}", text.unwrap_or("a panic without a message"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Now;
    use crate::seam::Progress;
    use futures_util::future::BoxFuture;
    use std::sync::{Arc, Mutex};

    /// Takes the seconds it is told to, one entry for each run; 0 panics.
    struct Scripted(Vec<u64>);

    impl Source for Scripted {
        fn collect<'a>(&'a mut self, _now: Now, _progress: Progress<'a>) -> BoxFuture<'a, Outcome> {
            let seconds = if self.0.is_empty() { 1 } else { self.0.remove(0) };
            Box::pin(async move {
                assert!(seconds > 0, "boom");
                tokio::time::sleep(Duration::from_secs(seconds)).await;
                Outcome::default()
            })
        }
    }

    async fn runs(script: Vec<u64>, for_seconds: u64) -> Vec<(Option<Reason>, u64)> {
        let worker = Worker {
            name: "test".into(),
            schedule: Schedule { interval: Duration::from_secs(10), retry_early: false },
            first_in: Duration::ZERO,
            deadline: Duration::from_secs(100),
            clock: Clock::system(),
        };
        let seen = Arc::new(Mutex::new(Vec::new()));
        let stop = CancellationToken::new();
        let report = {
            let seen = Arc::clone(&seen);
            move |r: Run| {
                seen.lock().unwrap().push((r.outcome.failures.first().map(|f| f.reason), r.end.unwrap().missed));
            }
        };
        let task = tokio::spawn(worker.run(Box::new(Scripted(script)), report, stop.clone()));
        tokio::time::sleep(Duration::from_secs(for_seconds)).await;
        stop.cancel();
        task.await.unwrap();
        Arc::try_unwrap(seen).unwrap().into_inner().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_run_is_followed_by_one_not_by_all_it_missed() {
        let seen = runs(vec![1, 35, 1], 62).await;
        assert_eq!(seen.iter().map(|r| r.1).collect::<Vec<_>>()[..3], [0, 3, 0]);
        assert!((3..=5).contains(&seen.len()), "{seen:?}");
    }

    /// Wants to run again after so many seconds of wall time.
    struct Wanting(u64);

    impl Source for Wanting {
        fn collect<'a>(&'a mut self, now: Now, _progress: Progress<'a>) -> BoxFuture<'a, Outcome> {
            let next_due = Some(now.wall.plus(Duration::from_secs(self.0)));
            Box::pin(async move { Outcome { next_due, ..Outcome::default() } })
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_source_may_say_when_it_is_due_next() {
        // The machine's clock stands still beside tokio's paused one: what is due in 7 s is so at every look.
        for (wants, at_least, at_most) in [(7, 8, 9), (0, 55, 61), (3_600, 6, 7)] {
            let seen = Arc::new(Mutex::new(0));
            let worker = Worker {
                name: "test".into(),
                schedule: Schedule { interval: Duration::from_secs(10), retry_early: false },
                first_in: Duration::ZERO,
                deadline: Duration::from_secs(100),
                clock: Clock::system(),
            };
            let (stop, count) = (CancellationToken::new(), Arc::clone(&seen));
            let report = move |_: Run| *count.lock().unwrap() += 1;
            let task = tokio::spawn(worker.run(Box::new(Wanting(wants)), report, stop.clone()));
            tokio::time::sleep(Duration::from_secs(60)).await;
            stop.cancel();
            task.await.unwrap();
            let runs = *seen.lock().unwrap();
            assert!((at_least..=at_most).contains(&runs), "{runs} runs in a minute, due in {wants} s");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn panics_and_hangs_are_failures_and_the_loop_goes_on() {
        let seen = runs(vec![0, 1_000, 1], 140).await;
        let reasons: Vec<_> = seen.iter().map(|r| r.0).collect();
        assert_eq!(reasons[..3], [Some(Reason::Panic), Some(Reason::Timeout), None]);
    }
}
