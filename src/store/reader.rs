//! Whoever reads: each on a connection of their own.

use std::ops::RangeInclusive;
use std::sync::Arc;

use rusqlite::{Connection, Statement, params};

use super::{RoomKey, RoomRow, StoreError, row};
use crate::event::{Message, Seq};

/// Which of a room's messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    /// The last ones.
    Latest,
    /// The last ones below this number.
    Before(Seq),
    /// The first ones above this number.
    After(Seq),
}

/// A connection that only reads. Each call is one short transaction of its own: it never keeps the
/// write-ahead log from being brought in for longer than the call.
#[derive(Debug)]
pub struct Reader {
    connection: Connection,
    /// Whose sessions mean somebody.
    run: u32,
}

impl Reader {
    pub(super) fn new(connection: Connection, run: u32) -> Self {
        Self { connection, run }
    }

    /// At most `limit` messages of a room, in rising order of their numbers. What retention has
    /// taken is not there; so the first may be above what was asked for.
    ///
    /// # Errors
    /// The store cannot be read, or a message is not what was written.
    pub fn page(
        &self,
        room: RoomKey,
        span: Span,
        limit: usize,
    ) -> Result<Vec<Arc<Message>>, StoreError> {
        let rising = |from: Seq| (room.message(from), room.message(Seq::MAX), "ASC");
        let falling = |to: Seq| (room.message(1), room.message(to), "DESC");
        let (from, to, order) = match span {
            Span::Latest => falling(Seq::MAX),
            Span::Before(seq) if seq <= 1 => return Ok(Vec::new()),
            Span::Before(seq) => falling(seq - 1),
            Span::After(seq) => rising(seq.saturating_add(1)),
        };
        let mut query = self.connection.prepare_cached(&format!(
            "SELECT {} FROM messages WHERE id BETWEEN ?1 AND ?2 ORDER BY id {order} LIMIT ?3",
            row::MESSAGE
        ))?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let mut page = self.messages(&mut query, params![from, to, limit])?;
        if order == "DESC" {
            page.reverse();
        }
        Ok(page)
    }

    /// The messages of a room with these numbers that are there, in order: at most one chunk's worth,
    /// so that the transaction stays short.
    ///
    /// # Errors
    /// The store cannot be read, or a message is not what was written.
    pub fn range(
        &self,
        room: RoomKey,
        numbers: RangeInclusive<Seq>,
    ) -> Result<Vec<Arc<Message>>, StoreError> {
        let mut query = self.connection.prepare_cached(&format!(
            "SELECT {} FROM messages WHERE id BETWEEN ?1 AND ?2 ORDER BY id",
            row::MESSAGE
        ))?;
        let (from, to) = (room.message(*numbers.start()), room.message(*numbers.end()));
        self.messages(&mut query, params![from, to])
    }

    /// At most `limit` rooms above this key, in the order of their keys.
    ///
    /// # Errors
    /// The store cannot be read, or a row cannot be right.
    pub fn rooms(&self, after: Option<RoomKey>, limit: usize) -> Result<Vec<RoomRow>, StoreError> {
        rooms(&self.connection, after, limit)
    }

    /// The row of this room.
    ///
    /// # Errors
    /// The store cannot be read, or the row cannot be right.
    pub fn room(&self, key: RoomKey) -> Result<Option<RoomRow>, StoreError> {
        let before = key.0.checked_sub(1).map(RoomKey);
        let found = rooms(&self.connection, before, 1)?.pop();
        Ok(found.filter(|room| room.key == key))
    }

    /// The connection, for who reads what this has no words for. It refuses to write.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    fn messages(
        &self,
        query: &mut Statement<'_>,
        params: impl rusqlite::Params,
    ) -> Result<Vec<Arc<Message>>, StoreError> {
        let mut rows = query.query(params)?;
        let mut messages = Vec::new();
        while let Some(row) = rows.next()? {
            messages.push(row::message(row, self.run)?);
        }
        Ok(messages)
    }
}

pub(super) fn rooms(
    connection: &Connection,
    after: Option<RoomKey>,
    limit: usize,
) -> Result<Vec<RoomRow>, StoreError> {
    let mut query = connection.prepare_cached(&format!(
        "SELECT {} FROM rooms WHERE id > ?1 ORDER BY id LIMIT ?2",
        RoomRow::COLUMNS
    ))?;
    let after = after.map_or(-1, |key| i64::from(key.0));
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut rows = query.query(params![after, limit])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(RoomRow::read(row)?);
    }
    Ok(found)
}
