//! One room: its recent messages, its committed head and its roster.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use tokio::time::Instant;

use super::recent::Recent;
use super::roster::Roster;
use super::tempo::Tempo;
use super::{Batch, Draft, Shelf};
use crate::event::{Epoch, Event, Message, Seq, Stamp, Topic};
use crate::limits::Limits;
use crate::name::{Nick, RoomName};
use crate::store::{RoomKey, RoomRow};

/// A named log with a roster.
#[derive(Debug)]
pub struct Room {
    /// Its name, as its maker wrote it.
    pub name: RoomName,
    /// The life of its numbering.
    pub epoch: Epoch,
    /// Unique within this run of the daemon, also among rooms that had the same name. Of a room
    /// that is kept in a store: the bits of its epoch, so that it is the same after a restart.
    pub id: u64,
    head: AtomicU64,
    tempo: Tempo,
    /// What the store has of it, once it has something. Set by the committer alone.
    shelf: OnceLock<Arc<Shelf>>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    recent: Recent,
    /// Whether its messages are kept in a store.
    is_kept: bool,
    roster: Roster,
    /// Sessions that hear this room, listeners without a name included.
    hearers: usize,
    /// Of these, those whose stay has begun: each is owed what is numbered from then on.
    stays: u64,
    /// Members at the time of numbering × messages, summed.
    owed: u64,
    /// The last one that was set, also an empty one.
    topic: Option<Arc<Topic>>,
    /// The lanes on which somebody hears this room.
    lanes: Vec<usize>,
    /// Appended and not yet committed. The room stays while there are any.
    pending: usize,
    idle_since: Instant,
}

/// What of a room can still be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reach {
    /// The oldest number that can be read; `head` + 1 when there is none.
    pub first: Seq,
    /// The committed head.
    pub head: Seq,
    /// Bytes of all messages up to the head.
    pub end: u64,
}

/// A room as the operator sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomReport {
    /// Its name.
    pub room: RoomName,
    /// Names in its roster.
    pub members: usize,
    /// Sessions that hear it.
    pub hearers: usize,
    /// Thousandths of a message that are said in a second, over some ten of them.
    pub milli_msgs_per_second: u64,
    /// The life of its numbering.
    pub epoch: Epoch,
    /// The committed head.
    pub head: Seq,
    /// Messages kept in memory.
    pub recent_messages: usize,
    /// What they cost in bytes.
    pub recent_bytes: usize,
}

impl Room {
    pub(crate) fn new(name: RoomName, epoch: Epoch, id: u64) -> Self {
        Self {
            name,
            epoch,
            id,
            head: AtomicU64::new(0),
            tempo: Tempo::default(),
            shelf: OnceLock::new(),
            state: Mutex::new(State {
                recent: Recent::default(),
                is_kept: false,
                roster: Roster::default(),
                hearers: 0,
                topic: None,
                lanes: Vec::new(),
                stays: 0,
                owed: 0,
                pending: 0,
                idle_since: Instant::now(),
            }),
        }
    }

    /// A room without messages whose messages will be kept in a store.
    pub(crate) fn to_be_kept(name: RoomName, epoch: u64) -> Self {
        let mut room = Self::new(name, Epoch::from_bits(epoch), epoch);
        let state = room.state.get_mut();
        state.unwrap_or_else(PoisonError::into_inner).is_kept = true;
        room
    }

    /// A room as it stands in a store.
    pub(crate) fn of_row(row: &RoomRow, shelf: Option<Arc<Shelf>>) -> Self {
        let mut room = Self::to_be_kept(row.name.clone(), row.epoch);
        *room.head.get_mut() = row.head;
        let state = room.state.get_mut();
        state.unwrap_or_else(PoisonError::into_inner).topic = row.topic.clone().map(Arc::new);
        room.shelf = shelf.map_or_else(OnceLock::new, OnceLock::from);
        room
    }

    /// What the store has of it, once it has something.
    pub fn shelf(&self) -> Option<&Arc<Shelf>> {
        self.shelf.get()
    }

    /// Its row in the store, once it has one.
    pub fn key(&self) -> Option<RoomKey> {
        self.shelf().map(|shelf| shelf.key)
    }

    pub(super) fn set_shelf(&self, shelf: Arc<Shelf>) {
        // Only the committer makes rows, and only for rooms that have none.
        let _ = self.shelf.set(shelf);
    }

    /// As its row is, if it has one: what has to be known to bring it back.
    pub(crate) fn row(&self) -> Option<RoomRow> {
        let key = self.key()?;
        let state = self.state();
        let head = self.head();
        Some(RoomRow {
            key,
            name: self.name.clone(),
            epoch: self.id,
            head,
            first: self.first(&state, head),
            bytes: 0,
            turn: 0,
            topic: state.topic.as_deref().cloned(),
        })
    }

    /// Nothing up to this number can be read any more.
    pub fn give_up(&self, to: Seq) {
        if let Some(shelf) = self.shelf() {
            shelf.begin_at(to.min(self.head()) + 1);
        }
    }

    /// The oldest number that can be read somewhere.
    fn first(&self, state: &State, head: Seq) -> Seq {
        match self.shelf() {
            Some(shelf) => shelf.first().min(head + 1),
            None if state.is_kept => head + 1,
            None => state.recent.first(head),
        }
    }

    /// The oldest number that is kept in memory; `head` + 1 when there is none.
    pub fn recent_from(&self) -> Seq {
        let state = self.state();
        state.recent.first(self.head())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The last committed number.
    pub fn head(&self) -> Seq {
        self.head.load(Ordering::Acquire)
    }

    /// What can be read now.
    pub fn reach(&self) -> Reach {
        let state = self.state();
        let head = self.head();
        Reach {
            first: self.first(&state, head),
            head,
            end: state.recent.end(),
        }
    }

    /// The messages `from..=to` that are kept in memory, in order. May begin later than `from`.
    pub fn read(&self, from: Seq, to: Seq) -> Vec<Arc<Message>> {
        let state = self.state();
        state.recent.range(from, to, self.head())
    }

    /// The first number kept in memory after which at most `bytes` are left.
    pub fn within_bytes(&self, bytes: u64) -> Seq {
        let state = self.state();
        state.recent.within_bytes(bytes, self.head())
    }

    /// Somebody on this lane hears the room from now on: what is committed after this is sent there.
    pub fn add_lane(&self, lane: usize) {
        let mut state = self.state();
        if !state.lanes.contains(&lane) {
            state.lanes.push(lane);
        }
    }

    /// Nobody on this lane hears the room any more.
    pub fn remove_lane(&self, lane: usize) {
        self.state().lanes.retain(|known| *known != lane);
    }

    /// Sends something past the critical section.
    #[cfg(feature = "test-faults")]
    pub(super) fn with_lanes(&self, send: impl FnOnce(&[usize])) {
        send(&self.state().lanes);
    }

    /// A session has begun to hear this room.
    pub(crate) fn add_hearer(&self) {
        self.state().hearers += 1;
    }

    /// A session has ceased to hear this room.
    pub fn remove_hearer(&self) {
        let mut state = self.state();
        state.hearers -= 1;
        state.idle_since = Instant::now();
    }

    /// A session's stay begins: it is owed what is numbered above the head that this gives.
    pub fn begin_stay(&self) -> Seq {
        let mut state = self.state();
        state.stays += 1;
        self.head()
    }

    /// A session's stay ends: it is owed what was numbered up to the head that this gives.
    pub fn end_stay(&self) -> Seq {
        let mut state = self.state();
        state.stays -= 1;
        self.head()
    }

    /// Members at the time of numbering × messages, summed.
    pub fn owed(&self) -> u64 {
        self.state().owed
    }

    /// Puts a name on the roster. True if it was not there.
    pub fn enter(&self, nick: &Nick) -> bool {
        self.state().roster.enter(nick)
    }

    /// Takes a name off the roster. True if nobody there has it any more.
    pub fn leave(&self, nick: &Nick) -> bool {
        self.state().roster.leave(nick)
    }

    /// What it is about, if anybody ever said so.
    pub fn topic(&self) -> Option<Arc<Topic>> {
        self.state().topic.clone()
    }

    /// How many names are on the roster.
    pub fn members(&self) -> usize {
        self.state().roster.len()
    }

    /// At most `limit` names after `after`, in the order of their case folds, and whether there are more.
    pub fn names(&self, after: Option<&str>, limit: usize) -> (Vec<Nick>, bool) {
        self.state().roster.names(after, limit)
    }

    /// Since when nobody has heard this room and nothing is on its way into its log.
    pub fn idle_since(&self) -> Option<Instant> {
        let state = self.state();
        (state.hearers == 0 && state.pending == 0).then_some(state.idle_since)
    }

    /// Looks at how much is said; to be called once a second.
    pub fn take_tempo(&self) {
        self.tempo.look(self.head());
    }

    /// As the operator sees it.
    pub fn report(&self) -> RoomReport {
        let state = self.state();
        RoomReport {
            room: self.name.clone(),
            members: state.roster.len(),
            hearers: state.hearers,
            milli_msgs_per_second: self.tempo.millis(),
            epoch: self.epoch.clone(),
            head: self.head(),
            recent_messages: state.recent.len(),
            recent_bytes: state.recent.bytes(),
        }
    }

    /// One more event is on its way into this log.
    pub(super) fn expect_commit(&self) {
        self.state().pending += 1;
    }

    /// So many of them have arrived.
    pub(super) fn committed(&self, count: usize) {
        self.state().pending -= count;
    }

    /// Number, push, raise the head, hand out: the committer's critical section. `send` is called
    /// under the lock, so that a room's broadcast order is its number order.
    pub(super) fn commit(
        &self,
        events: impl IntoIterator<Item = Pending>,
        time_ms: i64,
        limits: &Limits,
        send: impl FnOnce(Batch, &[usize]),
    ) -> Vec<Stamp> {
        let mut state = self.state();
        let before = self.head();
        let mut head = before;
        let mut stamps = Vec::new();
        let mut born = None;
        let events: Vec<Event> = events
            .into_iter()
            .map(|pending| match pending {
                Pending::Unnumbered(event) => {
                    if let Event::Topic(_, topic) = &event {
                        state.topic = Some(topic.clone()).filter(|topic| !topic.is_none());
                    }
                    event
                }
                Pending::Message(draft) => {
                    head += 1;
                    born.get_or_insert(draft.born);
                    let message = state.recent.push(head, time_ms, draft);
                    stamps.push(Stamp {
                        epoch: self.epoch.clone(),
                        seq: head,
                        time_ms,
                    });
                    Event::Message(message)
                }
            })
            .collect();
        state.recent.forget(limits);
        state.owed += (head - before) * state.stays;
        self.head.store(head, Ordering::Release);
        let batch = Batch::new(before, head, events, born.flatten());
        send(batch, &state.lanes);
        stamps
    }
}

/// What waits to be committed.
#[derive(Debug)]
pub(super) enum Pending {
    Message(Draft),
    Unnumbered(Event),
}

impl Pending {
    pub(super) fn text_len(&self) -> usize {
        match self {
            Self::Message(draft) => draft.text.len(),
            Self::Unnumbered(_) => 0,
        }
    }
}
