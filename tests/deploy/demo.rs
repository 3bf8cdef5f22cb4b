//! Every query of every dashboard and rule against `raingauge demo`: the metrics and labels that it names are served, and a
//! real Prometheus has an answer to it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::files::{Query, dashboard_queries, deploy, items, rule_queries, text};
use crate::processes::{
    Running, free_address, get, metrics, prometheus_is_installed, raingauge, wait_until, wait_until_ready,
};
use crate::promql::named;

/// Series of which exist only after something was lost for good, which no fault of the demo's does. `docs/metrics.md`, which
/// another test compares with the program, says what they are.
const NOT_IN_THE_DEMO: &[&str] = &["raingauge_push_lost_data_total"];
/// What a scraper adds.
const TARGET_LABELS: [&str; 2] = ["instance", "job"];

/// The demo, with some calls that fail, so that the metrics of failures are there.
async fn start(folder: &Path) -> (Running, SocketAddr) {
    let address = free_address();
    let mut command = raingauge(folder);
    command.args(["demo", "--resources", "3", "--listen-address", &address.to_string()]);
    let mut demo = Running::start(folder, "demo", command.stdout(Stdio::piped()));
    let cloud = demo.find_line(|line| line.split_once("http://")?.1.split(';').next()?.parse().ok());
    wait_until_ready(address).await;
    for fault in [
        r#"{"effect": "throttle", "operation": "GetMetricData", "probability": 0.3}"#,
        r#"{"effect": "access_denied", "operation": "GetMetricData", "probability": 0.2}"#,
    ] {
        post(cloud, "/_sim/faults", fault).await;
    }
    (demo, address)
}

async fn post(address: SocketAddr, path: &str, body: &str) {
    let answer = reqwest_client().post(format!("http://{address}{path}")).body(body.to_owned()).send().await.unwrap();
    assert!(answer.status().is_success(), "{:?}", answer.text().await);
}

fn reqwest_client() -> reqwest::Client {
    raingauge::aws::crypto::install();
    reqwest::Client::builder().no_proxy().build().unwrap()
}

/// The labels of each metric of a page.
fn served(page: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut served: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in page.lines().filter(|line| !line.starts_with('#')) {
        let (name, labels) = line.split_once('{').unwrap_or((line.split(' ').next().unwrap(), ""));
        let known = served.entry(name.to_owned()).or_insert_with(|| TARGET_LABELS.map(str::to_owned).into());
        // Names of labels stand behind the brace or a comma; commas in values do no harm, since `="` follows a name only.
        let starts = labels.split("=\"").filter_map(|before| before.rsplit(['{', ',', '"']).next());
        known.extend(starts.filter(|name| !name.is_empty() && !name.contains([' ', '}'])).map(str::to_owned));
        if known.contains("job") {
            known.insert("exported_job".to_owned());
        }
    }
    served.insert("up".to_owned(), TARGET_LABELS.map(str::to_owned).into());
    served
}

/// The labels that the documentation gives to a metric of ours.
fn documented(metric: &str) -> Option<BTreeSet<String>> {
    let page = include_str!("../../docs/metrics.md");
    let row = page.lines().find(|line| line.starts_with(&format!("| `{metric}` |")))?;
    let labels = row.split('|').nth(3)?.split('`').skip(1).step_by(2).map(str::to_owned);
    Some(labels.chain(TARGET_LABELS.map(str::to_owned)).collect())
}

/// What a query names and nobody serves.
fn unserved(query: &Query, served: &BTreeMap<String, BTreeSet<String>>, recorded: &[&str]) -> Option<String> {
    let named = named(&query.promql);
    let mut labels: BTreeSet<String> = TARGET_LABELS.map(str::to_owned).into();
    for selector in named.selectors.iter().filter(|s| !recorded.contains(&&*s.metric)) {
        let documented = NOT_IN_THE_DEMO.contains(&&*selector.metric).then(|| documented(&selector.metric)).flatten();
        let Some(known) = documented.as_ref().or_else(|| served.get(&selector.metric)) else {
            return Some(format!("{}: nobody serves {}", query.place, selector.metric));
        };
        if let Some(label) = selector.labels.iter().find(|label| !known.contains(*label)) {
            return Some(format!("{}: {} has no label {label}", query.place, selector.metric));
        }
        labels.extend(known.iter().cloned());
    }
    let mut wanted = named.groupings.iter().chain(&query.shown);
    let missing = wanted.find(|label| !labels.contains(*label) && *label != "le")?;
    Some(format!("{}: no metric of it has the label {missing}", query.place))
}

#[tokio::test]
async fn every_query_names_what_the_demo_serves() {
    let folder = tempfile::tempdir().unwrap();
    let (_demo, address) = start(folder.path()).await;
    let (dashboards, rules) = (dashboard_queries(), rule_queries());
    assert!(dashboards.len() > 130 && rules.len() >= 30, "{} and {} queries", dashboards.len(), rules.len());
    let recorded: Vec<_> = rules.iter().filter_map(|q| q.place.strip_prefix("rule raingauge:")).collect();
    let recorded: Vec<_> = recorded.iter().map(|name| format!("raingauge:{name}")).collect();
    let recorded: Vec<_> = recorded.iter().map(String::as_str).collect();
    wait_until("the demo serves what dashboards and rules name", async || {
        let served = served(&metrics(address).await);
        let wrong: Vec<_> =
            dashboards.iter().chain(&rules).filter_map(|query| unserved(query, &served, &recorded)).collect();
        if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
    })
    .await;
}

#[test]
fn a_query_that_names_what_nobody_serves_is_found() {
    let served = served("aws_x{region=\"r\",note=\"a,b=\\\"c\"} 1\nraingauge_y{job=\"j\"} 2\n");
    let wrong = |promql: &str, shown: &[&str]| {
        let shown = shown.iter().map(|s| (*s).to_owned()).collect();
        unserved(&Query { place: "here".into(), promql: promql.into(), shown }, &served, &["raingauge:r"]).is_some()
    };
    assert!(!wrong("sum by (region) (aws_x{note=\"n\"}) > raingauge:r", &["region", "instance"]));
    assert!(!wrong("max by (exported_job) (raingauge_y)", &["job"]));
    assert!(wrong("aws_z", &[]) && wrong("rate(aws_x[5m]) / aws_z", &[]), "a metric");
    assert!(wrong("aws_x{zone=\"r\"}", &[]) && wrong("aws_x{b=\"r\"}", &[]), "a label of a matcher");
    assert!(wrong("sum by (zone) (aws_x)", &[]), "a label of a grouping");
    assert!(wrong("aws_x", &["zone"]), "a label of a legend");
}

/// Prometheus with the stack's own scrape settings, a shorter interval, and the rules.
fn start_prometheus(folder: &Path, target: SocketAddr) -> (Running, SocketAddr) {
    let address = free_address();
    let stack = std::fs::read_to_string(deploy("compose/prometheus.yml")).unwrap();
    let mine = stack.replace("raingauge:5000", &target.to_string()).replace("_interval: 60s", "_interval: 1s").replace(
        "/etc/prometheus/raingauge.rules.yml",
        &deploy("prometheus/raingauge.rules.yml").display().to_string(),
    );
    assert!(mine.contains(&target.to_string()) && mine.contains("scrape_interval: 1s"), "{mine}");
    let config = folder.join("prometheus.yml");
    std::fs::write(&config, mine).unwrap();
    let mut command = Command::new("prometheus");
    command
        .arg(format!("--config.file={}", config.display()))
        .arg(format!("--storage.tsdb.path={}", folder.join("tsdb").display()))
        .arg(format!("--web.listen-address={address}"))
        .stdout(Stdio::null());
    (Running::start(folder, "prometheus", &mut command), address)
}

/// The series that answer a query.
async fn answer(prometheus: SocketAddr, promql: &str) -> Result<Vec<Value>, String> {
    let encoded = promql.bytes().fold(String::new(), |url, b| format!("{url}%{b:02X}"));
    let (status, body) = get(prometheus, &format!("/api/v1/query?query={encoded}")).await.ok_or("no answer")?;
    let answer: Value = serde_json::from_str(&body).map_err(|e| format!("{status} {e}"))?;
    if text(&answer, "/status") != "success" {
        return Err(body);
    }
    Ok(items(&answer, "/data/result").to_vec())
}

/// A panel's query as Grafana would ask it with everything selected, and without the bound that hides what is well.
fn asked(promql: &str) -> String {
    let all = ["account", "region", "project", "instance"];
    let promql = all.into_iter().fold(promql.to_owned(), |text, name| text.replace(&format!("${name}"), ".*"));
    promql.strip_suffix(" > 0").map_or(promql.clone(), str::to_owned)
}

/// Why a query's answer is none.
async fn unanswered(prometheus: SocketAddr, query: &Query) -> Option<String> {
    let series = match answer(prometheus, &asked(&query.promql)).await {
        Ok(series) => series,
        Err(error) => return Some(format!("{}: {error}", query.place)),
    };
    if series.is_empty() {
        return Some(format!("{}: no series for {}", query.place, query.promql));
    }
    let has = |label: &String| series.iter().any(|s| !text(s, &format!("/metric/{label}")).is_empty());
    // The job's name is under one of two names, by the scraper's honor_labels.
    let missing = query.shown.iter().find(|label| !has(label) && *label != "exported_job")?;
    Some(format!("{}: no series has the label {missing}", query.place))
}

#[tokio::test]
async fn prometheus_answers_every_query() {
    if !prometheus_is_installed() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (_demo, daemon) = start(folder.path()).await;
    let (prometheus, address) = start_prometheus(folder.path(), daemon);
    let exempt = |query: &Query| NOT_IN_THE_DEMO.iter().any(|name| query.promql.contains(name));
    let queries: Vec<_> = dashboard_queries().into_iter().filter(|query| !exempt(query)).collect();
    wait_until("Prometheus has an answer to every query", async || {
        let mut wrong = Vec::new();
        for query in &queries {
            wrong.extend(unanswered(address, query).await);
        }
        if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
    })
    .await;
    wait_until("every rule was evaluated", async || {
        let (_, body) = get(address, "/api/v1/rules").await.ok_or("no answer")?;
        let answer: Value = serde_json::from_str(&body).map_err(|e| e.to_string())?;
        let rules: Vec<_> = items(&answer, "/data/groups").iter().flat_map(|g| items(g, "/rules")).collect();
        let bad: Vec<_> = rules.iter().filter(|rule| text(rule, "/health") != "ok").collect();
        if rules.len() >= 30 && bad.is_empty() { Ok(()) } else { Err(format!("{} rules; {bad:?}", rules.len())) }
    })
    .await;
    let log = prometheus.log();
    let complaints: Vec<_> = log.lines().filter(|l| l.contains("level=warn") || l.contains("level=error")).collect();
    assert!(complaints.is_empty(), "Prometheus complains:\n{}", complaints.join("\n"));
}
