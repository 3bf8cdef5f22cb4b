//! The activity oracle: one more listing, with `RecentlyActive=PT3H`, tells which metrics of an inventory have had no data for
//! three hours. Nobody needs to pay for asking what they are: nothing. Listing costs a five-hundredth of asking.
//!
//! It never speaks about a metric that the full listing before this one did not have, since a new one may take a quarter of an
//! hour to be listed anywhere; nor for longer than [`MAX_WORD`]. A metric that starts again is seen that much later at most.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use hashbrown::{HashMap, HashSet};
use tokio::sync::watch;

use crate::aws::api::{Api, ListMetricsRequest};
use crate::aws::inventory::Inventory;
use crate::aws::job::{Dimension, Job, Metric, Pace, cadence_seconds};
use crate::aws::listing::{Pages, Turn};
use crate::model::{Text, Timestamp};
use crate::seam::Call;

/// What the filter of ListMetrics means. (It may name somewhat more, never less.)
pub const RECENT: Duration = Duration::from_secs(3 * 3600);
/// The oracle's word is good until it is asked again, but not for longer.
const MAX_WORD: Duration = Duration::from_secs(1_800);
/// The next word may come that much late.
const GRACE: Duration = Duration::from_secs(60);
/// Metrics listed at the same time; the gate decides about the calls of all jobs.
const LISTINGS_IN_FLIGHT: usize = 8;

/// Metrics without data.
pub struct Idle {
    /// Of which inventory.
    pub inventory: Arc<Inventory>,
    /// Positions in its `metrics`, ascending.
    pub metrics: Vec<usize>,
    /// Steady time up to which it counts.
    pub until: Timestamp,
}

/// Where the oracle speaks; `None` until the first time.
pub type IdleSender = watch::Sender<Option<Arc<Idle>>>;
/// Where a fetch listens.
pub type IdleReceiver = watch::Receiver<Option<Arc<Idle>>>;

/// Asks it. `before`: what the listing before this one had; `now`: steady.
pub async fn ask(
    api: &dyn Api,
    job: &Job,
    inventory: &Arc<Inventory>,
    before: &Inventory,
    now: Timestamp,
    calls: &mut Vec<Call>,
) -> Idle {
    let listed_before: HashSet<(usize, &[Dimension])> =
        before.metrics.iter().map(|m| (m.entry, &*m.dimensions)).collect();
    let names: HashSet<&Text> = job.metrics.iter().filter(|m| is_short(m)).map(|m| &m.name).collect();
    let asked: Vec<_> = names.into_iter().map(|name| async move { (name, active(api, job, name).await) }).collect();
    let mut answers = stream::iter(asked).buffer_unordered(LISTINGS_IN_FLIGHT);
    let mut known = HashMap::new();
    while let Some((name, (mut made, active))) = answers.next().await {
        calls.append(&mut made);
        known.extend(active.map(|active| (name, active)));
    }
    let is_idle = |(at, found): (usize, &crate::aws::inventory::FoundMetric)| {
        let active = known.get(&job.metrics.get(found.entry)?.name)?;
        let was_listed = listed_before.contains(&(found.entry, &*found.dimensions));
        (was_listed && !active.contains(&*found.dimensions)).then_some(at)
    };
    Idle {
        inventory: Arc::clone(inventory),
        metrics: inventory.metrics.iter().enumerate().filter_map(is_idle).collect(),
        until: now.plus(job.timing.inventory_interval.min(MAX_WORD)).plus(GRACE),
    }
}

/// Whether the window of a metric may lie within three hours.
fn is_short(metric: &Metric) -> bool {
    let cadence = match metric.pace {
        Pace::Auto => cadence_seconds(metric.period_seconds),
        Pace::Every(_) => 0,
    };
    metric.length_seconds + metric.delay_seconds + u64::from(cadence) <= RECENT.as_secs()
}

/// The dimension sets of a metric's recently active series; nothing when that could not be listed as a whole.
async fn active(api: &dyn Api, job: &Job, metric: &Text) -> (Vec<Call>, Option<HashSet<Box<[Dimension]>>>) {
    let request = ListMetricsRequest {
        namespace: Text::clone(&job.namespace),
        metric: Text::clone(metric),
        recently_active: true,
    };
    let (mut calls, mut found, mut pages) = (Vec::new(), HashSet::new(), Pages::default());
    loop {
        let answered = api.list_metrics(&request, pages.token()).await;
        calls.push(answered.call);
        let page = match answered.result {
            Ok(page) => page,
            Err(failure) => {
                tracing::warn!(job = %job.name, %metric, %failure, "what is active is not known; everything is asked for");
                return (calls, None);
            }
        };
        found.extend(page.items.into_iter().map(|m| m.dimensions.into_boxed_slice()));
        match pages.turn(page.next) {
            Turn::Next => {}
            Turn::End => return (calls, Some(found)),
            Turn::Limit => return (calls, None),
        }
    }
}
