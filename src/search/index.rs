//! The index: an SQLite file with a contentless FTS5 table, whose rows are called as the messages'.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, OptionalExtension, params};

use super::Words;
use crate::event::{Message, Seq};
use crate::store::{RoomKey, RoomRow, StoreError, Trouble};

/// What the index is called behind the name of its database.
pub const INDEX_SUFFIX: &str = "-search";

/// The shape of the tables. One that is not of this shape is thrown away.
const VERSION: i32 = 1;

const TABLES: &str = "
CREATE TABLE rooms (
    id          INTEGER PRIMARY KEY,  -- as in the store
    epoch       INTEGER NOT NULL,
    first       INTEGER NOT NULL,     -- the lowest number that may be in the index
    complete_to INTEGER NOT NULL
);
CREATE VIRTUAL TABLE words USING fts5 (
    text, content = '', contentless_delete = 1, tokenize = 'unicode61 remove_diacritics 2'
);
";

/// How long a connection waits for the other one's lock.
const BUSY: Duration = Duration::from_secs(2);

pub(super) fn beside(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(INDEX_SUFFIX);
    name.into()
}

/// How far one room is in the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) epoch: u64,
    pub(super) first: Seq,
    pub(super) complete_to: Seq,
}

#[derive(Debug)]
pub(super) struct Index(Connection);

impl Index {
    /// The index as it is, or an empty one in place of one that cannot be used.
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        match Self::open_as_it_is(path) {
            Err(error) if matches!(error.trouble, Trouble::Corrupt | Trouble::Foreign) => {
                tracing::warn!(event = "search.anew", path = %path.display(), %error, "the index is made anew");
                Self::throw_away(path)?;
                Self::open_as_it_is(path)
            }
            opened => opened,
        }
    }

    fn open_as_it_is(path: &Path) -> Result<Self, StoreError> {
        make_private(path)?;
        let connection = Connection::open(path)?;
        connection.busy_timeout(BUSY)?;
        connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
        // It can be made again: no commit of it waits for the disk.
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        let version: i32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        if version == 0 {
            let transaction = connection.unchecked_transaction()?;
            transaction.execute_batch(TABLES)?;
            transaction.pragma_update(None, "user_version", VERSION)?;
            transaction.commit()?;
        } else if version != VERSION {
            let text = format!("the index has version {version}");
            return Err(StoreError::new(Trouble::Foreign, text));
        }
        connection.query_row("SELECT count(*) FROM rooms", [], |_| Ok(()))?;
        Ok(Self(connection))
    }

    fn throw_away(path: &Path) -> Result<(), StoreError> {
        for suffix in ["", "-wal", "-shm"] {
            let mut name = path.as_os_str().to_owned();
            name.push(suffix);
            match std::fs::remove_file(PathBuf::from(name)) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(error.into());
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The index for who only looks.
    pub(super) fn look(path: &Path) -> Result<Self, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(BUSY)?;
        connection.pragma_update(None, "query_only", true)?;
        Ok(Self(connection))
    }

    /// Up to which number a room is complete: 0 if it is not, in this life of its numbers.
    pub(super) fn complete_to(&self, room: &RoomRow) -> Result<Seq, StoreError> {
        let standing = self.standing(room.key)?;
        Ok(standing
            .filter(|standing| standing.epoch == room.epoch)
            .map_or(0, |standing| standing.complete_to))
    }

    pub(super) fn standing(&self, room: RoomKey) -> Result<Option<Standing>, StoreError> {
        let sql = "SELECT epoch, first, complete_to FROM rooms WHERE id = ?1";
        let found = self.0.prepare_cached(sql)?.query_row([room.row()], |row| {
            Ok(Standing {
                epoch: row.get::<_, i64>(0)? as u64,
                first: row.get(1)?,
                complete_to: row.get(2)?,
            })
        });
        Ok(found.optional()?)
    }

    /// Takes out the rooms whose keys are not among these, which rise.
    pub(super) fn keep_only(&mut self, keys: &[RoomKey]) -> Result<(), StoreError> {
        let mut query = self.0.prepare_cached("SELECT id FROM rooms")?;
        let known: Vec<u32> = query
            .query_map([], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        drop(query);
        for row in known {
            if keys.binary_search_by_key(&row, |key| key.row()).is_ok() {
                continue;
            }
            let transaction = self.0.transaction()?;
            let span = RoomKey::messages_of_row(row);
            transaction.execute(
                "DELETE FROM words WHERE rowid BETWEEN ?1 AND ?2",
                [span.start(), span.end()],
            )?;
            transaction.execute("DELETE FROM rooms WHERE id = ?1", [row])?;
            transaction.commit()?;
        }
        Ok(())
    }

    /// Puts the next messages of a room in: all of those that there are between `standing` and
    /// `complete_to`.
    pub(super) fn add(
        &mut self,
        room: RoomKey,
        standing: Standing,
        messages: &[Arc<Message>],
    ) -> Result<(), StoreError> {
        let transaction = self.0.transaction()?;
        {
            let mut insert =
                transaction.prepare_cached("INSERT INTO words (rowid, text) VALUES (?1, ?2)")?;
            for message in messages {
                let key = room.messages(message.seq..=message.seq);
                insert.execute(params![key.start(), &*message.text])?;
            }
            note(&transaction, room, standing)?;
        }
        Ok(transaction.commit()?)
    }

    /// Takes numbers of a room out.
    pub(super) fn remove(
        &mut self,
        room: RoomKey,
        numbers: RangeInclusive<Seq>,
        standing: Standing,
    ) -> Result<(), StoreError> {
        let transaction = self.0.transaction()?;
        let keys = room.messages(numbers);
        transaction
            .prepare_cached("DELETE FROM words WHERE rowid BETWEEN ?1 AND ?2")?
            .execute([keys.start(), keys.end()])?;
        note(&transaction, room, standing)?;
        Ok(transaction.commit()?)
    }

    /// The numbers of one room's messages that have the words, the highest first.
    pub(super) fn find(
        &self,
        words: &Words,
        keys: RangeInclusive<i64>,
        limit: usize,
    ) -> Result<Vec<Seq>, StoreError> {
        let sql = "SELECT rowid FROM words WHERE words MATCH ?1 AND rowid BETWEEN ?2 AND ?3 \
                   ORDER BY rowid DESC LIMIT ?4";
        let mut query = self.0.prepare_cached(sql)?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let values = params![words.expression(), keys.start(), keys.end(), limit];
        let rows = query.query_map(values, |row| row.get(0))?;
        Ok(rows
            .map(|id| id.map(RoomKey::number_in))
            .collect::<Result<_, _>>()?)
    }
}

fn note(connection: &Connection, room: RoomKey, standing: Standing) -> Result<(), StoreError> {
    let sql = "INSERT INTO rooms (id, epoch, first, complete_to) VALUES (?1, ?2, ?3, ?4) \
               ON CONFLICT (id) DO UPDATE SET epoch = ?2, first = ?3, complete_to = ?4";
    let Standing {
        epoch,
        first,
        complete_to,
    } = standing;
    connection.prepare_cached(sql)?.execute(params![
        room.row(),
        epoch as i64,
        first,
        complete_to
    ])?;
    Ok(())
}

/// Nobody else reads what was said, whatever the umask. SQLite gives its log the same mode.
fn make_private(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)
        .map(drop)
}
