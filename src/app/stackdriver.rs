//! `raingauge stackdriver_exporter`: that program's flags become settings.
//!
//! With `--collect.on-scrape` the calls are that program's: the same windows, no retries that were not asked for, nothing held.
//! Otherwise collection goes on in the background, so that the bill does not depend on who scrapes: each metric at its own
//! sample period, retries on, values held for a while, metric types listed now and then.

use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::app::clouds::Clouds;
use crate::app::google::FromEnvironment;
use crate::app::listen::{self, Doors, Inherited};
use crate::app::run::{About, Daemon, Peer, Reload, StackdriverPeer, StartError, guarding};
use crate::app::{network, signals};
use crate::cli::StackdriverRun;
use crate::clock::Clock;
use crate::config::{Dialect, Settings, WebSettings};
use crate::gcp::job::{Access, Deltas, Descriptors, Filter, GcpSettings, Interval, Job, Retries, Timing, Window};
use crate::model::Text;
use crate::state::StateDir;
use crate::work::demand::Drive;

/// What the job is called.
const NAME: &str = "stackdriver";
/// No metric is asked for more often in the background.
const LEAST_INTERVAL: Duration = Duration::from_secs(60);
/// Time between two looks for new metric types in the background.
const INVENTORY_INTERVAL: Duration = Duration::from_secs(300);
/// Values outlive failures for so long in the background; their own times tell their age.
const STALE_AFTER: Duration = Duration::from_secs(900);
/// Metric types without data for about a day are not asked for, as long as the window does not reach back so far.
const ACTIVE_FOR: Duration = Duration::from_secs(12 * 3600);
/// Calls in flight. The peer has no limit.
const CONCURRENCY: u32 = 32;

/// The settings of a command line.
pub fn settings(run: &StackdriverRun) -> Settings {
    let access = Access {
        endpoint: run.endpoint.as_deref().map(Text::from),
        universe_domain: run.universe_domain.as_str().into(),
        retries: retries(run),
        concurrency: NonZeroU32::new(CONCURRENCY).unwrap_or(NonZeroU32::MIN),
    };
    let gcp = GcpSettings { access, jobs: vec![job(run)] };
    Settings {
        dialect: Dialect::Native,
        web: WebSettings::default(),
        state_dir: None,
        aws: None,
        gcp: Some(gcp),
        agent: None,
    }
}

/// Its manners.
pub fn peer(run: &StackdriverRun) -> Peer {
    Peer::Stackdriver(StackdriverPeer {
        cloud_path: run.cloud_path.clone(),
        telemetry_path: run.telemetry_path.clone(),
        prefixes: run.prefixes.clone(),
        drive: if run.on_scrape { Drive::OnScrape } else { Drive::Follow },
    })
}

/// Runs until a signal ends it. Ends at once without credentials or projects, as the peer does.
/// `inherited` are the sockets that systemd has handed over; without them it opens its own.
pub async fn run(flags: &StackdriverRun, inherited: Option<Inherited>) -> Result<(), StartError> {
    let settings = settings(flags);
    // Where totals outlive a restart.
    let state_dir = flags.state_dir.as_deref().map(StateDir::open).transpose().map_err(anyhow::Error::from)?;
    let state_dir = state_dir.map(Arc::new);
    let clouds = Clouds::new(network::from_env()?, Arc::new(FromEnvironment));
    if let Some(gcp) = &settings.gcp {
        clouds.check(gcp).await?;
    }
    let web_config = Some(flags.web_config_file.as_str()).filter(|file| !file.is_empty()).map(Path::new);
    let guarding = guarding(web_config)?;
    let Doors { files, listening } = listen::open(&flags.listen_addresses, inherited).await?;
    let clock = Clock::system();
    let source = "the command line".to_owned();
    let warnings = flags.warnings.clone();
    let about = About { source, warnings, notice: None, peer: peer(flags), started: clock.now() };
    let daemon = Daemon::new(clock, clouds, &settings, about, state_dir);
    let reload: Reload = Arc::new(|| Box::pin(async { Err("there is no file to reload: restart instead".to_owned()) }));
    let ended = daemon.serve(listening, &guarding, settings, reload, signals::terminated()).await;
    drop(files);
    Ok(ended?)
}

fn retries(run: &StackdriverRun) -> Retries {
    let native = Retries::default();
    let statuses = if run.retry_statuses.is_empty() { vec![503] } else { run.retry_statuses.clone() };
    let is_plain = !run.on_scrape && run.max_retries.is_none() && run.retry_statuses.is_empty();
    let (most, statuses) =
        if is_plain { (native.most, native.statuses) } else { (run.max_retries.unwrap_or(0), statuses) };
    // Ten seconds are too short for a call with its retries, where nobody waits for it.
    let default = if run.on_scrape { Some(Duration::from_secs(10)) } else { native.timeout };
    Retries {
        most,
        statuses,
        first_backoff: run.backoff_jitter,
        max_backoff: run.max_backoff,
        timeout: run.http_timeout.map_or(default, |given| Some(given).filter(|timeout| !timeout.is_zero())),
        honours_retry_after: !run.on_scrape,
    }
}

fn job(run: &StackdriverRun) -> Job {
    let texts = |all: &[String]| all.iter().map(|text| Text::from(text.as_str())).collect::<Vec<_>>();
    let mut projects = texts(&run.projects);
    projects.sort();
    projects.dedup();
    let window = Window {
        width: run.interval.or_zero(),
        offset: run.offset.or_zero(),
        ingest_delay: run.ingest_delay,
        continues: run.aggregate_deltas && !run.on_scrape,
        ..Window::default()
    };
    let reach = window.width.saturating_add(window.offset);
    let timing = if run.on_scrape {
        Timing {
            interval: Interval::Fixed(LEAST_INTERVAL),
            inventory_interval: LEAST_INTERVAL,
            stale_after: Duration::ZERO,
        }
    } else {
        let interval = Interval::Auto { least: LEAST_INTERVAL };
        let inventory_interval = INVENTORY_INTERVAL.max(run.descriptor_cache_ttl);
        Timing { interval, inventory_interval, stale_after: STALE_AFTER }
    };
    Job {
        name: NAME.into(),
        index: 0,
        projects,
        projects_filter: Some(run.projects_filter.as_str()).filter(|f| !f.is_empty()).map(Text::from),
        prefixes: texts(&run.prefixes),
        exclude_prefixes: Vec::new(),
        filters: run.filters.iter().filter_map(|text| Filter::parse(text)).collect(),
        window,
        fill_missing_labels: run.fill_missing_labels,
        drop_delegated_projects: run.drop_delegated_projects,
        deltas: Deltas { aggregate: run.aggregate_deltas, ttl: run.aggregate_deltas_ttl, peers_way: run.on_scrape },
        descriptors: Descriptors {
            ttl: run.descriptor_cache_ttl,
            only_google: run.descriptor_cache_only_google,
            active_only: reach <= ACTIVE_FOR,
        },
        aggregations: Vec::new(),
        buckets: Vec::new(),
        labels: Vec::new(),
        timestamps: true,
        timing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Command, Outside, parse};

    fn run(flags: &str) -> StackdriverRun {
        let line = format!("stackdriver_exporter --monitoring.metrics-prefixes=p/ {flags}");
        let outside = Outside { env: &|_| None, file: &|path| Err(path.to_owned()) };
        match parse(line.split_whitespace().map(Into::into), outside) {
            Ok(Command::StackdriverRun(run)) => *run,
            other => panic!("{flags}: {other:?}"),
        }
    }

    #[test]
    fn on_scrape_is_as_the_peer() {
        let gcp = settings(&run("--collect.on-scrape --monitoring.aggregate-deltas")).gcp.unwrap();
        let (job, retries) = (&gcp.jobs[0], &gcp.access.retries);
        assert!(!job.window.continues && job.deltas.peers_way && !job.holds());
        assert_eq!((retries.most, &*retries.statuses, retries.timeout), (0, &[503][..], Some(Duration::from_secs(10))));
        assert!(!retries.honours_retry_after);
    }

    #[test]
    fn in_the_background_nothing_is_lost() {
        let gcp = settings(&run("--monitoring.aggregate-deltas")).gcp.unwrap();
        let (job, retries) = (&gcp.jobs[0], &gcp.access.retries);
        assert!(job.window.continues && !job.deltas.peers_way && job.holds());
        assert!(retries.most > 0 && retries.statuses.contains(&429) && retries.honours_retry_after);
        assert_eq!(job.timing.interval, Interval::Auto { least: Duration::from_secs(60) });
    }

    #[test]
    fn what_is_given_holds() {
        let gcp = settings(&run(
            "--stackdriver.max-retries=2 --stackdriver.retry-statuses=429 --stackdriver.http-timeout=0 \
             --google.project-ids=b --google.project-ids=a --google.project-ids=b --monitoring.metrics-offset=-5s \
             --monitoring.filters=T/X:a=1 --monitoring.filters=nonsense --monitoring.metrics-interval=25h",
        ));
        let gcp = gcp.gcp.unwrap();
        let (job, retries) = (&gcp.jobs[0], &gcp.access.retries);
        assert_eq!((retries.most, &*retries.statuses, retries.timeout), (2, &[429][..], None));
        assert_eq!(job.projects.iter().map(|p| &**p).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!((job.window.offset, job.filters.len(), job.descriptors.active_only), (Duration::ZERO, 1, false));
    }
}
