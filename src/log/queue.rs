//! What is on its way into the logs: a bounded line of events, and the right to stand in it.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;

use super::room::{Pending, Room};
use crate::mail::Ticket;

/// Messages that may be on their way at once: of the default longest, 8 MiB. Above it sessions wait
/// in line and are not read. What is not a message has its limit in what sessions there are.
pub(super) const SLOTS: usize = 2048;
/// Events of one turn.
pub(super) const TURN: usize = 256;

#[derive(Debug)]
pub(super) struct Queue {
    entries: Mutex<Entries>,
    arrived: Condvar,
    slots: Arc<Semaphore>,
}

#[derive(Debug, Default)]
struct Entries {
    waiting: VecDeque<Entry>,
    /// Taken out and not answered yet.
    under_way: usize,
    /// The committer sleeps: only then does anybody wake it.
    is_asleep: bool,
    is_closed: bool,
    #[cfg(feature = "test-faults")]
    foretold: std::collections::HashMap<u64, u64>,
}

/// One event on its way.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) room: Arc<Room>,
    pub(super) what: Pending,
    /// Who is to hear what became of it.
    pub(super) ticket: Option<Ticket>,
}

/// What the committer finds when it looks.
#[derive(Debug)]
pub(super) enum Found {
    /// So many events, oldest first.
    Turn,
    /// Nothing for as long as it was willing to wait.
    Nothing,
    /// Nothing, and nothing will come any more.
    Closed,
}

impl Default for Queue {
    fn default() -> Self {
        Self {
            entries: Mutex::default(),
            arrived: Condvar::new(),
            slots: Arc::new(Semaphore::new(SLOTS)),
        }
    }
}

impl Queue {
    /// The rights to append one message each.
    pub(super) fn slots(&self) -> &Arc<Semaphore> {
        &self.slots
    }

    /// Messages on their way.
    pub(super) fn len(&self) -> usize {
        SLOTS.saturating_sub(self.slots.available_permits())
    }

    /// Puts one at the end. Never waits.
    pub(super) fn push(&self, entry: Entry) {
        entry.room.expect_commit();
        let mut entries = self.entries();
        entries.waiting.push_back(entry);
        let is_asleep = std::mem::take(&mut entries.is_asleep);
        drop(entries);
        if is_asleep {
            self.arrived.notify_one();
        }
    }

    /// Waits for events, at most so long, and takes a turn's worth out.
    pub(super) fn take(&self, turn: &mut Vec<Entry>, patience: Option<Duration>) -> Found {
        let mut entries = self.entries();
        let is_early = entries.waiting.is_empty();
        while entries.waiting.is_empty() {
            if entries.is_closed {
                return Found::Closed;
            }
            entries.is_asleep = true;
            entries = match patience {
                None => self
                    .arrived
                    .wait(entries)
                    .unwrap_or_else(PoisonError::into_inner),
                Some(patience) => {
                    let (mut entries, timed_out) = self
                        .arrived
                        .wait_timeout(entries, patience)
                        .unwrap_or_else(PoisonError::into_inner);
                    if timed_out.timed_out() && entries.waiting.is_empty() && !entries.is_closed {
                        entries.is_asleep = false;
                        return Found::Nothing;
                    }
                    entries
                }
            };
        }
        entries.is_asleep = false;
        if is_early && entries.waiting.len() < TURN {
            // Woken for the first of them, perhaps in the midst of the lane that has more: where it
            // waits for this processor it goes on, and the turn gets larger. Elsewhere this is nothing.
            drop(entries);
            std::thread::yield_now();
            entries = self.entries();
        }
        let count = entries.waiting.len().min(TURN);
        turn.extend(entries.waiting.drain(..count));
        entries.under_way += count;
        Found::Turn
    }

    /// So many events of turns that were taken are answered; of them, so many messages.
    pub(super) fn done(&self, events: usize, messages: usize) {
        self.entries().under_way -= events;
        self.slots.add_permits(messages);
    }

    /// Whether nothing is on its way.
    pub(super) fn is_idle(&self) -> bool {
        let entries = self.entries();
        entries.waiting.is_empty() && entries.under_way == 0
    }

    /// Nothing more will come.
    pub(super) fn close(&self) {
        self.entries().is_closed = true;
        self.arrived.notify_one();
    }

    /// The number that a message would get if nothing went wrong.
    #[cfg(feature = "test-faults")]
    pub(super) fn foretell(&self, room: &Room) -> u64 {
        let head = room.head();
        let mut entries = self.entries();
        let told = entries.foretold.entry(room.id).or_insert(0);
        *told = head.max(*told) + 1;
        *told
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Epoch;
    use crate::log::Draft;
    use crate::name::{Nick, RoomName};

    fn entry() -> Entry {
        let name = RoomName::new("lobby").unwrap();
        let nick = Nick::new("ann").unwrap();
        let draft = Draft::new(crate::event::SessionId(1), nick, "hi".into());
        Entry {
            room: Arc::new(Room::new(name, Epoch::from_bits(1), 1)),
            what: Pending::Message(draft),
            ticket: None,
        }
    }

    #[test]
    fn a_turn_has_an_end_and_the_rest_is_there_for_the_next() {
        let queue = Queue::default();
        for _ in 0..=TURN {
            queue.push(entry());
        }
        let mut turn = Vec::new();
        assert!(matches!(queue.take(&mut turn, None), Found::Turn));
        assert_eq!(turn.len(), TURN);
        queue.done(TURN, 0);
        assert!(!queue.is_idle());
        turn.clear();
        queue.close();
        assert!(matches!(queue.take(&mut turn, None), Found::Turn));
        assert_eq!(turn.len(), 1, "what came before the end is taken");
        assert!(!queue.is_idle(), "it is under way");
        queue.done(1, 0);
        assert!(queue.is_idle());
        assert!(matches!(queue.take(&mut turn, None), Found::Closed));
    }

    #[test]
    fn patience_ends() {
        let queue = Queue::default();
        let patience = Some(Duration::from_millis(1));
        assert!(matches!(
            queue.take(&mut Vec::new(), patience),
            Found::Nothing
        ));
    }
}
