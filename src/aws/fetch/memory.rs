//! What a fetch remembers, as a value that can be kept on disk: the last samples of each series with when they were
//! confirmed, when each is due, and what was learned about publishing. Series are named by a hash, since the inventory makes
//! their names anew.

use std::num::NonZeroU32;

use hashbrown::HashMap;
use serde::{Deserialize, Serialize};

use super::paced::Paced;
use crate::aws::cadence::{Learned, Rhythm, Track};
use crate::aws::job::Pace;
use crate::aws::plan::Plan;
use crate::model::{Cell, Family, LabelSet, Now, SeriesSet, Snapshot, Timestamp};

/// The beginning of FNV-1a, 64 bits: the same in every process and version.
pub(super) const FNV_START: u64 = 0xcbf2_9ce4_8422_2325;

/// A step of FNV-1a.
pub(super) fn fnv(hash: u64, byte: u8) -> u64 {
    (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
}

/// What a fetch remembers. Times are wall time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    groups: Vec<Group>,
    series: Vec<Series>,
}

/// A rhythm, and what was learned of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Group {
    period_seconds: NonZeroU32,
    delay_seconds: u64,
    is_auto: bool,
    learned: Learned,
}

/// A series.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Series {
    /// Hash of its name and labels.
    key: u64,
    track: Track,
    confirmed_secs: i64,
    /// Bits of the value (no format loses a NaN then), and milliseconds of its time where it has one.
    samples: Vec<(u64, Option<i64>)>,
}

impl Memory {
    /// `due`: when all series of a job without own times are asked for again.
    pub(super) fn of(
        plan: &Plan,
        snapshot: &Snapshot,
        paced: Option<&Paced>,
        watermarks: &[Option<Timestamp>],
        due: Option<Timestamp>,
        now: Now,
    ) -> Self {
        let common = Track::due_at(due.map_or(0, secs));
        let mut tracks = vec![common; plan.set.series.len()];
        for (batch, whole) in plan.batches.iter().zip(watermarks) {
            for target in &batch.targets {
                if let (Some(track), Some(whole)) = (tracks.get_mut(target.series as usize), whole) {
                    track.whole_until = secs(*whole);
                }
            }
        }
        if let Some(paced) = paced {
            tracks.iter_mut().zip(paced.tracks()).for_each(|(track, own)| *track = *own);
        }
        let behind = now.wall.as_secs() - now.steady.as_secs();
        let series = plan.set.series.iter().zip(tracks).enumerate().filter_map(|(at, (key, track))| {
            let confirmed = snapshot.confirmed_secs.get(at).copied().unwrap_or(0);
            let sample = |c: &Cell| (c.value().to_bits(), c.timestamp().map(Timestamp::as_millis));
            Some(Series {
                key: hash(plan.set.describe(*key)?),
                track,
                confirmed_secs: i64::from(confirmed) + behind,
                samples: snapshot.samples(at).iter().map(sample).collect(),
            })
        });
        let learned = paced.map(Paced::learned).unwrap_or_default();
        let group = |(r, learned): (&Rhythm, &Learned)| Group {
            period_seconds: r.period_seconds,
            delay_seconds: r.delay_seconds,
            is_auto: r.pace == Pace::Auto,
            learned: *learned,
        };
        Self { groups: plan.groups.iter().zip(learned).map(group).collect(), series: series.collect() }
    }

    /// Puts back what belongs to series and rhythms that are still there. Returns whether anything is shown.
    pub(super) fn recall(self, plan: &Plan, paced: &mut Paced, snapshot: &mut Snapshot, now: Now) -> bool {
        for (rhythm, learned) in plan.groups.iter().zip(paced.learned_mut()) {
            let is = |g: &&Group| {
                g.period_seconds == rhythm.period_seconds
                    && g.delay_seconds == rhythm.delay_seconds
                    && g.is_auto == (rhythm.pace == Pace::Auto)
            };
            if let Some(group) = self.groups.iter().find(is) {
                *learned = group.learned;
            }
        }
        let known: HashMap<u64, &Series> = self.series.iter().map(|s| (s.key, s)).collect();
        let behind = now.wall.as_secs() - now.steady.as_secs();
        let mut cells = Vec::new();
        // A clock that was wrong then must not keep a series from being asked for now.
        let longest = plan.groups.iter().map(Rhythm::longest_wait_seconds).max().unwrap_or(0);
        let latest = secs(now.wall).saturating_add(longest);
        for (at, series) in series_of(&plan.set, &known) {
            if let Some(track) = paced.tracks_mut().get_mut(at).filter(|_| series.track.due <= latest) {
                *track = series.track;
            }
            cells.clear();
            cells.extend(series.samples.iter().map(|(bits, ms)| match ms {
                None => Cell::untimed(f64::from_bits(*bits)),
                Some(ms) => Cell::timed(f64::from_bits(*bits), Timestamp::from_millis(*ms)),
            }));
            let confirmed = Timestamp::from_secs(series.confirmed_secs - behind);
            snapshot.put(at, &cells, confirmed);
        }
        snapshot.drop_stale(now.steady);
        snapshot.present() > 0
    }
}

/// The positions of a set's series that are known.
fn series_of<'a>(set: &'a SeriesSet, known: &'a HashMap<u64, &'a Series>) -> impl Iterator<Item = (usize, &'a Series)> {
    let find = |(at, key): (usize, &crate::model::SeriesKey)| Some((at, *known.get(&hash(set.describe(*key)?))?));
    set.series.iter().enumerate().filter_map(find)
}

/// Of a series' name and labels.
fn hash((family, labels): (&Family, &LabelSet)) -> u64 {
    let texts = labels.iter().flat_map(|(name, value)| [&**name, &**value]);
    // No text contains the byte that ends it.
    let bytes = std::iter::once(&*family.name).chain(texts).flat_map(|t| t.bytes().chain(std::iter::once(0xff)));
    bytes.fold(FNV_START, fnv)
}

fn secs(at: Timestamp) -> u32 {
    u32::try_from(at.as_secs()).unwrap_or(0)
}
