//! Who we are: finding credentials, and tokens for them. gcp_auth does what it can: keys of service accounts, the user's own
//! login, the metadata server. It has no time-outs, no proxies, no other metadata server, and takes no user's credentials
//! from a file that is named: `exchange` does that.

use std::sync::Arc;
use std::time::Duration;

use gcp_auth::{ConfigDefaultCredentials, CustomServiceAccount, MetadataServiceAccount, TokenProvider};
use serde::Deserialize;
use tokio::sync::OnceCell;

use super::exchange::{Exchange, User};
use crate::model::Text;
use crate::seam::{Failure, Reason};

/// One token, with all attempts of gcp_auth.
const TOKEN_TIMEOUT: Duration = Duration::from_secs(10);

/// Where credentials come from; `app` finds out.
#[derive(Clone, Default)]
pub enum Credentials {
    /// The content of the file that `GOOGLE_APPLICATION_CREDENTIALS` names, and its path for error messages.
    File {
        /// JSON.
        content: String,
        /// Where it was read.
        path: String,
    },
    /// The login that `gcloud auth application-default login` left in the user's home.
    UserLogin,
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
}

enum Source {
    Anonymous,
    Ready(Arc<dyn TokenProvider>),
    /// Found on the network when it is first needed.
    Metadata(OnceCell<Arc<dyn TokenProvider>>),
    UserLogin(OnceCell<Arc<dyn TokenProvider>>),
    Own(Exchange),
}

#[derive(Deserialize)]
struct KeyFile {
    r#type: Option<String>,
    project_id: Option<String>,
    quota_project_id: Option<String>,
}

impl Tokens {
    /// Reads the credentials without using them.
    pub(super) fn new(credentials: &Credentials, http: reqwest::Client) -> Result<Self, Failure> {
        let (source, project) = match credentials {
            Credentials::Anonymous => (Source::Anonymous, None),
            Credentials::UserLogin => (Source::UserLogin(OnceCell::new()), None),
            Credentials::Metadata(None) => (Source::Metadata(OnceCell::new()), None),
            Credentials::Metadata(Some(host)) => (Source::Own(Exchange::metadata(host, http)), None),
            Credentials::File { content, path } => from_file(content, path, http)?,
        };
        Ok(Self { source, project })
    }

    /// A token; `None` where none is wanted.
    pub(super) async fn token(&self, scope: &'static str) -> Result<Option<String>, Failure> {
        let provider = match &self.source {
            Source::Anonymous => return Ok(None),
            Source::Own(exchange) => return exchange.token(scope).await.map(Some),
            _ => self.provider().await?,
        };
        let token = limited("get a token", async move { provider.token(&[scope]).await }).await?;
        Ok(Some(token.as_str().to_owned()))
    }

    /// The project that the credentials belong to.
    pub(super) async fn project(&self) -> Result<Text, Failure> {
        if let Some(project) = &self.project {
            return Ok(Text::clone(project));
        }
        match &self.source {
            Source::Anonymous => Err(no_credentials("there are none")),
            Source::Own(exchange) => exchange.project().await,
            _ => {
                let provider = self.provider().await?;
                let project = limited("find the credentials' project", async move { provider.project_id().await });
                Ok(Text::from(&*project.await?))
            }
        }
    }

    /// Whether there are any.
    pub(super) async fn locate(&self) -> Result<(), Failure> {
        match &self.source {
            Source::Anonymous | Source::Ready(_) => Ok(()),
            Source::Own(exchange) => exchange.locate().await,
            _ => self.provider().await.map(|_| ()),
        }
    }

    async fn provider(&self) -> Result<Arc<dyn TokenProvider>, Failure> {
        type Provider = Arc<dyn TokenProvider>;
        let found = match &self.source {
            Source::Ready(provider) => provider,
            Source::Metadata(cell) => {
                let find = async { MetadataServiceAccount::new().await.map(|p| Arc::new(p) as Provider) };
                cell.get_or_try_init(|| limited("find the metadata server", find)).await.map_err(|f| {
                    no_credentials(&format!("no file is named, and there is no metadata server ({})", f.message))
                })?
            }
            Source::UserLogin(cell) => {
                let find = async { ConfigDefaultCredentials::new().await.map(|p| Arc::new(p) as Provider) };
                cell.get_or_try_init(|| limited("use the login in the home directory", find)).await?
            }
            Source::Anonymous | Source::Own(_) => return Err(no_credentials("there are none")),
        };
        Ok(Arc::clone(found))
    }
}

/// The kinds of file that Google hands out.
fn from_file(content: &str, path: &str, http: reqwest::Client) -> Result<(Source, Option<Text>), Failure> {
    let wrong = |message: String| Failure {
        reason: Reason::NoCredentials,
        doing: format!("read the credentials in {path}"),
        message,
    };
    let head: KeyFile = serde_json::from_str(content).map_err(|e| wrong(format!("it is no JSON object: {e}")))?;
    let project = head.project_id.or(head.quota_project_id).map(Text::from);
    let source = match head.r#type.as_deref() {
        Some("service_account") => {
            let account = CustomServiceAccount::from_json(content).map_err(|e| wrong(chain(&e)))?;
            Source::Ready(Arc::new(account))
        }
        Some("authorized_user") => {
            let user: User = serde_json::from_str(content).map_err(|e| wrong(e.to_string()))?;
            Source::Own(Exchange::user(user, http))
        }
        Some(other) => {
            let message = format!("credentials of type {other} are not known; use a service account's key");
            return Err(wrong(message));
        }
        None => return Err(wrong("it has no \"type\"".to_owned())),
    };
    Ok((source, project))
}

async fn limited<T>(doing: &str, work: impl Future<Output = Result<T, gcp_auth::Error>>) -> Result<T, Failure> {
    let failed = |reason, message| Failure { reason, doing: doing.to_owned(), message };
    match tokio::time::timeout(TOKEN_TIMEOUT, work).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => Err(failed(reason(&error), chain(&error))),
        Err(_) => Err(failed(Reason::Timeout, format!("no answer within {} s", TOKEN_TIMEOUT.as_secs()))),
    }
}

fn reason(error: &gcp_auth::Error) -> Reason {
    match error {
        gcp_auth::Error::Http(..) => Reason::Network,
        gcp_auth::Error::Io(..) => Reason::NoCredentials,
        _ => Reason::ExpiredCredentials,
    }
}

/// The whole story of an error.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}

fn no_credentials(message: &str) -> Failure {
    let doing = "find Google credentials (GOOGLE_APPLICATION_CREDENTIALS)".to_owned();
    Failure { reason: Reason::NoCredentials, doing, message: message.to_owned() }
}
