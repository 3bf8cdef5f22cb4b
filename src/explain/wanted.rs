//! What somebody looks for: an exported name with labels, as in a query, or CloudWatch's own `Namespace/MetricName`.

use crate::aws::job::{Dimension, Naming};
use crate::aws::naming;
use crate::model::LabelSet;

/// The metric, and the labels that its series must have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// What was typed before the labels.
    pub name: String,
    /// Labels with their values.
    pub labels: Vec<(String, String)>,
}

/// What was typed is no metric.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no metric: write name, name{{label=\"value\"}} or Namespace/MetricName")]
pub struct NoMetric(String);

impl Wanted {
    /// Reads what was typed.
    pub fn parse(text: &str) -> Result<Self, NoMetric> {
        let no = || NoMetric(text.to_owned());
        let text = text.trim();
        let (name, labels) = match text.split_once('{') {
            Some((name, rest)) => (name.trim(), self::labels(rest.strip_suffix('}').ok_or_else(no)?).ok_or_else(no)?),
            None => (text, Vec::new()),
        };
        if name.is_empty() { Err(no()) } else { Ok(Self { name: name.to_owned(), labels }) }
    }

    /// Whether a statistic of CloudWatch's metric is meant.
    pub fn is_metric(&self, namespace: &str, metric: &str, statistic: &str) -> bool {
        naming::metric_name(namespace, metric, Some(statistic)) == self.name || self.is_pair(namespace, metric)
    }

    /// Whether it is `Namespace/MetricName`.
    pub fn is_pair(&self, namespace: &str, metric: &str) -> bool {
        self.name.strip_prefix(namespace).and_then(|rest| rest.strip_prefix('/')).is_some_and(|rest| rest == metric)
    }

    /// The value that a label must have.
    pub fn label(&self, name: &str) -> Option<&str> {
        self.labels.iter().find(|(known, _)| known == name).map(|(_, value)| &**value)
    }

    /// Whether a series has all of the labels.
    pub fn fits(&self, labels: &LabelSet) -> bool {
        self.labels.iter().all(|(name, value)| labels.get(name).map_or("", |v| v) == value)
    }

    /// The first label that no series has, or whose value none has: its name, and whether any series has that name.
    pub fn missing<'a>(&self, all: &(impl Iterator<Item = &'a LabelSet> + Clone)) -> Option<(&str, bool)> {
        let has = |name: &str| all.clone().any(|labels| labels.get(name).is_some());
        let is = |name: &str, value: &str| all.clone().any(|labels| labels.get(name).map_or("", |v| v) == value);
        let missing = self.labels.iter().find(|(name, _)| !has(name));
        let missing = missing.or_else(|| self.labels.iter().find(|(name, value)| !is(name, value)));
        missing.or(self.labels.first()).map(|(name, _)| (&**name, has(name)))
    }

    /// Whether the dimensions do not contradict the labels.
    pub fn fits_dimensions(&self, dimensions: &[Dimension], naming: Naming) -> bool {
        self.labels.iter().filter(|(name, _)| name.starts_with("dimension_")).all(|(name, value)| {
            let is = |d: &Dimension| {
                naming::label_name("dimension_", &d.name, naming.labels_snake_case).as_ref() == Some(name)
            };
            dimensions.iter().find(|d| is(d)).map_or("", |d| &d.value) == value
        })
    }
}

/// `a="b",c="d"`, as in a query.
fn labels(text: &str) -> Option<Vec<(String, String)>> {
    let mut labels = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let (name, after) = rest.split_once('=')?;
        let mut chars = after.trim_start().strip_prefix('"')?.chars();
        let mut value = String::new();
        loop {
            match chars.next()? {
                '"' => break,
                '\\' => value.push(match chars.next()? {
                    'n' => '\n',
                    other => other,
                }),
                c => value.push(c),
            }
        }
        labels.push((name.trim().to_owned(), value));
        rest = chars.as_str().trim_start();
        rest = rest.strip_prefix(',').map_or(rest, str::trim_start);
    }
    Some(labels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_labels_and_pairs_are_read() {
        let wanted = Wanted::parse(r#" aws_sqs_x_sum{region="eu-west-1", dimension_Q="a\"b,}" } "#).unwrap();
        assert_eq!(wanted.name, "aws_sqs_x_sum");
        assert_eq!((wanted.label("region"), wanted.label("dimension_Q")), (Some("eu-west-1"), Some("a\"b,}")));
        let pair = Wanted::parse("AWS/SQS/NumberOfMessagesSent").unwrap();
        assert!(pair.is_pair("AWS/SQS", "NumberOfMessagesSent") && !pair.is_pair("AWS/SQ", "S/NumberOfMessagesSent"));
        for bad in ["", "{a=\"b\"}", "x{a=b}", "x{a=\"b\"", "x{a}"] {
            assert!(Wanted::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn dimensions_must_not_contradict_labels() {
        let wanted = Wanted::parse(r#"x{dimension_QueueName="a"}"#).unwrap();
        let d = |value: &str| [Dimension { name: "QueueName".into(), value: value.into() }];
        let naming = Naming::default();
        assert!(wanted.fits_dimensions(&d("a"), naming) && !wanted.fits_dimensions(&d("b"), naming));
        assert!(!wanted.fits_dimensions(&d("a"), Naming { labels_snake_case: true }), "it is called queue_name there");
    }
}
