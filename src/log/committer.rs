//! The one place that makes order.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast, watch};
use tokio::time::Instant;

#[cfg(feature = "test-faults")]
use super::delayed::Delayed;
use super::room::Pending;
use super::{Batch, Room};
use crate::event::{Event, Presence, SessionId, Stamp};
use crate::limits::Limits;
use crate::mail::{Outcome, Ticket};
use crate::name::Nick;

/// A message on its way into a log.
#[derive(Debug)]
pub struct Draft {
    /// Who says it.
    pub author: SessionId,
    /// What they are called.
    pub nick: Nick,
    /// What they say.
    pub text: Box<str>,
    /// Their own id of it.
    pub cid: Option<Box<str>>,
    /// When it arrived, if its delivery is to be timed.
    pub born: Option<Instant>,
}

impl Draft {
    /// A message without an id of its author's, whose delivery is not timed.
    pub fn new(author: SessionId, nick: Nick, text: Box<str>) -> Self {
        Self {
            author,
            nick,
            text,
            cid: None,
            born: None,
        }
    }
}

/// The right to append one message. Held until the message is committed.
#[derive(Debug)]
pub struct Slot {
    _permit: Option<OwnedSemaphorePermit>,
}

/// What became of an append.
#[derive(Debug)]
pub enum Appended {
    /// It is committed; the author is to hear this.
    Committed(Outcome),
    /// It will be; the ticket hears of it.
    Queued,
}

/// What a lane receives: the room and its batch.
pub type Handout = (Arc<Room>, Arc<Batch>);

/// Batches that may wait for the slowest lane. A lane that falls further behind reads the logs.
const CHANNEL: usize = 4096;

/// The door to all logs.
#[derive(Debug)]
pub struct Log {
    committer: Arc<Committer>,
    #[cfg(feature = "test-faults")]
    delayed: Option<Delayed>,
}

/// Numbers, pushes, raises heads and sends. Nobody else does any of it.
#[derive(Debug)]
pub(super) struct Committer {
    sender: broadcast::Sender<Handout>,
    limits: watch::Receiver<Arc<Limits>>,
    clock: fn() -> i64,
}

impl Log {
    /// Logs in memory: an append is committed when it returns.
    pub fn open(limits: watch::Receiver<Arc<Limits>>, clock: fn() -> i64) -> Self {
        let sender = broadcast::Sender::new(CHANNEL);
        let committer = Arc::new(Committer {
            sender,
            limits,
            clock,
        });
        Self {
            #[cfg(feature = "test-faults")]
            delayed: Delayed::start(&committer),
            committer,
        }
    }

    /// What a lane listens to.
    pub fn subscribe(&self) -> broadcast::Receiver<Handout> {
        self.committer.sender.subscribe()
    }

    /// The right to append, if there is room for one more.
    pub fn try_slot(&self) -> Option<Slot> {
        match self.slots() {
            None => Some(Slot { _permit: None }),
            Some(slots) => slots.clone().try_acquire_owned().ok().map(Self::granted),
        }
    }

    /// Where a session waits in line when there is no room: first come, first served. None where
    /// there is always room.
    pub fn slots(&self) -> Option<&Arc<Semaphore>> {
        #[cfg(feature = "test-faults")]
        if let Some(delayed) = &self.delayed {
            return Some(delayed.slots());
        }
        None
    }

    /// The right that was waited for.
    pub fn granted(permit: OwnedSemaphorePermit) -> Slot {
        Slot {
            _permit: Some(permit),
        }
    }

    /// Appends a message. Never blocks and never waits.
    pub fn append(
        &self,
        slot: Slot,
        room: &Arc<Room>,
        draft: Draft,
        mut ticket: Ticket,
    ) -> Appended {
        #[cfg(feature = "test-faults")]
        if let Some(delayed) = &self.delayed {
            return delayed.append(slot, room, draft, ticket);
        }
        drop(slot);
        let stamp = self
            .committer
            .commit(room, [Pending::Message(draft)])
            .swap_remove(0);
        let outcome = Outcome::Committed {
            stamp,
            duplicate: false,
        };
        ticket.settle(&outcome);
        Appended::Committed(outcome)
    }

    /// Tells the room of a change of its roster, after everything that was said before.
    pub fn announce(&self, room: &Arc<Room>, presence: Presence) {
        let event = Event::Presence(Arc::new(presence));
        #[cfg(feature = "test-faults")]
        if let Some(delayed) = &self.delayed {
            return delayed.announce(room, event);
        }
        self.committer.commit(room, [Pending::Presence(event)]);
    }

    /// Whether nothing is on its way into any log.
    pub fn is_idle(&self) -> bool {
        #[cfg(feature = "test-faults")]
        if let Some(delayed) = &self.delayed {
            return delayed.is_idle();
        }
        true
    }
}

impl Committer {
    /// Commits events of one room, in order, and gives the stamps of its messages.
    pub(super) fn commit(
        &self,
        room: &Arc<Room>,
        events: impl IntoIterator<Item = Pending>,
    ) -> Vec<Stamp> {
        let limits = self.limits.borrow().clone();
        room.commit(events, (self.clock)(), &limits, |batch| {
            // No receiver is no failure: there is no lane yet, or none any more.
            let _ = self.sender.send((room.clone(), Arc::new(batch)));
        })
    }
}
