//! The Google half without sockets: [`Api`] answered in memory, for long drills. Faults and the bill are the wire's; one call
//! is one attempt.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::time::Instant;

use super::ops::{self, SeriesRequest};
use crate::gcp::api::{
    Answered, Api, Descriptor, DescriptorsRequest, IngestDelay, Page, TimeSeriesPage, TimeSeriesRequest,
};
use crate::model::Text;
use crate::seam::{Call, Failure, MetricsRequested, Reason};
use crate::sim::cloud::{Caller, Cloud, Fate, ended};
use crate::sim::fault::Effect;
use crate::sim::ledger::Ended;
use crate::sim::ops::token::Token;
use crate::sim::refusal::Refusal;

/// How long a caller waits for an answer that never comes.
const PATIENCE: Duration = Duration::from_secs(60);

/// The simulated projects, as one set of credentials sees them.
#[derive(Clone)]
pub struct MemoryGoogle {
    pub(crate) cloud: Arc<Cloud>,
}

impl MemoryGoogle {
    async fn call<T>(
        &self,
        operation: &'static str,
        project: &Text,
        token: Option<&str>,
        empty: T,
        answer: impl FnOnce() -> Result<(T, u64), Refusal> + Send,
    ) -> Answered<T> {
        let started = Instant::now();
        let caller = Caller { account: Text::clone(project), region: "global".into() };
        let (latency, fate) = self.cloud.admit(&caller, operation, Token::page_of(token));
        if !latency.is_zero() {
            tokio::time::sleep(latency).await;
        }
        let (result, booked) = match fate {
            Fate::Answer(spoil) if spoil.is_empty() => (Ok((empty, 0)), Ok((MetricsRequested::default(), 0))),
            Fate::Answer(spoil) => outcome(answer(), spoil.effect.as_ref()),
            Fate::Refuse(refusal) => outcome(Err(refusal), None),
            Fate::Hang => (Err((Reason::Timeout, "no answer in time".to_owned())), Err(Ended::Failed)),
            Fate::Reset => (Err((Reason::Network, "the connection was reset".to_owned())), Err(Ended::Failed)),
        };
        self.cloud.note(&caller, operation, booked);
        let failed = result.as_ref().err().map(|(reason, _)| *reason);
        if failed == Some(Reason::Timeout) {
            tokio::time::sleep(PATIENCE).await;
        }
        let is_series = operation == "ListTimeSeries";
        let call = Call {
            service: "monitoring",
            operation,
            region: caller.region,
            account: caller.account,
            attempts: 1,
            throttles: u32::from(failed == Some(Reason::Throttled)),
            duration: started.elapsed(),
            failed,
            metrics: MetricsRequested::default(),
            series_returned: result.as_ref().map_or(0, |(_, series)| if is_series { *series } else { 0 }),
            superseded: false,
        };
        let doing = format!("{operation} of {project}");
        let result = result.map(|(result, _)| result).map_err(|(reason, message)| Failure { reason, doing, message });
        Answered { result, call }
    }
}

type Told<T> = (Result<(T, u64), (Reason, String)>, Result<(MetricsRequested, u64), Ended>);

fn outcome<T>(answer: Result<(T, u64), Refusal>, spoilt: Option<&Effect>) -> Told<T> {
    match answer {
        Err(refusal) => {
            let reason = match refusal.code {
                "Throttling" => Reason::Throttled,
                "AccessDenied" => Reason::AccessDenied,
                "ExpiredTokenException" => Reason::ExpiredCredentials,
                _ if refusal.status >= 500 => Reason::ServerError,
                _ => Reason::InvalidRequest,
            };
            let booked = Err(ended(&refusal));
            (Err((reason, refusal.message)), booked)
        }
        Ok((answer, items)) => {
            let booked = Ok((MetricsRequested::default(), items));
            let spoilt = spoilt.filter(|effect| matches!(effect, Effect::Malformed | Effect::CutBody));
            match spoilt {
                Some(_) => (Err((Reason::BadAnswer, "the answer cannot be read".to_owned())), booked),
                None => (Ok((answer, items)), booked),
            }
        }
    }
}

impl Api for MemoryGoogle {
    fn own_project(&self) -> BoxFuture<'_, Result<Text, Failure>> {
        let own = self.cloud.world.spec().google.projects.first().cloned();
        let missing =
            || Failure { reason: Reason::NoCredentials, doing: "find the own project".into(), message: "none".into() };
        Box::pin(std::future::ready(own.ok_or_else(missing)))
    }

    fn projects<'a>(&'a self, filter: &'a str, page: Option<String>) -> BoxFuture<'a, Answered<Page<Text>>> {
        Box::pin(async move {
            let list = || {
                let items = ops::projects(&self.cloud.world.spec().google, filter);
                Ok((Page { items, next: None }, 0))
            };
            self.call("ListProjects", &"".into(), page.as_deref(), empty(), list).await
        })
    }

    fn descriptors<'a>(
        &'a self,
        request: &'a DescriptorsRequest,
        page: Option<String>,
    ) -> BoxFuture<'a, Answered<Page<Descriptor>>> {
        Box::pin(async move {
            let spec = &self.cloud.world.spec().google;
            let list = || {
                let (metrics, next) = ops::descriptors(spec, &request.project, &request.filter, page.as_deref())?;
                let descriptor = |metric: &&'static super::metric::MetricType| Descriptor {
                    name: format!("projects/{}/metricDescriptors/{}", request.project, metric.name).into(),
                    metric_type: metric.name.into(),
                    kind: metric.kind,
                    value_type: metric.value_type,
                    unit: metric.unit.into(),
                    description: metric.description.into(),
                    sample_period: Some(spec.sample_period.unwrap_or_else(|| metric.sample_period())),
                    ingest_delay: IngestDelay::Known(metric.ingest_delay()),
                };
                Ok((Page { items: metrics.iter().map(descriptor).collect(), next }, 0))
            };
            self.call("ListMetricDescriptors", &request.project, page.as_deref(), empty(), list).await
        })
    }

    fn time_series<'a>(
        &'a self,
        request: &'a TimeSeriesRequest<'a>,
        page: Option<String>,
    ) -> BoxFuture<'a, Answered<TimeSeriesPage>> {
        Box::pin(async move {
            let spec = self.cloud.world.spec();
            let list = || {
                let asked = SeriesRequest {
                    project: request.project,
                    filter: request.filter,
                    start: request.start,
                    end: request.end,
                    aggregation: request.aggregation,
                    page_size: None,
                    token: page.as_deref(),
                };
                let (series, next) = ops::time_series(&spec.google, spec.seed, &asked, self.cloud.now())?;
                let returned = series.len() as u64;
                Ok((TimeSeriesPage { series, next, ..TimeSeriesPage::default() }, returned))
            };
            self.call("ListTimeSeries", request.project, page.as_deref(), TimeSeriesPage::default(), list).await
        })
    }
}

fn empty<T>() -> Page<T> {
    Page { items: Vec::new(), next: None }
}
