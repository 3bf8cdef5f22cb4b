//! The instance's metadata service: who this instance is, and its tags. One client for all that is asked of it; never by a
//! proxy, never for long. IMDSv2 first; where no token is to be had, without one.
//!
//! Deliberately absent: credentials, which the SDK asks for itself.

use std::time::Duration;

use crate::aws::crypto;
use crate::model::Text;
use crate::seam::{Failure, Reason};
use crate::secret;

/// Where every instance finds it.
const ENDPOINT: &str = "http://169.254.169.254";
/// Until a connection stands. Where there is no instance, nobody answers, and nobody shall wait.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// One question. It answers within milliseconds.
const TIMEOUT: Duration = Duration::from_secs(2);
/// What a token is good for: we ask seldom, and each time anew.
const TOKEN_SECONDS: &str = "300";
/// The longest answer that is read; the identity document has a kilobyte.
const MAX_ANSWER_BYTES: usize = 64 << 10;

/// What the instance is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Instance {
    /// `i-…`.
    pub id: Text,
    /// `t3.micro`.
    pub kind: Text,
    /// `ami-…`.
    pub image: Text,
    /// Where it runs.
    pub region: Text,
}

/// How the service is reached.
#[derive(Clone, Debug, Default)]
pub struct Endpoint {
    /// `AWS_EC2_METADATA_SERVICE_ENDPOINT`; `None`: where it always is.
    pub url: Option<String>,
    /// `AWS_EC2_METADATA_DISABLED`.
    pub is_disabled: bool,
}

/// The service.
pub struct Metadata {
    http: reqwest::Client,
    url: String,
    is_disabled: bool,
}

/// How to ask.
enum Pass {
    Token(String),
    /// There are no tokens; why.
    None(String),
}

impl Metadata {
    /// Nothing is asked yet.
    pub fn new(endpoint: &Endpoint) -> Result<Self, Failure> {
        crypto::install();
        let builder = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TIMEOUT)
            // It would hand the instance's secrets to the proxy.
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none());
        let http = builder.build().map_err(|e| failed(Reason::Network, "set up the connection", e.to_string()))?;
        let url = endpoint.url.clone().unwrap_or_else(|| ENDPOINT.to_owned()).trim_end_matches('/').to_owned();
        Ok(Self { http, url, is_disabled: endpoint.is_disabled })
    }

    /// Who this instance is.
    pub async fn instance(&self) -> Result<Instance, Failure> {
        let found = self.get("dynamic/instance-identity/document").await?;
        let text =
            found.ok_or_else(|| failed(Reason::BadAnswer, "identify", "there is no such document".to_owned()))?;
        let document: serde_json::Value =
            serde_json::from_str(&text).map_err(|e| failed(Reason::BadAnswer, "identify", e.to_string()))?;
        let field = |name: &str| Text::from(document.get(name).and_then(|v| v.as_str()).unwrap_or_default());
        Ok(Instance {
            id: field("instanceId"),
            kind: field("instanceType"),
            image: field("imageId"),
            region: field("region"),
        })
    }

    /// A tag of the instance; `None` when it has none of that name, or its tags are not shown here (an option of the
    /// instance).
    pub async fn tag(&self, name: &str) -> Result<Option<Text>, Failure> {
        Ok(self.get(&format!("meta-data/tags/instance/{name}")).await?.map(Text::from))
    }

    /// `None`: there is nothing of that name.
    async fn get(&self, path: &str) -> Result<Option<String>, Failure> {
        if self.is_disabled {
            return Err(failed(Reason::Network, path, "AWS_EC2_METADATA_DISABLED is set".to_owned()));
        }
        let pass = self.pass().await?;
        let request = self.http.get(format!("{}/latest/{path}", self.url));
        let request = match &pass {
            Pass::Token(token) => request.header("x-aws-ec2-metadata-token", token),
            Pass::None(_) => request,
        };
        let answer = request.send().await.map_err(|e| unreachable(path, e))?;
        match (answer.status().as_u16(), pass) {
            (200, _) => read(answer, path).await.map(Some),
            (404, _) => Ok(None),
            (401, Pass::None(why)) => {
                let message = format!(
                    "it wants a token, but asking for one failed ({why}); in a container, set the instance's \
                     metadata option http-put-response-hop-limit to 2"
                );
                Err(failed(Reason::AccessDenied, path, message))
            }
            (status, _) => Err(failed(Reason::BadAnswer, path, format!("it answered with status {status}"))),
        }
    }

    async fn pass(&self) -> Result<Pass, Failure> {
        let request = self.http.put(format!("{}/latest/api/token", self.url));
        match request.header("x-aws-ec2-metadata-token-ttl-seconds", TOKEN_SECONDS).send().await {
            Ok(answer) if answer.status().is_success() => {
                read(answer, "api/token").await.inspect(|token| secret::learn_passing(token)).map(Pass::Token)
            }
            Ok(answer) => Ok(Pass::None(format!("status {}", answer.status().as_u16()))),
            // It is there, but its answer does not come this far: the sign of a hop limit of 1.
            Err(e) if e.is_timeout() && !e.is_connect() => Ok(Pass::None("no answer in time".to_owned())),
            Err(e) => Err(unreachable("api/token", e)),
        }
    }
}

async fn read(mut answer: reqwest::Response, path: &str) -> Result<String, Failure> {
    let mut bytes = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|e| unreachable(path, e))? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > MAX_ANSWER_BYTES {
            return Err(failed(Reason::BadAnswer, path, "the answer is too long".to_owned()));
        }
    }
    String::from_utf8(bytes).map_err(|e| failed(Reason::BadAnswer, path, e.to_string()))
}

fn unreachable(path: &str, e: reqwest::Error) -> Failure {
    let reason = if e.is_timeout() { Reason::Timeout } else { Reason::Network };
    failed(reason, path, e.without_url().to_string())
}

fn failed(reason: Reason, what: &str, message: String) -> Failure {
    Failure { reason, doing: format!("ask the instance's metadata service for {what}"), message }
}
