//! As whom and where a job runs: its own roles and regions, or those of the whole section.

use super::super::report::{Report, quoted};
use super::super::written::{self, Pair};
use super::super::{Dialect, nearest};
use super::{Field, texts};
use crate::aws::job::Role;
use crate::model::Text;

/// The regions of AWS, for hints: a name that is not here may be new, so it is only warned about.
const REGIONS: &[&str] = &[
    "af-south-1",
    "ap-east-1",
    "ap-east-2",
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-south-1",
    "ap-south-2",
    "ap-southeast-1",
    "ap-southeast-2",
    "ap-southeast-3",
    "ap-southeast-4",
    "ap-southeast-5",
    "ap-southeast-6",
    "ap-southeast-7",
    "ca-central-1",
    "ca-west-1",
    "cn-north-1",
    "cn-northwest-1",
    "eu-central-1",
    "eu-central-2",
    "eu-north-1",
    "eu-south-1",
    "eu-south-2",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "eusc-de-east-1",
    "il-central-1",
    "me-central-1",
    "me-south-1",
    "mx-central-1",
    "sa-east-1",
    "us-east-1",
    "us-east-2",
    "us-gov-east-1",
    "us-gov-west-1",
    "us-west-1",
    "us-west-2",
];

/// What jobs have that do not say otherwise.
pub(super) struct Defaults {
    roles: Vec<Role>,
    regions: Vec<Text>,
    all_regions: bool,
}

impl Defaults {
    /// Whether a job may go without regions of its own.
    pub(super) fn has_regions(&self) -> bool {
        self.all_regions || !self.regions.is_empty()
    }
}

/// Where a job runs.
pub(super) struct Places {
    pub(super) roles: Vec<Role>,
    pub(super) regions: Vec<Text>,
    pub(super) all_regions: bool,
}

/// The section's own `roles` and `regions`.
pub(super) fn defaults(written: &written::Aws, report: &mut Report) -> Defaults {
    check_regions(&written.regions.list, "aws.regions", report);
    Defaults {
        roles: roles(&written.roles, "aws", report),
        regions: texts(&written.regions.list),
        all_regions: written.regions.all,
    }
}

/// A job's roles and regions. An empty list of roles is the process's own credentials, also where the section has roles.
pub(super) fn of(job: &written::Job, defaults: &Defaults, title: &str, report: &mut Report) -> Places {
    let own_roles = roles(&job.roles, title, report);
    let mut roles = if job.roles.is_given { own_roles } else { defaults.roles.clone() };
    if roles.is_empty() {
        roles.push(Role::default());
    }
    check_regions(&job.regions.list, &format!("{}.regions", job.path), report);
    if !job.regions.list.is_given {
        let (regions, all_regions) = (defaults.regions.clone(), defaults.all_regions);
        return Places { roles, regions, all_regions };
    }
    Places { roles, regions: texts(&job.regions.list), all_regions: job.regions.all }
}

fn roles(written: &Field<Vec<Pair>>, title: &str, report: &mut Report) -> Vec<Role> {
    let mut roles = Vec::with_capacity(written.value.len());
    for (n, role) in written.value.iter().enumerate() {
        let given = |field: &Field<Text>| Some(Text::clone(&field.value)).filter(|t| !t.is_empty());
        let (arn, external_id) = (given(&role.first), given(&role.second));
        let mut wrong = |message: String| {
            report.mistake(role.first.spot_or(role.spot), format!("{}.roleArn", role.path), message);
        };
        if arn.is_none() && external_id.is_some() && !role.first.is_bad {
            wrong(format!("Role [{n}] in {title}: RoleArn should not be empty when there is an externalId"));
        }
        if let Some(arn) = &arn
            && report.dialect == Dialect::Native
            && !is_role(arn)
        {
            let arn = quoted(arn);
            let message = format!("Role [{n}] in {title}: {arn} is no role: write arn:aws:iam::ACCOUNT:role/NAME");
            report.mistake(role.first.spot, format!("{}.roleArn", role.path), message);
        }
        roles.push(Role { arn, external_id });
    }
    roles
}

/// `arn:PARTITION:iam::TWELVE DIGITS:role/NAME`.
fn is_role(arn: &str) -> bool {
    let mut parts = arn.splitn(6, ':');
    let mut next = || parts.next().unwrap_or_default();
    let (prefix, partition, service, region, account, role) = (next(), next(), next(), next(), next(), next());
    prefix == "arn"
        && partition.starts_with("aws")
        && service == "iam"
        && region.is_empty()
        && account.len() == 12
        && account.bytes().all(|b| b.is_ascii_digit())
        && role.strip_prefix("role/").is_some_and(|name| !name.is_empty())
}

/// A new region is no mistake, and a region that does not exist fails only when it is asked.
fn check_regions(regions: &written::Texts, path: &str, report: &mut Report) {
    if report.dialect == Dialect::Yace {
        return;
    }
    for (n, region) in regions.value.iter().enumerate() {
        let name = &*region.value;
        if region.is_bad || REGIONS.contains(&name) {
            continue;
        }
        let hint = match nearest::of(name, REGIONS) {
            Some(near) => format!("did you mean {near}?"),
            None if name == "all" => "`all` stands alone: `regions: all`".to_owned(),
            None if looks_like_a_region(name) => continue,
            None => "regions have names like eu-west-1".to_owned(),
        };
        report.warn(
            region.spot,
            format!("{path}[{n}]"),
            format!("{} is no region that is known; {hint}", quoted(name)),
        );
    }
}

/// `xx-word-1`: perhaps one that is newer than we are.
fn looks_like_a_region(name: &str) -> bool {
    let parts: Vec<&str> = name.split('-').collect();
    let [first, .., last] = parts.as_slice() else { return false };
    let word = |p: &&str| !p.is_empty() && p.bytes().all(|b| b.is_ascii_lowercase());
    parts.len() >= 3 && word(first) && !last.is_empty() && last.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_told_from_other_texts() {
        for good in [
            "arn:aws:iam::123456789012:role/r",
            "arn:aws-cn:iam::123456789012:role/path/r",
            "arn:aws-us-gov:iam::123456789012:role/r:x",
        ] {
            assert!(is_role(good), "{good}");
        }
        for bad in [
            "arn:aws:iam::123456789012:user/u",
            "arn:aws:iam::12345678901:role/r",
            "arn:aws:iam::123456789012:role/",
            "arn:aws:sts::123456789012:assumed-role/r/s",
            "123456789012",
            "role/r",
        ] {
            assert!(!is_role(bad), "{bad}");
        }
    }
}
