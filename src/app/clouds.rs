//! The clouds that settings name: their clients, their targets, their quotas, and the projects that filters find.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use futures_util::future::BoxFuture;

use crate::app::google::Unreachable;
use crate::app::target::gcp::Keepers;
use crate::app::target::{Target, aws, gcp};
use crate::aws::client::{Clients, Network};
use crate::aws::job::AwsSettings;
use crate::config::Settings;
use crate::gcp::api::Api;
use crate::gcp::job::{Access, GcpSettings};
use crate::gcp::pages;
use crate::model::Text;
use crate::seam::Failure;
use crate::work::budget::{Limit, Limits};

/// AWS' default quotas, in calls a second for each account and region (`docs/cost.md` says where they stand).
const AWS_QUOTAS: [(&str, f64); 4] =
    [("GetMetricData", 50.0), ("ListMetrics", 25.0), ("GetMetricStatistics", 400.0), ("GetResources", 15.0)];
/// Google publishes no quota of reading calls; what is too much it says with status 429, and then this goes down.
const GOOGLE_QUOTAS: [(&str, f64); 3] =
    [("ListTimeSeries", 50.0), ("ListMetricDescriptors", 10.0), ("ListProjects", 5.0)];

/// How Google is reached: over the network, or (in tests) in memory.
pub trait Google: Send + Sync {
    /// The APIs; fails for a bad proxy, certificate or credentials file.
    fn connect(&self, access: &Access) -> Result<Arc<dyn Api>, Failure>;

    /// Whether there are credentials at all.
    fn locate<'a>(&'a self, access: &'a Access) -> BoxFuture<'a, Result<(), Failure>>;
}

/// How the clouds are reached.
#[derive(Clone)]
pub struct Clouds {
    /// AWS.
    pub aws: Network,
    google: Arc<dyn Google>,
    keepers: Option<Keepers>,
    /// What filters found last: a listing that fails takes nobody away.
    found: Arc<Mutex<BTreeMap<Text, Vec<Text>>>>,
}

impl Clouds {
    /// Nothing outlives the process.
    pub fn new(aws: Network, google: Arc<dyn Google>) -> Self {
        Self { aws, google, keepers: None, found: Arc::default() }
    }

    /// With a place where totals outlive the process, or without.
    #[must_use]
    pub fn with_keepers(self, keepers: Option<Keepers>) -> Self {
        Self { keepers, ..self }
    }

    /// The targets of AWS' jobs, in the file's order.
    pub async fn aws_targets(&self, settings: &AwsSettings) -> anyhow::Result<Vec<Target>> {
        let clients = Arc::new(Clients::load(settings.access.clone(), &self.aws).await?);
        Ok(aws::targets(settings, &clients))
    }

    /// Google's APIs; where they cannot be reached, every call says why.
    pub fn google_api(&self, access: &Access) -> Arc<dyn Api> {
        self.google.connect(access).unwrap_or_else(|failure| Arc::new(Unreachable(failure)))
    }

    /// The targets of Google's jobs, in the file's order; their projects are known.
    pub fn google_targets(&self, settings: &Settings) -> Vec<Target> {
        let Some(settings) = &settings.gcp else { return Vec::new() };
        let api = self.google_api(&settings.access);
        gcp::targets(settings, &api, self.keepers.as_ref())
    }

    /// The settings with the projects that their filters find now, and what went wrong with that. A job without any project
    /// gets the credentials' own.
    pub async fn with_projects(&self, settings: &GcpSettings) -> (GcpSettings, Vec<Failure>) {
        let mut resolved = settings.clone();
        let needs = |filter: &Option<Text>, projects: &[Text]| filter.is_some() || projects.is_empty();
        if !settings.jobs.iter().any(|job| needs(&job.projects_filter, &job.projects)) {
            return (resolved, Vec::new());
        }
        let api = match self.google.connect(&settings.access) {
            Ok(api) => api,
            Err(failure) => return (resolved, vec![failure]),
        };
        let mut failures = Vec::new();
        for job in &mut resolved.jobs {
            if let Some(filter) = &job.projects_filter {
                let listed = pages::projects(&*api, filter).await;
                let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
                let known = found.entry(Text::clone(filter)).or_default();
                match listed.failure {
                    None => *known = listed.items,
                    Some(failure) => failures.push(failure),
                }
                job.projects.extend(known.iter().cloned());
            }
            if job.projects.is_empty() && failures.is_empty() {
                match api.own_project().await {
                    Ok(own) => job.projects.push(own),
                    Err(failure) => failures.push(failure),
                }
            }
            job.projects.sort();
            job.projects.dedup();
        }
        (resolved, failures)
    }

    /// Whether credentials and projects can be found: what stackdriver_exporter ends for when it cannot.
    pub async fn check(&self, settings: &GcpSettings) -> anyhow::Result<()> {
        self.google.locate(&settings.access).await.context("failed to initialize")?;
        match self.with_projects(settings).await.1.into_iter().next() {
            Some(failure) => Err(failure).context("failed to find the projects"),
            None => Ok(()),
        }
    }
}

/// The quotas of all clouds.
pub fn limits(settings: &Settings) -> Limits {
    let concurrency = settings.aws.as_ref().map(|aws| aws.access.concurrency).unwrap_or_default();
    let in_flight = |operation| match operation {
        "GetMetricData" => concurrency.get_metric_data,
        "ListMetrics" => concurrency.list_metrics,
        "GetMetricStatistics" => concurrency.get_metric_statistics,
        _ => concurrency.tagging,
    };
    let google = settings.gcp.as_ref().map_or(Access::default().concurrency, |gcp| gcp.access.concurrency);
    let aws = AWS_QUOTAS.into_iter().map(|(operation, rate)| (operation, rate, in_flight(operation)));
    let google = GOOGLE_QUOTAS.into_iter().map(|(operation, rate)| (operation, rate, google));
    aws.chain(google).map(|(operation, per_second, in_flight)| (operation, Limit { per_second, in_flight })).collect()
}
