//! What raingauge says about itself: every self-metric (name, unit, help) and the set-up of the log.
//!
//! The parts of the program hand over values ([`Call`]s, [`Failure`]s); only this module knows what they are called on the
//! page. A labelled series exists from the first time that something is counted in it, until its job is retired.
//!
//! Deliberately absent: deciding anything, logging, the HTTP side.

pub mod log;
pub mod metrics;
pub mod price;
mod process;
mod push;
mod stackdriver;
mod text;
pub mod totals;
mod yace;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use self::metrics::{Metrics, fraction_of};
use self::price::Price;
use self::stackdriver::StackdriverCounters;
use self::totals::{History, Operation, Spent, Totals};
use self::yace::YaceCounters;
use crate::model::{Now, Text, Timestamp};
use crate::seam::{Call, Failure, MetricsRequested, Reason, Unshown, Unshowns};

/// The text formats in which the self-metrics can be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Format {
    /// Prometheus' text format 0.0.4.
    Text,
    /// OpenMetrics 1.0; ends with `# EOF`.
    OpenMetrics,
}

/// What a [`Telemetry`] is made of.
#[derive(Clone, Debug)]
pub struct TelemetrySettings {
    /// The program's version, for `raingauge_build_info`.
    pub version: &'static str,
    /// When the program started.
    pub started: Timestamp,
    /// Whether YACE's own counters are shown too.
    pub yace: bool,
    /// What calls cost; calls that are not listed are free.
    pub prices: Vec<Price>,
}

/// Names a job in one place.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct JobLabels {
    /// The job's name.
    pub job: Text,
    /// The region.
    pub region: Text,
    /// The account's id or, while it is not known, the role; empty: the process's own.
    pub account: Text,
}

/// The two kinds of run of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RunKind {
    /// Tags and listings.
    Discover,
    /// Values.
    Fetch,
}

impl RunKind {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Discover, Self::Fetch];

    /// The label value.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Discover => "discover",
            Self::Fetch => "fetch",
        }
    }
}

/// What had to be left out or bent so that a page is valid. Counted once for each state of the store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PageOffences {
    /// Samples of a series that another sample of the same second had already.
    pub duplicate_samples: u64,
    /// Families that share their name with another one after escaping, or differ from it in kind.
    pub collapsed_families: u64,
    /// Labels whose name no page may carry.
    pub dropped_labels: u64,
    /// Families whose name no page may carry, or which belongs to raingauge itself.
    pub dropped_families: u64,
}

/// The variant of a page, as label values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PageLabels {
    /// `text` or `openmetrics`.
    pub format: &'static str,
    /// `underscores`, `allow-utf-8`, `values` or `dots`.
    pub escaping: &'static str,
    /// `identity` or `gzip`.
    pub encoding: &'static str,
}

/// Which self-metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    /// All of them.
    All,
    /// Those that stackdriver_exporter puts beside the cloud's metrics.
    Beside,
    /// All others.
    Apart,
}

/// Why a request got no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No user, or not the right password.
    Unauthorized,
    /// More requests than the rate allows.
    TooMany,
    /// Its line, its headers or its body are too long.
    TooLarge,
    /// It is not HTTP/1.
    Malformed,
}

/// Why a connection was closed before it had served its purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closing {
    /// Nothing ever came.
    Silent,
    /// A request, or TLS's handshake, took too long to come.
    SlowRequest,
    /// An answer took too long to be read.
    SlowReader,
    /// Another connection needed the place.
    Displaced,
    /// There was no agreement on TLS, or no good certificate.
    Tls,
}

/// All self-metrics. Shared by `Arc`; every method may be called from anywhere.
pub struct Telemetry {
    metrics: Metrics,
    yace: Option<YaceCounters>,
    stackdriver: Option<StackdriverCounters>,
    prices: Vec<Price>,
    totals: Mutex<Totals>,
    /// The ages at which a page shows jobs are computed from these when the page is written.
    /// Steady time: a step of the clock is no age.
    fresh_at: Mutex<BTreeMap<(JobLabels, RunKind), Timestamp>>,
    /// When the next run begins.
    next_at: Mutex<BTreeMap<(JobLabels, RunKind), Timestamp>>,
    process_started_seconds: Option<f64>,
}

impl Telemetry {
    /// Nothing is counted yet.
    pub fn new(settings: TelemetrySettings) -> Self {
        let metrics = Metrics::new();
        metrics.build_info.get_or_create(&[("version", settings.version.into())]).set(1);
        metrics.start_time.set(seconds(settings.started));
        Self {
            metrics,
            yace: settings.yace.then(YaceCounters::default),
            stackdriver: None,
            prices: settings.prices,
            totals: Mutex::default(),
            fresh_at: Mutex::default(),
            next_at: Mutex::default(),
            process_started_seconds: process::started_seconds(),
        }
    }

    /// Shows stackdriver_exporter's own metrics, too.
    #[must_use]
    pub fn beside_stackdriver(self) -> Self {
        Self { stackdriver: Some(StackdriverCounters::default()), ..self }
    }

    /// Whether stackdriver_exporter's own metrics are shown.
    pub fn is_beside_stackdriver(&self) -> bool {
        self.stackdriver.is_some()
    }

    /// Counts finished calls.
    pub fn record_calls(&self, calls: &[Call]) {
        for call in calls {
            self.record_call(call);
            if let Some(yace) = &self.yace {
                yace.record(call);
            }
            if let Some(stackdriver) = &self.stackdriver {
                stackdriver.record(call);
            }
        }
    }

    fn record_call(&self, call: &Call) {
        let m = &self.metrics;
        let labels = || {
            let (region, account) = (Text::clone(&call.region), Text::clone(&call.account));
            [
                ("service", call.service.into()),
                ("operation", call.operation.into()),
                ("region", region),
                ("account", account),
            ]
        };
        m.api_calls.get_or_create(&labels()).inc();
        if call.attempts > 1 {
            m.api_retries.get_or_create(&labels()).inc_by(u64::from(call.attempts - 1));
        }
        if call.throttles > 0 {
            m.api_throttles.get_or_create(&labels()).inc_by(u64::from(call.throttles));
        }
        if let Some(reason) = call.failed {
            let [service, operation, region, account] = labels();
            let labels = [service, operation, region, account, ("reason", reason.as_str().into())];
            m.api_failures.get_or_create(&labels).inc();
        }
        m.api_duration.0.get_or_create(&[("operation", call.operation.into())]).observe(call.duration.as_secs_f64());
        // A refused request is not billed.
        let cost = if call.failed.is_none() { self.record_cost(call) } else { None };
        lock(&self.totals).call(call, cost);
    }

    fn record_cost(&self, call: &Call) -> Option<price::Dollars> {
        let m = &self.metrics;
        let MetricsRequested { per_statistic, per_block_of_five } = call.metrics;
        for (reading, count) in [("per_statistic", per_statistic), ("per_block", per_block_of_five)] {
            if count > 0 {
                let labels = [
                    ("region", Text::clone(&call.region)),
                    ("account", Text::clone(&call.account)),
                    ("reading", reading.into()),
                ];
                m.requested.get_or_create(&labels).inc_by(count);
            }
        }
        if call.series_returned > 0 {
            let labels = [("region", Text::clone(&call.region)), ("account", Text::clone(&call.account))];
            m.series_returned.get_or_create(&labels).inc_by(call.series_returned);
        }
        let cost = price::of(call, &self.prices)?;
        for (reading, dollars) in [("per_statistic", cost.per_statistic), ("per_block", cost.per_block)] {
            let labels = [
                ("operation", call.operation.into()),
                ("region", Text::clone(&call.region)),
                ("account", Text::clone(&call.account)),
                ("reading", reading.into()),
            ];
            m.dollars.get_or_create(&labels).inc_by(dollars);
        }
        Some(cost)
    }

    /// What all calls so far cost, for the status page.
    pub fn spent(&self) -> Spent {
        lock(&self.totals).spent()
    }

    /// What each operation of a service did since the start, for the status page.
    pub fn operations(&self) -> Vec<(&'static str, &'static str, Operation)> {
        lock(&self.totals).operations()
    }

    /// The last hours, for the status page.
    pub fn history(&self) -> History {
        lock(&self.totals).history()
    }

    /// What the process takes of the machine's memory; `None` where there is no `/proc`.
    pub fn resident_memory_bytes(&self) -> Option<f64> {
        process::resident_bytes()
    }

    /// Time has passed: to be told every few seconds, with what there is.
    pub fn tick(&self, now: Now, series: usize, jobs: [(&'static str, usize); 3]) {
        let spent = {
            let mut totals = lock(&self.totals);
            totals.tick(now, series);
            totals.spent()
        };
        let m = &self.metrics;
        let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        m.series.set(count(series));
        for (state, n) in jobs {
            m.jobs.get_or_create(&[("state", state.into())]).set(count(n));
        }
        for (reading, today, month) in [
            ("per_statistic", spent.today.per_statistic, spent.month.map(|d| d.per_statistic)),
            ("per_block", spent.today.per_block, spent.month.map(|d| d.per_block)),
        ] {
            m.dollars_today.get_or_create(&[("reading", reading.into())]).set(today);
            if let Some(month) = month {
                m.dollars_a_month.get_or_create(&[("reading", reading.into())]).set(month);
            }
        }
    }

    /// When the job's next run begins, on the steady clock.
    pub fn next_run(&self, job: &JobLabels, kind: RunKind, at: Timestamp) {
        lock(&self.next_at).insert((job.clone(), kind), at);
    }

    /// Counts a finished run of a job. A run without failures is a success; `series` and `resources` are shown when they
    /// are known.
    #[expect(clippy::too_many_arguments, reason = "the facts of one run; a struct would only repeat their names")]
    pub fn record_run(
        &self,
        job: &JobLabels,
        kind: RunKind,
        took: Duration,
        failures: &[Failure],
        series: Option<usize>,
        resources: Option<usize>,
        now: Now,
    ) {
        let m = &self.metrics;
        let run = run_labels(job, kind);
        lock(&self.totals).failures(failures.len());
        m.job_runs.get_or_create(&run).inc();
        m.job_duration.get_or_create(&run).set(took.as_secs_f64());
        for failure in failures {
            m.job_failures.get_or_create(&failure_labels(job, kind, failure.reason)).inc();
        }
        if failures.is_empty() {
            m.job_last_success.get_or_create(&run).set(seconds(now.wall));
            lock(&self.fresh_at).insert((job.clone(), kind), now.steady);
        }
        if let Some(stackdriver) = self.stackdriver.as_ref().filter(|_| kind == RunKind::Fetch) {
            stackdriver.fetched(&job.account, !failures.is_empty(), took, now.wall);
        }
        for (family, count) in [(&m.job_series, series), (&m.job_resources, resources)] {
            if let Some(count) = count {
                family.get_or_create(&job_labels(job)).set(i64::try_from(count).unwrap_or(i64::MAX));
            }
        }
    }

    /// Counts series of answers that cannot be shown.
    pub fn unshown(&self, job: &JobLabels, unshown: &Unshowns) {
        for (why, n) in unshown.iter() {
            self.metrics.series_not_shown.get_or_create(&unshown_labels(job, why)).inc_by(n);
        }
    }

    /// How many series the upper bound of a job leaves out.
    pub fn left_out(&self, job: &JobLabels, series: usize) {
        self.metrics.job_left_out.get_or_create(&job_labels(job)).set(i64::try_from(series).unwrap_or(i64::MAX));
    }

    /// So many series are shown with values of an earlier process.
    pub fn recalled(&self, job: &JobLabels, series: usize) {
        self.metrics.job_series.get_or_create(&job_labels(job)).set(i64::try_from(series).unwrap_or(i64::MAX));
    }

    /// A run was due while the one before was still going on.
    pub fn overlap(&self, job: &JobLabels, kind: RunKind) {
        self.metrics.job_overlaps.get_or_create(&run_labels(job, kind)).inc();
    }

    /// A job begins: until its first success, it is as old as this.
    pub fn expect(&self, job: &JobLabels, now: Now) {
        let mut fresh_at = lock(&self.fresh_at);
        for kind in RunKind::ALL {
            fresh_at.entry((job.clone(), kind)).or_insert(now.steady);
        }
    }

    /// Forgets a job that the configuration no longer has.
    pub fn retire(&self, job: &JobLabels) {
        let m = &self.metrics;
        for kind in RunKind::ALL {
            lock(&self.fresh_at).remove(&(job.clone(), kind));
            lock(&self.next_at).remove(&(job.clone(), kind));
            let run = run_labels(job, kind);
            for family in [&m.job_last_success, &m.job_age, &m.job_duration, &m.job_next_run] {
                family.remove(&run);
            }
            m.job_runs.remove(&run);
            m.job_overlaps.remove(&run);
            for reason in Reason::ALL {
                m.job_failures.remove(&failure_labels(job, kind, reason));
            }
        }
        for why in Unshown::ALL {
            m.series_not_shown.remove(&unshown_labels(job, why));
        }
        m.job_series.remove(&job_labels(job));
        m.job_resources.remove(&job_labels(job));
        if let Some(stackdriver) = &self.stackdriver {
            stackdriver.retire(&job.account);
        }
        m.job_left_out.remove(&job_labels(job));
    }

    /// The configuration was loaded, at start or again, or could not be.
    pub fn reload(&self, ok: bool, now: Timestamp) {
        self.metrics.reload_ok.set(i64::from(ok));
        if ok {
            self.metrics.reload_time.set(seconds(now));
        }
    }

    /// Whether this process calls the clouds.
    pub fn leads(&self, leads: bool) {
        self.metrics.leader.set(i64::from(leads));
    }

    /// The lease could not be read, taken or renewed.
    pub fn lease_failed(&self, reason: &'static str) {
        self.metrics.lease_failures.get_or_create(&[("reason", reason.into())]).inc();
    }

    /// A request was refused.
    pub fn refused(&self, refusal: Refusal) {
        let reason = match refusal {
            Refusal::Unauthorized => "unauthorized",
            Refusal::TooMany => "rate_limited",
            Refusal::TooLarge => "too_large",
            Refusal::Malformed => "malformed",
        };
        self.metrics.http_refused.get_or_create(&[("reason", reason.into())]).inc();
    }

    /// A connection was closed.
    pub fn closed(&self, why: Closing) {
        let reason = match why {
            Closing::Silent => "silent",
            Closing::SlowRequest => "slow_request",
            Closing::SlowReader => "slow_reader",
            Closing::Displaced => "displaced",
            Closing::Tls => "tls",
        };
        self.metrics.http_closed.get_or_create(&[("reason", reason.into())]).inc();
    }

    /// So many connections are open now.
    pub fn connections(&self, open: usize) {
        self.metrics.http_connections.set(i64::try_from(open).unwrap_or(i64::MAX));
    }

    /// A variant of the page was rendered.
    pub fn page_rendered(&self, page: PageLabels, took: Duration) {
        let labels =
            [("format", page.format.into()), ("escaping", page.escaping.into()), ("encoding", page.encoding.into())];
        self.metrics.page_renders.get_or_create(&labels).inc();
        self.metrics.page_render_time.get_or_create(&labels).inc_by(took.as_secs_f64());
    }

    /// What a state of the store would have done wrong.
    pub fn page_offences(&self, offences: PageOffences) {
        let m = &self.metrics;
        m.duplicate_samples.inc_by(offences.duplicate_samples);
        m.collapsed_families.inc_by(offences.collapsed_families);
        m.dropped_labels.inc_by(offences.dropped_labels);
        m.dropped_families.inc_by(offences.dropped_families);
        if let Some(yace) = &self.yace {
            yace.duplicates(offences.duplicate_samples);
        }
    }

    /// A document of the state directory was not used; `reason` is one of a fixed set.
    pub fn state_ignored(&self, reason: &'static str) {
        self.metrics.state_ignored.get_or_create(&[("reason", reason.into())]).inc();
    }

    /// A document was written below the state directory, or could not be.
    pub fn state_written(&self, well: bool) {
        let counter = if well { &self.metrics.state_writes } else { &self.metrics.state_failed };
        counter.inc();
    }

    /// The self-metrics at `now` (steady): families in the order of their names. In OpenMetrics the text ends with `# EOF`.
    pub fn encode(&self, now: Timestamp, format: Format) -> String {
        self.encode_share(Share::All, now, format)
    }

    /// A part of the self-metrics, like [`Self::encode`].
    pub fn encode_share(&self, share: Share, now: Timestamp, format: Format) -> String {
        let mut families = Vec::new();
        if share != Share::Apart {
            families.extend(self.stackdriver.iter().flat_map(StackdriverCounters::families));
        }
        if share != Share::Beside {
            families.extend(self.families(now, format));
        }
        text::write(families, format)
    }

    /// All but stackdriver_exporter's.
    fn families(&self, now: Timestamp, format: Format) -> Vec<text::FamilyText> {
        for ((job, kind), at) in &*lock(&self.fresh_at) {
            let age = now.since(*at).as_secs_f64();
            self.metrics.job_age.get_or_create(&run_labels(job, *kind)).set(age);
        }
        for ((job, kind), at) in &*lock(&self.next_at) {
            let wait = at.since(now).as_secs_f64();
            self.metrics.job_next_run.get_or_create(&run_labels(job, *kind)).set(wait);
        }
        let mut families = text::parse(&self.metrics.encode());
        families.extend(process::families(self.process_started_seconds));
        if let (Some(yace), Format::Text) = (&self.yace, format) {
            families.extend(yace.families());
        }
        families
    }
}

/// The names that self-metrics may have: a cloud's family must not start like this.
pub const RESERVED_PREFIXES: [&str; 4] = ["raingauge_", "process_", "yace_", stackdriver::PREFIX];

fn job_labels(job: &JobLabels) -> metrics::Labels<3> {
    [("job", Text::clone(&job.job)), ("region", Text::clone(&job.region)), ("account", Text::clone(&job.account))]
}

fn run_labels(job: &JobLabels, kind: RunKind) -> metrics::Labels<4> {
    let [job, region, account] = job_labels(job);
    [job, region, account, ("run", kind.as_str().into())]
}

fn failure_labels(job: &JobLabels, kind: RunKind, reason: Reason) -> metrics::Labels<5> {
    let [job, region, account, run] = run_labels(job, kind);
    [job, region, account, run, ("reason", reason.as_str().into())]
}

fn unshown_labels(job: &JobLabels, why: Unshown) -> metrics::Labels<4> {
    let [job, region, account] = job_labels(job);
    [job, region, account, ("reason", why.as_str().into())]
}

fn seconds(at: Timestamp) -> f64 {
    fraction_of(at.as_millis(), 1000)
}

/// Nothing panics while one of these locks is held; what they guard is whole at any time.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
