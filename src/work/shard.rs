//! One of several processes that share a configuration: which places are its own. A place is an account in a region, or a
//! project: all jobs there share the cloud's quota, so they stay together.
//!
//! Rendezvous hashing: each place belongs to the shard that scores highest for it, so a change of the number of shards moves only
//! what must move. The scores are SHA-256, so all versions and machines agree.

use std::str::FromStr;

use sha2::{Digest as _, Sha256};

/// More shards than this are a mistake in the manifest.
const MAX_SHARDS: u32 = 10_000;

/// `2/4`: the third of four.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    index: u32,
    count: u32,
}

/// Not a shard.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no shard: write INDEX/COUNT, as in 0/4 up to 3/4, or POD/COUNT, as in raingauge-5/4")]
pub struct ShardError(String);

impl Shard {
    /// Which one, from 0.
    pub const fn index(self) -> u32 {
        self.index
    }

    /// Whether a place is its own.
    pub fn has(self, cloud: &str, account: &str, region: &str) -> bool {
        let score = |shard: u32| {
            let mut hash = Sha256::new();
            for part in [cloud, account, region] {
                hash.update(part.as_bytes());
                hash.update([0]);
            }
            hash.update(shard.to_be_bytes());
            hash.finalize()
        };
        let own = score(self.index);
        (0..self.count).all(|other| other == self.index || score(other) < own)
    }
}

impl FromStr for Shard {
    type Err = ShardError;

    /// A number has to be below the count; a pod's ordinal (what follows its name's last hyphen) is taken modulo the count, so
    /// that a stateful set of twice as many replicas has two for each shard.
    fn from_str(text: &str) -> Result<Self, ShardError> {
        let parse = || {
            let (which, count) = text.split_once('/')?;
            let count = count.parse().ok().filter(|count| (1..=MAX_SHARDS).contains(count))?;
            let index = match which.rsplit_once('-') {
                Some((name, ordinal)) if !name.is_empty() => ordinal.parse::<u32>().ok()? % count,
                _ => which.parse().ok().filter(|index| *index < count)?,
            };
            Some(Self { index, count })
        };
        parse().ok_or_else(|| ShardError(text.to_owned()))
    }
}

impl std::fmt::Display for Shard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shards(count: u32) -> Vec<Shard> {
        (0..count).map(|index| Shard { index, count }).collect()
    }

    /// A thousand accounts in four regions.
    fn owners(count: u32) -> Vec<usize> {
        let places = (0..1000).flat_map(|a| ["us-east-1", "eu-west-1", "eu-central-1", "ap-south-1"].map(|r| (a, r)));
        let owner = |(account, region): (u32, &str)| {
            let account = format!("{account:012}");
            let all: Vec<_> = shards(count).into_iter().filter(|s| s.has("aws", &account, region)).collect();
            assert_eq!(all.len(), 1, "each place has one owner");
            all[0].index as usize
        };
        places.map(owner).collect()
    }

    #[test]
    fn shards_are_even_and_few_places_move() {
        let (four, five) = (owners(4), owners(5));
        for shard in 0..4 {
            let places = four.iter().filter(|owner| **owner == shard).count();
            assert!((900..1100).contains(&places), "shard {shard} has {places} of 4,000 places");
        }
        let moved: Vec<_> = four.iter().zip(&five).filter(|(a, b)| a != b).collect();
        assert!(moved.iter().all(|(_, to)| **to == 4), "what moves goes to the new shard");
        assert!((700..900).contains(&moved.len()), "{} of 4,000 places moved, 800 have to", moved.len());
    }

    #[test]
    fn everything_is_the_only_shards() {
        assert!("0/1".parse::<Shard>().unwrap().has("gcp", "project", "global"));
    }

    #[test]
    fn scores_are_the_same_for_ever() {
        let firsts: Vec<_> = owners(4).into_iter().take(12).collect();
        assert_eq!(firsts, [3, 0, 1, 0, 0, 0, 2, 3, 3, 2, 1, 2], "a change would move everything at an update");
    }

    #[test]
    fn shards_are_read() {
        for (text, wanted) in
            [("0/1", "0/1"), ("3/4", "3/4"), ("raingauge-0/4", "0/4"), ("raingauge-5/4", "1/4"), ("a-b-7/4", "3/4")]
        {
            assert_eq!(text.parse::<Shard>().unwrap().to_string(), wanted);
        }
        for bad in ["", "1", "4/4", "0/0", "-1/4", "a/4", "a-/4", "a-b/4", "1/x", "0/10001", "1/2/3"] {
            assert!(bad.parse::<Shard>().is_err(), "{bad}");
        }
    }
}
