//! Static jobs: GetMetricStatistics for exactly the configured dimensions, with YACE's choice of points.

use std::time::Duration;

use futures_util::{StreamExt, stream};

use crate::aws::api::{Api, MetricStatisticsRequest, StatisticsPoint};
use crate::aws::cadence::{Rhythm, Verdict};
use crate::aws::fetch::{Paced, RunClock};
use crate::aws::job::{Dimension, Job, Metric, WindowRule};
use crate::aws::plan::Plan;
use crate::model::{Cell, Snapshot, Text, Timestamp};
use crate::seam::{Call, Failure, Outcome};

/// Metrics asked at the same time by one job; the gate decides about the calls of all jobs.
const METRICS_IN_FLIGHT: usize = 8;
/// What GetMetricStatistics takes as `Statistics`; everything else is an extended statistic.
pub const PLAIN: [&str; 5] = ["Average", "Maximum", "Minimum", "SampleCount", "Sum"];

/// Asks for every metric of the job that is due; returns whether there was one, and whether any was answered.
#[expect(clippy::too_many_arguments, reason = "a job, where it is, what it has, and where its answers go")]
pub(super) async fn fetch(
    job: &Job,
    dimensions: &[Dimension],
    api: &dyn Api,
    plan: &Plan,
    clock: RunClock,
    snapshot: &mut Snapshot,
    mut paced: Option<&mut Paced>,
    outcome: &mut Outcome,
) -> (bool, bool) {
    let mut seen = false;
    let is_due = |positions: &[u32]| match &paced {
        Some(paced) => positions.iter().any(|p| paced.is_due(*p, clock.wall())),
        None => true,
    };
    let metrics = job.metrics.iter().zip(&plan.statics).enumerate().filter(|(_, (_, positions))| is_due(positions));
    let asked: Vec<_> = metrics
        .map(|(group, (metric, positions))| {
            let late_seconds = paced.as_ref().map_or(0, |paced| paced.late_seconds(group));
            let window = window(metric, clock.wall(), late_seconds);
            async move { (group, metric, positions, ask(job, metric, dimensions, api, window).await) }
        })
        .collect();
    let any = !asked.is_empty();
    let mut running = stream::iter(asked).buffer_unordered(METRICS_IN_FLIGHT);
    while let Some((group, metric, positions, (points, calls, failure))) = running.next().await {
        outcome.calls.extend(calls);
        let failed = failure.is_some();
        outcome.failures.extend(failure);
        let mut hold = failed && !job.timing.stale_after.is_zero();
        if let (Some(paced), Some(rhythm)) = (&mut paced, plan.groups.get(group)) {
            for position in positions {
                let mut starts = points.iter().map(|p| p.at);
                if failed {
                    paced.failed(group, rhythm, *position, clock.wall());
                } else {
                    hold |= paced.answered(group, rhythm, *position, &mut starts, clock.wall()) == Verdict::Hold;
                }
            }
        }
        seen |= !failed;
        if hold {
            continue;
        }
        for (statistic, position) in metric.statistics.iter().zip(positions) {
            let cell = sample(metric, statistic, &points);
            snapshot.put(*position as usize, cell.as_slice(), clock.steady().plus(metric.outlives));
        }
    }
    (any, seen)
}

/// Of complete periods only, as for queries; as YACE does it, the window is not rounded and ignores the delay.
fn window(metric: &Metric, now: Timestamp, late_seconds: u32) -> (Timestamp, Timestamp) {
    match metric.rule {
        WindowRule::Complete => Rhythm::of(metric).window(now, late_seconds, metric.length_seconds),
        WindowRule::Yace => (now.minus(Duration::from_secs(metric.length_seconds)), now),
    }
}

/// Plain and extended statistics may not stand in one call.
async fn ask(
    job: &Job,
    metric: &Metric,
    dimensions: &[Dimension],
    api: &dyn Api,
    (start, end): (Timestamp, Timestamp),
) -> (Vec<StatisticsPoint>, Vec<Call>, Option<Failure>) {
    let (plain, extended): (Vec<Text>, Vec<Text>) =
        metric.statistics.iter().cloned().partition(|s| PLAIN.contains(&&**s));
    let (mut points, mut calls) = (Vec::new(), Vec::new());
    for (statistics, extended_statistics) in [(plain, Vec::new()), (Vec::new(), extended)] {
        if statistics.is_empty() && extended_statistics.is_empty() {
            continue;
        }
        let request = MetricStatisticsRequest {
            namespace: &job.namespace,
            metric: &metric.name,
            dimensions,
            statistics,
            extended_statistics,
            period_seconds: metric.period_seconds,
            start,
            end,
        };
        let answered = api.get_metric_statistics(&request).await;
        calls.push(answered.call);
        match answered.result {
            Ok(more) => points.extend(more),
            Err(failure) => return (points, calls, Some(failure)),
        }
    }
    points.sort_by_key(|p| std::cmp::Reverse(p.at));
    (points, calls, None)
}

/// Of an average: the mean of all averages in the window; of everything else: the newest point that has it.
fn sample(metric: &Metric, statistic: &Text, newest_first: &[StatisticsPoint]) -> Option<Cell> {
    let having = || newest_first.iter().filter_map(|p| Some((p.at, p.values.iter().find(|(n, _)| n == statistic)?.1)));
    let (at, newest) = having().next()?;
    let value = if &**statistic == "Average" {
        let (sum, n) = having().fold((0.0, 0.0), |(sum, n), (_, v)| (sum + v, n + 1.0));
        sum / n
    } else {
        newest
    };
    Some(if metric.add_timestamp { Cell::timed(value, at) } else { Cell::untimed(value) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::job::Pace;

    #[test]
    fn native_windows_have_complete_periods_only() {
        let metric = |rule| Metric {
            name: "m".into(),
            pattern: None,
            statistics: vec!["Sum".into()],
            period_seconds: std::num::NonZeroU32::new(300).unwrap(),
            length_seconds: 600,
            delay_seconds: 120,
            rule,
            pace: Pace::Auto,
            outlives: Duration::from_secs(1200),
            nil_to_zero: false,
            add_timestamp: false,
            export_all_data_points: false,
        };
        let midnight = 1_699_920_000;
        let seconds = |rule, now, late| {
            let (start, end) = window(&metric(rule), Timestamp::from_secs(midnight + now), late);
            (start.as_secs() - midnight, end.as_secs() - midnight)
        };
        assert_eq!(seconds(WindowRule::Yace, 1_383, 0), (783, 1_383));
        assert_eq!(seconds(WindowRule::Complete, 1_383, 0), (600, 1_200));
        assert_eq!(seconds(WindowRule::Complete, 1_319, 0), (300, 900), "not published yet");
        assert_eq!(seconds(WindowRule::Complete, 1_383, 100), (300, 900), "as late as was learned");
    }
}
