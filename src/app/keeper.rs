//! Documents of single sources below the state directory.

use std::sync::Arc;

use crate::app::target::gcp::Keepers;
use crate::seam::Keeper;
use crate::state::{DocumentName, StateDir};

/// The form of a source's document is the source's own; this is the form of the wrapping.
const FORMAT: u32 = 1;

/// Documents for the totals of Google's targets.
pub fn keepers(dir: &Arc<StateDir>) -> Keepers {
    let dir = Arc::clone(dir);
    Arc::new(move |key: &str| Arc::new(Kept::new(Arc::clone(&dir), "gcp", key)) as Arc<dyn Keeper>)
}

/// One source's document.
pub struct Kept {
    dir: Arc<StateDir>,
    name: DocumentName,
}

impl Kept {
    /// `key`: what the source is, in full: another key is another document.
    pub fn new(dir: Arc<StateDir>, kind: &str, key: &str) -> Self {
        Self { dir, name: DocumentName::new(kind, key) }
    }
}

impl Keeper for Kept {
    fn load(&self) -> Option<Vec<u8>> {
        self.dir.read(&self.name, FORMAT).unwrap_or_else(|e| {
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
        if let Err(e) = result {
            tracing::warn!("failed to keep totals; a restart would begin anew: {e}");
        }
    }
}
