//! HTTP/1.1 on the connections of a listener, for the endpoint and for the simulated cloud. `axum::serve` would do, but it
//! brings a server for HTTP/2 along, which is half a megabyte that no scraper asks for.
//!
//! Deliberately absent: routes, limits, TLS (a listener's streams may be anything), HTTP/2.

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

/// Answers as `router_for` a connection says, until `stop`; then accepts no more, finishes what it is answering, and
/// returns when all connections have ended.
pub async fn serve<L: Listener>(mut listener: L, router_for: impl Fn(&L::Io) -> Router, stop: CancellationToken) {
    let connections = TaskTracker::new();
    while let Some((io, _)) = stop.run_until_cancelled(listener.accept()).await {
        let router = router_for(&io);
        connections.spawn(answer(io, router, stop.clone()));
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

async fn answer<I>(io: I, router: Router, stop: CancellationToken)
where
    I: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let service = service_fn(move |request: Request<Incoming>| respond(router.clone(), request.map(Body::new)));
    let mut connection = std::pin::pin!(Builder::new().serve_connection(TokioIo::new(io), service));
    // How a connection ends is its peer's business: there is nobody to tell.
    if stop.run_until_cancelled(connection.as_mut()).await.is_none() {
        connection.as_mut().graceful_shutdown();
        let _ = connection.await;
    }
}

/// A router is always ready, and never fails.
async fn respond(mut router: Router, request: Request) -> Result<Response, Infallible> {
    router.call(request).await
}
