//! Whatever the names, labels and values: the page is valid, and holds exactly what the rules say.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use raingauge::expose::page::Style;
use raingauge::expose::text::Escaping;
use raingauge::model::{Cell, Kind, Timestamp};
use raingauge::telemetry::Format;

use super::fixture::{Series, family, text, view};
use super::parser::{Flavour, parse};

fn names() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => prop::sample::select(vec!["m", "m_total", "a.b", "a-b", "a_b", "é", "9", "", "a\"\\\n", "raingauge_x", "U__a"])
            .prop_map(str::to_owned),
        1 => any::<String>(),
    ]
}

fn label() -> impl Strategy<Value = (String, String)> {
    let name = prop_oneof![
        6 => prop::sample::select(vec!["a", "b", "c", "B", "", "1a", "é", "__name__", "a:b"]).prop_map(str::to_owned),
        1 => any::<String>(),
    ];
    let value =
        prop_oneof![3 => prop::sample::select(vec!["", "x", "y"]).prop_map(str::to_owned), 2 => any::<String>()];
    (name, value)
}

fn cell() -> impl Strategy<Value = Cell> {
    let time = prop_oneof![
        2 => Just(None),
        3 => (0..5_000_i64).prop_map(Some),
        1 => (-10_000_000_000_000..10_000_000_000_000_i64).prop_map(Some),
    ];
    let value = prop_oneof![any::<f64>(), (-5..5_i8).prop_map(f64::from)];
    (value, time).prop_map(|(value, time)| match time {
        None => Cell::untimed(value),
        Some(ms) => Cell::timed(value, Timestamp::from_millis(ms)),
    })
}

prop_compose! {
    fn series()(
        name in names(),
        counter: bool,
        labels in prop::collection::vec(label(), 0..5),
        samples in prop::collection::vec(cell(), 0..4),
    ) -> Series {
        let kind = if counter { Kind::Counter } else { Kind::Gauge };
        Series { family: family(&name, kind), labels, samples }
    }
}

fn slots() -> impl Strategy<Value = Vec<Vec<Series>>> {
    prop::collection::vec(prop::collection::vec(series(), 0..12), 0..4)
}

fn legal(label: &str) -> bool {
    let mut chars = label.chars();
    chars.next().is_some_and(|c| c == '_' || c.is_ascii_alphabetic())
        && chars.all(|c| c == '_' || c.is_ascii_alphanumeric())
        && label != "__name__"
}

/// The labels that matter: legal ones with a value, the last of each name.
fn essence(labels: &[(String, String)]) -> BTreeMap<String, String> {
    let last: BTreeMap<_, _> = labels.iter().cloned().collect();
    last.into_iter().filter(|(name, value)| legal(name) && !value.is_empty()).collect()
}

type Points = BTreeMap<i64, (Option<i64>, String)>;

/// Family → labels → second → (milliseconds, value).
fn expected(slots: &[Vec<Series>]) -> BTreeMap<String, BTreeMap<BTreeMap<String, String>, Points>> {
    let mut all: BTreeMap<_, BTreeMap<_, Points>> = BTreeMap::new();
    for series in slots.iter().flatten() {
        let name = series.family.name.to_string();
        if name.is_empty() || ["raingauge_", "process_", "yace_"].iter().any(|p| name.starts_with(p)) {
            continue;
        }
        for cell in &series.samples {
            let time = cell.timestamp();
            let points = all.entry(name.clone()).or_default().entry(essence(&series.labels)).or_default();
            points
                .entry(time.map_or(0, Timestamp::as_secs))
                .or_insert((time.map(Timestamp::as_millis), spelled(cell.value())));
        }
    }
    all
}

/// All NaNs are one, and so are the two zeros.
fn spelled(value: f64) -> String {
    if value == 0.0 { "0".into() } else { format!("{value:e}") }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn every_page_is_valid(slots in slots()) {
        let view = view(&slots);
        for escaping in Escaping::ALL {
            for (format, flavour) in [(Format::Text, Flavour::Text), (Format::OpenMetrics, Flavour::OpenMetrics)] {
                let mut page = text(&view, Style { format, escaping }).0;
                if format == Format::OpenMetrics {
                    page.push_str("# EOF\n");
                }
                let families = parse(&page, flavour).map_err(|e| TestCaseError::fail(format!("{e}\n{page}")))?;
                for family in families {
                    let names: BTreeSet<Vec<&String>> =
                        family.samples.iter().map(|s| s.labels.keys().collect()).collect();
                    prop_assert_eq!(names.len(), 1, "the labels of {} are not unified", family.name);
                }
            }
        }
    }

    #[test]
    fn every_page_holds_what_it_should(slots in slots()) {
        let view = view(&slots);
        let (page, duplicates) = text(&view, Style { format: Format::Text, escaping: Escaping::AllowUtf8 });
        let families = parse(&page, Flavour::Text).map_err(|e| TestCaseError::fail(format!("{e}\n{page}")))?;
        let names: Vec<&String> = families.iter().map(|f| &f.name).collect();
        prop_assert!(names.is_sorted(), "{:?}", names);
        let mut got = BTreeMap::new();
        let mut shown = 0;
        for family in &families {
            let values = |s: &super::parser::Sample| s.labels.values().cloned().collect::<Vec<_>>();
            prop_assert!(family.samples.is_sorted_by_key(values), "rows of {} are not sorted", family.name);
            let rows: &mut BTreeMap<_, Points> = got.entry(family.name.clone()).or_default();
            for sample in &family.samples {
                shown += 1;
                let labels = sample.labels.clone().into_iter().filter(|(_, v)| !v.is_empty()).collect();
                let ms: Option<i64> = sample.time.as_ref().map(|t| t.parse().unwrap());
                rows.entry(labels).or_default().insert(ms.unwrap_or(0).div_euclid(1000), (ms, spelled(sample.value)));
            }
        }
        prop_assert_eq!(&got, &expected(&slots));
        let reserved = |s: &&Series| got.contains_key(&*s.family.name);
        let given: usize = slots.iter().flatten().filter(reserved).map(|s| s.samples.len()).sum();
        prop_assert_eq!(given - shown, usize::try_from(duplicates).unwrap());
    }
}
