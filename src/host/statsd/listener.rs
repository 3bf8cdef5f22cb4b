//! The UDP socket. It reads as fast as it can and gathers at once, so that the kernel's buffer stays empty.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::task::JoinHandle;

use super::{Gathering, Tally};
use crate::host::job::Statsd;
use crate::host::reading::Measurement;
use crate::host::root;
use crate::model::{Text, Timestamp};
use crate::seam::{Failure, Reason};

/// No UDP packet is longer.
const MAX_PACKET_BYTES: usize = 65_536;
/// Packets that are read before others get a turn on this thread.
const PACKETS_AT_ONCE: usize = 256;
/// After an error of the socket: it must not be asked in a tight loop.
const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(100);

/// A socket that could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("failed to listen for statsd on {address} (UDP): {source}; is another agent running?")]
pub struct ListenError {
    address: Text,
    source: io::Error,
}

impl From<ListenError> for Failure {
    fn from(error: ListenError) -> Self {
        let doing = format!("listen for statsd on {} (UDP)", error.address);
        Self { reason: Reason::Network, doing, message: format!("{}; is another agent running?", error.source) }
    }
}

/// A socket with a task that reads it, until this is dropped.
#[derive(Debug)]
pub struct Listener {
    gathering: Arc<Mutex<Gathering>>,
    address: SocketAddr,
    inode: Option<u64>,
    task: JoinHandle<()>,
}

impl Listener {
    /// Opens the socket and starts reading.
    pub async fn open(settings: &Statsd) -> Result<Self, ListenError> {
        let failed = |source| ListenError { address: Text::clone(&settings.address), source };
        let socket = bind(&settings.address).await.map_err(failed)?;
        let address = socket.local_addr().map_err(failed)?;
        let inode = root::inode(&socket);
        let gathering = Arc::new(Mutex::new(Gathering::new(settings)));
        let task = tokio::spawn(listen(socket, Arc::clone(&gathering)));
        Ok(Self { gathering, address, inode, task })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// By which the kernel's table of sockets knows it.
    pub(in crate::host) const fn inode(&self) -> Option<u64> {
        self.inode
    }

    /// Ends an interval; see [`Gathering::end_interval`].
    pub fn end_interval(&self, job: usize, now: Timestamp) -> (Vec<Measurement>, Tally) {
        self.gathering.lock().unwrap_or_else(PoisonError::into_inner).end_interval(job, now)
    }

    /// Hands out everything; see [`Gathering::finish`].
    pub fn finish(&self, job: usize, now: Timestamp) -> (Vec<Measurement>, Tally) {
        self.gathering.lock().unwrap_or_else(PoisonError::into_inner).finish(job, now)
    }
}

/// `:PORT` is IPv6 and IPv4; where IPv6 is switched off, only IPv4 is left.
async fn bind(address: &str) -> io::Result<UdpSocket> {
    let Some(port) = address.strip_prefix(':') else { return UdpSocket::bind(address).await };
    match UdpSocket::bind(format!("[::]:{port}")).await {
        Err(error) if error.kind() != io::ErrorKind::AddrInUse => UdpSocket::bind(format!("0.0.0.0:{port}")).await,
        bound => bound,
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn listen(socket: UdpSocket, gathering: Arc<Mutex<Gathering>>) {
    let mut packet = vec![0; MAX_PACKET_BYTES];
    loop {
        let read = match socket.readable().await {
            Ok(()) => read_some(&socket, &mut packet, &gathering),
            Err(error) => Err(error),
        };
        match read {
            Ok(()) => tokio::task::yield_now().await,
            // About a packet that we did not send, or the kernel is out of memory: there is nobody to tell.
            Err(_) => tokio::time::sleep(PAUSE_AFTER_ERROR).await,
        }
    }
}

/// Takes what is there, but not for ever: others have to run too.
fn read_some(socket: &UdpSocket, packet: &mut [u8], gathering: &Mutex<Gathering>) -> io::Result<()> {
    let mut gathering = gathering.lock().unwrap_or_else(PoisonError::into_inner);
    for _ in 0..PACKETS_AT_ONCE {
        match socket.try_recv(packet) {
            Ok(length) => gathering.add(packet.get(..length).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
