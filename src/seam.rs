//! The seams between the clouds and the engine: what a worker drives ([`Source`]), what comes back ([`Outcome`]), why
//! something failed ([`Reason`], a closed set), and whom a call asks before it is made ([`Gate`]).
//!
//! Clouds see neither clock, store nor self-metrics: time is an argument, and what they did comes back as values.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::model::{Now, Snapshot, Text, Timestamp};

/// Why something failed. The names are the label values of `raingauge_job_failures_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// The API asked us to slow down, also after all retries.
    Throttled,
    /// The credentials are good but not allowed to do this.
    AccessDenied,
    /// The credentials have expired or are not accepted.
    ExpiredCredentials,
    /// No credentials were found.
    NoCredentials,
    /// The API says that the request is wrong.
    InvalidRequest,
    /// The API failed (5xx).
    ServerError,
    /// No answer in time.
    Timeout,
    /// No connection.
    Network,
    /// An answer that cannot be understood.
    BadAnswer,
    /// A result was marked as incomplete, without the rest ever coming.
    PartialData,
    /// A result was marked as failed inside the API.
    InternalError,
    /// A result was marked as forbidden.
    Forbidden,
    /// One of our own limits was reached (pages, series).
    LimitReached,
    /// A file of this machine cannot be read, or the kernel does not answer.
    Unreadable,
    /// A bug of ours: the worker panicked and was restarted.
    Panic,
}

impl Reason {
    /// Every reason, for tables and tests.
    pub const ALL: [Self; 15] = [
        Self::Throttled,
        Self::AccessDenied,
        Self::ExpiredCredentials,
        Self::NoCredentials,
        Self::InvalidRequest,
        Self::ServerError,
        Self::Timeout,
        Self::Network,
        Self::BadAnswer,
        Self::PartialData,
        Self::InternalError,
        Self::Forbidden,
        Self::LimitReached,
        Self::Unreadable,
        Self::Panic,
    ];

    /// The label value.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Throttled => "throttled",
            Self::AccessDenied => "access_denied",
            Self::ExpiredCredentials => "expired_credentials",
            Self::NoCredentials => "no_credentials",
            Self::InvalidRequest => "invalid_request",
            Self::ServerError => "server_error",
            Self::Timeout => "timeout",
            Self::Network => "network",
            Self::BadAnswer => "bad_answer",
            Self::PartialData => "partial_data",
            Self::InternalError => "internal_error",
            Self::Forbidden => "forbidden",
            Self::LimitReached => "limit_reached",
            Self::Unreadable => "unreadable",
            Self::Panic => "panic",
        }
    }

    /// Whether trying again soon can help.
    pub const fn is_transient(self) -> bool {
        matches!(self, Self::Throttled | Self::ServerError | Self::Timeout | Self::Network | Self::BadAnswer)
    }

    /// What the reader of the error can do about it.
    pub const fn advice(self) -> &'static str {
        match self {
            Self::Throttled => "lengthen the job's interval or ask the cloud for a higher quota",
            Self::AccessDenied => "grant the permission (iam/ has policies and roles) or use another role",
            Self::ExpiredCredentials => "renew the credentials",
            Self::NoCredentials => {
                "AWS: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or attach a role; \
                 Google: set GOOGLE_APPLICATION_CREDENTIALS, or attach a service account"
            }
            Self::InvalidRequest => {
                "check the job's namespace, metric names, statistics and period (Google: prefixes, filters, aggregation)"
            }
            Self::ServerError | Self::InternalError => "nothing: it is tried again",
            Self::Timeout | Self::Network => {
                "check the network, HTTPS_PROXY and the endpoint (AWS_ENDPOINT_URL; Google: endpoint)"
            }
            Self::BadAnswer => "check the endpoint (AWS_ENDPOINT_URL; Google: endpoint): does it speak this API?",
            Self::PartialData => "nothing: it is asked again at the next interval",
            Self::Forbidden => "allow cloudwatch:GetMetricData for this namespace or account",
            Self::LimitReached => "narrow the job (searchTags, dimensionNameRequirements; Google: prefixes, filters)",
            Self::Unreadable => "check HOST_PROC and HOST_SYS, and what this process may read",
            Self::Panic => "please report it with the log",
        }
    }
}

/// Something that failed, for the log, the status page and a counter. Display reads after "failed to".
#[derive(Clone, Debug, thiserror::Error)]
#[error("{doing}: {message}")]
pub struct Failure {
    /// The class.
    pub reason: Reason,
    /// What we tried, on what: `list metrics of AWS/EC2 in eu-west-1`.
    pub doing: String,
    /// Why it failed, as the cloud says; no secrets, no bodies.
    pub message: String,
}

/// How many metrics a call asked for, under both readings of the price list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MetricsRequested {
    /// Every statistic is billed as a metric.
    pub per_statistic: u64,
    /// Up to five statistics of one metric in one request are billed as one.
    pub per_block_of_five: u64,
}

/// One logical API call (a page), however often the SDK tried it.
#[derive(Clone, Debug)]
pub struct Call {
    /// The API, as in IAM: `cloudwatch`, `tag`, `sts`, `iam`.
    pub service: &'static str,
    /// The operation: `GetMetricData`.
    pub operation: &'static str,
    /// Where.
    pub region: Text,
    /// The account's id; empty while it is not known.
    pub account: Text,
    /// How often the SDK tried, at least 1.
    pub attempts: u32,
    /// How many of the attempts were throttled.
    pub throttles: u32,
    /// From the first attempt to the last answer, without waiting for the budget.
    pub duration: Duration,
    /// `None` when the call succeeded.
    pub failed: Option<Reason>,
    /// For calls that are billed by metric.
    pub metrics: MetricsRequested,
    /// For calls that are billed by what they return: time series, on all of the call's attempts that brought an answer.
    pub series_returned: u64,
    /// It failed, and the same page is asked for again: what comes of that counts.
    pub superseded: bool,
}

/// Why a time series of an answer is not shown. The names are label values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Unshown {
    /// It is no object, or has no metric.
    NoMetric,
    /// It has no monitored resource.
    NoResource,
    /// Its metric's type is empty, or makes no name.
    NoName,
    /// It has no point, or none after 1970.
    NoPoints,
    /// A point without an interval, or with one that is no time.
    NoTime,
    /// A point without a value of the series' type.
    NoValue,
    /// A distribution without bucket options.
    NoBuckets,
    /// A label without a name, or with one that Prometheus keeps to itself.
    ReservedLabel,
}

impl Unshown {
    /// Every one, for tables.
    pub const ALL: [Self; 8] = [
        Self::NoMetric,
        Self::NoResource,
        Self::NoName,
        Self::NoPoints,
        Self::NoTime,
        Self::NoValue,
        Self::NoBuckets,
        Self::ReservedLabel,
    ];

    /// The label value.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoMetric => "no_metric",
            Self::NoResource => "no_resource",
            Self::NoName => "no_name",
            Self::NoPoints => "no_points",
            Self::NoTime => "no_time",
            Self::NoValue => "no_value",
            Self::NoBuckets => "no_buckets",
            Self::ReservedLabel => "reserved_label",
        }
    }
}

/// How many series are not shown, for each reason.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unshowns(BTreeMap<Unshown, u64>);

impl Unshowns {
    /// One more.
    pub fn count(&mut self, why: Unshown) {
        *self.0.entry(why).or_default() += 1;
    }

    /// All of those too.
    pub fn add(&mut self, other: &Self) {
        for (why, n) in &other.0 {
            *self.0.entry(*why).or_default() += n;
        }
    }

    /// Each reason that occurred, with its number.
    pub fn iter(&self) -> impl Iterator<Item = (Unshown, u64)> {
        self.0.iter().map(|(why, n)| (*why, *n))
    }
}

/// What came of one collection.
#[derive(Debug, Default)]
pub struct Outcome {
    /// What to show from now on. `None` changes nothing: old values go on until they are stale.
    pub snapshot: Option<Snapshot>,
    /// The calls that were made.
    pub calls: Vec<Call>,
    /// What failed. A collection with failures is not a success, even when it brought something.
    pub failures: Vec<Failure>,
    /// What a discovery found, for the status page; `None` in a fetch.
    pub resources: Option<usize>,
    /// Series of the answers that are not shown.
    pub unshown: Unshowns,
    /// Wall time at which there will be something to do again; `None`: after the worker's interval, as always.
    pub next_due: Option<Timestamp>,
    /// What a discovery left out because of an upper bound; `None` in a fetch, and when it found nothing out.
    pub left_out: Option<LeftOut>,
}

/// Series that are not exported because the job has more than it may.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// How many.
    pub series: usize,
    /// How many the job may have.
    pub limit: usize,
    /// Of which metrics, for people.
    pub what: String,
}

/// A document that outlives the process and belongs to one source.
pub trait Keeper: Send + Sync {
    /// What was kept last; `None` when there is nothing, or nothing that can be read.
    fn load(&self) -> Option<Vec<u8>>;

    /// Keeps in its place what this makes. Making and keeping may take a while: nobody else is held up by it.
    fn keep(&self, content: &dyn Fn() -> Vec<u8>);
}

/// Takes what a run has brought before its end.
pub type Progress<'a> = &'a mut (dyn FnMut(Outcome) + Send);

/// Something that can be collected again and again: a discovery, a fetch, the host.
pub trait Source: Send {
    /// Waits until collecting makes sense (a fetch waits for its first inventory).
    fn ready(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }

    /// Collects once. What is there before the end may be given to `progress`; the outcome is then only what came after.
    /// Dropping the future in the middle must leave the source usable.
    fn collect<'a>(&'a mut self, now: Now, progress: Progress<'a>) -> BoxFuture<'a, Outcome>;
}

/// The quota that a call draws on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct QuotaKey {
    /// The account's id, or the role when the id is not known yet.
    pub account: Text,
    /// The region.
    pub region: Text,
    /// The operation.
    pub operation: &'static str,
}

/// Who goes first where calls wait for the same quota.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Priority {
    /// After the others, but never not at all.
    Low,
    /// As everybody.
    #[default]
    Normal,
    /// Before the others.
    High,
}

impl Priority {
    /// Every priority, the least urgent first.
    pub const ALL: [Self; 3] = [Self::Low, Self::Normal, Self::High];

    /// As a configuration file spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Normal => "normal",
            Self::High => "high",
        }
    }
}

/// On whose behalf a call is made. Calls of one asker wait behind each other; different askers take turns.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Asker {
    /// Unique: one job in one place.
    pub name: Text,
    /// Before whom.
    pub priority: Priority,
}

/// Asked before every call: waits until the quota allows it, and learns from throttling.
pub trait Gate: Send + Sync {
    /// Waits for a permit. Held while the call runs; tell [`Permit::throttled`] what came back.
    fn admit<'a>(&'a self, key: &'a QuotaKey, asker: &'a Asker) -> BoxFuture<'a, Box<dyn Permit>>;
}

/// The permission for one call; dropping it gives back its place among the calls in flight.
pub trait Permit: Send {
    /// The API throttled (or did not throttle) the call.
    fn throttled(&self, yes: bool);

    /// Gives back the place among the calls in flight before the call has ended: a call that hangs must not keep others
    /// from being made.
    fn leave(&mut self);
}
