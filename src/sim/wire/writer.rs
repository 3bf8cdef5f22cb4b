//! Writes the CBOR of answers, straight from the world into bytes.

use std::convert::Infallible;

use minicbor::encode::{Encoder, Error};

use crate::aws::api::StatusCode;
use crate::sim::ops::listing::{Item, Listed};
use crate::sim::ops::metric_data::Part;
use crate::sim::ops::metric_statistics::{Rows, StatisticsRequest};
use crate::sim::refusal::Refusal;
use crate::sim::world::{Pair, World};

type Bytes = Encoder<Vec<u8>>;
/// Writing into memory cannot fail; the type says so.
pub(super) type Written = Result<(), Error<Infallible>>;

/// ListMetrics' output.
pub(super) fn list_metrics(e: &mut Bytes, world: &World, listed: &Listed) -> Written {
    e.map(1 + u64::from(listed.owners) + u64::from(listed.next.is_some()))?;
    e.str("Metrics")?.array(length(listed.items.len()))?;
    for item in &listed.items {
        match item {
            Item::Pushed(series) => metric(e, &series.namespace, &series.metric, &series.dimensions)?,
            Item::World(place, id) => {
                let series = place.series().get(*id as usize);
                match series.and_then(|s| Some((s, world.profile(s)?))) {
                    Some((series, profile)) => metric(e, &profile.namespace, &profile.metric, &series.dimensions)?,
                    None => e.map(0).map(|_| ())?,
                }
            }
        }
    }
    if listed.owners {
        e.str("OwningAccounts")?.array(length(listed.items.len()))?;
        listed.items.iter().try_for_each(|item| e.str(item.owner()).map(|_| ()))?;
    }
    next_token(e, listed.next.as_deref())
}

fn metric<P: Pair>(e: &mut Bytes, namespace: &str, metric: &str, dimensions: &[P]) -> Written {
    e.map(3)?.str("Namespace")?.str(namespace)?.str("MetricName")?.str(metric)?;
    e.str("Dimensions")?.array(length(dimensions.len()))?;
    for dimension in dimensions {
        e.map(2)?.str("Name")?.str(dimension.name())?.str("Value")?.str(dimension.value())?;
    }
    Ok(())
}

/// GetMetricData's output, built result by result: their number is known only at the end of the page.
pub(super) struct MetricData {
    results: Bytes,
    count: u64,
}

impl MetricData {
    pub(super) fn new() -> Self {
        Self { results: Encoder::new(Vec::new()), count: 0 }
    }

    /// Adds a result.
    pub(super) fn push(&mut self, part: &Part<'_>) {
        self.count += 1;
        let Ok(()) = result(&mut self.results, part) else { return };
    }

    /// The whole answer.
    pub(super) fn finish(self, next: Option<&str>) -> Result<Vec<u8>, Error<Infallible>> {
        let results = self.results.into_writer();
        let mut e = Encoder::new(Vec::with_capacity(results.len() + 128));
        e.map(2 + u64::from(next.is_some()))?;
        e.str("Messages")?.array(0)?;
        e.str("MetricDataResults")?.array(self.count)?;
        e.writer_mut().extend_from_slice(&results);
        next_token(&mut e, next)?;
        Ok(e.into_writer())
    }
}

fn result(e: &mut Bytes, part: &Part<'_>) -> Written {
    e.map(5)?.str("Id")?.str(part.id)?.str("Label")?.str(part.label)?;
    e.str("Timestamps")?.array(length(part.points.len()))?;
    for (at, _) in part.points {
        time(e, *at)?;
    }
    e.str("Values")?.array(length(part.points.len()))?;
    for (_, value) in part.points {
        e.f64(*value)?;
    }
    let status = match part.status {
        StatusCode::Complete => "Complete",
        StatusCode::PartialData => "PartialData",
        StatusCode::InternalError => "InternalError",
        StatusCode::Forbidden => "Forbidden",
    };
    e.str("StatusCode")?.str(status)?;
    Ok(())
}

/// GetMetricStatistics' output.
pub(super) fn metric_statistics(e: &mut Bytes, request: &StatisticsRequest<'_>, rows: &Rows) -> Written {
    e.map(2)?.str("Label")?.str(&request.metric)?;
    e.str("Datapoints")?.array(length(rows.rows.len()))?;
    for row in &rows.rows {
        let extended = u64::from(!request.extended.is_empty());
        e.map(2 + length(request.statistics.len()) + extended)?;
        e.str("Timestamp")?;
        time(e, row.at)?;
        e.str("Unit")?.str(&rows.unit)?;
        for (name, value) in request.statistics.iter().zip(&row.values) {
            e.str(name)?.f64(*value)?;
        }
        if extended > 0 {
            e.str("ExtendedStatistics")?.map(length(request.extended.len()))?;
            for (name, value) in request.extended.iter().zip(&row.values) {
                e.str(name)?.f64(*value)?;
            }
        }
    }
    Ok(())
}

/// An error's body. The name is the shape's: the code with its suffix.
pub(super) fn refusal(e: &mut Bytes, refusal: &Refusal) -> Written {
    e.map(2)?.str("__type")?.str(&format!("com.amazonaws.cloudwatch#{}", shape(refusal.code)))?;
    e.str("message")?.str(&refusal.message)?;
    Ok(())
}

/// The names of the error shapes that differ from their codes.
fn shape(code: &str) -> &str {
    match code {
        "InvalidParameterValue" => "InvalidParameterValueException",
        "InvalidParameterCombination" => "InvalidParameterCombinationException",
        "MissingParameter" => "MissingRequiredParameterException",
        "InternalServiceError" => "InternalServiceFault",
        code => code,
    }
}

fn time(e: &mut Bytes, seconds: i64) -> Written {
    // Whole seconds below 2^53 are exact in a double, which is what the real service sends.
    #[expect(clippy::cast_precision_loss, reason = "times of data points are far below 2^53 seconds")]
    e.tag(minicbor::data::Tag::new(1))?.f64(seconds as f64)?;
    Ok(())
}

fn next_token(e: &mut Bytes, next: Option<&str>) -> Written {
    if let Some(next) = next {
        e.str("NextToken")?.str(next)?;
    }
    Ok(())
}

fn length(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}
