//! Numbers of a page of history, read from the store for one session.

use std::ops::RangeInclusive;
use std::sync::Arc;

use super::{Log, Room};
use crate::event::{Seq, SessionId};
use crate::mail::{Mailbox, Note, Page};
use crate::store::Trouble;

impl Log {
    /// Asks for messages of a room, and has a session's lane told what was found. False if too much
    /// is asked already, or the room is not in a store.
    pub fn ask_past(
        &self,
        room: &Room,
        numbers: RangeInclusive<Seq>,
        session: SessionId,
        lane: &Arc<Mailbox>,
    ) -> bool {
        let (Some(readers), Some(key)) = (self.readers(), room.key()) else {
            return false;
        };
        let lane = lane.clone();
        readers.ask(Box::new(move |reader| {
            let found = reader.and_then(|reader| reader.range(key, numbers));
            let (page, result) = match found {
                Ok(messages) => (Page::Messages(messages), Ok(())),
                Err(error) if error.trouble == Trouble::Corrupt => (Page::Damaged, Err(error)),
                Err(error) => (Page::Unreadable, Err(error)),
            };
            lane.post(Note::Past { session, page });
            result
        }))
    }
}
