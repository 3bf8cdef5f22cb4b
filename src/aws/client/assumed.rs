//! The credentials of a role, by AssumeRole. aws-config has a provider for that, which refuses an answer whose `Arn` it cannot
//! read, as some emulators and proxies of STS send it; nobody needs that ARN here.

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, Result, future};
use aws_sdk_sts::types::Credentials as Answered;

use crate::model::Text;

/// What shows in the account's CloudTrail.
const SESSION_NAME: &str = "raingauge";

/// Asks STS each time; `Kept` keeps what it says.
#[derive(Debug)]
pub(super) struct Assumed {
    /// With the credentials of whoever may assume the role.
    pub(super) sts: aws_sdk_sts::Client,
    pub(super) arn: Text,
    pub(super) external_id: Option<Text>,
}

impl Assumed {
    async fn ask(&self) -> Result {
        let request = self.sts.assume_role().role_arn(&*self.arn).role_session_name(SESSION_NAME);
        let request = request.set_external_id(self.external_id.as_deref().map(str::to_owned));
        let answer = request.send().await.map_err(CredentialsError::provider_error)?;
        let nothing = || CredentialsError::unhandled("STS answered without credentials");
        credentials(answer.credentials.ok_or_else(nothing)?)
    }
}

impl ProvideCredentials for Assumed {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.ask())
    }
}

fn credentials(answered: Answered) -> Result {
    let expires = answered.expiration.try_into().map_err(CredentialsError::unhandled)?;
    let Answered { access_key_id, secret_access_key, session_token, .. } = answered;
    Ok(Credentials::new(access_key_id, secret_access_key, Some(session_token), Some(expires), "AssumeRole"))
}

#[cfg(test)]
mod tests {
    use aws_config::{BehaviorVersion, Region};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;
    use crate::aws::client::http::{self, Network, OverReqwest};

    /// As YACE's recorded peers answer.
    const ANSWER: &str = "<AssumeRoleResponse><AssumeRoleResult><AssumedRoleUser><Arn>arn:x</Arn><AssumedRoleId>a</AssumedRoleId></AssumedRoleUser>\
        <Credentials><AccessKeyId>AK</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>\
        <Expiration>2033-05-18T03:33:20Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>";

    #[tokio::test]
    async fn an_answer_with_an_odd_arn_is_good() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let answering = tokio::spawn(async move {
            let mut stream = listener.accept().await.unwrap().0;
            let mut request = vec![0; 4096];
            assert!(stream.read(&mut request).await.unwrap() > 0);
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", ANSWER.len());
            stream.write_all(format!("{head}{ANSWER}").as_bytes()).await.unwrap();
        });
        let config = aws_config::SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-west-1"))
            .endpoint_url(url)
            .credentials_provider(aws_credential_types::provider::SharedCredentialsProvider::new(Credentials::new(
                "a", "b", None, None, "test",
            )))
            .http_client(OverReqwest(http::client(&Network::default()).unwrap()))
            .build();
        let arn = Text::from("arn:aws:iam::000000000001:role/r");
        let role = Assumed { sts: aws_sdk_sts::Client::new(&config), arn, external_id: Some("x".into()) };
        let credentials = role.provide_credentials().await.unwrap();
        assert_eq!((credentials.access_key_id(), credentials.session_token()), ("AK", Some("t")));
        assert!(credentials.expiry().is_some());
        answering.await.unwrap();
    }
}
