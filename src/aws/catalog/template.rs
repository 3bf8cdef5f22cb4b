//! From a metric's dimensions to the ARN of its resource, for resources that the tagging API does not know. Only ARNs that
//! follow from the dimensions, the region and the account alone: a wrong ARN is worse than none.
//!
//! A template is an ARN in which `*` as the second, fourth or fifth part stands for partition, region and account, and
//! `{Dim}` for a dimension's value. A template without `arn:` gives values that are ARNs themselves.
//!
//! Deliberately absent: ARNs with a part that nobody can know (the id of a broker, the suffix of a secret), and those of
//! resources that other accounts share with this one.

use crate::aws::job::Dimension;
use crate::model::Text;

/// Where a metric was listed.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The region.
    pub region: &'a str,
    /// Who owns the metric.
    pub account: &'a str,
}

/// Namespace and template. The templates of a namespace stand in the order in which they are tried, which is that of
/// association: most dimensions first, then the mappings' order.
const TEMPLATES: &[(&str, &str)] = &[
    ("AWS/CertificateManager", "{CertificateArn}"),
    ("AWS/ACMPrivateCA", "{PrivateCAArn}"),
    ("AWS/ApplicationELB", "arn:*:elasticloadbalancing:*:*:{TargetGroup}"),
    ("AWS/ApplicationELB", "arn:*:elasticloadbalancing:*:*:loadbalancer/{LoadBalancer}"),
    ("AWS/AppStream", "arn:*:appstream:*:*:fleet/{FleetName}"),
    ("AWS/Backup", "arn:*:backup:*:*:backup-vault:{BackupVaultName}"),
    ("AWS/AppSync", "arn:*:appsync:*:*:apis/{GraphQLAPIId}"),
    ("AWS/Athena", "arn:*:athena:*:*:workgroup/{WorkGroup}"),
    ("AWS/CloudFront", "arn:*:cloudfront::*:distribution/{DistributionId}"),
    ("AWS/Cognito", "arn:*:cognito-idp:*:*:userpool/{UserPool}"),
    ("AWS/DataSync", "arn:*:datasync:*:*:task/{TaskId}"),
    ("AWS/DataSync", "arn:*:datasync:*:*:agent/{AgentId}"),
    ("AWS/DirectoryService", "arn:*:ds:*:*:directory/{Directory ID}"),
    ("AWS/DocDB", "arn:*:rds:*:*:cluster:{DBClusterIdentifier}"),
    ("AWS/DocDB", "arn:*:rds:*:*:db:{DBInstanceIdentifier}"),
    ("AWS/DynamoDB", "arn:*:dynamodb:*:*:table/{TableName}"),
    ("AWS/EBS", "arn:*:ec2:*:*:volume/{VolumeId}"),
    ("AWS/EC2", "arn:*:ec2:*:*:instance/{InstanceId}"),
    ("AWS/ElastiCache", "arn:*:elasticache:*:*:cluster:{CacheClusterId}"),
    ("AWS/ECS", "arn:*:ecs:*:*:service/{ClusterName}/{ServiceName}"),
    ("AWS/ECS", "arn:*:ecs:*:*:cluster/{ClusterName}"),
    ("ECS/ContainerInsights", "arn:*:ecs:*:*:service/{ClusterName}/{ServiceName}"),
    ("ECS/ContainerInsights", "arn:*:ecs:*:*:cluster/{ClusterName}"),
    ("ContainerInsights", "arn:*:eks:*:*:cluster/{ClusterName}"),
    ("AWS/EFS", "arn:*:elasticfilesystem:*:*:file-system/{FileSystemId}"),
    ("AWS/EKS", "arn:*:eks:*:*:cluster/{ClusterName}"),
    ("AWS/ELB", "arn:*:elasticloadbalancing:*:*:loadbalancer/{LoadBalancerName}"),
    ("AWS/ElasticMapReduce", "arn:*:elasticmapreduce:*:*:cluster/{JobFlowId}"),
    ("AWS/ES", "arn:*:es:*:*:domain/{DomainName}"),
    ("AWS/Firehose", "arn:*:firehose:*:*:deliverystream/{DeliveryStreamName}"),
    ("AWS/FSx", "arn:*:fsx:*:*:file-system/{FileSystemId}"),
    ("AWS/GatewayELB", "arn:*:elasticloadbalancing:*:*:{TargetGroup}"),
    ("AWS/GatewayELB", "arn:*:elasticloadbalancing:*:*:loadbalancer/{LoadBalancer}"),
    ("Glue", "arn:*:glue:*:*:job/{JobName}"),
    ("AWS/Kinesis", "arn:*:kinesis:*:*:stream/{StreamName}"),
    ("AWS/KinesisAnalytics", "arn:*:kinesisanalytics:*:*:application/{Application}"),
    ("AWS/KMS", "arn:*:kms:*:*:key/{KeyId}"),
    ("AWS/Lambda", "arn:*:lambda:*:*:function:{FunctionName}"),
    ("AWS/Logs", "arn:*:logs:*:*:log-group:{LogGroupName}"),
    ("AWS/MediaConnect", "{FlowARN}"),
    ("AWS/MediaConvert", "{Queue}"),
    ("AWS/MediaLive", "arn:*:medialive:*:*:channel:{ChannelId}"),
    ("AWS/MemoryDB", "arn:*:memorydb:*:*:cluster/{ClusterName}"),
    ("AWS/NATGateway", "arn:*:ec2:*:*:natgateway/{NatGatewayId}"),
    ("AWS/Neptune", "arn:*:rds:*:*:cluster:{DBClusterIdentifier}"),
    ("AWS/Neptune", "arn:*:rds:*:*:db:{DBInstanceIdentifier}"),
    ("AWS/NetworkELB", "arn:*:elasticloadbalancing:*:*:{TargetGroup}"),
    ("AWS/NetworkELB", "arn:*:elasticloadbalancing:*:*:loadbalancer/{LoadBalancer}"),
    ("AWS/NetworkFirewall", "arn:*:network-firewall:*:*:firewall/{FirewallName}"),
    ("AWS/PrivateLinkEndpoints", "arn:*:ec2:*:*:vpc-endpoint/{VPC Endpoint Id}"),
    ("AWS/RDS", "arn:*:rds:*:*:cluster:{DBClusterIdentifier}"),
    ("AWS/RDS", "arn:*:rds:*:*:db:{DBInstanceIdentifier}"),
    ("AWS/Redshift", "arn:*:redshift:*:*:cluster:{ClusterIdentifier}"),
    ("AWS/Route53", "arn:*:route53:::healthcheck/{HealthCheckId}"),
    ("AWS/Route53Resolver", "arn:*:route53resolver:*:*:resolver-endpoint/{EndpointId}"),
    ("AWS/S3", "arn:*:s3:::{BucketName}"),
    ("AWS/SNS", "arn:*:sns:*:*:{TopicName}"),
    ("AWS/SQS", "arn:*:sqs:*:*:{QueueName}"),
    ("AWS/States", "{StateMachineArn}"),
    ("AWS/VPN", "arn:*:ec2:*:*:vpn-connection/{VpnId}"),
    ("AWS/ClientVPN", "arn:*:ec2:*:*:client-vpn-endpoint/{Endpoint}"),
    ("AWS/WorkSpaces", "arn:*:workspaces:*:*:workspace/{WorkspaceId}"),
    ("AWS/WorkSpaces", "arn:*:workspaces:*:*:directory/{DirectoryId}"),
    ("AWS/AOSS", "arn:*:aoss:*:*:collection/{CollectionId}"),
    ("AWS/Bedrock/Agents", "{AgentAliasArn}"),
    ("AWS/Bedrock/Guardrails", "{GuardrailArn}"),
];

/// The templates of a namespace.
pub(super) fn of(namespace: &str) -> impl Iterator<Item = &'static str> {
    TEMPLATES.iter().filter(move |(of, _)| *of == namespace).map(|(_, template)| *template)
}

/// The ARN; `None` when a dimension is missing or empty.
pub(super) fn fill(template: &str, dimensions: &[Dimension], place: Place<'_>) -> Option<Text> {
    let Some(rest) = template.strip_prefix("arn:") else {
        let whole = with_values(template, dimensions)?;
        return whole.starts_with("arn:").then(|| whole.into());
    };
    let mut parts = rest.splitn(5, ':');
    let star = |part: &str, is: &str| if part == "*" { is.to_owned() } else { part.to_owned() };
    let partition = star(parts.next()?, partition(place.region));
    let service = parts.next()?;
    let region = star(parts.next()?, place.region);
    let account = star(parts.next()?, place.account);
    let resource = with_values(parts.next()?, dimensions)?;
    Some(format!("arn:{partition}:{service}:{region}:{account}:{resource}").into())
}

fn with_values(template: &str, dimensions: &[Dimension]) -> Option<String> {
    let (mut out, mut rest) = (String::with_capacity(96), template);
    while let Some((text, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}')?;
        out.push_str(text);
        out.push_str(dimensions.iter().rev().find(|d| *d.name == *name && !d.value.is_empty()).map(|d| &*d.value)?);
        rest = after;
    }
    out.push_str(rest);
    Some(out)
}

/// What is wrong with a template that somebody wrote.
pub fn check(template: &str) -> Result<(), &'static str> {
    let has_dimension = template.split_once('{').is_some_and(|(_, after)| after.contains('}'));
    if !has_dimension {
        return Err("it names no dimension: write `{Name}` where a dimension's value belongs");
    }
    if template.matches('{').count() != template.matches('}').count() {
        return Err("a brace is not closed");
    }
    match template.strip_prefix("arn:") {
        None if template.starts_with('{') => Ok(()),
        None => Err("it is no ARN: write `arn:*:SERVICE:*:*:RESOURCE`, with `*` for partition, region and account"),
        Some(rest) if rest.split(':').count() < 5 => {
            Err("an ARN has six parts: write `arn:*:SERVICE:*:*:RESOURCE`, with `*` for partition, region and account")
        }
        Some(_) => Ok(()),
    }
}

/// The partition of a region, by the beginning of its name.
fn partition(region: &str) -> &'static str {
    const OTHERS: &[(&str, &str)] = &[
        ("cn-", "aws-cn"),
        ("us-gov-", "aws-us-gov"),
        ("us-iso-", "aws-iso"),
        ("us-isob-", "aws-iso-b"),
        ("eu-isoe-", "aws-iso-e"),
        ("us-isof-", "aws-iso-f"),
        ("eusc-", "aws-eusc"),
    ];
    OTHERS.iter().find(|(prefix, _)| region.starts_with(prefix)).map_or("aws", |(_, partition)| partition)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::catalog::service;

    const PLACE: Place<'_> = Place { region: "eu-west-1", account: "123456789012" };

    fn names(template: &str) -> Vec<&str> {
        template.split('{').skip(1).filter_map(|t| t.split('}').next()).collect()
    }

    /// A value that a dimension of that name may have.
    fn value(name: &str) -> String {
        match name {
            "TargetGroup" => "targetgroup/tg/73e".to_owned(),
            "LoadBalancer" => "app/web/50d".to_owned(),
            "FlowARN" => "arn:aws:mediaconnect:eu-west-1:1:flow:x:y".to_owned(),
            "Queue" => "arn:aws:mediaconvert:eu-west-1:1:queues/Default".to_owned(),
            arn if arn.ends_with("Arn") => format!("arn:aws:x:eu-west-1:1:{arn}/1"),
            _ => "some-id.1".to_owned(),
        }
    }

    /// Whatever a template builds, the row's own mappings read the same dimensions out of it.
    #[test]
    fn every_template_is_the_inverse_of_a_mapping() {
        for (namespace, template) in TEMPLATES {
            assert_eq!(check(template), Ok(()), "{namespace}: {template}");
            let dimensions: Vec<Dimension> =
                names(template).iter().map(|n| Dimension { name: (*n).into(), value: value(n).into() }).collect();
            let service = service(namespace).expect(namespace);
            let arn = fill(template, &dimensions, PLACE).expect(template);
            let read = service.matchers().iter().find_map(|m| Some((&m.dimensions, m.captures(&arn)?))).expect(&arn);
            let mut read: Vec<(String, String)> =
                read.0.iter().zip(read.1).map(|(n, v)| (n.to_string(), v.to_owned())).collect();
            let mut wanted: Vec<_> = dimensions.iter().map(|d| (d.name.to_string(), d.value.to_string())).collect();
            read.sort();
            wanted.sort();
            assert_eq!(read, wanted, "{namespace}: {arn}");
            assert_eq!(
                service.value_fix,
                crate::aws::catalog::ValueFix::None,
                "{namespace}: the ARN is spelled otherwise"
            );
        }
    }

    /// A template that is tried too early would hide the others: those with more dimensions come first.
    #[test]
    fn templates_stand_in_the_order_of_association() {
        for pair in TEMPLATES.windows(2) {
            if pair[0].0 == pair[1].0 {
                assert!(names(pair[0].1).len() >= names(pair[1].1).len(), "{}", pair[0].0);
            }
        }
    }

    #[test]
    fn arns_follow_the_partition_and_the_place() {
        let dimension = |n: &str, v: &str| Dimension { name: n.into(), value: v.into() };
        let arn = |namespace: &str, region, dims: &[Dimension]| {
            let place = Place { region, account: "1" };
            service(namespace).unwrap().arn(dims, place).map_or("-".to_owned(), |a| a.to_string())
        };
        let id = [dimension("InstanceId", "i-1"), dimension("ImageId", "ami")];
        assert_eq!(arn("AWS/EC2", "eu-west-1", &id), "arn:aws:ec2:eu-west-1:1:instance/i-1");
        assert_eq!(arn("AWS/EC2", "cn-north-1", &id), "arn:aws-cn:ec2:cn-north-1:1:instance/i-1");
        assert_eq!(arn("AWS/EC2", "us-gov-west-1", &id), "arn:aws-us-gov:ec2:us-gov-west-1:1:instance/i-1");
        assert_eq!(arn("AWS/EC2", "eu-west-1", &[dimension("AutoScalingGroupName", "a")]), "-");
        assert_eq!(arn("AWS/EC2", "eu-west-1", &[dimension("InstanceId", "")]), "-");
        assert_eq!(arn("AWS/S3", "eu-west-1", &[dimension("BucketName", "b")]), "arn:aws:s3:::b");
        assert_eq!(
            arn("AWS/States", "eu-west-1", &[dimension("StateMachineArn", "arn:aws:states:x")]),
            "arn:aws:states:x"
        );
        assert_eq!(arn("AWS/States", "eu-west-1", &[dimension("StateMachineArn", "x")]), "-");
        let both = [dimension("ServiceName", "s"), dimension("ClusterName", "c")];
        assert_eq!(arn("AWS/ECS", "eu-west-1", &both), "arn:aws:ecs:eu-west-1:1:service/c/s");
        assert_eq!(arn("AWS/AmazonMQ", "eu-west-1", &[dimension("Broker", "b")]), "-", "its ARN has an id, too");
    }

    #[test]
    fn bad_templates_are_named() {
        for bad in ["arn:*:ec2:*:*:instance", "arn:*:ec2:{Id}", "instance/{Id}", "arn:*:ec2:*:*:{Id", ""] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }
}
