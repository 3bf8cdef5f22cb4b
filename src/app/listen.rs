//! Where to listen, as people write it: addresses and ports, unix sockets, or what systemd hands over.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use anyhow::Context;
use tokio::net::{TcpListener, TcpSocket};

use crate::expose::connection::{Address, Listening};

mod inherited;
mod socket_file;

pub use inherited::{Inherited, inherited};
pub use socket_file::path;
use socket_file::{SCHEME, SocketFile};

/// Connections that wait to be accepted.
const BACKLOG: u32 = 1024;

/// Open doors.
#[derive(Default)]
pub struct Doors {
    /// What accepts connections; to be dropped before the files.
    pub listening: Vec<Listening>,
    /// What is to be removed in the end: dropping it does.
    pub files: Vec<SocketFile>,
}

/// Takes what systemd has handed over; or else binds each of `addresses`: `:5000` (every interface, IPv4 and IPv6),
/// `localhost:5000`, `0.0.0.0:5000`, `[::1]:0`, `unix:/run/raingauge.sock`.
pub async fn open(addresses: &[String], inherited: Option<Inherited>) -> anyhow::Result<Doors> {
    if let Some(inherited) = inherited {
        return Ok(Doors { listening: inherited.listening()?, files: Vec::new() });
    }
    let mut doors = Doors::default();
    for address in addresses {
        let failed = || format!("cannot listen on {address}");
        if let Some(path) = path(address).with_context(failed)? {
            let (listener, file) = SocketFile::bind(path, BACKLOG).with_context(failed)?;
            doors.listening.push(listener.into());
            doors.files.push(file);
        } else {
            doors.listening.push(one(address).await.with_context(failed)?.into());
        }
    }
    Ok(doors)
}

/// Whether this is written like a unix socket.
pub fn is_unix(address: &str) -> bool {
    address.starts_with(SCHEME)
}

async fn one(address: &str) -> anyhow::Result<TcpListener> {
    if let Some(port) = address.strip_prefix(':') {
        let port = port.parse().context("the port must be a number from 0 to 65535")?;
        // Where IPv6 is switched off, only IPv4 is left.
        return match listen(SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), port)) {
            Ok(listener) => Ok(listener),
            Err(e) if e.kind() == std::io::ErrorKind::AddrInUse => Err(e.into()),
            Err(_) => Ok(listen(SocketAddr::from(([0, 0, 0, 0], port)))?),
        };
    }
    let mut last = anyhow::anyhow!("the host has no address");
    // "localhost" is what most clients ask by IPv4, whatever the resolver puts first.
    let mut candidates: Vec<SocketAddr> =
        tokio::net::lookup_host(address).await.context("use host:port, :port or unix:/path/of/a.socket")?.collect();
    candidates.sort_by_key(SocketAddr::is_ipv6);
    for candidate in candidates {
        match listen(candidate) {
            Ok(listener) => return Ok(listener),
            Err(e) => last = e.into(),
        }
    }
    Err(last)
}

fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// What to print: the address with which a browser on this machine reaches the listener, or the socket's file.
pub fn url(scheme: &str, listening: &Listening) -> String {
    match listening.address() {
        Ok(Address::Net(a)) if a.ip().is_unspecified() => format!("{scheme}://localhost:{}", a.port()),
        Ok(Address::Net(a)) => format!("{scheme}://{a}"),
        Ok(file) => file.to_string(),
        Err(_) => "an unknown address".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_spelling_binds_and_a_wrong_one_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = format!("unix:{}/a.sock", folder.path().display());
        let spellings = [":0", "localhost:0", "127.0.0.1:0", &file].map(str::to_owned);
        let doors = open(&spellings, None).await.unwrap();
        assert!(url("http", &doors.listening[0]).starts_with("http://localhost:"));
        assert_eq!(url("http", &doors.listening[3]), file);
        let taken = doors.listening[2].address().unwrap().to_string();
        for (wrong, why) in [
            (":x", "port"),
            ("nowhere", "host:port"),
            (":70000", "port"),
            (&*taken, "in use"),
            (&*file, "another process listens"),
            ("unix:", "path"),
            ("unix://host/a.sock", "unix:///"),
            ("unix:@abstract", "abstract"),
        ] {
            let Err(error) = open(&[wrong.to_owned()], None).await else { panic!("{wrong} binds") };
            let error = format!("{error:#}");
            assert!(error.contains(wrong) && error.contains(why), "{error}");
        }
    }
}
