//! Binds, runs and drains everything.
//!
//! Threads: one per worker (a lane and its sessions), one that accepts, one for signals, and the
//! caller's own, which is the control plane: admin, metrics, systemd, reload and the drain run
//! there, so that they answer while every worker is busy.

mod doors;
mod fit;
mod signals;
mod systemd;
mod workers;

use std::fmt;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::build::BUILD;
use crate::config::{Loaded, Sources};
use crate::control::{Control, LogSwitch, Parts};
use crate::hub::Hub;
use crate::name::RoomName;
use crate::phase::Phase;
use crate::telemetry::logs::Logs;

pub use fit::fit_limits;
pub use signals::Signals;

/// How long the threads may take to end once everybody is closed.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Why the daemon could not begin or go on.
#[derive(Debug)]
pub enum Failure {
    /// The configuration does not fit this machine.
    Config(String),
    /// An address or a socket cannot be had.
    Bind(String),
    /// Something of the system failed.
    Runtime(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(text) | Self::Bind(text) | Self::Runtime(text) => f.write_str(text),
        }
    }
}

/// What the daemon is started with.
#[derive(Debug)]
pub struct Start {
    /// The configuration.
    pub loaded: Loaded,
    /// Where a reload reads again.
    pub sources: Sources,
    /// The logs.
    pub logs: Logs,
    /// The signals, installed before anything else.
    pub signals: Signals,
}

/// Runs the daemon until it is asked to stop.
///
/// # Errors
/// It could not begin, or could not go on.
pub fn run(start: Start) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .thread_name("control")
        .build()
        .map_err(|error| Failure::Runtime(format!("cannot start a runtime: {error}")))?;
    runtime.block_on(serve(start))
}

async fn serve(start: Start) -> Result<(), Failure> {
    let Start {
        loaded,
        sources,
        logs,
        signals,
    } = start;
    let limits = fit_limits(&loaded).map_err(Failure::Config)?;
    let config = loaded.config.clone();
    let default_room = RoomName::new(&config.server.default_room)
        .map_err(|why| Failure::Config(format!("server.default_room: {why}")))?;
    let hub = Hub::new(&config.server.name, limits, default_room, wall_clock);
    hub.open_default_room()
        .map_err(|_| Failure::Runtime("the system gives no random bits for an epoch".to_owned()))?;
    let control = Control::new(Parts {
        hub: hub.clone(),
        loaded,
        sources,
        fit_limits: Box::new(fit_limits),
        log: log_switch(&logs),
    });

    // Everything is bound before anything is served, so that a fault leaves nothing half open.
    let doors = doors::open(&config)?;
    let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
    let workers = workers::start(&hub, config.server.workers, doors.chat)?;
    let site = crate::telemetry::site(&control, workers.runtimes());
    for (door, address) in &doors.addresses {
        control.add_door(door, address);
    }
    doors.control.serve(&control, site, &stop, &tasks);
    tasks.spawn(sweep(hub.clone(), stop.clone()));
    signals.attach(control.clone(), &stop, &tasks);

    hub.set_phase(Phase::Ready);
    announce(&doors.addresses);
    tasks.spawn(systemd::tell(control.clone(), stop.clone()));
    drained(&control).await;

    hub.set_phase(Phase::Stopped);
    workers.join(LAST_WORDS).await;
    stop.cancel();
    tasks.close();
    // Whoever still talks to an admin door has had their time.
    let _ = timeout(LAST_WORDS, tasks.wait()).await;
    tracing::info!(event = "daemon.stopped", "the daemon has stopped");
    logs.flush(LAST_WORDS);
    Ok(())
}

/// Waits until the daemon is to end and everybody has gone, or the deadline is over.
async fn drained(control: &Control) {
    let mut stopping = control.stopping();
    let hub = control.hub().clone();
    loop {
        let deadline = stopping
            .borrow_and_update()
            .map(|stopping| stopping.deadline);
        let Some(deadline) = deadline else {
            if stopping.changed().await.is_err() {
                return;
            }
            continue;
        };
        tokio::select! {
            () = hub.empty() => return,
            () = tokio::time::sleep_until(deadline) => {
                let left = hub.sessions();
                tracing::warn!(event = "daemon.drain_overdue", sessions = left, "closing whoever is left");
                return;
            }
            _ = stopping.changed() => {}
        }
    }
}

/// Once a second: rooms that nobody needs go.
async fn sweep(hub: Arc<Hub>, stop: CancellationToken) {
    let mut second = tokio::time::interval_at(Instant::now(), Duration::from_secs(1));
    second.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    stop.run_until_cancelled(async {
        loop {
            second.tick().await;
            hub.sweep_rooms();
        }
    })
    .await;
}

fn log_switch(logs: &Logs) -> LogSwitch {
    let (levels, drops) = (logs.clone(), logs.clone());
    LogSwitch {
        set_level: Box::new(move |level| levels.set_level(level)),
        dropped: Box::new(move || drops.dropped()),
    }
}

/// The one line on standard output: where the daemon really listens.
fn announce(addresses: &[(&'static str, String)]) {
    let list: Vec<String> = addresses
        .iter()
        .map(|(door, address)| format!("{door}={address}"))
        .collect();
    let list = list.join(" ");
    tracing::info!(event = "daemon.ready", version = BUILD.version, doors = %list, "ready");
    // Nobody has to read it.
    let _ = writeln!(std::io::stdout(), "chatd {} ready: {list}", BUILD.version);
}

fn wall_clock() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}
