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

    /// The accounts whose metrics this one reads.
    pub(crate) fn linked_to<'a>(&'a self, monitoring: &'a str) -> impl Iterator<Item = &'a Text> {
        self.inner.spec.links.iter().filter(move |(to, _)| **to == *monitoring).map(|(_, source)| source)
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

    /// A resource has no data from `from` on, until `until` when that is given (an instance that is stopped and started); its tags
    /// stay. False: there is no such resource.
    pub fn quiet(&self, account: &str, region: &str, arn: &str, from: Timestamp, until: Option<Timestamp>) -> bool {
        let quiet = |place: &mut Place| place.resource_mut(arn).map(|resource| resource.quiet = Some((from, until)));
        self.change(account, region, quiet).is_some()
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

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;
    use std::time::Duration;

    use super::*;

    const AT: Timestamp = Timestamp::from_secs(1_795_219_200);

    fn spec(count: usize) -> WorldSpec {
        let mut spec = WorldSpec::empty();
        spec.regions.push("us-east-1".into());
        spec.services = Kind::ALL.iter().map(|kind| (*kind, count)).collect();
        spec
    }

    /// Every series with its truth at one moment.
    fn truths(world: &World, region: &str) -> BTreeMap<String, Option<u64>> {
        let hour = NonZeroU32::new(3600).unwrap();
        let truth = |name: SeriesName| (name.to_string(), world.truth(&name, "Sum", hour, AT).map(f64::to_bits));
        world.series("000000000000", region).into_iter().map(truth).collect()
    }

    #[test]
    fn equal_specs_give_equal_worlds_and_more_resources_change_nothing_else() {
        let small = truths(&World::new(spec(3)), "eu-west-1");
        assert!(small.len() > 250, "{}", small.len());
        assert_eq!(small, truths(&World::new(spec(3)), "eu-west-1"));
        let large = truths(&World::new(spec(5)), "eu-west-1");
        assert!(large.len() > small.len());
        assert!(small.iter().all(|(name, truth)| large.get(name) == Some(truth)));
    }

    #[test]
    fn seeds_and_regions_differ() {
        let world = World::new(spec(1));
        let ids = |world: &World, region| {
            let all = world.resources("000000000000", region);
            all.into_iter()
                .find(|r| r.resource_type == "ec2:instance")
                .map(|r| r.arn.rsplit('/').next().unwrap().to_owned())
        };
        let other = World::new(WorldSpec { seed: 2, ..spec(1) });
        assert_ne!(ids(&world, "eu-west-1"), ids(&world, "us-east-1"));
        assert_ne!(ids(&world, "eu-west-1"), ids(&other, "eu-west-1"));
    }

    #[test]
    fn a_series_is_found_whatever_the_order_of_its_dimensions() {
        let world = World::new(spec(2));
        let mut name =
            world.series("000000000000", "eu-west-1").into_iter().find(|s| &*s.metric == "BucketSizeBytes").unwrap();
        let day = NonZeroU32::new(86_400).unwrap();
        let truth = world.truth(&name, "Average", day, AT);
        assert!(truth.is_some());
        name.dimensions = name.dimensions.iter().rev().cloned().collect();
        assert_eq!(world.truth(&name, "Average", day, AT), truth);
        name.dimensions = name.dimensions.iter().take(1).cloned().collect();
        assert_eq!(world.truth(&name, "Average", day, AT), None, "all of them are needed");
    }

    #[test]
    fn added_resources_are_those_that_a_larger_spec_has() {
        let (grown, large) = (World::new(spec(3)), World::new(spec(4)));
        for kind in Kind::ALL {
            let arn = grown.add("000000000000", "us-east-1", kind, AT).unwrap();
            let known = large.resources("000000000000", "us-east-1").into_iter().any(|r| r.arn == arn);
            assert!(known, "{arn}");
        }
        let later = AT.plus(Duration::from_hours(1));
        let hour = NonZeroU32::new(3600).unwrap();
        for name in grown.series("000000000000", "us-east-1").iter().filter(|s| &*s.namespace == "AWS/RDS") {
            assert_eq!(grown.truth(name, "Sum", hour, later), large.truth(name, "Sum", hour, later));
        }
        assert_eq!(grown.add("000000000000", "nowhere", Kind::Sqs, AT), None);
    }
}
