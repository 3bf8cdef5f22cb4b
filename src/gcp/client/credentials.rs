//! Who we are: the kinds of credentials that Google hands out, and tokens for them, each kept until it is about to expire.
//! gcp_auth reads the keys of service accounts and signs with them. Everything that goes over the network goes through our own
//! client (`exchange`): gcp_auth has neither time-outs nor proxies, and knows neither federation nor impersonation.

use std::fmt;
use std::time::Duration;

use serde::Deserialize;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::exchange::Exchange;
use super::federation::{External, Impersonation};
use super::signed::Account;
use crate::model::Text;
use crate::seam::{Failure, Reason};
use crate::secret;

/// A token is not used in its last seconds.
const MARGIN: Duration = Duration::from_secs(60);
/// A failure answers everybody who waited for the same token, instead of one attempt for each of them.
const FAILURE_STANDS: Duration = Duration::from_secs(1);
/// The metadata server of Google's machines; its name may not be known to a container's resolver.
const METADATA_HOST: &str = "169.254.169.254";
/// One impersonates with the credentials of another, who may do so again, but not for ever.
const MAX_DEPTH: usize = 3;

/// Reads a file: tokens of workloads lie in files that change.
pub type ReadFile = fn(&str) -> std::io::Result<String>;

/// Where credentials come from; `app` finds out.
#[derive(Clone, Default)]
pub enum Credentials {
    /// The content of a file as `GOOGLE_APPLICATION_CREDENTIALS` names it, and its path for error messages.
    File {
        /// JSON.
        content: String,
        /// Where it was read.
        path: String,
        /// Reads what it refers to.
        read: ReadFile,
    },
    /// The metadata server of the machine; a host and port in place of the usual one (`GCE_METADATA_HOST`).
    Metadata(Option<String>),
    /// None are sent; only a simulated cloud takes that.
    #[default]
    Anonymous,
}

/// Gives tokens, each kept until it is about to expire.
pub(super) struct Tokens {
    source: Source,
    project: Option<Text>,
    exchange: Exchange,
    kept: Mutex<Vec<Kept>>,
}

/// What came of asking for a token, and how long that stands.
struct Kept {
    scope: &'static str,
    token: Result<String, Failure>,
    until: Instant,
}

/// A kind of credentials.
pub(super) enum Source {
    /// None.
    Anonymous,
    /// A service account's key.
    Account(Box<Account>),
    /// A user's login.
    User(User),
    /// The metadata server; its address.
    Metadata(String),
    /// Another provider's token is exchanged for one of Google's.
    External(Box<External>),
    /// Somebody else's name is taken.
    Impersonated(Box<(Self, Impersonation)>),
}

/// A user's credentials, as in their file.
#[derive(Clone, Deserialize)]
pub(super) struct User {
    pub(super) client_id: String,
    pub(super) client_secret: String,
    pub(super) refresh_token: String,
    pub(super) token_uri: Option<String>,
}

impl Tokens {
    /// Reads the credentials without using them.
    pub(super) fn new(credentials: &Credentials, http: reqwest::Client) -> Result<Self, Failure> {
        let (source, project) = match credentials {
            Credentials::Anonymous => (Source::Anonymous, None),
            Credentials::Metadata(host) => {
                let host = host.as_deref().unwrap_or(METADATA_HOST);
                (Source::Metadata(format!("http://{host}/computeMetadata/v1")), None)
            }
            Credentials::File { content, path, read } => from_file(content, *read).map_err(|message| Failure {
                reason: Reason::NoCredentials,
                doing: format!("read the credentials in {path}"),
                message,
            })?,
        };
        Ok(Self { source, project, exchange: Exchange::new(http), kept: Mutex::default() })
    }

    /// A token that is good for a while; `None` where none is wanted. Whoever asks meanwhile waits for the same one.
    pub(super) async fn token(&self, scope: &'static str) -> Result<Option<String>, Failure> {
        if matches!(self.source, Source::Anonymous) {
            return Ok(None);
        }
        let mut kept = self.kept.lock().await;
        if let Some(known) = kept.iter().find(|k| k.scope == scope && Instant::now() < k.until) {
            return known.token.clone().map(Some);
        }
        let asked = self.exchange.token(&self.source, scope).await;
        let stands = asked.as_ref().map_or(FAILURE_STANDS, |minted| minted.good_for.saturating_sub(MARGIN));
        let token = asked.map(|minted| minted.token).inspect(|token| secret::learn_passing(token));
        kept.retain(|k| k.scope != scope);
        kept.push(Kept { scope, token: token.clone(), until: Instant::now() + stands });
        token.map(Some)
    }

    /// The project that the credentials belong to.
    pub(super) async fn project(&self) -> Result<Text, Failure> {
        if let Some(project) = &self.project {
            return Ok(Text::clone(project));
        }
        match &self.source {
            Source::Metadata(base) => self.exchange.project(base).await,
            _ => Err(Failure {
                reason: Reason::NoCredentials,
                doing: "find the credentials' project".to_owned(),
                message: "these credentials belong to no project: name the projects".to_owned(),
            }),
        }
    }

    /// Whether there are any: asks the metadata server whether it is there.
    pub(super) async fn locate(&self) -> Result<(), Failure> {
        let Source::Metadata(base) = &self.source else { return Ok(()) };
        self.exchange.project(base).await.map(drop).map_err(|f| Failure {
            reason: Reason::NoCredentials,
            doing: "find Google credentials (GOOGLE_APPLICATION_CREDENTIALS)".to_owned(),
            message: format!("no file is named, and there is no metadata server ({})", f.message),
        })
    }
}

/// What a file says, whatever its kind.
#[derive(Deserialize)]
struct Head {
    r#type: Option<String>,
    project_id: Option<String>,
    quota_project_id: Option<String>,
}

fn from_file(content: &str, read: ReadFile) -> Result<(Source, Option<Text>), String> {
    let json: serde_json::Value = serde_json::from_str(content).map_err(|e| format!("it is no JSON object: {e}"))?;
    if !json.is_object() {
        return Err("it is no JSON object".to_owned());
    }
    learn(&json);
    let head: Head = part(&json)?;
    let project = head.project_id.or(head.quota_project_id).map(Text::from);
    Ok((source(&json, read, 1)?, project))
}

/// The secrets of a file, however deep.
fn learn(json: &serde_json::Value) {
    for (key, value) in json.as_object().into_iter().flatten() {
        match value.as_str() {
            Some(text) if ["private_key", "client_secret", "refresh_token"].contains(&&**key) => secret::learn(text),
            _ => learn(value),
        }
    }
}

/// The kinds of file that Google hands out.
fn source(json: &serde_json::Value, read: ReadFile, depth: usize) -> Result<Source, String> {
    let head: Head = part(json)?;
    match head.r#type.as_deref() {
        Some("service_account") => Account::read(json).map(|account| Source::Account(Box::new(account))),
        Some("authorized_user") => part(json).map(Source::User),
        Some("external_account") => {
            let (external, impersonation) = External::read(json, read)?;
            let external = Source::External(Box::new(external));
            Ok(match impersonation {
                Some(impersonation) => Source::Impersonated(Box::new((external, impersonation))),
                None => external,
            })
        }
        Some("impersonated_service_account") if depth < MAX_DEPTH => {
            let inner = json.get("source_credentials").ok_or("it has no \"source_credentials\"")?;
            Ok(Source::Impersonated(Box::new((source(inner, read, depth + 1)?, Impersonation::read(json)?))))
        }
        Some(other) => Err(format!(
            "credentials of type {other} are not known here; use a service account's key, a user's login, external_account or \
             impersonated_service_account"
        )),
        None => Err("it has no \"type\"".to_owned()),
    }
}

/// Some fields of a file. What is wrong with them is said without their values, which may be secret.
pub(super) fn part<T: for<'de> Deserialize<'de>>(json: &serde_json::Value) -> Result<T, String> {
    T::deserialize(json).map_err(|e| e.to_string())
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("credentials")
    }
}
