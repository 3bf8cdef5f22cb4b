//! What a walk says: the steps that were good, and the first one that was not, with its cause and its fix.

use std::fmt;

use crate::seam::{Failure, Reason};

/// Why a metric is missing. The names are stable: scripts may compare them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// It is called otherwise.
    Name,
    /// No job is about its namespace or prefix.
    NoJob,
    /// The job of its namespace does not name it.
    NotNamed,
    /// The job does not want that statistic.
    Statistic,
    /// No job runs in that region, account or project.
    Place,
    /// No series has a label of that name.
    LabelName,
    /// No series has that value of the label.
    LabelValue,
    /// There are no credentials, or they are not accepted any more.
    Credentials,
    /// The role cannot be assumed.
    Role,
    /// The credentials may not make this call.
    Permission,
    /// The cloud cannot be reached, or answers too late.
    Network,
    /// The cloud asks us to slow down.
    Throttled,
    /// The cloud fails.
    CloudFails,
    /// The cloud finds the request wrong.
    Request,
    /// The walk would cost more than it may.
    Price,
    /// It is in another region.
    Region,
    /// The cloud knows a metric of a similar name.
    MetricName,
    /// The cloud knows nothing in this namespace.
    Namespace,
    /// A linked account has it.
    LinkedAccount,
    /// Nothing has published it, as far as the cloud lists.
    NeverPublished,
    /// `recentlyActiveOnly` leaves it out.
    RecentlyActive,
    /// `dimensionNameRequirements` leaves it out.
    DimensionNames,
    /// `dimensionFilters` leave it out.
    DimensionFilter,
    /// The tagging API does not know the resource.
    Untagged,
    /// `searchTags` leave it out.
    SearchTags,
    /// `maxSeries` leaves it out.
    MaxSeries,
    /// Points come more seldom than the window is wide.
    Length,
    /// The newest point is older than the window, since it comes late.
    Late,
    /// Nothing was published for a long time.
    Stopped,
    /// There are points, but not of this statistic.
    NoSuchStatistic,
    /// Listed, but without any data.
    NoData,
    /// The job's filters leave it out.
    Filter,
}

impl Cause {
    /// The name for scripts.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::NoJob => "no_job",
            Self::NotNamed => "not_named",
            Self::Statistic => "statistic",
            Self::Place => "place",
            Self::LabelName => "label_name",
            Self::LabelValue => "label_value",
            Self::Credentials => "credentials",
            Self::Role => "role",
            Self::Permission => "permission",
            Self::Network => "network",
            Self::Throttled => "throttled",
            Self::CloudFails => "cloud_fails",
            Self::Request => "request",
            Self::Price => "price",
            Self::Region => "region",
            Self::MetricName => "metric_name",
            Self::Namespace => "namespace",
            Self::LinkedAccount => "linked_account",
            Self::NeverPublished => "never_published",
            Self::RecentlyActive => "recently_active",
            Self::DimensionNames => "dimension_names",
            Self::DimensionFilter => "dimension_filter",
            Self::Untagged => "untagged",
            Self::SearchTags => "search_tags",
            Self::MaxSeries => "max_series",
            Self::Length => "length",
            Self::Late => "late",
            Self::Stopped => "stopped",
            Self::NoSuchStatistic => "no_such_statistic",
            Self::NoData => "no_data",
            Self::Filter => "filter",
        }
    }
}

/// Why a step is not good, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The class.
    pub cause: Cause,
    /// Which step: `listing`.
    pub step: &'static str,
    /// What was found.
    pub why: String,
    /// What to do about it.
    pub fix: String,
}

impl Verdict {
    /// All four.
    pub fn new(cause: Cause, step: &'static str, why: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { cause, step, why: why.into(), fix: fix.into() }
    }

    /// A call that failed. `permission`: what the call needs.
    pub fn of_failure(step: &'static str, failure: &Failure, is_role: bool, permission: &str) -> Self {
        let granted = format!("grant {permission} (raingauge check --iam prints the whole policy)");
        let advice = failure.reason.advice().to_owned();
        let (cause, fix) = match failure.reason {
            Reason::AccessDenied if is_role => {
                (Cause::Role, "let the role's trust policy name these credentials (and its external id), and grant them sts:AssumeRole".to_owned())
            }
            Reason::AccessDenied | Reason::Forbidden => (Cause::Permission, granted),
            Reason::ExpiredCredentials => {
                (Cause::Credentials, format!("{advice}; in a region that the account has not enabled, they look like that too"))
            }
            Reason::NoCredentials => (Cause::Credentials, advice),
            Reason::Timeout | Reason::Network | Reason::BadAnswer => (Cause::Network, advice),
            Reason::Throttled => (Cause::Throttled, advice),
            Reason::InvalidRequest => (Cause::Request, advice),
            Reason::LimitReached => (Cause::Price, "give labels, so that fewer metrics are asked about, or --yes to pay more".to_owned()),
            Reason::ServerError | Reason::PartialData | Reason::InternalError | Reason::Unreadable | Reason::Panic => {
                (Cause::CloudFails, advice)
            }
        };
        Self::new(cause, step, format!("failed to {failure}"), fix)
    }
}

/// What a walk through one place found.
#[derive(Clone, Debug)]
pub struct Walk {
    /// Which job, where, as whom.
    pub place: String,
    /// The steps that were good, with what was found.
    pub passed: Vec<(&'static str, String)>,
    /// The series' value, or why there is none.
    pub end: Result<String, Verdict>,
}

impl Walk {
    /// Whether the metric is there.
    pub fn is_good(&self) -> bool {
        self.end.is_ok()
    }
}

impl fmt::Display for Walk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.place)?;
        for (step, found) in &self.passed {
            writeln!(f, "  ok    {step:<14} {found}")?;
        }
        match &self.end {
            Ok(value) => writeln!(f, "  ok    {:<14} {value}", "exposition"),
            Err(Verdict { cause, step, why, fix }) => {
                writeln!(f, "  FAIL  {step:<14} {why}")?;
                writeln!(f, "        cause          {}", cause.as_str())?;
                writeln!(f, "        fix            {fix}")
            }
        }
    }
}
