//! What a simulated cloud looks like: how many of what, where, and how strict it is. Values only; `world` builds from it.
//!
//! Deliberately absent: any way to reach a simulation by leaving a setting out. A spec is only made by code or by the
//! `sim` and `demo` commands, and its account ids start with `000000000`, which AWS never gave to anybody.

use std::time::Duration;

use crate::model::Text;
use crate::sim::google::GoogleSpec;
use crate::sim::quota::QuotaSpec;

/// A service with resources, tags and metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// EC2 instances.
    Ec2,
    /// Lambda functions.
    Lambda,
    /// SQS queues.
    Sqs,
    /// ECS services; every fourth one opens a new cluster.
    Ecs,
    /// API Gateway HTTP APIs with one stage.
    ApiGateway,
    /// Application load balancers with one target group each.
    Alb,
    /// RDS instances.
    Rds,
    /// S3 buckets, with daily storage metrics.
    S3,
    /// DynamoDB tables.
    DynamoDb,
}

impl Kind {
    /// Every service.
    pub const ALL: [Self; 9] = [
        Self::Ec2,
        Self::Lambda,
        Self::Sqs,
        Self::Ecs,
        Self::ApiGateway,
        Self::Alb,
        Self::Rds,
        Self::S3,
        Self::DynamoDb,
    ];

    /// The CloudWatch namespace.
    pub const fn namespace(self) -> &'static str {
        match self {
            Self::Ec2 => "AWS/EC2",
            Self::Lambda => "AWS/Lambda",
            Self::Sqs => "AWS/SQS",
            Self::Ecs => "AWS/ECS",
            Self::ApiGateway => "AWS/ApiGateway",
            Self::Alb => "AWS/ApplicationELB",
            Self::Rds => "AWS/RDS",
            Self::S3 => "AWS/S3",
            Self::DynamoDb => "AWS/DynamoDB",
        }
    }
}

/// An account of the simulated cloud.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountSpec {
    /// Twelve digits that AWS does not give out.
    pub id: Text,
    /// What `iam:ListAccountAliases` answers.
    pub alias: Option<Text>,
    /// When set, `sts:AssumeRole` into this account must bring it.
    pub external_id: Option<Text>,
}

/// A namespace that some application of ours writes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomNamespace {
    /// Its name; must not start with `AWS/`.
    pub name: Text,
    /// Its metrics.
    pub metrics: Vec<Text>,
    /// The names of the dimensions of each series; values are made up.
    pub dimensions: Vec<Text>,
    /// How many dimension sets there are in each region.
    pub count: usize,
}

/// How long pages are at most. AWS's own numbers by default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageSizes {
    /// Metrics in a page of ListMetrics.
    pub list_metrics: usize,
    /// Data points in a page of GetMetricData.
    pub data_points: usize,
    /// Resources in a page of GetResources, also when the caller asks for more.
    pub resources: usize,
}

impl Default for PageSizes {
    fn default() -> Self {
        Self { list_metrics: 500, data_points: 100_800, resources: 100 }
    }
}

/// A whole cloud. Equal specs give equal clouds, to the last bit of every value.
#[derive(Clone, Debug)]
pub struct WorldSpec {
    /// Decides every id, tag and value.
    pub seed: u64,
    /// At least one; the first is the caller's own, the others are reached by AssumeRole.
    pub accounts: Vec<AccountSpec>,
    /// Monitoring account and source account, each an id: the first reads the metrics of the second (CloudWatch cross-account
    /// observability).
    pub links: Vec<(Text, Text)>,
    /// Regions with resources, which are those that the accounts have enabled. Other regions exist and are empty.
    pub regions: Vec<Text>,
    /// Resources of a service in each account and region.
    pub services: Vec<(Kind, usize)>,
    /// Custom namespaces.
    pub custom: Vec<CustomNamespace>,
    /// Every seventh resource has tags with quotes, newlines, backslashes, other scripts and empty values.
    pub awkward_tags: bool,
    /// How many of a hundred resources have no tags (and so are unknown to the tagging API).
    pub untagged_percent: u8,
    /// How many of a hundred EC2 instances have detailed (one-minute) monitoring.
    pub detailed_percent: u8,
    /// Scales the publish delay of every metric; 0: a point is there as soon as its period is over.
    pub publish_delay_percent: u32,
    /// How long a new resource's metrics are missing from ListMetrics (up to 15 minutes in AWS).
    pub listing_delay: Duration,
    /// Page sizes.
    pub pages: PageSizes,
    /// Requests per second before the cloud throttles.
    pub quotas: QuotaSpec,
    /// How long the credentials of an assumed role are good for, when the caller does not say.
    pub session: Duration,
    /// The Google half.
    pub google: GoogleSpec,
}

impl WorldSpec {
    /// An empty world: one account, one region, AWS's limits.
    pub fn empty() -> Self {
        Self {
            seed: 1,
            accounts: vec![account(0, "raingauge-sim")],
            links: Vec::new(),
            regions: vec!["eu-west-1".into()],
            services: Vec::new(),
            custom: Vec::new(),
            awkward_tags: false,
            untagged_percent: 0,
            detailed_percent: 25,
            publish_delay_percent: 100,
            listing_delay: Duration::ZERO,
            pages: PageSizes::default(),
            quotas: QuotaSpec::aws(),
            session: Duration::from_hours(1),
            google: GoogleSpec::default(),
        }
    }

    /// A few of everything in two regions and two accounts: the demo.
    pub fn demo() -> Self {
        let mut spec = Self::empty();
        spec.accounts.push(account(1, "raingauge-sim-staging"));
        spec.links.push(("000000000000".into(), "000000000001".into()));
        spec.regions.push("us-east-1".into());
        spec.services = Kind::ALL.iter().map(|kind| (*kind, 6)).collect();
        spec.custom = vec![CustomNamespace {
            name: "Shop/Checkout".into(),
            metrics: vec!["OrdersPlaced".into(), "PaymentLatency".into(), "CartSize".into()],
            dimensions: vec!["Service".into(), "Shop".into()],
            count: 4,
        }];
        spec.google = GoogleSpec::demo();
        spec.awkward_tags = true;
        spec.untagged_percent = 5;
        // The demo's clock may run fast, while SDKs renew credentials by the machine's: let them outlive every demo.
        spec.session = Duration::from_hours(24 * 365);
        spec
    }

    /// With so many accounts in all; the first is the one that any key belongs to.
    #[must_use]
    pub fn with_accounts(mut self, count: u32) -> Self {
        self.accounts.truncate(usize::try_from(count).unwrap_or(usize::MAX));
        let known = u32::try_from(self.accounts.len()).unwrap_or(u32::MAX);
        self.accounts.extend((known..count).map(|n| account(n, &format!("raingauge-sim-{n}"))));
        let ids: Vec<Text> = self.accounts.iter().map(|account| Text::clone(&account.id)).collect();
        self.links.retain(|(monitoring, source)| ids.contains(monitoring) && ids.contains(source));
        self
    }

    /// With so many resources of a service in each account and region.
    #[must_use]
    pub fn with(mut self, kind: Kind, count: usize) -> Self {
        self.services.retain(|(k, _)| *k != kind);
        self.services.push((kind, count));
        self
    }
}

fn account(n: u32, alias: &str) -> AccountSpec {
    AccountSpec { id: format!("{n:012}").into(), alias: Some(alias.into()), external_id: None }
}
