//! The files of one store: the database, its write-ahead log, the lock, the witness.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock, statvfs};

use super::{StoreError, Trouble};

/// Where a store is. All files stand side by side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreFiles {
    /// The database.
    pub database: PathBuf,
    /// Its write-ahead log.
    pub wal: PathBuf,
    /// The file that a living daemon holds locked.
    pub lock: PathBuf,
    /// The file that counts committed turns.
    pub witness: PathBuf,
}

/// The disk that a store lies on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disk {
    /// Bytes that are free for this user.
    pub free: u64,
    /// Bytes in all.
    pub total: u64,
}

impl StoreFiles {
    /// Those of the database at this path.
    pub fn of(database: &Path) -> Self {
        let beside = |suffix: &str| {
            let mut name = database.as_os_str().to_owned();
            name.push(suffix);
            PathBuf::from(name)
        };
        Self {
            database: database.to_owned(),
            wal: beside("-wal"),
            lock: beside("-lock"),
            witness: beside("-turns"),
        }
    }

    /// Bytes of the write-ahead log now; 0 if there is none.
    pub fn wal_bytes(&self) -> u64 {
        std::fs::metadata(&self.wal).map_or(0, |found| found.len())
    }

    /// Bytes of the database now, without its log; 0 if there is none.
    pub fn database_bytes(&self) -> u64 {
        std::fs::metadata(&self.database).map_or(0, |found| found.len())
    }

    /// The disk that it lies on; none if that cannot be seen.
    pub fn disk(&self) -> Option<Disk> {
        let seen = statvfs(&self.database).ok()?;
        Some(Disk {
            free: seen.f_bavail.saturating_mul(seen.f_frsize),
            total: seen.f_blocks.saturating_mul(seen.f_frsize),
        })
    }

    /// Makes an empty database file that nobody else reads, whatever the umask, if there is none.
    /// SQLite gives its log the same mode. True if it was made.
    pub(super) fn make_database(&self) -> io::Result<bool> {
        let made = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&self.database);
        match made {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// Nobody else writes to the store while this lives: the kernel lets go of it when the process ends,
/// however it ends.
#[derive(Debug)]
pub(super) struct Lock(#[expect(dead_code, reason = "held, not read")] File);

impl Lock {
    pub(super) fn take(path: &Path) -> Result<Self, StoreError> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path);
        let mut file = file.map_err(|error| {
            StoreError::from(error).while_doing(format!("cannot open {}", path.display()))
        })?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => return Err(Self::refusal(path, file)),
            Err(error) => return Err(io::Error::from(error).into()),
        }
        // Only for the sentence that somebody else will read: it may fail.
        let _ = file.set_len(0);
        let _ = writeln!(file, "{}", std::process::id());
        Ok(Self(file))
    }

    fn refusal(path: &Path, file: File) -> StoreError {
        let mut holder = String::new();
        let _ = file.take(20).read_to_string(&mut holder);
        let holder = match holder.trim().parse::<u32>() {
            Ok(process) => format!("process {process}"),
            Err(_) => "another process".to_owned(),
        };
        let path = path.display();
        let text = format!(
            "{holder} serves this history already and holds {path} locked; stop it first, or give \
             this daemon another `history.path`"
        );
        StoreError::new(Trouble::Locked, text)
    }
}
