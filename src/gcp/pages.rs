//! Following the tokens of a listing, and the listings that are read whole: metric types and projects.

use crate::gcp::api::{Api, Descriptor, DescriptorsRequest, Page};
use crate::model::Text;
use crate::seam::{Call, Failure, Reason};

/// Pages of one listing: with a hundred thousand points on each, far more than a project has.
pub const MAX_PAGES: usize = 2_000;

/// Follows page tokens; ends at an empty or repeated one, and at [`MAX_PAGES`].
#[derive(Default)]
pub struct Pages {
    token: Option<String>,
    turned: usize,
}

/// What comes after a page.
#[derive(Debug, PartialEq, Eq)]
pub enum Turn {
    /// Another one.
    Next,
    /// Nothing.
    End,
    /// More than we follow.
    Limit,
}

impl Pages {
    /// Which page to ask for; `None`: the first.
    pub fn token(&self) -> Option<String> {
        self.token.clone()
    }

    /// A page came, with the token of the next one.
    pub fn turn(&mut self, next: Option<String>) -> Turn {
        self.turned += 1;
        let next = next.filter(|token| !token.is_empty());
        if next.is_none() || next == self.token {
            return Turn::End;
        }
        self.token = next;
        if self.turned >= MAX_PAGES { Turn::Limit } else { Turn::Next }
    }
}

/// The failure of a listing that has no end.
pub fn too_many(doing: String) -> Failure {
    let message = format!("more than {MAX_PAGES} pages; the rest is left out");
    Failure { reason: Reason::LimitReached, doing, message }
}

/// A listing, as far as it came.
#[derive(Debug)]
pub struct Listed<T> {
    /// What it brought. Of several metric types with one name the last one of a page counts, and the first page.
    pub items: Vec<T>,
    /// The calls that it took.
    pub calls: Vec<Call>,
    /// Why it ended early.
    pub failure: Option<Failure>,
}

/// The metric types that a filter finds, each once.
pub async fn descriptors(api: &dyn Api, request: &DescriptorsRequest) -> Listed<Descriptor> {
    let doing = || format!("list the metric types of {}", request.project);
    let mut seen: hashbrown::HashMap<Text, (usize, usize)> = hashbrown::HashMap::new();
    let mut items: Vec<Descriptor> = Vec::new();
    let mut number = 0;
    let ask = |token| api.descriptors(request, token);
    let (calls, failure) = follow(ask, doing, |page| {
        number += 1;
        for descriptor in page {
            match seen.get(&descriptor.metric_type) {
                None => {
                    seen.insert(Text::clone(&descriptor.metric_type), (number, items.len()));
                    items.push(descriptor);
                }
                Some((on, at)) if *on == number => {
                    if let Some(place) = items.get_mut(*at) {
                        *place = descriptor;
                    }
                }
                Some(_) => {}
            }
        }
    })
    .await;
    Listed { items, calls, failure }
}

/// The ids of the projects that a filter of Resource Manager finds.
pub async fn projects(api: &dyn Api, filter: &str) -> Listed<Text> {
    let mut items = Vec::new();
    let doing = || "list projects".to_owned();
    let (calls, failure) = follow(|token| api.projects(filter, token), doing, |page| items.extend(page)).await;
    Listed { items, calls, failure }
}

async fn follow<'a, T>(
    ask: impl Fn(Option<String>) -> futures_util::future::BoxFuture<'a, crate::gcp::api::Answered<Page<T>>>,
    doing: impl Fn() -> String,
    mut take: impl FnMut(Vec<T>),
) -> (Vec<Call>, Option<Failure>) {
    let (mut calls, mut pages) = (Vec::new(), Pages::default());
    loop {
        let answered = ask(pages.token()).await;
        calls.push(answered.call);
        match answered.result {
            Err(failure) => return (calls, Some(failure)),
            Ok(page) => {
                take(page.items);
                match pages.turn(page.next) {
                    Turn::Next => {}
                    Turn::End => return (calls, None),
                    Turn::Limit => return (calls, Some(too_many(doing()))),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_end_with_no_token_an_empty_or_repeated_one_or_too_many() {
        let mut pages = Pages::default();
        assert_eq!(pages.turn(Some("a".into())), Turn::Next);
        assert_eq!(pages.token().as_deref(), Some("a"));
        assert_eq!(pages.turn(Some("a".into())), Turn::End);
        assert_eq!(Pages::default().turn(None), Turn::End);
        assert_eq!(Pages::default().turn(Some(String::new())), Turn::End);
        let mut endless = Pages::default();
        let turns = (0..MAX_PAGES).filter(|n| endless.turn(Some(n.to_string())) == Turn::Next);
        assert_eq!(turns.count(), MAX_PAGES - 1);
    }
}
