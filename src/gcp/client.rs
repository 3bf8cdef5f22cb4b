//! Google's APIs over HTTP. Each call is one page; what passes (a busy server, a quota) is tried again within the call's own
//! time. Answers are read while they come: gzip, then item by item, so that a long one takes no more memory than what it means.
//!
//! Deliberately absent: pages, quotas (`gated`), what answers mean to a job (`convert`).

mod body;
mod credentials;
mod decode;
mod exchange;
mod federation;
mod repair;
mod signed;
mod splitter;
mod url;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::time::Instant;

use self::credentials::Tokens;
pub use self::credentials::{Credentials, ReadFile};
use self::decode::{Collect, Descriptors, Interner, Projects, Series};
use crate::gcp::api::{Answered, Api, Descriptor, DescriptorsRequest, Page, TimeSeriesPage, TimeSeriesRequest};
use crate::gcp::gated::REGION;
use crate::gcp::job::{Access, PUBLIC_UNIVERSE, Retries};
use crate::model::Text;
use crate::seam::{Call, Failure, MetricsRequested, Reason};
use crate::secret;

/// Until a connection stands.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// One call with all its attempts, where the settings give no time: nothing may hang for ever.
const LONGEST_CALL: Duration = Duration::from_secs(600);
/// Nothing comes for so long: the connection is dead.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(60);
/// For reading time series and metric types.
const READ_SCOPE: &str = "https://www.googleapis.com/auth/monitoring.read";
/// For listing projects.
const PROJECTS_SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform.read-only";
/// A quarter of the answer's words are for us.
const SERIES_FIELDS: &str = "timeSeries(metric,resource,metadata,metricKind,valueType,points(interval,value(boolValue,int64Value,doubleValue,\
                             distributionValue(count,mean,bucketOptions,bucketCounts)))),nextPageToken,executionErrors,unreachable";
/// Of a metric type.
const DESCRIPTOR_FIELDS: &str = "metricDescriptors(name,type,metricKind,valueType,unit,description,metadata(samplePeriod,ingestDelay)),nextPageToken";

/// The environment's say in how we connect. `app` reads it. Not printable: a proxy's URL may hold a password.
#[derive(Clone, Default)]
pub struct Network {
    /// `HTTPS_PROXY`: the proxy for https addresses. Plain http ones (metadata server, emulators) are never proxied.
    pub https_proxy: Option<String>,
    /// `NO_PROXY`: hosts that are reached directly.
    pub no_proxy: Option<String>,
    /// `SSL_CERT_FILE`: more certificates to trust, PEM.
    pub ca_bundle: Option<Arc<[u8]>>,
    /// `GOOGLE_CLOUD_UNIVERSE_DOMAIN`: of Resource Manager, and of Monitoring where the settings have none.
    pub universe_domain: Option<String>,
    /// Who we are.
    pub credentials: Credentials,
}

/// Google, over HTTP.
pub struct Client {
    http: reqwest::Client,
    tokens: Tokens,
    monitoring: String,
    resource_manager: String,
    retries: Retries,
    texts: Interner,
}

/// One call: what is asked, where.
struct Asked {
    operation: &'static str,
    service: &'static str,
    /// For the failure: what is tried, on what.
    doing: String,
    project: Text,
    url: String,
    scope: &'static str,
}

/// What one attempt came to, when it failed.
struct Refused {
    reason: Reason,
    message: String,
    /// The HTTP status, where there was one.
    status: Option<u16>,
    retry_after: Option<Duration>,
}

impl Refused {
    fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), status: None, retry_after: None }
    }
}

impl Client {
    /// Sets up the connection and looks at the credentials without using them; fails for a bad proxy, certificate or
    /// credentials file.
    pub fn new(access: &Access, network: &Network) -> Result<Self, Failure> {
        install_crypto();
        // A password in an address is sent, and answers may quote it.
        if let Some(endpoint) = &access.endpoint {
            secret::learn_url(endpoint);
        }
        let http = http_client(network)?;
        let tokens = Tokens::new(&network.credentials, http.clone())?;
        let environment = network.universe_domain.as_deref().filter(|u| !u.is_empty());
        let given = Some(&*access.universe_domain).filter(|u| !u.is_empty());
        let universe = given.or(environment).unwrap_or(PUBLIC_UNIVERSE);
        let elsewhere = access.endpoint.as_deref().map(|e| e.trim_end_matches('/').to_owned());
        let at = |api: &str, universe: &str| elsewhere.clone().unwrap_or_else(|| format!("https://{api}.{universe}"));
        Ok(Self {
            http,
            tokens,
            monitoring: at("monitoring", universe),
            resource_manager: at("cloudresourcemanager", environment.unwrap_or(PUBLIC_UNIVERSE)),
            retries: access.retries.clone(),
            texts: Interner::default(),
        })
    }

    /// Looks whether there are credentials at all: asks the metadata server whether it is there, where nothing else was
    /// found. Fetches no token.
    pub async fn locate_credentials(&self) -> Result<(), Failure> {
        self.tokens.locate().await
    }

    /// Asks, and tries again what may pass, until the call's time is over.
    async fn call<T: Collect>(&self, asked: Asked, fresh: impl Fn() -> T + Send + Sync) -> Answered<T> {
        let started = Instant::now();
        let end = started + self.retries.timeout.unwrap_or(LONGEST_CALL);
        let (mut attempts, mut throttles) = (0, 0);
        let result = loop {
            attempts += 1;
            let tried = tokio::time::timeout_at(end, self.attempt(&asked, &fresh)).await;
            let refused = match tried.unwrap_or_else(|_| Err(Refused::new(Reason::Timeout, "no answer in time"))) {
                Ok(answer) => break Ok(answer),
                Err(refused) => refused,
            };
            throttles += u32::from(refused.reason == Reason::Throttled);
            match self.pause(&refused, attempts).filter(|pause| Instant::now() + *pause < end) {
                Some(pause) => tokio::time::sleep(pause).await,
                None => break Err(refused),
            }
        };
        let call = Call {
            service: asked.service,
            operation: asked.operation,
            region: REGION.into(),
            account: asked.project,
            attempts,
            throttles,
            duration: started.elapsed(),
            failed: result.as_ref().err().map(|r| r.reason),
            metrics: MetricsRequested::default(),
            series_returned: result.as_ref().map_or(0, Collect::series),
            superseded: false,
        };
        let failed = |r: Refused| Failure { reason: r.reason, doing: asked.doing, message: r.message };
        Answered { result: result.map_err(failed), call }
    }

    /// How long to wait before the next attempt; `None`: there is none.
    fn pause(&self, refused: &Refused, attempts: u32) -> Option<Duration> {
        let r = &self.retries;
        let again = match refused.status {
            Some(status) => r.statuses.contains(&status),
            // A connection that broke is like a busy server; with no retries wanted there are none.
            None => refused.reason == Reason::Network,
        };
        if !again || attempts > r.most {
            return None;
        }
        let bound = r.first_backoff.saturating_mul(1 << (attempts - 1).min(20)).min(r.max_backoff);
        let pause = bound.mul_f64(fastrand::f64());
        Some(refused.retry_after.filter(|_| r.honours_retry_after).map_or(pause, |least| pause.max(least)))
    }

    async fn attempt<T: Collect>(&self, asked: &Asked, fresh: &(impl Fn() -> T + Sync)) -> Result<T, Refused> {
        let token = self.tokens.token(asked.scope).await.map_err(|f| Refused::new(f.reason, f.to_string()))?;
        let mut request = self.http.get(&asked.url).header("accept-encoding", "gzip");
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let answer = request.send().await.map_err(|e| body::transport(&e))?;
        if !answer.status().is_success() {
            return Err(body::refused(answer).await);
        }
        let mut collected = fresh();
        body::read(answer, &mut collected, &self.texts).await?;
        self.texts.tidy();
        Ok(collected)
    }

    fn monitoring_url(&self, project: &str, what: &str) -> url::Url {
        url::Url::new(&format!("{}/v3/projects/{}/{what}", self.monitoring, url::escaped(project)))
    }
}

impl Api for Client {
    fn own_project(&self) -> BoxFuture<'_, Result<Text, Failure>> {
        Box::pin(self.tokens.project())
    }

    fn projects<'a>(&'a self, filter: &'a str, page: Option<String>) -> BoxFuture<'a, Answered<Page<Text>>> {
        let mut url = url::Url::new(&format!("{}/v1/projects", self.resource_manager));
        url.with("alt", "json").with("filter", filter);
        url.with_some("pageToken", page.as_deref()).with("prettyPrint", "false");
        let asked = Asked {
            operation: "ListProjects",
            service: "cloudresourcemanager",
            doing: "list projects".to_owned(),
            project: "".into(),
            url: url.into_text(),
            scope: PROJECTS_SCOPE,
        };
        Box::pin(async move { mapped(self.call(asked, Projects::default).await, |p| p.0) })
    }

    fn descriptors<'a>(
        &'a self,
        request: &'a DescriptorsRequest,
        page: Option<String>,
    ) -> BoxFuture<'a, Answered<Page<Descriptor>>> {
        let mut url = self.monitoring_url(&request.project, "metricDescriptors");
        url.with_some("activeOnly", request.active_only.then_some("true")).with("alt", "json");
        url.with("fields", DESCRIPTOR_FIELDS).with("filter", &request.filter);
        url.with_some("pageToken", page.as_deref()).with("prettyPrint", "false");
        let asked = Asked {
            operation: "ListMetricDescriptors",
            service: "monitoring",
            doing: format!("list the metric types of {}", request.project),
            project: Text::clone(&request.project),
            url: url.into_text(),
            scope: READ_SCOPE,
        };
        Box::pin(async move { mapped(self.call(asked, Descriptors::default).await, |d| d.0) })
    }

    fn time_series<'a>(
        &'a self,
        request: &'a TimeSeriesRequest<'a>,
        page: Option<String>,
    ) -> BoxFuture<'a, Answered<TimeSeriesPage>> {
        let mut url = self.monitoring_url(request.project, "timeSeries");
        if let Some(aggregation) = request.aggregation {
            url.with("aggregation.alignmentPeriod", &format!("{}s", aggregation.alignment_period.as_secs()));
            url.with_some("aggregation.crossSeriesReducer", aggregation.reducer.as_deref());
            for field in &aggregation.group_by {
                url.with("aggregation.groupByFields", field);
            }
            url.with("aggregation.perSeriesAligner", &aggregation.aligner);
        }
        url.with("alt", "json").with("fields", SERIES_FIELDS).with("filter", request.filter);
        url.with("interval.endTime", &url::rfc3339(request.end));
        url.with("interval.startTime", &url::rfc3339(request.start));
        url.with_some("pageToken", page.as_deref()).with("prettyPrint", "false");
        let asked = Asked {
            operation: "ListTimeSeries",
            service: "monitoring",
            doing: format!("list the time series with {} in {}", request.filter, request.project),
            project: Text::clone(request.project),
            url: url.into_text(),
            scope: READ_SCOPE,
        };
        let all_points = request.all_points;
        let fresh = move || {
            let mut series = Series::default();
            if !all_points {
                series.newest_only();
            }
            series
        };
        Box::pin(async move { mapped(self.call(asked, fresh).await, |s| s.page) })
    }
}

fn mapped<T, U>(answered: Answered<T>, f: impl FnOnce(T) -> U) -> Answered<U> {
    Answered { result: answered.result.map(f), call: answered.call }
}

fn http_client(network: &Network) -> Result<reqwest::Client, Failure> {
    let wrong = |e: reqwest::Error| Failure {
        reason: Reason::InvalidRequest,
        doing: "set up the connection to Google".to_owned(),
        message: e.without_url().to_string(),
    };
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("raingauge/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(SILENCE_TIMEOUT)
        .no_proxy()
        // A redirect would take the token to another host.
        .redirect(reqwest::redirect::Policy::none());
    if let Some(url) = network.https_proxy.as_deref().filter(|u| !u.is_empty()) {
        let direct = network.no_proxy.as_deref().and_then(reqwest::NoProxy::from_string);
        builder = builder.proxy(reqwest::Proxy::https(url).map_err(wrong)?.no_proxy(direct));
    }
    if let Some(pem) = &network.ca_bundle {
        for certificate in reqwest::Certificate::from_pem_bundle(pem).map_err(wrong)? {
            builder = builder.add_root_certificate(certificate);
        }
    }
    builder.build().map_err(wrong)
}

/// The crypto provider of the process, unless there is one already.
fn install_crypto() {
    #[cfg(feature = "aws-lc")]
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    #[cfg(all(feature = "ring", not(feature = "aws-lc")))]
    let provider = rustls::crypto::ring::default_provider();
    // An error means that one is installed already, which is as good.
    let _ = provider.install_default();
}
