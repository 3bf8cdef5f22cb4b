//! All pages of a question, read by the asker's own reader.

use crate::aws::api::{Api, Page};
use crate::aws::listing::{MAX_PAGES, Pages, Turn};
use crate::aws::question::Question;
use crate::seam::{Call, Failure, Reason};

/// What a listing brought, with the calls that it took.
#[derive(Debug)]
pub struct Listed<T> {
    /// All items, or why there is no saying.
    pub items: Result<Vec<T>, Failure>,
    /// One for each page.
    pub calls: Vec<Call>,
}

/// What is read of one page; the error says what is wrong with the answer.
pub type Read<T> = Result<Page<T>, String>;

/// Asks page after page. A listing without an end is a failure: half a listing would look like the whole.
pub async fn all<T>(api: &dyn Api, question: &Question, read: impl Fn(&[u8]) -> Read<T>) -> Listed<T> {
    let (mut items, mut calls, mut pages) = (Vec::new(), Vec::new(), Pages::default());
    let doing = || format!("call {} in {}", question.operation.name, api.region());
    let items = loop {
        let answered = api.ask(&question.page(pages.token())).await;
        calls.push(answered.call);
        let body = match answered.result {
            Ok(body) => body,
            Err(failure) => break Err(failure),
        };
        let page = match read(&body) {
            Ok(page) => page,
            Err(message) => break Err(Failure { reason: Reason::BadAnswer, doing: doing(), message }),
        };
        items.extend(page.items);
        match pages.turn(page.next.filter(|t| !t.is_empty())) {
            Turn::Next => {}
            Turn::End => break Ok(items),
            Turn::Limit => {
                let message = format!("more than {MAX_PAGES} pages");
                break Err(Failure { reason: Reason::LimitReached, doing: doing(), message });
            }
        }
    };
    Listed { items, calls }
}
