//! How anybody reaches a session: a note to its lane.
//!
//! Posting never waits. The box is bounded by what may be under way at once: one outcome for each
//! unanswered message (`limits.clients` × `limits.unacked`), and single words of the operator.

mod retry;
mod trace;

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Notify, oneshot};

use crate::books::Standing;
use crate::close::Ending;
use crate::event::{Message, SessionId, Stamp, Topic};
use crate::fault::ErrorCode;
use crate::name::{Nick, RoomName};

pub use retry::{Begun, Retries, Retry, RetryKey, RetryTarget};
pub use trace::{Onlooker, Trace, TracedLine};

/// What is said to a lane.
#[derive(Debug)]
pub enum Note {
    /// What became of a session's message.
    Outcome {
        /// Whose message.
        session: SessionId,
        /// Which of its messages.
        ticket: u64,
        /// What became of it.
        outcome: Outcome,
    },
    /// A private message for a session of this lane.
    Private(Box<Private>),
    /// End a session.
    Close {
        /// Which.
        session: SessionId,
        /// Why.
        ending: Ending,
        /// The sentence in its `bye`, if there is a better one than the reason's own.
        text: Option<Box<str>>,
    },
    /// What was asked of the store for sessions that are behind.
    Page {
        /// Of which room, by its id.
        room: u64,
        /// Which of its chunks.
        chunk: u64,
        /// What was found.
        page: Page,
    },
    /// The daemon drains, and no lane takes messages any more.
    LogsAreFinal,
    /// How far have this lane's sessions come?
    Stand(oneshot::Sender<Standing>),
    /// Somebody looks on at a session.
    Trace {
        /// At which.
        session: SessionId,
        /// Where its lines are shown.
        trace: Box<Trace>,
    },
    /// An operator's word to the sessions of this lane.
    Notice {
        /// What is said.
        text: Arc<str>,
        /// Only to those in this room.
        room: Option<RoomName>,
    },
    /// What a session is told next of a page of history has been read from the store.
    Past {
        /// The session.
        session: SessionId,
        /// What was found.
        page: Page,
    },
}

/// What was found when a page was to be read from the store.
#[derive(Debug)]
pub enum Page {
    /// Its messages, in order, those that are there.
    Messages(Vec<Arc<Message>>),
    /// It is not what was written, and never will be again.
    Damaged,
    /// It cannot be read now.
    Unreadable,
}

impl Outcome {
    /// The same outcome, told again.
    fn again(&self) -> Self {
        let mut again = self.clone();
        if let Self::Committed { duplicate, .. } | Self::Delivered { duplicate, .. } = &mut again {
            *duplicate = true;
        }
        again
    }
}

/// What became of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is in the room's log.
    Committed {
        /// Where.
        stamp: Stamp,
        /// Whether it had been there before.
        duplicate: bool,
    },
    /// It is in the recipient's outbox.
    Delivered {
        /// When, in milliseconds since 1970 UTC.
        time_ms: i64,
        /// Whether it had been there before.
        duplicate: bool,
    },
    /// The room is about this.
    Topic(Arc<Topic>),
    /// It is nowhere, and never will be.
    Refused {
        /// Why.
        code: ErrorCode,
        /// The sentence for a person.
        text: &'static str,
    },
}

/// A message from one person to another.
#[derive(Debug)]
pub struct Private {
    /// For whom.
    pub to: SessionId,
    /// What the recipient is called.
    pub to_nick: Nick,
    /// Who said it.
    pub from: Nick,
    /// When, in milliseconds since 1970 UTC.
    pub time_ms: i64,
    /// What they said.
    pub text: Box<str>,
    /// The author's own id of it.
    pub cid: Option<Box<str>>,
    /// Who is to hear what became of it.
    pub reply: Ticket,
}

/// Where the outcome of a message is to be told. Dropping it unresolved leaves the author waiting.
#[derive(Debug)]
pub struct Ticket {
    /// The lane of the author.
    pub lane: Arc<Mailbox>,
    /// The author.
    pub session: SessionId,
    /// Which of the author's messages.
    pub number: u64,
    /// Remembers the outcome for a retry, if the message has a `cid`.
    pub retry: Option<Retry>,
}

impl Ticket {
    /// Remembers the outcome and tells the author by a note.
    pub fn resolve(mut self, outcome: Outcome) {
        self.settle(&outcome);
        self.post(outcome);
    }

    /// Remembers the outcome; the caller tells the author.
    pub fn settle(&mut self, outcome: &Outcome) {
        if let Some(retry) = self.retry.take() {
            retry.settle(outcome);
        }
    }

    fn post(&self, outcome: Outcome) {
        self.lane.post(Note::Outcome {
            session: self.session,
            ticket: self.number,
            outcome,
        });
    }
}

/// The box of one lane.
#[derive(Debug, Default)]
pub struct Mailbox {
    notes: Mutex<Vec<Note>>,
    arrived: Notify,
    taken: Notify,
}

impl Mailbox {
    /// Puts a note in and wakes the lane. Never waits.
    pub fn post(&self, note: Note) {
        self.notes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(note);
        self.arrived.notify_one();
    }

    /// Puts notes in and wakes the lane once. Never waits.
    pub fn post_all(&self, mut notes: Vec<Note>) {
        self.notes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .append(&mut notes);
        self.arrived.notify_one();
    }

    /// Takes everything out, in the order of posting.
    pub fn take(&self, into: &mut Vec<Note>) {
        into.append(&mut self.notes.lock().unwrap_or_else(PoisonError::into_inner));
        self.taken.notify_waiters();
    }

    /// Wakes the lane and waits until it has emptied its box: a lane that lives does so in its
    /// next turn.
    pub async fn answers(&self) {
        let mut taken = std::pin::pin!(self.taken.notified());
        taken.as_mut().enable();
        self.arrived.notify_one();
        taken.await;
    }

    /// Waits until something was posted since the last wait.
    pub async fn arrived(&self) {
        self.arrived.notified().await;
    }
}
