//! One turn of the committer, by room; and how its authors are told.

use std::sync::Arc;

use super::committer::Committer;
use super::queue::{Entry, Queue};
use super::room::{Pending, Room};
use crate::event::{Event, Topic};
use crate::fault::ErrorCode;
use crate::mail::{Mailbox, Note, Outcome, Ticket};
use crate::store::RoomKey;

/// Messages of one batch: what a lane hands out in one write.
const BATCH: usize = 64;
/// Bytes of text after which a batch ends early.
const BATCH_TEXT: usize = 64 * 1024;

/// What happens in one room in one turn.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) room: Arc<Room>,
    pub(super) events: Vec<Pending>,
    /// One for each message, in order.
    tickets: Vec<Option<Ticket>>,
    /// Who set what the room is about, and to what.
    topics: Vec<(Option<Ticket>, Arc<Topic>)>,
    /// The row that this turn made for the room, if it is the first of the room's messages.
    pub(super) made: Option<RoomKey>,
    /// What its messages cost in the store.
    pub(super) bytes: u64,
}

impl Group {
    /// Messages among its events.
    pub(super) fn messages(&self) -> usize {
        self.tickets.len()
    }
}

/// A turn that was taken out of the queue and is not answered yet.
#[derive(Debug, Default)]
pub(super) struct Turn {
    pub(super) groups: Vec<Group>,
    /// Events of all groups.
    events: usize,
    /// Of them, messages.
    pub(super) messages: usize,
}

impl Group {
    /// Whether something of it belongs into a store.
    pub(super) fn is_to_be_kept(&self) -> bool {
        !self.tickets.is_empty() || !self.topics.is_empty()
    }

    /// What the room is about after this turn, if the turn changes it.
    pub(super) fn last_topic(&self) -> Option<&Topic> {
        self.topics.last().map(|(_, topic)| &**topic)
    }
}

impl Turn {
    /// Sorts events by room. Those of one room stay in order.
    pub(super) fn of(entries: &mut Vec<Entry>) -> Self {
        let mut turn = Self::default();
        for entry in entries.drain(..) {
            turn.events += 1;
            let is_message = matches!(entry.what, Pending::Message(_));
            let known = |group: &Group| Arc::ptr_eq(&group.room, &entry.room);
            let at = turn.groups.iter().position(known).unwrap_or_else(|| {
                turn.groups.push(Group {
                    room: entry.room.clone(),
                    events: Vec::new(),
                    tickets: Vec::new(),
                    topics: Vec::new(),
                    made: None,
                    bytes: 0,
                });
                turn.groups.len() - 1
            });
            let group = &mut turn.groups[at];
            if let Pending::Unnumbered(Event::Topic(_, topic)) = &entry.what {
                group.topics.push((entry.ticket, topic.clone()));
                group.events.push(entry.what);
                continue;
            }
            group.events.push(entry.what);
            if is_message {
                turn.messages += 1;
                group.tickets.push(entry.ticket);
            }
        }
        turn
    }

    /// Whether something in it belongs into a store.
    pub(super) fn is_to_be_kept(&self) -> bool {
        self.groups.iter().any(Group::is_to_be_kept)
    }

    /// Everything in it is as deep in the store as it is to be: numbers it, sends it, and tells.
    pub(super) fn commit(self, committer: &Committer, queue: &Queue, time_ms: i64) {
        let mut told = Told::default();
        for group in self.groups {
            let mut tickets = group.tickets.into_iter();
            let count = group.events.len();
            for events in batches(group.events) {
                let stamps = committer.commit_at(&group.room, events, time_ms);
                for (stamp, ticket) in stamps.into_iter().zip(&mut tickets) {
                    let duplicate = false;
                    told.tell(ticket, Outcome::Committed { stamp, duplicate });
                }
            }
            for (ticket, topic) in group.topics {
                told.tell(ticket, Outcome::Topic(topic));
            }
            group.room.committed(count);
        }
        // Before anybody hears: whoever waits for an idle log may look again when they do.
        queue.done(self.events, self.messages);
        told.post();
    }

    /// Nothing of it is in the store, nor ever will be. What would not be kept happens all the same.
    pub(super) fn refuse(self, committer: &Committer, queue: &Queue, time_ms: i64) {
        let mut told = Told::default();
        for group in self.groups {
            let count = group.events.len();
            let others = group.events.into_iter();
            let others: Vec<_> = others
                .filter(|event| matches!(event, Pending::Unnumbered(Event::Presence(_))))
                .collect();
            if !others.is_empty() {
                committer.commit_at(&group.room, others, time_ms);
            }
            group.room.committed(count);
            let topics = group.topics.into_iter().map(|(ticket, _)| ticket);
            for ticket in group.tickets.into_iter().chain(topics) {
                let outcome = Outcome::Refused {
                    code: ErrorCode::StoreUnavailable,
                    text: "the history cannot be written now; try again",
                };
                told.tell(ticket, outcome);
            }
        }
        queue.done(self.events, self.messages);
        told.post();
    }
}

/// Cuts events into what lanes hand out at once.
fn batches(events: Vec<Pending>) -> Vec<Vec<Pending>> {
    if events.len() <= BATCH && text_len(&events) <= BATCH_TEXT {
        return vec![events];
    }
    let mut batches = Vec::new();
    let (mut batch, mut text) = (Vec::with_capacity(BATCH), 0);
    for event in events {
        text += event.text_len();
        batch.push(event);
        if batch.len() == BATCH || text >= BATCH_TEXT {
            batches.push(std::mem::replace(&mut batch, Vec::with_capacity(BATCH)));
            text = 0;
        }
    }
    if !batch.is_empty() {
        batches.push(batch);
    }
    batches
}

fn text_len(events: &[Pending]) -> usize {
    events.iter().map(Pending::text_len).sum()
}

/// What authors are told, in one go for each lane: a lane is woken once for all of it.
#[derive(Debug, Default)]
struct Told(Vec<(Arc<Mailbox>, Vec<Note>)>);

impl Told {
    fn tell(&mut self, ticket: Option<Ticket>, outcome: Outcome) {
        let Some(mut ticket) = ticket else { return };
        ticket.settle(&outcome);
        let note = Note::Outcome {
            session: ticket.session,
            ticket: ticket.number,
            outcome,
        };
        match self
            .0
            .iter_mut()
            .find(|(lane, _)| Arc::ptr_eq(lane, &ticket.lane))
        {
            Some((_, notes)) => notes.push(note),
            None => self.0.push((ticket.lane, vec![note])),
        }
    }

    fn post(self) {
        for (lane, notes) in self.0 {
            lane.post_all(notes);
        }
    }
}
