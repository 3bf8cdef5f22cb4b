//! `raingauge demo`: a simulated cloud on the loopback and the real pipeline against it. No account, no cost.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;

use crate::app::clouds::Clouds;
use crate::app::google::InMemory;
use crate::app::listen::{self, Doors};
use crate::app::run::{About, Daemon, Peer, Reload};
use crate::app::signals;
use crate::aws::client::{Emulator, Network};
use crate::aws::metadata::Endpoint;
use crate::clock::Clock;
use crate::config::{self, Dialect, LoadOptions};
use crate::expose::guard::Guarding;
use crate::gcp::job::GcpSettings;
use crate::host::root::Root;
use crate::sim::example_yace_config;
use crate::sim::{SimCloud, WorldSpec};

/// Simulated time passes so much faster than real time that values move while somebody looks: a five-minute period
/// takes ten seconds.
const SPEED: u32 = 30;
/// Real time between two fetches.
const INTERVAL: Duration = Duration::from_secs(10);

/// This machine's own metrics, pushed into the simulated cloud.
const AGENT: &str = r#"
agent:
  agent: {metrics_collection_interval: 10, region: eu-west-1}
  metrics:
    namespace: Demo/Host
    force_flush_interval: 10
    append_dimensions: {InstanceId: "${aws:InstanceId}"}
    metrics_collected:
      cpu: {measurement: [usage_idle, usage_iowait]}
      mem: {measurement: [mem_used_percent]}
      disk: {measurement: [used_percent], resources: ["/"]}
"#;

/// Serves until a signal ends it. What it does is written to `out`.
pub async fn demo(listen_addresses: &[String], spec: WorldSpec, out: &mut (dyn Write + Send)) -> anyhow::Result<()> {
    let Doors { files, listening } = listen::open(listen_addresses, None).await?;
    let clock = Clock::fast(SPEED);
    let cloud = SimCloud::start(spec, clock.clone()).await.context("failed to start the simulated cloud")?;
    let yaml = example_yace_config(cloud.world());
    let options =
        LoadOptions { dialect: Some(Dialect::Yace), scraping_interval: Some(INTERVAL), ..LoadOptions::default() };
    let mut settings = config::parse(Path::new("demo.yml"), yaml.as_bytes(), &options, &|_| None)?.settings;
    // The demo takes nobody's place: it shows what a native file gives.
    settings.dialect = Dialect::Native;
    settings.gcp = google(cloud.world().spec())?;
    settings.agent =
        config::parse(Path::new("demo.yml"), AGENT.as_bytes(), &LoadOptions::default(), &|_| None)?.settings.agent;
    let region = cloud.world().spec().regions.first().map_or("eu-west-1", |r| &**r).to_owned();
    let emulator = Emulator { endpoint_url: cloud.endpoint_url(), access_key_id: "simulated".into(), region };
    let network = Network { emulator: Some(emulator), ..Network::default() };
    let about = About {
        source: "the demo's own configuration".into(),
        warnings: Vec::new(),
        notice: Some(format!(
            "This is a simulated cloud: nothing here exists or costs anything. Its time passes {SPEED} times as fast as yours."
        )),
        peer: Peer::None,
        started: clock.now(),
    };
    for door in &listening {
        writeln!(out, "{}", how_to_use(&cloud, &listen::url("http", door)))
            .context("failed to say what the demo does")?;
    }
    out.flush().context("failed to say what the demo does")?;
    let clouds = Clouds::new(network, Arc::new(InMemory(cloud.google())));
    let metadata = Endpoint { url: Some(cloud.endpoint_url()), is_disabled: false };
    let daemon = Daemon::new(clock, clouds, &settings, about, None).with_agent(metadata, Root::default(), None, true);
    let reload: Reload = Arc::new(|| Box::pin(async { Err("the demo has no file to reload".to_owned()) }));
    daemon.serve(listening, &Guarding::default(), settings, reload, signals::terminated()).await?;
    drop(files);
    cloud.shutdown().await;
    Ok(())
}

/// A job for the Google half, as a native file would have it.
fn google(spec: &WorldSpec) -> anyhow::Result<Option<GcpSettings>> {
    if spec.google.projects.is_empty() {
        return Ok(None);
    }
    let projects = spec.google.projects.join(", ");
    let seconds = INTERVAL.as_secs();
    let file = format!(
        "gcp:\n  jobs:\n    - {{name: demo, projects: [{projects}], metrics_prefixes: [\"\"], interval: {seconds}s, metrics_interval: 15m}}\n"
    );
    let loaded = config::parse(Path::new("demo.yml"), file.as_bytes(), &LoadOptions::default(), &|_| None)?;
    let mut settings = loaded.settings.gcp;
    for job in settings.iter_mut().flat_map(|gcp| &mut gcp.jobs) {
        job.timestamps = false;
    }
    Ok(settings)
}

fn how_to_use(cloud: &SimCloud, url: &str) -> String {
    let spec = cloud.world().spec();
    let resources: usize = spec.services.iter().map(|(_, n)| n * spec.regions.len() * spec.accounts.len()).sum();
    format!(
        "raingauge demo: a simulated cloud with {resources} resources of {} AWS services in {} accounts, {},\n\
         is at {}; the real pipeline (AWS SDK, discovery, GetMetricData) collects from it every {} s,\n\
         and from {} Google projects with Cloud Run, Pub/Sub, Cloud Functions, Compute Engine and Kubernetes.\n\
         Simulated time passes {SPEED} times as fast as yours, so values move while you look.\n\n\
         \x20 curl {url}/metrics      the metrics of both clouds, for Prometheus or vmagent\n\
         \x20 {url}/                  the jobs, live\n\
         \x20 curl {}/_sim/ledger   what AWS and Google would have billed\n\
         \x20 curl {}/_sim/pushed   what this machine's agent pushed there (namespace Demo/Host)\n\n\
         Ctrl-C ends it.",
        spec.services.len(),
        spec.accounts.len(),
        spec.regions.join(" and "),
        cloud.endpoint_url(),
        INTERVAL.as_secs(),
        spec.google.projects.len(),
        cloud.endpoint_url(),
        cloud.endpoint_url(),
    )
}
