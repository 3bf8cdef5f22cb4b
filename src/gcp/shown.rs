//! From what each metric type shows to the snapshot of the whole job. As long as the series are the same ones, so is their
//! set: a page's layout outlives the values.

use std::sync::Arc;
use std::time::Duration;

use crate::gcp::api::Descriptor;
use crate::gcp::convert::{self, Sample, Shown};
use crate::model::{SeriesSet, SeriesSetBuilder, Snapshot, Timestamp};

/// Makes snapshots, and remembers the last one's set.
pub struct Assembly {
    set: Arc<SeriesSet>,
    stale_after: Duration,
}

/// A series that is shown, maybe for some time.
#[derive(Clone, Debug)]
pub struct Held {
    /// The series.
    pub shown: Shown,
    /// When an answer had it last (steady clock).
    pub confirmed: Timestamp,
}

/// A metric type and what it shows; a time where all of that is as good as confirmed then.
pub type Part<'a> = (&'a Descriptor, &'a [Held], Option<Timestamp>);

impl Assembly {
    /// `stale_after`: how long values are shown that are not confirmed.
    pub fn new(stale_after: Duration) -> Self {
        Self { set: Arc::new(SeriesSetBuilder::with_labels_as_they_are().build()), stale_after }
    }

    /// The snapshot of all parts, in their order.
    pub fn snapshot(&mut self, parts: &[Part<'_>]) -> Snapshot {
        if !self.fits(parts) {
            self.set = Arc::new(set(parts));
        }
        let mut snapshot = Snapshot::empty(Arc::clone(&self.set), self.stale_after);
        let all = parts.iter().flat_map(|(_, held, all)| held.iter().map(move |h| (h, all.unwrap_or(h.confirmed))));
        for (position, (held, confirmed)) in all.enumerate() {
            match &held.shown.sample {
                Sample::Number(cell) => snapshot.put(position, &[*cell], confirmed),
                Sample::Histogram(h) => snapshot.put_histograms(position, Arc::new([h.clone()]), confirmed),
            }
        }
        snapshot
    }

    /// Whether the last set has exactly these series, in this order.
    fn fits(&self, parts: &[Part<'_>]) -> bool {
        let series = &self.set.series;
        let mut at = 0;
        for (descriptor, held, _) in parts {
            for Held { shown: one, .. } in *held {
                let known = series.get(at).and_then(|key| self.set.describe(*key));
                let same = known.is_some_and(|(family, labels)| {
                    family.name == one.name
                        && family.kind == one.kind
                        && *labels == one.labels
                        && family.help == descriptor.description
                });
                if !same {
                    return false;
                }
                at += 1;
            }
        }
        at == series.len()
    }
}

fn set(parts: &[Part<'_>]) -> SeriesSet {
    let mut builder = SeriesSetBuilder::with_labels_as_they_are();
    for (descriptor, held, _) in parts {
        builder.origin(&descriptor.metric_type);
        for Held { shown: one, .. } in *held {
            let family = builder.family(convert::family(&one.name, descriptor, one.kind));
            let labels = builder.labels(one.labels.clone());
            builder.push(family, labels);
        }
    }
    builder.build()
}
