//! A whole bridge for tests: the real daemon in this process, on a free port, against the simulated cloud, asked over HTTP.
#![allow(dead_code, reason = "not every test file needs every part")]

use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use raingauge::app::clouds::Google;
use raingauge::app::google::FromEnvironment;
use raingauge::app::membership::Membership;
use raingauge::app::run::{RunOptions, Surroundings, load, run_in};
use raingauge::aws::client::{Emulator, Network};
use raingauge::aws::metadata::Endpoint;
use raingauge::clock::Clock;
use raingauge::config::LoadOptions;
use raingauge::expose::guard::Guarding;
use raingauge::host::root::Root;
use raingauge::sim::SimCloud;
use raingauge::state::StateDir;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Longer than any state takes to come on a loaded machine; only a failing test waits for it.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct TestBridge {
    pub(crate) url: String,
    pub(crate) clock: Clock,
    config: tempfile::NamedTempFile,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl TestBridge {
    /// Starts with a configuration of either dialect.
    pub(crate) async fn start(cloud: &SimCloud, config: &str) -> Self {
        Self::start_at(cloud.endpoint_url(), config).await
    }

    pub(crate) async fn start_at(endpoint_url: String, config: &str) -> Self {
        let emulator = Emulator { endpoint_url, access_key_id: "AKSIM".into(), region: "eu-west-1".into() };
        let network = Network { emulator: Some(emulator), ..Network::default() };
        Self::start_in(network, LoadOptions::default(), config).await
    }

    /// Starts in a network of its own, on no instance.
    pub(crate) async fn start_in(network: Network, load_options: LoadOptions, config: &str) -> Self {
        let metadata = Endpoint { url: None, is_disabled: true };
        Self::start_on(network, Arc::new(FromEnvironment), load_options, metadata, None, Membership::default(), config)
            .await
    }

    /// Starts in a network, with a way to Google of its own.
    pub(crate) async fn start_with(
        network: Network,
        google: Arc<dyn Google>,
        load_options: LoadOptions,
        config: &str,
    ) -> Self {
        let metadata = Endpoint { url: None, is_disabled: true };
        Self::start_on(network, google, load_options, metadata, None, Membership::default(), config).await
    }

    /// Starts as an agent on a simulated instance.
    pub(crate) async fn start_agent(cloud: &SimCloud, metadata: Endpoint, state: Option<&Path>, config: &str) -> Self {
        let emulator =
            Emulator { endpoint_url: cloud.endpoint_url(), access_key_id: "AKSIM".into(), region: "eu-west-1".into() };
        let network = Network { emulator: Some(emulator), ..Network::default() };
        Self::start_on(
            network,
            Arc::new(FromEnvironment),
            LoadOptions::default(),
            metadata,
            state,
            Membership::default(),
            config,
        )
        .await
    }

    /// Starts as one of several.
    pub(crate) async fn start_member(cloud: &SimCloud, config: &str, membership: Membership) -> Self {
        let emulator =
            Emulator { endpoint_url: cloud.endpoint_url(), access_key_id: "AKSIM".into(), region: "eu-west-1".into() };
        let network = Network { emulator: Some(emulator), ..Network::default() };
        let metadata = Endpoint { url: None, is_disabled: true };
        let google = Arc::new(FromEnvironment);
        Self::start_on(network, google, LoadOptions::default(), metadata, None, membership, config).await
    }

    async fn start_on(
        network: Network,
        google: Arc<dyn Google>,
        load_options: LoadOptions,
        metadata: Endpoint,
        state: Option<&Path>,
        membership: Membership,
        config: &str,
    ) -> Self {
        let mut file = tempfile::Builder::new().suffix(".yml").tempfile().unwrap();
        file.write_all(config.as_bytes()).unwrap();
        let options = RunOptions {
            config: file.path().to_owned(),
            load: load_options,
            listen_addresses: vec![],
            systemd_socket: false,
            web_config_file: None,
            state_dir: None,
            yace: false,
            shard: None,
            lease: None,
            warnings: vec![],
            agent: None,
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let clock = Clock::system();
        let surroundings = Surroundings {
            clock: clock.clone(),
            network,
            google,
            listening: vec![listener.into()],
            guarding: Guarding::default(),
            metadata,
            root: Root::default(),
            state_dir: state.map(|path| Arc::new(StateDir::open(path).unwrap())),
            membership,
        };
        let loaded = load(&options).unwrap_or_else(|e| panic!("{e}"));
        let (stop, stopped) = oneshot::channel::<()>();
        let shutdown = async {
            let _ = stopped.await;
        };
        let task = tokio::spawn(async move { run_in(surroundings, options, loaded, shutdown).await.unwrap() });
        Self { url, clock, config: file, stop: Some(stop), task }
    }

    /// Status and body of a path.
    pub(crate) async fn get(&self, path: &str) -> (u16, String) {
        let answer = http().get(format!("{}{path}", self.url)).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    /// The page, which is always valid and always there.
    pub(crate) async fn page(&self) -> Page {
        let (status, text) = self.get("/metrics").await;
        assert_eq!(status, 200, "{text}");
        Page::parse(&text)
    }

    /// Scrapes until `enough` says so; every page on the way must be valid.
    pub(crate) async fn wait_for(&self, what: &str, enough: impl Fn(&Page) -> bool) -> Page {
        let end = tokio::time::Instant::now() + PATIENCE;
        loop {
            let page = self.page().await;
            if enough(&page) {
                return page;
            }
            assert!(tokio::time::Instant::now() < end, "{what} did not come about; the page was\n{}", page.text);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Writes the file anew and asks for a reload.
    pub(crate) async fn reload(&self, config: &str) -> (u16, String) {
        std::fs::write(self.config.path(), config).unwrap();
        let answer = http().post(format!("{}/-/reload", self.url)).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    /// Ends it as a signal would; returns when it has drained.
    pub(crate) async fn stop(mut self) {
        drop(self.stop.take());
        (&mut self.task).await.unwrap();
    }
}

fn http() -> reqwest::Client {
    raingauge::aws::crypto::install();
    reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(20)).build().unwrap()
}

/// A parsed page: (name with labels, value, timestamp) of every sample.
pub(crate) struct Page {
    pub(crate) text: String,
    pub(crate) samples: Vec<(String, f64, Option<i64>)>,
}

impl Page {
    /// Panics when a scraper would refuse the page.
    fn parse(text: &str) -> Self {
        assert!(text.is_empty() || text.ends_with('\n'), "the last line has no newline");
        let mut samples = Vec::new();
        let mut seen = std::collections::HashSet::new();
        for line in text.lines().filter(|l| !l.starts_with('#')) {
            let end = series_end(line);
            let (series, rest) = line.split_at(end);
            let mut fields = rest.split_whitespace();
            let value = fields.next().unwrap_or_else(|| panic!("no value: {line}"));
            let value = match value {
                "+Inf" => f64::INFINITY,
                "-Inf" => f64::NEG_INFINITY,
                v => v.parse().unwrap_or_else(|_| panic!("no number: {line}")),
            };
            let timestamp = fields.next().map(|t| t.parse().unwrap_or_else(|_| panic!("no time: {line}")));
            assert_eq!(fields.next(), None, "{line}");
            assert!(seen.insert((series.to_owned(), timestamp)), "twice: {line}");
            samples.push((series.to_owned(), value, timestamp));
        }
        Self { text: text.to_owned(), samples }
    }

    /// Samples whose series begins so.
    pub(crate) fn of(&self, prefix: &str) -> Vec<&(String, f64, Option<i64>)> {
        self.samples.iter().filter(|(s, ..)| s.starts_with(prefix)).collect()
    }

    /// How many samples begin so.
    pub(crate) fn count(&self, prefix: &str) -> usize {
        self.of(prefix).len()
    }

    /// The sum of the samples that begin so and contain all of `parts`.
    pub(crate) fn sum(&self, prefix: &str, parts: &[&str]) -> f64 {
        self.of(prefix).iter().filter(|(s, ..)| parts.iter().all(|p| s.contains(p))).map(|(_, v, _)| v).sum()
    }
}

/// Where the labels (or the bare name) end; quotes and escapes respected.
fn series_end(line: &str) -> usize {
    let (mut quoted, mut escaped, mut braced) = (false, false, false);
    for (at, c) in line.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '}' if !quoted => return at + 1,
            '{' if !quoted => braced = true,
            ' ' if !quoted && !braced => return at,
            _ => {}
        }
    }
    panic!("no end of the series: {line}")
}
