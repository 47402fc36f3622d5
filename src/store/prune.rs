//! Taking away what is too much or too old, a little at a time.

use rusqlite::{OptionalExtension, params};

use super::{RoomKey, StoreError, Writer};
use crate::event::Seq;

/// What one step took away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Messages.
    pub messages: u64,
    /// What they cost.
    pub bytes: u64,
}

/// What a message's row costs, in the words of SQL; as [`super::NewMessage::cost`].
const COST: &str = "32 + length(CAST(nick AS BLOB)) + length(CAST(text AS BLOB)) \
                    + ifnull(length(CAST(cid AS BLOB)), 0)";

impl Writer {
    /// Takes away the messages of a room from its first kept one up to this one, in a turn of its
    /// own. What it costs is in the number of messages: callers take few at a time.
    ///
    /// # Errors
    /// The store is in trouble; nothing was taken away.
    pub fn prune(&mut self, room: RoomKey, first: Seq, to: Seq) -> Result<Pruned, StoreError> {
        let span = params![room.message(first), room.message(to)];
        let transaction = self
            .connection
            .transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        let sum = format!(
            "SELECT count(*), ifnull(sum({COST}), 0) FROM messages WHERE id BETWEEN ?1 AND ?2"
        );
        let pruned = transaction.prepare_cached(&sum)?.query_row(span, |row| {
            Ok(Pruned {
                messages: row.get(0)?,
                bytes: row.get(1)?,
            })
        })?;
        transaction
            .prepare_cached("DELETE FROM messages WHERE id BETWEEN ?1 AND ?2")?
            .execute(span)?;
        transaction
            .prepare_cached(
                "UPDATE rooms SET first = max(first, ?2), bytes = max(bytes - ?3, 0) WHERE id = ?1",
            )?
            .execute(params![room.0, to + 1, pruned.bytes])?;
        transaction.commit()?;
        Ok(pruned)
    }

    /// When a message was numbered, in milliseconds since 1970 UTC; none if it is not there.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn time_of(&self, room: RoomKey, seq: Seq) -> Result<Option<i64>, StoreError> {
        let sql = "SELECT time_ms FROM messages WHERE id = ?1";
        let mut query = self.connection.prepare_cached(sql)?;
        Ok(query
            .query_row([room.message(seq)], |row| row.get(0))
            .optional()?)
    }

    /// The last message of a room among those from `first` to `to` that is older than this time. Times
    /// rise with numbers, but for a clock that was set back; so it looks from the old end.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn last_before(
        &self,
        room: RoomKey,
        first: Seq,
        to: Seq,
        time_ms: i64,
    ) -> Result<Option<Seq>, StoreError> {
        let sql = "SELECT id FROM messages WHERE id BETWEEN ?1 AND ?2 AND time_ms >= ?3 \
                   ORDER BY id LIMIT 1";
        let mut query = self.connection.prepare_cached(sql)?;
        let span = params![room.message(first), room.message(to), time_ms];
        let kept: Option<i64> = query.query_row(span, |row| row.get(0)).optional()?;
        let last = kept.map_or(to, |id| super::row::seq_of(id).saturating_sub(1));
        Ok((last >= first).then_some(last))
    }

    /// Bytes of the database that hold something, its write-ahead log aside.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn used_bytes(&self) -> Result<u64, StoreError> {
        let pragma = |name: &str| {
            self.connection
                .pragma_query_value(None, name, |row| row.get::<_, u64>(0))
        };
        let pages = pragma("page_count")?.saturating_sub(pragma("freelist_count")?);
        Ok(pages * pragma("page_size")?)
    }
}

impl super::Turn<'_> {
    /// Takes away the row of a room that has no messages any more. `seed` is what epochs of rooms
    /// without messages follow from, from now on: a room that is made under this name again is
    /// another one.
    ///
    /// # Errors
    /// The store is in trouble.
    pub fn forget_room(&mut self, room: RoomKey, seed: u64) -> Result<(), StoreError> {
        let connection = self.connection();
        connection
            .prepare_cached("DELETE FROM rooms WHERE id = ?1 AND first > head")?
            .execute([room.0])?;
        // The row took its turn with it.
        connection
            .prepare_cached("UPDATE store SET seed = ?1, turn = max(turn, ?2)")?
            .execute(params![seed as i64, self.number()])?;
        Ok(())
    }
}
