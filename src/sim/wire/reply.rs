//! An answer on its way out, in the form of its protocol, whole or spoilt by a fault.

use std::io;

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;

use super::stream::Connection;
use super::writer;
use crate::seam::MetricsRequested;
use crate::sim::cloud::{Caller, Cloud, Fate, Spoil, ended};
use crate::sim::fault::Effect;
use crate::sim::ops::token::Token;
use crate::sim::refusal::Refusal;

/// How a protocol writes its bodies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Cbor,
    Json,
    /// The query protocol's answers.
    Xml,
    /// Plain text: the instance's metadata.
    Plain,
    /// Google's JSON.
    Rest,
}

/// How much of a reply arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Delivery {
    Whole,
    /// Half of the body.
    Cut,
    /// Nothing: the connection is reset.
    Reset,
}

/// A reply.
pub(super) struct Reply {
    status: u16,
    form: Form,
    body: Vec<u8>,
    /// One more header.
    header: Option<(&'static str, String)>,
    delivery: Delivery,
}

impl Reply {
    pub(super) const fn ok(form: Form, body: Vec<u8>) -> Self {
        Self { status: 200, form, body, header: None, delivery: Delivery::Whole }
    }

    pub(super) fn json(value: &serde_json::Value) -> Self {
        Self::ok(Form::Json, value.to_string().into_bytes())
    }

    pub(super) fn refusal(form: Form, refusal: &Refusal) -> Self {
        let fault = if refusal.is_senders() { "Sender" } else { "Receiver" };
        let body = match form {
            Form::Cbor => {
                let mut encoder = minicbor::Encoder::new(Vec::new());
                // Writing into memory cannot fail.
                let _ = writer::refusal(&mut encoder, refusal);
                encoder.into_writer()
            }
            Form::Json => serde_json::json!({ "__type": refusal.code, "message": refusal.message }).to_string().into(),
            Form::Xml => {
                let (code, message) = (refusal.code, escape(&refusal.message));
                format!(
                    "<ErrorResponse><Error><Type>{fault}</Type><Code>{code}</Code><Message>{message}</Message></Error>\
                     <RequestId>simulated</RequestId></ErrorResponse>"
                )
                .into_bytes()
            }
            Form::Plain => refusal.message.clone().into_bytes(),
            Form::Rest => {
                let (status, name) = google_status(refusal);
                let error = serde_json::json!({ "code": status, "message": refusal.message, "status": name });
                serde_json::json!({ "error": error }).to_string().into()
            }
        };
        let status = if form == Form::Rest { google_status(refusal).0 } else { refusal.status };
        let header = (form == Form::Cbor).then(|| ("x-amzn-query-error", format!("{};{fault}", refusal.code)));
        Self { status, form, body, header, delivery: Delivery::Whole }
    }

    pub(super) fn with_header(mut self, name: &'static str, value: String) -> Self {
        self.header = Some((name, value));
        self
    }

    fn reset(form: Form) -> Self {
        Self { delivery: Delivery::Reset, ..Self::ok(form, Vec::new()) }
    }

    fn spoilt(mut self, spoil: &Spoil) -> Self {
        match &spoil.effect {
            Some(Effect::CutBody) => self.delivery = Delivery::Cut,
            // A CBOR break and an opening brace: no protocol of ours begins so.
            Some(Effect::Malformed) => self.body = b"\xff<{malformed".to_vec(),
            _ => {}
        }
        self
    }

    pub(super) fn into_response(self, connection: &Connection) -> Response {
        let length = self.body.len();
        let body = match self.delivery {
            Delivery::Whole => Body::from(self.body),
            Delivery::Cut => cut(self.body),
            Delivery::Reset => {
                connection.reset();
                Body::from(self.body)
            }
        };
        let mut response = Response::new(body);
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let content_type = match self.form {
            Form::Cbor => "application/cbor",
            Form::Json => "application/x-amz-json-1.1",
            Form::Xml => "text/xml",
            Form::Plain => "text/plain",
            Form::Rest => "application/json; charset=UTF-8",
        };
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        headers.insert(HeaderName::from_static("x-amzn-requestid"), HeaderValue::from_static("simulated"));
        if self.form == Form::Cbor {
            headers.insert(HeaderName::from_static("smithy-protocol"), HeaderValue::from_static("rpc-v2-cbor"));
        }
        if let Some((name, value)) = self.header.and_then(|(n, value)| Some((n, HeaderValue::from_str(&value).ok()?))) {
            headers.insert(HeaderName::from_static(name), value);
        }
        response
    }
}

/// How Google says what AWS says otherwise.
fn google_status(refusal: &Refusal) -> (u16, &'static str) {
    match (refusal.code, refusal.status) {
        ("Throttling", _) => (429, "RESOURCE_EXHAUSTED"),
        ("ExpiredTokenException", _) | (_, 401) => (401, "UNAUTHENTICATED"),
        (_, 403) => (403, "PERMISSION_DENIED"),
        (_, status @ 500..) => (status, if status == 503 { "UNAVAILABLE" } else { "INTERNAL" }),
        (_, status) => (status, "INVALID_ARGUMENT"),
    }
}

/// A body that ends in its middle, with an error.
fn cut(mut body: Vec<u8>) -> Body {
    body.truncate(body.len() / 2);
    let end = io::Error::from(io::ErrorKind::ConnectionAborted);
    // The first half must be on its way before the error: it ends the connection, whatever is still to be sent.
    let parts = futures_util::stream::unfold(Some(Ok(body)), move |part| {
        let end = io::Error::from(end.kind());
        async move {
            let part: Result<Vec<u8>, io::Error> = part?;
            if part.is_err() {
                return Some((part, None));
            }
            Some((part, Some(Err(end))))
        }
    });
    Body::from_stream(parts)
}

/// What an answered operation brings: the body, metrics requested, items in it.
pub(super) type Answered = (Vec<u8>, MetricsRequested, u64);

/// Puts an operation through faults and books: waits, refuses, or answers by `answer` and spoils the answer.
pub(super) async fn perform(
    cloud: &Cloud,
    caller: &Caller,
    operation: &'static str,
    form: Form,
    token: Option<&str>,
    answer: impl FnOnce(&Spoil) -> Result<Answered, Refusal>,
) -> Reply {
    let (latency, fate) = cloud.admit(caller, operation, Token::page_of(token));
    if !latency.is_zero() {
        tokio::time::sleep(latency).await;
    }
    let result = match fate {
        Fate::Answer(spoil) => answer(&spoil).map(|answered| (answered, spoil)),
        Fate::Refuse(refusal) => Err(refusal),
        Fate::Hang => {
            cloud.note(caller, operation, Err(crate::sim::ledger::Ended::Failed));
            cloud.closing.cancelled().await;
            return Reply::reset(form);
        }
        Fate::Reset => {
            cloud.note(caller, operation, Err(crate::sim::ledger::Ended::Failed));
            return Reply::reset(form);
        }
    };
    match result {
        Ok(((body, metrics, items), spoil)) => {
            cloud.note(caller, operation, Ok((metrics, items)));
            Reply::ok(form, body).spoilt(&spoil)
        }
        Err(refusal) => {
            cloud.note(caller, operation, Err(ended(&refusal)));
            Reply::refusal(form, &refusal)
        }
    }
}

/// Text for an XML element. Control characters that XML 1.0 cannot hold become question marks.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\r' => out.push_str("&#13;"),
            '\n' | '\t' => out.push(c),
            c if c.is_control() => out.push('?'),
            c => out.push(c),
        }
    }
    out
}
