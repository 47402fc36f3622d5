//! The kinds of value that are words: names, addresses, paths.

use std::net::SocketAddr;
use std::path::PathBuf;

use toml::Value;

use crate::name::RoomName;

use super::kind::Kind;
use super::raw::{Misfit, Raw};

/// What makes a text right: `Err` says what is wrong and ends with what to write.
type Check = fn(&str) -> Result<(), String>;

/// A text that passes a check.
pub(super) struct Text(Check);

impl Kind for Text {
    type Value = String;

    fn read(&self, raw: Raw<'_>) -> Result<String, Misfit> {
        let text = read_text(raw)?;
        (self.0)(text).map_err(|fault| raw.misfit(format!("{} {fault}", raw.shown())))?;
        Ok(text.to_owned())
    }

    fn write(&self, value: &String) -> Value {
        Value::from(value.as_str())
    }
}

impl Text {
    /// Reads what stands before a value, as its name.
    pub(super) fn read_name(&self, name: &str, raw: Raw<'_>) -> Result<String, Misfit> {
        (self.0)(name).map_err(|fault| raw.misfit(format!("{name:?} {fault}")))?;
        Ok(name.to_owned())
    }
}

fn read_text(raw: Raw<'_>) -> Result<&str, Misfit> {
    let quoted = || raw.misfit(format!("{} is not a text; write it in quotes", raw.shown()));
    let text = raw.text().ok_or_else(quoted)?;
    if text.chars().any(char::is_control) {
        return Err(raw.misfit("has control characters in it; write it without"));
    }
    Ok(text)
}

/// A name that people see: 1 to 64 characters.
pub(super) const NAME: Text = Text(|text| match text.chars().count() {
    0 => Err("is empty; write a name".to_owned()),
    1..=64 => Ok(()),
    _ => Err("is too long; write at most 64 characters".to_owned()),
});

/// The name of a room.
pub(super) const ROOM: Text = Text(|text| match RoomName::new(text) {
    Ok(_) => Ok(()),
    Err(fault) => Err(format!(
        "is not the name of a room ({fault}); write one such as \"lobby\""
    )),
});

/// The name of a local user.
pub(super) const USER: Text = Text(|text| {
    let is_plain = |c: char| !c.is_whitespace() && !matches!(c, ':' | '/' | ',');
    if !text.is_empty() && text.len() <= 256 && text.chars().all(is_plain) {
        return Ok(());
    }
    Err("is not the name of a user; write one as in /etc/passwd, such as \"root\"".to_owned())
});

/// The name of a host, without a port.
pub(super) const HOST: Text = Text(|text| {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    if !text.is_empty() && text.len() <= 253 && text.chars().all(is_plain) {
        return Ok(());
    }
    Err("is not a host name; write one without a port, such as \"chat.example\"".to_owned())
});

/// What the log says: a level, or `target=level` directives with commas between.
pub(super) const LEVELS: Text = Text(|text| {
    const LEVELS: [&str; 5] = ["error", "warn", "info", "debug", "trace"];
    let mut overall = 0;
    for directive in text.split(',') {
        let (target, level) = match directive.split_once('=') {
            Some((target, level)) => (Some(target), level),
            None => (None, directive),
        };
        overall += usize::from(target.is_none());
        if !LEVELS.contains(&level) || !target.is_none_or(is_target) || overall > 1 {
            let known = LEVELS.join(", ");
            return Err(format!(
                "is not a level; write one of {known}, or \"info,chatd::hub=debug\""
            ));
        }
    }
    Ok(())
});

fn is_target(target: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ':' | '-' | '.');
    !target.is_empty() && target.chars().all(is_plain)
}

/// An IP address with a port.
pub(super) struct Address;

impl Kind for Address {
    type Value = SocketAddr;

    fn read(&self, raw: Raw<'_>) -> Result<SocketAddr, Misfit> {
        const WRITE: &str =
            "write an IP address with a port, such as \"127.0.0.1:7687\" or \"[::1]:7687\"";
        let fault = || raw.misfit(format!("{} is not an address; {WRITE}", raw.shown()));
        raw.text()
            .and_then(|text| text.parse().ok())
            .ok_or_else(fault)
    }

    fn write(&self, value: &SocketAddr) -> Value {
        Value::from(value.to_string())
    }
}

/// A path; absolute, because a daemon's working directory is nobody's.
pub(super) struct FilePath;

impl Kind for FilePath {
    type Value = PathBuf;

    fn read(&self, raw: Raw<'_>) -> Result<PathBuf, Misfit> {
        let path = PathBuf::from(read_text(raw)?);
        if !path.is_absolute() {
            let fault = "is not an absolute path; write one that begins with /";
            return Err(raw.misfit(format!("{} {fault}", raw.shown())));
        }
        Ok(path)
    }

    fn write(&self, value: &PathBuf) -> Value {
        Value::String(value.to_string_lossy().into_owned())
    }
}
