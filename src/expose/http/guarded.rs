//! The guard, applied: every request on every path passes here first. Its body is read here, as far as it is small, whether its
//! route takes one or not; that keeps the connection usable, and nobody's memory grows.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, HttpBody as _};
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, HeaderName, HeaderValue, WWW_AUTHENTICATE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use futures_util::StreamExt as _;
use tokio::time::Instant;

use super::text;
use crate::expose::connection::{Peer, Standing};
use crate::expose::guard::{Guard, Guarding};
use crate::telemetry::{Refusal, Telemetry};

/// Bytes of a body that is read.
pub(super) const MAX_BODY_BYTES: usize = 8 * 1024;

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
    let (head, body) = request.into_parts();
    let body = match refusal(&guard, &head).await {
        None => read(body).await,
        Some(refused) => Err(refused),
    };
    if let Some(standing) = head.extensions.get::<Arc<Standing>>() {
        standing.understood();
    }
    let mut response = match body {
        Ok(body) => next.run(Request::from_parts(head, Body::from(body))).await,
        Err(refusal) => {
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

async fn refusal(guard: &Guard, head: &Parts) -> Option<Refusal> {
    if guard.rate.as_ref().is_some_and(|rate| !rate.admits(Instant::now())) {
        return Some(Refusal::TooMany);
    }
    let passwords = guard.passwords.as_ref()?;
    let Some((user, password)) = credentials(&head.headers) else { return Some(Refusal::Unauthorized) };
    // Whoever does not come by a connection is one more peer.
    let peer = head.extensions.get::<Arc<Standing>>().map_or(Peer::Local, |standing| standing.peer());
    if passwords.fit(peer, &user, &password).await { None } else { Some(Refusal::Unauthorized) }
}

/// Reads a body to its end, or to where it is too large. One that says its length is not read at all then.
async fn read(body: Body) -> Result<Vec<u8>, Refusal> {
    if usize::try_from(body.size_hint().lower()).map_or(true, |length| length > MAX_BODY_BYTES) {
        return Err(Refusal::TooLarge);
    }
    let (mut pieces, mut read) = (body.into_data_stream(), Vec::new());
    // Where a body breaks off, so does the connection.
    while let Some(Ok(piece)) = pieces.next().await {
        read.extend_from_slice(&piece);
        if read.len() > MAX_BODY_BYTES {
            return Err(Refusal::TooLarge);
        }
    }
    Ok(read)
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
        Refusal::TooLarge => text(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large\n"),
        Refusal::Malformed => text(StatusCode::BAD_REQUEST, "this is no request\n"),
    }
}
