//! The one place that makes order.

use std::io;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast, watch};
use tokio::time::Instant;

use super::disk::{self, Disk};
use super::queue::SLOTS;
use super::queued::Queued;
use super::room::Pending;
use super::{Batch, Keep, Readers, Room, archive, checkpoints};
use crate::event::{Durability, Event, Presence, SessionId, Stamp, Topic};
use crate::limits::Limits;
use crate::mail::{Mailbox, Note, Outcome, Page, Ticket};
use crate::name::Nick;
use crate::retention::Retention;
use crate::store::{RoomRow, Store, Trouble, Writer};

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
    /// Who they are across connections; only with a `cid`, whose retries are known by it. Most
    /// messages have none, and a draft is passed on often: so it takes no more room than needed.
    pub identity: Option<Box<u128>>,
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
            identity: None,
            born: None,
        }
    }
}

/// The right to append one message. Taken until the message is answered.
#[derive(Debug)]
pub struct Slot {
    permit: Option<OwnedSemaphorePermit>,
}

impl Slot {
    /// A message takes it with it: whoever answers the message gives it back.
    pub(super) fn use_up(self) {
        if let Some(permit) = self.permit {
            permit.forget();
        }
    }
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

/// How long a session is asked to wait before it tries a message again that could not be kept.
pub const RETRY_AFTER: Duration = disk::RETRY;

/// The door to all logs.
#[derive(Debug)]
pub struct Log {
    committer: Arc<Committer>,
    /// None where an append commits by itself: in memory.
    queued: Option<Queued>,
    keep: Option<Arc<Keep>>,
    readers: Option<Arc<Readers>>,
}

/// Numbers, pushes, raises heads and sends. Nobody else does any of it.
#[derive(Debug)]
pub(super) struct Committer {
    /// One channel for each lane: a lane is not woken for rooms that nobody on it hears.
    lanes: OnceLock<Box<[broadcast::Sender<Handout>]>>,
    limits: watch::Receiver<Arc<Limits>>,
    clock: fn() -> i64,
}

impl Log {
    /// Logs in memory: an append is committed when it returns.
    pub fn open(limits: watch::Receiver<Arc<Limits>>, clock: fn() -> i64) -> Self {
        let committer = Arc::new(Committer::new(limits, clock));
        Self {
            // A test build may want the same logs behind a committer that takes its time.
            queued: delay().and_then(|delay| Queued::start(&committer, None, Some(delay)).ok()),
            committer,
            keep: None,
            readers: None,
        }
    }

    /// Logs that are kept in a store that has these rooms: an append is committed by a thread of its own.
    ///
    /// # Errors
    /// The system gives no threads.
    pub fn keep(
        (store, writer): (Store, Writer),
        rooms: &[RoomRow],
        retention: Retention,
        limits: watch::Receiver<Arc<Limits>>,
        clock: fn() -> i64,
    ) -> io::Result<Self> {
        let committer = Arc::new(Committer::new(limits, clock));
        let keep = Keep::new(store, rooms, retention);
        let disk = Disk::new(keep.clone(), writer);
        let queued = Queued::start(&committer, Some(disk), delay())?;
        checkpoints::start(&keep)?;
        archive::clear_at_start(&keep)?;
        Ok(Self {
            committer,
            queued: Some(queued),
            readers: Some(Readers::start(&keep)?),
            keep: Some(keep),
        })
    }

    /// The store that the logs are kept in, and how it fares; none in memory.
    pub fn kept(&self) -> Option<&Arc<Keep>> {
        self.keep.as_ref()
    }

    /// Who reads the store; none in memory.
    pub fn readers(&self) -> Option<&Arc<Readers>> {
        self.readers.as_ref()
    }

    /// Asks for so many messages of a room that begin with the `chunk`-th so many, and has a lane told
    /// what was found. False if too much is asked already, or the room is not in a store.
    pub fn ask_page(&self, room: &Room, chunk: u64, size: u64, lane: &Arc<Mailbox>) -> bool {
        let (Some(readers), Some(key)) = (&self.readers, room.key()) else {
            return false;
        };
        let (room, lane) = (room.id, lane.clone());
        let numbers = chunk * size + 1..=(chunk + 1) * size;
        readers.ask(Box::new(move |reader| {
            let found = reader.and_then(|reader| reader.range(key, numbers));
            let (page, result) = match found {
                Ok(messages) => (Page::Messages(messages), Ok(())),
                Err(error) if error.trouble == Trouble::Corrupt => (Page::Damaged, Err(error)),
                Err(error) => (Page::Unreadable, Err(error)),
            };
            lane.post(Note::Page { room, chunk, page });
            result
        }))
    }

    /// How deep a message is kept before anybody hears of it.
    pub fn durability(&self) -> Durability {
        let depth = |keep: &Arc<Keep>| keep.store.durability();
        self.keep.as_ref().map_or(Durability::None, depth)
    }

    /// What each of so many lanes listens to. Batches go to the lanes on which somebody hears their
    /// room ([`Room::add_lane`]).
    ///
    /// # Panics
    /// When it is called a second time: lanes are for life.
    pub fn subscribe(&self, lanes: usize) -> Vec<broadcast::Receiver<Handout>> {
        let (senders, receivers): (Vec<_>, _) =
            (0..lanes).map(|_| broadcast::channel(CHANNEL)).unzip();
        let set = self.committer.lanes.set(senders.into());
        assert!(set.is_ok(), "the lanes have their channels already");
        receivers
    }

    /// The right to append, if there is room for one more.
    pub fn try_slot(&self) -> Option<Slot> {
        match self.slots() {
            None => Some(Slot { permit: None }),
            Some(slots) => slots.clone().try_acquire_owned().ok().map(Self::granted),
        }
    }

    /// Where a session waits in line when there is no room: first come, first served. None where
    /// there is always room.
    pub fn slots(&self) -> Option<&Arc<Semaphore>> {
        self.queued.as_ref().map(|queued| queued.queue().slots())
    }

    /// The right that was waited for.
    pub fn granted(permit: OwnedSemaphorePermit) -> Slot {
        Slot {
            permit: Some(permit),
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
        if let Some(queued) = &self.queued {
            return queued.append(slot, room, draft, ticket);
        }
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
        if let Some(queued) = &self.queued {
            return queued.announce(room, event);
        }
        self.committer.commit(room, [Pending::Unnumbered(event)]);
    }

    /// The room is about something else from now on: it is told so after everything that was said
    /// before. The ticket hears when that is as deep in the store as a message would be.
    pub fn set_topic(
        &self,
        room: &Arc<Room>,
        author: SessionId,
        topic: Topic,
        ticket: Ticket,
    ) -> Appended {
        let topic = Arc::new(topic);
        let event = Event::Topic(author, topic.clone());
        if let Some(queued) = &self.queued {
            queued.tell(room, event, Some(ticket));
            return Appended::Queued;
        }
        self.committer.commit(room, [Pending::Unnumbered(event)]);
        Appended::Committed(Outcome::Topic(topic))
    }

    /// Messages on their way into the logs, and how many there may be; none in memory.
    pub fn queue(&self) -> Option<(usize, usize)> {
        let queue = self.queued.as_ref()?.queue();
        Some((queue.len(), SLOTS))
    }

    /// Whether nothing is on its way into any log.
    pub fn is_idle(&self) -> bool {
        self.queued
            .as_ref()
            .is_none_or(|queued| queued.queue().is_idle())
    }

    /// Commits what is still on its way and closes the store. Blocks for as long as that takes; to
    /// be called when nobody appends any more.
    pub fn close(&self) {
        if let Some(queued) = &self.queued {
            queued.close();
        }
        if let Some(readers) = &self.readers {
            readers.close();
        }
    }
}

/// The artificial slowness that a test build was asked for.
fn delay() -> Option<Duration> {
    #[cfg(feature = "test-faults")]
    return crate::sabotage::commit_delay();
    #[cfg(not(feature = "test-faults"))]
    None
}

impl Committer {
    fn new(limits: watch::Receiver<Arc<Limits>>, clock: fn() -> i64) -> Self {
        Self {
            lanes: OnceLock::new(),
            limits,
            clock,
        }
    }

    /// Milliseconds since 1970 UTC.
    pub(super) fn now_ms(&self) -> i64 {
        (self.clock)()
    }

    /// Commits events of one room, in order, and gives the stamps of its messages.
    fn commit(&self, room: &Arc<Room>, events: impl IntoIterator<Item = Pending>) -> Vec<Stamp> {
        self.commit_at(room, events, (self.clock)())
    }

    /// The same for messages of this time.
    pub(super) fn commit_at(
        &self,
        room: &Arc<Room>,
        events: impl IntoIterator<Item = Pending>,
        time_ms: i64,
    ) -> Vec<Stamp> {
        let limits = self.limits.borrow().clone();
        room.commit(events, time_ms, &limits, |batch, lanes| {
            self.send(room, batch, lanes);
        })
    }

    /// Hands a batch to these lanes.
    pub(super) fn send(&self, room: &Arc<Room>, batch: Batch, lanes: &[usize]) {
        let all = self.lanes.get().map_or(&[][..], |lanes| lanes);
        let batch = Arc::new(batch);
        for lane in lanes.iter().filter_map(|lane| all.get(*lane)) {
            // No receiver is no failure: the lane has ended.
            let _ = lane.send((room.clone(), batch.clone()));
        }
    }
}
