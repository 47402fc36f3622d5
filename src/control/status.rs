//! One screen about the daemon.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;

use super::{Control, Door, HistoryReport, rfc3339, seconds};
use crate::build::BUILD;
use crate::hub::{Dialect, SessionState};
use crate::meter::{HistogramTotals, Totals};
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// Which program this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Version {
    /// What it is called.
    pub name: &'static str,
    /// The version of the package.
    pub version: &'static str,
    /// The commit that it was built from.
    pub revision: &'static str,
    /// The compiler.
    pub rustc: &'static str,
    /// The version of the admin protocol.
    pub admin_protocol: u32,
}

/// The daemon at a glance.
#[derive(Clone, Debug, Serialize)]
#[allow(
    missing_docs,
    reason = "the names are the documentation of the JSON, units included"
)]
pub struct Status {
    pub name: String,
    pub phase: &'static str,
    pub paused: bool,
    pub version: &'static str,
    pub revision: &'static str,
    pub pid: u32,
    pub started_at: String,
    pub uptime_seconds: f64,
    pub drain_left_seconds: Option<f64>,
    pub doors: Vec<Door>,
    pub clients: usize,
    pub clients_limit: usize,
    pub listeners: usize,
    pub clients_by_dialect: BTreeMap<&'static str, u64>,
    pub clients_by_state: BTreeMap<&'static str, u64>,
    pub accepted: u64,
    pub refused: u64,
    pub closed: u64,
    pub rooms: usize,
    pub room_members: usize,
    pub committed_messages: u64,
    pub deliveries: u64,
    pub replayed_messages: u64,
    pub gap_messages: u64,
    pub rejected_lines: u64,
    pub in_bytes: u64,
    pub out_bytes: u64,
    pub delivery_p50_seconds: Option<f64>,
    pub delivery_p99_seconds: Option<f64>,
    pub lag_msgs_max: u64,
    pub lag_seconds_max: f64,
    pub workers: usize,
    /// Of all workers, summed.
    pub workers_busy_seconds: f64,
    pub scheduler_lag_p99_seconds: Option<f64>,
    pub resident_bytes: Option<u64>,
    pub memory_limit_bytes: Option<u64>,
    pub memory_worst_case_bytes: u64,
    /// Messages that rooms keep in memory.
    pub recent_bytes: usize,
    /// Replies that wait.
    pub outbox_bytes: u64,
    pub buffer_bytes: usize,
    pub buffer_limit_bytes: usize,
    pub identities: usize,
    pub dedup_entries: usize,
    pub history: HistoryReport,
    pub config_file: Option<PathBuf>,
    pub config_loaded_at: String,
    pub config_last_reload: Option<&'static str>,
    pub config_pending_restart_keys: Vec<&'static str>,
    pub log_level: String,
    pub log_lines_dropped: u64,
    pub event_listeners: usize,
    pub events_lost: u64,
}

/// Sessions by how they speak and how they fare, and the furthest that one is behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Census {
    /// By dialect, in a fixed order.
    pub by_dialect: Vec<(&'static str, u64)>,
    /// By state, in a fixed order.
    pub by_state: Vec<(&'static str, u64)>,
    /// Sessions with bytes waiting.
    pub behind: u64,
    /// Messages that all of them are behind, summed.
    pub lag_msgs: u64,
    /// Messages that the furthest is behind.
    pub lag_msgs_max: u64,
    /// For how long the furthest has been behind.
    pub lag_max: Duration,
    /// Messages that the furthest few are behind, falling; 0 where there is nobody.
    pub lag_msgs_top: [u64; TOP],
    /// For how long the furthest few have been behind, in milliseconds, falling.
    pub lag_ms_top: [u64; TOP],
}

/// How long each worker thread has been busy since the start.
pub type Busy = Box<dyn Fn() -> Vec<Duration> + Send + Sync>;

/// Of so many sessions that are furthest behind the lag is shown by rank.
pub const TOP: usize = 5;

impl Control {
    /// The daemon at a glance.
    pub fn status(&self) -> Status {
        let hub = self.hub();
        let live = self.live();
        let limits = hub.limits();
        let gauges = hub.gauges();
        let census = self.census();
        let totals = self.totals();
        let rooms = hub.room_reports();
        let last = self.0.reloads.last();
        let sum = |detailed: &[([&str; 2], u64)]| detailed.iter().map(|(_, n)| n).sum();
        let lateness = quantile(&totals.lateness, 0.99);
        let quantile = |q| quantile(&totals.delivery_latency, q);
        let busy = self.0.busy.get().map(|busy| busy()).unwrap_or_default();
        Status {
            name: live.config.server.name,
            phase: hub.phase().as_str(),
            paused: hub.is_paused(),
            version: BUILD.version,
            revision: BUILD.revision,
            pid: std::process::id(),
            started_at: rfc3339(self.0.started_ms),
            uptime_seconds: seconds(self.0.started.elapsed()),
            drain_left_seconds: self.time_left().map(seconds),
            doors: self.doors(),
            clients: hub.sessions(),
            clients_limit: limits.clients,
            listeners: gauges.listeners,
            clients_by_dialect: census.by_dialect.into_iter().collect(),
            clients_by_state: census.by_state.into_iter().collect(),
            accepted: totals.accepted,
            refused: sum(&totals.refused),
            closed: sum(&totals.closed),
            rooms: rooms.len(),
            room_members: rooms.iter().map(|room| room.members).sum(),
            committed_messages: totals.committed,
            deliveries: totals.deliveries,
            replayed_messages: totals.replayed,
            gap_messages: totals.gap_messages,
            rejected_lines: sum(&totals.rejected),
            in_bytes: totals.bytes_in,
            out_bytes: totals.bytes_out,
            delivery_p50_seconds: quantile(0.5),
            delivery_p99_seconds: quantile(0.99),
            lag_msgs_max: census.lag_msgs_max,
            lag_seconds_max: seconds(census.lag_max),
            workers: busy.len(),
            workers_busy_seconds: seconds(busy.iter().sum()),
            scheduler_lag_p99_seconds: lateness,
            resident_bytes: self.resident_bytes(),
            memory_limit_bytes: Some(self.memory_limit()).filter(|limit| *limit > 0),
            memory_worst_case_bytes: limits.worst_case().process(),
            recent_bytes: rooms.iter().map(|room| room.recent_bytes).sum(),
            outbox_bytes: totals.outbox_bytes,
            buffer_bytes: gauges.buffer_bytes,
            buffer_limit_bytes: limits.buffer_bytes,
            identities: gauges.identities,
            dedup_entries: gauges.dedup_entries,
            history: self.history_report(),
            config_file: live.file,
            config_loaded_at: rfc3339(last.good_ms),
            config_last_reload: last.outcome.map(super::reload::Outcome::as_str),
            config_pending_restart_keys: last.pending,
            log_level: live.config.log.level,
            log_lines_dropped: (self.0.log.dropped)(),
            event_listeners: self.feed().listeners(),
            events_lost: self.feed().lost(),
        }
    }

    /// Who knows how long each worker has been busy. Only the first call counts.
    pub fn set_busy(&self, busy: Busy) {
        // The workers are the same as long as the daemon lives.
        let _ = self.0.busy.set(busy);
    }

    /// What the kernel says that the process holds in memory.
    fn resident_bytes(&self) -> Option<u64> {
        let _loan = self.spares().lend_if_none();
        let status = std::fs::read_to_string("/proc/self/status").ok()?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))?;
        let kibibytes: u64 = line.split_whitespace().next()?.parse().ok()?;
        Some(kibibytes * 1024)
    }

    /// Writes the daemon at a glance into the log.
    pub fn log_status(&self) {
        let status = self.status();
        tracing::info!(
            event = "daemon.status",
            phase = status.phase,
            uptime_seconds = status.uptime_seconds,
            clients = status.clients,
            behind = self.census().behind,
            rooms = status.rooms,
            committed_messages = status.committed_messages,
            deliveries = status.deliveries,
            gap_messages = status.gap_messages,
            in_bytes = status.in_bytes,
            out_bytes = status.out_bytes,
            lag_msgs_max = status.lag_msgs_max,
            buffer_bytes = status.buffer_bytes,
            "the daemon at a glance"
        );
    }

    /// Counts the sessions.
    pub fn census(&self) -> Census {
        let mut dialects = [0; Dialect::ALL.len()];
        let mut states = [0; SessionState::ALL.len()];
        let mut census = Census {
            by_dialect: Vec::new(),
            by_state: Vec::new(),
            behind: 0,
            lag_msgs: 0,
            lag_msgs_max: 0,
            lag_max: Duration::ZERO,
            lag_msgs_top: [0; TOP],
            lag_ms_top: [0; TOP],
        };
        for card in self.hub().cards() {
            dialects[card.dialect() as usize] += 1;
            states[card.state() as usize] += 1;
            let msgs = card.lag_msgs.load(Relaxed);
            census.lag_msgs += msgs;
            rank(&mut census.lag_msgs_top, msgs);
            rank(&mut census.lag_ms_top, card.lag_ms.load(Relaxed));
        }
        census.lag_msgs_max = census.lag_msgs_top[0];
        census.lag_max = Duration::from_millis(census.lag_ms_top[0]);
        census.behind = states[SessionState::Behind as usize];
        census.by_dialect = Dialect::ALL
            .iter()
            .map(|d| d.as_str())
            .zip(dialects)
            .collect();
        census.by_state = SessionState::ALL
            .iter()
            .map(|s| s.as_str())
            .zip(states)
            .collect();
        census
    }

    /// What all threads have counted.
    pub fn totals(&self) -> Totals {
        let meters = self.hub().meters();
        Totals::of(meters.iter().map(AsRef::as_ref))
    }

    /// Log lines that could not be written since the start.
    pub fn log_lines_dropped(&self) -> u64 {
        (self.0.log.dropped)()
    }
}

/// Puts a value where it belongs among the largest.
fn rank(top: &mut [u64; TOP], value: u64) {
    let place = top.partition_point(|larger| *larger >= value);
    if place < TOP {
        top[place..].rotate_right(1);
        top[place] = value;
    }
}

/// The bound of the bucket that holds this part of the observations; none if there are none or
/// it is above all bounds.
pub(super) fn quantile(histogram: &HistogramTotals, part: f64) -> Option<f64> {
    let wanted = (histogram.count() as f64 * part).ceil() as u64;
    let mut passed = 0;
    let bucket = histogram.buckets.iter().position(|count| {
        passed += count;
        passed >= wanted
    });
    let bound = histogram.bounds.parts.get(bucket.filter(|_| wanted > 0)?)?;
    Some(histogram.bounds.units(*bound))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meter::Meter;

    #[test]
    fn the_largest_are_kept_in_order() {
        let mut top = [0; TOP];
        for value in [3, 9, 1, 9, 0, 7, 2, 8] {
            rank(&mut top, value);
        }
        assert_eq!(top, [9, 9, 8, 7, 3]);
    }

    #[test]
    fn a_quantile_is_the_bound_that_holds_it() {
        let totals = |meter: &Meter| Totals::of([meter]).delivery_latency;
        let meter = Meter::default();
        assert_eq!(quantile(&totals(&meter), 0.5), None);
        let observe = |took, count| meter.delivery_latency.observe_time(took, count);
        observe(Duration::from_micros(80), 99);
        observe(Duration::from_millis(80), 1);
        assert_eq!(quantile(&totals(&meter), 0.5), Some(0.0001));
        assert_eq!(quantile(&totals(&meter), 0.99), Some(0.0001));
        assert_eq!(quantile(&totals(&meter), 1.0), Some(0.1));
        observe(Duration::from_secs(20), 1000);
        assert_eq!(quantile(&totals(&meter), 0.99), None);
    }
}
