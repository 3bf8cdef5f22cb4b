//! What to measure: the settings of each plugin as they are meant, after defaults and checks (`config` makes them), and the
//! tables of what there is to be measured.

use std::time::Duration;

use regex::Regex;

use super::glob::{Glob, NotAPattern};
use crate::model::Text;

mod fields;

/// Everything to be measured on this host.
#[derive(Clone, Debug, Default)]
pub struct HostSettings {
    /// The jobs, each with its own timer. A plugin may have several (procstat).
    pub jobs: Vec<Job>,
}

/// One plugin with its settings.
#[derive(Clone, Debug)]
pub struct Job {
    /// What, with what only that plugin has.
    pub what: What,
    /// The fields that are wanted; statsd has none, everything that comes is wanted.
    pub wanted: Wanted,
    /// Time between two passes.
    pub interval: Duration,
}

/// What a job measures.
#[derive(Clone, Debug)]
pub enum What {
    /// `/proc/stat`.
    Cpu {
        /// `cpu=cpu0`, …: `resources: ["*"]`.
        per_cpu: bool,
        /// `cpu=cpu-total`: `totalcpu`.
        total: bool,
    },
    /// `/proc/meminfo`.
    Mem,
    /// The swap space in `/proc/meminfo`.
    Swap,
    /// Mounted file systems.
    Disk {
        /// Mount points.
        resources: Resources,
        /// `ignore_file_system_types`.
        ignored_types: Vec<Text>,
        /// No `device` tag.
        drop_device: bool,
        /// The tag `VolumeId`: which EBS volume a file system is on, where the disk itself says so.
        volume_id: bool,
    },
    /// `/proc/diskstats`.
    Diskio {
        /// Names of devices, a leading `/dev/` taken off.
        resources: Resources,
    },
    /// `/proc/net/dev`.
    Net {
        /// Names of interfaces.
        resources: Resources,
    },
    /// `/proc/net/{tcp,tcp6,udp,udp6}`.
    Netstat,
    /// All processes, counted.
    Processes,
    /// Chosen processes.
    Procstat(Selector),
    /// Load and uptime.
    System,
    /// What programs send by UDP.
    Statsd(Statsd),
}

impl What {
    /// Which plugin this is.
    pub const fn plugin(&self) -> Plugin {
        match self {
            Self::Cpu { .. } => Plugin::Cpu,
            Self::Mem => Plugin::Mem,
            Self::Swap => Plugin::Swap,
            Self::Disk { .. } => Plugin::Disk,
            Self::Diskio { .. } => Plugin::Diskio,
            Self::Net { .. } => Plugin::Net,
            Self::Netstat => Plugin::Netstat,
            Self::Processes => Plugin::Processes,
            Self::Procstat(_) => Plugin::Procstat,
            Self::System => Plugin::System,
            Self::Statsd(_) => Plugin::Statsd,
        }
    }
}

/// Who measures. The names are the keys below `metrics_collected`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Plugin {
    /// Processors.
    Cpu,
    /// File systems.
    Disk,
    /// Block devices.
    Diskio,
    /// Memory.
    Mem,
    /// Interfaces.
    Net,
    /// Connections.
    Netstat,
    /// All processes.
    Processes,
    /// Chosen processes.
    Procstat,
    /// The UDP listener.
    Statsd,
    /// Swap space.
    Swap,
    /// Load and uptime.
    System,
}

impl Plugin {
    /// Every plugin.
    pub const ALL: [Self; 11] = [
        Self::Cpu,
        Self::Disk,
        Self::Diskio,
        Self::Mem,
        Self::Net,
        Self::Netstat,
        Self::Processes,
        Self::Procstat,
        Self::Statsd,
        Self::Swap,
        Self::System,
    ];

    /// The name in a configuration, and what a metric's name begins with.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Disk => "disk",
            Self::Diskio => "diskio",
            Self::Mem => "mem",
            Self::Net => "net",
            Self::Netstat => "netstat",
            Self::Processes => "processes",
            Self::Procstat => "procstat",
            Self::Statsd => "statsd",
            Self::Swap => "swap",
            Self::System => "system",
        }
    }

    /// What this plugin can measure, in alphabetical order.
    pub const fn fields(self) -> &'static [Field] {
        fields::of(self)
    }

    /// The field of that bare name (`usage_idle`, without `cpu_`).
    pub fn field(self, name: &str) -> Option<&'static Field> {
        self.fields().iter().find(|f| f.name == name)
    }
}

/// Something that a plugin can measure.
#[derive(Debug, PartialEq, Eq)]
pub struct Field {
    /// The name without the plugin's.
    pub name: &'static str,
    /// The unit.
    pub unit: Unit,
    /// False for names that are accepted because the CloudWatch agent accepts them, but never have a value here.
    pub has_values: bool,
}

/// Units of measurements, named as in CloudWatch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unit {
    /// None, or one that CloudWatch does not have.
    None,
    /// Per hundred.
    Percent,
    /// Bytes.
    Bytes,
    /// Things.
    Count,
    /// Milliseconds.
    Milliseconds,
    /// Seconds.
    Seconds,
}

impl Unit {
    /// CloudWatch's spelling.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "None",
            Self::Percent => "Percent",
            Self::Bytes => "Bytes",
            Self::Count => "Count",
            Self::Milliseconds => "Milliseconds",
            Self::Seconds => "Seconds",
        }
    }
}

/// The fields of a job, each once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted(Vec<&'static Field>);

impl Wanted {
    /// Adds a field; once is enough.
    pub fn add(&mut self, field: &'static Field) {
        if !self.has(field.name) {
            self.0.push(field);
        }
    }

    /// Every field of the plugin that can have a value.
    pub fn all(plugin: Plugin) -> Self {
        Self(plugin.fields().iter().filter(|f| f.has_values).collect())
    }

    /// Whether the field is wanted.
    pub fn has(&self, name: &str) -> bool {
        self.field(name).is_some()
    }

    /// The field, when it is wanted.
    pub fn field(&self, name: &str) -> Option<&'static Field> {
        self.0.iter().copied().find(|f| f.name == name)
    }

    /// Whether any wanted field's name satisfies the condition.
    pub fn any(&self, condition: impl Fn(&str) -> bool) -> bool {
        self.0.iter().any(|f| condition(f.name))
    }

    /// The fields, in the order in which they were added.
    pub fn iter(&self) -> impl Iterator<Item = &'static Field> {
        self.0.iter().copied()
    }
}

/// Which of many things: mount points, devices, interfaces.
#[derive(Clone, Debug, Default)]
pub enum Resources {
    /// Nothing was said, or `*`.
    #[default]
    All,
    /// Those that match one of the patterns.
    Chosen(Vec<Glob>),
}

impl Resources {
    /// From the configuration's list; an empty one, or a `*` in it, means all.
    pub fn new<S: AsRef<str>>(list: &[S]) -> Result<Self, NotAPattern> {
        if list.is_empty() || list.iter().any(|r| r.as_ref() == "*") {
            return Ok(Self::All);
        }
        list.iter().map(|r| Glob::new(r.as_ref())).collect::<Result<_, _>>().map(Self::Chosen)
    }

    /// Like [`Resources::new`], with `/dev/` taken off each entry.
    pub fn devices<S: AsRef<str>>(list: &[S]) -> Result<Self, NotAPattern> {
        let bare: Vec<&str> = list.iter().map(|r| r.as_ref().trim_start_matches("/dev/")).collect();
        Self::new(&bare)
    }

    /// Whether the thing of that name is among them.
    pub fn includes(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Chosen(globs) => globs.iter().any(|g| g.matches(name)),
        }
    }
}

/// How processes are chosen. The text, as it was configured, becomes the tag's value.
#[derive(Clone, Debug)]
pub enum Selector {
    /// `exe`: searched in the path of the program's file.
    Exe(Text, Regex),
    /// `pattern`: searched in the command line, its arguments separated by blanks.
    Pattern(Text, Regex),
    /// `pid_file`: the path of a file with a process id.
    PidFile(Text),
}

impl Selector {
    /// Name and value of the tag that says how the process was found.
    pub fn tag(&self) -> (&'static str, &Text) {
        match self {
            Self::Exe(text, _) => ("exe", text),
            Self::Pattern(text, _) => ("pattern", text),
            Self::PidFile(text) => ("pidfile", text),
        }
    }
}

/// The settings of the statsd listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statsd {
    /// Where it listens, UDP: `service_address`, `HOST:PORT` or `:PORT` (every interface).
    pub address: Text,
    /// Width of the windows (aligned to the wall clock) in which the values of each interval are gathered; `None`: each
    /// interval's value is handed out as it is.
    pub aggregation: Option<Duration>,
    /// What takes the place of the dots in a name.
    pub separator: Text,
}
