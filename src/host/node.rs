//! What brings the host to `/metrics`: a source that a worker drives like a cloud's.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;

use super::exposition::{Facts, is_shown_mount, snapshot};
use super::guard::Guard;
use super::root::{Root, Spaces, Unreadable, uname};
use crate::model::{Now, SeriesSet};
use crate::seam::{Failure, Outcome, Progress, Source};

/// The host under node_exporter's names.
#[derive(Debug)]
pub struct NodeSource {
    root: Arc<Root>,
    stale_after: Duration,
    guard: Guard<Result<Spaces, Unreadable>>,
    set: Option<Arc<SeriesSet>>,
}

impl NodeSource {
    /// `stale_after`: how long values are shown when reading fails.
    pub fn new(root: Root, stale_after: Duration) -> Self {
        Self { root: Arc::new(root), stale_after, guard: Guard::default(), set: None }
    }

    async fn read(&mut self) -> (Facts, Vec<Failure>) {
        let mut failures = Vec::new();
        let mut part = |result: Result<String, Unreadable>| result.map_err(|e| failures.push(e.into())).ok();
        let mut facts = Facts {
            stat: part(self.root.text("stat")),
            meminfo: part(self.root.text("meminfo")),
            vmstat: part(self.root.text("vmstat")),
            loadavg: part(self.root.text("loadavg")),
            // These two are missing in some containers, and nobody's main business.
            sockstat: self.root.text("net/sockstat").ok(),
            file_nr: self.root.text("sys/fs/file-nr").ok(),
            uname: Some(uname()),
            ..Facts::default()
        };
        match self.root.devices(false) {
            Ok(devices) => facts.devices = devices,
            Err(error) => failures.push(error.into()),
        }
        match self.root.interfaces() {
            Ok(interfaces) => {
                let state = |name: &str| self.root.interface_file(name, "operstate");
                facts.interfaces = interfaces.into_iter().map(|i| (state(&i.name), i)).map(|(s, i)| (i, s)).collect();
            }
            Err(error) => failures.push(error.into()),
        }
        let root = Arc::clone(&self.root);
        match self.guard.run("measure file systems", move || root.spaces(false, is_shown_mount)).await {
            Ok(Ok(spaces)) => {
                facts.spaces = spaces.list;
                // Shown as what they are: there may always be some that only root may ask.
                facts.unasked = spaces.failed.into_iter().map(|(mount, _)| mount).collect();
            }
            Ok(Err(error)) => failures.push(error.into()),
            Err(failure) => failures.push(failure),
        }
        (facts, failures)
    }
}

impl Source for NodeSource {
    fn collect<'a>(&'a mut self, now: Now, _progress: Progress<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let (facts, failures) = self.read().await;
            let snapshot = snapshot(&facts, now.wall, now.steady, self.set.as_ref(), self.stale_after);
            self.set = Some(Arc::clone(&snapshot.set));
            Outcome { snapshot: Some(snapshot), failures, ..Outcome::default() }
        })
    }
}
