use super::*;
use crate::push::job::{Decoration, JobRules};

fn rules() -> NamingRules {
    NamingRules {
        host: HostDimension::Machine,
        global: None,
        jobs: vec![JobRules::default()],
        rollups: Vec::new(),
        dropped_originals: BTreeSet::new(),
        decorations: BTreeMap::new(),
    }
}

fn facts() -> Facts {
    let instance = [(Fact::InstanceId, "i-1".into()), (Fact::InstanceType, "t3.micro".into())].into();
    Facts { host_name: "box".into(), instance }
}

fn set(pairs: &[(&str, &str)]) -> LabelSet {
    LabelSet::new(pairs.iter().map(|(n, v)| (Text::from(*n), Text::from(*v))).collect())
}

/// `name{a=b,…} unit` of each metric of a reading of one processor.
fn shown(rules: &NamingRules, facts: &Facts) -> Vec<String> {
    let tags = set(&[("cpu", "cpu0")]);
    let unit = StandardUnit::new("Percent").unwrap();
    let found = metrics(rules, facts, &Reading { job: 0, name: "cpu_usage_idle", unit, tags: &tags });
    let pairs = |d: &LabelSet| d.iter().map(|(n, v)| format!("{n}={v}")).collect::<Vec<_>>().join(",");
    found.of.iter().map(|m| format!("{}{{{}}} {}", m.name, pairs(&m.dimensions), m.unit.as_str())).collect()
}

#[test]
fn the_host_tells_machines_apart_until_global_dimensions_do() {
    let mut r = rules();
    assert_eq!(shown(&r, &facts()), ["cpu_usage_idle{cpu=cpu0,host=box} Percent"]);
    r.host = HostDimension::Named("other".into());
    assert_eq!(shown(&r, &facts()), ["cpu_usage_idle{cpu=cpu0,host=other} Percent"]);
    r.host = HostDimension::Omitted;
    assert_eq!(shown(&r, &facts()), ["cpu_usage_idle{cpu=cpu0} Percent"]);
    r.host = HostDimension::Machine;
    r.global = Some(GlobalDimensions::default());
    assert_eq!(shown(&r, &facts()), ["cpu_usage_idle{cpu=cpu0} Percent"], "an empty object takes the host away");
    r.global = Some(GlobalDimensions {
        facts: vec![Fact::InstanceId, Fact::AutoScalingGroupName],
        fixed: vec![("site".into(), "attic".into())],
    });
    assert_eq!(shown(&r, &facts()), ["cpu_usage_idle{InstanceId=i-1,cpu=cpu0,site=attic} Percent"]);
    let alone = Facts { instance: BTreeMap::new(), ..facts() };
    assert_eq!(shown(&r, &alone), ["cpu_usage_idle{cpu=cpu0,host=box,site=attic} Percent"], "nobody to ask");
}

#[test]
fn a_plugin_s_own_dimensions_win() {
    let mut r = rules();
    r.jobs[0].dimensions = vec![
        ("host".into(), DimensionValue::Fixed("mine".into())),
        ("inst".into(), DimensionValue::Of(Fact::InstanceId)),
        ("image".into(), DimensionValue::Of(Fact::ImageId)),
        ("group".into(), DimensionValue::Of(Fact::AutoScalingGroupName)),
        ("empty".into(), DimensionValue::Fixed(" ".into())),
    ];
    let want = "cpu_usage_idle{cpu=cpu0,host=mine,image=UNKNOWN-AMI,inst=i-1} Percent";
    assert_eq!(shown(&r, &facts()), [want]);
    r.jobs[0].dimensions = vec![("InstanceId".into(), DimensionValue::Fixed("mine".into()))];
    r.global = Some(GlobalDimensions { facts: vec![Fact::InstanceId], fixed: vec![] });
    assert_eq!(shown(&r, &facts()), ["cpu_usage_idle{InstanceId=mine,cpu=cpu0} Percent"]);
}

#[test]
fn rollups_are_added_where_they_leave_something_out() {
    let mut r = rules();
    r.rollups = vec![vec!["host".into()], vec!["cpu".into(), "host".into()], vec!["rack".into()], vec![]];
    assert_eq!(
        shown(&r, &facts()),
        ["cpu_usage_idle{cpu=cpu0,host=box} Percent", "cpu_usage_idle{host=box} Percent", "cpu_usage_idle{} Percent"]
    );
    r.dropped_originals = ["IDLE".into()].into();
    let decoration = Decoration { rename: Some("IDLE".into()), unit: Some((StandardUnit::NONE, 2.0)) };
    r.decorations = [("cpu_usage_idle".into(), decoration)].into();
    assert_eq!(shown(&r, &facts()), ["IDLE{host=box} None", "IDLE{} None"]);
}

#[test]
fn bounds_hold_and_the_host_is_the_last_to_go() {
    let many: Vec<(Text, Text)> = (0..40).map(|n| (format!("a{n:02}").into(), "v".repeat(2_000).into())).collect();
    let tags = LabelSet::new(many);
    let found = metrics(&rules(), &facts(), &Reading { job: 0, name: "m", unit: StandardUnit::NONE, tags: &tags });
    let dimensions = &found.of[0].dimensions;
    assert_eq!(dimensions.len(), MAX_DIMENSIONS);
    assert_eq!(dimensions.get("host").map(|v| &**v), Some("box"));
    assert_eq!(dimensions.get("a00").map(|v| v.len()), Some(MAX_DIMENSION_VALUE_CHARS));
}

#[test]
fn only_what_is_used_is_asked_for() {
    let mut r = rules();
    assert!(wanted(&r).is_empty());
    r.jobs[0].dimensions = vec![("x".into(), DimensionValue::Of(Fact::ImageId))];
    r.global = Some(GlobalDimensions { facts: vec![Fact::InstanceId], fixed: vec![] });
    assert_eq!(wanted(&r).into_iter().collect::<Vec<_>>(), [Fact::ImageId, Fact::InstanceId]);
}

#[test]
fn names_and_values_that_cloudwatch_refuses_do_not_go_out() {
    let long = "n".repeat(256);
    let dimensions = limited(
        [(&*long, "v"), (":a", "v"), ("b", " "), ("ok", &*"v".repeat(2000))].map(|(n, v)| (n.into(), v.into())).into(),
    );
    let kept: Vec<_> = dimensions.iter().map(|(n, v)| (n.to_string(), v.len())).collect();
    assert_eq!(kept, [("ok".to_owned(), 1024)]);
}
