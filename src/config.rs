//! Configuration: a file in, [`Settings`] or every mistake at once out.
//!
//! `raw` reads YAML into a located tree, `fields` and `written` read that tree by the vocabulary (`scalar` says what a
//! scalar means), `native` adds what is around the `aws` section, `resolve` (pure) applies defaults and cross-checks.

use std::fmt;
use std::io::Read as _;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::aws::job::{AwsSettings, Concurrency};
use crate::gcp::job::GcpSettings;

mod expand;
mod fields;
mod gcp;
mod native;
mod nearest;
mod raw;
mod re2;
mod recognise;
mod report;
mod resolve;
mod scalar;
pub mod web;
mod written;

/// Whose vocabulary a file speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// `raingauge.yml`: sections `web`, `aws`, …; unknown keys are mistakes.
    Native,
    /// YACE v1alpha1: unknown keys are warnings.
    Yace,
}

/// What the daemon runs on: everything as it is meant.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The dialect of the file.
    pub dialect: Dialect,
    /// The HTTP side.
    pub web: WebSettings,
    /// The `aws` section.
    pub aws: Option<AwsSettings>,
    /// The `gcp` section.
    pub gcp: Option<GcpSettings>,
}

/// The HTTP side.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct WebSettings {
    /// `web.listen_addresses`; empty: the command line's, or `0.0.0.0:5000`.
    pub listen_addresses: Vec<SocketAddr>,
    /// `web.config_file`: certificates, passwords, headers; relative to where the daemon was started.
    pub config_file: Option<PathBuf>,
}

/// A mistake or a warning, with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Line, from 1; 0 when the whole file is meant.
    pub line: usize,
    /// Column, from 1; 0 when the whole file is meant.
    pub column: usize,
    /// `aws.discovery.jobs[0].metrics[1].period`; empty: the whole file.
    pub key_path: String,
    /// What is wrong and what to do.
    pub message: String,
}

/// Why a file cannot be used: all mistakes at once, in the file's order.
#[derive(Debug)]
pub struct Mistakes {
    /// The file.
    pub file: PathBuf,
    /// At least one.
    pub mistakes: Vec<Diagnostic>,
    /// What else was noticed.
    pub warnings: Vec<Diagnostic>,
}

impl fmt::Display for Mistakes {
    /// One line each: `file:line:column: key.path: message`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, m) in self.mistakes.iter().enumerate() {
            let newline = if i == 0 { "" } else { "\n" };
            write!(f, "{newline}{}:{m}", self.file.display())?;
        }
        Ok(())
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line > 0 {
            write!(f, "{}:{}:", self.line, self.column)?;
        }
        if !self.key_path.is_empty() {
            write!(f, " {}:", self.key_path)?;
        }
        write!(f, " {}", self.message)
    }
}

impl std::error::Error for Mistakes {}

/// What the command line says about a file; `None` leaves it to the file or the default.
#[derive(Clone, Debug, Default)]
pub struct LoadOptions {
    /// Read the file as this, whatever its keys look like.
    pub dialect: Option<Dialect>,
    /// Time between two fetches of jobs that do not say it themselves.
    pub scraping_interval: Option<Duration>,
    /// FIPS endpoints.
    pub fips: Option<bool>,
    /// Labels in snake_case.
    pub labels_snake_case: Option<bool>,
    /// Queries in one GetMetricData call; above 500 it counts as 500.
    pub metrics_per_query: Option<NonZeroU32>,
    /// Calls in flight.
    pub concurrency: Option<Concurrency>,
    /// YACE's feature flag `always-return-info-metrics`.
    pub always_return_info: bool,
}

/// A good file.
#[derive(Debug)]
pub struct Loaded {
    /// What to run on.
    pub settings: Settings,
    /// What is done otherwise than it seems to be meant, in the file's order.
    pub warnings: Vec<Diagnostic>,
}

/// Reads a file and the environment.
pub fn load(path: &Path, options: &LoadOptions) -> Result<Loaded, Mistakes> {
    let bytes = read(path).map_err(|e| {
        let message = format!("cannot read the file: {e}");
        let mistake = Diagnostic { line: 0, column: 0, key_path: String::new(), message };
        Mistakes { file: path.to_owned(), mistakes: vec![mistake], warnings: Vec::new() }
    })?;
    parse(path, &bytes, options, &|name| std::env::var(name).ok())
}

/// One byte more than is allowed, so that the limit is noticed and a device file cannot fill the memory.
fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let limit = u64::try_from(raw::MAX_FILE_BYTES).unwrap_or(u64::MAX).saturating_add(1);
    std::fs::File::open(path)?.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Reads the bytes of a file; `file` only names it. `env` is asked for `${NAME}` in native files.
pub fn parse(
    file: &Path,
    bytes: &[u8],
    options: &LoadOptions,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Loaded, Mistakes> {
    let mut report = report::Report::new(options.dialect.unwrap_or(Dialect::Native));
    let settings = match recognise::tree(bytes, options, env, &mut report) {
        Err(fatal) => {
            report.mistakes.push(fatal);
            None
        }
        Ok(None) => None,
        Ok(Some(root)) => Some(match report.dialect {
            Dialect::Native => native::settings(&root, options, &mut report),
            Dialect::Yace => yace_settings(&root, options, &mut report),
        }),
    };
    report.finish();
    match settings {
        Some(settings) if report.mistakes.is_empty() => Ok(Loaded { settings, warnings: report.warnings }),
        _ => Err(Mistakes { file: file.to_owned(), mistakes: report.mistakes, warnings: report.warnings }),
    }
}

/// A YACE file is nothing but an `aws` section with a version.
fn yace_settings(root: &raw::Node, options: &LoadOptions, report: &mut report::Report) -> Settings {
    let mut written = written::Aws::default();
    fields::mapping(&mut written, root, &report::Path::Root, report);
    if !matches!(&*root.value, raw::Value::Mapping(_)) && !fields::is_null(root) {
        return Settings { dialect: Dialect::Yace, web: WebSettings::default(), aws: None, gcp: None };
    }
    let aws = resolve::aws(&written, options, report);
    Settings { dialect: Dialect::Yace, web: WebSettings::default(), aws: Some(aws), gcp: None }
}

#[cfg(test)]
mod tests;
