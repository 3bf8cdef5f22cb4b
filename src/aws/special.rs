//! What the catalog says beyond the tagging API. Some namespaces have another source of resources, some have an additional
//! one, and some have the tagging API's list filtered and rewritten by what another API knows.
//!
//! All pages are followed, and a look-up that fails is a failure of the discovery: half a list would make metrics look as
//! if they belonged to nobody.

mod additions;
mod filters;
mod sources;

use crate::aws::api::{Api, Resource};
use crate::aws::catalog::Lookup;
use crate::aws::job::{Discovery, Tag};
use crate::aws::xml::Element;
use crate::model::Text;
use crate::seam::{Call, Failure};

/// The resources of the tagging API, completed, and filtered by searchTags if so wanted; `calls` gets what it took.
pub async fn complete(
    discovery: &Discovery,
    filtered: bool,
    api: &dyn Api,
    mut tagged: Vec<Resource>,
    calls: &mut Vec<Call>,
) -> Found {
    let mut found = match discovery.service.lookup {
        Lookup::None => return Ok(tagged),
        Lookup::ApiGateway => return filters::apis(api, tagged, calls).await,
        Lookup::Dms => return filters::replication(api, tagged, calls).await,
        Lookup::AutoScaling => sources::auto_scaling_groups(api, calls).await?,
        Lookup::SpotFleet => sources::spot_fleets(api, calls).await?,
        Lookup::ManagedPrometheus => sources::workspaces(api, calls).await?,
        Lookup::StorageGateway => additions::storage_gateways(api, calls).await?,
        Lookup::TransitGateway => additions::attachments(api, calls).await?,
        Lookup::Shield => additions::protected(api, calls).await?,
    };
    // The tagging API filters by itself; these lists are filtered here. searchTags know nothing of protections.
    if filtered && discovery.service.lookup != Lookup::Shield {
        found.retain(|r| discovery.wants(&r.tags));
    }
    tagged.extend(found);
    Ok(tagged)
}

/// What a look-up found.
type Found = Result<Vec<Resource>, Failure>;

/// The answer of an EC2 operation, whose root says nothing of it: a page that some proxy wrote is no empty list.
fn ec2_answer(body: &[u8], list: &str) -> Result<Element, String> {
    let root = Element::parse(body).map_err(|e| e.to_string())?;
    let is_answer = root.child(list).is_some() || root.child("requestId").is_some();
    if is_answer { Ok(root) } else { Err(format!("there is no {list}")) }
}

/// A tag; half a tag is none.
fn tag(key: Option<&str>, value: Option<&str>) -> Option<Tag> {
    Some(Tag { key: Text::from(key?), value: Text::from(value.unwrap_or_default()) })
}

#[cfg(test)]
mod tests;
