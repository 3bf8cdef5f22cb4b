//! Google's jobs become targets: one for each project.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::watch;

use super::{Given, Sources, Target, Work};
use crate::gcp::api::Api;
use crate::gcp::discover::Discover;
use crate::gcp::fetch::Fetch;
use crate::gcp::gated::{Gated, REGION};
use crate::gcp::job::{GcpSettings, Job};
use crate::model::Text;
use crate::seam::{Keeper, Priority};

/// Where the totals of a target outlive the process, by the target's key.
pub type Keepers = Arc<dyn Fn(&str) -> Arc<dyn Keeper> + Send + Sync>;

/// The targets of all jobs, in the file's order. The projects are known by now.
pub fn targets(settings: &GcpSettings, api: &Arc<dyn Api>, keepers: Option<&Keepers>) -> Vec<Target> {
    let mut all = Vec::new();
    for job in &settings.jobs {
        // Neither its position nor the job's other projects are part of what a target does.
        let alone = Arc::new(Job { index: 0, projects: vec![], projects_filter: None, ..job.clone() });
        for project in &job.projects {
            // Totals stay good as long as they are totals of the same series.
            let kept = format!(
                "{project} {} {} {:?} {:?} {:?} {:?}",
                job.name, job.deltas.aggregate, job.filters, job.aggregations, job.labels, job.drop_delegated_projects
            );
            let work = GcpWork {
                job: Arc::clone(&alone),
                project: Text::clone(project),
                api: Arc::clone(api),
                keeper: keepers.filter(|_| job.deltas.aggregate).map(|keepers| keepers(&kept)),
            };
            all.push(Target {
                label: Text::clone(&job.name),
                kind: "gcp",
                region: REGION.into(),
                account: Text::clone(project),
                definition: format!("gcp {:?} {project} {alone:?}", settings.access),
                lineage: format!("gcp {project} {}", job.name),
                priority: Priority::Normal,
                deadline: None,
                work: Arc::new(work),
            });
        }
    }
    all
}

struct GcpWork {
    job: Arc<Job>,
    project: Text,
    api: Arc<dyn Api>,
    keeper: Option<Arc<dyn Keeper>>,
}

impl Work for GcpWork {
    fn sources(&self, given: Given) -> BoxFuture<'_, Sources> {
        let api: Arc<dyn Api> = Arc::new(Gated::new(Arc::clone(&self.api), given.gate, given.asker));
        let (sender, receiver) = watch::channel(None);
        let (job, project) = (|| Arc::clone(&self.job), || Text::clone(&self.project));
        let sources = Sources {
            discover: Box::new(Discover::new(job(), project(), Arc::clone(&api), sender)),
            discover_in: Duration::ZERO,
            inventory_interval: self.job.timing.inventory_interval,
            fetch: Box::new(Fetch::new(job(), project(), api, receiver, self.keeper.clone())),
            interval: self.job.timing.interval.tick(),
            // Totals have a keeper of their own; values come with the first fetch.
            recalled: None,
            check: None,
            keeping: None,
        };
        Box::pin(std::future::ready(sources))
    }
}
