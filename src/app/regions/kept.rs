//! The regions that are known, as bytes that survive a restart: where a cloud does not answer then, its jobs go on with the
//! values that they left behind. Roles are written down as hashes: external ids are nobody's business.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use super::{Known, roles};
use crate::aws::job::{AwsSettings, Role};
use crate::model::Text;

/// As JSON.
pub fn written(known: &Known) -> Vec<u8> {
    let all: BTreeMap<String, Vec<&str>> =
        known.iter().map(|(role, regions)| (mark(role), regions.iter().map(|r| &**r).collect())).collect();
    serde_json::to_vec(&all).unwrap_or_default()
}

/// Of the roles that the settings have; nothing where the bytes mean nothing.
pub fn read(bytes: &[u8], settings: &AwsSettings) -> Known {
    let mut all: BTreeMap<String, Vec<String>> = serde_json::from_slice(bytes).unwrap_or_default();
    let known = |role: Role| {
        let regions = all.remove(&mark(&role))?;
        Some((role, regions.into_iter().map(Text::from).collect()))
    };
    roles(settings).into_keys().filter_map(known).collect()
}

fn mark(role: &Role) -> String {
    let mut hash = Sha256::new();
    for part in [role.arn.as_deref(), role.external_id.as_deref()] {
        hash.update([u8::from(part.is_some())]);
        hash.update(part.unwrap_or_default());
        hash.update([0]);
    }
    hash.finalize().iter().fold(String::new(), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
