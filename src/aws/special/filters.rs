//! Namespaces whose tagged resources another API renames or drops: CloudWatch's dimensions hold what ARNs lack.

use hashbrown::HashMap;
use serde::Deserialize;

use crate::aws::api::{Api, Page, Resource};
use crate::aws::paged::{self, Read};
use crate::aws::question::{HTTP_APIS, Question, REPLICATION_INSTANCES, REPLICATION_TASKS, REST_APIS};
use crate::aws::special::Found;
use crate::model::Text;
use crate::seam::Call;

/// REST APIs in a page, AWS' maximum.
const REST_APIS_PER_PAGE: u32 = 500;
/// Replication instances or tasks in a page, AWS' maximum.
const REPLICATION_PER_PAGE: u32 = 100;

/// Only listed APIs themselves are resources, not their stages and routes. CloudWatch knows HTTP and WebSocket APIs by their
/// id and REST APIs by their name, so a REST API's id gives way to its name.
pub(super) async fn apis(api: &dyn Api, tagged: Vec<Resource>, calls: &mut Vec<Call>) -> Found {
    let question = Question::new(&REST_APIS).with("limit", REST_APIS_PER_PAGE);
    let rest = paged::all(api, &question, read_rest_apis, calls).await?;
    let http = paged::all(api, &Question::new(&HTTP_APIS), read_http_apis, calls).await?;
    Ok(named(tagged, rest, http))
}

/// Every listed API stands for one resource, its first.
fn named(tagged: Vec<Resource>, rest: Vec<RestApi>, http: Vec<String>) -> Vec<Resource> {
    let named = rest.into_iter().filter(|api| !api.name.is_empty());
    let mut rest: HashMap<String, String> = named.map(|api| (api.id, api.name)).collect();
    let mut http: hashbrown::HashSet<String> = http.into_iter().collect();
    let keep = |resource: Resource| {
        let (head, id) = resource.arn.rsplit_once('/')?;
        if head.ends_with("/restapis") {
            let arn = Text::from(resource.arn.replace(id, &rest.remove(id)?));
            return Some(Resource { arn, tags: resource.tags });
        }
        (head.ends_with("/apis") && http.remove(id)).then_some(resource)
    };
    tagged.into_iter().filter_map(keep).collect()
}

#[derive(Deserialize)]
struct RestApis {
    item: Option<Vec<RestApi>>,
    position: Option<String>,
}

#[derive(Debug, Deserialize)]
struct RestApi {
    id: String,
    /// AWS always sends one; without it, no metric can be its.
    #[serde(default)]
    name: String,
}

fn read_rest_apis(body: &[u8]) -> Read<Page<RestApi>> {
    let page: RestApis = serde_json::from_slice(body).map_err(|e| e.to_string())?;
    Ok(Page { items: page.item.unwrap_or_default(), next: page.position })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct HttpApis {
    items: Option<Vec<HttpApi>>,
    next_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct HttpApi {
    api_id: String,
}

fn read_http_apis(body: &[u8]) -> Read<Page<String>> {
    let page: HttpApis = serde_json::from_slice(body).map_err(|e| e.to_string())?;
    Ok(Page { items: page.items.into_iter().flatten().map(|a| a.api_id).collect(), next: page.next_token })
}

/// Metrics of DMS name the replication instance, which ARNs lack: it is appended to those of instances and of their tasks.
pub(super) async fn replication(api: &dyn Api, mut tagged: Vec<Resource>, calls: &mut Vec<Call>) -> Found {
    if tagged.is_empty() {
        return Ok(tagged);
    }
    let question = Question::new(&REPLICATION_INSTANCES).with("MaxRecords", REPLICATION_PER_PAGE);
    let instances = paged::all(api, &question, read_instances, calls).await?;
    let question =
        Question::new(&REPLICATION_TASKS).with("MaxRecords", REPLICATION_PER_PAGE).with("WithoutSettings", true);
    let tasks = paged::all(api, &question, read_tasks, calls).await?;
    let mut instance_of: HashMap<String, String> = instances.into_iter().collect();
    for (task, instance) in tasks {
        if let Some(id) = instance_of.get(&instance).cloned() {
            instance_of.insert(task, id);
        }
    }
    for resource in &mut tagged {
        if let Some(id) = instance_of.get(&*resource.arn) {
            resource.arn = format!("{}/{id}", resource.arn).into();
        }
    }
    Ok(tagged)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Instances {
    replication_instances: Option<Vec<Instance>>,
    marker: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Instance {
    replication_instance_arn: String,
    replication_instance_identifier: String,
}

/// ARN and identifier of each instance.
fn read_instances(body: &[u8]) -> Read<Page<(String, String)>> {
    let page: Instances = serde_json::from_slice(body).map_err(|e| e.to_string())?;
    let instance = |i: Instance| (i.replication_instance_arn, i.replication_instance_identifier);
    Ok(Page { items: page.replication_instances.into_iter().flatten().map(instance).collect(), next: page.marker })
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Tasks {
    replication_tasks: Option<Vec<Task>>,
    marker: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Task {
    replication_task_arn: String,
    #[serde(default)]
    replication_instance_arn: String,
}

/// ARNs of each task and of its instance.
fn read_tasks(body: &[u8]) -> Read<Page<(String, String)>> {
    let page: Tasks = serde_json::from_slice(body).map_err(|e| e.to_string())?;
    let task = |t: Task| (t.replication_task_arn, t.replication_instance_arn);
    Ok(Page { items: page.replication_tasks.into_iter().flatten().map(task).collect(), next: page.marker })
}
