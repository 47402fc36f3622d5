//! `chat-client`: a person's client on a terminal, a line filter on a pipe.

use std::process::ExitCode;

fn main() -> ExitCode {
    chatd::client::program::run(std::env::args_os()).into()
}
