//! Unix sockets, and sockets that systemd hands over, through the front door.
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
use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use processes::{Running, free_address, get, is_installed, raingauge, wait_until};
use tempfile::TempDir;

/// Nobody is asked: what is served is the program's own.
const CONFIG: &str = "
aws:
  interval: 1h
  static: [{name: n, namespace: s, regions: [eu-west-1], metrics: [{name: m, statistics: [Sum]}]}]
";

fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("raingauge.yml"), CONFIG).unwrap();
    folder
}

/// `raingauge run` with nobody to call, and with these arguments besides.
fn run(folder: &Path, arguments: &[&str]) -> Command {
    run_by(raingauge(folder), folder, arguments)
}

fn run_by(mut command: Command, folder: &Path, arguments: &[&str]) -> Command {
    processes::aws_at(&mut command, "http://127.0.0.1:9", "eu-west-1");
    command.current_dir(folder).args(["run", "--config", "raingauge.yml"]).args(arguments);
    command
}

/// The answer's first line; an error while nobody answers.
fn ask(socket: &Path) -> Result<String, String> {
    let mut stream = UnixStream::connect(socket).map_err(|e| e.to_string())?;
    let asked = stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n");
    let mut answer = String::new();
    asked.and_then(|()| stream.read_to_string(&mut answer)).map_err(|e| e.to_string())?;
    assert!(answer.contains("raingauge_build_info"), "{answer}");
    Ok(answer.lines().next().unwrap_or_default().to_owned())
}

async fn wait_until_answered(socket: &Path) {
    let line = wait_until("the socket answers", async || ask(socket)).await;
    assert_eq!(line, "HTTP/1.0 200 OK");
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn signal(running: &Running, name: &str) {
    let sent = Command::new("kill").args([&format!("-{name}"), &running.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_unix_socket_is_served_beside_tcp_and_goes_with_the_daemon() {
    let (folder, address) = (folder(), free_address());
    let socket = folder.path().join("rain gauge.sock");
    let arguments =
        [&format!("--web.listen-address=unix:{}", socket.display()), &*format!("--web.listen-address={address}")];
    let mut running = Running::start(folder.path(), "first", &mut run(folder.path(), &arguments));
    wait_until_answered(&socket).await;
    wait_until("TCP answers", async || get(address, "/-/healthy").await.ok_or_else(String::new)).await;
    let there = fs::metadata(&socket).unwrap();
    assert!(there.file_type().is_socket());
    assert_eq!(there.permissions().mode() & 0o777, 0o660);
    assert!(running.log().contains(&format!("listening on unix:{}", socket.display())), "{}", running.log());

    // A second one does not take it away.
    let second = run(folder.path(), &arguments[..1]).output().unwrap();
    assert_eq!(second.status.code(), Some(1), "{}", said(&second));
    assert!(said(&second).contains("another process listens on"), "{}", said(&second));
    wait_until_answered(&socket).await;

    signal(&running, "TERM");
    assert!(running.wait().success());
    assert!(!socket.exists(), "the socket is still there");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_daemon_leaves_is_replaced() {
    let folder = folder();
    // A relative path, from the file, with the other spelling of the scheme elsewhere.
    let config = format!("web: {{listen_addresses: [\"unix:left.sock\"]}}\n{CONFIG}");
    fs::write(folder.path().join("raingauge.yml"), config).unwrap();
    let socket = folder.path().join("left.sock");
    let mut first = Running::start(folder.path(), "first", &mut run(folder.path(), &[]));
    wait_until_answered(&socket).await;
    signal(&first, "KILL");
    first.wait();
    assert!(socket.exists() && ask(&socket).is_err(), "a killed daemon leaves its socket");
    let spelled = format!("--web.listen-address=unix://{}", socket.display());
    let _second = Running::start(folder.path(), "second", &mut run(folder.path(), &[&spelled]));
    wait_until_answered(&socket).await;

    fs::write(folder.path().join("precious"), "data").unwrap();
    let refused = run(folder.path(), &["--web.listen-address=unix:precious"]).output().unwrap();
    assert_eq!(refused.status.code(), Some(1));
    assert!(said(&refused).contains("is no socket"), "{}", said(&refused));
    assert_eq!(fs::read_to_string(folder.path().join("precious")).unwrap(), "data");
}

#[test]
fn yace_s_flag_takes_no_path() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("config.yml"), "apiVersion: v1alpha1\nstatic: []\n").unwrap();
    let mut command = raingauge(folder.path());
    let output = command.current_dir(&folder).args(["yace", "-listen-address=unix:a.sock"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("host:port"), "{}", said(&output));
    assert!(!folder.path().join("a.sock").exists());
}

/// The ports on which a process listens, TCP and UDP alike.
fn open_ports(running: &Running) -> Vec<String> {
    let process = PathBuf::from(format!("/proc/{}", running.id()));
    let links = fs::read_dir(process.join("fd")).unwrap().filter_map(|entry| fs::read_link(entry.unwrap().path()).ok());
    let sockets: Vec<String> = links.map(|link| link.display().to_string()).collect();
    let mut ports = Vec::new();
    // 0A: a TCP socket that listens; 07: a UDP socket that is bound and takes from everybody.
    for (table, state) in [("tcp", "0A"), ("tcp6", "0A"), ("udp", "07"), ("udp6", "07")] {
        let table_text = fs::read_to_string(process.join("net").join(table)).unwrap_or_default();
        for line in table_text.lines().skip(1) {
            let fields: Vec<&str> = line.split_whitespace().collect();
            if fields[3] == state && sockets.contains(&format!("socket:[{}]", fields[9])) {
                let port = u16::from_str_radix(fields[1].rsplit(':').next().unwrap(), 16).unwrap();
                ports.push(format!("{} {port}", table.trim_end_matches('6')));
            }
        }
    }
    ports.sort();
    ports
}

/// `docs/security.md` has them all.
#[tokio::test(flavor = "multi_thread")]
async fn no_port_is_open_but_those_that_were_asked_for() {
    let folder = folder();
    let statsd = free_address().port();
    let agent = |collected: &str| {
        format!(r#"{{"agent": {{"region": "eu-west-1"}}, "metrics": {{"metrics_collected": {{{collected}}}}}}}"#)
    };
    fs::write(folder.path().join("agent.json"), agent(r#""mem": {"measurement": ["mem_used"]}"#)).unwrap();
    let with_statsd = agent(&format!(r#""statsd": {{"service_address": "127.0.0.1:{statsd}"}}"#));
    fs::write(folder.path().join("statsd.json"), with_statsd).unwrap();
    fs::write(
        folder.path().join("config.yml"),
        format!("apiVersion: v1alpha1\n{}", CONFIG.split_once("1h\n").unwrap().1.replace("\n  ", "\n").trim_start()),
    )
    .unwrap();
    let user = r#"{"type": "authorized_user", "client_id": "a", "client_secret": "b", "refresh_token": "c"}"#;
    fs::write(folder.path().join("user.json"), user).unwrap();
    let (tcp, udp) = (free_address(), format!("udp {statsd}"));
    let port = format!("tcp {}", tcp.port());
    let listen = format!("--web.listen-address={tcp}");
    let yace = format!("-listen-address={tcp}");
    let google = ["--monitoring.metrics-prefixes=p/", "--google.project-ids=p", "--google.endpoint=http://127.0.0.1:9"];
    for (arguments, ports) in [
        (vec!["run", "--config=raingauge.yml", &listen], vec![&port]),
        (vec!["run", "--config=raingauge.yml", "--web.listen-address=unix:only.sock"], vec![]),
        (vec!["agent", "--config=agent.json"], vec![]),
        (vec!["agent", "--config=statsd.json", &listen], vec![&port, &udp]),
        (vec!["yace", "-config.file=config.yml", &yace], vec![&port]),
        ([&["stackdriver_exporter", &listen][..], &google].concat(), vec![&port]),
    ] {
        let mut command = raingauge(folder.path());
        processes::aws_at(&mut command, "http://127.0.0.1:9", "eu-west-1");
        command.env("GOOGLE_APPLICATION_CREDENTIALS", "user.json").current_dir(&folder).args(&arguments);
        let mut running = Running::start(folder.path(), "ports", &mut command);
        // An agent that listens nowhere says when it collects; the others, where they listen.
        wait_until("it has started", async || {
            let log = running.log();
            let has_started = log.contains("listening on") || log.contains("pushing them costs");
            if has_started { Ok(()) } else { Err(log) }
        })
        .await;
        wait_until("its ports are those", async || {
            let open = open_ports(&running);
            if open.iter().eq(ports.iter().copied()) {
                Ok(())
            } else {
                Err(format!("{arguments:?}: {open:?}, not {ports:?}"))
            }
        })
        .await;
        signal(&running, "TERM");
        running.wait();
    }
}

/// A copy of the program, which is no other test's: the health check looks for daemons of its own executable.
fn own_copy(folder: &Path) -> PathBuf {
    let copy = folder.join("raingauge");
    fs::copy(env!("CARGO_BIN_EXE_raingauge"), &copy).unwrap();
    copy
}

#[tokio::test(flavor = "multi_thread")]
async fn the_health_check_finds_a_unix_socket_by_itself_and_by_name() {
    let folder = folder();
    let program = own_copy(folder.path());
    let users = format!("basic_auth_users: {{alice: {}}}\n", bcrypt::hash("x", 4).unwrap());
    fs::write(folder.path().join("web.yml"), users).unwrap();
    let healthcheck = |arguments: &[&str]| {
        let output = Command::new(&program).arg("healthcheck").args(arguments).output().unwrap();
        output.status.success().then_some(()).ok_or_else(|| said(&output))
    };
    let socket = folder.path().join("a.sock");
    let address = format!("unix:{}", socket.display());
    assert!(healthcheck(&["--url", &address]).unwrap_err().contains("a.sock"));
    for guarded in [false, true] {
        let mut command = Command::new(&program);
        command.env_clear().env("HOME", folder.path()).env("AWS_EC2_METADATA_DISABLED", "true");
        let mut command = run_by(command, folder.path(), &["--web.listen-address", &address]);
        if guarded {
            command.args(["--web.config.file", "web.yml"]);
        }
        let _running = Running::start(folder.path(), "daemon", &mut command);
        wait_until("the health check succeeds", async || healthcheck(&[])).await;
        healthcheck(&["--url", &address]).unwrap();
    }
    assert!(healthcheck(&[]).unwrap_err().contains("no listening raingauge"));
}

/// A program that listens as systemd does, and becomes another one: `MODE ADDRESS PROGRAM ARGUMENTS…`.
const LAUNCHER: &str = "
import os, socket, sys
mode, address, *command = sys.argv[1:]
if address.startswith('/'):
    s = socket.socket(socket.AF_UNIX); s.bind(address)
else:
    host, port = address.rsplit(':', 1)
    s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); s.bind((host, int(port)))
if mode == 'good':
    s.listen()
if mode == 'file':
    s = open(command[0], 'rb')
if s.fileno() != 3:
    os.dup2(s.fileno(), 3)
os.set_inheritable(3, True)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS='1', LISTEN_FDNAMES='web')
os.execv(command[0], command)
";

/// The command, started by somebody who listens.
fn activated(folder: &Path, mode: &str, address: &str, command: &Command) -> Command {
    let mut launcher = Command::new("python3");
    launcher.current_dir(folder).args(["-c", LAUNCHER, mode, address]).arg(command.get_program());
    launcher.args(command.get_args()).env_clear().env("HOME", folder);
    // The launcher's own, to be found.
    launcher.env("PATH", std::env::var("PATH").unwrap());
    for (name, value) in command.get_envs() {
        launcher.env(name, value.unwrap());
    }
    launcher
}

#[tokio::test(flavor = "multi_thread")]
async fn sockets_are_taken_over_from_whoever_listens() {
    let (folder, address) = (folder(), free_address());
    let socket = folder.path().join("handed.sock");
    let command = run(folder.path(), &["--web.systemd-socket", "--web.listen-address=127.0.0.1:1"]);
    let mut tcp = activated(folder.path(), "good", &address.to_string(), &command);
    let running = Running::start(folder.path(), "tcp", &mut tcp);
    let answer = wait_until("TCP answers", async || get(address, "/metrics").await.ok_or_else(String::new)).await;
    assert_eq!(answer.0, 200);
    assert!(running.log().contains(&address.to_string()), "{}", running.log());

    // By the variable of the flag; and the file is whoever's made it.
    let mut command = run(folder.path(), &[]);
    command.env("RAINGAUGE_WEB_SYSTEMD_SOCKET", "true");
    let mut unix = activated(folder.path(), "good", socket.to_str().unwrap(), &command);
    let mut running = Running::start(folder.path(), "unix", &mut unix);
    wait_until_answered(&socket).await;
    signal(&running, "TERM");
    assert!(running.wait().success());
    assert!(socket.exists(), "systemd's socket is not ours to remove");

    // By the file.
    fs::write(folder.path().join("raingauge.yml"), format!("web: {{systemd_socket: true}}\n{CONFIG}")).unwrap();
    let address = free_address();
    let mut tcp = activated(folder.path(), "good", &address.to_string(), &run(folder.path(), &[]));
    let _running = Running::start(folder.path(), "file", &mut tcp);
    wait_until("TCP answers", async || get(address, "/metrics").await.ok_or_else(String::new)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_mode_with_the_exporters_flags_takes_sockets_over() {
    let folder = folder();
    let agent = r#"{"agent": {"region": "eu-west-1"}, "metrics": {"metrics_collected": {"mem": {"measurement": ["mem_used"]}}}}"#;
    fs::write(folder.path().join("agent.json"), agent).unwrap();
    let user = r#"{"type": "authorized_user", "client_id": "a", "client_secret": "b", "refresh_token": "c"}"#;
    fs::write(folder.path().join("user.json"), user).unwrap();
    let stackdriver =
        ["--google.project-ids=p", "--monitoring.metrics-prefixes=p/", "--google.endpoint=http://127.0.0.1:9"];
    for arguments in [
        [&["agent", "--config=agent.json", "--web.systemd-socket"][..], &[]].concat(),
        [&["stackdriver_exporter", "--web.systemd-socket"][..], &stackdriver].concat(),
    ] {
        let address: SocketAddr = free_address();
        let mut command = raingauge(folder.path());
        processes::aws_at(&mut command, "http://127.0.0.1:9", "eu-west-1");
        command.env("GOOGLE_APPLICATION_CREDENTIALS", "user.json").current_dir(&folder).args(&arguments);
        let without = command.output().unwrap();
        assert_eq!(without.status.code(), Some(1), "{}", said(&without));
        assert!(said(&without).contains("no socket was handed over"), "{}", said(&without));
        let mut command = activated(folder.path(), "good", &address.to_string(), &command);
        let _running = Running::start(folder.path(), arguments[0], &mut command);
        let answer = wait_until("TCP answers", async || get(address, "/metrics").await.ok_or_else(String::new)).await;
        assert_eq!(answer.0, 200, "{}", answer.1);
    }
}

#[test]
fn what_is_no_listening_socket_is_refused() {
    let folder = folder();
    let command = run(folder.path(), &["--web.systemd-socket"]);
    for (mode, words) in [("deaf", "nobody listens on it"), ("file", "is not a socket")] {
        let output = activated(folder.path(), mode, "127.0.0.1:0", &command).output().unwrap();
        let said = said(&output);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(words) && said.contains("socket 0 (web)"), "{said}");
    }
    let mut command = run(folder.path(), &["--web.systemd-socket"]);
    let output = command.env("LISTEN_FDS", "1").env("LISTEN_PID", "1").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("not for this one"), "{}", said(&output));
}

/// The real thing.
#[tokio::test(flavor = "multi_thread")]
async fn systemd_socket_activate_starts_it_at_the_first_scrape() {
    let mut attempt = Command::new("systemd-socket-activate");
    attempt.arg("--version");
    if !is_installed("systemd-socket-activate", "Debian: apt-get install systemd", attempt) {
        return;
    }
    let (folder, address) = (folder(), free_address());
    let command = run(folder.path(), &["--web.systemd-socket"]);
    let mut starter = Command::new("systemd-socket-activate");
    starter.current_dir(folder.path()).arg(format!("--listen={address}")).arg("--fdname=web");
    for (name, value) in command.get_envs() {
        starter.arg(format!("--setenv={}={}", name.to_str().unwrap(), value.unwrap().to_str().unwrap()));
    }
    starter.arg(command.get_program()).args(command.get_args());
    let _running = Running::start(folder.path(), "systemd", &mut starter);
    let answer = wait_until("TCP answers", async || get(address, "/metrics").await.ok_or_else(String::new)).await;
    assert_eq!(answer.0, 200);
}
