//! Flags as Go programs read them: one or two dashes, `-x=v` or `-x v`, booleans only with `=`, the end at the first word
//! that is no flag; a flag may come from an environment variable with any name.

use std::collections::BTreeMap;

/// What a flag takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Any text.
    Text,
    /// An integer in any of Go's spellings.
    Integer,
    /// Nothing, or a truth value after `=`.
    Switch,
    /// Texts, separated by commas; repetitions add up.
    List,
}

/// A flag that a program has.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flag {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// The variable's name, when there is one.
    pub(super) env: Option<&'static str>,
    /// What it says when it is not given.
    pub(super) default: &'static str,
    pub(super) help: &'static str,
}

/// What was given, by the flags' names; the checks of [`Kind`] are passed.
#[derive(Debug, Default)]
pub(super) struct Values {
    given: BTreeMap<&'static str, Vec<String>>,
}

impl Values {
    /// Whether the flag was given, in whatever way.
    pub(super) fn is_given(&self, name: &str) -> bool {
        self.given.contains_key(name)
    }

    /// The last value of a flag.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.given.get(name)?.last().map(String::as_str)
    }

    /// The value of a [`Kind::Integer`].
    pub(super) fn integer(&self, name: &str, default: i64) -> i64 {
        self.text(name).and_then(integer).unwrap_or(default)
    }

    /// The value of a [`Kind::Switch`].
    pub(super) fn switch(&self, name: &str) -> bool {
        self.text(name).and_then(switch).unwrap_or_default()
    }

    /// The values of a [`Kind::List`].
    pub(super) fn list(&self, name: &str) -> impl Iterator<Item = &str> {
        self.given.get(name).into_iter().flatten().flat_map(|v| v.split(',')).map(str::trim)
    }
}

/// Reads flags up to the first word that is none; returns what follows.
pub(super) fn parse<'a>(
    flags: &[Flag],
    args: &'a [String],
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<(Values, &'a [String]), String> {
    let mut values = Values::default();
    for flag in flags {
        let Some((name, value)) = flag.env.and_then(|name| Some((name, env(name).filter(|v| !v.is_empty())?))) else {
            continue;
        };
        if !fits(flag.kind, &value) {
            return Err(format!(
                "could not parse \"{value}\" as {} from environment variable \"{name}\" for flag {}",
                wanted(flag.kind),
                flag.name
            ));
        }
        values.given.insert(flag.name, vec![value]);
    }
    let mut from_args = Values::default();
    let mut rest = args;
    while let Some((arg, after)) = rest.split_first() {
        let Some(name) = arg.strip_prefix('-').filter(|name| !name.is_empty()) else { break };
        rest = after;
        if name == "-" {
            break;
        }
        let (flag, value) = one(flags, arg, name.strip_prefix('-').unwrap_or(name), &mut rest)?;
        from_args.given.entry(flag.name).or_default().push(value);
    }
    values.given.extend(from_args.given);
    Ok((values, rest))
}

/// One flag; its value may be the next word.
fn one<'f>(flags: &'f [Flag], arg: &str, name: &str, rest: &mut &[String]) -> Result<(&'f Flag, String), String> {
    if name.is_empty() || name.starts_with(['-', '=']) {
        return Err(format!("bad flag syntax: {arg}"));
    }
    let (name, value) = match name.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (name, None),
    };
    let flag = flags.iter().find(|f| f.name == name);
    let flag = flag.ok_or_else(|| format!("flag provided but not defined: -{name}"))?;
    if flag.kind == Kind::Switch {
        let value = value.unwrap_or("true");
        if !fits(Kind::Switch, value) {
            return Err(format!("invalid boolean value \"{value}\" for -{name}: parse error"));
        }
        return Ok((flag, value.to_owned()));
    }
    let value = match (value, rest.split_first()) {
        (Some(value), _) => value,
        (None, Some((next, after))) => {
            *rest = after;
            next
        }
        (None, None) => return Err(format!("flag needs an argument: -{name}")),
    };
    if !fits(flag.kind, value) {
        return Err(format!("invalid value \"{value}\" for flag -{name}: parse error"));
    }
    Ok((flag, value.to_owned()))
}

fn fits(kind: Kind, value: &str) -> bool {
    match kind {
        Kind::Text | Kind::List => true,
        Kind::Integer => integer(value).is_some(),
        Kind::Switch => switch(value).is_some(),
    }
}

const fn wanted(kind: Kind) -> &'static str {
    match kind {
        Kind::Text | Kind::List => "string value",
        Kind::Integer => "int value",
        Kind::Switch => "bool value",
    }
}

fn switch(value: &str) -> Option<bool> {
    match value {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// Decimal, `0x`, `0o`, `0b` or octal by a leading zero; underscores between digits.
fn integer(value: &str) -> Option<i64> {
    let (sign, unsigned) = match value.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", value.strip_prefix('+').unwrap_or(value)),
    };
    let lower = unsigned.to_ascii_lowercase();
    let prefixed = [("0x", 16), ("0o", 8), ("0b", 2), ("0", 8)].into_iter().find_map(|(prefix, radix)| {
        let digits = lower.strip_prefix(prefix).filter(|digits| !digits.is_empty())?;
        Some((radix, digits.strip_prefix('_').unwrap_or(digits)))
    });
    let (radix, digits) = prefixed.unwrap_or((10, &lower));
    let is_odd = digits.starts_with(['_', '+', '-']) || digits.ends_with('_') || digits.contains("__");
    if is_odd {
        return None;
    }
    i64::from_str_radix(&format!("{sign}{}", digits.replace('_', "")), radix).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_as_go_spells_them() {
        for (text, want) in [
            ("300", 300),
            ("-1", -1),
            ("+5", 5),
            ("0x10", 16),
            ("0b11", 3),
            ("010", 8),
            ("0o17", 15),
            ("1_000", 1000),
            ("0", 0),
            ("0_7", 7),
        ] {
            assert_eq!(integer(text), Some(want), "{text}");
        }
        for text in
            ["", "-", "x", "1.5", "5s", "1e3", "_1", "1_", "1__0", "08", "--1", "0x", " 1", "9223372036854775808"]
        {
            assert_eq!(integer(text), None, "{text}");
        }
    }
}
