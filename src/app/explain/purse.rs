//! An [`Api`] that counts what calls cost and makes none beyond a bound; and that asks for no listing twice, since a walk looks
//! at the same ones with one more filter each time.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::aws::api::{
    Answered, Api, Identified, ListMetricsRequest, ListedMetric, MetricDataRequest, MetricResult,
    MetricStatisticsRequest, Page, Resource, StatisticsPoint,
};
use crate::aws::question::Question;
use crate::model::Text;
use crate::seam::{Call, Failure, MetricsRequested, Reason};

/// One unit of every billed API of CloudWatch: a cent buys a thousand.
const UNITS_PER_DOLLAR: f64 = 100_000.0;

/// What a walk may still spend, for all places together, in units of a thousandth of a cent; and the calls that it made.
pub(super) struct Budget {
    spent: AtomicU64,
    most: u64,
    calls: Mutex<Vec<Call>>,
}

impl Budget {
    /// `None`: no bound.
    pub(super) fn new(most: Option<u64>) -> Self {
        Self { spent: AtomicU64::new(0), most: most.unwrap_or(u64::MAX), calls: Mutex::default() }
    }

    /// Whether so many units are there; they are spent then.
    pub(super) fn spend(&self, units: u64) -> bool {
        let add = |spent: u64| spent.checked_add(units).filter(|sum| *sum <= self.most);
        self.spent.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add).is_ok()
    }

    /// For the books.
    pub(super) fn made(&self, calls: impl IntoIterator<Item = Call>) {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).extend(calls);
    }

    /// What was called since the last time.
    pub(super) fn take_calls(&self) -> Vec<Call> {
        std::mem::take(&mut *self.calls.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What was spent.
    #[expect(clippy::cast_precision_loss, reason = "dollars for people")]
    pub(super) fn dollars(&self) -> f64 {
        self.spent.load(Ordering::Relaxed) as f64 / UNITS_PER_DOLLAR
    }
}

type Answers<T> = Mutex<HashMap<String, Page<T>>>;

/// The decorator.
pub(super) struct Purse {
    api: Arc<dyn Api>,
    budget: Arc<Budget>,
    resources: Answers<Resource>,
    metrics: Answers<ListedMetric>,
}

impl Purse {
    pub(super) fn new(api: Arc<dyn Api>, budget: Arc<Budget>) -> Self {
        Self { api, budget, resources: Mutex::default(), metrics: Mutex::default() }
    }

    fn booked<T>(&self, answered: Answered<T>) -> Answered<T> {
        self.budget.made([answered.call.clone()]);
        answered
    }

    fn refuse<T>(&self, operation: &'static str) -> Answered<T> {
        let message = "that would cost more than this command may spend".to_owned();
        let failure = Failure { reason: Reason::LimitReached, doing: format!("call {operation}"), message };
        let call = Call { failed: Some(Reason::LimitReached), ..self.free(operation) };
        Answered { result: Err(failure), call }
    }

    /// A call that was not made.
    fn free(&self, operation: &'static str) -> Call {
        Call {
            service: "cloudwatch",
            operation,
            region: Text::clone(self.api.region()),
            account: "".into(),
            attempts: 1,
            throttles: 0,
            duration: Duration::ZERO,
            failed: None,
            metrics: MetricsRequested::default(),
            series_returned: 0,
            superseded: false,
        }
    }
}

fn known<K: Eq + Hash, T: Clone>(answers: &Mutex<HashMap<K, Page<T>>>, key: &K) -> Option<Page<T>> {
    answers.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
}

fn keep<K: Eq + Hash, T: Clone>(answers: &Mutex<HashMap<K, Page<T>>>, key: K, answered: &Answered<Page<T>>) {
    if let Ok(page) = &answered.result {
        answers.lock().unwrap_or_else(PoisonError::into_inner).insert(key, page.clone());
    }
}

impl Api for Purse {
    fn region(&self) -> &Text {
        self.api.region()
    }

    fn account(&self) -> BoxFuture<'_, Identified> {
        Box::pin(async move {
            let identified = self.api.account().await;
            self.budget.made(identified.calls.iter().cloned());
            identified
        })
    }

    fn get_resources<'a>(
        &'a self,
        types: &'a [Text],
        tag_keys: &'a [Text],
        page: Option<String>,
    ) -> BoxFuture<'a, Answered<Page<Resource>>> {
        Box::pin(async move {
            let key = format!("{types:?} {tag_keys:?} {page:?}");
            if let Some(page) = known(&self.resources, &key) {
                return Answered { result: Ok(page), call: self.free("GetResources") };
            }
            let answered = self.booked(self.api.get_resources(types, tag_keys, page).await);
            keep(&self.resources, key, &answered);
            answered
        })
    }

    fn list_metrics<'a>(
        &'a self,
        request: &'a ListMetricsRequest,
        page: Option<String>,
    ) -> BoxFuture<'a, Answered<Page<ListedMetric>>> {
        Box::pin(async move {
            let key = format!("{request:?} {page:?}");
            if let Some(page) = known(&self.metrics, &key) {
                return Answered { result: Ok(page), call: self.free("ListMetrics") };
            }
            if !self.budget.spend(1) {
                return self.refuse("ListMetrics");
            }
            let answered = self.booked(self.api.list_metrics(request, page).await);
            keep(&self.metrics, key, &answered);
            answered
        })
    }

    fn get_metric_data<'a>(
        &'a self,
        request: &'a MetricDataRequest<'a>,
        page: Option<String>,
    ) -> BoxFuture<'a, Answered<Page<MetricResult>>> {
        Box::pin(async move {
            if !self.budget.spend(u64::try_from(request.queries.len()).unwrap_or(u64::MAX)) {
                return self.refuse("GetMetricData");
            }
            self.booked(self.api.get_metric_data(request, page).await)
        })
    }

    fn get_metric_statistics<'a>(
        &'a self,
        request: &'a MetricStatisticsRequest<'a>,
    ) -> BoxFuture<'a, Answered<Vec<StatisticsPoint>>> {
        Box::pin(async move {
            if self.budget.spend(1) {
                self.booked(self.api.get_metric_statistics(request).await)
            } else {
                self.refuse("GetMetricStatistics")
            }
        })
    }

    fn ask<'a>(&'a self, question: &'a Question) -> BoxFuture<'a, Answered<Vec<u8>>> {
        Box::pin(async move { self.booked(self.api.ask(question).await) })
    }
}
