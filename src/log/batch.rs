//! What the committer hands out, and its bytes: encoded once per profile, shared by all lanes.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use tokio::time::Instant;

use super::Room;
use crate::event::{Event, Message, Seq, SessionId};
use crate::wire::{self, Profile};

/// What a line has besides its text, mostly.
const LINE: usize = 160;

/// One commit turn of one room: the same for every lane.
#[derive(Debug)]
pub struct Batch {
    /// The head before this batch: what a lane's `pos` has to be when it hands it out.
    pub before: Seq,
    /// The head after this batch.
    pub head: Seq,
    /// What happened, in order.
    pub events: Vec<Event>,
    /// When the first of its messages arrived at the daemon, if it is one of those whose delivery is timed.
    pub born: Option<Instant>,
    encoded: [OnceLock<Arc<Encoded>>; Profile::ALL.len()],
}

impl Batch {
    /// Events that move the head from `before` to `head`.
    pub fn new(before: Seq, head: Seq, events: Vec<Event>, born: Option<Instant>) -> Self {
        Self {
            before,
            head,
            events,
            born,
            encoded: Default::default(),
        }
    }

    /// Bytes of the texts of its messages.
    pub fn text_len(&self) -> usize {
        let text = |event: &Event| match event {
            Event::Message(message) => message.text.len(),
            Event::Presence(_) | Event::Topic(..) => 0,
        };
        self.events.iter().map(text).sum()
    }

    /// Whether some of its events are presence, or anything else that the log does not keep.
    pub fn has_presence(&self) -> bool {
        self.events
            .iter()
            .any(|event| !matches!(event, Event::Message(_)))
    }

    /// Its bytes in this profile, made by the first lane that asks.
    pub fn encoded(&self, room: &Room, profile: Profile) -> &Arc<Encoded> {
        self.encoded[profile as usize].get_or_init(|| {
            let mut encoded = Encoded::new(self.before, self.head);
            encoded
                .bytes
                .reserve(self.text_len() + LINE * self.events.len());
            encoded.lines.reserve_exact(self.events.len());
            for event in &self.events {
                encoded.push(room, profile, event);
            }
            Arc::new(encoded)
        })
    }
}

/// One line of an [`Encoded`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// Where it ends, its line end included; it begins where the one before ends.
    pub end: u32,
    /// Its number; none for presence and topics.
    pub seq: Option<Seq>,
    /// Whose doing it is.
    pub author: SessionId,
}

/// Whole lines of one room in one profile, in one piece of memory.
#[derive(Debug, Default)]
pub struct Encoded {
    /// The number before its first.
    pub before: Seq,
    /// Its last number.
    pub last: Seq,
    /// The lines, one after another.
    pub bytes: Vec<u8>,
    /// Where each ends.
    pub lines: Vec<Line>,
    /// How many of the lines are messages; the others are presence.
    pub messages: u64,
    charge: OnceLock<Charge>,
}

impl Encoded {
    /// No lines yet, for the numbers after `before` up to `last`.
    pub fn new(before: Seq, last: Seq) -> Self {
        Self {
            before,
            last,
            ..Self::default()
        }
    }

    /// The messages as lines. `before` is the number before the first of them.
    pub fn of_messages(
        room: &Room,
        profile: Profile,
        before: Seq,
        messages: &[Arc<Message>],
    ) -> Self {
        let mut encoded = Self::new(before, messages.last().map_or(before, |last| last.seq));
        for message in messages {
            encoded.push(room, profile, &Event::Message(message.clone()));
        }
        encoded
    }

    fn push(&mut self, room: &Room, profile: Profile, event: &Event) {
        let start = self.bytes.len();
        wire::encode_event(profile, &room.name, event, &mut self.bytes);
        let seq = match event {
            Event::Message(message) => Some(message.seq),
            Event::Presence(_) | Event::Topic(..) => None,
        };
        if self.bytes.len() > start {
            self.messages += u64::from(seq.is_some());
            self.lines.push(Line {
                end: self.bytes.len() as u32,
                seq,
                author: event.author(),
            });
        }
    }

    /// Adds another stretch of the same room and profile that follows this one.
    pub fn extend(&mut self, other: &Self) {
        let offset = self.bytes.len() as u32;
        self.bytes.extend_from_slice(&other.bytes);
        self.lines.extend(other.lines.iter().map(|line| Line {
            end: line.end + offset,
            ..*line
        }));
        self.last = other.last;
        self.messages += other.messages;
    }

    /// Where the lines begin that a session at `cursor` has not heard.
    pub fn after(&self, cursor: Seq) -> usize {
        if cursor <= self.before {
            return 0;
        }
        let heard = self
            .lines
            .iter()
            .rposition(|line| line.seq.is_some_and(|seq| seq <= cursor));
        heard.map_or(0, |at| self.lines[at].end as usize)
    }

    /// How many messages and how many lines of presence end after `from` and not after `to`.
    pub fn count(&self, from: usize, to: usize) -> (u64, u64) {
        if from == 0 && to == self.bytes.len() {
            return (self.messages, self.lines.len() as u64 - self.messages);
        }
        let ended = |at: usize| self.lines.partition_point(|line| line.end as usize <= at);
        let lines = &self.lines[ended(from)..ended(to)];
        let messages = lines.iter().filter(|line| line.seq.is_some()).count() as u64;
        (messages, lines.len() as u64 - messages)
    }

    /// Whether some of the lines are presence.
    pub fn has_presence(&self) -> bool {
        self.messages < self.lines.len() as u64
    }

    /// Whether some of the lines that end after the byte `at` are presence.
    pub fn has_presence_after(&self, at: usize) -> bool {
        self.has_presence() && self.count(at, self.bytes.len()).1 > 0
    }

    /// Where the line ends that holds the byte at `at`.
    pub fn line_end(&self, at: usize) -> usize {
        let line = self.lines.partition_point(|line| (line.end as usize) <= at);
        self.lines
            .get(line)
            .map_or(self.bytes.len(), |line| line.end as usize)
    }

    /// The last number that is wholly before the byte `at`.
    pub fn seq_before(&self, at: usize) -> Seq {
        let lines = self.lines.partition_point(|line| (line.end as usize) <= at);
        self.lines[..lines]
            .iter()
            .rev()
            .find_map(|line| line.seq)
            .unwrap_or(self.before)
    }

    /// Counts these bytes against the budget until the last holder lets go. Only the first call counts.
    pub fn charge(&self, budget: &Arc<Budget>) {
        self.charge.get_or_init(|| {
            budget.used.fetch_add(self.bytes.len(), Ordering::Relaxed);
            Charge {
                budget: budget.clone(),
                bytes: self.bytes.len(),
            }
        });
    }
}

/// Bytes that count against a budget while this lives.
#[derive(Debug)]
struct Charge {
    budget: Arc<Budget>,
    bytes: usize,
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// The encoded bytes kept for all sessions that are behind (`limits.buffer_bytes`).
#[derive(Debug, Default)]
pub struct Budget {
    used: AtomicUsize,
}

impl Budget {
    /// Bytes kept now.
    pub fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }
}
