//! The agent: a metric costs by existing. How many there are is found by measuring this machine twice, which is free; so the
//! plan is right where the agent will run, and only there.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use super::{Around, Basis, DAY_SECONDS, Line, Plan, resources};
use crate::app::agent::data_of;
use crate::cli::PlanOptions;
use crate::clock::Clock;
use crate::config::AgentSettings;
use crate::host::collect::Collector;
use crate::host::job::{HostSettings, Job, Wanted, What};
use crate::model::MetricIdentity;
use crate::push::batch::MAX_DATA;
use crate::push::cost::Cost;
use crate::push::dimensions::{Facts, wanted};
use crate::push::job::PushSettings;
use crate::push::namer::Namer;

/// Between two passes; processors count in hundredths of a second.
const PAUSE: Duration = Duration::from_millis(300);

/// Adds a line for each plugin, and one for the requests.
pub(super) async fn plan(settings: &AgentSettings, options: &PlanOptions, around: &Around, plan: &mut Plan) {
    let Some(push) = &settings.push else { return };
    let of_job = measured(settings, push, around, plan).await;
    let statsd = resources("statsd", &options.resources);
    let mut by_plugin: BTreeMap<&'static str, Line> = BTreeMap::new();
    let (mut metrics, mut a_day, mut shortest) = (0.0, 0.0, f64::INFINITY);
    for (at, job) in settings.host.jobs.iter().enumerate() {
        let name = job.what.plugin().as_str();
        let basis = if matches!(job.what, What::Statsd(_)) { Basis::Assumed } else { Basis::Counted };
        let line = by_plugin.entry(name).or_insert_with(|| Line::new(format!("agent/{name}"), basis));
        let n = if basis == Basis::Assumed {
            plan.assumptions
                .push(format!("programs send {statsd} series by statsd, roll-ups included (--resources statsd=N)"));
            statsd
        } else {
            of_job.get(&at).copied().unwrap_or(0.0)
        };
        let every = every_seconds(job);
        metrics += n;
        a_day += n * DAY_SECONDS / every;
        shortest = every.min(shortest);
        line.places = 1;
        line.series += n;
    }
    if !by_plugin.is_empty() {
        let text = "the machine where the agent will run has the processors, mounts, disks, interfaces and processes of this one";
        plan.assumptions.push(text.to_owned());
    }
    let limit = f64::from(u32::try_from(push.max_metrics).unwrap_or(u32::MAX));
    if metrics > limit {
        plan.assumptions.push(format!("{metrics} metrics are more than max_metrics: {limit} are pushed"));
    }
    let share = Cost::of_metrics(metrics.min(limit)) / metrics.max(1.0);
    for mut line in by_plugin.into_values() {
        let dollars = line.series * share;
        line.dollars_a_month.per_statistic = dollars;
        line.dollars_a_month.per_block = dollars;
        plan.lines.push(line);
    }
    // What waits is sent with each flush, and whenever a request is full.
    let flushes =
        DAY_SECONDS / push.flush_interval.as_secs_f64().max(if shortest.is_finite() { shortest } else { 0.0 });
    #[expect(clippy::cast_precision_loss, reason = "a thousand")]
    let requests = flushes * (a_day / flushes / MAX_DATA as f64).ceil();
    let mut line = Line::new("agent: requests".to_owned(), Basis::Counted);
    line.places = 1;
    line.call("PutMetricData", requests);
    line.pay("PutMetricData", requests, requests);
    plan.lines.push(line);
}

/// Time between two data of a metric.
fn every_seconds(job: &Job) -> f64 {
    let window = match &job.what {
        What::Statsd(statsd) => statsd.aggregation.unwrap_or_default(),
        _ => Duration::ZERO,
    };
    job.interval.max(window).as_secs_f64().max(1.0)
}

/// How many metrics each job makes of this machine. One that several make (a roll-up) counts for the first.
async fn measured(
    settings: &AgentSettings,
    push: &PushSettings,
    around: &Around,
    plan: &mut Plan,
) -> HashMap<usize, f64> {
    // Nobody is listened to; the positions of the others stay.
    let silent = |job: &Job| match &job.what {
        What::Statsd(_) => Job { what: What::System, wanted: Wanted::default(), ..job.clone() },
        _ => job.clone(),
    };
    let longest = settings.host.jobs.iter().map(|job| job.interval).max().unwrap_or_default();
    let host = HostSettings { jobs: settings.host.jobs.iter().map(silent).collect() };
    let mut now = Clock::system().read();
    let (mut collector, _) = Collector::start(around.root.clone(), host, now).await;
    let instance = wanted(&push.naming).into_iter().map(|fact| (fact, "x".into())).collect();
    let mut namer = Namer::new(push.naming.clone(), Facts { host_name: "x".into(), instance });
    let mut known: HashSet<Arc<MetricIdentity>> = HashSet::new();
    let mut of_job: HashMap<usize, f64> = HashMap::new();
    for pass in 0..2 {
        now.steady = collector.next_due().map_or(now.steady, |due| due.plus(longest));
        let collected = collector.collect(now).await;
        for measurement in &collected.measurements {
            for datum in data_of(&mut namer, measurement).data {
                if known.insert(datum.of) {
                    *of_job.entry(measurement.job).or_default() += 1.0;
                }
            }
        }
        if pass == 1 {
            plan.assumptions.extend(collected.failures.iter().map(|f| format!("nothing where this fails: {f}")));
        } else {
            tokio::time::sleep(PAUSE).await;
        }
    }
    of_job
}
