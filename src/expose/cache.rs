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
use super::page::{CHUNK_BYTES, Plain, Style, render};
use super::text::{Escaping, escape_own_names, is_legacy_name};
use crate::model::{LabelRule, Timestamp};
use crate::store::{Store, View};
use crate::telemetry::{PageLabels, Share, Telemetry};

/// What the pages are like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct ExpositionSettings {
    /// Whether OpenMetrics is served to those who want it. Only with native configurations.
    pub openmetrics: bool,
}

/// Which part of everything a page shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PagePart {
    /// Of our own metrics.
    pub share: Share,
    /// Of the cloud's; `None`: nothing.
    pub cloud: Option<Selection>,
}

/// Which of the cloud's series a page shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// All.
    Everything,
    /// Those whose metric begins with one of these in the cloud.
    Only(Vec<String>),
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
    /// While this lock is held nothing waits and nothing is rendered.
    pages: Mutex<Pages>,
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

/// What is rendered, or being rendered, for the newest state that somebody asked for.
#[derive(Default)]
struct Pages {
    version: u64,
    /// All escapings but one leave the names of this state alone: they share their pages.
    legacy_names: bool,
    parts: BTreeMap<Wanted, Rendering>,
    /// The chunks of the page before, for the next one: pages are so large that giving them back and asking for as much
    /// again costs more than writing them, and leaves holes. What nobody used goes when the next state comes.
    spare: Vec<Vec<u8>>,
}

impl Exposition {
    /// Nothing is rendered yet.
    pub fn new(store: Arc<Store>, telemetry: Arc<Telemetry>, settings: ExpositionSettings) -> Self {
        let (pages, layouts, counted) = Default::default();
        Self { shared: Arc::new(Inner { store, telemetry, settings, pages, layouts, counted }) }
    }

    /// The page that a client with these headers (empty: not sent) gets.
    pub async fn scrape(&self, accept: &str, accept_encoding: &str, now: Timestamp) -> Result<Page, PageError> {
        let everything = PagePart { share: Share::All, cloud: Some(Selection::Everything) };
        self.scrape_part(everything, accept, accept_encoding, now).await
    }

    /// A part of that page. Selections are rendered for each scrape.
    pub async fn scrape_part(
        &self,
        PagePart { share, cloud }: PagePart,
        accept: &str,
        accept_encoding: &str,
        now: Timestamp,
    ) -> Result<Page, PageError> {
        let wanted = Wanted::negotiate(accept, accept_encoding, self.shared.settings.openmetrics);
        let inner = Arc::clone(&self.shared);
        let selected = match cloud {
            Some(Selection::Everything) => {
                let part = self.shared.part(wanted).await?;
                return spawn_blocking(move || inner.join(wanted, &part, share, now)).await.map_err(panicked)?;
            }
            Some(Selection::Only(beginnings)) => beginnings,
            None => Vec::new(),
        };
        let select = move || {
            let view = inner.store.view().only(&selected);
            let (part, _) = draw(&Layout::new(&view, wanted.style.escaping), &view, wanted, Vec::new())?;
            inner.join(wanted, &part, share, now)
        };
        spawn_blocking(select).await.map_err(panicked)?
    }
}

impl Inner {
    /// The cloud's part: the one that is there, or that somebody is rendering already, or a new one.
    fn part(self: &Arc<Self>, wanted: Wanted) -> Rendering {
        let mut pages = lock(&self.pages);
        // Behind the lock, or an older state could be taken for the newest one.
        let view = self.store.view();
        if pages.version < view.version {
            pages.advance(&view);
        }
        let wanted = pages.shared(wanted);
        let Pages { parts, spare, .. } = &mut *pages;
        let part = parts.entry(wanted).or_insert_with(|| {
            let spare = if wanted.gzip { Vec::new() } else { std::mem::take(spare) };
            let inner = Arc::clone(self);
            let rendering = spawn_blocking(move || inner.render(&view, wanted, spare));
            async move { rendering.await.map_err(panicked)? }.boxed().shared()
        });
        part.clone()
    }

    fn render(&self, view: &View, wanted: Wanted, spare: Vec<Vec<u8>>) -> Result<Arc<Part>, PageError> {
        let start = Instant::now();
        let layout = self.layout(view, wanted.style);
        let (part, duplicates) = draw(&layout, view, wanted, spare)?;
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
    fn join(&self, wanted: Wanted, part: &Part, share: Share, now: Timestamp) -> Result<Page, PageError> {
        let own = self.telemetry.encode_share(share, now, wanted.style.format);
        // stackdriver_exporter's library leaves legal names alone; YACE's does not.
        let own =
            if self.telemetry.is_beside_stackdriver() { own } else { escape_own_names(own, wanted.style.escaping) };
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

/// The cloud's part, and the samples that were left out as duplicates.
fn draw(layout: &Layout, view: &View, wanted: Wanted, spare: Vec<Vec<u8>>) -> Result<(Part, u64), PageError> {
    if wanted.gzip {
        let mut sink = Deflater::new(usize::MAX);
        let (duplicates, rest) = render(layout, view, wanted.style, &mut sink);
        sink.write(&rest);
        return Ok((Part::Gzip(sink.flushed().map_err(refused)?), duplicates));
    }
    let mut sink = Plain { spare, ..Plain::default() };
    let (duplicates, mut rest) = render(layout, view, wanted.style, &mut sink);
    rest.shrink_to_fit();
    sink.chunks.push(Bytes::from(rest));
    Ok((Part::Plain(sink.chunks), duplicates))
}

impl Pages {
    /// Lets go of everything that belongs to an older state, before anything new is made: two states of a large page never
    /// lie here side by side.
    fn advance(&mut self, view: &View) {
        self.version = view.version;
        self.legacy_names = view.snapshots.iter().all(|s| s.set.label_rule == LabelRule::Unified)
            && view.snapshots.iter().flat_map(|s| &s.set.families).all(|family| is_legacy_name(&family.name));
        self.spare.clear();
        for rendering in std::mem::take(&mut self.parts).into_values() {
            // Parts that are not ready yet, and chunks that are still on their way to somebody, are not ours alone.
            let Some(Ok(part)) = rendering.now_or_never() else { continue };
            let Some(Part::Plain(chunks)) = Arc::into_inner(part) else { continue };
            if self.spare.is_empty() {
                let own = chunks.into_iter().filter(Bytes::is_unique).map(emptied);
                self.spare.extend(own.filter(|chunk| chunk.capacity() >= CHUNK_BYTES));
            }
        }
    }

    /// The variant whose page is the same.
    fn shared(&self, mut wanted: Wanted) -> Wanted {
        if self.legacy_names && wanted.style.escaping != Escaping::Dots {
            wanted.style.escaping = Escaping::Underscores;
        }
        wanted
    }
}

/// The memory of a chunk that nobody else has.
fn emptied(mut chunk: Bytes) -> Vec<u8> {
    chunk.clear();
    chunk.into()
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
