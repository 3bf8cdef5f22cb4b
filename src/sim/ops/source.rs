//! Where a series' values come from: the world, or what was pushed.

use std::sync::Arc;

use super::metric_data::Dim;
use crate::sim::cloud::{Caller, Cloud};
use crate::sim::pushed::PushedSeries;
use crate::sim::value::Stats;
use crate::sim::world::{Place, View};

/// Names a series of the caller's region.
pub(crate) struct Name<'a> {
    pub(crate) namespace: &'a str,
    pub(crate) metric: &'a str,
    pub(crate) dimensions: &'a [Dim<'a>],
}

/// A series to read from.
pub(crate) enum Source<'a> {
    /// Computed, with the unit.
    World(View<'a>, &'static str),
    /// Written by somebody.
    Pushed(Arc<PushedSeries>),
}

impl<'a> Source<'a> {
    /// The series with that name; `hash` is its fingerprint.
    pub(crate) fn find(
        cloud: &'a Cloud,
        caller: &Caller,
        place: Option<&Place>,
        hash: u64,
        name: &Name<'_>,
    ) -> Option<Self> {
        let world = &cloud.world;
        let known = place.and_then(|place| {
            let series = place.find(world.profiles(), hash, name.namespace, name.metric, name.dimensions)?;
            Some(Self::World(world.view(place, series)?, world.profile(series)?.unit))
        });
        known.or_else(|| cloud.pushed.find(caller, name.namespace, name.metric, name.dimensions).map(Self::Pushed))
    }

    /// Everything in `[from, to)` that can be seen at `now`; all in seconds since 1970.
    pub(crate) fn gather(&self, from: i64, to: i64, now: i64) -> Option<Stats> {
        match self {
            Self::World(view, _) => view.gather(from, to, Some(now)),
            Self::Pushed(series) => series.gather(from, to),
        }
    }

    /// CloudWatch's unit.
    pub(crate) fn unit(&self) -> &str {
        match self {
            Self::World(_, unit) => unit,
            Self::Pushed(series) => &series.unit,
        }
    }
}
