//! The walk through one project of a Google job: its discovery and its fetch run as in the daemon, for the metric type alone; then
//! without its filters, and with a wide window.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::purse::Budget;
use crate::clock::Clock;
use crate::explain::spots;
use crate::explain::verdict::{Cause, Verdict, Walk};
use crate::explain::wanted::Wanted;
use crate::gcp::api::{Api, Descriptor};
use crate::gcp::discover::Discover;
use crate::gcp::fetch::Fetch;
use crate::gcp::inventory::Inventory;
use crate::gcp::job::{Job, Window};
use crate::gcp::naming::family_name;
use crate::model::{Snapshot, Text};
use crate::seam::{Failure, Outcome, Source as _};

/// How far back points are looked for when the window has none.
const LOOK_BACK: Duration = Duration::from_secs(24 * 3600);
/// Metric types that are asked for: a name may be several types' with different resources.
const ASKED: usize = 3;
/// What a series in an answer costs, in thousandths of a cent's hundredth: 0.5 dollars a million is 20 to a unit.
const SERIES_PER_UNIT: u64 = 20;

/// What all walks share.
pub(super) struct Walker<'a> {
    pub(super) api: &'a Arc<dyn Api>,
    pub(super) wanted: &'a Wanted,
    pub(super) clock: &'a Clock,
    pub(super) budget: &'a Arc<Budget>,
}

impl Walker<'_> {
    /// Walks through one project.
    pub(super) async fn walk(&self, job: &Job, project: &Text) -> Walk {
        let place = format!("Google job {} in project {project}", job.name);
        let mut walk = Walk { place, passed: Vec::new(), end: Ok(String::new()) };
        walk.end = self.steps(job, project, &mut walk.passed).await;
        walk
    }

    async fn steps(
        &self,
        job: &Job,
        project: &Text,
        passed: &mut Vec<(&'static str, String)>,
    ) -> Result<String, Verdict> {
        const LIST: &str = "monitoring.metricDescriptors.list (roles/monitoring.viewer)";
        let failed = |step, failure: &Failure, permission| {
            let mut verdict = Verdict::of_failure(step, failure, false, permission);
            if verdict.cause == Cause::Permission {
                verdict.fix = format!("grant {permission} in {project}, and enable the Monitoring API there");
            }
            verdict
        };
        let (listed, outcome) = self.discover(job, project).await;
        let mine: Vec<Arc<Descriptor>> = listed.iter().filter(|d| self.is_type(&d.metric_type)).cloned().collect();
        if mine.is_empty() {
            return Err(match outcome.failures.first() {
                Some(failure) => failed("listing", failure, LIST),
                None => self.unlisted(job, project, &listed).await,
            });
        }
        let types: Vec<Text> = mine.iter().map(|d| Text::clone(&d.metric_type)).take(ASKED).collect();
        passed.push(("listing", types.join(", ")));
        let narrow = Job { prefixes: types, ..job.clone() };
        let (value, outcome, any) = self.fetch(&narrow, project, &mine).await;
        if let Some(value) = value {
            return Ok(value);
        }
        if let Some(failure) = outcome.failures.first() {
            return Err(failed("time series", failure, "monitoring.timeSeries.list (roles/monitoring.viewer)"));
        }
        if any {
            let why = "there are series, but none with these labels or of this resource";
            return Err(Verdict::new(
                Cause::LabelValue,
                "labels",
                why,
                "use labels that a series has: `curl /metrics` shows them",
            ));
        }
        let free = Job { filters: Vec::new(), ..narrow.clone() };
        if !job.filters.is_empty() && self.fetch(&free, project, &mine).await.0.is_some() {
            let why = "without the job's filters it is there";
            return Err(Verdict::new(Cause::Filter, "filters", why, "change the job's filters"));
        }
        let wide = Window { width: LOOK_BACK, offset: Duration::ZERO, ..job.window };
        if self.fetch(&Job { window: wide, ..free }, project, &mine).await.0.is_some() {
            let delay = mine.iter().filter_map(|d| d.sample_period).max().unwrap_or_default();
            let why = format!(
                "there are points in the last day, but none in the window of {} s (the metric is sampled each {} s)",
                job.window.width.as_secs(),
                delay.as_secs()
            );
            return Err(Verdict::new(
                Cause::Length,
                "window",
                why,
                "widen metrics_interval, or set metrics_ingest_delay",
            ));
        }
        let why = "the metric type exists, but no series had a point in the last day";
        Err(Verdict::new(
            Cause::NoData,
            "time series",
            why,
            "look at the resource; Google lists types also where nothing publishes them",
        ))
    }

    /// Whether the exported name may be of this metric type: what stands before it is the resource's.
    fn is_type(&self, metric_type: &str) -> bool {
        let name = family_name("r", metric_type).unwrap_or_default();
        let Some(end) = name.strip_prefix("stackdriver_r_") else { return false };
        let wanted = self.wanted.name.as_str();
        let plain = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| wanted.strip_suffix(suffix));
        let is_end = |name: &str| {
            name.strip_suffix(end).is_some_and(|rest| rest.starts_with("stackdriver_") && rest.ends_with('_'))
        };
        wanted == metric_type || is_end(wanted) || plain.is_some_and(is_end)
    }

    async fn discover(&self, job: &Job, project: &Text) -> (Vec<Arc<Descriptor>>, Outcome) {
        let (sender, receiver) = watch::channel(None);
        let mut discover = Discover::new(Arc::new(job.clone()), Text::clone(project), Arc::clone(self.api), sender);
        let outcome = discover.collect(self.clock.read(), &mut |_| {}).await;
        self.budget.made(outcome.calls.iter().cloned());
        let listed = receiver.borrow().as_ref().map(|i| i.descriptors.clone()).unwrap_or_default();
        (listed, outcome)
    }

    /// The series' value, what happened, and whether there are series at all.
    async fn fetch(&self, job: &Job, project: &Text, types: &[Arc<Descriptor>]) -> (Option<String>, Outcome, bool) {
        let inventory = Inventory { descriptors: types.iter().take(ASKED).cloned().collect() };
        let (_sender, receiver) = watch::channel(Some(Arc::new(inventory)));
        let mut fetch = Fetch::new(Arc::new(job.clone()), Text::clone(project), Arc::clone(self.api), receiver, None);
        let outcome = fetch.collect(self.clock.read(), &mut |_| {}).await;
        self.budget.made(outcome.calls.iter().cloned());
        let returned: u64 = outcome.calls.iter().map(|call| call.series_returned).sum();
        self.budget.spend(returned.div_ceil(SERIES_PER_UNIT));
        let value = outcome.snapshot.as_ref().and_then(|snapshot| self.value(snapshot));
        let any = outcome.snapshot.as_ref().is_some_and(|snapshot| snapshot.present() > 0);
        (value, outcome, any)
    }

    fn value(&self, snapshot: &Snapshot) -> Option<String> {
        let wanted = self.wanted.name.as_str();
        snapshot.set.series.iter().enumerate().find_map(|(at, key)| {
            let (family, labels) = snapshot.set.describe(*key)?;
            let is_histogram =
                wanted.strip_prefix(&*family.name).is_some_and(|end| ["_bucket", "_sum", "_count"].contains(&end));
            let is_named = *family.name == *wanted || is_histogram || self.wanted.name.contains('/');
            if !is_named || !self.wanted.fits(labels) {
                return None;
            }
            let number = snapshot.samples(at).first().map(|cell| cell.value().to_string());
            let count = snapshot.histograms(at).first().map(|_| "a histogram".to_owned());
            Some(format!("{} {}", family.name, number.or(count)?))
        })
    }

    /// Why no listed type fits.
    async fn unlisted(&self, job: &Job, project: &Text, listed: &[Arc<Descriptor>]) -> Verdict {
        const STEP: &str = "listing";
        let all = Job { prefixes: vec!["".into()], exclude_prefixes: Vec::new(), ..job.clone() };
        let (everything, _) = self.discover(&all, project).await;
        if let Some(other) = everything.iter().find(|d| self.is_type(&d.metric_type)) {
            let why =
                format!("Google has {}, but metrics_prefixes (or exclude_prefixes) leave it out", other.metric_type);
            return Verdict::new(Cause::NotNamed, STEP, why, "add its beginning to metrics_prefixes");
        }
        let names: Vec<String> = everything.iter().filter_map(|d| family_name("", &d.metric_type)).collect();
        let end = |name: &str| name.trim_start_matches("stackdriver_").to_owned();
        let wanted = end(&self.wanted.name);
        // The resource's type stands in front and is not known here: ends are compared.
        let like: Vec<String> = names
            .iter()
            .map(|name| end(name))
            .filter(|name| {
                let tail = wanted.get(wanted.len().saturating_sub(name.len())..).unwrap_or(&wanted);
                !spots::near(tail, std::iter::once(name.as_str())).is_empty()
            })
            .take(5)
            .collect();
        if !like.is_empty() {
            let why = format!("no metric type has that name; there is …_{}", like.join(", …_"));
            return Verdict::new(
                Cause::MetricName,
                STEP,
                why,
                "use that name, after stackdriver_ and the resource's type",
            );
        }
        let why = format!("the project has no metric type of that name ({} fit the job's prefixes)", listed.len());
        Verdict::new(
            Cause::NeverPublished,
            STEP,
            why,
            "check the name and the project; active_only hides types without data for a day",
        )
    }
}
