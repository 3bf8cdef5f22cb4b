//! The log: where it goes (stderr), how its lines look, and how much of it there is.

mod yace;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer, Registry, fmt};

use self::yace::{Spelling, YaceLines};
use crate::secret::MaskedLines;

/// How a line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
    /// `key=value` pairs.
    Logfmt,
}

/// How the log is set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogSettings {
    /// How a line looks.
    pub format: LogFormat,
    /// The least important level that is shown.
    pub level: LevelFilter,
    /// YACE's keys (`time`, `level`, `source`, `msg`, `version`), with the version to show.
    pub yace: Option<&'static str>,
}

/// The log was set up already, perhaps by a test.
#[derive(Debug, thiserror::Error)]
#[error("failed to set up the log: {0}; it can be set up only once")]
pub struct LogSetupError(String);

/// Sets the log of the process up.
pub fn init(settings: LogSettings) -> Result<(), LogSetupError> {
    let ansi = settings.format == LogFormat::Text && std::io::IsTerminal::is_terminal(&std::io::stderr());
    tracing_subscriber::registry()
        .with(layer(settings, || MaskedLines::new(std::io::stderr()), ansi).with_filter(filter(settings.level)))
        .try_init()
        .map_err(|error| LogSetupError(error.to_string()))
}

/// Libraries talk much and about details; below `trace` only their warnings are of interest.
fn filter(level: LevelFilter) -> Targets {
    let others = if level == LevelFilter::TRACE { level } else { level.min(LevelFilter::WARN) };
    Targets::new().with_default(others).with_target("raingauge", level)
}

fn layer<W>(settings: LogSettings, writer: W, ansi: bool) -> Box<dyn Layer<Registry> + Send + Sync>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let base = || fmt::layer().with_ansi(ansi);
    match (settings.yace, settings.format) {
        (Some(version), LogFormat::Json) => {
            base().with_writer(writer).event_format(YaceLines { version, spelling: Spelling::Json }).boxed()
        }
        (Some(version), _) => {
            base().with_writer(writer).event_format(YaceLines { version, spelling: Spelling::Logfmt }).boxed()
        }
        (None, LogFormat::Text) => base().with_writer(writer).with_target(false).boxed(),
        (None, LogFormat::Json) => base().with_writer(writer).json().flatten_event(true).with_span_list(false).boxed(),
        (None, LogFormat::Logfmt) => {
            let lines: fmt::Layer<Registry, _, _> = tracing_logfmt::builder().with_target(false).layer();
            lines.with_writer(writer).boxed()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn logged(settings: LogSettings, log: impl FnOnce()) -> String {
        let lines = Lines::default();
        let writer = lines.clone();
        let layer = layer(settings, move || writer.clone(), false).with_filter(filter(settings.level));
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), log);
        let bytes = lines.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    fn settings(format: LogFormat, yace: Option<&'static str>) -> LogSettings {
        LogSettings { format, level: LevelFilter::INFO, yace }
    }

    fn one_line() {
        let error = std::io::Error::other("no \"route\"\nto host");
        tracing::warn!(target: "raingauge::x", job = "AWS/EC2", count = 3_u64, ok = true, ratio = 0.5, %error, "it failed: {}", 7);
    }

    fn json(line: &str) -> serde_json::Map<String, serde_json::Value> {
        assert_eq!(line.matches('\n').count(), 1, "{line}");
        serde_json::from_str(line).unwrap()
    }

    #[test]
    fn yaces_json_has_yaces_keys_in_yaces_order() {
        let line = logged(settings(LogFormat::Json, Some("1.2.3")), one_line);
        let keys: Vec<usize> = ["\"time\"", "\"level\"", "\"source\"", "\"msg\"", "\"version\"", "\"job\""]
            .iter()
            .map(|k| line.find(k).unwrap())
            .collect();
        assert!(keys.is_sorted(), "{line}");
        let object = json(&line);
        assert_eq!(object["level"], "WARN");
        assert_eq!(object["msg"], "it failed: 7");
        assert_eq!(object["version"], "1.2.3");
        assert_eq!(object["job"], "AWS/EC2");
        assert_eq!(object["count"], 3);
        assert_eq!(object["ok"], true);
        assert_eq!(object["ratio"], 0.5);
        assert_eq!(object["error"], "no \"route\"\nto host");
        assert!(object["source"].as_str().unwrap().contains("log.rs:"));
        let time = object["time"].as_str().unwrap();
        assert!(time.starts_with("20") && time.ends_with('Z') && time.contains('T'), "{time}");
    }

    #[test]
    fn yaces_logfmt_quotes_what_needs_it() {
        let line = logged(settings(LogFormat::Logfmt, Some("1.2.3")), one_line);
        assert!(line.starts_with("time=20"), "{line}");
        assert!(line.contains(" level=WARN source="), "{line}");
        assert!(
            line.ends_with(
                " msg=\"it failed: 7\" version=1.2.3 job=AWS/EC2 count=3 ok=true ratio=0.5 error=\"no \\\"route\\\"\\nto host\"\n"
            ),
            "{line}"
        );
    }

    #[test]
    fn every_format_shows_message_level_and_fields() {
        for format in [LogFormat::Text, LogFormat::Json, LogFormat::Logfmt] {
            let line = logged(settings(format, None), one_line);
            for expected in ["it failed: 7", "AWS/EC2"] {
                assert!(line.contains(expected), "{format:?}: {line}");
            }
            assert!(line.to_lowercase().contains("warn"), "{format:?}: {line}");
            if format != LogFormat::Text {
                assert_eq!(line.lines().count(), 1, "{line}");
            }
        }
        assert_eq!(json(&logged(settings(LogFormat::Json, None), one_line))["count"], 3);
    }

    #[test]
    fn libraries_are_heard_from_warnings_on() {
        let shown = logged(LogSettings { level: LevelFilter::DEBUG, ..settings(LogFormat::Text, None) }, || {
            tracing::debug!(target: "raingauge::work", "ours");
            tracing::info!(target: "hyper", "theirs");
            tracing::warn!(target: "hyper", "serious");
        });
        assert!(shown.contains("ours") && shown.contains("serious") && !shown.contains("theirs"), "{shown}");
    }
}
