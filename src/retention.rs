//! How much of a history is kept.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::name::is_same;

/// How much of a history is kept. The oldest goes first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// Messages of each room.
    pub messages: Option<usize>,
    /// Age of a message.
    pub age: Option<Duration>,
    /// Bytes of all rooms together on the disk.
    pub bytes: Option<usize>,
    /// Rooms.
    pub rooms: usize,
    /// Rooms with bounds of their own, by name.
    pub own: BTreeMap<String, Bounds>,
}

/// How much of one room is kept. What is not set here holds for all rooms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    /// Messages.
    pub messages: Option<usize>,
    /// Age of a message.
    pub age: Option<Duration>,
    /// Bytes of texts and names.
    pub bytes: Option<usize>,
}

impl Retention {
    /// What holds for the room of this name.
    pub fn of_room(&self, name: &str) -> Bounds {
        let own = self.own.iter().find(|(room, _)| is_same(room, name));
        let own = own.map_or(Bounds::default(), |(_, own)| *own);
        Bounds {
            messages: own.messages.or(self.messages),
            age: own.age.or(self.age),
            bytes: own.bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_has_its_own_bounds_where_it_has_them() {
        let own = Bounds {
            age: Some(Duration::from_secs(1)),
            ..Bounds::default()
        };
        let retention = Retention {
            messages: Some(10),
            age: Some(Duration::from_secs(9)),
            own: BTreeMap::from([("Lobby".to_owned(), own)]),
            ..Retention::default()
        };
        let lobby = retention.of_room("lobby");
        assert_eq!((lobby.messages, lobby.age), (Some(10), own.age));
        assert_eq!(retention.of_room("garden").age, retention.age);
    }
}
