//! The place of the special look-ups: what the catalog says beyond the tagging API (auto-scaling groups, REST API names,
//! DMS instances, spot fleets, …). They come with their own issue; until then a job that needs one says so.

use crate::aws::api::Resource;
use crate::aws::catalog::{Lookup, Service};
use crate::seam::{Failure, Reason};

/// Completes the tagged resources; returns what could not be done.
pub fn apply(service: &Service, resources: &mut Vec<Resource>) -> Option<Failure> {
    let missing = match service.lookup {
        Lookup::None => return None,
        Lookup::ApiGateway => return api_gateway(resources),
        Lookup::AutoScaling => "autoscaling:DescribeAutoScalingGroups",
        Lookup::Dms => "dms:DescribeReplicationInstances",
        Lookup::SpotFleet => "ec2:DescribeSpotFleetRequests",
        Lookup::Shield => "shield:ListProtections",
        Lookup::StorageGateway => "storagegateway:ListGateways",
        Lookup::TransitGateway => "ec2:DescribeTransitGatewayAttachments",
        Lookup::ManagedPrometheus => "aps:ListWorkspaces",
    };
    Some(unsupported(service.namespace, missing))
}

/// Only APIs themselves are resources, not their stages and routes. HTTP and WebSocket APIs are known to CloudWatch by their
/// id; REST APIs by their name, which only GetRestApis knows.
fn api_gateway(resources: &mut Vec<Resource>) -> Option<Failure> {
    let ends_in_id = |arn: &str, before: &str| arn.rsplit_once('/').is_some_and(|(head, _)| head.ends_with(before));
    let rest = resources.iter().filter(|r| ends_in_id(&r.arn, "/restapis")).count();
    resources.retain(|r| ends_in_id(&r.arn, "/apis"));
    (rest > 0).then(|| unsupported("AWS/ApiGateway (REST APIs)", "apigateway:GetRestApis"))
}

fn unsupported(what: &str, lookup: &str) -> Failure {
    Failure {
        reason: Reason::Unsupported,
        doing: format!("find all resources of {what}"),
        message: format!("the look-up {lookup} is not built yet"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn http_apis_stay_and_their_stages_go() {
        let arn = |a: &str| Resource { arn: a.into(), tags: vec![] };
        let mut found = vec![
            arn("arn:aws:apigateway:eu-west-1::/apis/abc"),
            arn("arn:aws:apigateway:eu-west-1::/apis/abc/stages/prod"),
        ];
        assert!(api_gateway(&mut found).is_none());
        assert_eq!(found, [arn("arn:aws:apigateway:eu-west-1::/apis/abc")]);
        found.push(arn("arn:aws:apigateway:eu-west-1::/restapis/xyz"));
        assert_eq!(api_gateway(&mut found).unwrap().reason, Reason::Unsupported);
        assert_eq!(found.len(), 1);
    }
}
