//! The one table of keys. Everything that has to know the keys goes through it.

use toml::Value;

use crate::event::Durability;
use crate::limits::OnLag;

use super::around::{auto, liftable, list, or_off, some};
use super::kind::{Flag, Kind, Word, count};
use super::nearest::nearest;
use super::quantity::{Pace, Time, size};
use super::raw::{Misfit, Raw};
use super::room_bounds::RoomBounds;
use super::text::{Address, FilePath, HOST, LEVELS, NAME, ROOM, USER};
use super::{Addresses, Config, LogFormat};

/// What stands before the name of every environment variable.
pub(super) const ENV_PREFIX: &str = "CHATD__";

const KIB: usize = 1024;
const GIB: usize = 1024 * 1024 * KIB;

/// One thing that can be set.
pub(super) struct Key {
    /// `section.key`.
    pub(super) name: &'static str,
    /// Whether a reload applies it; else it takes a restart.
    pub(super) hot: bool,
    /// Puts what was typed into the configuration, or leaves it as it is.
    pub(super) read: fn(Raw<'_>, &mut Config) -> Result<(), Misfit>,
    /// What would have to be typed for the value that is there.
    pub(super) write: fn(&Config) -> Value,
    /// Takes the value over from the first configuration to the second.
    pub(super) adopt: fn(&Config, &mut Config),
}

macro_rules! keys {
    ($($section:ident.$field:ident = $kind:expr, $when:ident;)+) => {
        /// Every key, in the order in which they are shown.
        pub(super) static KEYS: &[Key] = &[$(Key {
            name: concat!(stringify!($section), ".", stringify!($field)),
            hot: applies::$when,
            read: |raw, config| {
                config.$section.$field = $kind.read(raw)?;
                Ok(())
            },
            write: |config| $kind.write(&config.$section.$field),
            adopt: |from, to| to.$section.$field.clone_from(&from.$section.$field),
        },)+];
    };
}

/// When a changed value applies.
mod applies {
    /// At the next reload.
    pub(super) const LIVE: bool = true;
    /// At the next start.
    pub(super) const RESTART: bool = false;
}

const FORMAT: Word<LogFormat> = Word {
    all: &LogFormat::ALL,
    name: LogFormat::as_str,
};
const ADDRESSES: Word<Addresses> = Word {
    all: &Addresses::ALL,
    name: Addresses::as_str,
};
const ON_LAG: Word<OnLag> = Word {
    all: &OnLag::ALL,
    name: OnLag::as_str,
};
const DURABILITY: Word<Durability> = Word {
    all: &Durability::ALL,
    name: Durability::as_str,
};

keys! {
    server.name = NAME, RESTART;
    server.listen = some(Address), LIVE;
    server.allow_plaintext = Flag, LIVE;
    server.default_room = ROOM, RESTART;
    server.workers = auto(count()), RESTART;

    admin.listen = or_off(Address), LIVE;
    admin.socket = auto(FilePath), RESTART;
    admin.token_file = auto(FilePath), RESTART;
    admin.write_users = list(USER), LIVE;

    metrics.listen = or_off(Address), LIVE;
    metrics.hosts = list(HOST), LIVE;

    log.level = LEVELS, LIVE;
    log.format = FORMAT, RESTART;
    log.addresses = ADDRESSES, LIVE;

    shutdown.deadline = Time, LIVE;

    history.durability = DURABILITY, RESTART;
    history.path = auto(FilePath), RESTART;
    history.max_messages = liftable(count()), LIVE;
    history.max_age = liftable(Time), LIVE;
    history.max_bytes = liftable(size()), LIVE;
    history.max_rooms = count(), LIVE;
    history.rooms = RoomBounds, LIVE;

    limits.line = size().within(KIB, KIB * KIB), LIVE;
    limits.message = size(), LIVE;
    limits.clients = count(), LIVE;
    limits.clients_per_address = liftable(count()), LIVE;
    limits.connect_rate = liftable(Pace), LIVE;
    limits.listeners = count(), LIVE;
    limits.rooms = count(), LIVE;
    limits.rooms_per_client = count(), LIVE;
    limits.room_idle = Time, LIVE;
    limits.presence_members = count(), LIVE;
    limits.message_rate = liftable(Pace), LIVE;
    limits.message_burst = count(), LIVE;
    limits.request_rate = liftable(Pace), LIVE;
    limits.hello_timeout = Time, LIVE;
    limits.line_timeout = Time, LIVE;
    limits.idle_timeout = liftable(Time), LIVE;
    limits.ping_interval = Time, LIVE;
    limits.ping_timeout = Time, LIVE;
    limits.write_stall = Time, LIVE;
    limits.bad_lines = count(), LIVE;
    limits.unacked = count(), LIVE;
    limits.outbox = size(), LIVE;
    limits.socket_buffer = size().within(4 * KIB, GIB), LIVE;
    limits.lag_bytes = liftable(size()), LIVE;
    limits.lag_age = liftable(Time), LIVE;
    limits.on_lag = ON_LAG, LIVE;
    limits.recent_messages = count(), LIVE;
    limits.recent_bytes = size(), LIVE;
    limits.buffer_bytes = size(), LIVE;
    limits.dedup_age = Time, LIVE;
    limits.dedup_entries = count(), LIVE;
    limits.history_page = count(), LIVE;
    limits.topic = size(), LIVE;
    limits.bans = count(), LIVE;
}

impl Key {
    /// The section of the key.
    pub(super) fn section(&self) -> &'static str {
        self.parts().0
    }

    /// The name of the key in its section.
    pub(super) fn leaf(&self) -> &'static str {
        self.parts().1
    }

    /// The environment variable of the key.
    pub(super) fn variable(&self) -> String {
        let (section, leaf) = self.parts();
        format!("{ENV_PREFIX}{section}__{leaf}").to_ascii_uppercase()
    }

    /// The value as text: a string without its quotes, anything else as in the file.
    pub(super) fn plain(&self, config: &Config) -> String {
        match (self.write)(config) {
            Value::String(text) => text,
            other => other.to_string(),
        }
    }

    fn parts(&self) -> (&'static str, &'static str) {
        self.name.split_once('.').unwrap_or((self.name, ""))
    }
}

/// The key of this name.
pub(super) fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

/// Whether there is such a section.
pub(super) fn is_section(name: &str) -> bool {
    KEYS.iter().any(|key| key.section() == name)
}

/// The section that was probably meant.
pub(super) fn nearest_section(written: &str) -> Option<&'static str> {
    nearest(written, KEYS.iter().map(Key::section))
}

/// The key that was probably meant: one of the same section that looks like it, else one of
/// another section, but then the name must not be far off at all.
pub(super) fn nearest_key(section: &str, leaf: &str) -> Option<&'static Key> {
    let exact = || KEYS.iter().find(|key| key.leaf() == leaf);
    let section = if is_section(section) {
        Some(section)
    } else {
        nearest_section(section)
    };
    let near = |in_section: &dyn Fn(&Key) -> bool| {
        let leaves = KEYS.iter().filter(|key| in_section(key)).map(Key::leaf);
        let leaf = nearest(leaf, leaves)?;
        KEYS.iter()
            .find(|key| key.leaf() == leaf && in_section(key))
    };
    let here = |key: &Key| Some(key.section()) == section;
    find(&format!("{}.{leaf}", section.unwrap_or_default()))
        .or_else(exact)
        .or_else(|| near(&here))
        .or_else(|| near(&|_| true))
}
