//! What only the inside can see: the keys that the reader knows against the example, and files that nobody wrote.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::fields::Section;
use super::*;

const EXAMPLE: &str = include_str!("../../config.example.yml");
const YACE: &str = include_str!("../../tests/fixtures/config/yace/mixed.yml");

fn parsed(text: &[u8], dialect: Option<Dialect>) -> Result<Loaded, Mistakes> {
    let options = LoadOptions { dialect, ..LoadOptions::default() };
    parse(Path::new("test.yml"), text, &options, &|_| None)
}

#[test]
fn the_example_names_every_key() {
    let mut keys: BTreeSet<&str> = native::keys().into_iter().collect();
    keys.extend(written::keys());
    keys.extend(gcp::keys());
    assert!(keys.len() > 40, "{keys:?}");
    let missing: Vec<_> = keys.iter().filter(|key| !has_key(key)).collect();
    assert!(missing.is_empty(), "config.example.yml lacks {missing:?}");
}

/// A key in use, in a comment, or named as another one's twin.
fn has_key(key: &str) -> bool {
    EXAMPLE.contains(&format!(" {key}:"))
        || EXAMPLE.contains(&format!("\n{key}:"))
        || EXAMPLE.contains(&format!(" {key} is the same key"))
}

#[test]
fn the_example_shows_the_defaults() {
    let loaded = parsed(EXAMPLE.as_bytes(), None).unwrap();
    assert_eq!(loaded.warnings, []);
    let bare = "aws: {static: [{name: a, namespace: n, regions: [r], metrics: [{name: m, statistics: [Sum]}]}]}";
    let bare = parsed(bare.as_bytes(), None).unwrap().settings.aws.unwrap();
    let aws = loaded.settings.aws.unwrap();
    assert_eq!(aws.access.fips, bare.access.fips);
    assert_eq!(aws.access.concurrency, bare.access.concurrency);
    assert_eq!(aws.naming, bare.naming);
    // The only job of the example that takes every default.
    let custom = aws.jobs.iter().find(|j| &*j.name == "app").unwrap();
    assert_eq!(custom.timing, bare.jobs[0].timing);
    assert_eq!(custom.metrics_per_query, bare.jobs[0].metrics_per_query);
    assert_eq!(loaded.settings.web.listen_addresses, [Text::from("0.0.0.0:5000")]);
}

#[test]
fn timeouts_and_priorities() {
    use crate::seam::Priority;
    let file = |defaults: &str, own: &str| {
        format!(
            "aws:\n{defaults}  static: [{{name: n, namespace: s, regions: [r], metrics: [{{name: m, statistics: [Sum]}}]{own}}}]\n"
        )
    };
    let timing = |defaults, own| {
        let timing = parsed(file(defaults, own).as_bytes(), None).unwrap().settings.aws.unwrap().jobs[0].timing;
        (timing.deadline.map(|d| d.as_secs()), timing.priority)
    };
    assert_eq!(timing("", ""), (None, Priority::Normal));
    assert_eq!(timing("  timeout: 2m\n  priority: low\n", ""), (Some(120), Priority::Low));
    let own = ", timeout: 45, priority: high";
    assert_eq!(timing("  timeout: 2m\n  priority: low\n", own), (Some(45), Priority::High));
    let said = parsed(file("  timeout: 0\n", ", priority: urgent").as_bytes(), None).unwrap_err().to_string();
    assert!(said.contains("aws.timeout: this is at least one second"), "{said}");
    assert!(said.contains("aws.static[0].priority: `urgent` is no priority: write low, normal or high"), "{said}");
}

#[test]
fn every_kind_of_section_clears_on_null() {
    let mut aws = written::Aws::default();
    aws.sts_region.is_given = true;
    aws.clear();
    assert!(!aws.sts_region.is_given);
}

#[test]
fn aliases_multiply_only_what_is_read() {
    // Each line has ten of the line before it.
    let bomb: Vec<_> = (1..9).map(|n| format!("k{n}: &a{n} [{}]\n", format!("*a{} ,", n - 1).repeat(10))).collect();
    let bomb = format!("apiVersion: v1alpha1\nk0: &a0 {{name: n, namespace: s, regions: [r]}}\n{}", bomb.concat());
    assert!(parsed(format!("{bomb}static: []\n").as_bytes(), Some(Dialect::Yace)).is_ok());
    let thousand = "*m ,".repeat(2000);
    let table = [
        format!(
            "m: &m {{name: m}}\nj: &j {{name: n, namespace: s, regions: [r], metrics: [{thousand}]}}\nstatic: [{}]\n",
            "*j ,".repeat(2000)
        ),
        format!("m: &m {{name: m}}\nn: &n {{<<: [{thousand}]}}\nstatic: [{{<<: [{}]}}]\n", "*n ,".repeat(2000)),
        format!(
            "m: &m {}\nstatic: [{{name: n, namespace: s, regions: [{}]}}]\n",
            "x".repeat(100_000),
            "*m ,".repeat(20_000)
        ),
    ];
    for text in table {
        let e = parsed(text.as_bytes(), Some(Dialect::Yace)).unwrap_err();
        assert_eq!(e.mistakes.len(), 1);
        assert!(e.mistakes[0].message.contains("with its aliases followed") && e.mistakes[0].line > 0, "{e}");
    }
}

/// Cuts, doubles and overwrites parts of a good file.
fn mutated(good: &'static str) -> impl Strategy<Value = Vec<u8>> {
    let inserts = prop::sample::select(vec![
        "\t", "\n", " ", ":", "- ", "'", "\"", "{", "}", "[", "]", ",", "#", "&a ", "*a ", "!!int ", "<<: ", "|", ">",
        "?", "%", "~", "0", "\r", "\0", "é", "---\n", "${A}", "\\",
    ]);
    let edit = (0..good.len(), 0_usize..8, inserts);
    prop::collection::vec(edit, 1..6).prop_map(|edits| {
        let mut bytes = good.as_bytes().to_vec();
        for (at, cut, insert) in edits {
            let at = at.min(bytes.len());
            let end = (at + cut).min(bytes.len());
            bytes.splice(at..end, insert.bytes());
        }
        bytes
    })
}

fn is_told_well(result: Result<Loaded, Mistakes>) -> Result<(), TestCaseError> {
    if let Err(e) = result {
        prop_assert!(!e.mistakes.is_empty());
        prop_assert!(e.mistakes.iter().all(|m| !m.message.is_empty()));
        prop_assert!(e.mistakes.is_sorted_by_key(|m| (m.line, m.column)));
    }
    Ok(())
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        is_told_well(parsed(&bytes, None))?;
        is_told_well(parsed(&bytes, Some(Dialect::Yace)))?;
    }

    #[test]
    fn any_text_of_yaml_is_read_or_refused(text in "[a-c0-9:,'\"{}\\[\\]&*!|>%#~\\n\\t -]{0,120}") {
        is_told_well(parsed(text.as_bytes(), Some(Dialect::Native)))?;
        is_told_well(parsed(text.as_bytes(), Some(Dialect::Yace)))?;
    }

    #[test]
    fn any_mutation_of_a_yace_file(bytes in mutated(YACE)) {
        is_told_well(parsed(&bytes, None))?;
        is_told_well(parsed(&bytes, Some(Dialect::Yace)))?;
    }

    #[test]
    fn any_mutation_of_a_native_file(bytes in mutated(EXAMPLE)) {
        is_told_well(parsed(&bytes, None))?;
    }

    #[test]
    fn line_breaks_and_marks_make_no_difference(crlf in any::<bool>(), bom in any::<bool>(), comment in any::<bool>()) {
        let mut text = if comment { format!("# é\n{YACE}") } else { YACE.to_owned() };
        let plain = parsed(text.as_bytes(), None).unwrap();
        if crlf {
            text = text.replace('\n', "\r\n");
        }
        if bom {
            text.insert(0, '\u{FEFF}');
        }
        let other = parsed(text.as_bytes(), None).unwrap();
        prop_assert_eq!(format!("{:?}", plain), format!("{:?}", other));
    }
}
