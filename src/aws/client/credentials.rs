//! One AssumeRole (or one question to the metadata service) for everything that a role does. The SDK's clients cache what a
//! provider gives them, each for itself; the calls that we sign by hand go past that cache, so it sits here, in front of the
//! provider. A failure is kept as well, for a moment: a role that may not be assumed is asked for once, not by each of its
//! jobs in each region.

use std::fmt;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, Result, SharedCredentialsProvider, future};
use futures_util::future::BoxFuture;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::call::{Calls, Place};
use super::failure;
use crate::aws::signed::signing_time;
use crate::seam::{Call, Failure, Reason};
use crate::secret;

/// Credentials that end sooner are asked for anew: longer than the SDK's own margin (ten seconds), or it would be given
/// what it wants to replace.
const MARGIN: Duration = Duration::from_mins(1);
/// Credentials that never end are read anew after this time: somebody may have replaced the keys in a profile.
const UNENDING: Duration = Duration::from_mins(1);
/// The SDK's clients are told that such credentials end after this time: they would not ask here again for 15 minutes.
const UNENDING_IN_SDK: Duration = Duration::from_mins(5);
/// Whoever asks sooner after a failure is told the same. Shorter than the first retry of a discovery.
const REMEMBERED: Duration = Duration::from_secs(10);
/// Calls that wait to be booked; a role is assumed once an hour, and the books are read far more often.
const MAX_UNBOOKED: usize = 100;

/// Makes a provider that has read nothing yet: those of profile files read them once.
pub(super) type Maker = Box<dyn Fn() -> BoxFuture<'static, Option<SharedCredentialsProvider>> + Send + Sync>;

/// AssumeRole calls that nobody has put into the books yet. Clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct Unbooked(Arc<std::sync::Mutex<Vec<Call>>>);

impl Unbooked {
    /// All of them; the next caller gets only newer ones.
    pub(super) fn take(&self) -> Vec<Call> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn add(&self, call: Call) {
        let mut calls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if calls.len() < MAX_UNBOOKED {
            calls.push(call);
        }
    }
}

/// A provider's credentials, kept until they are about to expire. Concurrent first users wait for one call.
pub(super) struct Kept {
    state: Mutex<State>,
    fresh: Option<Maker>,
    /// Where a question is one to STS: whose, and where that is written down.
    assumes: Option<(Place, Unbooked)>,
}

struct State {
    provider: SharedCredentialsProvider,
    last: Option<(Credentials, Instant)>,
    failed: Option<(Reason, String, Instant)>,
}

impl Kept {
    /// The process's own; `fresh` reads them anew.
    pub(super) fn own(provider: SharedCredentialsProvider, fresh: Option<Maker>) -> Self {
        Self { state: Mutex::new(State::new(provider)), fresh, assumes: None }
    }

    /// Those of an assumed role; `place` is the account and the region of STS.
    pub(super) fn assumed(provider: SharedCredentialsProvider, place: Place, unbooked: Unbooked) -> Self {
        Self { state: Mutex::new(State::new(provider)), fresh: None, assumes: Some((place, unbooked)) }
    }

    async fn get(&self) -> Result {
        let mut state = self.state.lock().await;
        if let Some((kept, _)) = state.last.as_ref().filter(|(c, since)| is_good(c, *since)) {
            return Ok(handed_out(kept));
        }
        if let Some((reason, message, _)) = state.failed.as_ref().filter(|(.., at)| at.elapsed() < REMEMBERED) {
            return Err(again(*reason, message));
        }
        if let (Some(fresh), Some(_)) = (&self.fresh, &state.last)
            && let Some(provider) = fresh().await
        {
            state.provider = provider;
        }
        match self.ask(&state.provider).await {
            Ok(credentials) => {
                secret::learn_passing(credentials.secret_access_key());
                secret::learn_passing(credentials.session_token().unwrap_or_default());
                state.failed = None;
                let handed_out = handed_out(&credentials);
                state.last = Some((credentials, Instant::now()));
                Ok(handed_out)
            }
            Err(e) => {
                // Somebody may be writing the file: keys that never end were good, and AWS knows whether they still are.
                if let Some((kept, since)) = state.last.as_mut().filter(|(c, _)| c.expiry().is_none()) {
                    *since = Instant::now();
                    return Ok(handed_out(kept));
                }
                let (reason, message) = failure::of_provider(&e);
                state.failed = Some((reason, message, Instant::now()));
                Err(e)
            }
        }
    }

    async fn ask(&self, provider: &SharedCredentialsProvider) -> Result {
        let Some((place, unbooked)) = &self.assumes else { return provider.provide_credentials().await };
        let asked = Calls::new("sts", "AssumeRole", place.clone());
        let result = provider.provide_credentials().await;
        let failed = |e: &CredentialsError| {
            let (reason, message) = failure::of_provider(e);
            Failure { reason, doing: "assume a role".to_owned(), message }
        };
        unbooked.add(asked.done(result.as_ref().err().map(failed).as_ref()));
        result
    }
}

impl State {
    fn new(provider: SharedCredentialsProvider) -> Self {
        Self { provider, last: None, failed: None }
    }
}

impl fmt::Debug for Kept {
    /// No secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept").finish_non_exhaustive()
    }
}

fn is_good(kept: &Credentials, since: Instant) -> bool {
    kept.expiry().map_or_else(|| since.elapsed() < UNENDING, |end| end > signing_time() + MARGIN)
}

fn handed_out(kept: &Credentials) -> Credentials {
    let mut credentials = kept.clone();
    if credentials.expiry().is_none() {
        *credentials.expiry_mut() = Some(signing_time() + UNENDING_IN_SDK);
    }
    credentials
}

/// An error that is classified as the first one was.
fn again(reason: Reason, message: &str) -> CredentialsError {
    match reason {
        Reason::Timeout => CredentialsError::provider_timed_out(REMEMBERED),
        Reason::NoCredentials => CredentialsError::not_loaded(message.to_owned()),
        _ => CredentialsError::provider_error(message.to_owned()),
    }
}

impl ProvideCredentials for Kept {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.get())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    /// Says the same for ever, as the provider of a profile does; counts how often it is asked.
    #[derive(Debug)]
    struct Says(&'static str, Arc<AtomicU32>);

    impl ProvideCredentials for Says {
        fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            self.1.fetch_add(1, Ordering::Relaxed);
            future::ProvideCredentials::ready(match self.0 {
                "" => Err(CredentialsError::provider_error("AccessDenied: not you")),
                key => Ok(Credentials::new(key, "secret", None, None, "test")),
            })
        }
    }

    fn says(key: &'static str, asked: &Arc<AtomicU32>) -> SharedCredentialsProvider {
        SharedCredentialsProvider::new(Says(key, Arc::clone(asked)))
    }

    #[tokio::test(start_paused = true)]
    async fn replaced_keys_are_noticed_and_lost_ones_stay() {
        let asked = Arc::default();
        let files = Arc::new(std::sync::Mutex::new(says("second", &asked)));
        let now = Arc::clone(&files);
        let fresh: Maker = Box::new(move || {
            let provider = now.lock().unwrap().clone();
            Box::pin(async { Some(provider) })
        });
        let kept = Kept::own(says("first", &asked), Some(fresh));
        for _ in 0..3 {
            assert_eq!(kept.get().await.unwrap().access_key_id(), "first");
        }
        assert_eq!(asked.load(Ordering::Relaxed), 1);
        tokio::time::advance(UNENDING).await;
        assert_eq!(kept.get().await.unwrap().access_key_id(), "second");
        *files.lock().unwrap() = says("", &asked);
        tokio::time::advance(UNENDING).await;
        assert_eq!(kept.get().await.unwrap().access_key_id(), "second");
    }

    #[tokio::test(start_paused = true)]
    async fn a_role_that_may_not_be_assumed_is_asked_for_once_and_booked() {
        let (asked, unbooked) = (Arc::default(), Unbooked::default());
        let place = Place { region: "r".into(), account: "1".into() };
        let kept = Kept::assumed(says("", &asked), place, unbooked.clone());
        for _ in 0..20 {
            let (reason, message) = failure::of_provider(&kept.get().await.unwrap_err());
            assert_eq!(reason, Reason::AccessDenied, "{message}");
        }
        assert_eq!(asked.load(Ordering::Relaxed), 1);
        tokio::time::advance(REMEMBERED).await;
        assert!(kept.get().await.is_err());
        let booked: Vec<_> = unbooked.take().iter().map(|c| (c.operation, c.failed)).collect();
        assert_eq!(booked, [("AssumeRole", Some(Reason::AccessDenied)); 2]);
        assert!(unbooked.take().is_empty());
    }
}
