//! The walk through one place of a CloudWatch job: its discovery and its fetch run as in the daemon, first with nothing left out,
//! then with one more of the job's settings each time. The first that takes the metric away is the cause.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::purse::{Budget, Purse};
use super::stages::{STAGES, Stage, permission};
use crate::aws::api::{Api, ListMetricsRequest, MetricDataRequest, MetricQuery, Owner};
use crate::aws::client::Clients;
use crate::aws::discover::Discover;
use crate::aws::fetch::Fetch;
use crate::aws::inventory::Inventory;
use crate::aws::job::{Job, JobKind, Linked, Naming, Role};
use crate::aws::naming;
use crate::aws::plan;
use crate::clock::Clock;
use crate::explain::lookback::{self, Empty};
use crate::explain::spots::{self, Spot};
use crate::explain::verdict::{Cause, Verdict, Walk};
use crate::explain::wanted::Wanted;
use crate::model::{LabelSet, Text, Timestamp};
use crate::seam::{Failure, Outcome, Source as _};

/// Metrics whose points are asked for: enough to see a value, few enough to cost nothing.
const ASKED: usize = 5;
/// How far back points are looked for when the window has none.
const LOOK_BACK: Duration = Duration::from_secs(14 * 86_400);
/// Where a metric that is missing may be instead: the regions that most accounts have.
const REGIONS: [&str; 10] = [
    "us-east-1",
    "us-east-2",
    "us-west-2",
    "eu-west-1",
    "eu-central-1",
    "eu-west-2",
    "ap-southeast-1",
    "ap-southeast-2",
    "ap-northeast-1",
    "ap-south-1",
];

/// What all walks share.
pub(super) struct Walker<'a> {
    pub(super) clients: &'a Clients,
    pub(super) wanted: &'a Wanted,
    pub(super) naming: Naming,
    pub(super) clock: &'a Clock,
    pub(super) budget: &'a Arc<Budget>,
    /// Those of all jobs.
    pub(super) regions: &'a BTreeSet<Text>,
}

/// A discovery with some settings.
struct Trial {
    inventory: Option<Arc<Inventory>>,
    outcome: Outcome,
}

impl Walker<'_> {
    /// Walks through one place.
    pub(super) async fn walk(&self, spot: &Spot, role: &Role, region: &Text) -> Walk {
        let whom = role.arn.as_deref().unwrap_or("the process's own credentials");
        let mut walk = Walk {
            place: format!("{} in {region} as {whom}", spots::describe(&spot.job)),
            passed: Vec::new(),
            end: Ok(String::new()),
        };
        let api: Arc<dyn Api> = Arc::new(Purse::new(self.clients.api(role, region).await, Arc::clone(self.budget)));
        walk.end = self.steps(spot, role, &api, &mut walk.passed).await;
        walk
    }

    async fn steps(
        &self,
        spot: &Spot,
        role: &Role,
        api: &Arc<dyn Api>,
        passed: &mut Vec<(&'static str, String)>,
    ) -> Result<String, Verdict> {
        let identified = api.account().await;
        let failed = |f: Failure| Verdict::of_failure("credentials", &f, role.arn.is_some(), "sts:GetCallerIdentity");
        let account = identified.account.map_err(failed)?;
        passed.push(("credentials", format!("account {}", account.id)));
        if let Some(id) = self
            .wanted
            .label("account_id")
            .filter(|id| *id != &*account.id && spot.job.selection.linked == Linked::None)
        {
            let why = format!("these credentials are those of {}, not of {id}", account.id);
            return Err(Verdict::new(
                Cause::Place,
                "credentials",
                why,
                "add a role of that account to the job's `roles`",
            ));
        }
        let inventory = match spot.job.kind {
            JobKind::Static(_) => self.discover(&spot.job, api).await.inventory.unwrap_or_else(|| empty(account)),
            JobKind::Custom | JobKind::Discovery(_) => self.select(spot, role, api, passed).await?,
        };
        let inventory = self.series(&spot.job, api.region(), &inventory, passed)?;
        self.data(&spot.job, role, api, inventory, passed).await
    }

    /// Listing, dimensions, resources, tags, limits.
    async fn select(
        &self,
        spot: &Spot,
        role: &Role,
        api: &Arc<dyn Api>,
        passed: &mut Vec<(&'static str, String)>,
    ) -> Result<Arc<Inventory>, Verdict> {
        let mut found = None;
        for stage in STAGES {
            let Some(job) = (stage.job)(spot) else { continue };
            let trial = self.discover(&job, api).await;
            let matching = trial.inventory.as_ref().map_or(0, |i| self.matching(&job, i).len());
            let failure = trial.outcome.failures.first().filter(|_| matching == 0);
            if let Some(failure) = failure {
                return Err(Verdict::of_failure(stage.step, failure, false, permission(stage, failure)));
            }
            if matching == 0 {
                let before = found.as_deref();
                return Err(match stage.cause {
                    None => self.unlisted(spot, role, api, trial.inventory.as_deref()).await,
                    Some(cause) => self.taken_away(stage, cause, spot, before, &trial),
                });
            }
            passed.push((stage.step, format!("{matching} metrics with their dimensions")));
            // A job with all its metrics only shows whether these ones fit.
            if stage.step != "maxSeries" {
                found = trial.inventory;
            }
        }
        found.ok_or_else(|| Verdict::new(Cause::NeverPublished, "listing", "nothing was found", "check the job"))
    }

    async fn discover(&self, job: &Job, api: &Arc<dyn Api>) -> Trial {
        let (sender, receiver) = watch::channel(None);
        let mut discover = Discover::new(Arc::new(job.clone()), Arc::clone(api), sender);
        let outcome = discover.collect(self.clock.read(), &mut |_| {}).await;
        let inventory = receiver.borrow().clone();
        Trial { inventory, outcome }
    }

    /// Positions of the metrics that are meant, as far as their dimensions tell.
    fn matching(&self, job: &Job, inventory: &Inventory) -> Vec<usize> {
        let is_meant = |at: &usize| {
            let Some(found) = inventory.metrics.get(*at) else { return false };
            let statistics = job.metrics.get(found.entry).map_or(&[][..], |metric| &metric.statistics);
            statistics.iter().any(|s| self.wanted.is_metric(&job.namespace, &found.name, s))
                && self.wanted.fits_dimensions(&found.dimensions, self.naming)
        };
        (0..inventory.metrics.len()).filter(is_meant).collect()
    }

    /// A setting takes away what was there without it.
    fn taken_away(
        &self,
        stage: &Stage,
        cause: Cause,
        spot: &Spot,
        before: Option<&Inventory>,
        trial: &Trial,
    ) -> Verdict {
        let some = before.and_then(|b| b.metrics.get(*self.matching(&spot.job, b).first()?));
        let names = some.map_or_else(String::new, |m| {
            m.dimensions.iter().map(|d| format!("{}={}", d.name, d.value)).collect::<Vec<_>>().join(", ")
        });
        let resources = trial.inventory.as_ref().map_or(0, |i| i.resources.len());
        let why = match cause {
            Cause::RecentlyActive => "it is listed, but had no data in the last three hours".to_owned(),
            Cause::DimensionNames => format!("it is listed with other dimensions: {names}"),
            Cause::DimensionFilter => format!("the filters drop it: {names}"),
            Cause::Untagged => format!(
                "its dimensions ({names}) belong to none of the {resources} resources that the tagging API knows: it knows only those that have, or had, a tag"
            ),
            Cause::SearchTags => "no resource that it belongs to passes `searchTags`".to_owned(),
            Cause::MaxSeries => {
                let left = trial.outcome.left_out.clone().unwrap_or_default();
                format!("maxSeries ({}) leaves out {} series: {}", left.limit, left.series, left.what)
            }
            _ => names,
        };
        Verdict::new(cause, stage.step, why, stage.fix)
    }

    /// Why the place lists nothing of that name.
    async fn unlisted(&self, spot: &Spot, role: &Role, api: &Arc<dyn Api>, listed: Option<&Inventory>) -> Verdict {
        const STEP: &str = "listing";
        let job = &spot.job;
        if let Some(verdict) = listed.and_then(|i| self.other_labels(job, i)) {
            return verdict;
        }
        let names = |owner: Owner, metric: Option<Text>| ListMetricsRequest {
            namespace: Text::clone(&job.namespace),
            metric,
            recently_active: false,
            owner,
        };
        let all = api.list_metrics(&names(Owner::Own, None), None).await;
        let known: BTreeSet<Text> =
            all.result.map(|page| page.items.into_iter().map(|m| m.name).collect()).unwrap_or_default();
        if let Some(verdict) = self.named(job, &known) {
            return verdict;
        }
        let name = job.metrics.first().map(|m| Text::clone(&m.name));
        let is_pattern = job.metrics.iter().any(|m| m.pattern.is_some());
        let asked = name.filter(|_| !is_pattern);
        if let Some(elsewhere) = self.elsewhere(role, api.region(), &names(Owner::Own, asked.clone())).await {
            let why = format!("nothing of that name is in {}, but it is in {elsewhere}", api.region());
            return Verdict::new(Cause::Region, STEP, why, format!("add {elsewhere} to the job's `regions`"));
        }
        let linked = api.list_metrics(&names(Owner::Linked, asked), None).await;
        if let Some(owner) = linked.result.ok().and_then(|page| page.items.into_iter().find_map(|m| m.owner)) {
            let why = format!("the linked account {owner} has it");
            return Verdict::new(
                Cause::LinkedAccount,
                STEP,
                why,
                "set `includeLinkedAccounts` in the job (a native file), or add a role of that account",
            );
        }
        if known.is_empty() {
            let why = format!("CloudWatch lists nothing at all in {}", job.namespace);
            return Verdict::new(
                Cause::Namespace,
                STEP,
                why,
                "check the namespace's spelling; custom namespaces are what the publisher says, capitals included",
            );
        }
        let some: Vec<&str> = known.iter().take(5).map(|n| &**n).collect();
        let why = format!(
            "CloudWatch lists no such metric in {}, in any region that was asked; it has {}, …",
            job.namespace,
            some.join(", ")
        );
        Verdict::new(
            Cause::NeverPublished,
            STEP,
            why,
            "check the name; ListMetrics forgets a metric two weeks after its last point, and new ones take 15 minutes",
        )
    }

    /// The namespace has a metric of a similar name, or one that the entry's pattern leaves out.
    fn named(&self, job: &Job, known: &BTreeSet<Text>) -> Option<Verdict> {
        let entry = job.metrics.first()?;
        let has = |names: Vec<String>| {
            (!names.is_empty()).then(|| {
                let why = format!("CloudWatch has no such metric in {}; it has {}", job.namespace, names.join(", "));
                let fix = "write the metric's name as CloudWatch does, capitals included";
                Verdict::new(Cause::MetricName, "listing", why, fix)
            })
        };
        if entry.pattern.is_none() {
            return has(spots::near(&entry.name, known.iter().map(|name| &**name)));
        }
        let is_meant = |name: &&Text| entry.statistics.iter().any(|s| self.wanted.is_metric(&job.namespace, name, s));
        if let Some(name) = known.iter().find(is_meant) {
            let why = format!(
                "CloudWatch has {name}, but the pattern `{}` with its include and exclude leaves it out",
                entry.name
            );
            return Some(Verdict::new(Cause::NotNamed, "listing", why, "change the entry's `include` or `exclude`"));
        }
        let exported = |name: &Text| {
            let names = entry.statistics.iter().map(|s| naming::metric_name(&job.namespace, name, Some(s)));
            names.chain([format!("{}/{name}", job.namespace)]).collect::<Vec<_>>()
        };
        let all: Vec<String> = known.iter().flat_map(exported).collect();
        has(spots::near(&self.wanted.name, all.iter().map(String::as_str)))
    }

    /// It is listed, but with other dimensions than those of the labels.
    fn other_labels(&self, job: &Job, listed: &Inventory) -> Option<Verdict> {
        let statistics = job.metrics.first().map_or(&[][..], |metric| &metric.statistics);
        let is_meant = |name: &Text| statistics.iter().any(|s| self.wanted.is_metric(&job.namespace, name, s));
        let some = listed.metrics.iter().find(|found| is_meant(&found.name))?;
        let labels: Vec<String> =
            some.dimensions.iter().map(|d| format!("dimension_{}=\"{}\"", d.name, d.value)).collect();
        let is_unknown = |name: &str| !labels.iter().any(|l| l.starts_with(&format!("{name}=")));
        let mut names = self.wanted.labels.iter().filter(|(name, _)| name.starts_with("dimension_"));
        let cause = if names.any(|(name, _)| is_unknown(name)) { Cause::LabelName } else { Cause::LabelValue };
        let why = format!("the metric is listed, but not with these labels; for example with {}", labels.join(","));
        let fix = "use labels that a series has, or look whether the resource publishes the metric";
        Some(Verdict::new(cause, "listing", why, fix))
    }

    /// The first other region that lists the same.
    async fn elsewhere(&self, role: &Role, here: &Text, request: &ListMetricsRequest) -> Option<Text> {
        let others = REGIONS.into_iter().map(Text::from);
        let all: BTreeSet<Text> = self.regions.iter().cloned().chain(others).filter(|region| region != here).collect();
        for region in all {
            let api = Purse::new(self.clients.api(role, &region).await, Arc::clone(self.budget));
            let page = api.list_metrics(request, None).await.result;
            if page.is_ok_and(|page| !page.items.is_empty()) {
                return Some(region);
            }
        }
        None
    }

    /// The inventory with a few metrics whose series have the wanted labels.
    fn series(
        &self,
        job: &Job,
        region: &Text,
        inventory: &Arc<Inventory>,
        passed: &mut Vec<(&'static str, String)>,
    ) -> Result<Arc<Inventory>, Verdict> {
        let plan = plan::plan(job, self.naming, region, inventory);
        let sets = || {
            plan.set
                .series
                .iter()
                .filter_map(|key| plan.set.describe(*key))
                .filter(|(family, _)| self.is_family(job, &family.name))
        };
        let labels = || sets().map(|(_, labels)| labels);
        let fitting = labels().filter(|labels| self.wanted.fits(labels)).count();
        if fitting == 0 {
            let example = labels().next().map_or_else(String::new, text_of);
            let (name, is_known) = self.wanted.missing(&labels()).unwrap_or(("", true));
            let (cause, why) = if is_known {
                (Cause::LabelValue, format!("no series has that value of `{name}`; one has {example}"))
            } else {
                (Cause::LabelName, format!("no series has a label `{name}`; one has {example}"))
            };
            return Err(Verdict::new(
                cause,
                "labels",
                why,
                "tags become labels by `exportedTagsOnMetrics`, dimensions as dimension_NAME; use labels that a series has",
            ));
        }
        passed.push(("labels", format!("{fitting} series")));
        // The narrowed job has one entry: its series come by metric, then by statistic; info series stand behind them.
        let each = job.metrics.first().map_or(1, |metric| metric.statistics.len()).max(1);
        let fits = |at: &usize| {
            let described = |n| plan.set.series.get(at * each + n).and_then(|key| plan.set.describe(*key));
            (0..each).filter_map(described).any(|(f, l)| self.is_family(job, &f.name) && self.wanted.fits(l))
        };
        let chosen = self.matching(job, inventory).into_iter().filter(fits).take(ASKED);
        let metrics = chosen.filter_map(|at| inventory.metrics.get(at).cloned()).collect();
        Ok(Arc::new(Inventory { metrics, ..Inventory::clone(inventory) }))
    }

    /// Whether a family of the narrowed job is meant: all but the info series are, where CloudWatch's own name was typed.
    fn is_family(&self, job: &Job, name: &str) -> bool {
        name == self.wanted.name || (self.wanted.name.contains('/') && name != naming::info_name(&job.namespace))
    }

    /// Window, delay, points, exposition.
    async fn data(
        &self,
        job: &Job,
        role: &Role,
        api: &Arc<dyn Api>,
        inventory: Arc<Inventory>,
        passed: &mut Vec<(&'static str, String)>,
    ) -> Result<String, Verdict> {
        const STEP: &str = "points";
        let job = Arc::new(job.clone());
        let (_sender, receiver) = watch::channel(Some(Arc::clone(&inventory)));
        let mut fetch = Fetch::new(Arc::clone(&job), Arc::clone(api), self.naming, receiver);
        let outcome = fetch.collect(self.clock.read(), &mut |_| {}).await;
        let snapshot = outcome.snapshot;
        for (at, key) in snapshot.iter().flat_map(|s| s.set.series.iter().enumerate()) {
            let Some(snapshot) = &snapshot else { break };
            let described =
                snapshot.set.describe(*key).filter(|(f, l)| self.is_family(&job, &f.name) && self.wanted.fits(l));
            let cell = snapshot.samples(at).first().filter(|cell| !cell.value().is_nan());
            if let (Some((family, labels)), Some(cell)) = (described, cell) {
                passed.push((STEP, "the window has some".to_owned()));
                return Ok(format!("{}{{{}}} {}", family.name, text_of(labels), cell.value()));
            }
        }
        if let Some(failure) = outcome.failures.first() {
            let is_static = matches!(job.kind, JobKind::Static(_));
            let permission = if is_static { "cloudwatch:GetMetricStatistics" } else { "cloudwatch:GetMetricData" };
            let mut verdict = Verdict::of_failure(STEP, failure, false, permission);
            verdict.fix.push_str(if role.arn.is_some() { " to the role" } else { "" });
            return Err(verdict);
        }
        Err(self.look_back(&job, &**api, &inventory).await)
    }

    /// What a long window has.
    async fn look_back(&self, job: &Job, api: &dyn Api, inventory: &Inventory) -> Verdict {
        let now = self.clock.now();
        let Some(metric) = job.metrics.first() else {
            return Verdict::new(Cause::NotNamed, "configuration", "the job has no metrics", "add some");
        };
        let (name, dimensions, owner) = match (&job.kind, inventory.metrics.first()) {
            (JobKind::Static(dimensions), _) => (Text::clone(&metric.name), dimensions.clone().into(), None),
            (_, Some(found)) => (Text::clone(&found.name), Arc::clone(&found.dimensions), found.owner.clone()),
            (_, None) => (Text::clone(&metric.name), Vec::new().into(), None),
        };
        let statistic = metric.statistics.first().cloned().unwrap_or_else(|| "Average".into());
        let query = |statistic: Text| MetricQuery {
            metric: Text::clone(&name),
            dimensions: Arc::clone(&dimensions),
            statistic,
            owner: owner.clone(),
        };
        let queries = [query(statistic), query("SampleCount".into())];
        let mut newest: [Vec<Timestamp>; 2] = Default::default();
        // A day's points first; a metric that comes once a day has none there, and is asked for over two weeks in coarse periods.
        for (back, period) in [(LOOK_BACK / 14, metric.period_seconds), (LOOK_BACK, metric.period_seconds.max(HOUR))] {
            let start = now.minus(back);
            let request = MetricDataRequest {
                namespace: &job.namespace,
                queries: &queries,
                period_seconds: period,
                start,
                end: now,
            };
            match api.get_metric_data(&request, None).await.result {
                Err(failure) => return Verdict::of_failure("last points", &failure, false, "cloudwatch:GetMetricData"),
                Ok(page) => {
                    for result in page.items {
                        if let Some(points) = newest.get_mut(result.query) {
                            points.extend(result.points.iter().map(|p| p.at));
                        }
                    }
                }
            }
            if newest.iter().any(|points| points.len() > 1) {
                break;
            }
        }
        let [mut points, others] = newest;
        let period = Duration::from_secs(metric.period_seconds.get().into());
        let empty = Empty { period, length: Duration::from_secs(metric.length_seconds), end: now, looked: LOOK_BACK };
        lookback::verdict(empty, &mut points, !others.is_empty(), now)
    }
}

const HOUR: std::num::NonZeroU32 = match std::num::NonZeroU32::new(3_600) {
    Some(n) => n,
    None => std::num::NonZeroU32::MIN,
};

fn empty(account: crate::aws::api::Account) -> Arc<Inventory> {
    Arc::new(Inventory {
        account,
        resources: Vec::new(),
        metrics: Vec::new(),
        owners: std::collections::BTreeMap::new(),
    })
}

/// As on the page.
fn text_of(labels: &LabelSet) -> String {
    labels.iter().map(|(name, value)| format!("{name}={value:?}")).collect::<Vec<_>>().join(",")
}
