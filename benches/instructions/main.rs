//! Instructions of the hot paths, counted by callgrind: a figure without noise.
//!
//! It serves one decision: whether a change may go in. `--check` fails when a scenario costs more
//! than 3 % over `benches/instructions.json`, `--against-no-metrics` when counting is too dear.
//!
//! ```text
//! cargo bench --bench instructions -- [--json] [--check] [--bless] [--against-no-metrics]
//! ```
//!
//! What is counted is the user-space work of the daemon's own thread: see [`scenario`]. Kernel work
//! is not part of it; `benches/fanout` measures that.

#![allow(clippy::unwrap_used, reason = "a bench stops at the first surprise")]

mod args;
mod baseline;
mod callgrind;
#[path = "../house.rs"]
mod house;
mod no_metrics;
mod report;
mod scenario;

use std::process::ExitCode;

use args::{Args, Mode};
use report::Report;

fn main() -> ExitCode {
    let done = Args::parse(std::env::args().skip(1)).and_then(|args| match args.mode {
        Mode::Scenario(scenario) => {
            scenario.run().tell();
            Ok(())
        }
        Mode::Smoke => {
            scenario::smoke();
            Ok(())
        }
        Mode::Count => count(&args),
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("instructions: {message}");
            ExitCode::FAILURE
        }
    }
}

fn count(args: &Args) -> Result<(), String> {
    let report = Report::make()?;
    if args.json {
        println!("{}", report.json());
    } else {
        print!("{}", report.table());
    }
    if args.bless {
        baseline::bless(&report)?;
    }
    if args.check {
        baseline::check(&report)?;
    }
    if args.against_no_metrics {
        no_metrics::compare(&report)?;
    }
    Ok(())
}
