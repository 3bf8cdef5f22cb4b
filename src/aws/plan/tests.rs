use std::collections::BTreeMap;

use super::*;
use crate::aws::api::{Account, Resource};
use crate::aws::catalog;
use crate::aws::job::{Dimension, Discovery, Metric, Pace, Role, Tag, Timing, WindowRule};

const NAMING: Naming = Naming { labels_snake_case: false };

fn secs(rfc3339: &str) -> Timestamp {
    let parsed = time::OffsetDateTime::parse(rfc3339, &time::format_description::well_known::Rfc3339).unwrap();
    Timestamp::from_secs(parsed.unix_timestamp())
}

fn nonzero(n: u32) -> NonZeroU32 {
    NonZeroU32::new(n).unwrap()
}

fn metric(name: &str, statistics: &[&str], period_seconds: u32) -> Metric {
    Metric {
        name: name.into(),
        statistics: statistics.iter().map(|s| Text::from(*s)).collect(),
        period_seconds: nonzero(period_seconds),
        length_seconds: u64::from(period_seconds),
        delay_seconds: 0,
        rule: WindowRule::Yace,
        pace: Pace::Every(Duration::from_secs(300)),
        outlives: Duration::ZERO,
        nil_to_zero: false,
        add_timestamp: false,
        export_all_data_points: false,
        pattern: None,
    }
}

fn job(metrics: Vec<Metric>, metrics_per_query: u32) -> Job {
    let discovery = Discovery {
        service: Arc::clone(catalog::service("AWS/EC2").unwrap()),
        search_tags: vec![],
        exported_tags: vec!["Name".into()],
        include_context_on_info: false,
        enhanced_metrics: vec![],
        always_return_info: false,
    };
    Job {
        kind: JobKind::Discovery(Box::new(discovery)),
        index: 0,
        name: "AWS/EC2".into(),
        namespace: "AWS/EC2".into(),
        regions: vec!["eu-west-1".into()],
        roles: vec![Role::default()],
        metrics,
        custom_tags: vec![],
        dimension_name_requirements: vec![],
        recently_active_only: false,
        selection: crate::aws::job::Selection::default(),
        metrics_per_query: nonzero(metrics_per_query),
        timing: Timing {
            interval: Duration::from_secs(300),
            inventory_interval: Duration::from_secs(900),
            stale_after: Duration::from_secs(600),
            activity_oracle: false,
            deadline: None,
            priority: crate::seam::Priority::Normal,
        },
    }
}

fn inventory(metrics: Vec<FoundMetric>) -> Inventory {
    let tags = vec![Tag { key: "Name".into(), value: "web".into() }];
    Inventory {
        account: Account { id: "000000000000".into(), alias: None },
        resources: vec![Resource { arn: "arn:aws:ec2:eu-west-1:0:instance/i-1".into(), tags }],
        metrics,
        owners: BTreeMap::new(),
    }
}

fn found(entry: usize, instance: &str, resource: Option<usize>) -> FoundMetric {
    let dimension = Dimension { name: "InstanceId".into(), value: instance.into() };
    FoundMetric { entry, name: "CPUUtilization".into(), owner: None, dimensions: Arc::new([dimension]), resource }
}

#[test]
fn windows_end_at_whole_periods_counted_from_year_one() {
    for (now, period, delay, length, start, end) in [
        ("2024-03-03T08:33:44Z", 300, 0, 172_800, "2024-03-01T08:30:00Z", "2024-03-03T08:30:00Z"),
        ("2024-03-03T00:00:00Z", 120, 120, 120, "2024-03-02T23:56:00Z", "2024-03-02T23:58:00Z"),
        ("2024-05-15T10:07:33Z", 604_800, 0, 604_800, "2024-05-06T00:00:00Z", "2024-05-13T00:00:00Z"),
        ("2024-05-15T10:07:33Z", 420, 0, 420, "2024-05-15T09:59:00Z", "2024-05-15T10:06:00Z"),
        ("2024-05-15T10:07:33Z", 60, 90, 60, "2024-05-15T10:04:30Z", "2024-05-15T10:05:30Z"),
    ] {
        let got = window(secs(now), nonzero(period), delay, length);
        assert_eq!(got, (secs(start), secs(end)), "{now} period {period}");
    }
}

#[test]
fn a_plan_has_a_series_for_each_statistic_and_an_info_series_for_each_resource() {
    let job = job(vec![metric("CPUUtilization", &["Average", "p99"], 300)], 500);
    let plan =
        plan(&job, NAMING, &"eu-west-1".into(), &inventory(vec![found(0, "i-1", Some(0)), found(0, "i-9", None)]));
    let shown: Vec<String> = plan
        .set
        .series
        .iter()
        .map(|key| {
            let (family, labels) = plan.set.describe(*key).unwrap();
            let value = |l| labels.get(l).map_or("-", |v| &**v);
            format!("{} {} {} {}", family.name, value("name"), value("dimension_InstanceId"), value("tag_Name"))
        })
        .collect();
    assert_eq!(
        shown,
        [
            "aws_ec2_cpuutilization_average arn:aws:ec2:eu-west-1:0:instance/i-1 i-1 web",
            "aws_ec2_cpuutilization_p99 arn:aws:ec2:eu-west-1:0:instance/i-1 i-1 web",
            "aws_ec2_cpuutilization_average global i-9 ",
            "aws_ec2_cpuutilization_p99 global i-9 ",
            "aws_ec2_info arn:aws:ec2:eu-west-1:0:instance/i-1 - web",
        ]
    );
    assert_eq!(plan.first_info, 4);
    assert_eq!(plan.set.label_sets.len(), 3, "statistics of a metric share their labels");
}

#[test]
fn queries_are_grouped_by_period_and_delay_with_the_longest_window() {
    let mut long = metric("NetworkIn", &["Sum"], 300);
    long.length_seconds = 3_600;
    let job = job(vec![metric("A", &["Sum"], 300), metric("B", &["Sum"], 60), long], 500);
    let plan = plan(&job, NAMING, &"r".into(), &inventory((0..3).map(|e| found(e, "i-1", None)).collect()));
    let groups: Vec<_> =
        plan.batches.iter().map(|b| (b.rhythm.period_seconds.get(), b.length_seconds, b.queries.len())).collect();
    assert_eq!(groups, [(300, 3_600, 2), (60, 60, 1)]);
}

#[test]
fn batches_are_cut_between_metrics() {
    let sizes = |statistics: &[&str], metrics: usize, limit| {
        let job = job(vec![metric("A", statistics, 300)], limit);
        let all = (0..metrics).map(|i| found(0, &format!("i-{i}"), None)).collect();
        let plan = plan(&job, NAMING, &"r".into(), &inventory(all));
        for batch in &plan.batches {
            assert_eq!(batch.queries.len(), batch.targets.len());
        }
        let targets: Vec<u32> = plan.batches.iter().flat_map(|b| b.targets.iter().map(|t| t.series)).collect();
        assert!(targets.iter().copied().eq(0..u32::try_from(targets.len()).unwrap()), "nothing lost, nothing twice");
        plan.batches.iter().map(|b| b.queries.len()).collect::<Vec<_>>()
    };
    assert_eq!(sizes(&["Sum"], 1_001, 500), [500, 500, 1]);
    assert_eq!(sizes(&["Sum", "Average", "Minimum"], 5, 10), [9, 6]);
    assert_eq!(sizes(&["Sum", "Average", "Minimum"], 1, 2), [2, 1], "more statistics than a call may have");
    assert_eq!(sizes(&["Sum"], 501, 100_000), [500, 1], "never more than AWS takes");
    assert_eq!(sizes(&["Sum"], 0, 500), [] as [usize; 0]);
}

#[test]
fn enhanced_metrics_stand_between_metrics_and_info() {
    let mut job = job(vec![metric("CPUUtilization", &["Average"], 300)], 500);
    job.custom_tags = vec![Tag { key: "team".into(), value: "a".into() }];
    let arn = Text::from("arn:aws:ec2:eu-west-1:0:instance/i-1");
    let row = |metric, value: &str| Row {
        resource: Text::clone(&arn),
        metric,
        dimensions: vec![Dimension { name: "Id".into(), value: value.into() }],
        value: 1.0,
    };
    let rows = [row("DiskSize", "a"), row("DiskSize", "b")];
    let found = inventory(vec![found(0, "i-1", Some(0))]);
    let plan = plan_with(&job, NAMING, &"eu-west-1".into(), &found, &rows);
    assert_eq!((plan.first_enhanced, plan.first_info), (1, 3));
    let shown: Vec<String> = plan.set.series[1..]
        .iter()
        .map(|key| {
            let (family, labels) = plan.set.describe(*key).unwrap();
            let labels: Vec<String> = labels.iter().map(|(n, v)| format!("{n}={v}")).collect();
            format!("{} {}", family.name, labels.join(","))
        })
        .collect();
    let enhanced = |id| {
        format!(
            "aws_ec2_disk_size account_id=000000000000,custom_tag_team=a,dimension_Id={id},name={arn},region=eu-west-1,tag_Name=web"
        )
    };
    assert_eq!(shown, [enhanced("a"), enhanced("b"), format!("aws_ec2_info name={arn},tag_Name=web")]);
    assert_eq!(plan.batches[0].queries.len(), 1, "nothing is asked of CloudWatch for them");
}
