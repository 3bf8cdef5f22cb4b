//! Reads the CBOR of requests. Bytes come from outside: nothing here panics or recurses without a bound, whatever they
//! are.

use std::borrow::Cow;

use minicbor::data::Type;
use minicbor::decode::{Decoder, Error};

use crate::model::Timestamp;
use crate::sim::ops::listing::ListRequest;
use crate::sim::ops::metric_data::{DataQuery, DataRequest, Dim};
use crate::sim::ops::metric_statistics::StatisticsRequest;

type Read<T> = Result<T, Error>;
/// A text that may be missing.
type MaybeText<'b> = Option<Cow<'b, str>>;

/// ListMetrics' input.
pub(crate) fn list_metrics(body: &[u8]) -> Read<ListRequest<'_>> {
    let mut request = ListRequest::default();
    map(&mut Decoder::new(body), &mut |key, d| {
        match key {
            "Namespace" => request.namespace = optional(d, text)?,
            "MetricName" => request.metric = optional(d, text)?,
            "RecentlyActive" => request.recently_active = optional(d, text)?,
            "IncludeLinkedAccounts" => request.linked = optional(d, Decoder::bool)? == Some(true),
            "OwningAccount" => request.owner = optional(d, text)?,
            "NextToken" => request.token = optional(d, text)?,
            "Dimensions" => list(d, &mut |d| {
                let (name, value) = dimension(d)?;
                request.dimensions.push((name.unwrap_or_default(), value));
                Ok(())
            })?,
            _ => d.skip()?,
        }
        Ok(())
    })?;
    Ok(request)
}

/// GetMetricData's input.
pub(crate) fn metric_data(body: &[u8]) -> Read<DataRequest<'_>> {
    let mut request = DataRequest::default();
    map(&mut Decoder::new(body), &mut |key, d| {
        match key {
            "MetricDataQueries" => {
                let (queries, dimensions) = (&mut request.queries, &mut request.dimensions);
                list(d, &mut |d| {
                    queries.push(query(d, dimensions)?);
                    Ok(())
                })?;
            }
            "StartTime" => request.start = optional(d, time)?,
            "EndTime" => request.end = optional(d, time)?,
            "ScanBy" => request.oldest_first = optional(d, text)?.as_deref() == Some("TimestampAscending"),
            "MaxDatapoints" => request.max_points = optional(d, Decoder::i64)?,
            "NextToken" => request.token = optional(d, text)?,
            _ => d.skip()?,
        }
        Ok(())
    })?;
    Ok(request)
}

fn query<'b>(d: &mut Decoder<'b>, dimensions: &mut Vec<Dim<'b>>) -> Read<DataQuery<'b>> {
    let mut query = DataQuery::default();
    map(d, &mut |key, d| {
        match key {
            "Id" => query.id = text(d)?,
            "Label" => query.label = optional(d, text)?,
            "AccountId" => query.account = optional(d, text)?,
            "ReturnData" => query.hidden = optional(d, Decoder::bool)? == Some(false),
            "Expression" => query.has_expression = optional(d, text)?.is_some(),
            "MetricStat" => map(d, &mut |key, d| {
                match key {
                    "Metric" => metric(d, &mut query, dimensions)?,
                    "Period" => query.period_seconds = optional(d, Decoder::i64)?,
                    "Stat" => query.statistic = text(d)?,
                    _ => d.skip()?,
                }
                Ok(())
            })?,
            _ => d.skip()?,
        }
        Ok(())
    })?;
    Ok(query)
}

fn metric<'b>(d: &mut Decoder<'b>, query: &mut DataQuery<'b>, dimensions: &mut Vec<Dim<'b>>) -> Read<()> {
    let first = dimensions.len();
    map(d, &mut |key, d| {
        match key {
            "Namespace" => query.namespace = text(d)?,
            "MetricName" => query.metric = text(d)?,
            "Dimensions" => list(d, &mut |d| {
                let (name, value) = dimension(d)?;
                dimensions.push((name.unwrap_or_default(), value.unwrap_or_default()));
                Ok(())
            })?,
            _ => d.skip()?,
        }
        Ok(())
    })?;
    query.dimensions = first..dimensions.len();
    Ok(())
}

/// GetMetricStatistics' input.
pub(crate) fn metric_statistics(body: &[u8]) -> Read<StatisticsRequest<'_>> {
    let mut request = StatisticsRequest::default();
    map(&mut Decoder::new(body), &mut |key, d| {
        match key {
            "Namespace" => request.namespace = text(d)?,
            "MetricName" => request.metric = text(d)?,
            "StartTime" => request.start = optional(d, time)?,
            "EndTime" => request.end = optional(d, time)?,
            "Period" => request.period_seconds = d.i64()?,
            "Statistics" => list(d, &mut |d| {
                request.statistics.push(text(d)?);
                Ok(())
            })?,
            "ExtendedStatistics" => list(d, &mut |d| {
                request.extended.push(text(d)?);
                Ok(())
            })?,
            "Dimensions" => list(d, &mut |d| {
                let (name, value) = dimension(d)?;
                request.dimensions.push((name.unwrap_or_default(), value.unwrap_or_default()));
                Ok(())
            })?,
            _ => d.skip()?,
        }
        Ok(())
    })?;
    Ok(request)
}

/// Name and value of a dimension or a filter.
pub(super) fn dimension<'b>(d: &mut Decoder<'b>) -> Read<(MaybeText<'b>, MaybeText<'b>)> {
    let (mut name, mut value) = (None, None);
    map(d, &mut |key, d| {
        match key {
            "Name" => name = optional(d, text)?,
            "Value" => value = optional(d, text)?,
            _ => d.skip()?,
        }
        Ok(())
    })?;
    Ok((name, value))
}

/// Calls `each` with every key of a map; it must read or skip the value.
pub(super) fn map<'b>(d: &mut Decoder<'b>, each: &mut dyn FnMut(&str, &mut Decoder<'b>) -> Read<()>) -> Read<()> {
    let count = d.map()?;
    members(d, count, &mut |d| {
        let key = text(d)?;
        each(&key, d)
    })
}

/// Calls `each` for every element of an array; it must read or skip it. Null counts as an empty array.
pub(super) fn list<'b>(d: &mut Decoder<'b>, each: &mut dyn FnMut(&mut Decoder<'b>) -> Read<()>) -> Read<()> {
    match optional(d, Decoder::array)? {
        None => Ok(()),
        Some(count) => members(d, count, each),
    }
}

/// Every member takes at least a byte of the body, so a count that lies ends with the body.
fn members<'b>(
    d: &mut Decoder<'b>,
    count: Option<u64>,
    each: &mut dyn FnMut(&mut Decoder<'b>) -> Read<()>,
) -> Read<()> {
    match count {
        Some(count) => (0..count).try_for_each(|_| each(d)),
        None => loop {
            if d.datatype()? == Type::Break {
                return d.skip();
            }
            each(d)?;
        },
    }
}

/// A value that may be null.
pub(super) fn optional<'b, T>(d: &mut Decoder<'b>, read: impl FnOnce(&mut Decoder<'b>) -> Read<T>) -> Read<Option<T>> {
    match d.datatype()? {
        Type::Null | Type::Undefined => d.skip().map(|()| None),
        _ => read(d).map(Some),
    }
}

/// Text in one piece (borrowed) or in several.
pub(super) fn text<'b>(d: &mut Decoder<'b>) -> Read<Cow<'b, str>> {
    match d.datatype()? {
        Type::StringIndef => Ok(Cow::Owned(d.str_iter()?.collect::<Read<String>>()?)),
        _ => d.str().map(Cow::Borrowed),
    }
}

/// A number, however it is written.
pub(super) fn number(d: &mut Decoder<'_>) -> Read<f64> {
    match d.datatype()? {
        Type::F16 | Type::F32 | Type::F64 => d.f64(),
        // Counts and values of metrics are far below 2^53.
        #[expect(clippy::cast_precision_loss, reason = "what CloudWatch keeps is a double anyway")]
        _ => d.i64().map(|n| n as f64),
    }
}

/// Tag 1 with seconds since 1970.
pub(super) fn time(d: &mut Decoder<'_>) -> Read<Timestamp> {
    if d.tag()?.as_u64() != 1 {
        return Err(Error::message("a time must have tag 1"));
    }
    let milliseconds = number(d)? * 1000.0;
    // Saturates, and turns NaN into 0: both are times that no window accepts.
    #[expect(clippy::cast_possible_truncation, reason = "saturating is what is wanted")]
    let milliseconds = milliseconds.round() as i64;
    Ok(Timestamp::from_millis(milliseconds))
}

#[cfg(test)]
mod tests {
    use minicbor::Encoder;
    use proptest::prelude::*;

    use super::*;

    /// Every reader gets the bytes; what matters is that each of them returns.
    fn read_all(body: &[u8]) {
        let _ = list_metrics(body);
        let _ = metric_data(body);
        let _ = metric_statistics(body);
        let _ = super::super::put::metric_data(body);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(body in prop::collection::vec(any::<u8>(), 0..256)) {
            read_all(&body);
        }

        #[test]
        fn a_damaged_request_is_read_without_panic(at in 0..400_usize, byte: u8, cut in 0..400_usize) {
            let mut body = request(true);
            if let Some(old) = body.get_mut(at) {
                *old = byte;
            }
            read_all(&body);
            body.truncate(cut);
            read_all(&body);
        }
    }

    /// A request as the SDKs write it: maps without a length (`open`), or with one.
    fn request(open: bool) -> Vec<u8> {
        let mut e = Encoder::new(Vec::new());
        let map = |e: &mut Encoder<Vec<u8>>, n: u64| {
            let _ = if open { e.begin_map().map(|_| ()) } else { e.map(n).map(|_| ()) };
        };
        let end = |e: &mut Encoder<Vec<u8>>| {
            if open {
                e.end().unwrap();
            }
        };
        map(&mut e, 5);
        e.str("MetricDataQueries").unwrap().array(1).unwrap();
        map(&mut e, 4);
        e.str("Id").unwrap().str("id_0").unwrap();
        e.str("Label").unwrap().null().unwrap();
        e.str("ReturnData").unwrap().bool(true).unwrap();
        e.str("MetricStat").unwrap();
        map(&mut e, 3);
        e.str("Metric").unwrap();
        map(&mut e, 3);
        e.str("Namespace").unwrap().str("AWS/SQS").unwrap();
        e.str("MetricName").unwrap().begin_str().unwrap().str("Sent").unwrap().str("Size").unwrap().end().unwrap();
        e.str("Dimensions").unwrap().array(1).unwrap();
        map(&mut e, 2);
        e.str("Name").unwrap().str("QueueName").unwrap().str("Value").unwrap().str("größe").unwrap();
        end(&mut e);
        end(&mut e);
        e.str("Period").unwrap().u32(300).unwrap();
        e.str("Stat").unwrap().str("p99.9").unwrap();
        end(&mut e);
        end(&mut e);
        e.str("StartTime").unwrap().tag(minicbor::data::Tag::new(1)).unwrap().f64(1.5).unwrap();
        e.str("EndTime").unwrap().tag(minicbor::data::Tag::new(1)).unwrap().u64(60).unwrap();
        e.str("Unknown").unwrap().array(2).unwrap().null().unwrap().bytes(&[1]).unwrap();
        e.str("ScanBy").unwrap().str("TimestampAscending").unwrap();
        end(&mut e);
        e.into_writer()
    }

    #[test]
    fn a_request_is_read_whole_whichever_way_it_is_written() {
        for open in [true, false] {
            let body = request(open);
            let read = metric_data(&body).unwrap();
            let query = &read.queries[0];
            assert_eq!((&*query.id, &*query.namespace, &*query.metric), ("id_0", "AWS/SQS", "SentSize"));
            assert_eq!((query.period_seconds, &*query.statistic, query.hidden), (Some(300), "p99.9", false));
            assert_eq!(read.dimensions[query.dimensions.clone()], [("QueueName".into(), "größe".into())]);
            assert_eq!(read.start, Some(Timestamp::from_millis(1500)));
            assert_eq!(read.end, Some(Timestamp::from_secs(60)));
            assert!(read.oldest_first);
        }
    }

    #[test]
    fn a_deep_nest_does_not_overflow_the_stack() {
        let mut body = vec![0xa1, 0x61, b'x'];
        body.extend(std::iter::repeat_n(0x81, 1_000_000));
        read_all(&body);
    }
}
