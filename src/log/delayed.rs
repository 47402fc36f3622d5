//! An artificial committer that takes its time on a thread of its own, as a store does.
//!
//! Only in builds with the feature `test-faults`: all plays pass with it too, so that a store can
//! take its place.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;

use super::committer::{Appended, Committer, Draft, Slot};
use super::room::{Pending, Room};
use crate::event::{Event, Stamp};
use crate::mail::{Outcome, Ticket};
use crate::sabotage;

/// Messages on their way.
const SLOTS: usize = 256;
/// Events of one commit turn.
const TURN: usize = 64;

#[derive(Debug)]
pub(super) struct Delayed {
    queue: Arc<Queue>,
    slots: Arc<Semaphore>,
}

#[derive(Debug, Default)]
struct Queue {
    entries: Mutex<Entries>,
    arrived: Condvar,
}

#[derive(Debug, Default)]
struct Entries {
    waiting: VecDeque<Entry>,
    /// Taken by the thread and not committed yet.
    under_way: usize,
    foretold: HashMap<u64, u64>,
}

#[derive(Debug)]
struct Entry {
    room: Arc<Room>,
    what: Pending,
    reply: Option<(Ticket, Slot)>,
}

impl Delayed {
    /// Starts the thread if `CHATD_FAULT` asks for it.
    pub(super) fn start(committer: &Arc<Committer>) -> Option<Self> {
        let delay = sabotage::commit_delay()?;
        let queue = Arc::new(Queue::default());
        let (committer, taken) = (committer.clone(), queue.clone());
        std::thread::Builder::new()
            .name("committer".to_owned())
            .spawn(move || taken.run(&committer, delay))
            .ok()?;
        Some(Self {
            queue,
            slots: Arc::new(Semaphore::new(SLOTS)),
        })
    }

    pub(super) fn slots(&self) -> &Arc<Semaphore> {
        &self.slots
    }

    pub(super) fn append(
        &self,
        slot: Slot,
        room: &Arc<Room>,
        draft: Draft,
        mut ticket: Ticket,
    ) -> Appended {
        room.expect_commit();
        let mut appended = Appended::Queued;
        let mut entries = self.queue.entries();
        let mut reply = Some((ticket, slot));
        if sabotage::is_on("ack_before_commit") {
            let head = room.head();
            let seq = entries
                .foretold
                .get(&room.id)
                .map_or(head, |seq| head.max(*seq))
                + 1;
            entries.foretold.insert(room.id, seq);
            let stamp = Stamp {
                epoch: room.epoch.clone(),
                seq,
                time_ms: 0,
            };
            let outcome = Outcome::Committed {
                stamp,
                duplicate: false,
            };
            if let Some((early, _)) = reply.take() {
                ticket = early;
                ticket.settle(&outcome);
            }
            appended = Appended::Committed(outcome);
        }
        let what = Pending::Message(draft);
        entries.waiting.push_back(Entry {
            room: room.clone(),
            what,
            reply,
        });
        self.queue.arrived.notify_one();
        appended
    }

    pub(super) fn announce(&self, room: &Arc<Room>, event: Event) {
        room.expect_commit();
        let what = Pending::Presence(event);
        self.queue.entries().waiting.push_back(Entry {
            room: room.clone(),
            what,
            reply: None,
        });
        self.queue.arrived.notify_one();
    }

    pub(super) fn is_idle(&self) -> bool {
        let entries = self.queue.entries();
        entries.waiting.is_empty() && entries.under_way == 0
    }
}

impl Queue {
    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self, committer: &Arc<Committer>, delay: Duration) {
        loop {
            let turn = self.take(delay);
            let count = turn.len();
            for group in by_room(turn) {
                commit(committer, group);
            }
            self.entries().under_way -= count;
        }
    }

    /// Waits for entries, takes its time, and takes a turn's worth out.
    fn take(&self, delay: Duration) -> Vec<Entry> {
        let mut entries = self.entries();
        while entries.waiting.is_empty() {
            entries = self
                .arrived
                .wait(entries)
                .unwrap_or_else(PoisonError::into_inner);
        }
        let count = entries.waiting.len().min(TURN);
        let turn = entries.waiting.drain(..count).collect();
        entries.under_way += count;
        drop(entries);
        let never = (Mutex::new(()), Condvar::new());
        let guard = never.0.lock().unwrap_or_else(PoisonError::into_inner);
        drop(never.1.wait_timeout_while(guard, delay, |()| true));
        turn
    }
}

fn by_room(turn: Vec<Entry>) -> Vec<Vec<Entry>> {
    let mut groups: Vec<Vec<Entry>> = Vec::new();
    for entry in turn {
        match groups
            .iter_mut()
            .find(|group| Arc::ptr_eq(&group[0].room, &entry.room))
        {
            Some(group) => group.push(entry),
            None => groups.push(vec![entry]),
        }
    }
    groups
}

fn commit(committer: &Arc<Committer>, group: Vec<Entry>) {
    let room = group[0].room.clone();
    let mut replies = Vec::new();
    let events: Vec<Pending> = group
        .into_iter()
        .map(|entry| {
            if matches!(entry.what, Pending::Message(_)) {
                replies.push(entry.reply);
            }
            entry.what
        })
        .collect();
    let count = events.len();
    let stamps = committer.commit(&room, events);
    room.committed(count);
    for (stamp, reply) in stamps.into_iter().zip(replies) {
        if let Some((ticket, slot)) = reply {
            drop(slot);
            ticket.resolve(Outcome::Committed {
                stamp,
                duplicate: false,
            });
        }
    }
}
