use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::model::{LabelSet, MetricIdentity, StandardUnit, Values};

const NOW: Timestamp = Timestamp::from_secs(1_795_000_000);

fn datum(n: usize) -> Datum {
    let dimensions = LabelSet::new(vec![("host".into(), "h".into())]);
    let of = MetricIdentity { name: "m".into(), dimensions, unit: StandardUnit::NONE, high_resolution: false };
    let n = u32::try_from(n).unwrap();
    Datum { of: Arc::new(of), at: NOW, values: Values::One(f64::from(n)) }
}

fn open(path: &Path, disk_bytes: usize) -> Spool {
    let dir = Arc::new(StateDir::open(path).unwrap());
    Spool::open(Some(dir), Limits { disk_bytes, ..Limits::default() }).unwrap()
}

fn numbers(data: &[Datum]) -> Vec<u32> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "they were whole numbers")]
    data.iter().map(|d| d.values.iter().next().unwrap().0 as u32).collect()
}

/// Everything that comes out, in order.
fn drain(spool: &mut Spool, at_most: usize) -> Vec<u32> {
    let mut all = Vec::new();
    while let Some(chunk) = spool.next(NOW, at_most) {
        all.extend(numbers(&chunk.data));
        spool.done(&chunk);
    }
    all
}

#[test]
fn data_come_out_in_order_and_once() {
    let place = tempfile::tempdir().unwrap();
    for mut spool in [open(place.path(), 1 << 20), Spool::open(None, Limits::default()).unwrap()] {
        for n in 0..10 {
            spool.append(&[datum(3 * n), datum(3 * n + 1), datum(3 * n + 2)]);
        }
        assert_eq!(spool.waiting(), 30);
        // Not done: it comes again.
        assert_eq!(numbers(&spool.next(NOW, 4).unwrap().data), [0, 1, 2, 3]);
        assert_eq!(drain(&mut spool, 4), (0..30).collect::<Vec<_>>());
        assert_eq!(spool.waiting(), 0);
        spool.append(&[datum(99)]);
        assert_eq!(drain(&mut spool, MAX), [99]);
        assert!(spool.next(NOW, MAX).is_none());
    }
}

const MAX: usize = 1000;

#[test]
fn what_was_not_done_is_there_after_a_crash_and_what_was_done_is_not() {
    let place = tempfile::tempdir().unwrap();
    let mut seen = Vec::new();
    for round in 0..10_usize {
        let mut spool = open(place.path(), 1 << 20);
        spool.append(&[datum(3 * round), datum(3 * round + 1), datum(3 * round + 2)]);
        if let Some(chunk) = spool.next(NOW, 2) {
            seen.extend(numbers(&chunk.data));
            spool.done(&chunk);
        }
        // In flight when the process is killed.
        let _ = spool.next(NOW, 2);
    }
    let mut spool = open(place.path(), 1 << 20);
    assert_eq!(spool.waiting(), 10);
    seen.extend(drain(&mut spool, MAX));
    assert_eq!(seen, (0..30).collect::<Vec<_>>());
}

#[test]
fn a_torn_end_costs_only_the_torn_record() {
    let place = tempfile::tempdir().unwrap();
    let mut spool = open(place.path(), 1 << 20);
    spool.append(&[datum(1)]);
    spool.append(&[datum(2)]);
    drop(spool);
    let file = place.path().join("push-00000000000000000001.log");
    let bytes = std::fs::read(&file).unwrap();
    for torn in [bytes.len() - 1, bytes.len() / 2 + 3] {
        std::fs::write(&file, &bytes[..torn]).unwrap();
        let mut spool = open(place.path(), 1 << 20);
        assert_eq!(spool.waiting(), 1);
        spool.append(&[datum(3)]);
        let chunk = spool.next(NOW, MAX).unwrap();
        assert_eq!(numbers(&chunk.data), [1, 3]);
        drop(spool);
        std::fs::remove_file(place.path().join("push-00000000000000000002.log")).unwrap();
    }
}

#[test]
fn a_damaged_cursor_makes_data_come_twice_but_loses_none() {
    let place = tempfile::tempdir().unwrap();
    let mut spool = open(place.path(), 1 << 20);
    spool.append(&[datum(1), datum(2)]);
    let chunk = spool.next(NOW, 1).unwrap();
    spool.done(&chunk);
    drop(spool);
    let mut cursor = std::fs::read_dir(place.path()).unwrap().map(|e| e.unwrap().path());
    let cursor = cursor.find(|p| p.extension().is_some_and(|e| e == "state")).unwrap();
    std::fs::write(cursor, b"nonsense").unwrap();
    let mut spool = open(place.path(), 1 << 20);
    assert!(spool.take_trouble().is_some());
    assert_eq!(drain(&mut spool, MAX), [1, 2]);
}

#[test]
fn a_bound_drops_the_oldest_and_counts_them() {
    let place = tempfile::tempdir().unwrap();
    let limit = 20_000;
    let mut spool = open(place.path(), limit);
    for n in 0..2_000 {
        spool.append(&[datum(2 * n), datum(2 * n + 1)]);
        let on_disk: u64 = std::fs::read_dir(place.path()).unwrap().map(|e| e.unwrap().metadata().unwrap().len()).sum();
        assert!(on_disk <= limit as u64 + 1_000, "{on_disk}");
    }
    let lost = spool.take_lost();
    let rest = drain(&mut spool, MAX);
    assert_eq!(lost + rest.len(), 4_000);
    assert!(lost > 1_000 && rest.len() > 100, "{lost} {}", rest.len());
    assert_eq!(*rest.last().unwrap(), 3_999);
    assert!(rest.windows(2).all(|w| w[0] + 1 == w[1]), "the newest ones, without a hole");
    // Too small for anything.
    let place = tempfile::tempdir().unwrap();
    let mut spool = open(place.path(), 10);
    spool.append(&[datum(1)]);
    assert_eq!((spool.take_lost(), spool.waiting()), (1, 0));
}

#[test]
fn what_cloudwatch_would_refuse_for_its_time_is_counted() {
    let mut spool = Spool::open(None, Limits::default()).unwrap();
    let at = |seconds: i64| Datum { at: Timestamp::from_millis(NOW.as_millis() + seconds * 1000), ..datum(1) };
    spool.append(&[at(-15 * 86_400), at(-13 * 86_400), at(0), at(3 * 3600)]);
    let chunk = spool.next(NOW, MAX).unwrap();
    assert_eq!((chunk.data.len(), chunk.expired), (2, 2));
    spool.done(&chunk);
    assert_eq!(spool.waiting(), 0);
}

#[test]
fn a_disk_that_refuses_is_replaced_by_memory() {
    let place = tempfile::tempdir().unwrap();
    let mut spool = open(&place.path().join("state"), 1 << 20);
    spool.append(&[datum(1)]);
    // Nothing can be created in it any more, and what was there is gone.
    std::fs::remove_dir_all(place.path().join("state")).unwrap();
    for part in &mut spool.parts {
        part.home = Home::Disk(None);
    }
    spool.append(&[datum(2)]);
    spool.append(&[datum(3)]);
    assert!(spool.take_trouble().is_some());
    assert!(spool.bytes().0 > 0);
    assert_eq!(drain(&mut spool, MAX), [2, 3]);
}

proptest! {
    #[test]
    fn any_order_of_work_keeps_every_datum(steps in prop::collection::vec((0_u8..4, 1_usize..5), 1..60)) {
        let place = tempfile::tempdir().unwrap();
        let mut spool = open(place.path(), 1 << 20);
        let (mut next, mut seen) = (0, Vec::new());
        for (what, n) in steps {
            match what {
                0 | 1 => {
                    spool.append(&(next..next + n).map(datum).collect::<Vec<_>>());
                    next += n;
                }
                2 => if let Some(chunk) = spool.next(NOW, n) {
                    seen.extend(numbers(&chunk.data));
                    spool.done(&chunk);
                },
                _ => {
                    drop(spool);
                    spool = open(place.path(), 1 << 20);
                }
            }
            prop_assert_eq!(seen.len() + spool.waiting(), next);
        }
        seen.extend(drain(&mut spool, MAX));
        prop_assert_eq!(seen, (0..u32::try_from(next).unwrap()).collect::<Vec<_>>());
    }
}
