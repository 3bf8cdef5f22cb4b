//! Connections that cannot be held for ever. A limited number of them is open at a time, and each goes through phases: a
//! request is read, waits for its answer, the answer is written. A phase that lasts too long ends the connection, and when
//! there is no place for a newcomer, whoever has most and says least makes room (`seats`). That is enough against clients
//! that send a byte a minute, that never read their answer, that keep an idle connection for days, or that come by the
//! thousand.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep, sleep_until};

mod seats;
mod socket;

use seats::{Phase, Seat};
use socket::Socket;

use crate::http1::{Attendant, Misunderstood};
use crate::telemetry::{Closing, Refusal, Telemetry};

pub use seats::Seats;
pub use socket::{Address, Listening, Peer};

/// Connections that are open at the same time, over all listeners; for one more, the least useful has to go. Scrapers need
/// a handful; 256 answers in flight share the memory of one page.
pub const MAX_CONNECTIONS: usize = 256;

/// After a failed accept (no file descriptors left, mostly) it is tried again so much later.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

/// How long the phases of a connection may last.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Until something comes.
    pub first_byte: Duration,
    /// From a request's first byte to its last; before the first one, with TLS's handshake.
    pub request: Duration,
    /// Until the answer begins, and again until it is written, or the next request comes.
    pub answer: Duration,
}

impl Default for Limits {
    /// Whoever connects and says nothing must not keep a place for long; requests are small. Answers may take longer than any
    /// scrape interval in use, so that scrapers keep their connections, and than any collection that a scrape has to wait for.
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { first_byte: seconds(10), request: seconds(30), answer: seconds(180) }
    }
}

/// Accepts connections within the limits.
pub struct Doorkeeper {
    listening: Listening,
    seats: Arc<Seats>,
    limits: Limits,
}

impl Doorkeeper {
    /// `seats`: shared by all listeners.
    pub fn new(listening: Listening, seats: Arc<Seats>, limits: Limits) -> Self {
        Self { listening, seats, limits }
    }

    /// The next connection, once there is a place for it.
    pub async fn admit(&mut self) -> Connection {
        loop {
            match self.listening.accept().await {
                Ok((socket, peer)) => return Connection::new(socket, self.seats.take(peer).await, self.limits),
                // Whoever came has gone again; the next one may be there.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    tracing::warn!(%error, "failed to accept a connection; trying again in a second");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

/// A connection that ends by itself when a phase lasts too long.
pub struct Connection {
    socket: Socket,
    standing: Arc<Standing>,
    limits: Limits,
    deadline: Pin<Box<Sleep>>,
    /// Which of the phases so far the deadline is for.
    timed: u64,
    /// The last attempt to write found no room.
    is_stuck: bool,
}

/// What is known of a connection, for itself and for whoever answers it.
pub struct Standing {
    seat: Seat,
    /// And how many came before.
    phase: Mutex<(Phase, u64)>,
    /// A request was read to its end; until then what is written is TLS's handshake, or an invitation to go on.
    was_understood: AtomicBool,
}

impl Standing {
    fn phase(&self) -> (Phase, u64) {
        *self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self, phase: Phase) {
        let mut current = self.phase.lock().unwrap_or_else(PoisonError::into_inner);
        if current.0 != phase {
            *current = (phase, current.1 + 1);
            self.seat.enter(phase);
        }
    }

    /// The request was read to its end, or is refused: from now on it is we who are waited for.
    pub fn understood(&self) {
        self.was_understood.store(true, Ordering::Relaxed);
        self.enter(Phase::Answering);
    }

    /// From where it comes.
    pub fn peer(&self) -> Peer {
        self.seat.peer()
    }

    /// Where to count what becomes of it.
    pub fn telemetry(&self) -> &Arc<Telemetry> {
        self.seat.telemetry()
    }
}

/// What follows a connection while its requests are answered.
impl Attendant for Arc<Standing> {
    type Word = Self;

    /// Its body may be still to come: whoever has read that says so.
    fn heard(&self) -> Self {
        Self::clone(self)
    }

    async fn dismissed(&self) {
        self.seat.leave().cancelled_owned().await;
    }

    fn misunderstood(&self, what: Misunderstood) {
        self.telemetry().refused(match what {
            Misunderstood::TooLarge => Refusal::TooLarge,
            Misunderstood::Malformed => Refusal::Malformed,
        });
    }
}

impl Connection {
    fn new(socket: Socket, seat: Seat, limits: Limits) -> Self {
        let deadline = Box::pin(sleep_until(Instant::now() + limits.first_byte));
        let standing =
            Arc::new(Standing { seat, phase: Mutex::new((Phase::New, 0)), was_understood: AtomicBool::new(false) });
        Self { socket, standing, limits, deadline, timed: 0, is_stuck: false }
    }

    /// For whoever answers.
    pub fn standing(&self) -> Arc<Standing> {
        Arc::clone(&self.standing)
    }

    /// Pending (and awakened later) until the phase has lasted too long.
    fn poll_end<T>(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        let (phase, number) = self.standing.phase();
        if self.timed != number {
            self.timed = number;
            let limit = match phase {
                Phase::New => self.limits.first_byte,
                Phase::Reading => self.limits.request,
                Phase::Writing | Phase::Answering => self.limits.answer,
            };
            self.deadline.as_mut().reset(Instant::now() + limit);
        }
        ready!(self.deadline.as_mut().poll(cx));
        let why = match phase {
            Phase::New => Some(Closing::Silent),
            Phase::Reading => Some(Closing::SlowRequest),
            Phase::Writing if self.is_stuck => Some(Closing::SlowReader),
            // An idle connection has done its work; an answer that does not come is not the client's doing.
            Phase::Writing | Phase::Answering => None,
        };
        if let Some(why) = why {
            self.standing.telemetry().closed(why);
        }
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        if let Poll::Ready(result) = Pin::new(&mut self.socket).poll_read(cx, buf) {
            // What comes while an answer is on its way waits for its end, and changes nothing.
            if buf.filled().len() > before && self.standing.phase().0 != Phase::Answering && !self.is_stuck {
                self.standing.enter(Phase::Reading);
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
        let written = Pin::new(&mut self.socket).poll_write_vectored(cx, slices);
        self.is_stuck = written.is_pending();
        if self.standing.was_understood.load(Ordering::Relaxed) {
            self.standing.enter(Phase::Writing);
        }
        if written.is_ready() { written } else { self.poll_end(cx) }
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}
