//! Pure: an inventory (and what enhanced metrics there are) becomes the job's series and the batches of queries that fill
//! them. Made once for each inventory; a fetch only adds the window.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use hashbrown::HashMap;

use crate::aws::api::MetricQuery;
use crate::aws::cadence::Rhythm;
use crate::aws::convert::{self, Labeler};
use crate::aws::enhanced::Row;
use crate::aws::inventory::{FoundMetric, Inventory};
use crate::aws::job::{Job, JobKind, Naming};
use crate::model::{SeriesSet, SeriesSetBuilder, Text, Timestamp};

/// AWS refuses more queries in one GetMetricData call.
const MAX_QUERIES_PER_CALL: usize = 500;
/// Seconds between 0001-01-01 and 1970-01-01: periods are counted from there (it matters for those that do not divide a
/// day: a week starts on Monday).
const YEAR_ONE_TO_EPOCH_SECONDS: i64 = 62_135_596_800;

/// The series of a job in one place and what to ask for them.
#[derive(Debug, Default)]
pub struct Plan {
    /// The series, info series last.
    pub set: Arc<SeriesSet>,
    /// GetMetricData calls.
    pub batches: Vec<Batch>,
    /// What the series of a batch share; [`Batch::group`] is a position here. Of a static job: one for each metric entry.
    pub groups: Vec<Rhythm>,
    /// Series positions of a static job: for each metric entry, one for each of its statistics.
    pub statics: Vec<Vec<u32>>,
    /// The series of enhanced metrics: positions from here to `first_info`, one for each row.
    pub first_enhanced: usize,
    /// The info series: positions from here to the end.
    pub first_info: usize,
}

/// One GetMetricData call, but for its window.
#[derive(Debug)]
pub struct Batch {
    /// Length in one call's limits; statistics of one metric stand side by side.
    pub queries: Vec<MetricQuery>,
    /// For each query: where its samples go and by which metric entry's rules.
    pub targets: Vec<Target>,
    /// Position in the plan's groups.
    pub group: usize,
    /// What all queries share.
    pub rhythm: Rhythm,
    /// The longest of the group's windows.
    pub length_seconds: u64,
}

/// Where the result of a query goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// Position of the series.
    pub series: u32,
    /// Position in the job's `metrics`.
    pub entry: u32,
}

/// The window of a batch: `[start, end)`. The end is `now` rounded down to whole periods, less the delay; the delay need
/// not be a multiple of the period.
pub fn window(
    now: Timestamp,
    period_seconds: NonZeroU32,
    delay_seconds: u64,
    length_seconds: u64,
) -> (Timestamp, Timestamp) {
    let floored = floor(now.as_secs(), period_seconds.get().into());
    let end = Timestamp::from_secs(floored).minus(Duration::from_secs(delay_seconds));
    (end.minus(Duration::from_secs(length_seconds)), end)
}

/// Rounds seconds since 1970 down to whole steps, counted from where CloudWatch counts its periods.
pub(super) fn floor(secs: i64, step_seconds: i64) -> i64 {
    let step = step_seconds.max(1);
    let since_year_one = secs.saturating_add(YEAR_ONE_TO_EPOCH_SECONDS);
    since_year_one.div_euclid(step).saturating_mul(step) - YEAR_ONE_TO_EPOCH_SECONDS
}

/// Plans a job in a region, without enhanced metrics.
pub fn plan(job: &Job, naming: Naming, region: &Text, inventory: &Inventory) -> Plan {
    plan_with(job, naming, region, inventory, &[])
}

/// Plans a job in a region. `enhanced`: rows of resources that the inventory has.
pub fn plan_with(job: &Job, naming: Naming, region: &Text, inventory: &Inventory, enhanced: &[Row]) -> Plan {
    let mut planner = Planner {
        job,
        labeler: Labeler::new(job, naming, region, inventory),
        set: SeriesSetBuilder::default(),
        families: HashMap::new(),
        label_sets: HashMap::new(),
        groups: Vec::new(),
    };
    if let JobKind::Static(dimensions) = &job.kind {
        let statics = planner.statics(dimensions);
        let (first_enhanced, first_info) = (usize::MAX, usize::MAX);
        let (set, groups) = (Arc::new(planner.set.build()), job.metrics.iter().map(Rhythm::of).collect());
        return Plan { set, groups, statics, first_enhanced, first_info, ..Plan::default() };
    }
    let mut positions = 0;
    for found in &inventory.metrics {
        positions += planner.metric(found);
    }
    planner.enhanced(inventory, enhanced);
    planner.info(inventory);
    let groups = planner.groups.iter().map(|g| g.rhythm).collect();
    let batches = planner.groups.into_iter().enumerate().flat_map(|(at, g)| g.into_batches(at, job)).collect();
    Plan {
        set: Arc::new(planner.set.build()),
        batches,
        groups,
        statics: Vec::new(),
        first_enhanced: positions,
        first_info: positions + enhanced.len(),
    }
}

/// Dimensions, resource, and the linked account that owns the metric.
type LabelKey = (Arc<[crate::aws::job::Dimension]>, Option<usize>, Option<Text>);
/// Calls for some of a group's queries, cut as those of the plan are.
pub(super) fn part_of(job: &Job, like: &Batch, chosen: Vec<(MetricQuery, Target)>) -> Vec<Batch> {
    let is_same = |a: &MetricQuery, b: &MetricQuery| {
        a.metric == b.metric && Arc::ptr_eq(&a.dimensions, &b.dimensions) && a.owner == b.owner
    };
    let (queries, targets): (Vec<_>, Vec<_>) = chosen.into_iter().unzip();
    let changes = queries.windows(2).enumerate().filter(|(_, pair)| match pair {
        [a, b] => !is_same(a, b),
        _ => true,
    });
    let starts = std::iter::once(0).chain(changes.map(|(at, _)| at + 1)).collect();
    let group = Group { rhythm: like.rhythm, length_seconds: like.length_seconds, queries, targets, starts };
    group.into_batches(like.group, job)
}

/// How many queries a call may have.
fn queries_per_call(job: &Job) -> usize {
    usize::try_from(job.metrics_per_query.get()).unwrap_or(MAX_QUERIES_PER_CALL).min(MAX_QUERIES_PER_CALL)
}

struct Planner<'a> {
    job: &'a Job,
    labeler: Labeler<'a>,
    set: SeriesSetBuilder,
    /// (entry, name, statistic) → family index.
    families: HashMap<(usize, Text, usize), u32>,
    /// (dimensions, resource, owner) → label set index: twenty metrics of a resource have the same labels.
    label_sets: HashMap<LabelKey, u32>,
    groups: Vec<Group>,
}

/// Queries of one rhythm, in the order in which they came.
struct Group {
    rhythm: Rhythm,
    length_seconds: u64,
    queries: Vec<MetricQuery>,
    targets: Vec<Target>,
    /// Where a metric's statistics start: the only places where a batch may end.
    starts: Vec<usize>,
}

impl Planner<'_> {
    fn metric(&mut self, found: &FoundMetric) -> usize {
        let Some(metric) = self.job.metrics.get(found.entry) else { return 0 };
        let labels = self.labels(found);
        let mut targets = Vec::with_capacity(metric.statistics.len());
        for (s, statistic) in metric.statistics.iter().enumerate() {
            let set = &mut self.set;
            let family = *self
                .families
                .entry((found.entry, Text::clone(&found.name), s))
                .or_insert_with(|| set.family(convert::metric_family(&self.job.namespace, &found.name, statistic)));
            let series = self.set.push(family, labels);
            targets.push(Target { series, entry: u32::try_from(found.entry).unwrap_or(u32::MAX) });
        }
        let group = self.group(Rhythm::of(metric));
        group.length_seconds = group.length_seconds.max(metric.length_seconds);
        group.starts.push(group.queries.len());
        for statistic in &metric.statistics {
            group.queries.push(MetricQuery {
                metric: Text::clone(&found.name),
                dimensions: Arc::clone(&found.dimensions),
                statistic: Text::clone(statistic),
                owner: found.owner.clone(),
            });
        }
        group.targets.extend(targets);
        metric.statistics.len()
    }

    fn labels(&mut self, found: &FoundMetric) -> u32 {
        let key = (Arc::clone(&found.dimensions), found.resource, found.owner.clone());
        if let Some(known) = self.label_sets.get(&key) {
            return *known;
        }
        let labels = self.set.labels(self.labeler.series(&found.dimensions, found.resource, found.owner.as_ref()));
        self.label_sets.insert(key, labels);
        labels
    }

    fn group(&mut self, rhythm: Rhythm) -> &mut Group {
        let at = self.groups.iter().position(|g| g.rhythm == rhythm);
        let at = at.unwrap_or_else(|| {
            let (queries, targets, starts) = (Vec::new(), Vec::new(), Vec::new());
            self.groups.push(Group { rhythm, length_seconds: 0, queries, targets, starts });
            self.groups.len() - 1
        });
        #[expect(clippy::indexing_slicing, reason = "the position was found or made just above")]
        &mut self.groups[at]
    }

    /// Labelled as CloudWatch metrics are, named without a statistic.
    fn enhanced(&mut self, inventory: &Inventory, rows: &[Row]) {
        if rows.is_empty() {
            return;
        }
        let at: HashMap<&Text, usize> = inventory.resources.iter().enumerate().map(|(i, r)| (&r.arn, i)).collect();
        for row in rows {
            let family = self.set.family(convert::enhanced_family(&self.job.namespace, row.metric));
            let labels = self.labeler.series(&row.dimensions, at.get(&row.resource).copied(), None);
            let labels = self.set.labels(labels);
            self.set.push(family, labels);
        }
    }

    fn info(&mut self, inventory: &Inventory) {
        let JobKind::Discovery(discovery) = &self.job.kind else { return };
        let family = self.set.family(convert::info_family(&self.job.namespace));
        for (at, resource) in inventory.resources.iter().enumerate() {
            let owner = inventory.owners.get(&at);
            let labels = self.set.labels(self.labeler.info(resource, discovery.include_context_on_info, owner));
            self.set.push(family, labels);
        }
    }

    fn statics(&mut self, dimensions: &[crate::aws::job::Dimension]) -> Vec<Vec<u32>> {
        let labels = self.set.labels(self.labeler.series(dimensions, None, None));
        let mut all = Vec::new();
        for metric in &self.job.metrics {
            let mut positions = Vec::new();
            for statistic in &metric.statistics {
                let family = self.set.family(convert::metric_family(&self.job.namespace, &metric.name, statistic));
                positions.push(self.set.push(family, labels));
            }
            all.push(positions);
        }
        all
    }
}

impl Group {
    /// Cuts at most `metricsPerQuery` queries at a time, between two metrics: up to five statistics of one metric in one
    /// request may be billed as one.
    fn into_batches(self, group: usize, job: &Job) -> Vec<Batch> {
        let limit = queries_per_call(job);
        let mut cuts = Vec::new();
        let mut from = 0;
        let ends = self.starts.iter().skip(1).copied().chain(std::iter::once(self.queries.len()));
        let mut fits = 0;
        for end in ends {
            if end - from > limit {
                if fits > from {
                    cuts.push(fits);
                    from = fits;
                }
                // A metric with more statistics than a call may have is cut anyway.
                while end - from > limit {
                    from += limit;
                    cuts.push(from);
                }
            }
            fits = end;
        }
        let Self { rhythm, length_seconds, mut queries, mut targets, .. } = self;
        let mut batches = Vec::with_capacity(cuts.len() + 1);
        let batch = |queries: Vec<MetricQuery>, targets| Batch { queries, targets, group, rhythm, length_seconds };
        for cut in cuts.into_iter().rev() {
            if cut < queries.len() {
                batches.push(batch(queries.split_off(cut), targets.split_off(cut)));
            }
        }
        queries.shrink_to_fit();
        if !queries.is_empty() {
            batches.push(batch(queries, targets));
        }
        batches.reverse();
        batches
    }
}

#[cfg(test)]
mod tests;
