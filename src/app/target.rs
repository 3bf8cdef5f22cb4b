//! What the bridge runs: targets, which know neither cloud nor engine, only how to make their sources. Jobs become targets
//! in `aws` and `gcp`; who keeps running at a reload is decided in `reload`.

pub mod aws;
pub mod gcp;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::aws::warm::{Keeping, Remembered};
use crate::model::{Now, Snapshot, Text};
use crate::seam::{Asker, Call, Gate, Priority, Source};

/// One job in one place, as one identity.
#[derive(Clone)]
pub struct Target {
    /// What people call the job; several targets may share it.
    pub label: Text,
    /// What kind of job it is, for the status page.
    pub kind: &'static str,
    /// Where.
    pub region: Text,
    /// The account as far as it is known; empty: the process's own.
    pub account: Text,
    /// Equal texts mean equal work: a reload leaves such a target alone.
    pub definition: String,
    /// Equal texts mean that the values of one are good enough until the other has its own.
    pub lineage: String,
    /// Before whom its calls are made.
    pub priority: Priority,
    /// A run that takes longer is given up; `None`: as usual.
    pub deadline: Option<Duration>,
    /// Makes its sources.
    pub work: Arc<dyn Work>,
}

impl Target {
    /// Whose account it is.
    pub fn cloud(&self) -> &'static str {
        if self.kind == "gcp" { "gcp" } else { "aws" }
    }

    /// Whether the values of `old` are good enough until this one has its own.
    pub fn follows(&self, old: &Self) -> bool {
        self.lineage == old.lineage
    }
}

/// Makes the sources of a target.
pub trait Work: Send + Sync {
    /// Connects; never fails: what is wrong shows in the runs.
    fn sources(&self, given: Given) -> BoxFuture<'_, Sources>;

    /// Whether it leaves something behind that a later process can begin with.
    fn remembers(&self) -> bool {
        false
    }
}

/// What a target finds when it starts.
pub struct Given {
    /// Asked before every call.
    pub gate: Arc<dyn Gate>,
    /// As whom.
    pub asker: Asker,
    /// The values of the target before it.
    pub values: Option<Arc<Snapshot>>,
    /// What an earlier process left behind, if the target remembers.
    pub remembered: Option<Remembered>,
    /// The target's.
    pub definition: String,
    /// When it starts.
    pub now: Now,
}

/// The two sources of a target.
pub struct Sources {
    /// What there is.
    pub discover: Box<dyn Source>,
    /// Before the first discovery.
    pub discover_in: Duration,
    /// Time between two discoveries.
    pub inventory_interval: Duration,
    /// Its values.
    pub fetch: Box<dyn Source>,
    /// Time between two fetches.
    pub interval: Duration,
    /// Values to begin with.
    pub recalled: Option<Snapshot>,
    /// Says whether what was remembered still holds.
    pub check: Option<Check>,
    /// What is to survive.
    pub keeping: Option<Arc<Keeping>>,
}

/// Finds out whether memories still hold.
pub type Check = BoxFuture<'static, Checked>;

/// Whether memories still hold.
pub struct Checked {
    /// Why they do not.
    pub is_true: Result<(), &'static str>,
    /// What it took to find out.
    pub calls: Vec<Call>,
}

/// A target that does nothing.
#[cfg(test)]
pub(crate) fn idle(label: &str, definition: &str, priority: Priority) -> Target {
    struct Idle;

    impl Work for Idle {
        fn sources(&self, _given: Given) -> BoxFuture<'_, Sources> {
            Box::pin(std::future::pending())
        }
    }

    Target {
        label: label.into(),
        kind: "custom",
        region: "r".into(),
        account: "".into(),
        definition: definition.into(),
        lineage: label.into(),
        priority,
        deadline: None,
        work: Arc::new(Idle),
    }
}
