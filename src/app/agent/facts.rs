//! What this machine is: its name, and what the instance's metadata service (and, for the auto-scaling group, EC2) says.
//! Nobody waits for it for long: who cannot be asked is asked again later, and data go out without it meanwhile.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::sync::watch;

use super::{Around, HOLD};
use crate::aws::client::Clients;
use crate::aws::job::{Access, Role};
use crate::aws::metadata::{Instance, Metadata};
use crate::aws::question::{INSTANCE_TAGS, Question};
use crate::aws::xml::Element;
use crate::host::root::Root;
use crate::model::Text;
use crate::push::dimensions::{Facts, wanted};
use crate::push::job::{Fact, PushSettings};
use crate::seam::{Failure, Reason};

/// The instance's tag with the name of its group.
const GROUP_TAG: &str = "aws:autoscaling:groupName";
/// Pauses after each failure; the last one repeats. (The instance may just be booting.)
const PAUSES: [Duration; 6] = [
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(60),
    Duration::from_secs(180),
    Duration::from_secs(600),
];
/// A machine without a name.
const NO_NAME: &str = "localhost";

/// What is known, and whether data should wait for more.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    pub(super) facts: Facts,
    pub(super) is_settled: bool,
}

impl Known {
    /// Before anybody was asked.
    pub(super) fn nothing(root: &Root) -> Self {
        let name = std::fs::read_to_string(root.proc.join("sys/kernel/hostname")).unwrap_or_default();
        let name = if name.trim().is_empty() { NO_NAME } else { name.trim() };
        Self { facts: Facts { host_name: name.into(), ..Facts::default() }, is_settled: false }
    }
}

/// Asks until everything that the settings want is known; gives up waiting, but not asking, after a while.
pub(super) async fn learn(around: Around, push: PushSettings, known: watch::Sender<Known>) {
    let wanted = wanted(&push.naming);
    let settle = || known.send_modify(|known| known.is_settled = true);
    if wanted.is_empty() {
        return settle();
    }
    let asking = ask(&around, &push, &wanted, &known);
    tokio::pin!(asking);
    if tokio::time::timeout(HOLD, &mut asking).await.is_err() {
        settle();
        asking.await;
    }
    settle();
}

async fn ask(around: &Around, push: &PushSettings, wanted: &BTreeSet<Fact>, known: &watch::Sender<Known>) {
    let metadata = match Metadata::new(&around.metadata) {
        Ok(metadata) => metadata,
        Err(failure) => return tracing::error!("failed to {failure}"),
    };
    let instance = again("the instance", known, || metadata.instance()).await;
    known.send_modify(|known| {
        let facts =
            [(Fact::InstanceId, &instance.id), (Fact::InstanceType, &instance.kind), (Fact::ImageId, &instance.image)];
        let given = facts.into_iter().filter(|(_, value)| !value.is_empty());
        known.facts.instance.extend(given.map(|(fact, value)| (fact, Text::clone(value))));
    });
    if wanted.contains(&Fact::AutoScalingGroupName) {
        let group = again("the auto-scaling group", known, || group(around, push, &metadata, &instance)).await;
        if let Some(group) = group {
            known.send_modify(|known| {
                known.facts.instance.insert(Fact::AutoScalingGroupName, group);
            });
        } else {
            tracing::info!("the instance is in no auto-scaling group: its metrics go without that dimension");
        }
    }
}

/// Until it succeeds. The failure is logged when it is new.
async fn again<T, F: Future<Output = Result<T, Failure>>>(
    what: &str,
    known: &watch::Sender<Known>,
    mut attempt: impl FnMut() -> F,
) -> T {
    let mut said = String::new();
    for pause in PAUSES.into_iter().chain(std::iter::repeat(Duration::from_secs(600))) {
        let failure = match attempt().await {
            Ok(found) => return found,
            Err(failure) => failure,
        };
        let text = failure.to_string();
        if text != said {
            tracing::warn!(advice = failure.reason.advice(), "metrics lack {what} for now: failed to {failure}");
            said = text;
        }
        // Where nobody answers, or is allowed to, nobody will within seconds.
        if matches!(failure.reason, Reason::Timeout | Reason::Network | Reason::AccessDenied | Reason::NoCredentials)
            && pause >= Duration::from_secs(2)
        {
            known.send_if_modified(|known| !std::mem::replace(&mut known.is_settled, true));
        }
        tokio::time::sleep(pause).await;
    }
    std::future::pending().await
}

/// From the instance's own tags, where they are shown to it; else from EC2.
async fn group(
    around: &Around,
    push: &PushSettings,
    metadata: &Metadata,
    instance: &Instance,
) -> Result<Option<Text>, Failure> {
    if let Ok(Some(group)) = metadata.tag(GROUP_TAG).await {
        return Ok(Some(group));
    }
    let clients = Clients::load(Access::default(), &around.network).await?;
    let role = Role { arn: push.role_arn.clone(), ..Role::default() };
    let client = clients.api(&role, &instance.region).await;
    let question = Question::new(&INSTANCE_TAGS)
        .with("Filter.1.Name", "resource-type")
        .with("Filter.1.Value.1", "instance")
        .with("Filter.2.Name", "resource-id")
        .with("Filter.2.Value.1", &*instance.id)
        .with("Filter.3.Name", "key")
        .with("Filter.3.Value.1", GROUP_TAG);
    let answered = crate::aws::api::Api::ask(&*client, &question).await;
    around.shared.telemetry.record_calls(std::slice::from_ref(&answered.call));
    let body = answered.result?;
    let root = Element::parse(&body).map_err(|e| Failure {
        reason: Reason::BadAnswer,
        doing: "read the instance's tags".to_owned(),
        message: e.to_string(),
    })?;
    let tag = root.list("tagSet", "item").find(|item| item.text("key") == Some(GROUP_TAG));
    Ok(tag.and_then(|item| item.text("value")).map(Text::from))
}
