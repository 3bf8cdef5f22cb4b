//! CloudWatch's jobs become targets: one for each role and region.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::sync::watch;

use super::{Given, Sources, Target, Work};
use crate::aws::api::Api;
use crate::aws::client::Clients;
use crate::aws::discover::Discover;
use crate::aws::fetch::Fetch;
use crate::aws::gated::Gated;
use crate::aws::job::{AwsSettings, Job, JobKind, Naming, Role};
use crate::model::Text;

/// The targets of all jobs, in the file's order.
pub fn targets(settings: &AwsSettings, clients: &Arc<Clients>) -> Vec<Target> {
    let access = (settings.access.fips, &settings.access.sts_region, settings.naming);
    let target = |(job, role, region): (Arc<Job>, Role, Text)| Target {
        label: label(&job),
        kind: kind(&job),
        region: Text::clone(&region),
        account: account_of(role.arn.as_deref().unwrap_or("")),
        definition: format!("aws {access:?} {role:?} {region} {job:?}"),
        lineage: format!("aws {role:?} {region} {} {}", label(&job), job.namespace),
        priority: job.timing.priority,
        deadline: job.timing.deadline,
        work: Arc::new(AwsWork { job, role, region, naming: settings.naming, clients: Arc::clone(clients) }),
    };
    places(settings).into_iter().map(target).collect()
}

/// Each job as each role in each region.
fn places(settings: &AwsSettings) -> Vec<(Arc<Job>, Role, Text)> {
    let mut all = Vec::new();
    for job in &settings.jobs {
        // Neither its position nor the job's other places are part of what a target does.
        let alone = Arc::new(Job { index: 0, roles: vec![], regions: vec![], ..job.clone() });
        for role in &job.roles {
            all.extend(job.regions.iter().map(|region| (Arc::clone(&alone), role.clone(), Text::clone(region))));
        }
    }
    all
}

/// Label, account and region of each target.
#[cfg(test)]
pub(crate) fn named_places(settings: &AwsSettings) -> Vec<String> {
    let name = |(job, role, region): &(Arc<Job>, Role, Text)| {
        format!("{} {} {region}", label(job), account_of(role.arn.as_deref().unwrap_or("")))
    };
    places(settings).iter().map(name).collect()
}

struct AwsWork {
    job: Arc<Job>,
    role: Role,
    region: Text,
    naming: Naming,
    clients: Arc<Clients>,
}

impl Work for AwsWork {
    fn sources(&self, given: Given) -> BoxFuture<'_, Sources> {
        Box::pin(async move {
            let client = self.clients.api(&self.role, &self.region).await;
            let as_whom = self.role.arn.clone().unwrap_or_else(|| Text::from("own"));
            let api: Arc<dyn Api> = Arc::new(Gated::new(client, given.gate, given.asker, as_whom));
            let (sender, receiver) = watch::channel(None);
            let (tell_idle, idle) = watch::channel(None);
            let job = || Arc::clone(&self.job);
            Sources {
                discover: Box::new(Discover::new(job(), Arc::clone(&api), sender).with_oracle(tell_idle)),
                inventory_interval: self.job.timing.inventory_interval,
                fetch: Box::new(Fetch::new(job(), api, self.naming, receiver).inheriting(given.values).heeding(idle)),
                interval: self.job.timing.interval,
            }
        })
    }
}

fn kind(job: &Job) -> &'static str {
    match job.kind {
        JobKind::Discovery(_) => "discovery",
        JobKind::Custom => "custom",
        JobKind::Static(_) => "static",
    }
}

/// A discovery job is known by its namespace; the others by their names, which may be anything.
fn label(job: &Job) -> Text {
    match job.kind {
        JobKind::Discovery(_) => Text::clone(&job.namespace),
        JobKind::Custom => format!("custom/{}", job.name).into(),
        JobKind::Static(_) => format!("static/{}", job.name).into(),
    }
}

/// `arn:aws:iam::123456789012:role/x` → the twelve digits; anything else stays what it is.
fn account_of(arn: &str) -> Text {
    arn.split(':').nth(4).filter(|id| !id.is_empty()).unwrap_or(arn).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_account_is_read_from_the_role() {
        assert_eq!(&*account_of("arn:aws:iam::123456789012:role/x"), "123456789012");
        assert_eq!(&*account_of("nonsense"), "nonsense");
        assert_eq!(&*account_of(""), "");
    }
}
