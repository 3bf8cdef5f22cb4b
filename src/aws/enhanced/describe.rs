//! Pure: answers to descriptions.

use serde::Deserialize;

use crate::aws::api::Page;
use crate::aws::job::Dimension;
use crate::aws::paged::Read;
use crate::aws::xml::Element;

/// RDS gives storage in GiB.
const GIB: f64 = 1_073_741_824.0;
/// Lambda gives memory in MiB.
const MIB: f64 = 1_048_576.0;

/// What is known of one resource.
#[derive(Debug, PartialEq)]
pub(super) struct Description {
    pub(super) arn: String,
    pub(super) measures: Vec<Measure>,
}

/// One value.
#[derive(Debug, PartialEq)]
pub(super) struct Measure {
    /// The name that the configuration has for it.
    pub(super) of: &'static str,
    /// The name that its series get.
    pub(super) metric: &'static str,
    pub(super) dimensions: Vec<Dimension>,
    pub(super) value: f64,
}

impl Measure {
    fn new(metric: &'static str, dimensions: &[Dimension], value: f64) -> Self {
        Self { of: metric, metric, dimensions: dimensions.to_vec(), value }
    }
}

/// Dimensions; those without a value are left out.
fn dimensions(pairs: &[(&str, Option<&str>)]) -> Vec<Dimension> {
    let given = pairs.iter().filter_map(|(name, value)| Some((name, value.filter(|v| !v.is_empty())?)));
    given.map(|(name, value)| Dimension { name: (*name).into(), value: value.into() }).collect()
}

/// The identifier in the ARN of a database instance; clusters, snapshots and other services' ARNs have none.
pub(super) fn database_id(arn: &str) -> Option<&str> {
    let parts: Vec<&str> = arn.split(':').collect();
    let ["arn", _, "rds", _, _, "db", id] = parts.as_slice() else { return None };
    (!id.is_empty()).then_some(*id)
}

pub(super) fn read_databases(body: &[u8]) -> Read<Page<Description>> {
    let root = Element::parse(body).map_err(|e| e.to_string())?;
    let result = root.find("DescribeDBInstancesResult").ok_or("there is no result")?;
    let database = |d: &Element| {
        let labels = dimensions(&[
            ("DBInstanceIdentifier", d.text("DBInstanceIdentifier")),
            ("DatabaseClass", d.text("DBInstanceClass")),
            ("EngineName", d.text("Engine")),
        ]);
        let storage = number(d, "AllocatedStorage").map(|gib| Measure::new("AllocatedStorage", &labels, gib * GIB));
        Some(Description { arn: d.text("DBInstanceArn")?.to_owned(), measures: storage.into_iter().collect() })
    };
    let items = result.list("DBInstances", "DBInstance").filter_map(database).collect();
    Ok(Page { items, next: result.text("Marker").map(str::to_owned) })
}

pub(super) fn read_cache_clusters(body: &[u8]) -> Read<Page<Description>> {
    let root = Element::parse(body).map_err(|e| e.to_string())?;
    let result = root.find("DescribeCacheClustersResult").ok_or("there is no result")?;
    let cluster = |c: &Element| {
        let labels = dimensions(&[
            ("CacheClusterId", c.text("CacheClusterId")),
            ("ReplicationGroupId", c.text("ReplicationGroupId")),
        ]);
        let nodes = number(c, "NumCacheNodes").map(|n| Measure::new("NumCacheNodes", &labels, n));
        Some(Description { arn: c.text("ARN")?.to_owned(), measures: nodes.into_iter().collect() })
    };
    let items = result.list("CacheClusters", "CacheCluster").filter_map(cluster).collect();
    Ok(Page { items, next: result.text("Marker").map(str::to_owned) })
}

fn number(element: &Element, name: &str) -> Option<f64> {
    element.text(name)?.parse().ok()
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Functions {
    functions: Option<Vec<Function>>,
    next_marker: Option<String>,
}

#[derive(Deserialize)]
struct Function {
    #[serde(rename = "FunctionArn", default)]
    arn: String,
    #[serde(rename = "FunctionName")]
    name: Option<String>,
    #[serde(rename = "Timeout")]
    timeout_seconds: Option<f64>,
    #[serde(rename = "MemorySize")]
    memory_mib: Option<f64>,
}

pub(super) fn read_functions(body: &[u8]) -> Read<Page<Description>> {
    let page: Functions = serde_json::from_slice(body).map_err(|e| e.to_string())?;
    let function = |f: Function| {
        let labels = dimensions(&[("FunctionName", f.name.as_deref())]);
        let timeout = f.timeout_seconds.map(|s| Measure::new("Timeout", &labels, s));
        let memory = f.memory_mib.map(|mib| Measure::new("MemorySize", &labels, mib * MIB));
        Description { arn: f.arn, measures: timeout.into_iter().chain(memory).collect() }
    };
    Ok(Page { items: page.functions.into_iter().flatten().map(function).collect(), next: page.next_marker })
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct TableAnswer {
    table: Option<Table>,
}

#[derive(Deserialize)]
struct Table {
    #[serde(rename = "TableArn", default)]
    arn: String,
    #[serde(rename = "TableName")]
    name: Option<String>,
    #[serde(rename = "ItemCount")]
    items: Option<f64>,
    #[serde(rename = "TableSizeBytes")]
    size_bytes: Option<f64>,
    #[serde(rename = "GlobalSecondaryIndexes")]
    indexes: Option<Vec<Index>>,
}

#[derive(Deserialize)]
struct Index {
    #[serde(rename = "IndexName")]
    name: Option<String>,
    #[serde(rename = "ItemCount")]
    items: Option<f64>,
    #[serde(rename = "IndexSizeBytes")]
    size_bytes: Option<f64>,
}

/// A table counts its items and bytes, and so does each of its global indexes; the bytes of an index have an own name.
pub(super) fn read_table(body: &[u8]) -> Read<Option<Description>> {
    let answer: TableAnswer = serde_json::from_slice(body).map_err(|e| e.to_string())?;
    let Some(table) = answer.table else { return Ok(None) };
    let labels = dimensions(&[("TableName", table.name.as_deref())]);
    let mut measures: Vec<Measure> = Vec::new();
    measures.extend(table.items.map(|n| Measure::new("ItemCount", &labels, n)));
    measures.extend(table.size_bytes.map(|n| Measure::new("TableSizeBytes", &labels, n)));
    for index in table.indexes.into_iter().flatten() {
        let name = index.name.as_deref();
        let labels = dimensions(&[("TableName", table.name.as_deref()), ("GlobalSecondaryIndexName", name)]);
        measures.extend(index.items.map(|n| Measure::new("ItemCount", &labels, n)));
        measures.extend(
            index.size_bytes.map(|n| Measure { of: "TableSizeBytes", ..Measure::new("IndexSizeBytes", &labels, n) }),
        );
    }
    Ok(Some(Description { arn: table.arn, measures }))
}

#[cfg(test)]
mod tests;
