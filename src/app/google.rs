//! Google over the network, by what the environment says; and the stand-in for it when it cannot be reached at all.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::app::clouds::Google;
use crate::app::network;
use crate::gcp::api::{Answered, Api, Descriptor, DescriptorsRequest, Page, TimeSeriesPage, TimeSeriesRequest};
use crate::gcp::client::{Client, Credentials, Network};
use crate::gcp::gated::REGION;
use crate::gcp::job::Access;
use crate::model::Text;
use crate::seam::{Call, Failure, MetricsRequested, Reason};
use crate::sim::MemoryGoogle;

/// The largest file of credentials that is read; usual ones have a fiftieth.
const MAX_CREDENTIALS_BYTES: u64 = 256 << 10;

/// Google, as the environment says; it is looked at with every connection.
pub struct FromEnvironment;

impl Google for FromEnvironment {
    fn connect(&self, access: &Access) -> Result<Arc<dyn Api>, Failure> {
        Ok(Arc::new(Client::new(access, &from_env()?)?))
    }

    fn locate<'a>(&'a self, access: &'a Access) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move { Client::new(access, &from_env()?)?.locate_credentials().await })
    }
}

/// `GOOGLE_APPLICATION_CREDENTIALS`, the login of gcloud, or the metadata server (`GCE_METADATA_HOST`).
fn from_env() -> Result<Network, Failure> {
    let failed = |e: anyhow::Error| Failure {
        reason: Reason::NoCredentials,
        doing: "read the environment".to_owned(),
        message: format!("{e:#}"),
    };
    Ok(Network {
        https_proxy: network::proxy(),
        no_proxy: network::no_proxy(),
        ca_bundle: network::ca_bundle("SSL_CERT_FILE").map_err(failed)?,
        universe_domain: network::variable("GOOGLE_CLOUD_UNIVERSE_DOMAIN"),
        credentials: credentials()?,
    })
}

fn credentials() -> Result<Credentials, Failure> {
    if let Some(path) = network::variable("GOOGLE_APPLICATION_CREDENTIALS") {
        let content = read(&path).map_err(|e| Failure {
            reason: Reason::NoCredentials,
            doing: format!("read the credentials of GOOGLE_APPLICATION_CREDENTIALS from {path}"),
            message: e.to_string(),
        })?;
        return Ok(Credentials::File { content, path, read });
    }
    let folder = network::variable("CLOUDSDK_CONFIG").map(PathBuf::from);
    let folder = folder.or_else(|| Some(PathBuf::from(network::variable("HOME")?).join(".config/gcloud")));
    if let Some(path) = folder.map(|f| f.join("application_default_credentials.json")).filter(|p| p.is_file()) {
        let path = path.display().to_string();
        let content = read(&path).map_err(|e| Failure {
            reason: Reason::NoCredentials,
            doing: format!("read the login of gcloud from {path}"),
            message: e.to_string(),
        })?;
        return Ok(Credentials::File { content, path, read });
    }
    Ok(Credentials::Metadata(network::variable("GCE_METADATA_HOST")))
}

fn read(path: &str) -> std::io::Result<String> {
    if std::fs::metadata(path)?.len() > MAX_CREDENTIALS_BYTES {
        return Err(std::io::Error::other(format!("it is larger than {MAX_CREDENTIALS_BYTES} bytes")));
    }
    std::fs::read_to_string(path)
}

/// The simulated cloud in Google's place, without a wire between.
pub struct InMemory(pub MemoryGoogle);

impl Google for InMemory {
    fn connect(&self, _: &Access) -> Result<Arc<dyn Api>, Failure> {
        Ok(Arc::new(self.0.clone()))
    }

    fn locate<'a>(&'a self, _: &'a Access) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(std::future::ready(Ok(())))
    }
}

/// Google when there is no way to it: every call fails for the same reason, where people see it.
pub struct Unreachable(pub Failure);

impl Unreachable {
    fn answer<T>(&self, operation: &'static str, project: &str) -> Answered<T> {
        let call = Call {
            service: "monitoring",
            operation,
            region: REGION.into(),
            account: project.into(),
            attempts: 1,
            throttles: 0,
            duration: Duration::ZERO,
            failed: Some(self.0.reason),
            metrics: MetricsRequested::default(),
            series_returned: 0,
            superseded: false,
        };
        Answered { result: Err(self.0.clone()), call }
    }
}

impl Api for Unreachable {
    fn own_project(&self) -> BoxFuture<'_, Result<Text, Failure>> {
        Box::pin(std::future::ready(Err(self.0.clone())))
    }

    fn projects<'a>(&'a self, _: &'a str, _: Option<String>) -> BoxFuture<'a, Answered<Page<Text>>> {
        Box::pin(std::future::ready(self.answer("ListProjects", "")))
    }

    fn descriptors<'a>(
        &'a self,
        request: &'a DescriptorsRequest,
        _: Option<String>,
    ) -> BoxFuture<'a, Answered<Page<Descriptor>>> {
        Box::pin(std::future::ready(self.answer("ListMetricDescriptors", &request.project)))
    }

    fn time_series<'a>(
        &'a self,
        request: &'a TimeSeriesRequest<'a>,
        _: Option<String>,
    ) -> BoxFuture<'a, Answered<TimeSeriesPage>> {
        Box::pin(std::future::ready(self.answer("ListTimeSeries", request.project)))
    }
}
