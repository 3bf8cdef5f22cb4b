//! CloudWatch as smithy RPC v2 CBOR.

use minicbor::Encoder;
use minicbor::decode::Error;

use super::reply::{Answered, Form, Reply, perform};
use super::{reader, writer};
use crate::seam::MetricsRequested;
use crate::sim::cloud::{Caller, Cloud};
use crate::sim::ops::listing::{self, Listed};
use crate::sim::ops::{metric_data, metric_statistics, put};
use crate::sim::refusal::Refusal;

/// Answers an operation.
pub(super) async fn answer(cloud: &Cloud, caller: &Caller, operation: &str, body: &[u8]) -> Reply {
    let reply = match operation {
        "ListMetrics" => list_metrics(cloud, caller, body).await,
        "GetMetricData" => get_metric_data(cloud, caller, body).await,
        "GetMetricStatistics" => get_metric_statistics(cloud, caller, body).await,
        "PutMetricData" => put_metric_data(cloud, caller, body).await,
        _ => {
            let why = format!("{operation} is not simulated.");
            Err(Refusal::new("UnknownOperationException", why).with_status(404))
        }
    };
    reply.unwrap_or_else(|refusal| Reply::refusal(Form::Cbor, &refusal))
}

/// A body that is not what the operation takes.
fn unreadable(error: &Error) -> Refusal {
    Refusal::new("SerializationException", format!("The body cannot be read: {error}."))
}

async fn list_metrics(cloud: &Cloud, caller: &Caller, body: &[u8]) -> Result<Reply, Refusal> {
    let request = reader::list_metrics(body).map_err(|error| unreadable(&error))?;
    let token = request.token.as_deref();
    let reply = perform(cloud, caller, "ListMetrics", Form::Cbor, token, |spoil| {
        let listed = listing::list(cloud, caller, &request, cloud.now())?;
        let listed = if spoil.is_empty() { Listed::default() } else { listed };
        let mut e = Encoder::new(Vec::with_capacity(64 + 160 * listed.items.len()));
        let _ = writer::list_metrics(&mut e, &cloud.world, &listed);
        Ok((e.into_writer(), MetricsRequested::default(), count(listed.items.len())))
    });
    Ok(reply.await)
}

async fn get_metric_data(cloud: &Cloud, caller: &Caller, body: &[u8]) -> Result<Reply, Refusal> {
    let request = reader::metric_data(body).map_err(|error| unreadable(&error))?;
    let token = request.token.as_deref();
    let reply = perform(cloud, caller, "GetMetricData", Form::Cbor, token, |spoil| -> Result<Answered, Refusal> {
        let mut written = writer::MetricData::new();
        let emit = &mut |part: &metric_data::Part<'_>| written.push(part);
        let answered = metric_data::answer(cloud, caller, &request, spoil, cloud.now(), emit)?;
        let body = written.finish(answered.next.as_deref()).unwrap_or_default();
        Ok((body, answered.metrics, answered.points))
    });
    Ok(reply.await)
}

async fn get_metric_statistics(cloud: &Cloud, caller: &Caller, body: &[u8]) -> Result<Reply, Refusal> {
    let request = reader::metric_statistics(body).map_err(|error| unreadable(&error))?;
    let reply = perform(cloud, caller, "GetMetricStatistics", Form::Cbor, None, |spoil| {
        let mut rows = metric_statistics::answer(cloud, caller, &request, cloud.now())?;
        if spoil.is_empty() {
            rows.rows.clear();
        }
        let mut e = Encoder::new(Vec::new());
        let _ = writer::metric_statistics(&mut e, &request, &rows);
        Ok((e.into_writer(), MetricsRequested::default(), count(rows.rows.len())))
    });
    Ok(reply.await)
}

async fn put_metric_data(cloud: &Cloud, caller: &Caller, body: &[u8]) -> Result<Reply, Refusal> {
    let request = super::put::metric_data(body).map_err(|error| unreadable(&error))?;
    let reply = perform(cloud, caller, "PutMetricData", Form::Cbor, None, |_| {
        let data = put::put(cloud, caller, &request, cloud.now())?;
        Ok((EMPTY_MAP.to_vec(), MetricsRequested::default(), data))
    });
    Ok(reply.await)
}

/// The body of an answer without members.
const EMPTY_MAP: &[u8] = &[0xa0];

fn count(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}
