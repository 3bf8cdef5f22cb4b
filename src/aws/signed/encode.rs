//! Pure: a question in the form in which its service takes it.

use serde_json::Value as Json;

use crate::aws::question::{Protocol, Question, Value};

/// A request, but for host and signature.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Encoded {
    pub(super) method: &'static str,
    /// Path and query.
    pub(super) path: String,
    /// Headers that are signed, besides the host.
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: String,
}

pub(super) fn encode(question: &Question) -> Encoded {
    let operation = question.operation;
    match operation.service.facts().protocol {
        Protocol::Query { version } => {
            let head = format!("Action={}&Version={version}", operation.name);
            let body = form(question).fold(head, |body, field| body + "&" + &field);
            let headers = vec![("content-type", "application/x-www-form-urlencoded; charset=utf-8".to_owned())];
            Encoded { method: "POST", path: operation.path.to_owned(), headers, body }
        }
        Protocol::Json { version, target } => {
            let headers = vec![
                ("content-type", format!("application/x-amz-json-{version}")),
                ("x-amz-target", format!("{target}.{}", operation.name)),
            ];
            let fields = question.fields.iter().map(|(name, value)| (name.to_string(), json(value)));
            let body = Json::Object(fields.collect()).to_string();
            Encoded { method: "POST", path: operation.path.to_owned(), headers, body }
        }
        Protocol::Rest => {
            let query: Vec<String> = form(question).collect();
            let mark = if query.is_empty() { "" } else { "?" };
            let path = format!("{}{mark}{}", operation.path, query.join("&"));
            // API Gateway speaks HAL unless it is asked not to.
            let headers = vec![("accept", "application/json".to_owned())];
            Encoded { method: "GET", path, headers, body: String::new() }
        }
    }
}

fn form(question: &Question) -> impl Iterator<Item = String> {
    question.fields.iter().map(|(name, value)| {
        let value = match value {
            Value::Text(text) => escaped(text),
            Value::Number(n) => n.to_string(),
            Value::Flag(yes) => yes.to_string(),
        };
        format!("{}={value}", escaped(name))
    })
}

fn json(value: &Value) -> Json {
    match value {
        Value::Text(text) => text.as_str().into(),
        Value::Number(n) => (*n).into(),
        Value::Flag(yes) => (*yes).into(),
    }
}

/// Everything but RFC 3986's unreserved characters is escaped, as signatures want it.
fn escaped(text: &str) -> String {
    use std::fmt::Write;
    let mut out = String::with_capacity(text.len() + 8);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::question::{AUTO_SCALING_GROUPS, CACHE_CLUSTERS, FUNCTIONS, HTTP_APIS, PROTECTIONS, TABLE};

    #[test]
    fn query_services_get_a_form() {
        let question = Question::new(&CACHE_CLUSTERS).with("MaxRecords", 100).with("ShowCacheNodeInfo", true);
        let encoded = encode(&question.page(Some("a+b/c=".into())));
        assert_eq!((encoded.method, &*encoded.path), ("POST", "/"));
        assert_eq!(
            encoded.body,
            "Action=DescribeCacheClusters&Version=2015-02-02&MaxRecords=100&ShowCacheNodeInfo=true&Marker=a%2Bb%2Fc%3D"
        );
        let first = encode(&Question::new(&AUTO_SCALING_GROUPS).page(None));
        assert_eq!(first.body, "Action=DescribeAutoScalingGroups&Version=2011-01-01");
    }

    #[test]
    fn json_services_get_an_object_and_a_target() {
        let encoded = encode(&Question::new(&PROTECTIONS).with("MaxResults", 100).page(Some("t\"".into())));
        assert_eq!(encoded.body, r#"{"MaxResults":100,"NextToken":"t\""}"#);
        let headers =
            [("content-type", "application/x-amz-json-1.1"), ("x-amz-target", "AWSShield_20160616.ListProtections")];
        assert_eq!(encoded.headers, headers.map(|(n, v)| (n, v.to_owned())));
        let table = encode(&Question::new(&TABLE).with("TableName", "arn:aws:dynamodb:r:1:table/t"));
        assert_eq!(table.headers[0].1, "application/x-amz-json-1.0");
    }

    #[test]
    fn rest_services_get_a_path() {
        assert_eq!(encode(&Question::new(&HTTP_APIS)).path, "/v2/apis");
        let encoded = encode(&Question::new(&FUNCTIONS).with("MaxItems", 50).page(Some("ö".into())));
        assert_eq!((encoded.method, &*encoded.path), ("GET", "/2015-03-31/functions?MaxItems=50&Marker=%C3%B6"));
        assert_eq!(encoded.body, "");
    }
}
