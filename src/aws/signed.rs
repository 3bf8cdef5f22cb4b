//! Calls that are signed by hand: one or two operations of a service whose SDK crate would cost minutes of compile time
//! and megabytes of binary. Today that is `iam:ListAccountAliases`; the special look-ups will follow.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use serde::Deserialize;

use crate::aws::client::Network;
use crate::aws::crypto;
use crate::model::Text;
use crate::seam::{Failure, Reason};

/// The whole call; an alias is not worth waiting longer for.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The content type of query APIs.
const FORM: &str = "application/x-www-form-urlencoded; charset=utf-8";
/// The longest answer that is read.
const MAX_ANSWER_BYTES: usize = 1 << 20;

/// Signs and sends.
pub struct Signer {
    http: reqwest::Client,
    iam_endpoint: Option<String>,
}

impl Signer {
    /// Sets up the connection; fails for a bad proxy or certificate.
    pub fn new(network: &Network) -> Result<Self, Failure> {
        let wrong = |e: reqwest::Error| Failure {
            reason: Reason::Network,
            doing: "set up the connection to IAM".to_owned(),
            message: e.to_string(),
        };
        crypto::install();
        let mut builder = reqwest::Client::builder().timeout(TIMEOUT).no_proxy();
        if let Some(url) = &network.https_proxy {
            let direct = reqwest::NoProxy::from_string(&network.direct_hosts());
            builder = builder.proxy(reqwest::Proxy::https(url).map_err(wrong)?.no_proxy(direct));
        }
        if let Some(pem) = &network.ca_bundle {
            for certificate in reqwest::Certificate::from_pem_bundle(pem).map_err(wrong)? {
                builder = builder.add_root_certificate(certificate);
            }
        }
        Ok(Self { http: builder.build().map_err(wrong)?, iam_endpoint: network.iam_endpoint.clone() })
    }

    /// The first alias of the account, if it has one. `endpoint`: the base endpoint of all services, when it is set.
    pub async fn account_alias(
        &self,
        credentials: Credentials,
        endpoint: Option<&str>,
        region: &str,
    ) -> Result<Option<Text>, Failure> {
        let (public, signing_region) = iam_of_partition(region);
        let url = self.iam_endpoint.as_deref().or(endpoint).unwrap_or(public);
        let body = "Action=ListAccountAliases&Version=2010-05-08";
        let text = self.post(credentials, url, "iam", signing_region, body).await?;
        aliases(&text).map(|all| all.into_iter().next().map(Text::from))
    }

    async fn post(
        &self,
        credentials: Credentials,
        url: &str,
        service: &str,
        region: &str,
        body: &'static str,
    ) -> Result<String, Failure> {
        let fail = |reason, message: String| Failure { reason, doing: format!("call {service}"), message };
        let identity = credentials.into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(region)
            .name(service)
            .time(signing_time())
            .settings(SigningSettings::default())
            .build()
            .map_err(|e| fail(Reason::NoCredentials, e.to_string()))?
            .into();
        let signable = SignableRequest::new(
            "POST",
            url,
            std::iter::once(("content-type", FORM)),
            SignableBody::Bytes(body.as_bytes()),
        )
        .map_err(|e| fail(Reason::InvalidRequest, e.to_string()))?;
        let (signature, _) =
            sign(signable, &params).map_err(|e| fail(Reason::NoCredentials, e.to_string()))?.into_parts();
        let mut request = self.http.post(url).header("content-type", FORM).body(body);
        for (name, value) in signature.headers() {
            request = request.header(name, value);
        }
        let answer = request.send().await.map_err(|e| fail(transport(&e), e.without_url().to_string()))?;
        let status = answer.status();
        let text = read(answer).await.map_err(|e| fail(transport(&e), e.without_url().to_string()))?;
        if status.is_success() {
            return Ok(text);
        }
        let code =
            quick_xml::de::from_str::<ErrorAnswer>(&text).map_or_else(|_| "unknown error".to_owned(), |a| a.error.code);
        let reason = if status.as_u16() == 403 { Reason::AccessDenied } else { Reason::ServerError };
        Err(fail(reason, format!("{code} (HTTP {})", status.as_u16())))
    }
}

/// Signing needs the machine's true time, whatever a scaled clock shows elsewhere.
#[expect(clippy::disallowed_methods, reason = "AWS compares a signature's time with real time")]
fn signing_time() -> SystemTime {
    SystemTime::now()
}

/// IAM is global: one endpoint and one signing region in each partition.
fn iam_of_partition(region: &str) -> (&'static str, &'static str) {
    if region.starts_with("cn-") {
        ("https://iam.cn-north-1.amazonaws.com.cn", "cn-north-1")
    } else if region.starts_with("us-gov-") {
        ("https://iam.us-gov.amazonaws.com", "us-gov-west-1")
    } else {
        ("https://iam.amazonaws.com", "us-east-1")
    }
}

async fn read(mut answer: reqwest::Response) -> Result<String, reqwest::Error> {
    let mut bytes = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        if bytes.len() + chunk.len() > MAX_ANSWER_BYTES {
            break;
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn transport(error: &reqwest::Error) -> Reason {
    if error.is_timeout() { Reason::Timeout } else { Reason::Network }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AliasesAnswer {
    list_account_aliases_result: AliasesResult,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AliasesResult {
    #[serde(default)]
    account_aliases: Members,
}

#[derive(Deserialize, Default)]
struct Members {
    #[serde(default)]
    member: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ErrorAnswer {
    error: ErrorCode,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ErrorCode {
    code: String,
}

fn aliases(xml: &str) -> Result<Vec<String>, Failure> {
    let parsed: AliasesAnswer = quick_xml::de::from_str(xml).map_err(|e| Failure {
        reason: Reason::BadAnswer,
        doing: "read the account's aliases".to_owned(),
        message: e.to_string(),
    })?;
    Ok(parsed.list_account_aliases_result.account_aliases.member)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aliases_are_read_and_may_be_missing() {
        let with = "<ListAccountAliasesResponse><ListAccountAliasesResult><AccountAliases><member>a</member>\
                    <member>b</member></AccountAliases></ListAccountAliasesResult></ListAccountAliasesResponse>";
        assert_eq!(aliases(with).unwrap(), ["a", "b"]);
        for none in ["<AccountAliases/>", "<AccountAliases></AccountAliases>", ""] {
            let xml = format!("<R><ListAccountAliasesResult>{none}</ListAccountAliasesResult></R>");
            assert_eq!(aliases(&xml).unwrap(), Vec::<String>::new(), "{none}");
        }
        assert_eq!(aliases("<html>").unwrap_err().reason, Reason::BadAnswer);
    }

    #[test]
    fn each_partition_has_its_own_iam() {
        assert_eq!(iam_of_partition("cn-northwest-1").1, "cn-north-1");
        assert_eq!(iam_of_partition("us-gov-east-1").1, "us-gov-west-1");
        assert_eq!(iam_of_partition("eu-west-1").1, "us-east-1");
    }
}
