//! Google's jobs: a series is paid for whenever an answer brings it. Listing metric types is free; how many series each has
//! would cost as much as fetching them, and is always assumed.

use std::sync::Arc;

use tokio::sync::watch;

use super::{Around, Basis, DAY_SECONDS, Line, Plan, resources};
use crate::app::clouds::Clouds;
use crate::cli::PlanOptions;
use crate::clock::Clock;
use crate::gcp::discover::Discover;
use crate::gcp::job::{GcpSettings, Interval, Job};
use crate::seam::Source as _;

/// Metric types below a prefix.
const USUAL_TYPES: f64 = 10.0;

/// Adds a line for each job.
pub(super) async fn plan(settings: &GcpSettings, options: &PlanOptions, around: &Around, plan: &mut Plan) {
    if options.live {
        return live(settings, options, around, plan).await;
    }
    for job in &settings.jobs {
        let mut line = Line::new(job.name.to_string(), Basis::Assumed);
        let n = resources(&line.job, &options.resources);
        let types = USUAL_TYPES * f64::from(u32::try_from(job.prefixes.len()).unwrap_or(u32::MAX));
        let is_unknown = job.projects_filter.is_some() || job.projects.is_empty();
        let projects = job.projects.len().max(1);
        let more = if is_unknown { format!(", {projects} projects") } else { String::new() };
        plan.assumptions.push(format!(
            "{}: {types} metric types of {n} series in each project{more} (--resources {}=N; --live lists the types)",
            job.name, job.name
        ));
        let asks = DAY_SECONDS / job.timing.interval.tick().as_secs_f64().max(1.0);
        for _ in 0..projects {
            line.places += 1;
            add(types, asks, n, &mut line);
        }
        plan.lines.push(line);
    }
}

fn add(types: f64, asks_a_day: f64, series: f64, line: &mut Line) {
    line.series += types * series;
    line.call("ListTimeSeries", types * asks_a_day);
    line.units_a_day += types * asks_a_day * series;
    line.pay("ListTimeSeries", types * asks_a_day * series, types * asks_a_day * series);
}

/// A discovery of each job in each project.
async fn live(settings: &GcpSettings, options: &PlanOptions, around: &Around, plan: &mut Plan) {
    let clouds = Clouds::new(around.network.clone(), Arc::clone(&around.google));
    let (settings, failures) = clouds.with_projects(settings).await;
    plan.failures.extend(failures.iter().map(ToString::to_string));
    let api = match around.google.connect(&settings.access) {
        Ok(api) => api,
        Err(failure) => return plan.failures.push(failure.to_string()),
    };
    for job in &settings.jobs {
        let mut line = Line::new(job.name.to_string(), Basis::Assumed);
        let n = resources(&line.job, &options.resources);
        plan.assumptions.push(format!("{}: each metric type has {n} series (--resources {}=N)", job.name, job.name));
        let alone = Arc::new(job.clone());
        for project in &job.projects {
            let (sender, found) = watch::channel(None);
            let mut discover = Discover::new(Arc::clone(&alone), Arc::clone(project), Arc::clone(&api), sender);
            let outcome = discover.collect(Clock::system().read(), &mut |_| {}).await;
            plan.failures.extend(outcome.failures.iter().map(|f| format!("{} in {project}: {f}", job.name)));
            line.places += 1;
            let inventory = found.borrow();
            for descriptor in inventory.iter().flat_map(|inventory| &inventory.descriptors) {
                add(1.0, asks_a_day(job, descriptor.sample_period), n, &mut line);
            }
        }
        plan.lines.push(line);
    }
}

fn asks_a_day(job: &Job, sample_period: Option<std::time::Duration>) -> f64 {
    let every = match job.timing.interval {
        Interval::Fixed(every) => every,
        Interval::Auto { least } => sample_period.unwrap_or(least).max(least),
    };
    DAY_SECONDS / every.as_secs_f64().max(1.0)
}
