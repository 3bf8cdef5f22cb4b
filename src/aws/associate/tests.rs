use super::*;
use crate::aws::catalog::service;

/// The resources of a service, and for each metric (`Name=value` pairs joined by commas) what must come of it: a
/// position, `global` or `skip`.
struct Case {
    service: &'static str,
    arns: &'static [&'static str],
    metrics: &'static [(&'static str, &'static str)],
}

const CASES: &[Case] = &[
    Case {
        service: "AWS/ApiGateway",
        arns: &[
            "arn:aws:apigateway:eu-west-1::/restapis/shop",
            "arn:aws:apigateway:eu-west-1::/restapis/shop/stages/prod",
            "arn:aws:apigateway:eu-west-1::/apis/a1b2",
            "arn:aws:apigateway:eu-west-1::/apis/a1b2/stages/$default",
        ],
        metrics: &[
            ("ApiName=shop", "0"),
            ("ApiName=shop,Stage=prod", "1"),
            ("Stage=prod,ApiName=shop", "1"),
            ("ApiName=shop,Stage=prod,Method=GET,Resource=/x", "1"),
            ("ApiName=shop,Stage=test", "0"),
            ("ApiName=other,Stage=prod", "skip"),
            ("ApiId=a1b2", "2"),
            ("ApiId=a1b2,Stage=$default", "3"),
            ("ApiId=a1b2,Stage=beta", "2"),
            ("ApiId=zzzz", "skip"),
            ("Account=1", "global"),
        ],
    },
    Case {
        service: "AWS/ClientVPN",
        arns: &["arn:aws:ec2:eu-west-1:1:client-vpn-endpoint/cvpn-1"],
        metrics: &[("Endpoint=cvpn-1", "0"), ("Endpoint=cvpn-2", "skip")],
    },
    Case {
        service: "AWS/DDoSProtection",
        arns: &["arn:aws:ec2:eu-west-1:1:instance/i-1", "arn:aws:cloudfront::1:distribution/E1"],
        metrics: &[
            ("ResourceArn=arn:aws:ec2:eu-west-1:1:instance/i-1", "0"),
            ("ResourceArn=arn:aws:cloudfront::1:distribution/E1,AttackVector=UDP", "1"),
            ("ResourceArn=arn:aws:cloudfront::1:distribution/E2", "skip"),
        ],
    },
    Case {
        service: "AWS/DirectoryService",
        arns: &["arn:aws:ds:eu-west-1:1:directory/d-1"],
        metrics: &[
            ("Metric Category=NTDS,Domain Controller IP=10.0.0.1,Directory ID=d-1", "0"),
            ("Metric Category=NTDS,Domain Controller IP=10.0.0.1,Directory ID=d-2", "skip"),
        ],
    },
    Case {
        service: "AWS/DX",
        arns: &["arn:aws:directconnect:eu-west-1:1:dxvif/dxvif-1"],
        metrics: &[
            ("ConnectionId=dxcon-1,VirtualInterfaceId=dxvif-1", "0"),
            ("ConnectionId=dxcon-1", "global"),
            ("VirtualInterfaceId=dxvif-2", "skip"),
        ],
    },
    Case {
        service: "AWS/EC2",
        arns: &["arn:aws:ec2:eu-west-1:1:instance/i-1", "arn:aws:ec2:eu-west-1:1:instance/i-2"],
        metrics: &[
            ("InstanceId=i-2", "1"),
            ("InstanceId=i-3", "skip"),
            ("AutoScalingGroupName=web", "global"),
            ("InstanceType=m5.large", "global"),
            ("", "global"),
        ],
    },
    Case {
        service: "AWS/ElastiCache",
        arns: &[
            "arn:aws:elasticache:eu-west-1:1:cluster:redis-001",
            "arn:aws:elasticache:eu-west-1:1:serverlesscache:less",
        ],
        metrics: &[
            ("CacheClusterId=redis-001", "0"),
            ("CacheClusterId=redis-001,CacheNodeId=0001", "0"),
            ("clusterId=less", "1"),
            ("CacheClusterId=less", "skip"),
            ("clusterId=redis-001", "skip"),
        ],
    },
    Case {
        service: "AWS/ECS",
        arns: &[
            "arn:aws:ecs:eu-west-1:1:cluster/main",
            "arn:aws:ecs:eu-west-1:1:service/main/web",
            "arn:aws:ecs:eu-west-1:1:service/main/worker",
        ],
        metrics: &[
            ("ClusterName=main,ServiceName=web", "1"),
            ("ServiceName=worker,ClusterName=main", "2"),
            ("ClusterName=main", "0"),
            ("ClusterName=main,ServiceName=gone", "0"),
            ("ClusterName=other", "skip"),
            ("ServiceName=web", "global"),
        ],
    },
    Case {
        service: "AWS/Events",
        arns: &[
            "arn:aws:events:eu-west-1:1:rule/bus/nightly",
            "arn:aws:events:eu-west-1:1:rule/aws.partner/shop.example/acct/orders",
            "arn:aws:events:eu-west-1:1:rule/plain",
        ],
        metrics: &[
            ("EventBusName=bus,RuleName=nightly", "0"),
            ("EventBusName=shop.example/acct,RuleName=orders", "1"),
            ("EventBusName=bus,RuleName=gone", "skip"),
            ("RuleName=plain", "global"),
        ],
    },
    Case {
        service: "AWS/GlobalAccelerator",
        arns: &[
            "arn:aws:globalaccelerator::1:accelerator/acc",
            "arn:aws:globalaccelerator::1:accelerator/acc/listener/lis",
            "arn:aws:globalaccelerator::1:accelerator/acc/listener/lis/endpoint-group/grp",
        ],
        metrics: &[
            ("Accelerator=acc", "0"),
            ("Accelerator=acc,Listener=lis", "1"),
            ("Accelerator=acc,Listener=lis,EndpointGroup=grp", "2"),
            ("Accelerator=acc,Listener=lis,EndpointGroup=none", "1"),
            ("Accelerator=none,Listener=lis", "skip"),
        ],
    },
    Case {
        service: "AWS/GatewayELB",
        arns: &[
            "arn:aws:elasticloadbalancing:eu-west-1:1:targetgroup/tg/0f",
            "arn:aws:elasticloadbalancing:eu-west-1:1:loadbalancer/gwy/gw/1e",
        ],
        metrics: &[
            ("TargetGroup=targetgroup/tg/0f,LoadBalancer=gwy/gw/1e", "0"),
            ("LoadBalancer=gwy/gw/1e", "1"),
            ("LoadBalancer=gwy/gw/1e,AvailabilityZone=eu-west-1a", "1"),
            ("LoadBalancer=gwy/gone/2d", "skip"),
        ],
    },
    Case {
        service: "AWS/IPAM",
        arns: &["arn:aws:ec2::1:ipam-pool/ipam-pool-1"],
        metrics: &[
            ("IpamPoolId=ipam-pool-1,IpamScopeId=s", "0"),
            ("IpamPoolId=ipam-pool-2", "skip"),
            ("IpamScopeId=s", "global"),
        ],
    },
    Case {
        service: "AWS/KMS",
        arns: &["arn:aws:kms:eu-west-1:1:key/12-34"],
        metrics: &[("KeyId=12-34", "0"), ("KeyId=56-78", "skip")],
    },
    Case {
        service: "AWS/Lambda",
        arns: &["arn:aws:lambda:eu-west-1:1:function:pay"],
        metrics: &[
            ("FunctionName=pay", "0"),
            ("FunctionName=pay,Resource=pay:live", "0"),
            ("FunctionName=gone", "skip"),
            ("", "global"),
        ],
    },
    Case {
        service: "AWS/Logs",
        arns: &["arn:aws:logs:eu-west-1:1:log-group:/aws/lambda/pay"],
        metrics: &[("LogGroupName=/aws/lambda/pay", "0"), ("LogGroupName=/aws/lambda", "skip"), ("", "global")],
    },
    Case {
        service: "AWS/MediaConvert",
        arns: &["arn:aws:mediaconvert:eu-west-1:1:queues/Default"],
        metrics: &[
            ("Queue=arn:aws:mediaconvert:eu-west-1:1:queues/Default", "0"),
            ("Queue=arn:aws:mediaconvert:eu-west-1:1:queues/Other", "skip"),
        ],
    },
    Case {
        service: "AWS/MemoryDB",
        arns: &["arn:aws:memorydb:eu-west-1:1:cluster/mem"],
        metrics: &[("ClusterName=mem,NodeName=n", "0"), ("ClusterName=gone", "skip")],
    },
    Case {
        service: "AWS/AmazonMQ",
        arns: &[
            "arn:aws:mq:eu-west-1:1:broker:rabbit:b-0000",
            "arn:aws:mq:eu-west-1:1:broker:active-7:b-0001",
            "arn:aws:mq:eu-west-1:1:broker:plain:b-0002",
        ],
        metrics: &[
            ("Broker=plain", "2"),
            ("Broker=rabbit-1", "0"),
            ("Broker=active-7", "1"),
            ("Broker=active-7-2", "1"),
            ("Queue=q,Broker=active-7", "1"),
            ("Broker=active-7,Queue=q", "1"),
            ("Broker=rabbit-", "skip"),
            ("Broker=rabbit1", "skip"),
            ("Broker=gone-1", "skip"),
        ],
    },
    Case {
        service: "AWS/QLDB",
        arns: &["arn:aws:qldb:eu-west-1:1:ledger/book"],
        metrics: &[("LedgerName=book", "0"), ("LedgerName=gone", "skip")],
    },
    Case {
        service: "AWS/Redshift-Serverless",
        arns: &["arn:aws:redshift-serverless:eu-west-1:1:workgroup/wg"],
        metrics: &[("Workgroup=wg", "global"), ("DatabaseName=dev,Workgroup=wg", "global")],
    },
    Case {
        service: "AWS/SageMaker",
        arns: &[
            "arn:aws:sagemaker:eu-west-1:1:endpoint/ep",
            "arn:aws:sagemaker:eu-west-1:1:inference-component/model-a",
            "arn:aws:sagemaker:eu-west-1:1:inference-component/Model-B",
        ],
        metrics: &[
            ("EndpointName=ep,VariantName=v", "0"),
            ("EndpointName=ep,VariantName=v,EndpointConfigName=c", "0"),
            ("EndpointName=EP,VariantName=v", "skip"),
            ("InferenceComponentName=MODEL-A", "1"),
            ("InferenceComponentName=model-a", "1"),
            ("InferenceComponentName=Model-B", "2"),
            ("InferenceComponentName=Model-B,X=y", "2"),
            ("InferenceComponentName=none", "skip"),
        ],
    },
    Case {
        service: "/aws/sagemaker/Endpoints",
        arns: &["arn:aws:sagemaker:eu-west-1:1:endpoint/ep"],
        metrics: &[("EndpointName=ep,VariantName=v", "0"), ("EndpointName=x,VariantName=v", "skip")],
    },
    Case {
        service: "/aws/sagemaker/InferenceComponents",
        arns: &["arn:aws:sagemaker:eu-west-1:1:inference-component/model-a"],
        metrics: &[
            ("InferenceComponentName=model-a", "0"),
            ("InferenceComponentName=Model-A", "skip"),
            ("EndpointName=ep", "global"),
        ],
    },
    Case {
        service: "/aws/sagemaker/InferenceRecommendationsJobs",
        arns: &["arn:aws:sagemaker:eu-west-1:1:inference-recommendations-job/rec"],
        metrics: &[("JobName=rec,EndpointName=e", "0"), ("JobName=gone", "skip")],
    },
    Case {
        service: "AWS/Sagemaker/ModelBuildingPipeline",
        arns: &["arn:aws:sagemaker:eu-west-1:1:pipeline/pipe"],
        metrics: &[("PipelineName=pipe,StepName=train", "0"), ("PipelineName=gone", "skip")],
    },
    Case {
        service: "/aws/sagemaker/ProcessingJobs",
        arns: &["arn:aws:sagemaker:eu-west-1:1:processing-job/p"],
        metrics: &[("Host=p/algo-1", "global")],
    },
    Case {
        service: "/aws/sagemaker/TrainingJobs",
        arns: &["arn:aws:sagemaker:eu-west-1:1:training-job/t"],
        metrics: &[("Host=t/algo-1", "global")],
    },
    Case {
        service: "/aws/sagemaker/TransformJobs",
        arns: &["arn:aws:sagemaker:eu-west-1:1:transform-job/t"],
        metrics: &[("Host=t/algo-1", "global")],
    },
    Case {
        service: "AWS/RDS",
        arns: &["arn:aws:rds:eu-west-1:1:cluster:aurora"],
        metrics: &[
            ("DBClusterIdentifier=aurora,Role=WRITER", "0"),
            ("DBClusterIdentifier=gone", "skip"),
            ("DBInstanceIdentifier=untagged", "global"),
        ],
    },
    Case { service: "AWS/EC2", arns: &[], metrics: &[("InstanceId=i-1", "global")] },
    Case { service: "AWS/KMS", arns: &["arn:aws:s3:::other"], metrics: &[("KeyId=1", "global")] },
    Case {
        service: "AWS/TransitGateway",
        arns: &["arn:aws:ec2:eu-west-1:1:transit-gateway/tgw-1", "tgw-1/att-1"],
        metrics: &[
            ("TransitGateway=tgw-1", "0"),
            ("TransitGateway=tgw-1,TransitGatewayAttachment=att-1", "1"),
            ("TransitGateway=tgw-1,TransitGatewayAttachment=att-2", "0"),
        ],
    },
];

fn dimensions(text: &str) -> Vec<Dimension> {
    let pair = |p: &str| {
        let (name, value) = p.split_once('=').expect(p);
        Dimension { name: name.into(), value: value.into() }
    };
    text.split(',').filter(|p| !p.is_empty()).map(pair).collect()
}

fn resources(arns: &[&str]) -> Vec<Resource> {
    arns.iter().map(|arn| Resource { arn: (*arn).into(), tags: vec![] }).collect()
}

#[test]
fn metrics_find_their_resources() {
    for case in CASES {
        let resources = resources(case.arns);
        let associator = Associator::new(service(case.service).expect(case.service), &resources);
        for (metric, expected) in case.metrics {
            let actual = match associator.associate(&dimensions(metric)) {
                Association::Resource(at) => at.to_string(),
                Association::Global => "global".to_owned(),
                Association::Skip => "skip".to_owned(),
            };
            assert_eq!(actual, *expected, "{}: {metric}", case.service);
        }
    }
}

#[test]
fn of_two_resources_with_equal_values_the_later_counts() {
    let resources = resources(&["arn:aws:kms:eu-west-1:1:key/k", "arn:aws:kms:us-east-1:1:key/k"]);
    let associator = Associator::new(service("AWS/KMS").unwrap(), &resources);
    assert_eq!(associator.associate(&dimensions("KeyId=k")), Association::Resource(1));
}

#[test]
fn a_resource_belongs_to_one_mapping_only() {
    // The ARN matches "…/table/…" first, so the keyspace's own mapping stays empty and is not "found".
    let resources = resources(&["arn:aws:cassandra:e:1:/keyspace/ks/table/t"]);
    let associator = Associator::new(service("AWS/Cassandra").unwrap(), &resources);
    assert_eq!(associator.associate(&dimensions("Keyspace=ks,TableName=t")), Association::Resource(0));
    assert_eq!(associator.associate(&dimensions("Keyspace=ks")), Association::Global);
}

#[test]
fn values_are_not_glued_together() {
    let resources = resources(&["arn:aws:ecs:e:1:service/ab/c"]);
    let associator = Associator::new(service("AWS/ECS").unwrap(), &resources);
    assert_eq!(associator.associate(&dimensions("ClusterName=a,ServiceName=bc")), Association::Skip);
}
