//! The AWS pipeline over real sockets against the simulated cloud: discovery, plan, fetch.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::path::Path;
use std::sync::Arc;

use raingauge::aws::client::{Clients, Emulator, Network};
use raingauge::aws::discover::Discover;
use raingauge::aws::fetch::Fetch;
use raingauge::clock::Clock;
use raingauge::config::{self, LoadOptions};
use raingauge::seam::Source;
use raingauge::sim::{Kind, SimCloud, WorldSpec};
use tokio::sync::watch;

const CONFIG: &str = "
aws:
  discovery:
    exportedTagsOnMetrics: {AWS/EC2: [Name]}
    jobs:
      - type: AWS/EC2
        regions: [eu-west-1]
        metrics:
          - {name: CPUUtilization, statistics: [Average, Maximum], period: 300, length: 3600}
";

#[tokio::test]
async fn what_the_cloud_has_becomes_series() {
    let clock = Clock::system();
    let cloud = SimCloud::start(WorldSpec::empty().with(Kind::Ec2, 7), clock.clone()).await.unwrap();
    let loaded = config::parse(Path::new("x.yml"), CONFIG.as_bytes(), &LoadOptions::default(), &|_| None).unwrap();
    let aws = loaded.settings.aws.unwrap();
    let emulator =
        Emulator { endpoint_url: cloud.endpoint_url(), access_key_id: "AKSIM".into(), region: "eu-west-1".into() };
    let network = Network { emulator: Some(emulator), ..Network::default() };
    let clients = Clients::load(aws.access.clone(), &network).await.unwrap();
    let job = Arc::new(aws.jobs[0].clone());
    let api = clients.api(&job.roles[0], &job.regions[0]).await;
    let (sender, receiver) = watch::channel(None);
    let mut discover = Discover::new(Arc::clone(&job), api.clone(), sender);
    let mut fetch = Fetch::new(job, api, aws.naming, receiver);
    let found = discover.collect(clock.read(), &mut |_| {}).await;
    assert!(found.failures.is_empty(), "{:?}", found.failures);
    assert_eq!(found.resources, Some(7));
    let got = fetch.collect(clock.read(), &mut |_| {}).await;
    assert!(got.failures.is_empty(), "{:?}", got.failures);
    let snapshot = got.snapshot.unwrap();
    assert_eq!(snapshot.set.series.len(), 7 * 3);
    assert_eq!(snapshot.present(), 7 * 3);
    assert!(snapshot.cells[0].value() > 0.0, "a real number");
}
