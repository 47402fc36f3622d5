//! Which rooms there are.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use tokio::time::Instant;

use super::{Hub, lock};
use crate::event::Epoch;
use crate::log::{Keep, Room};
use crate::name::{Names, RoomName};
use crate::store::RoomRow;

/// Why there is no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoRoom {
    /// `limits.rooms` is reached.
    TooMany,
    /// `history.max_rooms` is reached.
    TooManyKept,
    /// The system gives no random bits for an epoch.
    NoRandomness,
    /// It is being brought in from elsewhere.
    Reserved,
}

#[derive(Debug, Default)]
pub(super) struct Rooms {
    pub(super) known: Mutex<Known>,
    made: AtomicU64,
    /// What the rooms that are gone owed to their members.
    owed: AtomicU64,
}

/// Invariant: no room is both here and resting.
#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) here: Names<Arc<Room>>,
    /// Rooms that are in the store and not in memory. Their rows say all that is needed to bring
    /// them back without a look at the disk, and that their names are taken.
    pub(super) resting: Names<RoomRow>,
    /// Names of rooms that are being brought in and are no rooms yet.
    pub(super) reserved: Names<RoomName>,
}

impl Hub {
    /// The room with this name, made if it is new, with one more hearer. The hearer is counted under
    /// the same lock that removal takes, so a room is never removed from under a session.
    ///
    /// # Errors
    /// No room can be made.
    pub fn enter_room(&self, name: &RoomName) -> Result<Arc<Room>, NoRoom> {
        let mut known = lock(&self.rooms.known);
        if let Some(room) = known.here.find(name.as_str()) {
            room.add_hearer();
            return Ok(room.clone());
        }
        if known.here.len() >= self.limits().rooms && *name != self.default_room {
            return Err(NoRoom::TooMany);
        }
        if known.reserved.find(name.as_str()).is_some() {
            return Err(NoRoom::Reserved);
        }
        let room = Arc::new(match known.resting.remove_same(name.as_str()) {
            Some(row) => self.room_of_row(&row),
            None => self.new_room(name, known.here.len() + known.resting.len())?,
        });
        room.add_hearer();
        // It was not found a moment ago under the same lock.
        let _ = known.here.insert(room.name.as_str(), room.clone());
        Ok(room)
    }

    fn room_of_row(&self, row: &RoomRow) -> Room {
        let keep = self.log.kept();
        Room::of_row(row, keep.and_then(|keep| keep.shelf(row.key)))
    }

    fn new_room(&self, name: &RoomName, rooms: usize) -> Result<Room, NoRoom> {
        if let Some(keep) = self.log.kept() {
            if rooms >= keep.retention().rooms && *name != self.default_room {
                return Err(NoRoom::TooManyKept);
            }
            return Ok(Room::to_be_kept(
                name.clone(),
                keep.store.epoch_of_new(name),
            ));
        }
        let bits = getrandom::u64().map_err(|_| NoRoom::NoRandomness)?;
        let id = self.rooms.made.fetch_add(1, Ordering::Relaxed);
        Ok(Room::new(name.clone(), Epoch::from_bits(bits), id))
    }

    /// Makes the default room, which stays from then on.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn open_default_room(&self) -> Result<(), NoRoom> {
        let room = self.enter_room(&self.default_room)?;
        room.remove_hearer();
        Ok(())
    }

    /// The room with this name.
    pub fn find_room(&self, name: &str) -> Option<Arc<Room>> {
        lock(&self.rooms.known).here.find(name).cloned()
    }

    /// Rooms that are in the store and not in memory, in no order.
    pub fn resting_rooms(&self) -> Vec<RoomRow> {
        lock(&self.rooms.known).resting.values().cloned().collect()
    }

    /// At most `limit` rooms after `after`, by name, and whether there are more.
    pub fn rooms_after(&self, after: Option<&str>, limit: usize) -> (Vec<Arc<Room>>, bool) {
        let mut rooms = self.rooms.all();
        rooms.retain(|room| after.is_none_or(|after| room.name.as_str() > after));
        rooms.sort_by(|a, b| a.name.cmp(&b.name));
        let more = rooms.len() > limit;
        rooms.truncate(limit);
        (rooms, more)
    }

    /// Members at the time of numbering × messages, summed over all rooms that there ever were.
    pub fn owed(&self) -> u64 {
        // Under the lock, so that no room goes from one sum to the other unseen.
        let known = lock(&self.rooms.known);
        let living: u64 = known.here.values().map(|room| room.owed()).sum();
        living + self.rooms.owed.load(Ordering::Relaxed)
    }

    /// Once a second: removes the rooms that nobody has heard for `limits.room_idle`, and looks at how
    /// much is said in the others. The default room stays.
    pub fn sweep_rooms(&self) {
        let (now, idle) = (Instant::now(), self.limits().room_idle);
        let mut known = lock(&self.rooms.known);
        known.here.values().for_each(|room| room.take_tempo());
        let gone: Vec<Arc<Room>> = known
            .here
            .values()
            .filter(|room| room.name != self.default_room)
            .filter(|room| {
                room.idle_since()
                    .is_some_and(|since| now.duration_since(since) >= idle)
            })
            .cloned()
            .collect();
        for room in gone {
            known.here.remove(room.name.as_str());
            if let Some(row) = room.row() {
                // The name was its own a moment ago.
                let _ = known.resting.insert(room.name.as_str(), row);
            }
            self.rooms.owed.fetch_add(room.owed(), Ordering::Relaxed);
        }
        if let Some(keep) = self.log.kept() {
            known.forget(keep);
        }
    }
}

impl Known {
    /// Lets rooms go that rest, have no messages any more, and no topic.
    fn forget(&mut self, keep: &Keep) {
        let is_over = |row: &&RoomRow| {
            let shelf = keep.shelf(row.key);
            row.topic.is_none() && shelf.is_some_and(|shelf| shelf.messages() == 0)
        };
        let over: Vec<_> = self.resting.values().filter(is_over).cloned().collect();
        for row in over {
            if keep.forget(row.key).is_ok() {
                self.resting.remove(row.name.as_str());
            }
        }
    }
}

impl Rooms {
    pub(super) fn all(&self) -> Vec<Arc<Room>> {
        lock(&self.known).here.values().cloned().collect()
    }

    /// Rooms that are in a store. Of two that would be the same, which no daemon makes, the first
    /// one is found.
    pub(super) fn resting(rows: Vec<RoomRow>) -> Self {
        let mut known = Known::default();
        for row in rows {
            let name = row.name.clone();
            if known.resting.insert(name.as_str(), row).is_err() {
                tracing::warn!(event = "history.twin", room = %name, "another room is called the same");
            }
        }
        Self {
            known: Mutex::new(known),
            ..Self::default()
        }
    }
}
