//! The metadata of an EC2 instance (IMDSv2): a token, the role's credentials, the region. Point
//! `AWS_EC2_METADATA_SERVICE_ENDPOINT` here.

use std::time::Duration;

use axum::http::Method;
use serde_json::json;

use super::Incoming;
use super::query::rfc3339;
use super::reply::{Form, Reply};
use crate::sim::cloud::Cloud;
use crate::sim::ops::sessions;
use crate::sim::refusal::Refusal;

/// The token that all instances share.
const TOKEN: &str = "simulated-imds-token";
/// How long the token is wanted for; the answer repeats it.
const TTL_HEADER: &str = "x-aws-ec2-metadata-token-ttl-seconds";
/// The role of the instance.
const ROLE: &str = "simulated-instance-role";
/// How long the credentials of an instance are good for: about what AWS gives.
const LIFETIME: Duration = Duration::from_hours(6);

/// Answers below `/latest/`.
pub(super) fn answer(cloud: &Cloud, incoming: &Incoming, path: &str) -> Reply {
    let text = |text: &str| Reply::ok(Form::Plain, text.as_bytes().to_vec());
    if path == "api/token" {
        let ttl = incoming.header(TTL_HEADER).to_owned();
        return match incoming.method {
            Method::PUT if ttl.is_empty() => no(400, "Bad Request"),
            Method::PUT => text(TOKEN).with_header(TTL_HEADER, ttl),
            _ => no(405, "Method Not Allowed"),
        };
    }
    if incoming.header("x-aws-ec2-metadata-token") != TOKEN {
        return no(401, "Unauthorized");
    }
    let spec = cloud.world.spec();
    let region = spec.regions.first().map_or("eu-west-1", |region| &**region);
    let account = cloud.world.home().map_or("000000000000", |account| &*account.id);
    match path.strip_suffix('/').unwrap_or(path) {
        "meta-data/instance-id" => text("i-00000000000000000"),
        "meta-data/instance-type" => text("t3.simulated"),
        "meta-data/ami-id" => text("ami-00000000000000000"),
        "meta-data/placement/region" => text(region),
        "meta-data/placement/availability-zone" => text(&format!("{region}a")),
        "meta-data/iam/security-credentials" => text(ROLE),
        "meta-data/iam/security-credentials/simulated-instance-role" => {
            let given = sessions::issue(account, ROLE, "i-00000000000000000", cloud.now().plus(LIFETIME));
            Reply::json(&json!({
                "Code": "Success",
                "Type": "AWS-HMAC",
                "LastUpdated": rfc3339(cloud.now()),
                "AccessKeyId": given.access_key,
                "SecretAccessKey": given.secret_key,
                "Token": given.session_token,
                "Expiration": rfc3339(given.expires),
            }))
        }
        "dynamic/instance-identity/document" => Reply::json(&json!({
            "accountId": account,
            "region": region,
            "availabilityZone": format!("{region}a"),
            "instanceId": "i-00000000000000000",
            "instanceType": "t3.simulated",
            "imageId": "ami-00000000000000000",
        })),
        _ => no(404, "Not Found"),
    }
}

fn no(status: u16, why: &str) -> Reply {
    Reply::refusal(Form::Plain, &Refusal::new("Metadata", why).with_status(status))
}
