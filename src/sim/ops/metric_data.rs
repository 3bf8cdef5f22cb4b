//! GetMetricData: validation as CloudWatch does it, pages by data points, and the count of metrics requested.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use super::listing::{self, place_of};
use super::period;
use super::source::{Name, Source};
use super::token::Token;
use crate::aws::api::StatusCode;
use crate::model::Timestamp;
use crate::seam::MetricsRequested;
use crate::sim::cloud::{Caller, Cloud, Spoil};
use crate::sim::fault::FaultStatus;
use crate::sim::refusal::Refusal;
use crate::sim::statistic::Statistic;
use crate::sim::world::{Grid, Place, retention_start};

/// Queries in one request, CloudWatch's limit.
pub(crate) const MAX_QUERIES: usize = 500;
/// Dimensions of one metric, CloudWatch's limit.
pub(crate) const MAX_DIMENSIONS: usize = 30;
/// Data points in one answer, CloudWatch's limit.
pub(crate) const MAX_DATA_POINTS: usize = 100_800;

/// A dimension as it came in.
pub(crate) type Dim<'a> = (Cow<'a, str>, Cow<'a, str>);

/// What is asked. Dimensions of all queries stand in one list, so that five hundred queries need few allocations.
#[derive(Debug, Default)]
pub(crate) struct DataRequest<'a> {
    pub(crate) queries: Vec<DataQuery<'a>>,
    pub(crate) dimensions: Vec<Dim<'a>>,
    pub(crate) start: Option<Timestamp>,
    pub(crate) end: Option<Timestamp>,
    pub(crate) oldest_first: bool,
    pub(crate) max_points: Option<i64>,
    pub(crate) token: Option<Cow<'a, str>>,
}

/// One query.
#[derive(Debug, Default)]
pub(crate) struct DataQuery<'a> {
    pub(crate) id: Cow<'a, str>,
    pub(crate) label: Option<Cow<'a, str>>,
    /// A linked account that has the metric.
    pub(crate) account: Option<Cow<'a, str>>,
    pub(crate) has_expression: bool,
    /// False: a query that only feeds an expression.
    pub(crate) hidden: bool,
    pub(crate) namespace: Cow<'a, str>,
    pub(crate) metric: Cow<'a, str>,
    /// Into [`DataRequest::dimensions`].
    pub(crate) dimensions: Range<usize>,
    pub(crate) period_seconds: Option<i64>,
    pub(crate) statistic: Cow<'a, str>,
}

/// A result, or a part of one.
pub(crate) struct Part<'a> {
    /// Position of the query in the request.
    pub(crate) query: usize,
    pub(crate) id: &'a str,
    pub(crate) label: &'a str,
    /// Start of the period in seconds since 1970, and value.
    pub(crate) points: &'a [(i64, f64)],
    pub(crate) status: StatusCode,
}

/// What an answered request came to.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Answered {
    pub(crate) next: Option<String>,
    pub(crate) points: u64,
    pub(crate) metrics: MetricsRequested,
}

/// A query that passed validation.
struct Checked {
    /// Of namespace, metric and dimensions.
    hash: u64,
    /// Of the account that is named: the same metric of two accounts is two.
    owner: u64,
    statistic: Statistic,
    grid: Grid,
}

/// Answers a request; `emit` gets the results in the order of the queries.
pub(crate) fn answer(
    cloud: &Cloud,
    caller: &Caller,
    request: &DataRequest<'_>,
    spoil: &Spoil,
    now: Timestamp,
    emit: &mut dyn FnMut(&Part<'_>),
) -> Result<Answered, Refusal> {
    let checked = check(cloud, request, now)?;
    let token = first_point(request)?;
    let metrics = if token.page == 1 { requested(&checked) } else { MetricsRequested::default() };
    let mut answered = Answered { metrics, ..Answered::default() };
    let asked = request.max_points.map_or(MAX_DATA_POINTS, |n| usize::try_from(n).unwrap_or(MAX_DATA_POINTS));
    let mut room = asked.min(cloud.world.spec().pages.data_points).max(1);
    let readers = readers(cloud, caller, request)?;
    let walk = Walk { cloud, readers, request, now };
    let mut points = Vec::new();
    let mut from = token.within;
    let skip = usize::try_from(token.position).unwrap_or(usize::MAX);
    for (position, (query, checked)) in request.queries.iter().zip(&checked).enumerate().skip(skip) {
        if room == 0 {
            answered.next = Some(next_page(token, position, 0));
            break;
        }
        let fault = if spoil.is_empty() { None } else { spoil.status(&query.metric) };
        points.clear();
        let rest = match fault {
            None if !spoil.is_empty() => walk.points(query, checked, from, room, &mut points),
            _ => None,
        };
        from = 0;
        room -= points.len();
        answered.points += u64::try_from(points.len()).unwrap_or(0);
        let status = status(fault, rest.is_some());
        if !query.hidden {
            let label = query.label.as_deref().unwrap_or(&query.metric);
            emit(&Part { query: position, id: &query.id, label, points: &points, status });
        }
        if let Some(rest) = rest {
            answered.next = Some(next_page(token, position, rest));
            break;
        }
    }
    Ok(answered)
}

fn next_page(token: Token, position: usize, within: u64) -> String {
    token.following(u64::try_from(position).unwrap_or(u64::MAX), within).to_string()
}

const fn status(fault: Option<FaultStatus>, more: bool) -> StatusCode {
    match fault {
        Some(FaultStatus::PartialData) => StatusCode::PartialData,
        Some(FaultStatus::InternalError) => StatusCode::InternalError,
        Some(FaultStatus::Forbidden) => StatusCode::Forbidden,
        None if more => StatusCode::PartialData,
        None => StatusCode::Complete,
    }
}

/// An account as a query names it (or does not), as whom its metrics are read, and where they are.
type Reader<'a> = (Option<Cow<'a, str>>, Caller, Option<Arc<Place>>);

struct Walk<'a> {
    cloud: &'a Cloud,
    /// For each account that a query names (or does not): as whom to read, and where.
    readers: Vec<Reader<'a>>,
    request: &'a DataRequest<'a>,
    now: Timestamp,
}

/// The accounts that the queries name, each once. One that is not linked makes the request a bad one.
fn readers<'a>(cloud: &Cloud, caller: &Caller, request: &DataRequest<'a>) -> Result<Vec<Reader<'a>>, Refusal> {
    let mut readers: Vec<Reader<'a>> = Vec::new();
    for query in &request.queries {
        if readers.iter().any(|(account, ..)| *account == query.account) {
            continue;
        }
        let Some(reader) = listing::reader(cloud, caller, query.account.as_deref()) else {
            let account = query.account.as_deref().unwrap_or_default();
            return Err(Refusal::validation(format!("The account {account} is not linked to this one.")));
        };
        let place = place_of(cloud, &reader);
        readers.push((query.account.clone(), reader, place));
    }
    Ok(readers)
}

impl Walk<'_> {
    /// Appends the points of a query from its `from`-th period on, at most `room`. Returns the period at which to go on.
    fn points(
        &self,
        query: &DataQuery<'_>,
        checked: &Checked,
        from: u64,
        room: usize,
        points: &mut Vec<(i64, f64)>,
    ) -> Option<u64> {
        let dimensions = self.request.dimensions.get(query.dimensions.clone()).unwrap_or_default();
        let name = Name { namespace: &query.namespace, metric: &query.metric, dimensions };
        let (_, reader, place) = self.readers.iter().find(|(account, ..)| *account == query.account)?;
        let source = Source::find(self.cloud, reader, place.as_deref(), checked.hash, &name)?;
        let (grid, now) = (&checked.grid, self.now.as_secs());
        let oldest = retention_start(self.now, u32::try_from(grid.period_seconds).unwrap_or(u32::MAX)).as_secs();
        let count = grid.count();
        for index in from..count {
            let start = grid.at(if self.request.oldest_first { index } else { count - 1 - index });
            let end = start.saturating_add(grid.period_seconds).min(grid.end);
            if start < oldest || start > now {
                continue;
            }
            let Some(stats) = source.gather(start, end, now) else { continue };
            if points.len() >= room {
                return Some(index);
            }
            points.push((start, checked.statistic.of(&stats)));
        }
        None
    }
}

/// Where the page begins.
fn first_point(request: &DataRequest<'_>) -> Result<Token, Refusal> {
    let Some(text) = request.token.as_deref() else { return Ok(Token::first(fingerprint(request))) };
    Token::read(text, fingerprint(request))
        .ok_or_else(|| Refusal::new("InvalidNextToken", "The next token is not valid for this request."))
}

/// Tells requests apart well enough to refuse a token that belongs to another one.
fn fingerprint(request: &DataRequest<'_>) -> u64 {
    use crate::sim::value::mix;
    let time = |t: Option<Timestamp>| t.map_or(0, Timestamp::as_millis).cast_unsigned();
    let count = u64::try_from(request.queries.len()).unwrap_or(0);
    let seed = mix(mix(mix(time(request.start)) ^ time(request.end)) ^ count);
    let metric = |h: u64, query: &DataQuery<'_>| query.metric.bytes().fold(h, |h, byte| mix(h ^ u64::from(byte)));
    request.queries.first().map_or(seed, |query| metric(seed, query))
}

fn check(cloud: &Cloud, request: &DataRequest<'_>, now: Timestamp) -> Result<Vec<Checked>, Refusal> {
    let missing = |what: &str| Refusal::new("MissingParameter", format!("The request must contain {what}."));
    let start = request.start.ok_or_else(|| missing("StartTime"))?;
    let end = request.end.ok_or_else(|| missing("EndTime"))?;
    if request.queries.is_empty() {
        return Err(missing("MetricDataQueries"));
    }
    if request.queries.len() > MAX_QUERIES {
        let wanted = "The collection MetricDataQueries must not have a size greater than 500.";
        return Err(Refusal::validation(wanted));
    }
    if request.max_points.is_some_and(|n| n < 1 || usize::try_from(n).is_ok_and(|n| n > MAX_DATA_POINTS)) {
        return Err(Refusal::validation("The parameter MaxDatapoints must be between 1 and 100800."));
    }
    let window = period::window(start, end, now)?;
    check_ids(&request.queries)?;
    request.queries.iter().enumerate().map(|(i, query)| check_query(cloud, request, query, window, i + 1)).collect()
}

fn check_ids(queries: &[DataQuery<'_>]) -> Result<(), Refusal> {
    let good = |id: &str| {
        id.starts_with(|c: char| c.is_ascii_lowercase()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    };
    if let Some(bad) = queries.iter().find(|query| !good(&query.id)) {
        return Err(Refusal::validation(format!("The value '{}' is not a valid id of a query.", bad.id)));
    }
    let mut ids: Vec<&str> = queries.iter().map(|query| &*query.id).collect();
    ids.sort_unstable();
    match ids.windows(2).find(|pair| pair.first() == pair.last()) {
        Some(pair) => Err(Refusal::validation(format!("The ids must be unique; {pair:?} is there twice."))),
        None => Ok(()),
    }
}

fn check_query(
    cloud: &Cloud,
    request: &DataRequest<'_>,
    query: &DataQuery<'_>,
    window: (i64, i64),
    number: usize,
) -> Result<Checked, Refusal> {
    let name = |part: &str| format!("MetricDataQueries.member.{number}.{part}");
    let bad = |part: &str, why: &str| Refusal::validation(format!("The parameter {} {why}", name(part)));
    if query.has_expression {
        return Err(bad("Expression", "is not simulated: this cloud knows MetricStat only."));
    }
    if query.namespace.is_empty() || query.metric.is_empty() {
        return Err(bad("MetricStat.Metric", "must have a namespace and a metric name."));
    }
    let dimensions = request.dimensions.get(query.dimensions.clone()).unwrap_or_default();
    if dimensions.len() > MAX_DIMENSIONS {
        return Err(bad("MetricStat.Metric.Dimensions", "must not have more than 30 members."));
    }
    let statistic = Statistic::parse(&query.statistic).ok_or_else(|| bad("MetricStat.Stat", "is not a statistic."))?;
    let period = query.period_seconds.ok_or_else(|| bad("MetricStat.Period", "is required."))?;
    let grid = period::grid(window, period)
        .ok_or_else(|| bad("MetricStat.Period", "must be 1, 5, 10, 20, 30 or a multiple of 60."))?;
    let hash = cloud.world.fingerprint(&query.namespace, &query.metric, dimensions);
    Ok(Checked { hash, owner: owner_hash(query.account.as_deref()), statistic, grid })
}

fn owner_hash(account: Option<&str>) -> u64 {
    use crate::sim::value::mix;
    account.map_or(0, |id| id.bytes().fold(1, |h, byte| mix(h ^ u64::from(byte))))
}

/// Counts the metrics of a request under both readings of the price list.
fn requested(checked: &[Checked]) -> MetricsRequested {
    let mut hashes: Vec<u64> = checked.iter().map(|query| query.hash ^ query.owner).collect();
    hashes.sort_unstable();
    let blocks = hashes.chunk_by(|a, b| a == b).map(|same| same.len().div_ceil(5)).sum::<usize>();
    MetricsRequested {
        per_statistic: u64::try_from(checked.len()).unwrap_or(0),
        per_block_of_five: u64::try_from(blocks).unwrap_or(0),
    }
}
