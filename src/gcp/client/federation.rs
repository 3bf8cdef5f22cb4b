//! Credentials that are made of others: workload identity federation (another provider's token is exchanged for one of
//! Google's, RFC 8693) and impersonation (a token in another account's name).
//!
//! Deliberately absent: tokens from AWS' keys and from programs that are run for them; both are refused by name.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::credentials::{ReadFile, part};

/// An account of another provider.
pub(super) struct External {
    pub(super) fields: Fields,
    pub(super) subject: Subject,
}

/// What is sent to the token server.
#[derive(Deserialize)]
pub(super) struct Fields {
    pub(super) audience: String,
    pub(super) subject_token_type: String,
    pub(super) token_url: String,
    pub(super) client_id: Option<String>,
    pub(super) client_secret: Option<String>,
    pub(super) workforce_pool_user_project: Option<String>,
}

/// Where the other provider's token is; it changes, so it is looked at for each exchange.
pub(super) enum Subject {
    /// In a file.
    File { path: String, read: ReadFile, field: Option<String> },
    /// At an address.
    Url { url: String, headers: BTreeMap<String, String>, field: Option<String> },
}

/// Whose name is taken, and by whose leave.
#[derive(Deserialize)]
pub(super) struct Impersonation {
    #[serde(rename = "service_account_impersonation_url")]
    pub(super) url: String,
    #[serde(default)]
    pub(super) delegates: Vec<String>,
    #[serde(default, rename = "service_account_impersonation")]
    pub(super) options: ImpersonationOptions,
}

/// How long the token is to be good.
#[derive(Deserialize)]
#[serde(default)]
pub(super) struct ImpersonationOptions {
    pub(super) token_lifetime_seconds: u64,
}

impl Default for ImpersonationOptions {
    fn default() -> Self {
        Self { token_lifetime_seconds: 3600 }
    }
}

#[derive(Deserialize)]
struct RawSource {
    file: Option<String>,
    url: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    format: RawFormat,
}

#[derive(Deserialize, Default)]
struct RawFormat {
    r#type: Option<String>,
    subject_token_field_name: Option<String>,
}

impl External {
    /// The account, and in whose name it acts, where the file names somebody.
    pub(super) fn read(json: &Value, read: ReadFile) -> Result<(Self, Option<Impersonation>), String> {
        let impersonation = match json.get("service_account_impersonation_url") {
            Some(url) if !url.is_null() => Some(Impersonation::read(json)?),
            _ => None,
        };
        let source = json.get("credential_source").ok_or("it has no \"credential_source\"")?;
        let raw: RawSource = part(source)?;
        let field = match raw.format.r#type.as_deref() {
            None | Some("text") => None,
            Some("json") => {
                Some(raw.format.subject_token_field_name.ok_or("its format has no subject_token_field_name")?)
            }
            Some(other) => return Err(format!("a subject token of format {other} is not known: text or json")),
        };
        let subject = match (raw.file, raw.url) {
            (Some(path), _) => Subject::File { path, read, field },
            // What AWS' source calls so is only a part of what it needs.
            (None, Some(url)) if source.get("environment_id").is_none() => {
                Subject::Url { url, headers: raw.headers, field }
            }
            _ => {
                return Err("its credential_source is neither a file nor a url: tokens from AWS' keys, certificates and programs \
                            are not supported"
                    .to_owned());
            }
        };
        Ok((Self { fields: part(json)?, subject }, impersonation))
    }
}

impl Impersonation {
    pub(super) fn read(json: &Value) -> Result<Self, String> {
        part(json)
    }
}

/// The token in what a file or an address has: all of it, or a field of its JSON.
pub(super) fn subject_token(content: &str, field: Option<&str>) -> Result<String, String> {
    let Some(field) = field else { return Ok(content.trim().to_owned()) };
    let json: Value = serde_json::from_str(content).map_err(|e| format!("the subject token is no JSON: {e}"))?;
    let token = json.get(field).and_then(Value::as_str);
    token.map(str::to_owned).ok_or_else(|| format!("the subject token's JSON has no text called {field}"))
}
