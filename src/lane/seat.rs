//! One session as its lane keeps it.

use std::sync::Arc;
use std::task::Waker;

use tokio::time::Instant;
use tokio_util::sync::PollSemaphore;

use super::slice::Slice;
use super::telling::Telling;
use crate::close::Ending;
use crate::event::{Seq, SessionId};
use crate::hub::{Card, Permit};
use crate::log::{Room, Slot};
use crate::mail::Trace;
use crate::name::Nick;
use crate::pace::Pace;
use crate::session::{Timers, Unanswered};
use crate::wire::{Framer, Profile, Telnet, Voice};

/// One session. It lives and dies on its lane's thread.
///
/// Invariant: while `slice` or `outbox` holds bytes, no byte of a room is written past them.
#[derive(Debug)]
pub(super) struct Seat {
    pub(super) card: Arc<Card>,
    /// Wakes the session's task. None before its first poll.
    pub(super) waker: Option<Waker>,
    /// Its place among `limits.clients`, given back when the session ends.
    pub(super) permit: Option<Permit>,
    pub(super) voice: Voice,
    /// Hears presence (full dialect).
    pub(super) presence: bool,
    pub(super) nick: Option<Nick>,
    pub(super) identity: Option<u128>,
    pub(super) memberships: Vec<Membership>,
    /// The room that a person's lines go to, by id.
    pub(super) current: Option<u64>,
    pub(super) input: Input,
    pub(super) output: Output,
    pub(super) unanswered: Unanswered,
    pub(super) timers: Timers,
    /// The page of history that it is being told. It is not read meanwhile.
    pub(super) telling: Option<Box<Telling>>,
    /// When the lane looks at the timers next.
    pub(super) armed: Option<Instant>,
    /// Its patience ended, and its socket is looked at once more.
    pub(super) last_look: LastLook,
    pub(super) closing: Option<Box<Closing>>,
    /// The socket failed: the session ends at its next step.
    pub(super) failed: Option<Ending>,
    /// Counts among `limits.listeners`.
    pub(super) is_listener: bool,
    /// The lane's turn in which this session was the author of something.
    pub(super) spoke: u64,
    /// An operator looks on.
    pub(super) trace: Option<Box<Trace>>,
}

/// What a session sends and how far that was taken.
#[derive(Debug, Default)]
pub(super) struct Input {
    pub(super) framer: Framer,
    pub(super) telnet: Telnet,
    /// Bytes that were read and not looked at: whole lines that wait for pace, slot or answers.
    pub(super) held: Vec<u8>,
    pub(super) eof: bool,
    /// What it is still to hear after its end of file: each room and its head at that time.
    pub(super) last: Option<Box<[(u64, Seq)]>>,
    /// No line is taken until all messages before it are answered: the next one is a request, or
    /// the last one a retry whose first try is on its way.
    pub(super) barrier: bool,
    pub(super) slot: SlotWait,
    pub(super) messages: Pace,
    pub(super) requests: Pace,
    /// Not read before this time: over `limits.message_rate`.
    pub(super) resume_at: Option<Instant>,
    /// Stands at `limits.unacked`; noted so that each time is counted once.
    pub(super) at_unacked: bool,
    /// Faulty lines in a row.
    pub(super) bad: u32,
    /// Requests refused for their rate in a row.
    pub(super) limited: u32,
    /// When a basic session was last told of an error.
    pub(super) last_error: Option<Instant>,
}

/// Whoever seems to have been silent for too long is closed only after the thread has asked the
/// kernel about its sockets once more: when the process was stopped for a while, or the thread was
/// starved, what has come in the meantime lies there unread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum LastLook {
    /// Its patience has not ended.
    #[default]
    NotDue,
    /// A clock that was set after its patience ended will go off at this time: the thread asks about
    /// sockets before it asks about clocks.
    Awaited(Instant),
    /// It went off, so what had come was there to be read.
    Taken,
}

/// The right to append the message that is held back.
#[derive(Debug, Default)]
pub(super) enum SlotWait {
    #[default]
    None,
    Waiting(Box<PollSemaphore>),
    Granted(Slot),
}

/// What a session is to be sent and how far that was written.
#[derive(Debug, Default)]
pub(super) struct Output {
    /// Replies. They wait for `slice`.
    pub(super) outbox: Vec<u8>,
    /// The session has just said something that it will hear in the lane's next turn.
    pub(super) hears_itself: bool,
    /// Answers to what the session has just said wait in `outbox` for the lane's next turn, to go
    /// out in one write with the words that they are about.
    pub(super) goes_with_turn: bool,
    /// How much of `outbox` is written.
    pub(super) sent: usize,
    /// An unfinished write of a room's bytes.
    pub(super) slice: Option<Box<Slice>>,
    /// The page that it waits for: a room, and which of its chunks.
    pub(super) page: Option<(u64, u64)>,
    /// Bytes taken since `timers.stalled`.
    pub(super) progress: usize,
    /// Some room may have been handed out further than the session has heard, and no turn will
    /// serve it: it reads on by itself. False as long as it is live everywhere.
    pub(super) is_behind: bool,
    /// The last that it was given was a piece of a page: its rooms are next.
    pub(super) told_last: bool,
    /// Since when the session has been behind.
    pub(super) behind_since: Option<Instant>,
}

/// A session that is ending.
#[derive(Debug)]
pub(super) struct Closing {
    pub(super) deadline: Instant,
    pub(super) is_half_closed: bool,
    /// It never was a session: it only reads why not.
    pub(super) refused: bool,
}

/// A room that a session is in.
#[derive(Debug)]
pub(super) struct Membership {
    pub(super) room: Arc<Room>,
    /// Its index among the lane's members of the room.
    pub(super) member: usize,
    /// Whether its name stands in the roster. A silent listener's does not.
    pub(super) on_roster: bool,
    /// It asked for what was said before it came and has not caught up since.
    pub(super) replay: Option<Box<Replay>>,
    /// Bytes of the room up to the head at which it joined: older ones do not count as lag.
    pub(super) joined_at: Seq,
}

/// What a session asked for with `since`: the numbers after `from`, up to the head at its joining.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Replay {
    pub(super) from: Seq,
    /// How many of them were named in gaps.
    pub(super) gapped: u64,
    /// The oldest that it is given; below it all is one gap.
    pub(super) floor: Seq,
}

impl Seat {
    /// Whether this is a connection of the daemon's own.
    pub(super) fn is_own(&self) -> bool {
        self.permit.as_ref().is_some_and(Permit::is_own)
    }

    pub(super) fn new(card: Arc<Card>, permit: Option<Permit>, now: Instant) -> Self {
        Self {
            card,
            waker: None,
            permit,
            voice: Voice::Unknown,
            presence: false,
            nick: None,
            identity: None,
            memberships: Vec::new(),
            current: None,
            input: Input::default(),
            output: Output::default(),
            unanswered: Unanswered::default(),
            timers: Timers::new(now),
            telling: None,
            armed: None,
            last_look: LastLook::default(),
            closing: None,
            failed: None,
            is_listener: false,
            spoke: 0,
            trace: None,
        }
    }

    pub(super) fn id(&self) -> SessionId {
        self.card.id
    }

    pub(super) fn wake(&self) {
        if let Some(waker) = &self.waker {
            waker.wake_by_ref();
        }
    }

    /// Whether there is nothing more to it than writing what its rooms have to say.
    pub(super) fn is_plain(&self) -> bool {
        let is_alive = self.closing.is_none() && self.failed.is_none() && !self.input.eof;
        is_alive && !self.is_blocked() && self.waker.is_some() && self.trace.is_none()
    }

    /// It has not been given what its lane has handed out: its own task reads on.
    pub(super) fn fall_behind(&mut self) {
        self.output.is_behind = true;
        self.wake();
    }

    /// Whether bytes wait for the socket.
    pub(super) fn is_blocked(&self) -> bool {
        self.output.slice.is_some() || self.output.waiting() > 0
    }

    /// In whose words it is answered. Who has sent nothing hears what a basic client hears.
    pub(super) fn voice(&self) -> Voice {
        let is_silent = self.voice == Voice::Unknown && self.card.in_bytes.get() == 0;
        if is_silent { Voice::Basic } else { self.voice }
    }

    /// Which shared bytes it gets.
    pub(super) fn profile(&self) -> Profile {
        match self.voice {
            Voice::Unknown | Voice::Basic => Profile::Basic,
            Voice::Full if self.presence => Profile::FullPresence,
            Voice::Full => Profile::Full,
            Voice::Text if self.memberships.len() > 1 => Profile::TextRooms,
            Voice::Text => Profile::Text,
        }
    }

    pub(super) fn membership(&self, room: u64) -> Option<&Membership> {
        self.memberships
            .iter()
            .find(|membership| membership.room.id == room)
    }

    pub(super) fn membership_mut(&mut self, room: u64) -> Option<&mut Membership> {
        self.memberships
            .iter_mut()
            .find(|membership| membership.room.id == room)
    }
}

impl Output {
    /// All replies are written. An idle session owns no buffer.
    pub(super) fn clear(&mut self) {
        self.outbox = Vec::new();
        self.sent = 0;
    }

    /// Bytes of replies that are not written yet.
    pub(super) fn waiting(&self) -> usize {
        self.outbox.len() - self.sent
    }
}
