//! Jobs become targets: one for each role and region, with a name that survives a reload.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::aws::job::{AwsSettings, Job, JobKind, Role};
use crate::model::Text;
use crate::store::SlotKey;
use crate::telemetry::JobLabels;

/// One job, as one role, in one region.
#[derive(Clone, Debug)]
pub struct Target {
    /// Where its series go.
    pub slot: SlotKey,
    /// Its self-metrics.
    pub labels: JobLabels,
    /// What to collect.
    pub job: Arc<Job>,
    /// As whom.
    pub role: Role,
    /// Where.
    pub region: Text,
    /// Equal texts mean equal work: a reload leaves such a target alone.
    pub definition: String,
}

/// The targets of all jobs, in the file's order.
pub fn targets(settings: &AwsSettings) -> Vec<Target> {
    let mut all = Vec::new();
    let mut names: BTreeMap<(Text, Text, Role), usize> = BTreeMap::new();
    for job in &settings.jobs {
        // The position is not part of what a job does.
        let job = Arc::new(Job { index: 0, ..job.clone() });
        for role in &job.roles {
            for region in &job.regions {
                let label = job_label(&job);
                let ordinal = names.entry((Text::clone(&label), Text::clone(region), role.clone())).or_default();
                *ordinal += 1;
                let label = if *ordinal == 1 { label } else { format!("{label}#{ordinal}").into() };
                all.push(target(all.len(), settings, &job, role, region, label));
            }
        }
    }
    all
}

fn target(order: usize, settings: &AwsSettings, job: &Arc<Job>, role: &Role, region: &Text, label: Text) -> Target {
    let arn = role.arn.as_deref().unwrap_or("");
    let external_id = role.external_id.as_deref().unwrap_or("");
    let definition = format!("{:?} {:?} {role:?} {region} {job:?}", settings.access, settings.naming);
    Target {
        slot: SlotKey {
            order: u32::try_from(order).unwrap_or(u32::MAX),
            name: format!("{label} {region} {arn} {external_id}").into(),
        },
        labels: JobLabels { job: label, region: Text::clone(region), account: account_of(arn) },
        job: Arc::clone(job),
        role: role.clone(),
        region: Text::clone(region),
        definition,
    }
}

/// A discovery job is known by its namespace; the others by their names, which may be anything.
fn job_label(job: &Job) -> Text {
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
