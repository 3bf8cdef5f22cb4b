//! A lease in the API of Kubernetes, as a pod sees it: with its service account's token, which is read again for every call
//! because it is replaced every hour.

use std::path::PathBuf;
use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::Record;
use crate::secret;

/// Where a pod finds what its service account has.
pub const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// Bytes of an answer: a lease has a few hundred.
const MAX_ANSWER_BYTES: usize = 1 << 20;

/// Why nothing is known of a lease, or why it could not be changed.
#[derive(Debug, thiserror::Error)]
pub enum LeaseError {
    /// Somebody was faster; nothing is wrong.
    #[error("another one changed the lease meanwhile")]
    Conflict,
    /// 401 or 403.
    #[error(
        "Kubernetes refuses to {doing}: {why}; the pod's service account needs get, create and update of leases (deploy/kubernetes has the role)"
    )]
    Refused {
        /// `read the lease ns/name`.
        doing: String,
        /// What the API said.
        why: String,
    },
    /// Everything else.
    #[error("failed to {doing}: {why}")]
    Failed {
        /// `read the lease ns/name`.
        doing: String,
        /// Why.
        why: String,
    },
}

impl LeaseError {
    /// For the counter.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Conflict => "conflict",
            Self::Refused { .. } => "refused",
            Self::Failed { .. } => "failed",
        }
    }
}

/// A lease that was read: all of it, so that writing it loses nothing that others put there.
#[derive(Clone, Debug)]
pub struct Lease(Value);

impl Lease {
    /// What it says.
    pub fn record(&self) -> Record {
        let spec = self.0.get("spec").unwrap_or(&Value::Null);
        let text = |key: &str| spec.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let duration = spec.get("leaseDurationSeconds").and_then(Value::as_u64).map(Duration::from_secs);
        Record { holder: text("holderIdentity"), renewed: text("renewTime"), duration }
    }

    /// The same with other words in its `spec`.
    fn with(&self, changes: Vec<(&str, Value)>) -> Self {
        let mut whole = self.0.clone();
        if let Some(object) = whole.as_object_mut() {
            let spec = object.entry("spec").or_insert_with(|| json!({}));
            if let Some(spec) = spec.as_object_mut() {
                spec.extend(changes.into_iter().map(|(key, value)| (key.to_owned(), value)));
            }
        }
        Self(whole)
    }

    /// Ours, renewed at `now`. `is_new`: it was another one's, or nobody's.
    #[must_use]
    pub fn held_by(&self, identity: &str, duration: Duration, now: &str, is_new: bool) -> Self {
        let mut changes = vec![
            ("holderIdentity", identity.into()),
            ("leaseDurationSeconds", duration.as_secs().max(1).into()),
            ("renewTime", now.into()),
        ];
        if is_new {
            let transitions = self.0.pointer("/spec/leaseTransitions").and_then(Value::as_u64).unwrap_or(0);
            changes.extend([("acquireTime", now.into()), ("leaseTransitions", (transitions + 1).into())]);
        }
        self.with(changes)
    }

    /// Nobody's: the next one need not wait.
    #[must_use]
    pub fn released(&self, now: &str) -> Self {
        self.with(vec![("holderIdentity", "".into()), ("leaseDurationSeconds", 1.into()), ("renewTime", now.into())])
    }
}

/// Where the API is.
#[derive(Clone, Debug)]
pub struct Place {
    /// `https://10.0.0.1:443`.
    pub url: String,
    /// With the files `token`, `ca.crt` and `namespace`.
    pub service_account: PathBuf,
}

/// One lease.
pub struct Leases {
    http: reqwest::Client,
    place: Place,
    namespace: String,
    name: String,
}

impl Leases {
    /// Fails where the service account's files are not, or mean nothing.
    pub fn new(place: Place, name: String) -> anyhow::Result<Self> {
        use anyhow::Context as _;
        let read = |file: &str| {
            let path = place.service_account.join(file);
            std::fs::read(&path).with_context(|| {
                format!(
                    "failed to read {}: a lease needs a pod's service account (automountServiceAccountToken)",
                    path.display()
                )
            })
        };
        let namespace = String::from_utf8_lossy(&read("namespace")?).trim().to_owned();
        let mut builder = reqwest::Client::builder().no_proxy();
        if place.url.starts_with("https:") {
            let authorities = reqwest::Certificate::from_pem_bundle(&read("ca.crt")?).context("ca.crt is not PEM")?;
            builder = builder.tls_certs_only(authorities);
        }
        let http = builder.build().context("failed to make a client for Kubernetes")?;
        Ok(Self { http, place, namespace, name })
    }

    /// `namespace/name`.
    pub fn label(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }

    /// The lease; `None`: there is none.
    pub async fn read(&self) -> Result<Option<Lease>, LeaseError> {
        let doing = format!("read the lease {}", self.label());
        self.call(Method::GET, &format!("/{}", self.name), None, doing).await
    }

    /// Makes one that is ours.
    pub async fn create(&self, identity: &str, duration: Duration, now: &str) -> Result<(), LeaseError> {
        let empty = Lease(json!({
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": self.name, "namespace": self.namespace},
            "spec": {},
        }));
        let lease = empty.with(vec![("acquireTime", now.into()), ("leaseTransitions", 0.into())]);
        let lease = lease.held_by(identity, duration, now, false);
        let doing = format!("create the lease {}", self.label());
        self.call(Method::POST, "", Some(&lease), doing).await.map(drop)
    }

    /// Writes it, unless somebody has written it since it was read.
    pub async fn update(&self, lease: &Lease) -> Result<(), LeaseError> {
        let doing = format!("update the lease {}", self.label());
        match self.call(Method::PUT, &format!("/{}", self.name), Some(lease), doing).await? {
            Some(_) => Ok(()),
            // Deleted meanwhile.
            None => Err(LeaseError::Conflict),
        }
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&Lease>,
        doing: String,
    ) -> Result<Option<Lease>, LeaseError> {
        let failed = |why: String| LeaseError::Failed { doing: doing.clone(), why };
        let token = tokio::fs::read_to_string(self.place.service_account.join("token")).await;
        let token = token.map_err(|e| failed(format!("the service account's token cannot be read: {e}")))?;
        secret::learn_passing(&token);
        let Place { url, .. } = &self.place;
        let url = format!("{url}/apis/coordination.k8s.io/v1/namespaces/{}/leases{path}", self.namespace);
        let mut request = self.http.request(method, url).bearer_auth(token.trim());
        if let Some(Lease(body)) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let mut answer = request.send().await.map_err(|e| failed(chain(&e)))?;
        let status = answer.status();
        let mut bytes = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|e| failed(chain(&e)))? {
            if bytes.len() + chunk.len() > MAX_ANSWER_BYTES {
                return Err(failed("the answer is too large for a lease".to_owned()));
            }
            bytes.extend_from_slice(&chunk);
        }
        let value = serde_json::from_slice::<Value>(&bytes).unwrap_or_default();
        let why = || value.get("message").and_then(Value::as_str).map_or_else(|| status.to_string(), str::to_owned);
        match status {
            StatusCode::NOT_FOUND => Ok(None),
            StatusCode::CONFLICT => Err(LeaseError::Conflict),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(LeaseError::Refused { doing, why: why() }),
            _ if !status.is_success() => Err(failed(why())),
            _ if !value.is_object() => Err(failed("the answer is not JSON".to_owned())),
            _ => Ok(Some(Lease(value))),
        }
    }
}

/// An error with its causes, and without the address, which stands in every message already.
fn chain(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(next) = cause {
        text = format!("{text}: {next}");
        cause = next.source();
    }
    text
}
