//! Who of several processes may call the cloud: the one that holds a lease of Kubernetes (`coordination.k8s.io/v1`), as its own
//! controllers elect theirs. Two that call would cost twice.
//!
//! Clocks of other machines are not trusted: a lease has run out when it was not *seen to change* for its duration, by our own
//! steady clock. A holder that cannot renew gives up well before others may take over. There is no fencing: a process that was
//! frozen for longer may make the calls that it had begun.
//!
//! This file decides; `kubernetes` asks the API. Deliberately absent: other kinds of locks, client certificates, kubeconfig.

pub mod kubernetes;

use std::time::Duration;

use crate::model::Timestamp;

/// How long a lease is good, and how often it is renewed.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// Others may take over when nothing was renewed for so long.
    pub duration: Duration,
    /// A holder that could not renew for so long gives up.
    pub renew_deadline: Duration,
    /// Between two attempts.
    pub retry: Duration,
}

/// What Kubernetes' own controllers have.
impl Default for Timing {
    fn default() -> Self {
        Self {
            duration: Duration::from_secs(15),
            renew_deadline: Duration::from_secs(10),
            retry: Duration::from_secs(2),
        }
    }
}

/// What a lease says, as far as it matters here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// Empty: nobody.
    pub holder: String,
    /// When it was renewed, by the holder's clock: only looked at for being another one than before.
    pub renewed: String,
    /// For how long.
    pub duration: Option<Duration>,
}

/// What to do about a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Say that we hold it still.
    Renew,
    /// Take it from nobody, or from somebody who is gone.
    Take,
    /// Somebody else's.
    Leave,
}

/// One candidate's view.
#[derive(Debug)]
pub struct Election {
    identity: String,
    timing: Timing,
    seen: Option<(Record, Timestamp)>,
    /// Steady time when the last request was sent that succeeded in renewing.
    held_since: Option<Timestamp>,
}

impl Election {
    /// Holds nothing yet.
    pub fn new(identity: String, timing: Timing) -> Self {
        Self { identity, timing, seen: None, held_since: None }
    }

    /// What to do about what was read at `now`; `None`: there is no such lease.
    pub fn turn(&mut self, record: Option<&Record>, now: Timestamp) -> Turn {
        let Some(record) = record else { return Turn::Take };
        let since = match &self.seen {
            Some((seen, since)) if seen == record => *since,
            _ => {
                self.seen = Some((record.clone(), now));
                now
            }
        };
        if record.holder == self.identity {
            return Turn::Renew;
        }
        // Whoever else holds it: we do not, whatever we thought.
        self.held_since = None;
        let duration = record.duration.unwrap_or(self.timing.duration);
        if record.holder.is_empty() || now.since(since) >= duration { Turn::Take } else { Turn::Leave }
    }

    /// A renewal that was begun at `begun` has been confirmed.
    pub fn held(&mut self, begun: Timestamp) {
        self.held_since = Some(begun);
    }

    /// No longer.
    pub fn lost(&mut self) {
        self.held_since = None;
    }

    /// Whether it is ours at `now`.
    pub fn holds(&self, now: Timestamp) -> bool {
        !self.remaining(now).is_zero()
    }

    /// Until it has to be given up unless a renewal succeeds.
    pub fn remaining(&self, now: Timestamp) -> Duration {
        self.held_since.map_or(Duration::ZERO, |begun| self.timing.renew_deadline.saturating_sub(now.since(begun)))
    }

    /// Who holds it, as far as was seen.
    pub fn holder(&self) -> &str {
        self.seen.as_ref().map_or("", |(record, _)| &record.holder)
    }

    /// As whom we ask.
    pub fn identity(&self) -> &str {
        &self.identity
    }

    /// How long things take.
    pub const fn timing(&self) -> Timing {
        self.timing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_secs(seconds)
    }

    fn record(holder: &str, renewed: &str) -> Record {
        Record { holder: holder.into(), renewed: renewed.into(), duration: Some(Duration::from_secs(15)) }
    }

    fn election() -> Election {
        Election::new("me".into(), Timing::default())
    }

    #[test]
    fn what_is_nobodys_is_taken() {
        assert_eq!(election().turn(None, at(0)), Turn::Take);
        assert_eq!(election().turn(Some(&record("", "x")), at(0)), Turn::Take);
        assert_eq!(election().turn(Some(&record("me", "x")), at(0)), Turn::Renew);
    }

    #[test]
    fn another_ones_is_left_until_it_was_not_renewed_for_its_duration() {
        let mut election = election();
        // Its time may be of next year: clocks differ.
        let first = record("other", "2031-01-01");
        assert_eq!(election.turn(Some(&first), at(0)), Turn::Leave);
        assert_eq!(election.turn(Some(&first), at(14)), Turn::Leave);
        let renewed = record("other", "2001-01-01");
        assert_eq!(election.turn(Some(&renewed), at(15)), Turn::Leave);
        assert_eq!(election.turn(Some(&renewed), at(29)), Turn::Leave);
        assert_eq!(election.turn(Some(&renewed), at(30)), Turn::Take);
    }

    #[test]
    fn the_holders_own_duration_counts() {
        let mut election = election();
        let long = Record { duration: Some(Duration::from_secs(60)), ..record("other", "x") };
        election.turn(Some(&long), at(0));
        assert_eq!(election.turn(Some(&long), at(59)), Turn::Leave);
        assert_eq!(election.turn(Some(&long), at(60)), Turn::Take);
    }

    #[test]
    fn a_holder_gives_up_before_others_take_over() {
        let mut election = election();
        assert!(!election.holds(at(0)));
        election.held(at(0));
        assert!(election.holds(at(9)) && !election.holds(at(10)));
        assert_eq!(election.remaining(at(7)), Duration::from_secs(3));
        election.held(at(9));
        assert!(election.holds(at(18)));
        election.turn(Some(&record("other", "x")), at(18));
        assert!(!election.holds(at(18)), "somebody else has it");
    }
}
