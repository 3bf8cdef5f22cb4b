//! statsd: what programs send by UDP, gathered for each interval and handed out as measurements.
//!
//! An interval's values: a counter's sum, a gauge's last value, how many different strings a set got, and the values of
//! timers and histograms. Then everything starts anew, also gauges, as in the CloudWatch agent. With an aggregation window
//! the values of several intervals become one distribution. Memory is bounded whatever comes; what did not fit is counted.

use std::borrow::Cow;

use super::job::{Plugin, Statsd, Unit};
use super::reading::{Measurement, Value};
use crate::model::{LabelSet, Text, Timestamp};

mod distribution;
mod interval;
mod line;
mod listener;
mod window;

pub use interval::Tally;
pub use listener::{ListenError, Listener};

use interval::Interval;
use window::Windows;

/// One series: a name with its tags.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Series {
    name: Text,
    tags: LabelSet,
}

/// What is sent to the listener, gathered.
#[derive(Debug)]
pub struct Gathering {
    interval: Interval,
    windows: Option<Windows>,
    separator: Text,
}

impl Gathering {
    /// Nothing gathered yet.
    pub fn new(settings: &Statsd) -> Self {
        Self {
            interval: Interval::default(),
            windows: settings.aggregation.filter(|w| !w.is_zero()).map(Windows::new),
            separator: Text::clone(&settings.separator),
        }
    }

    /// Takes a packet: lines.
    pub fn add(&mut self, packet: &[u8]) {
        self.interval.add_packet(packet, &self.separator);
    }

    /// Ends an interval at `now` and hands out what is complete; what was counted since the last time comes with it.
    pub fn end_interval(&mut self, job: usize, now: Timestamp) -> (Vec<Measurement>, Tally) {
        let mut tally = self.interval.take_tally();
        let mut list = Vec::new();
        for (series, value) in self.interval.take_values() {
            match &mut self.windows {
                Some(windows) => tally.dropped_series += u64::from(!windows.add(series, &value, now)),
                None => list.push(measurement(job, series, value, now)),
            }
        }
        if let Some(windows) = &mut self.windows {
            for (series, value, first) in windows.take_complete(now) {
                list.push(measurement(job, series, Value::Distribution(value), first));
            }
        }
        (list, tally)
    }

    /// Hands out everything, also windows that are still open: the process ends.
    pub fn finish(&mut self, job: usize, now: Timestamp) -> (Vec<Measurement>, Tally) {
        let (mut list, tally) = self.end_interval(job, now);
        if let Some(windows) = &mut self.windows {
            for (series, value, first) in windows.take_all() {
                list.push(measurement(job, series, Value::Distribution(value), first));
            }
        }
        (list, tally)
    }
}

fn measurement(job: usize, series: Series, value: Value, when: Timestamp) -> Measurement {
    Measurement {
        job,
        plugin: Plugin::Statsd,
        field: Cow::Owned(series.name.to_string()),
        unit: Unit::None,
        tags: series.tags,
        value,
        when,
    }
}

#[cfg(test)]
mod tests;
