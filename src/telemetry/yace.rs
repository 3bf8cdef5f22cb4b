//! YACE's own counters, exactly as YACE names and explains them: dashboards and alerts were built on them. The plain ones
//! stand on the page from the start, the two labelled ones from their first increment.
//!
//! What counts is the logical call of a page; retries of it do not.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use super::lock;
use super::metrics::Type;
use super::text::FamilyText;
use crate::model::number::write_number;
use crate::seam::Call;

const NO_HELP: &str = "Help is not implemented yet.";
const DEPRECATED: &str = "DEPRECATED: replaced by yace_cloudwatch_requests_total with api_name label";

/// The plain counters with their help texts.
const PLAIN: [(&str, &str); 14] = [
    ("yace_cloudwatch_apigatewayapi_requests_total", ""),
    ("yace_cloudwatch_apigatewayapiv2_requests_total", ""),
    ("yace_cloudwatch_autoscalingapi_requests_total", NO_HELP),
    ("yace_cloudwatch_dmsapi_requests_total", NO_HELP),
    (DUPLICATES, NO_HELP),
    ("yace_cloudwatch_ec2api_requests_total", NO_HELP),
    (METRICS_REQUESTED, "Number of metrics requested from the CloudWatch GetMetricData API which is how AWS bills"),
    ("yace_cloudwatch_getmetricdata_requests_total", DEPRECATED),
    ("yace_cloudwatch_getmetricstatistics_requests_total", DEPRECATED),
    ("yace_cloudwatch_managedprometheusapi_requests_total", NO_HELP),
    ("yace_cloudwatch_resourcegrouptaggingapi_requests_total", NO_HELP),
    ("yace_cloudwatch_shieldapi_requests_total", NO_HELP),
    ("yace_cloudwatch_storagegatewayapi_requests_total", NO_HELP),
    ("yace_cloudwatch_targetgroupapi_requests_total", NO_HELP),
];

const DUPLICATES: &str = "yace_cloudwatch_duplicate_metrics_filtered";
const METRICS_REQUESTED: &str = "yace_cloudwatch_getmetricdata_metrics_requested_total";
const REQUESTS: (&str, &str) = ("yace_cloudwatch_requests_total", "Number of calls made to the CloudWatch APIs");
const ERRORS: (&str, &str) = ("yace_cloudwatch_request_errors", NO_HELP);

/// The counters' values.
#[derive(Default)]
pub(super) struct YaceCounters {
    plain: [AtomicU64; PLAIN.len()],
    requests: Mutex<BTreeMap<&'static str, u64>>,
    errors: Mutex<BTreeMap<&'static str, u64>>,
}

impl YaceCounters {
    /// Counts a call where YACE would.
    pub(super) fn record(&self, call: &Call) {
        if call.superseded {
            return;
        }
        if let Some(name) = plain_counter(call.service, call.operation) {
            self.add(name, 1);
        }
        if call.operation == "GetMetricData" {
            self.add(METRICS_REQUESTED, call.metrics.per_statistic);
        }
        if call.service == "cloudwatch" {
            *lock(&self.requests).entry(call.operation).or_default() += 1;
            if call.failed.is_some() {
                *lock(&self.errors).entry(call.operation).or_default() += 1;
            }
        }
    }

    /// Counts samples that were left out as duplicates.
    pub(super) fn duplicates(&self, count: u64) {
        self.add(DUPLICATES, count);
    }

    fn add(&self, name: &str, count: u64) {
        let counter = PLAIN.iter().zip(&self.plain).find(|((n, _), _)| *n == name);
        if let Some((_, value)) = counter {
            value.fetch_add(count, Ordering::Relaxed);
        }
    }

    /// The families as text.
    pub(super) fn families(&self) -> Vec<FamilyText> {
        let plain = PLAIN.iter().zip(&self.plain).map(|((name, help), value)| {
            let sample = line(name, value.load(Ordering::Relaxed));
            family(name, help, vec![sample])
        });
        let labelled = [(REQUESTS, &self.requests), (ERRORS, &self.errors)].map(|((name, help), values)| {
            let labelled = |(api, value): (&&str, &u64)| line(&format!("{name}{{api_name=\"{api}\"}}"), *value);
            family(name, help, lock(values).iter().map(labelled).collect())
        });
        plain.chain(labelled).filter(|f| !f.samples.is_empty()).collect()
    }
}

fn family(name: &str, help: &str, samples: Vec<String>) -> FamilyText {
    FamilyText { name: name.to_owned(), kind: Type::Counter, help: help.to_owned(), samples }
}

#[expect(clippy::cast_precision_loss, reason = "YACE counts in floating point too")]
fn line(series: &str, value: u64) -> String {
    let mut number = Vec::new();
    write_number(&mut number, value as f64);
    format!("{series} {}\n", String::from_utf8_lossy(&number))
}

/// The plain counter of an API, by the API's name in IAM and the operation.
fn plain_counter(service: &str, operation: &str) -> Option<&'static str> {
    Some(match (service, operation) {
        ("cloudwatch", "GetMetricData") => "yace_cloudwatch_getmetricdata_requests_total",
        ("cloudwatch", "GetMetricStatistics") => "yace_cloudwatch_getmetricstatistics_requests_total",
        ("tag", "GetResources") => "yace_cloudwatch_resourcegrouptaggingapi_requests_total",
        ("autoscaling", "DescribeAutoScalingGroups") => "yace_cloudwatch_autoscalingapi_requests_total",
        ("apigateway", "GetRestApis") => "yace_cloudwatch_apigatewayapi_requests_total",
        ("ec2", "DescribeSpotFleetRequests" | "DescribeTransitGatewayAttachments") => {
            "yace_cloudwatch_ec2api_requests_total"
        }
        ("shield", "ListProtections") => "yace_cloudwatch_shieldapi_requests_total",
        ("aps", "ListWorkspaces") => "yace_cloudwatch_managedprometheusapi_requests_total",
        ("storagegateway", "ListGateways" | "ListTagsForResource") => {
            "yace_cloudwatch_storagegatewayapi_requests_total"
        }
        ("dms", _) => "yace_cloudwatch_dmsapi_requests_total",
        _ => return None,
    })
}
