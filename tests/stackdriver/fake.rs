//! A Monitoring API that answers as recorded.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::{Query, State};
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;

pub(crate) struct Fake {
    pub(crate) address: String,
    recorded: Arc<Recorded>,
}

struct Recorded {
    scenario: Value,
    turn: AtomicUsize,
    failed: Mutex<HashMap<(String, usize), u64>>,
}

impl Fake {
    pub(crate) async fn start(scenario: Value) -> Self {
        let recorded = Arc::new(Recorded { scenario, turn: AtomicUsize::new(0), failed: Mutex::default() });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let app = axum::Router::new().fallback(answer).with_state(Arc::clone(&recorded));
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { address, recorded }
    }

    /// From now on the answers of that scrape are given.
    pub(crate) fn turn(&self, scrape: usize) {
        self.recorded.turn.store(scrape, Ordering::SeqCst);
    }
}

type Asked = Query<HashMap<String, String>>;

async fn answer(State(recorded): State<Arc<Recorded>>, uri: Uri, Query(query): Asked) -> Response {
    let parts: Vec<&str> = uri.path().split('/').collect();
    let ["", "v3", "projects", project, what] = parts[..] else { return status(404, "no such path") };
    let of_project = &recorded.scenario["api"][project];
    let filter = query.get("filter").map_or("", String::as_str);
    let answers = match what {
        "timeSeries" => {
            let metric = between(filter, "metric.type=\"", "\"");
            match &of_project["timeSeries"][metric] {
                Value::Null => return "{}".into_response(),
                answers => answers.clone(),
            }
        }
        "metricDescriptors" => match &of_project["metricDescriptors"] {
            Value::Null => return status(404, "no such project"),
            listed if listed["answers"].is_array() => listed["answers"].clone(),
            listed if listed["items"].is_array() => {
                let prefix = between(filter, "starts_with(\"", "\"");
                let fits = |d: &&Value| d["type"].as_str().unwrap().starts_with(prefix);
                let items: Vec<Value> = listed["items"].as_array().unwrap().iter().filter(fits).cloned().collect();
                let size = listed["page_size"].as_u64().map_or(items.len(), |n| usize::try_from(n).unwrap());
                json!({ "pages": items.chunks(size.max(1)).collect::<Vec<_>>() })
            }
            listed => listed.clone(),
        },
        _ => return status(404, "no such call"),
    };
    recorded.give(what, uri.path(), filter, &answers, &query).await
}

impl Recorded {
    async fn give(
        &self,
        what: &str,
        path: &str,
        filter: &str,
        answers: &Value,
        query: &HashMap<String, String>,
    ) -> Response {
        let turn = self.turn.load(Ordering::SeqCst);
        let answer = match answers.as_array() {
            Some(all) => &all[turn.min(all.len() - 1)],
            None => answers,
        };
        if let Some(seconds) = answer["sleep"].as_f64() {
            tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
        }
        let body = answer["body"].as_str().unwrap_or("");
        let bad = answer["status"].as_u64().filter(|s| *s != 200);
        if let Some(times) = answer["fail_times"].as_u64() {
            let mut failed = self.failed.lock().unwrap();
            let n = failed.entry((format!("{path} {filter}"), turn)).or_default();
            *n += 1;
            if *n <= times {
                return status(bad.unwrap(), body);
            }
        } else if let Some(bad) = bad {
            return status(bad, body);
        }
        if let Some(raw) = answer["raw"].as_str() {
            return raw.to_owned().into_response();
        }
        let page: usize = query.get("pageToken").map_or(0, |t| t.parse().unwrap());
        if let Some(bad) = answer["page_status"][page.to_string()].as_u64() {
            return status(bad, body);
        }
        let mut out = Map::new();
        if let Some(items) = answer["pages"][page].as_array().filter(|p| !p.is_empty()) {
            out.insert(what.to_owned(), items.clone().into());
        }
        if answer["pages"][page + 1].is_array() {
            out.insert("nextPageToken".to_owned(), (page + 1).to_string().into());
        }
        Value::Object(out).to_string().into_response()
    }
}

fn between<'a>(text: &'a str, before: &str, behind: &str) -> &'a str {
    let rest = text.split_once(before).map_or("", |(_, rest)| rest);
    rest.split_once(behind).map_or("", |(found, _)| found)
}

fn status(code: u64, body: &str) -> Response {
    (StatusCode::from_u16(u16::try_from(code).unwrap()).unwrap(), body.to_owned()).into_response()
}
