//! What happens in a room, and the numbers it goes by.

use std::fmt;
use std::sync::Arc;

use crate::name::Nick;
use crate::words::words;

/// One connection from accept to its end. Never given twice within one run of the daemon.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct SessionId(pub u64);

impl SessionId {
    /// Nobody: the author of what the daemon itself says.
    pub const NOBODY: Self = Self(0);
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s{}", self.0)
    }
}

words! {
    /// How deep a numbered message is kept before anybody hears of it.
    pub enum Durability {
        /// In memory only: gone when the daemon ends.
        None = "none",
        /// Committed: survives the end of the process, also by `kill -9`.
        Process = "process",
        /// Committed and on the disk: survives the loss of power.
        Disk = "disk",
    }
}

/// What a room is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    /// As it was set.
    pub text: Box<str>,
    /// Who set it.
    pub nick: Nick,
    /// When, in milliseconds since 1970 UTC.
    pub time_ms: i64,
}

impl Topic {
    /// Whether it says that there is none any more: then the room has none.
    pub fn is_none(&self) -> bool {
        self.text.is_empty()
    }
}

/// The number of a message in its room: dense, from 1. Zero is "before the first".
pub type Seq = u64;

/// The largest number that every JSON reader holds exactly (2^53 − 1).
pub const SEQ_MAX: Seq = (1 << 53) - 1;

/// The life of a room's numbering: opaque, at most 16 ASCII characters.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Epoch(Arc<str>);

impl Epoch {
    /// Longest epoch, in bytes.
    pub const LEN: usize = 16;

    /// The epoch that is written as these 64 bits in base 32.
    pub fn from_bits(bits: u64) -> Self {
        const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
        let text: String = (0..13)
            .rev()
            .map(|i| char::from(DIGITS[(bits >> (5 * i)) as usize & 31]))
            .collect();
        Self(text.into())
    }

    /// As it stands on the wire.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a message stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The life of the numbering.
    pub epoch: Epoch,
    /// The number.
    pub seq: Seq,
    /// When it was numbered, in milliseconds since 1970 UTC.
    pub time_ms: i64,
}

/// A message with its number: the same for everyone, for ever.
#[derive(Debug)]
pub struct Message {
    /// Its number in its room.
    pub seq: Seq,
    /// Bytes of all messages of this room up to and including this one.
    pub end: u64,
    /// When it was numbered, in milliseconds since 1970 UTC.
    pub time_ms: i64,
    /// Who said it.
    pub author: SessionId,
    /// What they were called then.
    pub nick: Nick,
    /// What they said.
    pub text: Box<str>,
    /// The author's own id of it.
    pub cid: Option<Box<str>>,
}

impl Message {
    /// What it counts against `limits.recent_bytes`: its text, name and id and the record itself.
    pub fn cost(nick: &Nick, text: &str, cid: Option<&str>) -> usize {
        size_of::<Self>() + nick.as_str().len() + text.len() + cid.map_or(0, str::len)
    }
}

/// What became of a member: live only, never numbered, never replayed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Came into the room.
    Join,
    /// Left the room and stays connected.
    Part,
    /// The connection ended.
    Quit(Option<Box<str>>),
    /// Has another name now.
    Nick(Nick),
}

impl Change {
    /// The word on the wire.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Join => "join",
            Self::Part => "part",
            Self::Quit(_) => "quit",
            Self::Nick(_) => "nick",
        }
    }
}

/// A change of a room's roster.
#[derive(Clone, Debug)]
pub struct Presence {
    /// Whose doing it is.
    pub author: SessionId,
    /// What they are (or were) called.
    pub nick: Nick,
    /// What happened.
    pub change: Change,
}

/// Something that happened in a room, in the order of the room.
#[derive(Clone, Debug)]
pub enum Event {
    /// Numbered.
    Message(Arc<Message>),
    /// Not numbered.
    Presence(Arc<Presence>),
    /// Not numbered; the room keeps the last one. Whose doing it is, and the topic.
    Topic(SessionId, Arc<Topic>),
}

impl Event {
    /// Whose doing it is.
    pub fn author(&self) -> SessionId {
        match self {
            Self::Message(message) => message.author,
            Self::Presence(presence) => presence.author,
            Self::Topic(author, _) => *author,
        }
    }
}

words! {
    /// Why numbers are missing.
    pub enum GapReason {
        /// The session did not read fast enough.
        SlowConsumer = "slow_consumer",
        /// The messages are older than what is kept.
        HistoryExpired = "history_expired",
        /// The cursor belongs to another life of the numbering.
        EpochChanged = "epoch_changed",
    }
}
