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
use crate::aws::paged::Listed;
use crate::model::Text;

/// The resources of the tagging API, completed. `calls` are those that it took.
pub async fn complete(discovery: &Discovery, api: &dyn Api, tagged: Vec<Resource>) -> Listed<Resource> {
    match discovery.service.lookup {
        Lookup::None => Listed { items: Ok(tagged), calls: Vec::new() },
        Lookup::AutoScaling => extended(tagged, wanted(sources::auto_scaling_groups(api).await, discovery)),
        Lookup::SpotFleet => extended(tagged, wanted(sources::spot_fleets(api).await, discovery)),
        Lookup::ManagedPrometheus => extended(tagged, wanted(sources::workspaces(api).await, discovery)),
        Lookup::StorageGateway => extended(tagged, wanted(additions::storage_gateways(api).await, discovery)),
        Lookup::TransitGateway => extended(tagged, wanted(additions::attachments(api).await, discovery)),
        // searchTags know nothing of protections: their one tag is their own.
        Lookup::Shield => extended(tagged, additions::protected(api).await),
        Lookup::ApiGateway => filters::apis(api, tagged).await,
        Lookup::Dms => filters::replication(api, tagged).await,
    }
}

fn extended(mut tagged: Vec<Resource>, found: Listed<Resource>) -> Listed<Resource> {
    let items = found.items.map(|more| {
        tagged.extend(more);
        tagged
    });
    Listed { items, calls: found.calls }
}

/// The tagging API filters by the keys of searchTags; these lists are filtered here.
fn wanted(mut found: Listed<Resource>, discovery: &Discovery) -> Listed<Resource> {
    if let Ok(resources) = &mut found.items {
        resources.retain(|r| discovery.wants(&r.tags));
    }
    found
}

/// A tag; half a tag is none.
fn tag(key: Option<&str>, value: Option<&str>) -> Option<Tag> {
    Some(Tag { key: Text::from(key?), value: Text::from(value.unwrap_or_default()) })
}
