//! The clouds that settings name: their clients, their targets, their quotas.

use std::sync::Arc;

use crate::app::target::{Target, aws};
use crate::aws::client::{Clients, Network};
use crate::aws::job::Concurrency;
use crate::config::Settings;
use crate::work::budget::{Limit, Limits};

/// AWS' default quotas, in calls a second for each account and region (`docs/cost.md` says where they stand).
const AWS_QUOTAS: [(&str, f64); 4] =
    [("GetMetricData", 50.0), ("ListMetrics", 25.0), ("GetMetricStatistics", 400.0), ("GetResources", 15.0)];

/// How the clouds are reached.
#[derive(Clone)]
pub struct Clouds {
    /// AWS.
    pub aws: Network,
}

impl Clouds {
    /// The targets of all sections, in the file's order.
    pub async fn targets(&self, settings: &Settings) -> anyhow::Result<Vec<Target>> {
        let mut all = Vec::new();
        if let Some(settings) = &settings.aws {
            let clients = Arc::new(Clients::load(settings.access.clone(), &self.aws).await?);
            all.extend(aws::targets(settings, &clients));
        }
        Ok(all)
    }
}

/// The quotas of all clouds.
pub fn limits(settings: &Settings) -> Limits {
    aws_limits(settings.aws.as_ref().map(|aws| aws.access.concurrency).unwrap_or_default())
}

fn aws_limits(concurrency: Concurrency) -> Limits {
    let in_flight = |operation| match operation {
        "GetMetricData" => concurrency.get_metric_data,
        "ListMetrics" => concurrency.list_metrics,
        "GetMetricStatistics" => concurrency.get_metric_statistics,
        _ => concurrency.tagging,
    };
    let limit = |(operation, per_second)| (operation, Limit { per_second, in_flight: in_flight(operation) });
    AWS_QUOTAS.into_iter().map(limit).collect()
}
