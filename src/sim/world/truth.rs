//! The ground truth, for tests: what a series' value is, and what of it a client may have seen by a given time.

use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;

use super::place::{Pair, fingerprint};
use super::points::View;
use super::{Place, Profile, Series, World};
use crate::aws::job::Dimension;
use crate::model::{Text, Timestamp};
use crate::sim::statistic::Statistic;

/// Names a series in the whole world.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SeriesName {
    /// Whose.
    pub account: Text,
    /// Where.
    pub region: Text,
    /// The namespace.
    pub namespace: Text,
    /// The metric.
    pub metric: Text,
    /// The dimensions, in the listed order.
    pub dimensions: Arc<[Dimension]>,
}

impl World {
    /// Every series of a region that has existed.
    pub fn series(&self, account: &str, region: &str) -> Vec<SeriesName> {
        let Some(place) = self.place(&account.into(), &region.into()) else { return Vec::new() };
        let name = |series: &Series| {
            let profile = self.profile(series)?;
            Some(SeriesName {
                account: Arc::clone(&place.account),
                region: Arc::clone(&place.region),
                namespace: Arc::clone(&profile.namespace),
                metric: Arc::clone(&profile.metric),
                dimensions: Arc::clone(&series.dimensions),
            })
        };
        place.series().iter().filter_map(name).collect()
    }

    /// The final value of the period that starts at `start`, once all its points are published; `None`: no data, no such
    /// series or no such statistic.
    pub fn truth(
        &self,
        name: &SeriesName,
        statistic: &str,
        period_seconds: NonZeroU32,
        start: Timestamp,
    ) -> Option<f64> {
        self.value(name, statistic, period_seconds, start, None)
    }

    /// The value that CloudWatch would answer at `now`: only what is published by then.
    pub fn truth_at(
        &self,
        name: &SeriesName,
        statistic: &str,
        period_seconds: NonZeroU32,
        start: Timestamp,
        now: Timestamp,
    ) -> Option<f64> {
        self.value(name, statistic, period_seconds, start, Some(now.as_secs()))
    }

    fn value(
        &self,
        name: &SeriesName,
        statistic: &str,
        period_seconds: NonZeroU32,
        start: Timestamp,
        now: Option<i64>,
    ) -> Option<f64> {
        let place = self.place(&name.account, &name.region)?;
        let hash = self.fingerprint(&name.namespace, &name.metric, &name.dimensions);
        let series = place.find(&self.inner.profiles, hash, &name.namespace, &name.metric, &name.dimensions)?;
        let from = start.as_secs();
        let stats = self.view(&place, series)?.gather(from, from.saturating_add(period_seconds.get().into()), now)?;
        Some(Statistic::parse(statistic)?.of(&stats))
    }

    pub(crate) fn profile(&self, series: &Series) -> Option<&Profile> {
        self.inner.profiles.get(series.profile as usize)
    }

    pub(crate) fn profiles(&self) -> &[Profile] {
        &self.inner.profiles
    }

    /// A hash of a metric with its dimensions, for [`Place::find`].
    pub(crate) fn fingerprint<P: Pair>(&self, namespace: &str, metric: &str, dimensions: &[P]) -> u64 {
        fingerprint(&self.inner.hasher, namespace, metric, dimensions)
    }

    /// A series ready to be computed.
    pub(crate) fn view<'a>(&'a self, place: &Place, series: &Series) -> Option<View<'a>> {
        View::of(place, series, self.profile(series)?, self.inner.spec.publish_delay_percent)
    }
}

impl fmt::Display for SeriesName {
    /// `000000000000/eu-west-1 AWS/SQS NumberOfMessagesSent QueueName=orders`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{} {} {}", self.account, self.region, self.namespace, self.metric)?;
        self.dimensions.iter().try_for_each(|d| write!(f, " {}={}", d.name, d.value))
    }
}
