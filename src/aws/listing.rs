//! Following pages: ListMetrics of one metric name, as interned dimension sets, and the tokens of any listing.

use std::sync::{Arc, Mutex, PoisonError};

use hashbrown::HashSet;

use crate::aws::api::{Api, ListMetricsRequest};
use crate::aws::job::{Dimension, Job};
use crate::model::Text;
use crate::seam::{Call, Failure, Reason};

/// Pages of one listing: a million metrics, or two hundred thousand resources.
pub const MAX_PAGES: usize = 2_000;

/// Each dimension set once: the metrics of a resource share it, and so do two refreshes.
#[derive(Default)]
pub struct Interner(Mutex<HashSet<Arc<[Dimension]>>>);

impl Interner {
    /// Knows these already.
    pub fn seeded(known: impl Iterator<Item = Arc<[Dimension]>>) -> Self {
        Self(Mutex::new(known.collect()))
    }

    /// The one that equals these.
    pub fn intern(&self, dimensions: &[Dimension]) -> Arc<[Dimension]> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(known.get_or_insert_with(dimensions, |d| d.into()))
    }
}

/// What ListMetrics said about one metric name.
#[derive(Default)]
pub struct Listing {
    /// The dimension sets that meet the job's requirements, in the listed order.
    pub dimensions: Vec<Arc<[Dimension]>>,
    /// The calls that it took.
    pub calls: Vec<Call>,
    /// Why it ended early; what came before stays.
    pub failure: Option<Failure>,
}

/// Lists one metric name of a job.
pub async fn list(api: &dyn Api, job: &Job, metric: &Text, interner: &Interner) -> Listing {
    let request = ListMetricsRequest {
        namespace: Text::clone(&job.namespace),
        metric: Text::clone(metric),
        recently_active: job.recently_active_only,
    };
    let (mut listing, mut pages) = (Listing::default(), Pages::default());
    loop {
        let answered = api.list_metrics(&request, pages.token()).await;
        listing.calls.push(answered.call);
        let next = match answered.result {
            Ok(page) => {
                let wanted =
                    page.items.iter().filter(|m| meets_requirements(&m.dimensions, &job.dimension_name_requirements));
                listing.dimensions.extend(wanted.map(|m| interner.intern(&m.dimensions)));
                page.next
            }
            Err(failure) => {
                listing.failure = Some(failure);
                return listing;
            }
        };
        match pages.turn(next) {
            Turn::Next => {}
            Turn::End => return listing,
            Turn::Limit => {
                listing.failure = Some(too_many_pages(&format!("list {metric}"), job));
                return listing;
            }
        }
    }
}

/// No requirement, or exactly these names.
fn meets_requirements(dimensions: &[Dimension], required: &[Text]) -> bool {
    required.is_empty() || (dimensions.len() == required.len() && dimensions.iter().all(|d| required.contains(&d.name)))
}

/// Follows page tokens; ends at an empty or repeated one, and at [`MAX_PAGES`].
#[derive(Default)]
pub struct Pages {
    token: Option<String>,
    turned: usize,
}

/// What comes after a page.
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
        if next.is_none() || next == self.token {
            return Turn::End;
        }
        self.token = next;
        if self.turned >= MAX_PAGES { Turn::Limit } else { Turn::Next }
    }
}

/// The failure of a listing that has no end.
pub fn too_many_pages(doing: &str, job: &Job) -> Failure {
    Failure {
        reason: Reason::LimitReached,
        doing: format!("{doing} of {}", job.namespace),
        message: format!("more than {MAX_PAGES} pages; the rest is left out"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_end_with_no_token_a_repeated_one_or_too_many() {
        let mut pages = Pages::default();
        assert!(matches!(pages.turn(Some("a".into())), Turn::Next));
        assert_eq!(pages.token().as_deref(), Some("a"));
        assert!(matches!(pages.turn(Some("a".into())), Turn::End));
        assert!(matches!(Pages::default().turn(None), Turn::End));
        let mut endless = Pages::default();
        let turns = (0..MAX_PAGES).map(|n| endless.turn(Some(n.to_string()))).filter(|t| matches!(t, Turn::Next));
        assert_eq!(turns.count(), MAX_PAGES - 1);
    }

    #[test]
    fn requirements_are_the_exact_set_of_names() {
        let d = |name: &str| Dimension { name: name.into(), value: "v".into() };
        let required: Vec<Text> = vec!["A".into(), "B".into()];
        assert!(meets_requirements(&[d("B"), d("A")], &required));
        assert!(!meets_requirements(&[d("A")], &required));
        assert!(!meets_requirements(&[d("A"), d("B"), d("C")], &required));
        assert!(meets_requirements(&[d("C")], &[]));
        let twice: Vec<Text> = vec!["A".into(), "A".into()];
        assert!(!meets_requirements(&[d("A")], &twice), "a repeated requirement is met by nothing, as in YACE");
    }

    #[test]
    fn equal_dimension_sets_are_one() {
        let set = vec![Dimension { name: "A".into(), value: "1".into() }];
        let interner = Interner::default();
        let first = interner.intern(&set);
        assert!(Arc::ptr_eq(&first, &interner.intern(&set.clone())));
        let next = Interner::seeded(std::iter::once(Arc::clone(&first)));
        assert!(Arc::ptr_eq(&first, &next.intern(&set)));
    }
}
