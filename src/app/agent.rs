//! The running agent: the host is measured, each measurement gets its dimensions, and the pump sends it. A reload with other
//! settings ends it (what was collected goes into the queue) and starts another.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::app::bridge::Shared;
use crate::aws::client::Network;
use crate::aws::metadata::Endpoint;
use crate::clock::Clock;
use crate::config::AgentSettings;
use crate::host::collect::{Collected, Collector};
use crate::host::node::NodeSource;
use crate::host::reading::{Measurement, Value};
use crate::host::root::Root;
use crate::model::{Datum, StandardUnit};
use crate::push::dimensions::Reading;
use crate::push::job::PushSettings;
use crate::push::namer::Namer;
use crate::push::pump::{Inlet, Loss, Pump, PumpSettings};
use crate::push::spool::{Limits, Spool};
use crate::state::{StateDir, StateError};
use crate::store::SlotKey;
use crate::work::schedule::Schedule;
use crate::work::worker::{Run, Worker};
use deliver::Delivery;
use facts::Known;
use ledger::Ledger;

mod deliver;
mod facts;
mod ledger;

/// The host is read so often for its page: what most Prometheus servers ask for.
const SHOWN_INTERVAL: Duration = Duration::from_secs(15);
/// A read that takes longer is given up.
const SHOWN_DEADLINE: Duration = Duration::from_secs(60);
/// Values that could not be read again go after this time.
const SHOWN_STALE_AFTER: Duration = Duration::from_secs(300);
/// Failures that are new in one pass and are logged; the counter has all.
const LOGGED_FAILURES: usize = 5;
/// What is collected waits so long for what the instance says about itself, so that its first data have their dimensions.
const HOLD: Duration = Duration::from_secs(10);
/// Measurements that wait for it; far more than a host makes in that time.
const MAX_HELD: usize = 100_000;

/// What the agent finds around it.
#[derive(Clone)]
pub struct Around {
    /// Clock, store, books, status.
    pub shared: Shared,
    /// How AWS is reached.
    pub network: Network,
    /// How the instance's metadata service is reached.
    pub metadata: Endpoint,
    /// Where the kernel's files are.
    pub root: Root,
    /// Where the queue outlives the process.
    pub state_dir: Option<Arc<StateDir>>,
    /// Somebody may look at the host's metrics here.
    pub is_shown: bool,
}

/// The agent of a daemon; there may be none running.
pub struct Agent {
    around: Around,
    running: tokio::sync::Mutex<Option<Running>>,
}

struct Running {
    /// Equal texts mean equal work.
    definition: String,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Agent {
    /// Nothing runs yet.
    pub fn new(around: Around) -> Self {
        Self { around, running: tokio::sync::Mutex::default() }
    }

    /// What is around it.
    pub const fn around(&self) -> &Around {
        &self.around
    }

    /// Makes the agent be that of the settings.
    pub async fn apply(&self, settings: Option<&AgentSettings>) -> Result<(), StateError> {
        let mut running = self.running.lock().await;
        let definition = settings.map(|settings| format!("{settings:?}"));
        if running.as_ref().map(|r| &r.definition) == definition.as_ref() {
            return Ok(());
        }
        end(running.take()).await;
        let (Some(settings), Some(definition)) = (settings, definition) else { return Ok(()) };
        let spool = Spool::open(self.around.state_dir.clone(), Limits::default())?;
        let stop = CancellationToken::new();
        let work = Work { around: self.around.clone(), settings: settings.clone(), stop: stop.clone() };
        *running = Some(Running { definition, stop, task: tokio::spawn(work.run(spool)) });
        Ok(())
    }

    /// Ends it: what was collected goes into the queue, and as much of that as a few seconds allow to CloudWatch.
    pub async fn shut_down(&self) {
        end(self.running.lock().await.take()).await;
    }
}

async fn end(running: Option<Running>) {
    let Some(Running { stop, task, .. }) = running else { return };
    stop.cancel();
    if let Err(e) = task.await {
        tracing::error!("the agent ended by a bug, please report it: {e}");
    }
}

/// What `HOST_PROC` and its like say.
pub fn root_from(env: &dyn Fn(&str) -> Option<String>) -> Root {
    let path = |name: &str| env(name).filter(|p| !p.is_empty()).map(PathBuf::from);
    let default = Root::default();
    Root {
        proc: path("HOST_PROC").unwrap_or(default.proc),
        sys: path("HOST_SYS").unwrap_or(default.sys),
        run: path("HOST_RUN").unwrap_or(default.run),
        mount_prefix: path("HOST_MOUNT_PREFIX"),
    }
}

/// Puts the host under node_exporter's names into the store, while somebody may look at it.
async fn show(around: Around, stop: CancellationToken) {
    if !around.is_shown {
        return;
    }
    let slot = SlotKey { order: u32::MAX, name: "host".into() };
    let Shared { clock, store, telemetry, .. } = around.shared;
    let worker = Worker {
        name: "the host's metrics".to_owned(),
        schedule: Schedule { interval: SHOWN_INTERVAL, retry_early: false },
        first_in: Duration::ZERO,
        deadline: SHOWN_DEADLINE,
        clock,
        listener: None,
    };
    let report = |run: Run| {
        telemetry.host_failures(&run.outcome.failures);
        for failure in run.outcome.failures.iter().take(LOGGED_FAILURES) {
            tracing::debug!("failed to {failure}");
        }
        if let Some(snapshot) = run.outcome.snapshot {
            store.publish(slot.clone(), snapshot);
        }
    };
    worker.run(Box::new(NodeSource::new(around.root, SHOWN_STALE_AFTER)), report, stop).await;
    store.retire(&slot);
}

struct Work {
    around: Around,
    settings: AgentSettings,
    stop: CancellationToken,
}

impl Work {
    async fn run(self, spool: Spool) {
        let ledger =
            Arc::new(Ledger::new(self.around.shared.clone(), self.settings.push.as_ref(), &self.settings.host));
        let now = self.around.shared.clock.read();
        let host = self.settings.host.clone();
        let (collector, failures) = Collector::start(self.around.root.clone(), host, now).await;
        let first = Collected { news: failures.clone(), failures, ..Collected::default() };
        let showing = tokio::spawn(show(self.around.clone(), self.stop.clone()));
        self.send(spool, ledger, collector, first).await;
        if let Err(e) = showing.await {
            tracing::error!("the host's page ended by a bug, please report it: {e}");
        }
    }

    async fn send(&self, spool: Spool, ledger: Arc<Ledger>, collector: Collector, first: Collected) {
        let Some(push) = &self.settings.push else {
            let mut out = Out { ledger, sending: None, clock: self.around.shared.clock.clone() };
            out.take(first);
            return self.measure(collector, out).await;
        };
        let (known, facts) = watch::channel(Known::nothing(&self.around.root));
        let learning = tokio::spawn(facts::learn(self.around.clone(), push.clone(), known));
        // The pump ends after the collector, whose last words it still takes.
        let pump_stop = CancellationToken::new();
        let (inlet, pumping) = self.pump(push, spool, &ledger).start(pump_stop.clone());
        let pumping = tokio::spawn(pumping);
        let first_facts = facts.borrow().facts.clone();
        let namer = Namer::new(push.naming.clone(), first_facts);
        let sending = Sending { namer, facts, inlet, held: Vec::new() };
        let mut out = Out { ledger, sending: Some(sending), clock: self.around.shared.clock.clone() };
        out.take(first);
        self.measure(collector, out).await;
        learning.abort();
        // It has its hand on the state directory until it is gone; being stopped is no error.
        let _ = learning.await;
        pump_stop.cancel();
        if let Err(e) = pumping.await {
            tracing::error!("the pump ended by a bug, please report it: {e}");
        }
    }

    fn pump(&self, push: &PushSettings, spool: Spool, ledger: &Arc<Ledger>) -> Arc<Pump> {
        let settings = PumpSettings {
            flush_interval: push.flush_interval,
            max_metrics: push.max_metrics,
            is_durable: self.around.state_dir.is_some(),
        };
        let clock = self.around.shared.clock.clone();
        let destination = Delivery::new(self.around.clone(), push.clone());
        let tell = {
            let ledger = Arc::clone(ledger);
            Arc::new(move |event| ledger.note(event))
        };
        Pump::new(settings, spool, Arc::new(destination), Arc::new(move || clock.now()), tell)
    }

    /// Measures until the end, then hands out what statsd still holds.
    async fn measure(&self, mut collector: Collector, mut out: Out) {
        let clock = &self.around.shared.clock;
        loop {
            let now = clock.read();
            let pause = collector.next_due().map(|due| due.since(now.steady));
            let due = async {
                match pause {
                    Some(pause) => tokio::time::sleep(pause).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = self.stop.cancelled() => break,
                () = due => out.take(collector.collect(clock.read()).await),
                () = out.learned() => out.release(),
            }
        }
        out.take(collector.finish(clock.read()));
        out.release();
    }
}

/// Where what is collected goes.
struct Out {
    ledger: Arc<Ledger>,
    sending: Option<Sending>,
    clock: Clock,
}

struct Sending {
    namer: Namer,
    facts: watch::Receiver<Known>,
    inlet: Inlet,
    /// What waits for the facts.
    held: Vec<Measurement>,
}

impl Out {
    fn take(&mut self, collected: Collected) {
        self.ledger.collected(&collected);
        for failure in collected.news.iter().take(LOGGED_FAILURES) {
            let (reason, advice) = (failure.reason.as_str(), failure.reason.advice());
            tracing::warn!(reason, advice, "failed to {failure}");
        }
        let Some(sending) = &mut self.sending else { return };
        let room = MAX_HELD.saturating_sub(sending.held.len());
        self.ledger.lost(Loss::QueueFull, collected.measurements.len().saturating_sub(room));
        sending.held.extend(collected.measurements.into_iter().take(room));
        if sending.facts.borrow().is_settled {
            self.release();
        }
    }

    /// Completes when more is known about the instance, or when that has been waited for long enough.
    async fn learned(&mut self) {
        let Some(sending) = &mut self.sending else { return std::future::pending().await };
        // Without a sender nothing more will be known.
        if sending.facts.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Names what was collected and hands it to the pump.
    fn release(&mut self) {
        let Some(sending) = &mut self.sending else { return };
        sending.namer.learn(sending.facts.borrow_and_update().facts.clone());
        let mut data: Vec<Datum> = Vec::with_capacity(sending.held.len());
        for measurement in std::mem::take(&mut sending.held) {
            let named = data_of(&mut sending.namer, &measurement);
            self.ledger.lost(Loss::BadValue, named.bad_values);
            self.ledger.lost(Loss::BadName, named.bad_names);
            data.extend(named.data);
        }
        self.ledger.made(&data, self.clock.now());
        sending.inlet.put(data);
    }
}

/// What CloudWatch shall have of a measurement.
pub(in crate::app) fn data_of(namer: &mut Namer, measurement: &Measurement) -> crate::push::namer::Named {
    let name = measurement.name();
    let unit = StandardUnit::new(measurement.unit.as_str()).unwrap_or(StandardUnit::NONE);
    let reading = Reading { job: measurement.job, name: &name, unit, tags: &measurement.tags };
    match &measurement.value {
        Value::Number(value) => namer.data(&reading, measurement.when, &[(*value, 1.0)]),
        Value::Distribution(d) => namer.data(&reading, measurement.when, &d.values),
    }
}
