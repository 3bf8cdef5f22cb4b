//! The architecture, executed: who may import whom, which file may name which library, which files are pure, who reads
//! the clock, how long a file may be. The rules stand in `layering/rules.rs`, each with its reason.
//!
//! It reads source text (comments and strings taken out, `#[cfg(test)]` items too): code that is only compiled on another
//! platform, and paths that a macro puts together, are beyond it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "layering/checks.rs"]
mod checks;
#[path = "layering/lexer.rs"]
mod lexer;
#[path = "layering/paths.rs"]
mod paths;
#[path = "layering/rules.rs"]
mod rules;

use std::fs;
use std::path::Path;

use checks::{Source, check};

/// Every `.rs` file below `folder`, as (path from the project's root, text).
fn sources_below(folder: &str) -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    let mut folders = vec![root.join(folder)];
    folders.retain(|f| f.exists());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|e| panic!("list {}: {e}", folder.display())) {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/");
                found.push((name, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

#[test]
fn the_sources_keep_to_the_architecture() {
    let files = [sources_below("src"), sources_below("tests"), sources_below("benches")].concat();
    assert!(files.iter().any(|(path, _)| path == "src/lib.rs"), "the sources were not found");
    let sources: Vec<_> = files.iter().map(|(path, text)| Source::new(path, text)).collect();
    let offences = check(&sources);
    assert!(offences.is_empty(), "{} offence(s):\n{}", offences.len(), offences.join("\n"));
}

#[test]
fn the_table_of_imports_has_no_cycle() {
    let edges: Vec<(&str, &str)> = rules::IMPORTS
        .iter()
        .filter(|rule| rule.module != "app" && rule.module != "main")
        .flat_map(|rule| rule.may.iter().map(|to| (rule.module, to.split("::").next().unwrap())))
        .collect();
    assert_eq!(checks::cycle(&edges), None);
}

#[test]
fn every_rule_is_about_something_that_exists() {
    let exists = |place: &&str| Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(place).exists();
    let modules = rules::IMPORTS.iter().map(|rule| format!("{}.rs", rule.module));
    // A folder may wait for its file to grow.
    let files =
        rules::LIBRARIES.iter().flat_map(|rule| rule.only_in).chain(rules::PURE).chain(rules::WALL_TIME_ONLY_IN);
    let files = files.map(|place| place.strip_suffix('/').map_or((*place).to_owned(), |folder| format!("{folder}.rs")));
    let missing: Vec<_> = modules.chain(files).filter(|place| !exists(&place.as_str())).collect();
    assert_eq!(missing, Vec::<String>::new(), "tests/layering/rules.rs names files that are not there");
}

/// The offences of a project that has only these files.
fn offences(files: &[(&str, &str)]) -> Vec<String> {
    check(&files.iter().map(|(path, text)| Source::new(path, text)).collect::<Vec<_>>())
}

/// Asserts that this one file is refused, with these words in the first message.
fn refused(path: &str, text: &str, words: &[&str]) {
    let text = format!("//! Purpose.\n{text}");
    let found = offences(&[(path, &text)]);
    let first = found.first().unwrap_or_else(|| panic!("{path} was accepted:\n{text}"));
    for word in words {
        assert!(first.contains(word), "{word:?} is not in: {first}");
    }
}

fn accepted(path: &str, text: &str) {
    let text = format!("//! Purpose.\n{text}");
    assert_eq!(offences(&[(path, &text)]), Vec::<String>::new(), "{path}:\n{text}");
}

#[test]
fn wrong_imports_are_found_however_they_are_written() {
    refused("src/expose/http.rs", "use crate::aws::job::Job;", &["src/expose/http.rs:2", "crate::aws", "expose may"]);
    refused("src/expose/http.rs", "use crate::{\n  model::Text,\n  work::{self},\n};", &[":4:", "crate::work"]);
    refused("src/store.rs", "pub use crate::{model::{Text, Kind}, {seam as s}};", &["crate::seam"]);
    refused("src/expose/page.rs", "fn f() { let x = crate::config::load(); }", &["crate::config"]);
    refused("src/expose/page.rs", "fn f() { super::super::sim::f() }", &["crate::sim"]);
    refused("src/aws/fetch.rs", "fn f(c: &crate::clock::Clock) {}", &["crate::clock"]);
    refused("src/model/x.rs", "type T = <crate::seam::Call as X>::Y;", &["crate::seam"]);
    refused("src/config/yace.rs", "use crate::aws::client::Client;", &["crate::aws::client", "config may"]);
    refused("src/main.rs", "fn main() { raingauge::sim::run() }", &["raingauge::sim", "main may"]);
    refused("src/newcomer.rs", "", &["newcomer", "IMPORTS"]);
}

#[test]
fn right_imports_are_left_alone() {
    accepted("src/config/yace.rs", "use crate::aws::job::{Job, Role};\nuse crate::aws::catalog;");
    accepted("src/aws/fetch.rs", "use super::api::Api;\nuse crate::{model, seam::Reason};\nuse self::inner::X;");
    accepted(
        "src/store.rs",
        "// use crate::aws\n/* crate::sim /* nested */ crate::sim */ const S: &str = \"crate::sim\";",
    );
    accepted("src/store.rs", "const R: &str = r#\"crate::sim \" \"#; const C: char = '\"'; fn f<'a>(x: &'a u8) {}");
    accepted("src/model/x.rs", "#[cfg(test)]\nmod tests { use crate::sim::World; fn f() { if true {} } }");
    accepted("src/model/x/tests.rs", "use crate::sim::World;");
    accepted("src/main.rs", "fn main() { raingauge::app::main(raingauge::cli::parse()) }");
}

#[test]
fn code_behind_a_test_item_is_seen_again() {
    refused("src/store.rs", "#[cfg(test)]\nmod tests;\nuse crate::sim::World;", &[":4:", "crate::sim"]);
    refused("src/store.rs", "#[cfg(test)]\nmod t { fn f() {} }\nuse crate::sim::World;", &[":4:", "crate::sim"]);
    refused("src/store.rs", "#[cfg(not(test))]\nuse crate::sim::World;", &[":3:", "crate::sim"]);
}

#[test]
fn libraries_stay_in_their_files() {
    refused("src/aws/fetch.rs", "use aws_sdk_cloudwatch::Client;", &["aws_sdk_", "aws/client.rs"]);
    refused("src/aws/fetch.rs", "async fn f() { aws_config::load().await }", &["aws_config"]);
    refused("src/app/run.rs", "use axum::Router;", &["axum", "expose/http.rs"]);
    refused("src/config/yace.rs", "use serde_yaml as y;", &["serde_yaml"]);
    refused("src/work/worker.rs", "fn f() { std::fs::read(\"x\"); }", &["std::fs"]);
    refused("src/work/worker.rs", "use std::{collections::BTreeMap, env};", &["std::env"]);
    refused("src/sim/world.rs", "use reqwest::Client;", &["reqwest"]);
    accepted("src/aws/client.rs", "use aws_sdk_cloudwatch::Client;");
    accepted("src/aws/client/convert.rs", "use aws_sdk_cloudwatch::Client;");
    accepted("src/sim/wire/cloudwatch.rs", "use axum::Router;");
    accepted("src/work/worker.rs", "const V: &str = env!(\"CARGO_PKG_VERSION\"); fn f(aws_jobs: u8) { g(aws_jobs) }");
    refused("src/work/worker.rs", "use aws_types as t;", &["aws_*"]);
}

#[test]
fn wall_time_has_one_reader() {
    refused("src/work/worker.rs", "fn f() { std::time::SystemTime::now(); }", &["SystemTime::now", "clock.rs"]);
    refused("src/app/run.rs", "fn f() { time::OffsetDateTime::now_utc(); }", &["now_utc"]);
    accepted("src/clock.rs", "fn f() { SystemTime::now(); }");
}

#[test]
fn pure_files_are_pure() {
    refused("src/aws/plan.rs", "async fn f() {}", &["async", "pure"]);
    refused("src/aws/catalog/table.rs", "fn f() { tokio::spawn(g()); }", &["tokio", "pure"]);
    refused("src/expose/text.rs", "use std::net::TcpStream;", &["std::net", "pure"]);
    refused("src/config/resolve.rs", "fn f() { x.await }", &["await", "pure"]);
    accepted("src/aws/discover.rs", "async fn f() { tokio::spawn(g()).await }");
}

#[test]
fn a_cycle_is_named() {
    let edges = [("a", "b"), ("b", "c"), ("c", "a"), ("c", "d")];
    assert_eq!(checks::cycle(&edges).as_deref(), Some("a → b → c → a"));
    assert_eq!(checks::cycle(&edges[..2]), None);
    let found = offences(&[("src/app.rs", "//! A.\nuse crate::cli::X;"), ("src/cli.rs", "//! C.\nuse crate::app::Y;")]);
    assert!(found.iter().any(|o| o.contains("app → cli → app")), "{found:?}");
}

#[test]
fn names_and_sizes_are_checked() {
    refused("src/work/util.rs", "", &["util", "what it does"]);
    refused("src/work.rs", "mod helpers { }", &["helpers"]);
    refused("src/work/mod.rs", "", &["mod.rs"]);
    refused("src/errors.rs", "", &["errors"]);
    refused("src/work/worker.rs", &"fn f() {}\n".repeat(501), &["501 lines", "500"]);
    accepted("src/work/worker.rs", &format!("{}{}", "fn f() {}\n".repeat(500), "// a comment\n\n".repeat(99)));
    let headless = offences(&[("src/work/worker.rs", "fn f() {}")]);
    assert!(headless[0].contains("//!"), "{headless:?}");
}
