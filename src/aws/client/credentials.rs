//! One AssumeRole for everything that a role does. The SDK's clients cache what a provider gives them, each for itself; the
//! calls that we sign by hand go past that cache, so it sits here, in front of the provider.

use std::time::Duration;

use aws_config::sts::AssumeRoleProvider;
use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, Result, future};
use tokio::sync::Mutex;

use crate::aws::signed::signing_time;

/// Credentials that end sooner are asked for anew: longer than the SDK's own margin (ten seconds), or it would be given
/// what it wants to replace.
const MARGIN: Duration = Duration::from_secs(60);

/// The credentials of a role, kept until they are about to expire. Concurrent first users wait for one call.
#[derive(Debug)]
pub(super) struct Kept {
    role: AssumeRoleProvider,
    last: Mutex<Option<Credentials>>,
}

impl Kept {
    pub(super) fn new(role: AssumeRoleProvider) -> Self {
        Self { role, last: Mutex::default() }
    }

    async fn get(&self) -> Result {
        let mut last = self.last.lock().await;
        if let Some(kept) = last.as_ref().filter(|c| c.expiry().is_some_and(|e| e > signing_time() + MARGIN)) {
            return Ok(kept.clone());
        }
        let fresh = self.role.provide_credentials().await?;
        *last = Some(fresh.clone());
        Ok(fresh)
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
