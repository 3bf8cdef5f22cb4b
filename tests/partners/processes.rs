//! Programs that a test starts and that end with it, and the little HTTP that it takes to ask them.

#![allow(
    dead_code,
    clippy::print_stdout,
    reason = "not every test file needs every part; a failed child's log is printed"
)]

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

/// How long a state may take to come. Generous: CI has two busy cores.
const PATIENCE: Duration = Duration::from_secs(90);
/// Between two looks at a state.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// Whether a partner is there, tried by running it.
pub(crate) fn is_installed(partner: &str, hint: &str, mut attempt: Command) -> bool {
    let works = attempt.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|s| s.success());
    if works {
        return true;
    }
    let required = std::env::var("RAINGAUGE_PARTNERS").is_ok_and(|v| v == "required");
    assert!(!required, "{partner} is not installed ({hint}), and RAINGAUGE_PARTNERS=required");
    println!("skipped: {partner} is not installed ({hint})");
    false
}

/// Whether Prometheus and its tool are there.
pub(crate) fn prometheus_is_installed() -> bool {
    ["prometheus", "promtool"].into_iter().all(|program| {
        let mut attempt = Command::new(program);
        attempt.arg("--version");
        is_installed(program, "Debian: apt-get install prometheus", attempt)
    })
}

/// A child that is killed when the test ends.
pub(crate) struct Running {
    child: Child,
    log: PathBuf,
}

impl Running {
    /// Starts a program; what it says goes to `NAME.log` in `folder`.
    pub(crate) fn start(folder: &Path, name: &str, command: &mut Command) -> Self {
        let log = folder.join(format!("{name}.log"));
        let file = File::create(&log).unwrap();
        let child = command.stderr(file).spawn().unwrap_or_else(|e| panic!("start {name}: {e}"));
        Self { child, log }
    }

    /// The first line of its standard output, which must be a pipe.
    pub(crate) fn first_line(&mut self) -> String {
        let mut line = String::new();
        BufReader::new(self.child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(!line.is_empty(), "it ended without a word: {}", self.log());
        line
    }

    /// What the first line of its standard output gives that gives something; the output must be a pipe, and stays open.
    pub(crate) fn find_line<T>(&mut self, find: impl Fn(&str) -> Option<T>) -> T {
        let mut lines = BufReader::new(self.child.stdout.take().unwrap()).lines();
        let found = lines.by_ref().map_while(Result::ok).find_map(|line| find(&line));
        let found = found.unwrap_or_else(|| panic!("it ended without that word: {}", self.log()));
        // What else it says is read and forgotten, so that the pipe never fills up.
        std::thread::spawn(move || lines.for_each(drop));
        found
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it ends by itself.
    pub(crate) fn wait(&mut self) -> std::process::ExitStatus {
        self.child.wait().unwrap()
    }

    /// What it has said on standard error.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            println!("--- {}\n{}", self.log.display(), self.log());
        }
    }
}

/// Our own binary in a clean environment: no credentials, profiles or proxies of whoever runs the test.
pub(crate) fn raingauge(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_raingauge"));
    command.env_clear().env("HOME", home).env("AWS_EC2_METADATA_DISABLED", "true").stdin(Stdio::null());
    command
}

/// Lets it ask this endpoint for everything, with keys that no real account has.
pub(crate) fn aws_at(command: &mut Command, endpoint: &str, region: &str) {
    command.env("AWS_ENDPOINT_URL", endpoint).env("AWS_REGION", region);
    command.env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "test");
}

/// An address that is free now.
pub(crate) fn free_address() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap()
}

/// Status and body; `None` while nobody answers.
pub(crate) async fn get(address: SocketAddr, path: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(address).await.ok()?;
    stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n").as_bytes()).await.ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.ok()?;
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some((status, body.to_owned()))
}

/// Looks until the state is there; `look` says what it sees instead, for the message.
pub(crate) async fn wait_until<T>(what: &str, look: impl AsyncFn() -> Result<T, String>) -> T {
    let until = Instant::now() + PATIENCE;
    loop {
        match look().await {
            Ok(seen) => return seen,
            Err(instead) => assert!(Instant::now() < until, "waited in vain until {what}; instead: {instead}"),
        }
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
}

/// Waits until the daemon has had its first collections.
pub(crate) async fn wait_until_ready(daemon: SocketAddr) {
    wait_until("raingauge is ready", async || match get(daemon, "/-/ready").await {
        Some((200, _)) => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
}

/// The page.
pub(crate) async fn metrics(daemon: SocketAddr) -> String {
    get(daemon, "/metrics").await.expect("nobody answers at /metrics").1
}
