//! The HTTP client of the SDK: one TLS stack, one pool, the proxy and the extra certificates of the environment.

use std::sync::Arc;

use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::{self, TlsContext, TrustStore};
use aws_smithy_http_client::{Builder, Connector};
use aws_smithy_runtime_api::client::http::SharedHttpClient;

use crate::aws::signed::Endpoints;
use crate::seam::{Failure, Reason};

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

pub(super) fn client(network: &Network) -> Result<SharedHttpClient, Failure> {
    let wrong = |what: &str, why: String| Failure {
        reason: Reason::InvalidRequest,
        doing: format!("set up the connection to AWS with {what}"),
        message: why,
    };
    let proxy = match &network.https_proxy {
        Some(url) if !(url.starts_with("http://") || url.starts_with("https://")) => {
            return Err(wrong("HTTPS_PROXY", "only http:// and https:// proxies can be used".to_owned()));
        }
        Some(url) => ProxyConfig::https(url.as_str())
            .map_err(|_| wrong("HTTPS_PROXY", "it is not a URL such as http://proxy:3128".to_owned()))?
            .no_proxy(network.direct_hosts()),
        None => ProxyConfig::disabled(),
    };
    let mut trust = TrustStore::default();
    if let Some(pem) = &network.ca_bundle {
        trust = trust.with_pem_certificate(pem.to_vec());
    }
    let context =
        TlsContext::builder().with_trust_store(trust).build().map_err(|e| wrong("AWS_CA_BUNDLE", e.to_string()))?;
    Ok(Builder::new().build_with_connector_fn(move |settings, components| {
        let mut connector = Connector::builder();
        connector.set_connector_settings(settings.cloned());
        connector.set_sleep_impl(
            components.and_then(aws_smithy_runtime_api::client::runtime_components::RuntimeComponents::sleep_impl),
        );
        connector.set_proxy_config(Some(proxy.clone()));
        connector.tls_provider(provider()).tls_context(context.clone()).build()
    }))
}

#[cfg(feature = "aws-lc")]
fn provider() -> tls::Provider {
    tls::Provider::Rustls(tls::rustls_provider::CryptoMode::AwsLc)
}

#[cfg(all(feature = "ring", not(feature = "aws-lc")))]
fn provider() -> tls::Provider {
    tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring)
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
