//! The door: command line in, exit code out.

fn main() {}
