//! The dashboards and rules as data.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// A query and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Query {
    pub(crate) place: String,
    pub(crate) promql: String,
    /// The labels that its legend or its annotations name.
    pub(crate) shown: Vec<String>,
}

/// A path below `deploy/`.
pub(crate) fn deploy(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(path)
}

/// A YAML file below `deploy/`.
pub(crate) fn yaml(path: &str) -> Value {
    let text = fs::read_to_string(deploy(path)).unwrap_or_else(|e| panic!("{path}: {e}"));
    serde_yaml::from_str(&text).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// The dashboards, with their file names.
pub(crate) fn dashboards() -> Vec<(String, Value)> {
    let mut paths: Vec<_> = fs::read_dir(deploy("grafana/dashboards")).unwrap().map(|e| e.unwrap().path()).collect();
    paths.sort();
    let read = |path: &PathBuf| serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    paths.iter().map(|p| (p.file_name().unwrap().to_string_lossy().into_owned(), read(p))).collect()
}

/// An array, or nothing.
pub(crate) fn items<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// A text.
pub(crate) fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// Every query of every dashboard, those behind the variables too.
pub(crate) fn dashboard_queries() -> Vec<Query> {
    let mut queries = Vec::new();
    for (file, dashboard) in dashboards() {
        for variable in items(&dashboard, "/templating/list").iter().filter(|v| text(v, "/type") == "query") {
            let definition = text(variable, "/definition");
            let inside = definition.strip_prefix("label_values(").and_then(|d| d.strip_suffix(')')).unwrap();
            let (metric, label) = inside.rsplit_once(", ").unwrap();
            let place = format!("{file}, variable {}", text(variable, "/name"));
            queries.push(Query { place, promql: metric.to_owned(), shown: vec![label.to_owned()] });
        }
        for panel in items(&dashboard, "/panels") {
            for target in items(panel, "/targets") {
                let place = format!("{file}, {}", text(panel, "/title"));
                let shown = super::promql::in_braces(text(target, "/legendFormat")).into_iter().collect();
                queries.push(Query { place, promql: text(target, "/expr").to_owned(), shown });
            }
        }
    }
    queries
}

/// Every rule, with the labels that its annotations name.
pub(crate) fn rule_queries() -> Vec<Query> {
    let rules = yaml("prometheus/raingauge.rules.yml");
    let mut queries = Vec::new();
    for rule in items(&rules, "/groups").iter().flat_map(|group| items(group, "/rules")) {
        let annotations = format!("{}{}", text(rule, "/annotations/summary"), text(rule, "/annotations/description"));
        let shown = annotations
            .split("$labels.")
            .skip(1)
            .map(|rest| rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>());
        let shown = shown.collect();
        let place = format!("rule {}{}", text(rule, "/alert"), text(rule, "/record"));
        queries.push(Query { place, promql: text(rule, "/expr").to_owned(), shown });
    }
    queries
}
