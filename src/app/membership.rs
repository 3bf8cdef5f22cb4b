//! Which part of the work is this process's own, where several share a configuration: its shard's, and that only while it holds
//! the shard's lease. A standby is ready, serves its own metrics, and calls no cloud.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use futures_util::future::BoxFuture;
use tokio::sync::watch;

use crate::app::target::Target;
use crate::clock::Clock;
use crate::lease::kubernetes::{Lease, LeaseError, Leases, Place, SERVICE_ACCOUNT};
use crate::lease::{Election, Timing, Turn};
use crate::telemetry::Telemetry;
use crate::work::shard::Shard;

/// What giving a lease back may take at the end.
const LONGEST_RELEASE: Duration = Duration::from_secs(2);
/// One call of Kubernetes.
const CALL_TIMEOUT: Duration = Duration::from_secs(4);

/// This process's part.
#[derive(Clone, Default)]
pub struct Membership {
    shard: Option<Shard>,
    candidate: Option<Arc<Candidate>>,
}

/// One that wants to hold the lease.
pub struct Candidate {
    leases: Leases,
    election: Mutex<Election>,
    leads: watch::Sender<bool>,
    /// The last kind of trouble that was logged: each kind is told once until it is over.
    told: AtomicU8,
}

impl Membership {
    /// What `--shard` and `--lease` say. `env`: of the pod.
    pub fn of(shard: Option<&str>, lease: Option<&str>, env: &dyn Fn(&str) -> Option<String>) -> anyhow::Result<Self> {
        let shard = shard.map(str::parse::<Shard>).transpose().context("--shard")?;
        let Some(lease) = lease else { return Ok(Self { shard, candidate: None }) };
        let outside = "--lease: this is no pod of Kubernetes";
        let host = env("KUBERNETES_SERVICE_HOST").context(outside)?;
        let port = env("KUBERNETES_SERVICE_PORT").context(outside)?;
        let host = if host.contains(':') { format!("[{host}]") } else { host };
        let place = Place { url: format!("https://{host}:{port}"), service_account: PathBuf::from(SERVICE_ACCOUNT) };
        let identity = env("POD_NAME").or_else(|| env("HOSTNAME"));
        let identity = identity.context("--lease: neither POD_NAME nor HOSTNAME says which pod this is")?;
        Self::with_lease(shard, place, lease, identity, Timing::default())
    }

    /// A member that holds `lease` (with its shard's number, if there are shards) or waits for it.
    pub fn with_lease(
        shard: Option<Shard>,
        place: Place,
        lease: &str,
        identity: String,
        timing: Timing,
    ) -> anyhow::Result<Self> {
        crate::aws::crypto::install();
        let name = shard.map_or_else(|| lease.to_owned(), |shard| format!("{lease}-{}", shard.index()));
        let candidate = Candidate {
            leases: Leases::new(place, name)?,
            election: Mutex::new(Election::new(identity, timing)),
            leads: watch::Sender::new(false),
            told: AtomicU8::new(0),
        };
        Ok(Self { shard, candidate: Some(Arc::new(candidate)) })
    }

    /// Whether it may call the clouds now.
    pub fn leads(&self) -> bool {
        self.candidate.as_ref().is_none_or(|candidate| *candidate.leads.borrow())
    }

    /// Whether a target is its own now.
    pub fn has(&self, target: &Target) -> bool {
        let is_in_shard = |shard: Shard| shard.has(target.cloud(), &target.account, &target.region);
        self.leads() && self.shard.is_none_or(is_in_shard)
    }

    /// Who waits for the lease, if there is one.
    pub fn candidate(&self) -> Option<&Arc<Candidate>> {
        self.candidate.as_ref()
    }

    /// For `/-/leader`: what it is, or (as an error) whom it waits for.
    pub fn role(&self) -> Result<String, String> {
        let Some(candidate) = &self.candidate else { return Ok("alone: no lease is asked for".to_owned()) };
        let label = candidate.leases.label();
        if self.leads() {
            return Ok(format!("leader: this process holds the lease {label}"));
        }
        let election = candidate.election();
        let holder = if election.holder().is_empty() { "nobody yet" } else { election.holder() };
        Err(format!("standby: the lease {label} is held by {holder}; no cloud is called"))
    }
}

impl Candidate {
    /// Follows the lease until it is dropped. `put_down` is called as soon as it is lost, before anybody else may take it.
    pub async fn run(&self, clock: &Clock, telemetry: &Telemetry, put_down: impl Fn() -> BoxFuture<'static, ()>) {
        loop {
            let timing = self.election().timing();
            let patience = match self.election().remaining(clock.read().steady) {
                Duration::ZERO => CALL_TIMEOUT,
                remaining => remaining.min(CALL_TIMEOUT),
            };
            match tokio::time::timeout(patience, self.attempt(clock)).await {
                Ok(Ok(())) => self.told.store(0, Ordering::Relaxed),
                Ok(Err(error)) => self.tell(telemetry, error.reason(), &error.to_string()),
                Err(_) => self.tell(telemetry, "timeout", "Kubernetes did not answer in time"),
            }
            let holds = self.election().holds(clock.read().steady);
            let changed = self.leads.send_if_modified(|leads| std::mem::replace(leads, holds) != holds);
            if changed {
                telemetry.leads(holds);
                let label = self.leases.label();
                if holds {
                    tracing::info!("this process holds the lease {label} now, and calls the clouds");
                } else {
                    put_down().await;
                    tracing::warn!("the lease {label} is lost; no cloud is called until it is held again");
                }
            }
            let remaining = self.election().remaining(clock.read().steady);
            // A holder whose renewals fail looks again when it has to give up.
            let pause = if remaining.is_zero() { timing.retry } else { timing.retry.min(remaining) };
            tokio::time::sleep(pause).await;
        }
    }

    /// Changes of who leads, from now on.
    pub fn changes(&self) -> watch::Receiver<bool> {
        self.leads.subscribe()
    }

    async fn attempt(&self, clock: &Clock) -> Result<(), LeaseError> {
        let lease = self.leases.read().await?;
        let begun = clock.read();
        let record = lease.as_ref().map(Lease::record);
        let turn = self.election().turn(record.as_ref(), begun.steady);
        let (identity, duration) = {
            let election = self.election();
            (election.identity().to_owned(), election.timing().duration)
        };
        let now = micro_time(begun.wall);
        match (turn, lease) {
            (Turn::Leave, _) => return Ok(()),
            (_, None) => self.leases.create(&identity, duration, &now).await?,
            (turn, Some(lease)) => {
                let ours = lease.held_by(&identity, duration, &now, turn == Turn::Take);
                self.leases.update(&ours).await?;
            }
        }
        self.election().held(begun.steady);
        Ok(())
    }

    /// Nobody's from now on, if it is ours. To be called when nothing of ours calls a cloud any more.
    pub async fn release(&self, clock: &Clock) {
        let was_ours = self.election().holds(clock.read().steady);
        self.election().lost();
        self.leads.send_replace(false);
        let identity = self.election().identity().to_owned();
        let releasing = async {
            if let Some(lease) = self.leases.read().await?.filter(|lease| lease.record().holder == identity) {
                self.leases.update(&lease.released(&micro_time(clock.now()))).await?;
            }
            Ok::<_, LeaseError>(())
        };
        if !was_ours {
            return;
        }
        match tokio::time::timeout(LONGEST_RELEASE, releasing).await {
            Ok(Ok(())) => tracing::info!("the lease {} is given back", self.leases.label()),
            Ok(Err(e)) => tracing::warn!("the lease was not given back, so the next one waits for its end: {e}"),
            Err(_) => tracing::warn!("the lease was not given back in time, so the next one waits for its end"),
        }
    }

    /// Counts always, and logs when the trouble is new. Somebody who was faster is none.
    fn tell(&self, telemetry: &Telemetry, reason: &'static str, why: &str) {
        telemetry.lease_failed(reason);
        let kind = reason.as_bytes().iter().fold(1u8, |sum, byte| sum.wrapping_mul(31).wrapping_add(*byte)).max(1);
        if reason != "conflict" && self.told.swap(kind, Ordering::Relaxed) != kind {
            tracing::warn!(reason, "{why}");
        }
    }

    /// Nothing panics while this lock is held.
    fn election(&self) -> std::sync::MutexGuard<'_, Election> {
        self.election.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Kubernetes' `MicroTime`: six digits, always.
fn micro_time(at: crate::model::Timestamp) -> String {
    let time = time::OffsetDateTime::from_unix_timestamp(at.as_secs()).unwrap_or(time::OffsetDateTime::UNIX_EPOCH);
    let (date, clock) = (time.date(), time.time());
    let micros = at.as_millis().rem_euclid(1000) * 1000;
    let (hour, minute, second) = clock.as_hms();
    format!(
        "{:04}-{:02}-{:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}Z",
        date.year(),
        u8::from(date.month()),
        date.day()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_kubernetes_reads_them() {
        let at = crate::model::Timestamp::from_millis(1_700_000_000_007);
        assert_eq!(micro_time(at), "2023-11-14T22:13:20.007000Z");
    }

    #[test]
    fn what_cannot_be_is_said() {
        let none = |_: &str| None;
        let of = |shard, lease| Membership::of(shard, lease, &none).err().map(|e| format!("{e:#}"));
        assert!(of(Some("0/2"), None).is_none() && of(None, None).is_none());
        assert!(of(Some("5/2"), None).unwrap().contains("--shard: `5/2` is no shard"));
        assert!(of(None, Some("x")).unwrap().contains("no pod"));
    }
}
