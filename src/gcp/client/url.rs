//! Addresses of calls.

use std::fmt::Write as _;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::model::Timestamp;

/// An address with its query.
pub(super) struct Url {
    text: String,
    query: bool,
}

impl Url {
    pub(super) fn new(base: &str) -> Self {
        Self { text: base.to_owned(), query: false }
    }

    pub(super) fn with(&mut self, name: &str, value: &str) -> &mut Self {
        self.text.push(if self.query { '&' } else { '?' });
        self.query = true;
        self.text.push_str(name);
        self.text.push('=');
        self.text.push_str(&escaped(value));
        self
    }

    pub(super) fn with_some(&mut self, name: &str, value: Option<&str>) -> &mut Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    pub(super) fn into_text(self) -> String {
        self.text
    }
}

/// With everything escaped that is not a letter, a digit or one of `-_.~`.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing into a String cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// `2026-11-20T23:34:28.163Z`.
pub(super) fn rfc3339(at: Timestamp) -> String {
    let nanos = i128::from(at.as_millis()) * 1_000_000;
    let time = OffsetDateTime::from_unix_timestamp_nanos(nanos).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    time.format(&Rfc3339).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_escaped() {
        let mut url = Url::new("http://x/v3");
        url.with("filter", "metric.type=\"a/b\" AND (x=1)").with_some("pageToken", None).with_some("p", Some("é"));
        assert_eq!(url.into_text(), "http://x/v3?filter=metric.type%3D%22a%2Fb%22%20AND%20%28x%3D1%29&p=%C3%A9");
    }

    #[test]
    fn times_are_utc() {
        assert_eq!(rfc3339(Timestamp::from_millis(1_767_225_660_163)), "2026-01-01T00:01:00.163Z");
        assert_eq!(rfc3339(Timestamp::from_secs(0)), "1970-01-01T00:00:00Z");
    }
}
