//! How many turns were committed, told by somebody else than SQLite.
//!
//! Written after each commit without waiting for the disk. A witness that lags proves nothing and
//! harms nothing; one that is ahead says that committed turns are gone.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

/// Store, turn, and the sum of both.
const BYTES: usize = 20;

#[derive(Debug)]
pub(super) struct Witness {
    file: File,
    store: u64,
}

/// What a witness said at a start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Testimony {
    /// There is none, or none that makes sense.
    None,
    /// Of this store, so many turns.
    Turns { store: u64, turn: u64 },
}

impl Testimony {
    pub(super) fn hear(path: &Path) -> io::Result<Self> {
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::None),
            Err(error) => return Err(error),
        };
        let number = |at: usize| {
            let eight = bytes.get(at..at + 8)?.try_into().ok()?;
            Some(u64::from_le_bytes(eight))
        };
        Ok(match (number(0), number(8)) {
            (Some(store), Some(turn)) if bytes == encode(store, turn) => {
                Self::Turns { store, turn }
            }
            _ => Self::None,
        })
    }
}

impl Witness {
    /// Begins to count for this store, from here, and waits until that is on the disk.
    pub(super) fn begin(path: &Path, store: u64, turn: u64) -> io::Result<Self> {
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)?;
        let witness = Self { file, store };
        witness.tell(turn)?;
        witness.file.set_len(BYTES as u64)?;
        witness.file.sync_all()?;
        Ok(witness)
    }

    /// So many turns are committed now.
    pub(super) fn tell(&self, turn: u64) -> io::Result<()> {
        self.file.write_all_at(&encode(self.store, turn), 0)
    }
}

fn encode(store: u64, turn: u64) -> [u8; BYTES] {
    let mut bytes = [0; BYTES];
    bytes[..8].copy_from_slice(&store.to_le_bytes());
    bytes[8..16].copy_from_slice(&turn.to_le_bytes());
    let sum = crc32fast::hash(&bytes[..16]);
    bytes[16..].copy_from_slice(&sum.to_le_bytes());
    bytes
}
