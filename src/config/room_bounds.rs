//! Rooms with bounds of their own: a table of tables.

use std::collections::BTreeMap;

use toml::{Table, Value};

use super::kind::{Kind, count};
use super::quantity::{Time, size};
use super::raw::{Misfit, Raw};
use super::text::ROOM;
use crate::retention::Bounds;

/// `[history.rooms.NAME]` with some of `max_messages`, `max_age`, `max_bytes`.
pub(super) struct RoomBounds;

/// More rooms than an operator writes by hand: each message's room is looked up here now and then.
const MOST: usize = 256;

const EXAMPLE: &str = "[history.rooms.lobby] with some of max_messages, max_age, max_bytes below";

impl Kind for RoomBounds {
    type Value = BTreeMap<String, Bounds>;

    fn read(&self, raw: Raw<'_>) -> Result<Self::Value, Misfit> {
        let rooms = raw.entries().ok_or_else(|| {
            raw.misfit(format!("{} is not a table; write {EXAMPLE}", raw.shown()))
        })?;
        if rooms.len() > MOST {
            return Err(raw.misfit(format!("has too many rooms; write at most {MOST}")));
        }
        let mut bounds = BTreeMap::new();
        for (name, table) in rooms {
            let room = ROOM.read_name(name, table)?;
            bounds.insert(room, read_bounds(table)?);
        }
        Ok(bounds)
    }

    fn write(&self, value: &Self::Value) -> Value {
        let rooms = value
            .iter()
            .map(|(room, bounds)| (room.clone(), write_bounds(bounds)));
        Value::Table(rooms.collect())
    }
}

fn read_bounds(raw: Raw<'_>) -> Result<Bounds, Misfit> {
    let entries = raw
        .entries()
        .ok_or_else(|| raw.misfit(format!("{} is not a table; write {EXAMPLE}", raw.shown())))?;
    let mut bounds = Bounds::default();
    for (name, value) in entries {
        match name {
            "max_messages" => bounds.messages = Some(count().read(value)?),
            "max_age" => bounds.age = Some(Time.read(value)?),
            "max_bytes" => bounds.bytes = Some(size().read(value)?),
            _ => return Err(value.misfit(format!("unknown key; write {EXAMPLE}"))),
        }
    }
    Ok(bounds)
}

fn write_bounds(bounds: &Bounds) -> Value {
    let Bounds {
        messages,
        age,
        bytes,
    } = bounds;
    let mut table = Table::new();
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            table.insert(name.to_owned(), value);
        }
    };
    put(
        "max_messages",
        messages.map(|messages| count().write(&messages)),
    );
    put("max_age", age.map(|age| Time.write(&age)));
    put("max_bytes", bytes.map(|bytes| size().write(&bytes)));
    Value::Table(table)
}
