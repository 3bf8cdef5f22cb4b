//! The samples of histogram families. What does not change from bucket to bucket is put together once for each histogram.

use super::{FamilyRows, Renderer, SAMPLE_TAIL_BYTES, Sink, Start, write_time};
use crate::expose::openmetrics;
use crate::model::Histogram;
use crate::model::number::write_number;
use crate::telemetry::Format;

/// What stands before the labels of each kind of sample.
struct Starts {
    bucket: Start,
    sum: Start,
    count: Start,
    created: Start,
}

impl Renderer<'_> {
    /// All rows of a histogram family. `name` is escaped already.
    pub(super) fn histograms(&mut self, name: &str, family: &FamilyRows, sink: &mut impl Sink) {
        let starts = Starts {
            bucket: Start::new(name, "_bucket"),
            sum: Start::new(name, "_sum"),
            count: Start::new(name, "_count"),
            created: Start::new(name, "_created"),
        };
        let view = self.view;
        for rows in family.rows.chunk_by(|a, b| a.labels == b.labels) {
            let Some(first) = rows.first() else { continue };
            let of = |row: &super::Row| {
                view.snapshots.get(row.snapshot as usize).map_or(&[][..], |s| s.histograms(row.position as usize))
            };
            if let ([row], [only]) = (rows, of(first)) {
                self.histogram(only, row.labels, &starts, sink);
                continue;
            }
            let mut samples: Vec<&Histogram> = rows.iter().flat_map(of).collect();
            let before = samples.len();
            samples.sort_by_key(|h| h.at);
            samples.dedup_by_key(|h| h.at);
            self.duplicates += (before - samples.len()) as u64;
            for sample in samples {
                self.histogram(sample, first.labels, &starts, sink);
            }
        }
    }

    fn histogram(&mut self, h: &Histogram, labels: u32, starts: &Starts, sink: &mut impl Sink) {
        let labels = self.layout.texts().get(labels);
        let format = self.style.format;
        let (mut before, mut behind) = (starts.bucket.labelled.clone(), Vec::new());
        before.extend_from_slice(labels);
        if !labels.is_empty() {
            before.push(b',');
        }
        before.extend_from_slice(b"le=\"");
        write_time(&mut behind, format, h.at);
        behind.push(b'\n');
        let spelled = h.bounds.spelled().zip(h.counts.iter().copied());
        for (le, count) in spelled.chain(std::iter::once((&b"+Inf"[..], h.all))) {
            self.make_room(before.len() + le.len(), sink);
            let out = &mut self.chunk;
            out.extend_from_slice(&before);
            out.extend_from_slice(le);
            if format == Format::OpenMetrics {
                openmetrics::complete_bound(out, le);
            }
            out.extend_from_slice(b"\"} ");
            write_number(out, number(count));
            out.extend_from_slice(&behind);
        }
        self.part(&starts.sum, labels, h.sum, &behind, sink);
        self.part(&starts.count, labels, number(h.count), &behind, sink);
        if let (Format::OpenMetrics, Some(created)) = (format, h.created) {
            #[expect(clippy::cast_precision_loss, reason = "milliseconds of our age are exact")]
            self.part(&starts.created, labels, created.as_millis() as f64 / 1000.0, &behind, sink);
        }
    }

    fn part(&mut self, start: &Start, labels: &[u8], value: f64, behind: &[u8], sink: &mut impl Sink) {
        self.make_room(start.labelled.len() + labels.len() + SAMPLE_TAIL_BYTES, sink);
        let out = &mut self.chunk;
        if labels.is_empty() {
            out.extend_from_slice(&start.bare);
        } else {
            out.extend_from_slice(&start.labelled);
            out.extend_from_slice(labels);
            out.push(b'}');
        }
        out.push(b' ');
        write_number(out, value);
        out.extend_from_slice(behind);
    }
}

#[expect(clippy::cast_precision_loss, reason = "a page's numbers are floats")]
fn number(count: u64) -> f64 {
    count as f64
}
