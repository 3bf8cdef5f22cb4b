//! The environment's say in how we connect: proxies, certificates, endpoints.

use std::ffi::OsStr;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;

use crate::aws::client::{Network, Profile};
use crate::aws::metadata::Endpoint;
use crate::aws::question::Service;

/// The largest certificate bundle that is read; the system's own has a fifth of it.
const MAX_BUNDLE_BYTES: u64 = 2 << 20;

/// Reads `HTTPS_PROXY`, `NO_PROXY`, `AWS_CA_BUNDLE`, and `AWS_ENDPOINT_URL_<SERVICE>` of the services that are not asked
/// through the SDK, which reads its own.
pub fn from_env() -> anyhow::Result<Network> {
    let own = |service: Service| {
        let url = variable(&format!("AWS_ENDPOINT_URL_{}", service.facts().variable))?;
        Some((service, url))
    };
    let endpoints = Service::ALL.into_iter().filter_map(own).collect();
    Ok(Network {
        https_proxy: proxy(),
        no_proxy: no_proxy(),
        ca_bundle: ca_bundle("AWS_CA_BUNDLE")?,
        endpoints,
        profile: Profile::default(),
        dual_stack: false,
        emulator: None,
    })
}

/// `HTTPS_PROXY`.
pub fn proxy() -> Option<String> {
    either("HTTPS_PROXY", "https_proxy").map(with_scheme)
}

/// `NO_PROXY`.
pub fn no_proxy() -> Option<String> {
    either("NO_PROXY", "no_proxy")
}

/// The certificates in the file that a variable names.
pub fn ca_bundle(variable: &str) -> anyhow::Result<Option<Arc<[u8]>>> {
    std::env::var_os(variable).filter(|p| !p.is_empty()).map(|path| read_bundle(variable, &path)).transpose()
}

/// How the instance's metadata service is reached.
pub fn metadata(env: &dyn Fn(&str) -> Option<String>) -> Endpoint {
    Endpoint {
        url: env("AWS_EC2_METADATA_SERVICE_ENDPOINT").filter(|url| !url.is_empty()),
        is_disabled: env("AWS_EC2_METADATA_DISABLED").is_some_and(|yes| yes.eq_ignore_ascii_case("true")),
    }
}

/// `proxy:3128` is what most tools take for `http://proxy:3128`.
pub(super) fn with_scheme(url: String) -> String {
    if url.contains("://") { url } else { format!("http://{url}") }
}

fn either(upper: &str, lower: &str) -> Option<String> {
    variable(upper).or_else(|| variable(lower))
}

/// A variable that is set to something.
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|v| !v.is_empty())
}

pub(super) fn read_bundle(variable: &str, path: &OsStr) -> anyhow::Result<Arc<[u8]>> {
    let path = Path::new(path);
    let tried = || format!("read the certificates of {variable} from {}", path.display());
    let size = std::fs::metadata(path).with_context(tried)?.len();
    anyhow::ensure!(size <= MAX_BUNDLE_BYTES, "{}: it is larger than {MAX_BUNDLE_BYTES} bytes", tried());
    std::fs::read(path).map(Arc::from).with_context(tried)
}
