//! The store's file, read past the daemon: the second witness of what is kept.

use std::path::Path;

use chatd::event::Epoch;
use rusqlite::{Connection, OpenFlags};

use crate::checker::{Durability, Row};

/// Every message in the file of a daemon that has ended, or to which nobody speaks any more; none where
/// it keeps no file. `folder` is the daemon's state directory.
pub(crate) fn rows_of_store(folder: &Path, durability: Durability) -> Option<Vec<Row>> {
    if !durability.outlives_the_daemon() {
        return None;
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
    let file = Connection::open_with_flags(folder.join("history.db"), flags).unwrap();
    let verdict: String = file
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(verdict, "ok", "the file is whole");
    // A message's key is its room and, in the lower 40 bits, its number.
    let sql = "SELECT rooms.name, rooms.epoch, messages.id & 0xffffffffff, nick, text, cid \
               FROM messages JOIN rooms ON rooms.id = messages.id >> 40 ORDER BY messages.id";
    let mut query = file.prepare(sql).unwrap();
    let rows = query.query_map([], |row| {
        Ok(Row {
            room: row.get(0)?,
            epoch: Epoch::from_bits(row.get::<_, i64>(1)? as u64).to_string(),
            seq: row.get(2)?,
            username: row.get(3)?,
            text: row.get(4)?,
            cid: row.get(5)?,
        })
    });
    Some(rows.unwrap().map(Result::unwrap).collect())
}
