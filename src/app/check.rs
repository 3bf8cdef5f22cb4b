//! `raingauge check` and `yace verify-config`: everything that is wrong with a file, at once.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::num::NonZeroU32;
use std::path::Path;
use std::time::Duration;

use crate::app::protection;
use crate::aws::job::Concurrency;
use crate::cli::{Limits, YaceRun};
use crate::config::{self, Dialect, LoadOptions, Loaded};
use crate::gcp::job::GcpSettings;
use crate::model::Text;
use crate::telemetry::price::{Unit, list_prices};

/// The exit status of a file with mistakes (`EX_USAGE`, as everywhere in raingauge).
const EXIT_BAD_CONFIG: u8 = 64;

/// Thirty days.
const MONTH: Duration = Duration::from_secs(30 * 86_400);

/// What YACE's flags say about a configuration.
pub fn load_options(run: &YaceRun) -> LoadOptions {
    LoadOptions {
        dialect: Some(Dialect::Yace),
        scraping_interval: Some(run.scraping_interval),
        fips: Some(run.fips),
        labels_snake_case: Some(run.labels_snake_case),
        metrics_per_query: NonZeroU32::new(run.metrics_per_query),
        concurrency: Some(concurrency(run.limits)),
        always_return_info: run.always_return_info,
    }
}

/// How `agent` reads its file: as the CloudWatch agent's, unless its name says that it is one of ours.
pub fn agent_options(path: &Path) -> LoadOptions {
    let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
    let is_ours = ["yml", "yaml"].contains(&extension);
    LoadOptions { dialect: (!is_ours).then_some(Dialect::CloudWatchAgent), ..LoadOptions::default() }
}

fn concurrency(limits: Limits) -> Concurrency {
    let at_least_one = |n| NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN);
    Concurrency {
        list_metrics: at_least_one(limits.list_metrics),
        get_metric_data: at_least_one(limits.get_metric_data),
        get_metric_statistics: at_least_one(limits.get_metric_statistics),
        tagging: at_least_one(limits.tagging),
    }
}

/// `raingauge check`: prints every mistake and warning, or a summary; returns the exit status (0 or 64).
pub fn check(path: &Path, options: &LoadOptions, out: &mut dyn Write) -> io::Result<u8> {
    Ok(if report(path, options, out)? { 0 } else { EXIT_BAD_CONFIG })
}

/// `yace verify-config`: the same, with YACE's exit status (0 or 1).
pub fn verify(path: &Path, out: &mut dyn Write) -> io::Result<u8> {
    let options = LoadOptions { dialect: Some(Dialect::Yace), ..LoadOptions::default() };
    Ok(u8::from(!report(path, &options, out)?))
}

/// Whether the file is good.
fn report(path: &Path, options: &LoadOptions, out: &mut dyn Write) -> io::Result<bool> {
    let file = path.display();
    let (warnings, web, verdict) = match config::load(path, options) {
        Ok(loaded) => {
            let summary = summary(&loaded);
            (loaded.warnings, loaded.settings.web.config_file, Ok(summary))
        }
        Err(mut mistakes) => (std::mem::take(&mut mistakes.warnings), None, Err(mistakes)),
    };
    for warning in warnings {
        writeln!(out, "warning: {file}:{warning}")?;
    }
    match &verdict {
        Ok(summary) => writeln!(out, "{file}: good: {summary}")?,
        Err(mistakes) => {
            writeln!(out, "{mistakes}")?;
            let n = mistakes.mistakes.len();
            writeln!(out, "{file}: {n} mistake{}", if n == 1 { "" } else { "s" })?;
        }
    }
    Ok(verdict.is_ok() && protected(web.as_deref(), out)?)
}

/// Whether the web configuration file that it names, if any, is good, and all that this one names.
fn protected(file: Option<&Path>, out: &mut dyn Write) -> io::Result<bool> {
    let loaded = protection::load(file);
    if let Err(e) = &loaded {
        writeln!(out, "{e:#}")?;
    }
    Ok(loaded.is_ok())
}

/// The dialect, how many jobs and metrics there are, and what is asked of Google.
fn summary(loaded: &Loaded) -> String {
    let dialect = match loaded.settings.dialect {
        Dialect::Native => "a raingauge file",
        Dialect::Yace => "a YACE file",
        Dialect::CloudWatchAgent => "a CloudWatch agent's file",
    };
    let google = loaded.settings.gcp.as_ref().map(google);
    if let (None, Some(google)) = (&loaded.settings.aws, &google) {
        return format!("{dialect} with {google}");
    }
    let jobs = loaded.settings.aws.as_ref().map_or(&[][..], |aws| aws.jobs.as_slice());
    let metrics: usize = jobs.iter().map(|job| job.metrics.len()).sum();
    let google = google.map(|google| format!("; {google}")).unwrap_or_default();
    format!("{dialect} with {} jobs and {metrics} metrics{google}", jobs.len())
}

/// What is asked of Google, and what that costs: how many series there are is known only there.
fn google(gcp: &GcpSettings) -> String {
    let count = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
    let projects: BTreeSet<&Text> = gcp.jobs.iter().flat_map(|job| &job.projects).collect();
    let mut places = Vec::new();
    if !projects.is_empty() {
        places.push(count(projects.len(), "project"));
    }
    if gcp.jobs.iter().any(|job| job.projects_filter.is_some()) {
        places.push("the projects that filters find".to_owned());
    }
    if gcp.jobs.iter().any(|job| job.projects.is_empty() && job.projects_filter.is_none()) {
        places.push("the credentials' own project".to_owned());
    }
    let prefixes = gcp.jobs.iter().map(|job| job.prefixes.len()).sum();
    let shortest =
        gcp.jobs.iter().map(|job| job.timing.interval.tick()).min().unwrap_or(MONTH).max(Duration::from_secs(1));
    let thousand = list_prices().into_iter().find(|price| price.unit == Unit::SeriesReturned);
    let dollars = thousand.map_or(0.0, |price| price.dollars_per_thousand * MONTH.div_duration_f64(shortest));
    format!(
        "{} of Google's Monitoring in {}, {}; at list price 1,000 series asked for every {} s cost ${dollars:.2} a month",
        count(gcp.jobs.len(), "job"),
        places.join(" and "),
        count(prefixes, "prefix").replace("prefixs", "prefixes"),
        shortest.as_secs(),
    )
}
