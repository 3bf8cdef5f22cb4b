//! Google's side: Monitoring v3 and Resource Manager as REST with JSON, the token endpoint of service accounts, and the
//! metadata server of an instance (`GCE_METADATA_HOST`). Tokens are given to everybody; a call without one is refused.

use axum::http::Method;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::Incoming;
use super::query::{decode, rfc3339};
use super::reply::{Form, Reply, perform};
use crate::gcp::api::{Buckets, MetricKind, Point, TimeSeries, Value as PointValue, ValueType};
use crate::gcp::job::Aggregation;
use crate::model::{Text, Timestamp};
use crate::seam::MetricsRequested;
use crate::sim::cloud::{Caller, Cloud};
use crate::sim::google::metric::MetricType;
use crate::sim::google::ops::{self, SeriesRequest};
use crate::sim::refusal::Refusal;

/// The token of every caller.
const TOKEN: &str = "simulated-google-token";
/// Seconds until a client asks for another one. Longer than a demo with a fast clock.
const TOKEN_SECONDS: u32 = 3600;

/// Answers what is Google's; `None`: it is not.
pub(super) async fn answer(cloud: &Cloud, incoming: &Incoming) -> Option<Reply> {
    let path = incoming.path.as_str();
    if let Some(rest) = path.strip_prefix("/computeMetadata/v1/") {
        return Some(metadata(cloud, incoming, rest));
    }
    if path == "/token" && incoming.method == Method::POST {
        return Some(perform(cloud, &caller(cloud, ""), "token", Form::Rest, None, |_| Ok(json_body(&token()))).await);
    }
    let monitoring = path.strip_prefix("/v3/projects/").and_then(|rest| rest.split_once('/'));
    let (project, operation) = match monitoring {
        Some((project, "metricDescriptors")) => (decode(project), "ListMetricDescriptors"),
        Some((project, "timeSeries")) => (decode(project), "ListTimeSeries"),
        _ if path == "/v1/projects" => ("".into(), "ListProjects"),
        _ => return None,
    };
    let caller = caller(cloud, &project);
    if incoming.header("authorization") != format!("Bearer {TOKEN}") {
        let refusal = Refusal::new("UNAUTHENTICATED", "The request has no valid access token.").with_status(401);
        return Some(Reply::refusal(Form::Rest, &refusal));
    }
    let query = Query::of(incoming);
    let page = query.get("pageToken");
    let answer = || match operation {
        "ListMetricDescriptors" => descriptors(cloud, &project, &query),
        "ListTimeSeries" => time_series(cloud, &project, &query),
        _ => {
            let ids = ops::projects(&cloud.world.spec().google, query.get("filter").unwrap_or_default());
            let project = |id: &Text| json!({ "projectId": &**id, "lifecycleState": "ACTIVE" });
            Ok((json!({ "projects": ids.iter().map(project).collect::<Vec<_>>() }), 0))
        }
    };
    let reply = perform(cloud, &caller, operation, Form::Rest, page, |spoil| {
        let (body, items) = if spoil.is_empty() { (json!({}), 0) } else { answer()? };
        Ok((body.to_string().into_bytes(), MetricsRequested::default(), items))
    });
    Some(reply.await)
}

fn caller(cloud: &Cloud, project: &str) -> Caller {
    let own = cloud.world.spec().google.projects.first().cloned().unwrap_or_else(|| "".into());
    Caller { account: if project.is_empty() { own } else { project.into() }, region: "global".into() }
}

fn token() -> Value {
    json!({ "access_token": TOKEN, "token_type": "Bearer", "expires_in": TOKEN_SECONDS })
}

fn json_body(value: &Value) -> (Vec<u8>, MetricsRequested, u64) {
    (value.to_string().into_bytes(), MetricsRequested::default(), 1)
}

/// The metadata server of a Compute Engine instance.
fn metadata(cloud: &Cloud, incoming: &Incoming, path: &str) -> Reply {
    let text = |text: &str| Reply::ok(Form::Plain, text.as_bytes().to_vec());
    if incoming.header("metadata-flavor") != "Google" {
        return Reply::refusal(
            Form::Plain,
            &Refusal::new("Metadata", "Missing Metadata-Flavor:Google header.").with_status(403),
        );
    }
    let own = cloud.world.spec().google.projects.first().map_or("", |id| &**id);
    let reply = match path.trim_end_matches('/') {
        "project/project-id" => text(own),
        "universe/universe_domain" | "universe/universe-domain" => text("googleapis.com"),
        "instance/service-accounts/default/email" => text("simulated@raingauge_sim.iam.gserviceaccount.com"),
        "instance/service-accounts/default/token" => Reply::ok(Form::Rest, token().to_string().into_bytes()),
        "" | "instance" | "instance/service-accounts" => text("default/\n"),
        _ => Reply::refusal(Form::Plain, &Refusal::new("Metadata", "Not Found").with_status(404)),
    };
    reply.with_header("metadata-flavor", "Google".to_owned())
}

/// A decoded query string.
struct Query(Vec<(String, String)>);

impl Query {
    fn of(incoming: &Incoming) -> Self {
        let pair = |pair: &str| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name).into_owned(), decode(value).into_owned())
        };
        Self(incoming.query.split('&').map(pair).collect())
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    fn time(&self, name: &str) -> Result<Timestamp, Refusal> {
        let text = self.get(name).unwrap_or_default();
        let time = OffsetDateTime::parse(text, &Rfc3339);
        let time = time.map_err(|_| Refusal::validation(format!("{name} must be a time, not {text:?}")))?;
        let millis = time.unix_timestamp_nanos().div_euclid(1_000_000);
        Ok(Timestamp::from_millis(i64::try_from(millis).unwrap_or(i64::MAX)))
    }

    /// `aggregation.*`; `None` when nothing is aligned.
    fn aggregation(&self) -> Result<Option<Aggregation>, Refusal> {
        let Some(aligner) = self.get("aggregation.perSeriesAligner").filter(|a| *a != "ALIGN_NONE") else {
            return Ok(None);
        };
        let period = self.get("aggregation.alignmentPeriod").unwrap_or_default();
        let seconds: u64 =
            period.strip_suffix('s').and_then(|n| n.parse().ok()).filter(|n| *n >= 60).ok_or_else(|| {
                Refusal::validation(format!("aggregation.alignmentPeriod must be at least 60s, not {period:?}"))
            })?;
        Ok(Some(Aggregation {
            prefix: "".into(),
            alignment_period: std::time::Duration::from_secs(seconds),
            aligner: aligner.into(),
            reducer: self.get("aggregation.crossSeriesReducer").map(Text::from),
            group_by: self.all("aggregation.groupByFields").map(Text::from).collect(),
        }))
    }
}

fn descriptors(cloud: &Cloud, project: &str, query: &Query) -> Result<(Value, u64), Refusal> {
    let spec = &cloud.world.spec().google;
    let (metrics, next) =
        ops::descriptors(spec, project, query.get("filter").unwrap_or_default(), query.get("pageToken"))?;
    let descriptor = |metric: &&MetricType| {
        let period = spec.sample_period.unwrap_or_else(|| metric.sample_period());
        json!({
            "name": format!("projects/{project}/metricDescriptors/{}", metric.name),
            "type": metric.name,
            "metricKind": kind_name(metric.kind),
            "valueType": type_name(metric.value_type),
            "unit": metric.unit,
            "description": metric.description,
            "displayName": metric.name,
            "labels": metric.labels.iter().map(|(key, _)| json!({ "key": key })).collect::<Vec<_>>(),
            "monitoredResourceTypes": [metric.resource.name],
            "metadata": {
                "samplePeriod": format!("{}s", period.as_secs()),
                "ingestDelay": format!("{}s", metric.ingest_delay().as_secs()),
            },
        })
    };
    let list: Vec<Value> = metrics.iter().map(descriptor).collect();
    Ok((page("metricDescriptors", list, next), 0))
}

fn time_series(cloud: &Cloud, project: &str, query: &Query) -> Result<(Value, u64), Refusal> {
    let spec = cloud.world.spec();
    let aggregation = query.aggregation()?;
    let request = SeriesRequest {
        project,
        filter: query.get("filter").unwrap_or_default(),
        start: query.time("interval.startTime")?,
        end: query.time("interval.endTime")?,
        aggregation: aggregation.as_ref(),
        page_size: query.get("pageSize").and_then(|n| n.parse().ok()).filter(|n| *n > 0),
        token: query.get("pageToken"),
    };
    let (found, next) = ops::time_series(&spec.google, spec.seed, &request, cloud.now())?;
    let returned = u64::try_from(found.len()).unwrap_or(u64::MAX);
    Ok((page("timeSeries", found.iter().map(series).collect(), next), returned))
}

fn page(field: &str, items: Vec<Value>, next: Option<String>) -> Value {
    let mut page = serde_json::Map::new();
    if !items.is_empty() {
        page.insert(field.to_owned(), items.into());
    }
    page.extend(next.map(|token| ("nextPageToken".to_owned(), token.into())));
    page.into()
}

fn series(series: &TimeSeries) -> Value {
    let labels = |labels: &[(Text, Text)]| {
        let pairs = labels.iter().map(|(name, value)| (name.to_string(), Value::from(&**value)));
        Value::Object(pairs.collect())
    };
    let mut object = json!({
        "metric": { "type": &*series.metric_type, "labels": labels(&series.metric_labels) },
        "resource": { "type": &*series.resource_type, "labels": labels(&series.resource_labels) },
        "metricKind": kind_name(series.kind),
        "valueType": type_name(series.value_type),
        "points": series.points.iter().map(|p| point(p, series.value_type)).collect::<Vec<_>>(),
    });
    if let Some(object) = object.as_object_mut().filter(|_| !series.metadata_labels.is_empty()) {
        object.insert("metadata".to_owned(), json!({ "userLabels": labels(&series.metadata_labels) }));
    }
    object
}

fn point(point: &Point, value_type: ValueType) -> Value {
    let value = match &point.value {
        PointValue::Integer(n) if value_type == ValueType::Bool => json!({ "boolValue": *n != 0 }),
        PointValue::Integer(n) => json!({ "int64Value": n.to_string() }),
        PointValue::Double(n) => json!({ "doubleValue": n }),
        PointValue::Missing => json!({ "stringValue": "a text" }),
        PointValue::Distribution(d) => {
            let options = match &d.buckets {
                Buckets::Explicit(bounds) => json!({ "explicitBuckets": { "bounds": &**bounds } }),
                Buckets::Linear { finite, width, offset } => {
                    json!({ "linearBuckets": { "numFiniteBuckets": finite, "width": width, "offset": offset } })
                }
                Buckets::Exponential { finite, growth, scale } => json!({
                    "exponentialBuckets": { "numFiniteBuckets": finite, "growthFactor": growth, "scale": scale }
                }),
                Buckets::Unknown | Buckets::Absent => json!({}),
            };
            json!({ "distributionValue": {
                "count": d.count.to_string(),
                "mean": d.mean,
                "bucketOptions": options,
                "bucketCounts": d.counts.iter().map(ToString::to_string).collect::<Vec<_>>(),
            } })
        }
    };
    let start = point.start.unwrap_or(point.end);
    json!({ "interval": { "startTime": rfc3339(start), "endTime": rfc3339(point.end) }, "value": value })
}

const fn kind_name(kind: MetricKind) -> &'static str {
    match kind {
        MetricKind::Gauge => "GAUGE",
        MetricKind::Delta => "DELTA",
        MetricKind::Cumulative => "CUMULATIVE",
        MetricKind::Other => "METRIC_KIND_UNSPECIFIED",
    }
}

const fn type_name(value_type: ValueType) -> &'static str {
    match value_type {
        ValueType::Bool => "BOOL",
        ValueType::Int64 => "INT64",
        ValueType::Double => "DOUBLE",
        ValueType::Distribution => "DISTRIBUTION",
        ValueType::Text => "STRING",
        ValueType::Other => "VALUE_TYPE_UNSPECIFIED",
    }
}
