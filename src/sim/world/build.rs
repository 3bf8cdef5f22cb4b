//! Builds resources, tags and series from a spec. A resource's id and values depend on the seed, its account, region,
//! service and number only: asking for more resources does not change those that were there.

use std::sync::Arc;

use hashbrown::DefaultHashBuilder;

use super::place::{Place, Profile, Resource, Series};
use crate::aws::job::{Dimension, Tag};
use crate::model::{Text, Timestamp};
use crate::sim::metric::{GROUPS, Of, Shape};
use crate::sim::spec::{CustomNamespace, Kind, WorldSpec};
use crate::sim::value::{derive, mix};

const TEAMS: [&str; 5] = ["payments", "search", "platform", "growth", "data"];
const APPS: [&str; 8] = ["checkout", "catalog", "orders", "invoices", "mailer", "ingest", "reports", "sessions"];
const ENVIRONMENTS: [&str; 3] = ["prod", "staging", "dev"];
/// What people have put into tags: quotes, line ends, backslashes, other scripts, tabs, nothing.
const AWKWARD: [&str; 7] =
    ["say \"hi\"", "two\nlines", "C:\\temp\\new", "größe ☂ 雨量計", "", "tab\there, comma=equals", "{curly} 100%"];
/// Every so many resources have awkward tags, when the spec wants them.
const AWKWARD_EVERY: usize = 7;
/// ECS services in a cluster.
const SERVICES_IN_CLUSTER: usize = 4;

/// The profiles of all metrics: those of the table in its order, then the custom namespaces'.
pub(super) fn profiles(spec: &WorldSpec) -> Arc<[Profile]> {
    let known = GROUPS.iter().flat_map(|group| {
        group.rows.iter().map(|row| Profile {
            namespace: group.kind.namespace().into(),
            metric: row.name.into(),
            unit: row.unit,
            shape: row.shape,
            resolution_seconds: group.resolution_seconds,
            delay_seconds: group.delay_seconds,
            lateness_seconds: group.delay_seconds / 4,
            presence_per_mille: row.presence_per_mille,
        })
    });
    let custom = spec.custom.iter().flat_map(|namespace| {
        namespace.metrics.iter().map(|metric| Profile {
            namespace: Arc::clone(&namespace.name),
            metric: Arc::clone(metric),
            unit: "None",
            shape: custom_shape(stable(spec.seed, metric)),
            resolution_seconds: 60,
            delay_seconds: 30,
            lateness_seconds: 10,
            presence_per_mille: 1000,
        })
    });
    known.chain(custom).collect()
}

fn custom_shape(seed: u64) -> Shape {
    match seed % 3 {
        0 => Shape::Gauge { low: 0.0, high: 100.0 },
        1 => Shape::Events { per_minute: 40.0 },
        _ => Shape::Timing { per_minute: 40.0, typical: 0.25 },
    }
}

/// All that the spec wants in one region of one account.
pub(super) fn place(
    spec: &WorldSpec,
    profiles: &[Profile],
    account: &Text,
    region: &Text,
    hasher: &DefaultHashBuilder,
) -> Place {
    let mut place = Place::empty(account, region, hasher);
    let mut builder = place.builder(spec, profiles);
    for (kind, count) in &spec.services {
        for index in 0..*count {
            resource(&mut builder, *kind, index, None);
        }
        if *kind == Kind::Lambda && *count > 0 {
            builder.region_metrics();
        }
    }
    let known: usize = GROUPS.iter().map(|group| group.rows.len()).sum();
    let mut first = known;
    for namespace in &spec.custom {
        builder.custom(namespace, first);
        first += namespace.metrics.len();
    }
    place.reindex(profiles);
    place
}

impl Place {
    pub(super) fn builder<'a>(&'a mut self, spec: &'a WorldSpec, profiles: &'a [Profile]) -> Builder<'a> {
        Builder { place: self, spec, profiles, seed: 0, resource: 0, resolution_seconds: None }
    }
}

/// Adds to a place; holds what the series that come next belong to.
pub(super) struct Builder<'a> {
    place: &'a mut Place,
    spec: &'a WorldSpec,
    profiles: &'a [Profile],
    seed: u64,
    resource: u32,
    resolution_seconds: Option<u32>,
}

/// Adds a resource with its series and returns its ARN.
pub(super) fn resource(b: &mut Builder<'_>, kind: Kind, index: usize, born: Option<Timestamp>) -> Text {
    let place = format!("{}/{}/{kind:?}/{index}", b.place.account, b.place.region);
    b.seed = stable(b.spec.seed, &place);
    let name = name(index);
    let (account, region) = (Text::clone(&b.place.account), Text::clone(&b.place.region));
    let aws = |service: &str, rest: &str| Text::from(format!("arn:aws:{service}:{region}:{account}:{rest}"));
    match kind {
        Kind::Ec2 => b.instance(&aws, &name, index, born),
        Kind::Lambda => {
            let arn = b.begin(aws("lambda", &format!("function:{name}")), "lambda:function", kind, index, born);
            b.series(Of::Function, &[("FunctionName", &name)]);
            arn
        }
        Kind::Sqs => {
            let arn = b.begin(aws("sqs", &name), "sqs:queue", kind, index, born);
            b.series(Of::Queue, &[("QueueName", &name)]);
            arn
        }
        Kind::Ecs => b.service(&aws, &name, index, born),
        Kind::ApiGateway => b.api(index, born),
        Kind::Alb => b.load_balancer(&aws, &name, index, born),
        Kind::Rds => {
            let arn = b.begin(aws("rds", &format!("db:{name}")), "rds:db", kind, index, born);
            b.series(Of::Database, &[("DBInstanceIdentifier", &name)]);
            arn
        }
        Kind::S3 => {
            let bucket = format!("{name}-{account}-{region}");
            let arn = b.begin(format!("arn:aws:s3:::{bucket}").into(), "s3:bucket", kind, index, born);
            b.series(Of::BucketSize, &[("StorageType", "StandardStorage"), ("BucketName", &bucket)]);
            b.series(Of::BucketObjects, &[("StorageType", "AllStorageTypes"), ("BucketName", &bucket)]);
            arn
        }
        Kind::DynamoDb => {
            let arn = b.begin(aws("dynamodb", &format!("table/{name}")), "dynamodb:table", kind, index, born);
            b.series(Of::Table, &[("TableName", &name)]);
            for operation in ["GetItem", "PutItem", "Query"] {
                b.series(Of::Operation, &[("TableName", &name), ("Operation", operation)]);
            }
            arn
        }
    }
}

impl Builder<'_> {
    fn instance(
        &mut self,
        aws: &dyn Fn(&str, &str) -> Text,
        name: &str,
        index: usize,
        born: Option<Timestamp>,
    ) -> Text {
        let id = format!("i-0{:016x}", derive(self.seed, 21));
        let arn = self.begin(aws("ec2", &format!("instance/{id}")), "ec2:instance", Kind::Ec2, index, born);
        let detailed = derive(self.seed, 22) % 100 < u64::from(self.spec.detailed_percent);
        self.resolution_seconds = Some(if detailed { 60 } else { 300 });
        self.tag("Name", &format!("{name}.internal"));
        self.series(Of::Instance, &[("InstanceId", &id)]);
        self.resolution_seconds = None;
        arn
    }

    fn service(&mut self, aws: &dyn Fn(&str, &str) -> Text, name: &str, index: usize, born: Option<Timestamp>) -> Text {
        let cluster = format!("cluster-{:03}", index / SERVICES_IN_CLUSTER);
        if index.is_multiple_of(SERVICES_IN_CLUSTER) {
            let arn = aws("ecs", &format!("cluster/{cluster}"));
            // Not of the kind that is counted: a spec's number is that of the services.
            self.begin_as(arn, "ecs:cluster", None, index, born);
            self.series(Of::Cluster, &[("ClusterName", &cluster)]);
        }
        let arn = aws("ecs", &format!("service/{cluster}/{name}"));
        let arn = self.begin(arn, "ecs:service", Kind::Ecs, index, born);
        self.series(Of::Service, &[("ServiceName", name), ("ClusterName", &cluster)]);
        arn
    }

    fn api(&mut self, index: usize, born: Option<Timestamp>) -> Text {
        let id: String = format!("{:013x}", derive(self.seed, 23)).chars().take(10).collect();
        let arn = format!("arn:aws:apigateway:{}::/apis/{id}", self.place.region);
        let arn = self.begin(arn.into(), "apigateway:apis", Kind::ApiGateway, index, born);
        self.series(Of::Api, &[("ApiId", &id)]);
        self.series(Of::Stage, &[("ApiId", &id), ("Stage", "$default")]);
        arn
    }

    fn load_balancer(
        &mut self,
        aws: &dyn Fn(&str, &str) -> Text,
        name: &str,
        index: usize,
        born: Option<Timestamp>,
    ) -> Text {
        let balancer = format!("app/{name}/{:016x}", derive(self.seed, 24));
        let target = format!("targetgroup/{name}/{:016x}", derive(self.seed, 25));
        let zone = format!("{}a", self.place.region);
        // The target group first: the series of the balancer itself then belong to the balancer.
        let group_arn = aws("elasticloadbalancing", &target);
        self.begin_as(group_arn, "elasticloadbalancing:targetgroup", None, index, born);
        self.series(Of::TargetGroup, &[("TargetGroup", &target), ("LoadBalancer", &balancer)]);
        let arn = aws("elasticloadbalancing", &format!("loadbalancer/{balancer}"));
        let arn = self.begin(arn, "elasticloadbalancing:loadbalancer/app", Kind::Alb, index, born);
        self.series(Of::LoadBalancer, &[("LoadBalancer", &balancer)]);
        self.series(Of::Zone, &[("AvailabilityZone", &zone), ("LoadBalancer", &balancer)]);
        arn
    }

    /// Lambda's metrics without dimensions.
    fn region_metrics(&mut self) {
        self.seed = stable(self.spec.seed, &format!("{}/{}/region", self.place.account, self.place.region));
        self.nameless();
        self.series(Of::Region, &[]);
    }

    fn custom(&mut self, namespace: &CustomNamespace, first_profile: usize) {
        for index in 0..namespace.count {
            let place = format!("{}/{}/{}/{index}", self.place.account, self.place.region, namespace.name);
            self.seed = stable(self.spec.seed, &place);
            self.nameless();
            let dimensions: Arc<[Dimension]> = namespace
                .dimensions
                .iter()
                .map(|dimension| Dimension {
                    name: Arc::clone(dimension),
                    value: format!("{}-{index:04}", dimension.to_lowercase()).into(),
                })
                .collect();
            self.push(first_profile..first_profile + namespace.metrics.len(), &dimensions);
        }
    }

    /// Something that has metrics and no ARN.
    fn nameless(&mut self) {
        self.begin_as(Text::from(""), "", None, 0, None);
        if let Some(resource) = self.place.resources.last_mut() {
            resource.tags.clear();
        }
    }

    fn begin(
        &mut self,
        arn: Text,
        resource_type: &'static str,
        kind: Kind,
        index: usize,
        born: Option<Timestamp>,
    ) -> Text {
        self.begin_as(arn, resource_type, Some(kind), index, born)
    }

    /// Adds the resource to which the next series belong.
    fn begin_as(
        &mut self,
        arn: Text,
        resource_type: &'static str,
        kind: Option<Kind>,
        index: usize,
        born: Option<Timestamp>,
    ) -> Text {
        self.resource = u32::try_from(self.place.resources.len()).unwrap_or(u32::MAX);
        let tags = self.tags(index);
        let seed = self.seed;
        self.place.resources.push(Resource {
            arn: Arc::clone(&arn),
            resource_type,
            tags,
            born,
            gone: None,
            quiet: None,
            kind,
            seed,
        });
        arn
    }

    fn tags(&self, index: usize) -> Vec<Tag> {
        if derive(self.seed, 31) % 100 < u64::from(self.spec.untagged_percent) {
            return Vec::new();
        }
        let tag = |key: &str, value: &str| Tag { key: key.into(), value: value.into() };
        let mut tags = vec![
            tag("Name", &name(index)),
            tag("env", pick(&ENVIRONMENTS, derive(self.seed, 32))),
            tag("team", pick(&TEAMS, derive(self.seed, 33))),
        ];
        if self.spec.awkward_tags && index.is_multiple_of(AWKWARD_EVERY) {
            tags.push(tag("note", pick(&AWKWARD, derive(self.seed, 34))));
            tags.push(tag("Kosten stelle/№", "4711"));
            tags.push(tag("empty", ""));
        }
        tags
    }

    /// Replaces a tag of the resource, when it has tags.
    fn tag(&mut self, key: &str, value: &str) {
        let tags = self.place.resources.last_mut().map(|resource| &mut resource.tags);
        if let Some(tag) = tags.and_then(|tags| tags.iter_mut().find(|tag| &*tag.key == key)) {
            tag.value = value.into();
        }
    }

    /// The series of a group of the table with these dimensions.
    fn series(&mut self, of: Of, dimensions: &[(&str, &str)]) {
        let mut first = 0;
        for group in &GROUPS {
            if group.of == of {
                let dimension = |(n, v): &(&str, &str)| Dimension { name: (*n).into(), value: (*v).into() };
                let dimensions: Arc<[Dimension]> = dimensions.iter().map(dimension).collect();
                return self.push(first..first + group.rows.len(), &dimensions);
            }
            first += group.rows.len();
        }
    }

    fn push(&mut self, profiles: std::ops::Range<usize>, dimensions: &Arc<[Dimension]>) {
        let parts = dimensions.iter().fold(self.seed, |seed, d| stable(seed, &d.value));
        for index in profiles {
            let Some(profile) = self.profiles.get(index) else { continue };
            self.place.series.push(Series {
                profile: u32::try_from(index).unwrap_or(u32::MAX),
                resource: self.resource,
                resolution_seconds: self.resolution_seconds.unwrap_or(profile.resolution_seconds),
                dimensions: Arc::clone(dimensions),
                seed: derive(parts, u64::try_from(index).unwrap_or(0) + 100),
            });
        }
    }
}

/// `checkout-0003`.
fn name(index: usize) -> String {
    format!("{}-{index:04}", pick(&APPS, u64::try_from(index).unwrap_or(0)))
}

fn pick<'a>(from: &[&'a str], n: u64) -> &'a str {
    let length = u64::try_from(from.len()).unwrap_or(1).max(1);
    usize::try_from(n % length).ok().and_then(|i| from.get(i)).copied().unwrap_or_default()
}

/// A hash that is the same in every process (the map's is not).
fn stable(seed: u64, text: &str) -> u64 {
    text.bytes().fold(mix(seed ^ 0x51_7c_c1_b7_27_22_0a_95), |h, byte| mix(h ^ u64::from(byte)))
}
