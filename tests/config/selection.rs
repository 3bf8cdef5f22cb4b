//! Our own keys about what is selected.

use crate::{assert_refused, aws, discovery, metric, mistakes, native, only_job};

/// What is said of a native file with these keys in its `aws` section.
#[track_caller]
fn assert_native_refused(text: &str, wanted: &[&str]) {
    let said = mistakes(native(text));
    assert_eq!(said.len(), wanted.len(), "{text}\n{said:#?}");
    for (said, wanted) in said.iter().zip(wanted) {
        for part in wanted.split(" … ") {
            assert!(said.contains(part), "{text}\n{said:?} lacks {part:?}");
        }
    }
}

fn native_job(keys: &str) -> String {
    format!(
        "aws: {{discovery: {{jobs: [{{type: AWS/SQS, regions: [eu-west-1], {keys}, metrics: [{{name: M, statistics: [Sum]}}]}}]}}}}"
    )
}

fn native_custom(keys: &str) -> String {
    format!(
        "aws: {{customNamespace: [{{name: c, namespace: N, regions: [eu-west-1], {keys}, metrics: [{{name: M, statistics: [Sum]}}]}}]}}"
    )
}

#[test]
fn mistakes_in_what_is_selected() {
    for (text, wanted) in [
        (native_job("dimensionFilters: [{name: Q, keep: '('}]"), "dimensionFilters[0].keep … no regular expression"),
        (native_job("dimensionFilters: [{name: Q}]"), "dimensionFilters[0] … needs `keep` or `drop`"),
        (native_job("dimensionFilters: [{drop: x}]"), "dimensionFilters[0].name … needs the dimension's name"),
        (native_job("owningAccounts: [12345]"), "owningAccounts[0] … `12345` is no account id"),
        (
            native_job("includeLinkedAccounts: false, owningAccounts: ['123456789012']"),
            "owningAccounts … cannot be false",
        ),
        (native_job("maxSeries: -1"), "maxSeries … 0 is no limit"),
        (native_job("joinTags: []"), "unknown key `joinTags`"),
        (native_job("staleAfter: 1m, interval: 5m"), "staleAfter … before the next fetch (300 s)"),
        (native_job("roles: [{roleArn: 'arn:aws:iam::1:role/r'}]"), "roleArn … is no role"),
        (native_job("period: 90"), "period … 90 is no period of CloudWatch"),
        (native_custom("joinTags: [{namespace: AWS/EC3, tags: [a]}]"), "joinTags[0].namespace … did you mean AWS/EC2?"),
        (native_custom("joinTags: [{namespace: AWS/EC2}]"), "joinTags[0].tags … needs the tags"),
        (native_custom("joinTags: [{namespace: AWS/Billing, tags: [a]}]"), "joinTags[0].namespace … has no resources"),
        (native_custom("includeUntagged: true"), "unknown key `includeUntagged`"),
    ] {
        assert_native_refused(&text, &[wanted]);
    }
    let metrics = |metrics: &str, kind: &str| {
        format!("aws: {{{kind}: [{{name: c, namespace: N, regions: [eu-west-1], metrics: [{metrics}]}}]}}")
    };
    assert_native_refused(
        &metrics("{name: 'a*', statistics: [Sum]}", "static"),
        &["metrics[0].name … without listing"],
    );
    assert_native_refused(
        &metrics("{name: a, include: [b], statistics: [Sum]}", "customNamespace"),
        &["metrics[0] … include and exclude go with a name that has a `*`"],
    );
}

#[test]
fn mistakes_in_services_of_the_file() {
    let text = "
aws:
  services:
    - {namespace: A/B, resourceTypes: ['a b'], mappings: ['x/{Dim', 'plain'], arns: ['x/{Dim}']}
    - {resourceTypes: [a]}
    - {namespace: A/C, mappings: ['x/{Dim}']}
    - {namespace: A/C}
  discovery:
    exportedTagsOnMetrics: {A/B: [x]}
    jobs: [{type: A/B, regions: [eu-west-1], metrics: [{name: M, statistics: [Sum]}]}, {type: A/D, regions: [eu-west-1], metrics: [{name: M, statistics: [Sum]}]}]
";
    assert_native_refused(
        text,
        &[
            "services[0].resourceTypes[0] … is no resource type",
            "services[0].mappings[0] … a brace is not closed",
            "services[0].mappings[1] … it names no dimension",
            "services[0].arns[0] … it is no ARN",
            "services[1].namespace … needs its CloudWatch namespace",
            "services[2].mappings … without resourceTypes",
            "services[3].namespace … described twice",
            "jobs[1].type … A/D … did you mean A/B?",
        ],
    );
}

#[test]
fn roles_and_regions_of_all_jobs() {
    let text = "
aws:
  roles: [{roleArn: 'arn:aws:iam::123456789012:role/a'}]
  regions: [eu-west-1]
  discovery:
    jobs:
      - {type: AWS/SQS, metrics: [{name: M, statistics: [Sum]}]}
      - {type: AWS/SQS, roles: [], regions: all, metrics: [{name: M, statistics: [Sum]}]}
      - {type: AWS/SQS, roles: [{roleArn: 'arn:aws:iam::123456789012:role/b'}], regions: [eu-west-2], metrics: [{name: M, statistics: [Sum]}]}
";
    let jobs = aws(native(text).unwrap()).jobs;
    let places: Vec<_> = jobs
        .iter()
        .map(|j| {
            let roles: Vec<_> =
                j.roles.iter().map(|r| r.arn.as_deref().unwrap_or("own").rsplit('/').next().unwrap()).collect();
            (
                roles.join(","),
                j.regions.iter().map(ToString::to_string).collect::<Vec<_>>().join(","),
                j.selection.all_regions,
            )
        })
        .collect();
    let place = |role: &str, regions: &str, all| (role.to_owned(), regions.to_owned(), all);
    assert_eq!(places, [place("a", "eu-west-1", false), place("own", "", true), place("b", "eu-west-2", false)]);
    let yace = discovery("    regions: all\n    metrics: [{name: m, statistics: [Sum]}]\n");
    assert_refused(&yace.replace("    regions: [r]\n", ""), &["regions … expected a list of strings"]);
    for (region, hint) in
        [("eu-wets-1", "did you mean eu-west-1?"), ("Ireland", "names like eu-west-1"), ("zz-new-7", "")]
    {
        let text = native_job("period: 60").replace("eu-west-1", region);
        let warnings = native(&text).unwrap().warnings;
        assert_eq!(warnings.is_empty(), hint.is_empty(), "{warnings:?}");
        assert!(warnings.iter().all(|w| w.message.contains(hint) && w.key_path == "aws.discovery.jobs[0].regions[0]"));
    }
}

#[test]
fn search_tags_and_linked_accounts_are_warned_about() {
    let said = |keys: &str| native(&native_job(keys)).unwrap().warnings.len();
    let search = "includeLinkedAccounts: true, searchTags: [{key: a, value: b}]";
    assert_eq!(said(search), 1);
    assert_eq!(said(&format!("{search}, includeUntagged: true")), 0);
    assert_eq!(said("includeLinkedAccounts: true"), 0);
}

#[test]
fn patterns_are_native_and_bounded() {
    let limit = |text: &str| {
        let job = aws(native(text).unwrap()).jobs.remove(0);
        (job.metrics[0].pattern.is_some(), job.selection.max_series.map(usize::from))
    };
    let of = |name: &str, keys: &str| native_job(keys).replace("name: M", &format!("name: '{name}'"));
    assert_eq!(limit(&of("M", "period: 60")), (false, None));
    assert_eq!(limit(&of("M*", "period: 60")), (true, Some(20_000)));
    assert_eq!(limit(&of("M*", "maxSeries: 0")), (true, None));
    assert_eq!(limit(&of("M*", "maxSeries: 7")), (true, Some(7)));
    assert_eq!(&*aws(native(&of(r"M\*", "period: 60")).unwrap()).jobs[0].metrics[0].name, "M*");
    let job = only_job(&metric("").replace("name: m", "name: 'm*'"));
    assert!(job.metrics[0].pattern.is_none() && &*job.metrics[0].name == "m*");
    assert_eq!(job.selection.max_series, None);
    let ours = "    includeUntagged: true\n    maxSeries: 5\n    includeLinkedAccounts: true\n    dimensionFilters: [{name: a, keep: b}]\n";
    let job = only_job(&discovery(&format!("{ours}    metrics: [{{name: m, statistics: [Sum]}}]\n")));
    assert!(job.selection.include_untagged && job.selection.dimension_filters.len() == 1);
}
