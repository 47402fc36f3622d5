//! The operator's verbs as a handle. Signals, the admin doors and systemd all go through it.
//!
//! - A verb does the same whoever calls it: SIGHUP and `chatctl reload` are one function.
//! - It reads what everybody may read (cards, reports, meters) and never waits for a lane, a
//!   session or a client; so it answers while every worker is busy. Only [`Control::health`] and
//!   [`Control::books`] ask the lanes, with a limit of time.
//! - It changes the daemon through the hub: limits, phase, notes to lanes.
//!
//! Not here: who may call what (`admin`), how it is printed (`chatctl`), and the work of draining
//! (`server`, which watches [`Control::stopping`]).

mod adjust;
mod audit;
mod ban_file;
mod bans;
mod books;
mod clients;
mod closed;
mod doors;
mod error;
mod events;
mod health;
mod history;
mod kick;
mod latency;
mod pause;
mod probes;
mod refusals;
mod reload;
mod rooms;
mod status;
mod stop;
mod store;
mod tally;
mod top;
mod trace;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;

use crate::build::BUILD;
use crate::config::{self, Loaded, Sources};
use crate::feed::Feed;
use crate::hub::Hub;
use crate::limits::Limits;
use crate::mail::Note;
use crate::phase::Phase;
use crate::search::Search;
use crate::spares::Spares;

pub use adjust::{LogOrder, SetOrder, Unset};
pub use audit::{AUDIT_KEPT, AuditQuery, AuditRow};
pub use ban_file::BanFile;
pub use bans::{BanOrder, BanPage, BanQuery, BanReport, BanRow, UnbanOrder, UnbanReport};
pub use books::BooksReport;
pub use clients::{ClientPage, ClientQuery, ClientRow, Filter, SortKey};
pub use closed::{ClosedQuery, ClosedRow};
pub use doors::{Door, HeldDoors, OpenDoors, Opened};
pub use error::Refused;
pub use events::{EventQuery, Events};
pub use health::{Check, Health, Level};
pub use history::{
    BackupPart, BackupQuery, BackupReport, ImportEnd, ImportOrder, ImportPart, ImportReport,
    PastPage, PastQuery, PastRow, PruneOrder, PruneReport, SearchQuery, SearchReport,
};
pub use kick::{KickOrder, KickReport};
pub use latency::{Bucket, Latency};
pub use pause::PauseReport;
pub use probes::{FailedProbe, ProbeResult, Watch};
pub use refusals::{RefusalQuery, RefusalRow};
pub use reload::{FaultRow, PassedBy, Rejected, ReloadReport};
pub use rooms::{RoomCursor, RoomDetail, RoomPage, RoomQuery, RoomRow, RoomSort};
pub use status::{Busy, Status, TOP, Version};
pub use stop::Stopping;
pub use store::HistoryReport;
pub use tally::{Access, Present, RequestResult, Tally};
pub use top::{Top, TopOrder, TopView};
pub use trace::{TraceOrder, Traced};

/// What is needed to be in control. Everything above this floor comes as a function.
pub struct Parts {
    /// The daemon.
    pub hub: Arc<Hub>,
    /// What it was started with.
    pub loaded: Loaded,
    /// Where a reload reads again.
    pub sources: Sources,
    /// The limits to put in force for a configuration: fits them to this machine, or says why they
    /// do not fit it.
    pub fit_limits: FitLimits,
    /// The logs.
    pub log: LogSwitch,
    /// Where bans are kept, if there is a place for them.
    pub bans: Option<BanFile>,
    /// How many may listen to events and the like at once.
    pub readers: usize,
    /// Descriptors kept back.
    pub spares: Spares,
    /// What follows the history, where it is kept.
    pub search: Option<Search>,
    /// Bytes of memory that the control group allows, if it has a limit.
    pub memory_limit: Option<u64>,
    /// Hears that a reload begins (true) and has ended (false).
    pub reload_told: ReloadTold,
}

/// Hears that a reload begins (true) and has ended (false).
pub type ReloadTold = Box<dyn Fn(bool) + Send + Sync>;

/// Fits the limits of a configuration to this machine, or says in a sentence why they do not fit.
pub type FitLimits = Box<dyn Fn(&Loaded) -> Result<Limits, String> + Send + Sync>;

/// Changes `log.level`, or says in a sentence what is wrong with it.
pub type SetLevel = Box<dyn Fn(&str) -> Result<(), String> + Send + Sync>;

/// The logs as far as an operator's verbs touch them.
pub struct LogSwitch {
    /// Changes `log.level`, or says in a sentence what is wrong with it.
    pub set_level: SetLevel,
    /// How much of a client's address is written.
    pub set_addresses: Box<dyn Fn(config::Addresses) + Send + Sync>,
    /// Where events go for those who listen.
    pub feed: Arc<Feed>,
    /// Log lines that could not be written since the start.
    pub dropped: Box<dyn Fn() -> u64 + Send + Sync>,
}

/// The operator's hand. Cheap to clone.
#[derive(Clone)]
pub struct Control(Arc<Inner>);

struct Inner {
    hub: Arc<Hub>,
    sources: Sources,
    fit_limits: FitLimits,
    log: LogSwitch,
    started: Instant,
    started_ms: i64,
    /// What holds.
    live: Mutex<Loaded>,
    /// The same without what was set while the daemon runs.
    base: Mutex<Loaded>,
    /// What was set while the daemon runs.
    held: Mutex<Vec<adjust::Held>>,
    reloads: reload::History,
    doors: Mutex<Vec<Door>>,
    door_opener: OnceLock<(OpenDoors, HeldDoors)>,
    busy: OnceLock<Busy>,
    audit: audit::Audit,
    readers: Arc<Semaphore>,
    stopping: watch::Sender<Option<Stopping>>,
    tally: Tally,
    bans: bans::Keeping,
    spares: Spares,
    works: history::Works,
    watch: Watch,
    memory_limit: Option<u64>,
    reload_told: ReloadTold,
}

impl fmt::Debug for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Control")
            .field("phase", &self.phase())
            .finish_non_exhaustive()
    }
}

impl Control {
    /// Takes the daemon in hand.
    pub fn new(parts: Parts) -> Self {
        let now_ms = (parts.hub.clock)();
        Self(Arc::new(Inner {
            sources: parts.sources,
            fit_limits: parts.fit_limits,
            log: parts.log,
            started: Instant::now(),
            started_ms: now_ms,
            base: Mutex::new(parts.loaded.clone()),
            live: Mutex::new(parts.loaded),
            held: Mutex::default(),
            reloads: reload::History::new(now_ms),
            doors: Mutex::default(),
            door_opener: OnceLock::new(),
            busy: OnceLock::new(),
            audit: audit::Audit::default(),
            readers: Arc::new(Semaphore::new(parts.readers)),
            stopping: watch::Sender::new(None),
            tally: Tally::default(),
            bans: bans::Keeping::new(parts.bans),
            spares: parts.spares,
            works: history::Works::new(parts.search),
            watch: Watch::default(),
            memory_limit: parts.memory_limit,
            reload_told: parts.reload_told,
            hub: parts.hub,
        }))
    }

    /// The daemon itself.
    pub fn hub(&self) -> &Arc<Hub> {
        &self.0.hub
    }

    /// Descriptors that are kept back for operators.
    pub fn spares(&self) -> &Spares {
        &self.0.spares
    }

    /// What has been asked of this handle so far.
    pub fn tally(&self) -> &Tally {
        &self.0.tally
    }

    /// Where the daemon is in its life.
    pub fn phase(&self) -> Phase {
        self.0.hub.phase()
    }

    /// The configuration in force.
    pub fn live(&self) -> Loaded {
        lock(&self.0.live).clone()
    }

    /// Every key with its value, default, origin and whether a reload applies it.
    pub fn config_show(&self) -> Vec<config::Row> {
        config::rows(&lock(&self.0.live))
    }

    /// Of every key and value in force, 48 bits: daemons with the same configuration have the same.
    pub fn config_hash(&self) -> u64 {
        // FNV-1a: the same in every build, and small enough for a metric to hold exactly.
        let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
        for row in self.config_show() {
            for byte in row.key.bytes().chain([b'=']).chain(row.value.bytes()) {
                hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
            }
        }
        hash >> 16
    }

    /// What the daemon finds out about its own data plane.
    pub fn watch(&self) -> &Watch {
        &self.0.watch
    }

    /// Bytes of memory that the control group allows; 0 where there is no limit.
    pub fn memory_limit(&self) -> u64 {
        self.0.memory_limit.unwrap_or(0)
    }

    /// Says something to everyone, or to everyone in a room; how many sessions that are.
    ///
    /// # Errors
    /// The text is empty or longer than `limits.message`; there is no such room.
    pub fn broadcast(&self, text: &str, room: Option<&str>) -> Result<usize, Refused> {
        let longest = self.0.hub.limits().message;
        if text.trim().is_empty() {
            return Err(Refused::Invalid("there is no text to broadcast".to_owned()));
        }
        if text.len() > longest {
            let sentence = format!(
                "the text has {} bytes and limits.message allows {longest}",
                text.len()
            );
            return Err(Refused::Invalid(sentence));
        }
        let hub = self.hub();
        let (room, reached) = match room {
            None => (None, hub.sessions()),
            Some(name) => {
                let room = hub.find_room(name);
                let missing = || Refused::NoMatch(format!("there is no room {name:?}"));
                let room = room.ok_or_else(missing)?;
                (Some(room.name.clone()), room.report().hearers)
            }
        };
        let text: Arc<str> = text.into();
        for lane in hub.lanes() {
            lane.post(Note::Notice {
                text: text.clone(),
                room: room.clone(),
            });
        }
        Ok(reached)
    }

    /// Which program this is.
    pub fn version(&self) -> Version {
        Version {
            name: "chatd",
            version: BUILD.version,
            revision: BUILD.revision,
            rustc: BUILD.rustc,
            admin_protocol: 1,
        }
    }
}

/// A time as people and programs read it: RFC 3339, UTC, milliseconds.
fn rfc3339(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms)
        .map_or_else(|_| String::new(), |time| format!("{time:.3}"))
}

/// Seconds with milliseconds, as they stand in tables and JSON.
fn seconds(time: std::time::Duration) -> f64 {
    (time.as_secs_f64() * 1000.0).round() / 1000.0
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
pub(crate) mod stage;
