//! The outage drill: CloudWatch is down for a day of simulated minutes with forty metrics each, and the process is killed
//! (SIGKILL) again and again, also while it catches up. What was put into the queue must arrive; what arrives twice is
//! counted, and may only be what was on its way at a kill.
//!
//! The process that is killed is this test's own program, started again with a variable that makes it do the work: the queue
//! and the pump as the agent has them, against the simulated CloudWatch over HTTP.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use futures_util::future::BoxFuture;
use raingauge::aws::client::put::Publisher;
use raingauge::aws::client::{Clients, Emulator, Network};
use raingauge::aws::job::{Access, Role};
use raingauge::clock::Clock;
use raingauge::model::{Datum, LabelSet, MetricIdentity, StandardUnit, Text, Timestamp, Values};
use raingauge::push::pump::{Destination, Event, Pump, PumpSettings, Refused};
use raingauge::push::spool::{Limits, Spool};
use raingauge::sim::{Effect, Fault};
use raingauge::state::StateDir;
use tokio_util::sync::CancellationToken;

use crate::push::cloud;

const MINUTES: usize = 1440;
const METRICS: usize = 40;
const KILLS_IN_THE_OUTAGE: usize = 10;
const KILLS_AFTER_IT: usize = 3;
/// Longer than any line takes to come on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(120);
/// Where the killed process works: directory, endpoint, the first minute's time, the minute to begin with.
const VARIABLE: &str = "RAINGAUGE_TEST_DRILL";

struct Put(Publisher);

impl Destination for Put {
    fn put<'a>(&'a self, data: &'a [Datum]) -> BoxFuture<'a, Result<(), Refused>> {
        Box::pin(async move {
            let (result, _) = self.0.put(data).await;
            result.map_err(|r| Refused { failure: r.failure, for_good: r.bad_data })
        })
    }
}

fn minute(start: i64, n: usize) -> Vec<Datum> {
    let at = Timestamp::from_secs(start + 60 * i64::try_from(n).unwrap());
    let datum = |m: usize| {
        let dimensions = LabelSet::new(vec![("host".into(), "box".into())]);
        let name = Text::from(format!("metric_{m:02}"));
        let of = MetricIdentity { name, dimensions, unit: StandardUnit::NONE, high_resolution: false };
        Datum { of: Arc::new(of), at, values: Values::One(f64::from(u32::try_from(n).unwrap())) }
    };
    (0..METRICS).map(datum).collect()
}

/// To the parent process.
fn say(line: &str) {
    std::io::stdout().write_all(format!("{line}\n").as_bytes()).unwrap();
}

async fn work(job: &str) {
    let [directory, endpoint, start, from] = job.split(' ').collect::<Vec<_>>()[..] else { panic!("{job}") };
    let emulator = Emulator {
        endpoint_url: endpoint.to_owned(),
        access_key_id: "AKSIM".to_owned(),
        region: "eu-west-1".to_owned(),
    };
    let network = Network { emulator: Some(emulator), ..Network::default() };
    let clients = Clients::load(Access::default(), &network).await.unwrap();
    let publisher = clients.publisher(&Role::default(), None, None, &"Drill".into()).await.unwrap();
    let dir = Arc::new(StateDir::open(Path::new(directory)).unwrap());
    let spool = Spool::open(Some(dir), Limits::default()).unwrap();
    let waiting = Arc::new(AtomicUsize::new(spool.waiting()));
    let tell = {
        let waiting = Arc::clone(&waiting);
        Arc::new(move |event| match event {
            Event::Queue(queue) => waiting.store(queue.data, Ordering::SeqCst),
            Event::Sent(data) => say(&format!("sent {data}")),
            _ => {}
        })
    };
    let settings = PumpSettings { flush_interval: Duration::from_secs(1), max_metrics: 1_000, is_durable: true };
    let clock = Clock::system();
    let pump = Pump::new(settings, spool, Arc::new(Put(publisher)), Arc::new(move || clock.now()), tell);
    let (_inlet, running) = pump.start(CancellationToken::new());
    tokio::spawn(running);
    let start = start.parse().unwrap();
    for n in from.parse().unwrap()..MINUTES {
        say(&format!("begin {n}"));
        let (pump, data) = (Arc::clone(&pump), minute(start, n));
        tokio::task::spawn_blocking(move || pump.put(data)).await.unwrap();
        say(&format!("end {n}"));
    }
    while waiting.load(Ordering::SeqCst) > 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    say("drained");
}

struct Worker {
    child: Child,
    lines: mpsc::Receiver<String>,
}

impl Worker {
    fn start(directory: &Path, endpoint: &str, start: i64, from: usize) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "drill::a_day_of_outage_with_kills_loses_nothing", "--nocapture"])
            .env(VARIABLE, format!("{} {endpoint} {start} {from}", directory.display()))
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Self { child, lines }
    }

    fn line(&self) -> String {
        self.lines.recv_timeout(PATIENCE).expect("the worker says something")
    }

    fn kill(mut self) -> Vec<String> {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.lines.iter().collect()
    }
}

/// What the workers have said: which minutes are in the queue for sure, and with which the next one begins.
#[derive(Default)]
struct Heard {
    kept: BTreeSet<usize>,
    next: usize,
}

impl Heard {
    fn hear(&mut self, line: &str) {
        if let Some(n) = line.strip_prefix("begin ") {
            self.next = n.parse::<usize>().unwrap() + 1;
        } else if let Some(n) = line.strip_prefix("end ") {
            self.kept.insert(n.parse().unwrap());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_of_outage_with_kills_loses_nothing() {
    if let Ok(job) = std::env::var(VARIABLE) {
        return work(&job).await;
    }
    let cloud = cloud().await;
    let place = tempfile::tempdir().unwrap();
    let outage = cloud.faults().add(Fault::new(Effect::ServerError(503)).on("PutMetricData"));
    let day = i64::try_from(MINUTES).unwrap() * 60;
    let start = (Clock::system().now().as_secs() - day).div_euclid(60) * 60;
    let mut heard = Heard::default();
    for kill in 1..=KILLS_IN_THE_OUTAGE {
        let worker = Worker::start(place.path(), &cloud.endpoint_url(), start, heard.next);
        while heard.next < kill * MINUTES / (KILLS_IN_THE_OUTAGE + 1) {
            heard.hear(&worker.line());
        }
        worker.kill().iter().for_each(|line| heard.hear(line));
    }
    assert!(cloud.pushed().is_empty(), "it was down");
    // The rest of the day passes, then CloudWatch is back.
    let worker = Worker::start(place.path(), &cloud.endpoint_url(), start, heard.next);
    while heard.next < MINUTES || !heard.kept.contains(&(MINUTES - 1)) {
        heard.hear(&worker.line());
    }
    worker.kill();
    cloud.faults().remove(outage);
    for _ in 0..KILLS_AFTER_IT {
        let worker = Worker::start(place.path(), &cloud.endpoint_url(), start, MINUTES);
        while !worker.line().starts_with("sent ") {}
        worker.kill();
    }
    let worker = Worker::start(place.path(), &cloud.endpoint_url(), start, MINUTES);
    while worker.line() != "drained" {}
    worker.kill();

    assert!(heard.kept.len() > MINUTES - 2 * KILLS_IN_THE_OUTAGE, "{}", heard.kept.len());
    let all = cloud.pushed();
    assert_eq!(all.len(), METRICS);
    for series in &all {
        let there: BTreeSet<Timestamp> = series.points.keys().copied().collect();
        let lost = heard.kept.iter().filter(|n| !there.contains(&minute(start, **n)[0].at)).count();
        assert_eq!(lost, 0, "{}", series.metric);
    }
    let twice: u64 = all.iter().map(|s| s.duplicates).sum();
    assert!(twice <= u64::try_from(KILLS_AFTER_IT * 1_000).unwrap(), "{twice} data came twice");
}
