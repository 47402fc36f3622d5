//! The daemon's configuration file, as a play writes it.

use std::path::Path;

use toml::{Table, Value};

/// Keys that differ from the shipped defaults.
#[derive(Clone, Default)]
pub(crate) struct Config {
    keys: Table,
}

impl Config {
    /// The shipped defaults, but for addresses and paths.
    pub(crate) fn shipped() -> Self {
        Self::default()
    }

    /// For plays with many people at one address, who may talk as fast as they like.
    pub(crate) fn roomy() -> Self {
        Self::shipped()
            .limit("clients_per_address", "unlimited")
            .limit("connect_rate", "unlimited")
            .limit("message_rate", "unlimited")
            .limit("request_rate", "unlimited")
    }

    /// As [`Config::roomy`], with rooms in memory alone.
    pub(crate) fn forgetful() -> Self {
        Self::roomy().set("history.durability", "none")
    }

    /// Sets `section.key`.
    pub(crate) fn set(mut self, key: &str, value: impl Into<Value>) -> Self {
        let (section, key) = key.split_once('.').expect("a key is section.key");
        let section = self
            .keys
            .entry(section)
            .or_insert_with(|| Value::Table(Table::new()));
        section
            .as_table_mut()
            .unwrap()
            .insert(key.to_owned(), value.into());
        self
    }

    /// Sets `limits.key`.
    pub(crate) fn limit(self, key: &str, value: impl Into<Value>) -> Self {
        self.set(&format!("limits.{key}"), value)
    }

    /// The file: these keys, free ports, and everything else inside `dir`.
    pub(crate) fn text(&self, dir: &Path) -> String {
        let path = |name: &str| dir.join(name).to_str().unwrap().to_owned();
        let mut whole = Self::shipped()
            .set("server.listen", vec!["127.0.0.1:0"])
            .set("admin.listen", "127.0.0.1:0")
            .set("admin.socket", path("admin.sock"))
            .set("admin.token_file", path("admin.token"))
            .set("metrics.listen", "127.0.0.1:0");
        for (section, keys) in &self.keys {
            for (key, value) in keys.as_table().unwrap() {
                whole = whole.set(&format!("{section}.{key}"), value.clone());
            }
        }
        toml::to_string(&whole.keys).unwrap()
    }
}
