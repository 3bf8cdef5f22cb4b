//! Following pages: ListMetrics of one metric name or of a whole namespace, as interned dimension sets, and the tokens of any
//! listing.

use std::sync::{Arc, Mutex, PoisonError};

use hashbrown::HashSet;

use crate::aws::api::{Api, ListMetricsRequest, ListedMetric, Owner};
use crate::aws::job::{Dimension, Job, Linked};
use crate::model::Text;
use crate::seam::{Call, Failure, Reason};

/// Pages of one listing: a million metrics, or two hundred thousand resources.
pub const MAX_PAGES: usize = 2_000;

/// Each dimension set once: the metrics of a resource share it, and so do two refreshes. The same for names.
#[derive(Default)]
pub struct Interner {
    dimensions: Mutex<HashSet<Arc<[Dimension]>>>,
    texts: Mutex<HashSet<Text>>,
}

impl Interner {
    /// Knows these already.
    pub fn seeded(known: impl Iterator<Item = Arc<[Dimension]>>) -> Self {
        Self { dimensions: Mutex::new(known.collect()), texts: Mutex::default() }
    }

    /// The one that equals these.
    pub fn intern(&self, dimensions: &[Dimension]) -> Arc<[Dimension]> {
        let mut known = self.dimensions.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(known.get_or_insert_with(dimensions, |d| d.into()))
    }

    /// The one that equals this.
    pub fn text(&self, text: &Text) -> Text {
        let mut known = self.texts.lock().unwrap_or_else(PoisonError::into_inner);
        Text::clone(known.get_or_insert_with(text, Text::clone))
    }
}

/// A metric that was listed and that the job does not filter out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub name: Text,
    /// Its dimensions, in the listed order.
    pub dimensions: Arc<[Dimension]>,
    /// The linked account that owns it; `None`: the account's own.
    pub owner: Option<Text>,
}

/// What ListMetrics said.
#[derive(Default)]
pub struct Listing {
    /// The metrics that pass the job's requirements and filters, in the listed order.
    pub metrics: Vec<Listed>,
    /// The calls that it took.
    pub calls: Vec<Call>,
    /// Why it ended early; what came before stays.
    pub failure: Option<Failure>,
}

/// Lists one metric name of a job, or the whole namespace. `account`: the caller's own. `recently_active`: only what had data in the last three
/// hours; some jobs want no more than that anyway.
pub async fn list(
    api: &dyn Api,
    job: &Job,
    metric: Option<&Text>,
    recently_active: bool,
    account: &Text,
    interner: &Interner,
) -> Listing {
    let mut listing = Listing::default();
    for owner in owners(&job.selection.linked) {
        let request = ListMetricsRequest {
            namespace: Text::clone(&job.namespace),
            metric: metric.cloned(),
            recently_active: recently_active || job.recently_active_only,
            owner,
        };
        pages(api, job, &request, account, interner, &mut listing).await;
        if listing.failure.is_some() {
            break;
        }
    }
    listing
}

/// One listing for each account that is named: CloudWatch takes one or all of them.
fn owners(linked: &Linked) -> Vec<Owner> {
    match linked {
        Linked::None => vec![Owner::Own],
        Linked::All => vec![Owner::Linked],
        Linked::Only(accounts) => accounts.iter().map(|id| Owner::Account(Text::clone(id))).collect(),
    }
}

async fn pages(
    api: &dyn Api,
    job: &Job,
    request: &ListMetricsRequest,
    account: &Text,
    interner: &Interner,
    listing: &mut Listing,
) {
    let mut pages = Pages::default();
    loop {
        let answered = api.list_metrics(request, pages.token()).await;
        listing.calls.push(answered.call);
        let next = match answered.result {
            Ok(page) => {
                let wanted = page.items.iter().filter(|m| {
                    meets_requirements(&m.dimensions, &job.dimension_name_requirements)
                        && job.selection.passes(&m.dimensions)
                });
                let listed = |m: &ListedMetric| Listed {
                    name: interner.text(&m.name),
                    dimensions: interner.intern(&m.dimensions),
                    owner: m.owner.as_ref().filter(|o| *o != account).map(|o| interner.text(o)),
                };
                listing.metrics.extend(wanted.map(listed));
                page.next
            }
            Err(failure) => {
                listing.failure = Some(failure);
                return;
            }
        };
        match pages.turn(next) {
            Turn::Next => {}
            Turn::End => return,
            Turn::Limit => {
                let what = request.metric.as_deref().unwrap_or("all metrics");
                listing.failure = Some(too_many_pages(&format!("list {what}"), job));
                return;
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
