//! `raingauge explain` from within the daemon, which reaches the clouds as its jobs do. Whoever sees the page may ask, so what all of
//! them can cost is bounded, and in the books as everything else.

use std::sync::{Arc, PoisonError};

use futures_util::future::BoxFuture;
use tokio::sync::OwnedMutexGuard;

use super::Daemon;
use crate::app::explain::{Question, explain};
use crate::explain::wanted::Wanted;
use crate::expose::http::Unexplained;
use crate::model::Timestamp;

/// What the page's walks may cost in an hour, by list price. One may cost a fifth of it.
const MOST_DOLLARS_AN_HOUR: f64 = 0.05;
const HOUR_SECONDS: u64 = 3600;

/// One walk at a time, and what they have cost.
pub(super) type Explaining = Arc<tokio::sync::Mutex<Spent>>;

/// What the walks of an hour have cost.
#[derive(Default)]
pub(super) struct Spent {
    /// Steady time.
    since: Timestamp,
    dollars: f64,
}

impl Spent {
    /// Whether another walk may begin.
    fn is_open(&mut self, now: Timestamp) -> bool {
        if now.since(self.since).as_secs() >= HOUR_SECONDS {
            *self = Self { since: now, dollars: 0.0 };
        }
        self.dollars < MOST_DOLLARS_AN_HOUR
    }
}

impl Daemon {
    /// What `raingauge explain` would say about a metric.
    pub(super) fn explain(self, metric: String) -> BoxFuture<'static, Result<String, Unexplained>> {
        Box::pin(async move {
            self.membership.role().map_err(Unexplained::Unavailable)?;
            Wanted::parse(&metric).map_err(|e| Unexplained::Unreadable(e.to_string()))?;
            let busy =
                || Unexplained::TooMany("another metric is being explained; try again in some seconds".to_owned());
            let mut spent = Arc::clone(&self.explaining).try_lock_owned().map_err(|_| busy())?;
            if !spent.is_open(self.shared.clock.read().steady) {
                let why = format!(
                    "the page has spent ${MOST_DOLLARS_AN_HOUR} on explanations within an hour; `raingauge explain` has no such bound"
                );
                return Err(Unexplained::TooMany(why));
            }
            // In a task of its own: what it costs is in the books also when nobody waits for the answer.
            tokio::spawn(async move { self.walk(&metric, spent).await })
                .await
                .unwrap_or_else(|e| Err(Unexplained::Unavailable(e.to_string())))
        })
    }

    async fn walk(&self, metric: &str, mut spent: OwnedMutexGuard<Spent>) -> Result<String, Unexplained> {
        let file = self.file.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let settings = file.ok_or_else(|| Unexplained::Unavailable("the configuration is being applied".to_owned()))?;
        let (clouds, clock) = (&self.clouds, &self.shared.clock);
        let question = Question { metric, settings: &settings, clouds, clock, is_rich: false };
        let mut text = Vec::new();
        let explained = explain(&question, &mut text).await.map_err(|e| Unexplained::Unavailable(format!("{e:#}")))?;
        spent.dollars += explained.dollars;
        self.shared.telemetry.record_calls(&explained.calls);
        Ok(String::from_utf8_lossy(&text).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_has_a_bound_and_the_next_one_begins_anew() {
        let at = |seconds: i64| Timestamp::from_secs(seconds);
        let mut spent = Spent::default();
        assert!(spent.is_open(at(10)));
        spent.dollars += 0.049;
        assert!(spent.is_open(at(20)));
        spent.dollars += 0.009;
        assert!(!spent.is_open(at(3_599)));
        assert!(spent.is_open(at(3_700)));
        assert!(spent.dollars == 0.0);
    }
}
