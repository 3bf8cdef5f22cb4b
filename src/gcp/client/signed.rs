//! A service account's key: a signed word says who we are, and a token server gives a token for it (RFC 7523).

use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gcp_auth::CustomServiceAccount;
use serde::Deserialize;
use serde_json::{Value, json};

use super::credentials::part;

/// What the signed word is for.
pub(super) const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/// As long as Google lets one be good.
const LIFETIME: Duration = Duration::from_secs(3600);

/// A service account, with its key.
pub(super) struct Account {
    key: CustomServiceAccount,
    fields: Fields,
}

#[derive(Deserialize)]
struct Fields {
    client_email: String,
    token_uri: String,
    private_key_id: Option<String>,
}

impl Account {
    pub(super) fn read(json: &Value) -> Result<Self, String> {
        let key = CustomServiceAccount::from_json(&json.to_string()).map_err(|e| chain(&e))?;
        Ok(Self { key, fields: part(json)? })
    }

    /// Where tokens are given.
    pub(super) fn token_uri(&self) -> &str {
        &self.fields.token_uri
    }

    /// The signed word, good from now on.
    #[expect(
        clippy::disallowed_methods,
        reason = "servers compare with their own clocks: the machine's time counts, whatever ours shows"
    )]
    pub(super) fn word(&self, scope: &str) -> Result<String, String> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let Fields { client_email, token_uri, private_key_id } = &self.fields;
        let mut head = json!({"alg": "RS256", "typ": "JWT"});
        if let (Some(id), Some(head)) = (private_key_id, head.as_object_mut()) {
            head.insert("kid".to_owned(), id.as_str().into());
        }
        let (issued, ends) = (now.as_secs(), (now + LIFETIME).as_secs());
        let claims = json!({"iss": client_email, "scope": scope, "aud": token_uri, "iat": issued, "exp": ends});
        let said = format!("{}.{}", encoded(head.to_string()), encoded(claims.to_string()));
        let signature = self.key.signer().sign(said.as_bytes()).map_err(|e| chain(&e))?;
        Ok(format!("{said}.{}", encoded(signature)))
    }
}

fn encoded(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
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
