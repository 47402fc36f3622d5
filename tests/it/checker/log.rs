//! What a recording client writes down.

/// Everything that was recorded in one play.
#[derive(Clone, Debug, Default)]
pub(crate) struct Record {
    /// One log for each client.
    pub(crate) clients: Vec<Log>,
    /// The log of the late reader who joined each room `since` 0.
    pub(crate) witness: Log,
}

/// What one client did and heard, in its own order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log {
    /// Whose log.
    pub(crate) username: String,
    /// How it speaks.
    pub(crate) dialect: Dialect,
    /// What happened.
    pub(crate) entries: Vec<Entry>,
}

/// How a client speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// Hears numbers, acks, gaps with bounds, and its own messages.
    #[default]
    Full,
    /// Hears names and texts only, basic or text, and never its own.
    TwoFields,
}

/// One thing that happened, and when.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// A tick of the one clock that all clients of a play share: before a write, after a read.
    pub(crate) at: u64,
    /// What.
    pub(crate) event: Event,
}

/// A place in a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    /// The life of the numbering.
    pub(crate) epoch: String,
    /// The number.
    pub(crate) seq: u64,
}

/// What can happen to a client. A message's id is the first word of its text, and its `cid`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A connection begins.
    Connected,
    /// About to write a message.
    Send { room: String, text: String },
    /// The message with this id was acknowledged.
    Ack {
        id: String,
        room: String,
        at: Position,
    },
    /// The message with this id was refused.
    Refused { id: String, code: String },
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
    /// The server's last word.
    Bye { code: String },
    /// The connection is over.
    Closed,
    /// A line that is not whole or that nobody can read.
    Garbled(String),
}

/// The id of a message: the first word of its text.
pub(crate) fn id_of(text: &str) -> &str {
    text.split(' ').next().unwrap_or("")
}
