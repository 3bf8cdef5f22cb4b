//! What callers wrote with PutMetricData: kept as CloudWatch keeps it (count, sum, minimum, maximum for each second or
//! minute), read back by ListMetrics and GetMetricData at once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::model::{Text, Timestamp};
use crate::sim::cloud::Caller;
use crate::sim::value::Stats;
use crate::sim::world::Pair;

/// Series in the whole cloud; further ones are refused, so that a client gone wild does not eat the machine.
const MAX_SERIES: usize = 100_000;
/// Points of one series, a day of minutes; the oldest go first.
const MAX_POINTS: usize = 1440;

/// A series that was written.
#[derive(Clone, Debug, PartialEq)]
pub struct PushedSeries {
    /// Whose.
    pub account: Text,
    /// Where.
    pub region: Text,
    /// The namespace.
    pub namespace: String,
    /// The metric.
    pub metric: String,
    /// Name and value, in order of the names.
    pub dimensions: Vec<(String, String)>,
    /// The unit of the last write.
    pub unit: String,
    /// Start of the second or minute → what was written for it.
    pub points: BTreeMap<Timestamp, Stats>,
    /// Data that came again: of a moment for which there was one already. CloudWatch adds them up; a sender that has no
    /// reason to write twice has sent one twice.
    pub duplicates: u64,
    /// The moments of the newest data, to tell those.
    moments: BTreeSet<Timestamp>,
}

impl PushedSeries {
    /// Everything that was written for `[from, to)`, in seconds since 1970.
    pub(crate) fn gather(&self, from: i64, to: i64) -> Option<Stats> {
        let mut all: Option<Stats> = None;
        for stats in self.points.range(Timestamp::from_secs(from)..Timestamp::from_secs(to.max(from))).map(|(_, s)| s) {
            all.get_or_insert(Stats::NONE).add(stats);
        }
        all
    }
}

/// One datum of a write.
pub(crate) struct Datum {
    pub(crate) metric: String,
    /// In order of the names.
    pub(crate) dimensions: Vec<(String, String)>,
    pub(crate) unit: String,
    pub(crate) at: Timestamp,
    pub(crate) resolution_seconds: i64,
    pub(crate) stats: Stats,
}

/// Account, region, namespace, metric, dimensions.
type Key = (Text, Text, String, String, Vec<(String, String)>);
type All = BTreeMap<Key, Arc<PushedSeries>>;

/// Everything that was written.
#[derive(Default)]
pub(crate) struct Pushed {
    series: Mutex<All>,
}

impl Pushed {
    /// Keeps the data of a request; false: there are too many series.
    pub(crate) fn put(&self, caller: &Caller, namespace: &str, data: Vec<Datum>) -> bool {
        let mut all = self.lock();
        for datum in data {
            let key = (
                Arc::clone(&caller.account),
                Arc::clone(&caller.region),
                namespace.to_owned(),
                datum.metric.clone(),
                datum.dimensions.clone(),
            );
            if all.len() >= MAX_SERIES && !all.contains_key(&key) {
                return false;
            }
            let series = all.entry(key).or_insert_with(|| Arc::new(PushedSeries::of(caller, namespace, &datum)));
            Arc::make_mut(series).add(datum);
        }
        true
    }

    /// The series with exactly these dimensions, in any order.
    pub(crate) fn find<P: Pair>(
        &self,
        caller: &Caller,
        namespace: &str,
        metric: &str,
        dimensions: &[P],
    ) -> Option<Arc<PushedSeries>> {
        let all = self.lock();
        if all.is_empty() {
            return None;
        }
        let mut dimensions: Vec<(String, String)> =
            dimensions.iter().map(|d| (d.name().to_owned(), d.value().to_owned())).collect();
        dimensions.sort();
        let (account, region) = (Arc::clone(&caller.account), Arc::clone(&caller.region));
        all.get(&(account, region, namespace.to_owned(), metric.to_owned(), dimensions)).cloned()
    }

    /// All series of an account and region.
    pub(crate) fn of(&self, caller: &Caller) -> Vec<Arc<PushedSeries>> {
        let is_here = |s: &&Arc<PushedSeries>| s.account == caller.account && s.region == caller.region;
        self.lock().values().filter(is_here).cloned().collect()
    }

    /// All series.
    pub(crate) fn all(&self) -> Vec<PushedSeries> {
        self.lock().values().map(|series| (**series).clone()).collect()
    }

    fn lock(&self) -> MutexGuard<'_, All> {
        self.series.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PushedSeries {
    fn of(caller: &Caller, namespace: &str, datum: &Datum) -> Self {
        Self {
            account: Arc::clone(&caller.account),
            region: Arc::clone(&caller.region),
            namespace: namespace.to_owned(),
            metric: datum.metric.clone(),
            dimensions: datum.dimensions.clone(),
            unit: String::new(),
            points: BTreeMap::new(),
            duplicates: 0,
            moments: BTreeSet::new(),
        }
    }

    fn add(&mut self, datum: Datum) {
        self.unit = datum.unit;
        if !self.moments.insert(datum.at) {
            self.duplicates += 1;
        }
        if self.moments.len() > MAX_POINTS {
            self.moments.pop_first();
        }
        let start = datum.at.as_secs().div_euclid(datum.resolution_seconds.max(1)) * datum.resolution_seconds.max(1);
        self.points.entry(Timestamp::from_secs(start)).or_insert(Stats::NONE).add(&datum.stats);
        if self.points.len() > MAX_POINTS {
            self.points.pop_first();
        }
    }
}
