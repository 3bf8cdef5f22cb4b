//! Units as people write them in a `measurement`: CloudWatch's names, or those of UCUM (`By`, `MiBy`, `ms`). Pure.

use crate::model::StandardUnit;

/// The unit, and what values have to be multiplied by; `None`: not a unit that CloudWatch has.
pub fn parse(text: &str) -> Option<(StandardUnit, f64)> {
    if let Some(unit) = StandardUnit::new(text) {
        return Some((unit, 1.0));
    }
    let lower = text.to_ascii_lowercase();
    let plain = match lower.as_str() {
        "1" | "ns" => Some(("None", 1.0)),
        "%" => Some(("Percent", 1.0)),
        "s" => Some(("Seconds", 1.0)),
        "ms" => Some(("Milliseconds", 1.0)),
        "us" => Some(("Microseconds", 1.0)),
        "min" => Some(("Seconds", 60.0)),
        "h" => Some(("Seconds", 3_600.0)),
        "d" => Some(("Seconds", 86_400.0)),
        _ => None,
    };
    let named = |(name, scale)| Some((StandardUnit::new(name)?, scale));
    plain.and_then(named).or_else(|| data_size(&lower))
}

/// `kby`, `mibi/s`: a prefix, bytes or bits, perhaps by second.
fn data_size(text: &str) -> Option<(StandardUnit, f64)> {
    let (size, rate) = text.strip_suffix("/s").map_or((text, ""), |size| (size, "/Second"));
    let (prefix, base) = if let Some(prefix) = size.strip_suffix("by") {
        (prefix, "bytes")
    } else if let Some(prefix) = size.strip_suffix("bi") {
        (prefix, "bits")
    } else {
        (size.strip_suffix('b')?, "bytes")
    };
    let (word, binary) = match prefix.strip_suffix('i') {
        Some(letter) => (letter, true),
        None => (prefix, false),
    };
    let (word, power) = match word {
        "" if !binary => ("", 0),
        "k" => ("kilo", 1),
        "m" => ("mega", 2),
        "g" => ("giga", 3),
        "t" => ("tera", 4),
        _ => return None,
    };
    let scale = if binary { 1.024_f64.powi(power) } else { 1.0 };
    Some((StandardUnit::new(&format!("{word}{base}{rate}"))?, scale))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_ucum_are_understood_and_others_are_not() {
        for (text, want) in [
            ("gigabytes", Some(("Gigabytes", 1.0))),
            ("Count/Second", Some(("Count/Second", 1.0))),
            ("By", Some(("Bytes", 1.0))),
            ("b", Some(("Bytes", 1.0))),
            ("bi", Some(("Bits", 1.0))),
            ("by/s", Some(("Bytes/Second", 1.0))),
            ("kBy", Some(("Kilobytes", 1.0))),
            ("MiBy", Some(("Megabytes", 1.048_576))),
            ("Gibi/s", Some(("Gigabits/Second", 1.073_741_824))),
            ("min", Some(("Seconds", 60.0))),
            ("ns", Some(("None", 1.0))),
            ("1", Some(("None", 1.0))),
            ("%", Some(("Percent", 1.0))),
            ("PBy", None),
            ("i", None),
            ("parsec", None),
            ("", None),
        ] {
            let found = parse(text).map(|(unit, scale)| (unit.as_str(), (scale * 1e9).round() / 1e9));
            assert_eq!(found, want, "{text}");
        }
    }
}
