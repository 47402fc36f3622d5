//! What the monitor's door shows, taken from the daemon at the moment of the scrape.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::runtime::Handle;

use super::http::{Site, Traffic};
use super::metrics::{AdminRequests, Gauges, Metrics};
use crate::build::BUILD;
use crate::control::Control;

/// The monitor's door for this daemon. `workers` are the runtimes of the data plane.
pub fn site(control: &Control, workers: Vec<Handle>) -> Arc<Site> {
    let metrics = Metrics::new(&BUILD, &gauges(control, &workers, &Traffic::default()));
    let phase = control.hub().phase_changes();
    let (shown, hosts) = (control.clone(), control.clone());
    Arc::new(Site {
        metrics: Box::new(move |traffic| {
            metrics.render(&shown.totals(), &gauges(&shown, &workers, traffic))
        }),
        phase,
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
        lag_messages_max: census.lag_msgs_max,
        lag_max: census.lag_max,
        buffer_bytes: read.buffer_bytes as u64,
        buffer_limit_bytes: limits.buffer_bytes as u64,
        identities: read.identities as u64,
        dedup_entries: read.dedup_entries as u64,
        dedup_entries_limit: limits.dedup_entries as u64,
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
        log_lines_dropped: control.log_lines_dropped(),
        workers_busy: workers.iter().flat_map(busy).collect(),
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

fn busy(runtime: &Handle) -> Vec<Duration> {
    let metrics = runtime.metrics();
    (0..metrics.num_workers())
        .map(|worker| metrics.worker_total_busy_duration(worker))
        .collect()
}
