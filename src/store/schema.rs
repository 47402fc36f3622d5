//! The tables, and how an older file becomes a newer one.
//!
//! `user_version` says how many of the steps a file has been through. Each step is one transaction
//! with its own mark, so that a daemon that dies in the middle leaves the old or the new.

use rusqlite::Connection;

use super::{StoreError, Trouble};

/// What each version adds to the one before. A step that was released is never changed.
const STEPS: &[&str] = &[FIRST, IMPORTS];

/// "chat": what tells a store from other SQLite files.
const APPLICATION: i32 = 0x6368_6174;

const FIRST: &str = "
CREATE TABLE store (
    only        INTEGER PRIMARY KEY CHECK (only = 1),
    id          INTEGER NOT NULL,  -- random: which store this is
    seed        INTEGER NOT NULL,  -- random: what epochs of rooms without messages follow from
    run         INTEGER NOT NULL,  -- how often it was opened by a daemon
    turn        INTEGER NOT NULL,  -- at least the last turn when this row was written
    boot        TEXT NOT NULL,     -- the boot id of the kernel of the last run
    durability  TEXT NOT NULL,     -- of the last run
    clean       INTEGER NOT NULL   -- whether the last run ended as it should
);
CREATE TABLE rooms (
    id          INTEGER PRIMARY KEY,
    name        TEXT NOT NULL,
    epoch       INTEGER NOT NULL,
    head        INTEGER NOT NULL,
    first       INTEGER NOT NULL,
    bytes       INTEGER NOT NULL,
    turn        INTEGER NOT NULL,
    topic       TEXT,
    topic_nick  TEXT,
    topic_ms    INTEGER
);
CREATE TABLE messages (
    id          INTEGER PRIMARY KEY,  -- room << 40 | number
    time_ms     INTEGER NOT NULL,
    author      INTEGER NOT NULL,     -- run << 32 | session
    nick        TEXT NOT NULL,
    text        TEXT NOT NULL,
    cid         TEXT,
    identity    BLOB,                 -- of those with a cid: half a SHA-256 of the author's secret
    sum         INTEGER NOT NULL      -- CRC-32 of the row
);
";

/// Keys under which messages lie that are brought in and are no room's yet.
const IMPORTS: &str = "CREATE TABLE imports (id INTEGER PRIMARY KEY);";

/// How many steps a file of this chatd has been through.
pub(super) const VERSION: usize = STEPS.len();

/// Makes the tables, or brings an older file up to date. Says from which version.
pub(super) fn migrate(connection: &mut Connection) -> Result<usize, StoreError> {
    migrate_by(connection, STEPS)
}

fn migrate_by(connection: &mut Connection, steps: &[&str]) -> Result<usize, StoreError> {
    let found = version(connection, steps.len())?;
    for (at, step) in steps.iter().enumerate().skip(found) {
        let transaction =
            connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        transaction.execute_batch(step)?;
        transaction.pragma_update(None, "application_id", APPLICATION)?;
        transaction.pragma_update(None, "user_version", at + 1)?;
        transaction.commit()?;
    }
    Ok(found)
}

/// The version of a file that is ours and not newer than `known`.
fn version(connection: &Connection, known: usize) -> Result<usize, StoreError> {
    let pragma = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
    let (application, version) = (pragma("application_id")?, pragma("user_version")?);
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if application == 0 && version == 0 && tables == 0 {
        return Ok(0);
    }
    let foreign = |text: String| Err(StoreError::new(Trouble::Foreign, text));
    if application != APPLICATION {
        return foreign(
            "it is a database, but not a history of chatd; give another `history.path`".to_owned(),
        );
    }
    match usize::try_from(version) {
        Ok(version) if (1..=known).contains(&version) => Ok(version),
        _ => foreign(format!(
            "it has version {version}, and this chatd knows up to {known}; start the newer chatd \
             that made it, or give another `history.path`"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_file_is_brought_up_to_date_step_by_step_and_keeps_what_it_holds() {
        let mut connection = Connection::open_in_memory().unwrap();
        let first = "CREATE TABLE a (x); INSERT INTO a VALUES (1);";
        assert_eq!(migrate_by(&mut connection, &[first]), Ok(0));
        let both = [first, "CREATE TABLE b AS SELECT x + 1 AS x FROM a;"];
        assert_eq!(migrate_by(&mut connection, &both), Ok(1));
        let x: i64 = connection
            .query_row("SELECT x FROM b", [], |row| row.get(0))
            .unwrap();
        assert_eq!(x, 2);
        assert_eq!(migrate_by(&mut connection, &both), Ok(2), "nothing to do");
    }

    #[test]
    fn a_step_that_fails_leaves_the_old_file() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate_by(&mut connection, &["CREATE TABLE a (x);"]).unwrap();
        let broken = ["", "CREATE TABLE b (x); CREATE TABLE a (x);"];
        migrate_by(&mut connection, &broken).unwrap_err();
        let good = ["", "CREATE TABLE b (x);"];
        assert_eq!(
            migrate_by(&mut connection, &good),
            Ok(1),
            "as if never tried"
        );
    }

    #[test]
    fn a_newer_file_and_somebody_elses_are_refused_as_they_are() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection).unwrap();
        connection
            .pragma_update(None, "user_version", VERSION + 1)
            .unwrap();
        let refused = migrate(&mut connection).unwrap_err();
        assert_eq!(refused.trouble, Trouble::Foreign);
        assert!(refused.text.contains("newer chatd"), "{refused}");

        let mut other = Connection::open_in_memory().unwrap();
        other.execute_batch("CREATE TABLE rooms (id)").unwrap();
        let refused = migrate(&mut other).unwrap_err();
        assert_eq!(refused.trouble, Trouble::Foreign);
    }
}
