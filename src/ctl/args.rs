//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Look after a running chatd.
///
/// Without --socket or --addr the daemon is looked for where it puts its socket when nothing is
/// configured: $RUNTIME_DIRECTORY, /run/chatd, $XDG_RUNTIME_DIR/chatd, then the temp folder.
#[derive(Debug, Parser)]
#[command(name = "chatctl", version = crate::build::VERSION, max_term_width = 100, after_help = EXITS)]
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
    /// Let nobody in who goes by a nick or comes from an address, and end their sessions.
    Ban(Ban),
    /// Take a ban back.
    Unban(Unban),
    /// Who is banned, by whom, why and until when.
    ListBans(ListBans),
    /// Which rooms there are.
    ListRooms(ListRooms),
    /// One room, and who is in it.
    ShowRoom {
        /// Its name.
        room: String,
    },
    /// The daemon and its clients, live and full-screen; without a terminal one glance as text.
    Top(Top),
    /// A line for each interval: rates, lag, latency.
    Watch(Watch),
    /// What happens right now, as the log tells it and down to its debug level.
    Events(Events),
    /// The lines of one client for a time: headers and sizes, or with --payload their text.
    Trace(Trace),
    /// Who changed what, and what became of it: the last 256 calls, newest first.
    Audit(Audit),
    /// How long deliveries take, in parts.
    Latency {
        /// Only what is delivered within this time from now; without it, since the start.
        #[arg(long = "for", value_name = "TIME", value_parser = time)]
        time: Option<Duration>,
    },
    /// The lines that were refused last: what was wrong, at which byte, and the shape of what stood
    /// there. No word of it is shown.
    Errors(Errors),
    /// Looks at everything that goes wrong in practice, and says which command tells more. Ends with 1
    /// if something is critical.
    Doctor,
    /// What members were owed and what became of it, in messages. Ends with 1 if at a quiet moment
    /// something is owed that stands nowhere.
    Books,
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
    /// What a reload would do now, key by key.
    PlanConfig(Reload),
    /// Set a key while the daemon runs, for a time or as long as it runs. The file stays as it is.
    SetConfig(SetConfig),
    /// What was said: show, search, export, import, prune.
    #[command(subcommand)]
    History(HistoryCommand),
    /// Copy the whole history into a file, as it is at one moment.
    Backup {
        /// Where to; what is there is replaced when the copy is whole.
        file: PathBuf,
    },
    /// Read the configuration again: all of it applies, or nothing does.
    Reload(Reload),
    /// What is logged, and where that was said.
    ShowLog,
    /// Log more or less for a time, or as long as the daemon runs.
    SetLog(SetLog),
    /// Let nobody in until `resume`; who is in stays.
    Pause,
    /// Let people in again.
    Resume,
    /// End in peace: no new connections, a farewell for everyone, then the daemon stops.
    Drain(Drain),
    /// End now.
    Shutdown,
    /// What a shell needs to complete the command line of chatctl.
    Completion {
        /// For which shell.
        shell: clap_complete::Shell,
    },
    /// Which chatctl, and which chatd.
    Version,
}

#[derive(Debug, Subcommand)]
pub(super) enum HistoryCommand {
    /// Messages of a room, the latest or those around a number.
    Show(ShowHistory),
    /// Messages of a room that have all these words, the newest first.
    Search(SearchHistory),
    /// Write a room into a file, as lines of JSON.
    Export {
        /// The room.
        room: String,
        /// Where to; what is there is replaced when the export is whole.
        file: PathBuf,
    },
    /// Make a room of an exported file. Numbers stay, the epoch is a new one; ends with 7 if there is
    /// such a room.
    Import {
        /// The exported file.
        file: PathBuf,
        /// What the room is to be called; without it, as it was.
        #[arg(long)]
        room: Option<String>,
    },
    /// Take the oldest messages of a room away, for ever.
    Prune(PruneHistory),
}

#[derive(Args, Debug)]
pub(super) struct ShowHistory {
    /// The room.
    pub(super) room: String,
    /// Only below this number.
    #[arg(long, value_name = "SEQ")]
    pub(super) before: Option<u64>,
    /// Only above this number.
    #[arg(long, value_name = "SEQ", conflicts_with = "before")]
    pub(super) after: Option<u64>,
    /// At most so many.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=1000))]
    pub(super) limit: u64,
}

#[derive(Args, Debug)]
pub(super) struct SearchHistory {
    /// The room.
    pub(super) room: String,
    /// Words, in any order and case; one that ends with * stands for all that begin with it, several in
    /// quotes stand side by side.
    #[arg(required = true)]
    pub(super) words: Vec<String>,
    /// Only below this number.
    #[arg(long, value_name = "SEQ")]
    pub(super) before: Option<u64>,
    /// At most so many.
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=100))]
    pub(super) limit: u64,
}

#[derive(Args, Debug)]
pub(super) struct PruneHistory {
    /// The room.
    pub(super) room: String,
    #[command(flatten)]
    pub(super) which: PruneWhich,
    /// Only say how many it would be.
    #[arg(long)]
    pub(super) dry_run: bool,
}

/// Which messages go.
#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
pub(super) struct PruneWhich {
    /// Everything below this number.
    #[arg(long, value_name = "SEQ")]
    pub(super) before: Option<u64>,
    /// Everything but the last so many.
    #[arg(long, value_name = "N")]
    pub(super) keep: Option<u64>,
    /// Everything older than this, as in 12h or 30d.
    #[arg(long, value_name = "TIME", value_parser = time_in_days)]
    pub(super) older_than: Option<Duration>,
}

/// Which clients; what is said all has to fit.
#[derive(Args, Clone, Debug)]
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
    #[command(flatten)]
    pub(super) part: Part,
}

/// Which part of a list.
#[derive(Args, Debug)]
pub(super) struct Part {
    /// At most so many.
    #[arg(long, value_name = "N")]
    pub(super) limit: Option<usize>,
    /// Not the first so many.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(super) skip: usize,
    /// Only these columns, in this order, as in id,username,lag_msgs.
    #[arg(long, value_name = "COLUMN,...", value_delimiter = ',')]
    pub(super) columns: Vec<String>,
}

#[derive(Args, Debug)]
pub(super) struct ListRooms {
    /// By which column; by name unless said.
    #[arg(long, value_name = "COLUMN", default_value = "room")]
    pub(super) sort: RoomSort,
    #[command(flatten)]
    pub(super) part: Part,
}

/// A column of rooms to sort by: names rising, numbers falling.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(super) enum RoomSort {
    Room,
    Members,
    MsgsPerSecond,
    Head,
    RecentBytes,
}

impl RoomSort {
    /// The column's name on the wire.
    pub(super) fn as_str(self) -> String {
        self.to_possible_value()
            .map(|value| value.get_name().to_owned())
            .unwrap_or_default()
    }
}

#[derive(Args, Clone, Debug)]
pub(super) struct Top {
    #[command(flatten)]
    pub(super) which: Which,
    /// By which measure clients are ranked, largest first.
    #[arg(long, value_name = "MEASURE", default_value = "in_rate")]
    pub(super) sort: Measure,
    /// Between two glances.
    #[arg(long, value_name = "TIME", value_parser = time, default_value = "1s")]
    pub(super) interval: Duration,
    /// Clients at most, without a terminal.
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub(super) limit: usize,
    /// Without colours; $NO_COLOR says the same.
    #[arg(long)]
    pub(super) no_color: bool,
}

/// What clients are ranked by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(super) enum Measure {
    InRate,
    OutRate,
    OutBytesRate,
    LagMsgs,
    LagSeconds,
    AgeSeconds,
    IdleSeconds,
    InMsgs,
    OutMsgs,
}

impl Measure {
    /// Its name on the wire.
    pub(super) fn as_str(self) -> String {
        self.to_possible_value()
            .map(|value| value.get_name().to_owned())
            .unwrap_or_default()
    }
}

#[derive(Args, Debug)]
pub(super) struct Watch {
    /// Between two lines.
    #[arg(long, value_name = "TIME", value_parser = time, default_value = "1s")]
    pub(super) interval: Duration,
    /// So many lines; without it, until interrupted.
    #[arg(long, value_name = "N")]
    pub(super) count: Option<u64>,
}

#[derive(Args, Debug)]
pub(super) struct Events {
    /// Until interrupted; so it is too where neither --for nor --count is said.
    #[arg(short, long, conflicts_with_all = ["time", "count"])]
    pub(super) follow: bool,
    /// Only events of this name, or that begin so, as in client.closed or client.*.
    #[arg(long = "type", value_name = "NAME", id = "types")]
    pub(super) types: Vec<String>,
    /// Only events with this reason.
    #[arg(long = "reason", value_name = "WORD", id = "reasons")]
    pub(super) reasons: Vec<String>,
    /// Only events about this client.
    #[arg(long, value_name = "ID")]
    pub(super) client: Option<u64>,
    /// Only events at least as grave: error, warn, info or debug.
    #[arg(long)]
    pub(super) level: Option<String>,
    /// Only for this time.
    #[arg(long = "for", value_name = "TIME", value_parser = time, id = "time")]
    pub(super) time: Option<Duration>,
    /// Only so many.
    #[arg(long, value_name = "N")]
    pub(super) count: Option<u64>,
}

#[derive(Args, Debug)]
pub(super) struct Trace {
    /// An id or a nick.
    #[arg(value_name = "ID|NICK")]
    pub(super) whom: String,
    /// For how long.
    #[arg(long = "for", value_name = "TIME", value_parser = time, default_value = "30s")]
    pub(super) time: Duration,
    /// Lines at most.
    #[arg(long, value_name = "N")]
    pub(super) max: Option<u64>,
    /// With the text of the lines. Only for who may change things, and remembered in `audit`.
    #[arg(long)]
    pub(super) payload: bool,
}

#[derive(Args, Debug)]
pub(super) struct Audit {
    /// Only calls of this method, as in clients.kick.
    #[arg(long)]
    pub(super) method: Option<String>,
    /// Only calls with this result: ok, error or denied.
    #[arg(long)]
    pub(super) result: Option<String>,
    #[command(flatten)]
    pub(super) part: Part,
}

#[derive(Args, Debug)]
pub(super) struct Errors {
    /// Refused for this reason.
    #[arg(long)]
    pub(super) reason: Option<String>,
    /// Of these, for exactly this.
    #[arg(long)]
    pub(super) detail: Option<String>,
    /// Of this client.
    #[arg(long, value_name = "ID")]
    pub(super) client: Option<u64>,
    #[command(flatten)]
    pub(super) part: Part,
}

#[derive(Args, Debug)]
pub(super) struct Reload {
    /// Change nothing if a key takes a restart.
    #[arg(long)]
    pub(super) strict: bool,
}

#[derive(Args, Debug)]
pub(super) struct SetConfig {
    /// Which key, and its value.
    #[arg(value_name = "SECTION.KEY[=VALUE]")]
    pub(super) assignment: String,
    /// For how long; without it, as long as the daemon runs.
    #[arg(long = "for", value_name = "TIME", value_parser = time)]
    pub(super) time: Option<Duration>,
    /// Back to what is configured.
    #[arg(long, conflicts_with = "time")]
    pub(super) reset: bool,
    /// Only say what it would change.
    #[arg(long)]
    pub(super) dry_run: bool,
}

#[derive(Args, Debug)]
pub(super) struct SetLog {
    /// A level, or directives with commas between, as in info,chatd::lane=debug.
    #[arg(required_unless_present = "reset", conflicts_with = "reset")]
    pub(super) level: Option<String>,
    /// For how long; without it, as long as the daemon runs.
    #[arg(long = "for", value_name = "TIME", value_parser = time)]
    pub(super) time: Option<Duration>,
    /// Back to what is configured.
    #[arg(long, conflicts_with = "time")]
    pub(super) reset: bool,
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
    /// Of these, who for exactly this, as in http or write_stall.
    #[arg(long)]
    pub(super) detail: Option<String>,
    /// Connections that were refused before they were anybody, instead.
    #[arg(long, conflicts_with_all = ["username", "range"])]
    pub(super) refused: bool,
    /// At most so many, newest first.
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub(super) limit: usize,
    /// Only these columns, in this order, as in closed_at,username,reason.
    #[arg(long, value_name = "COLUMN,...", value_delimiter = ',')]
    pub(super) columns: Vec<String>,
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
pub(super) struct Ban {
    /// A nick, an address or a range such as 10.0.0.0/8. A nick stands for all that look like it,
    /// an IPv6 address for its /64.
    #[arg(value_name = "NICK|ADDR|CIDR")]
    pub(super) whom: String,
    /// It is a nick, even if it looks like an address.
    #[arg(long)]
    pub(super) nick: bool,
    /// What they read as they go, and what stands in the list.
    #[arg(long)]
    pub(super) reason: Option<String>,
    /// For how long, as in 30m or 7d; without it, until it is taken back.
    #[arg(long = "for", value_name = "TIME", value_parser = time_in_days)]
    pub(super) time: Option<Duration>,
    /// Only say whom it would hit.
    #[arg(long)]
    pub(super) dry_run: bool,
}

#[derive(Args, Debug)]
pub(super) struct Unban {
    /// As it stands in the list.
    #[arg(value_name = "NICK|ADDR|CIDR")]
    pub(super) whom: String,
    /// It is a nick, even if it looks like an address.
    #[arg(long)]
    pub(super) nick: bool,
}

#[derive(Args, Debug)]
pub(super) struct ListBans {
    /// Only those that hit this nick.
    #[arg(long, value_name = "NICK")]
    pub(super) username: Option<String>,
    /// Only those that hit this address.
    #[arg(long = "addr", id = "range", value_name = "ADDR")]
    pub(super) address: Option<std::net::IpAddr>,
    /// At most so many, oldest first.
    #[arg(long, value_name = "N")]
    pub(super) limit: Option<usize>,
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

/// A time that may also be whole days, as in 7d.
fn time_in_days(text: &str) -> Result<Duration, String> {
    const DAY: u64 = 24 * 60 * 60;
    let days = text
        .strip_suffix('d')
        .and_then(|days| days.parse::<u64>().ok());
    match days.and_then(|days| days.checked_mul(DAY)) {
        Some(seconds) => Ok(Duration::from_secs(seconds)),
        None => time(text),
    }
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
    fn a_ban_may_last_for_days() {
        for (text, seconds) in [("7d", 604_800), ("90m", 5400), ("1h30m", 5400)] {
            assert_eq!(
                time_in_days(text),
                Ok(Duration::from_secs(seconds)),
                "{text}"
            );
        }
        for text in ["d", "7", "-1d", "1.5d", "99999999999999999999d"] {
            assert!(time_in_days(text).is_err(), "{text}");
        }
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
            "chatctl events -f --count 3",
            "chatctl set-log",
            "chatctl set-log debug --reset",
            "chatctl list-closed --refused --username eve",
            "chatctl trace",
        ] {
            assert!(Cli::try_parse_from(line.split(' ')).is_err(), "{line}");
        }
    }
}
