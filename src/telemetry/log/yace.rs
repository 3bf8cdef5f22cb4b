//! Log lines as YACE writes them, for those who parse its log: `time`, `level`, `source`, `msg`, `version`, then the fields.

use std::fmt;

use serde_json::Value;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// How the pairs are spelled.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Spelling {
    Json,
    Logfmt,
}

/// Writes YACE's lines.
pub(super) struct YaceLines {
    pub(super) version: &'static str,
    pub(super) spelling: Spelling,
}

impl<S, N> FormatEvent<S, N> for YaceLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut out: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut time = String::new();
        SystemTime.format_time(&mut Writer::new(&mut time))?;
        let mut fields = Fields::default();
        event.record(&mut fields);
        let meta = event.metadata();
        let source = format!("{}:{}", meta.file().unwrap_or("?"), meta.line().unwrap_or(0));
        let mut pairs: Vec<(&str, Value)> = vec![
            ("time", time.into()),
            ("level", meta.level().as_str().into()),
            ("source", source.into()),
            ("msg", fields.message.into()),
            ("version", self.version.into()),
        ];
        pairs.extend(fields.rest);
        match self.spelling {
            Spelling::Json => write_json(&mut out, &pairs),
            Spelling::Logfmt => write_logfmt(&mut out, &pairs),
        }
    }
}

fn write_json(out: &mut Writer<'_>, pairs: &[(&str, Value)]) -> fmt::Result {
    for (at, (key, value)) in pairs.iter().enumerate() {
        let before = if at == 0 { '{' } else { ',' };
        write!(out, "{before}{}:{value}", Value::from(*key))?;
    }
    writeln!(out, "}}")
}

fn write_logfmt(out: &mut Writer<'_>, pairs: &[(&str, Value)]) -> fmt::Result {
    for (at, (key, value)) in pairs.iter().enumerate() {
        let before = if at == 0 { "" } else { " " };
        match value {
            Value::String(text) if is_plain(text) => write!(out, "{before}{key}={text}")?,
            other => write!(out, "{before}{key}={other}")?,
        }
    }
    writeln!(out)
}

/// Text that needs no quotes; quoted text is spelled as in JSON.
fn is_plain(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c > ' ' && !c.is_control() && !matches!(c, '"' | '=' | '\\'))
}

/// The fields of an event, in order.
#[derive(Default)]
struct Fields {
    message: String,
    rest: Vec<(&'static str, Value)>,
}

impl Fields {
    fn push(&mut self, field: &Field, value: Value) {
        match (field.name(), value) {
            ("message", Value::String(text)) => self.message = text,
            (name, value) => self.rest.push((name, value)),
        }
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.push(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.push(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.push(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.push(field, value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.push(field, value.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.push(field, format!("{value:?}").into());
    }
}
