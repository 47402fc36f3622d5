//! One session as its lane keeps it.

use std::sync::Arc;
use std::task::Waker;

use tokio::time::Instant;
use tokio_util::sync::PollSemaphore;

use super::Conn;
use super::farewell::Closing;
use super::write::Skip;
use crate::close::CloseReason;
use crate::event::{Seq, SessionId};
use crate::hub::{Card, Permit};
use crate::log::{Encoded, Room, Slot};
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
    pub(super) conn: Conn,
    /// Wakes the session's task. None before its first poll.
    pub(super) waker: Option<Waker>,
    /// Its place among `limits.clients`, given back when the session ends.
    pub(super) _permit: Option<Permit>,
    pub(super) voice: Voice,
    /// Hears presence (full dialect).
    pub(super) presence: bool,
    pub(super) nick: Option<Nick>,
    pub(super) identity: Option<u64>,
    pub(super) memberships: Vec<Membership>,
    /// The room that a person's lines go to, by id.
    pub(super) current: Option<u64>,
    pub(super) input: Input,
    pub(super) output: Output,
    pub(super) unanswered: Unanswered,
    pub(super) timers: Timers,
    /// When the lane looks at the timers next.
    pub(super) armed: Option<Instant>,
    pub(super) closing: Option<Closing>,
    /// The socket failed: the session ends at its next step.
    pub(super) failed: Option<CloseReason>,
    /// Counts among `limits.listeners`.
    pub(super) is_listener: bool,
    /// The lane's turn in which this session was the author of something.
    pub(super) spoke: u64,
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
    pub(super) last: Option<Vec<(u64, Seq)>>,
    /// A request waits until all messages before it are answered.
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

/// The right to append the message that is held back.
#[derive(Debug, Default)]
pub(super) enum SlotWait {
    #[default]
    None,
    Waiting(PollSemaphore),
    Granted(Slot),
}

/// What a session is to be sent and how far that was written.
#[derive(Debug, Default)]
pub(super) struct Output {
    /// Replies. They wait for `slice`.
    pub(super) outbox: Vec<u8>,
    /// How much of `outbox` is written.
    pub(super) sent: usize,
    /// An unfinished write of a room's bytes.
    pub(super) slice: Option<Slice>,
    /// Bytes taken since `timers.stalled`.
    pub(super) progress: usize,
    /// Since when the session has been behind.
    pub(super) behind_since: Option<Instant>,
}

/// A shared stretch of a room's bytes that a session has taken in part.
#[derive(Debug)]
pub(super) struct Slice {
    /// Whose bytes they are; none once the session has left that room.
    pub(super) room: Option<u64>,
    pub(super) encoded: Arc<Encoded>,
    pub(super) at: usize,
    /// What of the session's own doings is left out.
    pub(super) skip: Option<Skip>,
    /// Whether it was read from the log.
    pub(super) replayed: bool,
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
    pub(super) replaying: bool,
    /// Bytes of the room up to the head at which it joined: older ones do not count as lag.
    pub(super) joined_at: Seq,
}

impl Seat {
    pub(super) fn new(card: Arc<Card>, conn: Conn, permit: Option<Permit>, now: Instant) -> Self {
        Self {
            card,
            conn,
            waker: None,
            _permit: permit,
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
            armed: None,
            closing: None,
            failed: None,
            is_listener: false,
            spoke: 0,
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
    /// Bytes of replies that are not written yet.
    pub(super) fn waiting(&self) -> usize {
        self.outbox.len() - self.sent
    }
}
