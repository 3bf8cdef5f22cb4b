use super::*;
use crate::app::target::idle;
use crate::expose::status::State::{Failing, Good, Waiting};
use crate::seam::{Priority, Reason};

fn slot() -> SlotKey {
    SlotKey { order: 0, name: "AWS/EC2 r".into() }
}

fn states() -> States {
    let states = States::default();
    let labels = JobLabels { job: "AWS/EC2".into(), region: "r".into(), account: "".into() };
    states.add(&slot(), &idle("AWS/EC2", "d", Priority::Normal), &labels);
    states
}

fn failure(message: &str) -> Failure {
    Failure { reason: Reason::AccessDenied, doing: "list".into(), message: message.into() }
}

fn ran(states: &States, kind: RunKind, seconds: i64, failures: &[&str]) {
    let failures: Vec<Failure> = failures.iter().map(|message| failure(message)).collect();
    let ended = Timestamp::from_secs(seconds);
    let (took, next) = (Duration::from_secs(1), ended.plus(Duration::from_secs(60)));
    let (series, resources, left_out) = ((kind == RunKind::Fetch).then_some(3), None, None);
    states.ran(&slot(), &RunFacts { kind, ended, took, next, series, resources, failures: &failures, left_out });
}

fn shown(states: &States, seconds: i64) -> JobStatus {
    states.all(Timestamp::from_secs(seconds)).remove(0)
}

#[test]
fn a_job_waits_then_is_good_then_fails_and_its_ages_grow() {
    let states = states();
    assert_eq!((shown(&states, 0).state, states.count()), (Waiting, [("good", 0), ("failing", 0), ("waiting", 1)]));
    ran(&states, RunKind::Discover, 10, &[]);
    assert_eq!(shown(&states, 11).state, Waiting, "there are no values yet");
    ran(&states, RunKind::Fetch, 20, &[]);
    let good = shown(&states, 25);
    assert_eq!(
        (good.state, good.fetch.last_success_age_seconds, good.fetch.next_run_seconds),
        (Good, Some(5.0), Some(55.0))
    );
    ran(&states, RunKind::Fetch, 80, &["no"]);
    let failing = shown(&states, 90);
    assert_eq!((failing.state, failing.fetch.last_success_age_seconds), (Failing, Some(70.0)));
    assert_eq!(failing.fetch.last_run_age_seconds, Some(10.0));
    assert_eq!(states.count()[1], ("failing", 1));
    assert_eq!(shown(&states, 1_000).fetch.next_run_seconds, Some(0.0), "it runs");
}

#[test]
fn all_distinct_failures_are_shown_and_counted_and_the_past_ones_for_an_hour() {
    let states = states();
    ran(&states, RunKind::Discover, 10, &["tags"]);
    ran(&states, RunKind::Fetch, 20, &["a", "b", "a", "a"]);
    let of = |seconds| {
        let failures = shown(&states, seconds).failures;
        failures.into_iter().map(|f| (f.message, f.count, f.is_current)).collect::<Vec<_>>()
    };
    let text = |message: &str| format!("failed to list: {message}");
    assert_eq!(of(30), [(text("a"), 3, true), (text("b"), 1, true), (text("tags"), 1, true)]);
    ran(&states, RunKind::Fetch, 80, &["b"]);
    assert_eq!(of(90), [(text("b"), 1, true), (text("tags"), 1, true), (text("a"), 3, false)]);
    ran(&states, RunKind::Fetch, 140, &[]);
    assert_eq!(shown(&states, 150).state, Failing, "the discovery still fails");
    assert_eq!(of(3_619).len(), 3);
    // Those of earlier runs go after an hour, those of the last ones stay.
    assert_eq!(of(3_700), [(text("tags"), 1, true)]);
    ran(&states, RunKind::Discover, 3_800, &[]);
    assert_eq!(of(3_800), []);
}

#[test]
fn neither_many_failures_nor_long_ones_take_much_memory() {
    let states = states();
    for run in 0..50 {
        let many: Vec<String> = (0..200).map(|n| format!("{run} {n} {}", "ä".repeat(5_000))).collect();
        ran(&states, RunKind::Fetch, run, &many.iter().map(String::as_str).collect::<Vec<_>>());
    }
    let failures = shown(&states, 60).failures;
    assert_eq!(failures.len(), MAX_FAILURES);
    assert!(failures.iter().all(|f| f.message.len() <= MAX_MESSAGE_BYTES && f.is_current));
}
