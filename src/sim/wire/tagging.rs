//! The tagging API as AWS JSON 1.1.

use serde::{Deserialize, Serialize};

use super::reply::{Form, Reply, perform};
use crate::seam::MetricsRequested;
use crate::sim::cloud::{Caller, Cloud};
use crate::sim::ops::listing::place_of;
use crate::sim::ops::resources::{self, Found, ResourcesRequest};
use crate::sim::refusal::Refusal;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    #[serde(default)]
    pagination_token: Option<String>,
    #[serde(default)]
    tag_filters: Option<Vec<TagFilter>>,
    #[serde(default)]
    resource_type_filters: Option<Vec<String>>,
    #[serde(default)]
    resources_per_page: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct TagFilter {
    #[serde(default)]
    key: String,
    #[serde(default)]
    values: Option<Vec<String>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Output<'a> {
    pagination_token: &'a str,
    resource_tag_mapping_list: Vec<Mapping<'a>>,
}

#[derive(Serialize)]
struct Mapping<'a> {
    #[serde(rename = "ResourceARN")]
    arn: &'a str,
    #[serde(rename = "Tags")]
    tags: Vec<TagOut<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct TagOut<'a> {
    key: &'a str,
    value: &'a str,
}

/// Answers an operation named by `x-amz-target`.
pub(super) async fn answer(cloud: &Cloud, caller: &Caller, target: &str, body: &[u8]) -> Reply {
    if target != "ResourceGroupsTaggingAPI_20170126.GetResources" {
        let why = format!("{target} is not simulated.");
        return Reply::refusal(Form::Json, &Refusal::new("UnknownOperationException", why));
    }
    let request = match serde_json::from_slice::<Input>(body) {
        Ok(input) => input.into_request(),
        Err(error) => {
            let refusal = Refusal::new("SerializationException", format!("The body cannot be read: {error}."));
            return Reply::refusal(Form::Json, &refusal);
        }
    };
    let place = place_of(cloud, caller);
    perform(cloud, caller, "GetResources", Form::Json, request.token.as_deref(), |spoil| {
        let found = resources::find(cloud, place.as_deref(), &request)?;
        let found = if spoil.is_empty() { Found::default() } else { found };
        let items = u64::try_from(found.resources.len()).unwrap_or(u64::MAX);
        let body = serde_json::to_vec(&Output::of(&found)).map_err(|error| {
            Refusal::new("InternalServiceException", format!("The answer cannot be written: {error}.")).with_status(500)
        })?;
        Ok((body, MetricsRequested::default(), items))
    })
    .await
}

impl Input {
    fn into_request(self) -> ResourcesRequest {
        let tags = self.tag_filters.unwrap_or_default();
        ResourcesRequest {
            types: self.resource_type_filters.unwrap_or_default(),
            tags: tags.into_iter().map(|filter| (filter.key, filter.values.unwrap_or_default())).collect(),
            per_page: self.resources_per_page,
            token: self.pagination_token,
        }
    }
}

impl<'a> Output<'a> {
    fn of(found: &'a Found<'a>) -> Self {
        let mapping = |resource: &&'a crate::sim::world::Resource| Mapping {
            arn: &resource.arn,
            tags: resource.tags.iter().map(|tag| TagOut { key: &tag.key, value: &tag.value }).collect(),
        };
        Self {
            pagination_token: found.next.as_deref().unwrap_or_default(),
            resource_tag_mapping_list: found.resources.iter().map(mapping).collect(),
        }
    }
}
