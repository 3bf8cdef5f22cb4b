//! Flags as kingpin reads them: two dashes, `--x=v` or `--x v`, `--x` and `--no-x` for switches (and, more than kingpin
//! allows, `--x=true`, which the Helm chart's extra arguments produce), `@file` for a file of arguments.

use std::collections::BTreeMap;
use std::time::Duration;

/// What a flag takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Any text, once.
    Text,
    /// Any text, again and again.
    Texts,
    /// A whole number, again and again.
    Integers,
    /// A whole number, once.
    Integer,
    /// A duration, once; may be negative.
    Duration,
    /// Nothing.
    Switch,
}

/// A flag that a program has.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flag {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// What it says when it is not given, as the help shows it.
    pub(super) default: &'static str,
    pub(super) help: &'static str,
}

/// What was given, by the flags' names; not checked yet.
#[derive(Debug, Default)]
pub(super) struct Values {
    given: BTreeMap<&'static str, Vec<String>>,
}

/// How a command line was read: everything before the first mistake, and the mistake.
#[derive(Debug, Default)]
pub(super) struct Parsed {
    pub(super) values: Values,
    /// What cannot be read, without a prefix.
    pub(super) mistake: Option<String>,
}

impl Values {
    /// The value of a flag that takes one.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.given.get(name)?.last().map(String::as_str)
    }

    /// All values of a flag, in order.
    pub(super) fn texts(&self, name: &str) -> Vec<String> {
        self.given.get(name).cloned().unwrap_or_default()
    }

    pub(super) fn switch(&self, name: &str) -> Option<bool> {
        self.text(name).map(|value| value == "true")
    }

    pub(super) fn duration(&self, name: &str) -> Result<Option<Signed>, String> {
        self.text(name).map(duration).transpose()
    }

    pub(super) fn integers(&self, name: &str) -> Result<Vec<i64>, String> {
        self.texts(name).iter().map(|text| integer(text)).collect()
    }
}

/// Reads all arguments; `file` gives the lines of an `@file`.
pub(super) fn parse(flags: &[Flag], args: &[String], file: &dyn Fn(&str) -> Result<String, String>) -> Parsed {
    let mut parsed = Parsed::default();
    parsed.mistake = expanded(args, file).and_then(|words| read(flags, &words, &mut parsed.values)).err();
    parsed
}

/// The arguments with the lines of their files; what follows `--` is left alone.
fn expanded(args: &[String], file: &dyn Fn(&str) -> Result<String, String>) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut literal = false;
    for arg in args {
        literal |= arg == "--";
        match arg.strip_prefix('@').filter(|path| !literal && !path.is_empty()) {
            Some(path) => {
                let text = file(path)?;
                words.extend(text.lines().filter(|l| !l.is_empty() && !l.starts_with('#')).map(str::to_owned));
            }
            None => words.push(arg.clone()),
        }
    }
    Ok(words)
}

fn read(flags: &[Flag], words: &[String], values: &mut Values) -> Result<(), String> {
    let mut rest = words;
    while let Some((word, after)) = rest.split_first() {
        rest = after;
        if word == "--" {
            return rest.first().map_or(Ok(()), |word| Err(format!("unexpected {word}")));
        }
        let long = match (word.strip_prefix("--"), word.strip_prefix('-').filter(|letters| !letters.is_empty())) {
            (Some(long), _) => long,
            (None, Some(letters)) if letters.starts_with('h') => "help",
            (None, Some(letters)) => {
                let letter = letters.chars().next().unwrap_or_default();
                return Err(format!("unknown short flag '-{letter}'"));
            }
            (None, None) => return Err(format!("unexpected {word}")),
        };
        let (flag, value) = one(flags, long, &mut rest)?;
        let known = values.given.entry(flag.name).or_default();
        if !known.is_empty() && !matches!(flag.kind, Kind::Texts | Kind::Integers) {
            return Err(format!("flag '{}' cannot be repeated", flag.name));
        }
        known.push(value);
    }
    Ok(())
}

/// One flag; its value may be the next word, if that is no flag itself.
fn one<'f>(flags: &'f [Flag], long: &str, rest: &mut &[String]) -> Result<(&'f Flag, String), String> {
    let (name, value) = match long.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (long, None),
    };
    let named = |name: &str| flags.iter().find(|flag| flag.name == name);
    let negated = || named(name.strip_prefix("no-")?).filter(|flag| flag.kind == Kind::Switch);
    let (flag, on) = match (named(name), negated()) {
        (Some(flag), _) => (flag, true),
        (None, Some(flag)) => (flag, false),
        (None, None) => return Err(format!("unknown long flag '--{name}'")),
    };
    if flag.kind == Kind::Switch {
        let value = match value {
            None => on,
            Some(value) => truth(value).ok_or_else(|| format!("unexpected {value}"))? == on,
        };
        return Ok((flag, value.to_string()));
    }
    if let Some(value) = value {
        return Ok((flag, value.to_owned()));
    }
    match rest.split_first() {
        Some((next, after)) if !next.starts_with('-') || next == "-" => {
            *rest = after;
            Ok((flag, next.clone()))
        }
        _ => Err(format!("expected argument for flag '--{name}'")),
    }
}

fn truth(value: &str) -> Option<bool> {
    match value {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// kingpin reads whole numbers as floating-point ones and cuts them off.
pub(super) fn integer(text: &str) -> Result<i64, String> {
    let is_number = !text.is_empty() && text.chars().all(|c| c.is_ascii_digit() || "+-.eE".contains(c));
    let number = text.parse::<f64>().ok().filter(|n| is_number && n.is_finite());
    #[expect(clippy::cast_possible_truncation, reason = "cutting off is what is wanted")]
    let whole = number.map(|n| n as i64);
    whole.ok_or_else(|| format!("strconv.ParseFloat: parsing \"{text}\": invalid syntax"))
}

/// A length of time with its sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Signed {
    /// Whether it lies before zero.
    pub negative: bool,
    /// How long.
    pub length: Duration,
}

impl Signed {
    /// Not negative.
    pub const fn new(length: Duration) -> Self {
        Self { negative: false, length }
    }

    /// The length; nothing for a negative one.
    pub const fn or_zero(self) -> Duration {
        if self.negative { Duration::ZERO } else { self.length }
    }
}

const UNITS: [(&str, f64); 9] = [
    ("ns", 1e-9),
    ("us", 1e-6),
    ("µs", 1e-6),
    ("ms", 1e-3),
    ("s", 1.0),
    ("m", 60.0),
    ("h", 3600.0),
    ("d", 86_400.0),
    ("w", 604_800.0),
];

/// Go's durations, with days and weeks.
pub(super) fn duration(text: &str) -> Result<Signed, String> {
    let invalid = || format!("time: invalid duration \"{text}\"");
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Ok(Signed::default());
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut length = Duration::ZERO;
    while !rest.is_empty() {
        let number = prefix(rest, |c| c.is_ascii_digit() || c == '.');
        let after = rest.strip_prefix(number).unwrap_or_default();
        let count: f64 = number.parse().map_err(|_| invalid())?;
        let unit = prefix(after, |c| !c.is_ascii_digit() && c != '.');
        if unit.is_empty() {
            return Err(format!("time: missing unit in duration \"{text}\""));
        }
        let (_, seconds) = UNITS
            .iter()
            .find(|(name, _)| *name == unit)
            .ok_or_else(|| format!("time: unknown unit \"{unit}\" in duration \"{text}\""))?;
        let part = Duration::try_from_secs_f64(count * seconds).map_err(|_| invalid())?;
        length = length.checked_add(part).ok_or_else(invalid)?;
        rest = after.strip_prefix(unit).unwrap_or_default();
    }
    Ok(Signed { negative, length })
}

/// The longest beginning of characters that `belongs` accepts.
fn prefix(text: &str, belongs: impl Fn(char) -> bool) -> &str {
    let end = text.find(|c| !belongs(c)).unwrap_or(text.len());
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_as_go_spells_them_and_days_and_weeks() {
        for (text, millis) in [
            ("300ms", 300),
            ("1h30m", 5_400_000),
            ("1d", 86_400_000),
            ("1w", 604_800_000),
            ("0", 0),
            ("5m0s", 300_000),
            ("1.5s", 1_500),
            ("2us", 0),
        ] {
            assert_eq!(duration(text).unwrap().length.as_millis(), millis, "{text}");
        }
        assert_eq!(duration("-5s").unwrap(), Signed { negative: true, length: Duration::from_secs(5) });
        assert!(duration("5").unwrap_err().contains("missing unit"));
        assert!(duration("5x").unwrap_err().contains("unknown unit \"x\""));
        for text in ["", "-", "s", "1..2s", "99999999999999999999w"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn whole_numbers_are_cut_off_floating_point_ones() {
        for (text, want) in [("503", 503), ("1e1", 10), ("1.9", 1), ("-2", -2)] {
            assert_eq!(integer(text), Ok(want), "{text}");
        }
        for text in ["x", "", "inf", "NaN"] {
            let error = integer(text).unwrap_err();
            assert_eq!(error, format!("strconv.ParseFloat: parsing \"{text}\": invalid syntax"));
        }
    }
}
