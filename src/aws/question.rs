//! What we ask of services other than CloudWatch, tagging and STS: a table of services, a table of operations, and one
//! [`Question`] of such an operation. `signed` sends it.
//!
//! Deliberately absent: answers. Whoever asks (`special`, `enhanced`) reads what it needs of them.

use std::borrow::Cow;

/// A service that is asked one or two things.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Service {
    /// REST APIs.
    ApiGateway,
    /// HTTP and WebSocket APIs.
    ApiGatewayV2,
    /// EC2 Auto Scaling.
    AutoScaling,
    /// Database Migration Service.
    Dms,
    /// DynamoDB.
    DynamoDb,
    /// EC2, with transit gateways and spot fleets.
    Ec2,
    /// ElastiCache.
    ElastiCache,
    /// IAM, a global service.
    Iam,
    /// Lambda.
    Lambda,
    /// Managed Service for Prometheus.
    Prometheus,
    /// RDS.
    Rds,
    /// Shield, a global service.
    Shield,
    /// Storage Gateway.
    StorageGateway,
}

/// How a service wants to be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// A form is posted, XML comes back. EC2's dialect differs only where nobody looks.
    Query {
        /// The API's version.
        version: &'static str,
    },
    /// JSON is posted, JSON comes back.
    Json {
        /// Of the protocol: `1.0` or `1.1`.
        version: &'static str,
        /// What stands before the operation's name in `X-Amz-Target`.
        target: &'static str,
    },
    /// A path is got, JSON comes back.
    Rest,
}

/// A row of the table of services.
#[derive(Debug)]
pub struct Facts {
    /// The service's prefix in IAM actions.
    pub iam: &'static str,
    /// The first part of its host name, and the name that signatures carry.
    pub host: &'static str,
    /// What follows `AWS_ENDPOINT_URL_`.
    pub variable: &'static str,
    /// Its protocol.
    pub protocol: Protocol,
    /// Whether the FIPS switch applies to it: as in YACE, not where a region may lack such an endpoint.
    pub has_fips: bool,
}

const fn query(version: &'static str) -> Protocol {
    Protocol::Query { version }
}

const fn json(version: &'static str, target: &'static str) -> Protocol {
    Protocol::Json { version, target }
}

const fn facts(
    iam: &'static str,
    host: &'static str,
    variable: &'static str,
    protocol: Protocol,
    has_fips: bool,
) -> Facts {
    Facts { iam, host, variable, protocol, has_fips }
}

impl Service {
    /// Every service.
    pub const ALL: [Self; 13] = [
        Self::ApiGateway,
        Self::ApiGatewayV2,
        Self::AutoScaling,
        Self::Dms,
        Self::DynamoDb,
        Self::Ec2,
        Self::ElastiCache,
        Self::Iam,
        Self::Lambda,
        Self::Prometheus,
        Self::Rds,
        Self::Shield,
        Self::StorageGateway,
    ];

    /// Its row.
    pub const fn facts(self) -> &'static Facts {
        use Protocol::Rest;
        match self {
            Self::ApiGateway => const { &facts("apigateway", "apigateway", "API_GATEWAY", Rest, true) },
            Self::ApiGatewayV2 => const { &facts("apigateway", "apigateway", "APIGATEWAYV2", Rest, true) },
            Self::AutoScaling => {
                const { &facts("autoscaling", "autoscaling", "AUTO_SCALING", query("2011-01-01"), false) }
            }
            Self::Dms => {
                const { &facts("dms", "dms", "DATABASE_MIGRATION_SERVICE", json("1.1", "AmazonDMSv20160101"), true) }
            }
            Self::DynamoDb => {
                const { &facts("dynamodb", "dynamodb", "DYNAMODB", json("1.0", "DynamoDB_20120810"), false) }
            }
            Self::Ec2 => const { &facts("ec2", "ec2", "EC2", query("2016-11-15"), true) },
            Self::ElastiCache => {
                const { &facts("elasticache", "elasticache", "ELASTICACHE", query("2015-02-02"), false) }
            }
            Self::Iam => const { &facts("iam", "iam", "IAM", query("2010-05-08"), false) },
            Self::Lambda => const { &facts("lambda", "lambda", "LAMBDA", Rest, false) },
            Self::Prometheus => const { &facts("aps", "aps", "AMP", Rest, false) },
            Self::Rds => const { &facts("rds", "rds", "RDS", query("2014-10-31"), false) },
            Self::Shield => const { &facts("shield", "shield", "SHIELD", json("1.1", "AWSShield_20160616"), true) },
            Self::StorageGateway => {
                const {
                    &facts(
                        "storagegateway",
                        "storagegateway",
                        "STORAGE_GATEWAY",
                        json("1.1", "StorageGateway_20130630"),
                        true,
                    )
                }
            }
        }
    }
}

/// An operation of a service.
#[derive(Debug, PartialEq, Eq)]
pub struct Operation {
    /// Whose.
    pub service: Service,
    /// As AWS spells it.
    pub name: &'static str,
    /// Of a REST service; `/` elsewhere.
    pub path: &'static str,
    /// The field that names the page to start at.
    pub token: &'static str,
}

impl Operation {
    const fn new(service: Service, name: &'static str, token: &'static str) -> Self {
        Self { service, name, path: "/", token }
    }

    const fn at(mut self, path: &'static str) -> Self {
        self.path = path;
        self
    }

    /// The permission that it needs, as policies name it.
    pub fn permission(&self) -> String {
        let service = self.service.facts().iam;
        // API Gateway's permissions are named after HTTP methods.
        if service == "apigateway" { "apigateway:GET".to_owned() } else { format!("{service}:{}", self.name) }
    }
}

/// The account's aliases.
pub const ACCOUNT_ALIASES: Operation = Operation::new(Service::Iam, "ListAccountAliases", "Marker");
/// Auto-scaling groups.
pub const AUTO_SCALING_GROUPS: Operation =
    Operation::new(Service::AutoScaling, "DescribeAutoScalingGroups", "NextToken");
/// REST APIs.
pub const REST_APIS: Operation = Operation::new(Service::ApiGateway, "GetRestApis", "position").at("/restapis");
/// HTTP and WebSocket APIs.
pub const HTTP_APIS: Operation = Operation::new(Service::ApiGatewayV2, "GetApis", "nextToken").at("/v2/apis");
/// Replication instances.
pub const REPLICATION_INSTANCES: Operation = Operation::new(Service::Dms, "DescribeReplicationInstances", "Marker");
/// Replication tasks.
pub const REPLICATION_TASKS: Operation = Operation::new(Service::Dms, "DescribeReplicationTasks", "Marker");
/// Spot fleets.
pub const SPOT_FLEETS: Operation = Operation::new(Service::Ec2, "DescribeSpotFleetRequests", "NextToken");
/// Tags of one instance, for the agent's dimension AutoScalingGroupName.
pub const INSTANCE_TAGS: Operation = Operation::new(Service::Ec2, "DescribeTags", "NextToken");
/// Attachments of transit gateways.
pub const TRANSIT_GATEWAY_ATTACHMENTS: Operation =
    Operation::new(Service::Ec2, "DescribeTransitGatewayAttachments", "NextToken");
/// The regions that an account has enabled; it has no pages.
pub const REGIONS: Operation = Operation::new(Service::Ec2, "DescribeRegions", "");
/// What Shield protects.
pub const PROTECTIONS: Operation = Operation::new(Service::Shield, "ListProtections", "NextToken");
/// Storage gateways.
pub const GATEWAYS: Operation = Operation::new(Service::StorageGateway, "ListGateways", "Marker");
/// Tags of one storage gateway.
pub const GATEWAY_TAGS: Operation = Operation::new(Service::StorageGateway, "ListTagsForResource", "Marker");
/// Workspaces of managed Prometheus.
pub const WORKSPACES: Operation = Operation::new(Service::Prometheus, "ListWorkspaces", "nextToken").at("/workspaces");
/// Database instances.
pub const DB_INSTANCES: Operation = Operation::new(Service::Rds, "DescribeDBInstances", "Marker");
/// Lambda functions.
pub const FUNCTIONS: Operation = Operation::new(Service::Lambda, "ListFunctions", "Marker").at("/2015-03-31/functions");
/// One DynamoDB table; it has no pages.
pub const TABLE: Operation = Operation::new(Service::DynamoDb, "DescribeTable", "");
/// ElastiCache clusters.
pub const CACHE_CLUSTERS: Operation = Operation::new(Service::ElastiCache, "DescribeCacheClusters", "Marker");

/// Every operation.
pub const OPERATIONS: [&Operation; 18] = [
    &INSTANCE_TAGS,
    &ACCOUNT_ALIASES,
    &REGIONS,
    &AUTO_SCALING_GROUPS,
    &REST_APIS,
    &HTTP_APIS,
    &REPLICATION_INSTANCES,
    &REPLICATION_TASKS,
    &SPOT_FLEETS,
    &TRANSIT_GATEWAY_ATTACHMENTS,
    &PROTECTIONS,
    &GATEWAYS,
    &GATEWAY_TAGS,
    &WORKSPACES,
    &DB_INSTANCES,
    &FUNCTIONS,
    &TABLE,
    &CACHE_CLUSTERS,
];

/// The value of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A text.
    Text(String),
    /// A number.
    Number(u32),
    /// Yes or no.
    Flag(bool),
}

impl From<u32> for Value {
    fn from(n: u32) -> Self {
        Self::Number(n)
    }
}

impl From<bool> for Value {
    fn from(yes: bool) -> Self {
        Self::Flag(yes)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

/// An operation with its fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// What is asked.
    pub operation: &'static Operation,
    /// Names and values, in the order in which they were given.
    pub fields: Vec<(Cow<'static, str>, Value)>,
}

impl Question {
    /// Without fields.
    pub const fn new(operation: &'static Operation) -> Self {
        Self { operation, fields: Vec::new() }
    }

    /// With one more field. Query services spell lists out: `Filters.Filter.1.Name`.
    #[must_use]
    pub fn with(mut self, name: impl Into<Cow<'static, str>>, value: impl Into<Value>) -> Self {
        self.fields.push((name.into(), value.into()));
        self
    }

    /// The same question for the page that a token names; for the first page without one.
    #[must_use]
    pub fn page(&self, token: Option<String>) -> Self {
        let mut page = self.clone();
        page.fields.extend(token.map(|t| (Cow::Borrowed(self.operation.token), Value::Text(t))));
        page
    }
}
