//! API Gateway's two listings (REST and HTTP APIs), as JSON over REST: discovery of that service needs them.

use axum::http::Method;
use serde_json::{Value, json};

use super::Incoming;
use super::reply::{Form, Reply, perform};
use crate::seam::MetricsRequested;
use crate::sim::cloud::{Caller, Cloud};
use crate::sim::ops::apis;
use crate::sim::refusal::Refusal;

/// Answers `GET /restapis` (there are none) and `GET /v2/apis`.
pub(super) async fn answer(cloud: &Cloud, caller: &Caller, incoming: &Incoming) -> Reply {
    match (&incoming.method, incoming.path.as_str()) {
        (&Method::GET, "/restapis") => run(cloud, caller, "GetRestApis", apis::rest()).await,
        (&Method::GET, "/v2/apis") => run(cloud, caller, "GetApis", apis::http(cloud, caller)).await,
        (_, path) => {
            let why = format!("{path} is not simulated.");
            Reply::refusal(Form::Json, &Refusal::new("UnknownOperationException", why).with_status(404))
        }
    }
}

async fn run(cloud: &Cloud, caller: &Caller, operation: &'static str, value: Value) -> Reply {
    perform(cloud, caller, operation, Form::Json, None, |spoil| {
        let body = if spoil.is_empty() { json!({}) } else { value };
        Ok((body.to_string().into_bytes(), MetricsRequested::default(), 1))
    })
    .await
}
