//! Pure: when each target begins. A small configuration begins at once; the first discoveries of a large one are spread, so
//! that they neither queue up in memory nor meet the quotas all in the same second.

use std::time::Duration;

use crate::app::target::Target;
use crate::model::fnv1a;

/// So many targets begin at once: their first calls are a second's worth of the quotas.
const AT_ONCE: usize = 100;
/// Then so many begin in each second …
const PER_SECOND: u32 = 50;
/// … or more, so that all have begun within this time.
const LONGEST: Duration = Duration::from_secs(120);

/// How long each of these targets, which are to begin now, waits. Higher priorities begin first; within one, the order is
/// a hash of what the target does: it does not depend on the file's order (whose neighbours meet the same quota), and it is
/// the same at every start.
pub fn delays(targets: &[&Target]) -> Vec<Duration> {
    let mut order: Vec<usize> = (0..targets.len()).collect();
    order.sort_by_cached_key(|at| {
        let target = targets.get(*at);
        let priority = target.map(|t| std::cmp::Reverse(t.priority));
        (priority, target.map(|t| fnv1a(t.definition.as_bytes())), *at)
    });
    let late = u32::try_from(targets.len().saturating_sub(AT_ONCE)).unwrap_or(u32::MAX);
    let step = (Duration::from_secs(1) / PER_SECOND).min(LONGEST / late.max(1));
    let mut delays = vec![Duration::ZERO; targets.len()];
    for (position, at) in order.into_iter().enumerate().skip(AT_ONCE) {
        if let Some(delay) = delays.get_mut(at) {
            *delay = step * u32::try_from(position - AT_ONCE + 1).unwrap_or(u32::MAX);
        }
    }
    delays
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::target::idle;
    use crate::seam::Priority;

    /// For each account a target of normal priority; then for each another of high priority.
    fn targets(accounts: usize) -> Vec<Target> {
        let all =
            |kind: &'static str, priority| (0..accounts).map(move |n| idle(kind, &format!("{kind} {n}"), priority));
        all("AWS/SQS", Priority::Normal).chain(all("AWS/EC2", Priority::High)).collect()
    }

    fn delays_of(targets: &[Target]) -> Vec<Duration> {
        delays(&targets.iter().collect::<Vec<_>>())
    }

    #[test]
    fn a_small_configuration_begins_at_once() {
        let small = targets(50);
        assert_eq!(delays_of(&small), [Duration::ZERO; 100]);
        assert!(delays_of(&[]).is_empty());
    }

    #[test]
    fn a_large_one_is_spread_evenly_high_priorities_first_always_the_same() {
        let large = targets(500);
        let all = delays_of(&large);
        let mut sorted = all.clone();
        sorted.sort();
        assert_eq!(sorted[99], Duration::ZERO);
        assert!(sorted[100..].windows(2).all(|w| w[1] == w[0] + Duration::from_millis(20)));
        assert_eq!(sorted[999], Duration::from_secs(18));
        let last = |priority| {
            let of = large.iter().zip(&all).filter(|(t, _)| t.priority == priority);
            of.map(|(_, d)| *d).max().unwrap()
        };
        assert!(last(Priority::High) < Duration::from_secs(9) && last(Priority::Normal) == Duration::from_secs(18));
        assert_eq!(delays_of(&large), all);
        let mut turned: Vec<Target> = large.clone();
        turned.reverse();
        let back: Vec<_> = delays_of(&turned).into_iter().rev().collect();
        assert_eq!(back, all, "the file's order does not matter");
    }

    #[test]
    fn a_huge_one_has_begun_within_two_minutes() {
        let all = delays_of(&targets(10_000));
        let last = all.iter().max().unwrap();
        assert!(*last <= LONGEST && *last > LONGEST / 2, "{last:?}");
    }
}
