//! Data as they lie in the queue: a frame with a length and a checksum, and in it the data, packed. Pure; what a crash has
//! torn, and what never was one of ours, is told from a whole record.

use std::io::{Read, Write};
use std::sync::Arc;

use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use minicbor::decode::Error;
use minicbor::{Decoder, Encoder};

use crate::model::{Datum, LabelSet, MetricIdentity, StandardUnit, Text, Timestamp, Values};

/// Length of the packed data, their checksum, how many data there are: four bytes each, little endian.
const FRAME_BYTES: usize = 12;
/// A record of one collection is a hundredth of it; what claims to be larger is torn or not ours.
const MAX_RECORD_BYTES: usize = 16 << 20;

/// A record at the beginning of some bytes.
#[derive(Debug, PartialEq)]
pub struct Found<'a> {
    /// How many data it has.
    pub data: usize,
    /// The packed data.
    pub packed: &'a [u8],
    /// Where the next record begins.
    pub next: usize,
}

/// Packs data into a record; `None` when there are too many for one.
pub fn write(data: &[Datum]) -> Option<Vec<u8>> {
    let mut out = DeflateEncoder::new(vec![0; FRAME_BYTES], Compression::fast());
    out.write_all(&encode(data)).ok()?;
    let mut record = out.finish().ok()?;
    let packed = record.get(FRAME_BYTES..)?;
    if packed.len() > MAX_RECORD_BYTES {
        return None;
    }
    let frame = [u32::try_from(packed.len()).ok()?, checksum(packed, data.len()), u32::try_from(data.len()).ok()?];
    let frame: Vec<u8> = frame.iter().flat_map(|n| n.to_le_bytes()).collect();
    record.get_mut(..FRAME_BYTES)?.copy_from_slice(&frame);
    Some(record)
}

/// The record that begins at `at`; `None` at the end, and where what is there is no whole record.
pub fn find(bytes: &[u8], at: usize) -> Option<Found<'_>> {
    let frame = bytes.get(at..at.checked_add(FRAME_BYTES)?)?;
    let (numbers, _) = frame.as_chunks::<4>();
    let [length, sum, data] = numbers else { return None };
    let [length, data] = [length, data].map(|n| usize::try_from(u32::from_le_bytes(*n)).unwrap_or(usize::MAX));
    let start = at + FRAME_BYTES;
    let packed = bytes.get(start..start.checked_add(length)?)?;
    let whole = length <= MAX_RECORD_BYTES && checksum(packed, data) == u32::from_le_bytes(*sum);
    whole.then_some(Found { data, packed, next: start + length })
}

/// Unpacks what [`find`] found.
pub fn read(packed: &[u8]) -> Option<Vec<Datum>> {
    let mut bytes = Vec::new();
    let limit = u64::try_from(MAX_RECORD_BYTES).unwrap_or(u64::MAX).saturating_mul(64);
    DeflateDecoder::new(packed).take(limit).read_to_end(&mut bytes).ok()?;
    decode(&bytes).ok()
}

fn checksum(packed: &[u8], data: usize) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(packed);
    crc.update(&u64::try_from(data).unwrap_or(u64::MAX).to_le_bytes());
    crc.sum()
}

/// The metrics, each once, then the data with their metric's number.
fn encode(data: &[Datum]) -> Vec<u8> {
    let mut metrics: Vec<&Arc<MetricIdentity>> = data.iter().map(|d| &d.of).collect();
    metrics.sort();
    metrics.dedup();
    let mut out = Vec::new();
    let mut e = Encoder::new(&mut out);
    // Writing into a Vec cannot fail.
    let _ = (|| {
        e.array(u64::try_from(metrics.len()).unwrap_or(0))?;
        for metric in &metrics {
            e.str(&metric.name)?.str(metric.unit.as_str())?.bool(metric.high_resolution)?;
            e.map(u64::try_from(metric.dimensions.len()).unwrap_or(0))?;
            for (name, value) in metric.dimensions.iter() {
                e.str(name)?.str(value)?;
            }
        }
        e.array(u64::try_from(data.len()).unwrap_or(0))?;
        for datum in data {
            e.u64(metrics.binary_search(&&datum.of).map_or(0, |n| u64::try_from(n).unwrap_or(0)))?;
            e.i64(datum.at.as_millis())?;
            match &datum.values {
                Values::One(value) => e.f64(*value)?,
                Values::Counted(values) => {
                    e.array(u64::try_from(values.len()).unwrap_or(0))?;
                    for (value, count) in values {
                        e.f64(*value)?.f64(*count)?;
                    }
                    &mut e
                }
            };
        }
        Ok::<(), minicbor::encode::Error<std::convert::Infallible>>(())
    })();
    out
}

fn decode(bytes: &[u8]) -> Result<Vec<Datum>, Error> {
    let mut d = Decoder::new(bytes);
    let mut metrics = Vec::new();
    for _ in 0..d.array()?.unwrap_or(0) {
        let name = Text::from(d.str()?);
        let unit = StandardUnit::new(d.str()?).unwrap_or(StandardUnit::NONE);
        let high_resolution = d.bool()?;
        let mut dimensions = Vec::new();
        for _ in 0..d.map()?.unwrap_or(0) {
            dimensions.push((Text::from(d.str()?), Text::from(d.str()?)));
        }
        let dimensions = LabelSet::new(dimensions);
        metrics.push(Arc::new(MetricIdentity { name, dimensions, unit, high_resolution }));
    }
    let mut data = Vec::new();
    for _ in 0..d.array()?.unwrap_or(0) {
        let of = usize::try_from(d.u64()?).ok().and_then(|n| metrics.get(n));
        let of = of.ok_or_else(|| Error::message("a datum of no metric"))?;
        let at = Timestamp::from_millis(d.i64()?);
        let values = if d.datatype()? == minicbor::data::Type::F64 { Values::One(d.f64()?) } else { counted(&mut d)? };
        data.push(Datum { of: Arc::clone(of), at, values });
    }
    Ok(data)
}

fn counted(d: &mut Decoder<'_>) -> Result<Values, Error> {
    let mut values = Vec::new();
    for _ in 0..d.array()?.unwrap_or(0) {
        values.push((d.f64()?, d.f64()?));
    }
    Ok(Values::Counted(values))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sample() -> Vec<Datum> {
        let of = |name: &str, high_resolution| {
            let dimensions = LabelSet::new(vec![("host".into(), "böx".into()), ("cpu".into(), "0".into())]);
            let unit = StandardUnit::new("Percent").unwrap();
            Arc::new(MetricIdentity { name: name.into(), dimensions, unit, high_resolution })
        };
        vec![
            Datum { of: of("b", false), at: Timestamp::from_millis(1_795_000_000_123), values: Values::One(0.1) },
            Datum { of: of("a", true), at: Timestamp::from_millis(-5), values: Values::One(-2.5) },
            Datum {
                of: of("b", false),
                at: Timestamp::from_millis(7),
                values: Values::Counted(vec![(1.0, 2.0), (3.0, 4.0)]),
            },
        ]
    }

    #[test]
    fn data_come_back_as_they_were() {
        let mut bytes = write(&sample()).unwrap();
        let length = bytes.len();
        bytes.extend(write(&[]).unwrap());
        let first = find(&bytes, 0).unwrap();
        assert_eq!((first.data, first.next), (3, length));
        assert_eq!(read(first.packed).unwrap(), sample());
        let second = find(&bytes, first.next).unwrap();
        assert_eq!(read(second.packed).unwrap(), []);
        assert_eq!(find(&bytes, second.next), None);
    }

    #[test]
    fn every_torn_or_changed_record_is_noticed() {
        let whole = write(&sample()).unwrap();
        for length in 0..whole.len() {
            assert_eq!(find(&whole[..length], 0), None, "cut to {length} bytes");
        }
        for at in 0..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= 0x10;
            assert_eq!(find(&changed, 0), None, "byte {at} changed");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_do_harm(bytes in prop::collection::vec(any::<u8>(), 0..300), at in 0_usize..310) {
            let _ = find(&bytes, at);
            let _ = read(&bytes);
            let _ = decode(&bytes);
        }
    }
}
