//! Pure: the rows of a job between two descriptions.

use std::time::Duration;

use hashbrown::HashSet;

use super::{Described, Row};
use crate::aws::api::Resource;
use crate::model::{Text, Timestamp};
use crate::seam::Failure;

/// Descriptions are this old at least before they are asked for again: five minutes, less the tenth by which a worker's
/// schedule may be moved.
const MIN_AGE: Duration = Duration::from_secs(270);

/// What was last known, and when it was asked for.
#[derive(Clone, Debug, Default)]
pub struct Kept {
    /// The rows; the first `fresh` of them are good, the others wait to become stale.
    rows: Vec<Row>,
    fresh: usize,
    asked: Option<Timestamp>,
    failure: Option<Failure>,
}

impl Kept {
    /// The rows that have series.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// Those of them, from the first on, whose values are as good as new.
    pub fn fresh(&self) -> &[Row] {
        self.rows.get(..self.fresh).unwrap_or_default()
    }

    /// Why the last description is not whole.
    pub fn failure(&self) -> Option<&Failure> {
        self.failure.as_ref()
    }

    /// Whether it is time to ask; `now` of the steady clock.
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.asked.is_none_or(|at| at.plus(MIN_AGE) <= now)
    }

    /// Takes what was asked for at `now`. Rows of resources that became unknown stay, but not as fresh, where `hold` says so.
    pub fn take(&mut self, described: Described, hold: bool, now: Timestamp) {
        self.failure = described.failures.into_iter().next();
        let old = std::mem::replace(&mut self.rows, described.rows);
        self.fresh = self.rows.len();
        self.asked = Some(now);
        if hold {
            self.rows.extend(old.into_iter().filter(|r| described.unknown.contains(&r.resource)));
        }
    }

    /// Drops the rows of resources that are no longer there.
    pub fn follow(&mut self, resources: &[Resource]) {
        let known: HashSet<&Text> = resources.iter().map(|r| &r.arn).collect();
        let is_known = |r: &Row| known.contains(&r.resource);
        self.fresh = self.fresh().iter().filter(|r| is_known(r)).count();
        self.rows.retain(is_known);
    }

    /// Whether both have the same series, whatever their values.
    pub fn is_shaped_as(&self, other: &Self) -> bool {
        let same =
            |(a, b): (&Row, &Row)| a.resource == b.resource && a.metric == b.metric && a.dimensions == b.dimensions;
        self.rows.len() == other.rows.len() && self.rows.iter().zip(&other.rows).all(same)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seam::Reason;

    fn row(arn: &str, value: f64) -> Row {
        Row { resource: arn.into(), metric: "m", dimensions: vec![], value }
    }

    fn resource(arn: &str) -> Resource {
        Resource { arn: arn.into(), tags: vec![] }
    }

    fn failed(arn: &str) -> Described {
        let failure = Failure { reason: Reason::ServerError, doing: String::new(), message: String::new() };
        super::super::nothing(&[resource(arn)], failure)
    }

    #[test]
    fn descriptions_are_asked_for_once_in_five_minutes() {
        let mut kept = Kept::default();
        let at = Timestamp::from_secs;
        assert!(kept.is_due(at(0)));
        kept.take(Described::default(), true, at(0));
        assert!(!kept.is_due(at(269)) && kept.is_due(at(270)));
        kept.take(failed("a"), true, at(300));
        assert!(!kept.is_due(at(360)), "a failure waits like a success");
    }

    #[test]
    fn unknown_rows_stay_without_being_fresh_where_values_are_held() {
        let mut kept = Kept::default();
        kept.take(
            Described { rows: vec![row("a", 1.0), row("b", 2.0)], ..Described::default() },
            true,
            Timestamp::from_secs(0),
        );
        let mut dropping = kept.clone();
        let partly = || Described { rows: vec![row("b", 3.0)], ..failed("a") };
        kept.take(partly(), true, Timestamp::from_secs(300));
        assert_eq!(kept.rows(), [row("b", 3.0), row("a", 1.0)]);
        assert_eq!(kept.fresh(), [row("b", 3.0)]);
        dropping.take(partly(), false, Timestamp::from_secs(300));
        assert_eq!(dropping.rows(), [row("b", 3.0)]);
    }

    #[test]
    fn rows_follow_the_resources() {
        let mut kept = Kept::default();
        let rows = vec![row("a", 1.0), row("b", 2.0), row("b", 3.0)];
        kept.take(Described { rows, ..Described::default() }, true, Timestamp::from_secs(0));
        let before = kept.clone();
        kept.follow(&[resource("b"), resource("c")]);
        assert_eq!(kept.fresh(), [row("b", 2.0), row("b", 3.0)]);
        assert!(!kept.is_shaped_as(&before) && kept.is_shaped_as(&kept.clone()));
    }
}
