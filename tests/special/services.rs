//! A stand-in for the services that the simulated cloud lacks: it answers what a test tells it to, and remembers what it
//! was asked and how that was signed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use tokio::net::TcpListener;

/// A question that came.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// `DescribeAutoScalingGroups`, or the path of a REST service.
    pub(crate) operation: String,
    /// The fields of the form, the object or the query, as text.
    pub(crate) fields: BTreeMap<String, String>,
    /// The `Authorization` header.
    pub(crate) authorization: String,
    /// How many questions of that operation came before it.
    pub(crate) before: usize,
}

impl Asked {
    /// A field; empty when it is missing.
    pub(crate) fn field(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", String::as_str)
    }
}

type Answer = Box<dyn Fn(&Asked) -> (u16, String) + Send + Sync>;

#[derive(Default)]
struct Inner {
    answers: BTreeMap<&'static str, Answer>,
    asked: Mutex<Vec<Asked>>,
}

/// The stand-in before it serves.
#[derive(Default)]
pub(crate) struct Services(Inner);

impl Services {
    /// What an operation answers: status and body.
    pub(crate) fn on(
        mut self,
        operation: &'static str,
        answer: impl Fn(&Asked) -> (u16, String) + Send + Sync + 'static,
    ) -> Self {
        self.0.answers.insert(operation, Box::new(answer));
        self
    }

    pub(crate) async fn start(self) -> Serving {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let inner = Arc::new(self.0);
        let router = Router::new().fallback(handle).with_state(Arc::clone(&inner));
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Serving { url, inner }
    }
}

/// The stand-in as it serves.
pub(crate) struct Serving {
    pub(crate) url: String,
    inner: Arc<Inner>,
}

impl Serving {
    /// The questions of an operation.
    pub(crate) fn asked(&self, operation: &str) -> Vec<Asked> {
        let all = self.inner.asked.lock().unwrap();
        all.iter().filter(|a| a.operation == operation).cloned().collect()
    }
}

async fn handle(State(inner): State<Arc<Inner>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, 1 << 20).await.unwrap();
    let header = |name: &str| parts.headers.get(name).map_or("", |v| v.to_str().unwrap()).to_owned();
    let target = header("x-amz-target");
    let pairs = |query: &str| -> BTreeMap<String, String> {
        let url = reqwest::Url::parse(&format!("http://x/?{query}")).unwrap();
        url.query_pairs().map(|(k, v)| (k.into_owned(), v.into_owned())).collect()
    };
    let (operation, fields) = if let Some((_, operation)) = target.split_once('.') {
        let json: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(&body).unwrap();
        let text = |v: serde_json::Value| v.as_str().map_or_else(|| v.to_string(), str::to_owned);
        (operation.to_owned(), json.into_iter().map(|(k, v)| (k, text(v))).collect())
    } else if parts.uri.path() == "/" {
        let fields = pairs(std::str::from_utf8(&body).unwrap());
        (fields["Action"].clone(), fields)
    } else {
        (parts.uri.path().to_owned(), pairs(parts.uri.query().unwrap_or_default()))
    };
    let asked = {
        let mut all = inner.asked.lock().unwrap();
        let before = all.iter().filter(|a| a.operation == operation).count();
        let asked = Asked { operation, fields, authorization: header("authorization"), before };
        all.push(asked.clone());
        asked
    };
    let (status, body) = match inner.answers.get(asked.operation.as_str()) {
        Some(answer) => answer(&asked),
        None => (400, r#"{"__type":"UnknownOperationException","message":"nobody told me"}"#.to_owned()),
    };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    response
}
