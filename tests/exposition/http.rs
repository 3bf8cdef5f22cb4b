//! The routes, over real connections.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use raingauge::expose::connection::{Doorkeeper, Limits, Seats};
use raingauge::expose::guard::Guarding;
use raingauge::expose::http::{Manners, Web, router, serve};
use raingauge::expose::status::{JobStatus, Status};
use raingauge::http1::Attendant as _;
use raingauge::model::Cell;
use raingauge::telemetry::{Format, Telemetry};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::fixture::{NOW, Site, gauge, key, site, snapshot};
use super::parser::{Flavour, parse};

struct Server {
    address: SocketAddr,
    site: Site,
    missing: Arc<Mutex<Vec<String>>>,
    bad_file: Arc<AtomicBool>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

async fn start(yace: bool) -> Server {
    let site = site(yace);
    let missing = Arc::new(Mutex::new(vec![]));
    let bad_file = Arc::new(AtomicBool::new(false));
    let (ready, bad) = (Arc::clone(&missing), Arc::clone(&bad_file));
    let web = Web {
        exposition: Arc::clone(&site.exposition),
        ready: Arc::new(move || ready.lock().unwrap().clone()),
        leader: Arc::new(|| Err("standby".to_owned())),
        status: Arc::new(|| Status {
            version: "1.2.3".into(),
            jobs: vec![JobStatus { job: "AWS/<EC2>".into(), ..JobStatus::default() }],
            ..Status::default()
        }),
        version: "1.2.3",
        reload: Arc::new(move || {
            let bad = bad.load(Ordering::Relaxed);
            Box::pin(async move { if bad { Err("line 3: no".to_owned()) } else { Ok(()) } })
        }),
        explain: Arc::new(|metric| Box::pin(async move { Ok(metric) })),
        clock: Arc::new(|| NOW),
        manners: if yace { Manners::Yace } else { Manners::Native },
    };
    let listeners =
        vec![TcpListener::bind("127.0.0.1:0").await.unwrap(), TcpListener::bind("127.0.0.1:0").await.unwrap()];
    let address = listeners[1].local_addr().unwrap();
    let listening = listeners.into_iter().map(Into::into).collect();
    let telemetry = Arc::clone(&site.telemetry);
    let (stop, stopped) = oneshot::channel::<()>();
    let stopped = async move { drop(stopped.await) };
    let task =
        tokio::spawn(async move { serve(listening, router(web), &Guarding::default(), &telemetry, stopped).await });
    Server { address, site, missing, bad_file, stop, task }
}

struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    fn parse(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
        let head = std::str::from_utf8(&bytes[..end]).unwrap();
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines.map(|l| l.split_once(": ").unwrap());
        let headers = headers.map(|(n, v)| (n.to_ascii_lowercase(), v.to_owned())).collect();
        Self { status, headers, body: bytes[end + 4..].to_vec() }
    }
}

impl Server {
    async fn ask(&self, method: &str, path: &str, headers: &str) -> Answer {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let request = format!("{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut bytes = vec![];
        stream.read_to_end(&mut bytes).await.unwrap();
        Answer::parse(&bytes)
    }

    async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, "").await
    }

    /// (status, body)
    async fn short(&self, method: &str, path: &str) -> (u16, String) {
        let answer = self.ask(method, path, "").await;
        (answer.status, answer.text().to_owned())
    }
}

#[tokio::test]
async fn metrics_come_in_the_wanted_variant() {
    let server = start(false).await;
    server.site.store.publish(key(1), snapshot(&[gauge("a.b", &[("l", "v")], &[Cell::untimed(1.0)])]));

    let plain = server.get("/metrics").await;
    assert_eq!(plain.status, 200);
    assert_eq!(plain.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8; escaping=underscores"));
    assert_eq!(plain.header("content-encoding"), None);
    assert_eq!(plain.header("content-length"), Some(plain.body.len().to_string().as_str()));
    assert!(plain.text().starts_with("# HELP a_b "));

    let accept = "Accept: application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,*/*;q=0.2\r\n";
    let native = server.ask("GET", "/metrics", accept).await;
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=allow-utf-8";
    assert_eq!(native.header("content-type"), Some(kind));
    assert!(native.text().contains("\n{\"a.b\",l=\"v\"} 1\n"));
    parse(native.text(), Flavour::OpenMetrics).unwrap();

    // Items may come in several headers.
    let gzip = server.ask("GET", "/metrics", "Accept-Encoding: br\r\nAccept-Encoding: gzip;q=0.5\r\n").await;
    assert_eq!(gzip.header("content-encoding"), Some("gzip"));
    assert_eq!(gzip.header("content-length"), Some(gzip.body.len().to_string().as_str()));
    assert_eq!(gzip.body[..2], [0x1f, 0x8b]);

    let head = server.ask("HEAD", "/metrics", "").await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(server.ask("POST", "/metrics", "").await.status, 405);
}

#[tokio::test]
async fn yace_never_speaks_openmetrics_and_answers_any_method() {
    let server = start(true).await;
    let page = server.ask("POST", "/metrics", "Accept: application/openmetrics-text;version=1.0.0\r\n").await;
    assert_eq!(page.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8; escaping=underscores"));
    assert!(page.text().contains("\nyace_cloudwatch_dmsapi_requests_total 0\n"));
}

#[tokio::test]
async fn readiness_names_what_is_missing() {
    let server = start(false).await;
    assert_eq!(server.short("GET", "/-/healthy").await, (200, "healthy\n".into()));
    assert_eq!(server.short("GET", "/-/ready").await, (200, "ready\n".into()));
    *server.missing.lock().unwrap() = vec!["AWS/EC2 eu-west-1".into(), "AWS/S3 us-east-1".into()];
    let expected = "not collected yet:\n  AWS/EC2 eu-west-1\n  AWS/S3 us-east-1\n";
    assert_eq!(server.short("GET", "/-/ready").await, (503, expected.into()));
}

#[tokio::test]
async fn a_bad_file_is_refused_with_its_reasons() {
    let server = start(false).await;
    assert_eq!(server.short("POST", "/-/reload").await, (200, String::new()));
    server.bad_file.store(true, Ordering::Relaxed);
    assert_eq!(server.short("POST", "/-/reload").await, (422, "line 3: no\n".into()));
    assert_eq!(server.short("GET", "/-/reload").await.0, 405);
}

#[tokio::test]
async fn native_paths_are_there_or_not() {
    let server = start(false).await;
    let status = server.get("/").await;
    assert_eq!(status.header("content-type"), Some("text/html; charset=utf-8"));
    assert!(status.text().contains(r#""job":"AWS/\u003cEC2>""#));
    assert!(status.header("content-security-policy").unwrap().starts_with("default-src 'none'; script-src 'sha256-"));
    assert!(status.text().contains("<a href=\"metrics\">/metrics</a>"));
    let json = server.get("/api/v1/status").await;
    assert_eq!(json.header("content-type"), Some("application/json; charset=utf-8"));
    let json: serde_json::Value = serde_json::from_str(json.text()).unwrap();
    assert_eq!((&json["version"], &json["jobs"][0]["job"]), (&"1.2.3".into(), &"AWS/<EC2>".into()));
    for path in ["/healthz", "/reload", "/metrics/", "/sd"] {
        assert_eq!(server.get(path).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn yaces_paths_answer_as_yace_does() {
    let server = start(true).await;
    let health = server.get("/healthz").await;
    assert_eq!((health.status, health.text()), (200, "ok"));
    assert_eq!(health.header("content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(server.short("POST", "/reload").await, (200, String::new()));
    assert_eq!(server.short("GET", "/reload").await, (404, String::new()));
    server.bad_file.store(true, Ordering::Relaxed);
    assert_eq!(server.short("POST", "/reload").await, (422, "line 3: no\n".into()));
    for (method, path) in [("GET", "/nowhere"), ("POST", "/some/where?x=1")] {
        let page = server.ask(method, path, "").await;
        assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
        assert!(page.text().contains("Yet Another CloudWatch Exporter") && page.text().contains("Version: 1.2.3"));
        assert!(page.text().contains("href=\"/metrics\""));
    }
    assert!(server.get("/").await.text().contains("<a href=\"metrics\">/metrics</a>"));
    assert_eq!(server.get("/api/v1/status").await.header("cache-control"), Some("no-store"));
    assert_eq!(server.short("GET", "/-/healthy").await.0, 200);
}

#[tokio::test]
async fn a_client_that_does_not_read_holds_nobody_up() {
    let server = start(false).await;
    let rows: Vec<_> = (0..100_000).map(|i| gauge("many", &[("n", &i.to_string())], &[Cell::untimed(1.0)])).collect();
    server.site.store.publish(key(1), snapshot(&rows));
    let mut stuck = Vec::new();
    for _ in 0..5 {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        // The answer has begun; nobody reads the rest.
        stream.read_u8().await.unwrap();
        stuck.push(stream);
    }
    let page = server.get("/metrics").await;
    assert!(page.text().contains("\nmany{n=\"99999\"} 1\n"));
    assert_eq!(page.header("content-length"), Some(page.body.len().to_string().as_str()));
}

#[tokio::test]
async fn the_server_ends_although_idle_connections_are_open() {
    let server = start(false).await;
    let mut idle = TcpStream::connect(server.address).await.unwrap();
    idle.write_all(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut start = [0; 12];
    idle.read_exact(&mut start).await.unwrap();
    assert_eq!(&start, b"HTTP/1.1 200");
    server.stop.send(()).unwrap();
    server.task.await.unwrap();
    assert!(TcpStream::connect(server.address).await.is_err(), "nobody listens any more");
}

/// Long enough for a machine under load to do something in between, short enough to wait for.
const SHORT_PHASE: Duration = Duration::from_millis(100);

/// One that nobody waits for.
const LONG_PHASE: Duration = Duration::from_secs(3600);
const LONG: Limits = Limits { first_byte: LONG_PHASE, request: LONG_PHASE, answer: LONG_PHASE };

async fn door(places: usize, limits: Limits) -> (Doorkeeper, SocketAddr, Arc<Telemetry>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let telemetry = site(false).telemetry;
    (Doorkeeper::new(listener.into(), Seats::new(places, Arc::clone(&telemetry)), limits), address, telemetry)
}

fn closed(telemetry: &Telemetry) -> Vec<String> {
    let page = telemetry.encode(NOW, Format::Text);
    let lines = page.lines().filter_map(|line| line.strip_prefix("raingauge_http_connections_closed_total"));
    lines.map(str::to_owned).collect()
}

#[tokio::test]
async fn whoever_says_nothing_is_cut_off() {
    let (mut door, address, telemetry) = door(1, Limits { first_byte: SHORT_PHASE, ..LONG }).await;
    let _client = TcpStream::connect(address).await.unwrap();
    let error = door.admit().await.read_u8().await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
    assert_eq!(closed(&telemetry), ["{reason=\"silent\"} 1"]);
}

#[tokio::test]
async fn a_request_that_never_ends_is_cut_off() {
    let (mut door, address, telemetry) = door(1, Limits { request: SHORT_PHASE, ..LONG }).await;
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(b"GET /metr").await.unwrap();
    let mut connection = door.admit().await;
    let mut bytes = vec![];
    let error = connection.read_to_end(&mut bytes).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
    assert_eq!(bytes, b"GET /metr");
    assert_eq!(closed(&telemetry), ["{reason=\"slow_request\"} 1"]);
}

#[tokio::test]
async fn an_answer_that_is_never_read_is_cut_off() {
    let (mut door, address, telemetry) = door(1, Limits { answer: SHORT_PHASE, ..LONG }).await;
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(b"x").await.unwrap();
    let mut connection = door.admit().await;
    connection.read_u8().await.unwrap();
    connection.standing().understood();
    let much = vec![b'x'; 64 * 1024 * 1024];
    let error = connection.write_all(&much).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
    assert_eq!(closed(&telemetry), ["{reason=\"slow_reader\"} 1"]);
}

/// The head has come, and says that there is a body.
#[tokio::test]
async fn a_body_that_never_comes_is_a_request_that_never_ends() {
    let (mut door, address, telemetry) = door(1, Limits { request: SHORT_PHASE, ..LONG }).await;
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(b"head").await.unwrap();
    let mut connection = door.admit().await;
    connection.read_exact(&mut [0; 4]).await.unwrap();
    let _word = connection.standing().heard();
    connection.write_all(b"100 go on").await.unwrap();
    assert_eq!(connection.read_u8().await.unwrap_err().kind(), std::io::ErrorKind::TimedOut);
    assert_eq!(closed(&telemetry), ["{reason=\"slow_request\"} 1"]);
}

/// A handshake of TLS writes, too: that must not look like an answer.
#[tokio::test]
async fn what_is_written_before_a_request_is_no_answer() {
    let (mut door, address, telemetry) = door(1, Limits { request: SHORT_PHASE, ..LONG }).await;
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(b"hello").await.unwrap();
    let mut connection = door.admit().await;
    connection.read_exact(&mut [0; 5]).await.unwrap();
    connection.write_all(b"hello yourself").await.unwrap();
    assert_eq!(connection.read_u8().await.unwrap_err().kind(), std::io::ErrorKind::TimedOut);
    assert_eq!(closed(&telemetry), ["{reason=\"slow_request\"} 1"]);
}

/// Each phase has its time anew, however quickly they follow each other; and idling is no offence.
#[tokio::test(start_paused = true)]
async fn a_connection_in_use_is_kept() {
    let limits = Limits { answer: Duration::from_secs(180), ..LONG };
    let (mut door, address, telemetry) = door(1, limits).await;
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(b"x").await.unwrap();
    let mut connection = door.admit().await;
    for _ in 0..5 {
        connection.read_u8().await.unwrap();
        connection.standing().understood();
        connection.write_all(b"y").await.unwrap();
        let idle = tokio::time::timeout(Duration::from_secs(100), connection.read_u8()).await;
        assert!(idle.is_err(), "{idle:?}");
        client.write_all(b"x").await.unwrap();
    }
    connection.read_u8().await.unwrap();
    connection.standing().understood();
    connection.write_all(b"y").await.unwrap();
    assert_eq!(connection.read_u8().await.unwrap_err().kind(), std::io::ErrorKind::TimedOut);
    assert_eq!(closed(&telemetry), [""; 0]);
}

#[tokio::test]
async fn whoever_is_silent_makes_room_for_the_next() {
    let (mut door, address, telemetry) = door(1, LONG).await;
    let _clients = (TcpStream::connect(address).await.unwrap(), TcpStream::connect(address).await.unwrap());
    let first = door.admit().await;
    door.admit().await;
    first.standing().dismissed().await;
    assert_eq!(closed(&telemetry), ["{reason=\"displaced\"} 1"]);
}

/// The crowd of the issue, as far as a test's file descriptors go: many more connections than places.
#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_of_silent_and_slow_clients_does_not_stop_scrapes() {
    let server = start(false).await;
    let mut crowd = Vec::new();
    for n in 0..700 {
        let mut client = TcpStream::connect(server.address).await.unwrap();
        if n % 2 == 0 {
            client.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nX-Slow: ").await.unwrap();
        }
        crowd.push(client);
        if n % 100 == 99 {
            assert_eq!(server.get("/-/healthy").await.status, 200, "after {n} connections");
        }
    }
}
