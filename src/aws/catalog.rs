//! The table of CloudWatch namespaces: how a namespace's resources are found and how their ARNs map to dimensions.

/// A row of the table.
#[derive(Debug)]
pub struct Service {
    /// The CloudWatch namespace.
    pub namespace: &'static str,
    /// The short name of older YACE files.
    pub alias: &'static str,
    /// What `enhancedMetrics` may name.
    pub enhanced_metrics: &'static [&'static str],
}

/// STUB of the real table, which replaces this file.
static SERVICES: &[Service] = &[
    Service { namespace: "AWS/EC2", alias: "ec2", enhanced_metrics: &[] },
    Service { namespace: "AWS/Lambda", alias: "lambda", enhanced_metrics: &["Timeout", "MemorySize"] },
    Service { namespace: "AWS/RDS", alias: "rds", enhanced_metrics: &["AllocatedStorage"] },
    Service { namespace: "AWS/DynamoDB", alias: "dynamodb", enhanced_metrics: &["ItemCount", "TableSizeBytes"] },
    Service { namespace: "AWS/ElastiCache", alias: "ec", enhanced_metrics: &["NumCacheNodes"] },
    Service { namespace: "AWS/S3", alias: "s3", enhanced_metrics: &[] },
    Service { namespace: "AWS/Redshift", alias: "redshift", enhanced_metrics: &[] },
    Service { namespace: "AWS/SQS", alias: "sqs", enhanced_metrics: &[] },
];

/// The row of a namespace.
pub fn service(namespace: &str) -> Option<&'static Service> {
    SERVICES.iter().find(|s| s.namespace == namespace)
}

/// The first row with an alias.
pub fn by_alias(alias: &str) -> Option<&'static Service> {
    SERVICES.iter().find(|s| s.alias == alias)
}

/// All rows.
pub fn services() -> &'static [Service] {
    SERVICES
}
