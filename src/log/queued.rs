//! The committer on a thread of its own: for logs that are kept in a store.
//!
//! It takes what waits, at most [`TURN`](super::queue::TURN) events and without waiting for more,
//! and does not take the next before everybody is told. The order is: number and write, commit,
//! raise the heads, send, tell the authors. While the store is in trouble it refuses messages and
//! goes on with everything else.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use super::committer::{Appended, Committer, Draft, Slot};
use super::disk::{Disk, Kept};
use super::queue::{Entry, Found, Queue};
use super::room::{Pending, Room};
use super::turn::Turn;
use crate::event::Event;
use crate::mail::Ticket;

/// The door to the thread.
#[derive(Debug)]
pub(super) struct Queued {
    queue: Arc<Queue>,
    thread: std::sync::Mutex<Option<JoinHandle<()>>>,
}

/// What the thread works with.
struct Work {
    queue: Arc<Queue>,
    committer: Arc<Committer>,
    /// None in test builds that only want a slow committer.
    disk: Option<Disk>,
    delay: Option<Duration>,
    /// A turn of which only the store knows whether it is in it. Nobody hears of it until then.
    doubtful: Option<(Turn, i64)>,
}

impl Queued {
    /// Starts the thread.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(super) fn start(
        committer: &Arc<Committer>,
        disk: Option<Disk>,
        delay: Option<Duration>,
    ) -> std::io::Result<Self> {
        let queue = Arc::new(Queue::default());
        let work = Work {
            queue: queue.clone(),
            committer: committer.clone(),
            disk,
            delay,
            doubtful: None,
        };
        let thread = std::thread::Builder::new()
            .name("committer".to_owned())
            .spawn(move || or_abort(|| work.run()))?;
        Ok(Self {
            queue,
            thread: std::sync::Mutex::new(Some(thread)),
        })
    }

    pub(super) fn queue(&self) -> &Queue {
        &self.queue
    }

    pub(super) fn append(
        &self,
        slot: Slot,
        room: &Arc<Room>,
        draft: Draft,
        ticket: Ticket,
    ) -> Appended {
        slot.use_up();
        #[cfg(feature = "test-faults")]
        if crate::sabotage::is_on("ack_before_commit") {
            return self.append_too_early(room, draft, ticket);
        }
        self.queue.push(Entry {
            room: room.clone(),
            what: Pending::Message(draft),
            ticket: Some(ticket),
        });
        Appended::Queued
    }

    #[cfg(feature = "test-faults")]
    fn append_too_early(&self, room: &Arc<Room>, draft: Draft, mut ticket: Ticket) -> Appended {
        let stamp = crate::event::Stamp {
            epoch: room.epoch.clone(),
            seq: self.queue.foretell(room),
            time_ms: 0,
        };
        let duplicate = false;
        let outcome = crate::mail::Outcome::Committed { stamp, duplicate };
        ticket.settle(&outcome);
        self.queue.push(Entry {
            room: room.clone(),
            what: Pending::Message(draft),
            ticket: None,
        });
        Appended::Committed(outcome)
    }

    pub(super) fn announce(&self, room: &Arc<Room>, event: Event) {
        self.tell(room, event, None);
    }

    /// Tells a room of what has no number; the ticket hears what became of it.
    pub(super) fn tell(&self, room: &Arc<Room>, event: Event, ticket: Option<Ticket>) {
        self.queue.push(Entry {
            room: room.clone(),
            what: Pending::Unnumbered(event),
            ticket,
        });
    }

    /// Lets the thread finish what waits and close the store, and waits for that.
    pub(super) fn close(&self) {
        self.queue.close();
        let thread = self.thread.lock().ok().and_then(|mut thread| thread.take());
        if let Some(thread) = thread {
            // It does not panic: it would have ended the process.
            let _ = thread.join();
        }
    }
}

/// A committer that panicked has no state that could be trusted, and nobody can go on without it.
pub(super) fn or_abort(work: impl FnOnce()) {
    if std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).is_err() {
        std::process::abort();
    }
}

impl Work {
    fn run(mut self) {
        let mut entries = Vec::new();
        loop {
            let patience = self.disk.as_ref().and_then(Disk::patience);
            match self.queue.take(&mut entries, patience) {
                Found::Turn => {
                    let turn = Turn::of(&mut entries);
                    #[cfg(feature = "test-faults")]
                    super::sabotaged::deliver_too_early(&self.committer, &turn);
                    self.rest();
                    self.turn(turn);
                }
                Found::Nothing => {}
                Found::Closed => break,
            }
            self.look_after();
        }
        if let Some(disk) = self.disk {
            disk.close();
        }
    }

    fn turn(&mut self, mut turn: Turn) {
        let time_ms = self.committer.now_ms();
        let kept = match &mut self.disk {
            Some(disk) if turn.is_to_be_kept() => disk.keep(&mut turn, time_ms),
            _ => Kept::Yes,
        };
        match kept {
            Kept::Yes => self.commit(turn, time_ms),
            Kept::No => turn.refuse(&self.committer, &self.queue, time_ms),
            Kept::Unknown => self.doubtful = Some((turn, time_ms)),
        }
    }

    /// What the store needs between turns: it is mended, and a turn in doubt comes to its end.
    fn look_after(&mut self) {
        let Some(disk) = &mut self.disk else { return };
        let doubtful = self.doubtful.as_mut().map(|(turn, _)| turn);
        let verdict = disk.look_after(doubtful, self.committer.now_ms());
        let (Some(kept), Some((turn, time_ms))) =
            (verdict, self.doubtful.take_if(|_| verdict.is_some()))
        else {
            return;
        };
        match kept {
            Kept::Yes => self.commit(turn, time_ms),
            _ => turn.refuse(&self.committer, &self.queue, time_ms),
        }
    }

    fn commit(&self, mut turn: Turn, time_ms: i64) {
        if let Some(disk) = &self.disk {
            disk.shelve(&mut turn);
        }
        turn.commit(&self.committer, &self.queue, time_ms);
    }

    /// The artificial slowness of test builds.
    fn rest(&self) {
        let Some(delay) = self.delay else { return };
        let never = (std::sync::Mutex::new(()), std::sync::Condvar::new());
        if let Ok(guard) = never.0.lock() {
            drop(never.1.wait_timeout_while(guard, delay, |()| true));
        }
    }
}
