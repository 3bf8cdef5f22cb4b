//! `raingauge plan`: what a file will cost, before the first call. What only the clouds know (how many resources, series,
//! metric types) is assumed, and said to be; with `--live` it is asked by the calls that are free or cheap.
//!
//! Deliberately absent: the free tiers, other regions' prices, retries, and points that are asked for again.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::app::EXIT_FAILED;
use crate::app::clouds::Google;
use crate::app::run::StartError;
use crate::aws::client::Network;
use crate::cli::{Assumed, PlanOptions};
use crate::config::{self, LoadOptions};
use crate::host::root::Root;
use crate::telemetry::price::{self, Dollars};

mod aws;
mod google;
mod host;

/// Seconds of a day.
const DAY_SECONDS: f64 = 86_400.0;
/// Days of a month.
const MONTH_DAYS: f64 = 30.0;
/// Resources of a job in each place, series of a metric type, series by statsd: when nobody says how many.
const RESOURCES: u32 = 10;

/// What is around the plan.
pub struct Around {
    /// How AWS is reached.
    pub network: Network,
    /// How Google is reached.
    pub google: Arc<dyn Google>,
    /// The machine whose metrics an agent's plan counts.
    pub root: Root,
}

/// How sure a line is; the surest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Basis {
    /// It follows from the file.
    Exact,
    /// The cloud was asked.
    Asked,
    /// This machine was looked at.
    Counted,
    /// Somebody, or nobody, said so.
    Assumed,
}

impl Basis {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Asked => "asked",
            Self::Counted => "counted here",
            Self::Assumed => "assumed",
        }
    }
}

/// One job.
struct Line {
    job: String,
    /// Roles times regions, projects; 1 of a host.
    places: usize,
    /// Series of all places together; of a host, distinct metrics.
    series: f64,
    /// Priced calls, by operation.
    calls_a_day: Vec<(&'static str, f64)>,
    /// What is billed beside calls: metrics requested, series returned.
    units_a_day: f64,
    dollars_a_month: Dollars,
    basis: Basis,
}

impl Line {
    fn new(job: String, basis: Basis) -> Self {
        let dollars_a_month = Dollars::default();
        Self { job, places: 0, series: 0.0, calls_a_day: Vec::new(), units_a_day: 0.0, dollars_a_month, basis }
    }

    /// So many more calls, each of them billed.
    fn call(&mut self, operation: &'static str, a_day: f64) {
        match self.calls_a_day.iter_mut().find(|(known, _)| *known == operation) {
            Some((_, known)) => *known += a_day,
            None => self.calls_a_day.push((operation, a_day)),
        }
    }

    fn pay(&mut self, operation: &'static str, per_statistic_a_day: f64, per_block_a_day: f64) {
        let price = price::of_unit(operation) * MONTH_DAYS;
        self.dollars_a_month.per_statistic += per_statistic_a_day * price;
        self.dollars_a_month.per_block += per_block_a_day * price;
    }

    fn calls(&self) -> f64 {
        self.calls_a_day.iter().fold(0.0, |sum, (_, n)| sum + n)
    }
}

/// What is planned.
#[derive(Default)]
struct Plan {
    lines: Vec<Line>,
    /// What was assumed, each for a reader.
    assumptions: Vec<String>,
    /// What `--live` could not find out.
    failures: Vec<String>,
}

/// How many resources a job has, as far as somebody says so.
fn resources(job: &str, said: &[Assumed]) -> f64 {
    let of_job = said.iter().rev().find(|a| a.job.as_deref() == Some(job));
    let of_all = || said.iter().rev().find(|a| a.job.is_none());
    of_job.or_else(of_all).map_or(RESOURCES, |a| a.number).into()
}

/// Prints the plan; returns the exit status: 0, 64 for a file with mistakes (which are printed instead), 1 when `live` could
/// not ask everybody.
pub async fn plan(options: &PlanOptions, around: &Around, out: &mut (dyn Write + Send)) -> Result<u8, StartError> {
    let loaded = config::load(&options.config, &LoadOptions::default())?;
    let mut plan = Plan::default();
    if let Some(settings) = &loaded.settings.aws {
        aws::plan(settings, options, around, &mut plan).await.map_err(StartError::Start)?;
    }
    if let Some(settings) = &loaded.settings.gcp {
        google::plan(settings, options, around, &mut plan).await;
    }
    if let Some(settings) = &loaded.settings.agent {
        host::plan(settings, options, around, &mut plan).await;
    }
    let printed = if options.json { print_json(&plan, out) } else { print_table(&plan, &options.config, out) };
    printed.map_err(|e| StartError::Start(e.into()))?;
    Ok(if plan.failures.is_empty() { 0 } else { EXIT_FAILED })
}

fn total(plan: &Plan) -> Line {
    let mut total = Line::new("total".to_owned(), Basis::Exact);
    for line in &plan.lines {
        total.places += line.places;
        total.series += line.series;
        total.units_a_day += line.units_a_day;
        line.calls_a_day.iter().for_each(|(operation, n)| total.call(operation, *n));
        total.dollars_a_month.per_statistic += line.dollars_a_month.per_statistic;
        total.dollars_a_month.per_block += line.dollars_a_month.per_block;
        total.basis = total.basis.max(line.basis);
    }
    total
}

fn print_json(plan: &Plan, out: &mut dyn Write) -> io::Result<()> {
    let line = |line: &Line| {
        json!({
            "job": line.job,
            "places": line.places,
            "series": line.series,
            "calls_per_day": line.calls_a_day.iter().map(|(k, v)| ((*k).to_owned(), json!(v))).collect::<serde_json::Map<_, _>>(),
            "units_per_day": line.units_a_day,
            "dollars_per_month": line.dollars_a_month.per_statistic,
            "dollars_per_month_blocks_of_five": line.dollars_a_month.per_block,
            "basis": line.basis.as_str(),
        })
    };
    let all: Vec<Value> = plan.lines.iter().map(line).collect();
    let whole = json!({
        "jobs": all,
        "total": line(&total(plan)),
        "assumptions": plan.assumptions,
        "failures": plan.failures,
        "prices": price::DATE,
    });
    writeln!(out, "{whole:#}")
}

fn print_table(plan: &Plan, file: &Path, out: &mut dyn Write) -> io::Result<()> {
    let heading = ["job", "places", "series", "calls/day", "billed units/day", "$/month", "or, in fives", "basis"];
    let cells = |line: &Line| {
        let Dollars { per_statistic, per_block } = line.dollars_a_month;
        [
            line.job.clone(),
            line.places.to_string(),
            number(line.series),
            number(line.calls()),
            number(line.units_a_day),
            format!("{per_statistic:.2}"),
            format!("{per_block:.2}"),
            line.basis.as_str().to_owned(),
        ]
    };
    let mut rows = vec![heading.map(str::to_owned)];
    rows.extend(plan.lines.iter().map(cells));
    rows.push(cells(&total(plan)));
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|c| c.chars().count()).max();
    let widths: Vec<usize> = (0..heading.len()).map(|column| width(column).unwrap_or(0)).collect();
    writeln!(out, "{}: about what it will cost, by list price of {}\n", file.display(), price::DATE)?;
    for row in &rows {
        let mut text = String::new();
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let is_text = column == 0 || column + 1 == heading.len();
            let padded = if is_text { format!("{cell:<width$}  ") } else { format!("{cell:>width$}  ") };
            text.push_str(&padded);
        }
        writeln!(out, "{}", text.trim_end())?;
    }
    let made: Vec<String> = total(plan).calls_a_day.iter().map(|(name, n)| format!("{} {name}", number(*n))).collect();
    if !made.is_empty() {
        writeln!(out, "\nCalls a day: {}.", made.join(", "))?;
    }
    writeln!(
        out,
        "Billed units are metrics requested (CloudWatch) and series returned (Google). \"In fives\": up to five statistics of a \
         metric in one request count once; AWS' price list can be read either way. Free tiers are not taken off."
    )?;
    for assumption in &plan.assumptions {
        writeln!(out, "ASSUMED: {assumption}")?;
    }
    for failure in &plan.failures {
        writeln!(out, "FAILED: {failure}")?;
    }
    Ok(())
}

/// Thousands apart; small numbers with a digit more.
fn number(n: f64) -> String {
    if n > 0.0 && n < 10.0 && n.fract() != 0.0 {
        return format!("{n:.1}");
    }
    let digits = format!("{n:.0}");
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_for_people() {
        for (n, text) in [(0.0, "0"), (0.25, "0.2"), (7.0, "7"), (999.6, "1,000"), (1_234_567.0, "1,234,567")] {
            assert_eq!(number(n), text, "{n}");
        }
    }

    #[test]
    fn what_is_said_of_a_job_wins() {
        let said = |job: Option<&str>, number| Assumed { job: job.map(str::to_owned), number };
        let all = [said(None, 5), said(Some("AWS/EC2"), 7), said(None, 6)];
        for (job, said, number) in [("AWS/EC2", &all[..], 7.0), ("x", &all, 6.0), ("x", &[], f64::from(RESOURCES))] {
            assert!((resources(job, said) - number).abs() < 1e-9, "{job}");
        }
    }
}
