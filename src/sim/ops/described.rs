//! What services say of their own resources, beyond tags and metrics: databases, functions, tables, regions. Sizes follow from the
//! resource's seed and never change.
//!
//! Deliberately absent: paging (a world's resources fit one answer) and filters.

use serde_json::{Value, json};

use crate::model::Text;
use crate::sim::cloud::{Caller, Cloud};
use crate::sim::ops::listing::place_of;
use crate::sim::refusal::Refusal;
use crate::sim::spec::Kind;
use crate::sim::world::{Place, Resource};

/// RDS's namespace in XML.
const RDS: &str = "http://rds.amazonaws.com/doc/2014-10-31/";

/// EC2's namespace in XML.
const EC2: &str = "http://ec2.amazonaws.com/doc/2016-11-15/";

/// What `show` makes of each living resource of a kind in the caller's place.
fn each<T>(cloud: &Cloud, caller: &Caller, kind: Kind, show: impl Fn(&Resource) -> Option<T>) -> Vec<T> {
    let place = place_of(cloud, caller);
    let resources = place.as_deref().map(Place::resources).unwrap_or_default();
    resources.iter().filter(|r| r.kind == Some(kind) && r.gone.is_none()).filter_map(show).collect()
}

/// The last part of an ARN.
fn id(arn: &str) -> &str {
    arn.rsplit([':', '/']).next().unwrap_or(arn)
}

/// `rds:DescribeDBInstances`.
pub(crate) fn databases(cloud: &Cloud, caller: &Caller, with_items: bool) -> String {
    let found = each(cloud, caller, Kind::Rds, |r| {
        let (arn, id, gib) = (&r.arn, id(&r.arn), 20 + 10 * (r.seed % 9));
        (with_items && arn.contains(":db:")).then(|| {
            format!(
                "<DBInstance><DBInstanceIdentifier>{id}</DBInstanceIdentifier><DBInstanceClass>db.t4g.medium</DBInstanceClass>\
                 <Engine>postgres</Engine><AllocatedStorage>{gib}</AllocatedStorage><DBInstanceArn>{arn}</DBInstanceArn>\
                 </DBInstance>"
            )
        })
    });
    format!(
        "<DescribeDBInstancesResponse xmlns=\"{RDS}\"><DescribeDBInstancesResult><DBInstances>{}</DBInstances>\
         </DescribeDBInstancesResult></DescribeDBInstancesResponse>",
        found.concat()
    )
}

/// `ec2:DescribeRegions`: those with resources are the enabled ones.
pub(crate) fn regions(cloud: &Cloud, with_items: bool) -> String {
    let item = |region: &Text| {
        format!(
            "<item><regionName>{region}</regionName><regionEndpoint>ec2.{region}.amazonaws.com</regionEndpoint>\
             <optInStatus>opt-in-not-required</optInStatus></item>"
        )
    };
    let found: Vec<String> = cloud.world.spec().regions.iter().filter(|_| with_items).map(item).collect();
    format!(
        "<DescribeRegionsResponse xmlns=\"{EC2}\"><requestId>simulated</requestId><regionInfo>{}</regionInfo>\
         </DescribeRegionsResponse>",
        found.concat()
    )
}

/// `lambda:ListFunctions`.
pub(crate) fn functions(cloud: &Cloud, caller: &Caller) -> Value {
    let found = each(cloud, caller, Kind::Lambda, |r| {
        let (name, arn) = (id(&r.arn), &*r.arn);
        let (timeout, memory) = (3 + r.seed % 60, 128 << (r.seed % 4));
        (!name.is_empty())
            .then(|| json!({ "FunctionName": name, "FunctionArn": arn, "Timeout": timeout, "MemorySize": memory }))
    });
    json!({ "Functions": found })
}

/// `dynamodb:DescribeTable`, by name or ARN.
pub(crate) fn table(cloud: &Cloud, caller: &Caller, name: &str) -> Result<Value, Refusal> {
    let found = each(cloud, caller, Kind::DynamoDb, |r| {
        let items = 1_000 + r.seed % 9_000;
        (&*r.arn == name || id(&r.arn) == name).then(|| {
            json!({ "Table": {
                "TableName": id(&r.arn), "TableArn": &*r.arn, "ItemCount": items, "TableSizeBytes": items * 250,
                "GlobalSecondaryIndexes": [{ "IndexName": "by-time", "ItemCount": items, "IndexSizeBytes": items * 50 }],
            } })
        })
    });
    let missing = || Refusal::new("ResourceNotFoundException", format!("Table {name} is not there."));
    found.into_iter().next().ok_or_else(missing)
}
