use std::time::Duration;

use proptest::prelude::*;

use super::line::{Sent, Type, parse};
use super::*;
use crate::host::reading::Distribution;

fn settings(aggregation_seconds: u64) -> Statsd {
    Statsd {
        address: "127.0.0.1:0".into(),
        aggregation: Some(Duration::from_secs(aggregation_seconds)),
        separator: "_".into(),
    }
}

fn shown(list: &[Measurement]) -> Vec<String> {
    let mut lines: Vec<_> = list
        .iter()
        .map(|m| {
            let tags: Vec<_> = m.tags.iter().map(|(k, v)| format!("{k}={v}")).collect();
            let value = match &m.value {
                Value::Number(n) => n.to_string(),
                Value::Distribution(Distribution { values, sum, .. }) => format!("{values:?} sum {sum}"),
            };
            format!("{} {} {value}", m.name(), tags.join(","))
        })
        .collect();
    lines.sort();
    lines
}

fn at_once(lines: &[&str]) -> (Vec<String>, Tally) {
    let mut gathering = Gathering::new(&settings(0));
    for line in lines {
        gathering.add(line.as_bytes());
    }
    let (list, tally) = gathering.end_interval(0, Timestamp::from_secs(100));
    (shown(&list), tally)
}

#[test]
fn each_type_is_gathered_in_its_way() {
    for (lines, expected) in [
        (&["app.req.count:1|c", "app.req.count:2|c"][..], "app_req_count metric_type=counter 3"),
        (&["c:1|c|@0.1"], "c metric_type=counter 10"),
        (&["c:1|c|@0.3"], "c metric_type=counter 3"),
        (&["c:+2|c", "c:-5|c"], "c metric_type=counter -3"),
        (&["g:5|g", "g:21.5|g"], "g metric_type=gauge 21.5"),
        (&["g:5|g", "g:-2|g", "g:+1|g"], "g metric_type=gauge 4"),
        (&["g:-5|g"], "g metric_type=gauge -5"),
        (&["u:alice|s", "u:bob|s", "u:alice|s"], "u metric_type=set 2"),
        (&["t:12|ms", "t:12|ms", "t:7|ms"], "t metric_type=timing [(7.0, 1.0), (12.0, 2.0)] sum 31"),
        (&["h:5|h|@0.5"], "h metric_type=histogram [(5.0, 2.0)] sum 10"),
        (&["c:1|c:2|c"], "c metric_type=counter 3"),
        (&["lat:12|c|#env:prod,ver:2,flag"], "lat env=prod,flag=<empty>,metric_type=counter,ver=2 12"),
        (&["lat:12|c|#url:http://x|@0.5"], "lat metric_type=counter,url=http://x 24"),
        (&["lat:1|c|@0.5|#a:b"], "lat a=b,metric_type=counter 2"),
        (&["n,k=v,l=w:1|c"], "n k=v,l=w,metric_type=counter 1"),
        (&["n:1|c|#metric_type:own"], "n metric_type=own 1"),
        (&["n:1|c|#b:1,a:2", "n:1|c|#a:2,b:1"], "n a=2,b=1,metric_type=counter 2"),
        (&["a:1|c\na:2|c\n"], "a metric_type=counter 3"),
    ] {
        let (shown, tally) = at_once(lines);
        assert_eq!((shown, tally.malformed), (vec![expected.to_owned()], 0), "{lines:?}");
    }
}

#[test]
fn what_cannot_be_read_is_counted_and_nothing_else_suffers() {
    let (shown, tally) = at_once(&[
        "nothing",
        "n:1",
        "n:1|x",
        "n:x|c",
        "n:NaN|g",
        "n:inf|g",
        "n:1|c|@0",
        "n:1|c|@x",
        ":1|c",
        "n:1|d",
        "ok:1|c:x|c",
    ]);
    assert_eq!(shown, ["ok metric_type=counter 1"]);
    assert_eq!((tally.malformed, tally.values, tally.packets), (11, 1, 11));
}

#[test]
fn an_interval_begins_empty() {
    let mut gathering = Gathering::new(&settings(0));
    gathering.add(b"g:5|g");
    assert_eq!(gathering.end_interval(0, Timestamp::from_secs(1)).0.len(), 1);
    assert_eq!(gathering.end_interval(0, Timestamp::from_secs(2)), (Vec::new(), Tally::default()));
}

#[test]
fn a_window_is_handed_out_when_it_is_over_with_the_time_of_its_first_value() {
    let mut gathering = Gathering::new(&settings(20));
    let mut out = Vec::new();
    for second in [45, 55, 65] {
        for _ in 0..10 {
            gathering.add(b"hst:7|h");
        }
        gathering.add(b"temp:-21.5|g");
        out.extend(gathering.end_interval(3, Timestamp::from_secs(second)).0);
    }
    assert_eq!(
        shown(&out),
        ["hst metric_type=histogram [(7.0, 20.0)] sum 140", "temp metric_type=gauge [(-21.5, 2.0)] sum -43"]
    );
    assert!(out.iter().all(|m| m.when == Timestamp::from_secs(45) && m.job == 3));
    let (rest, _) = gathering.finish(3, Timestamp::from_secs(66));
    assert_eq!(rest.len(), 2, "open windows come out at the end");
    assert_eq!(gathering.finish(3, Timestamp::from_secs(66)).0, []);
}

#[test]
fn a_clock_that_is_set_back_leaves_no_window_open() {
    let mut gathering = Gathering::new(&settings(20));
    gathering.add(b"c:1|c");
    assert_eq!(gathering.end_interval(0, Timestamp::from_secs(1000)).0.len(), 0);
    gathering.add(b"c:1|c");
    assert_eq!(gathering.end_interval(0, Timestamp::from_secs(500)).0.len(), 1);
    assert_eq!(gathering.end_interval(0, Timestamp::from_secs(520)).0.len(), 1);
}

#[test]
fn a_million_packets_with_ever_new_names_stay_within_bounds() {
    let mut gathering = Gathering::new(&settings(60));
    for n in 0..1_000_000_u32 {
        let packet = match n % 4 {
            0 => format!("name{n}:1|c"),
            1 => format!("t:{n}|ms"),
            2 => format!("s:{n}|s"),
            _ => format!("t:1|c|#id:{n}"),
        };
        gathering.add(packet.as_bytes());
    }
    let (_, tally) = gathering.end_interval(0, Timestamp::from_secs(59));
    assert_eq!(tally.packets, 1_000_000);
    assert_eq!(tally.values + tally.dropped_values, 1_000_000);
    assert!(tally.dropped_values >= 480_000 && tally.dropped_members >= 140_000, "{tally:?}");
    let (list, _) = gathering.end_interval(0, Timestamp::from_secs(60));
    assert_eq!(list.len(), super::interval::MAX_SERIES);
    let timer = list.iter().find(|m| m.name() == "t" && m.tags.get("metric_type").is_some_and(|t| &**t == "timing"));
    let Some(Value::Distribution(d)) = timer.map(|m| &m.value) else { panic!("the timer is lost") };
    assert_eq!((d.count, d.minimum, d.maximum, d.values.len()), (250_000.0, 1.0, 999_997.0, 1500));
}

proptest! {
    #[test]
    fn any_bytes_are_taken(packets in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..60), 0..8)) {
        let mut gathering = Gathering::new(&settings(0));
        for packet in &packets {
            gathering.add(packet);
        }
        for m in gathering.end_interval(0, Timestamp::from_secs(1)).0 {
            if let Value::Number(n) = m.value {
                prop_assert!(n.is_finite());
            }
        }
    }

    #[test]
    fn lines_that_are_nearly_right_are_taken(line in "[a-z.]{0,3}[:|,=@#]{0,2}[0-9+-]{0,3}[|:@#]{0,2}(c|g|ms|h|s|)[|@#:]{0,2}[0-9.a-z:]{0,4}") {
        let parsed = parse(&line, "_");
        if let Some(parsed) = parsed {
            prop_assert!(!parsed.name.is_empty() && !parsed.values.is_empty());
            for (kind, sent) in parsed.values {
                prop_assert_eq!(kind == Type::Set, matches!(sent, Sent::Member(_)));
            }
        }
    }
}

#[tokio::test]
async fn the_listener_gathers_what_is_sent_to_it() {
    let listener = Listener::open(&settings(0)).await.unwrap();
    let sender = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    for _ in 0..3 {
        sender.send_to(b"c:1|c", listener.address()).await.unwrap();
    }
    let mut sum = 0.0;
    while sum < 3.0 {
        tokio::task::yield_now().await;
        for m in listener.end_interval(0, Timestamp::from_secs(1)).0 {
            if let Value::Number(n) = m.value {
                sum += n;
            }
        }
    }
    assert!((sum - 3.0).abs() < 1e-9);
    let taken = Statsd { address: listener.address().to_string().into(), ..settings(0) };
    let refused = Listener::open(&taken).await.unwrap_err().to_string();
    assert!(refused.contains(&listener.address().to_string()) && refused.contains("another agent"), "{refused}");
}
