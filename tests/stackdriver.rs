//! Recorded answers of the Monitoring API through our whole Google half, from HTTP to the page, compared with what
//! stackdriver_exporter printed for them (`tests/fixtures/stackdriver`). Timestamps of counters that got nothing hold within one
//! minute of the wall clock, so time stands still here.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test fails by panicking"
)]

#[path = "stackdriver/case.rs"]
mod case;
#[path = "stackdriver/client.rs"]
mod client;
#[path = "stackdriver/credentials.rs"]
mod credentials;
#[path = "stackdriver/fake.rs"]
mod fake;
#[path = "exposition/parser.rs"]
mod parser;

use std::collections::{BTreeMap, BTreeSet};

use case::Case;
use raingauge::expose::text::Escaping;

/// Every case that the real program printed a good page for: line for line.
#[tokio::test]
async fn pages_are_those_of_the_peer() {
    let mut wrong = Vec::new();
    let cases = Case::all(|case| case.must.is_empty());
    assert!(cases.len() > 30, "only {} cases", cases.len());
    for case in cases {
        let mut bridge = case.start().await;
        for scrape in 0..case.scrapes.len() {
            let index = case.scrapes[scrape]["answer_index"].as_u64().map_or(scrape, |n| usize::try_from(n).unwrap());
            let escaping = escaping(case.scrapes[scrape]["headers"]["Accept"].as_str());
            let page = bridge.scrape(index, escaping).await;
            let expected = case.expected(scrape).replace("a:b=", &format!("{}=", escaping.apply_to_label("a:b")));
            let may_lack = case.may_lack(scrape);
            let (want, have) = (count(&expected), count(&page));
            for line in want.keys().chain(have.keys()).collect::<BTreeSet<_>>() {
                let (want, have) = (want.get(line).unwrap_or(&0), have.get(line).unwrap_or(&0));
                let enough = have < want && may_lack.iter().any(|l| l == line);
                if want != have && !enough {
                    wrong.push(format!("{} scrape {scrape}: wanted {want}, got {have}: {line}", case.name));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} lines differ:\n{}", wrong.len(), wrong.join("\n"));
}

/// Where the real program answers 500 or dies: a valid page with everything that is good.
#[tokio::test]
async fn where_the_peer_fails_the_page_is_valid_and_has_what_is_good() {
    let cases = Case::all(|case| !case.must.is_empty());
    assert!(cases.len() > 12, "only {} cases", cases.len());
    for case in cases {
        let mut bridge = case.start().await;
        for scrape in 0..2 {
            let page = bridge.scrape(scrape, Escaping::Underscores).await;
            if let Err(why) = parser::parse(&page, parser::Flavour::Text) {
                panic!(
                    "{}: {why}
{page}",
                    case.name
                );
            }
            let have: BTreeSet<String> = page.lines().map(without_empty_labels).collect();
            for line in &case.must {
                assert!(have.contains(&without_empty_labels(line)), "{} lacks {line}:\n{page}", case.name);
            }
            for choice in &case.one_of {
                let any = choice.iter().any(|line| have.contains(&without_empty_labels(line)));
                assert!(any, "{} has none of {choice:?}:\n{page}", case.name);
            }
            for pattern in &case.patterns {
                let pattern = regex::Regex::new(&format!("^(?:{pattern})$")).unwrap();
                assert!(page.lines().any(|l| pattern.is_match(l)), "{} has nothing like {pattern}:\n{page}", case.name);
            }
        }
        if case.name.contains("CRASH") || case.name.contains("crash") {
            let left_out: u64 = bridge.left_out.iter().map(|(_, n)| n).sum();
            assert!(left_out > 0, "{}: what was left out is counted", case.name);
        }
    }
}

fn escaping(accept: Option<&str>) -> Escaping {
    let accept = accept.unwrap_or_default();
    let named = |e: &&Escaping| accept.contains(&format!("escaping={}", e.as_str()));
    Escaping::ALL.iter().find(named).copied().unwrap_or_default()
}

fn count(page: &str) -> BTreeMap<&str, usize> {
    let mut lines = BTreeMap::new();
    for line in page.lines() {
        *lines.entry(line).or_default() += 1;
    }
    lines
}

/// Filling in a missing label must not matter where only presence is asked.
fn without_empty_labels(line: &str) -> String {
    let mut line = line.to_owned();
    while let Some(at) = line.find("=\"\"") {
        let start = line[..at].rfind([',', '{']).unwrap() + 1;
        let end = at + 3 + usize::from(line[at + 3..].starts_with(','));
        line.replace_range(start..end, "");
    }
    line.replace(",}", "}")
}
