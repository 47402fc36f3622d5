//! Keys of messages for who keeps something beside the store that is found by them.

use std::ops::RangeInclusive;

use super::RoomKey;
use super::row::seq_of;
use crate::event::Seq;

impl RoomKey {
    /// The keys that the messages of the room with these numbers have.
    pub fn messages(self, numbers: RangeInclusive<Seq>) -> RangeInclusive<i64> {
        self.message(*numbers.start())..=self.message(*numbers.end())
    }

    /// The number in the key of a message of any room.
    pub fn number_in(id: i64) -> Seq {
        seq_of(id)
    }

    /// The keys that messages of the room in this row can have.
    pub fn messages_of_row(row: u32) -> RangeInclusive<i64> {
        Self(row).messages(0..=Seq::MAX)
    }

    /// The number of the row.
    pub fn row(self) -> u32 {
        self.0
    }
}
