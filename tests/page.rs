//! The status page in a real browser, and `/api/v1/status` beside the metrics. Screenshots go to `target/page/`: look at them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test fails by panicking; a browser that is not installed is named"
)]

#[path = "support/bridge.rs"]
mod bridge;
#[path = "page/browser.rs"]
mod browser;
#[path = "partners/processes.rs"]
mod processes;

use std::path::PathBuf;
use std::process::Stdio;

use bridge::{Page, TestBridge};
use browser::Browser;
use processes::{Running, free_address, raingauge, wait_until, wait_until_ready};
use raingauge::clock::Clock;
use raingauge::sim::fault::{Effect, Fault};
use raingauge::sim::{Kind, SimCloud, WorldSpec};
use serde_json::Value;

/// The second job never works.
const CONFIG: &str = "
aws:
  discovery:
    jobs:
      - type: AWS/SQS
        regions: [eu-west-1]
        metrics: [{name: NumberOfMessagesSent, statistics: [Sum, Average], period: 300, length: 3600}]
      - type: AWS/Lambda
        regions: [eu-west-1]
        roles: [{roleArn: 'arn:aws:iam::000000000009:role/nobody'}]
        metrics: [{name: Errors, statistics: [Sum], period: 300, length: 3600}]
agent:
  metrics:
    namespace: Here
    metrics_collected: {mem: {measurement: [used_percent]}}
";

fn target(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/page").join(name)
}

/// `None` is said; where everything is required, it fails.
fn browser() -> Option<Browser> {
    if browser::is_installed() {
        return Some(Browser::start());
    }
    let required = std::env::var("RAINGAUGE_PARTNERS").is_ok_and(|v| v == "required");
    assert!(!required, "chromium is not installed (apt-get install chromium), and RAINGAUGE_PARTNERS=required");
    println!("skipped: chromium is not installed (apt-get install chromium)");
    None
}

async fn status(url: &str) -> Value {
    raingauge::aws::crypto::install();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    client.get(format!("{url}/api/v1/status")).send().await.unwrap().json().await.unwrap()
}

/// Everything of a kind that the page shows, as texts.
fn texts(browser: &mut Browser, selector: &str) -> Vec<String> {
    let found = browser.evaluate(&format!("[...document.querySelectorAll('{selector}')].map(e => e.textContent)"));
    found.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
}

/// As people read it: 12,345.
fn grouped(n: &Value) -> String {
    let digits = n.as_u64().unwrap().to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demos_page_in_a_browser() {
    let Some(mut browser) = browser() else { return };
    let (folder, address) = (tempfile::tempdir().unwrap(), free_address());
    let mut demo = raingauge(folder.path());
    demo.args(["demo", "--resources", "4", "--listen-address", &address.to_string()]).stdout(Stdio::null());
    let _demo = Running::start(folder.path(), "demo", &mut demo);
    let url = format!("http://{address}");
    wait_until_ready(address).await;
    // So that there is something in the sparklines.
    wait_until("there is some history", async || {
        let calls = status(&url).await["history"]["calls"].as_array().unwrap().len();
        (calls >= 5).then_some(()).ok_or(format!("{calls} points"))
    })
    .await;
    for (name, scheme, width, height, is_phone) in [
        ("light", "light", 1360, 1500, false),
        ("dark", "dark", 1360, 1500, false),
        ("phone", "light", 390, 1500, true),
    ] {
        browser.prefer(scheme);
        browser.resize(width, height, is_phone);
        browser.open(&url).await;
        let overflow = browser.evaluate("document.documentElement.scrollWidth - window.innerWidth");
        assert!(overflow.as_i64().unwrap() <= 0, "{name}: {overflow} pixels do not fit");
        browser.screenshot(&target(&format!("demo-{name}.png")));
        browser.evaluate("document.getElementById('panels').scrollIntoView()");
        browser.screenshot(&target(&format!("demo-{name}-below.png")));
    }
    shows_what_the_json_says(&mut browser, &url).await;
    keyboard(&mut browser, &url).await;
    assert_eq!(browser.complaints(), Vec::<&Value>::new());
    let elsewhere: Vec<&str> =
        browser.requested().into_iter().filter(|to| !to.starts_with(&url) && !to.starts_with("data:")).collect();
    assert!(elsewhere.is_empty(), "{elsewhere:?}");
}

async fn shows_what_the_json_says(browser: &mut Browser, url: &str) {
    browser.resize(1360, 1500, false);
    browser.open(url).await;
    // What the page was loaded with; it is renewed only after ten seconds.
    let (json, values, rows) = (
        browser.evaluate("JSON.parse(document.getElementById('data').textContent)"),
        texts(browser, "#tiles .value"),
        texts(browser, "#rows tr.job td:nth-child(-n+5)"),
    );
    let (jobs, none) = (json["jobs"].as_array().unwrap(), Value::Null);
    assert!(jobs.len() > 20, "{}", jobs.len());
    let expected = [&json["series"], &none, &json["api"]["calls"], &json["api"]["throttles"]];
    for (shown, expected) in values.iter().zip(expected).filter(|(_, expected)| !expected.is_null()) {
        assert_eq!(*shown, grouped(expected));
    }
    let mut expected: Vec<Vec<String>> = jobs
        .iter()
        .map(|job| {
            let text = |name: &str| job[name].as_str().unwrap().to_owned();
            let cloud = if job["cloud"] == "aws" { "CloudWatch" } else { "Google Cloud Monitoring" };
            let kind = if job["cloud"] == "aws" { format!(", {}", text("kind")) } else { String::new() };
            let name = format!("✓{}{cloud}{kind}", text("job"));
            let or = |text: String, empty: &str| if text.is_empty() { empty.to_owned() } else { text };
            let (region, account) = (or(text("region"), "–"), or(text("account"), "own"));
            vec![name, region, account, grouped(&job["series"]), grouped(&job["resources"])]
        })
        .collect();
    let mut shown: Vec<Vec<String>> = rows.chunks(5).map(<[String]>::to_vec).collect();
    expected.sort();
    shown.sort();
    assert_eq!(shown, expected);
    assert_eq!(texts(browser, "#verdict"), [format!("All {} jobs are good", jobs.len())]);
    assert_eq!(browser.evaluate("document.querySelectorAll('#tiles svg path').length"), 10, "five sparklines");
}

/// The order in which the tabulator visits what can be used, that each has a name, and that the filter filters.
async fn keyboard(browser: &mut Browser, url: &str) {
    browser.open(url).await;
    let visited: Vec<String> = (0..6).map(|_| browser.tab()).collect();
    assert_eq!(visited, ["Skip to the jobs", "/metrics", "JSON", "pause", "find", "which"]);
    let outline = "getComputedStyle(document.activeElement).outlineStyle";
    assert_eq!(browser.evaluate(outline), "solid", "where the focus is can be seen");
    let nameless = "[...document.querySelectorAll('input,select,button,a')].filter(e => !e.textContent.trim() && !e.labels?.length).length";
    assert_eq!(browser.evaluate(nameless), 0);
    browser.evaluate("document.getElementById('find').focus()");
    browser.write("lambda us-east-1");
    let names = texts(browser, "#rows tr.job td:nth-child(-n+2)");
    assert!(
        !names.is_empty() && names.chunks(2).all(|row| row[0].contains("AWS/Lambda") && row[1] == "us-east-1"),
        "{names:?}"
    );
    // The renewal, which takes ten seconds, keeps the filter.
    browser.wait_for("performance.getEntriesByType('resource').some(e => e.name.endsWith('/api/v1/status'))").await;
    assert_eq!(texts(browser, "#rows tr.job td:nth-child(-n+2)"), names);
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_are_shown_with_their_fix() {
    let Some(mut browser) = browser() else { return };
    let cloud = SimCloud::start(WorldSpec::empty().with(Kind::Sqs, 2), Clock::system()).await.unwrap();
    cloud.faults().add(Fault::new(Effect::AccessDenied).on("GetMetricData"));
    let bridge = TestBridge::start(&cloud, CONFIG).await;

    let bad = |s: &Value| s["jobs"].as_array().unwrap().iter().all(|job| job["state"] == "failing");
    wait_until("both jobs fail", async || {
        let status = status(&bridge.url).await;
        (status["jobs"].as_array().unwrap().len() == 2 && bad(&status)).then_some(()).ok_or(status.to_string())
    })
    .await;
    let (code, _) = bridge.reload("aws: {").await;
    assert_eq!(code, 422);
    let json = status(&bridge.url).await;
    for (name, scheme, width, is_phone) in [
        ("failing-light", "light", 1360, false),
        ("failing-dark", "dark", 1360, false),
        ("failing-phone", "dark", 390, true),
    ] {
        browser.prefer(scheme);
        browser.resize(width, 1300, is_phone);
        browser.open(&bridge.url).await;
        browser.screenshot(&target(&format!("{name}.png")));
    }
    let shown = texts(&mut browser, "#rows .failures li").join("\n");
    for failure in json["jobs"].as_array().unwrap().iter().flat_map(|job| job["failures"].as_array().unwrap()) {
        for part in ["message", "fix"] {
            assert!(shown.contains(failure[part].as_str().unwrap()), "{failure} is not in {shown}");
        }
    }
    assert_eq!(texts(&mut browser, "#verdict"), ["2 of 2 jobs fail"]);
    let notes = texts(&mut browser, "#notes").concat();
    assert!(notes.contains("The configuration could not be loaded again"), "{notes}");
    assert_eq!(browser.complaints(), Vec::<&Value>::new());
    // Behind a server that is gone, the page says so and keeps what it knew.
    bridge.stop().await;
    browser.wait_for("document.getElementById('notes').textContent.includes('does not answer')").await;
    assert_eq!(texts(&mut browser, "#rows tr.job b").len(), 2);
}

const JSON: &str = "application/json";

/// Status and text of the answer to a question.
async fn explained(url: &str, kind: &str, body: &str) -> (u16, String) {
    raingauge::aws::crypto::install();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = client.post(format!("{url}/api/v1/explain")).header("Content-Type", kind).body(body.to_owned());
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_metric_is_explained_on_the_page() {
    let cloud = SimCloud::start(WorldSpec::empty().with(Kind::Sqs, 2), Clock::system()).await.unwrap();
    let bridge = TestBridge::start(&cloud, CONFIG).await;
    wait_until("the first job is good", async || {
        let status = status(&bridge.url).await;
        (status["jobs"][0]["state"] == "good").then_some(()).ok_or(status.to_string())
    })
    .await;
    // Another site's page can make a browser send text, but not JSON.
    let question = r#"{"metric": "aws_sqs_number_of_messages_sent_maximum"}"#;
    assert_eq!(explained(&bridge.url, "text/plain", question).await.0, 415);
    for (bad, says) in [("{", "this is not"), (r#"{"metrics": 1}"#, "missing field"), (r#"{"metric": "a{b"}"#, "a{b")] {
        let (code, said) = explained(&bridge.url, JSON, bad).await;
        assert!(code == 400 && said.contains(says), "{code} {said}");
    }
    let listed = || cloud.ledger().bill().calls("ListMetrics");
    let before =
        (listed(), status(&bridge.url).await["cost"]["per_statistic"]["since_start_dollars"].as_f64().unwrap());
    let (code, said) = explained(&bridge.url, JSON, question).await;
    assert!(code == 200 && said.contains("cause          statistic"), "{code} {said}");
    let there = r#"{"metric": "aws_sqs_number_of_messages_sent_sum"}"#;
    let (code, said) = explained(&bridge.url, "application/json; charset=utf-8", there).await;
    assert!(code == 200 && said.contains("ok    points"), "{code} {said}");
    let after = (listed(), status(&bridge.url).await["cost"]["per_statistic"]["since_start_dollars"].as_f64().unwrap());
    assert!(after.0 > before.0 && after.1 > before.1, "it is in the books: {before:?} {after:?}");

    let Some(mut browser) = browser() else { return };
    browser.resize(390, 1300, true);
    browser.open(&bridge.url).await;
    browser.evaluate("document.getElementById('metric').focus()");
    browser.write("aws_sqs_number_of_messages_sent_sum{dimension_QueueName=\"none\"}");
    browser.evaluate("document.getElementById('explain').requestSubmit()");
    browser.wait_for("document.getElementById('explanation').textContent.includes('spent: ')").await;
    let text = texts(&mut browser, "#explanation").concat();
    assert!(text.contains("cause          label_value") && text.contains("fix"), "{text}");
    browser.evaluate("document.getElementById('explanation').scrollIntoView()");
    browser.screenshot(&target("explained-phone.png"));
    assert_eq!(browser.complaints(), Vec::<&Value>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_number_is_a_metric_too() {
    let cloud = SimCloud::start(WorldSpec::empty().with(Kind::Sqs, 2), Clock::system()).await.unwrap();
    let config =
        CONFIG.split("agent:").next().unwrap().replace("type: AWS/SQS\n", "type: AWS/SQS\n        interval: 60s\n");
    let bridge = TestBridge::start(&cloud, &config).await;
    // Metrics of sums are renewed every five seconds: at rest both say the same.
    let compared = wait_until("the JSON and the metrics agree", async || {
        let (before, page, after) = (status(&bridge.url).await, bridge.page().await, status(&bridge.url).await);
        let is_at_rest = before["api"] == after["api"] && before["jobs"][0]["series"] == after["jobs"][0]["series"];
        if !is_at_rest || before["jobs"][0]["state"] != "good" || before["jobs"][1]["state"] != "failing" {
            return Err("not at rest".to_owned());
        }
        compare(&after, &page)
    })
    .await;
    assert!(compared >= 25, "{compared}");
}

/// How many numbers agree, or the first that does not.
fn compare(json: &Value, page: &Page) -> Result<usize, String> {
    let mut count = 0;
    let mut same = |what: &str, json: &Value, metric: f64| {
        count += 1;
        let json = json.as_f64().ok_or_else(|| format!("{what} is not there"))?;
        // Ages go on.
        let allowed = if what.ends_with("age_seconds") || what.ends_with("run_seconds") { 5.0 } else { 1e-9 };
        if (json - metric).abs() <= allowed { Ok(()) } else { Err(format!("{what}: {json}, but {metric}")) }
    };
    let series = page.samples.iter().find(|(name, ..)| name == "raingauge_series").ok_or("no raingauge_series")?.1;
    same("series", &json["series"], series)?;
    same("resources", &json["resources"], page.sum("raingauge_job_resources{", &[]))?;
    for reading in ["per_statistic", "per_block"] {
        let (cost, label) = (&json["cost"][reading], format!("reading=\"{reading}\""));
        same("since", &cost["since_start_dollars"], page.sum("raingauge_estimated_cost_dollars_total{", &[&label]))?;
        same("today", &cost["today_dollars"], page.sum("raingauge_estimated_cost_today_dollars{", &[&label]))?;
    }
    let calls =
        [("calls", "calls"), ("failed_calls", "failed_calls"), ("retries", "retries"), ("throttles", "throttles")];
    for (field, metric) in calls {
        let metric = format!("raingauge_api_{metric}_total{{");
        same(field, &json["api"][field], page.sum(&metric, &[]))?;
        for operation in json["api"]["operations"].as_array().unwrap() {
            let label = format!("operation={}", operation["operation"]);
            same(field, &operation[field], page.sum(&metric, &[&label]))?;
        }
    }
    for job in json["jobs"].as_array().unwrap() {
        let label = format!("job={}", job["job"]);
        if !job["series"].is_null() {
            same("series of a job", &job["series"], page.sum("raingauge_job_series{", &[&label]))?;
        }
        for run in ["discover", "fetch"] {
            let (facts, run) = (&job[run], format!("run=\"{run}\""));
            for (field, metric) in [
                ("last_run_duration_seconds", "raingauge_job_last_run_duration_seconds{"),
                ("last_success_age_seconds", "raingauge_job_age_seconds{"),
                ("next_run_seconds", "raingauge_job_next_run_seconds{"),
            ] {
                if !facts[field].is_null() {
                    same(field, &facts[field], page.sum(metric, &[&label, &run]))?;
                }
            }
        }
    }
    for state in ["good", "failing", "waiting"] {
        let is = json["jobs"].as_array().unwrap().iter().filter(|job| job["state"] == state).count();
        let label = format!("state=\"{state}\"");
        same(state, &is.into(), page.sum("raingauge_jobs{", &[&label]))?;
    }
    Ok(count)
}
