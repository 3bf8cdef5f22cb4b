//! One AssumeRole (or one question to the metadata service) for everything that a role does. The SDK's clients cache what a
//! provider gives them, each for itself; the calls that we sign by hand go past that cache, so it sits here, in front of the
//! provider.

use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, Result, SharedCredentialsProvider, future};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::aws::signed::signing_time;

/// Credentials that end sooner are asked for anew: longer than the SDK's own margin (ten seconds), or it would be given
/// what it wants to replace.
const MARGIN: Duration = Duration::from_secs(60);

/// Credentials that never end are asked for anew after this time: somebody may have changed them. The SDK's cache does so too.
const UNENDING: Duration = Duration::from_mins(15);

/// A provider's credentials, kept until they are about to expire. Concurrent first users wait for one call.
#[derive(Debug)]
pub(super) struct Kept {
    provider: SharedCredentialsProvider,
    last: Mutex<Option<(Credentials, Instant)>>,
}

impl Kept {
    pub(super) fn new(provider: SharedCredentialsProvider) -> Self {
        Self { provider, last: Mutex::default() }
    }

    async fn get(&self) -> Result {
        let mut last = self.last.lock().await;
        if let Some((kept, _)) = last.as_ref().filter(|(c, since)| is_good(c, *since)) {
            return Ok(kept.clone());
        }
        let fresh = self.provider.provide_credentials().await?;
        *last = Some((fresh.clone(), Instant::now()));
        Ok(fresh)
    }
}

fn is_good(kept: &Credentials, since: Instant) -> bool {
    kept.expiry().map_or_else(|| since.elapsed() < UNENDING, |end| end > signing_time() + MARGIN)
}

impl ProvideCredentials for Kept {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.get())
    }
}
