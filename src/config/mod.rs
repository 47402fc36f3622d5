//! The configuration: as typed (TOML, environment, flags) and as meant ([`Config`]).
//!
//! [`load()`] goes from one to the other, once, at the edge: the rest of the program only sees
//! values that cannot be wrong. Its rules:
//!
//! - Precedence: built-in default < file < `CHATD__SECTION__KEY` < `--set section.key=value` <
//!   what is set while the daemon runs ([`Loaded::with_runtime`]). Where each value came from is
//!   remembered ([`Loaded::origin`]).
//! - Nothing is guessed: an unknown key, a size or a time without a unit, a zero and a value of
//!   another type are faults. All of them are reported at once, each with its place and its fix; only
//!   a file that is not TOML is reported by its first fault alone.
//! - All or nothing: a fault anywhere and there is no [`Config`].
//!
//! To add a key: a field with its default here (or in [`Limits`]), a line in `key.rs`, and a
//! paragraph in `config/chatd.toml`. Parsing, environment, flags, `--print-config`, reload and
//! suggestions follow from the line; tests name what was forgotten.
//!
//! Not here: what depends on the machine (descriptor limits, addresses in use, sockets found at run
//! time). That is checked at start by whoever opens it.

mod around;
mod fault;
mod file;
mod key;
mod kind;
mod load;
mod nearest;
mod origin;
mod quantity;
mod raw;
mod reload;
mod room_bounds;
mod rule;
mod show;
mod text;
mod unit;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use crate::event::Durability;
use crate::limits::Limits;
use crate::retention::{Bounds, Retention};
use crate::words::words;

pub use fault::{Excerpt, Fault, Faults};
pub use file::{ConfigFile, DEFAULT_FILE};
pub use load::{Loaded, RuntimeValue, Sources, load};
pub use origin::{Origin, Position};
pub use reload::{Change, diff, is_hot, merge_hot};
pub use show::{Row, default_text, print, rows};
pub use unit::read_duration;

/// Everything an operator can set, as meant. `config/chatd.toml` gives the reasons and the costs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    /// `[server]`: the chat door.
    pub server: Server,
    /// `[admin]`: the operator's door.
    pub admin: Admin,
    /// `[metrics]`: the monitoring door.
    pub metrics: Metrics,
    /// `[log]`: what is said, and how.
    pub log: Log,
    /// `[shutdown]`: how the daemon ends.
    pub shutdown: Shutdown,
    /// `[history]`: what is kept of rooms.
    pub history: History,
    /// `[limits]`: every bound.
    pub limits: Limits,
}

/// `[server]`: the chat door.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// What `welcome` and `chatctl status` call this daemon.
    pub name: String,
    /// Where chat is served; at least one, all different. Port 0 is any free port.
    pub listen: Vec<SocketAddr>,
    /// Whether a listener may be reached from other machines although nothing is encrypted.
    pub allow_plaintext: bool,
    /// The room of those who name none; always a valid [`crate::name::RoomName`].
    pub default_room: String,
    /// Worker threads; `None` is one for each core.
    pub workers: Option<usize>,
}

/// `[admin]`: the operator's door.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admin {
    /// Where admin is served on TCP, always a loopback address; `None` is not at all.
    pub listen: Option<SocketAddr>,
    /// The admin socket; `None` is found at run time.
    pub socket: Option<PathBuf>,
    /// The token of the TCP door; `None` is found at run time.
    pub token_file: Option<PathBuf>,
    /// Local users that may change things, beside root and the daemon's own user.
    pub write_users: Vec<String>,
}

/// `[metrics]`: the monitoring door.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metrics {
    /// Where `/metrics`, `/livez` and `/readyz` are served; `None` is not at all.
    pub listen: Option<SocketAddr>,
    /// Host names that a request may be addressed to, beside IP addresses and `localhost`.
    pub hosts: Vec<String>,
}

/// `[log]`: what is said, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// A level, or `target=level` directives with commas between; always well formed.
    pub level: String,
    /// The form of a line.
    pub format: LogFormat,
    /// How much of a client's address is written.
    pub addresses: Addresses,
}

words! {
    /// How much of a client's address is written to the log.
    #[derive(Default)]
    pub enum Addresses {
        /// All of it.
        #[default]
        Full = "full",
        /// The network: IPv4 by /24, IPv6 by /48.
        Short = "short",
        /// Nothing.
        None = "none",
    }
}

words! {
    /// The form of a log line.
    pub enum LogFormat {
        /// `journal` under systemd, `text` on a terminal, else `json`.
        Auto = "auto",
        /// For a person.
        Text = "text",
        /// For journald: priorities, no colours, no time.
        Journal = "journal",
        /// One JSON object a line.
        Json = "json",
    }
}

/// `[shutdown]`: how the daemon ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shutdown {
    /// How long a drain may take before everyone who is left is closed.
    pub deadline: Duration,
}

/// `[history]`: what is kept of rooms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History {
    /// How deep a message is kept before anybody hears of it.
    pub durability: Durability,
    /// The file; `None` is found at run time.
    pub path: Option<PathBuf>,
    /// Messages that are kept of each room.
    pub max_messages: Option<usize>,
    /// How long a message is kept.
    pub max_age: Option<Duration>,
    /// Bytes that all rooms together may take on the disk.
    pub max_bytes: Option<usize>,
    /// Rooms that are kept.
    pub max_rooms: usize,
    /// Rooms with bounds of their own.
    pub rooms: BTreeMap<String, Bounds>,
}

impl History {
    /// How much is kept.
    pub fn retention(&self) -> Retention {
        Retention {
            messages: self.max_messages,
            age: self.max_age,
            bytes: self.max_bytes,
            rooms: self.max_rooms,
            own: self.rooms.clone(),
        }
    }
}

const fn loopback(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

impl Default for Server {
    fn default() -> Self {
        Self {
            name: "chatd".to_owned(),
            listen: vec![loopback(7687)],
            allow_plaintext: false,
            default_room: "lobby".to_owned(),
            workers: None,
        }
    }
}

impl Default for Admin {
    fn default() -> Self {
        Self {
            listen: Some(loopback(7688)),
            socket: None,
            token_file: None,
            write_users: vec!["root".to_owned()],
        }
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            listen: Some(loopback(9687)),
            hosts: Vec::new(),
        }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self {
            level: "info".to_owned(),
            format: LogFormat::Auto,
            addresses: Addresses::Full,
        }
    }
}

impl Default for Shutdown {
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(25),
        }
    }
}

impl Default for History {
    fn default() -> Self {
        Self {
            durability: Durability::Process,
            path: None,
            max_messages: None,
            max_age: None,
            max_bytes: Some(10 * 1024 * 1024 * 1024),
            max_rooms: 10_000,
            rooms: BTreeMap::new(),
        }
    }
}
