//! The cloud apart from how it is reached: world, faults, quotas, ledger and clock together. Whoever answers a call asks
//! here first whether it may be answered, and tells the books afterwards.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::model::{Text, Timestamp};
use crate::seam::MetricsRequested;
use crate::sim::fault::{Effect, FaultStatus, FaultedCall, Faults};
use crate::sim::ledger::{Ended, Entry, Ledger};
use crate::sim::pushed::Pushed;
use crate::sim::quota::Quotas;
use crate::sim::refusal::Refusal;
use crate::sim::spec::WorldSpec;
use crate::sim::world::World;

/// Where the simulated cloud takes its time from: a [`Clock`], or tokio's clock when that is paused.
#[derive(Clone)]
pub struct TimeSource(Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl TimeSource {
    /// The process's clock.
    pub fn clock(clock: Clock) -> Self {
        Self(Arc::new(move || clock.now()))
    }

    /// tokio's clock, which tests may pause and advance; it shows `start` now. In memory only, never with sockets.
    pub fn tokio(start: Timestamp) -> Self {
        let zero = tokio::time::Instant::now();
        Self(Arc::new(move || start.plus(zero.elapsed())))
    }

    /// Now.
    pub fn now(&self) -> Timestamp {
        (self.0)()
    }
}

/// Who calls, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    pub(crate) account: Text,
    pub(crate) region: Text,
}

/// Faults that concern the answer itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Spoil {
    /// `Empty`, `Malformed` or `CutBody`.
    pub(crate) effect: Option<Effect>,
    /// Statuses for metrics.
    pub(crate) statuses: Vec<(Option<String>, FaultStatus)>,
}

impl Spoil {
    /// The status that a fault gives to a metric.
    pub(crate) fn status(&self, metric: &str) -> Option<FaultStatus> {
        let hits = |name: &Option<String>| name.as_deref().is_none_or(|name| name == metric);
        self.statuses.iter().find(|(name, _)| hits(name)).map(|(_, status)| *status)
    }

    /// Whether the answer is to be empty.
    pub(crate) fn is_empty(&self) -> bool {
        self.effect == Some(Effect::Empty)
    }
}

/// What is to happen with a call.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Fate {
    /// Answer it.
    Answer(Spoil),
    /// Refuse it.
    Refuse(Refusal),
    /// Never answer.
    Hang,
    /// Reset the connection.
    Reset,
}

/// How a call goes into the books: metrics requested and items answered, or how it failed.
pub(crate) type Booked = Result<(MetricsRequested, u64), Ended>;

/// The cloud.
pub(crate) struct Cloud {
    pub(crate) world: World,
    pub(crate) faults: Faults,
    pub(crate) ledger: Ledger,
    pub(crate) pushed: Pushed,
    /// Ends the calls that hang when the server ends.
    pub(crate) closing: CancellationToken,
    quotas: Quotas,
    time: TimeSource,
}

impl Cloud {
    pub(crate) fn new(spec: WorldSpec, time: TimeSource) -> Self {
        Self {
            faults: Faults::new(spec.seed),
            ledger: Ledger::default(),
            pushed: Pushed::default(),
            closing: CancellationToken::new(),
            quotas: Quotas::new(spec.quotas.clone()),
            world: World::new(spec),
            time,
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.time.now()
    }

    /// Decides about a call: how long to wait, then what to do. Quotas count every call, faults or not.
    pub(crate) fn admit(&self, caller: &Caller, operation: &'static str, page: u64) -> (Duration, Fate) {
        let granted = self.quotas.take(operation, &caller.account, &caller.region, self.now());
        let call = FaultedCall { operation, region: &caller.region, account: &caller.account, page };
        let verdict = self.faults.judge(&call);
        let fate = match verdict.effect {
            Some(Effect::Throttle) => Fate::Refuse(Refusal::throttled()),
            Some(Effect::ServerError(status)) => Fate::Refuse(server_error(status)),
            Some(Effect::AccessDenied) => Fate::Refuse(Refusal::denied(&caller.account, operation)),
            Some(Effect::ExpiredToken) => Fate::Refuse(Refusal::expired()),
            Some(Effect::Hang) => Fate::Hang,
            Some(Effect::Reset) => Fate::Reset,
            _ if !granted => Fate::Refuse(Refusal::throttled()),
            effect => Fate::Answer(Spoil { effect, statuses: verdict.statuses }),
        };
        (verdict.latency, fate)
    }

    /// Enters a call into the books.
    pub(crate) fn note(&self, caller: &Caller, operation: &'static str, booked: Booked) {
        let (ended, (metrics, items)) = match booked {
            Ok(answered) => (Ended::Well, answered),
            Err(ended) => (ended, (MetricsRequested::default(), 0)),
        };
        let (account, region) = (&caller.account, &caller.region);
        self.ledger.note(&Entry { operation, account, region, ended, metrics, items });
    }
}

/// A status below 500 would not be the server's fault.
fn server_error(status: u16) -> Refusal {
    let code = if status == 503 { "ServiceUnavailable" } else { "InternalFailure" };
    Refusal::new(code, "The service failed (simulated)").with_status(status.clamp(500, 599))
}

/// The books' word for a refusal.
pub(crate) fn ended(refusal: &Refusal) -> Ended {
    if refusal.code == "Throttling" { Ended::Throttled } else { Ended::Failed }
}
