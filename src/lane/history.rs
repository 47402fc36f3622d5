//! Pages of history: told as the socket takes them, one at a time.
//!
//! # Rules
//! 1. Which numbers a page has is decided when it is asked for. A session is not read while it has
//!    a page to be told: so there is one, and what it asks next is answered next.
//! 2. A piece of a page is made when everything before it is written, in turn with what is said in
//!    the session's rooms: a page costs no more memory than one piece.
//! 3. A page is contiguous. What retention removes while it is told ends it, and it says `more`.

use std::sync::Arc;

use super::Lane;
use super::pump::Next;
use super::reply::About;
use super::telling::Telling;
use crate::event::{GapReason, Message, SessionId};
use crate::fault::ErrorCode;
use crate::log::{self, RETRY_AFTER, Room};
use crate::mail::Page;
use crate::wire::{Flaw, PageStart, Reply, encode_past, escaped_len};

/// Messages of a page if the request names no `limit`.
const PAGE: usize = 100;
/// Bytes of a page after which a piece ends: a line more at most.
const PIECE: usize = 16 * 1024;
/// Messages that are read for one piece at most.
const PIECE_MESSAGES: u64 = 128;
/// Longest label of a page, escaped: each line of the answer has it beside the longest text.
const LABEL: usize = 120;

/// Where the next messages of a page are.
enum Piece {
    There(Vec<Arc<Message>>),
    Coming,
    Unreadable,
}

impl Lane {
    /// Begins to tell a page, or says at once that it cannot be had.
    ///
    /// # Errors
    /// `bad_field` if the label is too long with its escapes.
    pub(super) fn begin_page(
        &mut self,
        at: usize,
        room: Arc<Room>,
        epoch: Option<&str>,
        (start, limit): (PageStart, Option<usize>),
        label: Option<&str>,
    ) -> Result<(), Flaw> {
        if label.is_some_and(|label| escaped_len(label) > LABEL) {
            return Err(Flaw::bad("label", "at most 120 bytes with its escapes"));
        }
        let reach = room.reach();
        if epoch.is_some_and(|epoch| epoch != room.epoch.as_str()) {
            let expired = Reply::HistoryExpired {
                room: &room.name,
                epoch: &room.epoch,
                first: reach.first,
            };
            self.reject(at, ErrorCode::HistoryExpired.into());
            self.reply_to(at, &expired, label);
            return Ok(());
        }
        let limit = limit.unwrap_or(PAGE).min(self.limits.history_page);
        let page = log::Page::of(reach, start, limit as u64);
        self.meter.history_pages.add(1);
        self.seats[at].telling = Some(Box::new(Telling {
            room,
            label: label.unwrap_or_default().into(),
            page,
            next: page.first,
            is_asked: false,
            found: None,
            span: PIECE_MESSAGES,
        }));
        Ok(())
    }

    /// Puts the next piece of a page into the outbox, which is empty; nothing where there is no page,
    /// and where the piece has to be read from the store first.
    pub(super) fn tell_on(&mut self, at: usize) -> Next {
        let Some(mut telling) = self.seats[at].telling.take() else {
            return Next::Nothing;
        };
        let messages = match self.piece(at, &mut telling) {
            Piece::There(messages) => messages,
            Piece::Coming => {
                self.seats[at].telling = Some(telling);
                return Next::Reading;
            }
            Piece::Unreadable => {
                let about = About {
                    label: Some(&telling.label),
                    room: Some(telling.room.name.as_str()),
                    retry_after: Some(RETRY_AFTER),
                    ..About::default()
                };
                let text = "the history cannot be read now; try again";
                self.refuse(at, ErrorCode::StoreUnavailable, text, about);
                return Next::More;
            }
        };
        let told = self.tell_piece(at, &mut telling, &messages);
        telling.keep_rest(messages, told);
        self.meter.history_messages.add(told);
        self.seats[at].card.out_msgs.add(told);
        if telling.next <= telling.page.last {
            self.seats[at].telling = Some(telling);
            return Next::More;
        }
        let Telling {
            room, label, page, ..
        } = &*telling;
        let end = Reply::History {
            room: &room.name,
            epoch: &room.epoch,
            first: page.first,
            last: page.last,
            more: page.more,
        };
        self.reply_to(at, &end, Some(label));
        Next::More
    }

    /// The next messages of a page, from memory where they are there.
    fn piece(&mut self, at: usize, telling: &mut Telling) -> Piece {
        if let Some(found) = telling.found.take() {
            return match found {
                Page::Messages(messages) => Piece::There(messages),
                Page::Damaged => Piece::There(Vec::new()),
                Page::Unreadable => Piece::Unreadable,
            };
        }
        let numbers = telling.numbers();
        let messages = telling.room.read(*numbers.start(), *numbers.end());
        let is_whole = messages
            .first()
            .is_some_and(|first| first.seq == telling.next);
        if is_whole || numbers.is_empty() || telling.room.key().is_none() {
            return Piece::There(messages);
        }
        if telling.is_asked {
            return Piece::Coming;
        }
        let (room, session) = (&telling.room, self.seats[at].id());
        telling.is_asked = self.hub.log.ask_past(room, numbers, session, &self.mailbox);
        if telling.is_asked {
            Piece::Coming
        } else {
            Piece::Unreadable
        }
    }

    /// What a session's page goes on with has been read from the store.
    pub(super) fn take_past(&mut self, session: SessionId, page: Page) {
        let Some(&at) = self.by_id.get(&session) else {
            return;
        };
        let seat = &mut self.seats[at];
        if let Some(telling) = seat.telling.as_mut().filter(|telling| telling.is_asked) {
            telling.is_asked = false;
            if matches!(page, Page::Damaged) {
                telling.room.give_up(*telling.numbers().end());
            }
            telling.found = Some(telling.held(page));
            seat.wake();
        }
    }

    /// How many messages the piece has.
    fn tell_piece(&mut self, at: usize, telling: &mut Telling, messages: &[Arc<Message>]) -> u64 {
        let is_begun = telling.next > telling.page.first;
        let beyond = telling.numbers().end() + 1;
        telling.meet(messages.first().map_or(beyond, |message| message.seq));
        if !is_begun && (!messages.is_empty() || telling.next > telling.page.last) {
            self.tell_gap(at, telling);
        }
        let seat = &mut self.seats[at];
        let before = telling.next;
        for message in messages {
            let is_next = message.seq == telling.next && telling.next <= telling.page.last;
            if !is_next || seat.output.outbox.len() >= PIECE {
                break;
            }
            let outbox = &mut seat.output.outbox;
            encode_past(
                seat.voice,
                &telling.room.name,
                message,
                &telling.label,
                outbox,
            );
            telling.next = message.seq + 1;
        }
        telling.next - before
    }

    fn tell_gap(&mut self, at: usize, telling: &Telling) {
        let Some(from_to) = telling.page.gap() else {
            return;
        };
        let gap = Reply::Gap {
            room: &telling.room.name,
            epoch: &telling.room.epoch,
            from_to: Some(from_to),
            reason: GapReason::HistoryExpired,
            recoverable: false,
        };
        self.reply_to(at, &gap, Some(&telling.label));
    }
}
