//! Configuration: a file in, [`Settings`] or every mistake at once out.
//!
//! `raw` reads YAML into a located tree, `fields` and `written` read that tree by the vocabulary (`scalar` says what a
//! scalar means), `native` adds what is around the `aws` section, `resolve` (pure) applies defaults and cross-checks.

use std::fmt;
use std::io::Read as _;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::aws::job::{AwsSettings, Concurrency};
use crate::gcp::job::GcpSettings;
use crate::model::Text;
pub use agent::AgentSettings;

mod agent;
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

/// Files of a directory that are read; the agent's has one for each package that brings some.
const MAX_FILES: usize = 100;

/// Whose vocabulary a file speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// `raingauge.yml`: sections `web`, `aws`, …; unknown keys are mistakes.
    Native,
    /// YACE v1alpha1: unknown keys are warnings.
    Yace,
    /// The CloudWatch agent's JSON: strict where that program is.
    CloudWatchAgent,
}

/// What the daemon runs on: everything as it is meant.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The dialect of the file.
    pub dialect: Dialect,
    /// The HTTP side.
    pub web: WebSettings,
    /// `state_dir`: what survives a restart; relative to where the daemon was started.
    pub state_dir: Option<PathBuf>,
    /// The `aws` section.
    pub aws: Option<AwsSettings>,
    /// The `gcp` section.
    pub gcp: Option<GcpSettings>,
    /// The `agent` section, or the CloudWatch agent's file.
    pub agent: Option<AgentSettings>,
}

/// The HTTP side.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct WebSettings {
    /// `web.listen_addresses`: `IP:PORT`, or `unix:` and a path; empty: the command line's, or `0.0.0.0:5000`.
    pub listen_addresses: Vec<Text>,
    /// `web.systemd_socket`: the sockets that systemd hands over, instead.
    pub systemd_socket: bool,
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

/// Reads a file and the environment; or a directory of the CloudWatch agent's files; or, as `env:NAME`, a variable's text.
pub fn load(path: &Path, options: &LoadOptions) -> Result<Loaded, Mistakes> {
    let env = |name: &str| std::env::var(name).ok();
    if path.is_dir() && matches!(options.dialect, None | Some(Dialect::CloudWatchAgent)) {
        let files = read_all(path).map_err(|e| unreadable(path, &e))?;
        return parse_all(path, &files, &env);
    }
    let variable = path.to_str().and_then(|text| text.strip_prefix("env:"));
    let bytes = match variable {
        Some(name) => env(name).map(String::into_bytes).ok_or_else(|| std::io::ErrorKind::NotFound.into()),
        None => read(path),
    };
    let bytes = bytes.map_err(|e| unreadable(path, &e))?;
    parse(path, &bytes, options, &env)
}

fn unreadable(path: &Path, e: &std::io::Error) -> Mistakes {
    let message = format!("cannot read the file: {e}");
    let mistake = Diagnostic { line: 0, column: 0, key_path: String::new(), message };
    Mistakes { file: path.to_owned(), mistakes: vec![mistake], warnings: Vec::new() }
}

/// The files of a directory, in the order of their names. Directories are left out, and what is not the agent's: YAML, and
/// what its downloader has not finished.
fn read_all(directory: &Path) -> std::io::Result<Vec<(PathBuf, Vec<u8>)>> {
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(directory)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>()?;
    paths.retain(|path| {
        let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
        path.is_file() && !["yaml", "yml", "tmp"].contains(&extension)
    });
    paths.sort();
    paths.truncate(MAX_FILES);
    paths.into_iter().map(|path| Ok((path.clone(), read(&path)?))).collect()
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
            Dialect::CloudWatchAgent => agent_settings(&root, env, &mut report),
        }),
    };
    report.finish();
    match settings {
        Some(settings) if report.mistakes.is_empty() => Ok(Loaded { settings, warnings: report.warnings }),
        _ => Err(Mistakes { file: file.to_owned(), mistakes: report.mistakes, warnings: report.warnings }),
    }
}

fn agent_settings(root: &raw::Node, env: &dyn Fn(&str) -> Option<String>, report: &mut report::Report) -> Settings {
    let around = agent::Surroundings { env, static_dimensions: false };
    let settings = agent::settings(root, &report::Path::Root, &around, report);
    let dialect = Dialect::CloudWatchAgent;
    Settings { dialect, web: WebSettings::default(), state_dir: None, aws: None, gcp: None, agent: Some(settings) }
}

/// Reads several files of the CloudWatch agent as one. Their lines are counted through while they are read, and told as
/// they are in each file.
fn parse_all(
    directory: &Path,
    files: &[(PathBuf, Vec<u8>)],
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Loaded, Mistakes> {
    let mut report = report::Report::new(Dialect::CloudWatchAgent);
    let (mut roots, mut starts, mut next) = (Vec::new(), Vec::new(), 1);
    for (path, bytes) in files {
        starts.push((next, path));
        match raw::read_json(bytes, next) {
            Ok(root) => roots.push(root),
            Err(fatal) => report.mistakes.push(fatal),
        }
        next += bytes.split(|byte| *byte == b'\n').count();
    }
    if files.is_empty() {
        report.mistake(raw::Spot::default(), "", "there is no JSON file in this directory");
    }
    let is_whole = report.mistakes.is_empty();
    let root = agent::merged(roots, &mut report).filter(|_| is_whole);
    let settings = root.map(|root| agent_settings(&root, env, &mut report));
    report.finish();
    let (mut mistakes, mut warnings) = (report.mistakes, report.warnings);
    for diagnostic in mistakes.iter_mut().chain(&mut warnings) {
        let Some((start, path)) = starts.iter().rev().find(|(start, _)| *start <= diagnostic.line) else { continue };
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        diagnostic.line = diagnostic.line + 1 - start;
        diagnostic.message = format!("{} (in {name})", diagnostic.message);
    }
    match settings {
        Some(settings) if mistakes.is_empty() => Ok(Loaded { settings, warnings }),
        _ => Err(Mistakes { file: directory.to_owned(), mistakes, warnings }),
    }
}

/// A YACE file is nothing but an `aws` section with a version.
fn yace_settings(root: &raw::Node, options: &LoadOptions, report: &mut report::Report) -> Settings {
    let mut written = written::Aws::default();
    fields::mapping(&mut written, root, &report::Path::Root, report);
    if !matches!(&*root.value, raw::Value::Mapping(_)) && !fields::is_null(root) {
        return Settings {
            dialect: Dialect::Yace,
            web: WebSettings::default(),
            state_dir: None,
            aws: None,
            gcp: None,
            agent: None,
        };
    }
    let aws = Some(resolve::aws(&written, options, report));
    Settings { dialect: Dialect::Yace, web: WebSettings::default(), state_dir: None, aws, gcp: None, agent: None }
}

#[cfg(test)]
mod tests;
