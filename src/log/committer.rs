//! The one place that makes order.

use std::sync::Arc;
#[cfg(feature = "test-faults")]
use std::sync::{Mutex, mpsc};

use tokio::sync::{Semaphore, broadcast, watch};
use tokio::time::Instant;

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
    pub(super) counted: bool,
}

impl Draft {
    /// A message that has just arrived.
    pub fn new(author: SessionId, nick: Nick, text: Box<str>) -> Self {
        Self { author, nick, text, cid: None, born: None, counted: false }
    }
}

/// The right to append one message.
#[derive(Debug)]
pub struct Slot(Option<tokio::sync::OwnedSemaphorePermit>);

/// What became of an append.
#[derive(Debug)]
pub enum Appended {
    /// It is committed, with this number.
    Committed(Stamp),
    /// It will be; the ticket hears of it.
    Queued,
}

/// What a lane receives: the room and its batch.
pub type Handout = (Arc<Room>, Arc<Batch>);

/// Called with every outcome of a queued message before its author hears of it.
pub type OnOutcome = Arc<dyn Fn(&Ticket, &Outcome) + Send + Sync>;

/// The door to all logs. Cheap to share.
pub struct Log {
    sender: broadcast::Sender<Handout>,
    limits: watch::Receiver<Arc<Limits>>,
    clock: fn() -> i64,
    #[cfg(feature = "test-faults")]
    delayed: Option<Delayed>,
    slots: Option<Arc<Semaphore>>,
}

impl std::fmt::Debug for Log {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Log").finish_non_exhaustive()
    }
}

/// Batches that may wait for the slowest lane. A lane that falls further behind reads the logs.
const CHANNEL: usize = 4096;

impl Log {
    /// A log in memory: an append is committed when it returns.
    pub fn in_memory(limits: watch::Receiver<Arc<Limits>>, clock: fn() -> i64) -> Self {
        Self {
            sender: broadcast::Sender::new(CHANNEL),
            limits,
            clock,
            #[cfg(feature = "test-faults")]
            delayed: None,
            slots: None,
        }
    }

    /// What a lane listens to.
    pub fn subscribe(&self) -> broadcast::Receiver<Handout> {
        self.sender.subscribe()
    }

    /// The right to append, if there is room.
    pub fn try_slot(&self) -> Option<Slot> {
        match &self.slots {
            None => Some(Slot(None)),
            Some(slots) => slots.clone().try_acquire_owned().ok().map(|permit| Slot(Some(permit))),
        }
    }

    /// Where a session waits in line when there is no room: first come, first served.
    pub fn slots(&self) -> Option<&Arc<Semaphore>> {
        self.slots.as_ref()
    }

    /// The right that was waited for.
    pub fn granted(permit: tokio::sync::OwnedSemaphorePermit) -> Slot {
        Slot(Some(permit))
    }

    /// Appends a message. Never blocks and never waits.
    pub fn append(&self, slot: Slot, room: &Arc<Room>, draft: Draft, ticket: &Ticket) -> Appended {
        #[cfg(feature = "test-faults")]
        if let Some(delayed) = &self.delayed {
            return delayed.append(slot, room, draft, ticket);
        }
        let _ = (slot, ticket);
        let mut stamps = self.commit(room, [Pending::Message(draft)]);
        Appended::Committed(stamps.remove(0))
    }

    /// Tells the room of a change of its roster, after everything that was said before.
    pub fn announce(&self, room: &Arc<Room>, presence: Presence) {
        let event = Event::Presence(Arc::new(presence));
        #[cfg(feature = "test-faults")]
        if let Some(delayed) = &self.delayed {
            return delayed.announce(room, event);
        }
        self.commit(room, [Pending::Presence(event)]);
    }

    fn commit(
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
