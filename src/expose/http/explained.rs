//! `POST /api/v1/explain` with `{"metric": "…"}`: why a metric is missing, as text. It calls the clouds, so a page of somebody else
//! must not be able to make a browser ask: only JSON is taken, which a browser sends to others with their consent only (Fetch,
//! CORS-preflight), and nobody gets it.

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::Deserialize;

use super::guarded::MAX_BODY_BYTES;
use super::{Web, text};
use crate::secret::masked;

/// Why there is no explanation.
#[derive(Debug)]
pub enum Unexplained {
    /// It is not a metric.
    Unreadable(String),
    /// Now is not the time.
    TooMany(String),
    /// Somebody else calls the clouds, or the walk could not begin.
    Unavailable(String),
}

#[derive(Deserialize)]
struct Asked {
    metric: String,
}

/// Answers 200 with the text of `raingauge explain`; 400, 415, 429 or 503 with the reason.
pub(super) async fn explain(State(web): State<Arc<Web>>, headers: HeaderMap, body: Body) -> Response {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if kind.split(';').next().map(str::trim) != Some("application/json") {
        let why = "send {\"metric\": \"…\"} with the header Content-Type: application/json\n";
        return text(StatusCode::UNSUPPORTED_MEDIA_TYPE, why);
    }
    let asked = match to_bytes(body, MAX_BODY_BYTES).await {
        Ok(bytes) => serde_json::from_slice::<Asked>(&bytes).map_err(|e| e.to_string()),
        Err(e) => Err(e.to_string()),
    };
    let answer = match asked {
        Ok(asked) => (web.explain)(asked.metric).await,
        Err(why) => Err(Unexplained::Unreadable(format!("this is not {{\"metric\": \"…\"}}: {why}"))),
    };
    let (status, said) = match answer {
        Ok(explained) => (StatusCode::OK, explained),
        Err(Unexplained::Unreadable(why)) => (StatusCode::BAD_REQUEST, format!("{why}\n")),
        Err(Unexplained::TooMany(why)) => (StatusCode::TOO_MANY_REQUESTS, format!("{why}\n")),
        Err(Unexplained::Unavailable(why)) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
    };
    text(status, masked(&said).into_owned())
}
