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
        if let Some(at) = h.at {
            write_time(&mut behind, format, at);
        }
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::expose::layout::Layout;
    use crate::expose::page::{Plain, Style, render};
    use crate::expose::text::Escaping;
    use crate::model::{Bounds, Cell, Family, Kind, LabelSet, SeriesSetBuilder, Snapshot, Timestamp};
    use crate::store::View;

    /// Name, kind and labels of a series.
    type Series<'a> = (&'a str, Kind, &'a [(&'a str, &'a str)]);

    const AT: Timestamp = Timestamp::from_millis(1_500);

    fn histogram(at: Timestamp) -> Histogram {
        let bounds = Arc::new(Bounds::new(vec![1.0, 2.5]));
        let created = Some(Timestamp::from_secs(1));
        Histogram { bounds, counts: [1, 3].into(), all: 4, count: 4, sum: 5.5, at: Some(at), created }
    }

    /// Families with the labels of one series each; histograms get `samples`.
    fn page(families: &[Series<'_>], samples: &[Histogram], style: Style) -> (String, u64) {
        let mut set = SeriesSetBuilder::with_labels_as_they_are();
        for (name, kind, labels) in families {
            let family = set.family(Family { name: (*name).into(), help: "h".into(), kind: *kind });
            let labels = labels.iter().map(|(n, v)| ((*n).into(), (*v).into())).collect();
            let labels = set.labels(LabelSet::new(labels));
            set.push(family, labels);
        }
        let mut snapshot = Snapshot::empty(Arc::new(set.build()), Duration::from_secs(60));
        for (position, (_, kind, _)) in families.iter().enumerate() {
            match kind {
                Kind::Histogram => snapshot.put_histograms(position, samples.into(), AT),
                _ => snapshot.put(position, &[Cell::timed(7.0, AT)], AT),
            }
        }
        let view = View { version: 1, snapshots: vec![Arc::new(snapshot)] };
        let layout = Layout::new(&view, style.escaping);
        let mut sink = Plain::default();
        let (duplicates, last) = render(&layout, &view, style, &mut sink);
        assert!(sink.chunks.is_empty());
        (String::from_utf8(last).unwrap(), duplicates + layout.offences().dropped_families)
    }

    const TEXT: Style = Style { format: Format::Text, escaping: Escaping::Underscores };

    #[test]
    fn a_histogram_is_its_buckets_its_sum_and_its_count() {
        let (text, _) = page(&[("m", Kind::Histogram, &[("a", "x")])], &[histogram(AT)], TEXT);
        let expected = "# HELP m h\n# TYPE m histogram\n\
            m_bucket{a=\"x\",le=\"1\"} 1 1500\nm_bucket{a=\"x\",le=\"2.5\"} 3 1500\nm_bucket{a=\"x\",le=\"+Inf\"} 4 1500\n\
            m_sum{a=\"x\"} 5.5 1500\nm_count{a=\"x\"} 4 1500\n";
        assert_eq!(text, expected);
        let (text, _) = page(&[("m", Kind::Histogram, &[])], &[histogram(AT)], TEXT);
        assert!(text.contains("m_bucket{le=\"1\"} 1 1500\n") && text.contains("m_sum 5.5 1500\n"), "{text}");
    }

    #[test]
    fn one_without_a_time_of_its_own_shows_none() {
        let untimed = Histogram { at: None, ..histogram(AT) };
        let (text, _) = page(&[("m", Kind::Histogram, &[])], &[untimed], TEXT);
        assert!(text.contains("m_bucket{le=\"1\"} 1\n") && text.ends_with("m_sum 5.5\nm_count 4\n"), "{text}");
    }

    #[test]
    fn openmetrics_knows_when_it_began() {
        let style = Style { format: Format::OpenMetrics, ..TEXT };
        let (text, _) = page(&[("m", Kind::Histogram, &[])], &[histogram(AT)], style);
        for line in
            ["# TYPE m histogram", "m_bucket{le=\"1.0\"} 1 1.5", "m_bucket{le=\"2.5\"} 3 1.5", "m_created 1 1.5"]
        {
            assert!(text.lines().any(|l| l == line), "{line} in {text}");
        }
    }

    #[test]
    fn of_several_samples_each_time_stays_once_in_order() {
        let later = Timestamp::from_millis(1_501);
        let samples = [histogram(later), histogram(AT), histogram(later)];
        let (text, left_out) = page(&[("m", Kind::Histogram, &[])], &samples, TEXT);
        let counts: Vec<&str> = text.lines().filter(|l| l.starts_with("m_count")).collect();
        assert_eq!((counts, left_out), (vec!["m_count 4 1500", "m_count 4 1501"], 1));
    }

    #[test]
    fn what_looks_like_a_part_of_a_histogram_gives_way() {
        let families: [Series<'_>; 4] = [
            ("m", Kind::Histogram, &[]),
            ("m", Kind::Gauge, &[]),
            ("m_count", Kind::Gauge, &[]),
            ("m_counter", Kind::Gauge, &[]),
        ];
        let (text, left_out) = page(&families, &[histogram(AT)], TEXT);
        let kinds: Vec<&str> = text.lines().filter(|l| l.starts_with("# TYPE")).collect();
        assert_eq!(kinds, ["# TYPE m histogram", "# TYPE m_counter gauge"]);
        assert_eq!(left_out, 2);
    }

    #[test]
    fn labels_as_they_are_are_escaped_sorted_and_never_twice() {
        let families: [Series<'_>; 3] = [
            ("m", Kind::Gauge, &[("a", "2"), ("b", "1")]),
            ("m", Kind::Gauge, &[("foo-bar", "1"), ("foo.bar", "2"), ("foo_bar", "3")]),
            ("m", Kind::Gauge, &[("z", "9")]),
        ];
        let (text, _) = page(&families, &[], TEXT);
        let lines: Vec<&str> = text.lines().filter(|l| !l.starts_with('#')).collect();
        assert_eq!(lines, ["m{z=\"9\"} 7 1500", "m{a=\"2\",b=\"1\"} 7 1500", "m{foo_bar=\"3\"} 7 1500"]);
        let (text, _) = page(&families, &[], Style { escaping: Escaping::AllowUtf8, ..TEXT });
        assert!(text.contains("m{\"foo-bar\"=\"1\",\"foo.bar\"=\"2\",foo_bar=\"3\"} 7 1500"), "{text}");
    }
}
