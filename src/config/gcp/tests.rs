use super::*;
use crate::config::{LoadOptions, Loaded, Mistakes, parse};

fn load(jobs: &str) -> Result<Loaded, Mistakes> {
    let file = format!("gcp:\n  jobs:\n{jobs}");
    parse("raingauge.yml".as_ref(), file.as_bytes(), &LoadOptions::default(), &|_| None)
}

#[test]
fn a_job_needs_only_a_prefix() {
    let gcp = load("    - {metrics_prefixes: [run.googleapis.com/]}\n").unwrap().settings.gcp.unwrap();
    let job = &gcp.jobs[0];
    assert_eq!((&*job.name, job.projects.len(), job.prefixes.len()), ("gcp", 0, 1));
    assert!(job.deltas.aggregate && job.window.continues && job.fill_missing_labels && job.holds());
    assert_eq!(job.timing.interval, Interval::Auto { least: LEAST_INTERVAL });
    assert_eq!(gcp.access, Access::default());
}

#[test]
fn everything_is_read() {
    let jobs = "
    - name: shop
      projects: [b, a, b]
      projects_filter: labels.env:prod
      metrics_prefixes: [run.googleapis.com/, pubsub.googleapis.com/]
      exclude_prefixes: [run.googleapis.com/container/]
      filters: ['run.googleapis.com/:resource.labels.service_name=\"x:y\"']
      interval: 2m
      inventory_interval: 10m
      stale_after: 0
      metrics_interval: 10m
      metrics_offset: 1m
      metrics_ingest_delay: true
      aggregate_deltas: false
      aggregate_deltas_ttl: 1h
      lateness: 5m
      fill_missing_labels: false
      drop_delegated_projects: true
      labels: {team: shop}
      aggregation: [{prefix: run., alignment_period: 5m, aligner: ALIGN_DELTA, reducer: REDUCE_SUM, group_by: [metadata.user_labels.team]}]
      buckets: [{prefix: run., bounds: [1, 2.5]}, {prefix: a, at_most: 5}, {prefix: b, every_nth: 2}, {prefix: c, none: true}]
";
    let job = load(jobs).unwrap().settings.gcp.unwrap().jobs.remove(0);
    assert_eq!(job.projects.iter().map(|p| &**p).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(&*job.filters[0].expression, "resource.labels.service_name=\"x:y\"");
    assert_eq!(job.timing.interval, Interval::Fixed(Duration::from_secs(120)));
    assert!(!job.holds() && !job.window.continues && !job.deltas.aggregate && job.window.ingest_delay);
    assert_eq!(job.aggregations[0].alignment_period, Duration::from_secs(300));
    assert_eq!(job.buckets[0].keep, Keep::Bounds(vec![1.0, 2.5]));
    assert_eq!(job.buckets[3].keep, Keep::None);
    assert_eq!(job.labels, [("team".into(), "shop".into())]);
}

#[test]
fn all_mistakes_are_told_at_once_with_their_places() {
    let jobs = "
    - projects: [a]
      interval: 0
      filters: [nonsense]
      labels: {__x: y}
      metricprefixes: [x]
      aggregation: [{aligner: SUM, alignment_period: 10s, group_by: [x]}]
      buckets: [{bounds: [x]}, {prefix: y}]
";
    let mistakes = load(jobs).unwrap_err().to_string();
    for wanted in [
        "4:7: gcp.jobs[0].metrics_prefixes: a job needs",
        "gcp.jobs[0].interval: an interval",
        "gcp.jobs[0].filters[0]: `nonsense` is no filter",
        "gcp.jobs[0].labels.__x: this is no label name",
        "did you mean `metrics_prefixes`?",
        "gcp.jobs[0].aggregation[0].aligner: write one of Google's names",
        "gcp.jobs[0].aggregation[0].alignment_period: Google aligns",
        "gcp.jobs[0].aggregation[0].group_by: grouping needs",
        "gcp.jobs[0].buckets[0].bounds[0]: `x` is no number",
        "gcp.jobs[0].buckets[1]: write exactly one",
    ] {
        assert!(mistakes.contains(wanted), "{wanted}:\n{mistakes}");
    }
    let empty = parse("x".as_ref(), b"gcp: {}", &LoadOptions::default(), &|_| None).unwrap_err().to_string();
    assert!(empty.contains("nothing to do: write at least one job"), "{empty}");
}
