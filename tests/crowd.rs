//! Clients that mean harm, or know no better, through the front door: thousands of them, slow ones, requests that are too
//! large or none, no TLS, no password. Each is refused and counted, and scrapes go on. (`benches/crowd.py` does the same with ten
//! thousand connections, and says what that takes.)
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "partners/processes.rs"]
mod processes;

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use processes::{Running, aws_at, free_address, get, metrics, raingauge, wait_until};
use rcgen::{CertificateParams, KeyPair};
use reqwest::{Client, StatusCode};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

/// As many as a test's and the kernel's file descriptors go; far more than places.
const CROWD: u32 = 2_000;
/// 256 heads of 32 to 64 KiB and as many pages are 25 MB; what the allocator keeps of them comes on top.
const MAX_GROWTH_BYTES: u64 = 64 << 20;

/// A daemon that asks nobody: what is served is its own.
struct Daemon {
    running: Running,
    address: SocketAddr,
    _folder: TempDir,
}

impl Daemon {
    async fn start(web: &str) -> Self {
        let (folder, address) = (tempfile::tempdir().unwrap(), free_address());
        Self::start_in(folder, address, web).await
    }

    async fn start_in(folder: TempDir, address: SocketAddr, web: &str) -> Self {
        let config = "aws: {interval: 1h, static: [{name: n, namespace: s, regions: [r], metrics: [{name: m, statistics: [Sum]}]}]}";
        fs::write(folder.path().join("raingauge.yml"), config).unwrap();
        fs::write(folder.path().join("web.yml"), web).unwrap();
        let mut command = raingauge(folder.path());
        aws_at(&mut command, "http://127.0.0.1:9", "eu-west-1");
        command.current_dir(&folder).args(["run", "--config=raingauge.yml", "--web.config.file=web.yml"]);
        command.arg(format!("--web.listen-address={address}"));
        let running = Running::start(folder.path(), "raingauge", &mut command);
        wait_until("it listens", async || TcpStream::connect(address).await.map_err(|e| e.to_string())).await;
        Self { running, address, _folder: folder }
    }

    fn resident_bytes(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.running.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    }

    /// The first line of what comes, whatever is sent; empty where the connection just ends.
    async fn say(&self, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        // What is refused early is not read to its end.
        let _ = stream.write_all(bytes).await;
        let mut answer = vec![0; 64];
        let read = stream.read(&mut answer).await.unwrap_or(0);
        String::from_utf8_lossy(&answer[..read]).lines().next().unwrap_or_default().to_owned()
    }
}

/// A sample of the page.
fn sample(page: &str, series: &str) -> f64 {
    let line = page.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.map_or(0.0, |value| value.parse().unwrap())
}

fn refused(page: &str, reason: &str) -> f64 {
    sample(page, &format!("raingauge_http_requests_refused_total{{reason=\"{reason}\"}}"))
}

fn closed(page: &str, reason: &str) -> f64 {
    sample(page, &format!("raingauge_http_connections_closed_total{{reason=\"{reason}\"}}"))
}

/// A scraper with a connection that it keeps.
struct Scraper(TcpStream);

impl Scraper {
    async fn connect(address: SocketAddr) -> Self {
        Self(TcpStream::connect(address).await.unwrap())
    }

    /// Asks on the same connection again; fails when it was closed.
    async fn scrape(&mut self) {
        self.0.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("the scraper was thrown out");
        let mut page = Vec::new();
        let length = loop {
            let mut piece = vec![0; 64 * 1024];
            let read = self.0.read(&mut piece).await.expect("the scraper was thrown out");
            assert!(read > 0, "the scraper was thrown out");
            page.extend_from_slice(&piece[..read]);
            let text = String::from_utf8_lossy(&page);
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                assert!(head.starts_with("HTTP/1.1 200"), "{head}");
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
                break length.parse::<usize>().unwrap() - body.len();
            }
        };
        self.0.read_exact(&mut vec![0; length]).await.expect("the scraper was thrown out");
    }
}

/// From the other addresses of the loopback.
async fn connect_from(host: u8, to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from(([127, 0, 0, host], 0))).unwrap();
    socket.connect(to).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_does_not_stop_scrapes() {
    let daemon = Daemon::start("{}\n").await;
    let mut scraper = Scraper::connect(daemon.address).await;
    scraper.scrape().await;
    let before = daemon.resident_bytes();
    let mut crowd = Vec::new();
    let long_head = [&b"GET /metrics HTTP/1.1\r\nHost: x\r\nX-Slow: "[..], &b"x".repeat(30_000)].concat();
    let many_requests = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n".repeat(500);
    for n in 0..CROWD {
        let mut client = connect_from(2, daemon.address).await;
        // Silent, half a request, a large half request, and answers that nobody reads.
        let words: &[u8] = [b"".as_slice(), b"GET /met", &long_head, &many_requests][n as usize % 4];
        let _ = client.write_all(words).await;
        crowd.push(client);
        if n % 50 == 0 {
            scraper.scrape().await;
            assert_eq!(get(daemon.address, "/-/healthy").await.map(|(status, _)| status), Some(200), "after {n}");
        }
    }
    scraper.scrape().await;
    let page = metrics(daemon.address).await;
    assert!(closed(&page, "displaced") >= f64::from(CROWD - 300), "{page}");
    // And up to 64 that are on their way out.
    assert!(sample(&page, "raingauge_http_connections") <= 320.0, "{page}");
    let grown = daemon.resident_bytes().saturating_sub(before);
    println!("{CROWD} connections: {grown} bytes more than the {before} before");
    assert!(grown < MAX_GROWTH_BYTES, "{grown}");
    drop(crowd);
    wait_until("the crowd is gone", async || {
        let open = sample(&metrics(daemon.address).await, "raingauge_http_connections");
        if open <= 3.0 { Ok(()) } else { Err(open.to_string()) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_large_or_no_request_is_refused_and_counted() {
    let daemon = Daemon::start("{}\n").await;
    let large = "x".repeat(100_000);
    let head = "Host: x\r\nConnection: close\r\n";
    let chunks = "400\r\n".to_owned() + &"x".repeat(1024) + "\r\n";
    for (request, status, reason) in [
        (format!("GET /{large} HTTP/1.1\r\n{head}\r\n"), "HTTP/1.1 431", "too_large"),
        (format!("GET /metrics HTTP/1.1\r\n{head}X-Large: {large}\r\n\r\n"), "HTTP/1.1 431", "too_large"),
        (format!("GET /metrics HTTP/1.1\r\n{head}{}\r\n", "X-Many: x\r\n".repeat(200)), "HTTP/1.1 431", "too_large"),
        (format!("POST /-/reload HTTP/1.1\r\n{head}Content-Length: 10000000000\r\n\r\n"), "HTTP/1.1 413", "too_large"),
        (
            format!("GET /metrics HTTP/1.1\r\n{head}Transfer-Encoding: chunked\r\n\r\n{}", chunks.repeat(9)),
            "HTTP/1.1 413",
            "too_large",
        ),
        ("\u{16}\u{3}\u{1} this is TLS, more or less\r\n\r\n".to_owned(), "HTTP/1.1 400", "malformed"),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(), "", "malformed"),
    ] {
        let before = refused(&metrics(daemon.address).await, reason);
        let said = daemon.say(request.as_bytes()).await;
        let shown: String = request.chars().take(80).collect();
        assert!(said.starts_with(status), "{shown}: {said}");
        wait_until("it is counted", async || {
            let now = refused(&metrics(daemon.address).await, reason);
            if now > before { Ok(()) } else { Err(format!("{shown}: {now}")) }
        })
        .await;
    }
    // A small body is no offence, and the connection goes on.
    let small = "POST /-/reload HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}";
    assert_eq!(daemon.say(small.as_bytes()).await, "HTTP/1.1 200 OK");
}

/// A certificate for `localhost`, and the configuration that names it.
fn tls(folder: &Path, more: &str) -> String {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
    fs::write(folder.join("s.crt"), certificate.pem()).unwrap();
    fs::write(folder.join("s.key"), key.serialize_pem()).unwrap();
    format!("tls_server_config: {{cert_file: s.crt, key_file: s.key{more}}}\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_tls_is_refused_and_counted() {
    raingauge::aws::crypto::install();
    let (folder, address) = (tempfile::tempdir().unwrap(), free_address());
    let web = tls(folder.path(), ", min_version: TLS13");
    let daemon = Daemon::start_in(folder, address, &web).await;
    let any = || Client::builder().no_proxy().danger_accept_invalid_certs(true);
    let good = any().build().unwrap();
    let url = format!("https://{address}/metrics");
    let page = async || good.get(&url).send().await.unwrap().text().await.unwrap();
    assert!(!page().await.contains("{reason=\"tls\"}"));
    // No TLS at all, and a version that is too old.
    assert!(!daemon.say(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").await.starts_with("HTTP"));
    let old = any().max_tls_version(reqwest::tls::Version::TLS_1_2).build().unwrap();
    old.get(&url).send().await.unwrap_err();
    wait_until("both are counted", async || {
        let page = page().await;
        if closed(&page, "tls") >= 2.0 { Ok(()) } else { Err(page) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_without_its_certificate_is_refused_and_counted() {
    raingauge::aws::crypto::install();
    let (folder, address) = (tempfile::tempdir().unwrap(), free_address());
    let web = tls(folder.path(), ", client_auth_type: RequireAnyClientCert");
    let daemon = Daemon::start_in(folder, address, &web).await;
    let (key, url) = (KeyPair::generate().unwrap(), format!("https://{address}/metrics"));
    let certificate = CertificateParams::new(vec!["scraper".to_owned()]).unwrap().self_signed(&key).unwrap();
    let any = || Client::builder().no_proxy().danger_accept_invalid_certs(true);
    any().build().unwrap().get(&url).send().await.unwrap_err();
    let pem = certificate.pem() + &key.serialize_pem();
    let known = any().identity(reqwest::Identity::from_pem(pem.as_bytes()).unwrap()).build().unwrap();
    wait_until("it is counted", async || {
        let page = known.get(&url).send().await.unwrap().text().await.unwrap();
        if closed(&page, "tls") >= 1.0 { Ok(()) } else { Err(page) }
    })
    .await;
    drop(daemon);
}

/// Comparing is dear by design: whoever guesses must not keep others waiting, nor have the right password forgotten.
#[tokio::test(flavor = "multi_thread")]
async fn guessing_passwords_is_counted_and_locks_nobody_out() {
    raingauge::aws::crypto::install();
    let web = format!("basic_auth_users: {{alice: {}}}\n", bcrypt::hash("right", 8).unwrap());
    let daemon = Daemon::start(&web).await;
    let mut crowd = Vec::new();
    for n in 0..200 {
        let mut client = connect_from(2, daemon.address).await;
        let guess = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, format!("alice:{n}"));
        let request = format!("GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {guess}\r\n\r\n");
        client.write_all(request.as_bytes()).await.unwrap();
        crowd.push(client);
    }
    let client = Client::builder().no_proxy().build().unwrap();
    let url = format!("http://{}/metrics", daemon.address);
    let answer = client.get(&url).basic_auth("alice", Some("right")).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let waited_for = refused(&answer.text().await.unwrap(), "unauthorized");
    assert!(waited_for < 190.0, "the right password waited for {waited_for} wrong ones");
    for mut guesser in crowd {
        let mut line = [0; 12];
        guesser.read_exact(&mut line).await.unwrap();
        assert_eq!(&line, b"HTTP/1.1 401");
    }
    let page = client.get(&url).basic_auth("alice", Some("right")).send().await.unwrap().text().await.unwrap();
    assert!(page.contains("raingauge_http_requests_refused_total{reason=\"unauthorized\"} 200\n"), "{page}");
}
