//! The composition root: the commands, one file each. The only module that sees everything.

pub mod bridge;
pub mod demo;
pub mod healthcheck;
pub mod listen;
pub mod network;
pub mod run;
pub mod signals;
pub mod sim;
pub mod states;
pub mod target;
