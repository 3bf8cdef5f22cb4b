//! One GetMetricData call with all its pages: asking, asking again, putting the parts together.

use std::time::Duration;

use crate::aws::api::{Api, MetricDataRequest, MetricResult, Point, StatusCode};
use crate::aws::job::Job;
use crate::aws::listing::{Pages, Turn, too_many_pages};
use crate::aws::plan::Batch;
use crate::model::Timestamp;
use crate::seam::{Call, Failure, Reason};

/// How often a page that failed for a passing reason is asked for again, beyond the SDK's own attempts.
const PAGE_RETRIES: u32 = 2;
/// The pause before that, doubled for the second time, with as much jitter.
const RETRY_PAUSE: Duration = Duration::from_millis(1_500);
/// How far back a window reaches for points that failed fetches left out: CloudWatch keeps fine points much longer, but
/// asks a lower quota for windows that begin within three hours.
const MAX_CATCH_UP: Duration = Duration::from_secs(3 * 3600);

/// What came back for a batch.
pub(super) struct Answer {
    /// For each query, the parts of all pages together; `None`: its id never came.
    pub(super) results: Vec<Option<QueryResult>>,
    /// The calls that it took.
    pub(super) calls: Vec<Call>,
    /// Why it is not whole.
    pub(super) failure: Option<Failure>,
}

/// The result of one query.
pub(super) struct QueryResult {
    /// In the order in which they came.
    pub(super) points: Vec<Point>,
    /// That of the last part.
    pub(super) status: StatusCode,
}

impl Answer {
    /// Later pages bring further points of the same query, and the status that counts.
    fn merge(&mut self, part: MetricResult) {
        let Some(result) = self.results.get_mut(part.query) else { return };
        match result {
            Some(result) => {
                result.points.extend(part.points);
                result.status = part.status;
            }
            None => *result = Some(QueryResult { points: part.points, status: part.status }),
        }
    }
}

/// What a batch asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    /// Points from here on are asked for.
    pub(super) from: Timestamp,
    /// Points before this are only evidence of when they came.
    pub(super) start: Timestamp,
    /// Exclusive.
    pub(super) end: Timestamp,
}

/// The window of a batch at `now`. Where all points are shown, what failed fetches left out since `watermark` is asked for
/// as well.
pub(super) fn window(
    job: &Job,
    batch: &Batch,
    late_seconds: u32,
    watermark: Option<Timestamp>,
    now: Timestamp,
) -> Window {
    let (start, end) = batch.rhythm.window(now, late_seconds, batch.length_seconds);
    let shows_all = |entry: u32| job.metrics.get(entry as usize).is_some_and(|m| m.export_all_data_points);
    let start = match watermark {
        Some(last) if batch.targets.iter().any(|t| shows_all(t.entry)) => start.min(last.max(end.minus(MAX_CATCH_UP))),
        _ => start,
    };
    Window { from: batch.rhythm.evidence_start(start, end), start, end }
}

/// Asks for a batch, all pages of it.
pub(super) async fn ask(job: &Job, api: &dyn Api, batch: &Batch, window: Window) -> Answer {
    let request = MetricDataRequest {
        namespace: &job.namespace,
        queries: &batch.queries,
        period_seconds: batch.rhythm.period_seconds,
        start: window.from,
        end: window.end,
    };
    let mut answer = Answer { results: Vec::new(), calls: Vec::new(), failure: None };
    answer.results.resize_with(batch.queries.len(), || None);
    let (mut pages, mut retries) = (Pages::default(), 0);
    loop {
        let mut answered = api.get_metric_data(&request, pages.token()).await;
        let again = matches!(&answered.result, Err(f) if f.reason.is_transient()) && retries < PAGE_RETRIES;
        answered.call.superseded = again;
        answer.calls.push(answered.call);
        match answered.result {
            Ok(page) => {
                page.items.into_iter().for_each(|r| answer.merge(r));
                match pages.turn(page.next) {
                    Turn::Next => {}
                    Turn::End => return answer,
                    Turn::Limit => {
                        answer.failure = Some(too_many_pages("get the data", job));
                        return answer;
                    }
                }
            }
            Err(_) if again => {
                retries += 1;
                tokio::time::sleep(RETRY_PAUSE.mul_f64(f64::from(retries) * (1.0 + fastrand::f64()))).await;
            }
            Err(failure) => {
                answer.failure = Some(failure);
                return answer;
            }
        }
    }
}

impl StatusCode {
    /// Nothing can be said about the data: an earlier value is better than "no data".
    pub(super) fn is_unknown(self) -> bool {
        matches!(self, Self::PartialData | Self::InternalError)
    }
}

/// Results that are not complete after the last page.
#[derive(Default)]
pub(super) struct Incomplete {
    partial: usize,
    internal: usize,
    forbidden: usize,
}

impl Incomplete {
    pub(super) fn count(&mut self, status: StatusCode) {
        match status {
            StatusCode::Complete => {}
            StatusCode::PartialData => self.partial += 1,
            StatusCode::InternalError => self.internal += 1,
            StatusCode::Forbidden => self.forbidden += 1,
        }
    }

    pub(super) fn failures(&self, job: &Job) -> impl Iterator<Item = Failure> {
        let doing = format!("get all data of {}", job.namespace);
        let counts = [
            (self.partial, Reason::PartialData, "incomplete"),
            (self.internal, Reason::InternalError, "failed inside CloudWatch"),
            (self.forbidden, Reason::Forbidden, "forbidden"),
        ];
        counts.into_iter().filter(|(n, ..)| *n > 0).map(move |(n, reason, what)| Failure {
            reason,
            doing: doing.clone(),
            message: format!("{n} results are marked as {what}"),
        })
    }
}
