//! STS, IAM, RDS and EC2: form fields in, XML out.

use std::borrow::Cow;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::reply::{Answered, Form, Reply, escape, perform};
use crate::model::Timestamp;
use crate::seam::MetricsRequested;
use crate::sim::cloud::{Caller, Cloud, Spoil};
use crate::sim::ops::described;
use crate::sim::ops::sessions::{self, AssumeRole};
use crate::sim::refusal::Refusal;

const STS: &str = "https://sts.amazonaws.com/doc/2011-06-15/";
const IAM: &str = "https://iam.amazonaws.com/doc/2010-05-08/";
/// Form fields that are looked at; AssumeRole has about ten.
const MAX_FIELDS: usize = 200;

/// Answers the operation that the field `Action` names.
pub(super) async fn answer(cloud: &Cloud, caller: &Caller, body: &[u8]) -> Reply {
    let fields = fields(body);
    let field = |name: &str| fields.iter().find(|(key, _)| key == name).map(|(_, value)| &**value);
    let action = field("Action").unwrap_or_default();
    match action {
        "GetCallerIdentity" => run(cloud, caller, "GetCallerIdentity", |_| Ok(identity(caller))).await,
        "ListAccountAliases" => {
            run(cloud, caller, "ListAccountAliases", |spoil| Ok(aliases(cloud, caller, spoil))).await
        }
        "DescribeDBInstances" => {
            let answer = |spoil: &Spoil| Ok(described::databases(cloud, caller, !spoil.is_empty()));
            run(cloud, caller, "DescribeDBInstances", answer).await
        }
        "DescribeTags" => run(cloud, caller, "DescribeTags", |spoil| Ok(tags(field("Filter.2.Value.1"), spoil))).await,
        "DescribeRegions" => {
            run(cloud, caller, "DescribeRegions", |spoil| Ok(described::regions(cloud, !spoil.is_empty()))).await
        }
        "AssumeRole" => {
            let ask = AssumeRole {
                role_arn: field("RoleArn").unwrap_or_default(),
                session_name: field("RoleSessionName").unwrap_or_default(),
                external_id: field("ExternalId"),
                duration_seconds: field("DurationSeconds").and_then(|seconds| seconds.parse().ok()),
            };
            run(cloud, caller, "AssumeRole", |_| assume_role(cloud, caller, &ask)).await
        }
        _ => {
            let why = format!("{action} is not simulated.");
            Reply::refusal(Form::Xml, &Refusal::new("InvalidAction", why))
        }
    }
}

async fn run(
    cloud: &Cloud,
    caller: &Caller,
    operation: &'static str,
    answer: impl FnOnce(&Spoil) -> Result<String, Refusal>,
) -> Reply {
    perform(cloud, caller, operation, Form::Xml, None, |spoil| -> Result<Answered, Refusal> {
        Ok((answer(spoil)?.into_bytes(), MetricsRequested::default(), 1))
    })
    .await
}

fn envelope(operation: &str, namespace: &str, result: &str) -> String {
    format!(
        "<{operation}Response xmlns=\"{namespace}\"><{operation}Result>{result}</{operation}Result>\
         <ResponseMetadata><RequestId>simulated</RequestId></ResponseMetadata></{operation}Response>"
    )
}

fn identity(caller: &Caller) -> String {
    let account = &caller.account;
    let result =
        format!("<Arn>arn:aws:iam::{account}:user/simulated</Arn><UserId>AIDASIM</UserId><Account>{account}</Account>");
    envelope("GetCallerIdentity", STS, &result)
}

fn aliases(cloud: &Cloud, caller: &Caller, spoil: &Spoil) -> String {
    let alias = cloud.world.account(&caller.account).and_then(|account| account.alias.as_deref());
    let member = alias.filter(|_| !spoil.is_empty()).map(|alias| format!("<member>{}</member>", escape(alias)));
    let result =
        format!("<IsTruncated>false</IsTruncated><AccountAliases>{}</AccountAliases>", member.unwrap_or_default());
    envelope("ListAccountAliases", IAM, &result)
}

/// EC2's answer for the one instance that there is, in its own dialect of XML.
fn tags(instance: Option<&str>, spoil: &Spoil) -> String {
    let item = |id: &str| {
        format!(
            "<item><resourceId>{}</resourceId><resourceType>instance</resourceType>\
             <key>aws:autoscaling:groupName</key><value>simulated-group</value></item>",
            escape(id)
        )
    };
    let items = instance.filter(|_| !spoil.is_empty()).map(item).unwrap_or_default();
    format!(
        "<DescribeTagsResponse xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\"><requestId>simulated</requestId>\
         <tagSet>{items}</tagSet></DescribeTagsResponse>"
    )
}

fn assume_role(cloud: &Cloud, caller: &Caller, ask: &AssumeRole<'_>) -> Result<String, Refusal> {
    let given = sessions::assume(cloud, &caller.account, ask, cloud.now())?;
    let arn = escape(&format!("{}/{}", ask.role_arn.replacen(":role/", ":assumed-role/", 1), given.session_name));
    let result = format!(
        "<AssumedRoleUser><Arn>{arn}</Arn><AssumedRoleId>AROASIM:{session}</AssumedRoleId></AssumedRoleUser>\
         <Credentials><AccessKeyId>{key}</AccessKeyId><SecretAccessKey>{secret}</SecretAccessKey>\
         <SessionToken>{token}</SessionToken><Expiration>{expires}</Expiration></Credentials>",
        session = escape(&given.session_name),
        key = given.access_key,
        secret = given.secret_key,
        token = given.session_token,
        expires = rfc3339(given.expires),
    );
    Ok(envelope("AssumeRole", STS, &result))
}

/// `2026-11-21T08:00:00Z`; the year 9999 for what lies beyond it.
pub(super) fn rfc3339(at: Timestamp) -> String {
    let time = OffsetDateTime::from_unix_timestamp(at.as_secs()).ok();
    time.and_then(|time| time.format(&Rfc3339).ok()).unwrap_or_else(|| "9999-12-31T23:59:59Z".to_owned())
}

/// The fields of a form.
fn fields(body: &[u8]) -> Vec<(String, String)> {
    let text = String::from_utf8_lossy(body);
    let field = |pair: &str| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(key).into_owned(), decode(value).into_owned())
    };
    text.split('&').take(MAX_FIELDS).map(field).collect()
}

/// Undoes percent-encoding; what is not properly encoded stays as it is.
pub(super) fn decode(text: &str) -> Cow<'_, str> {
    if !text.contains(['%', '+']) {
        return Cow::Borrowed(text);
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, tail)) = rest.split_first() {
        let escaped = if *byte == b'%' { tail.split_at_checked(2) } else { None };
        let hex =
            escaped.and_then(|(hex, tail)| Some((u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok()?, tail)));
        let (byte, tail) = match (hex, byte) {
            (Some(decoded), _) => decoded,
            (None, b'+') => (b' ', tail),
            (None, byte) => (*byte, tail),
        };
        out.push(byte);
        rest = tail;
    }
    Cow::Owned(String::from_utf8_lossy(&out).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_decoded_and_bad_escapes_stay() {
        for (text, decoded) in [
            ("arn%3Aaws%3Aiam", "arn:aws:iam"),
            ("a+b%20c", "a b c"),
            ("100%", "100%"),
            ("%zz%4", "%zz%4"),
            ("gr%C3%B6%C3%9Fe", "größe"),
        ] {
            assert_eq!(decode(text), decoded);
        }
        assert_eq!(fields(b"A=1&B=&C"), [("A", "1"), ("B", ""), ("C", "")].map(|(a, b)| (a.to_owned(), b.to_owned())));
    }
}
