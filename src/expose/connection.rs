//! Connections that cannot be held for ever. A limited number of them is open at a time, and each alternates between two
//! phases, reading a request and writing its answer; a phase that lasts too long ends the connection, and when there is no
//! place for a newcomer, whoever has said nothing for longest makes room. That is enough against clients that send a byte
//! a minute, that never read their answer, that keep an idle connection for days, or that come by the thousand.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, Sleep, sleep, sleep_until};
use tokio_util::sync::WaitForCancellationFutureOwned;

mod seats;

use seats::{Phase, Seat};

pub use seats::Seats;

/// Connections that are open at the same time, over all listeners; for one more, the least useful has to go. Scrapers need
/// a handful; 256 answers in flight share the memory of one page.
pub const MAX_CONNECTIONS: usize = 256;

/// A phase may last this long: longer than any scrape interval in use, so that scrapers keep their connections, and than any
/// collection that a scrape may have to wait for.
pub const PHASE_LIMIT: Duration = Duration::from_secs(180);

/// A new connection must have begun its request by then: whoever connects and says nothing must not keep a place for long.
pub const FIRST_REQUEST_LIMIT: Duration = Duration::from_secs(10);

/// After a failed accept (no file descriptors left, mostly) it is tried again so much later.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

/// Accepts connections within the limits.
pub struct Doorkeeper {
    listener: TcpListener,
    seats: Arc<Seats>,
    phase_limit: Duration,
}

impl Doorkeeper {
    /// `seats`: shared by all listeners.
    pub fn new(listener: TcpListener, seats: Arc<Seats>, phase_limit: Duration) -> Self {
        Self { listener, seats, phase_limit }
    }

    /// The next connection, once there is a place for it.
    pub async fn admit(&mut self) -> (Connection, SocketAddr) {
        loop {
            match self.listener.accept().await {
                Ok((stream, from)) => {
                    // Answers are written in large pieces; the last one must not wait for an acknowledgement.
                    let _ = stream.set_nodelay(true);
                    let seat = self.seats.take().await;
                    return (Connection::new(stream, seat, self.phase_limit), from);
                }
                Err(error) => {
                    tracing::warn!(%error, "failed to accept a connection; trying again in a second");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// Where it listens.
    pub fn local_address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A connection that ends by itself when a phase lasts too long.
pub struct Connection {
    stream: TcpStream,
    seat: Seat,
    phase: Phase,
    phase_limit: Duration,
    deadline: Pin<Box<Sleep>>,
    sent_away: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl Connection {
    fn new(stream: TcpStream, seat: Seat, phase_limit: Duration) -> Self {
        let deadline = Box::pin(sleep_until(Instant::now() + phase_limit.min(FIRST_REQUEST_LIMIT)));
        let sent_away = Box::pin(seat.leave().cancelled_owned());
        Self { stream, seat, phase: Phase::New, phase_limit, deadline, sent_away }
    }

    fn enter(&mut self, phase: Phase) {
        if self.phase != phase {
            self.phase = phase;
            self.seat.enter(phase);
            self.deadline.as_mut().reset(Instant::now() + self.phase_limit);
        }
    }

    /// Pending (and awakened later) until the phase has lasted too long, or another connection needs the place.
    fn poll_end<T>(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        if self.sent_away.as_mut().poll(cx).is_pending() {
            ready!(self.deadline.as_mut().poll(cx));
        }
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        if let Poll::Ready(result) = Pin::new(&mut self.stream).poll_read(cx, buf) {
            if buf.filled().len() > before {
                self.enter(Phase::Reading);
            }
            return Poll::Ready(result);
        }
        self.poll_end(cx)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[io::IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if let Poll::Ready(result) = Pin::new(&mut self.stream).poll_write_vectored(cx, slices) {
            self.enter(Phase::Writing);
            return Poll::Ready(result);
        }
        self.poll_end(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
