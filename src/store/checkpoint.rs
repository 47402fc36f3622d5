//! Bringing the write-ahead log into the database.

use rusqlite::Connection;

use super::StoreError;

/// A connection for that alone, so that no commit waits for it.
#[derive(Debug)]
pub struct Checkpointer {
    connection: Connection,
    page: u64,
}

/// How far it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Bytes of the log that hold commits.
    pub log_bytes: u64,
    /// Of these, pages that are not in the database yet.
    pub left: u64,
}

impl Checkpointer {
    pub(super) fn new(connection: Connection) -> Result<Self, StoreError> {
        let page = connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        connection.pragma_update(None, "wal_autocheckpoint", 0)?;
        Ok(Self { connection, page })
    }

    /// Brings in what no reader holds back, and waits until that is on the disk. Stops nobody from
    /// reading or writing.
    ///
    /// # Errors
    /// The disk did not take it; it is still in the log.
    pub fn bring_in(&self) -> Result<Progress, StoreError> {
        let sql = "PRAGMA wal_checkpoint(PASSIVE)";
        let (log, done): (i64, i64) = self
            .connection
            .query_row(sql, [], |row| Ok((row.get(1)?, row.get(2)?)))?;
        let pages = |count: i64| u64::try_from(count).unwrap_or(0);
        Ok(Progress {
            log_bytes: pages(log) * self.page,
            left: pages(log) - pages(done),
        })
    }

    /// Writes to a log of which everything is in the database: it begins anew at its first page,
    /// with a header that is on the disk. The next commit need not wait for that. Nobody else may be
    /// writing.
    ///
    /// # Errors
    /// The disk did not take it; nothing is lost.
    pub fn begin_anew(&self) -> Result<(), StoreError> {
        self.connection
            .prepare_cached("UPDATE store SET clean = 0")?
            .execute([])?;
        Ok(())
    }
}
