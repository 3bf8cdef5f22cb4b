//! One gzip member out of parts that were compressed at different times: the large one once for each state of the store,
//! the small one at every scrape. Several members in a row would be valid too, but some clients read only the first.
//!
//! The large part ends with a full flush, which leaves the stream at a byte border and without a final block; the small part
//! brings the final block. The check sums of both are combined, not computed again.

use bytes::Bytes;
use flate2::{Compress, CompressError, Compression, Crc, FlushCompress, Status};

use super::page::Sink;

/// Measured on a page of 105,000 series (30 MB): levels 2 and 3 take a third to a half longer than level 1 and make the
/// result (3.9 MB) a quarter smaller; level 6 takes three times as long. Scrapers sit nearby: time counts more.
const LEVEL: u32 = 1;

/// Compressed text is kept in pieces of this size.
const PIECE_BYTES: usize = 64 * 1024;

/// Magic number, deflate, no flags, no time, fastest algorithm, unknown system.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 4, 255];

/// Compressed text with what is needed to join it to more.
#[derive(Debug, Default)]
pub struct Deflated {
    /// Raw deflate, without header and trailer.
    pieces: Vec<Bytes>,
    crc: Crc,
}

/// Compresses what it is given.
pub struct Deflater {
    compress: Compress,
    done: Deflated,
    piece: Vec<u8>,
    failed: Option<CompressError>,
}

impl Deflater {
    /// Nothing is compressed yet. `room`: the size of the first piece, for text that is known to be small.
    pub fn new(room: usize) -> Self {
        Self {
            compress: Compress::new(Compression::new(LEVEL), false),
            done: Deflated::default(),
            piece: Vec::with_capacity(room.clamp(64, PIECE_BYTES)),
            failed: None,
        }
    }

    /// Compresses more text.
    pub fn write(&mut self, text: &[u8]) {
        self.done.crc.update(text);
        self.run(text, FlushCompress::None);
    }

    /// The text so far as a part that another one may follow.
    pub fn flushed(mut self) -> Result<Deflated, CompressError> {
        self.run(&[], FlushCompress::Full);
        self.end()
    }

    /// The text so far as the last part.
    pub fn finished(mut self) -> Result<Deflated, CompressError> {
        self.run(&[], FlushCompress::Finish);
        self.end()
    }

    /// Compresses until the text is used up and (when flushing) nothing is left inside.
    fn run(&mut self, mut text: &[u8], flush: FlushCompress) {
        while self.failed.is_none() {
            if self.piece.len() == self.piece.capacity() {
                self.seal(PIECE_BYTES);
            }
            let before = self.compress.total_in();
            let status = match self.compress.compress_vec(text, &mut self.piece, flush) {
                Ok(status) => status,
                Err(error) => return self.failed = Some(error),
            };
            let used = usize::try_from(self.compress.total_in() - before).unwrap_or(0);
            text = text.get(used..).unwrap_or_default();
            // As long as there is room left in the piece, nothing waits for it.
            let drained = self.piece.len() < self.piece.capacity() && text.is_empty();
            if drained || status == Status::StreamEnd || (status == Status::BufError && text.is_empty()) {
                return;
            }
        }
    }

    fn seal(&mut self, room: usize) {
        let mut piece = std::mem::replace(&mut self.piece, Vec::with_capacity(room));
        piece.shrink_to_fit();
        self.done.pieces.push(Bytes::from(piece));
    }

    fn end(mut self) -> Result<Deflated, CompressError> {
        self.seal(0);
        match self.failed {
            None => Ok(self.done),
            Some(error) => Err(error),
        }
    }
}

impl Sink for Deflater {
    fn take(&mut self, chunk: &mut Vec<u8>) {
        self.write(chunk);
        chunk.clear();
    }
}

/// A gzip member with the text of `first`, which was flushed, and of `last`, which was finished.
pub fn member(first: &Deflated, last: &Deflated) -> Vec<Bytes> {
    let mut crc = Crc::new();
    crc.combine(&first.crc);
    crc.combine(&last.crc);
    let mut trailer = Vec::with_capacity(8);
    trailer.extend_from_slice(&crc.sum().to_le_bytes());
    trailer.extend_from_slice(&crc.amount().to_le_bytes());
    let mut pieces = Vec::with_capacity(first.pieces.len() + last.pieces.len() + 2);
    pieces.push(Bytes::from_static(&HEADER));
    pieces.extend(first.pieces.iter().chain(&last.pieces).cloned());
    pieces.push(Bytes::from(trailer));
    pieces
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use flate2::read::GzDecoder;
    use proptest::prelude::*;

    use super::*;

    fn joined(first: &[&[u8]], last: &[u8]) -> Vec<u8> {
        let mut a = Deflater::new(0);
        for text in first {
            a.write(text);
        }
        let mut b = Deflater::new(last.len());
        b.write(last);
        member(&a.flushed().unwrap(), &b.finished().unwrap()).concat()
    }

    /// Reads a single member and insists that nothing follows it.
    fn unpacked(gzip: &[u8]) -> Vec<u8> {
        let mut text = Vec::new();
        let mut decoder = GzDecoder::new(gzip);
        decoder.read_to_end(&mut text).unwrap();
        assert!(decoder.into_inner().is_empty(), "something follows the member");
        text
    }

    #[test]
    fn empty_parts_are_parts_too() {
        assert_eq!(unpacked(&joined(&[], b"")), b"");
        assert_eq!(unpacked(&joined(&[], b"x")), b"x");
        assert_eq!(unpacked(&joined(&[b"x"], b"")), b"x");
    }

    #[test]
    fn text_larger_than_a_piece_comes_back() {
        let mut random = fastrand::Rng::with_seed(7);
        let first: Vec<u8> = std::iter::repeat_with(|| random.u8(..)).take(5 * PIECE_BYTES + 1).collect();
        let last: Vec<u8> = std::iter::repeat_with(|| random.u8(b'a'..b'e')).take(3 * PIECE_BYTES).collect();
        let expected = [first.as_slice(), &last].concat();
        assert!(unpacked(&joined(&[&first], &last)) == expected);
    }

    proptest! {
        #[test]
        fn two_parts_unpack_to_their_texts(
            first in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..2000), 0..8),
            last in prop::collection::vec(any::<u8>(), 0..2000),
        ) {
            let parts: Vec<&[u8]> = first.iter().map(Vec::as_slice).collect();
            let expected = [parts.concat(), last.clone()].concat();
            prop_assert_eq!(unpacked(&joined(&parts, &last)), expected);
        }
    }
}
