//! `docs/migrating-from-yace.md` is followed word for word: its commands are run as they stand there, in a folder with a YACE
//! file, against a simulated cloud. Only the two fixed ports are exchanged, since a test must find them free; in YACE's
//! place stands raingauge itself, whose likeness is the conformance kits' business.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "partners/processes.rs"]
mod processes;

use std::fs;
use std::path::Path;
use std::process::Command;

use processes::{Running, aws_at, free_address, wait_until_ready};
use raingauge::clock::Clock;
use raingauge::sim::{Kind, SimCloud, WorldSpec};

const YACE_FILE: &str = "
apiVersion: v1alpha1
discovery:
  exportedTagsOnMetrics: {AWS/SQS: [Name]}
  jobs:
    - type: AWS/SQS
      regions: [eu-west-1]
      metrics: [{name: NumberOfMessagesSent, statistics: [Sum, Average], period: 60, length: 3600}]
";

/// The commands of the walk, one text for each fenced block, with the indentation of their list taken out.
fn steps() -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/migrating-from-yace.md");
    let text = fs::read_to_string(path).unwrap();
    let walk = text.split("## Switch in five minutes").nth(1).unwrap().split("\n## ").next().unwrap();
    let blocks = walk.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    blocks.map(|block| block.lines().map(str::trim).collect::<Vec<_>>().join("\n")).collect()
}

/// A shell in the folder, which finds the binary under its name and the simulated cloud where AWS would be.
fn shell(folder: &Path, cloud: &SimCloud, script: &str) -> Command {
    let bin = Path::new(env!("CARGO_BIN_EXE_raingauge")).parent().unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let mut command = Command::new("bash");
    command.args(["-euo", "pipefail", "-c", script]).current_dir(folder).env_clear().env("PATH", path);
    command.env("HOME", folder).env("AWS_EC2_METADATA_DISABLED", "true");
    aws_at(&mut command, &cloud.endpoint_url(), "eu-west-1");
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn the_five_minutes_pass_word_for_word() {
    let steps = steps();
    let [before, start, compare] = &steps[..] else { panic!("three blocks of commands were expected: {steps:?}") };
    let cloud = SimCloud::start(WorldSpec::empty().with(Kind::Sqs, 3), Clock::system()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("config.yml"), YACE_FILE).unwrap();
    let (yace, ours) = (free_address(), free_address());
    let at_home =
        |text: &str| text.replace("127.0.0.1:5000", &yace.to_string()).replace("127.0.0.1:5001", &ours.to_string());

    let checked = shell(folder.path(), &cloud, before).output().unwrap();
    let said = String::from_utf8(checked.stdout).unwrap();
    assert!(checked.status.success(), "{said}{}", String::from_utf8_lossy(&checked.stderr));
    assert!(said.contains("cloudwatch:GetMetricData"), "{said}");
    assert!(cloud.ledger().bill().lines.is_empty(), "the checks promise to make no call");

    let run = |name: &str, script: &str| {
        Running::start(folder.path(), name, &mut shell(folder.path(), &cloud, &format!("exec {script}")))
    };
    let _yace = run("yace", &at_home(&start.replace("127.0.0.1:5001", "127.0.0.1:5000")));
    let _ours = run("ours", &at_home(start));
    wait_until_ready(yace).await;
    let compared = shell(folder.path(), &cloud, &at_home(compare)).output().unwrap();
    let said = String::from_utf8(compared.stdout).unwrap();
    assert!(compared.status.success(), "{said}{}", String::from_utf8_lossy(&compared.stderr));
    let names = fs::read_to_string(folder.path().join("raingauge.txt")).unwrap();
    assert_eq!(names.lines().count(), 3, "two statistics and the info series: {names}");
}
