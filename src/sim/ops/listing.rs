//! ListMetrics.

use std::borrow::Cow;
use std::sync::Arc;

use super::token::Token;
use crate::model::Timestamp;
use crate::sim::cloud::{Caller, Cloud};
use crate::sim::pushed::PushedSeries;
use crate::sim::refusal::Refusal;
use crate::sim::world::{Pair, Place, Series};

/// What is asked.
#[derive(Debug, Default)]
pub(crate) struct ListRequest<'a> {
    pub(crate) namespace: Option<Cow<'a, str>>,
    pub(crate) metric: Option<Cow<'a, str>>,
    /// Names, with the value when it matters.
    pub(crate) dimensions: Vec<(Cow<'a, str>, Option<Cow<'a, str>>)>,
    pub(crate) recently_active: Option<Cow<'a, str>>,
    pub(crate) token: Option<Cow<'a, str>>,
}

/// A page: positions in the place's series.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Listed {
    pub(crate) series: Vec<u32>,
    /// Behind them.
    pub(crate) pushed: Vec<Arc<PushedSeries>>,
    pub(crate) next: Option<String>,
}

impl ListRequest<'_> {
    fn fingerprint(&self, cloud: &Cloud) -> u64 {
        let text = |part: &Option<Cow<'_, str>>| part.as_deref().unwrap_or("\0").to_owned();
        let dimensions: Vec<(String, String)> =
            self.dimensions.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
        cloud.world.fingerprint(&text(&self.namespace), &text(&self.metric), &dimensions)
    }

    fn matches<P: Pair>(&self, dimensions: &[P]) -> bool {
        self.dimensions.iter().all(|(name, value)| {
            let is = |v: &str| value.as_deref().is_none_or(|wanted| wanted == v);
            dimensions.iter().any(|d| *d.name() == **name && is(d.value()))
        })
    }
}

/// A page of the listing.
pub(crate) fn list(
    cloud: &Cloud,
    caller: &Caller,
    place: Option<&Place>,
    request: &ListRequest<'_>,
    now: Timestamp,
) -> Result<Listed, Refusal> {
    let active = request.recently_active.as_deref();
    if active.is_some_and(|active| active != "PT3H") {
        return Err(Refusal::new("InvalidParameterValue", "RecentlyActive must be PT3H."));
    }
    let fingerprint = request.fingerprint(cloud);
    let token = match request.token.as_deref() {
        None => Token::first(fingerprint),
        Some(text) => Token::read(text, fingerprint)
            .ok_or_else(|| Refusal::new("InvalidParameterValue", "The next token is not valid for this request."))?,
    };
    let spec = cloud.world.spec();
    let room = spec.pages.list_metrics.max(1);
    let all =
        place.map(|place| place.listing(request.namespace.as_deref(), request.metric.as_deref())).unwrap_or_default();
    let skip = usize::try_from(token.position).unwrap_or(usize::MAX);
    let mut listed = Listed::default();
    let next = |position: usize| Some(token.following(u64::try_from(position).unwrap_or(u64::MAX), 0).to_string());
    for (position, id) in all.iter().enumerate().skip(skip) {
        let Some((place, series)) = place.and_then(|p| Some((p, p.series().get(*id as usize)?))) else { continue };
        let named = request.namespace.is_some() || request.metric.is_none() || is_named(cloud, series, request);
        let is_listed = place.is_listed(series, now, spec.listing_delay, active.is_some());
        if !named || !is_listed || !request.matches(&series.dimensions) {
            continue;
        }
        if listed.series.len() >= room {
            listed.next = next(position);
            return Ok(listed);
        }
        listed.series.push(*id);
    }
    for (position, series) in (all.len()..).zip(cloud.pushed.of(caller)).skip(skip.saturating_sub(all.len())) {
        let is = |wanted: &Option<Cow<'_, str>>, is: &str| wanted.as_deref().is_none_or(|wanted| wanted == is);
        let named = is(&request.namespace, &series.namespace) && is(&request.metric, &series.metric);
        if !named || !request.matches(&series.dimensions) {
            continue;
        }
        if listed.series.len() + listed.pushed.len() >= room {
            listed.next = next(position);
            break;
        }
        listed.pushed.push(series);
    }
    Ok(listed)
}

/// A metric name without a namespace is searched in all of them.
fn is_named(cloud: &Cloud, series: &Series, request: &ListRequest<'_>) -> bool {
    cloud.world.profile(series).is_some_and(|p| request.metric.as_deref().is_none_or(|metric| *p.metric == *metric))
}

/// The place in which a caller lists.
pub(crate) fn place_of(cloud: &Cloud, caller: &Caller) -> Option<Arc<Place>> {
    cloud.world.place(&caller.account, &caller.region)
}
