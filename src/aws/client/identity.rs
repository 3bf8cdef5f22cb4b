//! Who a role is: account id and alias, asked once for all jobs and regions. A failure is remembered for a moment, so that a
//! thousand waiting jobs do not repeat it one after the other.

use std::sync::OnceLock;
use std::time::Duration;

use hashbrown::HashMap;
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::Instant;

use crate::aws::api::Account;
use crate::model::Text;
use crate::seam::{Failure, Reason};

/// Whoever asks sooner after a failure is told the same.
const REMEMBERED: Duration = Duration::from_secs(15);
/// An alias, or that there is none or it may not be asked for, is asked for again after this time: somebody may have set one, or
/// allowed the call.
const ALIAS_GOOD: Duration = Duration::from_hours(6);

/// What is known of one role.
#[derive(Default)]
pub(super) struct Identity {
    id: OnceLock<Text>,
    state: Mutex<State>,
}

/// What is behind the lock, which is held while AWS is asked.
#[derive(Default)]
pub(super) struct State {
    alias: Alias,
    /// By region: one that is switched off says nothing about the others.
    failed: HashMap<Text, (Instant, Failure)>,
    alias_asked: Option<Instant>,
}

#[derive(Default)]
enum Alias {
    #[default]
    Unknown,
    /// There is none, or it may not be asked for.
    None,
    Known(Text),
}

impl Identity {
    /// The account's id, once it is known.
    pub(super) fn id(&self) -> Option<&Text> {
        self.id.get()
    }

    /// The right to ask. Others wait for what comes of it.
    pub(super) async fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().await
    }

    /// What STS said.
    pub(super) fn learn(&self, state: &mut State, region: &Text, said: Result<Text, Failure>) -> Result<Text, Failure> {
        match said {
            Ok(id) => Ok(Text::clone(self.id.get_or_init(|| id))),
            Err(failure) => {
                state.failed.insert(Text::clone(region), (Instant::now(), failure.clone()));
                Err(failure)
            }
        }
    }
}

impl State {
    /// A failure that is too fresh to try again.
    pub(super) fn recent_failure(&self, region: &Text) -> Option<Failure> {
        self.failed.get(region).filter(|(at, _)| at.elapsed() < REMEMBERED).map(|(_, failure)| failure.clone())
    }

    /// Whether IAM should be asked for the alias.
    pub(super) fn wants_alias(&self) -> bool {
        let good_for = if matches!(self.alias, Alias::Unknown) { REMEMBERED } else { ALIAS_GOOD };
        self.alias_asked.is_none_or(|at| at.elapsed() >= good_for)
    }

    /// What IAM said. After a failure, what was known goes on.
    pub(super) fn learn_alias(&mut self, said: Result<Option<Text>, Failure>) -> Option<Failure> {
        self.alias_asked = Some(Instant::now());
        match said {
            Ok(alias) => {
                self.alias = alias.map_or(Alias::None, Alias::Known);
                None
            }
            Err(failure) => {
                if failure.reason == Reason::AccessDenied && matches!(self.alias, Alias::Unknown) {
                    self.alias = Alias::None;
                }
                Some(failure)
            }
        }
    }

    /// The account as far as it is known.
    pub(super) fn account(&self, id: Text) -> Account {
        let alias = match &self.alias {
            Alias::Known(alias) => Some(Text::clone(alias)),
            Alias::Unknown | Alias::None => None,
        };
        Account { id, alias }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(reason: Reason) -> Failure {
        Failure { reason, doing: "ask".into(), message: "no".into() }
    }

    #[tokio::test(start_paused = true)]
    async fn failures_are_remembered_for_a_moment() {
        let (identity, region) = (Identity::default(), Text::from("r"));
        let mut state = identity.lock().await;
        assert!(identity.learn(&mut state, &region, Err(failure(Reason::ServerError))).is_err());
        assert!(state.recent_failure(&region).is_some());
        assert!(state.recent_failure(&"other".into()).is_none());
        tokio::time::advance(REMEMBERED).await;
        assert!(state.recent_failure(&region).is_none());
        assert_eq!(&*identity.learn(&mut state, &region, Ok("1".into())).unwrap(), "1");
        assert_eq!(identity.id().map(|id| &**id), Some("1"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_passing_failure_does_not_take_the_alias_for_ever() {
        let mut state = State::default();
        assert!(state.wants_alias());
        state.learn_alias(Err(failure(Reason::ServerError)));
        assert!(!state.wants_alias());
        tokio::time::advance(REMEMBERED).await;
        assert!(state.wants_alias());
        assert!(state.learn_alias(Ok(Some("a".into()))).is_none());
        assert!(!state.wants_alias());
        assert_eq!(state.account("1".into()).alias.as_deref(), Some("a"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_forbidden_alias_is_seldom_asked_for_again() {
        let mut state = State::default();
        state.learn_alias(Err(failure(Reason::AccessDenied)));
        tokio::time::advance(REMEMBERED * 10).await;
        assert!(!state.wants_alias());
        tokio::time::advance(ALIAS_GOOD).await;
        assert!(state.wants_alias(), "somebody may have allowed it");
    }

    #[tokio::test(start_paused = true)]
    async fn an_alias_is_followed_and_outlives_failures() {
        let mut state = State::default();
        state.learn_alias(Ok(Some("old".into())));
        for reason in [Reason::ServerError, Reason::AccessDenied] {
            tokio::time::advance(ALIAS_GOOD).await;
            assert!(state.wants_alias());
            state.learn_alias(Err(failure(reason)));
            assert_eq!(state.account("1".into()).alias.as_deref(), Some("old"));
        }
        tokio::time::advance(ALIAS_GOOD).await;
        state.learn_alias(Ok(Some("new".into())));
        assert_eq!(state.account("1".into()).alias.as_deref(), Some("new"));
    }
}
