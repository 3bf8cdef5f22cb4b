//! Pure: the permissions that jobs need, statement by statement with the reason, as an IAM policy. What `iam/` holds for
//! everybody, cut down to one configuration.

use std::collections::{BTreeMap, BTreeSet};

use crate::aws::catalog::Lookup;
use crate::aws::job::{Job, JobKind, Role};
use crate::aws::question::{self, Operation};
use crate::model::Text;

/// Actions by the reason for which they are needed. A reason is also a statement's `Sid`.
pub type Statements = BTreeMap<&'static str, BTreeSet<String>>;

/// The statements that each role (and the process's own credentials: the role without ARN) needs.
pub fn needed(jobs: &[Job]) -> BTreeMap<Role, Statements> {
    let mut roles: BTreeMap<Role, Statements> = BTreeMap::new();
    for job in jobs {
        for role in &job.roles {
            add(roles.entry(role.clone()).or_default(), job);
        }
    }
    roles
}

/// What the agent's own credentials, or its role, need.
pub fn of_agent(wants_group: bool) -> Statements {
    let mut all = Statements::new();
    all.insert("WriteMetrics", BTreeSet::from(["cloudwatch:PutMetricData".to_owned()]));
    if wants_group {
        all.insert("FindTheAutoScalingGroup", BTreeSet::from([question::INSTANCE_TAGS.permission()]));
    }
    all
}

fn add(to: &mut Statements, job: &Job) {
    let mut allow = |reason, action: &str| {
        to.entry(reason).or_default().insert(action.to_owned());
    };
    allow("ShowTheAccountsAlias", &question::ACCOUNT_ALIASES.permission());
    match &job.kind {
        JobKind::Static(_) => allow("ReadStaticMetrics", "cloudwatch:GetMetricStatistics"),
        JobKind::Custom | JobKind::Discovery(_) if job.metrics.is_empty() => {}
        JobKind::Custom | JobKind::Discovery(_) => {
            allow("FindAndReadMetrics", "cloudwatch:ListMetrics");
            allow("FindAndReadMetrics", "cloudwatch:GetMetricData");
        }
    }
    if job.selection.all_regions {
        allow("FindTheRegions", &question::REGIONS.permission());
    }
    if job.selection.joins.iter().any(|join| !join.service.resource_types.is_empty()) {
        allow("FindResourcesByTheirTags", "tag:GetResources");
    }
    let JobKind::Discovery(discovery) = &job.kind else { return };
    if !discovery.service.resource_types.is_empty() {
        allow("FindResourcesByTheirTags", "tag:GetResources");
    }
    for operation in look_up(discovery.service.lookup) {
        allow("FindWhatTheTaggingApiDoesNotKnow", &operation.permission());
    }
    if !discovery.enhanced_metrics.is_empty()
        && let Some(operation) = enhanced(&job.namespace)
    {
        allow("ReadEnhancedMetrics", &operation.permission());
    }
}

fn look_up(lookup: Lookup) -> &'static [&'static Operation] {
    match lookup {
        Lookup::None => &[],
        Lookup::AutoScaling => &[&question::AUTO_SCALING_GROUPS],
        Lookup::ApiGateway => &[&question::REST_APIS, &question::HTTP_APIS],
        Lookup::Dms => &[&question::REPLICATION_INSTANCES, &question::REPLICATION_TASKS],
        Lookup::SpotFleet => &[&question::SPOT_FLEETS],
        Lookup::Shield => &[&question::PROTECTIONS],
        Lookup::StorageGateway => &[&question::GATEWAYS, &question::GATEWAY_TAGS],
        Lookup::TransitGateway => &[&question::TRANSIT_GATEWAY_ATTACHMENTS],
        Lookup::ManagedPrometheus => &[&question::WORKSPACES],
    }
}

fn enhanced(namespace: &str) -> Option<&'static Operation> {
    Some(match namespace {
        "AWS/RDS" => &question::DB_INSTANCES,
        "AWS/Lambda" => &question::FUNCTIONS,
        "AWS/DynamoDB" => &question::TABLE,
        "AWS/ElastiCache" => &question::CACHE_CLUSTERS,
        _ => return None,
    })
}

/// The policy as JSON. `assume`: roles that its holder becomes.
pub fn policy(statements: &Statements, assume: &[Text]) -> serde_json::Value {
    let statement = |sid: &str, actions: &BTreeSet<String>, resource: serde_json::Value| serde_json::json!({ "Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resource });
    // None of these calls can be limited to single resources.
    let mut all: Vec<_> = statements.iter().map(|(sid, actions)| statement(sid, actions, "*".into())).collect();
    if !assume.is_empty() {
        let arns: Vec<&str> = assume.iter().map(|arn| &**arn).collect();
        all.push(statement("BecomeTheRolesOfTheJobs", &BTreeSet::from(["sts:AssumeRole".to_owned()]), arns.into()));
    }
    serde_json::json!({ "Version": "2012-10-17", "Statement": all })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::catalog;
    use crate::aws::question::OPERATIONS;

    #[test]
    fn every_operation_is_needed_by_something() {
        let mut known: BTreeSet<String> =
            BTreeSet::from([question::ACCOUNT_ALIASES.permission(), question::REGIONS.permission()]);
        known.extend(of_agent(true).into_values().flatten());
        known.remove("cloudwatch:PutMetricData");
        for service in catalog::services() {
            known.extend(look_up(service.lookup).iter().map(|o| o.permission()));
            known.extend(enhanced(&service.namespace).map(Operation::permission));
            assert_eq!(enhanced(&service.namespace).is_some(), !service.enhanced_metrics.is_empty(), "{service:?}");
        }
        let all: BTreeSet<String> = OPERATIONS.iter().map(|o| o.permission()).collect();
        assert_eq!(known, all);
    }
}
