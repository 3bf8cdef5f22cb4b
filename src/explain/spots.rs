//! Where the configuration would bring a metric from: the entries of jobs that name it. When none does, the nearest thing that
//! one does name.

use super::verdict::{Cause, Verdict};
use super::wanted::Wanted;
use crate::aws::job::{AwsSettings, Job, JobKind, Metric};
use crate::aws::naming;
use crate::model::Text;

/// Names that are suggested at most.
const SUGGESTED: usize = 5;
const STEP: &str = "configuration";

/// An entry of a job that the metric may come from, with only what matters.
#[derive(Clone, Debug)]
pub struct Spot {
    /// The job with this entry alone.
    pub job: Job,
    /// The job as it is.
    pub whole: Job,
}

/// Entries that name the metric; a pattern may, before anybody knows what it matches.
pub fn spots(settings: &AwsSettings, wanted: &Wanted) -> Vec<Spot> {
    let mut all = Vec::new();
    for job in &settings.jobs {
        for metric in &job.metrics {
            let statistics = meant(job, metric, wanted);
            if !statistics.is_empty() {
                let metrics = vec![Metric { statistics, ..metric.clone() }];
                all.push(Spot { job: Job { metrics, ..job.clone() }, whole: job.clone() });
            }
        }
    }
    // What is named exactly is not left to a pattern.
    if all.iter().any(|spot| !is_pattern(spot)) {
        all.retain(|spot| !is_pattern(spot));
    }
    all
}

fn is_pattern(spot: &Spot) -> bool {
    spot.job.metrics.iter().any(|metric| metric.pattern.is_some())
}

/// The statistics of an entry that may be meant.
fn meant(job: &Job, metric: &Metric, wanted: &Wanted) -> Vec<Text> {
    let is_meant = |statistic: &&Text| match &metric.pattern {
        None => wanted.is_metric(&job.namespace, &metric.name, statistic),
        // A probe name shows how names of this namespace begin and end.
        Some(pattern) => {
            let probe = naming::metric_name(&job.namespace, "\u{1}", Some(statistic));
            let (begin, end) = probe.split_once('\u{1}').unwrap_or((&probe, ""));
            let of_pair = wanted.name.strip_prefix(&*job.namespace).and_then(|rest| rest.strip_prefix('/'));
            of_pair.is_some_and(|name| pattern.is_match(name))
                || (wanted.name.starts_with(begin) && wanted.name.ends_with(end))
        }
    };
    metric.statistics.iter().filter(is_meant).cloned().collect()
}

/// Why no entry names the metric.
pub fn nowhere(settings: &AwsSettings, wanted: &Wanted) -> Verdict {
    let entries = || settings.jobs.iter().flat_map(|job| job.metrics.iter().map(move |metric| (job, metric)));
    // Another statistic of something that is configured.
    for (job, metric) in entries().filter(|(_, metric)| metric.pattern.is_none()) {
        let base = naming::metric_name(&job.namespace, &metric.name, None);
        let rest = wanted.name.strip_prefix(&base).and_then(|rest| rest.strip_prefix('_'));
        if let Some(rest) = rest.filter(|rest| is_statistic(rest)) {
            let has = metric.statistics.join(", ");
            let why = format!("{} {} is collected as {has}, not as `{rest}`", job.namespace, metric.name);
            return Verdict::new(Cause::Statistic, STEP, why, "add the statistic to the metric's `statistics`");
        }
    }
    let is_info = |job: &&Job| wanted.name == naming::info_name(&job.namespace);
    if let Some(job) = settings.jobs.iter().find(is_info) {
        let why =
            format!("info series of {} come with its metrics: one for each resource that the job finds", job.namespace);
        return Verdict::new(Cause::Name, STEP, why, "explain one of the job's metrics instead");
    }
    if wanted.name.starts_with("node_") {
        let why = "metrics of this machine come from the `agent` section, and no cloud is asked for them";
        return Verdict::new(
            Cause::NoJob,
            STEP,
            why,
            "add the plugin to `metrics_collected`, and look at the log of the daemon",
        );
    }
    let exported: Vec<String> = entries().flat_map(|(job, metric)| names(job, metric)).collect();
    let like = near(&wanted.name, exported.iter().map(String::as_str));
    if !like.is_empty() {
        let why = format!("no job exports that name; there is {}", like.join(", "));
        return Verdict::new(Cause::Name, STEP, why, "use that name: it is made of namespace, metric and statistic");
    }
    let of = |job: &&Job| {
        let beginning = naming::metric_name(&job.namespace, "", None);
        wanted.name.starts_with(&beginning) || wanted.name.starts_with(&format!("{}/", job.namespace))
    };
    if let Some(job) = settings.jobs.iter().find(of) {
        let why = format!("the job of {} does not name the metric", job.namespace);
        return Verdict::new(Cause::NotNamed, STEP, why, "add it to the job's `metrics`");
    }
    let namespaces: Vec<&str> = settings.jobs.iter().map(|job| &*job.namespace).collect();
    let why = match namespaces.as_slice() {
        [] => "the configuration has no jobs for CloudWatch".to_owned(),
        some => format!("no job is about it; there are jobs for {}", some.join(", ")),
    };
    Verdict::new(Cause::NoJob, STEP, why, "add a job for its namespace")
}

/// The names that an entry exports; of a pattern none are known.
fn names<'a>(job: &'a Job, metric: &'a Metric) -> impl Iterator<Item = String> + 'a {
    let statistics = metric.statistics.iter().filter(|_| metric.pattern.is_none());
    statistics.map(|statistic| naming::metric_name(&job.namespace, &metric.name, Some(statistic)))
}

/// `sum`, `sample_count`, `p99_9`, `tm_10_percent_90_percent_`: what statistics look like in names.
fn is_statistic(text: &str) -> bool {
    let plain = ["average", "maximum", "minimum", "sum", "sample_count", "samplecount", "iqm"];
    let digits = |prefix: &str| {
        text.strip_prefix(prefix).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit() || c == '_'))
    };
    plain.contains(&text) || ["p", "tm", "wm", "tc", "ts", "pr"].into_iter().any(digits)
}

/// Those that differ from a word in little more than case and separators; the nearest first.
pub fn near<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Vec<String> {
    let letters = |text: &str| {
        text.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect::<Vec<_>>()
    };
    let typed = letters(word);
    let mut all: Vec<(usize, &str)> = known.map(|k| (distance(&typed, &letters(k)), k)).collect();
    all.retain(|(distance, _)| *distance <= (typed.len() / 6).clamp(1, 4));
    all.sort_unstable();
    all.dedup();
    all.into_iter().take(SUGGESTED).map(|(_, k)| k.to_owned()).collect()
}

/// Letters to insert, remove or replace.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = std::mem::replace(row.first_mut().unwrap_or(&mut 0), i + 1);
        let mut left = i + 1;
        for (cell, y) in row.iter_mut().skip(1).zip(b) {
            let best = (diagonal + usize::from(x != y)).min(left + 1).min(*cell + 1);
            diagonal = std::mem::replace(cell, best);
            left = best;
        }
    }
    row.last().copied().unwrap_or_default()
}

/// What stands in front of an answer: which job it is about.
pub fn describe(job: &Job) -> String {
    let kind = match job.kind {
        JobKind::Discovery(_) => String::new(),
        JobKind::Custom => format!("custom job {}, ", job.name),
        JobKind::Static(_) => format!("static job {}, ", job.name),
    };
    let metrics: Vec<&str> = job.metrics.iter().map(|metric| &*metric.name).collect();
    format!("{kind}{} {}", job.namespace, metrics.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_those_of_levenshtein() {
        for (a, b, expected) in [("", "", 0), ("abc", "", 3), ("", "ab", 2), ("kitten", "sitting", 3), ("ab", "ba", 2)]
        {
            let of = |text: &str| text.chars().collect::<Vec<_>>();
            assert_eq!(distance(&of(a), &of(b)), expected, "{a} {b}");
        }
    }

    #[test]
    fn near_names_ignore_case_and_separators() {
        let known = ["aws_ec2_cpuutilization_average", "aws_sqs_messages_sum"];
        assert_eq!(near("aws_ec2_cpu_utilization_average", known.into_iter()), ["aws_ec2_cpuutilization_average"]);
        assert!(near("aws_rds_free_storage_sum", known.into_iter()).is_empty());
    }
}
