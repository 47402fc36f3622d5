//! What is read when somebody asks, as opposed to what is counted as it happens.

use std::time::Duration;

use crate::control::TOP;
use crate::meter::HistogramTotals;
use crate::phase::Phase;

/// The state of the daemon at one time, as numbers.
#[derive(Clone, Debug, Default)]
pub struct Gauges {
    /// Where the daemon is in its life.
    pub phase: Phase,
    /// Sessions by dialect: `none basic text full` or whatever the closed set is.
    pub by_dialect: Vec<(&'static str, u64)>,
    /// Sessions by state.
    pub by_state: Vec<(&'static str, u64)>,
    /// Silent listeners.
    pub listeners: u64,
    /// `limits.clients`.
    pub connections_limit: u64,
    /// Rooms in memory.
    pub rooms: u64,
    /// Names on rosters, summed over rooms.
    pub room_members: u64,
    /// The largest roster.
    pub room_members_max: u64,
    /// Sessions with bytes waiting.
    pub behind_clients: u64,
    /// Members at the time of numbering × messages, summed since the start.
    pub owed: u64,
    /// Numbered messages that sessions are behind, summed.
    pub pending: u64,
    /// Numbered messages that the furthest session is behind.
    pub lag_messages_max: u64,
    /// For how long the furthest session has been behind.
    pub lag_max: Duration,
    /// Encoded bytes kept for sessions that are behind.
    pub buffer_bytes: u64,
    /// `limits.buffer_bytes`.
    pub buffer_limit_bytes: u64,
    /// Identities that can be resumed.
    pub identities: u64,
    /// Retry ids remembered.
    pub dedup_entries: u64,
    /// `limits.dedup_entries`.
    pub dedup_entries_limit: u64,
    /// Retry ids forgotten before their age to keep `limits.dedup_entries`.
    pub dedup_evictions: u64,
    /// Reloads by result.
    pub config_reloads: Vec<(&'static str, u64)>,
    /// Whether the last load or reload was good.
    pub config_last_reload_successful: bool,
    /// When the last good load or reload was, in seconds since 1970 UTC.
    pub config_last_reload_success_seconds: f64,
    /// Keys that differ between file and memory and need a restart.
    pub config_pending_restart_keys: u64,
    /// Until when a drain may take, in seconds since 1970 UTC; 0 when there is none.
    pub drain_deadline_seconds: f64,
    /// Operators connected.
    pub admin_connections: u64,
    /// Connections to the admin doors that were closed because there were too many.
    pub admin_refused: u64,
    /// Operators' requests: access, result, count.
    pub admin_requests: Vec<AdminRequests>,
    /// Scrapes answered.
    pub metrics_scrapes: u64,
    /// Connections to the monitoring door that were closed because there were too many.
    pub metrics_refused: u64,
    /// Failures of `accept` at the doors of the control plane.
    pub door_accept_errors: Vec<(&'static str, u64)>,
    /// Descriptors put by for the control plane.
    pub reserved_descriptors: u64,
    /// Log lines that could not be written.
    pub log_lines_dropped: u64,
    /// Whether nobody is let in for now.
    pub paused: bool,
    /// Operators who are told of events now.
    pub event_listeners: u64,
    /// Events that some listener has not been told.
    pub events_lost: u64,
    /// The history.
    pub history: HistoryGauges,
    /// Bans in force.
    pub bans: u64,
    /// `limits.bans`.
    pub bans_limit: u64,
    /// Whether the bans in force are those on disk.
    pub bans_saved: bool,
    /// Messages in the store and not in the index of the search.
    pub search_lag: u64,
    /// Messages put into the index since the start.
    pub search_indexed: u64,
    /// Whether the index follows the store.
    pub search_follows: bool,
    /// `limits.outbox`.
    pub outbox_limit_bytes: u64,
    /// Numbered messages that the sessions furthest behind are behind, falling.
    pub lag_messages_top: [f64; TOP],
    /// For how many seconds the sessions furthest behind have been behind, falling.
    pub lag_seconds_top: [f64; TOP],
    /// Of the configuration in force, 48 bits.
    pub config_hash: u64,
    /// What the limits add up to.
    pub memory_worst_case_bytes: u64,
    /// What the control group allows; 0 where there is no limit.
    pub memory_limit_bytes: u64,
    /// What the last scrape took to put together.
    pub metrics_render: Duration,
    /// The watchdog's probes by result.
    pub watchdog_probes: Vec<(&'static str, u64)>,
    /// What each worker thread does.
    pub workers: Vec<Worker>,
}

/// One worker thread, as its runtime sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Worker {
    /// How long it has been busy.
    pub busy: Duration,
    /// How often it went to sleep.
    pub parks: u64,
    /// Tasks alive.
    pub tasks: u64,
    /// Tasks from outside that wait.
    pub queued: u64,
}

/// The history as numbers; all 0 where it is in memory alone.
#[derive(Clone, Debug, Default)]
pub struct HistoryGauges {
    /// Whether messages cannot be kept now.
    pub in_trouble: bool,
    /// Rooms in the store.
    pub rooms: u64,
    /// `history.max_rooms`.
    pub rooms_limit: u64,
    /// Messages in the store.
    pub messages: u64,
    /// Bytes of the database that hold something.
    pub used_bytes: u64,
    /// `history.max_bytes`; 0 when there is none.
    pub limit_bytes: u64,
    /// Bytes of the database file.
    pub file_bytes: u64,
    /// Bytes of the write-ahead log.
    pub wal_bytes: u64,
    /// Bytes that are free on the disk that the database lies on.
    pub disk_free_bytes: u64,
    /// Bytes of that disk.
    pub disk_bytes: u64,
    /// Messages on their way into the store.
    pub queued: u64,
    /// How many there may be.
    pub queue_limit: u64,
    /// Messages refused because the store was in trouble.
    pub refused: u64,
    /// Times that the write-ahead log was brought in.
    pub checkpoints: u64,
    /// Times that it could not be.
    pub checkpoint_errors: u64,
    /// Times that the store could not be read.
    pub read_errors: u64,
    /// Failures to write, by kind.
    pub errors: Vec<(&'static str, u64)>,
    /// Messages taken away, by reason.
    pub pruned: Vec<(&'static str, u64)>,
    /// How long turns took, and how many messages they had.
    pub turns: Option<[HistogramTotals; 2]>,
}

/// How often operators asked for something of one kind, with one result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdminRequests {
    /// `read` or `write`.
    pub access: &'static str,
    /// `ok`, `error` or `denied`.
    pub result: &'static str,
    /// How often.
    pub count: u64,
}
