//! The simulated world: accounts, regions, resources with tags, and metrics whose every value follows from the seed.
//! Pure: time is a parameter, nothing is read or sent. It knows the truth, and what of it can be seen at a given moment.
//!
//! Deliberately absent: history. A value is computed when it is asked for; only scripted changes (a resource added,
//! deleted or tagged anew) are kept.

mod build;
mod place;
mod points;
mod truth;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use hashbrown::DefaultHashBuilder;

pub use place::Resource;
pub(crate) use place::{Pair, Place, Profile, Series};
pub(crate) use points::{Grid, View, retention_start};
pub use truth::SeriesName;

use crate::aws::job::Tag;
use crate::model::{Text, Timestamp};
use crate::sim::spec::{AccountSpec, Kind, WorldSpec};

/// The world. Clones are the same world.
#[derive(Clone)]
pub struct World {
    inner: Arc<Inner>,
}

struct Inner {
    spec: WorldSpec,
    profiles: Arc<[Profile]>,
    places: ArcSwap<Places>,
    hasher: DefaultHashBuilder,
    /// Serialises changes; readers never wait.
    changing: Mutex<()>,
}

type Places = BTreeMap<(Text, Text), Arc<Place>>;

impl World {
    /// Builds it. Costs about a microsecond per series.
    pub fn new(spec: WorldSpec) -> Self {
        let profiles = build::profiles(&spec);
        let hasher = DefaultHashBuilder::default();
        let mut places = Places::new();
        for account in &spec.accounts {
            for region in &spec.regions {
                let place = build::place(&spec, &profiles, &account.id, region, &hasher);
                places.insert((Arc::clone(&account.id), Arc::clone(region)), Arc::new(place));
            }
        }
        let places = ArcSwap::from_pointee(places);
        Self { inner: Arc::new(Inner { spec, profiles, places, hasher, changing: Mutex::new(()) }) }
    }

    /// What it was built from.
    pub fn spec(&self) -> &WorldSpec {
        &self.inner.spec
    }

    /// The account whose credentials the caller has by himself.
    pub(crate) fn home(&self) -> Option<&AccountSpec> {
        self.inner.spec.accounts.first()
    }

    /// The account with that id.
    pub(crate) fn account(&self, id: &str) -> Option<&AccountSpec> {
        self.inner.spec.accounts.iter().find(|account| &*account.id == id)
    }

    /// A region of an account; `None` where there is nothing.
    pub(crate) fn place(&self, account: &Text, region: &Text) -> Option<Arc<Place>> {
        self.inner.places.load().get(&(Arc::clone(account), Arc::clone(region))).cloned()
    }

    /// All resources of an account and region, deleted ones too, in the tagging API's order.
    pub fn resources(&self, account: &str, region: &str) -> Vec<Resource> {
        self.place(&account.into(), &region.into()).map(|place| place.resources().to_vec()).unwrap_or_default()
    }

    /// Creates one more resource at `now`; its data begin with the first native period after that. Returns its ARN;
    /// `None` when there is no such account and region.
    pub fn add(&self, account: &str, region: &str, kind: Kind, now: Timestamp) -> Option<Text> {
        let inner = &self.inner;
        self.change(account, region, |place| {
            let index = place.count(kind);
            let arn = build::resource(&mut place.builder(&inner.spec, &inner.profiles), kind, index, Some(now));
            place.reindex(&inner.profiles);
            Some(arn)
        })
    }

    /// Deletes a resource at `now`: the tagging API forgets it, its data end, and ListMetrics goes on listing its metrics
    /// for two weeks. False: there is no such resource.
    pub fn delete(&self, account: &str, region: &str, arn: &str, now: Timestamp) -> bool {
        self.change(account, region, |place| place.resource_mut(arn).map(|resource| resource.gone = Some(now)))
            .is_some()
    }

    /// Replaces the tags of a resource. False: there is no such resource.
    pub fn retag(&self, account: &str, region: &str, arn: &str, tags: &[(&str, &str)]) -> bool {
        let tags = tags.iter().map(|(key, value)| Tag { key: (*key).into(), value: (*value).into() }).collect();
        self.change(account, region, |place| place.resource_mut(arn).map(|resource| resource.tags = tags)).is_some()
    }

    fn change<T>(&self, account: &str, region: &str, edit: impl FnOnce(&mut Place) -> Option<T>) -> Option<T> {
        let _one_at_a_time = self.inner.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut places = (**self.inner.places.load()).clone();
        let place = places.get_mut(&(account.into(), region.into()))?;
        let mut next = (**place).clone();
        let result = edit(&mut next)?;
        *place = Arc::new(next);
        self.inner.places.store(Arc::new(places));
        Some(result)
    }
}
