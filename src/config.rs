//! Configuration: a file in, [`Settings`] or every mistake at once out.
//!
//! `raw` reads YAML into a located tree, the dialects read that tree, `resolve` (pure) applies defaults and cross-checks.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::aws::job::AwsSettings;

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
}

/// The HTTP side.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct WebSettings {
    /// `web.listen_addresses`; empty: the command line's, or `0.0.0.0:5000`.
    pub listen_addresses: Vec<SocketAddr>,
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
