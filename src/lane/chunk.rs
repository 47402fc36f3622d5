//! What sessions that are behind read from a log: aligned chunks, shared by all who want the same.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::event::{Message, Seq};
use crate::log::{Budget, Encoded, Room};
use crate::wire::Profile;

/// Messages of one chunk.
pub(super) const CHUNK: u64 = 64;
/// Bytes after which a chunk ends early.
const CHUNK_BYTES: usize = 64 * 1024;
/// Chunks that are kept for the next reader.
const KEPT: usize = 32;

/// What a session that is behind is to do.
#[derive(Debug)]
pub(super) enum ReadOn {
    /// Go on with this.
    With(Arc<Encoded>),
    /// Wait until this chunk has been read from the store.
    Wait(u64),
}

/// The chunks read last, newest last.
#[derive(Debug, Default)]
pub(super) struct Chunks(VecDeque<Chunk>);

#[derive(Debug)]
struct Chunk {
    room: u64,
    profile: Profile,
    encoded: Arc<Encoded>,
    /// Whether no later reader can find more in it.
    full: bool,
}

impl Chunks {
    /// The chunk that a session at `cursor` reads next. It may begin below the cursor, and it is
    /// empty where there is nothing more.
    pub(super) fn read(
        &mut self,
        room: &Room,
        profile: Profile,
        cursor: Seq,
        budget: &Arc<Budget>,
    ) -> ReadOn {
        let head = room.head();
        let known = self.0.iter().rposition(|chunk| {
            let encoded = &chunk.encoded;
            chunk.room == room.id
                && chunk.profile == profile
                && encoded.before <= cursor
                && cursor < encoded.last
                && (chunk.full || encoded.last == head)
        });
        if let Some(at) = known {
            return ReadOn::With(self.0[at].encoded.clone());
        }
        if room.key().is_some() && cursor < head && cursor + 1 < room.recent_from() {
            return ReadOn::Wait(cursor / CHUNK);
        }
        let end = (cursor / CHUNK + 1) * CHUNK;
        let mut messages = room.read(cursor + 1, end);
        if messages.first().is_some_and(|first| first.seq > cursor + 1) {
            // Forgotten between the look at the floor and now: the caller looks again.
            messages.clear();
        }
        let mut bytes = 0;
        let fits = messages
            .iter()
            .take_while(|message| {
                let fits = bytes < CHUNK_BYTES;
                bytes += message.text.len();
                fits
            })
            .count();
        let full = fits < messages.len() || messages.last().is_some_and(|last| last.seq == end);
        let messages = &messages[..fits];
        let encoded = Arc::new(Encoded::of_messages(room, profile, cursor, messages));
        encoded.charge(budget);
        self.keep(room, profile, full, &encoded);
        ReadOn::With(encoded)
    }

    /// Takes in what was read from the store, for all who want the same.
    pub(super) fn keep_page(
        &mut self,
        room: &Room,
        profile: Profile,
        messages: &[Arc<Message>],
        budget: &Arc<Budget>,
    ) {
        let Some(first) = messages.first() else {
            return;
        };
        let before = first.seq - 1;
        let is_known = self.0.iter().any(|chunk| {
            let encoded = &chunk.encoded;
            chunk.room == room.id && chunk.profile == profile && encoded.before == before
        });
        if !is_known {
            let encoded = Arc::new(Encoded::of_messages(room, profile, before, messages));
            encoded.charge(budget);
            // There may be more by now: who comes to its end looks again.
            self.keep(room, profile, true, &encoded);
        }
    }

    fn keep(&mut self, room: &Room, profile: Profile, full: bool, encoded: &Arc<Encoded>) {
        if encoded.bytes.is_empty() {
            return;
        }
        if self.0.len() == KEPT {
            self.0.pop_front();
        }
        self.0.push_back(Chunk {
            room: room.id,
            profile,
            encoded: encoded.clone(),
            full,
        });
    }

    /// Lets all of them go.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}
