//! The one writer.

use rusqlite::{CachedStatement, Connection, ErrorCode, OptionalExtension, params};

use super::row::author;
use super::witness::Witness;
use super::{NewMessage, RoomKey, RoomRow, SEQ_END, StoreError, Trouble};
use crate::event::{Seq, Topic};
use crate::name::RoomName;

const BEGIN: &str = "BEGIN IMMEDIATE";
const COMMIT: &str = "COMMIT";
const ROLLBACK: &str = "ROLLBACK";
const INSERT: &str = "INSERT INTO messages (id, time_ms, author, nick, text, cid, identity, sum) \
                      VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
const SETTLE: &str = "UPDATE rooms SET head = ?2, bytes = bytes + ?3, turn = ?4 WHERE id = ?1";
const MAKE: &str = "INSERT INTO rooms (id, name, epoch, head, first, bytes, turn) \
                    SELECT 1 + max(ifnull((SELECT max(id) FROM rooms), 0), \
                                   ifnull((SELECT max(id) FROM imports), 0)), \
                           ?1, ?2, 0, 1, 0, ?3";
const TOPIC: &str =
    "UPDATE rooms SET topic = ?2, topic_nick = ?3, topic_ms = ?4, turn = ?5 WHERE id = ?1";

/// The only connection that writes messages. Not `Sync`: it belongs to one thread.
#[derive(Debug)]
pub struct Writer {
    pub(super) connection: Connection,
    pub(super) witness: Witness,
    /// Which run of a daemon this is.
    pub(super) run: u32,
    /// Turns committed so far.
    pub(super) turn: u64,
}

/// Why a turn was not committed, and whether that is sure.
#[derive(Debug)]
pub struct Failed {
    /// What happened.
    pub error: StoreError,
    /// The last step failed after everything was written: a crash now could still bring the turn
    /// back. Nobody may be told anything before another turn is committed by a new writer, which
    /// then sees whether this one is there ([`Writer::head`]).
    pub is_doubtful: bool,
}

/// Messages on their way into the store, all of them or none. Dropping it takes it back.
pub struct Turn<'w> {
    connection: &'w Connection,
    witness: &'w Witness,
    committed: &'w mut u64,
    run: u32,
    insert: CachedStatement<'w>,
    settle: CachedStatement<'w>,
    is_open: bool,
}

impl Writer {
    /// Begins a turn.
    ///
    /// # Errors
    /// The store is in trouble; nothing has begun.
    pub fn begin(&mut self) -> Result<Turn<'_>, StoreError> {
        let Self {
            connection,
            witness,
            run,
            turn,
        } = self;
        let connection = &*connection;
        let insert = connection.prepare_cached(INSERT)?;
        let settle = connection.prepare_cached(SETTLE)?;
        connection.prepare_cached(BEGIN)?.execute([])?;
        Ok(Turn {
            connection,
            witness,
            committed: turn,
            run: *run,
            insert,
            settle,
            is_open: true,
        })
    }

    /// The head of a room as the store has it; none if it has no such room.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn head(&self, room: RoomKey) -> Result<Option<Seq>, StoreError> {
        let mut query = self
            .connection
            .prepare_cached("SELECT head FROM rooms WHERE id = ?1")?;
        Ok(query.query_row([room.0], |row| row.get(0)).optional()?)
    }

    /// Turns committed so far, over all runs.
    pub fn turn(&self) -> u64 {
        self.turn
    }
}

impl Turn<'_> {
    /// Makes a room without messages.
    ///
    /// # Errors
    /// The store is in trouble, or has as many rooms as it can have (8 million).
    pub fn make_room(&mut self, name: &RoomName, epoch: u64) -> Result<RoomKey, StoreError> {
        let turn = self.number();
        let mut make = self.connection.prepare_cached(MAKE)?;
        RoomKey::of_row(make.insert(params![name.as_str(), epoch as i64, turn])?)
    }

    /// Appends one message. Numbers of a room are dense and rise; [`Turn::settle`] comes after the
    /// last.
    ///
    /// # Errors
    /// The store is in trouble, or has the number already, or the room is out of numbers.
    pub fn append(
        &mut self,
        room: RoomKey,
        seq: Seq,
        time_ms: i64,
        message: &NewMessage<'_>,
    ) -> Result<(), StoreError> {
        if seq >= SEQ_END {
            return Err(StoreError::new(
                Trouble::Other,
                "the room is out of numbers",
            ));
        }
        let id = room.message(seq);
        let author = author(self.run, message.session);
        let message = NewMessage {
            // Only with a `cid` is there anything to find again.
            identity: message.identity.filter(|_| message.cid.is_some()),
            ..*message
        };
        let identity = message.identity.map(u128::to_be_bytes);
        self.insert.execute(params![
            id,
            time_ms,
            author,
            message.nick.as_str(),
            message.text,
            message.cid,
            identity.as_ref().map(<[u8; 16]>::as_slice),
            message.sum(id, time_ms, author),
        ])?;
        Ok(())
    }

    /// Sets the head of a room to which messages of so many bytes ([`NewMessage::cost`]) were appended.
    ///
    /// # Errors
    /// The store is in trouble, or has no such room.
    pub fn settle(&mut self, room: RoomKey, head: Seq, bytes: u64) -> Result<(), StoreError> {
        let turn = self.number();
        let changed = self.settle.execute(params![room.0, head, bytes, turn])?;
        must_be_one(changed)
    }

    /// Sets or takes away what a room is about.
    ///
    /// # Errors
    /// The store is in trouble, or has no such room.
    pub fn set_topic(&mut self, room: RoomKey, topic: Option<&Topic>) -> Result<(), StoreError> {
        let turn = self.number();
        let text = topic.map(|topic| &*topic.text);
        let nick = topic.map(|topic| topic.nick.as_str());
        let time_ms = topic.map(|topic| topic.time_ms);
        let changed = self
            .connection
            .prepare_cached(TOPIC)?
            .execute(params![room.0, text, nick, time_ms, turn])?;
        must_be_one(changed)
    }

    /// Writes a room's row whole, for who brings a room from elsewhere. Its key must be free.
    ///
    /// # Errors
    /// The store is in trouble.
    pub fn put_room(&mut self, room: &RoomRow) -> Result<(), StoreError> {
        let turn = self.number();
        let sql = format!(
            "INSERT INTO rooms ({}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            RoomRow::COLUMNS
        );
        let topic = room.topic.as_ref();
        self.connection.prepare_cached(&sql)?.execute(params![
            room.key.0,
            room.name.as_str(),
            room.epoch as i64,
            room.head,
            room.first,
            room.bytes,
            turn,
            topic.map(|topic| &*topic.text),
            topic.map(|topic| topic.nick.as_str()),
            topic.map(|topic| topic.time_ms),
        ])?;
        Ok(())
    }

    pub(super) fn connection(&self) -> &Connection {
        self.connection
    }

    /// The number that this turn will have.
    pub(super) fn number(&self) -> u64 {
        *self.committed + 1
    }

    /// Makes the turn last, as deep as the store's durability says.
    ///
    /// # Errors
    /// It does not last; [`Failed`] says how sure that is. The writer is not to be used again if it
    /// is in doubt.
    pub fn commit(mut self) -> Result<(), Failed> {
        let commit = self
            .connection
            .prepare_cached(COMMIT)
            .and_then(|mut commit| commit.execute([]));
        if let Err(error) = commit {
            let is_doubtful = is_doubtful(&error);
            let error = error.into();
            return Err(Failed { error, is_doubtful });
        }
        self.is_open = false;
        *self.committed += 1;
        // A witness that lags proves nothing and harms nothing.
        let _ = self.witness.tell(*self.committed);
        Ok(())
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if self.is_open && !self.connection.is_autocommit() {
            // SQLite may have taken it back already; what is left, the end of the connection takes.
            let _ = self.connection.execute_batch(ROLLBACK);
        }
    }
}

/// A turn is written in one piece whose last part makes it valid, and then synced. A write that did
/// not succeed has left it without that part; after anything else it may be complete.
fn is_doubtful(error: &rusqlite::Error) -> bool {
    let rusqlite::Error::SqliteFailure(failure, _) = error else {
        return true;
    };
    let is_write = failure.extended_code == rusqlite::ffi::SQLITE_IOERR_WRITE;
    let is_sure = matches!(
        failure.code,
        ErrorCode::DiskFull | ErrorCode::DatabaseBusy | ErrorCode::ReadOnly
    );
    !(is_write || is_sure)
}

fn must_be_one(changed: usize) -> Result<(), StoreError> {
    if changed == 1 {
        return Ok(());
    }
    Err(StoreError::new(Trouble::Corrupt, "a room has lost its row"))
}
