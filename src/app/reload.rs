//! Pure: what a reload does to each target. Equal definitions go on undisturbed wherever they stand in the file; a changed
//! target inherits the place, and until it has its own the values, of the one it follows; everything else ends or begins.

use std::collections::BTreeSet;

use crate::app::target::Target;
use crate::model::{Text, fnv1a};
use crate::telemetry::JobLabels;

/// What becomes of a wanted target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It runs already, at this position of the running ones.
    Kept(usize),
    /// It takes the place of the running one at this position.
    Changed(usize),
    /// It is new.
    New,
}

impl Fate {
    /// Whose place it takes, or goes on to hold.
    pub fn follows(self) -> Option<usize> {
        match self {
            Self::Kept(at) | Self::Changed(at) => Some(at),
            Self::New => None,
        }
    }
}

/// The fate of each wanted target, in order; running ones that nobody mentions end.
pub fn fates(running: &[&Target], wanted: &[Target]) -> Vec<Fate> {
    let mut free: Vec<bool> = vec![true; running.len()];
    let mut take = |suits: &dyn Fn(&Target) -> bool| {
        let at = running.iter().zip(&free).position(|(old, free)| *free && suits(old))?;
        if let Some(free) = free.get_mut(at) {
            *free = false;
        }
        Some(at)
    };
    let mut fates: Vec<Fate> =
        wanted.iter().map(|new| take(&|old| old.definition == new.definition).map_or(Fate::New, Fate::Kept)).collect();
    for (fate, new) in fates.iter_mut().zip(wanted) {
        if *fate == Fate::New
            && let Some(at) = take(&|old| new.follows(old))
        {
            *fate = Fate::Changed(at);
        }
    }
    fates
}

/// Labels for a target that no other one has: its own, or its own with the first free number.
pub fn unique_labels(target: &Target, taken: &BTreeSet<JobLabels>) -> JobLabels {
    let labels =
        |job: Text| JobLabels { job, region: Text::clone(&target.region), account: Text::clone(&target.account) };
    let numbered = (2_u64..).map(|n| labels(format!("{}#{n}", target.label).into()));
    let mut all = std::iter::once(labels(Text::clone(&target.label))).chain(numbered);
    all.find(|l| !taken.contains(l)).unwrap_or_else(|| labels(Text::clone(&target.label)))
}

/// Where a target's memories are kept that no other one has taken: by its definition, so that jobs of one name may change their
/// order while nothing runs. Only equal ones are numbered.
pub fn unique_memory(target: &Target, taken: &mut BTreeSet<String>) -> String {
    let Target { label, region, account, definition, .. } = target;
    let hash = fnv1a(definition.as_bytes());
    let mut numbered = (1_u64..).map(|n| format!("{label} {region} {account} {hash:016x} {n}"));
    let memory = numbered.find(|name| !taken.contains(name)).unwrap_or_default();
    taken.insert(memory.clone());
    memory
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::target::idle;
    use crate::seam::Priority;

    fn target(label: &str, definition: &str) -> Target {
        idle(label, definition, Priority::Normal)
    }

    #[test]
    fn equal_definitions_are_found_wherever_they_stand() {
        let old = [target("j", "a"), target("j", "b"), target("j", "c")];
        let running: Vec<&Target> = old.iter().collect();
        assert_eq!(fates(&running, &[target("j", "b"), target("j", "c")]), [Fate::Kept(1), Fate::Kept(2)]);
        let mixed = [target("j", "c"), target("j", "x"), target("k", "a")];
        assert_eq!(fates(&running, &mixed), [Fate::Kept(2), Fate::Changed(1), Fate::Kept(0)]);
        assert_eq!(fates(&running, &[target("k", "x")]), [Fate::New]);
        assert_eq!(fates(&running[..1], &[target("j", "a"), target("j", "a")]), [Fate::Kept(0), Fate::New]);
    }

    #[test]
    fn labels_are_numbered_when_they_are_taken() {
        let mut taken = BTreeSet::new();
        let names: Vec<String> = (0..3)
            .map(|_| {
                let labels = unique_labels(&target("j", "a"), &taken);
                taken.insert(labels.clone());
                labels.job.to_string()
            })
            .collect();
        assert_eq!(names, ["j", "j#2", "j#3"]);
    }
}
