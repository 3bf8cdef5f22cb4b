//! Jobs become targets: one for each role and region. Pure; who keeps running at a reload is decided in `reload`.

use std::sync::Arc;

use crate::aws::job::{AwsSettings, Job, JobKind, Role};
use crate::model::Text;

/// One job, as one role, in one region.
#[derive(Clone, Debug)]
pub struct Target {
    /// What people call the job; several targets may share it.
    pub label: Text,
    /// What to collect.
    pub job: Arc<Job>,
    /// As whom.
    pub role: Role,
    /// Where.
    pub region: Text,
    /// Equal texts mean equal work: a reload leaves such a target alone.
    pub definition: String,
}

impl Target {
    /// The account's id as far as the role tells it; empty: the process's own.
    pub fn account(&self) -> Text {
        account_of(self.role.arn.as_deref().unwrap_or(""))
    }

    /// Whether the values of `old` are good enough until this one has its own.
    pub fn follows(&self, old: &Self) -> bool {
        let place = self.region == old.region && self.role == old.role;
        place && self.label == old.label && self.job.namespace == old.job.namespace
    }
}

/// The targets of all jobs, in the file's order.
pub fn targets(settings: &AwsSettings) -> Vec<Target> {
    let mut all = Vec::new();
    for job in &settings.jobs {
        let (roles, regions) = (&job.roles, &job.regions);
        // Neither its position nor the job's other places are part of what a target does.
        let job = Arc::new(Job { index: 0, roles: vec![], regions: vec![], ..job.clone() });
        for role in roles {
            for region in regions {
                let access = (settings.access.fips, &settings.access.sts_region, settings.naming);
                let definition = format!("{access:?} {role:?} {region} {job:?}");
                let (role, region) = (role.clone(), Text::clone(region));
                all.push(Target { label: label(&job), job: Arc::clone(&job), role, region, definition });
            }
        }
    }
    all
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
