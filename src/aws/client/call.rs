//! Book-keeping of one call: attempts, throttles, duration.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::FinalizerInterceptorContextRef;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use tokio::time::Instant;

use super::failure;
use crate::model::Text;
use crate::seam::{Call, Failure, MetricsRequested, Reason};

/// Where a call goes.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) region: Text,
    pub(super) account: Text,
}

/// A call in flight.
pub(super) struct Calls {
    service: &'static str,
    operation: &'static str,
    place: Place,
    started: Instant,
    seen: Arc<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    attempts: AtomicU32,
    throttles: AtomicU32,
}

impl Calls {
    pub(super) fn new(service: &'static str, operation: &'static str, place: Place) -> Self {
        Self { service, operation, place, started: Instant::now(), seen: Arc::default() }
    }

    /// Counts the SDK's attempts of this call.
    pub(super) fn attempts(&self) -> Attempts {
        Attempts(Arc::clone(&self.seen))
    }

    /// Counts attempts that the SDK did not see.
    pub(super) fn count(&self, attempts: u32, throttles: u32) {
        self.seen.attempts.fetch_add(attempts, Ordering::Relaxed);
        self.seen.throttles.fetch_add(throttles, Ordering::Relaxed);
    }

    /// The result in our words, and the entry for the books.
    pub(super) fn finish<T, E>(
        self,
        sent: Result<T, SdkError<E, HttpResponse>>,
        doing: impl FnOnce() -> String,
    ) -> (Result<T, Failure>, Call)
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        let result = sent.map_err(|e| failure::of_call(&e, doing()));
        let call = self.done(result.as_ref().err());
        (result, call)
    }

    /// The entry for the books.
    pub(super) fn done(self, failed: Option<&Failure>) -> Call {
        let attempts = self.seen.attempts.load(Ordering::Relaxed).max(1);
        let seen = self.seen.throttles.load(Ordering::Relaxed);
        let throttled = failed.is_some_and(|f| f.reason == Reason::Throttled);
        Call {
            service: self.service,
            operation: self.operation,
            region: self.place.region,
            account: self.place.account,
            attempts,
            throttles: if throttled { seen.max(1) } else { seen },
            duration: self.started.elapsed(),
            failed: failed.map(|f| f.reason),
            metrics: MetricsRequested::default(),
            series_returned: 0,
            superseded: false,
        }
    }
}

/// Looks at every attempt of one call; the SDK itself tells only the last one.
#[derive(Debug)]
pub(super) struct Attempts(Arc<Seen>);

impl Intercept for Attempts {
    fn name(&self) -> &'static str {
        "attempts"
    }

    fn read_after_attempt(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        self.0.attempts.fetch_add(1, Ordering::Relaxed);
        if context.response().is_some_and(is_throttle) {
            self.0.throttles.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// The error's code stands in a header (`x-amzn-query-error` for CBOR, `x-amzn-errortype` for JSON) or only in the body.
fn is_throttle(response: &HttpResponse) -> bool {
    if response.status().as_u16() == 429 {
        return true;
    }
    let code = |name: &str| response.headers().get(name).is_some_and(failure::is_throttling_code);
    if response.status().is_success() {
        return false;
    }
    code("x-amzn-query-error")
        || code("x-amzn-errortype")
        || response.body().bytes().is_some_and(failure::names_throttling)
}
