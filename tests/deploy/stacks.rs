//! The compose stacks: well formed, shut in, every file that they name is there, and each program accepts its configuration.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::files::{deploy, items, text, yaml};
use crate::processes::{is_installed, prometheus_is_installed};

const STACKS: [&str; 2] = ["compose/compose.yml", "compose/compose.prometheus.yml"];
const NOTHING: raingauge::cli::Outside<'static> =
    raingauge::cli::Outside { env: &|_| None, file: &|path| Err(format!("{path} is not there")) };

/// The services of a stack, with what `<<` merges into them.
fn services(stack: &str) -> Vec<(String, Value)> {
    let file = yaml(stack);
    let with_merges = |service: &Value| {
        let mut all = service.get("<<").cloned().unwrap_or_else(|| panic!("{stack}: a service without the guard"));
        all.as_object_mut().unwrap().extend(service.as_object().unwrap().clone());
        all
    };
    file["services"].as_object().unwrap().iter().map(|(name, s)| (name.clone(), with_merges(s))).collect()
}

fn words(value: &Value) -> Vec<String> {
    value.as_array().unwrap().iter().map(|word| word.as_str().unwrap().to_owned()).collect()
}

#[test]
fn every_service_is_bounded_and_shut_in() {
    for stack in STACKS {
        for (name, service) in services(stack) {
            let place = format!("{stack}, {name}");
            assert_eq!(text(&service, "/restart"), "unless-stopped", "{place}");
            assert_eq!(service["read_only"], true, "{place}");
            assert_eq!(words(&service["cap_drop"]), ["ALL"], "{place}");
            assert_eq!(words(&service["security_opt"]), ["no-new-privileges:true"], "{place}");
            assert!(text(&service, "/mem_limit").ends_with('m'), "{place}");
            assert!(items(&service, "/healthcheck/test").len() > 1, "{place}");
            for port in items(&service, "/ports") {
                assert!(port.as_str().unwrap().starts_with("127.0.0.1:"), "{place} opens {port} to everybody");
            }
        }
    }
}

#[test]
fn every_file_volume_and_secret_that_a_stack_names_is_there() {
    for stack in STACKS {
        let file = yaml(stack);
        let keys = |key: &str| file[key].as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
        let (volumes, secrets) = (keys("volumes"), keys("secrets"));
        let mut used = BTreeSet::new();
        for (name, service) in services(stack) {
            for mount in items(&service, "/volumes") {
                let source = mount.as_str().unwrap().split(':').next().unwrap();
                let is_there = if source.starts_with('.') {
                    deploy("compose").join(source).exists()
                } else {
                    source.starts_with('/') || volumes.contains(source)
                };
                assert!(is_there, "{stack}, {name}: {source} is not there");
            }
            used.extend(items(&service, "/secrets").iter().map(|s| s.as_str().unwrap().to_owned()));
        }
        assert_eq!(used, secrets, "{stack}");
    }
}

#[test]
fn raingauge_understands_the_command_and_the_file() {
    for stack in STACKS {
        let all = services(stack);
        let (_, service) = all.iter().find(|(name, _)| name == "raingauge").unwrap();
        for command in [words(&service["command"]), words(&service["healthcheck"]["test"])[2..].to_vec()] {
            let line = std::iter::once("raingauge".to_owned()).chain(command).map(OsString::from);
            if let Err(exit) = raingauge::cli::parse(line, NOTHING) {
                panic!("{stack}: {}", exit.stderr);
            }
        }
    }
    let mut check = Command::new(env!("CARGO_BIN_EXE_raingauge"));
    let check = check.args(["check", "--config"]).arg(deploy("compose/raingauge.yml")).output().unwrap();
    assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stderr));
}

#[test]
fn both_scrapers_have_the_same_settings() {
    let (mut prometheus, mut vmagent) = (yaml("compose/prometheus.yml"), yaml("compose/vmagent.yml"));
    for (file, target) in [(&mut prometheus, "raingauge:5000"), (&mut vmagent, "127.0.0.1:5000")] {
        assert_eq!(file["scrape_configs"][0]["static_configs"][0]["targets"][0], target);
        file["scrape_configs"][0]["static_configs"] = Value::Null;
        file["global"]["evaluation_interval"] = Value::Null;
    }
    assert_eq!(
        prometheus["global"],
        vmagent["global"].as_object().map_or(Value::Null, |global| {
            let mut global = global.clone();
            global.insert("evaluation_interval".to_owned(), Value::Null);
            Value::Object(global)
        })
    );
    assert_eq!(prometheus["scrape_configs"], vmagent["scrape_configs"]);
}

#[test]
fn other_programs_accept_their_files() {
    if prometheus_is_installed() {
        let checked = Command::new("promtool")
            .args(["check", "config", "--syntax-only"])
            .arg(deploy("compose/prometheus.yml"))
            .output()
            .unwrap();
        assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    }
    let mut attempt = Command::new("vmagent");
    attempt.arg("--version");
    if is_installed("vmagent", "Debian: apt-get install victoria-metrics", attempt) {
        let folder = tempfile::tempdir().unwrap();
        let (_, service) = services(STACKS[0]).into_iter().find(|(name, _)| name == "vmagent").unwrap();
        let password = folder.path().join("password");
        fs::write(&password, "x").unwrap();
        let here = |word: String| match word.split_once('=').unwrap() {
            ("-promscrape.config", _) => format!("-promscrape.config={}", deploy("compose/vmagent.yml").display()),
            ("-remoteWrite.url", _) => "-remoteWrite.url=http://127.0.0.1:1/".to_owned(),
            ("-remoteWrite.basicAuth.username", _) => "-remoteWrite.basicAuth.username=pi".to_owned(),
            ("-remoteWrite.basicAuth.passwordFile", _) => {
                format!("-remoteWrite.basicAuth.passwordFile={}", password.display())
            }
            ("-remoteWrite.tmpDataPath", _) => format!("-remoteWrite.tmpDataPath={}", folder.path().display()),
            _ => word,
        };
        let arguments = words(&service["command"]).into_iter().map(here);
        let checked = Command::new("vmagent").args(arguments).arg("-dryRun").output().unwrap();
        assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    }
    let mut attempt = Command::new("docker-compose");
    attempt.arg("--version");
    if is_installed("docker-compose", "Debian: apt-get install docker-compose", attempt) {
        for stack in STACKS {
            let checked = Command::new("docker-compose")
                .arg("--file")
                .arg(deploy(stack))
                .args(["config", "--quiet"])
                .env("REMOTE_WRITE_URL", "http://127.0.0.1:1/")
                .output()
                .unwrap();
            assert!(checked.status.success(), "{stack}: {}", String::from_utf8_lossy(&checked.stderr));
        }
    }
}
