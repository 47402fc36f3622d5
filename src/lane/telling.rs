//! A page of history that a session is being told: how far it came, and what is held of it.

use std::ops::RangeInclusive;
use std::sync::Arc;

use crate::event::{Message, Seq};
use crate::log::{self, Room};
use crate::mail::Page;

/// Bytes of texts of one piece that are held until they are told.
const HELD: usize = 64 * 1024;

/// A page that a session is being told.
#[derive(Debug)]
pub(super) struct Telling {
    pub(super) room: Arc<Room>,
    /// What every line of it carries. Empty if the request had none: the lines have to be told from
    /// what is said now.
    pub(super) label: Box<str>,
    pub(super) page: log::Page,
    /// The next number.
    pub(super) next: Seq,
    /// The store is being asked for what comes next.
    pub(super) is_asked: bool,
    /// What the store had, or what of it is not told yet.
    pub(super) found: Option<Page>,
    /// How many messages are asked for at once: fewer where they are long.
    pub(super) span: u64,
}

impl Telling {
    /// The numbers of the next piece.
    pub(super) fn numbers(&self) -> RangeInclusive<Seq> {
        self.next..=self.page.last.min(self.next + self.span - 1)
    }

    /// As much of what was read as may be held. Where that is not all, less is asked for from then on.
    pub(super) fn held(&mut self, page: Page) -> Page {
        let Page::Messages(mut messages) = page else {
            return page;
        };
        let mut bytes = 0;
        let mut fits = |message: &&Arc<Message>| {
            bytes += message.text.len();
            bytes <= HELD
        };
        let count = messages
            .iter()
            .take_while(|message| fits(message))
            .count()
            .max(1);
        if count < messages.len() {
            messages.truncate(count);
            self.span = count as u64;
        }
        Page::Messages(messages)
    }

    /// What was read from the store and not told is not read again.
    pub(super) fn keep_rest(&mut self, mut messages: Vec<Arc<Message>>, told: u64) {
        let is_in_store = self.room.key().is_some();
        let told = usize::try_from(told).unwrap_or(usize::MAX);
        if is_in_store && told > 0 && told < messages.len() && self.next <= self.page.last {
            messages.drain(..told);
            let messages = Page::Messages(messages);
            self.found = Some(self.held(messages));
        }
    }

    /// The next number that can still be read is `there`.
    pub(super) fn meet(&mut self, there: Seq) {
        if there <= self.next || self.next > self.page.last {
            return;
        }
        if self.next > self.page.first {
            self.page.last = self.next - 1;
            self.page.more = true;
        } else {
            self.page.first = there;
            self.next = there;
        }
    }
}
