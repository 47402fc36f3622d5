//! What everybody may know of a session without asking its lane.
//!
//! The lane that owns the session is the only writer; the operator's side only reads. So
//! `chatctl list-clients` answers while every worker is busy.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::Instant;

use crate::close::Ending;
use crate::event::{GapReason, SessionId};
use crate::mail::{Mailbox, Note};
use crate::meter::Counter;
use crate::name::{Nick, RoomName};
use crate::words::words;

words! {
    /// How a session speaks.
    #[derive(Default)]
    pub enum Dialect {
        /// Nothing sent yet: a silent listener.
        #[default]
        None = "none",
        /// Two fields.
        Basic = "basic",
        /// A person with netcat or telnet.
        Text = "text",
        /// Everything.
        Full = "full",
    }
}

words! {
    /// How a session fares.
    #[derive(Default)]
    pub enum SessionState {
        /// Has not completed a first line.
        #[default]
        New = "new",
        /// Hears everything as it is said.
        Live = "live",
        /// Has bytes waiting.
        Behind = "behind",
        /// Has been told `bye`.
        Closing = "closing",
    }
}

/// One session as the operator sees it.
#[derive(Debug)]
pub struct Card {
    /// Its id.
    pub id: SessionId,
    /// Where it comes from.
    pub addr: SocketAddr,
    /// When it was accepted, in milliseconds since 1970 UTC.
    pub connected_ms: i64,
    /// When it was accepted, on the monotonic clock.
    pub connected: Instant,
    /// Messages that it sent and that were carried out.
    pub in_msgs: Counter,
    /// Messages written to it.
    pub out_msgs: Counter,
    /// Bytes read from it.
    pub in_bytes: Counter,
    /// Bytes written to it.
    pub out_bytes: Counter,
    /// Numbered messages that it has not been given yet, as of the last look of its lane.
    pub lag_msgs: AtomicU64,
    /// Largest `lag_msgs` ever seen.
    pub lag_peak: AtomicU64,
    /// For how long it has been behind, in milliseconds; 0 when it is not.
    pub lag_ms: AtomicU64,
    /// When it last sent a whole line, in milliseconds after `connected`.
    pub last_line_ms: AtomicU64,
    /// Messages that it was told it will not hear.
    pub gap_msgs: Counter,
    paced: AtomicU32,
    /// Why numbers were missing last: its place among all reasons and 1; 0 is never.
    last_gap: AtomicU8,
    dialect: AtomicU8,
    state: AtomicU8,
    text: Mutex<CardText>,
    lane: Arc<Mailbox>,
}

/// The parts of a card that are text.
#[derive(Clone, Debug, Default)]
pub struct CardText {
    /// What it is called; none before it has claimed a name.
    pub nick: Option<Nick>,
    /// The rooms it is in. Most are in one for life: no capacity is kept.
    pub rooms: Box<[RoomName]>,
    /// What it says it is ("name/version"), unchecked text of a stranger.
    pub client: Option<Box<str>>,
}

impl CardText {
    /// It has come into a room.
    pub fn enter(&mut self, room: RoomName) {
        let rooms = std::mem::take(&mut self.rooms).into_iter();
        self.rooms = rooms.chain([room]).collect();
    }

    /// It has left a room.
    pub fn leave(&mut self, room: &RoomName) {
        let rooms = std::mem::take(&mut self.rooms).into_iter();
        self.rooms = rooms.filter(|other| other != room).collect();
    }
}

impl Card {
    /// The card of a session that was just accepted and belongs to the lane with this mailbox.
    pub fn new(id: SessionId, addr: SocketAddr, connected_ms: i64, lane: Arc<Mailbox>) -> Self {
        Self {
            id,
            addr,
            connected_ms,
            connected: Instant::now(),
            in_msgs: Counter::default(),
            out_msgs: Counter::default(),
            in_bytes: Counter::default(),
            out_bytes: Counter::default(),
            lag_msgs: AtomicU64::new(0),
            lag_peak: AtomicU64::new(0),
            lag_ms: AtomicU64::new(0),
            last_line_ms: AtomicU64::new(0),
            gap_msgs: Counter::default(),
            paced: AtomicU32::new(0),
            last_gap: AtomicU8::new(0),
            dialect: AtomicU8::new(Dialect::None as u8),
            state: AtomicU8::new(SessionState::New as u8),
            text: Mutex::default(),
            lane,
        }
    }

    /// How it speaks.
    pub fn dialect(&self) -> Dialect {
        Dialect::ALL[usize::from(self.dialect.load(Relaxed))]
    }

    /// Its lane has learned how it speaks.
    pub fn set_dialect(&self, dialect: Dialect) {
        self.dialect.store(dialect as u8, Relaxed);
    }

    /// How it fares.
    pub fn state(&self) -> SessionState {
        SessionState::ALL[usize::from(self.state.load(Relaxed))]
    }

    /// Its lane has seen how it fares.
    pub fn set_state(&self, state: SessionState) {
        self.state.store(state as u8, Relaxed);
    }

    /// Times that it was not read for a while because it was over its rate; at 2³²−1 it stays there.
    pub fn paced(&self) -> u64 {
        self.paced.load(Relaxed).into()
    }

    /// Its lane does not read it for a while.
    pub fn note_paced(&self) {
        // Only its lane writes.
        let more = self.paced.load(Relaxed).saturating_add(1);
        self.paced.store(more, Relaxed);
    }

    /// Its texts, copied.
    pub fn text(&self) -> CardText {
        self.text
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Changes its texts.
    pub fn edit(&self, change: impl FnOnce(&mut CardText)) {
        change(&mut self.text.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Its lane notes how far it is behind.
    pub fn set_lag(&self, msgs: u64, ms: u64) {
        self.lag_msgs.store(msgs, Relaxed);
        self.lag_ms.store(ms, Relaxed);
        if msgs > self.lag_peak.load(Relaxed) {
            self.lag_peak.store(msgs, Relaxed);
        }
    }

    /// Its lane has told it that numbers are missing.
    pub fn note_gap(&self, reason: GapReason, messages: u64) {
        self.gap_msgs.add(messages);
        self.last_gap.store(reason as u8 + 1, Relaxed);
    }

    /// Why numbers were missing last; none if they never were.
    pub fn last_gap(&self) -> Option<GapReason> {
        let place = self.last_gap.load(Relaxed).checked_sub(1)?;
        GapReason::ALL.get(usize::from(place)).copied()
    }

    /// Asks its lane to end it. `text` is what the client reads in its `bye`.
    pub fn close(&self, ending: impl Into<Ending>, text: Option<Box<str>>) {
        self.lane.post(Note::Close {
            session: self.id,
            ending: ending.into(),
            text,
        });
    }

    /// The mailbox of the lane that owns it.
    pub fn lane(&self) -> &Arc<Mailbox> {
        &self.lane
    }
}
