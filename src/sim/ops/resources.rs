//! `tag:GetResources`.

use super::token::Token;
use crate::sim::cloud::Cloud;
use crate::sim::refusal::Refusal;
use crate::sim::value::mix;
use crate::sim::world::{Place, Resource};

/// Type filters in one request, the API's limit.
const MAX_TYPE_FILTERS: usize = 100;
/// Tag filters in one request, the API's limit.
const MAX_TAG_FILTERS: usize = 50;
/// Resources in a page when the caller does not say.
const DEFAULT_PAGE: u64 = 50;

/// What is asked.
#[derive(Debug, Default)]
pub(crate) struct ResourcesRequest {
    /// `service` or `service:type`; empty: all.
    pub(crate) types: Vec<String>,
    /// Keys, each with the values that will do; none: any value.
    pub(crate) tags: Vec<(String, Vec<String>)>,
    pub(crate) per_page: Option<u64>,
    pub(crate) token: Option<String>,
}

/// A page.
#[derive(Debug, Default)]
pub(crate) struct Found<'a> {
    pub(crate) resources: Vec<&'a Resource>,
    pub(crate) next: Option<String>,
}

impl ResourcesRequest {
    fn matches(&self, resource: &Resource) -> bool {
        let tagged = |(key, values): &(String, Vec<String>)| {
            let wanted = |value: &str| values.is_empty() || values.iter().any(|v| v == value);
            resource.tags.iter().any(|tag| *tag.key == **key && wanted(&tag.value))
        };
        resource.is_tagged()
            && (self.types.is_empty() || self.types.iter().any(|filter| is_of(resource.resource_type, filter)))
            && self.tags.iter().all(tagged)
    }

    fn fingerprint(&self) -> u64 {
        let text = |h: u64, text: &String| text.bytes().fold(mix(h ^ 1), |h, byte| mix(h ^ u64::from(byte)));
        self.tags.iter().map(|(key, _)| key).chain(&self.types).fold(2, text)
    }
}

/// `elasticloadbalancing:loadbalancer/app` is of `elasticloadbalancing`, `elasticloadbalancing:loadbalancer` and itself.
fn is_of(resource_type: &str, filter: &str) -> bool {
    let Some(rest) = resource_type.strip_prefix(filter) else { return false };
    rest.is_empty() || rest.starts_with([':', '/'])
}

/// A page of the tagged resources.
pub(crate) fn find<'a>(
    cloud: &Cloud,
    place: Option<&'a Place>,
    request: &ResourcesRequest,
) -> Result<Found<'a>, Refusal> {
    let invalid = |why: &str| Refusal::new("InvalidParameterException", why);
    if request.types.len() > MAX_TYPE_FILTERS || request.tags.len() > MAX_TAG_FILTERS {
        return Err(invalid("There are too many filters."));
    }
    let per_page = request.per_page.unwrap_or(DEFAULT_PAGE);
    if !(1..=100).contains(&per_page) {
        return Err(invalid("ResourcesPerPage must be between 1 and 100."));
    }
    let token = match request.token.as_deref().filter(|token| !token.is_empty()) {
        None => Token::first(request.fingerprint()),
        Some(text) => Token::read(text, request.fingerprint())
            .ok_or_else(|| Refusal::new("PaginationTokenExpiredException", "The pagination token is not valid."))?,
    };
    let Some(place) = place else { return Ok(Found::default()) };
    let room = usize::try_from(per_page).unwrap_or(usize::MAX).min(cloud.world.spec().pages.resources);
    let mut found = Found::default();
    let skip = usize::try_from(token.position).unwrap_or(usize::MAX);
    for (position, resource) in place.resources().iter().enumerate().skip(skip) {
        if !request.matches(resource) {
            continue;
        }
        if found.resources.len() >= room {
            found.next = Some(token.following(u64::try_from(position).unwrap_or(u64::MAX), 0).to_string());
            break;
        }
        found.resources.push(resource);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_takes_in_its_service_its_type_and_what_is_below() {
        let balancer = "elasticloadbalancing:loadbalancer/app";
        for (filter, is) in [
            ("elasticloadbalancing", true),
            ("elasticloadbalancing:loadbalancer", true),
            ("elasticloadbalancing:loadbalancer/app", true),
            ("elasticloadbalancing:loadbalancer/net", false),
            ("elasticloadbalancing:load", false),
            ("elastic", false),
            ("ec2", false),
        ] {
            assert_eq!(is_of(balancer, filter), is, "{filter}");
        }
    }
}
