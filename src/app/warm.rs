//! Warm starts: what targets leave behind is written below the state directory, and read when they start again.
//!
//! A document for each target, replaced whole when there is something new: at most once in [`SAVE_INTERVAL`], and when the
//! daemon ends. Whatever goes wrong here is logged and counted, and never keeps anything from being collected.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::aws::warm::{self, FORMAT, Keeping, Remembered};
use crate::clock::Clock;
use crate::state::{DocumentName, StateDir, StateError};
use crate::telemetry::Telemetry;
use crate::work::readiness::Readiness;

/// The kind of our documents.
const KIND: &str = "aws";
/// The kind of the document with the regions of accounts.
const REGIONS: &str = "regions";
/// A target is written at most this often: what a crash loses is what was asked for in this time.
const SAVE_INTERVAL: Duration = Duration::from_secs(10);
/// How often is looked whether anything is to be written.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// Writing takes at most one part in so many of the time, however many targets there are and however slow the disk is.
const SHARE: u32 = 4;
/// What the daemon's end may take.
const LONGEST_END: Duration = Duration::from_secs(3);

/// A start with memories shows them before it answers, unless that takes longer; scrapers have more patience (ten seconds).
const SHOWN_PATIENCE: Duration = Duration::from_secs(3);
/// Between two looks whether they are shown.
const SHOWN_LOOK: Duration = Duration::from_millis(5);

/// The state directory in use. Clones share it.
#[derive(Clone)]
pub struct Warm {
    inner: Arc<Inner>,
}

struct Inner {
    dir: Arc<StateDir>,
    clock: Clock,
    telemetry: Arc<Telemetry>,
    had_documents: bool,
    /// Documents that were there at the start and that nobody has asked for yet.
    found: Mutex<BTreeSet<DocumentName>>,
    targets: Mutex<BTreeMap<DocumentName, Kept>>,
    /// Two threads must not write one document at the same time.
    saving: Mutex<()>,
}

struct Kept {
    keeping: Arc<Keeping>,
    saved: Option<Instant>,
}

/// Takes the directory for this process. One that can be read only is found out now, not when the daemon ends.
pub fn open(path: &Path) -> Result<StateDir, StateError> {
    let dir = StateDir::open(path)?;
    let probe = DocumentName::new("probe", "");
    dir.write(&probe, FORMAT, &[])?;
    dir.remove(&probe)?;
    Ok(dir)
}

impl Warm {
    /// In a directory that this process has taken; it may be shared with others who keep documents of other kinds.
    pub fn new(dir: Arc<StateDir>, clock: Clock, telemetry: Arc<Telemetry>) -> Result<Self, StateError> {
        let found: BTreeSet<_> = dir.names(KIND)?.into_iter().collect();
        let (had_documents, found) = (!found.is_empty(), Mutex::new(found));
        let inner =
            Inner { dir, clock, telemetry, had_documents, found, targets: Mutex::default(), saving: Mutex::default() };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Waits until what an earlier run left behind is shown, so that nobody scrapes a page that is half full: that would end the
    /// series that are missing.
    pub async fn shown(&self, readiness: &Readiness) {
        let shown = async {
            while self.inner.had_documents && !readiness.missing().is_empty() {
                tokio::time::sleep(SHOWN_LOOK).await;
            }
        };
        // Late is not an error: the page is served with what is there.
        let _ = tokio::time::timeout(SHOWN_PATIENCE, shown).await;
    }

    /// What the target of this name and definition left behind, if it is good.
    pub async fn recall(&self, target: &str, definition: &str) -> Option<Remembered> {
        let (warm, name) = (self.clone(), DocumentName::new(KIND, target));
        let (target, definition) = (target.to_owned(), definition.to_owned());
        let read = tokio::task::spawn_blocking(move || warm.read(&name, &target, &definition));
        read.await.ok().flatten()
    }

    fn read(&self, name: &DocumentName, target: &str, definition: &str) -> Option<Remembered> {
        let Inner { dir, clock, .. } = &*self.inner;
        // Once: what a reload starts follows something that ran in this process.
        if !self.found().remove(name) {
            return None;
        }
        match dir.read(name, FORMAT) {
            Ok(Some(bytes)) => match warm::read(&bytes, definition, clock.now()) {
                Ok(remembered) => return Some(remembered),
                Err(e) => self.ignore(target, e.as_str(), &e.to_string()),
            },
            Ok(None) => self.ignore(target, "another_version", "another version of raingauge wrote it"),
            Err(e) => self.ignore(target, "damaged", &e.to_string()),
        }
        None
    }

    /// The regions that an earlier process knew.
    pub async fn regions(&self) -> Option<Vec<u8>> {
        let warm = self.clone();
        let read = tokio::task::spawn_blocking(move || {
            let read = warm.inner.dir.read(&DocumentName::new(REGIONS, ""), FORMAT);
            read.unwrap_or_else(|e| {
                warm.ignore(REGIONS, "damaged", &e.to_string());
                None
            })
        });
        read.await.ok().flatten()
    }

    /// For a later process.
    pub fn keep_regions(&self, known: Vec<u8>) {
        let warm = self.clone();
        tokio::task::spawn_blocking(move || {
            let _turn = warm.inner.saving.lock().unwrap_or_else(PoisonError::into_inner);
            match warm.inner.dir.write(&DocumentName::new(REGIONS, ""), FORMAT, &known) {
                Ok(()) => warm.inner.telemetry.state_written(true),
                Err(e) => warm.failed(&e),
            }
        });
    }

    /// Says that a document is not used.
    pub fn ignore(&self, target: &str, reason: &'static str, why: &str) {
        self.inner.telemetry.state_ignored(reason);
        tracing::warn!(target_ = %target, reason, "what was kept of an earlier run is not used: {why}");
    }

    /// From now on this target is written.
    pub fn enlist(&self, target: &str, keeping: Arc<Keeping>) {
        self.targets().insert(DocumentName::new(KIND, target), Kept { keeping, saved: None });
    }

    /// The configuration does not have this target any more.
    pub fn forget(&self, target: &str) {
        let (warm, name) = (self.clone(), DocumentName::new(KIND, target));
        self.targets().remove(&name);
        tokio::task::spawn_blocking(move || warm.remove(&name));
    }

    /// Removes the documents of targets that the configuration does not have; `wanted`: all that it has.
    pub fn tidy(&self, wanted: &[&str]) {
        let wanted: BTreeSet<_> = wanted.iter().map(|target| DocumentName::new(KIND, target)).collect();
        let mut found = self.found();
        let gone: Vec<_> = found.difference(&wanted).cloned().collect();
        found.retain(|name| wanted.contains(name));
        drop(found);
        for name in &gone {
            self.ignore(
                name.as_str(),
                "another_configuration",
                "no job is configured like the one that left it behind",
            );
        }
        let warm = self.clone();
        tokio::task::spawn_blocking(move || gone.iter().for_each(|name| warm.remove(name)));
    }

    fn remove(&self, name: &DocumentName) {
        let _turn = self.inner.saving.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(e) = self.inner.dir.remove(name) {
            self.failed(&e);
        }
    }

    /// Writes what is new, until it is dropped.
    pub async fn run(&self) {
        loop {
            tokio::time::sleep(LOOK_INTERVAL).await;
            let due = self.due(SAVE_INTERVAL);
            if due.is_empty() {
                continue;
            }
            let (warm, began) = (self.clone(), Instant::now());
            // A panic is reported by its hook; the next round tries again.
            let _ = tokio::task::spawn_blocking(move || warm.save(&due)).await;
            tokio::time::sleep(began.elapsed() * (SHARE - 1)).await;
        }
    }

    /// Writes what is new, once, when the workers have been stopped.
    pub async fn finish(&self) {
        let due = self.due(Duration::ZERO);
        let saving = async {
            for (_, keeping) in &due {
                keeping.settled().await;
            }
            let warm = self.clone();
            let _ = tokio::task::spawn_blocking(move || warm.save(&due)).await;
        };
        if tokio::time::timeout(LONGEST_END, saving).await.is_err() {
            tracing::warn!("not everything could be written to the state directory in time");
        }
    }

    fn due(&self, interval: Duration) -> Vec<(DocumentName, Arc<Keeping>)> {
        let is_due =
            |kept: &Kept| kept.keeping.is_changed() && kept.saved.is_none_or(|saved| saved.elapsed() >= interval);
        let targets = self.targets();
        let due = targets.iter().filter(|(_, kept)| is_due(kept));
        due.map(|(name, kept)| (name.clone(), Arc::clone(&kept.keeping))).collect()
    }

    fn save(&self, due: &[(DocumentName, Arc<Keeping>)]) {
        let Inner { dir, clock, telemetry, saving, .. } = &*self.inner;
        let _turn = saving.lock().unwrap_or_else(PoisonError::into_inner);
        for (name, keeping) in due {
            let Some(export) = keeping.export(clock.read()) else { continue };
            match dir.write_with(name, FORMAT, |out| export.write(out)) {
                Ok(()) => telemetry.state_written(true),
                Err(e) => {
                    keeping.changed();
                    self.failed(&e);
                }
            }
            if let Some(kept) = self.targets().get_mut(name) {
                kept.saved = Some(Instant::now());
            }
        }
    }

    fn failed(&self, e: &StateError) {
        self.inner.telemetry.state_written(false);
        tracing::error!("the state directory is not up to date: {e}");
    }

    /// Nothing panics while this lock is held.
    fn found(&self) -> MutexGuard<'_, BTreeSet<DocumentName>> {
        self.inner.found.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nor while this one is.
    fn targets(&self) -> MutexGuard<'_, BTreeMap<DocumentName, Kept>> {
        self.inner.targets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
