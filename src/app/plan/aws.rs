//! CloudWatch's jobs: how often each metric is asked for follows from the file; how many there are is assumed, or listed by a
//! discovery as the daemon makes it.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::sync::Arc;

use tokio::sync::watch;

use super::{Around, Basis, DAY_SECONDS, Line, Plan, resources};
use crate::app::regions::{self, LookUp};
use crate::aws::cadence::Rhythm;
use crate::aws::client::Clients;
use crate::aws::discover::Discover;
use crate::aws::inventory::Inventory;
use crate::aws::job::{AwsSettings, Job, JobKind, Metric};
use crate::aws::{oracle, statics};
use crate::cli::PlanOptions;
use crate::clock::Clock;
use crate::seam::{Outcome, Source as _};
use crate::telemetry::{Telemetry, TelemetrySettings, price};

/// Regions that an account has enabled when nobody has changed anything.
const USUAL_REGIONS: usize = 17;
/// Metrics of a namespace that a pattern stands for.
const USUAL_NAMES: f64 = 10.0;
/// Metrics of a page of ListMetrics.
const LISTED_A_PAGE: f64 = 500.0;

/// How many metrics each entry of a job has in one place, and the ListMetrics calls of a discovery.
struct Found {
    of_entry: Vec<f64>,
    listings: f64,
}

/// Adds a line for each job.
pub(super) async fn plan(
    settings: &AwsSettings,
    options: &PlanOptions,
    around: &Around,
    plan: &mut Plan,
) -> anyhow::Result<()> {
    if options.live {
        return live(settings, around, plan).await;
    }
    for job in &settings.jobs {
        let regions = if job.selection.all_regions { USUAL_REGIONS } else { job.regions.len() };
        let mut line = Line::new(label(job), Basis::Exact);
        let places = job.roles.len() * regions;
        if matches!(job.kind, JobKind::Static(_)) {
            (0..places).for_each(|_| add_static(job, &mut line));
        } else {
            line.basis = Basis::Assumed;
            let n = resources(&line.job, &options.resources);
            let regions = job.selection.all_regions.then(|| format!(", {USUAL_REGIONS} regions"));
            let has_pattern = job.metrics.iter().any(|m| m.pattern.is_some());
            let patterns = has_pattern.then(|| format!(", {USUAL_NAMES} metrics for each pattern"));
            plan.assumptions.push(format!(
                "{}: {n} resources with every metric in each place{}{} (--resources {}=N, or --live to ask)",
                line.job,
                regions.unwrap_or_default(),
                patterns.unwrap_or_default(),
                line.job
            ));
            let found = assumed(job, n);
            (0..places).for_each(|_| add(job, &found, &mut line));
        }
        plan.lines.push(line);
    }
    Ok(())
}

fn label(job: &Job) -> String {
    match job.kind {
        JobKind::Discovery(_) => job.namespace.to_string(),
        JobKind::Custom | JobKind::Static(_) => job.name.to_string(),
    }
}

fn assumed(job: &Job, resources: f64) -> Found {
    let of = |metric: &Metric| if metric.pattern.is_some() { resources * USUAL_NAMES } else { resources };
    let of_entry: Vec<f64> = job.metrics.iter().map(of).collect();
    let is_whole = job.metrics.iter().any(|m| m.pattern.is_some());
    let pages = |n: f64| (n / LISTED_A_PAGE).ceil().max(1.0);
    let listings = if is_whole { pages(of_entry.iter().sum()) } else { names(job) * pages(resources) };
    Found { of_entry, listings }
}

/// Each name is listed once.
fn names(job: &Job) -> f64 {
    as_f64(job.metrics.iter().map(|m| &m.name).collect::<BTreeSet<_>>().len())
}

/// One place more.
fn add(job: &Job, found: &Found, line: &mut Line) {
    line.places += 1;
    let statistics = |metric: &Metric| as_f64(metric.statistics.len());
    let all: f64 = job.metrics.iter().zip(&found.of_entry).map(|(m, n)| n * statistics(m)).sum();
    let limit = job.selection.max_series.map_or(f64::INFINITY, |n| as_f64(n.get()));
    let part = if all > limit { limit / all } else { 1.0 };
    line.series += all * part;
    // Metrics of one rhythm share calls.
    let mut groups: Vec<(Rhythm, f64, f64)> = Vec::new();
    for (metric, n) in job.metrics.iter().zip(&found.of_entry) {
        let (rhythm, queries) = (Rhythm::of(metric), n * part * statistics(metric));
        let blocks = n * part * (statistics(metric) / 5.0).ceil();
        match groups.iter_mut().find(|(known, ..)| *known == rhythm) {
            Some((_, q, b)) => (*q, *b) = (*q + queries, *b + blocks),
            None => groups.push((rhythm, queries, blocks)),
        }
    }
    for (rhythm, queries, blocks) in groups {
        let asks = DAY_SECONDS / f64::from(rhythm.cadence_seconds());
        line.call("GetMetricData", asks * (queries / f64::from(job.metrics_per_query.get().min(500))).ceil());
        line.units_a_day += asks * queries;
        line.pay("GetMetricData", asks * queries, asks * blocks);
    }
    let discoveries = DAY_SECONDS / job.timing.inventory_interval.as_secs_f64().max(1.0);
    // The oracle lists them once more.
    let has_oracle =
        job.timing.activity_oracle && !job.recently_active_only && job.metrics.iter().any(oracle::is_short);
    let listings = discoveries * found.listings * if has_oracle { 2.0 } else { 1.0 };
    line.call("ListMetrics", listings);
    line.pay("ListMetrics", listings, listings);
}

/// GetMetricStatistics is billed by the call, and knows plain statistics and others apart.
fn add_static(job: &Job, line: &mut Line) {
    line.places += 1;
    for metric in &job.metrics {
        let plain = metric.statistics.iter().filter(|s| statics::PLAIN.contains(&&***s)).count();
        let calls = usize::from(plain > 0) + usize::from(plain < metric.statistics.len());
        let a_day = as_f64(calls) * DAY_SECONDS / f64::from(Rhythm::of(metric).cadence_seconds());
        line.series += as_f64(metric.statistics.len());
        line.call("GetMetricStatistics", a_day);
        line.pay("GetMetricStatistics", a_day, a_day);
    }
}

/// A discovery of each job in each place.
async fn live(settings: &AwsSettings, around: &Around, plan: &mut Plan) -> anyhow::Result<()> {
    let clock = Clock::system();
    let settings = &expanded(settings, around, plan, &clock).await?;
    say_price(settings);
    let clients = Clients::load(settings.access.clone(), &around.network).await?;
    for job in &settings.jobs {
        let mut line = Line::new(label(job), Basis::Asked);
        let alone = Arc::new(job.clone());
        for (role, region) in job.roles.iter().flat_map(|role| job.regions.iter().map(move |region| (role, region))) {
            if let JobKind::Static(_) = job.kind {
                line.basis = Basis::Exact;
                add_static(job, &mut line);
                continue;
            }
            let (sender, found) = watch::channel(None);
            let api = clients.api(role, region).await;
            let mut discover = Discover::new(Arc::clone(&alone), api, sender);
            let outcome = discover.collect(clock.read(), &mut |_| {}).await;
            let place = format!("{} as {} in {region}", line.job, role.arn.as_deref().unwrap_or("itself"));
            plan.failures.extend(outcome.failures.iter().map(|f| format!("{place}: {f}")));
            if let Some(inventory) = &*found.borrow() {
                add(job, &listed(job, inventory, &outcome), &mut line);
            }
        }
        plan.lines.push(line);
    }
    Ok(())
}

fn listed(job: &Job, inventory: &Inventory, outcome: &Outcome) -> Found {
    let of = |entry: usize| as_f64(inventory.metrics.iter().filter(|m| m.entry == entry).count());
    let listings = outcome.calls.iter().filter(|call| call.operation == "ListMetrics").count();
    Found { of_entry: (0..job.metrics.len()).map(of).collect(), listings: as_f64(listings) }
}

/// Where `regions: all` stands, those that there are.
async fn expanded(
    settings: &AwsSettings,
    around: &Around,
    plan: &mut Plan,
    clock: &Clock,
) -> anyhow::Result<AwsSettings> {
    let telemetry = Telemetry::new(TelemetrySettings {
        version: env!("CARGO_PKG_VERSION"),
        started: clock.now(),
        yace: false,
        prices: Vec::new(),
    });
    let look_up = LookUp::load(settings, &around.network, Arc::new(telemetry), regions::Known::new()).await?;
    let Some(mut look_up) = look_up else { return Ok(settings.clone()) };
    look_up.again().await;
    for (role, error) in look_up.unknown() {
        plan.failures.push(format!("the regions of {}: {}", role.arn.as_deref().unwrap_or("itself"), error.message));
    }
    Ok(regions::expanded(settings, look_up.known()))
}

/// Before the first call that costs anything.
fn say_price(settings: &AwsSettings) {
    let of = |job: &Job| match job.kind {
        JobKind::Static(_) => 0.0,
        _ => names(job) * as_f64(job.roles.len() * job.regions.len()),
    };
    let calls: f64 = settings.jobs.iter().map(of).sum();
    let dollars = calls * price::of_unit("ListMetrics");
    let text = format!("asking: about {calls} ListMetrics calls or some more, {dollars:.4} dollars; the rest is free");
    // Nobody reads it when that fails.
    let _ = writeln!(crate::secret::MaskedLines::new(std::io::stderr()), "{text}");
}

#[expect(clippy::cast_precision_loss, reason = "an estimate")]
fn as_f64(n: usize) -> f64 {
    n as f64
}
