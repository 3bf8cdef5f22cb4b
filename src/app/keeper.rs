//! Documents of single sources below the state directory.

use std::sync::Arc;

use crate::app::target::gcp::Keepers;
use crate::seam::Keeper;
use crate::state::{DocumentName, StateDir};
use crate::telemetry::Telemetry;

/// The form of a source's document is the source's own; this is the form of the wrapping.
const FORMAT: u32 = 1;

/// Documents for the totals of Google's targets.
pub fn keepers(dir: &Arc<StateDir>, telemetry: &Arc<Telemetry>) -> Keepers {
    let (dir, telemetry) = (Arc::clone(dir), Arc::clone(telemetry));
    Arc::new(move |key: &str| {
        Arc::new(Kept::new(Arc::clone(&dir), Arc::clone(&telemetry), "gcp", key)) as Arc<dyn Keeper>
    })
}

/// One source's document.
pub struct Kept {
    dir: Arc<StateDir>,
    telemetry: Arc<Telemetry>,
    name: DocumentName,
}

impl Kept {
    /// `key`: what the source is, in full: another key is another document.
    pub fn new(dir: Arc<StateDir>, telemetry: Arc<Telemetry>, kind: &str, key: &str) -> Self {
        Self { dir, telemetry, name: DocumentName::new(kind, key) }
    }
}

impl Keeper for Kept {
    fn load(&self) -> Option<Vec<u8>> {
        self.dir.read(&self.name, FORMAT).unwrap_or_else(|e| {
            self.telemetry.state_ignored("damaged");
            tracing::warn!("failed to read what was kept; totals begin anew: {e}");
            None
        })
    }

    fn keep(&self, content: &dyn Fn() -> Vec<u8>) {
        // A hundred thousand totals take a while to encode, and writing waits for the disk; whoever else runs on this thread
        // must not.
        let write = || self.dir.write(&self.name, FORMAT, &content());
        let result = match tokio::runtime::Handle::try_current().map(|handle| handle.runtime_flavor()) {
            Ok(tokio::runtime::RuntimeFlavor::MultiThread) => tokio::task::block_in_place(write),
            _ => write(),
        };
        self.telemetry.state_written(result.is_ok());
        if let Err(e) = result {
            tracing::warn!("failed to keep totals; a restart would begin anew: {e}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Now;
    use crate::telemetry::{Format, TelemetrySettings};

    #[test]
    fn what_is_written_and_what_cannot_be_read_is_in_the_books() {
        let started = Now::default().wall;
        let settings = TelemetrySettings { version: "1", started, yace: false, prices: Vec::new() };
        let (telemetry, folder) = (Arc::new(Telemetry::new(settings)), tempfile::tempdir().unwrap());
        let dir = Arc::new(StateDir::open(folder.path()).unwrap());
        let kept = keepers(&dir, &telemetry)("project a");
        let book = |line: &str| {
            let page = telemetry.encode(started, Format::Text);
            assert!(page.lines().any(|l| l == line), "{line} is not in {page}");
        };
        kept.keep(&|| b"totals".to_vec());
        assert_eq!(kept.load().as_deref(), Some(b"totals".as_slice()));
        book("raingauge_state_writes_total 1");
        let documents = std::fs::read_dir(folder.path()).unwrap().map(|f| f.unwrap().path());
        let document = documents.into_iter().find(|f| f.extension().is_some_and(|e| e == "state")).unwrap();
        std::fs::write(&document, b"half").unwrap();
        assert_eq!(kept.load(), None);
        book("raingauge_state_ignored_documents_total{reason=\"damaged\"} 1");
        std::fs::remove_dir_all(folder.path()).unwrap();
        kept.keep(&|| b"totals".to_vec());
        book("raingauge_state_failed_writes_total 1");
    }
}
