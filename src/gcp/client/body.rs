//! Answers, while they come: unpacked, cut into items, collected. And what a refusal says.

use std::io::Write;
use std::time::Duration;

use flate2::write::MultiGzDecoder;
use serde::Deserialize;

use super::Refused;
use super::decode::{Collect, Interner};
use super::repair::repaired;
use super::splitter::{Found, Splitter};
use crate::seam::Reason;

/// No answer is longer, unpacked: a page of a hundred thousand points has a tenth of it.
const MAX_ANSWER_BYTES: u64 = 1 << 30;
/// What is unpacked at a time: gzip makes a thousand times as much of it, at most.
const PACKED_PIECE_BYTES: usize = 8 << 10;
/// What is read of a refusal.
const MAX_REFUSAL_BYTES: usize = 64 << 10;
/// What is shown of a refusal that is not in Google's form.
const SHOWN_CHARACTERS: usize = 200;

/// Reads an answer into a collection.
pub(super) async fn read<T: Collect>(
    mut answer: reqwest::Response,
    collected: &mut T,
    texts: &Interner,
) -> Result<(), Refused> {
    let packed = answer.headers().get("content-encoding").is_some_and(|v| v.as_bytes().eq_ignore_ascii_case(b"gzip"));
    let mut splitter = Splitter::new(T::LIST);
    let mut unpacker = packed.then(|| MultiGzDecoder::new(Vec::new()));
    let (mut length, mut plain) = (0, Vec::new());
    let bad = |message: String| Refused::new(Reason::BadAnswer, message);
    while let Some(chunk) = answer.chunk().await.map_err(|e| transport(&e))? {
        for piece in chunk.chunks(if packed { PACKED_PIECE_BYTES } else { chunk.len() }) {
            let bytes: &[u8] = match &mut unpacker {
                None => piece,
                Some(unpacker) => {
                    unpacker.write_all(piece).map_err(|e| bad(format!("bad gzip: {e}")))?;
                    // The one is filled while the other is read: both keep their room.
                    plain.clear();
                    std::mem::swap(unpacker.get_mut(), &mut plain);
                    &plain
                }
            };
            length += bytes.len() as u64;
            if length > MAX_ANSWER_BYTES {
                let message = format!("the answer is longer than {MAX_ANSWER_BYTES} bytes");
                return Err(Refused::new(Reason::LimitReached, message));
            }
            splitter.feed(bytes, |found| taken(collected, found, texts)).map_err(bad)?;
        }
    }
    if let Some(mut unpacker) = unpacker {
        unpacker.try_finish().map_err(|e| bad(format!("bad gzip: {e}")))?;
        let rest = std::mem::take(unpacker.get_mut());
        splitter.feed(&rest, |found| taken(collected, found, texts)).map_err(bad)?;
    }
    splitter.finish().map_err(bad)
}

/// Takes what was found, repaired where that helps.
fn taken<T: Collect>(collected: &mut T, found: Found<'_>, texts: &Interner) -> Result<(), String> {
    let refused = match collected.take(found, texts) {
        Ok(()) => return Ok(()),
        Err(refused) => refused,
    };
    match found {
        Found::Item(item) => repaired(item).map_or(Err(refused), |whole| collected.take(Found::Item(&whole), texts)),
        Found::Field(..) => Err(refused),
    }
}

/// An answer that is short enough to be held.
pub(super) async fn whole(mut answer: reqwest::Response, most: usize) -> Result<Vec<u8>, Refused> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|e| transport(&e))? {
        body.extend_from_slice(&chunk);
        if body.len() > most {
            return Err(Refused::new(Reason::LimitReached, format!("the answer is longer than {most} bytes")));
        }
    }
    Ok(body)
}

/// What an answer with a bad status says.
pub(super) async fn refused(mut answer: reqwest::Response) -> Refused {
    let status = answer.status().as_u16();
    let retry_after = answer.headers().get("retry-after").and_then(|v| v.to_str().ok()?.trim().parse().ok());
    let packed = answer.headers().get("content-encoding").is_some_and(|v| v.as_bytes().eq_ignore_ascii_case(b"gzip"));
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = answer.chunk().await {
        body.extend_from_slice(&chunk);
        if body.len() > MAX_REFUSAL_BYTES {
            break;
        }
    }
    if packed {
        let mut unpacker = MultiGzDecoder::new(Vec::new());
        let _ = unpacker.write_all(&body);
        body = std::mem::take(unpacker.get_mut());
    }
    Refused {
        reason: reason(status),
        message: format!("HTTP {status}: {}", message(&body)),
        status: Some(status),
        retry_after: retry_after.map(Duration::from_secs),
    }
}

fn reason(status: u16) -> Reason {
    match status {
        401 => Reason::ExpiredCredentials,
        403 => Reason::AccessDenied,
        408 => Reason::Timeout,
        429 => Reason::Throttled,
        500.. => Reason::ServerError,
        _ => Reason::InvalidRequest,
    }
}

/// Google's message, or the beginning of whatever came.
fn message(body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Raw {
        error: RawError,
    }
    #[derive(Deserialize)]
    struct RawError {
        message: String,
    }
    let text = serde_json::from_slice::<Raw>(body)
        .map_or_else(|_| String::from_utf8_lossy(body).into_owned(), |raw| raw.error.message);
    text.trim().chars().take(SHOWN_CHARACTERS).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Without the URL, which may hold a proxy's password.
pub(super) fn transport(error: &reqwest::Error) -> Refused {
    let reason = if error.is_timeout() { Reason::Timeout } else { Reason::Network };
    let mut message = match () {
        () if error.is_connect() => "no connection".to_owned(),
        () if error.is_timeout() => "no answer in time".to_owned(),
        () => "the connection broke".to_owned(),
    };
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        message = format!("{message}: {inner}");
        cause = inner.source();
    }
    Refused::new(reason, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_what_google_says() {
        let google = br#"{"error":{"code":403,"message":"Permission denied.\nReally","status":"PERMISSION_DENIED"}}"#;
        assert_eq!(message(google), "Permission denied. Really");
        assert_eq!(message(b"<html>"), "<html>");
        assert_eq!(message(&[b'x'; 10_000]).len(), SHOWN_CHARACTERS);
    }

    #[test]
    fn statuses_have_reasons() {
        for (status, expected) in [
            (400, Reason::InvalidRequest),
            (401, Reason::ExpiredCredentials),
            (403, Reason::AccessDenied),
            (404, Reason::InvalidRequest),
            (429, Reason::Throttled),
            (500, Reason::ServerError),
            (503, Reason::ServerError),
        ] {
            assert_eq!(reason(status), expected, "{status}");
        }
    }
}
