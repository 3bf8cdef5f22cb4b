//! GetMetricStatistics.

use std::borrow::Cow;

use super::listing::place_of;
use super::metric_data::Dim;
use super::period;
use super::source::{Name, Source};
use crate::model::Timestamp;
use crate::sim::cloud::{Caller, Cloud};
use crate::sim::refusal::Refusal;
use crate::sim::statistic::Statistic;
use crate::sim::world::retention_start;

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
    pub(crate) unit: String,
    /// Oldest first; the real one promises no order.
    pub(crate) rows: Vec<StatisticsRow>,
}

/// Answers a request.
pub(crate) fn answer(
    cloud: &Cloud,
    caller: &Caller,
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
    let place = place_of(cloud, caller);
    let name = Name { namespace: &request.namespace, metric: &request.metric, dimensions: &request.dimensions };
    let Some(source) = Source::find(cloud, caller, place.as_deref(), hash, &name) else { return Ok(Rows::default()) };
    let oldest = retention_start(now, u32::try_from(grid.period_seconds).unwrap_or(u32::MAX)).as_secs();
    let row = |index| {
        let at = grid.at(index);
        let end = at.saturating_add(grid.period_seconds).min(grid.end);
        let stats = source.gather(at, end, now.as_secs()).filter(|_| at >= oldest)?;
        Some(StatisticsRow { at, values: statistics.iter().map(|statistic| statistic.of(&stats)).collect() })
    };
    Ok(Rows { unit: source.unit().to_owned(), rows: (0..grid.count()).filter_map(row).collect() })
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
