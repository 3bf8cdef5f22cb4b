//! Pure: where a service is asked, and for which region the request is signed.

use std::collections::BTreeMap;

use crate::aws::question::Service;

/// Endpoints that the environment sets, by service.
pub type Endpoints = BTreeMap<Service, String>;

/// Where requests of one role in one region go.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The region.
    pub region: &'a str,
    /// FIPS endpoints, where YACE takes them too.
    pub fips: bool,
    /// The base endpoint of all services, when one is set.
    pub base: Option<&'a str>,
}

/// An address without path, and the region of the signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Endpoint {
    pub(super) url: String,
    pub(super) region: String,
}

/// A service's own endpoint outranks the one for all; both outrank AWS.
pub(super) fn endpoint(service: Service, place: Place<'_>, own: &Endpoints) -> Endpoint {
    let (host, region) = public(service, place);
    match own.get(&service).map(String::as_str).or(place.base) {
        // A set endpoint is signed for in the job's region, as the SDKs do; IAM's alone always was for its own.
        Some(url) => {
            let region = if service == Service::Iam { region } else { place.region.to_owned() };
            Endpoint { url: url.trim_end_matches('/').to_owned(), region }
        }
        None => Endpoint { url: format!("https://{host}"), region },
    }
}

fn public(service: Service, Place { region, fips, .. }: Place<'_>) -> (String, String) {
    let suffix = suffix(region);
    let name = service.facts().host;
    let fips = if fips && service.facts().has_fips { "-fips" } else { "" };
    match service {
        Service::Iam => iam(region),
        // Global: it answers for the partition in one region.
        Service::Shield if suffix == "amazonaws.com" && !region.starts_with("us-gov-") => {
            (format!("shield{fips}.us-east-1.amazonaws.com"), "us-east-1".to_owned())
        }
        // GovCloud's plain endpoints of these are the FIPS ones.
        Service::Ec2 | Service::Dms if region.starts_with("us-gov-") => {
            (format!("{name}.{region}.{suffix}"), region.to_owned())
        }
        _ => (format!("{name}{fips}.{region}.{suffix}"), region.to_owned()),
    }
}

/// IAM is global: one endpoint and one signing region in each partition.
fn iam(region: &str) -> (String, String) {
    let (host, signed_for) = if region.starts_with("cn-") {
        ("iam.cn-north-1.amazonaws.com.cn", "cn-north-1")
    } else if region.starts_with("us-gov-") {
        ("iam.us-gov.amazonaws.com", "us-gov-west-1")
    } else {
        ("iam.amazonaws.com", "us-east-1")
    };
    (host.to_owned(), signed_for.to_owned())
}

/// The domain of the region's partition.
fn suffix(region: &str) -> &'static str {
    const PARTITIONS: [(&str, &str); 6] = [
        ("cn-", "amazonaws.com.cn"),
        ("eusc-", "amazonaws.eu"),
        ("us-iso-", "c2s.ic.gov"),
        ("us-isob-", "sc2s.sgov.gov"),
        ("us-isof-", "csp.hci.ic.gov"),
        ("eu-isoe-", "cloud.adc-e.uk"),
    ];
    PARTITIONS.iter().find(|(prefix, _)| region.starts_with(prefix)).map_or("amazonaws.com", |(_, suffix)| suffix)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(service: Service, region: &str, fips: bool) -> String {
        let e = endpoint(service, Place { region, fips, base: None }, &Endpoints::new());
        format!("{} {}", e.url, e.region)
    }

    #[test]
    fn each_partition_has_its_hosts() {
        for (service, region, fips, expected) in [
            (Service::AutoScaling, "eu-west-1", false, "https://autoscaling.eu-west-1.amazonaws.com eu-west-1"),
            (Service::AutoScaling, "us-east-1", true, "https://autoscaling.us-east-1.amazonaws.com us-east-1"),
            (Service::Prometheus, "us-east-1", true, "https://aps.us-east-1.amazonaws.com us-east-1"),
            (Service::Rds, "cn-north-1", false, "https://rds.cn-north-1.amazonaws.com.cn cn-north-1"),
            (Service::Ec2, "us-east-2", true, "https://ec2-fips.us-east-2.amazonaws.com us-east-2"),
            (Service::Ec2, "us-gov-west-1", true, "https://ec2.us-gov-west-1.amazonaws.com us-gov-west-1"),
            (Service::Dms, "us-west-1", true, "https://dms-fips.us-west-1.amazonaws.com us-west-1"),
            (Service::ApiGatewayV2, "us-west-1", true, "https://apigateway-fips.us-west-1.amazonaws.com us-west-1"),
            (
                Service::StorageGateway,
                "us-west-1",
                true,
                "https://storagegateway-fips.us-west-1.amazonaws.com us-west-1",
            ),
            (Service::Shield, "eu-west-1", false, "https://shield.us-east-1.amazonaws.com us-east-1"),
            (Service::Shield, "eu-west-1", true, "https://shield-fips.us-east-1.amazonaws.com us-east-1"),
            (Service::Lambda, "eusc-de-east-1", true, "https://lambda.eusc-de-east-1.amazonaws.eu eusc-de-east-1"),
            (Service::Iam, "eu-west-1", true, "https://iam.amazonaws.com us-east-1"),
            (Service::Iam, "cn-northwest-1", false, "https://iam.cn-north-1.amazonaws.com.cn cn-north-1"),
            (Service::Iam, "us-gov-east-1", false, "https://iam.us-gov.amazonaws.com us-gov-west-1"),
        ] {
            assert_eq!(at(service, region, fips), expected);
        }
    }

    #[test]
    fn set_endpoints_outrank_aws_and_the_service_s_own_outranks_all() {
        let own: Endpoints = [(Service::Ec2, "http://ec2.local/".to_owned())].into();
        let place = Place { region: "eu-west-1", fips: true, base: Some("http://localhost:4566/") };
        let expect = |service, url: &str| {
            let expected = Endpoint { url: url.to_owned(), region: "eu-west-1".to_owned() };
            assert_eq!(endpoint(service, place, &own), expected);
        };
        expect(Service::Ec2, "http://ec2.local");
        expect(Service::Shield, "http://localhost:4566");
        assert_eq!(endpoint(Service::Iam, place, &own).region, "us-east-1");
    }
}
