//! The command line of the daemon.

use std::path::PathBuf;

use clap::{CommandFactory, Parser};

/// A chat daemon. Without --config it reads /etc/chatd/chatd.toml if there, else it runs on
/// built-in defaults: chat on 127.0.0.1:7687, metrics on 127.0.0.1:9687.
#[derive(Debug, Parser)]
#[command(name = "chatd", version = crate::build::VERSION, after_help = AFTER_HELP)]
pub struct Args {
    /// The configuration file.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Sets one key, above file and environment.
    #[arg(long = "set", value_name = "SECTION.KEY=VALUE")]
    pub sets: Vec<String>,
    /// Checks the configuration, shows what its limits add up to, and ends: 0 if it is good, 78 if not.
    #[arg(long, group = "instead")]
    pub check_config: bool,
    /// Prints the configuration in force, with the origin of each value, and ends.
    #[arg(long, group = "instead")]
    pub print_config: bool,
    /// Prints the default configuration file and ends.
    #[arg(long, group = "instead")]
    pub print_default_config: bool,
    /// Writes the manual pages and completions of all programs into a folder, and ends.
    #[arg(long, value_name = "DIR", hide = true, group = "instead")]
    pub write_manual: Option<PathBuf>,
}

const AFTER_HELP: &str = "\
Environment: CHATD__SECTION__KEY sets SECTION.KEY, above the file and below --set.
Signals: TERM and INT drain (a second one ends at once), HUP reloads, QUIT ends at once, USR1 logs the status.
Exit status: 0 stopped as asked, 1 runtime error, 2 usage, 69 cannot bind, 70 internal, 78 bad configuration.";

/// The command line of `chatd`, for its manual and its completions.
pub fn command() -> clap::Command {
    Args::command()
}
