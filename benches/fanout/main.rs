//! Fan-out, measured side by side: chatd, a bare epoll floor, and the servers that others use.
//!
//! It serves one decision: whether a change to the path of a message makes it dearer, and how far
//! chatd is from what the kernel allows. Each server runs alone on one CPU, the load on another;
//! rounds are interleaved, so that a noisy minute falls on all of them; claims are ratios within a
//! round. See `docs/performance.md`.

#![allow(
    clippy::disallowed_methods,
    reason = "a benchmark lives by the real clock"
)]
#![allow(unreachable_pub, reason = "a program has no outside")]

mod crowd;
mod floor;
mod hearer;
mod load;
mod machine;
mod plan;
mod report;
mod stamp;
mod stats;
mod subject;
mod tongue;
mod workload;

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    if args.next().as_deref() == Some("floor") {
        let port = args.next().and_then(|port| port.parse().ok());
        return match floor::run(port.unwrap_or(0)) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(&error),
        };
    }
    match plan::run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => fail(&error),
    }
}

fn fail(error: &dyn std::error::Error) -> ExitCode {
    eprintln!("fanout: {error}");
    ExitCode::from(2)
}
