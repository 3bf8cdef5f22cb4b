//! Getting tokens over the network, for every kind of credentials: through the same client as all other calls, so that proxies
//! and certificates hold here too, each request with a time of its own, and again when the server is busy.

use std::time::Duration;

use futures_util::future::BoxFuture;
use reqwest::RequestBuilder;
use serde::Deserialize;
use serde_json::json;

use super::credentials::{Source, User};
use super::federation::{External, Impersonation, Subject, subject_token};
use super::signed::{self, Account};
use super::{body, url};
use crate::model::Text;
use crate::seam::{Failure, Reason};
use crate::secret;

/// One request.
const TIMEOUT: Duration = Duration::from_secs(10);
/// A token server that is busy is asked so often.
const ATTEMPTS: u32 = 3;
/// Before the second attempt; doubled before the next one.
const PAUSE: Duration = Duration::from_millis(200);
/// No token is longer.
const MAX_ANSWER_BYTES: usize = 1 << 20;
/// A token that does not say how long it is good.
const USUAL_LIFETIME: Duration = Duration::from_secs(300);
/// Where users' tokens are refreshed, unless the file says otherwise.
const TOKEN_ADDRESS: &str = "https://oauth2.googleapis.com/token";
/// What whoever takes another's name must be allowed to do.
const CLOUD_SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
/// For failures.
const DOING: &str = "get a token";

/// A token, and for how long it is good from now.
pub(super) struct Minted {
    pub(super) token: String,
    pub(super) good_for: Duration,
}

/// Asks for tokens.
pub(super) struct Exchange {
    http: reqwest::Client,
}

impl Exchange {
    pub(super) fn new(http: reqwest::Client) -> Self {
        Self { http }
    }

    /// A new token.
    pub(super) fn token<'a>(&'a self, source: &'a Source, scope: &'a str) -> BoxFuture<'a, Result<Minted, Failure>> {
        Box::pin(async move {
            match source {
                Source::Anonymous => Err(failure(Reason::NoCredentials, "there are no credentials".to_owned())),
                Source::Account(account) => self.of_account(account, scope).await,
                Source::User(user) => self.of_user(user).await,
                Source::Metadata(base) => {
                    let address =
                        format!("{base}/instance/service-accounts/default/token?scopes={}", url::escaped(scope));
                    minted(&send(|| self.metadata(&address)).await?)
                }
                Source::External(external) => self.of_external(external, scope).await,
                Source::Impersonated(both) => {
                    let (source, impersonation) = &**both;
                    let own = self.token(source, CLOUD_SCOPE).await?;
                    secret::learn_passing(&own.token);
                    self.of_impersonated(&own.token, impersonation, scope).await
                }
            }
        })
    }

    /// The project of the metadata server.
    pub(super) async fn project(&self, base: &str) -> Result<Text, Failure> {
        let answer = send(|| self.metadata(&format!("{base}/project/project-id"))).await;
        let doing = "find the credentials' project".to_owned();
        Ok(String::from_utf8_lossy(&answer.map_err(|f| Failure { doing, ..f })?).trim().into())
    }

    fn metadata(&self, address: &str) -> RequestBuilder {
        self.http.get(address).header("metadata-flavor", "Google")
    }

    fn form(&self, address: &str, fields: &[(&str, &str)]) -> RequestBuilder {
        let fields: Vec<String> = fields.iter().map(|(n, v)| format!("{n}={}", url::escaped(v))).collect();
        let form = self.http.post(address).header("content-type", "application/x-www-form-urlencoded");
        form.body(fields.join("&"))
    }

    async fn of_account(&self, account: &Account, scope: &str) -> Result<Minted, Failure> {
        let word = account.word(scope).map_err(|message| failure(Reason::NoCredentials, message))?;
        secret::learn_passing(&word);
        let fields = [("grant_type", signed::GRANT), ("assertion", &word)];
        minted(&send(|| self.form(account.token_uri(), &fields)).await?)
    }

    async fn of_user(&self, user: &User) -> Result<Minted, Failure> {
        let fields = [
            ("grant_type", "refresh_token"),
            ("client_id", &*user.client_id),
            ("client_secret", &*user.client_secret),
            ("refresh_token", &*user.refresh_token),
        ];
        minted(&send(|| self.form(user.token_uri.as_deref().unwrap_or(TOKEN_ADDRESS), &fields)).await?)
    }

    async fn of_external(&self, external: &External, scope: &str) -> Result<Minted, Failure> {
        let subject = self.subject(&external.subject).await?;
        secret::learn_passing(&subject);
        let asked = &external.fields;
        let mut fields = vec![
            ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
            ("requested_token_type", "urn:ietf:params:oauth:token-type:access_token"),
            ("audience", &*asked.audience),
            ("scope", scope),
            ("subject_token", &*subject),
            ("subject_token_type", &*asked.subject_token_type),
        ];
        let options = asked.workforce_pool_user_project.as_ref().map(|p| json!({ "userProject": p }).to_string());
        if let Some(options) = options.as_deref().filter(|_| asked.client_id.is_none()) {
            fields.push(("options", options));
        }
        let request = || {
            let form = self.form(&asked.token_url, &fields);
            match &asked.client_id {
                Some(id) => form.basic_auth(id, asked.client_secret.as_ref()),
                None => form,
            }
        };
        minted(&send(request).await?)
    }

    /// The other provider's token.
    async fn subject(&self, subject: &Subject) -> Result<String, Failure> {
        let (content, field) = match subject {
            Subject::File { path, read, field } => {
                let content = read(path)
                    .map_err(|e| failure(Reason::NoCredentials, format!("the subject token in {path}: {e}")))?;
                (content, field)
            }
            Subject::Url { url, headers, field } => {
                let request = || headers.iter().fold(self.http.get(url), |request, (n, v)| request.header(n, v));
                (String::from_utf8_lossy(&send(request).await?).into_owned(), field)
            }
        };
        subject_token(&content, field.as_deref()).map_err(|message| failure(Reason::NoCredentials, message))
    }

    async fn of_impersonated(&self, own: &str, by: &Impersonation, scope: &str) -> Result<Minted, Failure> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Answer {
            access_token: String,
        }
        let lifetime = format!("{}s", by.options.token_lifetime_seconds);
        let asked = json!({"scope": [scope], "delegates": by.delegates, "lifetime": lifetime}).to_string();
        let request = || {
            let post = self.http.post(&by.url).header("content-type", "application/json");
            post.bearer_auth(own).body(asked.clone())
        };
        let Answer { access_token } = read(&send(request).await?)?;
        // The answer says when it ends, by a clock that is not ours; it is as long as was asked for.
        Ok(Minted { token: access_token, good_for: Duration::from_secs(by.options.token_lifetime_seconds) })
    }
}

fn minted(answer: &[u8]) -> Result<Minted, Failure> {
    #[derive(Deserialize)]
    struct Answer {
        access_token: String,
        expires_in: Option<u64>,
    }
    let Answer { access_token, expires_in } = read(answer)?;
    Ok(Minted { token: access_token, good_for: expires_in.map_or(USUAL_LIFETIME, Duration::from_secs) })
}

fn read<'a, T: Deserialize<'a>>(answer: &'a [u8]) -> Result<T, Failure> {
    serde_json::from_slice(answer).map_err(|e| failure(Reason::BadAnswer, format!("the answer is no token: {e}")))
}

/// Asks, and again where the server is busy or the connection breaks.
async fn send(request: impl Fn() -> RequestBuilder) -> Result<Vec<u8>, Failure> {
    let mut attempt = 1;
    loop {
        match once(request()).await {
            Err((failed, may_pass)) if !may_pass || attempt == ATTEMPTS => return Err(failed),
            Err(_) => tokio::time::sleep(PAUSE * (1 << (attempt - 1))).await,
            Ok(answer) => return Ok(answer),
        }
        attempt += 1;
    }
}

/// The answer, or what went wrong and whether it may pass.
async fn once(request: RequestBuilder) -> Result<Vec<u8>, (Failure, bool)> {
    let refused = match request.timeout(TIMEOUT).send().await {
        Ok(answer) if answer.status().is_success() => match body::whole(answer, MAX_ANSWER_BYTES).await {
            Ok(bytes) => return Ok(bytes),
            Err(refused) => refused,
        },
        Ok(answer) => body::refused(answer).await,
        Err(error) => body::transport(&error),
    };
    let (reason, may_pass) = match refused.status {
        Some(429 | 500..) => (refused.reason, true),
        // Whatever the server's word for it, these credentials are not accepted.
        Some(400..) => (Reason::ExpiredCredentials, false),
        Some(_) => (refused.reason, false),
        None => (refused.reason, refused.reason == Reason::Network),
    };
    Err((failure(reason, refused.message), may_pass))
}

fn failure(reason: Reason, message: String) -> Failure {
    Failure { reason, doing: DOING.to_owned(), message }
}
