//! The two ways to a token that gcp_auth does not go: a user's refresh token from a named file, at the address that the file
//! names, and a metadata server at another address. Tokens are kept until they are about to expire.

use std::time::Duration;

use serde::Deserialize;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::{body, url};
use crate::model::Text;
use crate::seam::{Failure, Reason};

/// One exchange.
const TIMEOUT: Duration = Duration::from_secs(10);
/// A token is not used in its last seconds.
const MARGIN: Duration = Duration::from_secs(60);
/// Where users' tokens are refreshed, unless the file says otherwise.
const TOKEN_ADDRESS: &str = "https://oauth2.googleapis.com/token";

/// A user's credentials, as in their file.
#[derive(Clone, Deserialize)]
pub(super) struct User {
    client_id: String,
    client_secret: String,
    refresh_token: String,
    token_uri: Option<String>,
}

/// Gets tokens.
pub(super) struct Exchange {
    with: With,
    http: reqwest::Client,
    kept: Mutex<Option<(String, Instant)>>,
}

enum With {
    User(User),
    /// The server's base address.
    Metadata(String),
}

#[derive(Deserialize)]
struct Token {
    access_token: String,
    expires_in: Option<u64>,
}

impl Exchange {
    pub(super) fn user(user: User, http: reqwest::Client) -> Self {
        Self { with: With::User(user), http, kept: Mutex::default() }
    }

    /// `host`: with its port.
    pub(super) fn metadata(host: &str, http: reqwest::Client) -> Self {
        let with = With::Metadata(format!("http://{host}/computeMetadata/v1"));
        Self { with, http, kept: Mutex::default() }
    }

    /// A token that is good for a while; whoever asks meanwhile waits for the same one.
    pub(super) async fn token(&self, scope: &str) -> Result<String, Failure> {
        let mut kept = self.kept.lock().await;
        if let Some((token, _)) = kept.as_ref().filter(|(_, until)| Instant::now() < *until) {
            return Ok(token.clone());
        }
        let request = match &self.with {
            With::User(user) => {
                let form = [
                    ("grant_type", "refresh_token"),
                    ("client_id", &*user.client_id),
                    ("client_secret", &*user.client_secret),
                    ("refresh_token", &*user.refresh_token),
                ];
                let form: Vec<String> = form.iter().map(|(n, v)| format!("{n}={}", url::escaped(v))).collect();
                self.http
                    .post(user.token_uri.as_deref().unwrap_or(TOKEN_ADDRESS))
                    .header("content-type", "application/x-www-form-urlencoded")
                    .body(form.join("&"))
            }
            With::Metadata(base) => {
                let path = format!("{base}/instance/service-accounts/default/token?scopes={}", url::escaped(scope));
                self.http.get(path).header("metadata-flavor", "Google")
            }
        };
        let answer = send("get a token", request).await?;
        let token: Token = serde_json::from_slice(&answer)
            .map_err(|e| failure("get a token", Reason::BadAnswer, format!("the answer is no token: {e}")))?;
        let good_for = Duration::from_secs(token.expires_in.unwrap_or(300)).saturating_sub(MARGIN);
        *kept = Some((token.access_token.clone(), Instant::now() + good_for));
        Ok(token.access_token)
    }

    /// The project of the metadata server.
    pub(super) async fn project(&self) -> Result<Text, Failure> {
        let With::Metadata(base) = &self.with else {
            let message = "a user's credentials belong to no project: name the projects".to_owned();
            return Err(failure("find the credentials' project", Reason::NoCredentials, message));
        };
        let request = self.http.get(format!("{base}/project/project-id")).header("metadata-flavor", "Google");
        let answer = send("find the credentials' project", request).await?;
        Ok(String::from_utf8_lossy(&answer).trim().into())
    }

    /// Whether there is somebody to ask.
    pub(super) async fn locate(&self) -> Result<(), Failure> {
        match &self.with {
            With::User(_) => Ok(()),
            With::Metadata(_) => self.project().await.map(|_| ()),
        }
    }
}

async fn send(doing: &str, request: reqwest::RequestBuilder) -> Result<Vec<u8>, Failure> {
    let answer = request.timeout(TIMEOUT).send().await;
    let refused = match answer {
        Ok(answer) if answer.status().is_success() => match answer.bytes().await {
            Ok(bytes) => return Ok(bytes.to_vec()),
            Err(error) => body::transport(&error),
        },
        Ok(answer) => {
            let refused = body::refused(answer).await;
            // Whatever the server's word for it, these credentials are not accepted.
            let reason = if refused.status.is_some_and(|s| (400..500).contains(&s) && s != 429) {
                Reason::ExpiredCredentials
            } else {
                refused.reason
            };
            return Err(failure(doing, reason, refused.message));
        }
        Err(error) => body::transport(&error),
    };
    Err(failure(doing, refused.reason, refused.message))
}

fn failure(doing: &str, reason: Reason, message: String) -> Failure {
    Failure { reason, doing: doing.to_owned(), message }
}
