//! A YACE configuration that collects everything a simulated world has: for the demo, and for trying any CloudWatch
//! exporter against the simulated cloud.

use std::collections::BTreeMap;
use std::fmt::{self, Write};

use crate::sim::metric::{GROUPS, Row, Shape};
use crate::sim::spec::{CustomNamespace, Kind, WorldSpec};
use crate::sim::world::World;

/// The tags that the world's resources have.
const TAGS: &str = "[Name, env, team]";

/// The configuration, as YAML.
pub fn example_yace_config(world: &World) -> String {
    let mut out = String::new();
    // Writing into memory cannot fail.
    let _ = write_config(&mut out, world.spec());
    out
}

fn write_config(out: &mut String, spec: &WorldSpec) -> fmt::Result {
    let kinds: Vec<Kind> = spec.services.iter().filter(|(_, count)| *count > 0).map(|(kind, _)| *kind).collect();
    writeln!(out, "apiVersion: v1alpha1")?;
    if !kinds.is_empty() {
        writeln!(out, "discovery:\n  exportedTagsOnMetrics:")?;
        kinds.iter().try_for_each(|kind| writeln!(out, "    {}: {TAGS}", kind.namespace()))?;
        writeln!(out, "  jobs:")?;
        kinds.iter().try_for_each(|kind| write_job(out, spec, *kind))?;
    }
    if !spec.custom.is_empty() {
        writeln!(out, "customNamespace:")?;
        spec.custom.iter().try_for_each(|namespace| write_custom(out, spec, namespace))?;
    }
    Ok(())
}

fn write_job(out: &mut String, spec: &WorldSpec, kind: Kind) -> fmt::Result {
    writeln!(out, "    - type: {}", kind.namespace())?;
    write_places(out, spec, "      ")?;
    // Storage metrics come once a day, some hours late; two days always hold one.
    let (period, length) = if kind == Kind::S3 { (86_400, 172_800) } else { (300, 600) };
    writeln!(out, "      period: {period}\n      length: {length}\n      metrics:")?;
    let rows = GROUPS.iter().filter(|group| group.kind == kind).flat_map(|group| group.rows);
    let by_name: BTreeMap<&str, &Row> = rows.map(|row| (row.name, row)).collect();
    for (name, row) in by_name {
        let nil_to_zero = if row.presence_per_mille < 1000 { ", nilToZero: true" } else { "" };
        writeln!(out, "        - {{ name: \"{name}\", statistics: {}{nil_to_zero} }}", statistics(row.shape))?;
    }
    Ok(())
}

fn write_custom(out: &mut String, spec: &WorldSpec, namespace: &CustomNamespace) -> fmt::Result {
    let name = &namespace.name;
    writeln!(out, "  - name: {name:?}\n    namespace: {name:?}")?;
    write_places(out, spec, "    ")?;
    writeln!(out, "    metrics:")?;
    for metric in &namespace.metrics {
        writeln!(out, "      - {{ name: {metric:?}, statistics: [Average, Sum], period: 300, length: 600 }}")?;
    }
    Ok(())
}

/// Regions, and a role for each account when there are several.
fn write_places(out: &mut String, spec: &WorldSpec, indent: &str) -> fmt::Result {
    let regions: Vec<&str> = spec.regions.iter().map(|region| &**region).collect();
    writeln!(out, "{indent}regions: [{}]", regions.join(", "))?;
    if spec.accounts.len() < 2 {
        return Ok(());
    }
    writeln!(out, "{indent}roles:")?;
    for account in &spec.accounts {
        writeln!(out, "{indent}  - roleArn: arn:aws:iam::{}:role/raingauge", account.id)?;
        if let Some(external_id) = &account.external_id {
            writeln!(out, "{indent}    externalId: {external_id:?}")?;
        }
    }
    Ok(())
}

/// What one wants to know of a metric that behaves so.
const fn statistics(shape: Shape) -> &'static str {
    match shape {
        Shape::Gauge { .. } => "[Average, Maximum]",
        Shape::Level { .. } | Shape::Stock { .. } => "[Average]",
        Shape::Flag => "[Maximum]",
        Shape::Events { .. } | Shape::Amount { .. } | Shape::Part { .. } => "[Sum]",
        Shape::Timing { .. } => "[Average, p99]",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_demo_is_covered_whole() {
        let text = example_yace_config(&World::new(WorldSpec::demo()));
        for kind in Kind::ALL {
            assert!(text.contains(&format!("- type: {}\n", kind.namespace())), "{text}");
        }
        assert!(text.contains("roleArn: arn:aws:iam::000000000001:role/raingauge"));
        assert!(text.contains("\"EBSIOBalance%\""));
        assert!(text.contains("\"Shop/Checkout\""));
    }
}
