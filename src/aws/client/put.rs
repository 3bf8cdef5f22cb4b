//! PutMetricData: the one call that writes. Compressed by the SDK; tried again by the caller, who keeps the data.

use aws_config::Region;
use aws_sdk_cloudwatch::types as cw;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_smithy_types::retry::RetryConfig;

use super::call::{Calls, Place};
use super::{Clients, date_time};
use crate::aws::job::Role;
use crate::model::{Datum, Text, Values};
use crate::seam::{Call, Failure, Reason};

/// Attempts of one call. The caller's queue tries again, too; the second attempt here is for a connection that was closed
/// while it was idle.
const ATTEMPTS: u32 = 2;

/// Codes by which CloudWatch says that the data themselves are wrong: the same ones will never be taken.
const BAD_DATA: [&str; 8] = [
    "InvalidParameterValue",
    "InvalidParameterValueException",
    "InvalidParameterCombination",
    "InvalidParameterCombinationException",
    "MissingParameter",
    "MissingRequiredParameterException",
    "ValidationError",
    "RequestEntityTooLarge",
];

/// Why data were not taken.
#[derive(Debug)]
pub struct Refusal {
    /// What happened.
    pub failure: Failure,
    /// The data are the reason.
    pub bad_data: bool,
}

/// Writes metrics into one namespace of one region.
pub struct Publisher {
    namespace: Text,
    region: Text,
    cloudwatch: aws_sdk_cloudwatch::Client,
}

impl Clients {
    /// A writer with a role's credentials; without a region, in the one that environment, profile or instance name.
    pub async fn publisher(
        &self,
        role: &Role,
        region: Option<&Text>,
        endpoint_url: Option<&Text>,
        namespace: &Text,
    ) -> Result<Publisher, Failure> {
        let own = || self.base.region().map(|region| Text::from(region.as_ref()));
        let region = region.cloned().or_else(own).ok_or_else(|| Failure {
            reason: Reason::InvalidRequest,
            doing: "find out which region to write to".to_owned(),
            message: "neither the configuration (`region`), AWS_REGION, the profile nor the instance says it"
                .to_owned(),
        })?;
        let shared = self.role(role, &region).await;
        let mut config = aws_sdk_cloudwatch::config::Builder::from(&shared.config)
            .region(Region::new(region.to_string()))
            // Requests of 10 KiB and more are compressed, as is the SDK's default: for fewer, a compressor takes too much memory.
            .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS));
        if let Some(url) = endpoint_url {
            config = config.endpoint_url(url.to_string());
        }
        let cloudwatch = aws_sdk_cloudwatch::Client::from_conf(config.build());
        Ok(Publisher { namespace: Text::clone(namespace), region, cloudwatch })
    }

    /// The region that environment, profile or instance name.
    pub fn own_region(&self) -> Option<Text> {
        self.base.region().map(|region| Text::from(region.as_ref()))
    }
}

impl Publisher {
    /// Where it writes.
    pub const fn region(&self) -> &Text {
        &self.region
    }

    /// Writes data within the bounds of one request: all of them, or none.
    pub async fn put(&self, data: &[Datum]) -> (Result<(), Refusal>, Call) {
        let place = Place { region: Text::clone(&self.region), account: Text::default() };
        let asked = Calls::new("cloudwatch", "PutMetricData", place);
        let request = self
            .cloudwatch
            .put_metric_data()
            .namespace(self.namespace.to_string())
            .set_metric_data(Some(data.iter().map(datum).collect()));
        let sent = request.customize().interceptor(asked.attempts()).send().await;
        let code = sent.as_ref().err().and_then(ProvideErrorMetadata::code).unwrap_or_default();
        let bad_data = BAD_DATA.contains(&code);
        let doing = || format!("put {} data into {} in {}", data.len(), self.namespace, self.region);
        let (result, call) = asked.finish(sent, doing);
        (result.map(drop).map_err(|failure| Refusal { failure, bad_data }), call)
    }
}

fn datum(ours: &Datum) -> cw::MetricDatum {
    let dimensions = ours.of.dimensions.iter();
    let dimensions = dimensions.map(|(name, value)| cw::Dimension::builder().name(&**name).value(&**value).build());
    let datum = cw::MetricDatum::builder()
        .metric_name(&*ours.of.name)
        .set_dimensions(Some(dimensions.collect()))
        .timestamp(date_time(ours.at))
        .unit(cw::StandardUnit::from(ours.of.unit.as_str()))
        .storage_resolution(if ours.of.high_resolution { 1 } else { 60 });
    match &ours.values {
        Values::One(value) => datum.value(*value),
        Values::Counted(values) => {
            let (values, counts) = values.iter().copied().unzip();
            datum.set_values(Some(values)).set_counts(Some(counts))
        }
    }
    .build()
}
