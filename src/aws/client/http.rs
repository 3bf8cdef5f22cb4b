//! The HTTP client of all of AWS's calls, the SDK's and those signed by hand: one TLS stack, one pool, the proxy and the extra
//! certificates of the environment.
//!
//! The SDK brings a client of its own (aws-smithy-http-client), which always has HTTP/2 as well: another 0.6 MB of program, that no API
//! of AWS asks for.

use std::sync::Arc;
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;

use crate::aws::crypto;
use crate::aws::signed::Endpoints;
use crate::seam::{Failure, Reason};

/// Until a connection stands.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Where credentials of instances and containers come from; asking a proxy for them would hand them to it.
const NEVER_PROXIED: &str =
    "169.254.169.254,fd00:ec2::254,169.254.170.2,169.254.170.23,fd00:ec2::23,localhost,127.0.0.0/8,::1";

/// The environment's say in how we connect. `app` reads it. Not printable: a proxy's URL may hold a password.
#[derive(Clone, Default)]
pub struct Network {
    /// `HTTPS_PROXY`: the proxy for https endpoints. Plain http ones (metadata services, emulators) are never proxied.
    pub https_proxy: Option<String>,
    /// `NO_PROXY`: hosts that are reached directly.
    pub no_proxy: Option<String>,
    /// `AWS_CA_BUNDLE`: more certificates to trust, PEM.
    pub ca_bundle: Option<Arc<[u8]>>,
    /// `AWS_ENDPOINT_URL_<SERVICE>` of the services whose calls are signed by hand.
    pub endpoints: Endpoints,
    /// Which profile of which file, where somebody says so; else the SDK's usual ones.
    pub profile: Profile,
    /// Endpoints that have IPv6 addresses too: what a configuration may say beside `AWS_USE_DUALSTACK_ENDPOINT`.
    pub dual_stack: bool,
    /// A simulated cloud in place of AWS, with the keys that it takes. Only `demo` and tests set it.
    pub emulator: Option<Emulator>,
}

/// Where credentials are looked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    /// The profile's name.
    pub name: Option<String>,
    /// The shared credentials file.
    pub file: Option<String>,
}

/// A simulated cloud.
#[derive(Clone, Debug)]
pub struct Emulator {
    /// The base endpoint of all services.
    pub endpoint_url: String,
    /// Decides which of its accounts we are.
    pub access_key_id: String,
    /// Where STS is asked, and the region of everything that has none.
    pub region: String,
}

impl Network {
    /// Comma separated hosts that are reached directly, the metadata services always among them.
    pub fn direct_hosts(&self) -> String {
        match self.no_proxy.as_deref().filter(|n| !n.is_empty()) {
            Some(more) => format!("{NEVER_PROXIED},{more}"),
            None => NEVER_PROXIED.to_owned(),
        }
    }
}

/// Connections to AWS; fails for a bad proxy or certificate.
pub(super) fn client(network: &Network) -> Result<reqwest::Client, Failure> {
    let wrong = |what: &str, why: &str| Failure {
        reason: Reason::InvalidRequest,
        doing: format!("set up the connection to AWS with {what}"),
        message: why.to_owned(),
    };
    crypto::install();
    let mut builder = reqwest::Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .no_proxy()
        // A redirect would take the session token to another host.
        .redirect(reqwest::redirect::Policy::none());
    if let Some(url) = &network.https_proxy {
        if !(url.starts_with("http://") || url.starts_with("https://")) {
            return Err(wrong("HTTPS_PROXY", "only http:// and https:// proxies can be used"));
        }
        let proxy = reqwest::Proxy::https(url)
            .map_err(|_| wrong("HTTPS_PROXY", "it is not a URL such as http://proxy:3128"))?
            .no_proxy(reqwest::NoProxy::from_string(&network.direct_hosts()));
        builder = builder.proxy(proxy);
    }
    if let Some(pem) = &network.ca_bundle {
        let bad = |e: reqwest::Error| wrong("AWS_CA_BUNDLE", &e.to_string());
        let certificates = reqwest::Certificate::from_pem_bundle(pem).map_err(bad)?;
        if certificates.is_empty() {
            return Err(wrong("AWS_CA_BUNDLE", "there is no certificate in the file; it must be PEM"));
        }
        for certificate in certificates {
            builder = builder.add_root_certificate(certificate);
        }
    }
    builder.build().map_err(|e| wrong("what the environment says", &e.to_string()))
}

/// Lets the SDK's calls go over these connections.
#[derive(Clone, Debug)]
pub(super) struct OverReqwest(pub(super) reqwest::Client);

impl HttpClient for OverReqwest {
    fn http_connector(&self, settings: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        let limit = settings.read_timeout().map(|read| read + settings.connect_timeout().unwrap_or(CONNECT_TIMEOUT));
        SharedHttpConnector::new(Connector { client: self.0.clone(), limit })
    }
}

#[derive(Clone, Debug)]
struct Connector {
    client: reqwest::Client,
    /// Until an answer is there, connecting included; the SDK limits its attempts itself, and asks metadata services with this.
    limit: Option<Duration>,
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let Self { client, limit } = self.clone();
        HttpConnectorFuture::new(async move {
            let mut sending = sendable(&client, &request)?;
            if let Some(limit) = limit {
                sending = sending.timeout(limit);
            }
            let answer = sending.send().await.map_err(failed)?;
            let status = answer.status().as_u16().try_into().map_err(|e| ConnectorError::other(Box::new(e), None))?;
            let headers = answer.headers().clone();
            let body = answer.bytes().await.map_err(failed)?;
            let mut response = HttpResponse::new(status, SdkBody::from(body));
            for (name, value) in &headers {
                let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
                // A header that is none is not looked for either.
                let _ = response.headers_mut().try_append(name.as_str().to_owned(), value);
            }
            Ok(response)
        })
    }
}

fn sendable(client: &reqwest::Client, request: &HttpRequest) -> Result<reqwest::RequestBuilder, ConnectorError> {
    let method =
        reqwest::Method::from_bytes(request.method().as_bytes()).map_err(|e| ConnectorError::user(e.into()))?;
    let body = request.body().bytes().ok_or_else(|| ConnectorError::user("a body that is a stream".into()))?;
    let sending = client.request(method, request.uri()).body(body.to_vec());
    Ok(request.headers().iter().fold(sending, |sending, (name, value)| sending.header(name, value)))
}

/// What the SDK tries again: what did not arrive, or broke off.
fn failed(error: reqwest::Error) -> ConnectorError {
    let error = error.without_url();
    if error.is_timeout() {
        ConnectorError::timeout(error.into())
    } else if error.is_builder() {
        ConnectorError::user(error.into())
    } else {
        ConnectorError::io(error.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_services_are_never_proxied() {
        let network = Network { no_proxy: Some("intranet".into()), ..Network::default() };
        let hosts = network.direct_hosts();
        assert!(hosts.starts_with("169.254.169.254,") && hosts.ends_with(",intranet"), "{hosts}");
    }

    #[test]
    fn a_bad_proxy_is_named_without_its_password() {
        let network = Network { https_proxy: Some("http://user:secret@[::".into()), ..Network::default() };
        let failure = client(&network).unwrap_err().to_string();
        assert!(failure.contains("HTTPS_PROXY") && !failure.contains("secret"), "{failure}");
    }
}
