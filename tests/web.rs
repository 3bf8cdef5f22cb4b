//! `--web.config.file` through the front door: passwords, certificates of both sides, headers, a rate, changes while it runs.
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

use processes::{Running, aws_at, free_address, raingauge, wait_until};
use raingauge::clock::Clock;
use raingauge::sim::{Kind, SimCloud, WorldSpec};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use reqwest::{Certificate, Client, Identity, StatusCode};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

const CONFIG: &str = "
aws:
  discovery:
    jobs:
      - type: AWS/SQS
        regions: [eu-west-1]
        metrics: [{name: NumberOfMessagesSent, statistics: [Sum], period: 300, length: 3600}]
";

/// A daemon with a web configuration file in its folder, and the cloud that it asks.
struct Guarded {
    running: Running,
    address: SocketAddr,
    folder: TempDir,
    _cloud: SimCloud,
}

impl Guarded {
    async fn start(folder: TempDir, web: &str) -> Self {
        let (cloud, address) = (cloud().await, free_address());
        fs::write(folder.path().join("web.yml"), web).unwrap();
        fs::write(folder.path().join("raingauge.yml"), CONFIG).unwrap();
        let mut command = command(folder.path(), &cloud);
        command.args(["--web.listen-address", &address.to_string(), "--web.config.file"]);
        let running = Running::start(folder.path(), "raingauge", command.arg(folder.path().join("web.yml")));
        Self { running, address, folder, _cloud: cloud }
    }

    fn rewrite(&self, web: &str) {
        fs::write(self.folder.path().join("web.yml"), web).unwrap();
    }

    async fn wait_for_log(&self, words: &str) {
        wait_until(words, async || self.running.log().contains(words).then_some(()).ok_or(self.running.log())).await;
    }
}

async fn cloud() -> SimCloud {
    SimCloud::start(WorldSpec::empty().with(Kind::Sqs, 1), Clock::system()).await.unwrap()
}

fn command(folder: &Path, cloud: &SimCloud) -> std::process::Command {
    let mut command = raingauge(folder);
    aws_at(&mut command, &cloud.endpoint_url(), "eu-west-1");
    command.args(["run", "--config"]).arg(folder.join("raingauge.yml"));
    command
}

fn users(password: &str) -> String {
    format!("basic_auth_users:\n  alice: {}\n", bcrypt::hash(password, 4).unwrap())
}

/// The status with this password, once somebody answers.
async fn status(client: &Client, url: &str, password: Option<&str>) -> StatusCode {
    wait_until("somebody answers", async || {
        let request = client.get(url);
        let request = if let Some(password) = password { request.basic_auth("alice", Some(password)) } else { request };
        request.send().await.map(|answer| answer.status()).map_err(|e| e.to_string())
    })
    .await
}

fn client() -> Client {
    raingauge::aws::crypto::install();
    Client::builder().no_proxy().build().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_path_wants_the_password_and_what_is_refused_is_counted() {
    let headers = "http_server_config: {headers: {X-Frame-Options: deny}}\n";
    let daemon = Guarded::start(tempfile::tempdir().unwrap(), &(users("right") + headers)).await;
    let (client, base) = (client(), format!("http://{}", daemon.address));
    for path in ["/", "/metrics", "/api/v1/status", "/-/healthy", "/-/ready", "/nowhere"] {
        assert_eq!(status(&client, &format!("{base}{path}"), None).await, StatusCode::UNAUTHORIZED, "{path}");
    }
    let reload = client.post(format!("{base}/-/reload")).send().await.unwrap();
    assert_eq!(reload.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(reload.headers()["x-frame-options"], "deny");
    assert!(reload.headers()["www-authenticate"].to_str().unwrap().starts_with("Basic"));
    assert_eq!(status(&client, &format!("{base}/metrics"), Some("wrong")).await, StatusCode::UNAUTHORIZED);
    let page = client.get(format!("{base}/metrics")).basic_auth("alice", Some("right")).send().await.unwrap();
    assert_eq!((page.status(), page.headers()["x-frame-options"].to_str().unwrap()), (StatusCode::OK, "deny"));
    let page = page.text().await.unwrap();
    assert!(page.contains("raingauge_http_requests_refused_total{reason=\"unauthorized\"} 8\n"), "{page}");
    assert!(
        !daemon.running.log().contains("wrong") && !daemon.running.log().contains("$2"),
        "{}",
        daemon.running.log()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_followed_and_a_bad_one_is_not() {
    let daemon = Guarded::start(tempfile::tempdir().unwrap(), &users("old")).await;
    let (client, url) = (client(), format!("http://{}/metrics", daemon.address));
    assert_eq!(status(&client, &url, Some("old")).await, StatusCode::OK);
    daemon.rewrite("basic_auth_users: {alice: not-a-hash}\n");
    daemon.wait_for_log("failed to reload the web configuration").await;
    assert_eq!(status(&client, &url, Some("old")).await, StatusCode::OK);
    daemon.rewrite("tls_server_config: {cert_file: a, key_file: b}\n");
    daemon.wait_for_log("read ").await;
    daemon.rewrite(&(users("new") + "# a longer file than before\n"));
    daemon.wait_for_log("web configuration reloaded").await;
    assert_eq!(status(&client, &url, Some("old")).await, StatusCode::UNAUTHORIZED);
    assert_eq!(status(&client, &url, Some("new")).await, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn more_requests_than_the_rate_are_refused() {
    let daemon = Guarded::start(tempfile::tempdir().unwrap(), "rate_limit: {interval: 1h, burst: 2}\n").await;
    let (client, url) = (client(), format!("http://{}/-/healthy", daemon.address));
    let mut seen = Vec::new();
    for _ in 0..3 {
        seen.push(status(&client, &url, None).await.as_u16());
    }
    assert_eq!(seen, [200, 200, 429]);
}

/// An authority, and what it has signed.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for a name, and its key.
    fn sign(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        (params.signed_by(&key, &self.0).unwrap().pem(), key.serialize_pem())
    }

    /// Asks over TLS, with a certificate for this name if there is one.
    fn client(&self, name: Option<&str>) -> Client {
        raingauge::aws::crypto::install();
        let root = Certificate::from_pem(self.pem().as_bytes()).unwrap();
        let builder = Client::builder().no_proxy().tls_certs_only([root]);
        let builder = match name.map(|name| self.sign(name)) {
            Some((certificate, key)) => builder.identity(Identity::from_pem((certificate + &key).as_bytes()).unwrap()),
            None => builder,
        };
        builder.build().unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_with_certificates_of_both_sides() {
    let (authority, folder) = (Authority::new(), tempfile::tempdir().unwrap());
    let (certificate, key) = authority.sign("localhost");
    fs::write(folder.path().join("server.crt"), certificate).unwrap();
    fs::write(folder.path().join("server.key"), key).unwrap();
    fs::write(folder.path().join("ca.crt"), authority.pem()).unwrap();
    let web = "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n  client_ca_file: ca.crt\n  \
               client_auth_type: RequireAndVerifyClientCert\n  client_allowed_sans: [scraper.example]\n";
    let daemon = Guarded::start(folder, web).await;
    let url = format!("https://localhost:{}/-/healthy", daemon.address.port());
    assert_eq!(status(&authority.client(Some("scraper.example")), &url, None).await, StatusCode::OK);
    for (who, stranger) in [
        ("no certificate", authority.client(None)),
        ("another name", authority.client(Some("other.example"))),
        ("plain HTTP", client()),
    ] {
        let url = if who == "plain HTTP" { url.replace("https", "http") } else { url.clone() };
        assert!(stranger.get(&url).send().await.is_err(), "{who} was let in");
    }
    // Somebody who says nothing, and somebody who stops in the middle of a handshake, are in nobody's way.
    let _silent = TcpStream::connect(daemon.address).await.unwrap();
    let mut stuck = TcpStream::connect(daemon.address).await.unwrap();
    stuck.write_all(&[22, 3, 1, 2, 0]).await.unwrap();
    assert_eq!(status(&authority.client(Some("scraper.example")), &url, None).await, StatusCode::OK);

    let before = served(&daemon).await;
    let (certificate, key) = authority.sign("localhost");
    fs::write(daemon.folder.path().join("server.crt"), certificate).unwrap();
    fs::write(daemon.folder.path().join("server.key"), key).unwrap();
    daemon.rewrite(&format!("{web}# renewed\n"));
    daemon.wait_for_log("web configuration reloaded").await;
    assert_ne!(served(&daemon).await, before, "the new certificate is served");
    daemon.rewrite("{}\n");
    daemon.wait_for_log("switches TLS on or off").await;
    assert_eq!(status(&authority.client(Some("scraper.example")), &url, None).await, StatusCode::OK);
}

/// The certificate that the daemon shows, as openssl sees it.
async fn served(daemon: &Guarded) -> Vec<u8> {
    let address = daemon.address.to_string();
    let shown = tokio::process::Command::new("openssl")
        .args(["s_client", "-connect", &address, "-servername", "localhost"])
        .stdin(std::process::Stdio::null())
        .output()
        .await
        .unwrap();
    let text = String::from_utf8_lossy(&shown.stdout).into_owned();
    let certificate = text.split("-----BEGIN CERTIFICATE-----").nth(1).expect("no certificate was shown");
    certificate.split("-----END").next().unwrap().as_bytes().to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_cannot_be_used_keeps_the_daemon_from_starting() {
    let (cloud, folder) = (cloud().await, tempfile::tempdir().unwrap());
    fs::write(folder.path().join("raingauge.yml"), CONFIG).unwrap();
    for (web, code, words) in [
        ("basic_auth_user: {}\n", 64, "did you mean `basic_auth_users`?"),
        ("tls_server_config: {cert_file: nowhere.crt, key_file: k}\n", 1, "nowhere.crt"),
        ("tls_server_config: {cert: nonsense, key: k}\n", 1, "the certificate (cert_file)"),
    ] {
        fs::write(folder.path().join("web.yml"), web).unwrap();
        let mut command = command(folder.path(), &cloud);
        command.args(["--web.listen-address", "127.0.0.1:0", "--web.config.file"]);
        let output = command.arg(folder.path().join("web.yml")).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), said.contains(words)), (Some(code), true), "{web}: {said}");
    }
}

#[test]
fn check_looks_into_the_web_configuration_too() {
    let folder = tempfile::tempdir().unwrap();
    let check = |web: &str| {
        fs::write(folder.path().join("web.yml"), web).unwrap();
        fs::write(folder.path().join("raingauge.yml"), format!("web: {{config_file: web.yml}}\n{CONFIG}")).unwrap();
        let mut command = raingauge(folder.path());
        let output = command.current_dir(&folder).args(["check", "--config", "raingauge.yml"]).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    assert_eq!(check(&users("x")).0, Some(0));
    let (code, said) = check("basic_auth_users: {alice: x}\n");
    assert!(
        code == Some(64) && said.contains("web.yml:1:20: basic_auth_users.alice: this is no bcrypt hash"),
        "{said}"
    );
}

/// A copy of the program, which is no other test's: the health check looks for daemons of its own executable.
fn own_copy(folder: &Path) -> std::path::PathBuf {
    let copy = folder.join("raingauge");
    fs::copy(env!("CARGO_BIN_EXE_raingauge"), &copy).unwrap();
    copy
}

#[tokio::test(flavor = "multi_thread")]
async fn the_health_check_finds_the_daemon_whatever_its_port_and_its_guard() {
    let (authority, cloud, folder) = (Authority::new(), cloud().await, tempfile::tempdir().unwrap());
    let program = own_copy(folder.path());
    let healthcheck = || {
        let output = std::process::Command::new(&program).arg("healthcheck").output().unwrap();
        output.status.success().then_some(()).ok_or_else(|| String::from_utf8(output.stderr).unwrap())
    };
    let (certificate, key) = authority.sign("raingauge.example");
    fs::write(folder.path().join("s.crt"), certificate).unwrap();
    fs::write(folder.path().join("s.key"), key).unwrap();
    fs::write(folder.path().join("ca.crt"), authority.pem()).unwrap();
    fs::write(folder.path().join("raingauge.yml"), CONFIG).unwrap();
    let tls = "tls_server_config: {cert_file: s.crt, key_file: s.key";
    for web in [
        "{}".to_owned(),
        users("x"),
        format!("{tls}}}"),
        format!("{tls}, client_ca_file: ca.crt, client_auth_type: RequireAndVerifyClientCert}}"),
        format!("{tls}, client_ca_file: ca.crt, client_auth_type: RequireAndVerifyClientCert, max_version: TLS12}}"),
    ] {
        fs::write(folder.path().join("web.yml"), &web).unwrap();
        let mut command = std::process::Command::new(&program);
        command.env_clear().env("HOME", folder.path()).env("AWS_EC2_METADATA_DISABLED", "true");
        aws_at(&mut command, &cloud.endpoint_url(), "eu-west-1");
        command.args(["run", "--config"]).arg(folder.path().join("raingauge.yml"));
        command.args(["--web.listen-address", "127.0.0.1:0", "--web.config.file"]).arg(folder.path().join("web.yml"));
        let running = Running::start(folder.path(), "daemon", &mut command);
        wait_until("the health check succeeds", async || healthcheck()).await;
        drop(running);
        let gone = healthcheck().unwrap_err();
        assert!(gone.contains("no listening raingauge"), "{web}: {gone}");
    }
}
