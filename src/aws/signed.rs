//! Calls that are signed by hand: one or two operations of a service whose SDK crate would cost minutes of compile time
//! and megabytes of binary. A [`Question`] goes out in its service's protocol and comes back as the answer's bytes; what
//! passes (throttling, 5xx, a broken connection) is tried again, as the SDK does.
//!
//! Deliberately absent: what answers mean, pages, quotas.

mod encode;
mod endpoint;
mod refused;

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use tokio::time::Instant;

use crate::aws::client::failure;
use crate::aws::question::Question;
use crate::seam::{Failure, Reason};
use encode::{Encoded, encode};
use endpoint::{Endpoint, endpoint};
pub use endpoint::{Endpoints, Place};

/// Attempts of one call, the first one included, as for the SDK's calls.
const ATTEMPTS: u32 = 5;
/// The longest pause before the second attempt; doubled for each further one.
const FIRST_BACKOFF: Duration = Duration::from_secs(1);
/// The longest pause between two attempts.
const MAX_BACKOFF: Duration = Duration::from_secs(3);
/// One attempt.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(20);
/// The longest answer that is read: a page of five hundred REST APIs with their policies has a quarter of it.
const MAX_ANSWER_BYTES: usize = 16 << 20;

/// Signs and sends.
pub struct Signer {
    http: reqwest::Client,
    endpoints: Endpoints,
}

/// What came of a question.
#[derive(Debug)]
pub struct Sent {
    /// The answer's body.
    pub result: Result<Vec<u8>, Failure>,
    /// How often it was tried, at least 1.
    pub attempts: u32,
    /// How many of the attempts were throttled.
    pub throttles: u32,
}

impl Signer {
    /// Over the same connections as the SDK.
    pub fn new(http: reqwest::Client, endpoints: Endpoints) -> Self {
        Self { http, endpoints }
    }

    /// Asks, and tries again what may pass, until `patience` is over.
    pub async fn ask(
        &self,
        question: &Question,
        credentials: &Credentials,
        place: Place<'_>,
        patience: Duration,
    ) -> Sent {
        let end = Instant::now() + patience;
        let to = endpoint(question.operation.service, place, &self.endpoints);
        let encoded = encode(question);
        let doing = || format!("call {} in {}", question.operation.name, place.region);
        let mut sent = Sent { result: Ok(Vec::new()), attempts: 0, throttles: 0 };
        loop {
            sent.attempts += 1;
            let tried = tokio::time::timeout_at(end, self.attempt(question, &encoded, &to, credentials)).await;
            let tried = tried.unwrap_or_else(|_| Err((Reason::Timeout, "no answer in time".to_owned())));
            sent.throttles += u32::from(matches!(tried, Err((Reason::Throttled, _))));
            let (reason, message) = match tried {
                Ok(body) => {
                    sent.result = Ok(body);
                    return sent;
                }
                Err(why) => why,
            };
            let pause = backoff(sent.attempts);
            if !reason.is_transient() || sent.attempts >= ATTEMPTS || Instant::now() + pause >= end {
                sent.result = Err(Failure { reason, doing: doing(), message });
                return sent;
            }
            tokio::time::sleep(pause).await;
        }
    }

    async fn attempt(
        &self,
        question: &Question,
        encoded: &Encoded,
        to: &Endpoint,
        credentials: &Credentials,
    ) -> Result<Vec<u8>, (Reason, String)> {
        let url = format!("{}{}", to.url, encoded.path);
        let signature = signature(question, encoded, &url, &to.region, credentials)?;
        let method = reqwest::Method::from_bytes(encoded.method.as_bytes())
            .map_err(|e| (Reason::InvalidRequest, e.to_string()))?;
        let mut request = self.http.request(method, &url).timeout(ATTEMPT_TIMEOUT).body(encoded.body.clone());
        for (name, value) in &encoded.headers {
            request = request.header(*name, value);
        }
        for (name, value) in signature {
            request = request.header(name, value);
        }
        let answer = request.send().await.map_err(transport)?;
        let status = answer.status().as_u16();
        let header = answer.headers().get("x-amzn-errortype").and_then(|v| v.to_str().ok()).map(str::to_owned);
        let ok = answer.status().is_success();
        let body = read(answer).await?;
        if ok {
            return Ok(body);
        }
        let refused = refused::read(header.as_deref(), &body);
        let code = refused.code.as_deref();
        let reason = match code {
            None if status == 403 => Reason::AccessDenied,
            _ => failure::of_code(code.unwrap_or_default(), status),
        };
        Err((reason, format!("{} (HTTP {status}): {}", code.unwrap_or("unknown error"), refused.message)))
    }
}

/// The headers that make up the signature.
fn signature(
    question: &Question,
    encoded: &Encoded,
    url: &str,
    region: &str,
    credentials: &Credentials,
) -> Result<Vec<(String, String)>, (Reason, String)> {
    let identity = credentials.clone().into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name(question.operation.service.facts().host)
        .time(signing_time())
        .settings(SigningSettings::default())
        .build()
        .map_err(|e| (Reason::NoCredentials, e.to_string()))?
        .into();
    let headers = encoded.headers.iter().map(|(name, value)| (*name, value.as_str()));
    let signable = SignableRequest::new(encoded.method, url, headers, SignableBody::Bytes(encoded.body.as_bytes()))
        .map_err(|e| (Reason::InvalidRequest, e.to_string()))?;
    let (signature, _) = sign(signable, &params).map_err(|e| (Reason::NoCredentials, e.to_string()))?.into_parts();
    Ok(signature.headers().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}

/// Signing needs the machine's true time, whatever a scaled clock shows elsewhere.
#[expect(clippy::disallowed_methods, reason = "AWS compares a signature's time with real time")]
pub(crate) fn signing_time() -> SystemTime {
    SystemTime::now()
}

/// Any time up to the longest pause, so that callers who failed together do not come back together.
fn backoff(attempts: u32) -> Duration {
    let longest = FIRST_BACKOFF.saturating_mul(1 << attempts.saturating_sub(1).min(8)).min(MAX_BACKOFF);
    longest.mul_f64(fastrand::f64())
}

async fn read(mut answer: reqwest::Response) -> Result<Vec<u8>, (Reason, String)> {
    let mut bytes = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(transport)? {
        if bytes.len() + chunk.len() > MAX_ANSWER_BYTES {
            return Err((Reason::LimitReached, format!("the answer is longer than {MAX_ANSWER_BYTES} bytes")));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// Without the URL, which may hold a proxy's password.
fn transport(error: reqwest::Error) -> (Reason, String) {
    let reason = if error.is_timeout() { Reason::Timeout } else { Reason::Network };
    let error = error.without_url();
    let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
    (reason, format!("{error}{cause}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_their_bound() {
        for attempts in 1..40 {
            let longest = Duration::from_secs(1_u64 << (attempts - 1).min(2)).min(MAX_BACKOFF);
            assert!(backoff(attempts) <= longest);
        }
    }
}
