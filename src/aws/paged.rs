//! All pages of a question, read by the asker's own reader.

use crate::aws::api::{Api, Page};
use crate::aws::listing::{MAX_PAGES, Pages, Turn};
use crate::aws::question::Question;
use crate::seam::{Call, Failure, Reason};

/// What is read of one answer; the error says what is wrong with it.
pub type Read<T> = Result<T, String>;

/// Asks page after page; `calls` gets one entry for each. A listing without an end is a failure: half a listing would look
/// like the whole.
pub async fn all<T>(
    api: &dyn Api,
    question: &Question,
    read: impl Fn(&[u8]) -> Read<Page<T>>,
    calls: &mut Vec<Call>,
) -> Result<Vec<T>, Failure> {
    let (mut items, mut pages) = (Vec::new(), Pages::default());
    loop {
        let page = one(api, &question.page(pages.token()), &read, calls).await?;
        items.extend(page.items);
        match pages.turn(page.next.filter(|t| !t.is_empty())) {
            Turn::Next => {}
            Turn::End => return Ok(items),
            Turn::Limit => {
                let message = format!("more than {MAX_PAGES} pages");
                return Err(failure(Reason::LimitReached, api, question, message));
            }
        }
    }
}

/// Asks once.
pub async fn one<T>(
    api: &dyn Api,
    question: &Question,
    read: impl Fn(&[u8]) -> Read<T>,
    calls: &mut Vec<Call>,
) -> Result<T, Failure> {
    let answered = api.ask(question).await;
    calls.push(answered.call);
    read(&answered.result?).map_err(|message| failure(Reason::BadAnswer, api, question, message))
}

fn failure(reason: Reason, api: &dyn Api, question: &Question, message: String) -> Failure {
    Failure { reason, doing: format!("call {} in {}", question.operation.name, api.region()), message }
}
