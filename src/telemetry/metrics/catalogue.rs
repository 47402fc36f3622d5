//! Every number that the daemon tells, by name: the one place to add one.
//!
//! Rules: names begin with `chatd_`, counters end in `_total`, times are seconds, sizes bytes. Label
//! values come from closed sets, never from clients, and every series is there from the start at
//! 0: the number of series does not depend on who is connected. A field of [`Totals`] or [`Gauges`]
//! that is not shown here is a compile error.

use super::gauges::Gauges;
use crate::meter::{HistogramTotals, Totals};
use crate::phase::Phase;

/// How a family behaves over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Only rises, from 0 at start.
    Counter,
    /// Goes up and down.
    Gauge,
}

/// All series of one name.
pub(super) struct Family {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) help: &'static str,
    pub(super) series: Vec<Series>,
}

/// One line of the text form.
pub(super) struct Series {
    pub(super) labels: Vec<(&'static str, &'static str)>,
    pub(super) value: f64,
}

/// The histogram beside the families: it is summed by the meters and only written out here.
pub(super) const LATENCY: (&str, &str) = (
    "chatd_delivery_latency_seconds",
    "From a message's arrival to its bytes being handed to a recipient's socket, sampled by message.",
);

/// The whole catalogue at one time, always in the same order with the same series.
pub(super) fn families(totals: &Totals, gauges: &Gauges) -> Vec<Family> {
    let mut families = of_totals(totals);
    families.extend(of_gauges(gauges));
    families
}

#[rustfmt::skip] // A table: one line, one name.
fn of_totals(totals: &Totals) -> Vec<Family> {
    let Totals {
        accepted,
        committed,
        acks,
        duplicates,
        deliveries,
        replayed,
        gap_messages,
        presence_deliveries,
        bytes_in,
        bytes_out,
        socket_writes,
        paced,
        unacked_waits,
        busy_waits,
        fell_behind,
        slices_taken,
        lane_lags,
        unterminated_lines,
        dedup_evictions,
        panics,
        refused,
        closed,
        accept_errors,
        received,
        rejected,
        gaps,
        delivery_latency: HistogramTotals { .. },
    } = totals;
    vec![
        counter("chatd_connections_accepted_total", "Connections accepted, refused ones included.", *accepted),
        counters("chatd_connections_refused_total", "Connections refused before they became sessions.", "reason", refused),
        counters("chatd_connections_closed_total", "Sessions ended, by reason.", "reason", closed),
        counters("chatd_accept_errors_total", "Failures of accept(2).", "error", accept_errors),
        counters("chatd_messages_received_total", "Lines carried out, by what they asked for.", "kind", received),
        counters("chatd_messages_rejected_total", "Lines refused, by error code.", "reason", rejected),
        counter("chatd_messages_committed_total", "Messages numbered.", *committed),
        counter("chatd_acks_total", "Acks sent.", *acks),
        counter("chatd_duplicates_total", "Retries answered with the first ack.", *duplicates),
        counter("chatd_deliveries_total", "Numbered messages written to sessions as they came.", *deliveries),
        counter("chatd_replayed_total", "Numbered messages written to sessions that were behind or came back.", *replayed),
        counters("chatd_gaps_total", "Gaps told to sessions, by reason.", "reason", gaps),
        counter("chatd_gap_messages_total", "Messages that sessions were told they missed.", *gap_messages),
        counter("chatd_presence_deliveries_total", "Lines of presence written.", *presence_deliveries),
        counter("chatd_network_received_bytes_total", "Bytes read from sessions.", *bytes_in),
        counter("chatd_network_sent_bytes_total", "Bytes written to sessions.", *bytes_out),
        counter("chatd_socket_writes_total", "Writes to sockets of sessions.", *socket_writes),
        counter("chatd_paced_total", "Times that a session was not read because it was over limits.message_rate.", *paced),
        counter("chatd_unacked_waits_total", "Times that a session was not read because it had limits.unacked messages unanswered.", *unacked_waits),
        counter("chatd_busy_waits_total", "Times that a session waited because the log was full.", *busy_waits),
        counter("chatd_fell_behind_total", "Times that a session fell behind a room.", *fell_behind),
        counter("chatd_buffer_evictions_total", "Times that a kept slice was taken away to keep limits.buffer_bytes.", *slices_taken),
        counter("chatd_lane_lags_total", "Times that a lane lagged in the broadcast channel.", *lane_lags),
        counter("chatd_unterminated_lines_total", "Last lines that ended without a line end and were discarded.", *unterminated_lines),
        counter("chatd_dedup_evictions_total", "Retry ids forgotten before their age to keep limits.dedup_entries.", *dedup_evictions),
        counter("chatd_session_panics_total", "Panics that ended a session.", *panics),
    ]
}

#[rustfmt::skip] // A table: one line, one name.
fn of_gauges(gauges: &Gauges) -> Vec<Family> {
    let Gauges {
        phase,
        by_dialect,
        by_state,
        listeners,
        connections_limit,
        rooms,
        room_members,
        room_members_max,
        behind_clients,
        lag_messages_max,
        lag_max,
        buffer_bytes,
        buffer_limit_bytes,
        identities,
        dedup_entries,
        dedup_entries_limit,
        config_reloads,
        config_last_reload_successful,
        config_last_reload_success_seconds,
        config_pending_restart_keys,
        drain_deadline_seconds,
        admin_connections,
        admin_refused,
        admin_requests,
        metrics_scrapes,
        metrics_refused,
        log_lines_dropped,
        workers_busy: _,
    } = gauges;
    vec![
        phases(*phase),
        gauge("chatd_ready", "1 if new connections are served, else 0: the answer of /readyz.", flag(*phase == Phase::Ready)),
        gauge("chatd_drain_deadline_timestamp_seconds", "Unix time at which draining ends by force; 0 when not draining.", *drain_deadline_seconds),
        gauges_by("chatd_connections", "Sessions now, by state.", "state", by_state),
        gauges_by("chatd_connections_by_dialect", "Sessions now, by dialect.", "dialect", by_dialect),
        gauge("chatd_connections_limit", "limits.clients.", count(*connections_limit)),
        gauge("chatd_listeners", "Silent listeners now.", count(*listeners)),
        gauge("chatd_rooms", "Rooms in memory.", count(*rooms)),
        gauge("chatd_room_members", "Names on rosters, summed over rooms.", count(*room_members)),
        gauge("chatd_room_members_max", "Names on the largest roster.", count(*room_members_max)),
        gauge("chatd_behind_clients", "Sessions with bytes waiting.", count(*behind_clients)),
        gauge("chatd_lag_messages_max", "Numbered messages that the furthest session is behind.", count(*lag_messages_max)),
        gauge("chatd_lag_seconds_max", "For how long the furthest session has been behind.", lag_max.as_secs_f64()),
        gauge("chatd_buffer_bytes", "Encoded bytes kept for sessions that are behind.", count(*buffer_bytes)),
        gauge("chatd_buffer_limit_bytes", "limits.buffer_bytes.", count(*buffer_limit_bytes)),
        gauge("chatd_identities", "Identities that can be resumed.", count(*identities)),
        gauge("chatd_dedup_entries", "Retry ids remembered.", count(*dedup_entries)),
        gauge("chatd_dedup_entries_limit", "limits.dedup_entries.", count(*dedup_entries_limit)),
        counters("chatd_config_reloads_total", "Reloads, by result.", "result", config_reloads),
        gauge("chatd_config_last_reload_successful", "1 if the last load or reload was good.", flag(*config_last_reload_successful)),
        gauge("chatd_config_last_reload_success_timestamp_seconds", "Unix time of the last good load or reload.", *config_last_reload_success_seconds),
        gauge("chatd_config_pending_restart_keys", "Keys that differ between file and memory and need a restart.", count(*config_pending_restart_keys)),
        gauge("chatd_admin_connections", "Operators connected.", count(*admin_connections)),
        counter("chatd_admin_connections_refused_total", "Connections to the admin doors closed because there were too many.", *admin_refused),
        Family {
            name: "chatd_admin_requests_total",
            kind: Kind::Counter,
            help: "Operators' requests, by access and result.",
            series: admin_requests
                .iter()
                .map(|sort| Series { labels: vec![("access", sort.access), ("result", sort.result)], value: count(sort.count) })
                .collect(),
        },
        counter("chatd_metrics_scrapes_total", "Scrapes answered.", *metrics_scrapes),
        counter("chatd_metrics_connections_refused_total", "Connections to the monitoring door closed because there were too many.", *metrics_refused),
        counter("chatd_log_lines_dropped_total", "Log lines that could not be written.", *log_lines_dropped),
    ]
}

fn phases(now: Phase) -> Family {
    let one = |phase: Phase| Series {
        labels: vec![("phase", phase.as_str())],
        value: flag(phase == now),
    };
    Family {
        name: "chatd_phase",
        kind: Kind::Gauge,
        help: "1 for the current phase of the daemon's life, 0 for the others.",
        series: Phase::ALL.map(one).into(),
    }
}

fn counter(name: &'static str, help: &'static str, value: u64) -> Family {
    single(name, Kind::Counter, help, count(value))
}

fn gauge(name: &'static str, help: &'static str, value: f64) -> Family {
    single(name, Kind::Gauge, help, value)
}

fn single(name: &'static str, kind: Kind, help: &'static str, value: f64) -> Family {
    Family {
        name,
        kind,
        help,
        series: vec![Series {
            labels: Vec::new(),
            value,
        }],
    }
}

type Labelled = [(&'static str, u64)];

fn counters(
    name: &'static str,
    help: &'static str,
    label: &'static str,
    values: &Labelled,
) -> Family {
    labelled(name, Kind::Counter, help, label, values)
}

fn gauges_by(
    name: &'static str,
    help: &'static str,
    label: &'static str,
    values: &Labelled,
) -> Family {
    labelled(name, Kind::Gauge, help, label, values)
}

fn labelled(
    name: &'static str,
    kind: Kind,
    help: &'static str,
    label: &'static str,
    values: &Labelled,
) -> Family {
    let series = values
        .iter()
        .map(|&(value, n)| Series {
            labels: vec![(label, value)],
            value: count(n),
        })
        .collect();
    Family {
        name,
        kind,
        help,
        series,
    }
}

fn flag(yes: bool) -> f64 {
    f64::from(u8::from(yes))
}

/// As exact as Prometheus itself keeps numbers.
fn count(n: u64) -> f64 {
    n as f64
}
