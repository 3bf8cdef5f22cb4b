//! The simulated cloud over HTTP: the wire protocols that the unmodified SDKs speak. One endpoint answers for every
//! service, as `AWS_ENDPOINT_URL` has it; region and account come from the request's signature, which is not checked.
//!
//! CloudWatch is smithy RPC v2 CBOR, tagging and DynamoDB are JSON, STS, IAM and RDS are query in and XML out, API Gateway
//! and Lambda are REST.
//! Google's APIs are REST, recognised by their paths (`google`).
//! Deliberately absent: TLS, signatures, CloudWatch's older protocols.

mod cloudwatch;
mod control;
mod gateway;
mod google;
mod instance;
mod put;
mod query;
pub(crate) mod reader;
mod reply;
mod stream;
mod tagging;
mod writer;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method};
use axum::response::Response;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::http1;
use crate::model::Text;
use crate::sim::cloud::{Caller, Cloud};
use crate::sim::ops::sessions;
use crate::sim::refusal::Refusal;
use reply::{Form, Reply};
use stream::{Connection, SimListener, SimStream};

/// Bytes of a request's body, before and after decompression: PutMetricData takes 1 MB, which we double.
const MAX_BODY_BYTES: usize = 2 * 1024 * 1024;
/// Where CloudWatch's operations live.
const CLOUDWATCH: &str = "/service/GraniteServiceVersion20100801/operation/";

/// A bound server, not yet serving.
pub(crate) struct Server {
    listener: TcpListener,
    cloud: Arc<Cloud>,
    address: SocketAddr,
}

impl Server {
    /// Binds the address.
    pub(crate) async fn bind(address: SocketAddr, cloud: Arc<Cloud>) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        Ok(Self { listener, cloud, address })
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until it is dropped.
    pub(crate) async fn serve(self) {
        let routes = |stream: &SimStream| {
            let state = (Arc::clone(&self.cloud), stream.connection().clone());
            (Router::new().fallback(handle).with_state(state), ())
        };
        http1::serve(SimListener::new(self.listener), routes, CancellationToken::new()).await;
    }
}

/// A request that was read whole.
struct Incoming {
    method: Method,
    path: String,
    query: String,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Incoming {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Access key and region of the signature: `Credential=KEY/DATE/REGION/SERVICE/aws4_request`.
    fn credential(&self) -> Option<(&str, &str, &str)> {
        let scope = self.header("authorization").split("Credential=").nth(1)?.split(',').next()?;
        let mut parts = scope.trim().split('/');
        let key = parts.next()?;
        let _date = parts.next()?;
        Some((key, parts.next()?, parts.next()?))
    }

    /// Who calls.
    fn caller(&self, cloud: &Cloud) -> Result<Caller, Refusal> {
        let missing = || Refusal::new("MissingAuthenticationToken", "The request is not signed.").with_status(403);
        let (key, region, _) = self.credential().ok_or_else(missing)?;
        let invalid = || Refusal::new("InvalidClientTokenId", "The security token is invalid.").with_status(403);
        let account = sessions::account_of(cloud, key).ok_or_else(invalid)?;
        if sessions::is_expired(self.header("x-amz-security-token"), cloud.now()) {
            return Err(Refusal::expired());
        }
        Ok(Caller { account, region: Text::from(region) })
    }

    /// The form in which errors are told before the operation is known.
    fn form(&self) -> Form {
        if self.path.starts_with(CLOUDWATCH) {
            Form::Cbor
        } else if self.headers.contains_key("x-amz-target") || self.path != "/" {
            Form::Json
        } else {
            Form::Xml
        }
    }
}

async fn handle(State((cloud, connection)): State<(Arc<Cloud>, Connection)>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let incoming = match read(parts, body).await {
        Ok(incoming) => incoming,
        Err((form, refusal)) => return Reply::refusal(form, &refusal).into_response(&connection),
    };
    if let Some(reply) = unsigned(&cloud, &incoming) {
        return reply.into_response(&connection);
    }
    if let Some(reply) = google::answer(&cloud, &incoming).await {
        return reply.into_response(&connection);
    }
    let reply = match incoming.caller(&cloud) {
        Err(refusal) => Reply::refusal(incoming.form(), &refusal),
        Ok(caller) => signed(&cloud, &caller, &incoming).await,
    };
    reply.into_response(&connection)
}

/// What needs no signature: the instance's metadata and our own control paths.
fn unsigned(cloud: &Cloud, incoming: &Incoming) -> Option<Reply> {
    let path = incoming.path.as_str();
    if let Some(rest) = path.strip_prefix("/_sim/") {
        return Some(control::answer(cloud, incoming, rest));
    }
    path.strip_prefix("/latest/").map(|rest| instance::answer(cloud, incoming, rest))
}

async fn signed(cloud: &Cloud, caller: &Caller, incoming: &Incoming) -> Reply {
    if let Some(operation) = incoming.path.strip_prefix(CLOUDWATCH) {
        return cloudwatch::answer(cloud, caller, operation, &incoming.body).await;
    }
    let target = incoming.header("x-amz-target");
    if target == gateway::DESCRIBE_TABLE {
        return gateway::table(cloud, caller, &incoming.body).await;
    }
    if !target.is_empty() {
        return tagging::answer(cloud, caller, target, &incoming.body).await;
    }
    if incoming.path == "/" && incoming.method == Method::POST {
        return query::answer(cloud, caller, &incoming.body).await;
    }
    gateway::answer(cloud, caller, incoming).await
}

/// Reads and decompresses a body.
async fn read(parts: Parts, body: Body) -> Result<Incoming, (Form, Refusal)> {
    let mut incoming = Incoming {
        method: parts.method,
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers: parts.headers,
        body: Vec::new(),
    };
    let form = incoming.form();
    let too_large = |_| (form, Refusal::new("RequestEntityTooLarge", "The body is too large.").with_status(413));
    let body = axum::body::to_bytes(body, MAX_BODY_BYTES).await.map_err(too_large)?;
    incoming.body = if incoming.header("content-encoding").contains("gzip") {
        gunzip(&body).map_err(|why| (form, Refusal::new("SerializationException", why)))?
    } else {
        body.into()
    };
    Ok(incoming)
}

fn gunzip(body: &[u8]) -> Result<Vec<u8>, String> {
    use io::Read;
    let mut whole = Vec::new();
    let limit = u64::try_from(MAX_BODY_BYTES).unwrap_or(u64::MAX);
    let read = flate2::read::GzDecoder::new(body).take(limit + 1).read_to_end(&mut whole);
    match read {
        Err(error) => Err(format!("The body is not gzip: {error}.")),
        Ok(_) if whole.len() > MAX_BODY_BYTES => Err("The decompressed body is too large.".to_owned()),
        Ok(_) => Ok(whole),
    }
}
