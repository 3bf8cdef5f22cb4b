//! A server in the place of every cloud that refuses, and quotes the whole request when it does.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use tokio::net::TcpListener;

/// What Google's token server gives.
pub(crate) const ACCESS_TOKEN: &str = "ya29.PlantedAccessToken-8-0123456789abcdefghijklmnopqrstuvwxyz";
/// What an instance's metadata service gives.
pub(crate) const INSTANCE_TOKEN: &str = "PlantedInstanceToken-9-0123456789abcdef==";

/// How it answers.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Mood {
    /// 403 to everything but requests for a token.
    Refuse,
    /// 200, and what was asked instead of an answer.
    Garble,
    /// The first two, but it says who is asking.
    RefuseAfterIdentity,
    GarbleAfterIdentity,
    /// Not even tokens.
    RefuseTokens,
}

const MOODS: [Mood; 5] =
    [Mood::Refuse, Mood::Garble, Mood::RefuseAfterIdentity, Mood::GarbleAfterIdentity, Mood::RefuseTokens];

pub(crate) struct Echo {
    pub(crate) url: String,
    mood: Arc<AtomicUsize>,
    asked: Arc<AtomicUsize>,
}

impl Echo {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (mood, asked) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let state = (Arc::clone(&mood), Arc::clone(&asked));
        let routes = Router::new().fallback(move |request: Request| {
            let (mood, asked) = state.clone();
            async move {
                asked.fetch_add(1, Ordering::Relaxed);
                answer(MOODS[mood.load(Ordering::Relaxed)], request).await
            }
        });
        tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        Self { url, mood, asked }
    }

    pub(crate) fn be(&self, mood: Mood) {
        self.mood.store(mood as usize, Ordering::Relaxed);
    }

    /// How often it was asked.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.url.trim_start_matches("http://").parse().unwrap()
    }
}

async fn answer(mood: Mood, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 16 << 20).await.unwrap();
    let body = String::from_utf8_lossy(&body).into_owned();
    // What is secret comes first: whoever quotes may cut.
    let mut headers: Vec<_> =
        head.headers.iter().map(|(n, v)| format!("{n}: {}", String::from_utf8_lossy(v.as_bytes()))).collect();
    let is_secret =
        |line: &String| line.contains("security-token") || line.contains("authorization") || line.contains("Planted");
    headers.sort_by_key(|line| !is_secret(line));
    let quoted = format!("you said {} {body} {} {}", headers.join(", "), head.method, head.uri);
    let path = head.uri.path();
    let gives_tokens = !matches!(mood, Mood::RefuseTokens);
    if path == "/token" && gives_tokens {
        return json!({"access_token": ACCESS_TOKEN, "expires_in": 3600}).to_string().into_response();
    }
    if path == "/latest/api/token" && gives_tokens {
        return INSTANCE_TOKEN.into_response();
    }
    let knows_who = matches!(mood, Mood::RefuseAfterIdentity | Mood::GarbleAfterIdentity);
    if knows_who && body.contains("Action=GetCallerIdentity") {
        let result = "<GetCallerIdentityResult><Arn>arn:aws:iam::000000000000:user/u</Arn><UserId>U</UserId><Account>000000000000</Account></GetCallerIdentityResult>";
        return format!("<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">{result}</GetCallerIdentityResponse>").into_response();
    }
    if matches!(mood, Mood::Garble | Mood::GarbleAfterIdentity) {
        return quoted.into_response();
    }
    refusal(path, &head.headers, &quoted)
}

/// In the words of whoever is asked.
fn refusal(path: &str, headers: &HeaderMap, quoted: &str) -> Response {
    let denied = StatusCode::FORBIDDEN;
    if path.starts_with("/service/GraniteService") {
        let mut body = Vec::new();
        let mut encoder = minicbor::Encoder::new(&mut body);
        encoder.map(2).unwrap().str("__type").unwrap().str("AccessDenied").unwrap();
        encoder.str("message").unwrap().str(quoted).unwrap();
        return (
            denied,
            [
                (header::CONTENT_TYPE, "application/cbor"),
                (header::HeaderName::from_static("smithy-protocol"), "rpc-v2-cbor"),
            ],
            body,
        )
            .into_response();
    }
    if headers.contains_key("x-amz-target") {
        return (denied, json!({"__type": "AccessDeniedException", "message": quoted}).to_string()).into_response();
    }
    if path.starts_with("/v3/") || path.starts_with("/v1/") {
        return (denied, json!({"error": {"code": 403, "message": quoted, "status": "PERMISSION_DENIED"}}).to_string())
            .into_response();
    }
    if path == "/token" {
        return (denied, json!({"error": "invalid_grant", "error_description": quoted}).to_string()).into_response();
    }
    let escaped = quoted.replace('&', "&amp;").replace('<', "&lt;");
    let error = format!(
        "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>{escaped}</Message></Error></ErrorResponse>"
    );
    (denied, error).into_response()
}
