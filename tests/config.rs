//! Configuration through its front door: files in, settings or every mistake with its place out.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "config/selection.rs"]
mod selection;

use std::path::Path;
use std::time::Duration;

use raingauge::app::check;
use raingauge::aws::job::{AwsSettings, Job, JobKind};
use raingauge::config::{Dialect, LoadOptions, Loaded, Mistakes, load, parse};

const MIXED: &str = include_str!("fixtures/config/yace/mixed.yml");

fn read(text: &str, options: &LoadOptions) -> Result<Loaded, Mistakes> {
    let env = |name: &str| match name {
        "REGION" => Some("eu-central-1".to_owned()),
        "PERIOD" => Some("60".to_owned()),
        _ => None,
    };
    parse(Path::new("f.yml"), text.as_bytes(), options, &env)
}

fn yace(text: &str) -> Result<Loaded, Mistakes> {
    read(text, &LoadOptions { dialect: Some(Dialect::Yace), ..LoadOptions::default() })
}

fn native(text: &str) -> Result<Loaded, Mistakes> {
    read(text, &LoadOptions::default())
}

fn aws(loaded: Loaded) -> AwsSettings {
    loaded.settings.aws.unwrap()
}

/// A YACE file with one discovery job that has these keys besides the required ones.
fn discovery(keys: &str) -> String {
    format!("apiVersion: v1alpha1\ndiscovery:\n  jobs:\n  - type: AWS/EC2\n    regions: [r]\n{keys}")
}

fn metric(keys: &str) -> String {
    discovery(&format!("    metrics: [{{name: m, statistics: [Sum]{keys}}}]\n"))
}

fn only_job(text: &str) -> Job {
    let loaded = yace(text).unwrap_or_else(|e| panic!("{text}\n{e}"));
    assert_eq!(loaded.warnings, [], "{text}");
    aws(loaded).jobs.remove(0)
}

/// What is said about a file: `line:column key.path: message` each.
fn mistakes(result: Result<Loaded, Mistakes>) -> Vec<String> {
    let mistakes = result.map(|_| ()).expect_err("a mistake").mistakes;
    mistakes.iter().map(ToString::to_string).collect()
}

#[track_caller]
fn assert_refused(text: &str, wanted: &[&str]) {
    let said = mistakes(yace(text));
    assert_eq!(said.len(), wanted.len(), "{text}\n{said:#?}");
    for (said, wanted) in said.iter().zip(wanted) {
        for part in wanted.split(" … ") {
            assert!(said.contains(part), "{text}\n{said:?} lacks {part:?}");
        }
    }
}

#[test]
fn a_grown_yace_file() {
    let loaded = yace(MIXED).unwrap();
    let warnings: Vec<_> = loaded.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(warnings[0].starts_with("2:1: templates: unknown key"), "{warnings:?}");
    assert!(warnings[1].contains("customNamespace[0].metrics[1].delay") && warnings[1].contains("ignored"));
    let aws = aws(loaded);
    assert_eq!(aws.access.sts_region.as_deref(), Some("eu-west-1"));
    let names: Vec<_> = aws.jobs.iter().map(|j| (&*j.name, &*j.namespace, j.index)).collect();
    let want =
        [("AWS/EC2", "AWS/EC2", 0), ("AWS/RDS", "AWS/RDS", 1), ("app", "My App/v2", 0), ("charges", "AWS/Billing", 0)];
    assert_eq!(names, want);

    let ec2 = &aws.jobs[0];
    let JobKind::Discovery(found) = &ec2.kind else { panic!("{:?}", ec2.kind) };
    assert_eq!(found.exported_tags.iter().map(|t| &**t).collect::<Vec<_>>(), ["Name", "team"]);
    assert!(found.search_tags[0].pattern.is_match("prod") && !found.search_tags[0].pattern.is_match("preprod"));
    assert!(found.search_tags[1].pattern.is_match("anything"));
    assert_eq!(ec2.roles.len(), 2);
    assert_eq!(ec2.roles[0].external_id.as_deref(), Some("0042"));
    assert_eq!(ec2.roles[1].arn, None);
    assert_eq!(&*ec2.custom_tags[0].value, "1.50");
    let [cpu, network] = &ec2.metrics[..] else { panic!("{:?}", ec2.metrics) };
    assert_eq!((cpu.period_seconds.get(), cpu.length_seconds, cpu.delay_seconds), (300, 600, 120));
    assert!(cpu.nil_to_zero && cpu.add_timestamp && !cpu.export_all_data_points);
    assert_eq!((&*network.name, network.statistics.len()), ("NetworkIn", 2));
    assert!(!network.nil_to_zero && network.export_all_data_points);

    let app = &aws.jobs[2];
    assert!(app.recently_active_only);
    let sizes: Vec<_> =
        app.metrics.iter().map(|m| (m.period_seconds.get(), m.length_seconds, m.delay_seconds)).collect();
    assert_eq!(sizes, [(60, 300, 0), (60, 100, 0)]);
    assert!(matches!(&aws.jobs[3].kind, JobKind::Static(d) if &*d[0].name == "Currency"));
}

#[test]
fn integers_booleans_and_strings_of_yaml_1_1() {
    let integers = [
        ("60.9", 60),
        ("0x3c", 60),
        ("0b111100", 60),
        ("0o74", 60),
        ("074", 60),
        ("6_0", 60),
        ("+60", 60),
        ("6e1", 60),
        ("!!int '60'", 60),
        ("~", 300),
        ("", 300),
        ("0", 300),
        ("null", 300),
        ("!!float 60", 60),
        ("08", 8),
    ];
    for (written, want) in integers {
        let job = only_job(&metric(&format!(", period: {written}")));
        assert_eq!(job.metrics[0].period_seconds.get(), want, "{written}");
    }
    for written in ["'60'", "60s", "1:30", "true", "[60]", "{a: 1}", "!!str 60", "1e30", "2001-01-01", ".nan"] {
        let said = mistakes(yace(&metric(&format!(", period: {written}"))));
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(said[0].contains("metrics[0].period: expected an integer, found"), "{said:?}");
    }
    for (written, want) in [
        ("y", true),
        ("Yes", true),
        ("ON", true),
        ("true", true),
        ("n", false),
        ("off", false),
        ("~", false),
        ("!!bool 'yes'", true),
    ] {
        assert_eq!(only_job(&metric(&format!(", nilToZero: {written}"))).metrics[0].nil_to_zero, want, "{written}");
    }
    for written in ["1", "'true'", "yEs", "t", "[]"] {
        let said = mistakes(yace(&metric(&format!(", nilToZero: {written}"))));
        assert!(said.len() == 1 && said[0].contains("nilToZero: expected a boolean"), "{said:?}");
    }
    let strings = [
        ("010", "010"),
        ("1.50", "1.50"),
        ("true", "true"),
        ("2001-01-01", "2001-01-01"),
        ("~", ""),
        ("", ""),
        ("'~'", "~"),
        ("!!binary aGVsbG8=", "hello"),
        ("|\n        x\n", "x\n"),
    ];
    for (written, want) in strings {
        let text = discovery(&format!(
            "    metrics: [{{name: m, statistics: [s]}}]\n    customTags:\n    - key: k\n      value: {written}\n"
        ));
        assert_eq!(&*only_job(&text).custom_tags[0].value, want, "{written}");
    }
    assert_refused(
        &discovery("    metrics: [{name: [m], statistics: [s]}]\n"),
        &["name: expected a string, found a list"],
    );
    assert_refused(&metric(", delay: !!binary x"), &["delay: expected an integer"]);
    assert_refused(&discovery("    metrics: [{name: !!int x, statistics: [s]}]\n"), &["`x` cannot be read as !!int"]);
}

#[test]
fn inheritance_and_defaults() {
    let job = only_job(&discovery(
        "    period: 60\n    length: 120\n    delay: 30\n    statistics: [Sum]\n    nilToZero: true\n    metrics:\n    - {name: a}\n    - {name: b, statistics: [p99], period: 120, nilToZero: false}\n",
    ));
    let shown: Vec<_> = job
        .metrics
        .iter()
        .map(|m| (&*m.statistics[0], m.period_seconds.get(), m.length_seconds, m.delay_seconds, m.nil_to_zero))
        .collect();
    assert_eq!(shown, [("Sum", 60, 120, 30, true), ("p99", 120, 120, 30, false)]);
    assert_eq!(job.roles.len(), 1);
    assert_eq!(job.metrics_per_query.get(), 500);
    assert_eq!(job.timing.interval, Duration::from_secs(300));
    assert_eq!(job.timing.stale_after, Duration::from_secs(630));
    // In a YACE file what follows a merge overrides it, what precedes is overridden.
    let merged = "x: &m {name: merged, statistics: [Sum]}\napiVersion: v1alpha1\ncustomNamespace: [{name: n, namespace: s, regions: [r], metrics: [{<<: *m, name: own}, {name: own, <<: *m}, {<<: [{name: strong}, *m]}]}]";
    let names: Vec<_> = aws(yace(merged).unwrap()).jobs[0].metrics.iter().map(|m| m.name.to_string()).collect();
    assert_eq!(names, ["own", "merged", "strong"]);
    // A static job takes nothing from its own level.
    let fixed =
        yace("apiVersion: v1alpha1\nstatic: [{name: n, namespace: s, regions: [r], period: 60, metrics: [{name: m}]}]")
            .unwrap();
    assert!(fixed.warnings[0].to_string().contains("static[0].period: unknown key"));
    assert_eq!(aws(fixed).jobs[0].metrics[0].period_seconds.get(), 300);
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn every_rule_has_its_mistake() {
    let good = "metrics: [{name: m, statistics: [Sum]}]";
    let job = |keys: &str| format!("apiVersion: v1alpha1\ndiscovery:\n  jobs:\n  - {{{keys}}}\n");
    let table: &[(String, &[&str])] = &[
        (String::new(), &["at least 1 Discovery job, 1 Static or one CustomNamespace"]),
        ("discovery: {}\nstatic: ~\n".into(), &["at least 1 Discovery job"]),
        (
            job(&format!("regions: [r], {good}")),
            &["4:5: discovery.jobs[0].type: Discovery job [0]: Type should not be empty"],
        ),
        (
            job(&format!("type: AWS/X, regions: [r], {good}")),
            &["Discovery job [0]: Service is not in known list!: AWS/X"],
        ),
        (
            job(&format!("type: aws/ec2, regions: [r], {good}")),
            &["Service is not in known list!: aws/ec2 … did you mean AWS/EC2"],
        ),
        (
            job(&format!("type: redshift, regions: [r], {good}")),
            &["use namespace \"AWS/Redshift\" rather than alias \"redshift\""],
        ),
        (job(&format!("type: AWS/EC2, {good}")), &["Discovery job [AWS/EC2/0]: Regions should not be empty"]),
        (job(&format!("type: AWS/EC2, regions: [], {good}")), &["Regions should not be empty"]),
        (job("type: AWS/EC2, regions: [r]"), &["Metrics and EnhancedMetrics should not both be empty"]),
        (
            job(&format!("type: AWS/EC2, regions: [r], roles: [{{}}, {{externalId: x}}], {good}")),
            &["roles[1].roleArn: Role [1] in Discovery job [AWS/EC2/0]: RoleArn should not be empty"],
        ),
        (
            metric(", period: -1"),
            &["Metric [m/0] in Discovery job [AWS/EC2/0]: Period value should be a positive integer"],
        ),
        (metric(", period: 600"), &["length(300) is smaller than period(600)"]),
        (metric(", length: 60"), &["length(60) is smaller than period(300)"]),
        (
            metric(", exportAllDataPoints: true"),
            &["ExportAllDataPoints can only be enabled if AddCloudwatchTimestamp is enabled"],
        ),
        (
            discovery("    metrics: [{statistics: [Sum]}]\n"),
            &["Metric [/0] in Discovery job [AWS/EC2/0]: Name should not be empty"],
        ),
        (discovery("    metrics: [{name: m, statistics: []}]\n"), &["Statistics should not be empty"]),
        (discovery("    metrics: [~, {name: m, statistics: [Sum]}]\n"), &["metrics[0]: this item is empty (null)"]),
        (
            discovery("    metrics: []\n    enhancedMetrics: [{name: X}]\n"),
            &["enhanced metrics are not supported for this namespace: AWS/EC2"],
        ),
        (
            job("type: AWS/Lambda, regions: [r], enhancedMetrics: [{name: X}, {name: Timeout}]"),
            &["enhancedMetrics[0].name … enhanced metric \"X\" is not supported for this namespace"],
        ),
        (
            discovery(&format!("    searchTags: [{{key: k, value: 'a('}}]\n    {good}\n")),
            &["search tag value for k has invalid regex value `a(`"],
        ),
        (
            format!(
                "apiVersion: v1alpha1\ndiscovery: {{exportedTagsOnMetrics: {{ec2: [a], foo: [a], AWS/RDS: [a]}}, jobs: [{{type: AWS/EC2, regions: [r], {good}}}]}}\n"
            ),
            &[
                "exportedTagsOnMetrics.ec2 … use namespace \"AWS/EC2\" rather than alias \"ec2\"",
                "key is not a valid namespace: foo",
                "key \"AWS/RDS\" does not match with any discovery job type",
            ],
        ),
        (
            format!("apiVersion: v1\ncustomNamespace: [{{namespace: s, regions: [r], {good}}}]\n"),
            &["unknown apiVersion value 'v1'", "CustomNamespace job [0]: Name should not be empty"],
        ),
        (
            format!("customNamespace: [{{name: n, regions: [r], {good}}}]\n"),
            &["CustomNamespace job [0]: Namespace should not be empty"],
        ),
        (
            "customNamespace: [{name: n, namespace: s}]\n".into(),
            &[
                "CustomNamespace job [n/0]: Regions should not be empty",
                "CustomNamespace job [n/0]: Metrics should not be empty",
            ],
        ),
        (
            "customNamespace: [{name: n, namespace: s, regions: [r], metrics: [{name: m}]}]\n".into(),
            &["Metric [m/0] in CustomNamespace job [s/0]: Statistics should not be empty"],
        ),
        ("static: [{namespace: s, regions: [r]}]\n".into(), &["Static job [0]: Name should not be empty"]),
        ("static: [{name: n, regions: [r]}]\n".into(), &["Static job [n/0]: Namespace should not be empty"]),
        ("static: [{name: n, namespace: s}]\n".into(), &["Static job [n/0]: Regions should not be empty"]),
        (
            "static: [~, x, []]\n".into(),
            &["static[0]: this item is empty (null)", "expected a mapping, found the string `x`", "found a list"],
        ),
        ("static: {}\n".into(), &["static: expected a list of mappings, found a mapping"]),
        (
            "static: [{name: n, namespace: s, regions: r}]\n".into(),
            &["regions: expected a list of strings, found the string `r`"],
        ),
        ("- static\n".into(), &["1:1: expected a mapping, found a list"]),
        ("static: []\n<<: [1]\n".into(), &["<< merges a mapping"]),
        ("%YAML 1.2\n---\nstatic: []\n".into(), &["1:1: only %YAML 1.1"]),
    ];
    for (text, wanted) in table {
        assert_refused(text, wanted);
    }
}

#[test]
fn all_mistakes_at_once_in_the_order_of_the_file() {
    let text = "static:\n- {name: n, namespace: s, regions: [r], metrics: [{name: m, period: x}, {period: 600}]}\n- {name: 1}\nsts-region: []\napiVersion: v2\n";
    let said = mistakes(yace(text));
    let places: Vec<_> = said.iter().map(|m| m.split(' ').take(2).collect::<Vec<_>>().join(" ")).collect();
    let want = [
        "2:69: static[0].metrics[0].period:",
        "2:73: static[0].metrics[1].name:",
        "2:82: static[0].metrics[1].period:",
        "3:3: static[1].namespace:",
        "3:3: static[1].regions:",
        "4:13: sts-region:",
        "5:13: apiVersion:",
    ];
    assert_eq!(places, want, "{said:#?}");
    let shown = yace(text).unwrap_err().to_string();
    assert_eq!(shown.lines().count(), 7);
    assert!(shown.lines().all(|l| l.starts_with("f.yml:")), "{shown}");
}

#[test]
fn what_yace_accepts_is_accepted() {
    let ok = [
        "static: []".to_owned(),
        "discovery: {jobs: []}".to_owned(),
        "static: [{name: n, namespace: s, regions: [r], metrics: [{name: m}]}]".to_owned(),
        "discovery: {exportedTagsOnMetrics: {foo: [x]}}\nstatic: []".to_owned(),
        discovery(
            "    metrics: [{name: m, statistics: [Bogus]}]\n    roles: [~, {roleArn: ''}]\n    searchTags: [~]\n    customTags: [~]\n",
        ),
        discovery("    metrics: [{name: m, statistics: [~]}]\n    regions: [~]\n"),
        metric(", period: 600, length: 600"),
        "\u{FEFF}static: []\r\n".to_owned(),
        "static:\t[]\n---\n!!! [".to_owned(),
        "%YAML 1.1\n---\nstatic: []\n".to_owned(),
    ];
    for text in ok {
        assert!(yace(&text).is_ok(), "{text}: {:?}", yace(&text));
    }
}

#[test]
fn warnings() {
    let text = "static: []\nfoo: 1\nstatic: []\ncustomNamespace: [{name: n, namespace: s, regions: [r], roundingPeriod: 60, metrics: [{name: m, Statistics: [x], statistics: [Sum], delay: 5}]}]\n";
    let said: Vec<_> = yace(text).unwrap().warnings.iter().map(ToString::to_string).collect();
    let want = [
        "missing apiVersion",
        "2:1: foo: unknown key",
        "3:1: static: the key `static` is already set",
        "roundingPeriod",
        "Statistics",
        "own delay is ignored",
    ];
    assert_eq!(said.len(), want.len(), "{said:#?}");
    for (said, want) in said.iter().zip(want) {
        assert!(said.contains(want), "{said} lacks {want}");
    }
    // Ours are welcome in a YACE file.
    let job = only_job(&discovery(
        "    metrics: [{name: m, statistics: [s]}]\n    interval: 1h\n    inventoryInterval: 1d\n    staleAfter: 90\n    holdOnFailure: yes\n",
    ));
    assert_eq!(job.timing.interval, Duration::from_secs(3600));
    assert_eq!(job.timing.inventory_interval, Duration::from_secs(86_400));
    assert_eq!(job.timing.stale_after, Duration::from_secs(90));
}

const NATIVE_JOBS: &str =
    "  static: [{name: n, namespace: s, regions: [r], metrics: [{name: m, statistics: [Sum]}]}]\n";

#[test]
fn native_files() {
    let text = format!(
        "web: {{listen_addresses: [\":5000\", '127.0.0.1:1', '[::1]:2', 'localhost:3']}}\naws:\n  stsRegion: ${{REGION}}\n  interval: 10m\n  fips: true\n  labelsSnakeCase: true\n  metricsPerQuery: 100\n  concurrency: {{listMetrics: 2, tagging: 9}}\n{NATIVE_JOBS}"
    );
    let loaded = native(&text).unwrap();
    assert_eq!(loaded.settings.dialect, Dialect::Native);
    let addresses: Vec<_> = loaded.settings.web.listen_addresses.iter().map(ToString::to_string).collect();
    assert_eq!(addresses, ["[::]:5000", "127.0.0.1:1", "[::1]:2", "127.0.0.1:3"]);
    let aws = aws(loaded);
    assert_eq!(aws.access.sts_region.as_deref(), Some("eu-central-1"));
    assert!(aws.access.fips && aws.naming.labels_snake_case);
    assert_eq!((aws.access.concurrency.list_metrics.get(), aws.access.concurrency.tagging.get()), (2, 9));
    assert_eq!(aws.access.concurrency.get_metric_data.get(), 5);
    assert_eq!(aws.jobs[0].metrics_per_query.get(), 100);
    assert_eq!(aws.jobs[0].timing.interval, Duration::from_secs(600));
    assert_eq!(aws.jobs[0].timing.inventory_interval, Duration::from_secs(900));
    assert_eq!(aws.jobs[0].timing.stale_after, Duration::from_secs(1320));
}

#[test]
fn holding_values() {
    let stale = |defaults: &str, own: &str| {
        let text = format!("aws:\n{defaults}  static: [{{name: n, namespace: s, regions: [r]{own}}}]\n");
        aws(native(&text).unwrap()).jobs[0].timing.stale_after.as_secs()
    };
    assert_eq!(stale("", ""), 600);
    assert_eq!(stale("", ", interval: 1m"), 120);
    assert_eq!(stale("", ", holdOnFailure: false"), 0);
    assert_eq!(stale("  holdOnFailure: false\n", ""), 0);
    assert_eq!(stale("  holdOnFailure: false\n", ", holdOnFailure: true"), 600);
    assert_eq!(stale("  holdOnFailure: false\n", ", staleAfter: 1h"), 3600);
    assert_eq!(stale("  staleAfter: 7m\n", ""), 420);
    assert_eq!(stale("  staleAfter: 0\n", ""), 0);
}

#[test]
fn native_mistakes() {
    let with = |keys: &str| format!("aws:\n{keys}{NATIVE_JOBS}");
    let table = [
        (with("  intervall: 5m\n"), "2:3: aws.intervall: unknown key `intervall`; did you mean `interval`?"),
        (with("  interval: 5m\n  interval: 6m\n"), "3:3: aws.interval: the key `interval` is already set"),
        (with("  interval: 0\n"), "at least one second"),
        (with("  interval: 5 minutes\n"), "a duration is a number with a unit"),
        (with("  interval: 400d\n"), "more than a year"),
        (with("  metricsPerQuery: 501\n"), "aws.metricsPerQuery: metrics in one query: from 1 to 500"),
        (with("  concurrency: {tagging: 0}\n"), "aws.concurrency.tagging"),
        (with("  apiVersion: v1alpha1\n"), "unknown key `apiVersion`"),
        (with("  sts-region: ${NOT_SET}\n"), "2:15: the environment variable NOT_SET is not set"),
        (with("  sts-region: ${\n"), "begins the name of a variable"),
        (format!("web: {{listen_addresses: [nowhere]}}\n{}", with("")), "listen_addresses[0]: `nowhere` is no address"),
        (format!("gcp: {{}}\n{}", with("")), "gcp.jobs: … nothing to do"),
        (format!("agent: {{metrics: {{}}}}\n{}", with("")), "agent.metrics: `metrics_collected` is missing"),
        ("aws: {}\n".to_owned(), "at least 1 Discovery job"),
        ("web: {}\n".to_owned(), "neither an `aws` nor a `gcp` nor an `agent` section"),
        (format!("static: []\n{}", with("")), "mixes the keys of several programs (aws, static)"),
        ("foo: 1\n".to_owned(), "neither a raingauge nor a YACE file"),
        (String::new(), "neither a raingauge nor a YACE file"),
        ("[aws]\n".to_owned(), "not a mapping"),
        ("{\"agent\": {\"region\": \"x\"}, \"metrics\": {}}\n".to_owned(), "metrics: `metrics_collected` is missing"),
        ("agent: {run_as_user: x}\n".to_owned(), "1:1: this is not JSON"),
    ];
    for (text, wanted) in table {
        let said = mistakes(native(&text));
        assert_eq!(said.len(), 1, "{text}\n{said:#?}");
        for part in wanted.split(" … ") {
            assert!(said[0].contains(part), "{text}\n{said:?} lacks {part:?}");
        }
    }
}

#[test]
fn native_values_from_the_environment_are_read_like_others() {
    let text = "aws:\n  static: [{name: '$$x', namespace: '^a$', regions: [\"${REGION}\"], metrics: [{name: m, period: \"${PERIOD}\"}]}]\n";
    let job = aws(native(text).unwrap()).jobs.remove(0);
    assert_eq!((&*job.name, &*job.namespace, &*job.regions[0]), ("$x", "^a$", "eu-central-1"));
    assert_eq!(job.metrics[0].period_seconds.get(), 60);
    // A YACE file means what it says.
    let job = only_job("apiVersion: v1alpha1\nstatic: [{name: '${REGION}', namespace: $$, regions: [r]}]\n");
    assert_eq!((&*job.name, &*job.namespace), ("${REGION}", "$$"));
}

#[test]
fn own_keys_beat_merged_ones_natively() {
    let text = "aws:\n  static:\n  - &m {name: a, namespace: s, regions: [r]}\n  - {name: own, <<: *m}\n  - {<<: *m, name: own}\n";
    let names: Vec<_> = aws(native(text).unwrap()).jobs.iter().map(|j| j.name.to_string()).collect();
    assert_eq!(names, ["a", "own", "own"]);
}

#[test]
fn dialects_are_recognised() {
    for text in ["apiVersion: v1alpha1\nstatic: []", "static: []", "customNamespace: []", "discovery: {jobs: []}"] {
        assert_eq!(native(text).unwrap().settings.dialect, Dialect::Yace, "{text}");
    }
    assert_eq!(native(&format!("%YAML 1.2\n---\naws:\n{NATIVE_JOBS}")).unwrap().settings.dialect, Dialect::Native);
    assert!(native("%YAML 1.2\n---\nstatic: []").is_err());
    // The command line decides where it says something.
    assert!(mistakes(yace(&format!("aws:\n{NATIVE_JOBS}"))).iter().any(|m| m.contains("at least 1")));
    let forced = LoadOptions { dialect: Some(Dialect::Native), ..LoadOptions::default() };
    assert!(mistakes(read("static: []", &forced))[0].contains("unknown key `static`"));
}

#[test]
fn the_command_line_wins() {
    let run = match raingauge::cli::parse(
        [
            "yace",
            "-scraping-interval=60",
            "-fips",
            "-labels-snake-case",
            "-metrics-per-query=900",
            "-cloudwatch-concurrency=7",
            "-enable-feature=always-return-info-metrics",
        ]
        .map(Into::into)
        .into_iter(),
        raingauge::cli::Outside { env: &|_| None, file: &|path| Err(path.to_owned()) },
    ) {
        Ok(raingauge::cli::Command::YaceRun(run)) => run,
        other => panic!("{other:?}"),
    };
    let aws = aws(read(&metric(""), &check::load_options(&run)).unwrap());
    assert!(aws.access.fips && aws.naming.labels_snake_case);
    assert_eq!(aws.access.concurrency.get_metric_data.get(), 7);
    let job = &aws.jobs[0];
    assert_eq!((job.timing.interval.as_secs(), job.timing.stale_after.as_secs()), (60, 120));
    assert_eq!(job.metrics_per_query.get(), 500);
    assert!(matches!(&job.kind, JobKind::Discovery(d) if d.always_return_info));
}

#[test]
fn checking_files() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("f.yml");
    let run = |text: &str| {
        std::fs::write(&path, text).unwrap();
        let (mut checked, mut verified) = (Vec::new(), Vec::new());
        let code = check::check(&path, &LoadOptions::default(), &mut checked).unwrap();
        let verify_code = check::verify(&path, &mut verified).unwrap();
        (code, verify_code, String::from_utf8(checked).unwrap(), String::from_utf8(verified).unwrap())
    };
    let (code, verify_code, checked, verified) = run(MIXED);
    assert_eq!((code, verify_code), (0, 0));
    assert_eq!(checked, verified);
    assert!(
        checked.contains("warning: ") && checked.ends_with("good: a YACE file with 4 jobs and 5 metrics\n"),
        "{checked}"
    );
    let google = "gcp: {jobs: [{projects: [a, b], metrics_prefixes: [x, y]}, {metrics_prefixes: [z], interval: 30s}]}";
    let (code, _, checked, _) = run(google);
    let wanted = "good: a raingauge file with 2 jobs of Google's Monitoring in 2 projects and the credentials' own project, 3 prefixes; \
                  at list price 1,000 series asked for every 30 s cost $43.20 a month\n";
    assert!(code == 0 && checked.ends_with(wanted), "{checked}");
    let (code, verify_code, checked, _) = run("static: [~, ~]\n");
    assert_eq!((code, verify_code), (64, 1));
    assert!(checked.contains("f.yml:1:10: static[0]: ") && checked.ends_with("2 mistakes\n"), "{checked}");
    let missing = load(&dir.path().join("missing.yml"), &LoadOptions::default()).unwrap_err();
    assert!(missing.to_string().contains("missing.yml: cannot read the file: "), "{missing}");
}
