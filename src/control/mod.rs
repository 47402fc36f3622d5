//! The operator's verbs as a handle. Signals, the admin doors and systemd all go through it.
//!
//! - A verb does the same whoever calls it: SIGHUP and `chatctl reload` are one function.
//! - It reads what everybody may read (cards, reports, meters) and never waits for a lane, a
//!   session or a client; so it answers while every worker is busy. Only [`Control::health`] asks
//!   the lanes, with a limit of time.
//! - It changes the daemon through the hub: limits, phase, notes to lanes.
//!
//! Not here: who may call what (`admin`), how it is printed (`chatctl`), and the work of draining
//! (`server`, which watches [`Control::stopping`]).

mod cidr;
mod clients;
mod closed;
mod error;
mod health;
mod kick;
mod reload;
mod rooms;
mod status;
mod stop;
mod tally;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use tokio::time::Instant;

use crate::build::BUILD;
use crate::config::{self, Loaded, Sources};
use crate::hub::Hub;
use crate::limits::Limits;
use crate::mail::Note;
use crate::phase::Phase;

pub use cidr::Cidr;
pub use clients::{ClientPage, ClientQuery, ClientRow, Filter, SortKey};
pub use closed::{ClosedQuery, ClosedRow};
pub use error::Refused;
pub use health::{Check, Health, Level};
pub use kick::{KickOrder, KickReport};
pub use reload::{FaultRow, Rejected, ReloadReport};
pub use rooms::{RoomPage, RoomQuery, RoomRow};
pub use status::{Status, Version};
pub use stop::Stopping;
pub use tally::{Access, Present, RequestResult, Tally};

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
}

/// Fits the limits of a configuration to this machine, or says in a sentence why they do not fit.
pub type FitLimits = Box<dyn Fn(&Loaded) -> Result<Limits, String> + Send + Sync>;

/// Changes `log.level`, or says in a sentence what is wrong with it.
pub type SetLevel = Box<dyn Fn(&str) -> Result<(), String> + Send + Sync>;

/// The logs as far as an operator's verbs touch them.
pub struct LogSwitch {
    /// Changes `log.level`, or says in a sentence what is wrong with it.
    pub set_level: SetLevel,
    /// Log lines that could not be written since the start.
    pub dropped: Box<dyn Fn() -> u64 + Send + Sync>,
}

/// A place where the daemon really listens.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Door {
    /// `chat`, `admin` or `metrics`.
    pub door: &'static str,
    /// Its address, or the path of its socket.
    pub address: String,
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
    live: Mutex<Loaded>,
    reloads: reload::History,
    doors: Mutex<Vec<Door>>,
    stopping: watch::Sender<Option<Stopping>>,
    tally: Tally,
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
            live: Mutex::new(parts.loaded),
            reloads: reload::History::new(now_ms),
            doors: Mutex::default(),
            stopping: watch::Sender::new(None),
            tally: Tally::default(),
            hub: parts.hub,
        }))
    }

    /// The daemon itself.
    pub fn hub(&self) -> &Arc<Hub> {
        &self.0.hub
    }

    /// What has been asked of this handle so far.
    pub fn tally(&self) -> &Tally {
        &self.0.tally
    }

    /// Where the daemon is in its life.
    pub fn phase(&self) -> Phase {
        self.0.hub.phase()
    }

    /// Notes one more place where the daemon really listens.
    pub fn add_door(&self, door: &'static str, address: impl fmt::Display) {
        lock(&self.0.doors).push(Door {
            door,
            address: address.to_string(),
        });
    }

    /// Where the daemon really listens.
    pub fn doors(&self) -> Vec<Door> {
        lock(&self.0.doors).clone()
    }

    /// The configuration in force.
    pub fn live(&self) -> Loaded {
        lock(&self.0.live).clone()
    }

    /// Every key with its value, default, origin and whether a reload applies it.
    pub fn config_show(&self) -> Vec<config::Row> {
        config::rows(&lock(&self.0.live))
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
