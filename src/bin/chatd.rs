//! The daemon.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use chatd::config::{self, Loaded, LogFormat, Sources};
use chatd::server::{self, Failure, Signals, Start};
use chatd::telemetry::logs::{Form, Logs, form_of_stderr};
use clap::Parser;

const EXIT_RUNTIME: u8 = 1;
const EXIT_BIND: u8 = 69;
const EXIT_CONFIG: u8 = 78;

/// A chat daemon. Without --config it reads /etc/chatd/chatd.toml if there, else it runs on
/// built-in defaults: chat on 127.0.0.1:7687, metrics on 127.0.0.1:9687.
#[derive(Debug, Parser)]
#[command(version, after_help = AFTER_HELP)]
struct Args {
    /// The configuration file.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Sets one key, above file and environment.
    #[arg(long = "set", value_name = "SECTION.KEY=VALUE")]
    sets: Vec<String>,
    /// Checks the configuration and ends: 0 if it is good, 78 if not.
    #[arg(long, group = "instead")]
    check_config: bool,
    /// Prints the configuration in force, with the origin of each value, and ends.
    #[arg(long, group = "instead")]
    print_config: bool,
    /// Prints the default configuration file and ends.
    #[arg(long, group = "instead")]
    print_default_config: bool,
}

const AFTER_HELP: &str = "\
Environment: CHATD__SECTION__KEY sets SECTION.KEY, above the file and below --set.
Signals: TERM and INT drain (a second one ends at once), HUP reloads, QUIT ends at once, USR1 logs the status.
Exit status: 0 stopped as asked, 1 runtime error, 2 usage, 69 cannot bind, 70 internal, 78 bad configuration.";

fn main() -> ExitCode {
    let args = Args::parse();
    if args.print_default_config {
        return print(config::default_text());
    }
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
        return match server::fit_limits(&loaded) {
            Ok(_) => print("the configuration is good\n"),
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
