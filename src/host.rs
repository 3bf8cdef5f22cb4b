//! The Linux host: what the kernel tells about it, as the CloudWatch agent's measurements and under node_exporter's names.
//!
//! [`root`] alone reads `/proc` and `/sys`, and its roots are parameters; each plugin is a file of functions of text, of one
//! sample or two. [`collect`] has the timers and keeps the last samples; [`node`] brings the same numbers to `/metrics`.
//! What becomes of measurements (dimensions, roll-ups, sending) is not decided here. Deliberately absent: anything that
//! needs privileges (NVMe log pages), and a /proc crate: what is read here takes less code than the conversions from
//! that crate's types would.

pub mod collect;
mod cpu;
mod disk;
mod diskio;
mod exposition;
pub mod glob;
mod guard;
pub mod job;
mod mem;
mod net;
mod netstat;
pub mod node;
mod output;
mod processes;
mod procstat;
pub mod reading;
pub mod root;
pub mod statsd;
mod swap;
mod system;
mod text;
