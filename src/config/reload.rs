//! What a reload changes: the live keys at once, the others at the next start.

use serde::Serialize;

use super::key::{KEYS, Key};
use super::{Config, Loaded};

/// A key whose value differs between two configurations.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// `section.key`.
    pub key: &'static str,
    /// The value until now, as text.
    pub old: String,
    /// The value from now on, as text.
    pub new: String,
    /// Whether a reload applies it; else it takes a restart.
    pub hot: bool,
}

/// Every key whose value differs, in the order of the file.
pub fn diff(old: &Config, new: &Config) -> Vec<Change> {
    let change = |key: &'static Key| {
        let (old, new) = (key.plain(old), key.plain(new));
        (old != new).then_some(Change {
            key: key.name,
            old,
            new,
            hot: key.hot,
        })
    };
    KEYS.iter().filter_map(change).collect()
}

/// Whether a reload applies a change of this key; none if there is no such key.
pub fn is_hot(name: &str) -> Option<bool> {
    super::key::find(name).map(|key| key.hot)
}

/// The live configuration with those values of the new one that need no restart.
pub fn merge_hot(live: &Config, new: &Config) -> Config {
    let mut merged = live.clone();
    KEYS.iter()
        .filter(|key| key.hot)
        .for_each(|key| (key.adopt)(new, &mut merged));
    merged
}

impl Loaded {
    /// As [`merge_hot`], with the origin of each value.
    pub fn merge_hot(&self, new: &Self) -> Self {
        let origin = |key: &Key| {
            let source = if key.hot { new } else { self };
            Some((key.name, source.origins.get(key.name)?.clone()))
        };
        Self {
            config: merge_hot(&self.config, &new.config),
            file: new.file.clone(),
            origins: KEYS.iter().filter_map(origin).collect(),
        }
    }
}
