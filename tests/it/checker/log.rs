//! What a run leaves behind: what recording clients wrote down, and what the stage saw.

use serde::{Deserialize, Serialize};

/// Everything that was recorded in one run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Record {
    /// What the daemon promised.
    pub(crate) durability: Durability,
    /// One log for each client.
    pub(crate) clients: Vec<Log>,
    /// The log of the late reader who read each room from its first number.
    pub(crate) witness: Log,
    /// Every message that is in the store's file, read past the daemon; none where there is no store.
    pub(crate) store: Option<Vec<Row>>,
    /// The daemon's own counters, where one life of it saw everything.
    pub(crate) counters: Option<Counters>,
    /// Each life of the daemon, in order.
    pub(crate) lives: Vec<Life>,
    /// What has to have happened for the run to show anything.
    pub(crate) least: Least,
}

/// What survives the daemon, as its configuration says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Durability {
    /// Nothing: after a restart every room has another epoch.
    #[default]
    None,
    /// Everything that was acknowledged or heard survives `kill -9`.
    Process,
    /// It survives the machine.
    Disk,
}

impl Durability {
    /// Whether numbers go on where they were when a killed daemon starts again.
    pub(crate) fn outlives_the_daemon(self) -> bool {
        self != Self::None
    }
}

/// One message in the store's file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) room: String,
    pub(crate) epoch: String,
    pub(crate) seq: u64,
    pub(crate) username: String,
    pub(crate) text: String,
    pub(crate) cid: Option<String>,
}

/// What the daemon says that it did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Counters {
    /// Messages numbered.
    pub(crate) committed: u64,
    /// Messages that it told clients they missed.
    pub(crate) gapped: u64,
}

/// One life of the daemon.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Life {
    /// How it ended, as in `exit status: 0` or `signal: 9 (SIGKILL)`.
    pub(crate) ended: String,
    /// How it was to end.
    pub(crate) expected: String,
    /// Everything that it logged.
    pub(crate) stderr: String,
}

impl Life {
    /// Whether a signal ended it.
    pub(crate) fn was_killed(&self) -> bool {
        self.ended.starts_with("signal")
    }
}

/// What has to have happened at least. A run in which nothing happened breaks no rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Least {
    /// Ends of the daemon's lives by force.
    pub(crate) faults: usize,
    /// Acks.
    pub(crate) acks: usize,
    /// Messages that were sent on a connection that ended before they were answered.
    pub(crate) unanswered: usize,
    /// Messages heard.
    pub(crate) heard: usize,
    /// Gaps told.
    pub(crate) gaps: usize,
    /// Joins with `since`.
    pub(crate) resumes: usize,
    /// Messages in the pages of history that the late reader read.
    #[serde(default)]
    pub(crate) paged: usize,
}

/// What one client did and heard, in its own order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Log {
    /// Whose log.
    pub(crate) username: String,
    /// How it speaks.
    pub(crate) dialect: Dialect,
    /// What happened.
    pub(crate) entries: Vec<Entry>,
}

/// How a client speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Dialect {
    /// Hears numbers, acks, gaps with bounds, and its own messages.
    #[default]
    Full,
    /// Hears names and texts only, basic or text, and never its own.
    TwoFields,
}

/// One thing that happened, and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// Nanoseconds of the one monotonic clock that all clients share: before a write, after a read.
    #[serde(rename = "t")]
    pub(crate) at: u64,
    /// What.
    #[serde(flatten)]
    pub(crate) event: Event,
}

/// A place in a room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Position {
    /// The life of the numbering.
    pub(crate) epoch: String,
    /// The number.
    pub(crate) seq: u64,
}

/// A message as a page of `history` shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PageLine {
    pub(crate) seq: u64,
    pub(crate) username: String,
    pub(crate) text: String,
}

/// What can happen to a client. A message's id is the first word of its text, and its `cid`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub(crate) enum Event {
    /// A connection to this life of the daemon begins; the first one is 0.
    Connected { life: usize },
    /// About to write a message.
    Send { room: String, text: String },
    /// The message with this id was acknowledged.
    Ack {
        id: String,
        room: String,
        at: Position,
    },
    /// The message with this id, to a room or to one person, was refused.
    Refused { id: String, code: String },
    /// About to write a message for one person.
    Whisper { to: String, text: String },
    /// The message with this id is in that person's outbox.
    Delivered { id: String },
    /// Somebody's message for this client alone.
    Whispered { username: String, text: String },
    /// About to write a join.
    Joining {
        room: String,
        since: Option<Position>,
    },
    /// The join was answered.
    Joined {
        room: String,
        head: Position,
        first: u64,
    },
    /// A part was answered.
    Parted { room: String },
    /// Somebody's message. Two-field clients hear no number and no id.
    Heard {
        room: String,
        seq: Option<u64>,
        id: Option<String>,
        username: String,
        text: String,
    },
    /// A gap with its bounds; none of them when the epoch changed.
    Gap {
        room: String,
        epoch: String,
        bounds: Option<(u64, u64)>,
        count: Option<u64>,
    },
    /// A gap as two-field clients are told.
    Skipped { room: String, count: u64 },
    /// About to ask for a page of history: what comes after a number, or the latest.
    Paging {
        room: String,
        after: Option<u64>,
        limit: u64,
    },
    /// The page that was asked for; `gap` is what retention has removed of it. `more` speaks of what
    /// comes after it, or before the latest.
    Page {
        room: String,
        epoch: String,
        gap: Option<(u64, u64)>,
        lines: Vec<PageLine>,
        more: bool,
    },
    /// The server's last word.
    Bye { code: String },
    /// The connection is over.
    Closed,
    /// A line that nobody can read.
    Garbled { line: String },
    /// The connection ended in the middle of a line.
    Cut { line: String },
}

/// The id of a message: the first word of its text.
pub(crate) fn id_of(text: &str) -> &str {
    text.split(' ').next().unwrap_or("")
}
