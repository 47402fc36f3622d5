//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Look after a running chatd.
///
/// Without --socket or --addr the daemon is looked for where it puts its socket when nothing is
/// configured: $RUNTIME_DIRECTORY, /run/chatd, $XDG_RUNTIME_DIR/chatd, then the temp folder.
#[derive(Debug, Parser)]
#[command(name = "chatctl", version, max_term_width = 100, after_help = EXITS)]
pub(super) struct Cli {
    #[command(flatten)]
    pub(super) at: At,
    /// How to print; without it a table on a terminal and tab-separated otherwise.
    #[arg(long, global = true, value_name = "FORMAT")]
    pub(super) format: Option<Format>,
    #[command(subcommand)]
    pub(super) command: Command,
}

const EXITS: &str = "Exit status: 0 done, 1 failed, 2 usage, 3 cannot reach chatd, 4 denied, \
                     5 no match, 6 waited too long, 7 refused in this state.";

/// Which daemon.
#[derive(Args, Debug)]
pub(super) struct At {
    /// The daemon's admin socket.
    #[arg(long, value_name = "PATH", conflicts_with_all = ["addr", "token_file"])]
    pub(super) socket: Option<PathBuf>,
    /// The daemon's admin port, with its token.
    #[arg(long, value_name = "HOST:PORT", id = "addr")]
    pub(super) addr: Option<String>,
    /// Where the token is; without it, where the daemon puts it when nothing is configured.
    #[arg(long, value_name = "FILE", id = "token_file", requires = "addr")]
    pub(super) token_file: Option<PathBuf>,
}

/// How an answer is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// Columns for a person.
    Table,
    /// One object, or one array of objects.
    Json,
    /// One object on each line.
    Ndjson,
    /// Comma-separated, with a heading.
    Csv,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// The daemon at a glance.
    Status,
    /// Is it well? Ends with 1 if something is critical.
    Health,
    /// Who is connected.
    ListClients(ListClients),
    /// Everything about one client, or about all with this nick.
    ShowClient {
        /// An id or a nick.
        #[arg(value_name = "ID|NICK")]
        whom: String,
    },
    /// Who was connected last, and why it ended.
    ListClosed(ListClosed),
    /// End sessions, and tell them why.
    Kick(Kick),
    /// Which rooms there are.
    ListRooms,
    /// Say something to everyone, or to everyone in a room.
    Broadcast {
        /// Only to those in this room.
        #[arg(long)]
        room: Option<String>,
        /// What to say.
        text: String,
    },
    /// Every key with its value and where it came from.
    ShowConfig {
        /// Only keys that begin with this, as in `limits.` or `log.level`.
        key: Option<String>,
    },
    /// Read the configuration again: all of it applies, or nothing does.
    Reload,
    /// End in peace: no new connections, a farewell for everyone, then the daemon stops.
    Drain(Drain),
    /// End now.
    Shutdown,
    /// Which chatctl, and which chatd.
    Version,
}

/// Which clients; what is said all has to fit.
#[derive(Args, Debug)]
pub(super) struct Which {
    /// Who comes from this address or range.
    #[arg(long = "addr", id = "range", value_name = "CIDR")]
    pub(super) range: Option<String>,
    /// Who is in this room.
    #[arg(long)]
    pub(super) room: Option<String>,
    /// Who has said nothing for longer than this, as in 30s or 2h.
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(super) idle_over: Option<Duration>,
    /// Who speaks this dialect: none, basic, text or full.
    #[arg(long)]
    pub(super) dialect: Option<String>,
    /// Who is in this state: new, live, behind or closing.
    #[arg(long)]
    pub(super) state: Option<String>,
}

#[derive(Args, Debug)]
pub(super) struct ListClients {
    /// Who has this nick.
    #[arg(long, value_name = "NICK")]
    pub(super) username: Option<String>,
    #[command(flatten)]
    pub(super) which: Which,
    /// By which column.
    #[arg(long, value_name = "COLUMN", default_value = "id")]
    pub(super) sort: Sort,
    /// Largest first.
    #[arg(long)]
    pub(super) reverse: bool,
    /// At most so many.
    #[arg(long, value_name = "N")]
    pub(super) limit: Option<usize>,
}

/// A column to sort by.
#[derive(Clone, Copy, Debug, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(super) enum Sort {
    Id,
    Username,
    Addr,
    AgeSeconds,
    IdleSeconds,
    InMsgs,
    OutMsgs,
    InBytes,
    OutBytes,
    LagMsgs,
    LagSeconds,
}

impl Sort {
    /// The column's name on the wire.
    pub(super) fn as_str(self) -> String {
        self.to_possible_value()
            .map(|value| value.get_name().to_owned())
            .unwrap_or_default()
    }
}

#[derive(Args, Debug)]
pub(super) struct ListClosed {
    /// Who had this nick.
    #[arg(long, value_name = "NICK")]
    pub(super) username: Option<String>,
    /// Who came from this address or range.
    #[arg(long = "addr", id = "range", value_name = "CIDR")]
    pub(super) range: Option<String>,
    /// Whose session ended for this reason.
    #[arg(long)]
    pub(super) reason: Option<String>,
    /// At most so many, newest first.
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub(super) limit: usize,
}

#[derive(Args, Debug)]
pub(super) struct Kick {
    /// An id or a nick.
    #[arg(value_name = "ID|NICK", required_unless_present_any = ["range", "room", "idle_over", "dialect", "state"])]
    pub(super) whom: Option<String>,
    #[command(flatten)]
    pub(super) which: Which,
    /// What they read as they go.
    #[arg(long)]
    pub(super) reason: Option<String>,
    /// Only say who it would be.
    #[arg(long)]
    pub(super) dry_run: bool,
    /// It is meant, even if it fits several.
    #[arg(long)]
    pub(super) yes: bool,
}

#[derive(Args, Debug)]
pub(super) struct Drain {
    /// When everyone who is left is closed; without it `shutdown.deadline`.
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(super) deadline: Option<Duration>,
    /// Return when the daemon has ended.
    #[arg(long)]
    pub(super) wait: bool,
    /// Wait no longer than this (exit status 6).
    #[arg(long, value_name = "TIME", value_parser = time, requires = "wait", default_value = "10m")]
    pub(super) timeout: Duration,
}

fn time(text: &str) -> Result<Duration, String> {
    crate::config::read_duration(text)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_format_may_come_after_the_command_and_an_address_means_two_things() {
        let line =
            "chatctl --addr 127.0.0.1:1 --token-file t kick --addr 10.0.0.0/8 --yes --format json";
        let cli = Cli::try_parse_from(line.split(' ')).unwrap();
        assert_eq!(cli.at.addr.as_deref(), Some("127.0.0.1:1"));
        assert_eq!(cli.format, Some(Format::Json));
        let Command::Kick(kick) = cli.command else {
            panic!()
        };
        assert_eq!(
            (kick.which.range.as_deref(), kick.yes),
            (Some("10.0.0.0/8"), true)
        );
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for line in [
            "chatctl",
            "chatctl dance",
            "chatctl kick",
            "chatctl kick --reason x",
            "chatctl --socket a --addr b status",
            "chatctl --token-file t status",
            "chatctl list-clients --idle-over 30",
            "chatctl list-clients --sort beauty",
        ] {
            assert!(Cli::try_parse_from(line.split(' ')).is_err(), "{line}");
        }
    }
}
