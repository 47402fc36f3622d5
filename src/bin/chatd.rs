//! The daemon.

use std::io::Write;
use std::process::ExitCode;

use chatd::config::{self, Loaded, LogFormat, Sources};
use chatd::server::{self, Args, Failure, Inherited, Signals, Start};
use chatd::telemetry::logs::{Form, Logs, form_of_stderr};
use clap::Parser;

/// Chosen by measurement: see `docs/performance.md`.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const EXIT_RUNTIME: u8 = 1;
const EXIT_BIND: u8 = 69;
const EXIT_CONFIG: u8 = 78;

fn main() -> ExitCode {
    let args = Args::parse();
    if args.print_default_config {
        return print(config::default_text());
    }
    if let Some(folder) = args.write_manual {
        return match chatd::manual::write(&folder) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(EXIT_RUNTIME, &format!("cannot write the manual: {error}")),
        };
    }
    // Before any thread: what was inherited is in the environment.
    let inherited = match Inherited::of_process() {
        Ok(inherited) => inherited,
        Err(fault) => return fail(EXIT_CONFIG, &fault),
    };
    // Before any thread: until then HUP and USR1 would end the process.
    let signals = match Signals::install() {
        Ok(signals) => signals,
        Err(error) => {
            return fail(
                EXIT_RUNTIME,
                &format!("cannot install signal handlers: {error}"),
            );
        }
    };
    let sources = Sources::of_process(args.config, args.sets);
    let loaded = match config::load(&sources) {
        Ok(loaded) => loaded,
        Err(faults) => return fail(EXIT_CONFIG, &faults.to_string()),
    };
    if args.print_config {
        return print(&config::print(&loaded));
    }
    if args.check_config {
        return match server::budget(&loaded) {
            Ok(budget) => print(&format!("the configuration is good\n{budget}")),
            Err(fault) => fail(EXIT_CONFIG, &fault),
        };
    }
    let logs = match Logs::start(form(&loaded), &loaded.config.log.level) {
        Ok(logs) => logs,
        Err(error) => return fail(EXIT_RUNTIME, &error.to_string()),
    };
    match server::run(Start {
        loaded,
        sources,
        logs: logs.clone(),
        signals,
        inherited,
    }) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            tracing::error!(event = "daemon.failed", "{failure}");
            logs.flush(std::time::Duration::from_secs(1));
            ExitCode::from(match failure {
                Failure::Config(_) => EXIT_CONFIG,
                Failure::Bind(_) => EXIT_BIND,
                Failure::Runtime(_) => EXIT_RUNTIME,
            })
        }
    }
}

fn form(loaded: &Loaded) -> Form {
    match loaded.config.log.format {
        LogFormat::Auto => form_of_stderr(),
        LogFormat::Text => Form::Text { colours: false },
        LogFormat::Journal => Form::Journal,
        LogFormat::Json => Form::Json,
    }
}

fn print(text: &str) -> ExitCode {
    // A reader that has seen enough is no fault.
    let _ = std::io::stdout().write_all(text.as_bytes());
    ExitCode::SUCCESS
}

fn fail(status: u8, text: &str) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "{}", text.trim_end());
    ExitCode::from(status)
}
