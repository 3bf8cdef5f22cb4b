//! Namespaces whose resources the tagging API does not know.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::aws::api::{Api, Page, Resource};
use crate::aws::paged::{self, Read};
use crate::aws::question::{AUTO_SCALING_GROUPS, Question, SPOT_FLEETS, WORKSPACES};
use crate::aws::special::{Found, ec2_answer, tag};
use crate::aws::xml::Element;
use crate::seam::Call;

/// Groups in a page; AWS gives fifty unless asked for its maximum.
const GROUPS_PER_PAGE: u32 = 100;
/// Workspaces in a page, AWS' maximum.
const WORKSPACES_PER_PAGE: u32 = 1_000;

/// Auto-scaling groups with their tags.
pub(super) async fn auto_scaling_groups(api: &dyn Api, calls: &mut Vec<Call>) -> Found {
    let question = Question::new(&AUTO_SCALING_GROUPS).with("MaxRecords", GROUPS_PER_PAGE);
    paged::all(api, &question, read_groups, calls).await
}

fn read_groups(body: &[u8]) -> Read<Page<Resource>> {
    let root = Element::parse(body).map_err(|e| e.to_string())?;
    let result = root.find("DescribeAutoScalingGroupsResult").ok_or("there is no result")?;
    let group = |g: &Element| {
        let tags = g.list("Tags", "member").filter_map(|t| tag(t.text("Key"), t.text("Value")));
        Some(Resource { arn: g.text("AutoScalingGroupARN")?.into(), tags: tags.collect() })
    };
    let items = result.list("AutoScalingGroups", "member").filter_map(group).collect();
    Ok(Page { items, next: result.text("NextToken").map(str::to_owned) })
}

/// Spot fleets by their ids, which stand in place of ARNs.
pub(super) async fn spot_fleets(api: &dyn Api, calls: &mut Vec<Call>) -> Found {
    paged::all(api, &Question::new(&SPOT_FLEETS), read_fleets, calls).await
}

fn read_fleets(body: &[u8]) -> Read<Page<Resource>> {
    let root = ec2_answer(body, "spotFleetRequestConfigSet")?;
    let fleet = |f: &Element| {
        let tags = f.list("tagSet", "item").filter_map(|t| tag(t.text("key"), t.text("value")));
        Some(Resource { arn: f.text("spotFleetRequestId")?.into(), tags: tags.collect() })
    };
    let items = root.list("spotFleetRequestConfigSet", "item").filter_map(fleet).collect();
    Ok(Page { items, next: root.text("nextToken").map(str::to_owned) })
}

/// Workspaces of managed Prometheus.
pub(super) async fn workspaces(api: &dyn Api, calls: &mut Vec<Call>) -> Found {
    let question = Question::new(&WORKSPACES).with("maxResults", WORKSPACES_PER_PAGE);
    paged::all(api, &question, read_workspaces, calls).await
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Workspaces {
    workspaces: Option<Vec<Workspace>>,
    next_token: Option<String>,
}

#[derive(Deserialize)]
struct Workspace {
    arn: String,
    tags: Option<BTreeMap<String, Option<String>>>,
}

fn read_workspaces(body: &[u8]) -> Read<Page<Resource>> {
    let page: Workspaces = serde_json::from_slice(body).map_err(|e| e.to_string())?;
    let workspace = |w: Workspace| {
        let tags = w.tags.iter().flatten().filter_map(|(k, v)| tag(Some(k), v.as_deref())).collect();
        Resource { arn: w.arn.into(), tags }
    };
    Ok(Page { items: page.workspaces.into_iter().flatten().map(workspace).collect(), next: page.next_token })
}
