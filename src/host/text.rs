//! Reading the kernel's tables: what all parsers here need.

/// A counter as a measurement. Beyond 2^53 the last digits go, as they do in every monitoring system.
#[expect(clippy::cast_precision_loss, reason = "measurements are floating point; 2^53 bytes are 9 petabytes")]
pub(super) fn float(n: u64) -> f64 {
    n as f64
}

/// How many there are, as a measurement.
pub(super) fn count(n: usize) -> f64 {
    float(u64::try_from(n).unwrap_or(u64::MAX))
}

/// `part` per hundred of `whole`; 0 of nothing.
pub(super) fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { 100.0 * float(part) / float(whole) }
}

/// The numbers of a line, up to the first word that is none.
pub(super) fn numbers(words: &str) -> Vec<u64> {
    words.split_ascii_whitespace().map_while(|w| w.parse().ok()).collect()
}

/// The number behind `key` at the beginning of one of the lines: `btime 1700000000`, `VmRSS:   12 kB`.
pub(super) fn keyed(text: &str, key: &str) -> Option<u64> {
    let rest = text.lines().find_map(|l| l.strip_prefix(key))?;
    rest.split_ascii_whitespace().next()?.parse().ok()
}

/// Undoes the kernel's octal escapes (`\040` for a blank) in paths.
pub(super) fn unescape_octal(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, behind)) = rest.split_first() {
        let digits = behind.get(..3).filter(|d| first == b'\\' && d.iter().all(|c| (b'0'..=b'7').contains(c)));
        let code = digits.and_then(|d| std::str::from_utf8(d).ok()).and_then(|d| u8::from_str_radix(d, 8).ok());
        out.push(code.unwrap_or(first));
        rest = if code.is_some() { behind.get(3..).unwrap_or_default() } else { behind };
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octal_escapes_are_undone_and_others_stay() {
        for (escaped, expected) in [
            ("/mnt/a\\040b", "/mnt/a b"),
            ("\\134x", "\\x"),
            ("/a\\9", "/a\\9"),
            ("\\04", "\\04"),
            ("\\777", "\\777"),
            ("/caf\\303\\251", "/café"),
        ] {
            assert_eq!(unescape_octal(escaped), expected, "{escaped}");
        }
    }

    #[test]
    fn a_key_is_found_at_the_beginning_of_a_line() {
        assert_eq!(keyed("x 1\nbtime 12\n", "btime "), Some(12));
        assert_eq!(keyed("VmRSS:\t  12 kB\n", "VmRSS:"), Some(12));
        assert_eq!(keyed("abtime 12\n", "btime "), None);
        assert_eq!(keyed("btime x\n", "btime "), None);
    }
}
