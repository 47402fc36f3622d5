//! What is read when somebody asks, as opposed to what is counted as it happens.

use std::time::Duration;

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
    /// Log lines that could not be written.
    pub log_lines_dropped: u64,
    /// Time that each worker thread has been busy.
    pub workers_busy: Vec<Duration>,
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
