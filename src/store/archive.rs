//! An operator's work on the store: rooms brought from elsewhere, history taken away, copies.
//!
//! It goes on beside the writer, in turns of few messages, and whoever dies in the middle leaves the
//! old or the new: what is brought in lies under a key that is no room's until its last turn, and what
//! is taken away cannot be read from the first turn on. What is left lying is [`Archivist::leavings`].

use std::path::Path;

use rusqlite::backup::Backup;
use rusqlite::{Connection, TransactionBehavior, params};

use super::row::{self, author, checked};
use super::{NewMessage, Reader, RoomKey, RoomRow, Store, StoreError, Trouble};
use crate::event::{Seq, SessionId};

/// A connection that writes what the writer does not. Its calls are short, and nobody else may write
/// during one.
#[derive(Debug)]
pub struct Archivist(Connection);

/// Messages that nobody can read any more, or not yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leaving {
    /// Of a room, below its first number.
    Below(RoomKey, Seq),
    /// Of an import that did not come to its end.
    Import(RoomKey),
}

/// What a message's row costs, in the words of SQL; as [`NewMessage::cost`].
const COST: &str = "32 + length(CAST(nick AS BLOB)) + length(CAST(text AS BLOB)) \
                    + ifnull(length(CAST(cid AS BLOB)), 0)";

impl Store {
    /// A connection for an operator's work.
    ///
    /// # Errors
    /// The store cannot be opened.
    pub fn archivist(&self) -> Result<Archivist, StoreError> {
        self.writing_connection().map(Archivist)
    }
}

impl Archivist {
    /// From now on, and after any restart, a room begins above this number. What is below is left
    /// lying.
    ///
    /// # Errors
    /// The store is in trouble; the room is as it was.
    pub fn begin_above(&mut self, room: RoomKey, to: Seq) -> Result<(), StoreError> {
        let sql = "UPDATE rooms SET first = max(first, min(?2, head) + 1) WHERE id = ?1";
        self.0.execute(sql, params![room.0, to])?;
        Ok(())
    }

    /// A key for a room that is brought in. No room gets it while the import lasts.
    ///
    /// # Errors
    /// The store is in trouble.
    pub fn begin_import(&mut self) -> Result<RoomKey, StoreError> {
        let sql = "INSERT INTO imports (id) SELECT 1 + max( \
                       ifnull((SELECT max(id) FROM rooms), 0), \
                       ifnull((SELECT max(id) FROM imports), 0))";
        RoomKey::of_row(self.0.prepare_cached(sql)?.insert([])?)
    }

    /// Puts messages under the key of an import: number, time, and the rest. Nobody said them in this
    /// run of the daemon.
    ///
    /// # Errors
    /// The store is in trouble, or has a number already; nothing was put.
    pub fn bring<'a>(
        &mut self,
        room: RoomKey,
        messages: impl IntoIterator<Item = (Seq, i64, NewMessage<'a>)>,
    ) -> Result<(), StoreError> {
        let transaction = self
            .0
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        {
            let mut insert = transaction.prepare_cached(
                "INSERT INTO messages (id, time_ms, author, nick, text, cid, identity, sum) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, NULL, ?7)",
            )?;
            let author = author(0, SessionId::NOBODY);
            for (seq, time_ms, message) in messages {
                let id = room.message(seq);
                insert.execute(params![
                    id,
                    time_ms,
                    author,
                    message.nick.as_str(),
                    message.text,
                    message.cid,
                    message.sum(id, time_ms, author),
                ])?;
            }
        }
        Ok(transaction.commit()?)
    }

    /// The import is a room from now on.
    ///
    /// # Errors
    /// The store is in trouble; it is no room.
    pub fn end_import(&mut self, room: &RoomRow) -> Result<(), StoreError> {
        let transaction = self
            .0
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        let taken = transaction.execute("DELETE FROM imports WHERE id = ?1", [room.key.0])?;
        if taken != 1 {
            return Err(StoreError::new(
                Trouble::Other,
                "this import is over already",
            ));
        }
        let sql = format!(
            "INSERT INTO rooms ({}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0, ?7, ?8, ?9)",
            RoomRow::COLUMNS
        );
        let topic = room.topic.as_ref();
        transaction.execute(
            &sql,
            params![
                room.key.0,
                room.name.as_str(),
                room.epoch as i64,
                room.head,
                room.first,
                room.bytes,
                topic.map(|topic| &*topic.text),
                topic.map(|topic| topic.nick.as_str()),
                topic.map(|topic| topic.time_ms),
            ],
        )?;
        Ok(transaction.commit()?)
    }

    /// What lies there and can be read by nobody.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn leavings(&self) -> Result<Vec<Leaving>, StoreError> {
        let mut leavings = Vec::new();
        let mut query = self.0.prepare_cached("SELECT id FROM imports")?;
        let mut imports = query.query([])?;
        while let Some(row) = imports.next()? {
            leavings.push(Leaving::Import(RoomKey::of_row(row.get(0)?)?));
        }
        let mut below = self
            .0
            .prepare_cached("SELECT 1 FROM messages WHERE id BETWEEN ?1 AND ?2 LIMIT 1")?;
        for room in super::reader::rooms(&self.0, None, usize::MAX)? {
            let span = [room.key.message(0), room.key.message(room.first - 1)];
            if below.exists(span)? {
                leavings.push(Leaving::Below(room.key, room.first));
            }
        }
        Ok(leavings)
    }

    /// Takes at most so many of the messages away that were left lying, in a turn of its own. How many,
    /// and what they cost; fewer than `most` are the last.
    ///
    /// # Errors
    /// The store is in trouble; nothing was taken away.
    pub fn clear(&mut self, leaving: Leaving, most: u64) -> Result<(u64, u64), StoreError> {
        let (room, to) = match leaving {
            Leaving::Below(room, first) => (room, first - 1),
            Leaving::Import(room) => (room, Seq::MAX),
        };
        let transaction = self
            .0
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        let span = params![room.message(0), room.message(to), most];
        let sql = format!(
            "SELECT count(*), ifnull(sum(cost), 0), ifnull(max(id), 0) FROM ( \
                 SELECT id, {COST} AS cost FROM messages \
                 WHERE id BETWEEN ?1 AND ?2 ORDER BY id LIMIT ?3)"
        );
        let (count, bytes, last): (u64, u64, i64) = transaction.query_row(&sql, span, |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })?;
        transaction.execute(
            "DELETE FROM messages WHERE id BETWEEN ?1 AND ?2",
            [room.message(0), last],
        )?;
        match leaving {
            Leaving::Below(..) => transaction.execute(
                "UPDATE rooms SET bytes = max(bytes - ?2, 0) WHERE id = ?1",
                params![room.0, bytes],
            )?,
            Leaving::Import(_) if count < most => {
                transaction.execute("DELETE FROM imports WHERE id = ?1", [room.0])?
            }
            Leaving::Import(_) => 0,
        };
        transaction.commit()?;
        Ok((count, bytes))
    }
}

impl Reader {
    /// Writes a copy of the whole store, as it is at one moment, into a file that is not there yet,
    /// and reads all of it again: it is whole, or it is an error. What is written meanwhile waits for
    /// nothing, but stays in the write-ahead log.
    ///
    /// # Errors
    /// The store cannot be read, the copy cannot be written, or is not what it should be.
    pub fn copy_to(&self, path: &Path) -> Result<u64, StoreError> {
        let mut copy = Connection::open(path)?;
        copy.pragma_update(None, "synchronous", "OFF")?;
        Backup::new(self.connection(), &mut copy)?.step(-1)?;
        // The copy is one file: nobody has to know of a log beside it.
        copy.pragma_update_and_check(None, "journal_mode", "DELETE", |_| Ok(()))?;
        let verdict: String = copy.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
        if verdict != "ok" {
            return Err(StoreError::new(Trouble::Corrupt, verdict));
        }
        let mut messages = 0;
        let sql = format!("SELECT {} FROM messages", row::MESSAGE);
        let mut query = copy.prepare(&sql)?;
        let mut rows = query.query([])?;
        while let Some(row) = rows.next()? {
            checked(row)?;
            messages += 1;
        }
        Ok(messages)
    }

    /// The last message of a room, from its first kept one on, of those that are older than this time
    /// without a younger one before them.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn last_before(&self, room: &RoomRow, time_ms: i64) -> Result<Seq, StoreError> {
        let sql = "SELECT id FROM messages WHERE id BETWEEN ?1 AND ?2 AND time_ms >= ?3 \
                   ORDER BY id LIMIT 1";
        let span = params![
            room.key.message(room.first),
            room.key.message(room.head),
            time_ms
        ];
        let mut query = self.connection().prepare_cached(sql)?;
        let mut rows = query.query(span)?;
        let kept = match rows.next()? {
            Some(row) => row::seq_of(row.get(0)?),
            None => room.head + 1,
        };
        Ok(kept - 1)
    }
}
