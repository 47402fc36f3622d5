//! Where the daemon listens, and how that changes without anybody being disconnected.

use std::fmt;

use super::{Control, lock};
use crate::config::{Config, Loaded};

/// A place where the daemon really listens.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Door {
    /// `chat`, `admin`, `admin_socket` or `metrics`.
    pub door: &'static str,
    /// Its address, or the path of its socket.
    pub address: String,
}

/// Opens what a configuration listens at and is not open yet, or says in a sentence what cannot be
/// had. Nothing is served there yet.
pub type OpenDoors = Box<dyn Fn(&Config) -> Result<Opened, String> + Send + Sync>;

/// New listeners, open and not served. Dropping them closes them.
pub struct Opened(Box<dyn FnOnce() -> Vec<Door> + Send>);

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Opened")
    }
}

impl Opened {
    /// `serve` serves the new ones, then closes those that are not wanted any more, and says where
    /// the daemon listens now. It cannot fail.
    pub fn new(serve: impl FnOnce() -> Vec<Door> + Send + 'static) -> Self {
        Self(Box::new(serve))
    }

    /// Serves them.
    pub fn use_them(self) -> Vec<Door> {
        (self.0)()
    }
}

/// Doors whose sockets somebody else holds: their keys are passed by as long as the daemon lives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "they are the doors of the configuration")]
pub struct HeldDoors {
    pub chat: bool,
    pub admin: bool,
    pub admin_socket: bool,
    pub metrics: bool,
}

impl HeldDoors {
    /// Why a change of this key changes nothing; none if it does.
    pub(super) fn why(self, key: &str) -> Option<&'static str> {
        let (is_held, why) = match key {
            "server.listen" => (
                self.chat,
                "systemd holds this socket: its address stands in chatd.socket",
            ),
            "admin.listen" => (
                self.admin,
                "systemd holds this socket: its address stands in chatd-admin.socket",
            ),
            "admin.socket" => (
                self.admin_socket,
                "systemd holds this socket: its path stands in chatd-admin.socket",
            ),
            "metrics.listen" => (
                self.metrics,
                "systemd holds this socket: its address stands in chatd-metrics.socket",
            ),
            _ => (false, ""),
        };
        is_held.then_some(why)
    }
}

impl Control {
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

    /// Who opens doors when the configuration changes, and which doors are not theirs to open. Only
    /// the first call counts.
    pub fn set_door_opener(&self, open: OpenDoors, held: HeldDoors) {
        // There is one set of doors as long as the daemon lives.
        let _ = self.0.door_opener.set((open, held));
    }

    /// Doors whose sockets somebody else holds.
    pub(super) fn held_doors(&self) -> HeldDoors {
        let opener = self.0.door_opener.get();
        opener.map_or_else(HeldDoors::default, |(_, held)| *held)
    }

    /// Opens what is new. None if every door stays as it is.
    pub(super) fn open_doors(&self, old: &Loaded, new: &Loaded) -> Result<Option<Opened>, String> {
        let doors = |config: &Config| {
            let chat = config.server.listen.clone();
            (chat, config.admin.listen, config.metrics.listen)
        };
        let (old, new) = (&old.config, &new.config);
        match self.0.door_opener.get() {
            Some((open, _)) if doors(old) != doors(new) => open(new).map(Some),
            _ => Ok(None),
        }
    }
}
