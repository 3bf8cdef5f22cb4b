//! Tags: the patterns of `searchTags`, and which namespaces `exportedTagsOnMetrics` may name.

use std::collections::HashMap;

use super::super::report::Report;
use super::super::{re2, written};
use super::quoted;
use super::selection::Services;
use crate::aws::catalog;
use crate::aws::job::SearchTag;
use crate::model::Text;

/// Compiled patterns by their text: jobs tend to repeat them.
pub(super) type Patterns = HashMap<Text, Result<regex::Regex, re2::Refused>>;

/// The search tags of a job.
pub(super) fn search_tags(
    job: &written::Job,
    title: &str,
    patterns: &mut Patterns,
    report: &mut Report,
) -> Vec<SearchTag> {
    let mut tags = Vec::with_capacity(job.search_tags.value.len());
    for pair in &job.search_tags.value {
        let (key, value) = (&pair.first.value, &pair.second.value);
        let compiled = patterns.entry(Text::clone(value)).or_insert_with(|| re2::compile(value));
        match compiled {
            Ok(pattern) => tags.push(SearchTag { key: Text::clone(key), pattern: pattern.clone() }),
            Err(refused) => {
                let message =
                    format!("{title}: search tag value for {key} has invalid regex value {}: {refused}", quoted(value));
                report.mistake(pair.second.spot_or(pair.spot), format!("{}.value", pair.path), message);
            }
        }
    }
    tags
}

/// Each key must be a namespace that some discovery job has. Without any discovery job nothing is checked.
pub(super) fn check_exported(discovery: &written::Discovery, services: &Services, report: &mut Report) {
    if !discovery.jobs.is_given || discovery.jobs.is_bad {
        return;
    }
    for (key, exported) in &discovery.exported_tags {
        if report.is_full() {
            return;
        }
        let key = &**key;
        let message = if services.find(key).is_none() {
            match catalog::by_alias(key) {
                Some(service) => format!(
                    "Discovery jobs: Invalid key in 'exportedTagsOnMetrics', use namespace \"{}\" rather than alias \
                     \"{key}\"",
                    service.namespace
                ),
                None => format!(
                    "Discovery jobs: 'exportedTagsOnMetrics' key is not a valid namespace: {key}{}",
                    services.hint(key)
                ),
            }
        } else if discovery.jobs.value.iter().all(|j| *j.type_name.value != *key) {
            format!("Discovery jobs: 'exportedTagsOnMetrics' key \"{key}\" does not match with any discovery job type")
        } else {
            continue;
        };
        report.mistake(exported.spot, &exported.path, message);
    }
}
