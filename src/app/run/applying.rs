//! From settings to what runs: the regions and projects that they leave open are looked up and followed, and the bridge is
//! told what is wanted of both clouds.

use std::collections::BTreeMap;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use super::{Daemon, STARTING};
use crate::app::regions::{self, Known, LookUp};
use crate::app::target::Target;
use crate::aws::job::AwsSettings;
use crate::config::Settings;
use crate::model::Text;

/// Where no filter finds projects now: a reload may bring one.
const LOOK_FOR_FILTERS: Duration = Duration::from_secs(60);

/// What shall run, of each cloud.
#[derive(Default)]
pub(super) struct Wanted {
    aws: Vec<Target>,
    google: Vec<Target>,
    /// Whether every place of the jobs is known: only then is what others left behind nobody's.
    is_whole: bool,
}

/// What runs.
#[derive(Clone)]
pub(super) struct Applied {
    /// As it was written.
    written: Settings,
    /// With the projects that were found.
    resolved: Settings,
}

/// What is known of `regions: all`, and who keeps it up to date.
#[derive(Default)]
pub(super) struct Regions {
    known: Known,
    pub(super) follower: Option<tokio::task::AbortHandle>,
}

impl Daemon {
    /// Only to be called by who holds `applying`.
    pub(super) async fn apply(&self, settings: &Settings) -> anyhow::Result<()> {
        // Not after the bridge, which may have to wait for the instance's metadata.
        self.agent.apply(settings.agent.as_ref()).await?;
        // Neither cloud waits for the other one.
        let aws = async {
            if let Some(aws) = &settings.aws {
                return self.apply_aws(aws.clone()).await;
            }
            self.regions().follower.take().inspect(tokio::task::AbortHandle::abort);
            let change = |wanted: &mut Wanted| (wanted.aws, wanted.is_whole) = (Vec::new(), true);
            self.put(change).await;
            Ok(())
        };
        let google = async {
            let resolved = self.with_projects(settings).await;
            self.apply_resolved(settings.clone(), resolved).await;
        };
        let (aws, ()) = tokio::join!(Box::pin(aws), Box::pin(google));
        aws?;
        self.shared.readiness.release(&Text::from(STARTING));
        self.started.send_replace(true);
        Ok(())
    }

    async fn apply_resolved(&self, written: Settings, resolved: Settings) {
        let targets = self.clouds.google_targets(&resolved);
        self.put(|wanted| wanted.google = targets).await;
        *self.applied.lock().unwrap_or_else(PoisonError::into_inner) = Some(Applied { written, resolved });
    }

    /// Changes what is wanted of one cloud.
    async fn put(&self, change: impl FnOnce(&mut Wanted)) {
        let mut wanted = self.wanted.lock().await;
        change(&mut wanted);
        let all = wanted.aws.iter().chain(&wanted.google).cloned().collect();
        self.bridge.apply(all, wanted.is_whole).await;
    }

    /// The settings with the projects of today.
    async fn with_projects(&self, settings: &Settings) -> Settings {
        let mut settings = settings.clone();
        if let Some(gcp) = &settings.gcp {
            let (resolved, failures) = self.clouds.with_projects(gcp).await;
            for failure in &failures {
                tracing::warn!(
                    reason = failure.reason.as_str(),
                    advice = failure.reason.advice(),
                    "failed to {failure}"
                );
            }
            settings.gcp = Some(resolved);
        }
        settings
    }

    /// What runs now.
    pub(super) fn resolved(&self) -> Option<Settings> {
        self.applied.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(|a| a.resolved.clone())
    }

    /// Follows the projects that filters find, for as long as there are filters.
    pub(super) async fn follow_projects(&self) {
        loop {
            let applied = || self.applied.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let pause = applied().and_then(|a| a.written.gcp).and_then(|gcp| {
                let found = gcp.jobs.iter().filter(|job| job.projects_filter.is_some() || job.projects.is_empty());
                found.map(|job| job.timing.inventory_interval).min()
            });
            tokio::time::sleep(pause.unwrap_or(LOOK_FOR_FILTERS)).await;
            let turn = self.applying.lock().await;
            if let Some(before) = applied().filter(|_| pause.is_some()) {
                let after = self.with_projects(&before.written).await;
                let projects = |s: &Settings| {
                    let jobs = s.gcp.iter().flat_map(|gcp| &gcp.jobs);
                    jobs.map(|job| job.projects.clone()).collect::<Vec<_>>()
                };
                if projects(&before.resolved) != projects(&after) {
                    tracing::info!("the projects that filters find have changed");
                    self.apply_resolved(before.written, after).await;
                }
            }
            drop(turn);
        }
    }

    async fn apply_aws(&self, aws: AwsSettings) -> anyhow::Result<()> {
        let known = {
            let mut regions = self.regions();
            // It waits for its turn to apply, so it is nowhere in the middle of it.
            regions.follower.take().inspect(tokio::task::AbortHandle::abort);
            regions.known.clone()
        };
        let known = match &self.shared.warm {
            Some(warm) if known.is_empty() => {
                warm.regions().await.map(|bytes| regions::kept::read(&bytes, &aws)).unwrap_or_default()
            }
            _ => known,
        };
        let telemetry = Arc::clone(&self.shared.telemetry);
        match LookUp::load(&aws, &self.clouds.aws, telemetry, known).await? {
            None => {
                self.shared.states.regions(BTreeMap::new());
                self.put_aws(&aws).await?;
            }
            Some(look_up) => self.apply_everywhere(aws, look_up).await?,
        }
        Ok(())
    }

    async fn put_aws(&self, aws: &AwsSettings) -> anyhow::Result<()> {
        let targets = self.clouds.aws_targets(aws).await?;
        self.put(|wanted| (wanted.aws, wanted.is_whole) = (targets, !aws.is_partial)).await;
        Ok(())
    }

    /// The jobs whose places are known begin at once, those with `regions: all` when these are known.
    async fn apply_everywhere(&self, aws: AwsSettings, mut look_up: LookUp) -> anyhow::Result<()> {
        self.put_aws(&regions::expanded(&aws, look_up.known())).await?;
        if look_up.first().await {
            self.put_aws(&regions::expanded(&aws, look_up.known())).await?;
        }
        self.remember(&look_up);
        let daemon = self.clone();
        let follower = tokio::spawn(async move {
            loop {
                tokio::time::sleep(look_up.pause()).await;
                let changed = look_up.again().await;
                let _turn = daemon.applying.lock().await;
                daemon.remember(&look_up);
                if changed {
                    tracing::info!("the enabled regions have changed");
                    if let Err(e) = daemon.put_aws(&regions::expanded(&aws, look_up.known())).await {
                        tracing::error!("failed to collect in the regions that are enabled now: {e:#}");
                    }
                }
            }
        });
        self.regions().follower = Some(follower.abort_handle());
        Ok(())
    }

    fn remember(&self, look_up: &LookUp) {
        self.shared.states.regions(look_up.unknown());
        let known = look_up.known().clone();
        if let Some(warm) = self.shared.warm.as_ref().filter(|_| self.regions().known != known) {
            warm.keep_regions(regions::kept::written(&known));
        }
        self.regions().known = known;
    }

    pub(super) fn regions(&self) -> MutexGuard<'_, Regions> {
        self.regions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
