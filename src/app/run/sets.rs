//! `?collect=` as stackdriver_exporter means it: with `--collect.on-scrape` each set of values has a collector of its own, with
//! its own calls, counters and totals. In the background one page serves all sets, and costs what one costs.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::{About, Daemon, Peer, StackdriverPeer};
use crate::config::Settings;
use crate::expose::cache::Exposition;
use crate::expose::http::Stackdriver;
use crate::gcp::job::Job;
use crate::gcp::plan;
use crate::model::Text;
use crate::work::demand::Drive;

/// Sets at a time: a scraper has a handful. Whoever asks for more gets a part of the usual page.
const MAX_SETS: usize = 32;
/// A set that nobody asked for is forgotten, with its counters; later where what it keeps lives longer.
const LIFE: Duration = Duration::from_secs(2 * 3600);

/// The collectors of sets, by their values and projects.
pub(super) type Sets = Arc<Mutex<HashMap<(Vec<String>, Vec<Text>), Set>>>;

/// One of them.
pub(super) struct Set {
    daemon: Daemon,
    used: Instant,
}

impl Daemon {
    /// The routes of stackdriver_exporter, and what a scrape waits for there.
    pub(super) fn site(&self, peer: &StackdriverPeer) -> Stackdriver {
        let daemon = self.clone();
        let scraped = move |values: Vec<String>| -> BoxFuture<'static, Option<Arc<Exposition>>> {
            let daemon = daemon.clone();
            Box::pin(async move {
                let set = if values.is_empty() { None } else { daemon.set(values).await };
                set.as_ref().unwrap_or(&daemon).scraped().await;
                set.map(|set| set.exposition)
            })
        };
        Stackdriver {
            cloud_path: peer.cloud_path.clone(),
            telemetry_path: peer.telemetry_path.clone(),
            prefixes: peer.prefixes.clone(),
            scraped: Arc::new(scraped),
        }
    }

    async fn scraped(&self) {
        // Before that there is nobody who could collect. An error means the end of the daemon.
        let _ = self.started.subscribe().wait_for(|started| *started).await;
        if let Some(demand) = &self.demand {
            demand.scraped().await;
        }
    }

    /// The collector of a set of values; `None`: what everybody gets serves them too.
    async fn set(&self, values: Vec<String>) -> Option<Self> {
        let Peer::Stackdriver(peer) = &self.about.peer else { return None };
        if peer.drive != Drive::OnScrape {
            return None;
        }
        let _ = self.started.subscribe().wait_for(|started| *started).await;
        let resolved = self.resolved()?;
        let job = resolved.gcp.as_ref()?.jobs.first()?;
        let mut sets = self.sets.lock().await;
        let life = life(job);
        let over = sets.extract_if(|_, set| set.used.elapsed() > life);
        for (_, set) in over {
            set.daemon.bridge.shut_down().await;
        }
        let key = (values, job.projects.clone());
        if let Some(known) = sets.get_mut(&key) {
            known.used = Instant::now();
            return Some(known.daemon.clone());
        }
        if sets.len() >= MAX_SETS {
            return None;
        }
        let settings = narrowed(&resolved, &key.0);
        let clock = self.shared.clock.clone();
        let about = About { started: self.about.started, peer: self.about.peer.clone(), ..About::default() };
        let daemon = Self::new(clock, self.clouds.clone(), &settings, about, None);
        if let Err(error) = daemon.apply(&settings).await {
            tracing::error!("failed to collect a set of prefixes: {error:#}");
            return None;
        }
        sets.insert(key, Set { daemon: daemon.clone(), used: Instant::now() });
        Some(daemon)
    }
}

fn life(job: &Job) -> Duration {
    let totals = if job.deltas.aggregate { job.deltas.ttl } else { Duration::ZERO };
    match totals.max(job.descriptors.ttl) {
        Duration::ZERO => LIFE,
        kept => kept,
    }
}

/// The settings with the prefixes that narrow the configured ones, and today's projects.
fn narrowed(settings: &Settings, values: &[String]) -> Settings {
    let mut settings = settings.clone();
    let values: Vec<Text> = values.iter().map(|v| Text::from(v.as_str())).collect();
    for job in settings.gcp.iter_mut().flat_map(|gcp| &mut gcp.jobs) {
        job.prefixes = plan::narrowed(&job.prefixes, &values);
        job.projects_filter = None;
    }
    settings
}
