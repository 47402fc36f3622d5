//! Whether a store is what was written, and what to do if not.

use std::path::Path;

use rusqlite::Connection;

use super::row::{self, checked};
use super::{RoomRow, StoreError, StoreFiles, Trouble};

/// Files up to this are looked through whole at each start; of larger ones the ends of each room.
const CHECKED_WHOLE: u64 = 32 * 1024 * 1024;

/// Looks a small file through, and of a large one the ends of each room.
pub(super) fn check(
    connection: &Connection,
    files: &StoreFiles,
    rooms: &[RoomRow],
) -> Result<(), StoreError> {
    if files.database_bytes() + files.wal_bytes() <= CHECKED_WHOLE {
        let verdict: String =
            connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
        if verdict != "ok" {
            return Err(StoreError::new(Trouble::Corrupt, verdict));
        }
        let sql = format!("SELECT {} FROM messages", row::MESSAGE);
        let mut query = connection.prepare(&sql)?;
        let mut rows = query.query([])?;
        while let Some(row) = rows.next()? {
            checked(row)?;
        }
    }
    let sql = format!("SELECT {} FROM messages WHERE id = ?1", row::MESSAGE);
    let mut query = connection.prepare(&sql)?;
    for room in rows_with_messages(rooms) {
        for seq in [room.first, room.head] {
            let mut rows = query.query([room.key.message(seq)])?;
            let Some(row) = rows.next()? else {
                let text = format!("message {seq} of room {} is missing", room.name);
                return Err(StoreError::new(Trouble::Corrupt, text));
            };
            checked(row)?;
        }
    }
    Ok(())
}

fn rows_with_messages(rooms: &[RoomRow]) -> impl Iterator<Item = &RoomRow> {
    rooms.iter().filter(|room| room.messages() > 0)
}

/// What an operator can do about it.
pub(super) fn advise(error: StoreError, path: &Path) -> StoreError {
    let files = StoreFiles::of(path);
    let (database, witness) = (path.display(), files.witness.display());
    let advice = match error.trouble {
        Trouble::Corrupt => format!(
            "it is damaged: put a backup in its place (cp BACKUP {database}; rm {database}-*), or \
             start anew without it (mv {database} {database}.damaged; rm {database}-*)"
        ),
        Trouble::Lost => format!(
            "put the missing files or a backup back, or go on with what is there (rm {witness}): \
             every room then begins a new epoch"
        ),
        Trouble::Full => "make room on the disk".to_owned(),
        Trouble::ReadOnly => {
            format!("the daemon's user must be able to write to {database} and its folder")
        }
        _ => return error,
    };
    StoreError {
        text: format!("{}; {advice}", error.text),
        ..error
    }
}
