//! What a target leaves behind for the next process: its inventory, with when it was found, and what its fetch remembers
//! (values, and when each is due). As bytes; where they are kept is the caller's business.
//!
//! Whatever is not surely good is refused with a reason: a start without memory costs a few calls, a wrong one shows wrong
//! values.

use std::io::{self, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use tokio::sync::{Mutex, watch};

use crate::aws::fetch::{Fetch, Memory};
use crate::aws::inventory::Inventory;
use crate::aws::listing::Interner;
use crate::model::{Now, Timestamp, fnv1a};
use crate::seam::{Outcome, Progress, Source};

/// The format of the bytes. Another one is not read, so it grows with every change that serde would not refuse.
pub const FORMAT: u32 = 1;
/// Clocks of two machines, or of one before and after it was set, differ by less.
const CLOCK_SLACK: Duration = Duration::from_mins(1);
/// An inventory that is older than so many of its intervals says little about what there is to fetch.
const GOOD_INTERVALS: u32 = 4;

/// As it is written.
#[derive(Serialize)]
struct Written<'a> {
    definition: u64,
    saved_ms: i64,
    discovered_ms: i64,
    inventory: &'a Inventory,
    memory: &'a Memory,
}

/// As it is read.
#[derive(Deserialize)]
struct Read {
    definition: u64,
    saved_ms: i64,
    discovered_ms: i64,
    inventory: Inventory,
    memory: Memory,
}

/// What an earlier process left behind.
#[derive(Debug)]
pub struct Remembered {
    /// The newest inventory.
    pub inventory: Arc<Inventory>,
    /// When it was found.
    pub discovered: Timestamp,
    /// For [`Fetch::remembering`].
    pub memory: Memory,
}

/// Why what was left behind is not used.
#[derive(Debug, thiserror::Error)]
pub enum Useless {
    /// Not what this program writes.
    #[error("it cannot be understood: {0}")]
    Damaged(#[from] serde_json::Error),
    /// The job was another one.
    #[error("it belongs to another configuration of the job")]
    AnotherConfiguration,
    /// Its times would keep series from being asked for.
    #[error("it was written in the future: was the clock wrong then, or is it now?")]
    InTheFuture,
}

impl Useless {
    /// The label value of the counter.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Damaged(_) => "damaged",
            Self::AnotherConfiguration => "another_configuration",
            Self::InTheFuture => "in_the_future",
        }
    }
}

/// Understands what [`Keeping::export`] wrote; `definition` as there.
pub fn read(bytes: &[u8], definition: &str, now: Timestamp) -> Result<Remembered, Useless> {
    let Read { definition: of, saved_ms, discovered_ms, mut inventory, memory } = serde_json::from_slice(bytes)?;
    if of != fnv1a(definition.as_bytes()) {
        return Err(Useless::AnotherConfiguration);
    }
    let latest = now.plus(CLOCK_SLACK).as_millis();
    if saved_ms > latest || discovered_ms > latest {
        return Err(Useless::InTheFuture);
    }
    let interner = Interner::default();
    for metric in &mut inventory.metrics {
        metric.dimensions = interner.intern(&metric.dimensions);
        metric.name = interner.text(&metric.name);
        metric.owner = metric.owner.as_ref().map(|owner| interner.text(owner));
    }
    Ok(Remembered { inventory: Arc::new(inventory), discovered: Timestamp::from_millis(discovered_ms), memory })
}

impl Remembered {
    /// The inventory, unless it is too old to say what there is to fetch.
    pub fn inventory(&self, now: Timestamp, interval: Duration) -> Option<Arc<Inventory>> {
        let is_good = now.since(self.discovered) < interval.saturating_mul(GOOD_INTERVALS);
        is_good.then(|| Arc::clone(&self.inventory))
    }

    /// How long it takes until the inventory is to be renewed.
    pub fn renew_in(&self, now: Timestamp, interval: Duration) -> Duration {
        interval.saturating_sub(now.since(self.discovered))
    }
}

/// A running target, as far as it leaves something behind.
pub struct Keeping {
    definition: u64,
    fetch: Arc<Mutex<Fetch>>,
    inventories: watch::Receiver<Option<Arc<Inventory>>>,
    discovered_ms: AtomicI64,
    is_changed: AtomicBool,
}

impl Keeping {
    /// Of a fetch and its inventories; the source drives the same fetch. `discovered`: when the present inventory was found.
    pub fn new(
        definition: &str,
        fetch: Fetch,
        inventories: watch::Receiver<Option<Arc<Inventory>>>,
        discovered: Option<Timestamp>,
    ) -> (Arc<Self>, Box<dyn Source>) {
        let fetch = Arc::new(Mutex::new(fetch));
        let keeping = Self {
            definition: fnv1a(definition.as_bytes()),
            fetch: Arc::clone(&fetch),
            inventories,
            discovered_ms: AtomicI64::new(discovered.map_or(0, Timestamp::as_millis)),
            is_changed: AtomicBool::new(false),
        };
        (Arc::new(keeping), Box::new(Seen(fetch)))
    }

    /// A discovery has ended well.
    pub fn discovered(&self, now: Timestamp) {
        self.discovered_ms.store(now.as_millis(), Ordering::Relaxed);
        self.changed();
    }

    /// There is something new to keep.
    pub fn changed(&self) {
        self.is_changed.store(true, Ordering::Relaxed);
    }

    /// Whether there is something new to keep.
    pub fn is_changed(&self) -> bool {
        self.is_changed.load(Ordering::Relaxed)
    }

    /// Waits until no run goes on.
    pub async fn settled(&self) {
        drop(self.fetch.lock().await);
    }

    /// What a later process should know; `None` while a run goes on, or before there is anything. Costs milliseconds of
    /// computing for each ten thousand series: not for an async thread.
    pub fn export(&self, now: Now) -> Option<Export> {
        let memory = self.fetch.try_lock().ok()?.export(now)?;
        self.is_changed.store(false, Ordering::Relaxed);
        let inventory = self.inventories.borrow().clone()?;
        Some(Export {
            definition: self.definition,
            saved: now.wall,
            discovered_ms: self.discovered_ms.load(Ordering::Relaxed),
            inventory,
            memory,
        })
    }
}

/// What a later process should know.
pub struct Export {
    definition: u64,
    saved: Timestamp,
    discovered_ms: i64,
    inventory: Arc<Inventory>,
    memory: Memory,
}

impl Export {
    /// As bytes, of which there may be many.
    pub fn write(&self, out: &mut dyn io::Write) -> io::Result<()> {
        let document = Written {
            definition: self.definition,
            saved_ms: self.saved.as_millis(),
            discovered_ms: self.discovered_ms,
            inventory: &self.inventory,
            memory: &self.memory,
        };
        // The serializer writes a few bytes at a time.
        let mut out = io::BufWriter::new(out);
        serde_json::to_writer(&mut out, &document)?;
        out.flush()
    }
}

/// A fetch at which somebody else looks between its runs.
struct Seen(Arc<Mutex<Fetch>>);

impl Source for Seen {
    fn ready(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(async { self.0.lock().await.ready().await })
    }

    fn collect<'a>(&'a mut self, now: Now, progress: Progress<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(async move { self.0.lock().await.collect(now, progress).await })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::api::{Account, Resource};
    use crate::aws::inventory::FoundMetric;
    use crate::aws::job::{Dimension, Tag};

    const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

    fn document(saved: Timestamp) -> Vec<u8> {
        let dimensions = |id: &str| vec![Dimension { name: "InstanceId".into(), value: id.into() }].into();
        let found = |entry, id: &str| {
            let owner = Some("000000000001".into());
            FoundMetric { entry, name: "CPUUtilization".into(), owner, dimensions: dimensions(id), resource: Some(0) }
        };
        let inventory = Inventory {
            account: Account { id: "000000000000".into(), alias: Some("home".into()) },
            resources: vec![Resource {
                arn: "arn:aws:ec2:r:0:instance/i-1".into(),
                tags: vec![Tag { key: "Näme".into(), value: "a\"b\n".into() }],
            }],
            metrics: vec![found(0, "i-1"), found(1, "i-1"), found(0, "i-2")],
            owners: [(0, "000000000001".into())].into(),
        };
        serde_json::to_vec(&Written {
            definition: fnv1a(b"job"),
            saved_ms: saved.as_millis(),
            discovered_ms: saved.minus(Duration::from_secs(100)).as_millis(),
            inventory: &inventory,
            memory: &Memory::default(),
        })
        .unwrap()
    }

    #[test]
    fn what_is_written_is_read_and_equal_dimensions_are_one() {
        let back = read(&document(NOW), "job", NOW).unwrap();
        assert_eq!(&*back.inventory.resources[0].tags[0].value, "a\"b\n");
        let [first, second, third] = &back.inventory.metrics[..] else { panic!("{:?}", back.inventory.metrics) };
        assert!(Arc::ptr_eq(&first.dimensions, &second.dimensions) && first.dimensions != third.dimensions);
        assert!(Arc::ptr_eq(&first.name, &third.name));
        assert_eq!(back.inventory.owners.get(&0).map(|o| &**o), Some("000000000001"));
        let interval = Duration::from_secs(900);
        assert_eq!(back.renew_in(NOW, interval), Duration::from_secs(800));
        assert_eq!(back.renew_in(NOW.plus(interval), interval), Duration::ZERO);
        assert!(back.inventory(NOW.plus(interval * 3), interval).is_some());
        assert!(back.inventory(NOW.plus(interval * 4), interval).is_none());
    }

    #[test]
    fn what_is_not_surely_good_is_refused() {
        let refused = |bytes: &[u8], definition| read(bytes, definition, NOW).unwrap_err().as_str();
        assert_eq!(refused(&document(NOW), "another job"), "another_configuration");
        assert_eq!(refused(&document(NOW.plus(CLOCK_SLACK * 2)), "job"), "in_the_future");
        let whole = document(NOW);
        assert_eq!(refused(&whole[..whole.len() / 2], "job"), "damaged");
        assert_eq!(refused(b"", "job"), "damaged");
    }
}
