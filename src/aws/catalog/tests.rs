use std::collections::HashSet;

use super::*;

/// The dimensions that the first matching mapping finds, as `Name=value` joined by commas; `-` when none matches.
fn dimensions(namespace: &str, arn: &str) -> String {
    let row = service(namespace).expect(namespace);
    for matcher in row.matchers() {
        if let Some(values) = matcher.captures(arn) {
            assert_eq!(values.len(), matcher.dimensions.len(), "{namespace}");
            let pairs: Vec<_> = matcher.dimensions.iter().zip(values).map(|(n, v)| format!("{n}={v}")).collect();
            return pairs.join(",");
        }
    }
    "-".to_owned()
}

#[test]
fn the_table_is_whole() {
    assert_eq!(services().len(), 109);
    let names: HashSet<_> = services().iter().map(|s| &*s.namespace).collect();
    assert_eq!(names.len(), 109, "a namespace stands twice");
    for row in services() {
        assert!(!row.namespace.is_empty() && !row.alias.is_empty(), "{}", row.namespace);
        for mapping in &row.mappings {
            let matcher = pattern::compile(mapping).unwrap_or_else(|e| panic!("{}: {e}", row.namespace));
            assert!(!matcher.dimensions.is_empty(), "{}: {mapping}", row.namespace);
        }
        assert_eq!(row.matchers().len(), row.mappings.len(), "{}", row.namespace);
        assert!(row.resource_types.iter().all(|t| !t.is_empty() && !t.contains(' ')), "{}", row.namespace);
    }
}

#[test]
fn rows_carry_their_exceptions() {
    let with = |f: fn(&Service) -> bool| services().iter().filter(|s| f(s)).map(|s| &*s.namespace).collect::<Vec<_>>();
    assert_eq!(with(|s| s.value_fix != ValueFix::None), ["AWS/AmazonMQ", "AWS/SageMaker"]);
    assert_eq!(with(|s| !s.enhanced_metrics.is_empty()), ["AWS/DynamoDB", "AWS/ElastiCache", "AWS/Lambda", "AWS/RDS"]);
    assert_eq!(with(|s| s.lookup != Lookup::None).len(), 8);
    assert_eq!(
        with(|s| s.lookup != Lookup::None && s.resource_types.is_empty()),
        ["AWS/AutoScaling", "AWS/EC2Spot", "AWS/Prometheus"]
    );
    assert!(!service("AWS/Billing").unwrap().lists_resources());
    assert!(!service("AWS/EC2CapacityReservations").unwrap().lists_resources());
    assert!(service("AWS/AutoScaling").unwrap().lists_resources());
}

#[test]
fn rows_are_found_by_namespace_and_alias() {
    assert_eq!(service("AWS/EC2").map(|s| s.alias), Some("ec2"));
    assert_eq!(service("AWS/Network Manager").map(|s| s.alias), Some("networkmanager"));
    assert!(service("aws/ec2").is_none() && service("ec2").is_none());
    assert_eq!(by_alias("redshift").map(|s| &*s.namespace), Some("AWS/Redshift"), "the first of two rows");
    assert_eq!(by_alias("alb").map(|s| &*s.namespace), Some("AWS/ApplicationELB"));
    assert!(by_alias("AWS/EC2").is_none());
}

/// Namespace, ARN, what comes of it.
const VECTORS: &[(&str, &str, &str)] = &[
    ("AWS/EC2", "arn:aws:ec2:eu-west-1:1:instance/i-1", "InstanceId=i-1"),
    ("AWS/EC2", "arn:aws:ec2:eu-west-1:1:volume/vol-1", "-"),
    ("AWS/ApplicationELB", "arn:aws:elasticloadbalancing:e:1:loadbalancer/app/web/50d", "LoadBalancer=app/web/50d"),
    ("AWS/ApplicationELB", "arn:aws:elasticloadbalancing:e:1:targetgroup/tg/73e", "TargetGroup=targetgroup/tg/73e"),
    ("AWS/ELB", "arn:aws:elasticloadbalancing:e:1:loadbalancer/classic", "LoadBalancerName=classic"),
    ("AWS/ELB", "arn:aws:elasticloadbalancing:e:1:loadbalancer/app/x/1", "LoadBalancerName=app/x/1"),
    ("AWS/ApiGateway", "arn:aws:apigateway:e::/restapis/shop", "ApiName=shop"),
    ("AWS/ApiGateway", "arn:aws:apigateway:e::/restapis/shop/stages/prod", "ApiName=shop,Stage=prod"),
    ("AWS/ApiGateway", "arn:aws:apigateway:e::/apis/a1", "ApiId=a1"),
    ("AWS/ApiGateway", "arn:aws:apigateway:e::/apis/a1/stages/$default", "ApiId=a1,Stage=$default"),
    ("AWS/ApiGateway", "arn:aws:apigateway:e::/apis/a1/routes/r1", "ApiId=a1,Route=r1"),
    ("AWS/ApiGateway", "arn:aws:apigateway:e::/restapis/shop/stages/prod/x", "-"),
    ("AWS/AmazonMQ", "arn:aws:mq:e:1:broker:rab:b-00", "Broker=rab"),
    ("AWS/AutoScaling", "arn:aws:autoscaling:e:1:autoScalingGroup:u:autoScalingGroupName/g", "AutoScalingGroupName=g"),
    ("AWS/ElasticBeanstalk", "arn:aws:elasticbeanstalk:e:1:environment/app/env", "EnvironmentName=env"),
    ("AWS/Cassandra", "arn:aws:cassandra:e:1:/keyspace/ks/table/t", "Keyspace=ks,TableName=t"),
    ("AWS/Cassandra", "arn:aws:cassandra:e:1:/keyspace/ks/", "Keyspace=ks"),
    ("AWS/Cassandra", "arn:aws:cassandra:e:1:/keyspace/ks", "-"),
    ("AWS/CertificateManager", "arn:aws:acm:e:1:certificate/c", "CertificateArn=arn:aws:acm:e:1:certificate/c"),
    ("AWS/DMS", "arn:aws:dms:e:1:rep:XYZ/inst", "ReplicationInstanceIdentifier=inst"),
    ("AWS/DMS", "arn:aws:dms:e:1:rep:XYZ", "-"),
    ("AWS/DMS", "arn:aws:dms:e:1:task:T/inst", "ReplicationTaskIdentifier=T,ReplicationInstanceIdentifier=inst"),
    ("AWS/DirectoryService", "arn:aws:ds:e:1:directory/d-1", "Directory ID=d-1"),
    ("AWS/EC2CapacityReservations", "arn:aws:ec2:e:1:capacity-reservation/", "CapacityReservationId="),
    ("AWS/EC2CapacityReservations", "arn:aws:ec2:e:1:capacity-reservation/cr-1", "-"),
    ("AWS/EC2Spot", "sfr-1", "FleetRequestId=sfr-1"),
    ("AWS/ECS", "arn:aws:ecs:e:1:cluster/c", "ClusterName=c"),
    ("AWS/ECS", "arn:aws:ecs:e:1:service/c/s", "ClusterName=c,ServiceName=s"),
    ("AWS/ElastiCache", "arn:aws:elasticache:e:1:serverlesscache:s", "clusterId=s"),
    ("AWS/ElastiCache", "arn:aws:elasticache:e:1:cluster:c", "CacheClusterId=c"),
    ("AWS/Events", "arn:aws:events:e:1:rule/bus/r", "EventBusName=bus,RuleName=r"),
    ("AWS/Events", "arn:aws:events:e:1:rule/only", "-"),
    ("AWS/Events", "arn:aws:events:e:1:rule/aws.partner/x.com/a/r", "EventBusName=x.com/a,RuleName=r"),
    ("AWS/GlobalAccelerator", "arn:aws:globalaccelerator::1:accelerator/a", "Accelerator=a"),
    ("AWS/GlobalAccelerator", "arn:aws:globalaccelerator::1:accelerator/a/listener/l", "Accelerator=a,Listener=l"),
    (
        "AWS/GlobalAccelerator",
        "arn:aws:globalaccelerator::1:accelerator/a/listener/l/endpoint-group/g",
        "Accelerator=a,Listener=l,EndpointGroup=g",
    ),
    ("AWS/Kafka", "arn:aws:kafka:e:1:cluster/demo/5678", "Cluster Name=demo"),
    ("AWS/KafkaConnect", "arn:aws:kafka:e:1:cluster/demo/5678", "-"),
    ("AWS/Lambda", "arn:aws:lambda:e:1:function:f", "FunctionName=f"),
    ("AWS/Lambda", "arn:aws:lambda:e:1:function:f:live", "FunctionName=f:live"),
    ("AWS/Logs", "arn:aws:logs:e:1:log-group:/aws/lambda/f", "LogGroupName=/aws/lambda/f"),
    ("AWS/MediaConnect", "arn:aws:mediaconnect:e:1:flow:1-a:n", "FlowARN=arn:aws:mediaconnect:e:1:flow:1-a:n"),
    ("AWS/MediaConnect", "arn:aws:mediaconnect:e:1:source:1-a:n", "SourceARN=arn:aws:mediaconnect:e:1:source:1-a:n"),
    ("AWS/MediaConnect", "arn:aws:mediaconnect:e:1:output:1-a:n", "OutputARN=arn:aws:mediaconnect:e:1:output:1-a:n"),
    ("AWS/MediaConvert", "arn:aws:mediaconvert:e:1:queues/q", "Queue=arn:aws:mediaconvert:e:1:queues/q"),
    ("AWS/RDS", "arn:aws:rds:e:1:cluster:c", "DBClusterIdentifier=c"),
    ("AWS/RDS", "arn:aws:rds:e:1:db-proxy:p", "ProxyIdentifier=p"),
    ("AWS/S3", "arn:aws:s3:::bucket", "BucketName=bucket"),
    ("AWS/SNS", "arn:aws:sns:e:1:topic", "TopicName=topic"),
    ("AWS/SQS", "arn:aws:sqs:e:1:jobs.fifo", "QueueName=jobs.fifo"),
    ("AWS/SageMaker", "arn:aws:sagemaker:e:1:endpoint/ep", "EndpointName=ep"),
    ("AWS/SageMaker", "arn:aws:sagemaker:e:1:inference-component/ic", "InferenceComponentName=ic"),
    ("AWS/StorageGateway", "arn:aws:storagegateway:e:1:gateway/sgw-1", "GatewayId=sgw-1"),
    ("AWS/StorageGateway", "arn:aws:storagegateway:e:1:share/share-1", "ShareId=share-1"),
    ("AWS/StorageGateway", "sgw-1/backup", "GatewayId=sgw-1,GatewayName=backup"),
    ("AWS/TransitGateway", "arn:aws:ec2:e:1:transit-gateway/tgw-1", "TransitGateway=tgw-1"),
    ("AWS/TransitGateway", "tgw-1/tgw-attach-1", "TransitGateway=tgw-1,TransitGatewayAttachment=tgw-attach-1"),
    ("AWS/PrivateLinkEndpoints", "arn:aws:ec2:e:1:vpc-endpoint/vpce-1", "VPC Endpoint Id=vpce-1"),
    ("AWS/WorkSpaces", "arn:aws:workspaces:e:1:directory/d-1", "DirectoryId=d-1"),
    ("AWS/States", "arn:aws:states:e:1:stateMachine:m", "StateMachineArn=arn:aws:states:e:1:stateMachine:m"),
];

#[test]
fn arns_map_to_dimensions() {
    for (namespace, arn, expected) in VECTORS {
        assert_eq!(dimensions(namespace, arn), *expected, "{namespace} {arn}");
    }
}

#[test]
fn wildcards_do_not_cross_a_line_break() {
    assert_eq!(dimensions("AWS/EC2", "arn:instance/i-1\nx"), "InstanceId=i-1");
    assert_eq!(dimensions("AWS/Logs", "arn:log-group:a\nb"), "LogGroupName=a");
    assert_eq!(dimensions("AWS/ECS", "arn:cluster/c\n"), "-", "the end is the ARN's end");
}

#[test]
fn mistakes_in_a_mapping_are_named() {
    for (mapping, why) in [
        ("{Dim", "not closed"),
        (":plain", "names no dimension"),
        ("{_}/x", "names no dimension"),
        ("{}", "has no name"),
        ("{=x}", "has no name"),
        ("{Dim=a{?}}", "only {+} and {*}"),
    ] {
        let error = pattern::compile(mapping).expect_err(mapping).to_string();
        assert!(error.contains(why), "{mapping}: {error}");
    }
}
