//! What our own keys about selection mean.

use std::num::NonZeroUsize;
use std::sync::Arc;

use super::super::raw::Spot;
use super::super::report::{Report, quoted};
use super::super::written::{self, Kind};
use super::super::{Dialect, nearest, re2};
use super::{Field, texts};
use crate::aws::catalog::{self, Lookup, Service, pattern};
use crate::aws::job::{DimensionFilter, Glob, Join, Linked, Metric, NamePattern, Selection};
use crate::model::Text;

/// Series of a job with a wildcard in one place, when the file does not say: whoever names his metrics knows what he gets,
/// whoever writes `*` does not.
pub(crate) const MAX_SERIES_OF_WILDCARDS: usize = 20_000;
/// Digits of an account's id.
const ACCOUNT_ID_DIGITS: usize = 12;

/// The namespaces of the file and of the table.
#[derive(Default)]
pub(super) struct Services {
    own: Vec<Arc<Service>>,
}

impl Services {
    /// Of the file first.
    pub(super) fn find(&self, namespace: &str) -> Option<Arc<Service>> {
        let own = self.own.iter().find(|s| *s.namespace == *namespace);
        own.or_else(|| catalog::service(namespace)).map(Arc::clone)
    }

    /// The namespace that a wrong one was probably meant to be, as part of a message.
    pub(super) fn hint(&self, name: &str) -> String {
        let known: Vec<&str> = self.own.iter().chain(catalog::services()).map(|s| &*s.namespace).collect();
        nearest::of(name, &known).map(|near| format!(" (did you mean {near}?)")).unwrap_or_default()
    }
}

/// The `services` of a file.
pub(super) fn services(written: &Field<Vec<written::Service>>, report: &mut Report) -> Services {
    let mut services = Services::default();
    for service in &written.value {
        if let Some(own) = own_service(service, report) {
            if services.own.iter().any(|s| s.namespace == own.namespace) {
                let message = format!("the namespace {} is described twice", quoted(&own.namespace));
                report.mistake(service.namespace.spot, format!("{}.namespace", service.path), message);
            }
            services.own.push(Arc::new(own));
        }
    }
    services
}

fn own_service(written: &written::Service, report: &mut Report) -> Option<Service> {
    let namespace = &written.namespace;
    if namespace.value.is_empty() {
        if !namespace.is_bad {
            let path = format!("{}.namespace", written.path);
            report.mistake(namespace.spot_or(written.spot), path, "a service needs its CloudWatch namespace");
        }
        return None;
    }
    let mut each = |list: &written::Texts, key: &str, check: &dyn Fn(&str) -> Result<(), String>| {
        for (n, text) in list.value.iter().enumerate().filter(|(_, t)| !t.is_bad) {
            if let Err(why) = check(&text.value) {
                report.mistake(text.spot, format!("{}.{key}[{n}]", written.path), why);
            }
        }
    };
    each(&written.resource_types, "resourceTypes", &|text| {
        let good = !text.is_empty() && !text.contains(char::is_whitespace);
        let message = || format!("{} is no resource type: write `service` or `service:type`", quoted(text));
        if good { Ok(()) } else { Err(message()) }
    });
    each(&written.mappings, "mappings", &|text| {
        let bad = |why: &str| format!("the mapping {} cannot be read: {why}", quoted(text));
        pattern::compile(text).map(|_| ()).map_err(|e| bad(e.why()))
    });
    each(&written.arns, "arns", &|text| {
        catalog::check_template(text).map_err(|why| format!("the ARN {} cannot be built: {why}", quoted(text)))
    });
    let is_found = !written.resource_types.value.is_empty()
        || catalog::service(&namespace.value).is_some_and(|s| s.lookup != Lookup::None);
    if !written.mappings.value.is_empty() && !is_found {
        let message =
            "mappings without resourceTypes have no resources to map: add the types that the tagging API knows";
        report.mistake(written.mappings.spot, format!("{}.mappings", written.path), message);
    }
    let list = |written: &written::Texts| texts(written).into();
    let (types, mappings) = (list(&written.resource_types), list(&written.mappings));
    Some(Service::own(Text::clone(&namespace.value), types, mappings, list(&written.arns)))
}

/// The selection of a job with these metrics.
pub(super) fn of(
    job: &written::Job,
    title: &str,
    metrics: &[Metric],
    services: &Services,
    all_regions: bool,
    report: &mut Report,
) -> Selection {
    let written = &job.selection;
    let linked = linked(job, title, report);
    let include_untagged = written.include_untagged.value.unwrap_or_default();
    if linked != Linked::None && !job.search_tags.value.is_empty() && !include_untagged {
        let field =
            if written.include_linked.is_given { written.include_linked.spot } else { written.owning_accounts.spot };
        let message = format!(
            "{title}: tags of linked accounts cannot be read, so searchTags leave all of their metrics out; includeUntagged \
             shows them"
        );
        report.warn(field, &job.path, message);
    }
    Selection {
        include_untagged,
        dimension_filters: written.dimension_filters.value.iter().map(|f| filter(f, title, report)).collect(),
        linked,
        joins: written.join_tags.value.iter().filter_map(|j| join(j, title, services, report)).collect(),
        max_series: max_series(job, metrics, report),
        all_regions,
    }
}

fn filter(written: &written::Filter, title: &str, report: &mut Report) -> DimensionFilter {
    let mut compile = |field: &Field<Text>, key: &str| {
        if !field.is_given || field.is_bad {
            return None;
        }
        let compiled = re2::compile(&field.value);
        compiled
            .map_err(|refused| {
                let pattern = quoted(&field.value);
                let message = format!("{title}: the pattern {pattern} is no regular expression: {refused}");
                report.mistake(field.spot, format!("{}.{key}", written.path), message);
            })
            .ok()
    };
    let (keep, drop) = (compile(&written.keep, "keep"), compile(&written.drop, "drop"));
    if written.name.value.is_empty() && !written.name.is_bad {
        let message = format!("{title}: a dimension filter needs the dimension's name");
        report.mistake(written.name.spot_or(written.spot), format!("{}.name", written.path), message);
    }
    if !written.keep.is_given && !written.drop.is_given {
        let message = format!("{title}: a dimension filter needs `keep` or `drop`, a regular expression for the value");
        report.mistake(written.spot, &written.path, message);
    }
    DimensionFilter { name: Text::clone(&written.name.value), keep, drop }
}

fn linked(job: &written::Job, title: &str, report: &mut Report) -> Linked {
    let written = &job.selection;
    let accounts = &written.owning_accounts;
    for (n, id) in accounts.value.iter().enumerate().filter(|(_, id)| !id.is_bad) {
        if id.value.len() != ACCOUNT_ID_DIGITS || !id.value.bytes().all(|b| b.is_ascii_digit()) {
            let message = format!("{title}: {} is no account id: that is twelve digits", quoted(&id.value));
            report.mistake(id.spot, format!("{}.owningAccounts[{n}]", job.path), message);
        }
    }
    match (written.include_linked.value, accounts.value.is_empty()) {
        (Some(false), false) => {
            let message = format!("{title}: owningAccounts are linked accounts: includeLinkedAccounts cannot be false");
            report.mistake(accounts.spot, format!("{}.owningAccounts", job.path), message);
            Linked::None
        }
        (_, false) => Linked::Only(texts(accounts)),
        (Some(true), true) => Linked::All,
        _ => Linked::None,
    }
}

fn join(written: &written::Join, title: &str, services: &Services, report: &mut Report) -> Option<Join> {
    let mut wrong = |field_spot: Spot, key: &str, message: String| {
        report.mistake(field_spot, format!("{}.{key}", written.path), format!("{title}: {message}"));
    };
    let namespace = &written.namespace;
    if written.tags.value.is_empty() && !written.tags.is_bad {
        wrong(written.tags.spot_or(written.spot), "tags", "joinTags needs the tags that become labels".to_owned());
    }
    if namespace.is_bad {
        return None;
    }
    let spot = namespace.spot_or(written.spot);
    let Some(service) = services.find(&namespace.value) else {
        let hint = services.hint(&namespace.value);
        wrong(spot, "namespace", format!("joinTags needs a namespace with tagged resources{hint}"));
        return None;
    };
    if service.resource_types.is_empty() || service.mappings.is_empty() || service.lookup != Lookup::None {
        let message = format!("{} has no resources that the tagging API could tell by a dimension", namespace.value);
        wrong(spot, "namespace", message);
        return None;
    }
    let dimension = &written.dimension.value;
    let service = if dimension.is_empty() {
        service
    } else {
        let Some(renamed) = service.known_by(dimension) else {
            let message = format!("the resources of {} are not known by a single dimension", namespace.value);
            wrong(written.dimension.spot, "dimension", message);
            return None;
        };
        Arc::new(renamed)
    };
    Some(Join { service, tags: texts(&written.tags) })
}

fn max_series(job: &written::Job, metrics: &[Metric], report: &mut Report) -> Option<NonZeroUsize> {
    let field = &job.selection.max_series;
    if !field.is_given {
        let wildcard = metrics.iter().any(|m| m.pattern.is_some());
        return wildcard.then_some(MAX_SERIES_OF_WILDCARDS).and_then(NonZeroUsize::new);
    }
    if field.value < 0 && !field.is_bad {
        report.mistake(field.spot, format!("{}.maxSeries", job.path), "a number of series; 0 is no limit");
    }
    usize::try_from(field.value).ok().and_then(NonZeroUsize::new)
}

/// The pattern that a metric's name is, natively; and the name, if it is none. A YACE file's names are names.
pub(super) fn pattern(
    metric: &written::Metric,
    kind: Kind,
    title: &str,
    report: &mut Report,
) -> (Text, Option<NamePattern>) {
    let name = &metric.name.value;
    if report.dialect == Dialect::Yace || !name.contains(['*', '?', '\\']) && !lists(metric) {
        return (Text::clone(name), None);
    }
    let glob = Glob::new(name);
    if let Some(exact) = glob.exact() {
        if lists(metric) && !name.is_empty() {
            let message = format!("{title}: include and exclude go with a name that has a `*` or `?`");
            report.mistake(metric.name.spot_or(metric.spot), &metric.path, message);
        }
        return (exact.into(), None);
    }
    if kind == Kind::Static {
        let message =
            format!("{title}: a static job asks without listing, so it cannot know what {} means", quoted(name));
        report.mistake(metric.name.spot, format!("{}.name", metric.path), message);
        return (Text::clone(name), None);
    }
    let globs = |list: &written::Texts| list.value.iter().map(|t| Glob::new(&t.value)).collect();
    let pattern = NamePattern { name: glob, include: globs(&metric.include), exclude: globs(&metric.exclude) };
    (Text::clone(name), Some(pattern))
}

fn lists(metric: &written::Metric) -> bool {
    metric.include.is_given || metric.exclude.is_given
}
