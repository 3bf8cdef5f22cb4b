//! Socket activation: systemd listens, and hands its sockets to the process that it starts (`sd_listen_fds(3)`). They are
//! bound, with their permissions, before we run and while we do not, so nobody waits for a restart.

use std::net::TcpListener;
use std::os::fd::AsFd;
use std::os::unix::net::UnixListener;

use anyhow::Context;
use listenfd::ListenFd;
use rustix::net::sockopt::socket_acceptconn;

use crate::expose::connection::Listening;

/// No unit has more; a wrong number must not take memory.
const MAX_SOCKETS: usize = 64;

/// Sockets that somebody else has opened.
pub struct Inherited(Vec<Socket>);

enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// Takes the sockets over. To be called once, before there are threads: the variables that speak of them are removed, so
/// that no child believes they were meant for it.
pub fn inherited(env: &dyn Fn(&str) -> Option<String>) -> anyhow::Result<Inherited> {
    let hint = "start it by a .socket unit (deploy/systemd/raingauge.socket), or use --web.listen-address";
    let count =
        env("LISTEN_FDS").with_context(|| format!("--web.systemd-socket: no socket was handed over: {hint}"))?;
    let pid = env("LISTEN_PID").unwrap_or_default();
    anyhow::ensure!(
        pid.parse() == Ok(std::process::id()),
        "--web.systemd-socket: the sockets are for the process {pid:?} (LISTEN_PID), not for this one: {hint}"
    );
    let count = count.parse().ok().filter(|n| (1..=MAX_SOCKETS).contains(n));
    let count =
        count.with_context(|| format!("--web.systemd-socket: LISTEN_FDS is no number from 1 to {MAX_SOCKETS}"))?;
    let names = env("LISTEN_FDNAMES").unwrap_or_default();
    let mut names = names.split(':');
    let mut given = ListenFd::from_env();
    let sockets = (0..count).map(|index| {
        let name = names.next().filter(|name| !name.is_empty()).unwrap_or("unknown");
        take(&mut given, index).with_context(|| {
            format!(
                "--web.systemd-socket: socket {index} ({name}) cannot be used: it must be ListenStream= with Accept=no"
            )
        })
    });
    Ok(Inherited(sockets.collect::<Result<_, _>>()?))
}

fn take(given: &mut ListenFd, index: usize) -> anyhow::Result<Socket> {
    // A socket of the wrong family stays where it is.
    let socket = match given.take_unix_listener(index) {
        Ok(Some(listener)) => Socket::Unix(listener),
        Ok(None) => anyhow::bail!("it is not there"),
        Err(_) => Socket::Tcp(given.take_tcp_listener(index)?.context("it is not there")?),
    };
    let accepts = match &socket {
        Socket::Tcp(s) => accepts(s)?,
        Socket::Unix(s) => accepts(s)?,
    };
    anyhow::ensure!(accepts, "nobody listens on it");
    Ok(socket)
}

/// A connection would look the same, and fail at every attempt to accept.
fn accepts(socket: &impl AsFd) -> std::io::Result<bool> {
    Ok(socket_acceptconn(socket)?)
}

impl Inherited {
    /// In the runtime that is to serve them.
    pub(super) fn listening(self) -> anyhow::Result<Vec<Listening>> {
        let each = self.0.into_iter().map(|socket| match socket {
            Socket::Tcp(listener) => {
                listener.set_nonblocking(true)?;
                Ok(tokio::net::TcpListener::from_std(listener)?.into())
            }
            Socket::Unix(listener) => {
                listener.set_nonblocking(true)?;
                Ok(tokio::net::UnixListener::from_std(listener)?.into())
            }
        });
        each.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_good_variables_nothing_is_taken() {
        let own = std::process::id().to_string();
        for (fds, pid, words) in [
            (None, Some(&*own), "no socket was handed over"),
            (Some("1"), None, "LISTEN_PID"),
            (Some("1"), Some("1"), "the process \"1\""),
            (Some("0"), Some(&*own), "LISTEN_FDS"),
            (Some("65"), Some(&*own), "LISTEN_FDS"),
            (Some("many"), Some(&*own), "LISTEN_FDS"),
        ] {
            let env = |name: &str| match name {
                "LISTEN_FDS" => fds.map(str::to_owned),
                "LISTEN_PID" => pid.map(str::to_owned),
                _ => None,
            };
            let error = format!("{:#}", inherited(&env).err().unwrap());
            assert!(error.contains(words), "{error}");
        }
    }
}
