//! CloudWatch's jobs become targets: one for each role and region.

use std::ops::Not as _;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::watch;

use super::{Check, Checked, Given, Sources, Target, Work};
use crate::aws::api::Api;
use crate::aws::client::Clients;
use crate::aws::discover::Discover;
use crate::aws::fetch::Fetch;
use crate::aws::gated::Gated;
use crate::aws::job::{AwsSettings, Job, JobKind, Naming, Role};
use crate::aws::warm::Keeping;
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
            let (timing, remembered) = (self.job.timing, given.remembered);
            let interval = timing.inventory_interval;
            let inventory = remembered.as_ref().and_then(|r| r.inventory(given.now.wall, interval));
            let discovered = remembered.as_ref().filter(|_| inventory.is_some()).map(|r| r.discovered);
            let discover_in = remembered.as_ref().map_or(Duration::ZERO, |r| r.renew_in(given.now.wall, interval));
            let check = inventory.as_ref().map(|i| same_account(Arc::clone(&api), Text::clone(&i.account.id)));
            let (sender, inventories) = watch::channel(inventory);
            let (tell_idle, idle) = watch::channel(None);
            let job = || Arc::clone(&self.job);
            let fetch = Fetch::new(job(), Arc::clone(&api), self.naming, inventories.clone());
            let mut fetch = fetch.inheriting(given.values).remembering(remembered.map(|r| r.memory)).heeding(idle);
            let recalled = fetch.recall(given.now);
            let (keeping, fetch) = Keeping::new(&given.definition, fetch, inventories, discovered);
            Sources {
                discover: Box::new(Discover::new(job(), api, sender).with_oracle(tell_idle)),
                discover_in,
                inventory_interval: interval,
                fetch,
                interval: timing.interval,
                recalled,
                check,
                keeping: Some(keeping),
            }
        })
    }

    fn remembers(&self) -> bool {
        true
    }
}

/// Whether the credentials are still those of this account. Where nobody answers, they are.
fn same_account(api: Arc<dyn Api>, before: Text) -> Check {
    Box::pin(async move {
        let identified = api.account().await;
        let is_same = identified.account.is_ok_and(|now| now.id != before).not();
        let is_true = is_same.then_some(()).ok_or("the credentials are those of another account");
        Checked { is_true, calls: identified.calls }
    })
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
