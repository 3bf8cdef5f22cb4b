//! The metric types of the simulated projects: a table. Periods and delays are of the order of Google's own.

use std::time::Duration;

use crate::gcp::api::{MetricKind, ValueType};

/// A kind of monitored resource; its labels are `project_id` and these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResourceKind {
    /// `cloud_run_revision`.
    pub name: &'static str,
    /// Label names, and the beginnings of their values; an empty one is a location.
    pub labels: &'static [(&'static str, &'static str)],
}

/// A metric type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetricType {
    /// `run.googleapis.com/request_count`.
    pub name: &'static str,
    /// Of which resources.
    pub resource: ResourceKind,
    /// Label names with all their values: every combination is a series.
    pub labels: &'static [(&'static str, &'static [&'static str])],
    /// What its points mean.
    pub kind: MetricKind,
    /// What its points hold.
    pub value_type: ValueType,
    /// UCUM.
    pub unit: &'static str,
    /// Between two points.
    pub sample_period_seconds: u32,
    /// After which a point that is in time can be read.
    pub ingest_delay_seconds: u32,
    /// About how much a minute brings, or how large it is.
    pub size: u32,
    /// The HELP text.
    pub description: &'static str,
}

impl MetricType {
    /// Its own sample period.
    pub const fn sample_period(&self) -> Duration {
        Duration::from_secs(self.sample_period_seconds as u64)
    }

    /// Its ingest delay.
    pub const fn ingest_delay(&self) -> Duration {
        Duration::from_secs(self.ingest_delay_seconds as u64)
    }
}

const REVISION: ResourceKind = ResourceKind {
    name: "cloud_run_revision",
    labels: &[
        ("configuration_name", "shop-"),
        ("location", ""),
        ("revision_name", "shop-00001-"),
        ("service_name", "shop-"),
    ],
};
const SUBSCRIPTION: ResourceKind =
    ResourceKind { name: "pubsub_subscription", labels: &[("subscription_id", "orders-")] };
const TOPIC: ResourceKind = ResourceKind { name: "pubsub_topic", labels: &[("topic_id", "orders-")] };
const FUNCTION: ResourceKind =
    ResourceKind { name: "cloud_function", labels: &[("function_name", "resize-"), ("region", "")] };
const INSTANCE: ResourceKind =
    ResourceKind { name: "gce_instance", labels: &[("instance_id", "400000000000000"), ("zone", "")] };
const CONTAINER: ResourceKind = ResourceKind {
    name: "k8s_container",
    labels: &[
        ("cluster_name", "main-"),
        ("container_name", "app-"),
        ("location", ""),
        ("namespace_name", "shop-"),
        ("pod_name", "app-7d9f-"),
    ],
};

use MetricKind::{Cumulative, Delta, Gauge};
use ValueType::{Bool, Distribution, Double, Int64};

#[expect(clippy::too_many_arguments, reason = "a row of a table")]
const fn row(
    name: &'static str,
    resource: ResourceKind,
    labels: &'static [(&'static str, &'static [&'static str])],
    shape: (MetricKind, ValueType),
    unit: &'static str,
    seconds: (u32, u32),
    size: u32,
    description: &'static str,
) -> MetricType {
    MetricType {
        name,
        resource,
        labels,
        kind: shape.0,
        value_type: shape.1,
        unit,
        sample_period_seconds: seconds.0,
        ingest_delay_seconds: seconds.1,
        size,
        description,
    }
}

const CODES: &[(&str, &[&str])] = &[("response_code", &["200", "404", "500"])];
const STATUS: &[(&str, &[&str])] = &[("status", &["ok", "error"])];

/// All metric types, in the order in which they are listed.
pub const METRICS: [MetricType; 14] = [
    row(
        "cloudfunctions.googleapis.com/function/execution_count",
        FUNCTION,
        STATUS,
        (Delta, Int64),
        "1",
        (60, 120),
        90,
        "Executions of the function.",
    ),
    row(
        "cloudfunctions.googleapis.com/function/execution_times",
        FUNCTION,
        STATUS,
        (Delta, Distribution),
        "ns",
        (60, 120),
        90,
        "How long executions took.",
    ),
    row(
        "compute.googleapis.com/instance/cpu/utilization",
        INSTANCE,
        &[],
        (Gauge, Double),
        "10^2.%",
        (60, 180),
        1,
        "Share of the processors in use.",
    ),
    row(
        "compute.googleapis.com/instance/network/received_bytes_count",
        INSTANCE,
        &[("loadbalanced", &["false", "true"])],
        (Delta, Int64),
        "By",
        (60, 180),
        900_000,
        "Bytes received from the network.",
    ),
    row(
        "compute.googleapis.com/guest/memory/bytes_used",
        INSTANCE,
        &[("state", &["cached", "free", "used"])],
        (Gauge, Int64),
        "By",
        (60, 180),
        2_000_000_000,
        "Memory by state.",
    ),
    row(
        "custom.googleapis.com/shop/is_open",
        INSTANCE,
        &[],
        (Gauge, Bool),
        "1",
        (60, 0),
        1,
        "Whether the shop is open.",
    ),
    row(
        "kubernetes.io/container/cpu/core_usage_time",
        CONTAINER,
        &[],
        (Cumulative, Double),
        "s{CPU}",
        (60, 90),
        40,
        "Processor time used.",
    ),
    row(
        "kubernetes.io/container/restart_count",
        CONTAINER,
        &[],
        (Cumulative, Int64),
        "1",
        (60, 90),
        1,
        "Restarts of the container.",
    ),
    row(
        "pubsub.googleapis.com/subscription/num_undelivered_messages",
        SUBSCRIPTION,
        &[],
        (Gauge, Int64),
        "1",
        (60, 120),
        200,
        "Messages that wait.",
    ),
    row(
        "pubsub.googleapis.com/topic/send_message_operation_count",
        TOPIC,
        &[("response_code", &["success", "internal"])],
        (Delta, Int64),
        "1",
        (60, 120),
        300,
        "Messages published.",
    ),
    row(
        "run.googleapis.com/container/instance_count",
        REVISION,
        &[("state", &["active", "idle"])],
        (Gauge, Int64),
        "1",
        (60, 90),
        5,
        "Container instances.",
    ),
    row(
        "run.googleapis.com/request_count",
        REVISION,
        CODES,
        (Delta, Int64),
        "1",
        (60, 90),
        600,
        "Requests that reached the revision.",
    ),
    row(
        "run.googleapis.com/request_latencies",
        REVISION,
        CODES,
        (Delta, Distribution),
        "ms",
        (60, 90),
        600,
        "How long requests took.",
    ),
    row(
        "storage.googleapis.com/storage/folder_name",
        INSTANCE,
        &[],
        (Gauge, ValueType::Text),
        "1",
        (300, 300),
        1,
        "A text: never shown.",
    ),
];
