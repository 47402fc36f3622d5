//! A configuration shown to people and programs.

use std::fmt::Write as _;

use serde::Serialize;

use super::key::KEYS;
use super::{Config, Loaded};

/// The shipped file: every key with its default, the reason for it and what it can cost.
pub const fn default_text() -> &'static str {
    include_str!("../../config/chatd.toml")
}

/// How far to the right the origins stand.
const ORIGIN_COLUMN: usize = 44;

/// The configuration as TOML that loads to the same values, each with its origin in a comment.
pub fn print(loaded: &Loaded) -> String {
    let mut text = String::new();
    let mut section = "";
    for key in KEYS {
        if section != key.section() {
            let gap = if section.is_empty() { "" } else { "\n" };
            section = key.section();
            let _ = writeln!(text, "{gap}[{section}]");
        }
        let assignment = format!("{} = {}", key.leaf(), (key.write)(&loaded.config));
        let origin = loaded.origin(key.name).label();
        let _ = writeln!(text, "{assignment:ORIGIN_COLUMN$} # {origin}");
    }
    text
}

/// One key as `chatctl show-config` lists it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    /// `section.key`.
    pub key: &'static str,
    /// The value as text: a string without its quotes, anything else as in the file.
    pub value: String,
    /// The built-in default, in the same form.
    pub default: String,
    /// Where the value came from: `default`, `FILE:LINE:COLUMN`, a variable, `--set`.
    pub origin: String,
    /// Whether a reload applies a change; else it takes a restart.
    pub hot: bool,
}

/// Every key, in the order of the file.
pub fn rows(loaded: &Loaded) -> Vec<Row> {
    let default = Config::default();
    let row = |key: &'static super::key::Key| Row {
        key: key.name,
        value: key.plain(&loaded.config),
        default: key.plain(&default),
        origin: loaded.origin(key.name).label(),
        hot: key.hot,
    };
    KEYS.iter().map(row).collect()
}
