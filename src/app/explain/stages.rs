//! The settings of a job that may take a metric away, in the order of the walk. Each stage is the job with one more of them.

use crate::aws::job::{Job, JobKind, Selection};
use crate::explain::spots::Spot;
use crate::explain::verdict::Cause;
use crate::seam::Failure;

/// A step of the selection: the job with one more of its settings than before. `None`: it has no such setting.
pub(super) struct Stage {
    pub(super) step: &'static str,
    /// `None`: the listing itself.
    pub(super) cause: Option<Cause>,
    pub(super) fix: &'static str,
    pub(super) job: fn(&Spot) -> Option<Job>,
}

pub(super) const STAGES: &[Stage] = &[
    Stage { step: "listing", cause: None, fix: "", job: |spot| Some(bare(spot)) },
    Stage {
        step: "activity",
        cause: Some(Cause::RecentlyActive),
        fix: "leave out recentlyActiveOnly, or wait for data",
        job: |spot| spot.job.recently_active_only.then(|| Job { recently_active_only: true, ..bare(spot) }),
    },
    Stage {
        step: "dimensions",
        cause: Some(Cause::DimensionNames),
        fix: "name exactly these dimensions in dimensionNameRequirements, or leave it out",
        job: |spot| {
            let names = spot.job.dimension_name_requirements.clone();
            (!names.is_empty()).then(|| Job { dimension_name_requirements: names, ..active(spot) })
        },
    },
    Stage {
        step: "filters",
        cause: Some(Cause::DimensionFilter),
        fix: "change the job's dimensionFilters",
        job: |spot| {
            let filters = spot.job.selection.dimension_filters.clone();
            let is_some = !filters.is_empty();
            let mut job = active(spot);
            job.dimension_name_requirements.clone_from(&spot.job.dimension_name_requirements);
            job.selection.dimension_filters = filters;
            is_some.then_some(job)
        },
    },
    Stage {
        step: "association",
        cause: Some(Cause::Untagged),
        fix: "give the resource a tag (any will do), or set includeUntagged: true in the job of a native file",
        job: |spot| {
            let mut job = unlimited(spot);
            let JobKind::Discovery(discovery) = &mut job.kind else { return None };
            discovery.search_tags.clear();
            Some(job)
        },
    },
    Stage {
        step: "searchTags",
        cause: Some(Cause::SearchTags),
        fix: "change searchTags, or the resource's tags; keys are compared with capitals, values are regular expressions",
        job: |spot| {
            let is_searching = matches!(&spot.job.kind, JobKind::Discovery(d) if !d.search_tags.is_empty());
            (is_searching || matches!(spot.job.kind, JobKind::Custom)).then(|| unlimited(spot))
        },
    },
    Stage {
        step: "maxSeries",
        cause: Some(Cause::MaxSeries),
        fix: "raise maxSeries, or narrow the job",
        job: |spot| spot.job.selection.max_series.is_some().then(|| spot.whole.clone()),
    },
];

/// Everything that CloudWatch lists under the names.
fn bare(spot: &Spot) -> Job {
    let linked = spot.job.selection.linked.clone();
    let selection = Selection { linked, ..Default::default() };
    Job {
        kind: JobKind::Custom,
        dimension_name_requirements: Vec::new(),
        recently_active_only: false,
        selection,
        ..spot.job.clone()
    }
}

fn active(spot: &Spot) -> Job {
    Job { recently_active_only: spot.job.recently_active_only, ..bare(spot) }
}

fn unlimited(spot: &Spot) -> Job {
    let mut job = spot.job.clone();
    job.selection.max_series = None;
    job
}

/// What the call that failed needs.
pub(super) fn permission(stage: &Stage, failure: &Failure) -> &'static str {
    let is_tagging = failure.doing.contains("resources") || failure.doing.contains("GetResources");
    if is_tagging && stage.cause.is_some() { "tag:GetResources" } else { "cloudwatch:ListMetrics" }
}
