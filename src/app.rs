//! The composition root: the commands.

pub mod check;
