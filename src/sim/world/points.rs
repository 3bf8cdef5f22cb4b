//! What of a series can be seen at a moment: native points that are published, gathered into the periods of a query.

use std::time::Duration;

use super::{Place, Profile, Series};
use crate::model::Timestamp;
use crate::sim::value::{self, Origin, Stats};

/// How long points of a period are kept, as CloudWatch documents it: 15 days, 63 days, 455 days.
pub(crate) fn retention_start(now: Timestamp, period_seconds: u32) -> Timestamp {
    let days = match period_seconds {
        0..300 => 15,
        300..3600 => 63,
        _ => 455,
    };
    now.minus(Duration::from_hours(24 * days))
}

/// The periods of a query: `count` of them from `start` on. They are aligned to the start, as CloudWatch aligns them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Grid {
    /// Seconds since 1970.
    pub(crate) start: i64,
    /// Seconds since 1970, exclusive.
    pub(crate) end: i64,
    /// At least 1.
    pub(crate) period_seconds: i64,
}

impl Grid {
    /// How many periods begin in the window.
    pub(crate) fn count(&self) -> u64 {
        let width = self.end.saturating_sub(self.start).max(0);
        u64::try_from(width.saturating_add(self.period_seconds - 1) / self.period_seconds).unwrap_or(0)
    }

    /// The start of a period, counted from the oldest.
    pub(crate) fn at(&self, index: u64) -> i64 {
        self.start.saturating_add(self.period_seconds.saturating_mul(i64::try_from(index).unwrap_or(i64::MAX)))
    }
}

/// A series with what is needed to compute its values.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    profile: &'a Profile,
    origin: Origin,
    delay_seconds: u32,
    lateness_seconds: u32,
    /// Of the resource, in seconds since 1970.
    born: i64,
    gone: i64,
    /// Without data in `[from, until)`.
    quiet: (i64, i64),
}

impl<'a> View<'a> {
    /// `delay_percent` scales the metric's publish delay.
    pub(crate) fn of(place: &Place, series: &Series, profile: &'a Profile, delay_percent: u32) -> Option<Self> {
        let resource = place.resource_of(series)?;
        let scaled = |seconds: u32| seconds.saturating_mul(delay_percent) / 100;
        Some(Self {
            profile,
            origin: Origin {
                resource: resource.seed,
                series: series.seed,
                resolution_seconds: series.resolution_seconds,
            },
            delay_seconds: scaled(profile.delay_seconds),
            lateness_seconds: scaled(profile.lateness_seconds),
            born: resource.born.map_or(i64::MIN, Timestamp::as_secs),
            gone: resource.gone.map_or(i64::MAX, Timestamp::as_secs),
            quiet: resource.quiet.map_or((i64::MAX, i64::MAX), |(from, until)| {
                (from.as_secs(), until.map_or(i64::MAX, Timestamp::as_secs))
            }),
        })
    }

    /// The native period that starts at `start`, when there are data in it, published or not.
    fn native(&self, start: i64) -> Option<Stats> {
        let is_quiet = start >= self.quiet.0 && start < self.quiet.1;
        let alive = start >= self.born && start < self.gone && !is_quiet;
        (alive && value::is_present(self.origin.series, start, self.profile.presence_per_mille))
            .then(|| value::stats(self.profile.shape, &self.origin, start))
    }

    /// When the native period's point can be read, in seconds since 1970.
    pub(crate) fn published_at(&self, start: i64) -> i64 {
        let late = value::lateness_seconds(self.origin.series, start, self.lateness_seconds);
        let resolution = i64::from(self.origin.resolution_seconds);
        start.saturating_add(resolution).saturating_add(i64::from(self.delay_seconds)).saturating_add(i64::from(late))
    }

    /// Everything in `[from, to)` that is published at `now`; `None` when that is nothing. A period whose points are not
    /// all published yet gives the sum of those that are, as CloudWatch does.
    pub(crate) fn gather(&self, from: i64, to: i64, now: Option<i64>) -> Option<Stats> {
        let resolution = i64::from(self.origin.resolution_seconds);
        let mut native = from.saturating_add(resolution - 1).div_euclid(resolution).saturating_mul(resolution);
        let mut all: Option<Stats> = None;
        while native < to {
            let seen =
                now.is_none_or(|now| native.saturating_add(resolution) <= now && self.published_at(native) <= now);
            if let Some(stats) = seen.then(|| self.native(native)).flatten() {
                all.get_or_insert(Stats::NONE).add(&stats);
            }
            native = native.saturating_add(resolution);
        }
        all
    }
}
