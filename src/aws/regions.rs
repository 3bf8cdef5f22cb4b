//! The regions that an account has enabled, for jobs that say `regions: all`.

use crate::aws::api::Api;
use crate::aws::paged::{self, Read};
use crate::aws::question::{Question, REGIONS};
use crate::aws::xml::Element;
use crate::model::Text;
use crate::seam::{Call, Failure};

/// Where to ask for a role of that partition when nothing else says a region: one that cannot be switched off.
pub fn always_enabled(role_arn: Option<&str>) -> Text {
    match role_arn.and_then(|arn| arn.split(':').nth(1)) {
        Some("aws-cn") => "cn-north-1",
        Some("aws-us-gov") => "us-gov-west-1",
        Some("aws-eusc") => "eusc-de-east-1",
        _ => "us-east-1",
    }
    .into()
}

/// Their names, in order. At least one: an account without any would be none.
pub async fn enabled(api: &dyn Api, calls: &mut Vec<Call>) -> Result<Vec<Text>, Failure> {
    paged::one(api, &Question::new(&REGIONS), read, calls).await
}

fn read(body: &[u8]) -> Read<Vec<Text>> {
    let root = Element::parse(body).map_err(|e| e.to_string())?;
    let mut names: Vec<Text> =
        root.list("regionInfo", "item").filter_map(|r| r.text("regionName")).map(Text::from).collect();
    names.sort_unstable();
    names.dedup();
    if names.is_empty() { Err("there is no region in it".to_owned()) } else { Ok(names) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_in_order() {
        let body =
            b"<DescribeRegionsResponse xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\"><requestId>x</requestId>\
            <regionInfo><item><optInStatus>opt-in-not-required</optInStatus><regionName>us-east-1</regionName></item>\
            <item><regionName>eu-west-1</regionName><regionEndpoint>ec2.eu-west-1.amazonaws.com</regionEndpoint></item>\
            </regionInfo></DescribeRegionsResponse>";
        let names: Vec<String> = read(body).unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(names, ["eu-west-1", "us-east-1"]);
        for bad in [&b"<x/>"[..], b"", b"<regionInfo><item/></regionInfo>"] {
            assert!(read(bad).is_err());
        }
    }

    #[test]
    fn each_partition_has_a_region_to_ask_in() {
        assert_eq!(&*always_enabled(Some("arn:aws-cn:iam::1:role/r")), "cn-north-1");
        assert_eq!(&*always_enabled(Some("arn:aws:iam::1:role/r")), "us-east-1");
        assert_eq!(&*always_enabled(None), "us-east-1");
    }
}
