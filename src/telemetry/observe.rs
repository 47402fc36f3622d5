//! What the monitor's door shows, taken from the daemon at the moment of the scrape.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::runtime::Handle;

use super::http::{Site, Traffic};
use super::metrics::{AdminRequests, Gauges, HistoryGauges, Metrics, Worker};
use crate::build::BUILD;
use crate::control::Control;
use crate::search::Search;

/// The monitor's door for this daemon. `workers` are the runtimes of the data plane.
pub fn site(control: &Control, workers: Vec<Handle>) -> Arc<Site> {
    let metrics = Metrics::new(&BUILD, &gauges(control, &workers, &Traffic::default()));
    let phase = control.hub().phase_changes();
    let (shown, hosts) = (control.clone(), control.clone());
    let (paused, history) = (control.clone(), control.clone());
    Arc::new(Site {
        metrics: Box::new(move |traffic| {
            let gauges = gauges(&shown, &workers, traffic);
            // The system's own numbers are read from files.
            let _loan = shown.spares().lend_if_none();
            metrics.render(&shown.totals(), &gauges)
        }),
        phase,
        paused: Box::new(move || paused.hub().is_paused()),
        trouble: Box::new(move || history.history_trouble()),
        hosts: Box::new(move || hosts.live().config.metrics.hosts),
        traffic: Traffic::default(),
    })
}

fn gauges(control: &Control, workers: &[Handle], traffic: &Traffic) -> Gauges {
    let hub = control.hub();
    let limits = hub.limits();
    let read = hub.gauges();
    let census = control.census();
    let rooms = hub.room_reports();
    let members = rooms.iter().map(|room| room.members as u64);
    let tally = control.tally();
    Gauges {
        phase: hub.phase(),
        by_dialect: census.by_dialect,
        by_state: census.by_state,
        listeners: read.listeners as u64,
        connections_limit: limits.clients as u64,
        rooms: rooms.len() as u64,
        room_members: members.clone().sum(),
        room_members_max: members.max().unwrap_or(0),
        behind_clients: census.behind,
        owed: hub.owed(),
        pending: census.lag_msgs,
        lag_messages_max: census.lag_msgs_max,
        lag_max: census.lag_max,
        buffer_bytes: read.buffer_bytes as u64,
        buffer_limit_bytes: limits.buffer_bytes as u64,
        identities: read.identities as u64,
        dedup_entries: read.dedup_entries as u64,
        dedup_entries_limit: limits.dedup_entries as u64,
        dedup_evictions: read.dedup_evictions,
        config_reloads: control.reload_counts(),
        config_last_reload_successful: control.last_load_was_good(),
        config_last_reload_success_seconds: control.last_good_load_ms() as f64 / 1000.0,
        config_pending_restart_keys: control.pending_restart_keys().len() as u64,
        drain_deadline_seconds: drain_deadline(control),
        admin_connections: tally.admin_connections.load(Relaxed),
        admin_refused: tally.admin_refused.load(Relaxed),
        admin_requests: admin_requests(control),
        metrics_scrapes: traffic.scrapes.load(Relaxed),
        metrics_refused: traffic.refused.load(Relaxed),
        door_accept_errors: vec![
            ("admin", tally.accept_failed.load(Relaxed)),
            ("metrics", traffic.accept_failed.load(Relaxed)),
        ],
        reserved_descriptors: control.spares().kept() as u64,
        log_lines_dropped: control.log_lines_dropped(),
        paused: hub.is_paused(),
        event_listeners: control.feed().listeners() as u64,
        events_lost: control.feed().lost(),
        history: history(control),
        bans: hub.ban_count() as u64,
        bans_limit: limits.bans as u64,
        bans_saved: control.bans_are_kept(),
        search_lag: control.search().map_or(0, Search::lag),
        search_indexed: control.search().map_or(0, Search::indexed),
        search_follows: control
            .search()
            .is_some_and(|search| search.trouble().is_none()),
        outbox_limit_bytes: limits.outbox as u64,
        lag_messages_top: census.lag_msgs_top.map(|messages| messages as f64),
        lag_seconds_top: census.lag_ms_top.map(|ms| ms as f64 / 1000.0),
        config_hash: control.config_hash(),
        memory_worst_case_bytes: limits.worst_case().process(),
        memory_limit_bytes: control.memory_limit(),
        metrics_render: Duration::from_micros(traffic.render_micros.load(Relaxed)),
        watchdog_probes: control.watch().counts(),
        workers: workers.iter().map(worker).collect(),
    }
}

fn history(control: &Control) -> HistoryGauges {
    let report = control.history_report();
    HistoryGauges {
        in_trouble: report.trouble.is_some(),
        rooms: report.rooms as u64,
        rooms_limit: report.rooms_limit as u64,
        messages: report.messages,
        used_bytes: report.used_bytes,
        limit_bytes: report.limit_bytes.unwrap_or(0),
        file_bytes: report.file_bytes,
        wal_bytes: report.wal_bytes,
        disk_free_bytes: report.disk_free_bytes,
        disk_bytes: report.disk_bytes,
        queued: report.queued_messages as u64,
        queue_limit: report.queue_limit as u64,
        refused: report.refused_messages,
        checkpoints: report.checkpoints,
        checkpoint_errors: report.checkpoint_errors,
        read_errors: report.read_errors,
        errors: report.errors,
        pruned: report.pruned,
        turns: Some([report.commit_seconds, report.turn_messages]),
    }
}

/// As Unix time; 0 when there is no drain.
fn drain_deadline(control: &Control) -> f64 {
    let now_ms = (control.hub().clock)();
    control
        .time_left()
        .map_or(0.0, |left| now_ms as f64 / 1000.0 + left.as_secs_f64())
}

fn admin_requests(control: &Control) -> Vec<AdminRequests> {
    let requests = control.tally().requests();
    let of =
        |(access, result, count): (crate::control::Access, crate::control::RequestResult, u64)| {
            AdminRequests {
                access: access.as_str(),
                result: result.as_str(),
                count,
            }
        };
    requests.into_iter().map(of).collect()
}

fn worker(runtime: &Handle) -> Worker {
    let metrics = runtime.metrics();
    Worker {
        busy: metrics.worker_total_busy_duration(0),
        parks: metrics.worker_park_count(0),
        tasks: metrics.num_alive_tasks() as u64,
        queued: metrics.global_queue_depth() as u64,
    }
}
