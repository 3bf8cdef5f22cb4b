//! An [`Api`] that asks a [`Gate`] before each call and tells it what came back. A decorator, so that neither the client nor
//! the loops over pages know about quotas. Google's quotas belong to the project that is asked about.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::gcp::api::{Answered, Api, Descriptor, DescriptorsRequest, Page, TimeSeriesPage, TimeSeriesRequest};
use crate::model::Text;
use crate::seam::{Asker, Failure, Gate, QuotaKey};

/// A call that takes longer hangs, retries or is slow; it no longer keeps others from starting.
const PATIENCE: Duration = Duration::from_secs(5);
/// Monitoring has no regions; neither have its quotas.
pub const REGION: &str = "global";

/// The decorator.
pub struct Gated<A> {
    api: Arc<A>,
    gate: Arc<dyn Gate>,
    /// Calls are made for this job.
    asker: Asker,
    region: Text,
}

impl<A: Api> Gated<A> {
    /// `gate` and `api`: shared by all jobs.
    pub fn new(api: Arc<A>, gate: Arc<dyn Gate>, asker: Asker) -> Self {
        Self { api, gate, asker, region: REGION.into() }
    }

    async fn gated<T>(
        &self,
        operation: &'static str,
        project: &Text,
        call: impl Future<Output = Answered<T>>,
    ) -> Answered<T> {
        let key = QuotaKey { account: Text::clone(project), region: Text::clone(&self.region), operation };
        let mut permit = self.gate.admit(&key, &self.asker).await;
        let mut call = std::pin::pin!(call);
        let answered = if let Ok(answered) = tokio::time::timeout(PATIENCE, &mut call).await {
            answered
        } else {
            permit.leave();
            call.await
        };
        permit.throttled(answered.call.throttles > 0);
        answered
    }
}

impl<A: Api> Api for Gated<A> {
    fn own_project(&self) -> BoxFuture<'_, Result<Text, Failure>> {
        self.api.own_project()
    }

    fn projects<'a>(&'a self, filter: &'a str, page: Option<String>) -> BoxFuture<'a, Answered<Page<Text>>> {
        Box::pin(async move {
            let nobody = Text::from("");
            self.gated("ListProjects", &nobody, self.api.projects(filter, page)).await
        })
    }

    fn descriptors<'a>(
        &'a self,
        request: &'a DescriptorsRequest,
        page: Option<String>,
    ) -> BoxFuture<'a, Answered<Page<Descriptor>>> {
        Box::pin(self.gated("ListMetricDescriptors", &request.project, self.api.descriptors(request, page)))
    }

    fn time_series<'a>(
        &'a self,
        request: &'a TimeSeriesRequest<'a>,
        page: Option<String>,
    ) -> BoxFuture<'a, Answered<TimeSeriesPage>> {
        Box::pin(self.gated("ListTimeSeries", request.project, self.api.time_series(request, page)))
    }
}
