//! Reads PutMetricData's input.

use std::borrow::Cow;

use minicbor::decode::{Decoder, Error};

use super::reader::{dimension, list, map, number, optional, text, time};
use crate::sim::ops::put::{PutDatum, PutRequest};

type Read<T> = Result<T, Error>;

/// Data of entities are taken like all others.
pub(super) fn metric_data(body: &[u8]) -> Read<PutRequest<'_>> {
    let mut request = PutRequest::default();
    map(&mut Decoder::new(body), &mut |key, d| {
        match key {
            "Namespace" => request.namespace = text(d)?,
            "MetricData" => data(d, &mut request.data)?,
            "EntityMetricData" => list(d, &mut |d| {
                map(d, &mut |key, d| if key == "MetricData" { data(d, &mut request.data) } else { d.skip() })
            })?,
            _ => d.skip()?,
        }
        Ok(())
    })?;
    Ok(request)
}

fn data<'b>(d: &mut Decoder<'b>, into: &mut Vec<PutDatum<'b>>) -> Read<()> {
    list(d, &mut |d| {
        into.push(datum(d)?);
        Ok(())
    })
}

fn datum<'b>(d: &mut Decoder<'b>) -> Read<PutDatum<'b>> {
    let mut datum = PutDatum::default();
    map(d, &mut |key, d| {
        match key {
            "MetricName" => datum.metric = text(d)?,
            "Timestamp" => datum.at = optional(d, time)?,
            "Value" => datum.value = optional(d, number)?,
            "Unit" => datum.unit = optional(d, text)?,
            "StorageResolution" => datum.resolution_seconds = optional(d, Decoder::i64)?,
            "StatisticValues" => datum.statistics = optional(d, statistics)?,
            "Values" => numbers(d, &mut datum.values)?,
            "Counts" => numbers(d, &mut datum.counts)?,
            "Dimensions" => list(d, &mut |d| {
                let (name, value): (Option<Cow<'b, str>>, _) = dimension(d)?;
                datum.dimensions.push((name.unwrap_or_default(), value.unwrap_or_default()));
                Ok(())
            })?,
            _ => d.skip()?,
        }
        Ok(())
    })?;
    Ok(datum)
}

fn numbers(d: &mut Decoder<'_>, into: &mut Vec<f64>) -> Read<()> {
    list(d, &mut |d| {
        into.push(number(d)?);
        Ok(())
    })
}

/// SampleCount, Sum, Minimum, Maximum; one that is missing makes the set worthless.
fn statistics(d: &mut Decoder<'_>) -> Read<[f64; 4]> {
    let [mut count, mut sum, mut min, mut max] = [f64::NAN; 4];
    map(d, &mut |key, d| {
        match key {
            "SampleCount" => count = number(d)?,
            "Sum" => sum = number(d)?,
            "Minimum" => min = number(d)?,
            "Maximum" => max = number(d)?,
            _ => d.skip()?,
        }
        Ok(())
    })?;
    Ok([count, sum, min, max])
}
