//! STS: who calls, and how to become somebody else. Credentials are not secrets here: an assumed role's access key
//! carries its account, its session token carries when it expires, and no signature is checked.

use std::sync::Arc;
use std::time::Duration;

use crate::model::{Text, Timestamp};
use crate::sim::cloud::Cloud;
use crate::sim::refusal::Refusal;

/// What the access keys of assumed roles begin with; the account's id follows.
const ASSUMED_KEY: &str = "ASIASIM";
/// What session tokens begin with; the time of expiry follows, in milliseconds since 1970.
const SESSION: &str = "simulated-session-";
/// The shortest session that STS gives.
const MIN_SESSION: Duration = Duration::from_secs(900);
/// The longest session that STS gives.
const MAX_SESSION: Duration = Duration::from_secs(43_200);

/// Credentials of an assumed role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Credentials {
    pub(crate) access_key: String,
    pub(crate) secret_key: String,
    pub(crate) session_token: String,
    pub(crate) expires: Timestamp,
    pub(crate) role: String,
    pub(crate) session_name: String,
}

/// The account behind an access key. Keys that are not of an assumed role are the home account's.
pub(crate) fn account_of(cloud: &Cloud, access_key: &str) -> Option<Text> {
    let assumed = access_key.strip_prefix(ASSUMED_KEY).and_then(|id| cloud.world.account(id.get(..12)?));
    let account = if access_key.starts_with(ASSUMED_KEY) { assumed } else { cloud.world.home() };
    account.map(|account| Arc::clone(&account.id))
}

/// Whether a session token has expired.
pub(crate) fn is_expired(session_token: &str, now: Timestamp) -> bool {
    let expires = session_token.strip_prefix(SESSION).and_then(|ms| ms.parse().ok()).map(Timestamp::from_millis);
    expires.is_some_and(|expires| now >= expires)
}

/// Credentials for an account that end at `expires`.
pub(crate) fn issue(account: &str, role: &str, session_name: &str, expires: Timestamp) -> Credentials {
    Credentials {
        access_key: format!("{ASSUMED_KEY}{account}A"),
        secret_key: "simulated/secret".to_owned(),
        session_token: format!("{SESSION}{}", expires.as_millis()),
        expires,
        role: role.to_owned(),
        session_name: session_name.to_owned(),
    }
}

/// `sts:AssumeRole`.
#[derive(Debug, Default)]
pub(crate) struct AssumeRole<'a> {
    pub(crate) role_arn: &'a str,
    pub(crate) session_name: &'a str,
    pub(crate) external_id: Option<&'a str>,
    pub(crate) duration_seconds: Option<u64>,
}

/// Becomes a role of any account of the world.
pub(crate) fn assume(
    cloud: &Cloud,
    caller: &str,
    ask: &AssumeRole<'_>,
    now: Timestamp,
) -> Result<Credentials, Refusal> {
    let malformed = || Refusal::validation(format!("{} is not the ARN of a role.", ask.role_arn));
    let (id, role) =
        ask.role_arn.strip_prefix("arn:aws:iam::").and_then(|rest| rest.split_once(":role/")).ok_or_else(malformed)?;
    let allowed = cloud
        .world
        .account(id)
        .filter(|account| account.external_id.as_deref().is_none_or(|wanted| ask.external_id == Some(wanted)));
    if allowed.is_none() {
        return Err(Refusal::denied(caller, &format!("sts:AssumeRole on resource: {}", ask.role_arn)));
    }
    let session = match ask.duration_seconds.map(Duration::from_secs) {
        None => cloud.world.spec().session,
        Some(session) if (MIN_SESSION..=MAX_SESSION).contains(&session) => session,
        Some(_) => return Err(Refusal::validation("DurationSeconds must be between 900 and 43200.")),
    };
    Ok(issue(id, role, ask.session_name, now.plus(session)))
}
