//! `raingauge explain METRIC`: walks the way of one metric, from the configuration to the page, and names the first step that
//! does not let it through. Each place is walked on its own; nothing is collected, kept or served.

mod aws;
mod google;
mod purse;
mod stages;

use std::collections::BTreeSet;
use std::io::Write;
use std::sync::Arc;

use crate::app::clouds::Clouds;
use crate::app::regions::{self, LookUp};
use crate::aws::client::Clients;
use crate::aws::job::{AwsSettings, Role};
use crate::clock::Clock;
use crate::config::Settings;
use crate::explain::spots::{self, Spot};
use crate::explain::verdict::{Cause, Verdict, Walk};
use crate::explain::wanted::Wanted;
use crate::model::Text;
use crate::seam::Call;
use crate::telemetry::{RESERVED_PREFIXES, Telemetry, TelemetrySettings};
use purse::Budget;

/// Nine tenths of a cent, in units of a thousandth: without `--yes` no more is spent.
const BUDGET_UNITS: u64 = 900;
/// Places that are walked: whoever has more gives labels.
const MAX_PLACES: usize = 12;

/// What to explain, and with what.
pub struct Question<'a> {
    /// The metric, as typed.
    pub metric: &'a str,
    /// The configuration.
    pub settings: &'a Settings,
    /// How the clouds are reached.
    pub clouds: &'a Clouds,
    /// The time.
    pub clock: &'a Clock,
    /// Whether it may cost more than a cent.
    pub is_rich: bool,
}

/// What came of a walk.
#[derive(Debug)]
pub struct Explained {
    /// Whether the metric is there, in one place at least.
    pub is_there: bool,
    /// What it has cost, by list price.
    pub dollars: f64,
    /// The calls that it took.
    pub calls: Vec<Call>,
}

/// Walks, and writes what it finds.
pub async fn explain(question: &Question<'_>, out: &mut (dyn Write + Send)) -> anyhow::Result<Explained> {
    let wanted = Wanted::parse(question.metric)?;
    if RESERVED_PREFIXES.iter().any(|own| wanted.name.starts_with(own)) && !wanted.name.starts_with("stackdriver_") {
        writeln!(
            out,
            "{} is raingauge's own: it is at /metrics as soon as something was counted in it (docs/metrics.md)",
            wanted.name
        )?;
        return Ok(Explained { is_there: true, dollars: 0.0, calls: Vec::new() });
    }
    let most = (!question.is_rich).then_some(BUDGET_UNITS);
    let price = if question.is_rich { "whatever it takes".to_owned() } else { "at most $0.009".to_owned() };
    writeln!(
        out,
        "This asks the clouds, and costs {price} by list price (ListMetrics and GetMetricData: $0.01 for a thousand).\n"
    )?;
    out.flush()?;
    let budget = Arc::new(Budget::new(most));
    let walks = walks(question, &wanted, &budget).await?;
    for walk in &walks {
        writeln!(out, "{walk}")?;
    }
    writeln!(out, "spent: ${:.5}", budget.dollars())?;
    let there = walks.iter().filter(|walk| walk.is_good()).count();
    if there > 0 && there < walks.len() {
        writeln!(out, "It is there in {there} of {} places.", walks.len())?;
    }
    Ok(Explained { is_there: there > 0, dollars: budget.dollars(), calls: budget.take_calls() })
}

async fn walks(question: &Question<'_>, wanted: &Wanted, budget: &Arc<Budget>) -> anyhow::Result<Vec<Walk>> {
    let Question { settings, .. } = question;
    if wanted.name.starts_with("stackdriver_") || is_google(wanted) {
        return Ok(of_google(question, wanted, budget).await);
    }
    let none = AwsSettings::default();
    let aws = settings.aws.as_ref().unwrap_or(&none);
    let spots = spots::spots(aws, wanted);
    if spots.is_empty() {
        return Ok(vec![at_the_file(spots::nowhere(aws, wanted))]);
    }
    of_aws(question, aws, spots, wanted, budget).await
}

/// `run.googleapis.com/request_count`: the part before the first slash is a host's name.
fn is_google(wanted: &Wanted) -> bool {
    wanted.name.split_once('/').is_some_and(|(host, _)| host.contains('.') && !host.contains(' '))
}

/// A cause that nobody needs to be asked about.
fn at_the_file(verdict: Verdict) -> Walk {
    Walk { place: "the configuration".to_owned(), passed: Vec::new(), end: Err(verdict) }
}

async fn of_aws(
    question: &Question<'_>,
    aws: &AwsSettings,
    spots: Vec<Spot>,
    wanted: &Wanted,
    budget: &Arc<Budget>,
) -> anyhow::Result<Vec<Walk>> {
    let clients = Clients::load(aws.access.clone(), &question.clouds.aws).await?;
    let known = enabled(question, aws).await?;
    let regions: BTreeSet<Text> = aws.jobs.iter().flat_map(|job| job.regions.iter().cloned()).collect();
    let (naming, clock) = (aws.naming, question.clock);
    let walker = aws::Walker { clients: &clients, wanted, naming, clock, budget, regions: &regions };
    let mut walks = Vec::new();
    let mut elsewhere = BTreeSet::new();
    for spot in &spots {
        for role in &spot.job.roles {
            let own = known.get(role).cloned().unwrap_or_default();
            let places = if spot.job.selection.all_regions { own } else { spot.job.regions.clone() };
            for region in places {
                if wanted.label("region").is_some_and(|only| only != &*region) {
                    elsewhere.insert(region);
                } else if walks.len() < MAX_PLACES && is_account(wanted, role) {
                    walks.push(Box::pin(walker.walk(spot, role, &region)).await);
                }
            }
        }
    }
    if walks.is_empty() {
        let some: Vec<&str> = elsewhere.iter().map(|region| &**region).collect();
        let why = match some.as_slice() {
            [] => "no role of the job is of that account, or its regions are not known".to_owned(),
            some => format!("its jobs run in {}", some.join(", ")),
        };
        let fix = "add the region to the job's `regions`, and a role of the account to its `roles`";
        walks.push(at_the_file(Verdict::new(Cause::Place, "configuration", why, fix)));
    }
    Ok(walks)
}

/// Whether the role may be of the account that the labels name. Whose the process's own credentials are is found out.
fn is_account(wanted: &Wanted, role: &Role) -> bool {
    let Some(id) = wanted.label("account_id") else { return true };
    role.arn.as_ref().is_none_or(|arn| arn.contains(id))
}

/// The regions of `regions: all`.
async fn enabled(question: &Question<'_>, aws: &AwsSettings) -> anyhow::Result<regions::Known> {
    let telemetry = Telemetry::new(TelemetrySettings {
        version: env!("CARGO_PKG_VERSION"),
        started: question.clock.now(),
        yace: false,
        prices: Vec::new(),
    });
    let known = regions::Known::default();
    let Some(mut look_up) = LookUp::load(aws, &question.clouds.aws, Arc::new(telemetry), known).await? else {
        return Ok(regions::Known::default());
    };
    look_up.first().await;
    Ok(look_up.known().clone())
}

async fn of_google(question: &Question<'_>, wanted: &Wanted, budget: &Arc<Budget>) -> Vec<Walk> {
    let fix = "add a job for it under `gcp`";
    let Some(written) = &question.settings.gcp else {
        let why = "the configuration has no jobs for Google Cloud Monitoring";
        return vec![at_the_file(Verdict::new(Cause::NoJob, "configuration", why, fix))];
    };
    let (gcp, failures) = question.clouds.with_projects(written).await;
    let api = question.clouds.google_api(&gcp.access);
    let walker = google::Walker { api: &api, wanted, clock: question.clock, budget };
    let mut walks = Vec::new();
    let mut others = BTreeSet::new();
    for job in &gcp.jobs {
        for project in &job.projects {
            if wanted.label("project_id").is_some_and(|only| only != &**project) {
                others.insert(&**project);
            } else if walks.len() < MAX_PLACES {
                walks.push(Box::pin(walker.walk(job, project)).await);
            }
        }
    }
    // A type that one job leaves out may be another's.
    if walks.iter().any(|walk| !matches!(&walk.end, Err(v) if v.cause == Cause::NotNamed)) {
        walks.retain(|walk| !matches!(&walk.end, Err(v) if v.cause == Cause::NotNamed));
    }
    if walks.is_empty() {
        let some = others.into_iter().collect::<Vec<_>>().join(", ");
        let fix = "add the project to the job's `projects`";
        let place = || Verdict::new(Cause::Place, "configuration", format!("its jobs ask the projects {some}"), fix);
        let of = |f| Verdict::of_failure("projects", f, false, "resourcemanager.projects.get");
        walks.push(at_the_file(failures.first().map_or_else(place, of)));
    }
    walks
}
