//! `raingauge check --iam`: the IAM policies that a configuration needs, one for each role.
//!
//! Deliberately absent: trust policies; `iam/` has one.

use std::io::{self, Write};
use std::path::Path;

use crate::aws::job::Role;
use crate::aws::permissions::{needed, of_agent, policy};
use crate::config::{self, LoadOptions};
use crate::model::Text;
use crate::push::dimensions::wanted;
use crate::push::job::Fact;

/// Prints the policies; returns the exit status: 0, or 64 for a file with mistakes, which are printed instead.
pub fn iam(path: &Path, options: &LoadOptions, out: &mut dyn Write) -> io::Result<u8> {
    let loaded = match config::load(path, options) {
        Ok(loaded) => loaded,
        Err(mistakes) => {
            writeln!(out, "{mistakes}")?;
            return Ok(super::EXIT_BAD_CONFIG);
        }
    };
    let mut roles = needed(loaded.settings.aws.as_ref().map_or(&[], |aws| &aws.jobs));
    if let Some(push) = loaded.settings.agent.as_ref().and_then(|agent| agent.push.as_ref()) {
        let role = Role { arn: push.role_arn.clone(), ..Role::default() };
        let wants_group = wanted(&push.naming).contains(&Fact::AutoScalingGroupName);
        roles.entry(role).or_default().extend(of_agent(wants_group));
    }
    let own = roles.remove(&Role::default()).unwrap_or_default();
    let assumed: Vec<Text> = roles.keys().filter_map(|role| role.arn.clone()).collect();
    // A single policy can be piped on as it is.
    if !roles.is_empty() {
        writeln!(out, "# for the credentials that raingauge runs with:")?;
    }
    writeln!(out, "{:#}", policy(&own, &assumed))?;
    for (role, statements) in &roles {
        writeln!(out, "# for the role {}:", role.arn.as_deref().unwrap_or_default())?;
        writeln!(out, "{:#}", policy(statements, &[]))?;
    }
    Ok(0)
}
