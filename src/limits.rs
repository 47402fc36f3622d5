//! Every bound in the daemon, and the worst case that they add up to ([`Limits::worst_case`]).
//!
//! A field that is an `Option` may be lifted: `None` is spelled `"unlimited"` in the file.
//! Sizes are bytes, times are durations; zero is refused by the configuration.

use std::time::Duration;

use crate::words::words;

/// So many events in so much time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many.
    pub count: u32,
    /// In how much time.
    pub per: Duration,
}

impl Rate {
    /// The time that one event costs.
    pub fn interval(self) -> Duration {
        self.per / self.count.max(1)
    }
}

words! {
    /// What happens to a session whose lag goes over `lag_bytes` or `lag_age`.
    pub enum OnLag {
        /// It skips forward and is told exactly which numbers it missed.
        Gap = "gap",
        /// It is closed with `slow_consumer`.
        Disconnect = "disconnect",
    }
}

/// What surrounds a text in a line out, at most, in bytes: no line out is longer than
/// [`Limits::line`] and this.
pub const ENVELOPE: usize = 1024;

/// Every bound. `config/chatd.toml` gives the reason beside each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Longest line in, in bytes without its line end. No line out is longer than this plus 1 KiB.
    pub line: usize,
    /// Longest message text, in bytes of UTF-8.
    pub message: usize,
    /// Sessions at once, silent listeners included.
    pub clients: usize,
    /// Sessions at once from one address (IPv4, or IPv6 /64).
    pub clients_per_address: Option<usize>,
    /// New connections from one address.
    pub connect_rate: Option<Rate>,
    /// Silent listeners at once.
    pub listeners: usize,
    /// Rooms at once.
    pub rooms: usize,
    /// Rooms that one session may be in.
    pub rooms_per_client: usize,
    /// How long an empty room stays in memory.
    pub room_idle: Duration,
    /// The largest room that announces joins and parts.
    pub presence_members: usize,
    /// Messages that one session may send; above it the session is not read.
    pub message_rate: Option<Rate>,
    /// Messages that may come at once before `message_rate` bites.
    pub message_burst: u32,
    /// Requests other than messages to rooms; above it they are refused with `rate_limited`.
    pub request_rate: Option<Rate>,
    /// From the first byte to the end of the first valid line.
    pub hello_timeout: Duration,
    /// From the first byte of a later line to its end.
    pub line_timeout: Duration,
    /// Silence of a session that has spoken.
    pub idle_timeout: Option<Duration>,
    /// Silence after which a full session is pinged.
    pub ping_interval: Duration,
    /// How long a pinged session may stay silent.
    pub ping_timeout: Duration,
    /// How long a session with bytes waiting may take none.
    pub write_stall: Duration,
    /// Faulty lines in a row before the session is closed.
    pub bad_lines: u32,
    /// Unanswered messages of one session; at it the session is not read.
    pub unacked: usize,
    /// Replies that wait for one session, in bytes.
    pub outbox: usize,
    /// `SO_SNDBUF` and `SO_RCVBUF` of an accepted socket, in bytes.
    pub socket_buffer: usize,
    /// How far a session may fall behind its rooms, in bytes of text.
    pub lag_bytes: Option<usize>,
    /// How long a session may be behind.
    pub lag_age: Option<Duration>,
    /// What happens above `lag_bytes` or `lag_age`.
    pub on_lag: OnLag,
    /// Messages that one room keeps in memory.
    pub recent_messages: usize,
    /// Bytes of messages that one room keeps in memory.
    pub recent_bytes: usize,
    /// Encoded bytes kept for all sessions that are behind.
    pub buffer_bytes: usize,
    /// How long a `cid` is remembered.
    pub dedup_age: Duration,
    /// How many `cid`s are remembered.
    pub dedup_entries: usize,
    /// Messages that one page of history has at most.
    pub history_page: usize,
    /// Longest topic of a room, in bytes of UTF-8.
    pub topic: usize,
    /// Bans at once.
    pub bans: usize,
}

/// What one unanswered message holds at most, in bytes: its label, its `cid` and its answer.
pub const UNACKED_BYTES: usize = 256;

/// What one remembered `cid` holds at most, in bytes: whose, where, itself and its answer.
pub const DEDUP_BYTES: usize = 256;

/// What one ban holds at most, in bytes: whom, the reason, who said it; and what it is found by.
pub const BAN_BYTES: usize = 1024;

/// What the limits add up to if every session and every room is at its worst at once, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorstCase {
    /// Unfinished lines in, replies and unanswered messages of all sessions.
    pub sessions: u64,
    /// What all rooms keep.
    pub rooms: u64,
    /// Encoded bytes for sessions that are behind.
    pub behind: u64,
    /// Remembered `cid`s.
    pub dedup: u64,
    /// Bans.
    pub bans: u64,
    /// Socket buffers, which the kernel holds and no process is charged with.
    pub kernel: u64,
}

impl WorstCase {
    /// What the process itself may hold.
    pub fn process(&self) -> u64 {
        let parts = [
            self.sessions,
            self.rooms,
            self.behind,
            self.dedup,
            self.bans,
        ];
        parts.into_iter().fold(0, u64::saturating_add)
    }
}

impl Limits {
    /// What these limits add up to. `config/chatd.toml` shows it for the defaults.
    pub fn worst_case(&self) -> WorstCase {
        let times = |count: usize, bytes: usize| (count as u64).saturating_mul(bytes as u64);
        let unacked = self.unacked.saturating_mul(UNACKED_BYTES);
        let session = self
            .line
            .saturating_add(self.outbox)
            .saturating_add(unacked);
        WorstCase {
            sessions: times(self.clients, session),
            rooms: times(self.rooms, self.recent_bytes.saturating_add(self.topic)),
            behind: self.buffer_bytes as u64,
            dedup: times(self.dedup_entries, DEDUP_BYTES),
            bans: times(self.bans, BAN_BYTES),
            kernel: times(self.clients, self.socket_buffer.saturating_mul(2)),
        }
    }
}

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

impl Default for Limits {
    fn default() -> Self {
        Self {
            line: 16 * KIB,
            message: 4000,
            clients: 10_000,
            clients_per_address: Some(100),
            connect_rate: Some(Rate {
                count: 200,
                per: Duration::from_secs(10),
            }),
            listeners: 1_000,
            rooms: 1_000,
            rooms_per_client: 64,
            room_idle: Duration::from_secs(600),
            presence_members: 200,
            message_rate: Some(Rate {
                count: 20,
                per: Duration::from_secs(1),
            }),
            message_burst: 100,
            request_rate: Some(Rate {
                count: 100,
                per: Duration::from_secs(10),
            }),
            hello_timeout: Duration::from_secs(10),
            line_timeout: Duration::from_secs(10),
            idle_timeout: None,
            ping_interval: Duration::from_secs(60),
            ping_timeout: Duration::from_secs(20),
            write_stall: Duration::from_secs(30),
            bad_lines: 10,
            unacked: 256,
            outbox: 256 * KIB,
            socket_buffer: 128 * KIB,
            lag_bytes: None,
            lag_age: None,
            on_lag: OnLag::Gap,
            recent_messages: 10_000,
            recent_bytes: MIB,
            buffer_bytes: 64 * MIB,
            dedup_age: Duration::from_secs(600),
            dedup_entries: 100_000,
            history_page: 1_000,
            topic: 500,
            bans: 10_000,
        }
    }
}
