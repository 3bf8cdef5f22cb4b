//! One line: `name:value|type|@rate|#key:value,flag`, with several `:value|type` behind one name, and `name,key=value:…`.

use crate::model::Text;

/// Longer names and tags cannot become CloudWatch's (255 and 1024 bytes), nor anybody else's.
const MAX_LINE_BYTES: usize = 8192;
/// What a tag without a value gets.
const EMPTY: &str = "<empty>";

/// Types of values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Type {
    Counter,
    Gauge,
    Set,
    Timing,
    Histogram,
}

impl Type {
    /// The value of `metric_type`.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Set => "set",
            Self::Timing => "timing",
            Self::Histogram => "histogram",
        }
    }

    fn parse(letters: &str) -> Option<Self> {
        match letters {
            "c" => Some(Self::Counter),
            "g" => Some(Self::Gauge),
            "s" => Some(Self::Set),
            "ms" => Some(Self::Timing),
            "h" => Some(Self::Histogram),
            _ => None,
        }
    }
}

/// A value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Sent<'a> {
    /// A counter's growth, the sample rate taken into account.
    Growth(f64),
    /// What a gauge is.
    Level(f64),
    /// By how much a gauge changes: `+3`, `-3`.
    Change(f64),
    /// A member of a set.
    Member(&'a str),
    /// A timer's or histogram's value, and for how many it stands.
    Observed(f64, f64),
}

/// A line, taken apart.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Line<'a> {
    /// The name, its dots replaced.
    pub(super) name: String,
    /// Tags, not sorted; a later one wins.
    pub(super) tags: Vec<(Text, Text)>,
    /// The values, at least one.
    pub(super) values: Vec<(Type, Sent<'a>)>,
    /// Values that could not be read.
    pub(super) malformed: u64,
}

/// Takes a line apart; `None` when nothing in it can be used.
pub(super) fn parse<'a>(line: &'a str, separator: &str) -> Option<Line<'a>> {
    if line.len() > MAX_LINE_BYTES {
        return None;
    }
    // Tags may have colons in them, so they are taken out first.
    let (line, list) = line.split_once("|#").unwrap_or((line, ""));
    let (list, behind) = list.split_once('|').unwrap_or((list, ""));
    let (head, values) = line.split_once(':')?;
    let (name, mut tags) = bucket(head, separator)?;
    tags.extend(list.split(',').filter_map(tag_of));
    // A rate may also stand behind the tags; what else may stand there (container ids, times) is not for us.
    let rate = behind.split('|').find_map(|p| p.strip_prefix('@'));
    let parsed: Vec<_> = values.split(':').map(|bit| value_of(bit, rate)).collect();
    let malformed = u64::try_from(parsed.iter().filter(|v| v.is_none()).count()).unwrap_or(u64::MAX);
    let values: Vec<_> = parsed.into_iter().flatten().collect();
    (!values.is_empty()).then_some(Line { name, tags, values, malformed })
}

/// The name, and the tags that stand in it.
fn bucket(head: &str, separator: &str) -> Option<(String, Vec<(Text, Text)>)> {
    let mut parts = head.trim().split(',');
    let name = parts.next().filter(|n| !n.is_empty())?.replace('.', separator);
    let tags = parts.filter_map(|p| p.split_once('=')).filter(|(k, _)| !k.is_empty());
    Some((name, tags.map(|(k, v)| tag(k, v)).collect()))
}

fn tag(key: &str, value: &str) -> (Text, Text) {
    (Text::from(key), Text::from(if value.is_empty() { EMPTY } else { value }))
}

/// A tag of the list: `key:value` or `flag`.
fn tag_of(entry: &str) -> Option<(Text, Text)> {
    let (key, value) = entry.split_once(':').unwrap_or((entry, ""));
    (!key.is_empty()).then(|| tag(key, value))
}

/// `value|type` or `value|type|@rate`; `rate` is one that stood elsewhere.
fn value_of<'a>(bit: &'a str, rate: Option<&str>) -> Option<(Type, Sent<'a>)> {
    let mut parts = bit.trim().split('|');
    let (value, kind) = (parts.next()?, Type::parse(parts.next()?.trim())?);
    let rate = match parts.find_map(|p| p.strip_prefix('@')).or(rate) {
        Some(rate) => rate.parse().ok().filter(|r: &f64| r.is_finite() && *r > 0.0)?,
        None => 1.0,
    };
    if kind == Type::Set {
        return Some((kind, Sent::Member(value)));
    }
    let number: f64 = value.parse().ok().filter(|n: &f64| n.is_finite())?;
    let sent = match kind {
        Type::Counter => Sent::Growth((number / rate).trunc()),
        Type::Gauge if value.starts_with(['+', '-']) => Sent::Change(number),
        Type::Gauge => Sent::Level(number),
        _ => Sent::Observed(number, 1.0 / rate),
    };
    Some((kind, sent))
}
