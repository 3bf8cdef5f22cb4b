//! Faults that can be switched on and off while the cloud runs. Which call is hit follows from counts and from the seed,
//! never from chance: a test that fails fails again.
//!
//! Deliberately absent: what the faults do. `cloud` decides by them, the wire and the memory carry them out.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::sim::value::{derive, unit};

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// `Throttling`, status 400.
    Throttle,
    /// The API fails with this status: 500, 503.
    ServerError(u16),
    /// `AccessDenied`, status 403.
    AccessDenied,
    /// `ExpiredTokenException`, status 400.
    ExpiredToken,
    /// The answer comes so many milliseconds later. Other faults still apply.
    LatencyMillis(u64),
    /// There is never an answer.
    Hang,
    /// The connection is reset before the answer.
    Reset,
    /// The connection ends in the middle of the body.
    CutBody,
    /// The body cannot be read.
    Malformed,
    /// A good answer with nothing in it.
    Empty,
    /// GetMetricData gives the matching metrics this status, and no values.
    Status {
        /// The status.
        code: FaultStatus,
        /// Only this metric; none: all.
        #[serde(default)]
        metric: Option<String>,
    },
}

/// A status of a result of GetMetricData.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FaultStatus {
    /// There would be more.
    PartialData,
    /// CloudWatch failed on this metric.
    InternalError,
    /// Not allowed.
    Forbidden,
}

/// A fault: what goes wrong, and which calls it hits. Without narrowing it hits every call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// What goes wrong.
    pub effect: Effect,
    /// Only calls of this operation: `GetMetricData`.
    #[serde(default)]
    pub operation: Option<String>,
    /// Only in this region.
    #[serde(default)]
    pub region: Option<String>,
    /// Only with credentials of this account.
    #[serde(default)]
    pub account: Option<String>,
    /// Only the n-th page of a listing or of data, from 1.
    #[serde(default)]
    pub page: Option<u64>,
    /// Lets so many matching calls pass first.
    #[serde(default)]
    pub after: u64,
    /// Hits so many calls at most; none: for ever.
    #[serde(default)]
    pub times: Option<u64>,
    /// Hits this share of the matching calls, drawn by the world's seed; none: all.
    #[serde(default)]
    pub probability: Option<f64>,
}

impl Fault {
    /// A fault that hits every call.
    pub const fn new(effect: Effect) -> Self {
        Self {
            effect,
            operation: None,
            region: None,
            account: None,
            page: None,
            after: 0,
            times: None,
            probability: None,
        }
    }

    /// Only this operation.
    #[must_use]
    pub fn on(mut self, operation: &str) -> Self {
        self.operation = Some(operation.into());
        self
    }

    /// Only in this region.
    #[must_use]
    pub fn in_region(mut self, region: &str) -> Self {
        self.region = Some(region.into());
        self
    }

    /// Only with this account's credentials.
    #[must_use]
    pub fn of_account(mut self, account: &str) -> Self {
        self.account = Some(account.into());
        self
    }

    /// Only the n-th page, from 1.
    #[must_use]
    pub const fn on_page(mut self, page: u64) -> Self {
        self.page = Some(page);
        self
    }

    /// Lets so many matching calls pass first.
    #[must_use]
    pub const fn after(mut self, calls: u64) -> Self {
        self.after = calls;
        self
    }

    /// Hits so many calls at most.
    #[must_use]
    pub const fn times(mut self, times: u64) -> Self {
        self.times = Some(times);
        self
    }

    /// Hits this share of the matching calls.
    #[must_use]
    pub const fn with_probability(mut self, probability: f64) -> Self {
        self.probability = Some(probability);
        self
    }

    fn concerns(&self, call: &FaultedCall<'_>) -> bool {
        let is = |wanted: &Option<String>, is: &str| wanted.as_deref().is_none_or(|wanted| wanted == is);
        is(&self.operation, call.operation)
            && is(&self.region, call.region)
            && is(&self.account, call.account)
            && self.page.is_none_or(|page| page == call.page)
    }
}

/// A call, as far as faults look at it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FaultedCall<'a> {
    pub(crate) operation: &'a str,
    pub(crate) region: &'a str,
    pub(crate) account: &'a str,
    /// From 1.
    pub(crate) page: u64,
}

/// What the faults do to a call.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Verdict {
    /// Wait so long first.
    pub(crate) latency: Duration,
    /// The first fault that ends or spoils the answer; never `LatencyMillis` or `Status`.
    pub(crate) effect: Option<Effect>,
    /// Statuses for metrics (all, or one by name).
    pub(crate) statuses: Vec<(Option<String>, FaultStatus)>,
}

struct Active {
    id: u64,
    fault: Fault,
    matched: u64,
    hits: u64,
}

/// The switchboard. Clones are the same one.
#[derive(Clone)]
pub struct Faults {
    active: Arc<Mutex<Board>>,
    seed: u64,
}

#[derive(Default)]
struct Board {
    next: u64,
    active: Vec<Active>,
}

impl Faults {
    pub(crate) fn new(seed: u64) -> Self {
        Self { active: Arc::default(), seed }
    }

    /// Switches a fault on; returns its number.
    pub fn add(&self, fault: Fault) -> u64 {
        let mut board = self.lock();
        board.next += 1;
        let id = board.next;
        board.active.push(Active { id, fault, matched: 0, hits: 0 });
        id
    }

    /// Switches a fault off; false: there is none with that number.
    pub fn remove(&self, id: u64) -> bool {
        let mut board = self.lock();
        let before = board.active.len();
        board.active.retain(|active| active.id != id);
        board.active.len() < before
    }

    /// Switches all faults off.
    pub fn clear(&self) {
        self.lock().active.clear();
    }

    /// How many calls a fault has hit; 0 when it was never there or is off.
    pub fn hits(&self, id: u64) -> u64 {
        self.lock().active.iter().find(|active| active.id == id).map_or(0, |active| active.hits)
    }

    /// The faults that are on, with their numbers.
    pub fn list(&self) -> Vec<(u64, Fault)> {
        self.lock().active.iter().map(|active| (active.id, active.fault.clone())).collect()
    }

    pub(crate) fn judge(&self, call: &FaultedCall<'_>) -> Verdict {
        let mut verdict = Verdict::default();
        for active in &mut self.lock().active {
            if !active.hit(call, self.seed) {
                continue;
            }
            match &active.fault.effect {
                Effect::LatencyMillis(ms) => verdict.latency += Duration::from_millis(*ms),
                Effect::Status { code, metric } => verdict.statuses.push((metric.clone(), *code)),
                effect => {
                    verdict.effect = Some(effect.clone());
                    break;
                }
            }
        }
        verdict
    }

    /// Nothing panics while the lock is held; a poisoned lock would still guard a whole board.
    fn lock(&self) -> MutexGuard<'_, Board> {
        self.active.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Active {
    fn hit(&mut self, call: &FaultedCall<'_>, seed: u64) -> bool {
        if !self.fault.concerns(call) || self.fault.times.is_some_and(|times| self.hits >= times) {
            return false;
        }
        self.matched += 1;
        let drawn = self.fault.probability.is_none_or(|p| unit(derive(seed ^ self.id, 1000 + self.matched)) < p);
        let hit = self.matched > self.fault.after && drawn;
        self.hits += u64::from(hit);
        hit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALL: FaultedCall<'static> =
        FaultedCall { operation: "GetMetricData", region: "eu-west-1", account: "000000000000", page: 1 };

    #[test]
    fn a_fault_hits_what_it_names_after_and_as_often_as_it_says() {
        let faults = Faults::new(1);
        let id = faults.add(Fault::new(Effect::Throttle).on("GetMetricData").after(1).times(2));
        let other = FaultedCall { operation: "ListMetrics", ..CALL };
        assert_eq!(faults.judge(&other).effect, None);
        let hits: Vec<bool> = (0..5).map(|_| faults.judge(&CALL).effect.is_some()).collect();
        assert_eq!(hits, [false, true, true, false, false]);
        assert_eq!(faults.hits(id), 2);
        assert!(faults.remove(id) && !faults.remove(id));
    }

    #[test]
    fn latency_adds_up_and_the_first_spoiler_wins() {
        let faults = Faults::new(1);
        faults.add(Fault::new(Effect::LatencyMillis(20)));
        faults.add(Fault::new(Effect::LatencyMillis(30)));
        faults.add(Fault::new(Effect::Hang).on_page(2));
        faults.add(Fault::new(Effect::Reset));
        let verdict = faults.judge(&CALL);
        assert_eq!(verdict.latency, Duration::from_millis(50));
        assert_eq!(verdict.effect, Some(Effect::Reset));
        assert_eq!(faults.judge(&FaultedCall { page: 2, ..CALL }).effect, Some(Effect::Hang));
    }

    #[test]
    fn a_share_is_drawn_by_the_seed() {
        let draw = |seed| {
            let faults = Faults::new(seed);
            faults.add(Fault::new(Effect::Throttle).with_probability(0.3));
            (0..1000).map(|_| faults.judge(&CALL).effect.is_some()).collect::<Vec<_>>()
        };
        assert_eq!(draw(5), draw(5));
        assert_ne!(draw(5), draw(6));
        let hits = draw(5).into_iter().filter(|hit| *hit).count();
        assert!((250..350).contains(&hits), "{hits} of 1000");
    }
}
