//! What a job selects beyond what YACE's keys can say: untagged resources, patterns of names, values of dimensions, linked
//! accounts, tags of other resources, all regions, and an upper bound.
//!
//! Deliberately absent: selecting. `aws/listing` and `aws/select` do it by these.

use std::num::NonZeroUsize;
use std::sync::Arc;

use crate::aws::catalog::Service;
use crate::aws::job::Dimension;
use crate::model::Text;

/// The selection of a job; by default that of YACE.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Metrics whose resource the tagging API does not know are exported too.
    pub include_untagged: bool,
    /// All must let a metric pass.
    pub dimension_filters: Vec<DimensionFilter>,
    /// Metrics of accounts that are linked to this one (CloudWatch cross-account observability).
    pub linked: Linked,
    /// Tags of other namespaces' resources on the series of a custom namespace.
    pub joins: Vec<Join>,
    /// Series that a job exports in one place at most; `None`: no limit.
    pub max_series: Option<NonZeroUsize>,
    /// Every region that the role's account has enabled, instead of the job's `regions`.
    pub all_regions: bool,
}

impl Selection {
    /// The tags that joined series carry, each once.
    pub fn joined_tags(&self) -> Vec<&Text> {
        let mut tags = Vec::new();
        for tag in self.joins.iter().flat_map(|join| &join.tags) {
            if !tags.contains(&tag) {
                tags.push(tag);
            }
        }
        tags
    }

    /// Whether the filters let a metric with these dimensions pass.
    pub fn passes(&self, dimensions: &[Dimension]) -> bool {
        self.dimension_filters.iter().all(|filter| filter.passes(dimensions))
    }
}

/// Keeps or drops metrics by the value of a dimension.
#[derive(Clone, Debug)]
pub struct DimensionFilter {
    /// The dimension's name. A metric without it counts as having the empty value, as Prometheus' relabelling has it.
    pub name: Text,
    /// Only metrics in whose value this is found.
    pub keep: Option<regex::Regex>,
    /// No metrics in whose value this is found.
    pub drop: Option<regex::Regex>,
}

impl DimensionFilter {
    fn passes(&self, dimensions: &[Dimension]) -> bool {
        let value = dimensions.iter().find(|d| d.name == self.name).map_or("", |d| &*d.value);
        self.keep.as_ref().is_none_or(|keep| keep.is_match(value))
            && self.drop.as_ref().is_none_or(|drop| !drop.is_match(value))
    }
}

/// Whose metrics are listed besides the account's own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Linked {
    /// Nobody's.
    #[default]
    None,
    /// Those of every linked account, and the account's own.
    All,
    /// Only those of these accounts (the own one must be named, too).
    Only(Vec<Text>),
}

/// Resources whose tags go onto the series of a custom namespace.
#[derive(Clone, Debug)]
pub struct Join {
    /// How the resources are found, and by which dimensions.
    pub service: Arc<Service>,
    /// The tags that become labels.
    pub tags: Vec<Text>,
}

/// A metric name that stands for several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamePattern {
    /// The name as it is written.
    pub name: Glob,
    /// Names must match one of these, if there are any.
    pub include: Vec<Glob>,
    /// Names must match none of these.
    pub exclude: Vec<Glob>,
}

impl NamePattern {
    /// Whether a metric of that name is meant.
    pub fn is_match(&self, name: &str) -> bool {
        let any = |globs: &[Glob]| globs.iter().any(|g| g.is_match(name));
        self.name.is_match(name) && (self.include.is_empty() || any(&self.include)) && !any(&self.exclude)
    }
}

/// A whole name with `*` for any characters and `?` for one; behind a backslash these two, and the backslash, are themselves.
#[derive(Clone, PartialEq, Eq)]
pub struct Glob(Vec<Part>);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Char(char),
    One,
    Any,
}

impl Glob {
    /// Reads it. Every text is a glob.
    pub fn new(text: &str) -> Self {
        let mut parts = Vec::with_capacity(text.len());
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            let part = match c {
                '*' => Part::Any,
                '?' => Part::One,
                '\\' if chars.clone().next().is_some_and(|c| matches!(c, '*' | '?' | '\\')) => {
                    Part::Char(chars.next().unwrap_or('\\'))
                }
                c => Part::Char(c),
            };
            if part != Part::Any || parts.last() != Some(&Part::Any) {
                parts.push(part);
            }
        }
        Self(parts)
    }

    /// The only name that it matches, when there is only one.
    pub fn exact(&self) -> Option<String> {
        self.0.iter().map(|p| if let Part::Char(c) = p { Some(*c) } else { None }).collect()
    }

    /// Whether the whole name matches; case counts. Linear in the name for each `*`.
    pub fn is_match(&self, name: &str) -> bool {
        let (mut parts, mut rest) = (self.0.as_slice(), name);
        // Where to go on when what follows the last `*` does not fit: one character further.
        let mut retry: Option<(&[Part], &str)> = None;
        loop {
            let mut chars = rest.chars();
            match parts.split_first() {
                Some((Part::Any, after)) => {
                    retry = Some((after, rest));
                    parts = after;
                    continue;
                }
                Some((Part::One, after)) if chars.next().is_some() => {
                    (parts, rest) = (after, chars.as_str());
                    continue;
                }
                Some((Part::Char(c), after)) if chars.next() == Some(*c) => {
                    (parts, rest) = (after, chars.as_str());
                    continue;
                }
                None if rest.is_empty() => return true,
                _ => {}
            }
            let Some((after, from)) = retry else { return false };
            let mut chars = from.chars();
            if chars.next().is_none() {
                return false;
            }
            retry = Some((after, chars.as_str()));
            (parts, rest) = (after, chars.as_str());
        }
    }
}

impl std::fmt::Debug for Glob {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let parts = self.0.iter().map(|p| match p {
            Part::Char(c @ ('*' | '?' | '\\')) => format!("\\{c}"),
            Part::Char(c) => c.to_string(),
            Part::One => "?".to_owned(),
            Part::Any => "*".to_owned(),
        });
        write!(f, "{:?}", parts.collect::<String>())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn globs_match_whole_names() {
        for (glob, good, bad) in [
            ("*", &["", "a", "CPUUtilization"][..], &[][..]),
            ("CPU*", &["CPU", "CPUUtilization"], &["cpu", "xCPU"]),
            ("*Errors", &["Errors", "Invocation Errors"], &["ErrorsX"]),
            ("*a*b", &["ab", "aab", "xaxbxb"], &["a", "ba", "abc"]),
            ("p?", &["p9", "pé"], &["p", "p99"]),
            ("**", &["", "x"], &[]),
            (r"a\*b", &["a*b"], &["axb"]),
            (r"a\?", &["a?"], &["ab"]),
            (r"a\", &[r"a\"], &["a"]),
            (r"a\b", &[r"a\b"], &["ab"]),
            ("Exact", &["Exact"], &["Exactly", "exact"]),
        ] {
            let pattern = Glob::new(glob);
            for (name, is) in good.iter().map(|n| (n, true)).chain(bad.iter().map(|n| (n, false))) {
                assert_eq!(pattern.is_match(name), is, "{glob} {name}");
            }
        }
        assert_eq!(Glob::new(r"a\*b").exact().as_deref(), Some("a*b"));
        assert_eq!(Glob::new("a*").exact(), None);
    }

    proptest! {
        /// The same as the regular expression that a glob stands for.
        #[test]
        fn globs_are_their_regexes(glob in "[ab*?]{0,8}", name in "[ab]{0,10}") {
            let body: String = glob
                .chars()
                .map(|c| match c {
                    '*' => "(?s:.*)".to_owned(),
                    '?' => "(?s:.)".to_owned(),
                    c => regex::escape(&c.to_string()),
                })
                .collect();
            let regex = regex::Regex::new(&format!("^{body}$")).unwrap();
            prop_assert_eq!(Glob::new(&glob).is_match(&name), regex.is_match(&name));
        }
    }

    #[test]
    fn a_pattern_includes_and_excludes() {
        let globs = |texts: &[&str]| texts.iter().map(|t| Glob::new(t)).collect();
        let pattern = NamePattern {
            name: Glob::new("*"),
            include: globs(&["CPU*", "Network*"]),
            exclude: globs(&["*Packets*", "CPUCreditBalance"]),
        };
        for (name, is) in [
            ("CPUUtilization", true),
            ("NetworkIn", true),
            ("NetworkPacketsIn", false),
            ("CPUCreditBalance", false),
            ("DiskReadOps", false),
        ] {
            assert_eq!(pattern.is_match(name), is, "{name}");
        }
    }

    #[test]
    fn a_missing_dimension_counts_as_empty() {
        let regex = |t: &str| Some(regex::Regex::new(t).unwrap());
        let d = |n: &str, v: &str| Dimension { name: n.into(), value: v.into() };
        let passes = |keep: Option<&str>, drop: Option<&str>, dimensions: &[Dimension]| {
            let filter =
                DimensionFilter { name: "Operation".into(), keep: keep.and_then(regex), drop: drop.and_then(regex) };
            Selection { dimension_filters: vec![filter], ..Selection::default() }.passes(dimensions)
        };
        let (get, table) = ([d("Table", "t"), d("Operation", "GetItem")], [d("Table", "t")]);
        assert!(passes(Some("^Get"), None, &get) && !passes(Some("^Put"), None, &get));
        assert!(!passes(Some("^Get"), None, &table), "nothing is found in an empty value");
        assert!(passes(Some("^(Get.*|)$"), None, &table));
        assert!(!passes(None, Some("."), &get) && passes(None, Some("."), &table), "drop whatever has it");
        assert!(passes(None, Some("^$"), &get) && !passes(None, Some("^$"), &table), "drop whatever lacks it");
        assert!(!passes(Some("Item"), Some("^Get"), &get), "both count");
    }
}
