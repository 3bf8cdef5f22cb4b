//! Listening addresses as people write them.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use anyhow::Context;
use tokio::net::{TcpListener, TcpSocket};

/// Connections that wait to be accepted.
const BACKLOG: u32 = 1024;

/// Binds each of `addresses`: `:5000` (every interface, IPv4 and IPv6), `localhost:5000`, `0.0.0.0:5000`, `[::1]:0`.
pub async fn bind(addresses: &[String]) -> anyhow::Result<Vec<TcpListener>> {
    let mut listeners = Vec::new();
    for address in addresses {
        listeners.push(one(address).await.with_context(|| format!("cannot listen on {address}"))?);
    }
    Ok(listeners)
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
        tokio::net::lookup_host(address).await.context("use host:port or :port")?.collect();
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

/// What to print: the address with which a browser on this machine reaches the listener.
pub fn url(scheme: &str, listener: &TcpListener) -> String {
    match listener.local_addr() {
        Ok(a) if a.ip().is_unspecified() => format!("{scheme}://localhost:{}", a.port()),
        Ok(a) => format!("{scheme}://{a}"),
        Err(_) => "an unknown address".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_spelling_binds_and_a_wrong_one_is_named() {
        let spellings = [":0", "localhost:0", "127.0.0.1:0"].map(str::to_owned);
        let listeners = bind(&spellings).await.unwrap();
        assert!(url("http", &listeners[0]).starts_with("http://localhost:"));
        for wrong in [":x", "nowhere", ":70000"] {
            let error = format!("{:#}", bind(&[wrong.to_owned()]).await.unwrap_err());
            assert!(error.contains(wrong), "{error}");
        }
        let taken = listeners[2].local_addr().unwrap().to_string();
        let error = format!("{:#}", bind(std::slice::from_ref(&taken)).await.unwrap_err());
        assert!(error.contains("in use"), "{error}");
    }
}
