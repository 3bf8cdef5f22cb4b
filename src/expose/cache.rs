//! Pages, rendered and compressed once for each state of the store and shared by all scrapes. The self-metrics, which
//! change all the time, are rendered for each scrape and joined to that.
//!
//! At most one state of each variant is kept; what belongs to an older state goes as soon as somebody asks for a newer one.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};
use tokio::task::spawn_blocking;
use tokio::time::Instant;

use super::gzip::{Deflated, Deflater, member};
use super::layout::Layout;
use super::negotiate::{Wanted, content_type};
use super::page::{Plain, Style, render};
use super::text::escape_own_names;
use crate::model::Timestamp;
use crate::store::{Store, View};
use crate::telemetry::{PageLabels, Telemetry};

/// What the pages are like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct ExpositionSettings {
    /// Whether OpenMetrics is served to those who want it. Only with native configurations.
    pub openmetrics: bool,
}

/// A finished page.
#[derive(Debug)]
pub struct Page {
    /// Its media type.
    pub content_type: &'static str,
    /// Whether the body is compressed.
    pub gzip: bool,
    /// The body, in order.
    pub chunks: Vec<Bytes>,
}

impl Page {
    /// The size of the body.
    pub fn bytes(&self) -> usize {
        self.chunks.iter().map(Bytes::len).sum()
    }
}

/// A page could not be made.
#[derive(Clone, Debug, thiserror::Error)]
pub enum PageError {
    /// A bug of ours.
    #[error("the page could not be rendered: {0}; please report it with the log")]
    Panic(Arc<str>),
    /// The compressor refused.
    #[error("the page could not be compressed: {0}; ask for it without gzip")]
    Compress(Arc<str>),
}

/// The pages of a store.
#[derive(Clone)]
pub struct Exposition {
    shared: Arc<Inner>,
}

struct Inner {
    store: Arc<Store>,
    telemetry: Arc<Telemetry>,
    settings: ExpositionSettings,
    /// Where this lock and the next one are held, nothing waits and nothing is rendered.
    parts: Mutex<BTreeMap<Wanted, Entry>>,
    /// Held while a layout is computed, by threads that may block: the others need the same one.
    layouts: Mutex<Vec<Arc<Layout>>>,
    /// The newest state whose offences were counted.
    counted: AtomicU64,
}

/// The cloud's part of a page.
enum Part {
    Plain(Vec<Bytes>),
    Gzip(Deflated),
}

type Rendering = Shared<BoxFuture<'static, Result<Arc<Part>, PageError>>>;

struct Entry {
    version: u64,
    part: Rendering,
}

impl Exposition {
    /// Nothing is rendered yet.
    pub fn new(store: Arc<Store>, telemetry: Arc<Telemetry>, settings: ExpositionSettings) -> Self {
        let (parts, layouts, counted) = Default::default();
        Self { shared: Arc::new(Inner { store, telemetry, settings, parts, layouts, counted }) }
    }

    /// The page that a client with these headers (empty: not sent) gets.
    pub async fn scrape(&self, accept: &str, accept_encoding: &str, now: Timestamp) -> Result<Page, PageError> {
        let wanted = Wanted::negotiate(accept, accept_encoding, self.shared.settings.openmetrics);
        let part = self.shared.part(wanted).await?;
        let inner = Arc::clone(&self.shared);
        spawn_blocking(move || inner.join(wanted, &part, now)).await.map_err(panicked)?
    }
}

impl Inner {
    /// The cloud's part: the one that is there, or that somebody is rendering already, or a new one.
    fn part(self: &Arc<Self>, wanted: Wanted) -> Rendering {
        let view = self.store.view();
        let mut parts = lock(&self.parts);
        // Going before the new ones are made: two states of a large page never lie here side by side.
        parts.retain(|_, entry| entry.version >= view.version);
        let entry = parts.entry(wanted).or_insert_with(|| {
            let version = view.version;
            let inner = Arc::clone(self);
            let rendering = spawn_blocking(move || inner.render(&view, wanted));
            let part = async move { rendering.await.map_err(panicked)? }.boxed().shared();
            Entry { version, part }
        });
        entry.part.clone()
    }

    fn render(&self, view: &View, wanted: Wanted) -> Result<Arc<Part>, PageError> {
        let start = Instant::now();
        let layout = self.layout(view, wanted.style);
        let (part, duplicates) = if wanted.gzip {
            let mut sink = Deflater::new(usize::MAX);
            let (duplicates, rest) = render(&layout, view, wanted.style, &mut sink);
            sink.write(&rest);
            (Part::Gzip(sink.flushed().map_err(refused)?), duplicates)
        } else {
            let mut sink = Plain::default();
            let (duplicates, mut rest) = render(&layout, view, wanted.style, &mut sink);
            rest.shrink_to_fit();
            sink.chunks.push(Bytes::from(rest));
            (Part::Plain(sink.chunks), duplicates)
        };
        let mut offences = layout.offences();
        offences.duplicate_samples = duplicates;
        if self.counted.fetch_max(view.version, Ordering::Relaxed) < view.version {
            self.telemetry.page_offences(offences);
        }
        self.telemetry.page_rendered(wanted.into(), start.elapsed());
        Ok(Arc::new(part))
    }

    fn layout(&self, view: &View, style: Style) -> Arc<Layout> {
        let mut layouts = lock(&self.layouts);
        if let Some(fitting) = layouts.iter().find(|l| l.fits(view, style.escaping)) {
            return Arc::clone(fitting);
        }
        layouts.retain(|l| l.fits(view, l.escaping()));
        let layout = Arc::new(Layout::new(view, style.escaping));
        layouts.push(Arc::clone(&layout));
        layout
    }

    /// The page: the cloud's part and our own.
    fn join(&self, wanted: Wanted, part: &Part, now: Timestamp) -> Result<Page, PageError> {
        let own = self.telemetry.encode(now, wanted.style.format);
        let own = escape_own_names(own, wanted.style.escaping);
        let chunks = match part {
            Part::Plain(chunks) => {
                let mut chunks = chunks.clone();
                chunks.push(Bytes::from(own));
                chunks
            }
            Part::Gzip(cloud) => {
                let mut deflater = Deflater::new(own.len() / 4);
                deflater.write(own.as_bytes());
                member(cloud, &deflater.finished().map_err(refused)?)
            }
        };
        Ok(Page { content_type: content_type(wanted.style), gzip: wanted.gzip, chunks })
    }
}

impl From<Wanted> for PageLabels {
    fn from(wanted: Wanted) -> Self {
        Self {
            format: match wanted.style.format {
                crate::telemetry::Format::Text => "text",
                crate::telemetry::Format::OpenMetrics => "openmetrics",
            },
            escaping: wanted.style.escaping.as_str(),
            encoding: if wanted.gzip { "gzip" } else { "identity" },
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn panicked(error: tokio::task::JoinError) -> PageError {
    PageError::Panic(error.to_string().into())
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn refused(error: flate2::CompressError) -> PageError {
    PageError::Compress(error.to_string().into())
}

/// A panic in a rendering leaves nothing half done behind these locks.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
