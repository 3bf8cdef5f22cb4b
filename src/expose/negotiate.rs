//! Which page a client gets: format, escaping and compression, from the Accept and Accept-Encoding headers. Pure.
//!
//! Follows Prometheus' own library: the most wanted usable item decides the format; an `escaping` parameter counts even when
//! its item cannot be served; nobody is refused, 0.0.4 text is what remains.
//!
//! Deliberately absent: protobuf, zstd.

use super::page::Style;
use super::text::Escaping;
use crate::telemetry::Format;

/// Items of a header that are looked at; nobody sends more.
const MOST_ITEMS: usize = 64;

/// The page that a client gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Wanted {
    /// How it is spelled.
    pub style: Style,
    /// Whether it is compressed.
    pub gzip: bool,
}

impl Wanted {
    /// From the two headers, empty where the client sent none. `openmetrics`: whether we serve it at all.
    pub fn negotiate(accept: &str, accept_encoding: &str, openmetrics: bool) -> Self {
        Self { style: style(accept, openmetrics), gzip: wants_gzip(accept_encoding) }
    }
}

/// The media type of a page.
pub const fn content_type(style: Style) -> &'static str {
    use Escaping::{AllowUtf8, Dots, Underscores, Values};
    match (style.format, style.escaping) {
        (Format::Text, Underscores) => "text/plain; version=0.0.4; charset=utf-8; escaping=underscores",
        (Format::Text, AllowUtf8) => "text/plain; version=0.0.4; charset=utf-8; escaping=allow-utf-8",
        (Format::Text, Values) => "text/plain; version=0.0.4; charset=utf-8; escaping=values",
        (Format::Text, Dots) => "text/plain; version=0.0.4; charset=utf-8; escaping=dots",
        (Format::OpenMetrics, Underscores) => {
            "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores"
        }
        (Format::OpenMetrics, AllowUtf8) => {
            "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=allow-utf-8"
        }
        (Format::OpenMetrics, Values) => "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=values",
        (Format::OpenMetrics, Dots) => "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=dots",
    }
}

fn style(accept: &str, openmetrics: bool) -> Style {
    let mut escaping = Escaping::default();
    for item in items(accept) {
        if let Some(known) =
            item.parameter("escaping").and_then(|e| Escaping::ALL.into_iter().find(|k| k.as_str() == e))
        {
            escaping = known;
        }
        let format = match (item.name.as_str(), item.parameter("version")) {
            ("application/openmetrics-text", None | Some("1.0.0")) if openmetrics => Format::OpenMetrics,
            ("text/plain", None | Some("0.0.4")) => Format::Text,
            _ => continue,
        };
        return Style { format, escaping };
    }
    Style { format: Format::Text, escaping }
}

/// Only an explicit `gzip` counts: those who send `*` include tools that do not decompress.
fn wants_gzip(accept_encoding: &str) -> bool {
    items(accept_encoding).iter().any(|item| item.name == "gzip")
}

/// An item of a header: `text/plain;version=0.0.4;q=0.3`.
struct Item<'a> {
    /// In lower case.
    name: String,
    parameters: Vec<(&'a str, &'a str)>,
    quality: f32,
}

impl<'a> Item<'a> {
    fn parse(text: &'a str) -> Self {
        let mut parts = text.split(';');
        let name = parts.next().unwrap_or_default().trim().to_ascii_lowercase();
        let parameters: Vec<_> = parts
            .filter_map(|p| p.split_once('='))
            .map(|(key, value)| (key.trim(), value.trim().trim_matches('"')))
            .collect();
        let mut item = Self { name, parameters, quality: 1.0 };
        if let Some(q) = item.parameter("q") {
            item.quality = q.parse().unwrap_or(0.0);
        }
        item
    }

    fn parameter(&self, key: &str) -> Option<&'a str> {
        self.parameters.iter().find(|(k, _)| k.eq_ignore_ascii_case(key)).map(|(_, value)| *value)
    }
}

/// The items that the client wants at all, the most wanted ones first.
fn items(header: &str) -> Vec<Item<'_>> {
    let mut items: Vec<_> =
        header.split(',').take(MOST_ITEMS).map(Item::parse).filter(|i| !i.name.is_empty() && i.quality > 0.0).collect();
    items.sort_by(|a, b| b.quality.total_cmp(&a.quality));
    items
}

#[cfg(test)]
mod tests {
    use super::*;
    use Escaping::{AllowUtf8, Dots, Underscores, Values};
    use Format::{OpenMetrics, Text};

    const PROMETHEUS_3: &str = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
    const PROMETHEUS_3_LEGACY_NAMES: &str = "application/openmetrics-text;version=1.0.0;escaping=underscores;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=underscores;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
    const PROMETHEUS_2: &str = "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
    const NATIVE_HISTOGRAMS: &str = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6,application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
    const VMAGENT: &str = "text/plain;version=0.0.4;q=1,*/*;q=0.1";

    #[test]
    fn scrapers_get_what_they_can_read() {
        for (accept, native, drop_in) in [
            (PROMETHEUS_3, (OpenMetrics, AllowUtf8), (Text, AllowUtf8)),
            (PROMETHEUS_3_LEGACY_NAMES, (OpenMetrics, Underscores), (Text, Underscores)),
            (PROMETHEUS_2, (OpenMetrics, Underscores), (Text, Underscores)),
            (NATIVE_HISTOGRAMS, (OpenMetrics, AllowUtf8), (Text, AllowUtf8)),
            (VMAGENT, (Text, Underscores), (Text, Underscores)),
            ("", (Text, Underscores), (Text, Underscores)),
            ("*/*", (Text, Underscores), (Text, Underscores)),
            ("text/html,application/xhtml+xml,*/*;q=0.8", (Text, Underscores), (Text, Underscores)),
            ("text/plain;version=0.0.4;escaping=values", (Text, Values), (Text, Values)),
            ("text/plain; version=0.0.4; escaping=dots", (Text, Dots), (Text, Dots)),
            ("text/plain;escaping=nonsense", (Text, Underscores), (Text, Underscores)),
            ("text/plain;version=1.0.0;escaping=allow-utf-8", (Text, AllowUtf8), (Text, AllowUtf8)),
            ("application/openmetrics-text", (OpenMetrics, Underscores), (Text, Underscores)),
            ("application/openmetrics-text;version=0.0.1", (Text, Underscores), (Text, Underscores)),
            ("application/openmetrics-text;q=0,text/plain;q=0.1", (Text, Underscores), (Text, Underscores)),
            (
                "text/plain;q=0.1,application/openmetrics-text;q=0.9;version=\"1.0.0\"",
                (OpenMetrics, Underscores),
                (Text, Underscores),
            ),
            // The most wanted item decides, so the escaping of the less wanted one is not even seen.
            ("text/plain;q=0.1;escaping=dots,text/plain;q=0.2;escaping=values", (Text, Values), (Text, Values)),
            ("application/json;escaping=dots,text/plain;q=0.2", (Text, Dots), (Text, Dots)),
        ] {
            for (expected, openmetrics) in [(native, true), (drop_in, false)] {
                let got = Wanted::negotiate(accept, "", openmetrics).style;
                assert_eq!((got.format, got.escaping), expected, "{accept}, native: {openmetrics}");
            }
        }
    }

    #[test]
    fn only_those_who_ask_for_gzip_get_it() {
        for (header, expected) in [
            ("", false),
            ("gzip", true),
            ("GZIP", true),
            ("identity", false),
            ("deflate, gzip;q=0.5, br", true),
            ("gzip;q=0", false),
            ("gzip;q=0.0, identity", false),
            ("*", false),
            ("zstd", false),
            ("gzip;q=x", false),
        ] {
            assert_eq!(Wanted::negotiate("", header, true).gzip, expected, "{header}");
        }
    }

    #[test]
    fn the_media_type_says_what_was_chosen() {
        for escaping in Escaping::ALL {
            for (format, start) in [
                (Text, "text/plain; version=0.0.4; charset=utf-8; escaping="),
                (OpenMetrics, "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping="),
            ] {
                assert_eq!(content_type(Style { format, escaping }), format!("{start}{}", escaping.as_str()));
            }
        }
    }
}
