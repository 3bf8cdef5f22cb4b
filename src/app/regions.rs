//! `regions: all`: the regions of each role are looked up, at the start and then as often as the jobs' inventories, and the
//! jobs run in all of them. What is not known yet, or not any more, leaves the rest alone.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, stream};

use crate::app::states::failure_of;
use crate::aws::client::{Clients, Network};
use crate::aws::job::{AwsSettings, Job, Role};
use crate::aws::regions;
use crate::expose::status::JobFailure;
use crate::model::Text;
use crate::seam::Failure;
use crate::telemetry::{RunKind, Telemetry};

pub mod kept;

/// Roles whose regions are asked for at the same time.
const ROLES_IN_FLIGHT: usize = 8;
/// The jobs of roles that answer do not wait longer for the others.
const FIRST_ANSWERS: Duration = Duration::from_secs(10);
/// How soon a role whose regions are not known is asked again.
const RETRY: Duration = Duration::from_secs(60);

/// The regions of each role, as far as they are known.
pub type Known = BTreeMap<Role, Vec<Text>>;

/// The jobs with the regions that are known; a role whose regions are not known has none.
pub fn expanded(settings: &AwsSettings, known: &Known) -> AwsSettings {
    let mut jobs = Vec::with_capacity(settings.jobs.len());
    for job in &settings.jobs {
        if !job.selection.all_regions {
            jobs.push(job.clone());
            continue;
        }
        for role in &job.roles {
            let regions = known.get(role).cloned().unwrap_or_default();
            jobs.push(Job { roles: vec![role.clone()], regions, ..job.clone() });
        }
    }
    let is_partial = roles(settings).keys().any(|role| !known.contains_key(role));
    AwsSettings { jobs, is_partial, ..settings.clone() }
}

/// The roles of jobs that run in all regions, with the shortest time between two of their discoveries.
fn roles(settings: &AwsSettings) -> BTreeMap<Role, Duration> {
    let mut roles: BTreeMap<Role, Duration> = BTreeMap::new();
    for job in settings.jobs.iter().filter(|j| j.selection.all_regions) {
        for role in &job.roles {
            let every = roles.entry(role.clone()).or_insert(Duration::MAX);
            *every = job.timing.inventory_interval.min(*every);
        }
    }
    roles
}

/// The look-up for one configuration.
pub struct LookUp {
    clients: Clients,
    sts_region: Option<Text>,
    telemetry: Arc<Telemetry>,
    roles: BTreeMap<Role, Duration>,
    known: Known,
    failed: BTreeMap<Role, JobFailure>,
}

impl LookUp {
    /// `None`: no job wants all regions. `known`: what an earlier configuration found out.
    pub async fn load(
        settings: &AwsSettings,
        network: &Network,
        telemetry: Arc<Telemetry>,
        mut known: Known,
    ) -> Result<Option<Self>, Failure> {
        let roles = roles(settings);
        if roles.is_empty() {
            return Ok(None);
        }
        known.retain(|role, _| roles.contains_key(role));
        let clients = Clients::load(settings.access.clone(), network).await?;
        let sts_region = settings.access.sts_region.clone();
        Ok(Some(Self { clients, sts_region, telemetry, roles, known, failed: BTreeMap::new() }))
    }

    /// What is known.
    pub fn known(&self) -> &Known {
        &self.known
    }

    /// Roles without known regions, and why.
    pub fn unknown(&self) -> BTreeMap<Role, JobFailure> {
        self.failed
            .iter()
            .filter(|(role, _)| !self.known.contains_key(*role))
            .map(|(r, e)| (r.clone(), e.clone()))
            .collect()
    }

    /// The first look-up, which does not keep anybody waiting for long; returns whether it brought anything.
    pub async fn first(&mut self) -> bool {
        let before = self.known.len();
        let missing: Vec<Role> = self.roles.keys().filter(|role| !self.known.contains_key(*role)).cloned().collect();
        self.ask(missing, FIRST_ANSWERS).await;
        before != self.known.len()
    }

    /// Roles that were not asked in time: the first look-up does not wait for a thousand of them.
    fn unasked(&self) -> Vec<Role> {
        let is_new = |role: &&Role| !self.known.contains_key(*role) && !self.failed.contains_key(*role);
        self.roles.keys().filter(is_new).cloned().collect()
    }

    /// When to ask again.
    pub fn pause(&self) -> Duration {
        if !self.unasked().is_empty() {
            return Duration::ZERO;
        }
        let shortest = self.roles.values().min().copied().unwrap_or(Duration::MAX);
        if self.known.len() < self.roles.len() { shortest.min(RETRY) } else { shortest }
    }

    /// Asks for every role that was not asked yet, or for all of them; returns whether anything has changed.
    pub async fn again(&mut self) -> bool {
        let before = self.known.clone();
        let unasked = self.unasked();
        let roles = if unasked.is_empty() { self.roles.keys().cloned().collect() } else { unasked };
        self.ask(roles, Duration::MAX).await;
        before != self.known
    }

    /// A role that fails keeps what it had.
    async fn ask(&mut self, roles: Vec<Role>, patience: Duration) {
        let (clients, sts_region) = (&self.clients, &self.sts_region);
        let asked = roles.into_iter().map(|role| async move {
            let place = sts_region.clone().filter(|r| &**r != "aws-global").or_else(|| clients.home_region());
            let place = place.unwrap_or_else(|| regions::always_enabled(role.arn.as_deref()));
            let mut calls = Vec::new();
            let found = regions::enabled(&*clients.api(&role, &place).await, &mut calls).await;
            (role, calls, found)
        });
        let asked: Vec<_> = asked.collect();
        let mut answers = stream::iter(asked).buffer_unordered(ROLES_IN_FLIGHT);
        let end = tokio::time::sleep(patience);
        tokio::pin!(end);
        let mut news = Vec::new();
        loop {
            tokio::select! {
                answer = answers.next() => match answer {
                    Some(answer) => news.push(answer),
                    None => break,
                },
                () = &mut end => break,
            }
        }
        drop(answers);
        for (role, calls, found) in news {
            self.telemetry.record_calls(&calls);
            match found {
                Ok(regions) => {
                    self.failed.remove(&role);
                    self.known.insert(role, regions);
                }
                Err(failure) => {
                    let (reason, advice) = (failure.reason.as_str(), failure.reason.advice());
                    let whose = role.arn.as_deref().unwrap_or("own credentials");
                    tracing::warn!(role = whose, reason, advice, "failed to find the account's regions: {failure}");
                    self.failed.insert(role, failure_of(&failure, RunKind::Discover));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn settings(text: &str) -> AwsSettings {
        let options = crate::config::LoadOptions::default();
        crate::config::parse(Path::new("x.yml"), text.as_bytes(), &options, &|_| None).unwrap().settings.aws.unwrap()
    }

    const TWO_JOBS: &str = "
aws:
  regions: all
  inventoryInterval: 20m
  roles: [{roleArn: 'arn:aws:iam::000000000001:role/r'}, {roleArn: 'arn:aws:iam::000000000002:role/r'}]
  discovery:
    jobs:
      - {type: AWS/EC2, metrics: [{name: A, statistics: [Sum]}]}
      - {type: AWS/SQS, regions: [eu-west-1], inventoryInterval: 5m, metrics: [{name: A, statistics: [Sum]}]}
";

    #[test]
    fn what_was_known_is_read_for_the_roles_that_are_left() {
        let settings = settings(TWO_JOBS);
        let mut known: Known =
            settings.jobs[0].roles.iter().map(|role| (role.clone(), vec!["eu-west-1".into()])).collect();
        let stranger = Role { arn: Some("arn:aws:iam::000000000003:role/r".into()), external_id: None };
        known.insert(stranger.clone(), vec!["eu-west-1".into()]);
        let bytes = kept::written(&known);
        known.remove(&stranger);
        assert_eq!(kept::read(&bytes, &settings), known);
        assert_eq!(kept::read(b"nonsense", &settings), Known::new());
        assert!(!String::from_utf8(bytes).unwrap().contains("role/r"));
    }

    #[test]
    fn each_role_has_its_own_regions() {
        let settings = settings(TWO_JOBS);
        let all = roles(&settings);
        assert_eq!(all.len(), 2);
        assert!(all.values().all(|every| *every == Duration::from_secs(1200)), "the other job names its regions");
        let role = |n: usize| settings.jobs[0].roles[n].clone();
        let known = Known::from([(role(0), vec!["eu-west-1".into(), "us-east-1".into()])]);
        let places = |settings: &AwsSettings| crate::app::target::aws::named_places(settings);
        assert_eq!(
            places(&expanded(&settings, &known)),
            [
                "AWS/EC2 000000000001 eu-west-1",
                "AWS/EC2 000000000001 us-east-1",
                "AWS/SQS 000000000001 eu-west-1",
                "AWS/SQS 000000000002 eu-west-1",
            ],
            "nothing is known of the second role, whose other job runs all the same"
        );
        assert!(expanded(&settings, &known).is_partial);
        let all_known = Known::from([(role(0), vec!["eu-west-1".into()]), (role(1), vec!["eu-west-1".into()])]);
        assert!(!expanded(&settings, &all_known).is_partial);
    }
}
