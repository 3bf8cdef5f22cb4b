//! The door: command line in, exit code out.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(raingauge::app::execute(std::env::args_os()))
}
