//! Pure: code and message of a refusal, in whichever form the service gives them.

use serde_json::Value;

use crate::aws::xml::Element;

/// What a service said when it refused.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refused {
    /// Its code, with its decoration; `None` when there is none.
    pub(super) code: Option<String>,
    /// Its message.
    pub(super) message: String,
}

/// The longest message that is kept: some quote the request.
const MAX_MESSAGE_CHARS: usize = 500;

/// `header`: `x-amzn-errortype`, which JSON services set.
pub(super) fn read(header: Option<&str>, body: &[u8]) -> Refused {
    let (code, message) = match serde_json::from_slice::<Value>(body) {
        Ok(json) => {
            let text = |names: [&str; 2]| names.iter().find_map(|n| json.get(n)?.as_str()).map(str::to_owned);
            (text(["__type", "code"]), text(["message", "Message"]))
        }
        Err(_) => xml(body),
    };
    let code = header.map(str::to_owned).or(code).filter(|c| !c.is_empty());
    let message = message.unwrap_or_else(|| "no message".to_owned());
    Refused { code, message: message.chars().take(MAX_MESSAGE_CHARS).collect() }
}

/// `ErrorResponse/Error` of query services, `Response/Errors/Error` of EC2.
fn xml(body: &[u8]) -> (Option<String>, Option<String>) {
    let Ok(root) = Element::parse(body) else { return (None, None) };
    let Some(error) = root.find("Error") else { return (None, None) };
    let text = |name| error.text(name).map(str::to_owned);
    (text("Code"), text("Message"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_dialect_of_refusing_is_understood() {
        for (header, body, code, message) in [
            (
                None,
                "<ErrorResponse><Error><Type>Sender</Type><Code>Throttling</Code><Message>Rate exceeded</Message></Error></ErrorResponse>",
                Some("Throttling"),
                "Rate exceeded",
            ),
            (
                None,
                "<Response><Errors><Error><Code>UnauthorizedOperation</Code><Message>You are not</Message></Error></Errors><RequestID>x</RequestID></Response>",
                Some("UnauthorizedOperation"),
                "You are not",
            ),
            (
                None,
                r#"{"__type":"com.amazonaws.dynamodb#ResourceNotFoundException","message":"no table"}"#,
                Some("com.amazonaws.dynamodb#ResourceNotFoundException"),
                "no table",
            ),
            (
                Some("TooManyRequestsException:http://x/"),
                r#"{"Message":"slow down"}"#,
                Some("TooManyRequestsException:http://x/"),
                "slow down",
            ),
            (None, "<html>Bad Gateway", None, "no message"),
            (Some(""), "", None, "no message"),
        ] {
            let expected = Refused { code: code.map(str::to_owned), message: message.to_owned() };
            assert_eq!(read(header, body.as_bytes()), expected, "{body}");
        }
        let long = format!("{{\"message\":\"{}\"}}", "x".repeat(10_000));
        assert_eq!(read(None, long.as_bytes()).message.len(), MAX_MESSAGE_CHARS);
    }
}
