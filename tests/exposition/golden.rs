//! Pages byte for byte.

use raingauge::expose::page::Style;
use raingauge::expose::text::Escaping;
use raingauge::model::{Cell, Kind, Timestamp};
use raingauge::telemetry::Format;

use super::fixture::{Series, family, gauge, text, view};

const TEXT: Style = Style { format: Format::Text, escaping: Escaping::Underscores };
const OPENMETRICS: Style = Style { format: Format::OpenMetrics, escaping: Escaping::Underscores };

fn untimed(value: f64) -> [Cell; 1] {
    [Cell::untimed(value)]
}

fn timed(value: f64, ms: i64) -> Cell {
    Cell::timed(value, Timestamp::from_millis(ms))
}

#[test]
fn an_ec2_page_looks_as_yace_prints_it() {
    let common = [("account_alias", "my-alias"), ("account_id", "123456789012"), ("custom_tag_my_key", "v")];
    let ec2 = |own: &[(&'static str, &'static str)]| [&common[..], &[("region", "eu-west-1")], own].concat();
    let one = ec2(&[
        ("dimension_InstanceId", "i-1"),
        ("name", "arn:aws:ec2:eu-west-1:123456789012:instance/i-1"),
        ("tag_Name", "a\"b\\c\nd"),
        ("tag_env", ""),
    ]);
    let global = ec2(&[("dimension_AutoScalingGroupName", "g"), ("name", "global")]);
    let slots = [vec![
        gauge("aws_ec2_network_in_sum", &one, &[timed(1e21, 1_700_000_060_500)]),
        gauge("aws_ec2_cpuutilization_average", &global, &untimed(-0.0)),
        gauge("aws_ec2_cpuutilization_average", &one, &untimed(1e6)),
        gauge("aws_ec2_info", &[("tag_env", "prod"), ("name", "i-2")], &untimed(0.0)),
        gauge("aws_ec2_info", &[("tag_aws_cloudformation_stack_name", ""), ("name", "i-1")], &untimed(0.0)),
        gauge("aws_ec2_absent", &one, &[]),
    ]];
    let expected = r#"# HELP aws_ec2_cpuutilization_average Help is not implemented yet.
# TYPE aws_ec2_cpuutilization_average gauge
aws_ec2_cpuutilization_average{account_alias="my-alias",account_id="123456789012",custom_tag_my_key="v",dimension_AutoScalingGroupName="",dimension_InstanceId="i-1",name="arn:aws:ec2:eu-west-1:123456789012:instance/i-1",region="eu-west-1",tag_Name="a\"b\\c\nd",tag_env=""} 1e+06
aws_ec2_cpuutilization_average{account_alias="my-alias",account_id="123456789012",custom_tag_my_key="v",dimension_AutoScalingGroupName="g",dimension_InstanceId="",name="global",region="eu-west-1",tag_Name="",tag_env=""} 0
# HELP aws_ec2_info Help is not implemented yet.
# TYPE aws_ec2_info gauge
aws_ec2_info{name="i-1",tag_aws_cloudformation_stack_name="",tag_env=""} 0
aws_ec2_info{name="i-2",tag_aws_cloudformation_stack_name="",tag_env="prod"} 0
# HELP aws_ec2_network_in_sum Help is not implemented yet.
# TYPE aws_ec2_network_in_sum gauge
aws_ec2_network_in_sum{account_alias="my-alias",account_id="123456789012",custom_tag_my_key="v",dimension_InstanceId="i-1",name="arn:aws:ec2:eu-west-1:123456789012:instance/i-1",region="eu-west-1",tag_Name="a\"b\\c\nd",tag_env=""} 1e+21 1700000060500
"#;
    assert_eq!(text(&view(&slots), TEXT), (expected.to_owned(), 0));
}

#[test]
fn rows_are_sorted_by_values_not_by_their_spelling() {
    // As text, `x"` would stand behind `x!`, and `\\n` (a newline) behind every letter.
    let values = ["x!", "x", "\n", "a", "Z", "é", ""];
    let rows: Vec<Series> = values.iter().map(|v| gauge("m", &[("l", v), ("z", "1")], &untimed(1.0))).collect();
    let (page, _) = text(&view(&[rows]), TEXT);
    let order: Vec<&str> = page.lines().skip(2).map(|l| l.split('"').nth(1).unwrap()).collect();
    assert_eq!(order, ["", "\\n", "Z", "a", "x", "x!", "é"]);
}

#[test]
fn labels_are_unified_across_slots() {
    let slots = [
        vec![gauge("m", &[("b", "1")], &untimed(1.0)), gauge("other", &[("b", "1")], &untimed(5.0))],
        vec![gauge("m", &[("a", "1")], &untimed(2.0)), gauge("m", &[], &untimed(3.0))],
    ];
    let expected = "# HELP m Help is not implemented yet.\n# TYPE m gauge\n\
        m{a=\"\",b=\"\"} 3\nm{a=\"\",b=\"1\"} 1\nm{a=\"1\",b=\"\"} 2\n\
        # HELP other Help is not implemented yet.\n# TYPE other gauge\nother{b=\"1\"} 5\n";
    assert_eq!(text(&view(&slots), TEXT).0, expected);
}

#[test]
fn absent_series_lend_no_labels() {
    let slots = [vec![gauge("m", &[("a", "1")], &[]), gauge("m", &[("b", "1")], &untimed(1.0))]];
    let (page, _) = text(&view(&slots), TEXT);
    assert!(page.ends_with("\nm{b=\"1\"} 1\n"), "{page}");
}

#[test]
fn the_first_of_each_second_wins_whatever_its_slot() {
    let a = [("a", "1")];
    let slots = [
        vec![gauge("m", &a, &[timed(3.0, 3_000), timed(1.0, 1_999)])],
        // The same labels once unified: an empty label is no label.
        vec![
            gauge("m", &[("a", "1"), ("b", "")], &[timed(9.0, 1_000), timed(2.0, 2_000)]),
            gauge("m", &a, &[timed(8.0, 3_500)]),
        ],
    ];
    let (page, duplicates) = text(&view(&slots), TEXT);
    let rows: Vec<&str> = page.lines().skip(2).collect();
    assert_eq!(rows, [r#"m{a="1",b=""} 1 1999"#, r#"m{a="1",b=""} 2 2000"#, r#"m{a="1",b=""} 3 3000"#]);
    assert_eq!(duplicates, 2);
}

#[test]
fn a_sample_without_time_counts_as_second_zero() {
    let slots = [vec![gauge("m", &[], &untimed(1.0))], vec![gauge("m", &[], &[timed(2.0, 999), timed(3.0, 1_000)])]];
    let (page, duplicates) = text(&view(&slots), TEXT);
    assert_eq!(page.lines().skip(2).collect::<Vec<_>>(), ["m 1", "m 3 1000"]);
    assert_eq!(duplicates, 1);
}

const ODD: &str = "aws_my[weird]\"\\\n_é.x";

fn odd_page(escaping: Escaping) -> String {
    let slots = [vec![
        gauge(ODD, &[("l", "v")], &untimed(1.0)),
        gauge("aws_z", &[], &untimed(2.0)),
        gauge("b.c", &[], &untimed(3.0)),
    ]];
    text(&view(&slots), Style { format: Format::Text, escaping }).0
}

fn page_of(names: [&str; 3], samples: [&str; 3]) -> String {
    let block = |(name, sample): (&str, &str)| {
        format!("# HELP {name} Help is not implemented yet.\n# TYPE {name} gauge\n{sample}\n")
    };
    names.into_iter().zip(samples).map(block).collect()
}

#[test]
fn odd_names_are_escaped_as_negotiated() {
    let plain = |names: [&str; 3]| {
        let samples = [format!("{}{{l=\"v\"}} 1", names[0]), format!("{} 2", names[1]), format!("{} 3", names[2])];
        page_of(names, [&samples[0], &samples[1], &samples[2]])
    };
    let values = "U__aws__my_5b_weird_5d__22__5c__a____e9__2e_x";
    assert_eq!(odd_page(Escaping::Underscores), plain(["aws_my_weird_______x", "aws_z", "b_c"]));
    assert_eq!(odd_page(Escaping::Values), plain([values, "aws_z", "U__b_2e_c"]));
    assert_eq!(odd_page(Escaping::Dots), plain(["aws__my__weird_____________dot_x", "aws__z", "b_dot_c"]));
    let quoted = r#""aws_my[weird]\"\\\n_é.x""#;
    let samples = [&format!("{{{quoted},l=\"v\"}} 1"), "aws_z 2", "{\"b.c\"} 3"];
    assert_eq!(odd_page(Escaping::AllowUtf8), page_of([quoted, "aws_z", "\"b.c\""], samples));
}

#[test]
fn families_that_become_one_are_merged_into_the_first() {
    let slots = [
        vec![gauge("a.b", &[("x", "1")], &untimed(2.0)), gauge("a-b", &[("y", "1")], &untimed(1.0))],
        vec![Series { family: family("a_b", Kind::Counter), ..gauge("", &[("x", "1")], &untimed(3.0)) }],
    ];
    let (page, duplicates) = text(&view(&slots), TEXT);
    let expected = "# HELP a_b Help is not implemented yet.\n# TYPE a_b gauge\n\
        a_b{x=\"\",y=\"1\"} 1\na_b{x=\"1\",y=\"\"} 2\n";
    assert_eq!((page.as_str(), duplicates), (expected, 1));
    let apart = text(&view(&slots), Style { format: Format::Text, escaping: Escaping::AllowUtf8 }).0;
    assert_eq!(apart.matches("# TYPE").count(), 3, "{apart}");
}

#[test]
fn what_no_page_may_carry_is_left_out() {
    let slots = [vec![
        gauge("", &[], &untimed(1.0)),
        gauge("raingauge_x", &[], &untimed(1.0)),
        gauge("yace.x", &[], &untimed(1.0)),
        gauge("m", &[("1st", "a"), ("", "b"), ("é", "c"), ("__name__", "d"), ("ok", "e")], &untimed(1.0)),
    ]];
    let expected = "# HELP m Help is not implemented yet.\n# TYPE m gauge\nm{ok=\"e\"} 1\n";
    assert_eq!(text(&view(&slots), TEXT).0, expected);
}

#[test]
fn openmetrics_keeps_names_and_counts_in_seconds() {
    let counter = |name| Series { family: family(name, Kind::Counter), ..gauge("", &[("l", "1")], &untimed(1.0)) };
    let slots = [vec![
        gauge("a_total", &[], &[timed(1.5, 1_700_000_060_500)]),
        counter("b_total"),
        counter("c"),
        gauge("d", &[], &[Cell::untimed(1.0), timed(2.0, 1_000), timed(3.0, 2_000)]),
    ]];
    let expected = "# HELP a_total Help is not implemented yet.\n# TYPE a_total gauge\na_total 1.5 1700000060.5\n\
        # HELP b Help is not implemented yet.\n# TYPE b counter\nb_total{l=\"1\"} 1\n\
        # HELP c Help is not implemented yet.\n# TYPE c unknown\nc{l=\"1\"} 1\n\
        # HELP d Help is not implemented yet.\n# TYPE d gauge\nd 2 1\nd 3 2\n";
    assert_eq!(text(&view(&slots), OPENMETRICS), (expected.to_owned(), 1));
}
