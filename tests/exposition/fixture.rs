//! Views and stores for tests, written down shortly.

use std::sync::Arc;
use std::time::Duration;

use raingauge::expose::cache::{Exposition, ExpositionSettings};
use raingauge::expose::layout::Layout;
use raingauge::expose::page::{Plain, Style, render};
use raingauge::model::{Cell, Family, Kind, LabelSet, SeriesSetBuilder, Snapshot, Text, Timestamp};
use raingauge::store::{SlotKey, Store, View};
use raingauge::telemetry::{Telemetry, TelemetrySettings};

pub(crate) const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);
pub(crate) const HELP: &str = "Help is not implemented yet.";

/// A series with its samples.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    pub(crate) family: Family,
    pub(crate) labels: Vec<(String, String)>,
    pub(crate) samples: Vec<Cell>,
}

pub(crate) fn family(name: &str, kind: Kind) -> Family {
    Family { name: name.into(), help: HELP.into(), kind }
}

pub(crate) fn gauge(name: &str, labels: &[(&str, &str)], samples: &[Cell]) -> Series {
    let labels = labels.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
    Series { family: family(name, Kind::Gauge), labels, samples: samples.to_vec() }
}

pub(crate) fn snapshot(all: &[Series]) -> Snapshot {
    let mut set = SeriesSetBuilder::default();
    for series in all {
        let f = set.family(series.family.clone());
        let labels = series.labels.iter().map(|(n, v)| (Text::from(n.as_str()), Text::from(v.as_str())));
        let l = set.labels(LabelSet::new(labels.collect()));
        set.push(f, l);
    }
    let mut snapshot = Snapshot::empty(Arc::new(set.build()), Duration::from_secs(3600));
    for (position, series) in all.iter().enumerate() {
        snapshot.put(position, &series.samples, NOW);
    }
    snapshot
}

pub(crate) fn view(slots: &[Vec<Series>]) -> View {
    View { version: 1, snapshots: slots.iter().map(|s| Arc::new(snapshot(s))).collect() }
}

/// The text of a view's page, and how many duplicates were left out.
pub(crate) fn text(view: &View, style: Style) -> (String, u64) {
    let layout = Layout::new(view, style.escaping);
    assert!(layout.fits(view, style.escaping));
    let mut sink = Plain::default();
    let (duplicates, rest) = render(&layout, view, style, &mut sink);
    let mut bytes = sink.chunks.concat();
    bytes.extend(rest);
    (String::from_utf8(bytes).unwrap(), duplicates)
}

pub(crate) fn key(order: u32) -> SlotKey {
    SlotKey { order, name: format!("slot {order}").into() }
}

pub(crate) struct Site {
    pub(crate) store: Arc<Store>,
    pub(crate) exposition: Arc<Exposition>,
    pub(crate) telemetry: Arc<Telemetry>,
}

pub(crate) fn site(yace: bool) -> Site {
    let store = Arc::new(Store::new());
    let settings = TelemetrySettings { version: "1.2.3", started: NOW, yace, prices: vec![] };
    let telemetry = Arc::new(Telemetry::new(settings));
    let settings = ExpositionSettings { openmetrics: !yace };
    let exposition = Arc::new(Exposition::new(Arc::clone(&store), Arc::clone(&telemetry), settings));
    Site { store, exposition, telemetry }
}

/// The lines of a page that are not about raingauge itself.
pub(crate) fn cloud_lines(page: &str) -> String {
    let own = ["raingauge_", "process_", "yace_"];
    let is_own = |line: &str| {
        let name = line.strip_prefix("# HELP ").or(line.strip_prefix("# TYPE ")).unwrap_or(line);
        own.iter().any(|p| name.starts_with(p)) || line == "# EOF"
    };
    page.split_inclusive('\n').filter(|line| !is_own(line.trim_end())).collect()
}
