//! `chatctl`: the operator's hand on a running chatd.

use std::process::ExitCode;

fn main() -> ExitCode {
    chatd::ctl::run(std::env::args_os()).into()
}
