//! One room: its recent messages, its committed head and its roster.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use super::{Batch, Draft};
use crate::event::{Epoch, Event, Message, Seq, Stamp};
use crate::limits::Limits;
use crate::name::{Nick, RoomName};

/// A named log with a roster.
#[derive(Debug)]
pub struct Room {
    /// Its name, as its maker wrote it.
    pub name: RoomName,
    /// The life of its numbering.
    pub epoch: Epoch,
    /// Unique within this run of the daemon, also among rooms that had the same name.
    pub id: u64,
    head: AtomicU64,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Rising without holes; the last one is the head.
    recent: VecDeque<Arc<Message>>,
    recent_bytes: usize,
    /// Bytes of all messages ever numbered here.
    end: u64,
    /// Who is in the room by case-folded nick. Several basic sessions may share one name.
    roster: BTreeMap<String, Seat>,
    /// Sessions that hear this room, listeners without a name included.
    hearers: usize,
    /// Appended and not yet committed. The room stays while there are any.
    pending: usize,
    idle_since: Instant,
}

#[derive(Debug)]
struct Seat {
    nick: Nick,
    sessions: usize,
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
            state: Mutex::new(State {
                recent: VecDeque::new(),
                recent_bytes: 0,
                end: 0,
                roster: BTreeMap::new(),
                hearers: 0,
                pending: 0,
                idle_since: Instant::now(),
            }),
        }
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
            first: first(&state, head),
            head,
            end: state.end,
        }
    }

    /// The messages `from..=to` that are still kept, in order. May begin later than `from`.
    pub fn read(&self, from: Seq, to: Seq) -> Vec<Arc<Message>> {
        let state = self.state();
        let head = self.head();
        let first = first(&state, head);
        if from > to || to < first || from > head {
            return Vec::new();
        }
        let start = (from.max(first) - first) as usize;
        let stop = (to.min(head) - first) as usize;
        state.recent.range(start..=stop).cloned().collect()
    }

    /// The first kept number after which at most `bytes` are left.
    pub fn within_bytes(&self, bytes: u64) -> Seq {
        let state = self.state();
        let start = state.end.saturating_sub(bytes);
        let skipped = state.recent.partition_point(|message| message.end <= start);
        first(&state, self.head()) + skipped as u64
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

    /// Puts a name on the roster. True if it was not there.
    pub fn enter(&self, nick: &Nick) -> bool {
        let mut state = self.state();
        let seat = state
            .roster
            .entry(nick.as_str().to_lowercase())
            .or_insert_with(|| Seat {
                nick: nick.clone(),
                sessions: 0,
            });
        seat.sessions += 1;
        seat.sessions == 1
    }

    /// Takes a name off the roster. True if nobody there has it any more.
    pub fn leave(&self, nick: &Nick) -> bool {
        let key = nick.as_str().to_lowercase();
        let mut state = self.state();
        let Some(seat) = state.roster.get_mut(&key) else {
            return false;
        };
        seat.sessions -= 1;
        let gone = seat.sessions == 0;
        if gone {
            state.roster.remove(&key);
        }
        gone
    }

    /// How many names are on the roster.
    pub fn members(&self) -> usize {
        self.state().roster.len()
    }

    /// At most `limit` names after `after`, in the order of their case folds, and whether there are more.
    pub fn names(&self, after: Option<&str>, limit: usize) -> (Vec<Nick>, bool) {
        use std::ops::Bound::{Excluded, Unbounded};
        let state = self.state();
        let from = after.map(str::to_lowercase);
        let bound = from.as_ref().map_or(Unbounded, Excluded);
        let mut seats = state.roster.range::<String, _>((bound, Unbounded));
        let names = seats
            .by_ref()
            .take(limit)
            .map(|(_, seat)| seat.nick.clone())
            .collect();
        (names, seats.next().is_some())
    }

    /// Since when nobody has heard this room and nothing is on its way into its log.
    pub fn idle_since(&self) -> Option<Instant> {
        let state = self.state();
        (state.hearers == 0 && state.pending == 0).then_some(state.idle_since)
    }

    /// As the operator sees it.
    pub fn report(&self) -> RoomReport {
        let state = self.state();
        RoomReport {
            room: self.name.clone(),
            members: state.roster.len(),
            hearers: state.hearers,
            epoch: self.epoch.clone(),
            head: self.head(),
            recent_messages: state.recent.len(),
            recent_bytes: state.recent_bytes,
        }
    }

    /// One more event is on its way into this log.
    #[cfg(feature = "test-faults")]
    pub(super) fn expect_commit(&self) {
        self.state().pending += 1;
    }

    /// So many of them have arrived.
    #[cfg(feature = "test-faults")]
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
        send: impl FnOnce(Batch),
    ) -> Vec<Stamp> {
        let mut state = self.state();
        let before = self.head();
        let mut head = before;
        let mut stamps = Vec::new();
        let mut born = None;
        let events: Vec<Event> = events
            .into_iter()
            .map(|pending| match pending {
                Pending::Presence(event) => event,
                Pending::Message(draft) => {
                    head += 1;
                    born.get_or_insert(draft.born);
                    let message = state.push(head, time_ms, draft);
                    stamps.push(Stamp {
                        epoch: self.epoch.clone(),
                        seq: head,
                        time_ms,
                    });
                    Event::Message(message)
                }
            })
            .collect();
        state.forget(limits);
        self.head.store(head, Ordering::Release);
        send(Batch::new(before, head, events, born.flatten()));
        stamps
    }
}

/// What waits to be committed.
#[derive(Debug)]
pub(super) enum Pending {
    Message(Draft),
    Presence(Event),
}

impl State {
    fn push(&mut self, seq: Seq, time_ms: i64, draft: Draft) -> Arc<Message> {
        let cost = Message::cost(&draft.nick, &draft.text, draft.cid.as_deref());
        self.end += cost as u64;
        self.recent_bytes += cost;
        let message = Arc::new(Message {
            seq,
            end: self.end,
            time_ms,
            author: draft.author,
            nick: draft.nick,
            text: draft.text,
            cid: draft.cid,
        });
        self.recent.push_back(message.clone());
        message
    }

    fn forget(&mut self, limits: &Limits) {
        while self.recent.len() > limits.recent_messages
            || self.recent_bytes > limits.recent_bytes && self.recent.len() > 1
        {
            if let Some(old) = self.recent.pop_front() {
                self.recent_bytes -= Message::cost(&old.nick, &old.text, old.cid.as_deref());
            }
        }
    }
}

fn first(state: &State, head: Seq) -> Seq {
    state.recent.front().map_or(head + 1, |message| message.seq)
}
