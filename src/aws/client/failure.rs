//! The SDK's errors in our closed set of reasons.

use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::{ErrorMetadata, ProvideErrorMetadata};

use crate::seam::{Failure, Reason};

/// Error codes by which AWS APIs say "slow down" (the SDKs' common list).
const THROTTLING: [&str; 9] = [
    "Throttling",
    "ThrottlingException",
    "ThrottledException",
    "RequestThrottled",
    "RequestThrottledException",
    "TooManyRequestsException",
    "RequestLimitExceeded",
    "BandwidthLimitExceeded",
    "LimitExceededException",
];

/// An error's code stands at the beginning of its body.
const ERROR_HEAD_BYTES: usize = 512;

/// Codes of credentials that are known but no longer, or not, accepted.
const CREDENTIALS: [&str; 13] = [
    "ExpiredToken",
    "ExpiredTokenException",
    "RequestExpired",
    "InvalidClientTokenId",
    "UnrecognizedClientException",
    "SignatureDoesNotMatch",
    "InvalidSignatureException",
    "InvalidAccessKeyId",
    "AuthFailure",
    "InvalidToken",
    "IncompleteSignature",
    "MissingAuthenticationToken",
    "MissingAuthenticationTokenException",
];

/// Codes of a missing permission.
const DENIED: [&str; 5] =
    ["AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "NotAuthorized", "OptInRequired"];

/// Whether a header or code names throttling; codes may carry a namespace (`x#Throttling`) or a suffix (`Throttling;Sender`).
pub(super) fn is_throttling_code(code: &str) -> bool {
    THROTTLING.contains(&bare(code))
}

/// Whether the beginning of an error's body has such a code, in JSON, CBOR or XML alike.
pub(super) fn names_throttling(body: &[u8]) -> bool {
    let head = String::from_utf8_lossy(body.get(..ERROR_HEAD_BYTES).unwrap_or(body));
    let words = head.split(|c: char| !c.is_ascii_alphanumeric());
    words.filter(|w| !w.is_empty()).any(|w| THROTTLING.contains(&w))
}

fn bare(code: &str) -> &str {
    let code = code.rsplit('#').next().unwrap_or(code);
    code.split([';', ':']).next().unwrap_or(code)
}

pub(super) fn of_call<E>(error: &SdkError<E, HttpResponse>, doing: String) -> Failure
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    let (reason, message) = match error {
        // An answer that is no error but cannot be read comes as one of the service.
        SdkError::ServiceError(e) if e.raw().status().is_success() => (Reason::BadAnswer, innermost(error)),
        SdkError::ServiceError(e) => {
            let code = e.err().code().unwrap_or("unknown error");
            let message = e.err().message().unwrap_or("no message");
            (of_code(code, e.raw().status().as_u16()), format!("{code}: {message}"))
        }
        SdkError::TimeoutError(_) => (Reason::Timeout, "no answer in time".to_owned()),
        SdkError::DispatchFailure(e) if e.is_timeout() => (Reason::Timeout, "no connection in time".to_owned()),
        SdkError::ResponseError(_) => (Reason::BadAnswer, innermost(error)),
        other => match credentials_error(other) {
            Some(e) => return of_credentials(e, doing),
            None => (Reason::Network, innermost(error)),
        },
    };
    Failure { reason, doing, message }
}

/// Credentials that could not be had: none found, or the call for them (AssumeRole, IMDS) failed.
pub(super) fn of_credentials(error: &CredentialsError, doing: String) -> Failure {
    let (reason, message) = of_provider(error);
    Failure { reason, doing, message: format!("credentials: {message}") }
}

/// The class of what a credentials provider says, and what it says.
pub(super) fn of_provider(error: &CredentialsError) -> (Reason, String) {
    let message = innermost(error);
    let reason = match error {
        CredentialsError::CredentialsNotLoaded(_) => Reason::NoCredentials,
        CredentialsError::ProviderTimedOut(_) => Reason::Timeout,
        _ if message.contains("AccessDenied") => Reason::AccessDenied,
        _ if message.contains("Expired") => Reason::ExpiredCredentials,
        _ if message.contains("Throttl") => Reason::Throttled,
        _ => Reason::NoCredentials,
    };
    (reason, message)
}

/// The class of an error code, whatever its decoration; the HTTP status decides where the code says nothing.
pub(in crate::aws) fn of_code(code: &str, status: u16) -> Reason {
    let code = bare(code);
    if is_throttling_code(code) || status == 429 {
        Reason::Throttled
    } else if CREDENTIALS.contains(&code) {
        Reason::ExpiredCredentials
    } else if DENIED.contains(&code) {
        Reason::AccessDenied
    } else if status >= 500 {
        Reason::ServerError
    } else {
        Reason::InvalidRequest
    }
}

fn credentials_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a CredentialsError> {
    chain(error).find_map(|e| e.downcast_ref::<CredentialsError>())
}

fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&e| e.source())
}

/// What the service said; else the last two links of the chain: the SDK's outer ones say nothing ("dispatch failure").
fn innermost(error: &(dyn Error + 'static)) -> String {
    let said = chain(error).find_map(|e| e.downcast_ref::<ErrorMetadata>());
    if let Some((said, code)) = said.and_then(|said| Some((said, said.code()?))) {
        return format!("{code}: {}", said.message().unwrap_or("no message"));
    }
    let all: Vec<String> = chain(error).map(ToString::to_string).collect();
    let from = all.len().saturating_sub(2);
    let mut last: Vec<&str> = all.iter().skip(from).map(String::as_str).collect();
    last.dedup();
    last.join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn throttling_is_found_in_bodies() {
        assert!(names_throttling(br#"{"__type":"x#ThrottlingException","message":"Rate exceeded"}"#));
        assert!(names_throttling(b"<Error><Code>Throttling</Code>"));
        assert!(!names_throttling(br#"{"__type":"AccessDeniedException"}"#));
        assert!(!names_throttling(b""));
    }

    #[test]
    fn codes_are_classified_whatever_their_decoration() {
        for (code, status, reason) in [
            ("Throttling", 400, Reason::Throttled),
            ("com.amazonaws.x#ThrottlingException", 400, Reason::Throttled),
            ("Throttling;Sender", 400, Reason::Throttled),
            ("anything", 429, Reason::Throttled),
            ("ExpiredTokenException", 403, Reason::ExpiredCredentials),
            ("AccessDenied", 403, Reason::AccessDenied),
            ("InternalServiceFault", 500, Reason::ServerError),
            ("InvalidParameterValue", 400, Reason::InvalidRequest),
        ] {
            assert_eq!(of_code(code, status), reason, "{code}");
        }
    }
}
