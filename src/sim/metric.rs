//! Which metrics the services have: names, units and how their values behave. A table, and nothing that computes.

use crate::sim::spec::Kind;

/// How a metric's values come about.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Shape {
    /// A level between two bounds, one sample a minute.
    Gauge { low: f64, high: f64 },
    /// The same in whole numbers, times the resource's size.
    Level { high: f64 },
    /// Nearly always 0, seldom 1.
    Flag,
    /// Things that happen, so many a minute on average; every one is a sample of 1.
    Events { per_minute: f64 },
    /// The same, known only as a sum: one sample a minute.
    Amount { per_minute: f64 },
    /// How many of `per_minute` events were of a certain sort: a sample of 0 or 1 each.
    Part { per_minute: f64, per_mille: f64 },
    /// A time (or size) measured at each of `per_minute` events.
    Timing { per_minute: f64, typical: f64 },
    /// Something that only grows, by so much a day.
    Stock { start: f64, per_day: f64 },
}

/// A metric of a service.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    /// Its name.
    pub(crate) name: &'static str,
    /// CloudWatch's unit.
    pub(crate) unit: &'static str,
    /// Its values.
    pub(crate) shape: Shape,
    /// How many of a thousand native periods have data.
    pub(crate) presence_per_mille: u16,
}

/// Metrics that share namespace, dimension names and timing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Group {
    /// The service.
    pub(crate) kind: Kind,
    /// What the dimension sets stand for.
    pub(crate) of: Of,
    /// Seconds between two native points.
    pub(crate) resolution_seconds: u32,
    /// Seconds from the end of a native period until its point can be read.
    pub(crate) delay_seconds: u32,
    /// The metrics.
    pub(crate) rows: &'static [Row],
}

/// What a dimension set stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Of {
    Instance,
    Function,
    Region,
    Queue,
    Cluster,
    Service,
    Api,
    Stage,
    LoadBalancer,
    Zone,
    TargetGroup,
    Database,
    BucketSize,
    BucketObjects,
    Table,
    Operation,
}

const fn row(name: &'static str, unit: &'static str, shape: Shape) -> Row {
    Row { name, unit, shape, presence_per_mille: 1000 }
}

/// A metric that is only there now and then.
const fn sparse(name: &'static str, unit: &'static str, shape: Shape, presence_per_mille: u16) -> Row {
    Row { name, unit, shape, presence_per_mille }
}

const fn gauge(low: f64, high: f64) -> Shape {
    Shape::Gauge { low, high }
}

const fn level(high: f64) -> Shape {
    Shape::Level { high }
}

const fn events(per_minute: f64) -> Shape {
    Shape::Events { per_minute }
}

const fn amount(per_minute: f64) -> Shape {
    Shape::Amount { per_minute }
}

const fn part(per_minute: f64, per_mille: f64) -> Shape {
    Shape::Part { per_minute, per_mille }
}

const fn timing(per_minute: f64, typical: f64) -> Shape {
    Shape::Timing { per_minute, typical }
}

const EC2: &[Row] = &[
    row("CPUUtilization", "Percent", gauge(1.0, 92.0)),
    row("NetworkIn", "Bytes", amount(2_400_000.0)),
    row("NetworkOut", "Bytes", amount(1_900_000.0)),
    row("NetworkPacketsIn", "Count", amount(3_100.0)),
    row("NetworkPacketsOut", "Count", amount(2_800.0)),
    row("DiskReadOps", "Count", amount(40.0)),
    row("DiskWriteOps", "Count", amount(90.0)),
    row("DiskReadBytes", "Bytes", amount(640_000.0)),
    row("DiskWriteBytes", "Bytes", amount(1_400_000.0)),
    row("EBSReadOps", "Count", amount(35.0)),
    row("EBSWriteOps", "Count", amount(120.0)),
    row("EBSReadBytes", "Bytes", amount(560_000.0)),
    row("EBSWriteBytes", "Bytes", amount(1_900_000.0)),
    row("EBSIOBalance%", "Percent", gauge(60.0, 100.0)),
    row("EBSByteBalance%", "Percent", gauge(70.0, 100.0)),
    row("CPUCreditUsage", "Count", gauge(0.1, 2.0)),
    row("CPUCreditBalance", "Count", gauge(20.0, 288.0)),
    row("StatusCheckFailed", "Count", Shape::Flag),
    row("StatusCheckFailed_Instance", "Count", Shape::Flag),
    row("StatusCheckFailed_System", "Count", Shape::Flag),
];

const LAMBDA: &[Row] = &[
    row("Invocations", "Count", events(90.0)),
    row("Errors", "Count", part(90.0, 8.0)),
    row("Throttles", "Count", part(90.0, 1.0)),
    row("Duration", "Milliseconds", timing(90.0, 130.0)),
    row("ConcurrentExecutions", "Count", level(12.0)),
    sparse("DeadLetterErrors", "Count", part(90.0, 2.0), 60),
    sparse("IteratorAge", "Milliseconds", timing(6.0, 900.0), 300),
];

const LAMBDA_REGION: &[Row] = &[
    row("Invocations", "Count", events(900.0)),
    row("Errors", "Count", part(900.0, 8.0)),
    row("ConcurrentExecutions", "Count", level(120.0)),
    row("UnreservedConcurrentExecutions", "Count", level(100.0)),
];

const SQS: &[Row] = &[
    row("NumberOfMessagesSent", "Count", amount(140.0)),
    row("NumberOfMessagesReceived", "Count", amount(140.0)),
    row("NumberOfMessagesDeleted", "Count", amount(138.0)),
    row("NumberOfEmptyReceives", "Count", amount(20.0)),
    row("SentMessageSize", "Bytes", timing(140.0, 1_800.0)),
    row("ApproximateNumberOfMessagesVisible", "Count", level(300.0)),
    row("ApproximateNumberOfMessagesNotVisible", "Count", level(40.0)),
    row("ApproximateNumberOfMessagesDelayed", "Count", level(4.0)),
    row("ApproximateAgeOfOldestMessage", "Seconds", level(90.0)),
];

const ECS: &[Row] =
    &[row("CPUUtilization", "Percent", gauge(3.0, 85.0)), row("MemoryUtilization", "Percent", gauge(20.0, 78.0))];

const ECS_CLUSTER: &[Row] = &[
    row("CPUUtilization", "Percent", gauge(5.0, 70.0)),
    row("MemoryUtilization", "Percent", gauge(20.0, 70.0)),
    row("CPUReservation", "Percent", gauge(30.0, 80.0)),
    row("MemoryReservation", "Percent", gauge(30.0, 80.0)),
];

const API: &[Row] = &[
    row("Count", "Count", events(220.0)),
    row("4xx", "Count", part(220.0, 25.0)),
    row("5xx", "Count", part(220.0, 3.0)),
    row("Latency", "Milliseconds", timing(220.0, 85.0)),
    row("IntegrationLatency", "Milliseconds", timing(220.0, 70.0)),
    row("DataProcessed", "Bytes", timing(220.0, 4_200.0)),
];

const ALB: &[Row] = &[
    row("RequestCount", "Count", events(600.0)),
    row("ActiveConnectionCount", "Count", amount(180.0)),
    row("NewConnectionCount", "Count", amount(110.0)),
    sparse("RejectedConnectionCount", "Count", amount(1.0), 20),
    row("ProcessedBytes", "Bytes", amount(5_200_000.0)),
    row("ConsumedLCUs", "Count", gauge(0.02, 3.0)),
    row("HTTPCode_Target_2XX_Count", "Count", events(570.0)),
    sparse("HTTPCode_Target_4XX_Count", "Count", events(18.0), 850),
    sparse("HTTPCode_Target_5XX_Count", "Count", events(2.0), 200),
    sparse("HTTPCode_ELB_4XX_Count", "Count", events(3.0), 300),
    sparse("HTTPCode_ELB_5XX_Count", "Count", events(1.0), 50),
    row("TargetResponseTime", "Seconds", timing(600.0, 0.12)),
];

const ALB_ZONE: &[Row] =
    &[row("RequestCount", "Count", events(300.0)), row("ProcessedBytes", "Bytes", amount(2_600_000.0))];

const TARGET_GROUP: &[Row] = &[
    row("RequestCount", "Count", events(600.0)),
    row("RequestCountPerTarget", "None", amount(200.0)),
    row("HealthyHostCount", "Count", level(4.0)),
    row("UnHealthyHostCount", "Count", Shape::Flag),
    row("HTTPCode_Target_2XX_Count", "Count", events(570.0)),
    sparse("HTTPCode_Target_5XX_Count", "Count", events(2.0), 200),
    row("TargetResponseTime", "Seconds", timing(600.0, 0.12)),
];

const RDS: &[Row] = &[
    row("CPUUtilization", "Percent", gauge(2.0, 88.0)),
    row("DatabaseConnections", "Count", level(60.0)),
    row("FreeableMemory", "Bytes", gauge(1.2e9, 6.4e9)),
    row("FreeStorageSpace", "Bytes", gauge(4.0e10, 8.0e10)),
    row("ReadIOPS", "Count/Second", gauge(2.0, 400.0)),
    row("WriteIOPS", "Count/Second", gauge(5.0, 250.0)),
    row("ReadLatency", "Seconds", gauge(0.0002, 0.004)),
    row("WriteLatency", "Seconds", gauge(0.0004, 0.006)),
    row("ReadThroughput", "Bytes/Second", gauge(1.0e4, 9.0e6)),
    row("WriteThroughput", "Bytes/Second", gauge(2.0e4, 7.0e6)),
    row("DiskQueueDepth", "Count", gauge(0.0, 3.0)),
    row("SwapUsage", "Bytes", gauge(0.0, 3.0e7)),
    row("NetworkReceiveThroughput", "Bytes/Second", gauge(1.0e3, 4.0e6)),
    row("NetworkTransmitThroughput", "Bytes/Second", gauge(1.0e3, 9.0e6)),
];

const S3_SIZE: &[Row] = &[row("BucketSizeBytes", "Bytes", Shape::Stock { start: 4.0e9, per_day: 2.1e7 })];

const S3_OBJECTS: &[Row] = &[row("NumberOfObjects", "Count", Shape::Stock { start: 12_000.0, per_day: 300.0 })];

const DYNAMODB: &[Row] = &[
    row("ConsumedReadCapacityUnits", "Count", amount(420.0)),
    row("ConsumedWriteCapacityUnits", "Count", amount(160.0)),
    row("ProvisionedReadCapacityUnits", "Count", level(500.0)),
    row("ProvisionedWriteCapacityUnits", "Count", level(200.0)),
    sparse("ReadThrottleEvents", "Count", events(2.0), 40),
    sparse("WriteThrottleEvents", "Count", events(2.0), 30),
];

const DYNAMODB_OPERATION: &[Row] = &[
    row("SuccessfulRequestLatency", "Milliseconds", timing(200.0, 4.0)),
    row("ReturnedItemCount", "Count", timing(60.0, 12.0)),
    sparse("ThrottledRequests", "Count", events(1.0), 30),
    sparse("SystemErrors", "Count", events(1.0), 8),
];

/// A minute-resolution group with the delay that is usual for its service.
const fn minutely(kind: Kind, of: Of, delay_seconds: u32, rows: &'static [Row]) -> Group {
    Group { kind, of, resolution_seconds: 60, delay_seconds, rows }
}

/// One point a day. AWS publishes storage metrics some time after midnight.
const fn daily(of: Of, rows: &'static [Row]) -> Group {
    Group { kind: Kind::S3, of, resolution_seconds: 86_400, delay_seconds: 7_200, rows }
}

/// Every group. Basic EC2 monitoring is coarser than the table says; `world::build` knows which instances have it.
pub(crate) const GROUPS: [Group; 16] = [
    minutely(Kind::Ec2, Of::Instance, 90, EC2),
    minutely(Kind::Lambda, Of::Function, 40, LAMBDA),
    minutely(Kind::Lambda, Of::Region, 40, LAMBDA_REGION),
    minutely(Kind::Sqs, Of::Queue, 60, SQS),
    minutely(Kind::Ecs, Of::Cluster, 60, ECS_CLUSTER),
    minutely(Kind::Ecs, Of::Service, 60, ECS),
    minutely(Kind::ApiGateway, Of::Api, 60, API),
    minutely(Kind::ApiGateway, Of::Stage, 60, API),
    minutely(Kind::Alb, Of::LoadBalancer, 120, ALB),
    minutely(Kind::Alb, Of::Zone, 120, ALB_ZONE),
    minutely(Kind::Alb, Of::TargetGroup, 120, TARGET_GROUP),
    minutely(Kind::Rds, Of::Database, 60, RDS),
    daily(Of::BucketSize, S3_SIZE),
    daily(Of::BucketObjects, S3_OBJECTS),
    minutely(Kind::DynamoDb, Of::Table, 120, DYNAMODB),
    minutely(Kind::DynamoDb, Of::Operation, 120, DYNAMODB_OPERATION),
];
