//! Opening a store: alone, of a version that is known, whole, and in the right life of its numbers.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use sha2::{Digest, Sha256};

use super::check::{advise, check};
use super::files::Lock;
use super::life::{begin, boot_id, judge, last_turn, life, random_bits};
use super::witness::{Testimony, Witness};
use super::{
    Anew, Checkpointer, Reader, RoomRow, StoreError, StoreFiles, Trouble, Writer, reader, schema,
};
use crate::event::Durability;
use crate::name::RoomName;

/// The first SQLite in which a checkpoint that meets a writer loses nothing (the WAL-reset bug).
const SQLITE_LEAST: i32 = 3_051_003;
/// How long a connection waits for a lock that somebody else holds.
const BUSY: Duration = Duration::from_millis(500);
/// What the writer keeps in memory of the file, in KiB. Readers keep SQLite's default of 2 MiB.
const WRITER_CACHE_KIB: i64 = 16 * 1024;

/// A store that this process alone writes to. Cheap to ask; holds the lock while it lives.
#[derive(Debug)]
pub struct Store {
    files: StoreFiles,
    durability: Durability,
    id: u64,
    seed: AtomicU64,
    run: u32,
    _lock: Lock,
}

/// What opening a store gives.
#[derive(Debug)]
pub struct Opened {
    /// The store.
    pub store: Store,
    /// Its only writer.
    pub writer: Writer,
    /// Every room that it has.
    pub rooms: Vec<RoomRow>,
    /// Why the rooms have new epochs, if they have.
    pub anew: Option<Anew>,
    /// The version that the file had, if it was brought up to date.
    pub migrated: Option<usize>,
}

impl Store {
    /// Opens the store at this path, and makes it if nothing is there.
    ///
    /// # Errors
    /// It is another daemon's, newer, foreign, damaged, or lacks committed turns; the sentence says
    /// what to do. Nothing was changed then.
    pub fn open(path: &Path, durability: Durability) -> Result<Opened, StoreError> {
        Self::open_in(path, durability, &boot_id())
    }

    /// The same under this boot id of the kernel.
    pub(super) fn open_in(
        path: &Path,
        durability: Durability,
        boot: &str,
    ) -> Result<Opened, StoreError> {
        let found = rusqlite::version_number();
        if found < SQLITE_LEAST {
            let text = format!("SQLite {} can lose commits", rusqlite::version());
            return Err(StoreError::new(Trouble::Other, text));
        }
        let files = StoreFiles::of(path);
        let lock = Lock::take(&files.lock)?;
        let place = path.display();
        prepare(&files, durability, boot, lock)
            .map_err(|error| advise(error, path).while_doing(format!("the history {place}")))
    }

    /// A connection that only reads. It has opened every file that it will read.
    ///
    /// # Errors
    /// The store cannot be opened.
    pub fn reader(&self) -> Result<Reader, StoreError> {
        let connection = connect(&self.files.database)?;
        connection.pragma_update(None, "query_only", true)?;
        connection.pragma_query_value(None, "schema_version", |_| Ok(()))?;
        Ok(Reader::new(connection, self.run))
    }

    /// A connection that brings the write-ahead log in.
    ///
    /// # Errors
    /// The store cannot be opened.
    pub fn checkpointer(&self) -> Result<Checkpointer, StoreError> {
        Checkpointer::new(connect(&self.files.database)?)
    }

    pub(super) fn writing_connection(&self) -> Result<Connection, StoreError> {
        writing_connection(&self.files.database, self.durability)
    }

    /// A new writer in place of one that failed. Nobody else may have one.
    ///
    /// # Errors
    /// The store is still in trouble.
    pub fn writer_again(&self, turn: u64) -> Result<Writer, StoreError> {
        let connection = writing_connection(&self.files.database, self.durability)?;
        let witness = Witness::begin(&self.files.witness, self.id, turn)?;
        let turn = turn.max(last_turn(&connection)?);
        Ok(Writer {
            connection,
            witness,
            run: self.run,
            turn,
        })
    }

    /// The epoch of a room without messages: the same after a restart.
    pub fn epoch_of_new(&self, room: &RoomName) -> u64 {
        let mut hasher = Sha256::new();
        hasher.update(self.seed().to_be_bytes());
        hasher.update(room.as_str().as_bytes());
        let digest = hasher.finalize();
        digest
            .iter()
            .take(8)
            .fold(0, |bits, byte| bits << 8 | u64::from(*byte))
    }

    /// What epochs of rooms without messages follow from.
    pub fn seed(&self) -> u64 {
        self.seed.load(Ordering::Acquire)
    }

    /// Has the epochs of rooms without messages follow from something else from now on: before a
    /// room is forgotten ([`super::Turn::forget_room`]).
    ///
    /// # Errors
    /// The system gives no random bits; everything is as it was.
    pub fn change_seed(&self) -> Result<(), StoreError> {
        self.seed.store(random_bits()?, Ordering::Release);
        Ok(())
    }

    /// The error with what an operator can do about it.
    #[must_use]
    pub fn advise(&self, error: StoreError) -> StoreError {
        advise(error, &self.files.database)
    }

    /// Where its files are.
    pub fn files(&self) -> &StoreFiles {
        &self.files
    }

    /// How deep it keeps.
    pub fn durability(&self) -> Durability {
        self.durability
    }
}

impl Writer {
    /// Commits a turn without messages, so that whatever an earlier writer left half done in the log
    /// is written over, and waits until all that is committed is as deep as it is to be.
    ///
    /// # Errors
    /// The store is still in trouble.
    pub fn prove(&mut self) -> Result<(), StoreError> {
        let sql = "UPDATE store SET turn = max(turn, ?1)";
        self.connection.execute(sql, [self.turn])?;
        let disk: i64 = self
            .connection
            .pragma_query_value(None, "synchronous", |row| row.get(0))?;
        if disk >= 2 {
            // What a failed sync left in the log will not be synced again: the database will.
            let sql = "PRAGMA wal_checkpoint(FULL)";
            let busy: bool = self.connection.query_row(sql, [], |row| row.get(0))?;
            if busy {
                let text = "the log cannot be brought in yet";
                return Err(StoreError::new(Trouble::Locked, text));
            }
        }
        Ok(())
    }

    /// Notes that this run ended as it should, and waits until everything is on the disk.
    ///
    /// # Errors
    /// It cannot be noted: the next start takes this for an end without warning.
    pub fn close(self) -> Result<(), StoreError> {
        self.connection.pragma_update(None, "synchronous", "FULL")?;
        self.connection.execute(
            "UPDATE store SET clean = 1, turn = max(turn, ?1)",
            [self.turn],
        )?;
        self.connection
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        self.connection.close().map_err(|(_, error)| error.into())
    }
}

fn prepare(
    files: &StoreFiles,
    durability: Durability,
    boot: &str,
    lock: Lock,
) -> Result<Opened, StoreError> {
    let testimony = Testimony::hear(&files.witness)?;
    if files.make_database()? && testimony != Testimony::None {
        std::fs::remove_file(&files.database)?;
        return Err(StoreError::new(Trouble::Lost, "it is gone, but was there"));
    }
    let mut connection = writing_connection(&files.database, durability)?;
    // What is noted at a start is on the disk before anybody is served.
    connection.pragma_update(None, "synchronous", "FULL")?;
    let before = schema::migrate(&mut connection)?;
    let old = life(&connection)?;
    let rooms = reader::rooms(&connection, None, usize::MAX)?;
    check(&connection, files, &rooms)?;
    let turn = last_turn(&connection)?;
    let anew = match &old {
        Some(old) => judge(old, turn, testimony, boot)?,
        None if testimony == Testimony::None => None,
        None => return Err(StoreError::new(Trouble::Lost, "it is empty, but was not")),
    };
    let is_new = old.is_none();
    let life = begin(&mut connection, old, durability, boot, turn, anew)?;
    if is_new {
        // Without its log a store must still be known for what it is.
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        // The log begins here, synced, and not in somebody's commit.
        connection.execute("UPDATE store SET clean = 0", [])?;
    }
    let rooms = reader::rooms(&connection, None, usize::MAX)?;
    let witness = Witness::begin(&files.witness, life.id, turn)?;
    if durability != Durability::Disk {
        connection.pragma_update(None, "synchronous", "NORMAL")?;
    }
    Ok(Opened {
        store: Store {
            files: files.clone(),
            durability,
            id: life.id,
            seed: AtomicU64::new(life.seed),
            run: life.run,
            _lock: lock,
        },
        writer: Writer {
            connection,
            witness,
            run: life.run,
            turn,
        },
        rooms,
        anew,
        migrated: Some(before).filter(|before| (1..schema::VERSION).contains(before)),
    })
}

fn connect(database: &Path) -> Result<Connection, StoreError> {
    // Never made here: whoever deletes a living store does not get an empty one.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(database, flags)?;
    connection.busy_timeout(BUSY)?;
    // What is brought in, and when, is decided elsewhere, never by whoever happens to close last.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.set_prepared_statement_cache_capacity(32);
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "cell_size_check", true)?;
    Ok(connection)
}

fn writing_connection(database: &Path, durability: Durability) -> Result<Connection, StoreError> {
    let connection = connect(database)?;
    let mode: String =
        connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    if mode != "wal" {
        let text = format!("there is no write-ahead log in this place, only {mode}");
        return Err(StoreError::new(Trouble::Other, text));
    }
    let depth = if durability == Durability::Disk {
        "FULL"
    } else {
        "NORMAL"
    };
    connection.pragma_update(None, "synchronous", depth)?;
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    connection.pragma_update(None, "cache_size", -WRITER_CACHE_KIB)?;
    Ok(connection)
}
