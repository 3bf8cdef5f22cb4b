//! One metric type's answer: all pages of `timeSeries.list`, converted as they come.

use std::sync::Arc;

use crate::gcp::api::{Api, Descriptor, MetricKind, TimeSeriesRequest};
use crate::gcp::convert::{Converter, Delta, Shown};
use crate::gcp::fetch::doing;
use crate::gcp::job::Job;
use crate::gcp::pages::{Pages, Turn, too_many};
use crate::gcp::plan::{self, Span};
use crate::model::Text;
use crate::seam::{Call, Failure, Reason, Unusables};

/// What is asked.
#[derive(Clone, Debug)]
pub struct Question {
    /// Of which project.
    pub project: Text,
    /// Which metric type.
    pub descriptor: Arc<Descriptor>,
    /// For which stretch of time.
    pub span: Span,
}

/// What came back.
#[derive(Debug, Default)]
pub struct Answer {
    /// What is shown as it came.
    pub shown: Vec<Shown>,
    /// What is added up first.
    pub deltas: Vec<Delta>,
    /// What is neither.
    pub unusable: Unusables,
    /// How many pages came.
    pub pages: usize,
    /// The API did not say that something is missing.
    pub complete: bool,
    /// The calls that were made.
    pub calls: Vec<Call>,
    /// Why the answer ended early; what came before stays.
    pub failure: Option<Failure>,
}

/// Asks for all pages.
pub async fn ask(job: &Job, api: &dyn Api, question: Question) -> (Question, Answer) {
    let Question { project, descriptor, span } = &question;
    let filter = plan::series_filter(job, project, &descriptor.metric_type);
    let request = TimeSeriesRequest {
        project,
        filter: &filter,
        start: span.start,
        end: span.end,
        aggregation: plan::aggregation(job, &descriptor.metric_type),
        // The series' own kind counts, and is not known yet.
        all_points: job.deltas.aggregate && descriptor.kind != MetricKind::Cumulative,
    };
    let mut converter = Converter::new(job, project, descriptor);
    let mut answer = Answer { complete: true, ..Answer::default() };
    let mut pages = Pages::default();
    loop {
        let answered = api.time_series(&request, pages.token()).await;
        answer.calls.push(answered.call);
        let page = match answered.result {
            Ok(page) => page,
            Err(failure) => {
                answer.failure = Some(failure);
                break;
            }
        };
        let samples = converter.page(page.series);
        answer.pages += 1;
        answer.shown.extend(samples.shown);
        answer.deltas.extend(samples.deltas);
        answer.unusable.add(&page.unusable);
        answer.unusable.add(&samples.unusable);
        if let Some(message) = page.incomplete {
            answer.complete = false;
            let doing = doing(descriptor, project);
            answer.failure.get_or_insert(Failure { reason: Reason::PartialData, doing, message });
        }
        match pages.turn(page.next) {
            Turn::Next => {}
            Turn::End => break,
            Turn::Limit => {
                answer.failure = Some(too_many(doing(descriptor, project)));
                break;
            }
        }
    }
    (question, answer)
}
