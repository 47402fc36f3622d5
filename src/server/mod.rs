//! Binds, runs and drains everything.
//!
//! Threads: one per worker (a lane and its sessions), one that accepts, one for signals, and the
//! caller's own, which is the control plane: admin, metrics, systemd, reload and the drain run
//! there, so that they answer while every worker is busy.

mod args;
mod cgroup;
mod chores;
mod doors;
mod ending;
mod fit;
mod history;
mod inherited;
mod keeper;
mod porters;
mod search;
mod signals;
mod systemd;
mod watchdog;
mod workers;

use std::fmt;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::build::BUILD;
use crate::config::{Loaded, Sources};
use crate::control::{BanFile, Control, Door, LogSwitch, Parts};
use crate::hub::Hub;
use crate::listen::Probes;
use crate::name::RoomName;
use crate::phase::Phase;
use crate::places::Surroundings;
use crate::spares::Spares;
use crate::telemetry::logs::Logs;

pub use args::{Args, command};
pub use fit::{budget, fit_limits};
pub use inherited::Inherited;
use keeper::Keeper;
use porters::Porters;
pub use signals::Signals;
use watchdog::Watchdog;
use workers::Workers;

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
    /// The sockets that systemd has opened.
    pub inherited: Inherited,
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
    let served = runtime.block_on(serve(start));
    // Nobody waits for who still meets the disk.
    runtime.shutdown_timeout(LAST_WORDS);
    served
}

async fn serve(start: Start) -> Result<(), Failure> {
    let Start {
        loaded,
        sources,
        logs,
        signals,
        inherited,
    } = start;
    let limits = fit_limits(&loaded).map_err(Failure::Config)?;
    let config = loaded.config.clone();
    let default_room = RoomName::new(&config.server.default_room)
        .map_err(|why| Failure::Config(format!("server.default_room: {why}")))?;
    logs.set_addresses(config.log.addresses);
    let readers = fit::readers(&limits);
    let (hub, history) = history::open(&config, limits, default_room, wall_clock)?;
    hub.open_default_room()
        .map_err(|_| Failure::Runtime("the system gives no random bits for an epoch".to_owned()))?;
    let bans = old_bans(&hub)?;
    let (search, follower) = search::follow(&hub)?.unzip();
    let control = Control::new(Parts {
        hub: hub.clone(),
        loaded,
        sources,
        fit_limits: Box::new(fit_limits),
        log: log_switch(&logs),
        bans,
        readers,
        search,
        memory_limit: fit::memory_limit(),
        reload_told: Box::new(systemd::tell_reload),
        spares: Spares::for_connections(fit::spare_connections()),
    });

    // Everything is bound before anything is served, so that a fault leaves nothing half open.
    let doors = doors::open(&config, inherited)?;
    let workers = workers::start(&hub, config.server.workers)?;
    let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
    let probes = Arc::<Probes>::default();
    watch_workers(&control, &workers);
    let keeper = Keeper::serve(
        doors,
        Porters {
            chat: workers.chat(),
            probes: probes.clone(),
            site: crate::telemetry::site(&control, workers.runtimes()),
            spares: control.spares().clone(),
            control: control.clone(),
            stop: stop.clone(),
            tasks: tasks.clone(),
        },
    );
    keep_doors(&control, &keeper);
    tasks.spawn(chores::sweep(control.clone(), stop.clone()));
    tasks.spawn(chores::hand_out(control.clone(), stop.clone()));
    signals.attach(control.clone(), &stop, &tasks);

    hub.set_phase(Phase::Ready);
    announce(keeper.doors(), history);
    tasks.spawn(systemd::tell(control.clone(), stop.clone()));
    let watchdog = Watchdog {
        control: control.clone(),
        probes,
        door: Box::new(move || keeper.chat_address()),
        lanes: hub.lanes().len(),
    };
    tasks.spawn(watchdog.run(stop.clone()));
    ending::drained(&control).await;

    hub.set_phase(Phase::Stopped);
    workers.join(LAST_WORDS).await;
    drop(follower);
    // Nobody appends any more; nobody is served any more either, so that this thread may wait.
    hub.log.close();
    stop.cancel();
    tasks.close();
    // Whoever still talks to an admin door has had their time.
    let _ = timeout(LAST_WORDS, tasks.wait()).await;
    ending::close_books(&control);
    tracing::info!(event = "daemon.stopped", "the daemon has stopped");
    logs.flush(LAST_WORDS);
    Ok(())
}

/// How busy each worker is, for whoever asks.
fn watch_workers(control: &Control, workers: &Workers) {
    let runtimes = workers.runtimes();
    control.set_busy(Box::new(move || {
        let busy = |runtime: &Handle| runtime.metrics().worker_total_busy_duration(0);
        runtimes.iter().map(busy).collect()
    }));
}

/// Tells the control plane where the daemon listens, and lets a reload change that.
fn keep_doors(control: &Control, keeper: &Keeper) {
    for Door { door, address } in keeper.doors() {
        control.add_door(door, &address);
    }
    let (opening, held) = (keeper.clone(), keeper.held());
    control.set_door_opener(Box::new(move |config| opening.open(config)), held);
}

/// Puts the bans of the last life in force. A file that cannot be read is no reason to forget them.
fn old_bans(hub: &Hub) -> Result<Option<BanFile>, Failure> {
    let file = match BanFile::find(&Surroundings::of_process()) {
        Ok(file) => file,
        Err(error) => {
            tracing::warn!(event = "bans.homeless", %error, "bans will not outlive the daemon");
            return Ok(None);
        }
    };
    let bans = file.load().map_err(Failure::Runtime)?;
    if !bans.is_empty() {
        tracing::info!(event = "bans.loaded", bans = bans.len(), path = %file.path().display());
    }
    hub.ban_again(bans);
    Ok(Some(file))
}

fn log_switch(logs: &Logs) -> LogSwitch {
    let (levels, addresses, drops) = (logs.clone(), logs.clone(), logs.clone());
    LogSwitch {
        set_level: Box::new(move |level| levels.set_level(level)),
        set_addresses: Box::new(move |how| addresses.set_addresses(how)),
        feed: logs.feed().clone(),
        dropped: Box::new(move || drops.dropped()),
    }
}

/// The one line on standard output: where the daemon really listens, and where it keeps history.
fn announce(doors: Vec<Door>, history: Option<String>) {
    let doors = doors.into_iter().map(|door| (door.door, door.address));
    let places = doors.chain(history.map(|address| ("history", address)));
    let list: Vec<String> = places
        .map(|(place, address)| format!("{place}={address}"))
        .collect();
    let list = list.join(" ");
    tracing::info!(event = "daemon.ready", version = BUILD.version, doors = %list, "ready");
    // Nobody has to read it.
    let _ = writeln!(std::io::stdout(), "chatd {} ready: {list}", BUILD.version);
}

fn wall_clock() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}
