//! Enhanced metrics: values that CloudWatch does not have and other APIs do, such as a database's allocated storage. They
//! change slowly and cost nothing, so they come with the fetch, but seldom.
//!
//! Deliberately absent: series. [`Row`]s say what stands beside a job's metrics; `plan` makes series of them.

mod describe;
mod kept;

use futures_util::{StreamExt, stream};
use hashbrown::{HashMap, HashSet};

use crate::aws::api::{Api, Resource};
use crate::aws::job::Dimension;
use crate::aws::paged;
use crate::aws::question::{CACHE_CLUSTERS, DB_INSTANCES, FUNCTIONS, Question, TABLE};
use crate::model::Text;
use crate::seam::{Call, Failure};
use describe::Description;
pub use kept::Kept;

/// Database identifiers in one filter; a page has as many.
const DATABASES_PER_CALL: usize = 100;
/// Functions in a page, AWS' maximum.
const FUNCTIONS_PER_PAGE: u32 = 50;
/// Clusters or databases in a page, AWS' maximum.
const RECORDS_PER_PAGE: u32 = 100;
/// Tables that are described at the same time: there is no call for many.
const TABLES_IN_FLIGHT: usize = 8;

/// What DynamoDB says of a table that it does not have.
const GONE: &str = "ResourceNotFoundException";

/// One value of one resource.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The resource's ARN.
    pub resource: Text,
    /// What becomes the family's name; indexes of a table may have their own.
    pub metric: &'static str,
    /// The series' dimensions.
    pub dimensions: Vec<Dimension>,
    /// In the base unit: bytes, seconds, a count.
    pub value: f64,
}

/// What became known.
#[derive(Debug, Default)]
pub struct Described {
    /// By metric, in the configured order, then by resource.
    pub rows: Vec<Row>,
    /// Resources about which nothing became known because a call failed.
    pub unknown: HashSet<Text>,
    /// Why.
    pub failures: Vec<Failure>,
}

/// The enhanced metrics of `resources`; `calls` gets what it took. `wanted`: names that the catalog knows for the namespace.
pub async fn describe(
    namespace: &str,
    wanted: &[Text],
    resources: &[Resource],
    api: &dyn Api,
    calls: &mut Vec<Call>,
) -> Described {
    let arns: HashSet<&str> = resources.iter().map(|r| &*r.arn).collect();
    let asker = Asker { api, arns: &arns, resources };
    let found = match namespace {
        "AWS/RDS" => asker.databases(calls).await,
        "AWS/Lambda" => asker.functions(calls).await,
        "AWS/ElastiCache" => asker.cache_clusters(calls).await,
        "AWS/DynamoDB" => return asker.tables(wanted, calls).await,
        _ => Ok(Vec::new()),
    };
    match found {
        Ok(found) => Described { rows: rows(wanted, resources, found), ..Described::default() },
        Err(failure) => nothing(resources, failure),
    }
}

/// Nothing became known of any resource.
pub fn nothing(resources: &[Resource], failure: Failure) -> Described {
    let unknown = resources.iter().map(|r| Text::clone(&r.arn)).collect();
    Described { rows: Vec::new(), unknown, failures: vec![failure] }
}

/// Resources without a description, and descriptions without the value, have no row.
fn rows(wanted: &[Text], resources: &[Resource], found: Vec<Description>) -> Vec<Row> {
    let by_arn: HashMap<String, Description> = found.into_iter().map(|d| (d.arn.clone(), d)).collect();
    let mut rows = Vec::new();
    for name in wanted {
        for resource in resources {
            let Some(known) = by_arn.get(&*resource.arn) else {
                tracing::debug!(arn = %resource.arn, metric = %name, "the resource was not described");
                continue;
            };
            rows.extend(known.measures.iter().filter(|m| m.of == &**name).map(|m| Row {
                resource: Text::clone(&resource.arn),
                metric: m.metric,
                dimensions: m.dimensions.clone(),
                value: m.value,
            }));
        }
    }
    rows
}

struct Asker<'a> {
    api: &'a dyn Api,
    arns: &'a HashSet<&'a str>,
    resources: &'a [Resource],
}

impl Asker<'_> {
    /// Only what describes one of the resources is kept.
    async fn listed(
        &self,
        question: &Question,
        read: fn(&[u8]) -> paged::Read<crate::aws::api::Page<Description>>,
        calls: &mut Vec<Call>,
    ) -> Result<Vec<Description>, Failure> {
        let of_ours = |body: &[u8]| {
            let mut page = read(body)?;
            page.items.retain(|d| self.arns.contains(d.arn.as_str()));
            Ok(page)
        };
        paged::all(self.api, question, of_ours, calls).await
    }

    async fn databases(&self, calls: &mut Vec<Call>) -> Result<Vec<Description>, Failure> {
        let ids: Vec<&str> = self.resources.iter().filter_map(|r| describe::database_id(&r.arn)).collect();
        let mut found = Vec::new();
        for some in ids.chunks(DATABASES_PER_CALL) {
            let mut question = Question::new(&DB_INSTANCES)
                .with("MaxRecords", RECORDS_PER_PAGE)
                .with("Filters.Filter.1.Name", "db-instance-id");
            for (i, id) in some.iter().enumerate() {
                question = question.with(format!("Filters.Filter.1.Values.Value.{}", i + 1), *id);
            }
            found.extend(self.listed(&question, describe::read_databases, calls).await?);
        }
        Ok(found)
    }

    async fn functions(&self, calls: &mut Vec<Call>) -> Result<Vec<Description>, Failure> {
        let question = Question::new(&FUNCTIONS).with("MaxItems", FUNCTIONS_PER_PAGE);
        self.listed(&question, describe::read_functions, calls).await
    }

    async fn cache_clusters(&self, calls: &mut Vec<Call>) -> Result<Vec<Description>, Failure> {
        let question =
            Question::new(&CACHE_CLUSTERS).with("MaxRecords", RECORDS_PER_PAGE).with("ShowCacheNodeInfo", true);
        self.listed(&question, describe::read_cache_clusters, calls).await
    }

    /// A table that cannot be described is left out, and takes no other with it.
    async fn tables(&self, wanted: &[Text], calls: &mut Vec<Call>) -> Described {
        let ask = |resource| async move {
            let resource: &Resource = resource;
            let question = Question::new(&TABLE).with("TableName", &*resource.arn);
            let mut calls = Vec::new();
            let description = paged::one(self.api, &question, describe::read_table, &mut calls).await;
            (resource, description, calls)
        };
        let asked: Vec<_> = self.resources.iter().map(ask).collect();
        let (mut found, mut described) = (Vec::new(), Described::default());
        let mut answered = stream::iter(asked).buffer_unordered(TABLES_IN_FLIGHT);
        while let Some((resource, description, made)) = answered.next().await {
            calls.extend(made);
            match description {
                Ok(description) => found.extend(description),
                // CloudWatch goes on listing metrics of what is gone.
                Err(failure) if failure.message.starts_with(GONE) => {
                    tracing::debug!(arn = %resource.arn, "the table is gone");
                }
                Err(failure) => {
                    described.unknown.insert(Text::clone(&resource.arn));
                    described.failures.push(Failure { doing: format!("describe {}", resource.arn), ..failure });
                }
            }
        }
        described.rows = rows(wanted, self.resources, found);
        described
    }
}
