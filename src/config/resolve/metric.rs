//! Metrics: what they inherit from their job, and the rules among period, length and timestamps.

use std::num::NonZeroU32;
use std::time::Duration;

use super::super::report::Report;
use super::super::written::{self, Kind, MetricSettings};
use super::super::{Dialect, nearest};
use super::{Field, selection, texts, timing};
use crate::aws::catalog;
use crate::aws::job::{Metric, Pace, WindowRule};
use crate::model::Text;

const DEFAULT_PERIOD_SECONDS: i64 = 300;
/// The statistics without a number.
const PLAIN: [&str; 6] = ["Average", "IQM", "Maximum", "Minimum", "SampleCount", "Sum"];
const DEFAULT_LENGTH_SECONDS: i64 = 300;

/// The metrics of a job.
pub(super) fn metrics(job: &written::Job, parent: &str, usual: Pace, report: &mut Report) -> Vec<Metric> {
    let list = job.metrics.value.iter().enumerate();
    list.filter_map(|(n, metric)| {
        let title = format!("Metric [{}/{n}] in {parent}", metric.name.value);
        Checked { metric, job, usual, title, report }.metric()
    })
    .collect()
}

struct Checked<'a> {
    metric: &'a written::Metric,
    job: &'a written::Job,
    usual: Pace,
    title: String,
    report: &'a mut Report,
}

impl Checked<'_> {
    fn metric(mut self) -> Option<Metric> {
        let (own, preset) = (&self.metric.settings, &self.job.settings);
        if self.metric.name.value.is_empty() && !self.metric.name.is_bad {
            self.mistake(&self.metric.name, "name", "Name should not be empty");
        }
        let statistics = self.statistics();
        let period = self.period();
        let length = first_set([&own.length, &preset.length], DEFAULT_LENGTH_SECONDS);
        if own.delay.value != 0 && self.report.dialect == Dialect::Yace {
            let message = format!("{}: a metric's own delay is ignored: set the job's", self.title);
            self.report.warn(own.delay.spot, format!("{}.delay", self.metric.path), message);
        }
        let add_timestamp = inherited(&own.add_timestamp, &preset.add_timestamp);
        let export_all_data_points = inherited(&own.export_all, &preset.export_all);
        if export_all_data_points && !add_timestamp && !own.add_timestamp.is_bad && !preset.add_timestamp.is_bad {
            let text = "ExportAllDataPoints can only be enabled if AddCloudwatchTimestamp is enabled";
            self.mistake(&own.export_all, "exportAllDataPoints", text);
        }
        self.check_length(length, period);
        let (name, pattern) = selection::pattern(self.metric, self.job.kind, &self.title, self.report);
        let path = format!("{}.interval", self.metric.path);
        let pace = timing::pace(&self.metric.interval, &path, self.report).unwrap_or(self.usual);
        let period_seconds = u32::try_from(period).ok().and_then(NonZeroU32::new)?;
        // A YACE file's window is YACE's, unless it asks for ours.
        let complete = self.report.dialect == Dialect::Native || pace == Pace::Auto;
        Some(Metric {
            name,
            pattern,
            statistics,
            period_seconds,
            length_seconds: u64::try_from(length).ok()?,
            delay_seconds: self.delay(complete, period_seconds),
            rule: if complete { WindowRule::Complete } else { WindowRule::Yace },
            pace,
            outlives: Duration::ZERO,
            nil_to_zero: inherited(&own.nil_to_zero, &preset.nil_to_zero),
            add_timestamp,
            export_all_data_points,
        })
    }

    fn statistics(&mut self) -> Vec<Text> {
        let (own, preset) = (&self.metric.settings.statistics, &self.job.settings.statistics);
        let chosen = if own.value.is_empty() { preset } else { own };
        // A static metric without statistics asks for nothing, and YACE accepts it.
        let is_missing = chosen.value.is_empty() && self.job.kind != Kind::Static;
        if is_missing && !own.is_bad && !preset.is_bad {
            self.mistake(own, "statistics", "Statistics should not be empty");
        }
        let chosen = texts(chosen);
        if self.report.dialect == Dialect::Native {
            chosen.iter().filter(|s| !is_statistic(s)).for_each(|s| self.unknown_statistic(s));
        }
        chosen
    }

    /// YACE passes anything on, and CloudWatch then refuses every query of the request without naming the word.
    fn unknown_statistic(&mut self, statistic: &str) {
        let own = &self.metric.settings.statistics;
        let hint = nearest::of(statistic, &PLAIN).map_or_else(String::new, |s| format!("; did you mean `{s}`?"));
        self.mistake(own, "statistics", &format!("`{statistic}` is not a statistic of CloudWatch{hint}"));
    }

    fn period(&mut self) -> i64 {
        let MetricSettings { period: own, .. } = &self.metric.settings;
        let period = first_set([own, &self.job.settings.period], DEFAULT_PERIOD_SECONDS);
        if period < 1 {
            self.mistake(own, "period", "Period value should be a positive integer");
        } else if self.report.dialect == Dialect::Native && !is_period(period) {
            let text = format!("{period} is no period of CloudWatch: 1, 5, 10, 20, 30 or a multiple of 60 seconds");
            self.mistake(own, "period", &text);
        } else if u32::try_from(period).is_err() {
            self.mistake(own, "period", "Period value is larger than anything CloudWatch has: use seconds");
        }
        period
    }

    fn check_length(&mut self, length: i64, period: i64) {
        let (own, preset) = (&self.metric.settings, &self.job.settings);
        let is_known = [&own.length, &own.period, &preset.length, &preset.period].iter().all(|f| !f.is_bad);
        if length < period && is_known {
            let text = format!(
                "length({length}) is smaller than period({period}): set length to at least the period, \
                 or the window may miss the newest value"
            );
            let at = if own.length.is_given { &own.length } else { &own.period };
            let key = if own.length.is_given { "length" } else { "period" };
            self.mistake(at, key, &text);
        }
    }

    /// What is declared, or where complete periods are shown what is known of the namespace. YACE ignores a metric's own. A
    /// negative delay would look into the future, where there is nothing.
    fn delay(&self, complete: bool, period_seconds: NonZeroU32) -> u64 {
        let (own, preset) = (&self.metric.settings.delay, &self.job.settings.delay);
        let declared = if self.report.dialect == Dialect::Native && own.is_given { own } else { preset };
        if complete && !declared.is_given {
            let namespace = match self.job.kind {
                Kind::Discovery => &self.job.type_name.value,
                Kind::Custom | Kind::Static => &self.job.namespace.value,
            };
            return catalog::publish_delay_seconds(namespace, period_seconds);
        }
        u64::try_from(declared.value).unwrap_or_default()
    }

    fn mistake<T: Default>(&mut self, field: &Field<T>, key: &str, text: &str) {
        let spot = field.spot_or(self.metric.spot);
        self.report.mistake(spot, format!("{}.{key}", self.metric.path), format!("{}: {text}", self.title));
    }
}

/// Whether CloudWatch knows such a statistic (its user guide, "CloudWatch statistics definitions"): a plain one, a percentile
/// or trimmed one with a number (`p99.9`, `tm90`), or a range (`TM(10%:90%)`, `PR(:300)`).
fn is_statistic(text: &str) -> bool {
    if PLAIN.contains(&text) {
        return true;
    }
    let number = ["p", "tm", "wm", "tc", "ts"].iter().find_map(|k| text.strip_prefix(k));
    if let Some(number) = number {
        return number.parse::<f64>().is_ok_and(|n| (0.0..=100.0).contains(&n));
    }
    let range = ["PR(", "TM(", "WM(", "TC(", "TS("].iter().find_map(|k| text.strip_prefix(k));
    range.and_then(|r| r.strip_suffix(')')).is_some_and(|r| r.contains(':'))
}

/// Whether CloudWatch has data points of that many seconds.
fn is_period(seconds: i64) -> bool {
    matches!(seconds, 1 | 5 | 10 | 20 | 30) || seconds % 60 == 0
}

/// Zero means "not set", as in YACE.
fn first_set(fields: [&Field<i64>; 2], default: i64) -> i64 {
    fields.iter().map(|f| f.value).find(|n| *n != 0).unwrap_or(default)
}

fn inherited(own: &Field<Option<bool>>, preset: &Field<Option<bool>>) -> bool {
    own.value.or(preset.value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_as_cloudwatch_knows_them() {
        for good in
            ["Average", "IQM", "p99", "p99.9", "p0", "p100", "tm90", "TM(10%:90%)", "PR(:300)", "WM(80%:)", "ts5"]
        {
            assert!(is_statistic(good), "{good}");
        }
        for bad in ["Averag", "sum", "P99", "p101", "pfoo", "p", "TM(10%)", "PR(:300", ""] {
            assert!(!is_statistic(bad), "{bad}");
        }
    }
}
