//! The totals as a document: what a restart must not lose. Numbers that must come back bit for bit are kept as bits.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Entry, Identity, Total, Totals, TypeTotals};
use crate::gcp::buckets::Counts;
use crate::model::{Bounds, LabelSet, Text, Timestamp};

/// Changes with the form of the document.
pub const FORMAT: u32 = 1;

/// A document that is none of ours.
#[derive(Debug, thiserror::Error)]
#[error("the kept counters cannot be read ({0}); they start anew")]
pub struct Unreadable(#[from] serde_json::Error);

#[derive(Serialize, Deserialize)]
struct KeptType {
    descriptor: String,
    since: Option<i64>,
    watermark: Option<i64>,
    entries: Vec<KeptEntry>,
}

#[derive(Serialize, Deserialize)]
struct KeptEntry {
    name: String,
    labels: Vec<(String, String)>,
    total: KeptTotal,
    floor: i64,
    newest: i64,
    taken: Vec<i64>,
    collected: i64,
    shown: Option<i64>,
    created: Option<i64>,
}

#[derive(Serialize, Deserialize)]
enum KeptTotal {
    /// Decimal: JSON has no numbers of 128 bits.
    Integer(String),
    /// Bits.
    Number(u64),
    Counts {
        /// Bits.
        bounds: Vec<u64>,
        counts: Vec<u64>,
        all: u64,
        count: u64,
        /// Bits.
        sum: u64,
    },
}

impl Totals {
    /// The document.
    pub fn to_bytes(&self) -> Vec<u8> {
        let types: Vec<KeptType> = self
            .types
            .iter()
            .map(|(descriptor, t)| KeptType {
                descriptor: descriptor.to_string(),
                since: t.since.map(Timestamp::as_millis),
                watermark: t.watermark.map(Timestamp::as_millis),
                entries: t.entries.iter().map(keep).collect(),
            })
            .collect();
        serde_json::to_vec(&types).unwrap_or_default()
    }

    /// The totals of a document.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Unreadable> {
        let kept: Vec<KeptType> = serde_json::from_slice(bytes)?;
        let types = kept
            .into_iter()
            .map(|t| {
                let entries: Vec<Entry> = t.entries.into_iter().map(restore).collect();
                let index = entries.iter().enumerate().map(|(at, e)| (e.identity.clone(), at)).collect();
                let since = t.since.map(Timestamp::from_millis);
                let watermark = t.watermark.map(Timestamp::from_millis);
                (Text::from(t.descriptor), TypeTotals { since, watermark, entries, index })
            })
            .collect();
        Ok(Self { types })
    }
}

fn keep(entry: &Entry) -> KeptEntry {
    let ms = Timestamp::as_millis;
    KeptEntry {
        name: entry.identity.name.to_string(),
        labels: entry.identity.labels.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect(),
        total: match &entry.total {
            Total::Integer(n) => KeptTotal::Integer(n.to_string()),
            Total::Number(n) => KeptTotal::Number(n.to_bits()),
            Total::Counts(c) => KeptTotal::Counts {
                bounds: c.bounds.values().iter().map(|b| b.to_bits()).collect(),
                counts: c.counts.clone(),
                all: c.all,
                count: c.count,
                sum: c.sum.to_bits(),
            },
        },
        floor: ms(entry.floor),
        newest: ms(entry.newest),
        taken: entry.taken.iter().copied().map(ms).collect(),
        collected: ms(entry.collected),
        shown: entry.shown.map(ms),
        created: entry.created.map(ms),
    }
}

fn restore(kept: KeptEntry) -> Entry {
    let at = Timestamp::from_millis;
    let labels = kept.labels.into_iter().map(|(n, v)| (Text::from(n), Text::from(v))).collect();
    let total = match kept.total {
        KeptTotal::Integer(n) => Total::Integer(n.parse().unwrap_or(0)),
        KeptTotal::Number(bits) => Total::Number(f64::from_bits(bits)),
        KeptTotal::Counts { bounds, counts, all, count, sum } => {
            let bounds = Arc::new(Bounds::new(bounds.into_iter().map(f64::from_bits).collect()));
            Total::Counts(Counts { bounds, counts, all, count, sum: f64::from_bits(sum) })
        }
    };
    let counts = matches!(total, Total::Counts(_));
    Entry {
        identity: Identity { name: kept.name.into(), labels: LabelSet::new(labels), counts },
        total,
        floor: at(kept.floor),
        newest: at(kept.newest),
        taken: kept.taken.into_iter().map(at).collect(),
        collected: at(kept.collected),
        shown: kept.shown.map(at),
        fresh: false,
        created: kept.created.map(at),
    }
}
