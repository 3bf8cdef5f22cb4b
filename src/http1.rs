//! HTTP/1.1 on the connections of a listener, for the endpoint and for the simulated cloud. `axum::serve` would do, but it
//! brings a server for HTTP/2 along, which is half a megabyte that no scraper asks for.
//!
//! Deliberately absent: routes, limits in time (an [`Attendant`] ends what takes too long), TLS (a listener's streams may be
//! anything), HTTP/2.

use std::convert::Infallible;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use axum::serve::Listener;
use hyper::body::Incoming;
use hyper::server::conn::http1::Builder;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower_service::Service as _;

/// A request's line and headers: no client sends more, and what is read of each connection stays in memory. One that comes at
/// once may be twice as large, since it is only looked at between two reads.
const MAX_HEAD_BYTES: usize = 32 * 1024;

/// Follows a connection, and may end it.
pub trait Attendant: Clone + Send + Sync + 'static {
    /// What a request carries to its route as an extension.
    type Word: Clone + Send + Sync + 'static;

    /// The head of a request was read; it goes to its route now, its body perhaps still on its way.
    fn heard(&self) -> Self::Word;

    /// Completes when the connection has to end, whatever it is doing.
    fn dismissed(&self) -> impl Future<Output = ()> + Send;

    /// What came was no request that can be answered; the client was told.
    fn misunderstood(&self, what: Misunderstood);
}

/// Why something is no request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misunderstood {
    /// Its line or its headers are too long.
    TooLarge,
    /// It is not HTTP/1.
    Malformed,
}

/// Nobody follows.
impl Attendant for () {
    type Word = ();

    fn heard(&self) {}

    fn dismissed(&self) -> impl Future<Output = ()> + Send {
        std::future::pending()
    }

    fn misunderstood(&self, _: Misunderstood) {}
}

/// Answers as `attend` says for a connection, until `stop`; then accepts no more, finishes what it is answering, and returns
/// when all connections have ended.
pub async fn serve<L: Listener, A: Attendant>(
    mut listener: L,
    attend: impl Fn(&L::Io) -> (Router, A),
    stop: CancellationToken,
) {
    let connections = TaskTracker::new();
    while let Some((io, _)) = stop.run_until_cancelled(listener.accept()).await {
        let (router, attendant) = attend(&io);
        let stop = stop.clone();
        connections.spawn(async move {
            tokio::select! {
                () = attendant.dismissed() => {}
                () = answer(io, router, attendant.clone(), stop) => {}
            }
        });
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

async fn answer<I, A: Attendant>(io: I, router: Router, attendant: A, stop: CancellationToken)
where
    I: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let hearing = attendant.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(hearing.heard());
        respond(router.clone(), request)
    });
    let mut builder = Builder::new();
    builder.max_buf_size(MAX_HEAD_BYTES);
    let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(io), service));
    let ended = if let Some(ended) = stop.run_until_cancelled(connection.as_mut()).await {
        ended
    } else {
        connection.as_mut().graceful_shutdown();
        connection.await
    };
    // How else a connection ends is its peer's business: there is nobody to tell.
    match ended {
        Err(error) if error.is_parse_too_large() => attendant.misunderstood(Misunderstood::TooLarge),
        Err(error) if error.is_parse() => attendant.misunderstood(Misunderstood::Malformed),
        _ => {}
    }
}

/// A router is always ready, and never fails.
async fn respond(mut router: Router, request: Request) -> Result<Response, Infallible> {
    router.call(request).await
}
