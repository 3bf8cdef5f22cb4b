//! API Gateway's two listings, as JSON.

use serde_json::{Value, json};

use crate::sim::cloud::{Caller, Cloud};
use crate::sim::ops::listing::place_of;
use crate::sim::spec::Kind;
use crate::sim::world::Place;

/// `GetRestApis`: there are none.
pub(crate) fn rest() -> Value {
    json!({ "item": [] })
}

/// `GetApis`: every HTTP API of the place, on one page.
pub(crate) fn http(cloud: &Cloud, caller: &Caller) -> Value {
    let place = place_of(cloud, caller);
    let resources = place.as_deref().map(Place::resources).unwrap_or_default();
    let alive = resources.iter().filter(|r| r.kind == Some(Kind::ApiGateway) && r.gone.is_none());
    let apis: Vec<Value> = alive
        .filter_map(|resource| {
            let id = resource.arn.rsplit('/').next()?;
            let name = resource.tags.iter().find(|tag| &*tag.key == "Name").map_or(id, |tag| &*tag.value);
            Some(json!({ "apiId": id, "name": name, "protocolType": "HTTP", "routeSelectionExpression": "$request.method" }))
        })
        .collect();
    json!({ "items": apis })
}
