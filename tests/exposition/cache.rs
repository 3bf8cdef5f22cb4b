//! Pages are rendered once and shared, and every variant says the same.

use std::io::Read as _;
use std::sync::Arc;

use flate2::read::GzDecoder;
use futures_util::future::join_all;
use raingauge::expose::cache::Page;
use raingauge::model::Cell;

use super::fixture::{NOW, Site, cloud_lines, gauge, key, site, snapshot};
use super::parser::{Flavour, parse};

fn unpacked(page: &Page) -> String {
    let bytes = page.chunks.concat();
    if !page.gzip {
        return String::from_utf8(bytes).unwrap();
    }
    let mut text = String::new();
    let mut decoder = GzDecoder::new(bytes.as_slice());
    decoder.read_to_string(&mut text).unwrap();
    assert!(decoder.into_inner().is_empty(), "one member, nothing behind it");
    text
}

async fn scrape(site: &Site, accept: &str, encoding: &str) -> String {
    unpacked(&site.exposition.scrape(accept, encoding, NOW).await.unwrap())
}

/// More than one chunk.
fn publish_many(site: &Site, value: f64) {
    let rows: Vec<_> = (0..9_000)
        .map(|i| gauge("many", &[("number", &i.to_string()), ("what", "ever")], &[Cell::untimed(value)]))
        .collect();
    site.store.publish(key(1), snapshot(&rows));
}

fn renders(page: &str) -> u64 {
    let lines = page.lines().filter(|l| l.starts_with("raingauge_page_renders_total{"));
    lines.map(|l| l.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap()).sum()
}

const OPENMETRICS: &str = "application/openmetrics-text;version=1.0.0";

#[tokio::test]
async fn an_empty_store_has_a_page() {
    for yace in [false, true] {
        let site = site(yace);
        for encoding in ["", "gzip"] {
            let page = scrape(&site, "", encoding).await;
            assert_eq!(cloud_lines(&page), "");
            assert_eq!(page.contains("yace_cloudwatch_dmsapi_requests_total 0\n"), yace);
            parse(&page, Flavour::Text).unwrap();
        }
    }
}

#[tokio::test]
async fn a_compressed_page_unpacks_to_the_plain_one() {
    let site = site(false);
    publish_many(&site, 1.5);
    for (accept, flavour) in [("", Flavour::Text), (OPENMETRICS, Flavour::OpenMetrics)] {
        let plain = scrape(&site, accept, "").await;
        let packed = scrape(&site, accept, "gzip").await;
        assert!(cloud_lines(&plain).len() > 300_000);
        assert!(cloud_lines(&plain) == cloud_lines(&packed));
        parse(&plain, flavour).unwrap();
        parse(&packed, flavour).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn scrapes_at_the_same_time_share_one_rendering() {
    let site = Arc::new(site(false));
    for version in 1..=3_u32 {
        publish_many(&site, f64::from(version));
        let scrapes = (0..20).map(|_| {
            let site = Arc::clone(&site);
            tokio::spawn(async move { scrape(&site, "", "").await })
        });
        let pages = join_all(scrapes).await;
        let first = cloud_lines(pages[0].as_ref().unwrap());
        assert!(first.contains(&format!("many{{number=\"0\",what=\"ever\"}} {version}\n")));
        for page in &pages {
            let page = page.as_ref().unwrap();
            assert!(cloud_lines(page) == first);
            assert_eq!(renders(page), u64::from(version));
        }
    }
}

#[tokio::test]
async fn a_variant_is_rendered_once_for_each_state() {
    let site = site(false);
    publish_many(&site, 1.0);
    for _ in 0..3 {
        scrape(&site, "", "").await;
        scrape(&site, "", "gzip").await;
    }
    assert_eq!(renders(&scrape(&site, "", "").await), 2);
    publish_many(&site, 2.0);
    scrape(&site, "", "gzip").await;
    let page = scrape(&site, "", "gzip").await;
    assert_eq!(renders(&page), 3, "the plain page is not rendered again: nobody asked");
    assert!(page.contains("\nmany{number=\"0\",what=\"ever\"} 2\n"));
}

#[tokio::test]
async fn a_scrape_that_is_given_up_does_not_spoil_the_next_one() {
    let site = site(false);
    publish_many(&site, 1.0);
    let mut given_up = Box::pin(site.exposition.scrape("", "", NOW));
    tokio::select! {
        biased;
        _ = &mut given_up => panic!("a page at the first poll"),
        () = std::future::ready(()) => {}
    }
    drop(given_up);
    let page = scrape(&site, "", "").await;
    assert_eq!(renders(&page), 1);
    assert!(page.contains("many{number=\"8999\",what=\"ever\"} 1\n"));
}

#[tokio::test]
async fn offences_are_counted_once_for_each_state() {
    let site = site(true);
    let twice = gauge("m", &[("a", "1"), ("é", "x")], &[Cell::untimed(1.0)]);
    site.store.publish(key(1), snapshot(&[twice.clone(), twice]));
    scrape(&site, "", "").await;
    let page = scrape(&site, "", "gzip").await;
    for line in [
        "yace_cloudwatch_duplicate_metrics_filtered 1",
        "raingauge_duplicate_samples_total 1",
        "raingauge_dropped_labels_total 1",
        "raingauge_dropped_families_total 0",
    ] {
        assert!(page.lines().any(|l| l == line), "{line} is not in {page}");
    }
    site.store.publish(key(2), snapshot(&[gauge("", &[], &[Cell::untimed(1.0)])]));
    let page = scrape(&site, "", "").await;
    assert!(page.contains("yace_cloudwatch_duplicate_metrics_filtered 2\n"));
    assert!(page.contains("raingauge_dropped_families_total 1\n"));
}

#[tokio::test]
async fn our_own_names_follow_the_escaping_too() {
    let site = site(true);
    let page = scrape(&site, "text/plain;version=0.0.4;escaping=dots", "").await;
    assert!(page.contains(
        "# TYPE yace__cloudwatch__dmsapi__requests__total counter\nyace__cloudwatch__dmsapi__requests__total 0\n"
    ));
    assert!(page.contains("\nraingauge__build__info{version=\"1.2.3\"} 1\n"));
    parse(&page, Flavour::Text).unwrap();
}
