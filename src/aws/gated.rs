//! An [`Api`] that asks a [`Gate`] before each call and tells it what came back. A decorator, so that neither the client nor
//! the loops over pages know about quotas.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::aws::api::{
    Answered, Api, Identified, ListMetricsRequest, ListedMetric, MetricDataRequest, MetricResult,
    MetricStatisticsRequest, Page, Resource, StatisticsPoint,
};
use crate::aws::question::Question;
use crate::model::Text;
use crate::seam::{Asker, Gate, QuotaKey};

/// A call that takes longer hangs, retries or is slow; it no longer keeps others from starting.
const PATIENCE: Duration = Duration::from_secs(5);

/// The decorator.
pub struct Gated<A> {
    api: Arc<A>,
    gate: Arc<dyn Gate>,
    /// Calls are made for this job.
    asker: Asker,
    /// Until the account id is known, calls draw on the role's own bucket.
    role: Text,
    account: OnceLock<Text>,
}

impl<A: Api> Gated<A> {
    /// `role`: names the credentials until the account id is known.
    pub fn new(api: Arc<A>, gate: Arc<dyn Gate>, asker: Asker, role: Text) -> Self {
        Self { api, gate, asker, role, account: OnceLock::new() }
    }

    fn key(&self, operation: &'static str) -> QuotaKey {
        let account = self.account.get().unwrap_or(&self.role);
        QuotaKey { account: Text::clone(account), region: Text::clone(self.api.region()), operation }
    }

    async fn gated<T>(&self, operation: &'static str, call: impl Future<Output = Answered<T>>) -> Answered<T> {
        let key = self.key(operation);
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
    fn region(&self) -> &Text {
        self.api.region()
    }

    fn account(&self) -> BoxFuture<'_, Identified> {
        Box::pin(async move {
            let identified = self.api.account().await;
            if let Ok(account) = &identified.account {
                self.account.get_or_init(|| Text::clone(&account.id));
            }
            identified
        })
    }

    fn get_resources<'a>(
        &'a self,
        types: &'a [Text],
        tag_keys: &'a [Text],
        page: Option<String>,
    ) -> BoxFuture<'a, Answered<Page<Resource>>> {
        Box::pin(self.gated("GetResources", self.api.get_resources(types, tag_keys, page)))
    }

    fn list_metrics<'a>(
        &'a self,
        request: &'a ListMetricsRequest,
        page: Option<String>,
    ) -> BoxFuture<'a, Answered<Page<ListedMetric>>> {
        Box::pin(self.gated("ListMetrics", self.api.list_metrics(request, page)))
    }

    fn get_metric_data<'a>(
        &'a self,
        request: &'a MetricDataRequest<'a>,
        page: Option<String>,
    ) -> BoxFuture<'a, Answered<Page<MetricResult>>> {
        Box::pin(self.gated("GetMetricData", self.api.get_metric_data(request, page)))
    }

    fn get_metric_statistics<'a>(
        &'a self,
        request: &'a MetricStatisticsRequest<'a>,
    ) -> BoxFuture<'a, Answered<Vec<StatisticsPoint>>> {
        Box::pin(self.gated("GetMetricStatistics", self.api.get_metric_statistics(request)))
    }

    fn ask<'a>(&'a self, question: &'a Question) -> BoxFuture<'a, Answered<Vec<u8>>> {
        Box::pin(self.gated(question.operation.name, self.api.ask(question)))
    }
}
