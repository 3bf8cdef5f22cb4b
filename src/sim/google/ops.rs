//! Monitoring's two lists and Resource Manager's one, as they answer a request. Whoever calls these has asked faults and
//! quotas already.

use super::GoogleSpec;
use super::aggregate::aggregated;
use super::filter::Filter;
use super::metric::{METRICS, MetricType};
use super::truth::{self, Series};
use crate::gcp::api::{Point, TimeSeries};
use crate::gcp::job::Aggregation;
use crate::model::{Text, Timestamp};
use crate::sim::ops::token::Token;
use crate::sim::refusal::Refusal;
use crate::sim::value::mix;

/// Part of a listing, and where the next part begins.
pub(crate) type Part<T> = (Vec<T>, Option<String>);

/// A `timeSeries.list` request.
pub(crate) struct SeriesRequest<'a> {
    pub(crate) project: &'a str,
    pub(crate) filter: &'a str,
    pub(crate) start: Timestamp,
    pub(crate) end: Timestamp,
    pub(crate) aggregation: Option<&'a Aggregation>,
    /// Points in the page at most, if the caller says so.
    pub(crate) page_size: Option<usize>,
    pub(crate) token: Option<&'a str>,
}

/// The projects that a Resource Manager filter finds; the simulated cloud knows texts in names and `*`.
pub(crate) fn projects(spec: &GoogleSpec, filter: &str) -> Vec<Text> {
    let wanted = filter.trim_matches('"').split_once(':').map_or(filter, |(_, value)| value).trim_matches(['"', '*']);
    let is_by_name = filter.is_empty() || filter.starts_with("id:") || filter.starts_with("name:");
    spec.projects.iter().filter(|id| !is_by_name || id.contains(wanted)).cloned().collect()
}

/// A page of metric types.
pub(crate) fn descriptors(
    spec: &GoogleSpec,
    project: &str,
    filter: &str,
    token: Option<&str>,
) -> Result<Part<&'static MetricType>, Refusal> {
    known(spec, project)?;
    let parsed = if filter.is_empty() { Filter::And(Vec::new()) } else { parse(filter)? };
    let is_wanted = |metric: &&MetricType| {
        parsed.holds(&|selector| match selector {
            "metric.type" => Some(metric.name.to_owned()),
            "project" => Some(project.to_owned()),
            "resource.type" => Some(metric.resource.name.to_owned()),
            _ => None,
        })
    };
    let all: Vec<&'static MetricType> = METRICS.iter().filter(is_wanted).collect();
    page(all, spec.descriptors_per_page, &["descriptors", project, filter], token)
}

/// A page of time series with their points.
pub(crate) fn time_series(
    spec: &GoogleSpec,
    seed: u64,
    request: &SeriesRequest<'_>,
    now: Timestamp,
) -> Result<Part<TimeSeries>, Refusal> {
    known(spec, request.project)?;
    let filter = parse(request.filter)?;
    let metric = filter.metric_type();
    let metric = metric.ok_or_else(|| Refusal::validation("the filter must name exactly one metric type"))?;
    if request.start >= request.end {
        return Err(Refusal::validation("the interval must begin before it ends"));
    }
    let series = truth::series(spec, seed, &request.project.into());
    let with_points = |series: &'_ Series| series.points(request.start, request.end, now);
    let found: Vec<(&Series, Vec<Point>)> = series
        .iter()
        .filter(|s| s.metric.name == metric && filter.holds(&|selector| value(s, selector)))
        .map(|s| (s, with_points(s)))
        .filter(|(_, points)| !points.is_empty())
        .collect();
    let all: Vec<TimeSeries> = match request.aggregation {
        Some(how) => aggregated(&found, how, request.end)?,
        None => found.into_iter().map(|(s, points)| TimeSeries { points, ..s.identity.clone() }).collect(),
    };
    let size = request.page_size.unwrap_or(spec.points_per_page).clamp(1, spec.points_per_page);
    let (start, end) = (request.start.as_millis().to_string(), request.end.as_millis().to_string());
    page_of_points(all, size, &["series", request.project, request.filter, &start, &end], request.token)
}

fn parse(filter: &str) -> Result<Filter, Refusal> {
    Filter::parse(filter).map_err(Refusal::validation)
}

fn known(spec: &GoogleSpec, project: &str) -> Result<(), Refusal> {
    let is_known = spec.projects.iter().any(|id| &**id == project);
    is_known.then_some(()).ok_or_else(|| Refusal::denied(project, "monitoring.timeSeries.list"))
}

/// What a selector means for a series.
fn value(series: &Series, selector: &str) -> Option<String> {
    let identity = &series.identity;
    let label = |labels: &[(Text, Text)], name: &str| {
        labels.iter().find(|(n, _)| &**n == name).map(|(_, value)| value.to_string())
    };
    let mut parts = selector.splitn(3, '.');
    match (parts.next()?, parts.next(), parts.next()) {
        ("project", None, None) => label(&identity.resource_labels, "project_id"),
        ("metric", Some("type"), None) => Some(identity.metric_type.to_string()),
        ("resource", Some("type"), None) => Some(identity.resource_type.to_string()),
        ("metric", Some("labels" | "label"), Some(name)) => label(&identity.metric_labels, name),
        ("resource", Some("labels" | "label"), Some(name)) => label(&identity.resource_labels, name),
        ("metadata", Some(kind), Some(name)) => label(&series.metadata, &format!("{kind}.{name}")),
        _ => None,
    }
}

/// Identifies a request, so that its page tokens fit no other one.
fn request_id(parts: &[&str]) -> u64 {
    parts.iter().flat_map(|part| part.bytes().chain([0])).fold(0, |id, byte| mix(id ^ u64::from(byte)).wrapping_add(1))
}

fn opened(parts: &[&str], token: Option<&str>) -> Result<Token, Refusal> {
    let id = request_id(parts);
    match token {
        None | Some("") => Ok(Token::first(id)),
        Some(text) => Token::read(text, id).ok_or_else(|| Refusal::validation("the page token is not of this request")),
    }
}

fn page<T>(all: Vec<T>, size: usize, parts: &[&str], token: Option<&str>) -> Result<Part<T>, Refusal> {
    let token = opened(parts, token)?;
    let start = usize::try_from(token.position).unwrap_or(usize::MAX);
    let more = all.len() > start.saturating_add(size);
    let next = more.then(|| token.following((start + size) as u64, 0).to_string());
    Ok((all.into_iter().skip(start).take(size).collect(), next))
}

/// Pages hold so many points; a series goes on in the next page where it does not fit.
fn page_of_points(
    all: Vec<TimeSeries>,
    size: usize,
    parts: &[&str],
    token: Option<&str>,
) -> Result<Part<TimeSeries>, Refusal> {
    let token = opened(parts, token)?;
    let start = usize::try_from(token.position).unwrap_or(usize::MAX);
    let mut within = usize::try_from(token.within).unwrap_or(usize::MAX);
    let (mut room, mut items) = (size, Vec::new());
    for (at, mut series) in all.into_iter().enumerate().skip(start) {
        if room == 0 {
            return Ok((items, Some(token.following(at as u64, 0).to_string())));
        }
        let points: Vec<Point> = std::mem::take(&mut series.points).into_iter().skip(within).collect();
        let left = points.len().saturating_sub(room);
        let fitting = points.len() - left;
        items.push(TimeSeries { points: points.into_iter().take(fitting).collect(), ..series });
        if left > 0 {
            return Ok((items, Some(token.following(at as u64, (within + fitting) as u64).to_string())));
        }
        room -= fitting;
        within = 0;
    }
    Ok((items, None))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn spec() -> GoogleSpec {
        GoogleSpec { points_per_page: 7, descriptors_per_page: 4, ..GoogleSpec::demo() }
    }

    fn request<'a>(filter: &'a str, token: Option<&'a str>) -> SeriesRequest<'a> {
        SeriesRequest {
            project: "raingauge_sim",
            filter,
            start: Timestamp::from_secs(1_800_000_000),
            end: Timestamp::from_secs(1_800_000_600),
            aggregation: None,
            page_size: None,
            token,
        }
    }

    const FILTER: &str = "metric.type=\"run.googleapis.com/request_count\" AND (metric.labels.response_code=\"200\")";

    #[test]
    fn pages_hold_all_points_once() {
        let now = Timestamp::from_secs(1_800_001_000);
        let (mut points, mut pages, mut token) = (Vec::new(), 0, None::<String>);
        loop {
            let (items, next) = time_series(&spec(), 1, &request(FILTER, token.as_deref()), now).unwrap();
            pages += 1;
            points.extend(items.iter().flat_map(|s| s.points.iter().map(|p| (s.resource_labels.clone(), p.end))));
            token = next;
            if token.is_none() {
                break;
            }
        }
        assert_eq!((points.len(), pages), (40, 6), "4 services, 10 minutes each");
        points.sort();
        points.dedup();
        assert_eq!(points.len(), 40);
    }

    #[test]
    fn a_token_fits_its_own_request_only() {
        let now = Timestamp::from_secs(1_800_001_000);
        let (_, next) = time_series(&spec(), 1, &request(FILTER, None), now).unwrap();
        let other = "metric.type=\"run.googleapis.com/request_count\"";
        assert!(time_series(&spec(), 1, &request(other, next.as_deref()), now).is_err());
    }

    #[test]
    fn metric_types_are_listed_by_their_beginnings() {
        let list = |filter: &str, token: Option<&str>| descriptors(&spec(), "raingauge_sim", filter, token).unwrap();
        let (run, next) = list("metric.type = starts_with(\"run.\")", None);
        assert_eq!((run.len(), next), (3, None));
        let (all, next) = list("", None);
        assert_eq!(all.len(), 4);
        assert_eq!(list("", next.as_deref()).0.len(), 4);
        assert_eq!(descriptors(&spec(), "nobody", "", None).unwrap_err().status, 403);
    }

    #[test]
    fn groups_add_up_and_carry_metadata() {
        let now = Timestamp::from_secs(1_800_001_000);
        let how = Aggregation {
            prefix: "run.".into(),
            alignment_period: Duration::from_secs(300),
            aligner: "ALIGN_DELTA".into(),
            reducer: Some("REDUCE_SUM".into()),
            group_by: vec!["metadata.user_labels.team".into()],
        };
        let mut request = request("metric.type=\"run.googleapis.com/request_count\"", None);
        request.aggregation = Some(&how);
        let spec = GoogleSpec::demo();
        let (groups, _) = time_series(&spec, 1, &request, now).unwrap();
        assert_eq!(groups.len(), 2);
        assert_eq!(groups[0].metadata_labels, [("team".into(), "billing".into())]);
        let sum: f64 = groups
            .iter()
            .flat_map(|s| &s.points)
            .map(|p| if let crate::gcp::api::Value::Double(n) = p.value { n } else { f64::NAN })
            .sum();
        let truth: i64 = truth::series(&spec, 1, &"raingauge_sim".into())
            .iter()
            .filter(|s| s.metric.name == "run.googleapis.com/request_count")
            .map(|s| s.counted(s.last_point(request.start) + 1, s.last_point(request.end)))
            .sum();
        assert!((sum - f64::from(i32::try_from(truth).unwrap())).abs() < 1e-6, "{sum} {truth}");
    }
}
