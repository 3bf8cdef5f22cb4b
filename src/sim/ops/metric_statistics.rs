//! GetMetricStatistics.

use std::borrow::Cow;

use super::metric_data::Dim;
use super::period;
use crate::model::Timestamp;
use crate::sim::cloud::Cloud;
use crate::sim::refusal::Refusal;
use crate::sim::statistic::Statistic;
use crate::sim::world::{Place, retention_start};

/// Data points in one answer, CloudWatch's limit.
const MAX_POINTS: u64 = 1440;

/// What is asked.
#[derive(Debug, Default)]
pub(crate) struct StatisticsRequest<'a> {
    pub(crate) namespace: Cow<'a, str>,
    pub(crate) metric: Cow<'a, str>,
    pub(crate) dimensions: Vec<Dim<'a>>,
    pub(crate) start: Option<Timestamp>,
    pub(crate) end: Option<Timestamp>,
    pub(crate) period_seconds: i64,
    pub(crate) statistics: Vec<Cow<'a, str>>,
    pub(crate) extended: Vec<Cow<'a, str>>,
}

/// A point: start of the period in seconds since 1970, then the values of the statistics, then of the extended ones.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct StatisticsRow {
    pub(crate) at: i64,
    pub(crate) values: Vec<f64>,
}

/// The answer.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Rows {
    pub(crate) unit: &'static str,
    /// Oldest first; the real one promises no order.
    pub(crate) rows: Vec<StatisticsRow>,
}

/// Answers a request.
pub(crate) fn answer(
    cloud: &Cloud,
    place: Option<&Place>,
    request: &StatisticsRequest<'_>,
    now: Timestamp,
) -> Result<Rows, Refusal> {
    let missing = |what: &str| Refusal::new("MissingParameter", format!("The request must contain {what}."));
    let invalid = |why: &str| Refusal::new("InvalidParameterValue", why);
    let start = request.start.ok_or_else(|| missing("StartTime"))?;
    let end = request.end.ok_or_else(|| missing("EndTime"))?;
    let statistics = statistics(request)?;
    let window = period::window(start, end, now).map_err(|refusal| invalid(&refusal.message))?;
    let grid = period::grid(window, request.period_seconds)
        .ok_or_else(|| invalid("The parameter Period must be 1, 5, 10, 20, 30 or a multiple of 60."))?;
    if grid.count() > MAX_POINTS {
        let why = format!("{} datapoints are requested, which exceeds the limit of {MAX_POINTS}.", grid.count());
        return Err(Refusal::new("InvalidParameterCombination", why));
    }
    let hash = cloud.world.fingerprint(&request.namespace, &request.metric, &request.dimensions);
    let series = place.and_then(|place| {
        let profiles = cloud.world.profiles();
        Some((place, place.find(profiles, hash, &request.namespace, &request.metric, &request.dimensions)?))
    });
    let Some((view, unit)) =
        series.and_then(|(place, series)| Some((cloud.world.view(place, series)?, cloud.world.profile(series)?.unit)))
    else {
        return Ok(Rows::default());
    };
    let oldest = retention_start(now, u32::try_from(grid.period_seconds).unwrap_or(u32::MAX)).as_secs();
    let row = |index| {
        let at = grid.at(index);
        let end = at.saturating_add(grid.period_seconds).min(grid.end);
        let stats = view.gather(at, end, Some(now.as_secs())).filter(|_| at >= oldest)?;
        Some(StatisticsRow { at, values: statistics.iter().map(|statistic| statistic.of(&stats)).collect() })
    };
    Ok(Rows { unit, rows: (0..grid.count()).filter_map(row).collect() })
}

/// The statistics in the order of the request, the plain ones first.
fn statistics(request: &StatisticsRequest<'_>) -> Result<Vec<Statistic>, Refusal> {
    let (plain, extended) = (request.statistics.len(), request.extended.len());
    if (plain == 0) == (extended == 0) {
        let why = "Exactly one of Statistics and ExtendedStatistics must be given.";
        return Err(Refusal::new("InvalidParameterCombination", why));
    }
    if plain > 5 || extended > 10 {
        return Err(Refusal::new("InvalidParameterValue", "There are too many statistics."));
    }
    let parse = |name: &Cow<'_, str>| {
        let statistic = Statistic::parse(name).filter(|s| is_plain(*s) == (extended == 0));
        statistic.ok_or_else(|| Refusal::new("InvalidParameterValue", format!("{name} is not a statistic.")))
    };
    request.statistics.iter().chain(&request.extended).map(parse).collect()
}

const fn is_plain(statistic: Statistic) -> bool {
    matches!(
        statistic,
        Statistic::Average | Statistic::Sum | Statistic::Minimum | Statistic::Maximum | Statistic::SampleCount
    )
}
