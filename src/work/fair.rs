//! Pure: who is next. Askers with the highest priority come first and take turns with each other, however much each of
//! them wants; whoever is passed over too often comes next all the same.

use std::collections::VecDeque;
use std::hash::Hash;

use hashbrown::HashMap;

use crate::seam::Priority;

/// A priority that waits is passed over at most this often in a row: a low one gets a ninth of a quota that high ones
/// would take whole.
const PASSED_OVER: u32 = 8;

/// What waits, by asker.
#[derive(Debug)]
pub(super) struct FairQueue<K, T> {
    /// In the order of [`Priority::ALL`].
    classes: [Class<K, T>; Priority::ALL.len()],
}

#[derive(Debug)]
struct Class<K, T> {
    /// Askers that wait, in the order of their turns.
    turns: VecDeque<K>,
    /// What each of them waits for; never empty.
    waiting: HashMap<K, VecDeque<T>>,
    /// How often others went first since its last turn.
    passed_over: u32,
}

impl<K, T> Default for FairQueue<K, T> {
    fn default() -> Self {
        let class = || Class { turns: VecDeque::new(), waiting: HashMap::new(), passed_over: 0 };
        Self { classes: [class(), class(), class()] }
    }
}

impl<K: Clone + Eq + Hash, T> FairQueue<K, T> {
    /// An asker that waits already waits longer; its turns do not come more often.
    pub(super) fn push(&mut self, asker: K, priority: Priority, item: T) {
        let Some(class) = self.classes.get_mut(priority as usize) else { return };
        let items = class.waiting.entry(asker.clone()).or_default();
        if items.is_empty() {
            class.turns.push_back(asker);
        }
        items.push_back(item);
    }

    /// The next one. What is no longer wanted is dropped, and takes nobody's turn.
    pub(super) fn pop(&mut self, is_wanted: impl Fn(&T) -> bool) -> Option<T> {
        loop {
            let waits = |class: &Class<K, T>| !class.turns.is_empty();
            let starved = self.classes.iter().position(|c| waits(c) && c.passed_over >= PASSED_OVER);
            let chosen = starved.or_else(|| self.classes.iter().rposition(waits))?;
            let Some(item) = self.classes.get_mut(chosen)?.pop(&is_wanted) else { continue };
            for (at, class) in self.classes.iter_mut().enumerate() {
                class.passed_over = if at == chosen || class.turns.is_empty() { 0 } else { class.passed_over + 1 };
            }
            return Some(item);
        }
    }

    /// The highest priority that waits.
    pub(super) fn highest(&self) -> Option<Priority> {
        let waits = |priority: &&Priority| self.classes.get(**priority as usize).is_some_and(|c| !c.turns.is_empty());
        Priority::ALL.iter().rev().find(waits).copied()
    }
}

impl<K: Clone + Eq + Hash, T> Class<K, T> {
    /// `None`: the asker whose turn it was wants nothing any more.
    fn pop(&mut self, is_wanted: impl Fn(&T) -> bool) -> Option<T> {
        let asker = self.turns.pop_front()?;
        let items = self.waiting.get_mut(&asker)?;
        let item = std::iter::from_fn(|| items.pop_front()).find(is_wanted);
        if items.is_empty() {
            self.waiting.remove(&asker);
        } else {
            self.turns.push_back(asker);
        }
        item
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The order in which everything comes out that these askers put in.
    fn order(askers: &[(&'static str, Priority, usize)]) -> Vec<&'static str> {
        let mut queue = FairQueue::default();
        for (asker, priority, count) in askers {
            (0..*count).for_each(|_| queue.push(*asker, *priority, *asker));
        }
        std::iter::from_fn(|| queue.pop(|_| true)).collect()
    }

    #[test]
    fn askers_take_turns_however_much_they_want() {
        let order = order(&[("many", Priority::Normal, 10_000), ("few", Priority::Normal, 3)]);
        assert_eq!(order[..7], ["many", "few", "many", "few", "many", "few", "many"]);
        assert_eq!(order.len(), 10_003);
    }

    #[test]
    fn items_of_one_asker_keep_their_order() {
        let mut queue = FairQueue::default();
        (0..4).for_each(|n| queue.push("a", Priority::Low, n));
        assert_eq!(std::iter::from_fn(|| queue.pop(|_| true)).collect::<Vec<_>>(), [0, 1, 2, 3]);
        assert_eq!(queue.highest(), None);
    }

    #[test]
    fn high_goes_first_and_low_is_never_starved() {
        let all = [("low", Priority::Low, 20), ("normal", Priority::Normal, 500), ("high", Priority::High, 1_000)];
        let order = order(&all);
        let first = |name| order.iter().position(|n| *n == name).unwrap();
        assert_eq!((first("high"), first("low"), first("normal")), (0, 8, 9));
        for name in ["low", "normal"] {
            let gaps = order.iter().enumerate().filter(|(_, n)| **n == name).map(|(at, _)| at).collect::<Vec<_>>();
            assert!(gaps[..20].windows(2).all(|w| w[1] - w[0] <= 10), "{name}: {:?}", &gaps[..20]);
        }
        assert!(order[..100].iter().filter(|n| **n == "high").count() > 70);
    }

    #[test]
    fn the_departed_take_nobody_s_turn() {
        let mut queue = FairQueue::default();
        for (asker, item) in [("a", 1), ("a", 2), ("b", -1), ("b", 3), ("c", -1)] {
            queue.push(asker, Priority::Normal, item);
        }
        assert_eq!(std::iter::from_fn(|| queue.pop(|n| *n > 0)).collect::<Vec<_>>(), [1, 3, 2]);
    }

    #[test]
    fn the_highest_is_known() {
        let mut queue = FairQueue::default();
        queue.push("a", Priority::Low, ());
        queue.push("b", Priority::High, ());
        assert_eq!(queue.highest(), Some(Priority::High));
        queue.pop(|()| true);
        assert_eq!(queue.highest(), Some(Priority::Low));
    }
}
