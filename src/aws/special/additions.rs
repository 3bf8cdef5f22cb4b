//! Namespaces with resources beyond those of the tagging API.

use futures_util::{StreamExt, stream};
use serde::Deserialize;

use crate::aws::api::{Api, Page, Resource};
use crate::aws::job::Tag;
use crate::aws::paged::{self, Read};
use crate::aws::question::{GATEWAY_TAGS, GATEWAYS, PROTECTIONS, Question, TRANSIT_GATEWAY_ATTACHMENTS};
use crate::aws::special::{Found, ec2_answer, tag};
use crate::aws::xml::Element;
use crate::model::Text;
use crate::seam::{Call, Failure, Reason};

/// Gateways whose tags are asked for at the same time.
const GATEWAYS_IN_FLIGHT: usize = 4;
/// Items of a page, AWS' maximum for these.
const PER_PAGE: u32 = 100;
/// Protections of global resources (CloudFront, Route 53) are shown in this region's job.
const HOME_OF_GLOBAL_RESOURCES: &str = "us-east-1";

/// Attachments of transit gateways as `gateway/attachment`.
pub(super) async fn attachments(api: &dyn Api, calls: &mut Vec<Call>) -> Found {
    paged::all(api, &Question::new(&TRANSIT_GATEWAY_ATTACHMENTS), read_attachments, calls).await
}

fn read_attachments(body: &[u8]) -> Read<Page<Resource>> {
    let root = ec2_answer(body, "transitGatewayAttachments")?;
    let attachment = |a: &Element| {
        let tags = a.list("tagSet", "item").filter_map(|t| tag(t.text("key"), t.text("value"))).collect();
        let (gateway, id) = (a.text("transitGatewayId")?, a.text("transitGatewayAttachmentId")?);
        Some(Resource { arn: format!("{gateway}/{id}").into(), tags })
    };
    let items = root.list("transitGatewayAttachments", "item").filter_map(attachment).collect();
    Ok(Page { items, next: root.text("nextToken").map(str::to_owned) })
}

/// Gateways as `id/name`. Their tags take one call each: no listing has them.
pub(super) async fn storage_gateways(api: &dyn Api, calls: &mut Vec<Call>) -> Found {
    let gateways = paged::all(api, &Question::new(&GATEWAYS).with("Limit", PER_PAGE), read_gateways, calls).await?;
    let asked = gateways.into_iter().map(|gateway| async move {
        let question = Question::new(&GATEWAY_TAGS).with("ResourceARN", &*gateway.arn);
        let mut calls = Vec::new();
        let tags = paged::all(api, &question, read_gateway_tags, &mut calls).await;
        (gateway, tags, calls)
    });
    let mut answered = stream::iter(asked).buffered(GATEWAYS_IN_FLIGHT);
    let mut found = Vec::new();
    while let Some((gateway, tags, made)) = answered.next().await {
        calls.extend(made);
        found.push(Resource { arn: format!("{}/{}", gateway.id, gateway.name).into(), tags: tags? });
    }
    Ok(found)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Gateways {
    gateways: Option<Vec<Gateway>>,
    marker: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Gateway {
    #[serde(rename = "GatewayARN")]
    arn: String,
    #[serde(rename = "GatewayId")]
    id: String,
    #[serde(rename = "GatewayName", default)]
    name: String,
}

fn read_gateways(body: &[u8]) -> Read<Page<Gateway>> {
    let page: Gateways = serde_json::from_slice(body).map_err(|e| e.to_string())?;
    Ok(Page { items: page.gateways.unwrap_or_default(), next: page.marker })
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GatewayTags {
    tags: Option<Vec<GatewayTag>>,
    marker: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GatewayTag {
    key: Option<String>,
    value: Option<String>,
}

fn read_gateway_tags(body: &[u8]) -> Read<Page<Tag>> {
    let page: GatewayTags = serde_json::from_slice(body).map_err(|e| e.to_string())?;
    let items = page.tags.iter().flatten().filter_map(|t| tag(t.key.as_deref(), t.value.as_deref())).collect();
    Ok(Page { items, next: page.marker })
}

/// What Shield protects in this region, by its own ARN. The protection's ARN is the one tag.
pub(super) async fn protected(api: &dyn Api, calls: &mut Vec<Call>) -> Found {
    let question = Question::new(&PROTECTIONS).with("MaxResults", PER_PAGE);
    let all = paged::all(api, &question, read_protections, calls).await?;
    all.into_iter().filter_map(|p| p.resource_in(api.region()).transpose()).collect()
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Protections {
    protections: Option<Vec<Protection>>,
    next_token: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Protection {
    #[serde(default)]
    resource_arn: String,
    #[serde(default)]
    protection_arn: String,
}

impl Protection {
    fn resource_in(self, region: &str) -> Result<Option<Resource>, Failure> {
        let Some(own) = region_of(&self.resource_arn) else {
            return Err(Failure {
                reason: Reason::BadAnswer,
                doing: "find what Shield protects".to_owned(),
                message: format!("{:?} is no ARN", self.resource_arn),
            });
        };
        let here = own == region || (own.is_empty() && region == HOME_OF_GLOBAL_RESOURCES);
        Ok(here.then(|| Resource {
            tags: vec![Tag { key: "ProtectionArn".into(), value: self.protection_arn.into() }],
            arn: Text::from(self.resource_arn),
        }))
    }
}

/// The fourth of an ARN's six parts; `None` when it is no ARN.
fn region_of(arn: &str) -> Option<&str> {
    let mut parts = arn.splitn(6, ':');
    (parts.next() == Some("arn")).then_some(())?;
    let region = parts.nth(2)?;
    parts.nth(1)?;
    Some(region)
}

fn read_protections(body: &[u8]) -> Read<Page<Protection>> {
    let page: Protections = serde_json::from_slice(body).map_err(|e| e.to_string())?;
    Ok(Page { items: page.protections.unwrap_or_default(), next: page.next_token })
}
