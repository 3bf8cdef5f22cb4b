//! `raingauge healthcheck`: asks the running daemon, for containers that have no curl. Without `--url` it finds the daemon
//! by itself, on whatever port and with or without TLS, so that no image has to know the flags that it is started with.

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use reqwest::{Client, StatusCode};

use crate::app::listen;
use crate::aws::crypto;

mod listening;

use listening::Place;

/// Longer than a healthy daemon ever needs, shorter than what container runtimes allow.
const TIMEOUT: Duration = Duration::from_secs(3);
/// Answers to whoever shows no certificate, in the words of rustls. A daemon that says so is well.
const CERTIFICATE_WANTED: [&str; 3] = ["CertificateRequired", "BadCertificate", "HandshakeFailure"];

/// Succeeds when the URL answers with a 2xx status; without a URL, when a daemon of this program is found that answers
/// that it is well, or wants to know first who asks (401, or a client certificate). `unix:path` stands for a daemon's own
/// socket. No proxy is asked.
pub async fn healthcheck(url: Option<&str>) -> anyhow::Result<()> {
    crypto::install();
    if let Some(url) = url {
        if let Some(path) = listen::path(url)? {
            return at(&Place::File(path.to_owned())).await;
        }
        let answer = client(None, false)?.get(url).send().await.with_context(|| format!("ask {url}"))?;
        anyhow::ensure!(answer.status().is_success(), "{url} answers {}", answer.status());
        return Ok(());
    }
    let found = listening::of_this_program(Path::new("/proc"), std::process::id());
    let mut failed = Vec::new();
    for place in &found {
        match at(place).await {
            Ok(()) => return Ok(()),
            Err(e) => failed.push(format!("{e:#}")),
        }
    }
    anyhow::ensure!(!found.is_empty(), "no listening raingauge of this user was found; name one with --url");
    anyhow::bail!(failed.join("; "))
}

/// The certificate may be for any name: this machine asks itself.
fn client(socket: Option<&Path>, any_certificate: bool) -> anyhow::Result<Client> {
    let builder = Client::builder().timeout(TIMEOUT).no_proxy().danger_accept_invalid_certs(any_certificate);
    let builder = if let Some(path) = socket { builder.unix_socket(path) } else { builder };
    builder.build().context("set up an HTTP client")
}

async fn at(place: &Place) -> anyhow::Result<()> {
    let (address, socket) = match place {
        Place::Net(address) => (address.to_string(), None),
        Place::File(path) => ("localhost".to_owned(), Some(&**path)),
    };
    let client = client(socket, true)?;
    let shown = |url: &str| socket.map_or_else(|| url.to_owned(), |path| format!("{url} at unix:{}", path.display()));
    let mut failed = Vec::new();
    for scheme in ["http", "https"] {
        // The exporters that we stand in for have no such path; their landing page will do.
        for path in ["/-/healthy", "/"] {
            let url = format!("{scheme}://{address}{path}");
            match client.get(&url).send().await {
                Ok(answer) if answer.status().is_success() || answer.status() == StatusCode::UNAUTHORIZED => {
                    return Ok(());
                }
                Ok(answer) => failed.push(format!("{} answers {}", shown(&url), answer.status())),
                Err(e) => {
                    let why = format!("{:#}", anyhow::Error::from(e));
                    if CERTIFICATE_WANTED.iter().any(|words| why.contains(words)) {
                        return Ok(());
                    }
                    failed.push(socket.map_or(why.clone(), |_| format!("{}: {why}", shown(&url))));
                    break;
                }
            }
        }
    }
    anyhow::bail!(failed.join("; "))
}
