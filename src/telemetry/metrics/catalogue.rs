//! Every number that the daemon tells, by name: the one place to add one.
//!
//! Rules: names begin with `chatd_`, counters end in `_total`, times are seconds, sizes bytes. Label
//! values come from closed sets, never from clients, and every series is there from the start at
//! 0: the number of series does not depend on who is connected. A field of [`Totals`] or [`Gauges`]
//! that is not shown here is a compile error.

use std::time::Duration;

use super::gauges::{Gauges, HistoryGauges};
use crate::control::TOP;
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

/// The histograms beside the families: they are summed by the meters and only written out here.
#[rustfmt::skip] // A table: one line, one name.
pub(super) fn histograms(totals: &Totals) -> [(&'static str, &'static str, &HistogramTotals); 5] {
    [
        ("chatd_delivery_latency_seconds", "From a message's arrival to its bytes being handed to a recipient's socket, one for each recipient, sampled by message.", &totals.delivery_latency),
        ("chatd_message_size_bytes", "Texts of messages to rooms and to persons.", &totals.message_size),
        ("chatd_handshake_duration_seconds", "From accept to a session's first valid line.", &totals.handshake),
        ("chatd_connection_duration_seconds", "From accept to the end of a session.", &totals.lifetime),
        ("chatd_scheduler_lag_seconds", "How late a worker thread's own clock came, four times a second: sessions wait as long for their turn.", &totals.lateness),
    ]
}

/// Counters that are no whole numbers, which the recorder cannot take.
#[rustfmt::skip]
pub(super) fn fractions(totals: &Totals, gauges: &Gauges) -> [(&'static str, &'static str, f64); 2] {
    let busy = gauges.workers.iter().map(|worker| worker.busy);
    [
        ("chatd_runtime_busy_seconds_total", "Time that the worker threads have been busy, summed.", busy.sum::<Duration>().as_secs_f64()),
        ("chatd_paced_seconds_total", "Time for which sessions were not read because they were over limits.message_rate, summed.", totals.paced_micros as f64 / 1e6),
    ]
}

/// Those of the committer: the count of each is that of turns.
pub(super) const TURNS: [(&str, &str); 2] = [
    (
        "chatd_history_commit_seconds",
        "How long turns of the committer took to write and commit.",
    ),
    (
        "chatd_history_turn_messages",
        "Messages by turn of the committer.",
    ),
];

/// The whole catalogue at one time, always in the same order with the same series.
pub(super) fn families(totals: &Totals, gauges: &Gauges) -> Vec<Family> {
    let mut families = of_totals(totals);
    families.extend(of_gauges(gauges));
    families.extend(of_history(&gauges.history));
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
        own,
        gone,
        replays_asked,
        replays_written,
        replays_gapped,
        replays_gone,
        presence_deliveries,
        history_pages,
        history_messages,
        bytes_in,
        bytes_out,
        socket_writes,
        paced,
        paced_micros: _, // a fraction
        outbox_bytes,
        unacked_waits,
        busy_waits,
        fell_behind,
        slices_taken,
        lane_lags,
        unterminated_lines,
        panics,
        accept_errors,
        received,
        gaps,
        refused,
        closed,
        rejected,
        delivery_latency: HistogramTotals { .. },
        message_size: HistogramTotals { .. },
        handshake: HistogramTotals { .. },
        lifetime: HistogramTotals { .. },
        lateness: HistogramTotals { .. },
    } = totals;
    vec![
        counter("chatd_connections_accepted_total", "Connections accepted, refused ones included.", *accepted),
        detailed("chatd_connections_refused_total", "Connections refused before they became sessions, by reason and what exactly.", refused),
        detailed("chatd_connections_closed_total", "Sessions ended, by reason and what exactly.", closed),
        counters("chatd_accept_errors_total", "Failures of accept(2).", "error", accept_errors),
        counters("chatd_messages_received_total", "Lines carried out, by what they asked for.", "kind", received),
        detailed("chatd_messages_rejected_total", "Lines refused, by error code and what exactly.", rejected),
        counter("chatd_messages_committed_total", "Messages numbered.", *committed),
        counter("chatd_acks_total", "Acks sent.", *acks),
        counter("chatd_duplicates_total", "Retries answered with the first ack.", *duplicates),
        counter("chatd_deliveries_total", "Numbered messages written to sessions as they came.", *deliveries),
        counter("chatd_replayed_total", "Numbered messages written to sessions that were behind or came back.", *replayed),
        counters("chatd_gaps_total", "Gaps told to sessions, by reason.", "reason", gaps),
        counter("chatd_gap_messages_total", "Messages that sessions were told they missed.", *gap_messages),
        counter("chatd_own_messages_total", "Numbered messages not written to sessions because they are their own, in dialects that do not repeat them.", *own),
        counter("chatd_gone_messages_total", "Numbered messages owed to sessions that left or ended before they were written.", *gone),
        counter("chatd_replays_asked_total", "Numbered messages asked for with since.", *replays_asked),
        counter("chatd_replays_written_total", "Numbered messages asked for with since and written, counted when that is over.", *replays_written),
        counter("chatd_replays_gapped_total", "Numbered messages asked for with since and named in gaps.", *replays_gapped),
        counter("chatd_replays_gone_total", "Numbered messages asked for with since by sessions that left or ended before they were written.", *replays_gone),
        counter("chatd_presence_deliveries_total", "Lines of presence written.", *presence_deliveries),
        counter("chatd_history_pages_total", "Pages of history answered.", *history_pages),
        counter("chatd_history_messages_total", "Messages written in pages of history.", *history_messages),
        counter("chatd_network_received_bytes_total", "Bytes read from sessions.", *bytes_in),
        counter("chatd_network_sent_bytes_total", "Bytes written to sessions.", *bytes_out),
        counter("chatd_socket_writes_total", "Writes to sockets of sessions.", *socket_writes),
        counter("chatd_paced_total", "Times that a session was not read because it was over limits.message_rate.", *paced),
        gauge("chatd_outbox_bytes", "Bytes of replies that wait for sessions, as of the last look of their lanes.", count(*outbox_bytes)),
        counter("chatd_unacked_waits_total", "Times that a session was not read because it had limits.unacked messages unanswered.", *unacked_waits),
        counter("chatd_busy_waits_total", "Times that a session waited because the log was full.", *busy_waits),
        counter("chatd_fell_behind_total", "Times that a session fell behind a room.", *fell_behind),
        counter("chatd_buffer_evictions_total", "Times that a kept slice was taken away to keep limits.buffer_bytes.", *slices_taken),
        counter("chatd_lane_lags_total", "Times that a lane lagged in the broadcast channel.", *lane_lags),
        counter("chatd_unterminated_lines_total", "Last lines that ended without a line end and were discarded.", *unterminated_lines),
        counter("chatd_session_panics_total", "Panics that ended a session.", *panics),
    ]
}

#[rustfmt::skip] // A table: one line, one name.
fn of_history(history: &HistoryGauges) -> Vec<Family> {
    let HistoryGauges {
        in_trouble,
        rooms,
        rooms_limit,
        messages,
        used_bytes,
        limit_bytes,
        file_bytes,
        wal_bytes,
        disk_free_bytes,
        disk_bytes,
        queued,
        queue_limit,
        refused,
        checkpoints,
        checkpoint_errors,
        read_errors,
        errors,
        pruned,
        turns: _,
    } = history;
    vec![
        gauge("chatd_history_in_trouble", "1 while messages cannot be kept and are refused.", flag(*in_trouble)),
        gauge("chatd_history_rooms", "Rooms in the store.", count(*rooms)),
        gauge("chatd_history_rooms_limit", "history.max_rooms.", count(*rooms_limit)),
        gauge("chatd_history_messages", "Messages in the store.", count(*messages)),
        gauge("chatd_history_used_bytes", "Bytes of the database that hold something, as of the last look.", count(*used_bytes)),
        gauge("chatd_history_limit_bytes", "history.max_bytes; 0 when there is none.", count(*limit_bytes)),
        gauge("chatd_history_file_bytes", "Bytes of the database file.", count(*file_bytes)),
        gauge("chatd_history_wal_bytes", "Bytes of the write-ahead log.", count(*wal_bytes)),
        gauge("chatd_history_disk_free_bytes", "Bytes that are free on the disk of the database.", count(*disk_free_bytes)),
        gauge("chatd_history_disk_bytes", "Bytes of the disk of the database.", count(*disk_bytes)),
        gauge("chatd_history_queue_messages", "Messages on their way into the store.", count(*queued)),
        gauge("chatd_history_queue_limit", "Messages that may be on their way into the store.", count(*queue_limit)),
        counter("chatd_history_refused_messages_total", "Messages refused because the store was in trouble.", *refused),
        counter("chatd_history_checkpoints_total", "Times that the write-ahead log was brought into the database.", *checkpoints),
        counter("chatd_history_checkpoint_errors_total", "Times that the write-ahead log could not be brought in.", *checkpoint_errors),
        counter("chatd_history_read_errors_total", "Times that the store could not be read.", *read_errors),
        counters("chatd_history_errors_total", "Failures to write to the store, by kind.", "error", errors),
        counters("chatd_history_pruned_messages_total", "Messages taken away, by the bound that was reached.", "bound", pruned),
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
        owed,
        pending,
        lag_messages_max,
        lag_max,
        buffer_bytes,
        buffer_limit_bytes,
        identities,
        dedup_entries,
        dedup_entries_limit,
        dedup_evictions,
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
        door_accept_errors,
        reserved_descriptors,
        log_lines_dropped,
        paused,
        event_listeners,
        events_lost,
        bans,
        bans_limit,
        bans_saved,
        search_lag,
        search_indexed,
        search_follows,
        history,
        outbox_limit_bytes,
        lag_messages_top,
        lag_seconds_top,
        config_hash,
        memory_worst_case_bytes,
        memory_limit_bytes,
        metrics_render,
        watchdog_probes,
        workers,
    } = gauges;
    vec![
        phases(*phase),
        gauge("chatd_ready", "1 if new connections are served and messages can be kept, else 0: the answer of /readyz.", flag(*phase == Phase::Ready && !history.in_trouble)),
        gauge("chatd_drain_deadline_timestamp_seconds", "Unix time at which draining ends by force; 0 when not draining.", *drain_deadline_seconds),
        gauges_by("chatd_connections", "Sessions now, by state.", "state", by_state),
        gauges_by("chatd_connections_by_dialect", "Sessions now, by dialect.", "dialect", by_dialect),
        gauge("chatd_connections_limit", "limits.clients.", count(*connections_limit)),
        gauge("chatd_listeners", "Silent listeners now.", count(*listeners)),
        gauge("chatd_rooms", "Rooms in memory.", count(*rooms)),
        gauge("chatd_room_members", "Names on rosters, summed over rooms.", count(*room_members)),
        gauge("chatd_room_members_max", "Names on the largest roster.", count(*room_members_max)),
        gauge("chatd_behind_clients", "Sessions with bytes waiting.", count(*behind_clients)),
        counter("chatd_owed_messages_total", "Members at the time of numbering times messages: what has to become of it is written, own, a gap, gone or pending.", *owed),
        gauge("chatd_pending_messages", "Numbered messages that sessions are behind, summed, as of the last look of their lanes.", count(*pending)),
        gauge("chatd_lag_messages_max", "Numbered messages that the furthest session is behind.", count(*lag_messages_max)),
        gauge("chatd_lag_seconds_max", "For how long the furthest session has been behind.", lag_max.as_secs_f64()),
        gauge("chatd_buffer_bytes", "Encoded bytes kept for sessions that are behind.", count(*buffer_bytes)),
        gauge("chatd_buffer_limit_bytes", "limits.buffer_bytes.", count(*buffer_limit_bytes)),
        gauge("chatd_identities", "Identities that can be resumed.", count(*identities)),
        gauge("chatd_dedup_entries", "Retry ids remembered.", count(*dedup_entries)),
        gauge("chatd_dedup_entries_limit", "limits.dedup_entries.", count(*dedup_entries_limit)),
        counter("chatd_dedup_evictions_total", "Retry ids forgotten before their age to keep limits.dedup_entries.", *dedup_evictions),
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
        counters("chatd_door_accept_errors_total", "Failures of accept(2) at the doors of the control plane, by door.", "door", door_accept_errors),
        gauge("chatd_reserved_descriptors", "Descriptors put by for the control plane and not in use.", count(*reserved_descriptors)),
        counter("chatd_log_lines_dropped_total", "Log lines that could not be written.", *log_lines_dropped),
        gauge("chatd_paused", "1 while an operator lets nobody in.", flag(*paused)),
        gauge("chatd_event_listeners", "Operators who are told of events now.", count(*event_listeners)),
        counter("chatd_events_lost_total", "Events that some listener was not told because it was too slow.", *events_lost),
        gauge("chatd_search_lag_messages", "Messages in the store and not in the index of the search.", count(*search_lag)),
        counter("chatd_search_indexed_messages_total", "Messages put into the index of the search.", *search_indexed),
        gauge("chatd_search_follows", "1 if the index of the search follows the store.", flag(*search_follows)),
        gauge("chatd_bans", "Bans.", count(*bans)),
        gauge("chatd_bans_limit", "limits.bans.", count(*bans_limit)),
        gauge("chatd_bans_saved", "1 if the bans in force are those on disk.", flag(*bans_saved)),
        gauge("chatd_outbox_limit_bytes", "limits.outbox: of one session.", count(*outbox_limit_bytes)),
        ranked("chatd_lag_messages", "Numbered messages that the sessions furthest behind are behind, by rank.", lag_messages_top),
        ranked("chatd_lag_seconds", "For how long the sessions furthest behind have been behind, by rank.", lag_seconds_top),
        gauge("chatd_config_hash", "Of all keys and values in force, 48 bits: equal where the configuration is.", count(*config_hash)),
        gauge("chatd_memory_worst_case_bytes", "What the limits add up to if everything is at its worst at once.", count(*memory_worst_case_bytes)),
        gauge("chatd_memory_limit_bytes", "Memory that the control group allows; 0 where there is no limit.", count(*memory_limit_bytes)),
        gauge("chatd_metrics_render_duration_seconds", "What the last scrape took to put together.", metrics_render.as_secs_f64()),
        counters("chatd_watchdog_probes_total", "Messages that the daemon sent itself through its own door, by what became of them.", "result", watchdog_probes),
        gauge("chatd_runtime_workers", "Worker threads.", count(workers.len() as u64)),
        gauge("chatd_runtime_alive_tasks", "Tasks of the worker threads' runtimes.", count(workers.iter().map(|worker| worker.tasks).sum())),
        gauge("chatd_runtime_global_queue_tasks", "Tasks that wait for a worker thread from outside.", count(workers.iter().map(|worker| worker.queued).sum())),
        counter("chatd_runtime_parks_total", "Times that a worker thread went to sleep.", workers.iter().map(|worker| worker.parks).sum()),
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

const RANKS: [&str; TOP] = ["1", "2", "3", "4", "5"];

fn ranked(name: &'static str, help: &'static str, values: &[f64; TOP]) -> Family {
    let one = |(rank, &value)| Series {
        labels: vec![("rank", rank)],
        value,
    };
    Family {
        name,
        kind: Kind::Gauge,
        help,
        series: RANKS.into_iter().zip(values).map(one).collect(),
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

/// By a word of a closed set and a detail that belongs to it; an empty label is none at all.
fn detailed(name: &'static str, help: &'static str, values: &[([&'static str; 2], u64)]) -> Family {
    let one = |&([reason, detail], n): &([&'static str; 2], u64)| {
        let labels = [("reason", reason), ("detail", detail)];
        Series {
            labels: labels
                .into_iter()
                .filter(|(_, word)| !word.is_empty())
                .collect(),
            value: count(n),
        }
    };
    Family {
        name,
        kind: Kind::Counter,
        help,
        series: values.iter().map(one).collect(),
    }
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
