//! `raingauge check` and `yace verify-config`: everything that is wrong with a file, at once.

use std::io::{self, Write};
use std::num::NonZeroU32;
use std::path::Path;

use crate::app::protection;
use crate::aws::job::Concurrency;
use crate::cli::{Limits, YaceRun};
use crate::config::{self, Dialect, LoadOptions, Loaded};

/// The exit status of a file with mistakes (`EX_USAGE`, as everywhere in raingauge).
const EXIT_BAD_CONFIG: u8 = 64;

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

/// The dialect, and how many jobs and metrics there are.
fn summary(loaded: &Loaded) -> String {
    let dialect = match loaded.settings.dialect {
        Dialect::Native => "a raingauge file",
        Dialect::Yace => "a YACE file",
        Dialect::CloudWatchAgent => "a CloudWatch agent's file",
    };
    let jobs = loaded.settings.aws.as_ref().map_or(&[][..], |aws| aws.jobs.as_slice());
    let metrics: usize = jobs.iter().map(|job| job.metrics.len()).sum();
    format!("{dialect} with {} jobs and {metrics} metrics", jobs.len())
}
