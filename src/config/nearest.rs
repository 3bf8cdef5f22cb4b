//! "Did you mean …?": the nearest of the known words.

/// Longer words are not compared: the work grows with the product of the lengths.
const MAX_CHARS: usize = 40;

/// The known word that a mistyped one is nearest to, when it is near: a third of its letters, at most three, may differ.
pub(crate) fn of<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let typed = letters(word);
    if typed.is_empty() || typed.len() > MAX_CHARS {
        return None;
    }
    let (distance, best) = known.iter().map(|k| (distance(&typed, &letters(k)), *k)).min()?;
    (distance <= (typed.len() / 3).clamp(1, 3)).then_some(best)
}

/// The letters that count: `listen_addresses`, `listen-addresses` and `listenAddresses` are the same word.
fn letters(word: &str) -> Vec<char> {
    word.chars().filter(|c| !matches!(c, '-' | '_')).flat_map(char::to_lowercase).collect()
}

/// How many letters must be inserted, removed, replaced or swapped with their neighbour.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let at = |row: &[usize], n: usize| row.get(n).copied().unwrap_or(usize::MAX / 2);
            let mut best = at(&last, j) + usize::from(x != y);
            best = best.min(at(&last, j + 1) + 1).min(at(&row, j) + 1);
            let is_swap = i > 0 && j > 0 && a.get(i - 1) == Some(y) && b.get(j - 1) == Some(x);
            if is_swap {
                best = best.min(at(&before, j - 1) + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_are_found_and_far_ones_are_not() {
        let known = ["interval", "inventoryInterval", "listen_addresses", "regions", "roles", "jobs"];
        let table = [
            ("intervall", Some("interval")),
            ("Interval", Some("interval")),
            ("invetoryInterval", Some("inventoryInterval")),
            ("listen-adresses", Some("listen_addresses")),
            ("listenAddresses", Some("listen_addresses")),
            ("region", Some("regions")),
            ("reigons", Some("regions")),
            ("rolse", Some("roles")),
            ("job", Some("jobs")),
            ("frequency", None),
            ("x", None),
            ("", None),
        ];
        for (word, want) in table {
            assert_eq!(of(word, &known), want, "{word}");
        }
        assert_eq!(of(&"interval".repeat(100), &known), None);
    }
}
