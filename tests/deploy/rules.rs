//! The dashboards are what their source says, and every alert has a test that fires and one that does not.

use std::collections::BTreeSet;
use std::process::Command;

use crate::files::{dashboards, deploy, items, text, yaml};
use crate::processes::{is_installed, prometheus_is_installed};

#[test]
fn the_dashboards_are_those_of_their_source() {
    let mut attempt = Command::new("python3");
    attempt.arg("--version");
    if !is_installed("python3", "Debian: apt-get install python3", attempt) {
        return;
    }
    let check = Command::new("python3").arg(deploy("grafana/generate.py")).arg("--check").output().unwrap();
    assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stderr));
}

#[test]
fn dashboards_work_with_any_data_source() {
    let all = dashboards();
    assert_eq!(all.len(), 12);
    for (file, dashboard) in all {
        let sources: Vec<_> = items(&dashboard, "/panels")
            .iter()
            .filter(|panel| text(panel, "/type") != "row")
            .flat_map(|panel| std::iter::once(panel).chain(items(panel, "/targets")))
            .map(|part| text(part, "/datasource/uid"))
            .collect();
        assert!(sources.len() > 5, "{file}: {sources:?}");
        assert!(sources.iter().all(|uid| *uid == "${datasource}"), "{file}: {sources:?}");
        assert_eq!(text(&dashboard, "/templating/list/0/type"), "datasource", "{file}");
        let ids: BTreeSet<_> = items(&dashboard, "/panels").iter().map(|p| p["id"].as_u64().unwrap()).collect();
        assert_eq!(ids.len(), items(&dashboard, "/panels").len(), "{file}: panels share an id");
    }
}

#[test]
fn every_alert_is_seen_to_fire_and_to_be_quiet() {
    let rules = yaml("prometheus/raingauge.rules.yml");
    let tests = yaml("prometheus/raingauge.test.yml");
    let alerts = items(&rules, "/groups").iter().flat_map(|g| items(g, "/rules")).map(|r| text(r, "/alert"));
    let cases: Vec<_> = items(&tests, "/tests").iter().flat_map(|t| items(t, "/alert_rule_test")).collect();
    for alert in alerts.filter(|alert| !alert.is_empty()) {
        let of_it: Vec<_> = cases.iter().filter(|case| text(case, "/alertname") == alert).collect();
        let is_quiet = |case: &serde_json::Value| items(case, "/exp_alerts").is_empty();
        assert!(of_it.iter().any(|case| is_quiet(case)), "{alert} is never seen to be quiet");
        assert!(of_it.iter().any(|case| !is_quiet(case)), "{alert} is never seen to fire");
    }
    if !prometheus_is_installed() {
        return;
    }
    for arguments in
        [["check", "rules", "prometheus/raingauge.rules.yml"], ["test", "rules", "prometheus/raingauge.test.yml"]]
    {
        let [verb, what, file] = arguments;
        let said = Command::new("promtool").args([verb, what]).arg(deploy(file)).output().unwrap();
        let output = [said.stdout, said.stderr].concat();
        assert!(said.status.success(), "{}", String::from_utf8_lossy(&output));
    }
}

fn systemd_is_installed() -> bool {
    let mut attempt = Command::new("systemd-analyze");
    attempt.arg("--version");
    is_installed("systemd-analyze", "Debian: apt-get install systemd", attempt)
}

/// Put where they belong, with the program that was built.
#[test]
fn systemd_understands_the_units() {
    if !systemd_is_installed() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("raingauge.service.d")).unwrap();
    let units = ["raingauge.service", "raingauge-agent.service", "raingauge.socket"];
    for file in units.into_iter().chain(["raingauge.service.d/socket.conf"]) {
        let text = std::fs::read_to_string(deploy("systemd").join(file)).unwrap();
        let text = text.replace("/usr/local/bin/raingauge", env!("CARGO_BIN_EXE_raingauge"));
        std::fs::write(folder.path().join(file), text).unwrap();
    }
    let output = Command::new("systemd-analyze")
        .args(["verify", "--man=no"])
        .args(units.map(|unit| folder.path().join(unit)))
        .output()
        .unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    // What else is installed on this machine is not ours.
    let ours: Vec<&str> = said.lines().filter(|line| line.contains("raingauge")).collect();
    assert!(output.status.success() && ours.is_empty(), "{said}");
}

#[test]
fn the_units_are_shut_in() {
    if !systemd_is_installed() {
        return;
    }
    // The agent must see the host, so it is shut in a little less.
    for (unit, most) in [("raingauge.service", 1.5), ("raingauge-agent.service", 2.5)] {
        let output = Command::new("systemd-analyze")
            .args(["security", "--offline=true", "--no-pager"])
            .arg(deploy("systemd").join(unit))
            .output()
            .unwrap();
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        let exposure = said.split("Overall exposure level for ").nth(1).and_then(|rest| rest.split_whitespace().nth(1));
        let exposure: f64 = exposure.and_then(|n| n.parse().ok()).unwrap_or_else(|| panic!("{said}"));
        assert!(exposure <= most, "{unit}: {exposure}\n{said}");
    }
}
