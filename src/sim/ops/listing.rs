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

/// A page of the listing: the world's metrics, then those that were pushed.
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
    let skip = usize::try_from(token.position).unwrap_or(usize::MAX);
    let mut pager = Pager { cloud, request, listed: Listed::default(), room: cloud.world.spec().pages.list_metrics };
    let ids = place.map(|p| p.listing(request.namespace.as_deref(), request.metric.as_deref())).unwrap_or_default();
    let of_world = place.and_then(|place| pager.of_world(place, ids, skip, now));
    let next = of_world.or_else(|| {
        let position = pager.of_pushed(caller, skip.saturating_sub(ids.len()))?;
        Some(ids.len() + position)
    });
    let mut listed = pager.listed;
    listed.next = next.map(|position| token.following(u64::try_from(position).unwrap_or(u64::MAX), 0).to_string());
    Ok(listed)
}

/// Fills a page; its methods return the position at which the next one begins.
struct Pager<'a> {
    cloud: &'a Cloud,
    request: &'a ListRequest<'a>,
    listed: Listed,
    /// What still fits.
    room: usize,
}

impl Pager<'_> {
    fn of_world(&mut self, place: &Place, ids: &[u32], skip: usize, now: Timestamp) -> Option<usize> {
        let delay = self.cloud.world.spec().listing_delay;
        let active = self.request.recently_active.is_some();
        // A metric's name without a namespace is searched in all of them.
        let every_name = self.request.namespace.is_some() || self.request.metric.is_none();
        for (position, id) in ids.iter().enumerate().skip(skip) {
            let Some(series) = place.series().get(*id as usize) else { continue };
            let named = every_name || self.is_named(series);
            if !named || !place.is_listed(series, now, delay, active) || !self.request.matches(&series.dimensions) {
                continue;
            }
            if self.room == 0 {
                return Some(position);
            }
            self.room -= 1;
            self.listed.series.push(*id);
        }
        None
    }

    fn of_pushed(&mut self, caller: &Caller, skip: usize) -> Option<usize> {
        let is = |wanted: &Option<Cow<'_, str>>, is: &str| wanted.as_deref().is_none_or(|wanted| wanted == is);
        for (position, series) in self.cloud.pushed.of(caller).into_iter().enumerate().skip(skip) {
            let named = is(&self.request.namespace, &series.namespace) && is(&self.request.metric, &series.metric);
            if !named || !self.request.matches(&series.dimensions) {
                continue;
            }
            if self.room == 0 {
                return Some(position);
            }
            self.room -= 1;
            self.listed.pushed.push(series);
        }
        None
    }

    fn is_named(&self, series: &Series) -> bool {
        let name = self.cloud.world.profile(series).map(|profile| &*profile.metric);
        name == self.request.metric.as_deref()
    }
}

/// The place in which a caller lists.
pub(crate) fn place_of(cloud: &Cloud, caller: &Caller) -> Option<Arc<Place>> {
    cloud.world.place(&caller.account, &caller.region)
}
