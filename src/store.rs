//! The store: for each slot (one job in one place) its newest [`Snapshot`], replaced whole. Readers get all of them at
//! once as a [`View`], without a lock; a slot whose values are no longer confirmed loses them when they are stale.
//!
//! Deliberately absent: history, merging, rendering.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;

use crate::model::{Snapshot, Text, Timestamp};

/// Names a slot. Slots are shown in the order of their keys: of two equal series the one of the first slot wins.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SlotKey {
    /// Position in the configuration; decides the order.
    pub order: u32,
    /// Unique: what, where and as whom.
    pub name: Text,
}

/// All snapshots at one moment, in the order of their slots.
#[derive(Debug, Default)]
pub struct View {
    /// Grows with every change; equal versions mean equal contents.
    pub version: u64,
    /// The snapshots.
    pub snapshots: Vec<Arc<Snapshot>>,
}

impl View {
    /// Only the series whose metric begins with one of `beginnings` in its cloud. Not a state of the store: nothing that is
    /// kept by version may be made of it.
    #[must_use]
    pub fn only(&self, beginnings: &[String]) -> Self {
        let snapshots = if beginnings.is_empty() { &[][..] } else { &self.snapshots };
        Self { version: self.version, snapshots: snapshots.iter().map(|s| Arc::new(s.only(beginnings))).collect() }
    }
}

/// The store. Cheap to read, shared by `Arc`.
#[derive(Default)]
pub struct Store {
    slots: Mutex<BTreeMap<SlotKey, Arc<Snapshot>>>,
    view: ArcSwap<View>,
}

impl Store {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// Everything that is there now.
    pub fn view(&self) -> Arc<View> {
        self.view.load_full()
    }

    /// How many series have a value.
    pub fn present(&self) -> usize {
        self.view().snapshots.iter().map(|snapshot| snapshot.present()).sum()
    }

    /// The newest snapshot of a slot.
    pub fn get(&self, key: &SlotKey) -> Option<Arc<Snapshot>> {
        self.lock().get(key).cloned()
    }

    /// Replaces the snapshot of a slot.
    pub fn publish(&self, key: SlotKey, snapshot: Snapshot) {
        let mut slots = self.lock();
        slots.insert(key, Arc::new(snapshot));
        self.show(&slots);
    }

    /// Moves a slot's snapshot to another key.
    pub fn rename(&self, from: &SlotKey, to: SlotKey) {
        let mut slots = self.lock();
        if let Some(snapshot) = slots.remove(from) {
            slots.insert(to, snapshot);
            self.show(&slots);
        }
    }

    /// Removes a slot with its series.
    pub fn retire(&self, key: &SlotKey) {
        let mut slots = self.lock();
        if slots.remove(key).is_some() {
            self.show(&slots);
        }
    }

    /// Drops the values that are stale at `now` (steady clock); returns how many series disappeared.
    pub fn sweep(&self, now: Timestamp) -> usize {
        let mut slots = self.lock();
        let mut gone = 0;
        for snapshot in slots.values_mut() {
            if let Some(next) = snapshot.without_stale(now) {
                gone += snapshot.present() - next.present();
                *snapshot = Arc::new(next);
            }
        }
        if gone > 0 {
            self.show(&slots);
        }
        gone
    }

    fn show(&self, slots: &BTreeMap<SlotKey, Arc<Snapshot>>) {
        let version = self.view.load().version + 1;
        self.view.store(Arc::new(View { version, snapshots: slots.values().cloned().collect() }));
    }

    /// Nothing panics while the lock is held; a poisoned lock would still guard whole snapshots.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<SlotKey, Arc<Snapshot>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Cell, Family, Kind, LabelSet, SeriesSetBuilder};
    use std::time::Duration;

    fn snapshot(value: f64, at: i64) -> Snapshot {
        let mut b = SeriesSetBuilder::default();
        let f = b.family(Family { name: "m".into(), help: "".into(), kind: Kind::Gauge });
        let l = b.labels(LabelSet::new(vec![]));
        b.push(f, l);
        let mut s = Snapshot::empty(Arc::new(b.build()), Duration::from_secs(60));
        s.put(0, &[Cell::untimed(value)], Timestamp::from_secs(at));
        s
    }

    fn key(order: u32) -> SlotKey {
        SlotKey { order, name: format!("slot {order}").into() }
    }

    #[test]
    fn slots_are_shown_in_order_and_every_change_has_a_version() {
        let store = Store::new();
        store.publish(key(2), snapshot(2.0, 0));
        let before = store.view();
        store.publish(key(1), snapshot(1.0, 0));
        let view = store.view();
        assert!(view.version > before.version);
        let values: Vec<f64> = view.snapshots.iter().map(|s| s.cells[0].value()).collect();
        assert_eq!(values, [1.0, 2.0]);
        store.retire(&key(1));
        assert_eq!(store.view().snapshots.len(), 1);
        assert_eq!(view.snapshots.len(), 2, "a view never changes");
    }

    #[test]
    fn stale_values_disappear_once() {
        let store = Store::new();
        store.publish(key(1), snapshot(1.0, 100));
        assert_eq!(store.sweep(Timestamp::from_secs(159)), 0);
        assert_eq!(store.sweep(Timestamp::from_secs(160)), 1);
        let version = store.view().version;
        assert_eq!(store.sweep(Timestamp::from_secs(200)), 0);
        assert_eq!(store.view().version, version);
    }
}
