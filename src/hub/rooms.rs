//! Which rooms there are.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use tokio::time::Instant;

use super::{Hub, lock};
use crate::event::Epoch;
use crate::log::Room;
use crate::name::{Names, RoomName};

/// Why there is no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoRoom {
    /// `limits.rooms` is reached.
    TooMany,
    /// The system gives no random bits for an epoch.
    NoRandomness,
}

#[derive(Debug, Default)]
pub(super) struct Rooms {
    names: Mutex<Names<Arc<Room>>>,
    made: AtomicU64,
}

impl Hub {
    /// The room with this name, made if it is new, with one more hearer. The hearer is counted under
    /// the same lock that removal takes, so a room is never removed from under a session.
    ///
    /// # Errors
    /// No room can be made.
    pub fn enter_room(&self, name: &RoomName) -> Result<Arc<Room>, NoRoom> {
        let mut names = lock(&self.rooms.names);
        if let Some(room) = names.find(name.as_str()) {
            room.add_hearer();
            return Ok(room.clone());
        }
        if names.len() >= self.limits().rooms && *name != self.default_room {
            return Err(NoRoom::TooMany);
        }
        let bits = getrandom::u64().map_err(|_| NoRoom::NoRandomness)?;
        let id = self.rooms.made.fetch_add(1, Ordering::Relaxed);
        let room = Arc::new(Room::new(name.clone(), Epoch::from_bits(bits), id));
        room.add_hearer();
        // It was not found a moment ago under the same lock.
        let _ = names.insert(name.as_str(), room.clone());
        Ok(room)
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
        lock(&self.rooms.names).find(name).cloned()
    }

    /// At most `limit` rooms after `after`, by name, with their members, and whether there are more.
    pub fn rooms_after(&self, after: Option<&str>, limit: usize) -> (Vec<(RoomName, usize)>, bool) {
        let mut rooms = self.rooms.all();
        rooms.retain(|room| after.is_none_or(|after| room.name.as_str() > after));
        rooms.sort_by(|a, b| a.name.cmp(&b.name));
        let more = rooms.len() > limit;
        let page = rooms.iter().take(limit);
        (
            page.map(|room| (room.name.clone(), room.members()))
                .collect(),
            more,
        )
    }

    /// Removes the rooms that nobody has heard for `limits.room_idle`. The default room stays.
    pub fn sweep_rooms(&self) {
        let (now, idle) = (Instant::now(), self.limits().room_idle);
        let mut names = lock(&self.rooms.names);
        let gone: Vec<Arc<Room>> = names
            .values()
            .filter(|room| room.name != self.default_room)
            .filter(|room| {
                room.idle_since()
                    .is_some_and(|since| now.duration_since(since) >= idle)
            })
            .cloned()
            .collect();
        for room in gone {
            names.remove(room.name.as_str());
        }
    }
}

impl Rooms {
    pub(super) fn all(&self) -> Vec<Arc<Room>> {
        lock(&self.names).values().cloned().collect()
    }
}
