//! What a room is about.

use std::sync::Arc;

use super::Lane;
use super::reply::About;
use crate::event::Topic;
use crate::fault::{Detail, ErrorCode};
use crate::log::{Appended, Room};
use crate::wire::{Flaw, Reply};

impl Lane {
    /// Sets the topic of a room that the session is in, for everybody there; an empty one takes it
    /// away. It is answered when that is kept as a message would be.
    ///
    /// # Errors
    /// `bad_field` if it is too long or has control characters, `draining`.
    pub(super) fn set_topic(
        &mut self,
        at: usize,
        room: &Arc<Room>,
        text: &str,
        about: About<'_>,
    ) -> Result<(), Flaw> {
        if self.draining {
            return Err(Flaw::new(
                ErrorCode::Draining,
                "the server is shutting down",
            ));
        }
        if text.len() > self.limits.topic {
            let most = format!("at most {} bytes", self.limits.topic);
            return Err(Flaw {
                rejection: Detail::Topic.into(),
                ..Flaw::bad("topic", &most)
            });
        }
        if text.chars().any(char::is_control) {
            return Err(Flaw::bad("topic", "a line without control characters"));
        }
        let Some(nick) = self.seats[at].nick.clone() else {
            return Ok(());
        };
        let ticket = self.pend(at, about, Some(room.clone()), None);
        let (author, number) = (self.seats[at].card.id, ticket.number);
        let topic = Topic {
            text: text.into(),
            nick,
            time_ms: (self.hub.clock)(),
        };
        if let Appended::Committed(outcome) = self.hub.log.set_topic(room, author, topic, ticket) {
            self.seats[at].unanswered.resolve(number, outcome);
        }
        Ok(())
    }

    /// Says what a room is about.
    pub(super) fn tell_topic(&mut self, at: usize, room: &Room, label: Option<&str>) {
        let topic = room.topic();
        let topic = Reply::Topic {
            room: &room.name,
            topic: topic.as_deref(),
        };
        self.reply_to(at, &topic, label);
    }
}
