//! Pure: inventories to series, results to samples, in YACE's names and with YACE's rules (`docs/migrating-from-yace.md` lists where
//! we differ on purpose).

use crate::aws::api::{Point, Resource};
use crate::aws::inventory::Inventory;
use crate::aws::job::{Dimension, Job, JobKind, Metric, Naming, Tag};
use crate::aws::naming;
use crate::model::{Cell, Family, Kind, LabelSet, Text};

/// The HELP text of every family: YACE prints this one, and dashboards' metadata compare it.
const HELP: &str = "Help is not implemented yet.";
/// The `name` label of a metric that belongs to no resource.
const GLOBAL: &str = "global";

/// Makes the families and label sets of one job in one place.
pub struct Labeler<'a> {
    job: &'a Job,
    naming: Naming,
    inventory: &'a Inventory,
    /// `region`, `account_id`, `account_alias`, `custom_tag_*`.
    context: Vec<(Text, Text)>,
}

impl<'a> Labeler<'a> {
    /// For a job in a region.
    pub fn new(job: &'a Job, naming: Naming, region: &Text, inventory: &'a Inventory) -> Self {
        let account = &inventory.account;
        let mut context =
            vec![(Text::from("region"), Text::clone(region)), (Text::from("account_id"), Text::clone(&account.id))];
        if let Some(alias) = account.alias.as_ref().filter(|a| !a.is_empty()) {
            context.push((Text::from("account_alias"), Text::clone(alias)));
        }
        push_tags(&mut context, "custom_tag_", &job.custom_tags, naming);
        Self { job, naming, inventory, context }
    }

    /// The labels of a metric's series. `resource`: position in the inventory; `owner`: the linked account, if it is one's.
    pub fn series(&self, dimensions: &[Dimension], resource: Option<usize>, owner: Option<&Text>) -> LabelSet {
        let resource = resource.and_then(|at| self.inventory.resources.get(at));
        let mut labels = vec![(Text::from("name"), self.name(resource))];
        for d in dimensions {
            push(&mut labels, "dimension_", &d.name, &d.value, self.naming);
        }
        if let JobKind::Discovery(discovery) = &self.job.kind {
            self.exported_tags(&mut labels, discovery.exported_tags.iter(), resource);
        } else {
            self.exported_tags(&mut labels, self.job.selection.joined_tags().into_iter(), resource);
        }
        self.context(&mut labels, owner);
        LabelSet::new(labels)
    }

    /// The labels of a resource's info series. `owner`: as for series.
    pub fn info(&self, resource: &Resource, with_context: bool, owner: Option<&Text>) -> LabelSet {
        let mut labels = vec![(Text::from("name"), Text::clone(&resource.arn))];
        push_tags(&mut labels, "tag_", &resource.tags, self.naming);
        if with_context {
            self.context(&mut labels, owner);
        }
        LabelSet::new(labels)
    }

    /// What belongs to a linked account has that one's id, and no alias: only the own account's can be asked for.
    fn context(&self, labels: &mut Vec<(Text, Text)>, owner: Option<&Text>) {
        for (name, value) in &self.context {
            match (&**name, owner) {
                ("account_id", Some(owner)) => labels.push((Text::clone(name), Text::clone(owner))),
                ("account_alias", Some(_)) => {}
                _ => labels.push((Text::clone(name), Text::clone(value))),
            }
        }
    }

    fn name(&self, resource: Option<&Resource>) -> Text {
        match (&self.job.kind, resource) {
            (JobKind::Discovery(_), Some(resource)) => Text::clone(&resource.arn),
            (JobKind::Discovery(_), None) => Text::from(GLOBAL),
            (JobKind::Custom | JobKind::Static(_), _) => Text::clone(&self.job.name),
        }
    }

    /// Every series of the namespace has the same tag labels; of equal keys the resource's first one counts.
    fn exported_tags<'t>(
        &self,
        labels: &mut Vec<(Text, Text)>,
        keys: impl Iterator<Item = &'t Text>,
        resource: Option<&Resource>,
    ) {
        for key in keys {
            let tag = resource.and_then(|r| r.tags.iter().find(|t| t.key == *key));
            let value = tag.map_or_else(|| Text::from(""), |t| Text::clone(&t.value));
            push(labels, "tag_", key, &value, self.naming);
        }
    }
}

/// The family of a statistic of a metric.
pub fn metric_family(namespace: &str, metric: &str, statistic: &str) -> Family {
    family(naming::metric_name(namespace, metric, Some(statistic)))
}

/// The family of an enhanced metric, which is no statistic of anything.
pub fn enhanced_family(namespace: &str, metric: &str) -> Family {
    family(naming::metric_name(namespace, metric, None))
}

/// The family of a namespace's info series.
pub fn info_family(namespace: &str) -> Family {
    family(naming::info_name(namespace))
}

fn family(name: String) -> Family {
    Family { name: name.into(), help: HELP.into(), kind: Kind::Gauge }
}

fn push_tags(labels: &mut Vec<(Text, Text)>, prefix: &str, tags: &[Tag], naming: Naming) {
    for tag in tags {
        push(labels, prefix, &tag.key, &tag.value, naming);
    }
}

/// A text that gives no legal label name is left out, as YACE does.
fn push(labels: &mut Vec<(Text, Text)>, prefix: &str, name: &str, value: &Text, naming: Naming) {
    if let Some(name) = naming::label_name(prefix, name, naming.labels_snake_case) {
        labels.push((name.into(), Text::clone(value)));
    }
}

/// The samples of a query whose result is complete: `points` in any order, newest first afterwards.
///
/// Without data: NaN, or 0 with `nilToZero`; nothing when the time is to be shown, since there is none.
pub fn samples(metric: &Metric, points: &mut [Point], out: &mut Vec<Cell>) {
    out.clear();
    points.sort_by_key(|p| std::cmp::Reverse(p.at));
    let value = |v: f64| if v.is_nan() && metric.nil_to_zero { 0.0 } else { v };
    if points.is_empty() && !metric.add_timestamp {
        out.push(Cell::untimed(value(f64::NAN)));
    }
    let shown = if metric.export_all_data_points { points.len() } else { 1 };
    for point in points.iter().take(shown) {
        let v = value(point.value);
        out.push(if metric.add_timestamp { Cell::timed(v, point.at) } else { Cell::untimed(v) });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::job::{Pace, WindowRule};
    use crate::model::Timestamp;
    use std::num::NonZeroU32;
    use std::time::Duration;

    fn metric() -> Metric {
        Metric {
            name: "m".into(),
            statistics: vec!["Sum".into()],
            period_seconds: NonZeroU32::new(60).unwrap(),
            length_seconds: 300,
            delay_seconds: 0,
            rule: WindowRule::Yace,
            pace: Pace::Every(Duration::from_secs(300)),
            outlives: Duration::ZERO,
            nil_to_zero: false,
            add_timestamp: false,
            export_all_data_points: false,
            pattern: None,
        }
    }

    fn points(values: &[(i64, f64)]) -> Vec<Point> {
        values.iter().map(|(at, value)| Point { at: Timestamp::from_secs(*at), value: *value }).collect()
    }

    fn shown(metric: &Metric, values: &[(i64, f64)]) -> Vec<String> {
        let mut out = Vec::new();
        samples(metric, &mut points(values), &mut out);
        out.iter().map(|c| format!("{}@{:?}", c.value(), c.timestamp().map(Timestamp::as_secs))).collect()
    }

    #[test]
    fn the_newest_point_is_shown_whatever_the_order() {
        assert_eq!(shown(&metric(), &[(60, 1.0), (120, 2.0), (0, 3.0)]), ["2@None"]);
    }

    #[test]
    fn missing_data_is_nan_zero_or_nothing() {
        assert_eq!(shown(&metric(), &[]), ["NaN@None"]);
        let zero = Metric { nil_to_zero: true, ..metric() };
        assert_eq!(shown(&zero, &[]), ["0@None"]);
        assert_eq!(shown(&zero, &[(60, f64::NAN)]), ["0@None"]);
        let timed = Metric { add_timestamp: true, ..zero };
        assert!(shown(&timed, &[]).is_empty());
        assert_eq!(shown(&timed, &[(60, f64::NAN)]), ["0@Some(60)"]);
    }

    #[test]
    fn all_points_come_newest_first() {
        let all = Metric { add_timestamp: true, export_all_data_points: true, ..metric() };
        assert_eq!(shown(&all, &[(0, 1.0), (60, 2.0)]), ["2@Some(60)", "1@Some(0)"]);
    }
}
