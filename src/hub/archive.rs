//! Rooms as an operator's work on the history sees them: also those that nobody is in.

use std::sync::Arc;

use super::{Hub, lock};
use crate::log::{Keep, Room};
use crate::name::RoomName;
use crate::store::RoomRow;

/// A room with messages to be read.
#[derive(Clone, Debug)]
pub enum Past {
    /// Its row in the store, with the numbers that can be read now.
    Stored(RoomRow),
    /// It is in memory only.
    Memory(Arc<Room>),
}

impl Hub {
    /// The past of the room with this name.
    pub fn past_of(&self, name: &str) -> Option<Past> {
        let known = lock(&self.rooms.known);
        let row = match known.here.find(name) {
            Some(room) => match room.row() {
                Some(row) => row,
                None => return Some(Past::Memory(room.clone())),
            },
            None => known.resting.find(name)?.clone(),
        };
        Some(Past::Stored(self.now(row)))
    }

    /// The row with what can be read now.
    fn now(&self, row: RoomRow) -> RoomRow {
        match self.log.kept().and_then(|keep| keep.shelf(row.key)) {
            Some(shelf) => RoomRow {
                head: shelf.head(),
                first: shelf.first().min(shelf.head() + 1),
                bytes: shelf.bytes(),
                ..row
            },
            None => row,
        }
    }

    /// Keeps a name for a room that is being brought in: until it is [`Hub::adopt_room`]ed or
    /// [`Hub::release_room`]d nobody can make a room under it. False if there is such a room, or too
    /// many of them.
    pub fn reserve_room(&self, name: &RoomName, keep: &Keep) -> bool {
        let mut known = lock(&self.rooms.known);
        let text = name.as_str();
        let is_free = known.here.find(text).is_none() && known.resting.find(text).is_none();
        let rooms = known.here.len() + known.resting.len();
        is_free
            && rooms < keep.retention().rooms
            && known.reserved.insert(text, name.clone()).is_ok()
    }

    /// The name is free again.
    pub fn release_room(&self, name: &RoomName) {
        lock(&self.rooms.known).reserved.remove(name.as_str());
    }

    /// The room that was brought in is one like all others.
    pub fn adopt_room(&self, row: RoomRow) {
        let mut known = lock(&self.rooms.known);
        known.reserved.remove(row.name.as_str());
        let name = row.name.clone();
        // Its name was kept for it.
        let _ = known.resting.insert(name.as_str(), row);
    }
}
