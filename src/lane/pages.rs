//! What has to be read from the store for sessions that are behind, and who waits for it.
//!
//! A lane asks and goes on; the answer comes as a note. Everybody who wants the same page waits for
//! one question. A lane has only so many questions under way; the rest stand in line.

use std::collections::VecDeque;
use std::sync::Arc;

use rustc_hash::FxHashMap;
use tokio::time::Instant;

use super::Lane;
use super::chunk::CHUNK;
use crate::event::{Message, SessionId};
use crate::log::Room;
use crate::mail::Page;

/// Questions of one lane that are under way at once.
const UNDER_WAY: usize = 16;

/// A page: a room, and which of its chunks.
type Key = (u64, u64);

#[derive(Debug, Default)]
pub(super) struct Pages {
    asked: FxHashMap<Key, Asked>,
    line: VecDeque<Key>,
    under_way: usize,
    /// Those whose page could not be read. They try again at the next second.
    disappointed: Vec<SessionId>,
}

#[derive(Debug)]
struct Asked {
    room: Arc<Room>,
    waiting: Vec<SessionId>,
}

impl Lane {
    /// A session waits for the page in which its next message is.
    pub(super) fn wait_for_page(&mut self, at: usize, room: &Arc<Room>, chunk: u64) {
        let key = (room.id, chunk);
        let id = self.seats[at].id();
        if self.seats[at].output.page.replace(key) == Some(key) {
            return;
        }
        if let Some(asked) = self.pages.asked.get_mut(&key) {
            return asked.waiting.push(id);
        }
        let asked = Asked {
            room: room.clone(),
            waiting: vec![id],
        };
        self.pages.asked.insert(key, asked);
        self.pages.line.push_back(key);
        self.ask_for_pages();
    }

    fn ask_for_pages(&mut self) {
        while self.pages.under_way < UNDER_WAY
            && let Some(key) = self.pages.line.pop_front()
        {
            let Some(asked) = self.pages.asked.get(&key) else {
                continue;
            };
            self.pages.under_way += 1;
            if !self
                .hub
                .log
                .ask_page(&asked.room, key.1, CHUNK, &self.mailbox)
            {
                self.take_page(key.0, key.1, Page::Unreadable);
            }
        }
    }

    /// A page has come. Whoever waits for it reads on in it at once: it need not be kept for them.
    pub(super) fn take_page(&mut self, room: u64, chunk: u64, page: Page) {
        let key = (room, chunk);
        self.pages.under_way = self.pages.under_way.saturating_sub(1);
        let Some(Asked { room, waiting }) = self.pages.asked.remove(&key) else {
            return self.ask_for_pages();
        };
        let messages = match page {
            Page::Messages(messages) => Some(messages),
            Page::Damaged => {
                room.give_up((chunk + 1) * CHUNK);
                Some(Vec::new())
            }
            Page::Unreadable => None,
        };
        if let Some(messages) = &messages {
            give_up_holes(&room, chunk, messages);
        }
        let now = Instant::now();
        for id in waiting {
            let Some(&at) = self.by_id.get(&id) else {
                continue;
            };
            if self.seats[at]
                .output
                .page
                .take_if(|page| *page == key)
                .is_none()
            {
                continue;
            }
            match &messages {
                None => self.pages.disappointed.push(id),
                Some(messages) => self.read_page(at, &room, messages, now),
            }
        }
        self.ask_for_pages();
    }

    fn read_page(&mut self, at: usize, room: &Arc<Room>, messages: &[Arc<Message>], now: Instant) {
        let seat = &mut self.seats[at];
        seat.wake();
        let is_there = seat.membership(room.id).is_some();
        if is_there && seat.output.slice.is_none() && seat.closing.is_none() {
            let profile = seat.profile();
            self.chunks
                .keep_page(room, profile, messages, &self.hub.budget);
            self.read_on(at, room, now);
        }
    }

    /// Once a second: who was disappointed tries again.
    pub(super) fn try_pages_again(&mut self) {
        for id in std::mem::take(&mut self.pages.disappointed) {
            if let Some(&at) = self.by_id.get(&id) {
                self.seats[at].wake();
            }
        }
    }
}

/// What should be there and is not will not be there the next time either: the room begins after it.
fn give_up_holes(room: &Room, chunk: u64, messages: &[Arc<Message>]) {
    let first = room.reach().first.max(chunk * CHUNK + 1);
    let end = room.head().min((chunk + 1) * CHUNK);
    let mut expected = first;
    for message in messages {
        if message.seq > expected {
            room.give_up(message.seq - 1);
        }
        expected = expected.max(message.seq + 1);
    }
    if messages.is_empty() && first <= end {
        room.give_up(end);
    }
}
