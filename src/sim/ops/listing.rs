//! ListMetrics, also across linked accounts.

use std::borrow::Cow;
use std::sync::Arc;

use super::token::Token;
use crate::model::{Text, Timestamp};
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
    /// Also of the accounts that are linked to the caller's.
    pub(crate) linked: bool,
    /// Of these only one.
    pub(crate) owner: Option<Cow<'a, str>>,
    pub(crate) token: Option<Cow<'a, str>>,
}

/// A page.
#[derive(Default)]
pub(crate) struct Listed {
    pub(crate) items: Vec<Item>,
    pub(crate) next: Option<String>,
    /// Whether the answer names the owner of each item.
    pub(crate) owners: bool,
}

/// A metric of a page.
pub(crate) enum Item {
    /// Of the world: a position in the place's series.
    World(Arc<Place>, u32),
    /// That somebody wrote.
    Pushed(Arc<PushedSeries>),
}

impl Item {
    /// The account that has it.
    pub(crate) fn owner(&self) -> &Text {
        match self {
            Self::World(place, _) => &place.account,
            Self::Pushed(series) => &series.account,
        }
    }
}

impl ListRequest<'_> {
    fn fingerprint(&self, cloud: &Cloud) -> u64 {
        let text = |part: &Option<Cow<'_, str>>| part.as_deref().unwrap_or("\0").to_owned();
        let dimensions: Vec<(String, String)> =
            self.dimensions.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
        let owner = format!("{}{}", u8::from(self.linked), text(&self.owner));
        cloud.world.fingerprint(&text(&self.namespace), &(text(&self.metric) + &owner), &dimensions)
    }

    fn matches<P: Pair>(&self, dimensions: &[P]) -> bool {
        self.dimensions.iter().all(|(name, value)| {
            let is = |v: &str| value.as_deref().is_none_or(|wanted| wanted == v);
            dimensions.iter().any(|d| *d.name() == **name && is(d.value()))
        })
    }
}

/// Those whose metrics the caller sees, as the request wants it.
fn owners(cloud: &Cloud, caller: &Caller, request: &ListRequest<'_>) -> Result<Vec<Caller>, Refusal> {
    if !request.linked {
        return match request.owner {
            Some(_) => Err(Refusal::new("InvalidParameterValue", "OwningAccount needs IncludeLinkedAccounts.")),
            None => Ok(vec![caller.clone()]),
        };
    }
    let of = |account: &Text| Caller { account: Arc::clone(account), region: Arc::clone(&caller.region) };
    let mut all = vec![caller.clone()];
    all.extend(cloud.world.linked_to(&caller.account).map(of));
    if let Some(owner) = request.owner.as_deref() {
        all.retain(|c| *c.account == *owner);
        if all.is_empty() {
            return Err(Refusal::new("InvalidParameterValue", format!("The account {owner} is not linked.")));
        }
    }
    Ok(all)
}

/// The caller in whose place the metrics of `account` are, if he may read them.
pub(crate) fn reader(cloud: &Cloud, caller: &Caller, account: Option<&str>) -> Option<Caller> {
    let Some(account) = account.filter(|id| **id != *caller.account) else { return Some(caller.clone()) };
    let linked = cloud.world.linked_to(&caller.account).find(|id| ***id == *account)?;
    Some(Caller { account: Arc::clone(linked), region: Arc::clone(&caller.region) })
}

/// A page of the listing: of each account the world's metrics, then those that were pushed.
pub(crate) fn list(
    cloud: &Cloud,
    caller: &Caller,
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
    let mut skip = usize::try_from(token.position).unwrap_or(usize::MAX);
    let listed = Listed { owners: request.linked, ..Listed::default() };
    let mut pager = Pager { cloud, request, listed, room: cloud.world.spec().pages.list_metrics };
    let (mut first, mut next) = (0, None);
    for owner in owners(cloud, caller, request)? {
        let place = place_of(cloud, &owner);
        let ids = place
            .as_ref()
            .map(|p| p.listing(request.namespace.as_deref(), request.metric.as_deref()))
            .unwrap_or_default();
        let pushed = cloud.pushed.of(&owner);
        let of_world = place.as_ref().and_then(|place| pager.of_world(place, ids, skip, now));
        let here = of_world.or_else(|| Some(ids.len() + pager.of_pushed(&pushed, skip.saturating_sub(ids.len()))?));
        if let Some(position) = here {
            next = Some(first + position);
            break;
        }
        first += ids.len() + pushed.len();
        skip = skip.saturating_sub(ids.len() + pushed.len());
    }
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
    fn of_world(&mut self, place: &Arc<Place>, ids: &[u32], skip: usize, now: Timestamp) -> Option<usize> {
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
            self.listed.items.push(Item::World(Arc::clone(place), *id));
        }
        None
    }

    fn of_pushed(&mut self, pushed: &[Arc<PushedSeries>], skip: usize) -> Option<usize> {
        let is = |wanted: &Option<Cow<'_, str>>, is: &str| wanted.as_deref().is_none_or(|wanted| wanted == is);
        for (position, series) in pushed.iter().enumerate().skip(skip) {
            let named = is(&self.request.namespace, &series.namespace) && is(&self.request.metric, &series.metric);
            if !named || !self.request.matches(&series.dimensions) {
                continue;
            }
            if self.room == 0 {
                return Some(position);
            }
            self.room -= 1;
            self.listed.items.push(Item::Pushed(Arc::clone(series)));
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
