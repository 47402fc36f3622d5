//! What safe retry needs to know after a restart: who sent what with which id of their own.

use rusqlite::params;

use super::{Reader, RoomRow, StoreError, row};
use crate::event::{Seq, Stamp};
use crate::name::Nick;

/// A message with an id of its author's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remembered {
    /// The 64 bits of its room's epoch.
    pub room: u64,
    /// Where it stands.
    pub stamp: Stamp,
    /// Who said it, across connections.
    pub identity: u128,
    /// What they were called.
    pub nick: Nick,
    /// Their own id of it.
    pub cid: Box<str>,
}

/// Rows that are looked at for each one that may be remembered.
const LOOKED_AT: usize = 4;

impl Reader {
    /// The messages with a `cid` since this time, oldest first, at most the last `most` of them. Looks
    /// at a bounded number of rows, the newest of each room first, and at the rooms of the last turns
    /// first.
    ///
    /// # Errors
    /// The store cannot be read, or a message is not what was written.
    pub fn remembered(
        &self,
        rooms: &[RoomRow],
        since_ms: i64,
        most: usize,
    ) -> Result<Vec<Remembered>, StoreError> {
        let mut rooms: Vec<&RoomRow> = rooms.iter().filter(|room| room.messages() > 0).collect();
        rooms.sort_by_key(|room| std::cmp::Reverse(room.turn));
        let mut left = most.saturating_mul(LOOKED_AT);
        let mut found = Vec::new();
        for room in rooms {
            self.remember_room(room, since_ms, &mut left, &mut found)?;
        }
        found.sort_by_key(|one| one.stamp.time_ms);
        let excess = found.len().saturating_sub(most);
        found.drain(..excess);
        Ok(found)
    }

    fn remember_room(
        &self,
        room: &RoomRow,
        since_ms: i64,
        left: &mut usize,
        found: &mut Vec<Remembered>,
    ) -> Result<(), StoreError> {
        let mut query = self.connection().prepare_cached(&format!(
            "SELECT {} FROM messages WHERE id BETWEEN ?1 AND ?2 ORDER BY id DESC",
            row::MESSAGE
        ))?;
        let (from, to) = (room.key.message(1), room.key.message(Seq::MAX));
        let mut rows = query.query(params![from, to])?;
        while *left > 0
            && let Some(row) = rows.next()?
        {
            *left -= 1;
            let (id, time_ms, _) = row::checked(row)?;
            if time_ms < since_ms {
                break;
            }
            let cid = row.get_ref(5)?.as_str_or_null().map_err(row::wrong)?;
            let identity = row.get_ref(6)?.as_blob_or_null().map_err(row::wrong)?;
            let identity = identity.and_then(|bytes| bytes.try_into().ok());
            let (Some(cid), Some(identity)) = (cid, identity) else {
                continue;
            };
            found.push(Remembered {
                room: room.epoch,
                stamp: Stamp {
                    epoch: room.wire_epoch(),
                    seq: row::seq_of(id),
                    time_ms,
                },
                identity: u128::from_be_bytes(identity),
                nick: Nick::kept(row.get_ref(3)?.as_str().map_err(row::wrong)?),
                cid: cid.into(),
            });
        }
        Ok(())
    }
}
