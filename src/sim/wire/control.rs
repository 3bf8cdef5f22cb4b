//! Our own paths, for people at a shell: the bill, the world in short, and the faults.

use std::collections::BTreeMap;

use axum::http::Method;
use serde_json::{Value, json};

use super::Incoming;
use super::reply::{Form, Reply};
use crate::sim::cloud::Cloud;
use crate::sim::example::example_yace_config;
use crate::sim::fault::Fault;
use crate::sim::refusal::Refusal;

/// Answers below `/_sim/`.
pub(super) fn answer(cloud: &Cloud, incoming: &Incoming, path: &str) -> Reply {
    match (&incoming.method, path) {
        (&Method::GET, "ledger") => serialised(serde_json::to_value(cloud.ledger.bill())),
        (&Method::DELETE, "ledger") => {
            cloud.ledger.clear();
            Reply::json(&json!({}))
        }
        (&Method::GET, "example.yml") => Reply::ok(Form::Plain, example_yace_config(&cloud.world).into_bytes()),
        (&Method::GET, "pushed") => Reply::json(&pushed(cloud)),
        (&Method::GET, "world") => Reply::json(&world(cloud)),
        (&Method::GET, "faults") => serialised(faults(cloud)),
        (&Method::POST, "faults") => add_faults(cloud, &incoming.body),
        (&Method::DELETE, "faults") => delete_faults(cloud, &incoming.query),
        _ => {
            let known = "GET ledger, DELETE ledger, GET pushed, GET world, GET example.yml, GET faults, POST faults, DELETE faults?id=N";
            no(404, format!("There is no /_sim/{path} with {}; there are: {known}.", incoming.method))
        }
    }
}

/// Takes one fault or a list of them; answers their numbers.
fn add_faults(cloud: &Cloud, body: &[u8]) -> Reply {
    let one = serde_json::from_slice::<Fault>(body).map(|fault| vec![fault]);
    let faults = if body.trim_ascii_start().starts_with(b"[") { serde_json::from_slice(body) } else { one };
    match faults {
        Ok(faults) => {
            let ids: Vec<u64> = faults.into_iter().map(|fault| cloud.faults.add(fault)).collect();
            Reply::json(&json!({ "ids": ids }))
        }
        Err(error) => no(400, format!("Not a fault: {error}. For example {{\"effect\": \"throttle\", \"times\": 3}}.")),
    }
}

fn delete_faults(cloud: &Cloud, query: &str) -> Reply {
    let Some(id) = query.strip_prefix("id=") else {
        cloud.faults.clear();
        return Reply::json(&json!({}));
    };
    if id.parse().is_ok_and(|id| cloud.faults.remove(id)) {
        return Reply::json(&json!({}));
    }
    no(404, format!("There is no fault {id}."))
}

fn faults(cloud: &Cloud) -> serde_json::Result<Value> {
    let with_id = |(id, fault): (u64, Fault)| {
        Ok(json!({ "id": id, "hits": cloud.faults.hits(id), "fault": serde_json::to_value(fault)? }))
    };
    cloud.faults.list().into_iter().map(with_id).collect::<serde_json::Result<Vec<Value>>>().map(Value::from)
}

/// What was written, by namespace: series, points, and data that came twice.
fn pushed(cloud: &Cloud) -> Value {
    let mut namespaces: BTreeMap<String, [u64; 3]> = BTreeMap::new();
    for series in cloud.pushed.all() {
        let [number, points, duplicates] = namespaces.entry(series.namespace).or_default();
        *number += 1;
        *points += u64::try_from(series.points.len()).unwrap_or(u64::MAX);
        *duplicates += series.duplicates;
    }
    let shown = namespaces.into_iter().map(|(name, [series, points, duplicates])| {
        (name, json!({ "series": series, "points": points, "duplicates": duplicates }))
    });
    Value::Object(shown.collect())
}

fn world(cloud: &Cloud) -> Value {
    let spec = cloud.world.spec();
    let mut places = Vec::new();
    for account in &spec.accounts {
        for region in &spec.regions {
            let Some(place) = cloud.world.place(&account.id, region) else { continue };
            let mut kinds: BTreeMap<&str, u64> = BTreeMap::new();
            for resource in place.resources().iter().filter(|r| !r.arn.is_empty() && r.gone.is_none()) {
                *kinds.entry(resource.resource_type).or_default() += 1;
            }
            places.push(json!({
                "account": &*account.id,
                "region": &**region,
                "resources": kinds,
                "series": place.series().len(),
            }));
        }
    }
    json!({ "seed": spec.seed, "places": places })
}

fn serialised(value: serde_json::Result<Value>) -> Reply {
    match value {
        Ok(value) => Reply::json(&value),
        Err(error) => no(500, format!("The answer cannot be written: {error}.")),
    }
}

fn no(status: u16, why: String) -> Reply {
    Reply::refusal(Form::Json, &Refusal::new("Control", why).with_status(status))
}
