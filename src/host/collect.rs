//! The collector: each job's timer, its last sample, and what comes of a pass. A job that fails does not stop the others.

use std::sync::Arc;
use std::time::Duration;

use hashbrown::HashMap;

use super::guard::Guard;
use super::job::{HostSettings, Job, Resources, What};
use super::mem::Meminfo;
use super::output::Output;
use super::processes::States;
use super::procstat::{self, Before};
use super::reading::Measurement;
use super::root::{Found, Root, Spaces, Unreadable};
use super::statsd::{Listener, Tally};
use super::{cpu, disk, diskio, mem, net, netstat, processes, swap, system};
use crate::model::{Now, Timestamp};
use crate::seam::{Failure, Reason};

/// From the start to the first pass, as the CloudWatch agent has it: the machine may just be booting.
const FIRST_PASS_AFTER: Duration = Duration::from_secs(1);

/// What a pass has brought.
#[derive(Debug, Default)]
pub struct Collected {
    /// The measurements.
    pub measurements: Vec<Measurement>,
    /// What failed, each to be counted.
    pub failures: Vec<Failure>,
    /// Those of them that were not there in the job's pass before: for the log.
    pub news: Vec<Failure>,
    /// What statsd counted since the last pass.
    pub statsd: Tally,
}

/// Measures what is due. Give it a turn at [`Collector::next_due`].
#[derive(Debug)]
pub struct Collector {
    root: Arc<Root>,
    jobs: Vec<Running>,
}

/// A job with what it remembers.
#[derive(Debug)]
struct Running {
    job: Arc<Job>,
    /// Of the steady clock.
    due: Timestamp,
    last: Option<Last>,
    guard: Guard<Result<Sample, Unreadable>>,
    listener: Option<Listener>,
    /// Packets that the kernel had dropped by the pass before.
    dropped_packets: u64,
    /// What failed in the pass before.
    said: Vec<Failure>,
}

/// What a pass leaves for the next one.
#[derive(Debug)]
enum Last {
    Stat(cpu::Stat),
    Devices(Vec<diskio::Device>),
    Interfaces(Vec<net::Interface>),
    Processes(HashMap<u32, Before>, Timestamp),
}

/// What a pass has read.
#[derive(Debug)]
enum Sample {
    Stat(cpu::Stat),
    Meminfo(String),
    Spaces(Spaces),
    Devices(Vec<diskio::Device>),
    Interfaces(Vec<net::Interface>),
    Connections(netstat::Counts),
    States(States),
    Found(Found),
    System { loadavg: String, uptime: String, stat: cpu::Stat },
}

impl Collector {
    /// Opens statsd's socket; when that fails it is tried again at each pass. The first pass is due a second after `now`.
    pub async fn start(root: Root, settings: HostSettings, now: Now) -> (Self, Vec<Failure>) {
        let due = now.steady.plus(FIRST_PASS_AFTER);
        let jobs = settings.jobs.into_iter().map(|job| Running {
            job: Arc::new(job),
            due,
            last: None,
            guard: Guard::default(),
            listener: None,
            dropped_packets: 0,
            said: Vec::new(),
        });
        let mut collector = Self { root: Arc::new(root), jobs: jobs.collect() };
        let mut failures = Vec::new();
        for running in &mut collector.jobs {
            running.said = running.listen().await.into_iter().collect();
            failures.extend_from_slice(&running.said);
        }
        (collector, failures)
    }

    /// When the next pass is due, on the steady clock; `None` without jobs.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.jobs.iter().map(|j| j.due).min()
    }

    /// Measures all that is due at `now`. Passes that were missed are left out.
    pub async fn collect(&mut self, now: Now) -> Collected {
        let mut collected = Collected::default();
        for (index, running) in self.jobs.iter_mut().enumerate() {
            if running.due <= now.steady {
                running.schedule(now.steady);
                let before = collected.failures.len();
                running.pass(index, &self.root, now, &mut collected).await;
                running.tell(before, &mut collected);
            }
        }
        collected
    }

    /// Hands out what statsd still holds: the process ends.
    pub fn finish(&mut self, now: Now) -> Collected {
        let mut collected = Collected::default();
        for (index, running) in self.jobs.iter().enumerate() {
            if let Some(listener) = &running.listener {
                let (list, tally) = listener.finish(index, now.wall);
                collected.measurements.extend(list);
                collected.statsd.add(&tally);
            }
        }
        collected
    }
}

impl Running {
    /// The next time in step with the first one that is still to come.
    fn schedule(&mut self, now: Timestamp) {
        let interval_ms = i64::try_from(self.job.interval.as_millis()).unwrap_or(i64::MAX).max(1);
        let late_ms = now.as_millis().saturating_sub(self.due.as_millis());
        let steps = late_ms.div_euclid(interval_ms).saturating_add(1);
        let due = self.due.as_millis().saturating_add(steps.saturating_mul(interval_ms));
        self.due = Timestamp::from_millis(due);
    }

    /// A file system that cannot be asked fails in every pass; the log has it when that begins. Losses are told with their
    /// numbers, which are new each time, so those of one kind count as the same.
    fn tell(&mut self, before: usize, collected: &mut Collected) {
        let failures = collected.failures.get(before..).unwrap_or_default();
        let is_known = |new: &Failure, old: &Failure| {
            let is_loss = new.reason == Reason::LimitReached;
            new.reason == old.reason && new.doing == old.doing && (is_loss || new.message == old.message)
        };
        let news = failures.iter().filter(|new| !self.said.iter().any(|old| is_known(new, old)));
        collected.news.extend(news.cloned());
        self.said = failures.to_vec();
    }

    async fn listen(&mut self) -> Option<Failure> {
        match &self.job.what {
            What::Statsd(settings) if self.listener.is_none() => match Listener::open(settings).await {
                Ok(listener) => {
                    self.listener = Some(listener);
                    None
                }
                Err(error) => Some(error.into()),
            },
            _ => None,
        }
    }

    async fn pass(&mut self, index: usize, root: &Arc<Root>, now: Now, collected: &mut Collected) {
        collected.failures.extend(self.listen().await);
        if let Some(listener) = &self.listener {
            let (list, mut tally) = listener.end_interval(index, now.wall);
            let dropped =
                listener.inode().and_then(|inode| root.dropped_packets(inode)).unwrap_or(self.dropped_packets);
            tally.dropped_packets = dropped.saturating_sub(self.dropped_packets);
            self.dropped_packets = dropped;
            collected.measurements.extend(list);
            collected.failures.extend(losses(&tally));
            collected.statsd.add(&tally);
        }
        match self.sample(root).await {
            Ok(Some(sample)) => self.measure(index, now, sample, collected),
            Ok(None) => {}
            Err(failure) => collected.failures.push(failure),
        }
    }

    /// Reads what the job needs. What may hang in the kernel, or takes long, is done by a thread of its own.
    async fn sample(&mut self, root: &Arc<Root>) -> Result<Option<Sample>, Failure> {
        let job = Arc::clone(&self.job);
        match &self.job.what {
            What::Statsd(_) => Ok(None),
            What::Disk { .. } | What::Netstat | What::Processes | What::Procstat(_) => {
                let doing = format!("measure {}", job.what.plugin().as_str());
                let root = Arc::clone(root);
                let read = self.guard.run(&doing, move || read(&root, &job)).await?;
                Ok(Some(read?))
            }
            _ => Ok(Some(read(root, &job)?)),
        }
    }

    fn measure(&mut self, index: usize, now: Now, sample: Sample, collected: &mut Collected) {
        let job = Arc::clone(&self.job);
        let Collected { measurements, failures, .. } = collected;
        let mut out =
            Output { job: index, plugin: job.what.plugin(), wanted: &job.wanted, when: now.wall, list: measurements };
        match (&job.what, sample, self.last.take()) {
            (What::Cpu { per_cpu, total }, Sample::Stat(stat), last) => {
                let before = if let Some(Last::Stat(before)) = &last { Some(before) } else { None };
                cpu::measure(&stat, before, *per_cpu, *total, &mut out);
                self.last = Some(Last::Stat(stat));
            }
            (What::Diskio { resources }, Sample::Devices(devices), last) => {
                let before = if let Some(Last::Devices(before)) = &last { Some(&**before) } else { None };
                diskio::measure(&devices, before, resources, &mut out);
                self.last = Some(Last::Devices(devices));
            }
            (What::Net { resources }, Sample::Interfaces(interfaces), last) => {
                let before = if let Some(Last::Interfaces(before)) = &last { Some(&**before) } else { None };
                net::measure(&interfaces, before, resources, &mut out);
                self.last = Some(Last::Interfaces(interfaces));
            }
            (What::Procstat(_), Sample::Found(found), last) => {
                failures.extend(too_many(&found));
                self.last = Some(measure_found(&job, &found, last, now.steady, &mut out));
            }
            (What::Disk { drop_device, .. }, Sample::Spaces(spaces), _) => {
                for (mount, space) in &spaces.list {
                    disk::measure(mount, space, *drop_device, &mut out);
                }
                failures.extend(unasked(&spaces));
            }
            (_, sample, _) => measure_alone(&sample, &mut out),
        }
    }
}

/// What needs neither settings nor an earlier sample.
fn measure_alone(sample: &Sample, out: &mut Output<'_>) {
    match sample {
        Sample::Meminfo(text) if out.plugin == super::job::Plugin::Swap => swap::measure(&Meminfo::parse(text), out),
        Sample::Meminfo(text) => mem::measure(&Meminfo::parse(text), out),
        Sample::Connections(counts) => netstat::measure(counts, out),
        Sample::States(states) => processes::measure(states, out),
        Sample::System { loadavg, uptime, stat } => system::measure(loadavg, uptime, stat, out),
        // Each plugin reads its own sample (see `read`).
        Sample::Stat(_) | Sample::Spaces(_) | Sample::Devices(_) | Sample::Interfaces(_) | Sample::Found(_) => {}
    }
}

fn measure_found(job: &Job, found: &Found, last: Option<Last>, now: Timestamp, out: &mut Output<'_>) -> Last {
    let What::Procstat(selector) = &job.what else { return Last::Processes(HashMap::new(), now) };
    let (before, then) = match last {
        Some(Last::Processes(before, then)) => (before, then),
        _ => (HashMap::new(), now),
    };
    let elapsed_seconds = now.since(then).as_secs_f64();
    procstat::measure_lookup(selector, found.number, out);
    for texts in &found.texts {
        procstat::measure(texts, before.get(&texts.pid), elapsed_seconds, selector, out);
    }
    let remembered = found.texts.iter().filter_map(|t| Some((t.pid, t.remember()?)));
    Last::Processes(remembered.collect(), now)
}

fn read(root: &Root, job: &Job) -> Result<Sample, Unreadable> {
    Ok(match &job.what {
        What::Cpu { .. } | What::Statsd(_) => Sample::Stat(root.stat()?),
        What::Mem | What::Swap => Sample::Meminfo(root.text("meminfo")?),
        What::Disk { resources, ignored_types, volume_id, .. } => {
            let is_chosen = |mount: &disk::Mount| disk::is_chosen(mount, resources, ignored_types);
            Sample::Spaces(root.spaces(*volume_id, is_chosen)?)
        }
        What::Diskio { resources } => Sample::Devices(root.devices(matches!(resources, Resources::Chosen(_)))?),
        What::Net { .. } => Sample::Interfaces(root.interfaces()?),
        What::Netstat => Sample::Connections(root.connections()?),
        What::Processes => Sample::States(root.states()?),
        What::Procstat(selector) => Sample::Found(root.found(selector, &job.wanted)?),
        What::System => {
            Sample::System { loadavg: root.text("loadavg")?, uptime: root.text("uptime")?, stat: root.stat()? }
        }
    })
}

fn too_many(found: &Found) -> Option<Failure> {
    (found.cut > 0).then(|| Failure {
        reason: Reason::LimitReached,
        doing: format!("measure {} processes of one procstat entry", found.number),
        message: format!("{} are only counted; choose fewer", found.cut),
    })
}

/// One failure for all: they mostly have one reason.
fn unasked(spaces: &Spaces) -> Option<Failure> {
    let (mount, why) = spaces.failed.first()?;
    let others = match spaces.failed.len() {
        1 => String::new(),
        n => format!(" (and {} more file systems)", n - 1),
    };
    Some(Failure {
        reason: Reason::Unreadable,
        doing: format!("ask for the size of the file system on {}", mount.path),
        message: format!("{why}{others}; leave it out by resources or ignore_file_system_types"),
    })
}

fn losses(tally: &Tally) -> Option<Failure> {
    tally.is_lossy().then(|| Failure {
        reason: Reason::LimitReached,
        doing: "take all that came by statsd".to_owned(),
        message: format!(
            "since the last pass the kernel dropped {} packets, {} lines could not be read, {} values and {} series were too \
             many, {} members of sets were not kept",
            tally.dropped_packets, tally.malformed, tally.dropped_values, tally.dropped_series, tally.dropped_members
        ),
    })
}
