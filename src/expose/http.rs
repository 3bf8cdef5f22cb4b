//! The routes, and the server that answers them. The only file of this part that knows the web framework: the rest hands it
//! values.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::header::{
    ACCEPT, ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE,
    HeaderName, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use axum::serve::Listener;
use futures_util::future::{BoxFuture, join_all};
use futures_util::stream;
use tokio_util::sync::CancellationToken;

use super::cache::{Exposition, Page, PageError, PagePart, Selection};
use super::connection::{Doorkeeper, Limits, Listening, MAX_CONNECTIONS, Seats};
use super::guard::Guarding;
use super::status::{self, Status};
use super::tls::Stream;
use crate::http1;
use crate::model::Timestamp;
use crate::secret::masked;
use crate::telemetry::{Share, Telemetry};

mod explained;
mod guarded;

pub use explained::Unexplained;
pub use guarded::guarded;

/// After the signal to stop, answers that are on their way get so much time.
const GRACE: Duration = Duration::from_secs(3);

const PLAIN: &str = "text/plain; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";
const JSON: &str = "application/json; charset=utf-8";

/// What the routes need.
#[derive(Clone)]
pub struct Web {
    /// The pages.
    pub exposition: Arc<Exposition>,
    /// The names of the jobs that have not been collected for the first time yet.
    pub ready: Arc<dyn Fn() -> Vec<String> + Send + Sync>,
    /// Whether this process calls the clouds, in words; an error says who does instead.
    pub leader: Arc<dyn Fn() -> Result<String, String> + Send + Sync>,
    /// What the status page shows.
    pub status: Arc<dyn Fn() -> Status + Send + Sync>,
    /// The program's version.
    pub version: &'static str,
    /// Loads the configuration again; the error says why it cannot be used.
    pub reload: Arc<dyn Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync>,
    /// Why a metric is missing, in words; it calls the clouds.
    pub explain: Explain,
    /// The steady time, by which jobs age.
    pub clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    /// Whose routes are there.
    pub manners: Manners,
}

/// See [`Web::explain`].
pub type Explain = Arc<dyn Fn(String) -> BoxFuture<'static, Result<String, Unexplained>> + Send + Sync>;

/// In whose way requests are answered.
#[derive(Clone)]
pub enum Manners {
    /// Our own.
    Native,
    /// As YACE does: its routes, and an answer to everything.
    Yace,
    /// As stackdriver_exporter does: its paths, whatever the method.
    Stackdriver(Arc<Stackdriver>),
}

/// See [`Stackdriver::scraped`].
pub type Scraped = Arc<dyn Fn(Vec<String>) -> BoxFuture<'static, Option<Arc<Exposition>>> + Send + Sync>;

/// What stackdriver_exporter's flags say about its routes.
pub struct Stackdriver {
    /// Where the cloud's metrics are.
    pub cloud_path: String,
    /// Where the program's own are; may be the same.
    pub telemetry_path: String,
    /// What `?collect=` may narrow: the configured beginnings of metric types.
    pub prefixes: Vec<String>,
    /// Somebody wants the cloud's metrics; of what `?collect=` says, where that is not empty. Returns when they are as fresh
    /// as promised; the pages, where those values have some of their own.
    pub scraped: Scraped,
}

/// All routes.
pub fn router(web: Web) -> Router {
    let manners = web.manners.clone();
    let common = Router::new()
        .route("/-/healthy", get(|| async { text(StatusCode::OK, "healthy\n") }))
        .route("/-/ready", get(ready))
        .route("/-/leader", get(leader))
        .route("/-/reload", post(reload))
        .route(status::API_PATH, get(status_json))
        .route(status::EXPLAIN_PATH, post(explained::explain));
    let routes = match manners {
        Manners::Native => common
            .route("/", get(show_status))
            .route("/metrics", get(metrics))
            .fallback(|| async { text(StatusCode::NOT_FOUND, "there is nothing here; try / or /metrics\n") }),
        Manners::Yace => common
            .route("/", get(show_status))
            .route("/metrics", any(metrics))
            .route("/healthz", any(|| async { text(StatusCode::OK, "ok") }))
            .route("/reload", any(yace_reload))
            .fallback(yace_landing),
        // The paths may be anything: they are compared, not routed.
        Manners::Stackdriver(site) => common
            .route("/-/status", get(show_status))
            .fallback(move |web: State<Arc<Web>>, uri: Uri, headers: HeaderMap| stackdriver(site, web, uri, headers)),
    };
    routes.with_state(Arc::new(web))
}

/// Answers on all listeners until `shutdown`, over TLS where the guard has certificates; then finishes what it has begun,
/// within limits.
pub async fn serve(
    listeners: Vec<Listening>,
    router: Router,
    guarding: &Guarding,
    telemetry: &Arc<Telemetry>,
    shutdown: impl Future<Output = ()> + Send,
) {
    let seats = Seats::new(MAX_CONNECTIONS, Arc::clone(telemetry));
    let stop = CancellationToken::new();
    let servers = listeners.into_iter().map(|listener| {
        let keeper = Doorkeeper::new(listener, Arc::clone(&seats), Limits::default());
        let door = Door { keeper, guarding: Arc::clone(guarding) };
        http1::serve(door, |stream| (router.clone(), stream.standing()), stop.clone())
    });
    let servers = join_all(servers);
    let ending = async {
        shutdown.await;
        stop.cancel();
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        _ = servers => {}
        () = ending => {}
    }
}

/// A listener whose connections speak TLS where the guard says so.
struct Door {
    keeper: Doorkeeper,
    guarding: Guarding,
}

impl Listener for Door {
    type Io = Stream;
    /// From where somebody comes is the connection's to know.
    type Addr = ();

    async fn accept(&mut self) -> (Stream, ()) {
        let connection = self.keeper.admit().await;
        let stream = match &self.guarding.load().tls {
            Some(config) => Stream::tls(connection, Arc::clone(config)),
            None => Stream::plain(connection),
        };
        (stream, ())
    }

    fn local_addr(&self) -> std::io::Result<()> {
        Ok(())
    }
}

async fn metrics(State(web): State<Arc<Web>>, headers: HeaderMap) -> Response {
    let (accept, encodings) = (joined(&headers, &ACCEPT), joined(&headers, &ACCEPT_ENCODING));
    answer(web.exposition.scrape(&accept, &encodings, (web.clock)()).await)
}

async fn stackdriver(site: Arc<Stackdriver>, State(web): State<Arc<Web>>, uri: Uri, headers: HeaderMap) -> Response {
    let path = uri.path();
    let (is_cloud, is_telemetry) = site.serves(path);
    if !is_cloud && !is_telemetry {
        let landing = || ([(CONTENT_TYPE, HTML)], status::stackdriver_landing(&site.cloud_path, &site.telemetry_path));
        let is_there = path == "/" && !site.telemetry_path.is_empty();
        return if is_there { landing().into_response() } else { text(StatusCode::NOT_FOUND, "404 page not found\n") };
    }
    let mut part = PagePart { share: Share::Apart, cloud: None };
    let mut exposition = Arc::clone(&web.exposition);
    if is_cloud {
        let values = collected(&uri);
        part.share = if is_telemetry { Share::All } else { Share::Beside };
        part.cloud = Some(match (site.scraped)(values.clone()).await {
            Some(own) => {
                exposition = own;
                Selection::Everything
            }
            None => site.selection(values),
        });
    }
    let (accept, encodings) = (joined(&headers, &ACCEPT), joined(&headers, &ACCEPT_ENCODING));
    answer(exposition.scrape_part(part, &accept, &encodings, (web.clock)()).await)
}

impl Stackdriver {
    /// The part of the usual page that some values ask for.
    fn selection(&self, mut values: Vec<String>) -> Selection {
        if values.is_empty() {
            return Selection::Everything;
        }
        values.retain(|value| self.prefixes.iter().any(|prefix| value.starts_with(prefix)));
        Selection::Only(values)
    }

    /// Whether a path is the cloud's, and whether it is the program's own. A path that ends with a slash is everything below
    /// it that has no path of its own.
    fn serves(&self, path: &str) -> (bool, bool) {
        let both = [&self.cloud_path, &self.telemetry_path];
        let [cloud, telemetry] = both.map(|own| own == path);
        if cloud || telemetry {
            return (cloud, telemetry);
        }
        let below = both.map(|own| if own.ends_with('/') && path.starts_with(&**own) { own.len() } else { 0 });
        let longest = below.into_iter().max().unwrap_or(0);
        let [cloud, telemetry] = below.map(|length| length > 0 && length == longest);
        (cloud, telemetry)
    }
}

/// What `?collect=` asks for, sorted, each once. An empty value alone is as good as none.
fn collected(uri: &Uri) -> Vec<String> {
    let query = Query::<Vec<(String, String)>>::try_from_uri(uri).map(|Query(pairs)| pairs).unwrap_or_default();
    let mut values: Vec<String> = query.into_iter().filter(|(name, _)| name == "collect").map(|(_, v)| v).collect();
    values.sort();
    values.dedup();
    if values.iter().all(String::is_empty) {
        values.clear();
    }
    values
}

fn answer(page: Result<Page, PageError>) -> Response {
    match page {
        Ok(page) => body(page),
        Err(error) => {
            tracing::error!(%error, "failed to answer a scrape");
            text(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n"))
        }
    }
}

fn body(page: Page) -> Response {
    let length = page.bytes().to_string();
    let kind = [(CONTENT_TYPE, page.content_type.to_owned()), (CONTENT_LENGTH, length)];
    // A chunk is let go as soon as it is written.
    let chunks = stream::iter(page.chunks.into_iter().map(Ok::<_, std::convert::Infallible>));
    let body = Body::from_stream(chunks);
    if page.gzip { (kind, [(CONTENT_ENCODING, "gzip")], body).into_response() } else { (kind, body).into_response() }
}

/// A header that is sent several times means the same as one with all items.
fn joined(headers: &HeaderMap, name: &HeaderName) -> String {
    let values: Vec<&str> = headers.get_all(name).iter().filter_map(|v| v.to_str().ok()).collect();
    values.join(",")
}

/// The page; its links are relative, so that it works behind a prefix.
async fn show_status(State(web): State<Arc<Web>>) -> Response {
    let (to_root, metrics) = match &web.manners {
        Manners::Native | Manners::Yace => ("", "metrics"),
        Manners::Stackdriver(site) => ("../", site.cloud_path.as_str()),
    };
    let html = status::html(&masked(&status::json(&(web.status)())), to_root, metrics);
    let headers = [
        (CONTENT_TYPE, HTML),
        (CACHE_CONTROL, "no-store"),
        (CONTENT_SECURITY_POLICY, status::policy()),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "same-origin"),
    ];
    (headers, html).into_response()
}

async fn status_json(State(web): State<Arc<Web>>) -> Response {
    let headers = [(CONTENT_TYPE, JSON), (CACHE_CONTROL, "no-store"), (X_CONTENT_TYPE_OPTIONS, "nosniff")];
    (headers, masked(&status::json(&(web.status)())).into_owned()).into_response()
}

async fn leader(State(web): State<Arc<Web>>) -> Response {
    match (web.leader)() {
        Ok(role) => text(StatusCode::OK, format!("{role}\n")),
        Err(role) => text(StatusCode::SERVICE_UNAVAILABLE, format!("{role}\n")),
    }
}

async fn ready(State(web): State<Arc<Web>>) -> Response {
    let missing = (web.ready)();
    if missing.is_empty() {
        return text(StatusCode::OK, "ready\n");
    }
    text(StatusCode::SERVICE_UNAVAILABLE, format!("not collected yet:\n  {}\n", missing.join("\n  ")))
}

async fn reload(State(web): State<Arc<Web>>) -> Response {
    match (web.reload)().await {
        Ok(()) => text(StatusCode::OK, ""),
        Err(why) => text(StatusCode::UNPROCESSABLE_ENTITY, format!("{}\n", masked(why.trim_end()))),
    }
}

/// YACE answers 200 whatever comes of it; ours says so when the file is bad.
async fn yace_reload(method: Method, state: State<Arc<Web>>) -> Response {
    if method == Method::POST { reload(state).await } else { StatusCode::NOT_FOUND.into_response() }
}

async fn yace_landing(State(web): State<Arc<Web>>) -> Response {
    ([(CONTENT_TYPE, HTML)], status::yace_landing(web.version)).into_response()
}

fn text(status: StatusCode, text: impl Into<Body>) -> Response {
    (status, [(CONTENT_TYPE, PLAIN)], text.into()).into_response()
}
