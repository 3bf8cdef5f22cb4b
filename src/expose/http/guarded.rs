//! The guard, applied: every request on every path passes here first.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, HeaderName, HeaderValue, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use tokio::time::Instant;

use super::text;
use crate::expose::guard::{Guard, Guarding};
use crate::telemetry::{Refusal, Telemetry};

#[derive(Clone)]
struct Gatehouse {
    guarding: Guarding,
    telemetry: Arc<Telemetry>,
}

/// The routes behind the guard; what it refuses is counted.
pub fn guarded(router: Router, guarding: Guarding, telemetry: Arc<Telemetry>) -> Router {
    router.layer(from_fn_with_state(Gatehouse { guarding, telemetry }, pass))
}

async fn pass(State(house): State<Gatehouse>, request: Request, next: Next) -> Response {
    let guard = house.guarding.load_full();
    let mut response = match refusal(&guard, request.headers()).await {
        None => next.run(request).await,
        Some(refusal) => {
            house.telemetry.refused(refusal);
            refused(refusal)
        }
    };
    for (name, value) in &guard.headers {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(value)) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

async fn refusal(guard: &Guard, headers: &HeaderMap) -> Option<Refusal> {
    if guard.rate.as_ref().is_some_and(|rate| !rate.admits(Instant::now())) {
        return Some(Refusal::TooMany);
    }
    let passwords = guard.passwords.as_ref()?;
    let Some((user, password)) = credentials(headers) else { return Some(Refusal::Unauthorized) };
    if passwords.fit(&user, &password).await { None } else { Some(Refusal::Unauthorized) }
}

/// `Authorization: Basic …`, RFC 7617.
fn credentials(headers: &HeaderMap) -> Option<(String, String)> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = value.split_once(' ')?;
    let decoded = BASE64_STANDARD.decode(encoded.trim()).ok().filter(|_| scheme.eq_ignore_ascii_case("basic"))?;
    let (user, password) = str::from_utf8(&decoded).ok()?.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}

fn refused(refusal: Refusal) -> Response {
    match refusal {
        Refusal::TooMany => text(StatusCode::TOO_MANY_REQUESTS, "too many requests: see rate_limit\n"),
        Refusal::Unauthorized => {
            let challenge = [(WWW_AUTHENTICATE, "Basic realm=\"raingauge\"")];
            (challenge, text(StatusCode::UNAUTHORIZED, "Unauthorized\n")).into_response()
        }
    }
}
