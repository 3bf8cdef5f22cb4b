//! Secrets are planted wherever there can be any; then everything is made to fail, by servers that quote what they were asked,
//! and everything that the program says is read: logs, pages, errors. None of them may be in it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "secrets/echo.rs"]
mod echo;
#[path = "partners/processes.rs"]
mod processes;

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use echo::{ACCESS_TOKEN, Echo, INSTANCE_TOKEN, Mood};
use futures_util::future::join_all;
use processes::{Running, free_address, raingauge, wait_until};
use rcgen::{CertificateParams, KeyPair, PKCS_RSA_SHA256, RsaKeySize};
use reqwest::{Client, Method};
use serde_json::json;
use tempfile::TempDir;

const AWS_SECRET_KEY: &str = "PlantedAwsSecret/Key0123456789+abcdefghi";
const SESSION_TOKEN: &str =
    "PlantedSessionToken/0123456789+abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ==";
const PROXY_PASSWORD: &str = "Planted-Proxy-Password-1";
const ENDPOINT_PASSWORD: &str = "Planted-Endpoint-Password-2";
const WEB_PASSWORD: &str = "Planted-Web-Password-3";
const WRONG_PASSWORD: &str = "Planted-Wrong-Password-4";
const CLIENT_SECRET: &str = "PlantedClientSecret-5-0123456789";
const REFRESH_TOKEN: &str = "1//PlantedRefreshToken-6-0123456789abcdef";
const VARIABLE: &str = "PlantedVariable-7-0123456789";

const NATIVE: &str = "
aws:
  interval: 1h
  discovery:
    jobs:
      - {type: AWS/SQS, regions: [eu-west-1], metrics: [{name: NumberOfMessagesSent, statistics: [Sum]}]}
      - {type: AWS/AutoScaling, regions: [eu-west-1], metrics: [{name: GroupTotalInstances, statistics: [Sum]}]}
      - {type: AWS/EC2, regions: [eu-west-1], roles: [{roleArn: 'arn:aws:iam::000000000001:role/r'}], metrics: [{name: CPUUtilization, statistics: [Sum]}]}
  static: [{name: n, namespace: s, regions: [eu-west-1], metrics: [{name: m, statistics: [Sum]}]}]
gcp:
  endpoint: GOOGLE
  jobs: [{name: g, projects: [p], metrics_prefixes: [run.googleapis.com/], interval: 1m}]
agent: {agent: {region: eu-west-1}, metrics: {force_flush_interval: 1, metrics_collected: {mem: {measurement: [mem_used], metrics_collection_interval: 1}}}}
";

const YACE: &str = "
apiVersion: v1alpha1
discovery: {jobs: [{type: AWS/SQS, regions: [eu-west-1], metrics: [{name: NumberOfMessagesSent, statistics: [Sum], period: 60, length: 60}]}]}
static: [{name: n, namespace: s, regions: [eu-west-1], metrics: [{name: m, statistics: [Sum], period: 60, length: 60}]}]
";

/// Made once: keys of RSA take their time.
fn rsa_key() -> &'static str {
    static KEY: OnceLock<String> = OnceLock::new();
    KEY.get_or_init(|| KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap().serialize_pem())
}

/// A home with secrets in every drawer.
struct Home {
    folder: TempDir,
    /// What must not be said: whole, and as it is sent.
    secrets: Vec<String>,
}

impl Home {
    fn new(echo: &Echo) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        let (tls_key, hash) = (KeyPair::generate().unwrap(), bcrypt::hash(WEB_PASSWORD, 4).unwrap());
        let certificate = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&tls_key).unwrap();
        write("s.crt", &certificate.pem());
        write("s.key", &tls_key.serialize_pem());
        let tls = "tls_server_config: {cert_file: s.crt, key_file: s.key}";
        write("web.yml", &format!("{tls}\nbasic_auth_users: {{alice: {hash}}}\n"));
        let account = json!({
            "type": "service_account", "project_id": "p", "private_key_id": "k", "private_key": rsa_key(),
            "client_email": "e@p.iam.gserviceaccount.com", "client_id": "1", "token_uri": format!("{}/token", echo.url),
            "auth_uri": "a", "auth_provider_x509_cert_url": "a", "client_x509_cert_url": "a",
        });
        write("account.json", &account.to_string());
        let user = json!({"type": "authorized_user", "client_id": "c", "client_secret": CLIENT_SECRET,
            "refresh_token": REFRESH_TOKEN, "token_uri": format!("{}/token", echo.url)});
        write("user.json", &user.to_string());
        write("raingauge.yml", &NATIVE.replace("GOOGLE", &with_password(&echo.url)));
        write("yace.yml", YACE);
        write(
            "agent.json",
            r#"{"agent": {"region": "eu-west-1"}, "metrics": {"force_flush_interval": 1, "metrics_collected": {"mem": {"measurement": ["mem_used"], "metrics_collection_interval": 1}}}}"#,
        );
        let mut secrets: Vec<String> = [
            AWS_SECRET_KEY,
            SESSION_TOKEN,
            PROXY_PASSWORD,
            ENDPOINT_PASSWORD,
            WEB_PASSWORD,
            WRONG_PASSWORD,
            CLIENT_SECRET,
            REFRESH_TOKEN,
            VARIABLE,
            ACCESS_TOKEN,
            INSTANCE_TOKEN,
            &hash,
        ]
        .map(str::to_owned)
        .to_vec();
        for (user, password) in [("u", PROXY_PASSWORD), ("u", ENDPOINT_PASSWORD), ("alice", WEB_PASSWORD)] {
            secrets.push(BASE64_STANDARD.encode(format!("{user}:{password}")));
        }
        // The signed word by which a service account asks for a token.
        secrets.push("eyJhbGciOiJSUzI1NiIs".to_owned());
        for pem in [rsa_key(), &tls_key.serialize_pem()] {
            secrets.extend(pem.lines().filter(|line| !line.starts_with('-') && line.len() > 20).map(str::to_owned));
        }
        Self { folder, secrets }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path().join(name), text).unwrap();
    }

    /// Our program, with all its secrets, asking the server that quotes.
    fn command(&self, echo: &Echo, arguments: &[&str]) -> Command {
        let mut command = raingauge(self.path());
        command.current_dir(self.path()).args(arguments).stdout(Stdio::piped());
        command.env("AWS_ACCESS_KEY_ID", "AKIAPLANTED").env("AWS_SECRET_ACCESS_KEY", AWS_SECRET_KEY);
        command.env("AWS_SESSION_TOKEN", SESSION_TOKEN).env("AWS_REGION", "eu-west-1");
        command.env("AWS_ENDPOINT_URL", &echo.url).env("GOOGLE_APPLICATION_CREDENTIALS", "account.json");
        command.env("AWS_EC2_METADATA_SERVICE_ENDPOINT", &echo.url).env_remove("AWS_EC2_METADATA_DISABLED");
        command.env("HTTPS_PROXY", format!("http://u:{PROXY_PASSWORD}@{}", echo.address()));
        command.env("PLANTED_SECRET", VARIABLE);
        command
    }

    /// Says where a secret is. A beginning or an end of it is as bad.
    fn search(&self, what: &str, said: &str) {
        for secret in &self.secrets {
            let letters: Vec<char> = secret.chars().collect();
            let parts = [&letters[..18.min(letters.len())], &letters[letters.len().saturating_sub(18)..]];
            for part in parts.map(|part| part.iter().collect::<String>()) {
                let line = said.lines().find(|line| line.contains(&part));
                assert!(line.is_none(), "{what} says {part}:\n{}", line.unwrap_or_default());
            }
        }
    }
}

fn with_password(url: &str) -> String {
    url.replace("http://", &format!("http://u:{ENDPOINT_PASSWORD}@"))
}

/// Everything that a daemon says until it is stopped. It must have got an answer: a failure, or (what is pushed needs no words) none.
async fn listen_to(home: &Home, what: &str, echo: &Echo, command: &mut Command, address: SocketAddr, is_https: bool) {
    let flag = if what.starts_with("yace") { "-listen-address" } else { "--web.listen-address" };
    command.arg(format!("{flag}={address}"));
    let asked_before = echo.asked();
    let mut running = Running::start(home.path(), &address.to_string(), command.stdout(Stdio::null()));
    let client = Client::builder().no_proxy().danger_accept_invalid_certs(true).build().unwrap();
    let base = format!("{}://{address}", if is_https { "https" } else { "http" });
    let ask = async |method: Method, path: &str, password: &str| {
        let request = client.request(method, format!("{base}{path}")).basic_auth("alice", Some(password));
        let answer = request.send().await.map_err(|e| e.to_string())?;
        answer.text().await.map_err(|e| e.to_string())
    };
    let failed = [
        "raingauge_job_failures_total{",
        "raingauge_push_failures_total{",
        "stackdriver_monitoring_last_scrape_error{",
    ];
    let page = wait_until("something has failed", async || {
        let page = ask(Method::GET, "/metrics", WEB_PASSWORD).await?;
        let has_failed = page.lines().any(|l| failed.iter().any(|f| l.starts_with(f)) && !l.ends_with(" 0"));
        // To an agent any answer will do.
        let is_answered = what.starts_with("agent") && echo.asked() > asked_before + 3;
        if has_failed || is_answered { Ok(page) } else { Err(format!("{what}: {page}\n{}", running.log())) }
    })
    .await;
    home.search(&format!("{what}, /metrics"), &page);
    let paths = [
        "/",
        "/api/v1/status",
        "/-/healthy",
        "/-/ready",
        "/-/leader",
        "/-/status",
        "/healthz",
        "/debug/pprof/",
        "/nowhere",
    ];
    for path in paths {
        let said = ask(Method::GET, path, WEB_PASSWORD).await.unwrap();
        home.search(&format!("{what}, {path}"), &said);
        ask(Method::GET, path, WRONG_PASSWORD).await.unwrap();
    }
    for metric in ["aws_sqs_number_of_messages_sent_sum", "s/m"] {
        let request = client.post(format!("{base}/api/v1/explain")).basic_auth("alice", Some(WEB_PASSWORD));
        let answer = request.json(&json!({"metric": metric})).send().await.unwrap();
        home.search(&format!("{what}, explain {metric}"), &answer.text().await.unwrap());
    }
    home.search(&format!("{what}, reload"), &ask(Method::POST, "/-/reload", WEB_PASSWORD).await.unwrap());
    let ended = Command::new("kill").arg(running.id().to_string()).status().unwrap();
    assert!(ended.success());
    running.wait();
    let log = running.log();
    assert!(!log.is_empty() && echo.asked() > asked_before, "{what} asked nobody:\n{log}");
    home.search(&format!("the log of {what}"), &log);
}

const STACKDRIVER: [&str; 5] = [
    "stackdriver_exporter",
    "--google.project-ids=p",
    "--monitoring.metrics-prefixes=run.googleapis.com/",
    "--web.config.file=web.yml",
    "--log.level=debug",
];

#[tokio::test(flavor = "multi_thread")]
async fn no_daemon_says_a_secret() {
    raingauge::aws::crypto::install();
    let echo = Echo::start().await;
    let home = Home::new(&echo);
    for (mood, format) in [
        (Mood::Refuse, "logfmt"),
        (Mood::Garble, "json"),
        (Mood::RefuseAfterIdentity, "text"),
        (Mood::GarbleAfterIdentity, "logfmt"),
        (Mood::RefuseTokens, "json"),
    ] {
        echo.be(mood);
        let google = format!("--google.endpoint={}", with_password(&echo.url));
        let common = ["--web.config.file=web.yml", "--log.level=debug", "--log.format", format];
        // The programs in whose place we stand have no format "text".
        let theirs = if format == "text" { "json" } else { format };
        let run = [&["run", "--config=raingauge.yml"][..], &common].concat();
        let agent = [&["agent", "--config=agent.json"][..], &common].concat();
        let yace = ["yace", "-config.file=yace.yml", "-log.level=debug", "-log.format", theirs];
        let stackdriver = [&STACKDRIVER[..], &["--log.format", theirs, &google]].concat();
        let on_scrape = [&stackdriver[..], &["--collect.on-scrape"]].concat();
        let mut all = Vec::new();
        for arguments in [&run[..], &agent, &yace, &stackdriver, &on_scrape] {
            all.push(("account.json", arguments));
        }
        all.extend([("user.json", &stackdriver[..]), ("user.json", &on_scrape)]);
        let (home, echo) = (&home, &echo);
        // Asked for one after the other, the same address may be free twice.
        let held = all.iter().map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect::<Vec<_>>();
        let addresses = held.iter().map(|l| l.local_addr().unwrap()).collect::<Vec<_>>();
        drop(held);
        join_all(all.into_iter().zip(addresses).map(async |((credentials, arguments), address)| {
            let mut command = home.command(echo, arguments);
            command.env("GOOGLE_APPLICATION_CREDENTIALS", credentials);
            let what = format!("{} {credentials}, {mood:?}", arguments.join(" "));
            listen_to(home, &what, echo, &mut command, address, arguments[0] != "yace").await;
        }))
        .await;
    }
}

/// To where a password is part of the address, or of the proxy's.
#[tokio::test(flavor = "multi_thread")]
async fn no_address_is_said_with_its_password() {
    raingauge::aws::crypto::install();
    let echo = Echo::start().await;
    let home = Home::new(&echo);
    let run = ["run", "--config=raingauge.yml", "--web.config.file=web.yml", "--log.level=debug"];
    let mut command = home.command(&echo, &run);
    command.env("AWS_ENDPOINT_URL", with_password(&echo.url));
    listen_to(&home, "run with a password in the endpoint", &echo, &mut command, free_address(), true).await;
    // Without an endpoint everything goes through the proxy, which refuses and quotes.
    home.write("raingauge.yml", &NATIVE.replace("  endpoint: GOOGLE\n", ""));
    let mut command = home.command(&echo, &run);
    command.env_remove("AWS_ENDPOINT_URL");
    listen_to(&home, "run behind a proxy", &echo, &mut command, free_address(), true).await;
    let url = with_password("http://127.0.0.1:9/");
    let output = home.command(&echo, &["healthcheck", "--url", &url]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    home.search("healthcheck", &String::from_utf8([output.stdout, output.stderr].concat()).unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn no_command_says_a_secret() {
    let echo = Echo::start().await;
    let home = Home::new(&echo);
    for mood in [Mood::Refuse, Mood::Garble, Mood::RefuseAfterIdentity, Mood::GarbleAfterIdentity, Mood::RefuseTokens] {
        echo.be(mood);
        for arguments in [
            &["check", "--config=raingauge.yml"][..],
            &["check", "--iam", "--config=raingauge.yml"],
            &["plan", "--live", "--config=raingauge.yml"],
            &["explain", "aws_sqs_number_of_messages_sent_sum", "--yes", "--config=raingauge.yml"],
            &["explain", "s/m", "--yes", "--config=raingauge.yml"],
            &[
                "explain",
                "stackdriver_cloud_run_revision_run_googleapis_com_request_count",
                "--yes",
                "--config=raingauge.yml",
            ],
            &["yace", "verify-config", "-config.file=yace.yml"],
        ] {
            let mut command = home.command(&echo, arguments);
            command.env("RAINGAUGE_LOG_LEVEL", "debug");
            let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
            let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
            assert!(!said.is_empty(), "{arguments:?} says nothing");
            home.search(&format!("{arguments:?}, {mood:?}"), &said);
        }
    }
}

/// A mistake is quoted with its line, but not when it is one with a secret in it.
#[tokio::test(flavor = "multi_thread")]
async fn no_mistake_is_quoted_with_its_secret() {
    let echo = Echo::start().await;
    let home = Home::new(&echo);
    let key = rsa_key().lines().nth(3).unwrap();
    let run = ["run", "--config=raingauge.yml", "--web.config.file=web.yml", "--web.listen-address=127.0.0.1:0"];
    let said = |what: &str, command: &mut Command| {
        let output = command.output().unwrap();
        assert!(!output.status.success(), "{what} starts");
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(!said.is_empty());
        home.search(what, &said);
    };
    let good = fs::read_to_string(home.path().join("web.yml")).unwrap();
    for web in [
        format!("basic_auth_users: {{alice: {WEB_PASSWORD}}}\n"),
        format!("basic_auth_users: {{alice: [{WEB_PASSWORD}]}}\n"),
        format!("basic_auth_users: {{alice: {{password: {WEB_PASSWORD}}}}}\n"),
        format!("basic_auth_users: {WEB_PASSWORD}\n"),
        format!("basic_auth_users: [{WEB_PASSWORD}]\n"),
        format!("basic_auth_users: {{alice: \"{WEB_PASSWORD}\n"),
        format!("tls_server_config: {{cert: x, key: \"{key}\"}}\n"),
        format!("tls_server_config: {{cert: x, key: [\"{key}\"]}}\n"),
        format!("tls_server_config: {{key: |\n{key}\n"),
    ] {
        home.write("web.yml", &web);
        said(&web, &mut home.command(&echo, &run));
    }
    home.write("web.yml", &good);
    for line in [
        "aws: {interval: \"${PLANTED_SECRET}\"}",
        "aws: {concurrency: {listMetrics: \"${PLANTED_SECRET}\"}}",
        "aws: {fips: \"${PLANTED_SECRET}\"}",
        "web: {listen_addresses: [\"${PLANTED_SECRET}\"]}\naws: {}",
        "gcp: {endpoint: [\"${PLANTED_SECRET}\"], jobs: []}",
        "gcp: {universe_domain: {\"a\": \"${PLANTED_SECRET}\"}, jobs: []}",
    ] {
        home.write("raingauge.yml", &format!("{line}\n"));
        said(line, &mut home.command(&echo, &run));
        said(line, &mut home.command(&echo, &["check", "--config=raingauge.yml"]));
    }
    let secret = json!({"secret": CLIENT_SECRET}).to_string();
    for account in [
        format!("{{\"type\": \"service_account\", \"private_key\": \"{}\"", rsa_key().replace('\n', "\\n")),
        json!({"type": "service_account", "client_email": "e", "token_uri": "t", "private_key": [rsa_key()]}).to_string(),
        json!({"type": "service_account", "client_email": "e", "token_uri": "t", "private_key": rsa_key().replace("BEGIN", "X")}).to_string(),
        json!({"type": "authorized_user", "client_id": "c", "client_secret": CLIENT_SECRET, "refresh_token": [REFRESH_TOKEN]}).to_string(),
        json!({"type": "authorized_user", "client_id": [], "client_secret": CLIENT_SECRET, "refresh_token": REFRESH_TOKEN}).to_string(),
        json!(CLIENT_SECRET).to_string(),
        json!({"type": "external_account", "client_secret": CLIENT_SECRET, "credential_source": secret}).to_string(),
    ] {
        home.write("account.json", &account);
        said(&account, &mut home.command(&echo, &[&STACKDRIVER[..], &["--web.listen-address=127.0.0.1:0"]].concat()));
    }
}
