//! What services say of their resources in JSON: API Gateway's two listings, which discovery of that service needs, and
//! Lambda's functions and DynamoDB's tables, of which some metrics are made.

use axum::http::Method;
use serde_json::{Value, json};

use super::Incoming;
use super::reply::{Form, Reply, perform};
use crate::seam::MetricsRequested;
use crate::sim::cloud::{Caller, Cloud};
use crate::sim::ops::{apis, described};
use crate::sim::refusal::Refusal;

/// What a client asks about a table.
pub(super) const DESCRIBE_TABLE: &str = "DynamoDB_20120810.DescribeTable";

/// Answers `DescribeTable`.
pub(super) async fn table(cloud: &Cloud, caller: &Caller, body: &[u8]) -> Reply {
    let asked: Value = serde_json::from_slice(body).unwrap_or_default();
    let name = asked.get("TableName").and_then(Value::as_str).unwrap_or_default();
    run(cloud, caller, "DescribeTable", || described::table(cloud, caller, name)).await
}

/// Answers `GET /restapis` (there are none), `GET /v2/apis` and Lambda's `GET …/functions`.
pub(super) async fn answer(cloud: &Cloud, caller: &Caller, incoming: &Incoming) -> Reply {
    match (&incoming.method, incoming.path.as_str()) {
        (&Method::GET, "/restapis") => run(cloud, caller, "GetRestApis", || Ok(apis::rest())).await,
        (&Method::GET, "/v2/apis") => run(cloud, caller, "GetApis", || Ok(apis::http(cloud, caller))).await,
        (&Method::GET, "/2015-03-31/functions") => {
            run(cloud, caller, "ListFunctions", || Ok(described::functions(cloud, caller))).await
        }
        (_, path) => {
            let why = format!("{path} is not simulated.");
            Reply::refusal(Form::Json, &Refusal::new("UnknownOperationException", why).with_status(404))
        }
    }
}

async fn run(
    cloud: &Cloud,
    caller: &Caller,
    operation: &'static str,
    answer: impl FnOnce() -> Result<Value, Refusal>,
) -> Reply {
    perform(cloud, caller, operation, Form::Json, None, |spoil| {
        let body = if spoil.is_empty() { json!({}) } else { answer()? };
        Ok((body.to_string().into_bytes(), MetricsRequested::default(), 1))
    })
    .await
}
